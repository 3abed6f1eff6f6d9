//! A small node: one connection, one session, requests and notes.

use std::{collections::VecDeque, io, time::Duration};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use hobnob_rendezvous::server::PROTOCOL;
use hobnob_shared::{
    noise::{Handshake, Mode, Session, Step, preamble},
    rendezvous::Address,
    wire::{ErrorCode, rendezvous::ServerFrame},
};
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm, Transport as _,
    core::upgrade::Version,
    identify, identity, noise, ping,
    swarm::{self, NetworkBehaviour},
    tcp, yamux,
};
use tokio::{task::JoinHandle, time::timeout};

use super::{Person, rng};

/// Longer than anything may take that is not meant to fail.
pub const SOON: Duration = Duration::from_secs(20);

/// A connection that runs until it is dropped.
pub struct Link {
    pub control: libp2p_stream::Control,
    pub local: PeerId,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every node does on a connection.
#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: libp2p_stream::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

/// Connects to `place`, or to wherever the address says, as somebody new.
pub async fn connect(address: &Address, place: Option<&str>) -> io::Result<Link> {
    let key = identity::Keypair::generate_ed25519();
    let local = key.public().to_peer_id();
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&key).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(SOON);
    let behaviour = Behaviour {
        streams: libp2p_stream::Behaviour::new(),
        identify: identify::Behaviour::new(identify::Config::new("hobnob/1".into(), key.public())),
        ping: ping::Behaviour::new(ping::Config::new()),
    };
    let mut swarm = Swarm::new(transport, behaviour, local, config);
    let control = swarm.behaviour().streams.new_control();
    let place: Multiaddr = place.unwrap_or(address.place()).parse().unwrap();
    let peer = PeerId::from_bytes(address.transport()).unwrap();
    swarm.dial(place.with_p2p(peer).unwrap()).map_err(io::Error::other)?;
    let established = async {
        loop {
            match swarm.select_next_some().await {
                swarm::SwarmEvent::ConnectionEstablished { .. } => return Ok(()),
                swarm::SwarmEvent::OutgoingConnectionError { error, .. } => return Err(io::Error::other(error)),
                _ => {}
            }
        }
    };
    timeout(SOON, established).await??;
    let task = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    Ok(Link { control, local, task })
}

/// Opens a stream of our protocol.
pub async fn open(link: &mut Link, address: &Address) -> io::Result<Stream> {
    let peer = PeerId::from_bytes(address.transport()).unwrap();
    let opened = timeout(SOON, link.control.open_stream(peer, PROTOCOL)).await?;
    opened.map_err(|error| io::Error::other(error.to_string()))
}

/// A session that is up.
pub struct Client {
    pub link: Link,
    pub stream: Stream,
    pub session: Session,
    frames: VecDeque<(u32, ServerFrame)>,
    notes: VecDeque<ServerFrame>,
    next: u32,
}

impl Client {
    /// As nobody.
    pub async fn guest(address: &Address) -> Self {
        Self::try_open(address, None, None).await.unwrap()
    }

    /// As a person's device.
    pub async fn device(address: &Address, person: &Person) -> Self {
        Self::try_open(address, Some(person), None).await.unwrap()
    }

    pub async fn try_open(address: &Address, person: Option<&Person>, place: Option<&str>) -> io::Result<Self> {
        let mut link = connect(address, place).await?;
        let mut stream = open(&mut link, address).await?;
        let shaking = shake_hands(&mut stream, address, link.local, person);
        let session = timeout(SOON, shaking).await??;
        Ok(Self { link, stream, session, frames: VecDeque::new(), notes: VecDeque::new(), next: 1 })
    }

    /// The hash that binds a log-in.
    pub fn binding(&self) -> [u8; 32] {
        self.session.handshake_hash()
    }

    /// The answer to a request.
    pub async fn ask(&mut self, frame: ServerFrame) -> ServerFrame {
        timeout(SOON, self.try_ask(frame)).await.expect("an answer in time").unwrap()
    }

    pub async fn try_ask(&mut self, frame: ServerFrame) -> io::Result<ServerFrame> {
        let id = self.send(frame).await?;
        self.answer(id).await
    }

