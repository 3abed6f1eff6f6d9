//! Who shows themselves how: we to friends, friends to us. Told over live sessions only, and only a hint.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::AccountId,
    text::Note,
    wire::{self, Frame, PresenceState},
};
use serde::{Deserialize, Serialize};

use crate::{
    command::Presence,
    event::Event,
    friend::People,
    row::{Slot, Table},
    session::Sessions,
    step::{SessionId, Step},
    tables::TableId,
    view::Fault,
};

#[derive(Debug)]
struct Shown;

impl Table for Shown {
    const ID: TableId = TableId::Profile;
    type Key = Slot<2>;
    type Value = Own;
}

/// How we show ourselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Own {
    presence: Presence,
    text: Note,
}

/// What everybody shows.
#[derive(Debug)]
pub(crate) struct Presences {
    own: Own,
    sessions: BTreeMap<SessionId, (AccountId, Presence, Note)>,
}

impl Presences {
    pub(crate) fn load(step: &mut Step<'_>) -> Result<Self, Fault> {
        let own = step.get::<Shown>(&Slot)?;
        let own = own.unwrap_or(Own { presence: Presence::Online, text: Note::default() });
        Ok(Self { own, sessions: BTreeMap::new() })
    }

    /// What we show, and the text with it.
    pub(crate) fn own(&self) -> (Presence, Note) {
        (self.own.presence, self.own.text.clone())
    }

    /// What a friend shows: of several devices, the one that is most there.
    pub(crate) fn of(&self, account: &AccountId) -> (Presence, Note) {
        let theirs = self.sessions.values().filter(|(owner, ..)| owner == account);
        let best = theirs.min_by_key(|(_, presence, _)| rank(*presence));
        best.map_or((Presence::Offline, Note::default()), |(_, presence, text)| (*presence, text.clone()))
    }

    /// The person shows themselves otherwise.
    pub(crate) fn set(
        &mut self,
        presence: Option<Presence>,
        text: Option<Note>,
        people: &People,
        sessions: &Sessions,
        step: &mut Step<'_>,
    ) {
        self.own.presence = presence.unwrap_or(self.own.presence);
        self.own.text = text.unwrap_or_else(|| self.own.text.clone());
        step.put::<Shown>(&Slot, &self.own);
        let friends = sessions.all_up().filter(|(.., peer)| people.syncs(&peer.account));
        for (link, ..) in friends.collect::<Vec<_>>() {
            self.tell(link, step);
        }
    }

    /// We want to be taken for offline: nothing tells that somebody sits here.
    pub(crate) fn is_invisible(&self) -> bool {
        self.own.presence == Presence::Invisible
    }

    /// Tells a friend over a session of theirs.
    pub(crate) fn tell(&self, session: SessionId, step: &mut Step<'_>) {
        let (state, text) = match self.own.presence {
            Presence::Online => (PresenceState::Online, self.own.text.clone()),
            Presence::Away => (PresenceState::Away, self.own.text.clone()),
            Presence::Busy => (PresenceState::Busy, self.own.text.clone()),
            Presence::Invisible | Presence::Offline => (PresenceState::Offline, Note::default()),
        };
        step.send(session, Frame::Presence(wire::Presence { state, text }));
    }

    /// A friend tells us.
    pub(crate) fn on_frame(
        &mut self,
        session: SessionId,
        account: AccountId,
        shown: wire::Presence,
        people: &People,
        step: &mut Step<'_>,
    ) {
        let before = self.of(&account);
        let presence = match shown.state {
            PresenceState::Online => Presence::Online,
            PresenceState::Away => Presence::Away,
            PresenceState::Busy => Presence::Busy,
            PresenceState::Offline => Presence::Offline,
        };
        self.sessions.insert(session, (account, presence, shown.text));
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
        let Some(account) = self.sessions.get(&session).map(|(account, ..)| *account) else { return };
        let before = self.of(&account);
        if let (Some(shown), Some(heir)) = (self.sessions.remove(&session), heir) {
            self.sessions.entry(heir).or_insert(shown);
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

fn rank(presence: Presence) -> u8 {
    match presence {
        Presence::Online => 0,
        Presence::Busy => 1,
        Presence::Away => 2,
        Presence::Invisible | Presence::Offline => 3,
    }
}
