//! A friend's node that stands still: its machine hangs, or somebody stopped the process. The kernel still answers.

use rustix::process::Signal;

use crate::driver::{Home, Pair, befriend, history};

/// Together much more than queues, windows and socket buffers on the way hold.
const MESSAGES: usize = 400;
const BYTES: usize = 15_000;

#[test]
fn a_friend_who_stops_reading_holds_up_nobody_and_loses_nothing() {
    let Pair { mut alice, mut bob, .. } = Pair::new();
    let carol_home = Home::new("Carol");
    let mut carol = carol_home.start();
    befriend(&mut alice, &mut carol);
    carol.signal(Signal::STOP);
    let texts: Vec<String> = (0..MESSAGES).map(|n| format!("{n} {}", "x".repeat(BYTES))).collect();
    let mut last = None;
    for (n, text) in texts.iter().enumerate() {
        last = Some(alice.ask(&format!("/msg @carol {text}"))["entry"].clone());
        // Bob notices nothing.
        if n % 20 == 0 {
            let sent = alice.ask(&format!("/msg @bob {n}"));
            bob.receive(&n.to_string());
            alice.wait_state(&sent["entry"], &["delivered", "read"]);
        }
    }
    let queued = alice.ask("/outbox")["queued"].as_array().unwrap().len();
    assert_eq!(queued, MESSAGES, "nothing is called delivered that was not stored");
    carol.signal(Signal::CONT);
    alice.wait_state(&last.unwrap(), &["delivered", "read"]);
    let got: Vec<String> = history(&mut carol, "@alice").into_iter().map(|(_, text)| text).collect();
    assert!(got == texts, "{} of {MESSAGES} messages, or not in order", got.len());
}