    pub async fn done(&mut self, frame: ServerFrame) {
        assert_eq!(self.ask(frame).await, ServerFrame::Done);
    }

    pub async fn refused(&mut self, frame: ServerFrame) -> ErrorCode {
        match self.ask(frame).await {
            ServerFrame::Error(failure) => failure.code,
            answer => panic!("it was served: {answer:?}"),
        }
    }

    /// Sends a request; says its id.
    pub async fn send(&mut self, frame: ServerFrame) -> io::Result<u32> {
        let id = self.next;
        self.next += 1;
        self.send_bytes(&frame.encode(id)).await?;
        Ok(id)
    }

    pub async fn send_bytes(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut messages = Vec::new();
        self.session.seal(frame, &mut messages).unwrap();
        for message in messages {
            self.stream.write_all(&(message.len() as u16).to_be_bytes()).await?;
            self.stream.write_all(&message).await?;
        }
        self.stream.flush().await
    }

    /// The answer to the request with this id; what comes before it is kept.
    pub async fn answer(&mut self, id: u32) -> io::Result<ServerFrame> {
        loop {
            let (of, frame) = self.next_frame().await?;
            if of == id {
                return Ok(frame);
            }
            self.notes.push_back(frame);
        }
    }

    /// The next note that `wanted` wants.
    pub async fn note<T>(&mut self, wanted: impl Fn(&ServerFrame) -> Option<T>) -> T {
        let waiting = async {
            loop {
                while let Some(note) = self.notes.pop_front() {
                    if let Some(found) = wanted(&note) {
                        return found;
                    }
                }
                let (_, frame) = self.next_frame().await.unwrap();
                self.notes.push_back(frame);
            }
        };
        timeout(SOON, waiting).await.expect("a note in time")
    }

    pub async fn next_frame(&mut self) -> io::Result<(u32, ServerFrame)> {
        while self.frames.is_empty() {
            let message = read(&mut self.stream).await?;
            for frame in self.session.open(&message).map_err(io::Error::other)? {
                self.frames.push_back(ServerFrame::decode(&frame).map_err(io::Error::other)?);
            }
        }
        Ok(self.frames.pop_front().unwrap())
    }

    /// Why the server ends the session.
    pub async fn closed(&mut self) -> Option<ErrorCode> {
        let waiting = async {
            loop {
                match self.next_frame().await {
                    Ok((_, ServerFrame::Close(close))) => return Some(close.code),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        };
        timeout(SOON, waiting).await.expect("an end in time")
    }
}

async fn shake_hands(
    stream: &mut Stream,
    address: &Address,
    local: PeerId,
    person: Option<&Person>,
) -> io::Result<Session> {
    let mut random = rng(u64::from_le_bytes(local.to_bytes()[8..16].try_into().unwrap()));
    let (local, remote) = (local.to_bytes(), address.transport());
    let mode = if person.is_some() { Mode::Account } else { Mode::Guest };
    let (mut handshake, first) = match person {
        Some(person) => Handshake::initiate(
            mode,
            person.device.x25519_secret(),
            Some(*address.x25519()),
            None,
            &local,
            remote,
            &person.certificate().encode(),
            &mut random,
        ),
        None => Handshake::initiate_as_guest(address.x25519(), &local, remote, &mut random),
    }
    .unwrap();
    stream.write_all(&preamble(mode)).await?;
    write(stream, &first).await?;
    let second = read(stream).await?;
    match handshake.read(&second).map_err(io::Error::other)? {
        Step::Done(established) => {
            if let Some(last) = &established.send {
                write(stream, last).await?;
            }
            Ok(established.session)
        }
        step => Err(io::Error::other(format!("{step:?}"))),
    }
}

pub async fn write(stream: &mut Stream, message: &[u8]) -> io::Result<()> {
    stream.write_all(&(message.len() as u16).to_be_bytes()).await?;
    stream.write_all(message).await?;
    stream.flush().await
}

pub async fn read(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Where a server in this process listens, with its key.
pub fn address_of(server: &hobnob_rendezvous::server::Server) -> Address {
    let place = server.addresses()[0].to_string();
    Address::new(&place, &server.peer().to_bytes(), &server.key()).unwrap()
}
