//! The words behind a command: taken one by one, each into its type, with what was wrong and how it is written.

use hobnob_engine::command::{Code, MessageRef, Refusal, Which};
use hobnob_shared::text::{Handle, MessageText, Note, TextError};

use super::{Context, Spec};

/// What stands behind a command's name.
#[derive(Debug)]
pub(super) struct Args<'a> {
    pub(super) spec: &'static Spec,
    pub(super) chat: Option<&'a Handle>,
    pub(super) page: usize,
    /// Set when the answer should be a QR code too.
    pub(super) qr: bool,
    /// Set when this use of the command is to be asked about.
    pub(super) asks: Option<&'static str>,
    rest: &'a str,
}

impl<'a> Args<'a> {
    pub(super) fn new(spec: &'static Spec, context: &Context<'a>, rest: &'a str) -> Self {
        Self { spec, chat: context.chat, page: context.page, qr: false, asks: None, rest }
    }

    /// A refusal that ends in the usage.
    pub(super) fn refuse(&self, what: impl std::fmt::Display) -> Refusal {
        Refusal::new(Code::Usage, format!("{what}; use {}", self.spec.usage))
    }

    /// The next word; quotes group, and are gone. One blank behind it is gone too, the rest stays as it is.
    pub(super) fn word(&mut self) -> Result<Option<String>, Refusal> {
        let rest = self.rest.trim_start();
        if rest.is_empty() {
            self.rest = rest;
            return Ok(None);
        }
        let mut word = String::new();
        let mut quoted = false;
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            if c == '"' {
                quoted = !quoted;
            } else if c.is_whitespace() && !quoted {
                end = at;
                break;
            } else {
                word.push(c);
            }
        }
        if quoted {
            return Err(self.refuse("a quote is not closed"));
        }
        let (_, rest) = rest.split_at(end);
        let mut chars = rest.chars();
        chars.next();
        self.rest = chars.as_str();
        Ok(Some(word))
    }

    /// The next word without taking it; nothing if its quote is not closed.
    pub(super) fn peek(&self) -> Option<String> {
        Args { ..*self }.word().ok().flatten()
    }

    /// The next word, which must be there.
    pub(super) fn need(&mut self, what: &str) -> Result<String, Refusal> {
        self.word()?.ok_or_else(|| self.refuse(format_args!("{what} is missing")))
    }

    /// Whether this flag is the next word; then it is taken.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        let found = self.peek().is_some_and(|word| word == name);
        if found {
            // It was just peeked at, so its quotes are closed.
            let _ = self.word();
        }
        found
    }

    /// A friend, with or without the `@`.
    pub(super) fn friend(&mut self) -> Result<Handle, Refusal> {
        let word = self.need("a name")?;
        self.handle(&word)
    }

    /// This word as a handle.
    pub(super) fn handle(&self, word: &str) -> Result<Handle, Refusal> {
        Handle::parse(word.strip_prefix('@').unwrap_or(word)).map_err(|why| self.refuse(why))
    }

    /// A friend if the next word begins with `@`, else the current chat.
    pub(super) fn friend_or_current(&mut self) -> Result<Handle, Refusal> {
        if self.peek().is_some_and(|word| word.starts_with('@')) { self.friend() } else { self.current() }
    }

    /// The current chat.
    pub(super) fn current(&self) -> Result<Handle, Refusal> {
        self.chat.cloned().ok_or_else(no_chat)
    }

    /// A message: `42`, `[42]`, `^`, `^^`, `^bob`.
    pub(super) fn message(&mut self) -> Result<MessageRef, Refusal> {
        let word = self.need("the message's number")?;
        message_ref(&word)
            .ok_or_else(|| self.refuse(format_args!("{word:?} is no message (42, ^ for the last one, ^^, ^bob)")))
    }

    /// A message, with the current chat.
    pub(super) fn which(&mut self) -> Result<Which, Refusal> {
        Ok(Which { message: self.message()?, chat: self.chat.cloned() })
    }

    /// A number of at least one.
    pub(super) fn number<T: std::str::FromStr + PartialOrd + Default>(&mut self, what: &str) -> Result<T, Refusal> {
        let word = self.need(what)?;
        match word.parse() {
            Ok(number) if number > T::default() => Ok(number),
            _ => Err(self.refuse(format_args!("{word:?} is not {what}"))),
        }
    }

    /// A stretch of time, in seconds.
    pub(super) fn duration(&mut self) -> Result<u64, Refusal> {
        let word = self.need("a time")?;
        duration(&word).ok_or_else(|| self.refuse(format_args!("{word:?} is no time (90s, 30m, 12h, 7d, 2w)")))
    }

    /// `on` or `off`; nothing when nothing is there.
    pub(super) fn switch(&mut self) -> Result<Option<bool>, Refusal> {
        match self.word()?.as_deref() {
            None => Ok(None),
            Some("on" | "yes") => Ok(Some(true)),
            Some("off" | "no") => Ok(Some(false)),
            Some(other) => Err(self.refuse(format_args!("{other:?} is neither on nor off"))),
        }
    }

    /// All that is left, as it was written.
    pub(super) fn rest(&mut self) -> &'a str {
        std::mem::take(&mut self.rest)
    }

    /// All that is left, as a message.
    pub(super) fn text(&mut self) -> Result<MessageText, Refusal> {
        message_text(self.rest()).map_err(|why| self.refuse(why))
    }

    /// All that is left, as a short text that may be empty.
    pub(super) fn note(&mut self) -> Result<Note, Refusal> {
        Note::parse(self.rest().trim()).map_err(|why| self.refuse(why))
    }

    /// Refuses what is left over.
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        match self.word()? {
            None => Ok(()),
            Some(word) => Err(self.refuse(format_args!("{word:?} is too much"))),
        }
    }
}

/// There is nobody to talk to yet.
pub(super) fn no_chat() -> Refusal {
    Refusal::new(
        Code::Usage,
        "no chat is open: /open @name opens one, /friends lists them, /help people says how to find one",
    )
}

/// A message's text, with the words for one that is empty.
pub(super) fn message_text(text: &str) -> Result<MessageText, String> {
    MessageText::parse(text).map_err(|why| match why {
        TextError::Empty(_) => "there is no text".to_owned(),
        TextError::TooLong { .. } | TextError::BadCharacter { .. } => why.to_string(),
    })
}

/// `42`, `[42]`, `^`, `^^`, `^bob`, `^@bob`.
pub(super) fn message_ref(word: &str) -> Option<MessageRef> {
    if let Some(after) = word.strip_prefix('^') {
        if after.chars().all(|c| c == '^') {
            return u32::try_from(word.len()).ok().map(MessageRef::Last);
        }
        return Handle::parse(after.strip_prefix('@').unwrap_or(after)).ok().map(MessageRef::LastFrom);
    }
    let digits = word.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(word);
    digits.parse().ok().filter(|number| *number > 0).map(MessageRef::Number)
}

/// `90s`, `30m`, `12h`, `7d`, `2w`, or several together (`1d12h`), in seconds.
pub fn duration(word: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut digits = String::new();
    for c in word.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        digits.clear();
    }
    (digits.is_empty() && total > 0).then_some(total)
}
