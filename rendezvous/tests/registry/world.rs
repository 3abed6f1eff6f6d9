//! A registry with rows in memory and a clock of its own.

use std::net::IpAddr;

use hobnob_rendezvous::{
    keys::ServerKeys,
    registry::{Caller, Input, Note, Policy, Registry, SessionId, Source, Work, view::MemoryView},
};
use hobnob_shared::wire::{
    ErrorCode,
    rendezvous::{LoggedIn, NameSet, Proof, RegisterFinish, ServerFrame},
};

use crate::cast::{NOON_MS, Person, easy, rosa};

pub struct World {
    pub registry: Registry,
    pub view: MemoryView,
    pub now_ms: u64,
    pub notes: Vec<Note>,
    pub server: ([u8; 32], [u8; 32]),
    next: u64,
}

impl World {
    pub fn new() -> Self {
        Self::with(easy())
    }

    pub fn with(policy: Policy) -> Self {
        let ServerKeys { device, opaque, .. } = rosa();
        let server = (device.x25519_public(), *device.id().as_bytes());
        let registry = Registry::new(device, opaque, policy, 1, [9; 32]);
        Self { registry, view: MemoryView::default(), now_ms: NOON_MS, notes: Vec::new(), server, next: 1 }
    }

    pub fn open(&mut self, caller: Caller) -> SessionId {
        self.open_from(caller, "192.0.2.1")
    }

    pub fn open_from(&mut self, caller: Caller, ip: &str) -> SessionId {
        let session = SessionId(self.next);
        self.next += 1;
        let source = Source::of(ip.parse::<IpAddr>().unwrap());
        self.handle(Input::Opened { session, caller, source, binding: binding(session) });
        session
    }

    pub fn close(&mut self, session: SessionId) {
        self.handle(Input::Closed(session));
    }

    /// The answer to a request.
    pub fn ask(&mut self, session: SessionId, frame: ServerFrame) -> ServerFrame {
        let mut answers = self.handle(Input::Frame { session, id: 7, frame });
        assert_eq!(answers.len(), 1, "one request has one answer");
        answers.remove(0)
    }

    /// Why a request is refused.
    pub fn refused(&mut self, session: SessionId, frame: ServerFrame) -> ErrorCode {
        match self.ask(session, frame) {
            ServerFrame::Error(failure) => failure.code,
            answer => panic!("it was served: {answer:?}"),
        }
    }

    pub fn done(&mut self, session: SessionId, frame: ServerFrame) {
        assert_eq!(self.ask(session, frame), ServerFrame::Done);
    }

    /// Gives a person's name up.
    pub fn release(&mut self, session: SessionId, person: &Person) {
        let owner = person.account.prove_over(&binding(session));
        self.done(session, ServerFrame::NameSet(NameSet::Release(Some(owner))));
    }

    /// Lets time pass, with every deadline on its way.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.registry.next_timeout() <= end {
            self.now_ms = self.now_ms.max(self.registry.next_timeout());
            let before = self.registry.next_timeout();
            self.handle(Input::Timeout);
            assert!(self.registry.next_timeout() > before, "handling a deadline moves it");
        }
        self.now_ms = end;
    }

    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    pub fn handle(&mut self, input: Input) -> Vec<ServerFrame> {
        let mut work = Work::default();
        self.registry.handle(input, self.now_ms, &self.view, &mut work);
        assert_eq!(work.faults, []);
        self.view.apply(&work.records);
        self.notes.append(&mut work.notes);
        work.answers.into_iter().map(|answer| answer.frame).collect()
    }

    /// A registration up to its last message.
    pub fn registration(&mut self, session: SessionId, person: &mut Person, secret: &str) -> RegisterFinish {
        let (state, start) = person.begin_registration(secret);
        let ServerFrame::RegisterGo(go) = self.ask(session, ServerFrame::RegisterStart(start)) else {
            panic!("no registration")
        };
        let mut finish = person.finish_registration(state, &go, secret, (&self.server.0, &self.server.1));
        finish.proof = self.free_proof(session);
        finish
    }

    /// Registers, and opens a session of the person's device.
    pub fn join(&mut self, person: &mut Person) -> SessionId {
        let guest = self.open(Caller::Guest);
        let finish = self.registration(guest, person, "secret");
        let answer = self.ask(guest, ServerFrame::RegisterFinish(Box::new(finish)));
        assert!(matches!(answer, ServerFrame::Registered(_)), "{answer:?}");
        self.close(guest);
        self.open(person.caller())
    }

    /// A proof where none is asked for: each nonce counts once all the same.
    pub fn free_proof(&mut self, session: SessionId) -> Proof {
        self.next += 1;
        let ServerFrame::Status(status) = self.ask(session, ServerFrame::StatusGet) else { panic!("no status") };
        Proof::Pow { challenge: status.challenge, nonce: self.next }
    }

    /// Logs in on a new session from `ip`; says whether that went well.
    pub fn log_in(&mut self, person: &mut Person, secret: &str, ip: &str) -> Result<SessionId, ErrorCode> {
        self.whole_login(person, secret, ip).map(|(session, _)| session)
    }

    /// The same, with all that a bare machine is told.
    pub fn whole_login(
        &mut self,
        person: &mut Person,
        secret: &str,
        ip: &str,
    ) -> Result<(SessionId, LoggedIn), ErrorCode> {
        let session = self.open_from(Caller::Guest, ip);
        let (state, start) = person.begin_login(secret);
        let go = match self.ask(session, ServerFrame::LoginStart(start)) {
            ServerFrame::LoginGo(go) => go,
            ServerFrame::Error(failure) => return Err(failure.code),
            answer => panic!("{answer:?}"),
        };
        let (x25519, _) = self.server;
        let finish = person.finish_login(state, &go, secret, &x25519, &binding(session));
        let Ok((finish, _)) = finish else { return Err(ErrorCode::Denied) };
        match self.ask(session, ServerFrame::LoginFinish(finish)) {
            ServerFrame::LoggedIn(told) => Ok((session, *told)),
            ServerFrame::Error(failure) => Err(failure.code),
            answer => panic!("{answer:?}"),
        }
    }
}

/// The handshake hash of a session.
pub fn binding(session: SessionId) -> [u8; 32] {
    [session.0 as u8; 32]
}
