//! The one task that owns the swarm.
//!
//! It never waits for the runtime: what it has to tell stands in a bounded outbox, and while that is full the swarm is
//! not polled. Calls of the handle are served before the network.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use futures::StreamExt as _;
use hobnob_shared::noise::Mode;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm,
    core::ConnectedPoint,
    swarm::{
        ConnectionId, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    DialError, Limits, NetConfig, NetEvent, NetWarning, Times, address,
    behaviour::{Behaviour, BehaviourEvent},
    connection::{Connections, Place},
    dial::{Dials, Order, Request},
    discovery::{self, Nearby},
    failure,
    guest::Guest,
    handle::{Command, Queued},
    lan::LanEvent,
    link::{LinkTask, Links},
    listening::Listening,
    streams::{OpenError, StreamEvent},
};

/// Events that the task itself has to tell; it stops polling the swarm when there are more.
const OUTBOX: usize = 512;

/// Links with a swarm of their own, from dial to end: one for each rendezvous and a few more.
const GUESTS: usize = 16;

const MODES: [Mode; 5] = [Mode::Device, Mode::Invite, Mode::Nearby, Mode::Account, Mode::Guest];

/// The task. Everything it holds is bounded by [`Limits`].
pub(crate) struct Task {
    swarm: Swarm<Behaviour>,
    times: Arc<Times>,
    limits: Limits,
    local: Vec<u8>,
    links: Arc<Links>,
    running: JoinSet<()>,
    guests: Arc<Semaphore>,
    connections: Connections,
    dials: Dials,
    nearby: Nearby,
    listening: Listening,
    events: mpsc::Sender<Queued>,
    outbox: VecDeque<NetEvent>,
}

/// Who asked to stop, if anybody did.
type Stop = Option<oneshot::Sender<()>>;

