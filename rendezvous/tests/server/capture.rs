//! What goes over the wire, looked at from outside and from inside.

use std::sync::{Arc, Mutex};

use hobnob_shared::{rendezvous::Address, wire::rendezvous::ServerFrame};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    cast::{
        Person,
        client::Client,
        flows::{log_in, registration},
    },
    house::House,
};

type Recorded = Arc<Mutex<Vec<u8>>>;

/// A wire tap: passes everything on, and writes it down.
async fn tap(address: &Address) -> (String, Recorded) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    let port: u16 = address.place().rsplit('/').next().unwrap().parse().unwrap();
    let recorded = Recorded::default();
    let into = recorded.clone();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            tokio::spawn(pass(near_read, far_write, into.clone()));
            tokio::spawn(pass(far_read, near_write, into.clone()));
        }
    });
    (place, recorded)
}

async fn pass(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, recorded: Recorded) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        recorded.lock().unwrap().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_and_no_name_is_on_the_wire() {
    let secret = "correct horse battery staple";
    let house = House::new().await;
    let at = &house.address;
    let (place, recorded) = tap(at).await;
    let mut alice = Person::new("alice_in_wonderland", 1);
    let mut guest = Client::try_open(at, None, Some(&place)).await.unwrap();
    let finish = registration(&mut guest, at, &mut alice, secret).await;
    let inside = ServerFrame::RegisterFinish(Box::new(finish.clone())).encode(1);
    guest.ask(ServerFrame::RegisterFinish(Box::new(finish))).await;
    let mut bare = Client::try_open(at, None, Some(&place)).await.unwrap();
    let (logged_in, key) = log_in(&mut bare, at, &mut alice, secret).await.unwrap();
    let recorded = recorded.lock().unwrap().clone();
    assert!(recorded.len() > 10_000, "{} bytes were seen", recorded.len());
    for what in [secret.as_bytes(), b"alice_in_wonderland", key.as_bytes(), alice.account.id().as_bytes()] {
        assert!(!holds(&recorded, what));
    }
    // The server itself, which opens the session, sees no password either.
    let inside = [inside, ServerFrame::LoggedIn(Box::new(logged_in)).encode(1)].concat();
    assert!(holds(&inside, b"alice_in_wonderland"), "the search finds what is there");
    for what in [secret.as_bytes(), key.as_bytes(), &key.as_bytes()[..32]] {
        assert!(!holds(&inside, what));
    }
    let stored = std::fs::read(house.dir.path().join("server.db")).unwrap();
    assert!(holds(&stored, b"alice_in_wonderland"));
    assert!(!holds(&stored, secret.as_bytes()) && !holds(&stored, &key.as_bytes()[..32]));
}
