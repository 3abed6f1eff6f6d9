//! The network of a world: links, and what is on its way over them.

use hobnob_engine::work::{Action, DialError, DialId, Input, LinkId, Mode, TransportId};
use rand_core::Rng as _;

use super::{NodeIndex, Place, ServerIndex, World, address, transport};

/// One end of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    at: Place,
    peer: LinkId,
    peer_at: Place,
    /// Nothing overtakes on one link.
    last_ms: u64,
}

/// Something on its way.
#[derive(Debug)]
pub(super) enum Flight {
    Input { at: Place, life: u64, input: Input },
    Dial { node: NodeIndex, life: u64, dial: DialId, addresses: Vec<String>, mode: Mode },
    Start { at: Place },
}

impl World {
    /// Nothing passes between the two any more; their links hang, as with a pulled cable.
    pub fn part(&mut self, one: NodeIndex, other: NodeIndex) {
        self.part_places(Place::Node(one), Place::Node(other));
    }

    /// The same between a node and a rendezvous.
    pub fn part_from_server(&mut self, node: NodeIndex, server: ServerIndex) {
        self.part_places(Place::Node(node), Place::Server(server));
    }

    /// Everything passes again between these two.
    pub fn join(&mut self, one: NodeIndex, other: NodeIndex) {
        let (one, other) = (Place::Node(one), Place::Node(other));
        self.cut.remove(&(one.min(other), one.max(other)));
    }

    /// Everything passes again between a node and a rendezvous.
    pub fn join_server(&mut self, node: NodeIndex, server: ServerIndex) {
        self.cut.remove(&(Place::Node(node), Place::Server(server)));
    }

    fn part_places(&mut self, one: Place, other: Place) {
        self.cut.insert((one.min(other), one.max(other)));
    }

    fn is_cut(&self, one: Place, other: Place) -> bool {
        self.cut.contains(&(one.min(other), one.max(other)))
    }

    fn is_hidden(&self, place: Place) -> bool {
        matches!(place, Place::Node(node) if self.nodes[node].hidden)
    }

    pub(super) fn later(&mut self, at_ms: u64, flight: Flight) {
        self.order += 1;
        self.flights.insert((at_ms, self.order), flight);
    }

    /// Everything that arrives by now.
    pub(super) fn land(&mut self) {
        while let Some(entry) = self.flights.first_entry() {
            if entry.key().0 > self.now_ms {
                return;
            }
            match entry.remove() {
                Flight::Input { at, life, input } if self.life(at) == life => self.input(at, input),
                Flight::Input { .. } => {}
                Flight::Dial { node, life, dial, addresses, mode } if self.nodes[node].lives == life => {
                    self.connect(node, dial, &addresses, mode);
                }
                Flight::Dial { .. } => {}
                Flight::Start { at: Place::Node(node) } => self.start(node),
                Flight::Start { at: Place::Server(server) } => self.start_server(server),
            }
        }
    }

    pub(super) fn act(&mut self, at: Place, action: Action) {
        match (action, at) {
            (Action::Dial { dial, addresses, mode, .. }, Place::Node(node)) => {
                let life = self.life(at);
                let at_ms = self.now_ms + 1 + self.below(self.faults.delay_ms + 1);
                self.later(at_ms, Flight::Dial { node, life, dial, addresses, mode });
            }
            (Action::Send(link, chunk), _) => self.carry(link, chunk),
            (Action::Close(link), _) => self.break_link(link),
            (Action::Dial { .. } | Action::Pairing(_), _) => {}
        }
    }

