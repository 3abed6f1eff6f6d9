//! Links to a rendezvous that is not to know who calls: each over a connection and with a transport key of its own.
//!
//! A swarm that lives for one link, so that dialling, streams and deadlines are those of every other link.

use std::sync::Arc;

use futures::StreamExt as _;
use hobnob_shared::noise::Mode;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm, identity,
    swarm::{self, SwarmEvent, dial_opts::DialOpts},
};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    DialError, NetEvent, Times, failure,
    handle::Queued,
    link::{LinkTask, Links, Presence},
    streams::{OpenError, StreamEvent, Streams, Ticket},
    transport,
};

/// What a guest is told to do, and with what.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) dial: u64,
    pub(crate) peer: Option<PeerId>,
    pub(crate) addresses: Vec<Multiaddr>,
    pub(crate) links: Arc<Links>,
    pub(crate) events: mpsc::Sender<Queued>,
    pub(crate) times: Arc<Times>,
}

/// A stream, and whose it is.
struct Reached {
    stream: Stream,
    peer: PeerId,
    address: Multiaddr,
}

impl Guest {
    /// The whole life of one such link. Nobody can dial it back, and its key is forgotten with it.
    pub(crate) async fn run(self) {
        let key = identity::Keypair::generate_ed25519();
        let local = key.public().to_peer_id();
        let mut swarm = match transport::build(&key, &self.times) {
            Ok((transport, _)) => {
                let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(self.times.idle);
                Swarm::new(transport, Streams::new(self.times.upgrade), local, config)
            }
            Err(error) => return self.fail(failure::no_transport(&error)).await,
        };
        let reached = timeout(self.times.dial, self.reach(&mut swarm)).await.unwrap_or(Err(DialError::TimedOut));
        let Reached { stream, peer, address } = match reached {
            Ok(reached) => reached,
            Err(error) => return self.fail(error).await,
        };
        let link = LinkTask {
            links: self.links,
            events: self.events,
            times: self.times,
            local: local.to_bytes(),
            remote: peer.to_bytes(),
            address: address.to_string(),
            presence: Arc::new(Presence::outbound()),
        };
        let living = link.dialled(stream, self.dial, Mode::Guest);
        tokio::pin!(living);
        loop {
            tokio::select! {
                () = &mut living => return,
                // Keeps the connection alive; its end ends the stream, and with it the link.
                _ = swarm.select_next_some() => {}
            }
        }
    }

    /// Tries the addresses in their order.
    async fn reach(&self, swarm: &mut Swarm<Streams>) -> Result<Reached, DialError> {
        let mut worst = None;
        for address in &self.addresses {
            match self.reach_one(swarm, address).await {
                Ok(reached) => return Ok(reached),
                Err(error) => worst = Some(failure::worse(worst, error)),
            }
        }
        Err(worst.unwrap_or(DialError::NoAddress))
    }

    async fn reach_one(&self, swarm: &mut Swarm<Streams>, address: &Multiaddr) -> Result<Reached, DialError> {
        let options = match self.peer {
            Some(peer) => DialOpts::peer_id(peer).addresses(vec![address.clone()]).build(),
            None => DialOpts::unknown_peer_id().address(address.clone()).build(),
        };
        let dialled = options.connection_id();
        swarm.dial(options).map_err(|error| failure::dial_error(&error))?;
        let ticket = Ticket { dial: self.dial, attempt: 0, mode: Mode::Guest };
        let mut reached_peer = None;
        loop {
            #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's, and a dialling swarm has few of them")]
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } if connection_id == dialled => {
                    reached_peer = Some(peer_id);
                    swarm.behaviour_mut().open(peer_id, connection_id, ticket);
                }
                SwarmEvent::OutgoingConnectionError { connection_id, error, .. } if connection_id == dialled => {
                    return Err(failure::dial_error(&error));
                }
                SwarmEvent::ConnectionClosed { connection_id, .. } if connection_id == dialled => {
                    return Err(failure::open_error(OpenError::Broken));
                }
                SwarmEvent::Behaviour(StreamEvent::Opened { connection, stream, .. }) if connection == dialled => {
                    let peer = reached_peer.ok_or(DialError::NoAddress)?;
                    return Ok(Reached { stream, peer, address: address.clone() });
                }
                SwarmEvent::Behaviour(StreamEvent::Failed { error, .. }) => return Err(failure::open_error(error)),
                _ => {}
            }
        }
    }

    async fn fail(self, error: DialError) {
        // A net that has stopped needs no answer.
        let _ = self.events.send(NetEvent::DialFailed { dial: self.dial, error }.into()).await;
    }
}
