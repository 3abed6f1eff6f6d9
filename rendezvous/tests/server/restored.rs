use std::fs;

use hobnob_rendezvous::{
    server::{Limits, Server},
    store::FILE,
};
use hobnob_shared::wire::rendezvous::{NameGet, SealedVault, ServerFrame, VaultPut};

use crate::{
    cast::{
        Person,
        client::{Client, address_of},
        easy,
        flows::{join, log_in, status},
    },
    house::{House, serve},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_from_an_older_backup_is_the_same_and_says_how_old_it_is() {
    let house = House::new().await;
    let at = house.address.clone();
    let (mut alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut alices = join(&at, &mut alice, "secret").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("server.db");
    house.server.control().back_up(backup).await.unwrap();
    let vault = |seq| SealedVault::new(vec![seq as u8; 4096]).unwrap();
    let put = |seq| ServerFrame::VaultPut(VaultPut { seq, expected: seq - 1, vault: vault(seq), owner: None });
    alices.done(put(2)).await;
    join(&at, &mut bob, "secret").await;
    house.server.stop().await;

    let server = serve(elsewhere.path(), easy(), Limits::default()).await;
    let moved = address_of(&server);
    assert_eq!((moved.transport(), moved.x25519()), (at.transport(), at.x25519()), "keys came with the backup");
    let mut bare = Client::guest(&moved).await;
    let (logged_in, _) = log_in(&mut bare, &moved, &mut alice, "secret").await.unwrap();
    assert_eq!(logged_in.vault.seq, 1, "the node sees that its vault is older than it knows");
    bare.done(put(2)).await;
    let find = ServerFrame::NameGet(NameGet { name: bob.name.clone(), since: None });
    assert!(matches!(bare.ask(find).await, ServerFrame::Error(_)), "what came later is gone");
    server.stop().await;
}

async fn generation(server: &Server) -> u64 {
    let mut guest = Client::guest(&address_of(server)).await;
    status(&mut guest).await.generation().expect("a generation")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_another_generation_whenever_it_is_restored_and_never_otherwise() {
    let house = House::new().await;
    let first = generation(&house.server).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("backup.db");
    house.server.control().back_up(backup.clone()).await.unwrap();
    house.server.stop().await;
    let server = serve(house.dir.path(), easy(), Limits::default()).await;
    assert_eq!(generation(&server).await, first, "a start is none");
    server.stop().await;
    let mut seen = vec![first];
    for folder in ["one", "two"] {
        let dir = elsewhere.path().join(folder);
        fs::create_dir(&dir).unwrap();
        fs::copy(&backup, dir.join(FILE)).unwrap();
        let server = serve(&dir, easy(), Limits::default()).await;
        let restored = generation(&server).await;
        assert!(!seen.contains(&restored), "{seen:?} and {restored}");
        server.stop().await;
        let server = serve(&dir, easy(), Limits::default()).await;
        assert_eq!(generation(&server).await, restored, "it is made once");
        server.stop().await;
        seen.push(restored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_there_after_a_clean_stop() {
    let house = House::new().await;
    let mut alice = Person::new("alice", 1);
    let mut session = join(&house.address, &mut alice, "secret").await;
    house.server.stop().await;
    assert_eq!(session.closed().await, Some(hobnob_shared::wire::ErrorCode::Ok));
    let server = serve(house.dir.path(), easy(), Limits::default()).await;
    let at = address_of(&server);
    let mut bare = Client::guest(&at).await;
    assert!(log_in(&mut bare, &at, &mut alice, "secret").await.is_ok());
    assert!(log_in(&mut bare, &at, &mut alice, "other").await.is_err());
    server.stop().await;
}
