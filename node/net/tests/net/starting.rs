//! Starting, and what can be wrong with it.

use hobnob_net::{NetConfig, NetError, NetEvent, NetWarning};

use crate::cast::{Node, config};

async fn error_of(listen: &[&str]) -> NetError {
    let listen = listen.iter().map(|text| (*text).to_owned()).collect();
    hobnob_net::start(NetConfig { listen, ..config() }).await.unwrap_err()
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    // Both kinds of holder: one of ours, which libp2p would share the port with, and any other.
    let (ours, other) = (Node::start().await, std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    for taken in [ours.socket(), other.local_addr().unwrap()] {
        let addr = taken.to_string();
        assert_eq!(error_of(&[&addr]).await, NetError::PortInUse { addr });
    }
}

#[tokio::test]
async fn a_port_is_free_again_after_shutdown() {
    let node = Node::start().await;
    let listen = vec![node.socket().to_string()];
    node.net.shutdown().await;
    let again = Node::with(NetConfig { listen: listen.clone(), ..config() }).await;
    assert_eq!(again.socket().to_string(), listen[0]);
}

#[tokio::test]
async fn bad_listen_addresses_are_named() {
    for bad in ["", "4000", "localhost:4000", "/ip4/127.0.0.1/udp/1", "/dns4/localhost/tcp/1", "192.0.2.1:0"] {
        let error = error_of(&[bad]).await;
        assert!(matches!(&error, NetError::BadAddress { addr, .. } if addr == bad), "{error:?}");
    }
}

#[tokio::test]
async fn one_good_listen_address_is_enough() {
    let listen = vec!["192.0.2.1:0".into(), "/ip4/127.0.0.1/tcp/0".into()];
    let (_net, mut events) = hobnob_net::start(NetConfig { listen, ..config() }).await.unwrap();
    let first = events.recv().await;
    assert!(matches!(first, Some(NetEvent::Warning(NetWarning::NotListening { .. }))), "{first:?}");
    assert!(matches!(events.recv().await, Some(NetEvent::Listening(addresses)) if addresses.len() == 1));
}

#[tokio::test]
async fn every_address_that_is_told_can_be_dialled() {
    let listen = vec!["0.0.0.0:0".into(), "[::]:0".into()];
    let (net, mut events) = hobnob_net::start(NetConfig { listen, ..config() }).await.unwrap();
    let addresses = loop {
        if let Some(NetEvent::Listening(addresses)) = events.recv().await {
            break addresses;
        }
    };
    assert!(!addresses.is_empty());
    for address in addresses {
        assert!(address.contains("/p2p/"), "{address}");
        let mut alice = Node::start().await;
        alice.dial(Some(net.transport().to_vec()), vec![address]).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_only_dials_may_listen_nowhere() {
    let mut alice = Node::with(NetConfig { listen: vec![], ..config() }).await;
    assert!(alice.addresses.is_empty());
    let mut bob = Node::start().await;
    crate::cast::link(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn the_transport_is_known_before_the_start() {
    let config = config();
    let expected = hobnob_net::transport_id(&config.transport_key);
    let node = Node::with(config).await;
    assert_eq!(node.net.transport(), expected);
}
