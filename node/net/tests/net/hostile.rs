//! Peers that keep no rule. Each test ends with two others who still talk.

use std::sync::atomic::Ordering;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use hobnob_net::NetEvent;
use hobnob_shared::limits::MAX_NOISE_BYTES;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::cast::{Node, PATIENCE, Raw, assert_talking, link, until};

struct Scene {
    alice: Node,
    bob: Node,
    at_alice: u64,
    at_bob: u64,
    mallory: Raw,
}

impl Scene {
    async fn start() -> Self {
        let (mut alice, mut bob) = (Node::start().await, Node::start().await);
        let (at_alice, at_bob) = link(&mut alice, &mut bob).await;
        Self { alice, bob, at_alice, at_bob, mallory: Raw::start().await }
    }

    async fn end(mut self) {
        assert_talking(&mut self.alice, self.at_alice, &mut self.bob, self.at_bob).await;
        let mut carol = Node::start().await;
        let (at_carol, at_bob) = link(&mut carol, &mut self.bob).await;
        assert_talking(&mut carol, at_carol, &mut self.bob, at_bob).await;
    }
}

/// The other side ended the stream, by closing or by resetting it.
async fn assert_ended(stream: &mut libp2p::Stream) {
    let read = timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("the stream ends");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn a_length_over_the_limit_or_of_nothing_closes_the_link() {
    let mut scene = Scene::start().await;
    let bob = scene.mallory.connected(&scene.bob).await;
    for length in [0, MAX_NOISE_BYTES as u16 + 1, u16::MAX] {
        let mut stream = scene.mallory.stream(bob).await;
        let link = scene.bob.accepted().await;
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(scene.bob.next().await, NetEvent::Closed { link });
        assert_ended(&mut stream).await;
    }
    let mut stream = scene.mallory.stream(bob).await;
    let link = scene.bob.accepted().await;
    stream.write_all(&(MAX_NOISE_BYTES as u16).to_be_bytes()).await.unwrap();
    stream.write_all(&[7; MAX_NOISE_BYTES]).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(scene.bob.chunk(link).await, [7; MAX_NOISE_BYTES]);
    scene.end().await;
}

#[tokio::test]
async fn whoever_says_nothing_or_something_else_first_is_never_heard_of() {
    let mut scene = Scene::start().await;
    let bob = scene.mallory.connected(&scene.bob).await;
    let mut streams = Vec::new();
    for words in [&b""[..], b"HOBN\x01\0\0", b"HOBN\x02\0\0\0", b"HOBN\x01\x09\0\0", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = scene.mallory.bare_stream(bob).await;
        stream.write_all(words).await.unwrap();
        stream.flush().await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        assert_ended(stream).await;
    }
    assert_eq!(scene.bob.events.try_recv(), None);
    scene.end().await;
}

#[tokio::test]
async fn a_chunk_that_never_ends_closes_the_link() {
    let mut scene = Scene::start().await;
    let bob = scene.mallory.connected(&scene.bob).await;
    let mut stream = scene.mallory.stream(bob).await;
    let link = scene.bob.accepted().await;
    let dripping = tokio::spawn(async move {
        // Each byte alone is in time; the chunk is not.
        let _ = stream.write_all(&1000_u16.to_be_bytes()).await;
        while stream.write_all(&[0]).await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    assert_eq!(scene.bob.next().await, NetEvent::Closed { link });
    timeout(PATIENCE, dripping).await.unwrap().unwrap();
    scene.end().await;
}

#[tokio::test]
async fn a_hundred_streams_of_one_peer_are_eight_links() {
    let mut scene = Scene::start().await;
    let bob = scene.mallory.connected(&scene.bob).await;
    let mut tasks = Vec::new();
    for _ in 0..100 {
        let mut control = scene.mallory.control.clone();
        tasks.push(tokio::spawn(async move {
            let mut stream = control.open_stream(bob, crate::cast::PROTOCOL).await.ok()?;
            stream.write_all(b"HOBN\x01\0\0\0").await.ok()?;
            stream.flush().await.ok()?;
            // Holds it as long as it may.
            let _ = stream.read(&mut [0; 1]).await;
            Some(())
        }));
    }
    // Those that are too many end; those that may stay do.
    until("92 are refused", || tasks.iter().filter(|task| task.is_finished()).count() >= 92).await;
    let (mut open, mut most) = (0_usize, 0);
    while let Some(event) = scene.bob.events.try_recv() {
        match event {
            NetEvent::Accepted { .. } => open += 1,
            NetEvent::Closed { .. } => open -= 1,
            other => panic!("{other:?}"),
        }
        most = most.max(open);
    }
    assert!((1..=8).contains(&most), "{most} links at once");
    scene.end().await;
}

#[tokio::test]
async fn a_link_that_was_closed_makes_room_for_another() {
    let mut scene = Scene::start().await;
    let bob = scene.mallory.connected(&scene.bob).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(scene.mallory.stream(bob).await);
        scene.bob.accepted().await;
    }
    let mut refused = scene.mallory.bare_stream(bob).await;
    assert_ended(&mut refused).await;
    drop(streams.pop());
    while !matches!(scene.bob.next().await, NetEvent::Closed { .. }) {}
    // The place is free when its task has ended, which is a moment after it said so.
    let again = async {
        loop {
            let mut stream = scene.mallory.bare_stream(bob).await;
            let _ = stream.write_all(b"HOBN\x01\0\0\0").await;
            let _ = stream.flush().await;
            if let Ok(link) = timeout(std::time::Duration::from_millis(200), scene.bob.accepted()).await {
                return link;
            }
        }
    };
    timeout(PATIENCE, again).await.unwrap();
    scene.end().await;
}

#[tokio::test]
async fn three_hundred_connections_of_one_peer_are_four() {
    let scene = Scene::start().await;
    for _ in 0..300 {
        scene.mallory.connect(&scene.bob);
    }
    let (established, ended) = (scene.mallory.established.clone(), scene.mallory.ended.clone());
    until("the others are refused", || ended.load(Ordering::SeqCst) >= 296).await;
    assert!(established.load(Ordering::SeqCst) >= 1);
    scene.end().await;
}

#[tokio::test]
async fn three_hundred_silent_sockets_of_one_address_take_32_places() {
    let scene = Scene::start().await;
    let target = scene.bob.socket();
    let mut sockets = Vec::new();
    for _ in 0..300 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        sockets.push(socket.connect(target).await.unwrap());
    }
    // Bob hangs up on all that are too many, while the first ones still have their time.
    until("268 are refused", || sockets.iter().filter(|socket| has_ended(socket)).count() >= 268).await;
    scene.end().await;
}

fn has_ended(socket: &TcpStream) -> bool {
    let mut buffer = [0; 256];
    loop {
        match socket.try_read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

#[tokio::test]
async fn a_crowd_of_strangers_does_not_keep_a_friend_out() {
    let mut config = crate::cast::config();
    config.limits.unproven = 4;
    config.times.idle = PATIENCE;
    let mut bob = Node::with(config).await;
    let mut crowd = Vec::new();
    for _ in 0..8 {
        let stranger = Raw::start().await;
        stranger.connected(&bob).await;
        crowd.push(stranger);
    }
    until("four are pushed out", || {
        crowd.iter().filter(|stranger| stranger.ended.load(Ordering::SeqCst) > 0).count() == 4
    })
    .await;
    let mut alice = Node::start().await;
    let (at_alice, at_bob) = link(&mut alice, &mut bob).await;
    assert_talking(&mut alice, at_alice, &mut bob, at_bob).await;
}
