//! Between the engine's words for the network and the net's: which links and dials are this engine's, and what a new
//! engine must be told again.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_engine::{
    event::Event,
    work::{Action, DialError, DialId, Input, LinkId, Mode, TransportId},
};
use hobnob_net::{Net, NetEvent};

/// Transports that mDNS may show at a time. A local network has a few; more is somebody making them up.
const MAX_DISCOVERED: usize = 256;

/// The network, as one engine knows it.
#[derive(Debug)]
pub(super) struct Wire {
    net: Net,
    /// Links that this engine was told of. What comes on others is of an engine that is gone.
    links: BTreeSet<u64>,
    /// Dials of this engine, by the number that the net knows; engines count their own from the start again.
    dials: BTreeMap<u64, DialId>,
    next_dial: u64,
    /// `None` until the net has told.
    listening: Option<Vec<String>>,
    discovered: BTreeMap<Vec<u8>, Vec<String>>,
}

/// What a network event is to the node.
#[derive(Debug)]
pub(super) enum Told {
    /// Something for the engine.
    Input(Input),
    /// Something for people.
    Event(Event),
    /// Nothing: it belongs to an engine that is gone.
    Nothing,
}

impl Wire {
    pub(super) fn new(net: Net) -> Self {
        Self {
            net,
            links: BTreeSet::new(),
            dials: BTreeMap::new(),
            next_dial: 1,
            listening: None,
            discovered: BTreeMap::new(),
        }
    }

    pub(super) fn net(&self) -> &Net {
        &self.net
    }

    /// Our own transport, as others see it.
    pub(super) fn transport(&self) -> TransportId {
        TransportId(self.net.transport().to_vec())
    }

    /// Addresses that others can dial, once the net has told.
    pub(super) fn listening(&self) -> Option<&[String]> {
        self.listening.as_deref()
    }

    /// Turns a network event into an input, and remembers what a new engine would have to be told.
    pub(super) fn told(&mut self, event: NetEvent) -> Told {
        match event {
            NetEvent::Dialled { dial, link, local, remote, address } => match self.dials.remove(&dial) {
                Some(dial) => {
                    self.links.insert(link);
                    let (link, local, remote) = (LinkId(link), TransportId(local), TransportId(remote));
                    Told::Input(Input::Dialled { dial, link, local, remote, address })
                }
                None => self.not_ours(link),
            },
            NetEvent::Accepted { link, local, remote, address, mode } => match parse_mode(mode) {
                Some(mode) => {
                    self.links.insert(link);
                    let (link, local, remote) = (LinkId(link), TransportId(local), TransportId(remote));
                    Told::Input(Input::Accepted { link, local, remote, address, mode })
                }
                None => self.not_ours(link),
            },
            NetEvent::Chunk { link, bytes } => self.of_link(link, |link| Input::Chunk(link, bytes)),
            NetEvent::Closed { link } => {
                let told = self.of_link(link, Input::Closed);
                self.links.remove(&link);
                told
            }
            NetEvent::DialFailed { dial, error } => match self.dials.remove(&dial) {
                Some(dial) => Told::Input(Input::DialFailed(dial, dial_error(error))),
                None => Told::Nothing,
            },
            NetEvent::Listening(addresses) => {
                self.listening = Some(addresses.clone());
                Told::Input(Input::Listening(addresses))
            }
            NetEvent::Discovered { transport, addresses } => self.on_discovered(transport, addresses),
            NetEvent::Vanished { transport } => {
                self.discovered.remove(&transport);
                Told::Input(Input::Vanished(TransportId(transport)))
            }
            NetEvent::Warning(warning) => Told::Event(Event::Warning { chat: None, message: warning.to_string() }),
        }
    }

    fn on_discovered(&mut self, transport: Vec<u8>, addresses: Vec<String>) -> Told {
        if self.discovered.len() >= MAX_DISCOVERED && !self.discovered.contains_key(&transport) {
            return Told::Nothing;
        }
        self.discovered.insert(transport.clone(), addresses.clone());
        Told::Input(Input::Discovered(TransportId(transport), addresses))
    }

    fn of_link(&self, link: u64, input: impl FnOnce(LinkId) -> Input) -> Told {
        if self.links.contains(&link) { Told::Input(input(LinkId(link))) } else { Told::Nothing }
    }

    fn not_ours(&self, link: u64) -> Told {
        self.net.close(link);
        Told::Nothing
    }

    /// Carries out what the engine wants. Never waits.
    ///
    /// A dial that the net has no room for comes back as a failed one, in the answer.
    #[must_use]
    pub(super) fn act(&mut self, actions: Vec<Action>) -> Vec<Input> {
        let mut refused = Vec::new();
        for action in actions {
            match action {
                Action::Dial { dial, transport, addresses, mode } => {
                    refused.extend(self.dial(dial, transport, addresses, mode));
                }
                Action::Send(link, bytes) => self.send(link, bytes),
                Action::Close(link) => self.net.close(link.0),
                Action::Pairing(on) => self.net.set_pairing(on),
            }
        }
        refused
    }

    fn dial(
        &mut self,
        dial: DialId,
        transport: Option<TransportId>,
        addresses: Vec<String>,
        mode: Mode,
    ) -> Option<Input> {
        let number = self.next_dial;
        self.next_dial += 1;
        match self.net.try_dial(number, transport.map(|transport| transport.0), addresses, mode as u8) {
            Ok(()) => {
                self.dials.insert(number, dial);
                None
            }
            Err(full) => Some(Input::DialFailed(dial, DialError::Other(format!("too many dials at once: {full}")))),
        }
    }

    /// A link that cannot take a chunk is closed by the net, and says so; sync repeats after the next handshake.
    fn send(&self, link: LinkId, bytes: Vec<u8>) {
        if self.net.try_send(link.0, bytes).is_err() {
            tracing::debug!(link = link.0, "a peer reads too slowly");
        }
    }

    /// Forgets the engine: its links are closed, its dials are nobody's.
    pub(super) fn hang_up(&mut self) {
        for link in std::mem::take(&mut self.links) {
            self.net.close(link);
        }
        self.dials.clear();
        self.net.set_pairing(false);
    }

    /// What a new engine needs to be told of the network as it is.
    pub(super) fn introduction(&self) -> Vec<Input> {
        let found = self.discovered.iter();
        let found = found.map(|(transport, at)| Input::Discovered(TransportId(transport.clone()), at.clone()));
        self.listening.clone().map(Input::Listening).into_iter().chain(found).collect()
    }
}

fn parse_mode(mode: u8) -> Option<Mode> {
    [Mode::Device, Mode::Invite, Mode::Nearby].into_iter().find(|known| *known as u8 == mode)
}

fn dial_error(error: hobnob_net::DialError) -> DialError {
    match error {
        hobnob_net::DialError::NoAddress => DialError::NoAddress,
        hobnob_net::DialError::Refused => DialError::Refused,
        hobnob_net::DialError::TimedOut => DialError::TimedOut,
        hobnob_net::DialError::NotHobnob => DialError::NotHobnob,
        hobnob_net::DialError::AnotherNode => DialError::AnotherNode,
        hobnob_net::DialError::Other(what) => DialError::Other(what),
    }
}
