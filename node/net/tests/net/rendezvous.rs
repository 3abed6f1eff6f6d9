//! Links to a rendezvous: their own protocol, and guests whom it cannot tell from anybody else.

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use hobnob_net::{DialError, NetEvent};
use libp2p::{PeerId, Stream, StreamProtocol};

use crate::cast::{Node, PATIENCE, Raw, until};

const ACCOUNT: u8 = 8;
const GUEST: u8 = 9;

/// Somebody who serves the protocol of a rendezvous.
async fn rendezvous() -> (Raw, libp2p_stream::IncomingStreams) {
    let mut raw = Raw::start().await;
    let incoming = raw.control.accept(StreamProtocol::new("/hobnob/rendezvous/1")).unwrap();
    (raw, incoming)
}

/// The next caller, and the mode of its preamble.
async fn caller(incoming: &mut libp2p_stream::IncomingStreams) -> (PeerId, Stream, u8) {
    let (peer, mut stream) = tokio::time::timeout(PATIENCE, incoming.next()).await.unwrap().unwrap();
    let mut preamble = [0; 8];
    stream.read_exact(&mut preamble).await.unwrap();
    assert_eq!(&preamble[..5], b"HOBN\x01");
    (peer, stream, preamble[5])
}

/// Dials with this mode: the link, and what the other side knows us as.
async fn dial(node: &mut Node, to: &Raw, mode: u8) -> Result<(u64, Vec<u8>), DialError> {
    node.net.try_dial(7, None, vec![to.address.to_string()], mode).unwrap();
    loop {
        match node.next().await {
            NetEvent::Dialled { dial: 7, link, local, .. } => return Ok((link, local)),
            NetEvent::DialFailed { dial: 7, error } => return Err(error),
            _ => {}
        }
    }
}

#[tokio::test]
async fn each_guest_has_a_transport_and_a_connection_of_its_own() {
    let (raw, mut incoming) = rendezvous().await;
    let mut node = Node::start().await;
    let (account, known) = dial(&mut node, &raw, ACCOUNT).await.unwrap();
    let (peer, _account_stream, mode) = caller(&mut incoming).await;
    assert_eq!((peer.to_bytes(), mode), (node.net.transport().to_vec(), ACCOUNT));
    assert_eq!(known, node.net.transport());

    let mut seen = vec![peer];
    for _ in 0..2 {
        let (link, local) = dial(&mut node, &raw, GUEST).await.unwrap();
        let (peer, mut stream, mode) = caller(&mut incoming).await;
        assert_eq!((peer.to_bytes(), mode), (local, GUEST), "the handshake binds what the other side sees");
        assert!(!seen.contains(&peer), "a guest is known from before");
        seen.push(peer);
        node.net.try_send(link, b"ask".to_vec()).unwrap();
        let mut chunk = [0; 5];
        stream.read_exact(&mut chunk).await.unwrap();
        assert_eq!(&chunk, b"\0\x03ask");
        stream.write_all(b"\0\x06answer").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(node.chunk(link).await, b"answer");
        node.net.close(link);
        node.closed(link).await;
    }
    until("both guests have left", || raw.ended.load(std::sync::atomic::Ordering::SeqCst) == 2).await;
    node.net.try_send(account, b"still here".to_vec()).unwrap();
    node.net.shutdown().await;
}

#[tokio::test]
async fn a_guest_of_nobody_is_told_so() {
    let mut node = Node::start().await;
    // A node, which is no rendezvous.
    let other = Node::start().await;
    node.net.try_dial(7, None, other.addresses.clone(), GUEST).unwrap();
    let error = loop {
        if let NetEvent::DialFailed { dial: 7, error } = node.next().await {
            break error;
        }
    };
    assert_eq!(error, DialError::NotHobnob);
    let nowhere = tokio::net::TcpSocket::new_v4().unwrap();
    nowhere.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    node.net.try_dial(7, None, vec![nowhere.local_addr().unwrap().to_string()], GUEST).unwrap();
    let error = loop {
        if let NetEvent::DialFailed { dial: 7, error } = node.next().await {
            break error;
        }
    };
    assert_eq!(error, DialError::Refused);
}

#[tokio::test]
async fn guests_end_with_the_net() {
    let (raw, mut incoming) = rendezvous().await;
    let mut node = Node::start().await;
    dial(&mut node, &raw, GUEST).await.unwrap();
    let (_, mut stream, _) = caller(&mut incoming).await;
    node.net.shutdown().await;
    let mut rest = Vec::new();
    // The stream ends, one way or the other.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
}
