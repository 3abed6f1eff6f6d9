//! When lines may be printed while one is typed.
//!
//! rustyline prints from outside only while it reads. Around that there are moments in which a printed line would land
//! between the typed line and its answer, or in the middle of a password. The gate is open exactly while a chat line
//! is being edited: the prompt opens it, Enter shuts it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct State {
    open: bool,
    printing: bool,
    /// Something was being printed when the gate was shut: where it landed is unknown.
    crossed: bool,
    ended: bool,
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

    /// Waits until printing is allowed, and begins it. `false`: never again.
    pub(super) fn enter(&self) -> bool {
        let mut state = self.state();
        while !state.open && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.printing = !state.ended;
        !state.ended
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
        // The state is a few flags: whoever panicked with it left it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::Gate;

    #[test]
    fn printing_waits_until_the_gate_opens() {
        let gate = Arc::new(Gate::default());
        let (told, tells) = mpsc::channel();
        let printer = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || {
                let may = gate.enter();
                told.send(may).is_ok()
            })
        };
        assert!(tells.try_recv().is_err());
        gate.open();
        assert_eq!(tells.recv(), Ok(true));
        assert!(printer.join().is_ok());
        gate.shut();
        assert!(gate.was_crossed());
        gate.leave();
        gate.open();
        gate.shut();
        assert!(!gate.was_crossed());
    }

    #[test]
    fn the_end_frees_whoever_waits() {
        let gate = Arc::new(Gate::default());
        let printer = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || gate.enter())
        };
        gate.end();
        assert!(matches!(printer.join(), Ok(false)));
    }
}
