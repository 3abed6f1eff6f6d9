//! Reaching a rendezvous: as our account always, with growing waits; as a guest when something is asked.

use hobnob_shared::{limits::MAX_ADDRESS_BYTES, rendezvous::Address};

use super::{
    Lane, Rendezvous, ServerKey, calls::Failed, knock::Asking, session::Session, told::Told, vault::VaultState,
};
use crate::{
    command::ServerState,
    reach::{FIRST_WAIT_MS, LOST_DIAL_MS, START_GAP_MS, wait},
    step::Step,
    work::{Action, DialError, DialId, LinkId, Mode, TransportId},
};

/// Dials of this part have this bit, those of friends have not.
const OURS: u64 = 1 << 63;

/// An attempt to reach a rendezvous.
#[derive(Debug)]
pub(super) struct Dialling {
    server: ServerKey,
    lane: Lane,
    /// Where, and where else if nobody proves the key there.
    at: Address,
    left: Vec<Address>,
    since_ms: u64,
}

/// How it goes with our account's session with one rendezvous.
#[derive(Debug, Default)]
pub(super) struct Try {
    /// Failures since the last success or news.
    failures: u32,
    /// When to try next; none while a session or an attempt is there.
    due_ms: Option<u64>,
    last_ms: Option<u64>,
    pub(super) last_error: Option<String>,
    pub(super) knocks: Asking,
    pub(super) vault: VaultState,
    /// The vault opened with our key, since the program started or the key changed.
    pub(super) is_open: bool,
    /// Another device of ours says that it has another key.
    pub(super) told_key: Option<Told>,
    /// It does not know us, as far as it said since our name there was taken or the program started.
    pub(super) is_forgotten: bool,
    /// It shows nobody under our name.
    pub(super) is_nameless: bool,
    /// When the person was told last that it was set back.
    pub(super) set_back_ms: Option<u64>,
    /// What front ends were told last.
    told: Option<(ServerState, Option<String>)>,
}

impl Dialling {
    pub(super) fn server(&self) -> ServerKey {
        self.server
    }
}

impl Try {
    pub(super) fn retry_ms(&self, step_ms: u64) -> Option<u64> {
        self.due_ms.map(|due| due.saturating_sub(step_ms))
    }
}

/// Whether this attempt is to reach a rendezvous.
pub(crate) fn is_ours(dial: DialId) -> bool {
    dial.0 & OURS != 0
}

impl Rendezvous {
    /// We want a session as our account exactly where we have a name, as long as this device may act under it.
    pub(super) fn refresh(&mut self, server: &ServerKey, step: &mut Step<'_>) {
        let has_name = self.servers.get(server).is_some_and(|row| row.account.is_some());
        if has_name && !self.is_revoked {
            self.wake(server, step);
            return;
        }
        self.tries.remove(server);
        for link in self.links_of(server, Lane::Account) {
            self.leave(link, step);
        }
        if self.servers.get(server).is_none() {
            for link in
                self.sessions.iter().filter(|(_, it)| it.server == *server).map(|(link, _)| *link).collect::<Vec<_>>()
            {
                self.leave(link, step);
            }
        }
    }

    /// Our account has revoked this device: no rendezvous is asked as it from now on, and front ends are told once.
    pub(crate) fn on_revoked(&mut self, step: &mut Step<'_>) {
        self.is_revoked = true;
        let named = self.servers.all().filter(|(_, row)| row.account.is_some()).map(|(key, _)| *key);
        for server in named.collect::<Vec<_>>() {
            self.refresh(&server, step);
            self.dials.retain(|_, it| it.server != server || it.lane != Lane::Account);
            for call in self.calls.unsent(&server, Lane::Account) {
                self.fail(call, Failed::Revoked, step);
            }
            self.tell(&server, step);
        }
    }

    /// All of them, shortly: at the start, or when we are somewhere else.
    pub(crate) fn wake_all(&mut self, step: &mut Step<'_>) {
        let named = self.servers.all().filter(|(_, row)| row.account.is_some());
        for (index, server) in named.map(|(key, _)| *key).collect::<Vec<_>>().into_iter().enumerate() {
            self.wake(&server, step);
            if let Some(due) = self.tries.get_mut(&server).and_then(|it| it.due_ms.as_mut()) {
                *due += index as u64 * START_GAP_MS;
            }
        }
    }

    /// Something is wanted there: tries now, and waits are short again.
    pub(super) fn wake(&mut self, server: &ServerKey, step: &mut Step<'_>) {
        if self.is_revoked {
            return;
        }
        let is_busy = self.is_busy(server, Lane::Account);
        let it = self.tries.entry(*server).or_default();
        if !is_busy {
            it.failures = 0;
            it.due_ms = Some(it.last_ms.map_or(0, |last| last + FIRST_WAIT_MS).max(step.now.mono_ms));
        }
    }

