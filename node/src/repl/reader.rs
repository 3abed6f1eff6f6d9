//! The thread that reads: lines, answers and passwords, with an editor or, in plain mode, as the system hands them out.

use std::{
    io,
    sync::{Arc, atomic::Ordering, mpsc as threads},
};

use rustyline::{
    Cmd, ColorMode, Config, Editor, Event, EventHandler, ExternalPrinter, KeyCode, KeyEvent, Modifiers,
    config::{CompletionType, Configurer},
    error::ReadlineError,
    history::MemHistory,
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{
    editing::{Editing, NextUnread, SecretKeys, Shared},
    prompt::Live,
    terminal::door,
};
use crate::{command, secret};

/// Typed lines that Up finds again. They are in memory only.
const HISTORY_LINES: usize = 1000;

/// What the reader is asked for.
#[derive(Debug)]
pub(super) enum Ask {
    Line { prompt: Arc<Live>, draft: String },
    Answer { prompt: String },
    Secret { prompt: String },
}

/// What was typed.
#[derive(Debug)]
pub(super) enum Typed {
    /// A line. `crossed`: something may have been printed behind it, so it must not be taken off the screen.
    Line { text: String, crossed: bool },
    /// Alt-A; what stood in the line is put aside.
    NextUnread { draft: String, crossed: bool },
    /// The answer to a question.
    Answer(String),
    /// A password.
    Secret(Zeroizing<String>),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or nobody is there any more.
    End,
}

type ChatEditor = Editor<Editing, MemHistory>;

fn editor(shared: &Arc<Shared>, coloured: bool, typing: mpsc::Sender<String>) -> rustyline::Result<ChatEditor> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .color_mode(color_mode(coloured))
        .build();
    let mut editor = Editor::with_history(config.clone(), MemHistory::with_config(&config))?;
    editor.set_helper(Some(Editing::new(Arc::clone(shared), coloured, typing)));
    let alt = |key| KeyEvent(key, Modifiers::ALT);
    let next = NextUnread(Arc::clone(shared));
    editor.bind_sequence(alt(KeyCode::Char('a')), EventHandler::Conditional(Box::new(next)));
    editor.bind_sequence(alt(KeyCode::Enter), Cmd::Newline);
    editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(SecretKeys(Arc::clone(shared)))));
    Ok(editor)
}

fn color_mode(coloured: bool) -> ColorMode {
    if coloured { ColorMode::Forced } else { ColorMode::Disabled }
}

/// Everything the reading thread has.
pub(super) struct Reader {
    editor: ChatEditor,
    shared: Arc<Shared>,
    coloured: bool,
}

impl Reader {
    /// One that edits.
    pub(super) fn open(shared: &Arc<Shared>, coloured: bool, typing: mpsc::Sender<String>) -> io::Result<Self> {
        let editor = editor(shared, coloured, typing).map_err(io::Error::other)?;
        Ok(Self { editor, shared: Arc::clone(shared), coloured })
    }

    /// What prints above the line that is being edited.
    pub(super) fn printer(&mut self) -> io::Result<impl ExternalPrinter + Send + 'static> {
        self.editor.create_external_printer().map_err(io::Error::other)
    }

    /// Reads what is asked for until nobody asks any more.
    pub(super) fn run(mut self, asked: &threads::Receiver<Ask>, tell: &mpsc::Sender<Typed>) {
        while let Ok(ask) = asked.recv() {
            let typed = match ask {
                Ask::Line { prompt, draft } => self.line(&prompt, &draft),
                Ask::Answer { prompt } => self.answer(&prompt),
                Ask::Secret { prompt } => self.secret(&prompt),
            };
            if tell.blocking_send(typed).is_err() {
                return;
            }
        }
    }

    fn line(&mut self, prompt: &Live, draft: &str) -> Typed {
        let read = self.editor.readline_with_initial(prompt, (draft, ""));
        let next_unread = self.shared.next_unread.swap(false, Ordering::SeqCst);
        if read.is_err() {
            self.shared.gate.shut();
        }
        let crossed = self.shared.gate.was_crossed();
        match read {
            Ok(draft) if next_unread => Typed::NextUnread { draft, crossed },
            Ok(text) => {
                if !command::may_hold_secret(&text) {
                    // The history is a list in memory; it cannot fail.
                    let _ = self.editor.add_history_entry(&text);
                }
                Typed::Line { text, crossed }
            }
            Err(error) => failed(&error),
        }
    }

    fn answer(&mut self, prompt: &str) -> Typed {
        self.shared.asking.store(true, Ordering::SeqCst);
        let read = self.editor.readline(prompt);
        self.shared.asking.store(false, Ordering::SeqCst);
        read.map_or_else(|error| failed(&error), Typed::Answer)
    }

    /// Colours are forced on: they are what keeps the password off the screen.
    fn secret(&mut self, prompt: &str) -> Typed {
        self.shared.secret.store(true, Ordering::SeqCst);
        self.editor.set_color_mode(ColorMode::Forced);
        let read = self.editor.readline(prompt);
        self.editor.set_color_mode(color_mode(self.coloured));
        self.shared.secret.store(false, Ordering::SeqCst);
        read.map_or_else(|error| failed(&error), |text| Typed::Secret(Zeroizing::new(text)))
    }
}

fn failed(error: &ReadlineError) -> Typed {
    if matches!(error, ReadlineError::Interrupted) { Typed::Interrupted } else { Typed::End }
}

/// Without an editor: lines as the system hands them out.
pub(super) fn read_plain(asked: &threads::Receiver<Ask>, tell: &mpsc::Sender<Typed>) {
    while let Ok(ask) = asked.recv() {
        let typed = match ask {
            Ask::Line { draft: _, prompt: _ } => {
                plain_line().map_or(Typed::End, |text| Typed::Line { text, crossed: true })
            }
            Ask::Answer { prompt } => {
                door(&prompt);
                plain_line().map_or(Typed::End, Typed::Answer)
            }
            Ask::Secret { prompt } => secret::read(&prompt).map_or(Typed::Interrupted, Typed::Secret),
        };
        if tell.blocking_send(typed).is_err() {
            return;
        }
    }
}

fn plain_line() -> Option<String> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(1..) => Some(line.trim_end_matches(['\n', '\r']).to_owned()),
        Ok(0) => None,
        // Not UTF-8: the line is lost, the next one is not.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(String::new()),
        Err(_) => None,
    }
}