impl Task {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        config: NetConfig,
        wanted: &[SocketAddr],
        links: Arc<Links>,
        events: mpsc::Sender<Queued>,
        warnings: Vec<NetWarning>,
    ) -> Self {
        let times = Arc::new(config.times);
        Self {
            local: swarm.local_peer_id().to_bytes(),
            listening: Listening::new(*swarm.local_peer_id(), wanted, Instant::now()),
            swarm,
            limits: config.limits,
            links,
            running: JoinSet::new(),
            guests: Arc::new(Semaphore::new(GUESTS)),
            connections: Connections::default(),
            dials: Dials::new(times.clone()),
            times,
            nearby: Nearby::default(),
            events,
            outbox: warnings.into_iter().map(NetEvent::Warning).collect(),
        }
    }

    /// Runs until somebody asks to stop, or nobody is left to ask.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let stop = self.serve(&mut commands).await;
        self.stop().await;
        if let Some(done) = stop {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
    }

    async fn serve(&mut self, commands: &mut mpsc::Receiver<Command>) -> Stop {
        let events = self.events.clone();
        loop {
            let due = self.next_timeout();
            let has_room = self.outbox.len() < OUTBOX;
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Shutdown(done)) => return Some(done),
                    Some(command) => self.on_command(command),
                    None => return None,
                },
                permit = events.reserve(), if !self.outbox.is_empty() => match (permit, self.outbox.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event.into()),
                    _ => return None,
                },
                Some(_) = self.running.join_next() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.on_timeout(),
                event = self.swarm.select_next_some(), if has_room => self.on_swarm(event),
            }
            self.carry_out();
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Dial { dial, transport, addresses, mode } => self.on_dial(dial, transport, &addresses, mode),
            Command::AskNearby => drop(self.running.spawn(discovery::ask(self.listening.addresses()))),
            Command::Shutdown(_) => {}
        }
    }

    fn on_dial(&mut self, dial: u64, transport: Option<Vec<u8>>, addresses: &[String], mode: u8) {
        let refuse = |why: &str| NetEvent::DialFailed { dial, error: DialError::Other(why.into()) };
        let Ok(transport) = transport.map(|bytes| PeerId::from_bytes(&bytes)).transpose() else {
            return self.outbox.push_back(refuse("the transport id is malformed"));
        };
        let Some(mode) = MODES.into_iter().find(|known| *known as u8 == mode) else {
            return self.outbox.push_back(refuse("there is no such mode"));
        };
        if self.dials.len() >= self.limits.dials {
            return self.outbox.push_back(refuse("too many dials at once"));
        }
        let (peer, addresses) = address::parse_dial(transport, addresses);
        if mode == Mode::Guest {
            return self.send_guest(dial, peer, addresses);
        }
        let existing = peer.and_then(|peer| self.connections.newest(&peer));
        self.dials.begin(Request { dial, mode, peer, addresses }, existing, Instant::now());
    }

    /// A link of its own swarm, which none of ours can be told from.
    fn send_guest(&mut self, dial: u64, peer: Option<PeerId>, addresses: Vec<Multiaddr>) {
        let Ok(place) = self.guests.clone().try_acquire_owned() else {
            let error = DialError::Other("too many guests at once".into());
            return self.outbox.push_back(NetEvent::DialFailed { dial, error });
        };
        let (links, events, times) = (self.links.clone(), self.events.clone(), self.times.clone());
        let guest = Guest { dial, peer, addresses, links, events, times };
        self.running.spawn(async move {
            guest.run().await;
            drop(place);
        });
    }

    fn on_timeout(&mut self) {
        let now = Instant::now();
        self.dials.on_timeout(now);
        self.outbox.extend(self.listening.tell(now));
        if self.listening.is_told() {
            self.outbox.extend(self.nearby.tell(now));
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let nearby = self.nearby.next_timeout(Instant::now()).filter(|_| self.listening.is_told());
        [self.dials.next_timeout(), self.listening.next_timeout(), nearby].into_iter().flatten().min()
    }

    /// Does what the dials want.
    fn carry_out(&mut self) {
        while let Some(order) = self.dials.next_order() {
            match order {
                Order::Connect { dial, peer, address } => self.connect(dial, peer, address),
                Order::Open { peer, connection, ticket } => {
                    self.swarm.behaviour_mut().streams.open(peer, connection, ticket);
                }
                Order::Fail { dial, error } => self.outbox.push_back(NetEvent::DialFailed { dial, error }),
            }
        }
    }

    fn connect(&mut self, dial: u64, peer: Option<PeerId>, address: Multiaddr) {
        // The swarm drops such an address without saying why.
        if self.listening.contains(&address) {
            return self.dials.on_not_started(dial, failure::own_address(), Instant::now());
        }
        // A new port each time: sharing the listening one saves nothing and fails when it is taken.
        let options = match peer {
            Some(peer) => DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(vec![address])
                .allocate_new_port()
                .build(),
            None => DialOpts::unknown_peer_id().address(address).allocate_new_port().build(),
        };
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => self.dials.on_started(dial, connection),
            Err(error) => self.dials.on_not_started(dial, failure::dial_error(&error), Instant::now()),
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "libp2p's, and most of it is news about things that we count"
        )]
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(connection_id, peer_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.connections.on_closed(connection_id);
                self.dials.on_closed(connection_id, now);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.dials.on_connect_failed(connection_id, failure::dial_error(&error), now);
            }
            SwarmEvent::NewListenAddr { address, .. } => self.listening.on_new(address, now),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.listening.on_expired(&address, now),
            SwarmEvent::ListenerClosed { addresses, .. } => {
                addresses.iter().for_each(|address| self.listening.on_expired(address, now));
            }
            _ => {}
        }
    }

    fn on_established(&mut self, id: ConnectionId, peer: PeerId, endpoint: &ConnectedPoint) {
        let now = Instant::now();
        self.connections.on_established(id, peer, endpoint, now);
        if endpoint.is_dialer() {
            if !self.dials.on_connected(id, peer) {
                self.swarm.close_connection(id);
            }
        } else if let Some(surplus) = self.connections.take_surplus(self.limits.unproven, self.times.proven, now) {
            self.swarm.close_connection(surplus);
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Streams(event) => self.on_stream(event),
            BehaviourEvent::Lan(LanEvent::Found(found)) => self.nearby.on_found(found),
            BehaviourEvent::Lan(LanEvent::Lost(lost)) => self.nearby.on_lost(lost),
            BehaviourEvent::Lan(LanEvent::Forgotten) => self.nearby.on_forgotten(Instant::now()),
            // What strangers say of themselves and of us is of no use.
            BehaviourEvent::Identify(_) | BehaviourEvent::Ping(_) => {}
            BehaviourEvent::Door(never) | BehaviourEvent::Memory(never) => match never {},
        }
    }

    fn on_stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Inbound { connection, stream } => self.on_inbound(connection, stream),
            StreamEvent::Opened { ticket, connection, stream } => {
                if let Some(mode) = self.dials.on_opened(ticket) {
                    self.on_opened(connection, stream, ticket.dial, mode);
                }
            }
            StreamEvent::Failed { ticket, error } => self.dials.on_open_failed(ticket, error, Instant::now()),
        }
    }

    fn on_opened(&mut self, connection: ConnectionId, stream: Stream, dial: u64, mode: Mode) {
        match self.connections.add_link(connection, false, Instant::now()) {
            Some(place) => drop(self.running.spawn(self.link(place).dialled(stream, dial, mode))),
            None => {
                let error = failure::open_error(OpenError::Broken);
                self.outbox.push_back(NetEvent::DialFailed { dial, error });
            }
        }
    }

    /// Begins a link, or resets the stream when this peer has too many; a peer that floods loses its connection.
    fn on_inbound(&mut self, connection: ConnectionId, stream: Stream) {
        let now = Instant::now();
        if self.connections.is_flooding(connection, now) {
            self.swarm.close_connection(connection);
        } else if self.connections.inbound_links(connection) < self.limits.links_per_peer
            && let Some(place) = self.connections.add_link(connection, true, now)
        {
            self.running.spawn(self.link(place).accepted(stream));
        }
    }

    fn link(&self, place: Place) -> LinkTask {
        LinkTask {
            links: self.links.clone(),
            events: self.events.clone(),
            times: self.times.clone(),
            local: self.local.clone(),
            remote: place.peer.to_bytes(),
            address: place.address,
            presence: place.presence,
        }
    }

    /// Lets every link send what it has, then closes every connection. Both take [`Times::close`] at most.
    async fn stop(&mut self) {
        self.links.close_all();
        let deadline = self.times.close;
        let links = async {
            loop {
                tokio::select! {
                    ended = self.running.join_next() => if ended.is_none() { break },
                    _ = self.swarm.select_next_some() => {}
                }
            }
        };
        // What is not sent by now is repeated in the next session.
        let _ = timeout(deadline, links).await;
        for connection in self.connections.ids() {
            self.swarm.close_connection(connection);
        }
        let connections = async {
            while !self.connections.is_empty() {
                if let SwarmEvent::ConnectionClosed { connection_id, .. } = self.swarm.select_next_some().await {
                    self.connections.on_closed(connection_id);
                }
            }
        };
        let _ = timeout(deadline, connections).await;
    }
}
