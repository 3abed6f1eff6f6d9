//! What is printed while a line is typed, and when.
//!
//! rustyline prints from outside only while it reads. Around that there are moments in which a printed line would land
//! between the typed line and its answer, or in the middle of a password. The gate is open exactly while a chat line
//! is being edited: the prompt opens it, Enter shuts it. What waits behind it then is shown before anything else that
//! comes, so that lines stand in the order in which they were told.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Lines that may wait while something else holds the screen (a list of completions). More are counted and dropped;
/// the history has them.
const QUEUE: usize = 1024;

/// Up and down again: nothing moves, and rustyline draws the prompt anew.
const REPAINT: &str = "\x1b[A\n";

#[derive(Debug, Default)]
struct State {
    open: bool,
    printing: bool,
    /// Something was being printed when the gate was shut: where it landed is unknown.
    crossed: bool,
    ended: bool,
    lines: Vec<String>,
    /// The prompt is to be drawn anew, if nothing is printed that does so anyway.
    repaint: bool,
}

/// Between the thread that reads and the one that prints.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    /// A chat line is being edited from now on.
    pub(super) fn open(&self) {
        self.state().open = true;
        self.changed.notify_all();
    }

    /// Enter was pressed.
    pub(super) fn shut(&self) {
        let mut state = self.state();
        state.open = false;
        state.crossed = state.printing;
    }

    /// Whether a print was under way when the gate was last shut.
    pub(super) fn was_crossed(&self) -> bool {
        self.state().crossed
    }

    /// To be printed when the gate is open. `false`: too much waits, and this is lost.
    pub(super) fn push(&self, text: &str) -> bool {
        let mut state = self.state();
        let has_room = state.lines.len() < QUEUE;
        if has_room {
            state.lines.push(text.to_owned());
            self.changed.notify_all();
        }
        has_room
    }

    /// The prompt says something else now.
    pub(super) fn repaint(&self) {
        self.state().repaint = true;
        self.changed.notify_all();
    }

    /// What waits, for somebody who prints it now and without the gate.
    pub(super) fn take(&self) -> String {
        let mut state = self.state();
        state.repaint = false;
        state.lines.drain(..).collect()
    }

    /// Whether nothing waits and nothing is being printed.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        state.lines.is_empty() && !state.printing
    }

    /// Waits until there is something to print and printing is allowed, and begins it. `None`: never again.
    pub(super) fn enter(&self) -> Option<String> {
        let mut state = self.state();
        while !state.ended && !(state.open && (state.repaint || !state.lines.is_empty())) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended {
            return None;
        }
        state.printing = true;
        state.repaint = false;
        // All of it at once: each print draws the prompt anew.
        let text: String = state.lines.drain(..).collect();
        Some(if text.is_empty() { REPAINT.to_owned() } else { text })
    }

    /// The print is done.
    pub(super) fn leave(&self) {
        self.state().printing = false;
    }

    /// Nothing is printed any more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is a few flags and lines: whoever panicked with it left it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::{Gate, QUEUE, REPAINT};

    #[test]
    fn printing_waits_until_the_gate_opens() {
        let gate = Arc::new(Gate::default());
        let (told, tells) = mpsc::channel();
        let printer = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || {
                let text = gate.enter();
                told.send(text).is_ok()
            })
        };
        assert!(gate.push("one\n") && gate.push("two\n"));
        gate.repaint();
        assert!(tells.try_recv().is_err());
        gate.open();
        assert_eq!(tells.recv(), Ok(Some("one\ntwo\n".to_owned())), "one print, which draws the prompt anew");
        assert!(printer.join().is_ok());
        gate.shut();
        assert!(gate.was_crossed() && !gate.is_idle());
        gate.leave();
        gate.open();
        gate.shut();
        assert!(!gate.was_crossed() && gate.is_idle());
        gate.repaint();
        gate.open();
        assert_eq!(gate.enter().as_deref(), Some(REPAINT));
    }

    #[test]
    fn what_waits_behind_a_shut_gate_is_there_for_whoever_prints_next() {
        let gate = Gate::default();
        gate.open();
        gate.shut();
        assert!(gate.push("[1] alice\n"));
        assert_eq!(gate.take(), "[1] alice\n");
        assert!(gate.is_idle() && gate.take().is_empty());
    }

    #[test]
    fn no_more_waits_than_there_is_room_for() {
        let gate = Gate::default();
        for _ in 0..QUEUE {
            assert!(gate.push("x\n"));
        }
        assert!(!gate.push("y\n"));
    }

    #[test]
    fn the_end_frees_whoever_waits() {
        let gate = Arc::new(Gate::default());
        let printer = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || gate.enter())
        };
        gate.end();
        assert!(matches!(printer.join(), Ok(None)));
    }
}
