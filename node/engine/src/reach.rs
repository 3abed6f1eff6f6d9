//! Whom to dial, where and when: each device of each wanted friend that has no session, with growing waits.
//!
//! A wait starts over when there is news: an address, a discovery, a command, a message that waits.

mod address;

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::{AccountId, InviteId},
    text::display,
};
use rand_core::Rng as _;

use self::address::place;
pub(crate) use self::address::{is_local, is_loopback, parse as parse_address};
use crate::{
    Around,
    command::Unreached,
    event::Event,
    friend::Token,
    session::Sessions,
    step::Step,
    work::{Action, DialError, DialId, Mode, TransportId},
};

/// The first wait, and the least time between two attempts.
pub(crate) const FIRST_WAIT_MS: u64 = 1_000;
/// The longest wait.
const LONGEST_WAIT_MS: u64 = 600_000;
/// An attempt of which nothing is heard for this long has failed.
pub(crate) const LOST_DIAL_MS: u64 = 60_000;
/// At the start attempts follow each other this closely, so that fifty friends do not mean fifty dials at once.
pub(crate) const START_GAP_MS: u64 = 20;
/// Most addresses that mDNS may add for one device.
const MAX_FOUND: usize = 8;

/// Whom a link was opened to, and the address that a person named for it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) target: Target,
    asked: Option<String>,
}

/// Whom to reach, and how.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A known device.
    Device { account: AccountId, x25519: [u8; 32] },
    /// The device of an invite.
    Invite { account: AccountId, x25519: [u8; 32], id: InviteId, token: Token },
    /// Whoever answers, in pairing mode.
    Nearby,
}

/// One device, by its account and session key (an invite names no more).
type Spot = (AccountId, [u8; 32]);

/// All attempts.
#[derive(Debug)]
pub(crate) struct Reach {
    spots: BTreeMap<Spot, Try>,
    dials: BTreeMap<DialId, Dialling>,
    next_dial: u64,
}

#[derive(Debug)]
struct Dialling {
    attempt: Attempt,
    since_ms: u64,
}

/// How it goes with one device.
#[derive(Debug, Default)]
struct Try {
    /// Failures since the last success or news.
    failures: u32,
    /// When to try next; none while there is a session, an attempt, or no address.
    due_ms: Option<u64>,
    /// An attempt or its handshake is under way.
    busy: bool,
    last_ms: Option<u64>,
    last_error: Option<String>,
    /// Addresses that mDNS showed.
    found: Vec<String>,
    /// Addresses that it shows at a rendezvous.
    noted: Vec<String>,
    /// An address that a person named, to be tried (and reported on) next.
    asked: Option<String>,
}

impl Reach {
    /// Everybody who is wanted, shortly.
    pub(crate) fn load(around: &Around<'_>, sessions: &Sessions, step: &mut Step<'_>) -> Self {
        let mut reach =
            Self { spots: BTreeMap::new(), dials: BTreeMap::new(), next_dial: u64::from(step.rng.next_u32()) << 16 };
        let accounts: Vec<_> = around.people.friends().map(|(account, _)| *account).chain([around.me]).collect();
        for account in accounts {
            reach.refresh(&account, around, sessions, step);
        }
        for (index, spot) in reach.spots.values_mut().filter(|spot| spot.due_ms.is_some()).enumerate() {
            spot.due_ms = Some(step.now.mono_ms + index as u64 * START_GAP_MS);
        }
        reach
    }

    /// The devices of this account, or whether we want it, changed.
    pub(crate) fn refresh(&mut self, account: &AccountId, around: &Around<'_>, sessions: &Sessions, step: &Step<'_>) {
        let wanted = around.targets(account);
        let is_wanted = |spot: &Spot| wanted.iter().any(|target| target.spot().as_ref() == Some(spot));
        self.spots.retain(|spot, _| spot.0 != *account || is_wanted(spot));
        for target in wanted {
            let Some(spot) = target.spot() else { continue };
            let reachable = !around.where_is(&spot.0, &spot.1).1.is_empty();
            let entry = self.spots.entry(spot).or_default();
            let idle = entry.due_ms.is_none() && !entry.busy && !sessions.has_device(&spot.0, &spot.1);
            if idle && reachable {
                entry.due_ms = Some(soon(step));
            }
        }
    }

