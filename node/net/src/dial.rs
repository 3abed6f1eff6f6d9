//! The dials under way: which address is next, which answer is still wanted, when to give up.
//!
//! No network in here: it takes what happened and the time, and leaves orders.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use hobnob_shared::noise::Mode;
use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use tokio::time::Instant;

use crate::{
    DialError, Times, failure,
    streams::{OpenError, Ticket},
};

/// What the task is to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Order {
    /// Connect to this address; tell [`Dials::on_started`] or [`Dials::on_not_started`].
    Connect { dial: u64, peer: Option<PeerId>, address: Multiaddr },
    /// Open a stream on this connection.
    Open { peer: PeerId, connection: ConnectionId, ticket: Ticket },
    /// Tell that the dial has failed.
    Fail { dial: u64, error: DialError },
}

/// One call of `try_dial`.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) dial: u64,
    pub(crate) mode: Mode,
    pub(crate) peer: Option<PeerId>,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// Every dial that has neither succeeded nor failed.
#[derive(Debug)]
pub(crate) struct Dials {
    times: Arc<Times>,
    open: BTreeMap<u64, Dial>,
    connecting: HashMap<ConnectionId, u64>,
    orders: VecDeque<Order>,
}

#[derive(Debug)]
struct Dial {
    mode: Mode,
    peer: Option<PeerId>,
    untried: VecDeque<Multiaddr>,
    /// Connections that are being made.
    connecting: usize,
    /// The stream that is being opened, and on which connection. While there is one, no address is tried.
    opening: Option<(ConnectionId, Ticket)>,
    attempts: u32,
    failure: Option<DialError>,
    /// When the next address is due, or an existing connection has had its chance.
    next: Instant,
    deadline: Instant,
}

impl Dials {
    pub(crate) fn new(times: Arc<Times>) -> Self {
        Self { times, open: BTreeMap::new(), connecting: HashMap::new(), orders: VecDeque::new() }
    }

    /// How many dials there are.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Begins a dial, over `existing` if there is a connection already.
    pub(crate) fn begin(&mut self, request: Request, existing: Option<ConnectionId>, now: Instant) {
        let Request { dial: id, mode, peer, addresses } = request;
        let dial = Dial {
            mode,
            peer,
            untried: addresses.into(),
            connecting: 0,
            opening: None,
            attempts: 0,
            failure: None,
            next: now,
            deadline: now + self.times.dial,
        };
        self.open.insert(id, dial);
        match (peer, existing) {
            (Some(peer), Some(connection)) => self.order_stream(id, peer, connection, now + self.times.reuse),
            _ => self.advance(id, now),
        }
    }

    /// The swarm has begun to connect.
    pub(crate) fn on_started(&mut self, dial: u64, connection: ConnectionId) {
        self.connecting.insert(connection, dial);
    }

    /// The swarm would not even begin.
    pub(crate) fn on_not_started(&mut self, id: u64, error: DialError, now: Instant) {
        self.on_attempt_failed(id, error, now);
    }

    /// A connection that we dialled is there. Returns whether anybody wants it.
    pub(crate) fn on_connected(&mut self, connection: ConnectionId, peer: PeerId) -> bool {
        let Some(id) = self.connecting.remove(&connection) else { return false };
        let Some(dial) = self.open.get_mut(&id) else { return false };
        dial.connecting = dial.connecting.saturating_sub(1);
        if dial.opening.is_some() {
            return false;
        }
        let deadline = dial.deadline;
        self.order_stream(id, peer, connection, deadline);
        true
    }

    /// A connection could not be made.
    pub(crate) fn on_connect_failed(&mut self, connection: ConnectionId, error: DialError, now: Instant) {
        if let Some(id) = self.connecting.remove(&connection) {
            self.on_attempt_failed(id, error, now);
        }
    }

    /// A connection ended; a stream that was being opened on it will not come.
    pub(crate) fn on_closed(&mut self, connection: ConnectionId, now: Instant) {
        let tickets: Vec<Ticket> = self
            .open
            .values()
            .filter_map(|dial| dial.opening)
            .filter_map(|(on, ticket)| (on == connection).then_some(ticket))
            .collect();
        for ticket in tickets {
            self.on_open_failed(ticket, OpenError::Broken, now);
        }
    }