    fn connect(&mut self, node: NodeIndex, dial: DialId, addresses: &[String], mode: Mode) {
        let here = Place::Node(node);
        let is_there = |place: &Place| {
            let is_reached = self.is_up(*place) && !self.is_cut(here, *place) && !self.is_hidden(*place);
            *place != here && addresses.contains(&self.address_of(*place)) && is_reached
        };
        let Some(there) = self.places().find(is_there) else {
            return self.input(here, Input::DialFailed(dial, DialError::Refused));
        };
        if self.chance(self.faults.fail_dial) {
            return self.input(here, Input::DialFailed(dial, DialError::TimedOut));
        }
        let (ours, theirs) = (LinkId(self.next_link), LinkId(self.next_link + 1));
        self.next_link += 2;
        let last_ms = self.now_ms;
        self.links.insert(ours, End { at: here, peer: theirs, peer_at: there, last_ms });
        self.links.insert(theirs, End { at: there, peer: ours, peer_at: here, last_ms });
        let (local, remote) = (self.caller(node, mode), self.transport_of(there));
        self.input(
            there,
            Input::Accepted {
                link: theirs,
                local: remote.clone(),
                remote: local.clone(),
                address: format!("/ip4/10.0.0.{node}/tcp/49152"),
                mode,
            },
        );
        let address = self.address_of(there);
        self.input(here, Input::Dialled { dial, link: ours, local, remote, address });
    }

    /// Under which transport a node calls: a guest has a new one each time.
    fn caller(&mut self, node: NodeIndex, mode: Mode) -> TransportId {
        if mode == Mode::Guest { TransportId(self.rng.next_u64().to_be_bytes().to_vec()) } else { transport(node) }
    }

    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.nodes.len()).map(Place::Node).chain((0..self.servers.len()).map(Place::Server))
    }

    fn address_of(&self, place: Place) -> String {
        match place {
            Place::Node(node) => address(node),
            Place::Server(server) => self.servers[server].address.place().to_owned(),
        }
    }

    fn transport_of(&self, place: Place) -> TransportId {
        match place {
            Place::Node(node) => transport(node),
            Place::Server(server) => TransportId(self.servers[server].address.transport().to_vec()),
        }
    }

    fn carry(&mut self, link: LinkId, mut chunk: Vec<u8>) {
        let Some(end) = self.links.get(&link).copied() else { return };
        if self.is_cut(end.at, end.peer_at) {
            return; // Into a pulled cable.
        }
        if self.chance(self.faults.break_link) {
            return self.break_link(link);
        }
        if self.chance(self.faults.flip_chunk) && !chunk.is_empty() {
            let at = self.below(chunk.len() as u64) as usize;
            chunk[at] ^= 1 << self.below(8);
        }
        let mut at_ms = end.last_ms.max(self.now_ms + 1 + self.below(self.faults.delay_ms + 1));
        if self.chance(self.faults.swap_chunk) {
            at_ms = self.now_ms + 1; // Overtakes what is in flight.
        }
        let twice = self.chance(self.faults.repeat_chunk);
        if let Some(end) = self.links.get_mut(&link) {
            end.last_ms = end.last_ms.max(at_ms);
        }
        let life = self.life(end.peer_at);
        for _ in 0..1 + u8::from(twice) {
            let input = Input::Chunk(end.peer, chunk.clone());
            self.later(at_ms, Flight::Input { at: end.peer_at, life, input });
        }
    }

    /// Everything that somebody had open breaks.
    pub(super) fn break_all(&mut self, place: Place) {
        let ends: Vec<LinkId> = self.links.iter().filter(|(_, end)| end.at == place).map(|(id, _)| *id).collect();
        for link in ends {
            self.break_link(link);
        }
    }

    fn break_link(&mut self, link: LinkId) {
        let Some(end) = self.links.remove(&link) else { return };
        let there = self.links.remove(&end.peer);
        self.input(end.at, Input::Closed(link));
        if let Some(there) = there {
            // After what is in flight: a FIN does not overtake.
            let at_ms = end.last_ms.max(self.now_ms + 1);
            let life = self.life(there.at);
            self.later(at_ms, Flight::Input { at: there.at, life, input: Input::Closed(end.peer) });
        }
    }
}
