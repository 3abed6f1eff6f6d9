//! The bare work that benchmarks compare with: sign, verify, seal, open, commit, and nothing around it.

use std::time::{Duration, Instant};

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
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::{
    cast,
    talk::{befriend, say},
    world::World,
};

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

/// The two durable commits on the way of a message: the very rows that the sender's and the recipient's engines write,
/// committed to two real databases with nothing around it.
#[derive(Debug)]
pub struct CommitsOfMessages {
    world: World,
    stores: [Store; 2],
    _dirs: [TempDir; 2],
    sent: usize,
}

impl CommitsOfMessages {
    /// Two friends, and databases that hold what theirs hold.
    pub fn new() -> Self {
        let mut world = World::new(1, 2);
        befriend(&mut world, 0, 1);
        world.faults.delay_ms = 0;
        let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let key = || StoreKey::new(Zeroizing::new([1; 32]));
        let mut stores = dirs.each_ref().map(|dir| Store::create(dir.path(), &key()).expect("a store"));
        for (node, store) in stores.iter_mut().enumerate() {
            store.commit(&world.nodes[node].disk.rows().records()).expect("committed");
        }
        Self { world, stores, _dirs: dirs, sent: 0 }
    }

    /// How long they take for the next message.
    pub fn next_message(&mut self) -> Duration {
        let world = &mut self.world;
        world.journal = Some(Vec::new());
        say(world, 0, 1, &format!("message number {}", self.sent));
        self.sent += 1;
        // Sent, stored at the other side, receipted.
        world.run_for(50);
        let mut on_the_way = [Duration::ZERO; 2];
        for (node, records) in world.journal.take().expect("a journal") {
            let start = Instant::now();
            self.stores[node].commit(&records).expect("committed");
            // The first of each is the message; what follows are receipts, which nobody waits for.
            if on_the_way[node].is_zero() {
                on_the_way[node] = start.elapsed();
            }
        }
        on_the_way.iter().sum()
    }
}

impl Default for CommitsOfMessages {
    fn default() -> Self {
        Self::new()
    }
}