    /// A stream is open. Returns the mode if its dial still waits for it, and forgets the dial.
    pub(crate) fn on_opened(&mut self, ticket: Ticket) -> Option<Mode> {
        let is_wanted = self.open.get(&ticket.dial)?.opening.is_some_and(|(_, opening)| opening == ticket);
        if is_wanted { self.open.remove(&ticket.dial).map(|dial| dial.mode) } else { None }
    }

    /// A stream could not be opened.
    pub(crate) fn on_open_failed(&mut self, ticket: Ticket, error: OpenError, now: Instant) {
        let Some(dial) = self.open.get_mut(&ticket.dial) else { return };
        if dial.opening.is_some_and(|(_, opening)| opening == ticket) {
            dial.give_up_stream(error, now);
            self.advance(ticket.dial, now);
        }
    }

    /// Does what is due. A call at or after [`next_timeout`](Self::next_timeout) always moves it.
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        let due: Vec<u64> = self.open.iter().filter(|(_, dial)| dial.due() <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.on_due(id, now);
        }
    }

    /// When `on_timeout` is needed next, if at all.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.open.values().map(Dial::due).min()
    }

    /// The next order.
    pub(crate) fn next_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    fn on_due(&mut self, id: u64, now: Instant) {
        let Some(dial) = self.open.get_mut(&id) else { return };
        if dial.deadline <= now {
            let error = failure::worse(dial.failure.take(), DialError::TimedOut);
            self.fail(id, error);
        } else {
            dial.give_up_stream(OpenError::TimedOut, now);
            self.advance(id, now);
        }
    }

    fn on_attempt_failed(&mut self, id: u64, error: DialError, now: Instant) {
        let Some(dial) = self.open.get_mut(&id) else { return };
        dial.connecting = dial.connecting.saturating_sub(1);
        dial.failure = Some(failure::worse(dial.failure.take(), error));
        dial.next = now;
        self.advance(id, now);
    }

    /// Tries the next address if it is due, or fails when nothing is left to wait for.
    fn advance(&mut self, id: u64, now: Instant) {
        let Some(dial) = self.open.get_mut(&id) else { return };
        if dial.opening.is_some() {
            return;
        }
        if dial.next <= now
            && let Some(address) = dial.untried.pop_front()
        {
            dial.connecting += 1;
            dial.next = now + self.times.stagger;
            self.orders.push_back(Order::Connect { dial: id, peer: dial.peer, address });
        } else if dial.connecting == 0 {
            let error = dial.failure.take().unwrap_or(DialError::NoAddress);
            self.fail(id, error);
        }
    }

    fn order_stream(&mut self, id: u64, peer: PeerId, connection: ConnectionId, until: Instant) {
        let Some(dial) = self.open.get_mut(&id) else { return };
        dial.attempts += 1;
        let ticket = Ticket { dial: id, attempt: dial.attempts, mode: dial.mode };
        dial.opening = Some((connection, ticket));
        dial.next = until;
        self.orders.push_back(Order::Open { peer, connection, ticket });
    }

    fn fail(&mut self, dial: u64, error: DialError) {
        self.open.remove(&dial);
        self.orders.push_back(Order::Fail { dial, error });
    }
}

impl Dial {
    fn due(&self) -> Instant {
        let waits_for_next = self.opening.is_some() || !self.untried.is_empty();
        if waits_for_next { self.next.min(self.deadline) } else { self.deadline }
    }

