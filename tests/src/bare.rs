//! The bare work that benchmarks compare with: sign, verify, seal, open, commit, and nothing around it.

use std::time::{Duration, Instant};

use hobnob_engine::{tables::TableId, work::Records};
use hobnob_shared::{
    id::{ConversationId, DeviceId, EntryId, LogId},
    identity::DeviceKeys,
    noise::{Handshake, Mode, Session, Step},
    wire::{
        Body,
        entry::{Draft, SignedEntry},
    },
};
use hobnob_store::{Store, StoreKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::cast;

/// A seeded source of randomness.
pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Two ends of one session.
pub fn session(rng: &mut ChaCha20Rng) -> (Session, Session) {
    let (account, device) = cast::keys(0, 0);
    let here = cast::identity_of(&account, device, cast::nick(0));
    let (_, there) = cast::keys(1, 0);
    let secret = here.device_keys.x25519_secret();
    let certificate = here.certificate.encode();
    let remote = Some(there.x25519_public());
    let (mut initiator, one) =
        Handshake::initiate(Mode::Device, secret, remote, None, b"a", b"b", &certificate, rng).expect("message 1");
    let mut responder = Handshake::respond(Mode::Device, there.x25519_secret(), b"b", b"a", rng).expect("a responder");
    let Step::Send(two) = responder.read(&one).expect("message 1") else { panic!("no message 2") };
    let Step::Done(ours) = initiator.read(&two).expect("message 2") else { panic!("not done") };
    let three = ours.send.expect("message 3");
    let Step::Done(theirs) = responder.read(&three).expect("message 3") else { panic!("not done") };
    (ours.session, theirs.session)
}

/// One device's log.
#[derive(Clone, Debug)]
pub struct Chain {
    log: LogId,
    conversation: ConversationId,
    seq: u64,
    prev: Option<EntryId>,
}

impl Chain {
    /// An empty one.
    pub fn new(device: DeviceId, conversation: ConversationId) -> Self {
        Self { log: device.log([1; 8]), conversation, seq: 0, prev: None }
    }

    /// Writes the next entry.
    pub fn write(&mut self, body: &Body, keys: &DeviceKeys, rng: &mut ChaCha20Rng) -> SignedEntry {
        let (kind, body) = body.encode();
        self.seq += 1;
        let draft = Draft {
            kind,
            conversation: self.conversation,
            log: self.log,
            seq: self.seq,
            prev: self.prev,
            lamport: self.seq,
            time_ms: self.seq,
            deps: Vec::new(),
            auth: None,
        };
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let written = SignedEntry::write(draft, body, keys, salt).expect("an entry");
        self.prev = Some(written.id);
        written.entry
    }
}

/// How long each of `count` commits of one small row takes.
pub fn commits(count: usize) -> Vec<Duration> {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = Store::create(dir.path(), &StoreKey::new(zeroize::Zeroizing::new([1; 32]))).expect("a store");
    (0..count)
        .map(|n| {
            let row = ((TableId::Entries, (n as u64).to_be_bytes().to_vec()), Some(vec![0; 300]));
            let start = Instant::now();
            store.commit(&Records::from([row])).expect("committed");
            start.elapsed()
        })
        .collect()
}
