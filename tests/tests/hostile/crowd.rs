//! Peers that come in numbers, or that never finish what they begin: meanwhile Alice and Bob chat.

use std::{sync::Arc, time::Duration};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use hobnob_tests::{
    nodes::{DEADLINE, Person, befriend},
    raw::{Raw, has_ended, place, socket},
};
use tokio::time::Instant;

use crate::{invite, still_chatting};

/// What one address of strangers may hold: `Limits::per_source`.
const PLACES_OF_A_SOURCE: usize = 32;

/// What one stranger may hold: `Limits::per_peer`.
const PLACES_OF_A_PEER: usize = 4;

/// What one stranger may have open: `Limits::links_per_peer`.
const STREAMS_OF_A_PEER: usize = 8;

/// Between two bytes of those who drip.
const DRIP: Duration = Duration::from_millis(500);

async fn friends() -> (Person, Person) {
    let mut alice = Person::new("alice").await;
    let mut bob = Person::new("bob").await;
    befriend(&mut alice, &mut bob).await;
    (alice, bob)
}

/// Alice and Bob chat until `done`; each message arrives.
async fn chat_until(what: &str, alice: &mut Person, bob: &mut Person, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "never: {what}");
        still_chatting(alice, bob).await;
    }
    still_chatting(alice, bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_never_finishes_a_greeting_is_thrown_out_while_friends_chat() {
    let (mut alice, mut bob) = friends().await;
    let (address, target, peer) = place(&invite(&alice, false).await.addresses[0]);
    // Nothing at all, from one address; a byte now and then, from another.
    let mut silent = Vec::new();
    let mut dripping = Vec::new();
    for _ in 0..8 {
        silent.push(socket("127.0.0.2", target).await);
        let mut socket = socket("127.0.0.3", target).await;
        dripping.push(tokio::spawn(async move {
            // multistream-select begins with the length of what never comes.
            for byte in std::iter::once(19).chain(*b"/multistream/1.0.0").cycle() {
                if tokio::io::AsyncWriteExt::write_all(&mut socket, &[byte]).await.is_err() || has_ended(&socket) {
                    return;
                }
                tokio::time::sleep(DRIP).await;
            }
        }));
    }
    // Real libp2p, and then: no preamble; a preamble and nothing; a preamble and a chunk that never ends.
    let mallory = Raw::start();
    mallory.connect(&address);
    chat_until("Mallory is connected", &mut alice, &mut bob, || mallory.open() == 1).await;
    let mut waiting = Vec::new();
    for kind in 0..3 {
        let opened = if kind == 0 { mallory.bare_stream(peer).await } else { mallory.stream(peer).await };
        let (mut reading, mut writing) = opened.expect("a stream").split();
        waiting.push(tokio::spawn(async move {
            let drip = async {
                let _ = writing.write_all(&1000_u16.to_be_bytes()).await;
                loop {
                    let _ = writing.write_all(&[0]).await;
                    let _ = writing.flush().await;
                    tokio::time::sleep(DRIP).await;
                }
            };
            let end = async { while reading.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {} };
            tokio::select! {
                () = drip, if kind == 2 => {}
                () = end => {}
            }
        }));
    }
    chat_until("everybody is thrown out", &mut alice, &mut bob, || {
        silent.iter().all(has_ended) && dripping.iter().chain(&waiting).all(tokio::task::JoinHandle::is_finished)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_connections_and_streams_take_few_places_while_friends_chat() {
    let (mut alice, mut bob) = friends().await;
    let (address, target, peer) = place(&invite(&alice, false).await.addresses[0]);
    let mallory = Arc::new(Raw::start());
    mallory.connect(&address);
    chat_until("Mallory is connected", &mut alice, &mut bob, || mallory.open() == 1).await;
    let mut sockets = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..300 {
        sockets.push(socket("127.0.0.2", target).await);
        mallory.connect(&address);
        let mallory = Arc::clone(&mallory);
        streams.push(tokio::spawn(async move {
            let Some(mut stream) = mallory.stream(peer).await else { return };
            // Holds it as long as it may.
            while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
        }));
    }
    chat_until("most are refused", &mut alice, &mut bob, || {
        sockets.iter().filter(|socket| has_ended(socket)).count() >= 300 - PLACES_OF_A_SOURCE
            && mallory.ended() + PLACES_OF_A_PEER > 300
            && streams.iter().filter(|stream| stream.is_finished()).count() >= 300 - STREAMS_OF_A_PEER
    })
    .await;
    assert!(mallory.open() <= PLACES_OF_A_PEER, "{mallory:?}");
    // They were refused; no deadline did that, for the first one still has its five seconds.
    assert!(!has_ended(&sockets[0]), "so many should not take so long");
    // There is room for a new friend.
    let mut carol = Person::new("carol").await;
    befriend(&mut alice, &mut carol).await;
    still_chatting(&mut alice, &mut carol).await;
}
