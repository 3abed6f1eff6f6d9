//! What nets cost that have nothing to do: CPU alone and with links, and memory of a link.
//!
//! Linux only, since it reads `/proc`. Bounded: about twenty seconds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and stops when anything is wrong"
)]

use std::{fs, time::Duration};

use hobnob_net::{Limits, NetConfig, NetEvent, start};

const WATCHED: Duration = Duration::from_secs(10);
const LINKS: usize = 50;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let limits = Limits { per_source: LINKS + 1, ..Limits::default() };
    let config = NetConfig { limits: limits.clone(), ..NetConfig::new([1; 32]) };
    let (bob, mut at_bob) = start(config).await.unwrap();
    let addresses = loop {
        if let NetEvent::Listening(addresses) = at_bob.recv().await.unwrap() {
            break addresses;
        }
    };
    println!("one node, nobody there    {:.4} % of a core, {} KiB resident", cpu_percent().await, resident_kib());
    let before = resident_kib();
    let mut others = Vec::new();
    for number in 0..LINKS {
        let mut config = NetConfig { listen: vec![], ..NetConfig::loopback([2 + number as u8; 32]) };
        config.limits = limits.clone();
        let (net, mut events) = start(config).await.unwrap();
        net.try_dial(1, None, addresses.clone(), 0).unwrap();
        while !matches!(events.recv().await.unwrap(), NetEvent::Dialled { .. }) {}
        others.push((net, events));
    }
    let each = (resident_kib() - before) / LINKS;
    println!("{LINKS} links, all silent      {:.4} % of a core; a net with its link {each} KiB", cpu_percent().await);
    bob.shutdown().await;
}

/// CPU time of all threads, over a while.
async fn cpu_percent() -> f64 {
    // Connections greet each other first.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = cpu_ns();
    tokio::time::sleep(WATCHED).await;
    (cpu_ns() - before) as f64 / WATCHED.as_nanos() as f64 * 100.0
}

fn cpu_ns() -> u64 {
    let of_thread = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    fs::read_dir("/proc/self/task").unwrap().filter_map(|task| of_thread(task.ok()?)).sum()
}

fn resident_kib() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
}
