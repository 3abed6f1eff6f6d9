//! Asking over sessions: requests out, answers back to whoever asked.

use hobnob_shared::wire::{Close, ErrorCode, Failure, Hello, ServerFrame, rendezvous::PresenceNote};
use rand_core::Rng as _;

use super::{
    Lane, Rendezvous, ServerKey,
    calls::{Answered, CallId, Failed, Outcome, Purpose},
    session::{Arrived, Session},
};
use crate::{
    step::{Signal, Step},
    work::LinkId,
};

impl Rendezvous {
    /// Whether this link is with a rendezvous.
    pub(crate) fn has(&self, link: LinkId) -> bool {
        self.sessions.contains_key(&link)
    }

    pub(super) fn links_of(&self, server: &ServerKey, lane: Lane) -> Vec<LinkId> {
        let is_it = |session: &Session| session.server == *server && session.lane == lane;
        self.sessions.iter().filter(|(_, session)| is_it(session)).map(|(link, _)| *link).collect()
    }

    /// Asks. What comes of it is routed as [`Signal::Served`], always and once.
    pub(crate) fn ask(
        &mut self,
        server: ServerKey,
        lane: Lane,
        request: ServerFrame,
        purpose: Purpose,
        step: &mut Step<'_>,
    ) {
        if self.is_revoked && lane == Lane::Account {
            step.signal(Signal::Served(Box::new(Outcome { server, purpose, answer: Err(Failed::Revoked) })));
            return;
        }
        let Some(call) = self.calls.add(server, lane, request, purpose.clone(), step.now.mono_ms) else {
            let answer = Err(Failed::Refused(ErrorCode::Busy));
            step.signal(Signal::Served(Box::new(Outcome { server, purpose, answer })));
            return;
        };
        match self.links_of(&server, lane).first() {
            Some(link) => self.send(*link, call, step),
            None if lane == Lane::Account => self.wake(&server, step),
            None => self.dial(&server, lane, step),
        }
    }

    /// Sends a call that waits, if the session is open; else it goes out when it is.
    fn send(&mut self, link: LinkId, call: CallId, step: &mut Step<'_>) {
        let (Some(session), Some(waiting)) = (self.sessions.get_mut(&link), self.calls.get_mut(call)) else { return };
        if !session.is_open() {
            return;
        }
        waiting.over = Some(link);
        if !session.ask(link, call, &waiting.request, step) {
            session.forget(call);
            self.fail(call, Failed::Refused(ErrorCode::TooLarge), step);
        }
    }

    /// A Noise message came.
    pub(crate) fn on_chunk(&mut self, link: LinkId, bytes: &[u8], step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        match session.on_chunk(link, bytes, step) {
            Ok(Arrived::Open) => self.on_open(link, step),
            Ok(Arrived::Frames(frames)) => {
                for frame in frames {
                    self.on_frame_bytes(link, &frame, step);
                }
            }
            Err(error) => {
                tracing::debug!(link = link.0, %error, "a session with a rendezvous failed");
                self.end(link, None, step);
            }
        }
    }

    /// Our first frame, and what waited for it.
    fn on_open(&mut self, link: LinkId, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let (server, lane) = (session.server, session.lane);
        if let Some((at, _)) = session.place.take() {
            self.servers.worked(&server, &at, step);
        }
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let instance = match lane {
            Lane::Account => *self.instance.get_or_insert_with(|| step.rng.next_u64()),
            Lane::Front | Lane::Errand(_) => 0,
        };
        // A guest says nothing that could be recognised: not even the time.
        let time_ms = if lane == Lane::Account { step.now.wall_ms } else { 0 };
        let hello = Hello { features: Vec::new(), time_ms, instance, known_record: None };
        session.send(link, 0, &ServerFrame::Hello(hello), step);
        for call in self.calls.unsent(&server, lane) {
            self.send(link, call, step);
        }
    }

    fn on_frame_bytes(&mut self, link: LinkId, bytes: &[u8], step: &mut Step<'_>) {
        if !self.has(link) {
            return; // an earlier frame ended it
        }
        match ServerFrame::decode(bytes) {
            Ok((id, frame)) => {
                self.on_up(link, step);
                self.on_frame(link, id, frame, step);
            }
            Err(error) => {
                tracing::debug!(link = link.0, %error, "a frame of a rendezvous does not decode");
                self.end(link, Some(Failed::Unreached("it does not speak our language".to_owned())), step);
            }
        }
    }

