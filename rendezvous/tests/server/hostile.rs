//! Mallory's clients: each ends alone, and honest people go on.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use hobnob_rendezvous::server::Limits;
use hobnob_shared::{
    noise::{Mode, preamble},
    rendezvous::Address,
    wire::{
        ErrorCode,
        rendezvous::{PresencePut, PresenceToken, PresenceWatch, SealedPresence, SealedVault, ServerFrame, VaultPut},
    },
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    cast::{
        Person,
        client::{Client, SOON, connect, open, read, write},
        easy,
        flows::{join, status},
        rng,
    },
    house::House,
};

/// The server ends this stream.
async fn ends(stream: &mut libp2p::Stream) -> bool {
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_begins_wrongly_is_hung_up_on() {
    let house = House::new().await;
    let at = &house.address;
    let mut honest = Client::guest(at).await;
    let mut link = connect(at, None).await.unwrap();
    for first in [*b"GET / HT", preamble(Mode::Device), preamble(Mode::Nearby), [0xff; 8], *b"HOBN\x02\x08\0\0"] {
        let mut stream = open(&mut link, at).await.unwrap();
        stream.write_all(&first).await.unwrap();
        stream.flush().await.unwrap();
        assert!(ends(&mut stream).await, "{first:?}");
    }
    for message in [vec![0; 1], vec![7; 48], vec![7; 1232], vec![7; 2048]] {
        for mode in [Mode::Guest, Mode::Account] {
            let mut stream = open(&mut link, at).await.unwrap();
            stream.write_all(&preamble(mode)).await.unwrap();
            write(&mut stream, &message).await.unwrap();
            assert!(ends(&mut stream).await, "{} bytes", message.len());
        }
    }
    status(&mut honest).await;
    assert_eq!(house.server.metrics().sessions.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_drips_ends_after_five_seconds() {
    let house = House::new().await;
    let at = &house.address;
    let mut link = connect(at, None).await.unwrap();
    let mut stream = open(&mut link, at).await.unwrap();
    stream.write_all(&preamble(Mode::Guest)).await.unwrap();
    stream.write_all(&[0, 48, 1]).await.unwrap();
    stream.flush().await.unwrap();
    assert!(ends(&mut stream).await);
    assert_eq!(house.server.metrics().failed_handshakes.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_make_no_sense_end_their_session_only() {
    let house = House::new().await;
    let at = &house.address;
    let mut honest = Client::guest(at).await;
    let cases: [&[u8]; 7] = [
        &[0xff; 40],
        &[0x83, 0x01],
        &[0x83, 0x18, 0x97, 0x01, 0xa0, 0x00],
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x81; 200],
        &[0x83, 0x18, 0x7b, 0x01, 0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0xf6; 4000],
    ];
    for case in cases {
        let mut mallory = Client::guest(at).await;
        mallory.send_bytes(case).await.unwrap();
        assert_eq!(mallory.closed().await, Some(ErrorCode::Malformed), "{case:02x?}");
    }
    status(&mut honest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_another_size_or_key_end_the_session() {
    let house = House::new().await;
    let at = &house.address;
    for bytes in [vec![0, 0], vec![0xff, 0xff], [vec![0, 32], vec![9; 32]].concat()] {
        let mut mallory = Client::guest(at).await;
        mallory.stream.write_all(&bytes).await.unwrap();
        mallory.stream.flush().await.unwrap();
        assert_eq!(mallory.closed().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_is_unsupported_or_ignored() {
    let house = House::new().await;
    let mut client = Client::guest(&house.address).await;
    // 141 is kept for later, 30,001 is nobody's; even numbers want no answer.
    for number in [141_u16, 143, 30_001] {
        let frame = ServerFrame::Unknown(number);
        assert_eq!(client.refused(frame).await, ErrorCode::Unsupported, "{number}");
    }
    client.send(ServerFrame::Unknown(30_000)).await.unwrap();
    status(&mut client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_frames_is_read_slowly_and_hurts_nobody_else() {
    let limits = Limits { burst_frames: 20, frames_per_second: 100, ..Limits::default() };
    let house = House::with(easy(), limits).await;
    let at = &house.address;
    let (mut mallory, mut honest) = (Client::guest(at).await, Client::guest(at).await);
    for nonce in 0..60 {
        mallory.send(ServerFrame::Ping { nonce }).await.unwrap();
    }
    status(&mut honest).await;
    let mut last = 0;
    for _ in 0..60 {
        last = mallory.note(|frame| if let ServerFrame::Pong { nonce } = frame { Some(*nonce) } else { None }).await;
    }
    assert_eq!(last, 59, "none is lost");
    assert!(house.server.metrics().throttled.get() >= 30, "{}", house.server.metrics().throttled.get());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_much_with_few_bytes_is_read_slowly() {
    let limits = Limits { burst_frames: 40, frames_per_second: 100, ..Limits::default() };
    let house = House::with(easy(), limits).await;
    let mut mallory = Person::new("mallory", 1);
    let mut session = join(&house.address, &mut mallory, "secret").await;
    let vault = SealedVault::new(vec![7; 192 * 1024]).unwrap();
    session.done(ServerFrame::VaultPut(VaultPut { seq: 2, expected: 1, vault, owner: None })).await;
    let throttled = house.server.metrics().throttled.get();
    for _ in 0..6 {
        assert!(matches!(session.ask(ServerFrame::VaultGet).await, ServerFrame::Vault(_)));
    }
    assert!(house.server.metrics().throttled.get() > throttled + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_loses_the_session() {
    let limits = Limits { burst_frames: 10_000, frames_per_second: 10_000, ..Limits::default() };
    let house = House::with(easy(), limits).await;
    let at = &house.address;
    let (mut alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut alices = join(at, &mut alice, "secret").await;
    let mut bobs = join(at, &mut bob, "secret").await;
    let put = |value: u16| {
        let mut sealed = vec![0; 1000];
        sealed[..2].copy_from_slice(&value.to_be_bytes());
        PresencePut { token: PresenceToken::new([1; 32]), sealed: SealedPresence::new(sealed), ttl_secs: 120 }
    };
    bobs.done(ServerFrame::PresenceWatch(PresenceWatch { topics: vec![put(0).topic()], replace: true })).await;
    // 3 MB of notes, and Bob reads none: more than his stream's window and the outbox hold.
    for value in 0..3_000 {
        alices.done(ServerFrame::PresencePut(put(value))).await;
    }
    let metrics = house.server.metrics().clone();
    let ended = async {
        while metrics.overflows.get() == 0 {
            status(&mut alices).await;
        }
    };
    timeout(SOON, ended).await.expect("the session ends");
    status(&mut Client::device(at, &bob).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_and_one_peer_have_so_many_connections() {
    let limits = Limits { connections_per_source: 3, ..Limits::default() };
    let house = House::with(easy(), limits).await;
    let at = &house.address;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Client::guest(at).await);
    }
    assert!(timeout(Duration::from_secs(10), connect(at, None)).await.is_ok_and(|link| link.is_err()));
    assert_eq!(house.server.metrics().refused_connections.get(), 1);
    open.pop();
    // The place comes back when the connection is gone, which takes a moment.
    let again = async {
        while connect(at, None).await.is_err() {
            status(&mut open[0]).await;
        }
    };
    timeout(SOON, again).await.expect("a place comes back");
}

/// Connects from one of this machine's loopback addresses, and says nothing.
async fn silent(at: &Address, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, from], 0))).unwrap();
    let place: Vec<_> = at.place().split('/').collect();
    socket.connect(format!("{}:{}", place[2], place[4]).parse().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_from_many_places_keep_nobody_out() {
    // A tenth of the places that there are otherwise, so that it works where few files may be open.
    let limits = Limits { pending_connections: 100, ..Limits::default() };
    let house = House::with(easy(), limits).await;
    let at = &house.address;
    let mut honest = Client::guest(at).await;
    let mut silents = VecDeque::new();
    for from in (2..62).cycle().take(120) {
        silents.push_back(silent(at, from).await);
    }
    // All places are taken, twice over; each that comes has one all the same, at the cost of the oldest.
    for from in 2..12 {
        status(&mut Client::guest(at).await).await;
        let mut rest = Vec::new();
        let ended = timeout(SOON, silents.pop_front().unwrap().read_to_end(&mut rest)).await;
        // Closed, or broken.
        assert!(ended.is_ok(), "the oldest makes room");
        silents.push_back(silent(at, from).await);
    }
    status(&mut honest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_handshake_leads_nowhere() {
    let house = House::new().await;
    let at = &house.address;
    let mut link = connect(at, None).await.unwrap();
    let (handshake, first) = hobnob_shared::noise::Handshake::initiate_as_guest(
        at.x25519(),
        &link.local.to_bytes(),
        at.transport(),
        &mut crate::cast::rng(3),
    )
    .unwrap();
    drop(handshake);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let mut stream = open(&mut link, at).await.unwrap();
        stream.write_all(&preamble(Mode::Guest)).await.unwrap();
        write(&mut stream, &first).await.unwrap();
        answers.push(timeout(SOON, read(&mut stream)).await.unwrap().unwrap());
    }
    assert_ne!(answers[0], answers[1], "each answer has a key of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_has_four_sessions_and_not_one_more() {
    let house = House::new().await;
    let at = &house.address;
    let mut link = connect(at, None).await.unwrap();
    let mut begin = async || {
        let (local, remote) = (link.local.to_bytes(), at.transport());
        let begun = hobnob_shared::noise::Handshake::initiate_as_guest(at.x25519(), &local, remote, &mut rng(3));
        let (_, first) = begun.unwrap();
        let mut stream = open(&mut link, at).await?;
        stream.write_all(&preamble(Mode::Guest)).await?;
        write(&mut stream, &first).await?;
        timeout(SOON, read(&mut stream)).await.unwrap().map(|_| stream)
    };
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(begin().await.unwrap());
    }
    assert!(begin().await.is_err());
    drop(sessions.pop());
    // The place comes back when the session is gone, which takes a moment.
    let again = async { while begin().await.is_err() {} };
    timeout(SOON, again).await.expect("a place comes back");
}
