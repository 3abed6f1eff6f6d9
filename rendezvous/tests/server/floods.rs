//! Whoever wants more than their share of memory, or of the server's time: they feel it, and nobody else does.

use hobnob_rendezvous::server::Limits;
use hobnob_shared::wire::rendezvous::{SealedVault, ServerFrame, VaultPut};
use tokio::time::timeout;

use crate::{
    cast::{
        Person,
        client::{Client, SOON},
        easy,
        flows::{join, status},
    },
    house::House,
};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_much_and_reads_nothing_takes_a_share_of_the_memory_only() {
    // The least that there is: 2 MiB of what is held for one source, 8 MiB in all.
    let limits = Limits { memory_bytes: 4 * 1024 * 1024, ..Limits::default() };
    let house = House::with(easy(), limits).await;
    let at = &house.address;
    let mut mallory = Person::new("mallory", 1);
    let mut first = join(at, &mut mallory, "secret").await;
    let vault = SealedVault::new(vec![7; 192 * 1024]).unwrap();
    first.done(ServerFrame::VaultPut(VaultPut { seq: 2, expected: 1, vault, owner: None })).await;
    let (mut sessions, metrics) = (Vec::new(), house.server.metrics().clone());
    // Each holds less than a session may: it is their sum that is too much.
    for _ in 0..6 {
        let mut session = Client::device(at, &mallory).await;
        for _ in 0..5 {
            session.send(ServerFrame::VaultGet).await.unwrap();
        }
        sessions.push(session);
    }
    let ended = async {
        while metrics.ended_for_memory.get() == 0 {
            status(&mut first).await;
        }
    };
    timeout(SOON, ended).await.expect("a session ends");
    assert!(metrics.held_bytes.get() <= 2 * 1024 * 1024, "{}", metrics.held_bytes.get());
    assert!(!house.server.control().is_out_of_memory());
    assert_eq!(metrics.refused_for_memory.get(), 0);
    status(&mut Client::guest(at).await).await;
    // All of it is given back.
    drop(sessions);
    let given_back = async {
        while metrics.held_bytes.get() > 64 * 1024 {
            status(&mut first).await;
        }
    };
    timeout(SOON, given_back).await.expect("memory comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_refused_while_memory_is_taken_and_not_after() {
    // For ten connections.
    let limits = Limits { memory_bytes: 10 * 40 * 1024, ..Limits::default() };
    let house = House::with(easy(), limits).await;
    let at = &house.address;
    let (mut open, metrics) = (vec![Client::guest(at).await], house.server.metrics().clone());
    while let Ok(client) = Client::try_open(at, None, None).await {
        open.push(client);
        assert!(open.len() <= 12, "memory is bounded");
    }
    assert_eq!(metrics.refused_for_memory.get(), 1);
    assert!(house.server.control().is_out_of_memory());
    open.truncate(1);
    let again = async {
        while house.server.control().is_out_of_memory() {
            status(&mut open[0]).await;
        }
    };
    timeout(SOON, again).await.expect("memory comes back");
    status(&mut Client::guest(at).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_of_one_source_are_together_no_faster_than_some() {
    // A session may begin two log-ins at once, and a source 32.
    let limits = Limits { burst_frames: 20, frames_per_second: 1, ..Limits::default() };
    let house = House::with(easy(), limits).await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(Client::guest(&house.address).await);
    }
    let (_, start) = Person::new("mallory", 1).begin_login("a guess");
    let mut ids = Vec::new();
    for session in &mut sessions {
        for _ in 0..2 {
            ids.push(session.send(ServerFrame::LoginStart(start.clone())).await.unwrap());
        }
    }
    // Each is answered in the end.
    for (number, id) in ids.into_iter().enumerate() {
        timeout(SOON, sessions[number / 2].answer(id)).await.unwrap().unwrap();
    }
    let throttled = house.server.metrics().throttled.get();
    assert!((1..=8).contains(&throttled), "{throttled} had to wait");
}