    /// Something is new about this account: tries all of it now, and waits are short again.
    pub(crate) fn wake(&mut self, account: &AccountId, sessions: &Sessions, step: &Step<'_>) {
        for (spot, it) in self.spots.range_mut((*account, [0; 32])..=(*account, [u8::MAX; 32])) {
            if !it.busy && !sessions.has_device(&spot.0, &spot.1) {
                it.failures = 0;
                it.due_ms = Some(it.last_ms.map_or(0, |last| last + FIRST_WAIT_MS).max(soon(step)));
            }
        }
    }

    /// A person named an address of this account: tried at once, and reported on.
    pub(crate) fn ask(&mut self, account: &AccountId, address: &str, step: &Step<'_>) -> bool {
        let mut any = false;
        for (_, it) in self.spots.range_mut((*account, [0; 32])..=(*account, [u8::MAX; 32])) {
            it.failures = 0;
            it.asked = Some(address.to_owned());
            it.due_ms = Some(soon(step));
            any = true;
        }
        any
    }

    /// mDNS saw this transport. `true`: it is a friend's device, which is tried now.
    pub(crate) fn on_discovered(
        &mut self,
        transport: &TransportId,
        addresses: &[String],
        around: &Around<'_>,
        sessions: &Sessions,
        step: &Step<'_>,
    ) -> bool {
        let mut any = false;
        for (spot, it) in &mut self.spots {
            if around.where_is(&spot.0, &spot.1).0.as_ref() != Some(transport) {
                continue;
            }
            any = true;
            it.found = addresses.iter().take(MAX_FOUND).cloned().collect();
            if !it.busy && !sessions.has_device(&spot.0, &spot.1) {
                it.failures = 0;
                it.due_ms = Some(soon(step));
            }
        }
        any
    }

    /// A friend's device shows where it is: tried now, if it was not there before or has moved.
    pub(crate) fn on_noted(
        &mut self,
        spot: Spot,
        mut addresses: Vec<String>,
        has_come: bool,
        sessions: &Sessions,
        step: &Step<'_>,
    ) {
        let Some(it) = self.spots.get_mut(&spot) else { return };
        addresses.retain(|address| address.starts_with('/') && parse_address(address).is_ok());
        addresses.truncate(MAX_FOUND);
        let has_moved = it.noted != addresses;
        it.noted = addresses;
        if (has_come || has_moved) && !it.busy && !sessions.has_device(&spot.0, &spot.1) {
            it.failures = 0;
            it.due_ms = Some(it.last_ms.map_or(0, |last| last + FIRST_WAIT_MS).max(step.now.mono_ms));
        }
    }

    /// Another session with this device is wanted, though there is one.
    pub(crate) fn renew(&mut self, account: AccountId, x25519: [u8; 32], around: &Around<'_>, step: &mut Step<'_>) {
        self.dial_spot((account, x25519), around, step);
    }

    /// Dials the device that a link of our own account leads to.
    pub(crate) fn dial_link(&mut self, target: Target, addresses: Vec<String>, step: &mut Step<'_>) {
        self.dial(target, None, addresses, None, step);
    }

    /// Dials whoever is at this address or transport, in pairing mode.
    pub(crate) fn dial_nearby(
        &mut self,
        transport: Option<TransportId>,
        addresses: Vec<String>,
        asked: Option<String>,
        step: &mut Step<'_>,
    ) {
        self.dial(Target::Nearby, transport, addresses, asked, step);
    }

    /// Dials what is due, and gives up attempts of which nothing is heard.
    pub(crate) fn on_timeout(&mut self, around: &Around<'_>, sessions: &Sessions, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        let lost = self.dials.iter().filter(|(_, it)| it.since_ms + LOST_DIAL_MS <= now);
        for dial in lost.map(|(dial, _)| *dial).collect::<Vec<_>>() {
            self.on_failed(dial, &DialError::TimedOut, around, step);
        }
        let due = self.spots.iter().filter(|(_, it)| it.due_ms.is_some_and(|due| due <= now));
        for spot in due.map(|(spot, _)| *spot).collect::<Vec<_>>() {
            let asked = self.spots.get(&spot).is_some_and(|it| it.asked.is_some());
            if let Some(it) = self.spots.get_mut(&spot) {
                it.due_ms = None;
            }
            if asked || !sessions.has_device(&spot.0, &spot.1) {
                self.dial_spot(spot, around, step);
            }
        }
    }

