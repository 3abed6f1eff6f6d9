//! Round trips of a small chunk between two nets on loopback, and how many chunks a second go one way.
//!
//! Prints p50 and p99 next to the same over a bare TCP socket. Bounded: a few seconds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark prints, and stops when anything is wrong"
)]

use std::time::Duration;

use hobnob_net::{Net, NetConfig, NetEvent, NetEvents, start};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

const WARM_UP: usize = 500;
const ROUNDS: usize = 5_000;
const CHUNK_BYTES: usize = 100;
const ONE_WAY: usize = 100_000;
/// Chunks under way at once; the writer queue holds 256.
const WINDOW: usize = 128;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let tcp = tcp_round_trips().await;
    let ours = round_trips().await;
    let ratio = ours.0.as_secs_f64() / tcp.0.as_secs_f64();
    println!("round trip, {CHUNK_BYTES} bytes     p50 {:>9.1?}  p99 {:>9.1?}", ours.0, ours.1);
    println!("bare TCP, the same        p50 {:>9.1?}  p99 {:>9.1?}  ratio {ratio:.1}", tcp.0, tcp.1);
    println!("one way, {WINDOW} under way    {:>9.0} chunks/s", one_way().await);
}

async fn pair() -> ((Net, NetEvents, u64), (Net, NetEvents, u64)) {
    let (alice, mut at_alice) = start(NetConfig::loopback([1; 32])).await.unwrap();
    let (bob, mut at_bob) = start(NetConfig::loopback([2; 32])).await.unwrap();
    let Some(NetEvent::Listening(addresses)) = at_bob.recv().await else { panic!("no addresses") };
    alice.try_dial(1, None, addresses, 0).unwrap();
    let from_alice = loop {
        match at_alice.recv().await {
            Some(NetEvent::Dialled { link, .. }) => break link,
            Some(NetEvent::Listening(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    let Some(NetEvent::Accepted { link: from_bob, .. }) = at_bob.recv().await else { panic!("not accepted") };
    ((alice, at_alice, from_alice), (bob, at_bob, from_bob))
}

async fn chunk(events: &mut NetEvents) -> Vec<u8> {
    match events.recv().await {
        Some(NetEvent::Chunk { bytes, .. }) => bytes,
        other => panic!("{other:?}"),
    }
}

async fn round_trips() -> (Duration, Duration) {
    let ((alice, mut at_alice, link), (bob, mut at_bob, back)) = pair().await;
    tokio::spawn(async move {
        while let Some(NetEvent::Chunk { bytes, .. }) = at_bob.recv().await {
            bob.try_send(back, bytes).unwrap();
        }
    });
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..WARM_UP + ROUNDS {
        let begun = Instant::now();
        alice.try_send(link, vec![7; CHUNK_BYTES]).unwrap();
        assert_eq!(chunk(&mut at_alice).await.len(), CHUNK_BYTES);
        if round >= WARM_UP {
            times.push(begun.elapsed());
        }
    }
    percentiles(times)
}

async fn one_way() -> f64 {
    let ((alice, mut at_alice, link), (bob, mut at_bob, back)) = pair().await;
    tokio::spawn(async move {
        let mut received = 0;
        while let Some(NetEvent::Chunk { .. }) = at_bob.recv().await {
            received += 1;
            if received % (WINDOW / 2) == 0 {
                bob.try_send(back, vec![1]).unwrap();
            }
        }
    });
    let begun = Instant::now();
    let mut credit = WINDOW;
    for _ in 0..ONE_WAY {
        if credit == 0 {
            chunk(&mut at_alice).await;
            credit += WINDOW / 2;
        }
        alice.try_send(link, vec![7; CHUNK_BYTES]).unwrap();
        credit -= 1;
    }
    ONE_WAY as f64 / begun.elapsed().as_secs_f64()
}

async fn tcp_round_trips() -> (Duration, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; CHUNK_BYTES];
        while far.read_exact(&mut buffer).await.is_ok() {
            far.write_all(&buffer).await.unwrap();
        }
    });
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        near.write_all(&[7; CHUNK_BYTES]).await.unwrap();
        near.read_exact(&mut [0; CHUNK_BYTES]).await.unwrap();
        times.push(begun.elapsed());
    }
    percentiles(times)
}

fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
