//! What rustyline asks while a line is edited: completion, hints, the mask of a password, keys of our own.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustyline::{
    Cmd, ConditionalEventHandler, Context, Event, EventContext, Helper, KeyCode, KeyEvent, Modifiers, RepeatCount,
    completion::{Candidate, Completer},
    highlight::{CmdKind, Highlighter},
    hint::{Hint, Hinter},
    validate::{ValidationContext, ValidationResult, Validator},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    complete::{Known, Offer, complete, usage_hint},
    gate::Gate,
};

/// The engine takes repeats within this time as one, and so does this thread.
const TYPING_PAUSE: Duration = Duration::from_secs(3);

/// What the threads around the editor share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) gate: Arc<Gate>,
    pub(super) known: Mutex<Known>,
    /// A password is typed: nothing of it is shown.
    pub(super) secret: AtomicBool,
    /// A question is answered: that is no typing to a friend.
    pub(super) asking: AtomicBool,
    /// Alt-A ended the line.
    pub(super) next_unread: AtomicBool,
    /// Something stands in the line.
    pub(super) has_text: AtomicBool,
    /// When a key was last pressed.
    pub(super) touched: Mutex<Option<Instant>>,
}

impl Shared {
    fn is_secret(&self) -> bool {
        self.secret.load(Ordering::SeqCst)
    }

    /// What is typed is a password, or an answer to us.
    fn is_aside(&self) -> bool {
        self.is_secret() || self.asking.load(Ordering::SeqCst)
    }

    fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether nobody has pressed a key for so long.
    pub(super) fn is_idle(&self, since: Duration) -> bool {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|at| at.elapsed() > since)
    }
}

/// rustyline's helper.
#[derive(Debug)]
pub(super) struct Editing {
    pub(super) shared: Arc<Shared>,
    pub(super) coloured: bool,
    /// Beginnings of lines that are being typed; full means that somebody knows already.
    pub(super) typing: mpsc::Sender<String>,
    last_typing: Mutex<Option<Instant>>,
}

impl Editing {
    pub(super) fn new(shared: Arc<Shared>, coloured: bool, typing: mpsc::Sender<String>) -> Self {
        Self { shared, coloured, typing, last_typing: Mutex::new(None) }
    }

    fn notice_typing(&self, line: &str) {
        self.shared.touch();
        if line.trim().is_empty() || line.starts_with('/') {
            return;
        }
        let mut last = self.last_typing.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|at| at.elapsed() >= TYPING_PAUSE) {
            *last = Some(Instant::now());
            let first = line.split_whitespace().next().unwrap_or_default().to_owned();
            // If nobody takes it, the friend only does not see that we type.
            let _ = self.typing.try_send(first);
        }
    }
}

impl Helper for Editing {}

impl Candidate for Offer {
    fn display(&self) -> &str {
        &self.shown
    }

    fn replacement(&self) -> &str {
        &self.put
    }
}

impl Completer for Editing {
    type Candidate = Offer;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Offer>)> {
        if self.shared.is_aside() {
            return Ok((pos, Vec::new()));
        }
        let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(complete(line, pos, &known))
    }
}

/// Shown, never taken over.
#[derive(Debug)]
pub(super) struct Usage(String);

impl Hint for Usage {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Editing {
    type Hint = Usage;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Usage> {
        if self.shared.is_aside() {
            return None;
        }
        self.shared.has_text.store(!line.is_empty(), Ordering::SeqCst);
        self.notice_typing(line);
        if pos == line.len() { usage_hint(line).map(Usage) } else { None }
    }
}

impl Highlighter for Editing {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        if self.shared.is_secret() {
            let cells = line.chars().filter_map(unicode_width::UnicodeWidthChar::width).sum();
            return Cow::Owned(" ".repeat(cells));
        }
        Cow::Borrowed(line)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.coloured { Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")) } else { Cow::Borrowed(hint) }
    }

    /// Always for a password: a key that is not highlighted is printed as it is.
    fn highlight_char(&self, _line: &str, _pos: usize, _kind: CmdKind) -> bool {
        self.shared.is_secret()
    }
}

impl Validator for Editing {
    /// Called on Enter, before the line is handed out.
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.shared.gate.shut();
        Ok(ValidationResult::Valid(None))
    }
}

/// Alt-A: the line is put aside, and the next unread chat opens.
#[derive(Debug)]
pub(super) struct NextUnread(pub(super) Arc<Shared>);

impl ConditionalEventHandler for NextUnread {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        if self.0.is_aside() {
            return Some(Cmd::Noop);
        }
        self.0.next_unread.store(true, Ordering::SeqCst);
        Some(Cmd::AcceptLine)
    }
}

/// While a password is typed, keys do nothing but write it: nothing of it comes into the kill ring or a completion.
#[derive(Debug)]
pub(super) struct SecretKeys(pub(super) Arc<Shared>);

impl ConditionalEventHandler for SecretKeys {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        if !self.0.is_secret() {
            return None;
        }
        let Some(KeyEvent(code, modifiers)) = event.get(0) else { return Some(Cmd::Noop) };
        let is_key = matches!(
            code,
            KeyCode::Backspace | KeyCode::Enter | KeyCode::BracketedPasteStart | KeyCode::BracketedPasteEnd
        );
        let writes = is_key || matches!(code, KeyCode::Char(_)) && (is_bare(*modifiers) || ends(*code, *modifiers));
        if writes { None } else { Some(Cmd::Noop) }
    }
}

fn is_bare(modifiers: Modifiers) -> bool {
    modifiers.is_empty() || modifiers == Modifiers::SHIFT
}

/// Ctrl-C, Ctrl-D, Ctrl-H, Ctrl-J and Ctrl-M: give up, take one back, or finish.
fn ends(code: KeyCode, modifiers: Modifiers) -> bool {
    let KeyCode::Char(key) = code else { return false };
    modifiers == Modifiers::CTRL && "CDHJM".contains(key.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::Ordering};

    use rustyline::highlight::{CmdKind, Highlighter};
    use tokio::sync::mpsc;

    use super::{Editing, Shared, TYPING_PAUSE};

    fn editing() -> (Editing, mpsc::Receiver<String>) {
        let (told, tells) = mpsc::channel(4);
        (Editing::new(Arc::new(Shared::default()), true, told), tells)
    }

    #[test]
    fn a_password_is_blanks_on_the_screen() {
        let (editing, _tells) = editing();
        assert_eq!(editing.highlight("hello", 5), "hello");
        assert!(!editing.highlight_char("hello", 5, CmdKind::Other));
        editing.shared.secret.store(true, Ordering::SeqCst);
        assert_eq!(editing.highlight("pass漢", 5), "      ");
        assert!(editing.highlight_char("pass", 4, CmdKind::Other), "else the key itself is printed");
    }

    #[tokio::test(start_paused = true)]
    async fn typing_is_told_once_in_a_while_and_never_for_commands() {
        let (editing, mut tells) = editing();
        editing.notice_typing("/msg @bob secret");
        editing.notice_typing("   ");
        assert!(tells.try_recv().is_err());
        editing.notice_typing("@bob hi");
        editing.notice_typing("@bob hi th");
        assert_eq!(tells.try_recv().as_deref(), Ok("@bob"));
        assert!(tells.try_recv().is_err());
        tokio::time::advance(TYPING_PAUSE).await;
        editing.notice_typing("@bob hi there");
        assert!(tells.try_recv().is_ok());
    }
}