    fn give_up_stream(&mut self, error: OpenError, now: Instant) {
        if self.opening.take().is_some() {
            self.failure = Some(failure::worse(self.failure.take(), failure::open_error(error)));
            self.next = now;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    struct Table {
        dials: Dials,
        now: Instant,
    }

    fn connection(id: usize) -> ConnectionId {
        ConnectionId::new_unchecked(id)
    }

    fn address(host: u8) -> Multiaddr {
        format!("/ip4/192.0.2.{host}/tcp/1").parse().unwrap()
    }

    impl Table {
        fn new() -> Self {
            Self { dials: Dials::new(Arc::new(Times::default())), now: Instant::now() }
        }

        fn begin(&mut self, peer: Option<PeerId>, hosts: &[u8], existing: Option<ConnectionId>) {
            let addresses = hosts.iter().map(|host| address(*host)).collect();
            self.dials.begin(Request { dial: 1, mode: Mode::Device, peer, addresses }, existing, self.now);
        }

        fn wait(&mut self) {
            self.now = self.dials.next_timeout().unwrap();
            self.dials.on_timeout(self.now);
            assert!(self.dials.next_timeout().is_none_or(|next| next > self.now), "the deadline did not move");
        }

        fn connects(&mut self, host: u8, id: usize) {
            match self.dials.next_order() {
                Some(Order::Connect { dial: 1, address: to, .. }) => assert_eq!(to, address(host)),
                other => unreachable!("{other:?}"),
            }
            self.dials.on_started(1, connection(id));
        }

        fn opens(&mut self, on: usize) -> Ticket {
            match self.dials.next_order() {
                Some(Order::Open { connection: id, ticket, .. }) if id == connection(on) => ticket,
                other => unreachable!("{other:?}"),
            }
        }

        fn fails(&mut self) -> DialError {
            match self.dials.next_order() {
                Some(Order::Fail { dial: 1, error }) => error,
                other => unreachable!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn the_best_address_is_tried_first_and_the_next_a_little_later() {
        let mut table = Table::new();
        table.begin(None, &[1, 2], None);
        table.connects(1, 1);
        assert_eq!(table.dials.next_order(), None);
        table.wait();
        table.connects(2, 2);
        let peer = PeerId::random();
        assert!(table.dials.on_connected(connection(2), peer));
        let ticket = table.opens(2);
        assert!(!table.dials.on_connected(connection(1), peer), "the slower one is not wanted any more");
        assert_eq!(table.dials.on_opened(ticket), Some(Mode::Device));
        assert_eq!(table.dials.on_opened(ticket), None);
        assert_eq!(table.dials.next_timeout(), None);
    }

    #[tokio::test]
    async fn a_failure_starts_the_next_address_at_once_and_the_clearest_one_is_told() {
        let mut table = Table::new();
        table.begin(None, &[1, 2], None);
        table.connects(1, 1);
        table.dials.on_connect_failed(connection(1), DialError::Refused, table.now);
        table.connects(2, 2);
        table.dials.on_connect_failed(connection(2), DialError::NoAddress, table.now);
        assert_eq!(table.fails(), DialError::Refused);
    }

    #[tokio::test]
    async fn a_dead_connection_is_given_a_chance_and_then_the_addresses_are_dialled() {
        let mut table = Table::new();
        table.begin(Some(PeerId::random()), &[1], Some(connection(9)));
        let stale = table.opens(9);
        table.wait();
        table.connects(1, 1);
        assert_eq!(table.dials.on_opened(stale), None, "too late");
        assert!(table.dials.on_connected(connection(1), PeerId::random()));
        let ticket = table.opens(1);
        assert_eq!(table.dials.on_opened(ticket), Some(Mode::Device));
    }

    #[tokio::test]
    async fn silence_everywhere_ends_at_the_deadline() {
        let mut table = Table::new();
        let begun = table.now;
        table.begin(None, &[1, 2], None);
        table.connects(1, 1);
        table.wait();
        table.connects(2, 2);
        table.wait();
        assert_eq!(table.now - begun, Times::default().dial);
        assert_eq!(table.fails(), DialError::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_that_ends_while_its_stream_opens_fails_the_dial() {
        let mut table = Table::new();
        table.begin(None, &[1], None);
        table.connects(1, 1);
        table.dials.on_connected(connection(1), PeerId::random());
        table.opens(1);
        table.dials.on_closed(connection(1), table.now);
        assert!(matches!(table.fails(), DialError::Other(_)));
        table.begin(None, &[], None);
        assert_eq!(table.fails(), DialError::NoAddress);
    }
}
