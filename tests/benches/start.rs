//! Start with a million stored messages: time to ready, resident memory, and the last 50 messages of a conversation.
//!
//! `HOBNOB_BENCH_MESSAGES` changes the number. The profile has no password, so Argon2id is not in the figures.

use std::time::{Duration, Instant};

use hobnob::api::{Command, Reply};
use hobnob_tests::{
    fill,
    nodes::{Person, befriend},
    program::Program,
};

fn main() {
    let count: u64 = std::env::var("HOBNOB_BENCH_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let runtime = hobnob::api::async_runtime().expect("a runtime");
    let (handle, chat, dir) = runtime.block_on(async {
        let mut alice = Person::new("alice").await;
        let mut bob = Person::new("bob").await;
        befriend(&mut alice, &mut bob).await;
        bob.node.shutdown().await;
        alice.node.shutdown().await;
        (alice.handle, bob.handle, alice.dir)
    });
    let profile = dir.path().join("profile");
    let started = Instant::now();
    fill::with_messages(&profile, &chat, count);
    println!("start: {count} messages written in {:.0?}", started.elapsed());

    let warm = ready(&profile);
    println!(
        "start: ready {:.1?} after exec, {:.1} MiB resident (goal: 150 ms, 60 MiB: {})",
        warm.0,
        warm.1,
        if warm.0 < Duration::from_millis(150) && warm.1 < 60.0 { "met" } else { "MISSED" }
    );
    let killed = {
        let program = Program::start(&profile);
        program.kill();
        ready(&profile)
    };
    println!(
        "start: ready {:.1?} after kill -9 (goal: 1 s: {})",
        killed.0,
        if killed.0 < Duration::from_secs(1) { "met" } else { "MISSED" }
    );

    runtime.block_on(async {
        let alice = Person::start(handle, dir).await;
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..200 {
            let start = Instant::now();
            let reply = alice.node.ask(Command::History { chat: chat.clone(), limit: 50, before: None }).await;
            times.push(start.elapsed());
            assert!(matches!(&reply, Ok(Reply::Messages(m)) if m.len() == 50), "{reply:?}");
        }
        times.sort();
        let median = times[times.len() / 2];
        println!(
            "start: the last 50 messages in {median:.2?} (goal: 2 ms: {})",
            if median < Duration::from_millis(2) { "met" } else { "MISSED" }
        );
        alice.node.shutdown().await;
    });
}

/// Time from exec to the `ready` line, and resident memory then.
fn ready(profile: &std::path::Path) -> (Duration, f64) {
    let start = Instant::now();
    let program = Program::start(profile);
    (start.elapsed(), program.resident_mib())
}
