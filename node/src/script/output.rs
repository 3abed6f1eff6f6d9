//! Where answers and events go, as JSON Lines or as plain lines.
//!
//! Standard output may be closed by its reader at any time; from then on nothing is written, and the loop ends quietly.

use std::io::{self, Write};

use serde_json::Value;

use crate::{
    api::{Event, Refusal, Reply, WhoAmI},
    json::{
        Fields,
        out::{self, Origin},
        write,
    },
};

/// The two ends of the front end: standard output for data, standard error for talk.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    closed: bool,
}

impl Output {
    /// Writes JSON Lines, or plain ones.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, closed: false }
    }

    /// Nobody reads standard output any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn ready(&mut self, me: &WhoAmI, unread: u64) {
        if self.json {
            return self.object(&out::ready(me, unread, now()));
        }
        if unread > 0 {
            self.talk(&format!("{unread} unread; /unread lists them"));
        }
    }

    pub(super) fn reply(&mut self, name: &str, origin: &Origin, reply: &Reply) {
        if self.json {
            return self.object(&out::reply(name, origin, reply, now()));
        }
        self.text(&plain_reply(name, reply));
    }

    /// An answer that the node was not asked for.
    pub(super) fn answer(&mut self, name: &str, origin: &Origin, fields: Fields, text: &str) {
        if self.json {
            return self.object(&out::answer(name, origin, fields, now()));
        }
        self.text(text);
    }

    pub(super) fn event(&mut self, event: &Event) {
        if self.json {
            return self.object(&out::event(event, now()));
        }
        let text = plain_event(event);
        if matches!(event, Event::Message(_)) { self.text(&text) } else { self.talk(&text) }
    }

    /// A refusal; on standard error too, unless every line is JSON.
    pub(crate) fn error(&mut self, refusal: &Refusal, origin: &Origin) {
        if self.json {
            return self.object(&out::error(refusal, origin, now()));
        }
        match origin {
            Origin::Line(line) => self.talk(&format!("line {line}: {}", refusal.message)),
            Origin::Id(_) | Origin::None => self.talk(&refusal.message),
        }
    }

    /// The last line, when everything is on disk and the profile is free again.
    pub(crate) fn bye(&mut self, queued: u64) {
        if self.json {
            return self.object(&out::bye(queued, now()));
        }
        if queued > 0 {
            self.talk(&format!(
                "{queued} not delivered yet; kept, and sent when hobnob runs again and the friend is there"
            ));
        }
    }

    /// One object of a sub-command that is no conversation.
    pub(crate) fn object(&mut self, object: &Value) {
        self.write(&write::line(object));
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.write(format!("{text}\n").as_bytes());
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let mut stdout = io::stdout().lock();
        self.closed = stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err();
    }

    /// To the person, not to the reader of the data.
    pub(crate) fn talk(&mut self, text: &str) {
        if !text.is_empty() {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }
}

/// The front end's own clock, for `ts` only.
pub(crate) fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

fn plain_reply(name: &str, reply: &Reply) -> String {
    format!("{name}: {reply:?}")
}

fn plain_event(event: &Event) -> String {
    format!("{event:?}")
}