    /// When [`Self::on_timeout`] is wanted.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let due = self.spots.values().filter_map(|it| it.due_ms);
        due.chain(self.dials.values().map(|it| it.since_ms + LOST_DIAL_MS)).min()
    }

    fn dial_spot(&mut self, spot: Spot, around: &Around<'_>, step: &mut Step<'_>) {
        let target = around.targets(&spot.0).into_iter().find(|target| target.spot() == Some(spot));
        let (Some(target), Some(it)) = (target, self.spots.get_mut(&spot)) else { return };
        let (transport, known) = around.where_is(&spot.0, &spot.1);
        let asked = it.asked.take();
        let mut addresses: Vec<_> = asked.iter().chain(&it.found).cloned().collect();
        for address in it.noted.iter().cloned().chain(known) {
            if !it.found.contains(&address) && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return;
        }
        it.busy = true;
        it.due_ms = None;
        it.last_ms = Some(step.now.mono_ms);
        self.dial(target, transport, addresses, asked, step);
    }

    fn dial(
        &mut self,
        target: Target,
        transport: Option<TransportId>,
        addresses: Vec<String>,
        asked: Option<String>,
        step: &mut Step<'_>,
    ) {
        self.next_dial += 1;
        let dial = DialId(self.next_dial);
        let mode = target.mode();
        self.dials.insert(dial, Dialling { attempt: Attempt { target, asked }, since_ms: step.now.mono_ms });
        step.act(Action::Dial { dial, transport, addresses, mode });
    }

    /// Somebody answered. `None`: nobody wants this any more.
    pub(crate) fn on_dialled(&mut self, dial: DialId) -> Option<Attempt> {
        self.dials.remove(&dial).map(|dialling| dialling.attempt)
    }

    /// Nobody answered.
    pub(crate) fn on_failed(&mut self, dial: DialId, error: &DialError, around: &Around<'_>, step: &mut Step<'_>) {
        let Some(Dialling { attempt, .. }) = self.dials.remove(&dial) else { return };
        let advice = format!("{error}; check the address, and that the other side is running");
        attempt.report(&advice, around, step);
        self.on_unreached(&attempt.target, &error.to_string(), step);
    }

    /// Somebody answered, and the handshake came to nothing.
    pub(crate) fn on_refused(&mut self, attempt: &Attempt, around: &Around<'_>, step: &mut Step<'_>) {
        let (why, advice) = match attempt.target {
            Target::Nearby => ("", "whoever answers there is not in pairing mode; /nearby on there, then try again"),
            Target::Device { .. } | Target::Invite { .. } => (
                "the session was not accepted; are you still friends there?",
                "whoever answers there does not accept you; is it the right machine, and are you still friends there?",
            ),
        };
        attempt.report(advice, around, step);
        self.on_unreached(&attempt.target, why, step);
    }

    fn on_unreached(&mut self, target: &Target, why: &str, step: &mut Step<'_>) {
        let Some(it) = target.spot().and_then(|spot| self.spots.get_mut(&spot)) else { return };
        it.busy = false;
        it.last_error = Some(why.to_owned());
        it.due_ms = Some(step.now.mono_ms + wait(it.failures, step));
        it.failures = it.failures.saturating_add(1);
    }

    /// A session with this device is up, whoever opened it.
    pub(crate) fn on_up(&mut self, account: AccountId, x25519: [u8; 32]) {
        if let Some(it) = self.spots.get_mut(&(account, x25519)) {
            let (found, noted) = (std::mem::take(&mut it.found), std::mem::take(&mut it.noted));
            *it = Try { found, noted, last_ms: it.last_ms, ..Try::default() };
        }
    }

    /// The last session with this device ended.
    pub(crate) fn on_down(&mut self, account: AccountId, x25519: [u8; 32], step: &mut Step<'_>) {
        if let Some(it) = self.spots.get_mut(&(account, x25519))
            && !it.busy
            && it.due_ms.is_none()
        {
            it.due_ms = Some(step.now.mono_ms + wait(0, step));
        }
    }

    /// Everybody who is not reached, and what is being done about it.
    pub(crate) fn unreached(&self, around: &Around<'_>, sessions: &Sessions, step: &Step<'_>) -> Vec<Unreached> {
        // What is known of our own devices is in /devices.
        let friends = self.spots.iter().filter(|(spot, _)| spot.0 != around.me);
        let missing = friends.filter(|(spot, _)| !sessions.has_device(&spot.0, &spot.1));
        let view = missing.map(|(spot, it)| {
            let mut addresses = around.where_is(&spot.0, &spot.1).1;
            addresses.extend(it.found.iter().chain(&it.noted).cloned());
            keep_places(&mut addresses);
            let refused = around.people.refused_invite(&spot.0).and_then(|invite| invite.dead.clone());
            let nowhere = || addresses.is_empty().then(|| "no address is known; try /connect".to_owned());
            Unreached {
                handle: around.handle(&spot.0),
                last_error: refused.or_else(|| it.last_error.clone()).or_else(nowhere),
                addresses,
                retry_ms: it.due_ms.map(|due| due.saturating_sub(step.now.mono_ms)),
            }
        });
        view.chain(self.refused(around, sessions)).collect()
    }

    /// Whose invite was refused, and of whom no device is known: nothing more is tried, and the person is told why.
    fn refused<'a>(&'a self, around: &'a Around<'_>, sessions: &'a Sessions) -> impl Iterator<Item = Unreached> + 'a {
        let is_tried = |account: &AccountId| self.spots.keys().any(|spot| spot.0 == *account);
        around.people.friends().filter_map(move |(account, row)| {
            let invite = around.people.refused_invite(account)?;
            (row.is_wanted() && !is_tried(account) && sessions.of(account).is_empty()).then(|| Unreached {
                handle: row.handle.clone(),
                last_error: invite.dead.clone(),
                addresses: invite.addresses.clone(),
                retry_ms: None,
            })
        })
    }
}