    /// Whether an attempt or a session is there.
    pub(super) fn is_busy(&self, server: &ServerKey, lane: Lane) -> bool {
        let dialled = self.dials.values().any(|it| it.server == *server && it.lane == lane);
        dialled || !self.links_of(server, lane).is_empty()
    }

    /// Opens a link for this lane, where none is there or on its way.
    pub(super) fn dial(&mut self, server: &ServerKey, lane: Lane, step: &mut Step<'_>) {
        let mut places = self.places(server);
        if places.is_empty() || self.is_busy(server, lane) {
            return;
        }
        let at = places.remove(0);
        if let (Lane::Account, Some(it)) = (lane, self.tries.get_mut(server)) {
            (it.due_ms, it.last_ms) = (None, Some(step.now.mono_ms));
        }
        self.dial_at(server, lane, (at, places), step);
    }

    fn dial_at(&mut self, server: &ServerKey, lane: Lane, (at, left): (Address, Vec<Address>), step: &mut Step<'_>) {
        self.next_dial += 1;
        let dial = DialId(OURS | self.next_dial);
        step.act(Action::Dial {
            dial,
            transport: Some(TransportId(at.transport().to_vec())),
            addresses: vec![at.place().to_owned()],
            mode: if lane == Lane::Account { Mode::Account } else { Mode::Guest },
        });
        self.dials.insert(dial, Dialling { server: *server, lane, at, left, since_ms: step.now.mono_ms });
    }

    /// Nobody proved the key at a place: the next one is tried. `false`: there is none.
    pub(super) fn dial_next(
        &mut self,
        server: &ServerKey,
        lane: Lane,
        (at, mut left): (Address, Vec<Address>),
        step: &mut Step<'_>,
    ) -> bool {
        self.servers.failed(server, &at);
        if left.is_empty() || self.address(server).is_none() {
            return false;
        }
        let next = left.remove(0);
        self.dial_at(server, lane, (next, left), step);
        true
    }

    /// Somebody answered.
    pub(crate) fn on_dialled(
        &mut self,
        dial: DialId,
        link: LinkId,
        transports: (&TransportId, &TransportId),
        step: &mut Step<'_>,
    ) {
        let wanted = self.dials.remove(&dial).filter(|it| self.address(&it.server).is_some());
        let Some(Dialling { server, lane, at, left, .. }) = wanted else {
            step.act(Action::Close(link));
            return;
        };
        match Session::begin(server, lane, link, transports, step) {
            Ok(mut session) => {
                session.place = Some((at, left));
                self.sessions.insert(link, session);
            }
            Err(error) => {
                tracing::warn!(link = link.0, %error, "a handshake cannot begin");
                step.act(Action::Close(link));
                self.on_unreached(&server, lane, &Failed::Unreached("no handshake can begin".to_owned()), step);
            }
        }
    }

    /// Nobody answered.
    pub(crate) fn on_dial_failed(&mut self, dial: DialId, error: &DialError, step: &mut Step<'_>) {
        let Some(Dialling { server, lane, at, left, .. }) = self.dials.remove(&dial) else { return };
        if self.dial_next(&server, lane, (at, left), step) {
            return;
        }
        let why = match error {
            DialError::AnotherNode => {
                Failed::Untrusted("another node answers at its address; ask its operator for the right one".to_owned())
            }
            DialError::NotHobnob => Failed::Unsupported(
                "what answers there is no rendezvous of our version; is hobnob up to date?".to_owned(),
            ),
            DialError::NoAddress | DialError::Refused | DialError::TimedOut | DialError::Other(_) => {
                let mut words = error.to_string();
                words.truncate(words.floor_char_boundary(MAX_ADDRESS_BYTES));
                Failed::Unreached(words)
            }
        };
        self.on_unreached(&server, lane, &why, step);
    }

    /// No session came of it: whoever waits is told, and our account's session is tried again later.
    pub(super) fn on_unreached(&mut self, server: &ServerKey, lane: Lane, why: &Failed, step: &mut Step<'_>) {
        for call in self.calls.unsent(server, lane) {
            self.fail(call, why.clone(), step);
        }
        if lane == Lane::Account {
            self.try_later(server, why, step);
            self.tell(server, step);
        }
    }

    /// A session that was steady ended: the next attempt is as after a start. One that ends at once, since the rendezvous
    /// wants nothing of this device, is tried more and more seldom.
    pub(super) fn on_steady(&mut self, server: &ServerKey) {
        if let Some(it) = self.tries.get_mut(server) {
            it.failures = 0;
        }
    }

