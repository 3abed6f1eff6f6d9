//! What a link carries, and how it ends.

use hobnob_net::{NetConfig, NetEvent, Times};
use hobnob_shared::limits::{MAX_NOISE_BYTES, WRITER_QUEUE_BYTES, WRITER_QUEUE_FRAMES};
use tokio::time::{Duration, Instant};

use crate::cast::{Node, Wire, assert_talking, config, link, times, until};

#[tokio::test]
async fn chunks_go_both_ways_in_order_and_whole() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let (at_alice, at_bob) = link(&mut alice, &mut bob).await;
    let chunks: Vec<Vec<u8>> = (1..=100_usize).map(|n| vec![n as u8; n * n * n % MAX_NOISE_BYTES + 1]).collect();
    for chunk in &chunks {
        alice.net.try_send(at_alice, chunk.clone()).unwrap();
        assert_eq!(&bob.chunk(at_bob).await, chunk);
        bob.net.try_send(at_bob, chunk.clone()).unwrap();
    }
    for chunk in &chunks {
        assert_eq!(&alice.chunk(at_alice).await, chunk);
    }
}

#[tokio::test]
async fn both_sides_learn_who_and_how() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    alice.net.try_dial(3, None, bob.addresses.clone(), 2).unwrap();
    let bare = bob.addresses[0].split("/p2p/").next().unwrap().to_owned();
    match alice.next().await {
        NetEvent::Dialled { dial: 3, local, remote, address, .. } => {
            assert_eq!((local.as_slice(), remote.as_slice()), (alice.net.transport(), bob.net.transport()));
            assert_eq!(address, bare);
        }
        other => panic!("{other:?}"),
    }
    match bob.next().await {
        NetEvent::Accepted { local, remote, address, mode: 2, .. } => {
            assert_eq!((local.as_slice(), remote.as_slice()), (bob.net.transport(), alice.net.transport()));
            assert!(address.starts_with("/ip4/127.0.0.1/tcp/"), "{address}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let (at_alice, at_bob) = link(&mut alice, &mut bob).await;
    for n in 0..60_u8 {
        alice.net.try_send(at_alice, vec![n; MAX_NOISE_BYTES]).unwrap();
    }
    alice.net.close(at_alice);
    alice.net.try_send(at_alice, vec![0]).unwrap();
    for n in 0..60_u8 {
        assert_eq!(bob.chunk(at_bob).await, vec![n; MAX_NOISE_BYTES]);
    }
    assert_eq!(bob.next().await, NetEvent::Closed { link: at_bob });
    assert_eq!(alice.next().await, NetEvent::Closed { link: at_alice });
}

#[tokio::test]
async fn shutdown_sends_what_waits_and_ends_the_events() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let (at_alice, at_bob) = link(&mut alice, &mut bob).await;
    alice.net.try_send(at_alice, b"goodbye".to_vec()).unwrap();
    alice.net.shutdown().await;
    assert_eq!(bob.chunk(at_bob).await, b"goodbye");
    bob.closed(at_bob).await;
    alice.closed(at_alice).await;
    assert_eq!(alice.events.recv().await, None);
    alice.net.shutdown().await;
}

#[tokio::test]
async fn a_second_link_uses_the_same_connection_and_links_have_their_own_numbers() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let (first, at_bob) = link(&mut alice, &mut bob).await;
    let transport = bob.net.transport().to_vec();
    // Without any address: only the connection that is there can serve.
    let second = alice.dial(Some(transport), vec![]).await.unwrap();
    let second_at_bob = bob.accepted().await;
    assert_ne!(first, second);
    // And Bob uses the connection that Alice made.
    let third = bob.dial(Some(alice.net.transport().to_vec()), vec![]).await.unwrap();
    let third_at_alice = alice.accepted().await;
    alice.net.close(first);
    alice.closed(first).await;
    bob.closed(at_bob).await;
    assert_talking(&mut alice, second, &mut bob, second_at_bob).await;
    assert_talking(&mut alice, third_at_alice, &mut bob, third).await;
}

#[tokio::test]
async fn a_connection_without_a_link_ends_soon() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let (at_alice, _) = link(&mut alice, &mut bob).await;
    alice.net.close(at_alice);
    alice.closed(at_alice).await;
    // As long as the connection is there a dial without addresses succeeds.
    let transport = bob.net.transport().to_vec();
    let start = Instant::now();
    tokio::time::sleep(times().idle * 3).await;
    while let Ok(link) = alice.dial(Some(transport.clone()), vec![]).await {
        alice.net.close(link);
        assert!(start.elapsed() < Duration::from_secs(20), "the connection stays");
        tokio::time::sleep(times().idle * 3).await;
    }
}

