//! An idle node with 50 friends of whom none is reachable: resident memory and CPU, read from /proc for the real binary.

use std::time::Duration;

use hobnob_tests::{
    nodes::{Person, befriend},
    program::Program,
};

/// Friends who will never answer.
const FRIENDS: usize = 50;
/// How long the node is left alone before it is measured: the first attempts at everybody are over.
const SETTLE: Duration = Duration::from_secs(60);
/// How long it is measured.
const WATCH: Duration = Duration::from_secs(60);

fn main() {
    let runtime = hobnob::api::async_runtime().expect("a runtime");
    let dir = runtime.block_on(async {
        let mut me = Person::new("me").await;
        for n in 0..FRIENDS {
            let mut friend = Person::new(&format!("friend{n}")).await;
            befriend(&mut me, &mut friend).await;
            friend.node.shutdown().await;
        }
        me.node.shutdown().await;
        me.dir
    });
    drop(runtime);
    let program = Program::start(&dir.path().join("profile"));
    std::thread::sleep(SETTLE);
    let before = program.cpu();
    std::thread::sleep(WATCH);
    let used = program.cpu() - before;
    let share = 100.0 * used.as_secs_f64() / WATCH.as_secs_f64();
    let resident = program.resident_mib();
    println!("idle: {FRIENDS} unreachable friends: {resident:.1} MiB resident, {share:.3} % of a core");
    println!("idle: goal: under 30 MiB and 0.1 %: {}", if resident < 30.0 && share < 0.1 { "met" } else { "MISSED" });
}
