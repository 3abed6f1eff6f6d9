//! Rosa's house: a server in this process, in a folder that goes with it.

use std::path::Path;

use hobnob_rendezvous::{
    keys::open_or_begin,
    registry::Policy,
    server::{Limits, Server, Setup, start},
};
use hobnob_shared::rendezvous::Address;
use tempfile::TempDir;

use crate::cast::{client::address_of, easy};

pub struct House {
    pub dir: TempDir,
    pub server: Server,
    pub address: Address,
}

impl House {
    pub async fn new() -> Self {
        Self::with(easy(), Limits::default()).await
    }

    pub async fn with(policy: Policy, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = serve(dir.path(), policy, limits).await;
        let address = address_of(&server);
        Self { dir, server, address }
    }
}

pub async fn serve(dir: &Path, policy: Policy, limits: Limits) -> Server {
    let (store, keys) = open_or_begin(dir).unwrap();
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    start(Setup { keys, store, listen, limits, policy }).await.unwrap()
}