impl Attempt {
    /// Tells the person who named the address.
    fn report(&self, why: &str, around: &Around<'_>, step: &mut Step<'_>) {
        if let Some(address) = &self.asked {
            let chat = self.target.account().map(|account| around.handle(&account));
            let message = format!("nobody was reached at {}: {why}", display::line(address));
            step.event(Event::Warning { chat, message });
        }
    }
}

impl Target {
    /// The kind of handshake.
    pub(crate) fn mode(&self) -> Mode {
        match self {
            Self::Device { .. } => Mode::Device,
            Self::Invite { .. } => Mode::Invite,
            Self::Nearby => Mode::Nearby,
        }
    }

    /// Whose device it must be.
    pub(crate) fn account(&self) -> Option<AccountId> {
        self.spot().map(|spot| spot.0)
    }

    /// The session key that must answer.
    pub(crate) fn x25519(&self) -> Option<[u8; 32]> {
        self.spot().map(|spot| spot.1)
    }

    /// The invite to be used.
    pub(crate) fn invite(&self) -> Option<(InviteId, &[u8; 16])> {
        match self {
            Self::Invite { id, token, .. } => Some((*id, &token.0)),
            Self::Device { .. } | Self::Nearby => None,
        }
    }

    fn spot(&self) -> Option<Spot> {
        match self {
            Self::Device { account, x25519 } | Self::Invite { account, x25519, .. } => Some((*account, *x25519)),
            Self::Nearby => None,
        }
    }
}

/// Leaves each place once: the same one is known with and without the transport behind it.
fn keep_places(addresses: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    addresses.retain(|address| seen.insert(place(address).to_owned()));
}

/// The next moment: a deadline that is set while another is handled is never due already.
fn soon(step: &Step<'_>) -> u64 {
    step.now.mono_ms + 1
}

/// 1 s, 2 s, 4 s … 10 min, each shortened by up to a quarter, so that two nodes do not keep missing each other.
pub(crate) fn wait(failures: u32, step: &mut Step<'_>) -> u64 {
    let full = FIRST_WAIT_MS.saturating_mul(1 << failures.min(16)).min(LONGEST_WAIT_MS);
    full - u64::from(step.rng.next_u32()) % (full / 4)
}
