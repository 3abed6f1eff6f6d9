//! Something that answers as a rendezvous, proves its key, and says of itself what it is told to.

use std::collections::BTreeMap;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use hobnob_rendezvous::server::PROTOCOL;
use hobnob_shared::{
    identity::DeviceKeys,
    noise::{Handshake, Session, Step, parse_preamble},
    rendezvous::Address,
    wire::{
        ErrorCode, Failure, ServerFrame,
        rendezvous::{Registration, Status},
    },
};
use libp2p::{Multiaddr, PeerId, Stream, SwarmBuilder, noise, swarm::SwarmEvent, tcp, yamux};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use tokio::task::JoinHandle;

/// It, until it is dropped.
#[derive(Debug)]
pub struct Pretender {
    /// What a node is given.
    pub address: Address,
    task: JoinHandle<()>,
}

impl Pretender {
    /// One that says it speaks these versions, on a free port of loopback.
    pub async fn start(versions: (u8, u8)) -> Self {
        let keys = DeviceKeys::generate(&mut ChaCha20Rng::from_seed([8; 32]));
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .expect("TCP")
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .expect("streams")
            .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("a free port");
        let place: Multiaddr = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let local = swarm.local_peer_id().to_bytes();
        let address = Address::new(&place.to_string(), &local, &keys.x25519_public()).expect("an address");
        let mut streams = swarm.behaviour().new_control().accept(PROTOCOL).expect("nobody else accepts it");
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = swarm.select_next_some() => {}
                    Some((peer, stream)) = streams.next() => {
                        let mut talk = Talk { stream, keys: keys.clone(), versions };
                        let local = local.clone();
                        // Whatever the other side makes of it ends this stream only.
                        tokio::spawn(async move { talk.serve(&local, peer).await });
                    }
                }
            }
        });
        Self { address, task }
    }
}

impl Drop for Pretender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One stream.
struct Talk {
    stream: Stream,
    keys: DeviceKeys,
    versions: (u8, u8),
}

impl Talk {
    async fn serve(&mut self, local: &[u8], peer: PeerId) -> Option<()> {
        let mut session = self.shake_hands(local, peer).await?;
        loop {
            for frame in session.open(&self.read().await?).ok()? {
                let (id, frame) = ServerFrame::decode(&frame).ok()?;
                let answer = match frame {
                    ServerFrame::StatusGet => ServerFrame::Status(self.status()),
                    ServerFrame::Hello(_) | ServerFrame::Ping { .. } | ServerFrame::Close(_) => continue,
                    _ => ServerFrame::Error(Failure { code: ErrorCode::Unsupported, of: id }),
                };
                let mut messages = Vec::new();
                session.seal(&answer.encode(id), &mut messages).ok()?;
                for message in messages {
                    self.write(&message).await?;
                }
            }
        }
    }

    async fn shake_hands(&mut self, local: &[u8], peer: PeerId) -> Option<Session> {
        let mut preamble = [0; hobnob_shared::noise::PREAMBLE_BYTES];
        self.stream.read_exact(&mut preamble).await.ok()?;
        let mode = parse_preamble(&preamble).ok()?;
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let secret = self.keys.x25519_secret();
        let mut handshake = Handshake::respond(mode, secret, local, &peer.to_bytes(), &mut rng).ok()?;
        loop {
            match handshake.read(&self.read().await?).ok()? {
                Step::Send(message) => self.write(&message).await?,
                Step::Done(established) => {
                    if let Some(last) = &established.send {
                        self.write(last).await?;
                    }
                    return Some(established.session);
                }
                Step::NeedToken(_) => return None,
            }
        }
    }

    fn status(&self) -> Status {
        Status {
            versions: self.versions,
            software: "pretender".to_owned(),
            time_ms: 1,
            signing_key: *self.keys.id().as_bytes(),
            registration: Registration::Open { pow_bits: 0 },
            knock_bits: 0,
            challenge: [0; 16],
            limits: BTreeMap::new(),
        }
    }

    async fn read(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length).await.ok()?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut message).await.ok()?;
        Some(message)
    }

    async fn write(&mut self, message: &[u8]) -> Option<()> {
        let length = u16::try_from(message.len()).ok()?;
        self.stream.write_all(&length.to_be_bytes()).await.ok()?;
        self.stream.write_all(message).await.ok()?;
        self.stream.flush().await.ok()
    }
}
