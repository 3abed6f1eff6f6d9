//! A whole story with every log line of ours switched on: no name, key or address may be in it.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod cast;

use std::{
    io,
    sync::{Arc, Mutex},
};

use cast::{
    Person,
    client::{Client, address_of},
    easy,
    flows::{join, log_in},
};
use hobnob_rendezvous::{
    keys::open_or_begin,
    server::{Limits, Setup, start},
};
use hobnob_shared::wire::rendezvous::{NameGet, ServerFrame};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_key_or_address_is_logged() {
    let lines = Lines::default();
    let filter = "off,hobnob_rendezvous=trace,hobnob_shared=trace";
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(lines.clone()).init();
    let dir = tempfile::tempdir().unwrap();
    let (store, keys) = open_or_begin(dir.path()).unwrap();
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    let setup = Setup { keys, store, listen, limits: Limits::default(), policy: easy() };
    let server = start(setup).await.unwrap();
    let at = address_of(&server);
    let mut aurelia = Person::new("aurelia", 1);
    let mut session = join(&at, &mut aurelia, "treasure").await;
    let find = |name: &str| ServerFrame::NameGet(NameGet { name: Person::new(name, 9).name, since: None });
    session.ask(find("bartholomew")).await;
    session.ask(find("aurelia")).await;
    let mut bare = Client::guest(&at).await;
    assert!(log_in(&mut bare, &at, &mut aurelia, "wrong").await.is_err());
    assert!(log_in(&mut bare, &at, &mut aurelia, "treasure").await.is_ok());
    let mut mallory = Client::guest(&at).await;
    mallory.send_bytes(b"aurelia").await.unwrap();
    mallory.closed().await;
    server.stop().await;
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.lines().count() >= 3, "nothing was logged at all: {log}");
    let peer = at.as_str().split("/p2p/").nth(1).unwrap().split('#').next().unwrap().to_owned();
    let secrets = [
        "aurelia".to_owned(),
        "bartholomew".into(),
        "treasure".into(),
        "127.0.0.1".into(),
        aurelia.account.id().to_string(),
        aurelia.device.id().to_string(),
        session.link.local.to_string(),
        at.key_text(),
        peer,
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret:?} was logged: {line:?}");
    }
}
