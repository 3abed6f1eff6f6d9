//! What a dial that fails says.

use std::time::Duration;

use hobnob_net::{DialError, NetConfig, NetEvent, Times};
use libp2p::PeerId;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpSocket},
    time::Instant,
};

use crate::cast::{Node, Raw, config, times};

/// A server that says `words` to everybody, then stays or hangs up.
async fn server(words: &'static [u8], stays: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            socket.write_all(words).await.unwrap();
            if stays {
                kept.push(socket);
            }
        }
    });
    address
}

/// A port that is taken, so that nobody else gets it, and on which nobody listens.
fn closed_port() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (socket.local_addr().unwrap().to_string(), socket)
}

async fn error_of(addresses: Vec<String>) -> DialError {
    let times = Times { dial: Duration::from_secs(2), upgrade: Duration::from_secs(1), ..times() };
    Node::with(NetConfig { times, ..config() }).await.dial(None, addresses).await.unwrap_err()
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused() {
    let (address, _socket) = closed_port();
    assert_eq!(error_of(vec![address]).await, DialError::Refused);
}

#[tokio::test]
async fn servers_of_other_kinds_are_not_hobnob_and_it_shows_at_once() {
    let start = Instant::now();
    for words in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0xff; 64], &[0; 64]] {
        assert_eq!(error_of(vec![server(words, true).await]).await, DialError::NotHobnob, "{words:?}");
    }
    let hung_up = error_of(vec![server(b"", false).await]).await;
    assert!(matches!(hung_up, DialError::Other(_)), "{hung_up:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_libp2p_node_without_our_protocol_is_not_hobnob() {
    let raw = Raw::start().await;
    assert_eq!(error_of(vec![raw.address.to_string()]).await, DialError::NotHobnob);
}

#[tokio::test]
async fn silence_times_out() {
    assert_eq!(error_of(vec![server(b"", true).await]).await, DialError::TimedOut);
}

#[tokio::test]
async fn nothing_to_dial_is_no_address() {
    assert_eq!(error_of(vec![]).await, DialError::NoAddress);
    assert_eq!(error_of(vec!["not an address".into(), "/ip4/127.0.0.1/udp/1".into()]).await, DialError::NoAddress);
}

#[tokio::test]
async fn somebody_else_at_the_address_is_not_taken_for_a_friend() {
    let (mut alice, bob) = (Node::start().await, Node::start().await);
    let carol = PeerId::random().to_bytes();
    let bare: Vec<String> = bob.addresses.iter().map(|a| a.split("/p2p/").next().unwrap().to_owned()).collect();
    let error = alice.dial(Some(carol.clone()), bare).await.unwrap_err();
    assert_eq!(error, DialError::AnotherNode);
    assert_eq!(alice.dial(Some(carol), bob.addresses.clone()).await.unwrap_err(), DialError::NoAddress);
}

#[tokio::test]
async fn this_node_itself_is_nobody_to_dial() {
    let mut alice = Node::start().await;
    let own = alice.addresses[0].split("/p2p/").next().unwrap().to_owned();
    assert_eq!(alice.dial(None, vec![own]).await, Err(DialError::Other("this node itself answers there".into())));
}

#[tokio::test]
async fn bad_addresses_before_the_good_one_do_not_matter() {
    let (mut alice, mut bob) = (Node::start().await, Node::start().await);
    let (closed, _socket) = closed_port();
    let mut addresses =
        vec![closed, server(b"", true).await, server(b"garbage", true).await, "/dns4/nobody.invalid/tcp/1".into()];
    addresses.extend(bob.addresses.iter().map(|a| a.split("/p2p/").next().unwrap().to_owned()));
    let start = Instant::now();
    alice.dial(Some(bob.net.transport().to_vec()), addresses).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "one address holds up the others");
    bob.accepted().await;
}

#[tokio::test]
async fn too_many_dials_at_once_are_refused_and_each_is_answered() {
    let mut config = config();
    config.limits.dials = 4;
    let mut alice = Node::with(config).await;
    let silent = server(b"", true).await;
    for dial in 0..6 {
        alice.net.try_dial(dial, None, vec![silent.clone()], 0).unwrap();
    }
    let mut refused = Vec::new();
    while refused.len() < 2 {
        match alice.next().await {
            NetEvent::DialFailed { dial, error: DialError::Other(_) } => refused.push(dial),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, [4, 5]);
}
