//! A database with damage: said at the start, while serving, in the metrics and to whoever asks for its health.

use std::{fs, io::Read as _, path::Path};

use hobnob_shared::wire::{
    ErrorCode,
    rendezvous::{NameGet, ServerFrame},
};
use redb::TableDefinition;

use crate::{
    cast::{Person, client::Client, flows::join},
    driver::{Rosa, get},
};

const NAMES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("4.1");

/// What it logged until now; it is ended for that.
fn log(mut rosa: Rosa) -> String {
    rosa.signal("TERM");
    assert_eq!(rosa.line().unwrap()["type"], "bye");
    let mut log = String::new();
    rosa.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    log
}

/// A server with Alice, ended.
async fn server(dir: &Path) -> Person {
    let rosa = Rosa::start(dir);
    let mut alice = Person::new("aurelia", 1);
    join(&rosa.address(), &mut alice, "secret").await;
    assert!(get(&rosa, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(get(&rosa, "/metrics").contains("\nhobnob_rendezvous_damage_total 0\n"));
    alice
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_decode_is_logged_counted_and_makes_the_server_unhealthy() {
    let dir = tempfile::tempdir().unwrap();
    let alice = server(dir.path()).await;
    let database = redb::Database::open(dir.path().join("data/server.db")).unwrap();
    let transaction = database.begin_write().unwrap();
    // Every page is whole, so only who asks for the row meets it.
    transaction.open_table(NAMES).unwrap().insert(&b"aurelia"[..], &[0xff, 0xff][..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let rosa = Rosa::start_logging(dir.path());
    assert!(get(&rosa, "/healthz").ends_with("\r\n\r\nok\n"));
    let mut guest = Client::guest(&rosa.address()).await;
    let find = ServerFrame::NameGet(NameGet { name: alice.name.clone(), since: None });
    assert_eq!(guest.refused(find).await, ErrorCode::Internal);
    let health = get(&rosa, "/healthz");
    assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("damaged rows; run check"), "{health}");
    assert!(get(&rosa, "/metrics").contains("\nhobnob_rendezvous_damage_total 1\n"));
    let log = log(rosa);
    assert!(log.contains("ERROR") && log.contains("does not decode") && log.contains("check"), "{log}");
    assert!(!log.contains("aurelia"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_says_that_pages_are_damaged_and_serves_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    server(dir.path()).await;
    let path = dir.path().join("data/server.db");
    let mut bytes = fs::read(&path).unwrap();
    let places: Vec<_> =
        bytes.windows(7).enumerate().filter(|(_, part)| part == b"aurelia").map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    fs::write(&path, bytes).unwrap();
    let rosa = Rosa::start_logging(dir.path());
    let health = get(&rosa, "/healthz");
    assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("run check"), "{health}");
    assert!(get(&rosa, "/metrics").contains("\nhobnob_rendezvous_damage_total 1\n"));
    Client::guest(&rosa.address()).await;
    let log = log(rosa);
    assert!(log.contains("ERROR") && log.contains("damaged") && log.contains("backup"), "{log}");
}