    /// The first frame means that we are let in.
    fn on_up(&mut self, link: LinkId, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&link).filter(|session| !session.is_up) else { return };
        session.is_up = true;
        let server = session.server;
        if session.lane == Lane::Account {
            self.ask(server, Lane::Account, ServerFrame::StatusGet, Purpose::Status, step);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are requests or answers, by their number")]
    fn on_frame(&mut self, link: LinkId, id: u32, frame: ServerFrame, step: &mut Step<'_>) {
        match frame {
            ServerFrame::Hello(_) | ServerFrame::Pong { .. } => {}
            ServerFrame::Close(Close { code }) => self.on_close(link, code, step),
            ServerFrame::Ping { nonce } => self.say(link, &ServerFrame::Pong { nonce }, step),
            ServerFrame::Error(Failure { code, of }) => self.finish(link, of, Err(Failed::Refused(code)), step),
            ServerFrame::MailWaiting(_) => self.on_waiting(link, step),
            ServerFrame::PresenceNote(note) => self.on_note(link, note, step),
            frame if frame.wants_answer() => {
                self.say(link, &ServerFrame::Error(Failure { code: ErrorCode::Unsupported, of: id }), step);
            }
            answer => self.finish(link, id, Ok(answer), step),
        }
    }

    /// Mail or a friend request came for this device, or waits since before.
    fn on_waiting(&mut self, link: LinkId, step: &mut Step<'_>) {
        if let Some(server) = self.sessions.get(&link).filter(|session| session.is_ready).map(|session| session.server)
        {
            self.ask_knocks(server, step);
            step.signal(Signal::Mail(server));
        }
    }

    /// Somebody shows themselves otherwise. Only our account watches.
    fn on_note(&self, link: LinkId, note: PresenceNote, step: &mut Step<'_>) {
        let session = self.sessions.get(&link).filter(|session| session.lane == Lane::Account && session.is_ready);
        if let Some(session) = session {
            step.signal(Signal::Noted(session.server, Box::new(note)));
        }
    }

    fn say(&mut self, link: LinkId, frame: &ServerFrame, step: &mut Step<'_>) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.send(link, 0, frame, step);
        }
    }

    /// An answer, or a refusal. One that nobody waits for is dropped.
    fn finish(&mut self, link: LinkId, id: u32, answer: Result<ServerFrame, Failed>, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let asked = session.take_asked(id, step);
        let Some((hash, call)) = session.handshake_hash().zip(asked.and_then(|call| self.calls.take(call))) else {
            return;
        };
        let answer = answer.map(|frame| Answered { frame: Box::new(frame), session: hash });
        step.signal(Signal::Served(Box::new(Outcome { server: call.server, purpose: call.purpose, answer })));
    }

    /// Nothing comes of this call.
    pub(super) fn fail(&mut self, call: CallId, why: Failed, step: &mut Step<'_>) {
        if let Some(call) = self.calls.take(call) {
            let outcome = Outcome { server: call.server, purpose: call.purpose, answer: Err(why) };
            step.signal(Signal::Served(Box::new(outcome)));
        }
    }

    /// The stream ended.
    pub(crate) fn on_closed(&mut self, link: LinkId, step: &mut Step<'_>) {
        if let Some(session) = self.sessions.remove(&link) {
            self.lost(session, None, step);
        }
    }

    /// Ends a session that is of no more use, for this reason.
    pub(super) fn end(&mut self, link: LinkId, why: Option<Failed>, step: &mut Step<'_>) {
        if let Some(mut session) = self.sessions.remove(&link) {
            session.say_goodbye(link, step);
            self.lost(session, why, step);
        }
    }

    /// Ends a session that we need no more. Whoever waits for an answer is told.
    pub(super) fn leave(&mut self, link: LinkId, step: &mut Step<'_>) {
        if let Some(mut session) = self.sessions.remove(&link) {
            session.say_goodbye(link, step);
            for call in session.into_asked() {
                self.fail(call, Failed::Unreached("the session was ended".to_owned()), step);
            }
        }
    }

    fn lost(&mut self, mut session: Session, why: Option<Failed>, step: &mut Step<'_>) {
        let (server, lane) = (session.server, session.lane);
        if let Some(place) = session.place.take()
            && self.dial_next(&server, lane, place, step)
        {
            return;
        }
        let is_up = session.is_up;
        if lane == Lane::Account && session.is_steady(step.now.mono_ms) {
            self.on_steady(&server);
        }
        let why = why.unwrap_or_else(|| session.why_lost());
        for call in session.into_asked() {
            self.fail(call, why.clone(), step);
        }
        if is_up && lane == Lane::Account && !matches!(why, Failed::Untrusted(_)) {
            // A server that restarts is back soon; front ends hear of it when the next attempt fails.
            self.try_later(&server, &why, step);
        } else {
            self.on_unreached(&server, lane, &why, step);
        }
    }

    /// Ends what is dead or idle, asks the silent, and gives up waiting.
    pub(crate) fn on_timeout(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        for call in self.calls.over(now) {
            self.sessions.values_mut().for_each(|session| session.forget(call));
            self.fail(call, Failed::Silent, step);
        }
        let due = self.sessions.iter().filter(|(_, session)| session.deadline() <= now);
        for link in due.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.on_session_due(link, step);
        }
        self.dial_due(step);
        self.work(step);
    }

    fn on_session_due(&mut self, link: LinkId, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let (server, lane) = (session.server, session.lane);
        if session.dead_at() <= now {
            self.end(link, Some(Failed::Unreached("it does not answer any more".to_owned())), step);
        } else if session.idle_at() <= now {
            self.leave(link, step);
            if lane == Lane::Account {
                self.dial(&server, lane, step);
            }
        } else {
            session.ping(link, step);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let sessions = self.sessions.values().map(Session::deadline).min();
        let prekeys = self.has_name().then(|| self.prekeys.next_timeout()).flatten();
        let others = [self.calls.next_timeout(), self.next_dial_ms(), self.errands.next_timeout(), prekeys];
        others.into_iter().chain([sessions]).flatten().min()
    }
}

impl Session {
    /// Why the other side left without a word.
    fn why_lost(&self) -> Failed {
        if !self.is_proved {
            return Failed::Untrusted(
                "whoever answers there does not prove the key in its address; ask its operator for the right address"
                    .to_owned(),
            );
        }
        Failed::Unreached(if self.is_up { "the connection ended" } else { "it does not let us in" }.to_owned())
    }
}