    /// Another attempt after a while.
    pub(super) fn try_later(&mut self, server: &ServerKey, why: &Failed, step: &mut Step<'_>) {
        let lost = self.lost_name(server).filter(|_| *why == Failed::Disowned);
        let words = lost.map_or_else(|| why.words(), |lost| format!("it {lost}"));
        if let Some(it) = self.tries.get_mut(server) {
            it.due_ms = Some(step.now.mono_ms + wait(it.failures, step));
            it.failures = it.failures.saturating_add(1);
            it.last_error = Some(words);
            it.knocks.due_ms = None;
        }
    }

    /// Our account's session is up. Where it ended each time since we are not known, that is nothing to be told until we
    /// are: see [`Self::on_known`].
    pub(super) fn on_reached(&mut self, server: &ServerKey, step: &mut Step<'_>) {
        let ours = self.sessions.values_mut().filter(|it| it.server == *server && it.lane == Lane::Account);
        ours.for_each(|session| session.is_ready = true);
        let Some(it) = self.tries.get_mut(server) else { return };
        it.due_ms = None;
        if !it.is_forgotten {
            it.last_error = None;
            self.tell(server, step);
        }
    }

    /// It takes this device for one of ours.
    pub(super) fn on_known(&mut self, server: &ServerKey, step: &mut Step<'_>) {
        if let Some(it) = self.tries.get_mut(server).filter(|it| it.is_forgotten) {
            (it.is_forgotten, it.last_error) = (false, None);
            self.tell(server, step);
        }
    }

    /// Whether it has said that it does not.
    pub(super) fn is_forgotten(&self, server: &ServerKey) -> bool {
        self.tries.get(server).is_some_and(|it| it.is_forgotten)
    }

    /// It does not, as far as it says now.
    pub(super) fn on_forgotten(&mut self, server: &ServerKey) {
        if let Some(it) = self.tries.get_mut(server) {
            it.is_forgotten = true;
        }
    }

    /// Whether front ends are to be told how it goes: once for each thing that there is to tell.
    pub(super) fn is_news(&mut self, server: &ServerKey) -> bool {
        let state = self.state(server);
        let Some(it) = self.tries.get_mut(server) else { return true };
        let now = (state, it.last_error.clone());
        let is_news = it.told.as_ref() != Some(&now);
        it.told = Some(now);
        is_news
    }

    /// Whether our account has a session there.
    pub(crate) fn is_up(&self, server: &ServerKey) -> bool {
        self.state(server) == ServerState::Up
    }

    /// Whether each one with a name of ours has given what lay there, or was tried in vain.
    pub(crate) fn is_caught_up(&self) -> bool {
        let mut named = self.servers.all().filter(|(_, row)| row.account.is_some());
        named.all(|(server, _)| {
            let is_failed = |it: &Try| it.last_error.is_some() && !self.is_busy(server, Lane::Account);
            match self.tries.get(server) {
                _ if self.is_ready(server) => !self.calls.is_fetching(server),
                Some(it) => is_failed(it),
                None => true, // nothing is tried there: this device was revoked
            }
        })
    }

    /// How it goes with our account's session.
    pub(super) fn state(&self, server: &ServerKey) -> ServerState {
        let is_up = self.sessions.values().any(|it| it.server == *server && it.lane == Lane::Account && it.is_ready);
        match self.tries.get(server) {
            None => ServerState::Idle,
            Some(it) if is_up && !it.is_forgotten => ServerState::Up,
            Some(it) if self.is_busy(server, Lane::Account) || it.last_error.is_none() => ServerState::Connecting,
            Some(_) => ServerState::Waiting,
        }
    }

    /// Dials what is due, and gives up attempts of which nothing is heard.
    pub(super) fn dial_due(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        let lost = self.dials.iter().filter(|(_, it)| it.since_ms + LOST_DIAL_MS <= now);
        for dial in lost.map(|(dial, _)| *dial).collect::<Vec<_>>() {
            self.on_dial_failed(dial, &DialError::TimedOut, step);
        }
        let due = self.tries.iter().filter(|(_, it)| it.due_ms.is_some_and(|due| due <= now));
        for server in due.map(|(server, _)| *server).collect::<Vec<_>>() {
            if let Some(it) = self.tries.get_mut(&server) {
                it.due_ms = None;
            }
            self.dial(&server, Lane::Account, step);
        }
        let knocks = self.tries.iter().filter(|(_, it)| it.knocks.due_ms.is_some_and(|due| due <= now));
        for server in knocks.map(|(server, _)| *server).collect::<Vec<_>>() {
            self.ask_knocks(server, step);
        }
    }

    pub(super) fn next_dial_ms(&self) -> Option<u64> {
        let due = self.tries.values().flat_map(|it| [it.due_ms, it.knocks.due_ms, it.vault.next_timeout()]).flatten();
        due.chain(self.dials.values().map(|it| it.since_ms + LOST_DIAL_MS)).min()
    }
}
