//! The rendezvous: the real server, on a thread of this process, on loopback, at any port.

use hobnob_rendezvous::{
    keys::open_or_begin,
    registry::Policy,
    server::{Limits, Server, Setup, start},
};
use hobnob_shared::{rendezvous::RegistrationCode, wire::rendezvous::Registration};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A running rendezvous. Stopped when dropped.
pub(crate) struct Rosa {
    dir: TempDir,
    runtime: Runtime,
    server: Option<Server>,
    policy: Policy,
    /// What a node is given.
    pub(crate) address: String,
}

impl Rosa {
    /// One that registers whoever works a little for it.
    pub(crate) fn new() -> Self {
        Self::with(Registration::Open { pow_bits: 4 })
    }

    /// One that registers these.
    pub(crate) fn with(registration: Registration) -> Self {
        let policy = Policy { registration, knock_bits: 4, lookups_per_hour: 100_000, ..Policy::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = tempfile::Builder::new().prefix("hobnob-rosa-").tempdir().unwrap();
        let mut rosa = Self { dir, runtime, server: None, policy, address: String::new() };
        rosa.start("/ip4/127.0.0.1/tcp/0");
        rosa
    }

    /// Where it keeps everything.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.dir.path()
    }

    fn start(&mut self, listen: &str) {
        let dir = self.dir.path();
        let (store, keys) = open_or_begin(dir).unwrap();
        let (limits, policy, listen) = (Limits::default(), self.policy.clone(), vec![listen.parse().unwrap()]);
        let server = self.runtime.block_on(start(Setup { keys, store, listen, limits, policy })).unwrap();
        let place = server.addresses()[0].to_string();
        let address =
            hobnob_shared::rendezvous::Address::new(&place, &server.peer().to_bytes(), &server.key()).unwrap();
        self.address = address.to_string();
        self.server = Some(server);
    }

    /// Gone, with its port free.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }

    /// A code that registers one account.
    pub(crate) fn code(&self) -> String {
        let code = RegistrationCode::generate(&mut ChaCha20Rng::from_seed([3; 32]));
        let control = self.server.as_ref().unwrap().control();
        self.runtime.block_on(control.add_code(code.clone())).unwrap();
        code.to_string()
    }
}

impl Drop for Rosa {
    fn drop(&mut self) {
        self.stop();
    }
}
