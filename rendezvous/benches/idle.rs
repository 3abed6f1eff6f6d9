//! Ten thousand idle logged-in nodes on one server process, against a bare libp2p swarm with identify and ping: memory
//! of each connection, CPU while idle, and how fast sessions come.
//!
//! HOBNOB_IDLE_NODES sets another number of nodes. The load runs in a process of its own, on the other core.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a benchmark prints, reads the clock, and stops when anything is wrong"
)]

#[path = "../tests/cast/mod.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "tests use the rest")]
mod cast;
mod common;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use hobnob_shared::{rendezvous::Address, wire::rendezvous::ServerFrame};
use libp2p::{
    Multiaddr, Swarm, Transport as _,
    core::upgrade::Version,
    identify, identity, noise, ping,
    swarm::{self, NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::task::JoinHandle;

use crate::{
    cast::{Person, client::Client},
    common::{Served, count, cpu, on_core, people, register, resident_kib, rosa, stay_on_core, verdict},
};

/// How long the server is left alone before it is measured, and how long its CPU is watched.
const SETTLE: Duration = Duration::from_secs(20);
const WATCHED: Duration = Duration::from_secs(30);
/// A node says that it is there this often.
const PING: Duration = Duration::from_secs(30);
/// Connections that are being made at once.
const AT_ONCE: usize = 32;

#[derive(NetworkBehaviour)]
struct Bare {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

fn bare_swarm() -> Swarm<Bare> {
    let key = identity::Keypair::generate_ed25519();
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&key).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let behaviour = Bare {
        identify: identify::Behaviour::new(identify::Config::new("bare/1".into(), key.public())),
        ping: ping::Behaviour::new(ping::Config::new()),
    };
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(3600));
    Swarm::new(transport, behaviour, key.public().to_peer_id(), config)
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let nodes = count("HOBNOB_IDLE_NODES", 10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    if words.iter().any(|word| word == "bare") {
        return runtime.block_on(serve_bare());
    }
    stay_on_core(1);
    let bare = runtime.block_on(measure_bare(nodes));
    let dir = tempfile::tempdir().unwrap();
    let mut people = people(nodes);
    register(dir.path(), &mut people);
    let (served, address) = rosa(dir.path());
    let ours = runtime.block_on(measure(&served, &address, people));
    let ratio = ours.kib / bare.kib;
    println!(
        "idle: {nodes} logged-in nodes: {:.1} KiB each; bare swarm with identify and ping {:.1} KiB, ratio {ratio:.2} (goal: at most 1.20): {}",
        ours.kib,
        bare.kib,
        verdict(ratio <= 1.2)
    );
    println!(
        "idle: they use {:.1} % of a core (bare: {:.1} %; goal: under 5 %): {}",
        ours.share,
        bare.share,
        verdict(ours.share < 5.0)
    );
    println!(
        "idle: {:.0} sessions a second, the load on the other core ({:.0} by the server's own CPU time; bare {:.0}; goal: 350): {}",
        ours.rate,
        ours.capacity,
        bare.rate,
        verdict(ours.rate >= 350.0)
    );
    // Thousands of connections are not worth closing one by one.
    std::io::stdout().flush().unwrap();
    drop(served);
    std::process::exit(0);
}

struct Figures {
    kib: f64,
    share: f64,
    rate: f64,
    /// Sessions a second if only the server's CPU counted.
    capacity: f64,
}

async fn serve_bare() {
    let mut swarm = bare_swarm();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            println!("{address}/p2p/{}", swarm.local_peer_id());
            std::io::stdout().flush().unwrap();
        }
    }
}

async fn measure_bare(nodes: usize) -> Figures {
    let served = on_core(0, &std::env::current_exe().unwrap(), &["bare"]);
    let address: Multiaddr = served.first_line.trim().parse().unwrap();
    figures(&served, nodes, |_| {
        let address = address.clone();
        async move {
            let mut swarm = bare_swarm();
            swarm.dial(address).unwrap();
            while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
            Staying(tokio::spawn(async move {
                loop {
                    swarm.select_next_some().await;
                }
            }))
        }
    })
    .await
}

async fn measure(served: &Served, address: &Address, people: Vec<Person>) -> Figures {
    let nodes = people.len();
    let people = std::sync::Arc::new(people);
    figures(served, nodes, |number| {
        let (address, people) = (address.clone(), people.clone());
        async move { stay(log_in(&address, &people[number]).await) }
    })
    .await
}

/// A node with identify and ping as every node has them, and a session of its device.
async fn log_in(address: &Address, person: &Person) -> Client {
    Client::try_open(address, Some(person), None).await.unwrap()
}

/// Says that it is there, as long as nobody stops it.
fn stay(mut client: Client) -> Staying {
    Staying(tokio::spawn(async move {
        let mut nonce = 0;
        loop {
            tokio::select! {
                frame = client.next_frame() => if frame.is_err() { return },
                () = tokio::time::sleep(PING) => {
                    nonce += 1;
                    if client.send(ServerFrame::Ping { nonce }).await.is_err() {
                        return;
                    }
                }
            }
        }
    }))
}

/// A node that stays connected.
struct Staying(JoinHandle<()>);

/// Connects `nodes`, some at once, and looks at the server before and after.
async fn figures<F, T>(served: &Served, nodes: usize, connect: F) -> Figures
where
    F: Fn(usize) -> T,
    T: Future<Output = Staying>,
{
    let server = served.child.id();
    let (before_kib, before_cpu, started) = (resident_kib(server), cpu(server), Instant::now());
    let staying: Vec<_> = futures::stream::iter((0..nodes).map(connect)).buffer_unordered(AT_ONCE).collect().await;
    let (took, used) = (started.elapsed().as_secs_f64(), (cpu(server) - before_cpu).as_secs_f64());
    tokio::time::sleep(SETTLE).await;
    let kib = (resident_kib(server) - before_kib) / nodes as f64;
    let (idle_from, watched) = (cpu(server), Instant::now());
    tokio::time::sleep(WATCHED).await;
    let share = (cpu(server) - idle_from).as_secs_f64() / watched.elapsed().as_secs_f64() * 100.0;
    assert!(staying.iter().all(|node| !node.0.is_finished()), "some nodes are gone");
    Figures { kib, share, rate: nodes as f64 / took, capacity: nodes as f64 / used }
}
