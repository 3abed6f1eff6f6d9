//! Who plays in a world: Alice sends, Bob receives, Carol is the third, Mallory lies.

use hobnob_shared::{
    identity::{
        AccountKey, AccountRecord, Certificate, DeviceKeys, Identity, Profile, SignedCertificate, SignedRecord,
    },
    text::{Nickname, Note},
    wire::AccountPayload,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// 2026-01-01, in ms since the epoch: when everybody's keys were made.
const BORN_MS: u64 = 1_767_225_600_000;

/// The name of the `index`-th person.
pub fn nick(index: usize) -> Nickname {
    let name =
        ["alice", "bob", "carol", "mallory"].get(index).map_or_else(|| format!("person{index}"), |n| (*n).to_owned());
    Nickname::parse(name).expect("a name")
}

/// The keys of the `index`-th person of the world `seed`, the same at each call.
pub fn keys(index: usize, seed: u64) -> (AccountKey, DeviceKeys) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(index as u64));
    (AccountKey::generate(&mut rng), DeviceKeys::generate(&mut rng))
}

/// A first record for a device.
pub fn identity_of(account: &AccountKey, device_keys: DeviceKeys, nick: Nickname) -> Identity {
    identity_at(account, device_keys, nick, BORN_MS)
}

/// The same for one that was made at this time.
pub fn identity_at(account: &AccountKey, device_keys: DeviceKeys, nick: Nickname, added_ms: u64) -> Identity {
    let certificate = account.sign_certificate(&Certificate {
        account: account.id(),
        device: device_keys.id(),
        x25519: device_keys.x25519_public(),
        name: Nickname::parse("laptop").expect("a name"),
        added_ms,
    });
    let record = account.sign_record(&AccountRecord {
        seq: 1,
        prev: None,
        account: account.id(),
        devices: vec![certificate.hash()],
        revoked: Vec::new(),
        profile: Profile { nick, bio: Note::parse("").expect("an empty note") },
    });
    Identity { account: account.id(), device_keys, certificate, record }
}

/// Another device of an account of which a rendezvous shows this: its certificate, and the record that lists it.
pub fn certify(
    account: &AccountKey,
    device: DeviceKeys,
    public: &AccountPayload,
    now_ms: u64,
) -> (SignedCertificate, SignedRecord) {
    let newest = public.records.last().expect("a record");
    let before = newest.verify().expect("a good one");
    let certificate = account.sign_certificate(&Certificate {
        account: account.id(),
        device: device.id(),
        x25519: device.x25519_public(),
        name: Nickname::parse("machine").expect("a name"),
        added_ms: now_ms,
    });
    let devices = before.devices.iter().copied().chain([certificate.hash()]).collect();
    let record = AccountRecord { seq: before.seq + 1, prev: Some(newest.hash()), devices, ..before };
    (certificate, account.sign_record(&record))
}

/// The `index`-th person of the world `seed`.
pub fn identity(index: usize, seed: u64) -> Box<dyn Fn() -> Identity> {
    let (account, device) = keys(index, seed);
    let identity = identity_of(&account, device, nick(index));
    Box::new(move || identity.clone())
}