#[tokio::test]
async fn a_full_writer_queue_closes_the_link_and_no_other() {
    let (mut alice, mut bob, mut carol) = (Node::start().await, Node::start().await, Node::start().await);
    let (to_bob, _) = link(&mut alice, &mut bob).await;
    let (to_carol, at_carol) = link(&mut alice, &mut carol).await;
    // Bob's runtime takes nothing, so what Alice sends stays in queues, all of which are bounded.
    let mut sent = 0;
    while alice.net.try_send(to_bob, vec![1; MAX_NOISE_BYTES]).is_ok() {
        sent += MAX_NOISE_BYTES;
        assert!(sent < 256 * 1024 * 1024, "never full");
        tokio::task::yield_now().await;
    }
    alice.closed(to_bob).await;
    assert_talking(&mut alice, to_carol, &mut carol, at_carol).await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_writer_queue_holds_its_limits_and_not_one_more() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let (at_alice, _) = link(&mut alice, &mut bob).await;
    // On one thread nothing is written before the next await.
    for _ in 0..WRITER_QUEUE_FRAMES {
        alice.net.try_send(at_alice, vec![1]).unwrap();
    }
    assert!(alice.net.try_send(at_alice, vec![1]).is_err());
    alice.closed(at_alice).await;
    let (at_alice, _) = link(&mut alice, &mut bob).await;
    for _ in 0..WRITER_QUEUE_BYTES / MAX_NOISE_BYTES {
        alice.net.try_send(at_alice, vec![1; MAX_NOISE_BYTES]).unwrap();
    }
    assert!(alice.net.try_send(at_alice, vec![1]).is_err());
}

#[tokio::test]
async fn a_flooding_link_does_not_hold_up_another() {
    let (mut mallory, mut alice, mut bob) = (Node::start().await, Node::start().await, Node::start().await);
    let (flooding, _) = link(&mut mallory, &mut bob).await;
    let (at_alice, at_bob) = link(&mut alice, &mut bob).await;
    while bob.events.try_recv().is_some() {}
    for _ in 0..200 {
        mallory.net.try_send(flooding, vec![0; 1000]).unwrap();
    }
    let share = 32;
    until("the flood has its share", || bob.events.waiting() == share).await;
    alice.net.try_send(at_alice, b"hi".to_vec()).unwrap();
    until("one more event", || bob.events.waiting() == share + 1).await;
    let mut before = 0;
    while bob.next().await != (NetEvent::Chunk { link: at_bob, bytes: b"hi".to_vec() }) {
        before += 1;
    }
    assert!(before <= share, "{before} events of the flood came first");
}

#[tokio::test]
async fn a_link_over_a_dead_wire_is_closed_when_a_write_does_not_end() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let wire = Wire::to(bob.socket()).await;
    let at_alice = alice.dial(None, vec![wire.address.clone()]).await.unwrap();
    bob.accepted().await;
    wire.cut();
    // The kernel's buffers take a lot before anything blocks. Then either the write ends or the queue is full.
    let start = Instant::now();
    loop {
        let is_open = alice.net.try_send(at_alice, vec![1; MAX_NOISE_BYTES]).is_ok();
        if !is_open || alice.events.try_recv() == Some(NetEvent::Closed { link: at_alice }) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "the link never ends");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_dead_connection_does_not_stop_a_new_dial() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let wire = Wire::to(bob.socket()).await;
    let _dead = alice.dial(None, vec![wire.address.clone()]).await.unwrap();
    bob.accepted().await;
    wire.cut();
    let (at_alice, at_bob) = link(&mut alice, &mut bob).await;
    assert_talking(&mut alice, at_alice, &mut bob, at_bob).await;
}

#[tokio::test]
async fn closing_a_link_whose_peer_is_gone_ends_within_the_deadline() {
    let times = Times { close: Duration::from_millis(300), write: Duration::from_secs(60), ..times() };
    let mut alice = Node::with(NetConfig { times, ..config() }).await;
    let mut bob = Node::start().await;
    let wire = Wire::to(bob.socket()).await;
    let at_alice = alice.dial(None, vec![wire.address.clone()]).await.unwrap();
    bob.accepted().await;
    wire.cut();
    let mut waiting = 0;
    // Enough that the writer is stuck, and not so much that the queue is full.
    while waiting < 100 && alice.net.try_send(at_alice, vec![1; MAX_NOISE_BYTES]).is_ok() {
        waiting += 1;
        tokio::task::yield_now().await;
    }
    alice.net.close(at_alice);
    alice.closed(at_alice).await;
}
