//! Where answers and events go, as JSON Lines or as plain lines.
//!
//! Standard output may be closed by its reader at any time; from then on nothing is written, and the loop ends quietly.
//! Where it fails in another way (a full disk), the loop ends too, and says so.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::{
    api::{Event, Friend, Refusal, Reply, ServerView, WhoAmI},
    json::{
        Fields,
        out::{self, Origin},
        write,
    },
    repl::render::{self, Look, Scene, Trust},
};

/// The two ends of the front end: standard output for data, standard error for talk.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    closed: bool,
    failed: bool,
    /// What plain lines say of friends' keys. No chat in it: each line names its own.
    scene: Scene,
}

impl Output {
    /// Writes JSON Lines, or plain ones.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, closed: false, failed: false, scene: Scene::default() }
    }

    /// Something was lost on its way out, and not because its reader had enough.
    pub(crate) fn is_failed(&self) -> bool {
        self.failed
    }

    /// Nobody reads standard output any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn ready(&mut self, me: &WhoAmI, friends: &[Friend], unread: u64) {
        friends.iter().for_each(|friend| self.note_key(friend));
        if self.json {
            return self.object(&out::ready(me, unread, now()));
        }
        if unread > 0 {
            self.talk(&format!("{unread} unread; /unread lists the chats"));
        }
    }

    pub(super) fn reply(&mut self, name: &str, origin: &Origin, reply: &Reply) {
        if self.json {
            return self.object(&out::reply(name, origin, reply, now()));
        }
        let text = render::reply(name, reply, &self.scene, &look());
        // That something is done is no data.
        if matches!(reply, Reply::Done | Reply::Shown { .. } | Reply::Friend(_)) {
            self.talk(&text)
        } else {
            self.text(&text)
        }
    }

    /// An answer that the node was not asked for.
    pub(super) fn answer(&mut self, name: &str, origin: &Origin, fields: Fields, text: &str) {
        if self.json {
            return self.object(&out::answer(name, origin, fields, now()));
        }
        self.text(text);
    }

    /// Words about the data that follows, for whoever reads plain lines.
    pub(super) fn aside(&mut self, text: &str) {
        if !self.json {
            self.talk(text);
        }
    }

    /// What happened. A message is data, all else is talk.
    pub(super) fn event(&mut self, event: &Event) {
        if let Event::FriendAdded(friend) | Event::FriendChanged(friend) | Event::FriendKeyChanged(friend) = event {
            self.note_key(friend);
        }
        if self.json {
            return self.object(&out::event(event, now()));
        }
        let text = render::event(event, &self.scene, &look()).unwrap_or_default();
        if matches!(event, Event::Message(_)) { self.text(&text) } else { self.talk(&text) }
    }

    fn note_key(&mut self, friend: &Friend) {
        self.scene.keys.insert(friend.handle.clone(), Trust::of(friend));
    }

    /// What lies at this rendezvous is not in the next answer.
    pub(super) fn missing(&mut self, server: &ServerView) {
        if !self.json {
            self.talk(&render::missing(server));
        }
    }

    /// A refusal: a line of its own in JSON, else talk.
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
            self.write(format!("{}\n", text.trim_end_matches('\n')).as_bytes());
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        drop(stdout);
        if let Err(why) = written {
            self.on_closed(&why);
        }
    }

    fn on_closed(&mut self, why: &io::Error) {
        self.closed = true;
        self.failed = why.kind() != io::ErrorKind::BrokenPipe;
        if self.failed {
            self.talk(&format!("hobnob: standard output cannot be written: {why}"));
        }
    }

    /// To the person, not to the reader of the data.
    fn talk(&mut self, text: &str) {
        if !text.is_empty() {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
        }
    }
}

fn look() -> Look {
    Look::plain(TimeZone::system(), now())
}

/// The front end's own clock, for `ts` only.
pub(crate) fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::Output;

    #[test]
    fn a_reader_that_had_enough_is_no_failure_and_a_full_disk_is() {
        for (why, failed) in [(ErrorKind::BrokenPipe, false), (ErrorKind::StorageFull, true)] {
            let mut out = Output::new(true);
            out.on_closed(&Error::from(why));
            assert_eq!((out.is_closed(), out.is_failed()), (true, failed), "{why}");
        }
    }
}
