//! Pairing mode: for ten minutes people on one network see each other, unverified until they compare words.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::AccountId,
    text::{Handle, Nickname, display},
};

use crate::{
    Around,
    command::{Code, NearbyPerson, Refusal, Reply},
    event::Event,
    friend::People,
    reach::{Reach, is_loopback},
    session::Sessions,
    settings::nearest,
    step::{SessionId, Step},
    work::{Action, TransportId},
};

/// Pairing mode ends by itself after this.
const PAIRING_MS: u64 = 600_000;
/// Whoever did not answer is tried again after this.
const AGAIN_MS: u64 = 15_000;
/// Most transports of the local network that are remembered.
const MAX_SEEN: usize = 64;
/// Most people shown at one time.
const MAX_PEOPLE: usize = 64;

/// Pairing mode, and who is there.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    ends_ms: Option<u64>,
    /// What mDNS shows, friends or not.
    seen: BTreeMap<TransportId, Vec<String>>,
    people: BTreeMap<SessionId, Person>,
    /// When those who did not answer are tried again: they may have turned it on since.
    again_ms: Option<u64>,
}

#[derive(Debug)]
struct Person {
    account: AccountId,
    name: Handle,
    nick: Nickname,
}

impl Nearby {
    /// Whether pairing mode is on.
    pub(crate) fn is_on(&self) -> bool {
        self.ends_ms.is_some()
    }

    /// Whether it is on, and one more person may be shown.
    pub(crate) fn has_room(&self) -> bool {
        self.is_on() && self.people.len() < MAX_PEOPLE
    }

    /// Turns it on (again: for another ten minutes) or off.
    pub(crate) fn set(&mut self, on: bool, around: &Around<'_>, reach: &mut Reach, step: &mut Step<'_>) {
        let was_on = self.is_on();
        self.ends_ms = on.then_some(step.now.mono_ms + PAIRING_MS);
        if was_on == on {
            return;
        }
        step.act(Action::Pairing(on));
        self.again_ms = on.then_some(step.now.mono_ms + AGAIN_MS);
        if !on {
            step.event(Event::NearbyEnded);
            return;
        }
        for (transport, addresses) in &self.seen {
            if !around.has_transport(transport) {
                reach.dial_nearby(Some(transport.clone()), addresses.clone(), None, step);
            }
        }
    }

    /// Tries those again who are there and did not answer.
    pub(crate) fn look_again(
        &mut self,
        around: &Around<'_>,
        sessions: &Sessions,
        reach: &mut Reach,
        step: &mut Step<'_>,
    ) {
        if self.again_ms.is_none_or(|at| at > step.now.mono_ms) {
            return;
        }
        self.again_ms = self.is_on().then_some(step.now.mono_ms + AGAIN_MS);
        for (transport, addresses) in self.seen.iter().filter(|_| self.is_on()) {
            if !around.has_transport(transport) && !sessions.has_transport(transport) {
                reach.dial_nearby(Some(transport.clone()), addresses.clone(), None, step);
            }
        }
    }

    /// mDNS saw a transport that is no friend's.
    pub(crate) fn on_discovered(
        &mut self,
        transport: TransportId,
        addresses: Vec<String>,
        is_friend: bool,
        reach: &mut Reach,
        step: &mut Step<'_>,
    ) {
        if self.is_on() && !is_friend && self.seen.get(&transport) != Some(&addresses) {
            reach.dial_nearby(Some(transport.clone()), addresses.clone(), None, step);
        }
        if self.seen.len() < MAX_SEEN || self.seen.contains_key(&transport) {
            self.seen.insert(transport, addresses);
        }
    }

    pub(crate) fn on_vanished(&mut self, transport: &TransportId) {
        self.seen.remove(transport);
    }

    /// A session in pairing mode is up.
    pub(crate) fn on_up(&mut self, session: SessionId, account: AccountId, people: &People, step: &mut Step<'_>) {
        let Some(nick) = people.nick(&account).cloned() else { return };
        let known = self.people.values().any(|person| person.account == account);
        let name = self.name(&account, &nick, people);
        self.people.insert(session, Person { account, name: name.clone(), nick: nick.clone() });
        if !known && self.is_on() {
            let friend = is_friend(people, &account);
            step.event(Event::NearbyFound(NearbyPerson { name, nick, account, friend }));
        }
    }

    /// A name that says which one is meant: nobody else's here, nor another friend's.
    fn name(&self, account: &AccountId, nick: &Nickname, people: &People) -> Handle {
        if people.friend(account).is_some() {
            return people.handle(account);
        }
        if let Some(same) = self.people.values().find(|person| person.account == *account) {
            return same.name.clone();
        }
        let wish = Handle::from_nickname(nick);
        let is_free =
            |name: &Handle| people.find(name).is_err() && self.people.values().all(|person| person.name != *name);
        let numbered = (2..).map(|number| wish.numbered(number));
        std::iter::once(wish.clone()).chain(numbered).find(is_free).unwrap_or(wish)
    }

    pub(crate) fn on_down(&mut self, session: SessionId) {
        self.people.remove(&session);
    }

    /// Who is called this here.
    pub(crate) fn find(&self, name: &Handle) -> Result<AccountId, Refusal> {
        let found = self.people.values().find(|person| person.name == *name);
        found.map(|person| person.account).ok_or_else(|| self.not_found(name))
    }

    fn not_found(&self, name: &Handle) -> Refusal {
        let shown = display::line(&name.to_string());
        let names = self.people.values().map(|person| person.name.as_str());
        let hint = match nearest(name.as_str(), names) {
            _ if !self.is_on() => "pairing mode is off; /nearby on at both machines first".to_owned(),
            Some(near) => format!("did you mean @{near}?"),
            None => "/nearby lists who is".to_owned(),
        };
        Refusal::new(Code::NotFound, format!("nobody near is called {shown}; {hint}"))
    }

    /// Who is there.
    pub(crate) fn list(&self, people: &People, listening: &[String], step: &Step<'_>) -> Reply {
        let mut by_account = BTreeMap::new();
        for Person { account, name, nick } in self.people.values() {
            by_account.entry(*account).or_insert_with(|| NearbyPerson {
                name: name.clone(),
                nick: nick.clone(),
                account: *account,
                friend: is_friend(people, account),
            });
        }
        Reply::Nearby {
            on: self.is_on(),
            ends_in_ms: self.ends_ms.map_or(0, |ends| ends.saturating_sub(step.now.mono_ms)),
            people: if self.is_on() { by_account.into_values().collect() } else { Vec::new() },
            loopback_only: listening.iter().all(|address| is_loopback(address)),
        }
    }

    /// `true` when pairing mode has just ended.
    pub(crate) fn is_over(&self, step: &Step<'_>) -> bool {
        self.ends_ms.is_some_and(|ends| ends <= step.now.mono_ms)
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.ends_ms.into_iter().chain(self.again_ms).min()
    }
}

fn is_friend(people: &People, account: &AccountId) -> bool {
    people.friend(account).is_some_and(crate::friend::FriendRow::is_mutual)
}
