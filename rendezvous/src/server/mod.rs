//! The network side: connections, sessions, and the thread that serves them.

mod aside;
mod boxed;
mod bucket;
mod door;
mod hub;
mod limits;
mod memory;
mod outbox;
mod places;
mod pulse;
mod reading;
mod revocable;
mod seldom;
mod session;
mod sources;
mod streams;
mod swarm;

use std::{io, path::Path, sync::Arc, thread::JoinHandle, time::Duration};

use hobnob_shared::{identity::DeviceKeys, rendezvous::RegistrationCode};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

pub use hub::BATCH;
pub use limits::Limits;
pub use streams::PROTOCOL;

use crate::{
    clock::Clock,
    keys::{self, ServerKeys, random},
    metrics::Metrics,
    registry::{Policy, Registry, Totals},
    store::{OpenError, Secrets, Store, Target},
};
use hub::{Message, Order};
use limits::Shared;
use memory::Memory;
use pulse::Pulse;
use sources::Sources;

/// What a server is started with.
#[derive(Debug)]
pub struct Setup {
    /// Its secrets.
    pub keys: ServerKeys,
    /// Its database.
    pub store: Store,
    /// Where it listens.
    pub listen: Vec<Multiaddr>,
    /// Bounds of the network side.
    pub limits: Limits,
    /// What its operator decides.
    pub policy: Policy,
}

