//! Who shows themselves how: we to friends, friends to us. Told over live sessions, and through rendezvous to those who
//! are not connected; only a hint, and a live session's word counts more.

mod choice;
mod note;
mod publish;
mod served;
mod ticket;

use std::collections::BTreeMap;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    text::Note,
    wire::{self, Frame, PresenceState, rendezvous::PresenceToken},
};

pub(crate) use self::choice::is_choice;
use self::{choice::Choice, note::Notes, publish::Places, ticket::Tickets};
use crate::{
    command::Presence,
    event::Event,
    friend::People,
    rendezvous::ServerKey,
    settings::Settings,
    step::{SessionId, Step},
    view::Fault,
    work::Now,
};

/// What everybody shows.
#[derive(Debug)]
pub(crate) struct Presences {
    choice: Choice,
    /// The process ends: from now on nothing is shown.
    is_leaving: bool,
    sessions: BTreeMap<SessionId, Word>,
    tickets: Tickets,
    notes: Notes,
    places: Places,
}

/// What a device says over a session.
#[derive(Clone, Debug)]
struct Word {
    account: AccountId,
    device: DeviceId,
    presence: Presence,
    text: Note,
}

impl Presences {
    pub(crate) fn load(is_restored: bool, settings: &Settings, step: &mut Step<'_>) -> Result<Self, Fault> {
        Ok(Self {
            choice: Choice::load(settings, step)?,
            is_leaving: false,
            sessions: BTreeMap::new(),
            tickets: Tickets::load(is_restored, step)?,
            notes: Notes::default(),
            places: Places::default(),
        })
    }

    /// What we show, and the text with it.
    pub(crate) fn own(&self) -> (Presence, Note) {
        (self.choice.presence(), self.choice.text().clone())
    }

    /// What a friend shows: of several devices, the one that is most there.
    pub(crate) fn of(&self, account: &AccountId) -> (Presence, Note) {
        let live = || self.sessions.values().filter(|word| word.account == *account);
        let noted = self.notes.of(account).filter(|(device, ..)| !live().any(|word| word.device == **device));
        let all =
            live().map(|word| (word.presence, &word.text)).chain(noted.map(|(_, presence, text)| (presence, text)));
        let best = all.min_by_key(|(presence, _)| rank(*presence));
        best.map_or((Presence::Offline, Note::default()), |(presence, text)| (presence, text.clone()))
    }

    /// We are somewhere else: friends who watch us are to know.
    pub(crate) fn on_moved(&mut self, step: &Step<'_>) {
        self.places.renew(step.now);
    }

    /// From now on nothing is shown; what the person chose stays on disk.
    pub(crate) fn leave(&mut self, now: Now) {
        self.is_leaving = true;
        self.places.renew(now);
    }

    /// This machine becomes a device of another account, whose choice comes.
    pub(crate) fn forget_choice(&mut self, step: &mut Step<'_>) {
        self.choice.forget(step);
    }

    /// A rendezvous refused what we published or watched, or what was to end.
    pub(crate) fn on_refused(&mut self, server: &ServerKey, ending: Option<PresenceToken>, step: &Step<'_>) {
        self.places.on_failed(server, ending, step);
    }

    /// We want to be taken for offline: nothing tells that somebody sits here.
    pub(crate) fn is_invisible(&self) -> bool {
        self.choice.presence() == Presence::Invisible
    }

    /// Tells a friend over a session of theirs.
    pub(crate) fn tell(&self, session: SessionId, step: &mut Step<'_>) {
        let (state, text) = self.published().unwrap_or((PresenceState::Offline, Note::default()));
        step.send(session, Frame::Presence(wire::Presence { state, text }));
    }

    /// What others see, if they see anything.
    fn published(&self) -> Option<(PresenceState, Note)> {
        if self.is_leaving {
            return None;
        }
        let state = match self.choice.presence() {
            Presence::Online => PresenceState::Online,
            Presence::Away => PresenceState::Away,
            Presence::Busy => PresenceState::Busy,
            Presence::Invisible | Presence::Offline => return None,
        };
        Some((state, self.choice.text().clone()))
    }

    /// A friend tells us.
    pub(crate) fn on_frame(
        &mut self,
        session: SessionId,
        (account, device): (AccountId, DeviceId),
        said: wire::Presence,
        people: &People,
        step: &mut Step<'_>,
    ) {
        let before = self.of(&account);
        let word = Word { account, device, presence: shown(said.state), text: said.text };
        self.sessions.insert(session, word);
        self.compare(&account, before, people, step);
    }

    /// A session is no longer there, or no longer a friend's. One that replaces it (`heir`) shows the same until it
    /// says otherwise: a renewal is not somebody leaving and coming back.
    pub(crate) fn on_gone(
        &mut self,
        session: SessionId,
        heir: Option<SessionId>,
        people: &People,
        step: &mut Step<'_>,
    ) {
        let Some(account) = self.sessions.get(&session).map(|word| word.account) else { return };
        let before = self.of(&account);
        if let (Some(word), Some(heir)) = (self.sessions.remove(&session), heir) {
            self.sessions.entry(heir).or_insert(word);
        }
        self.compare(&account, before, people, step);
    }

    fn compare(&self, account: &AccountId, before: (Presence, Note), people: &People, step: &mut Step<'_>) {
        let (presence, text) = self.of(account);
        if (presence, &text) != (before.0, &before.1) {
            step.event(Event::PresenceChanged { chat: people.handle(account), presence, text });
        }
    }
}

/// A state as front ends know it.
fn shown(state: PresenceState) -> Presence {
    match state {
        PresenceState::Online => Presence::Online,
        PresenceState::Away => Presence::Away,
        PresenceState::Busy => Presence::Busy,
        PresenceState::Offline => Presence::Offline,
    }
}

fn rank(presence: Presence) -> u8 {
    match presence {
        Presence::Online => 0,
        Presence::Busy => 1,
        Presence::Away => 2,
        Presence::Invisible | Presence::Offline => 3,
    }
}
