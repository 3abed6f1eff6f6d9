//! A rendezvous in this process, in a folder that is removed at the end.

use std::{path::Path, time::Duration};

use hobnob_rendezvous::{
    keys::open_or_begin,
    registry::{Policy, view::TableId},
    server::{Limits, Server, Setup, start},
    store::Store,
};
use hobnob_shared::{rendezvous::Address, wire::rendezvous::Registration};
use tempfile::TempDir;

use crate::nodes::DEADLINE;

/// Between two looks at what is kept.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Rosa's house, in a folder that goes with it.
#[derive(Debug)]
pub struct House {
    dir: TempDir,
    /// It.
    pub server: Server,
    /// What a node is given.
    pub address: Address,
}

impl House {
    /// A new one, at a free port of loopback.
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().expect("ours to set up");
        let server = serve(dir.path(), "/ip4/127.0.0.1/tcp/0").await;
        let address = address(&server);
        Self { dir, server, address }
    }

    /// Waits until it keeps so many mailboxes.
    pub async fn wait_mailboxes(&self, count: u64) {
        let copies = tempfile::tempdir().expect("ours to set up");
        let kept = async {
            for number in 0.. {
                let copy = copies.path().join(number.to_string());
                self.server.control().back_up(copy.clone()).await.expect("a copy");
                let sizes = Store::open_file(&copy).expect("a whole copy").sizes().expect("a whole copy");
                if sizes.rows.contains(&(TableId::Boxes, count)) {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(DEADLINE, kept).await.expect("mailboxes are made");
    }

    /// The server stops, and another one on the same folder and port takes its place.
    pub async fn restart(self) -> Self {
        self.server.stop().await;
        let server = serve(self.dir.path(), self.address.place()).await;
        let address = address(&server);
        assert_eq!(address, self.address);
        Self { dir: self.dir, server, address }
    }
}

async fn serve(dir: &Path, listen: &str) -> Server {
    let (store, keys) = open_or_begin(dir).expect("ours to set up");
    let policy = Policy { registration: Registration::Open { pow_bits: 4 }, knock_bits: 10, ..Policy::default() };
    let listen = vec![listen.parse().expect("ours to set up")];
    start(Setup { keys, store, listen, limits: Limits::default(), policy }).await.expect("ours to set up")
}

fn address(server: &Server) -> Address {
    let place = server.addresses()[0].to_string();
    let place = place.split("/p2p/").next().expect("ours to set up");
    Address::new(place, &server.peer().to_bytes(), &server.key()).expect("ours to set up")
}