/// The server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The transport cannot be made.
    #[error("the transport cannot be set up: {0}")]
    Transport(String),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {reason}; choose another with --listen")]
    Listen {
        /// Which.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// The database cannot be read, or written.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The operating system said no.
    #[error("the server cannot be started")]
    Io(#[from] io::Error),
}

/// The server has ended, or cannot answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OrderError(pub String);

/// A running server.
#[derive(Debug)]
pub struct Server {
    hub: mpsc::Sender<Message>,
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    swarm: tokio::task::JoinHandle<()>,
    limits: Shared,
    metrics: Arc<Metrics>,
    memory: Arc<Memory>,
    peer: PeerId,
    key: [u8; 32],
    addresses: Vec<Multiaddr>,
    secrets: Vec<Secrets>,
}

/// A server that listens already and serves nobody yet. Nothing was made that lasts.
pub struct Bound {
    swarm: Swarm<swarm::Behaviour>,
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    limits: Shared,
    metrics: Arc<Metrics>,
    memory: Arc<Memory>,
}

/// Listens, with the transport's secret, on the current tokio runtime.
pub async fn bind(transport: &Zeroizing<[u8; 32]>, listen: &[Multiaddr], limits: Limits) -> Result<Bound, StartError> {
    let (metrics, limits) = (Arc::new(Metrics::default()), Shared::new(limits));
    let memory = Arc::new(Memory::new(limits.clone(), metrics.clone()));
    let (mut swarm, peer) = swarm::build(transport, limits.clone(), metrics.clone(), memory.clone())?;
    let addresses = swarm::listen(&mut swarm, listen).await?;
    Ok(Bound { swarm, peer, addresses, limits, metrics, memory })
}

/// Starts a server on the current tokio runtime. It listens when this returns.
pub async fn start(setup: Setup) -> Result<Server, StartError> {
    let Setup { keys, store, listen, limits, policy } = setup;
    bind(&keys.transport, &listen, limits).await?.serve(keys, store, policy)
}

impl Bound {
    /// Serves from now on. The keys must be those that it was bound with.
    pub fn serve(self, keys: ServerKeys, mut store: Store, policy: Policy) -> Result<Server, StartError> {
        let Self { swarm, peer, addresses, limits, metrics, memory } = self;
        let secrets = keys.secrets();
        let ServerKeys { device, transport: _, opaque } = keys;
        let clock = Clock::start();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        if let Err(error) = store.check_at_start() {
            // What is whole is served: it may be all that is left.
            metrics.damage.add(1);
            tracing::error!(%error, "the server starts all the same; run hobnob-rendezvous check");
        }
        let registry = Registry::new(device.clone(), opaque, policy, store.generation()?, seed);
        let pulse = Arc::new(Pulse::default());
        let sources = Arc::new(Sources::new(limits.clone()));
        let told = (metrics.clone(), pulse.clone(), sources.clone());
        let (hub, thread) = hub::start(registry, store, clock, told)?;
        let key = device.x25519_public();
        let context = context(device, peer, &hub, (&limits, &memory, sources), (&metrics, pulse), clock)?;
        let (stop, stopped) = oneshot::channel();
        let swarm = tokio::spawn(swarm::run(swarm, context, stopped));
        Ok(Server { hub, thread, stop, swarm, limits, metrics, memory, peer, key, addresses, secrets })
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bound")
    }
}

fn context(
    keys: DeviceKeys,
    peer: PeerId,
    hub: &mpsc::Sender<Message>,
    (limits, memory, sources): (&Shared, &Arc<Memory>, Arc<Sources>),
    (metrics, pulse): (&Arc<Metrics>, Arc<Pulse>),
    clock: Clock,
) -> io::Result<session::Context> {
    use rand_core::Rng as _;
    Ok(session::Context {
        keys,
        transport: peer.to_bytes(),
        hub: hub.clone(),
        places: places::Places::new(limits.clone()),
        limits: limits.clone(),
        memory: memory.clone(),
        sources,
        next: 1.into(),
        instance: random()?.next_u64(),
        clock,
        metrics: metrics.clone(),
        pulse,
    })
}

/// How long sessions and then connections may take for their last words when the server stops.
const STOP: Duration = Duration::from_secs(8);

impl Server {
    /// Where it listens, with the real ports.
    pub fn addresses(&self) -> &[Multiaddr] {
        &self.addresses
    }

    /// Its transport id.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// The key that clients pin.
    pub fn key(&self) -> [u8; 32] {
        self.key
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Other rules from now on. What is open stays open.
    pub async fn set_rules(&self, limits: Limits, policy: Policy) {
        self.limits.set(limits);
        // A hub that has ended needs no rules.
        let _ = self.hub.send(Message::Order(Order::Policy(policy))).await;
    }

    /// Hands for whoever asks while the server runs.
    pub fn control(&self) -> Control {
        let secrets = self.secrets.iter();
        let secrets = secrets.map(|secret| Secrets { name: secret.name, bytes: secret.bytes.clone() }).collect();
        Control {
            hub: self.hub.clone(),
            secrets: Arc::new(secrets),
            metrics: self.metrics.clone(),
            memory: self.memory.clone(),
        }
    }

    /// Waits until nobody serves any more without having been told to stop, which is a fault of ours.
    pub async fn ended(&self) {
        self.hub.closed().await;
    }

    /// Ends every session politely, stores what was accepted, and stops.
    pub async fn stop(self) {
        let _ = self.hub.send(Message::Order(Order::CloseAll)).await;
        // The swarm ends when its sessions have, or soon.
        let _ = self.stop.send(());
        let mut swarm = self.swarm;
        if tokio::time::timeout(STOP, &mut swarm).await.is_err() {
            swarm.abort();
        }
        // Whoever still waits for an answer, a long backup for example, gets none.
        let _ = self.hub.send(Message::Order(Order::End)).await;
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// What the operator may ask of a running server.
#[derive(Clone, Debug)]
pub struct Control {
    hub: mpsc::Sender<Message>,
    secrets: Arc<Vec<Secrets>>,
    metrics: Arc<Metrics>,
    memory: Arc<Memory>,
}

impl Control {
    /// How much there is.
    pub async fn totals(&self) -> Result<Totals, OrderError> {
        let (answer, answered) = oneshot::channel();
        let totals = self.ask(Order::Totals(answer), answered).await?;
        totals.map_err(|fault| OrderError(fault.to_string()))
    }

    /// Makes a registration code good.
    pub async fn add_code(&self, code: RegistrationCode) -> Result<(), OrderError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Order::Code(code, answer), answered).await?.map_err(OrderError)
    }

    /// Writes a backup, beside serving.
    pub async fn back_up(&self, target: impl Into<Target>) -> Result<(), OrderError> {
        let secrets = self.secrets.iter();
        let secrets = secrets.map(|secret| Secrets { name: secret.name, bytes: secret.bytes.clone() }).collect();
        let (answer, answered) = oneshot::channel();
        self.ask(Order::Backup(target.into(), secrets, answer), answered).await?.map_err(OrderError)
    }

    /// Reads every page of the database, and the files with the secrets, and says whether all of it is whole.
    ///
    /// It is done beside serving; only where that finds something wrong, which may have been overwritten meanwhile, nobody
    /// is served while it is done once more.
    pub async fn check(&self, dir: &Path) -> Result<(), OrderError> {
        for secret in self.secrets.iter() {
            keys::check(dir, secret).map_err(|error| OrderError(error.to_string()))?;
        }
        let (answer, answered) = oneshot::channel();
        if self.ask(Order::Check(false, answer), answered).await?.map_err(OrderError)? {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        self.ask(Order::Check(true, answer), answered).await?.map(drop).map_err(OrderError)
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether new connections are refused for want of memory.
    pub fn is_out_of_memory(&self) -> bool {
        self.memory.is_full()
    }

    async fn ask<T>(&self, order: Order, answered: oneshot::Receiver<T>) -> Result<T, OrderError> {
        let stopped = || OrderError("the server is stopping".into());
        self.hub.send(Message::Order(order)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())
    }
}
