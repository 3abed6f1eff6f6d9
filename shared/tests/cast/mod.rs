//! Alice sends, Bob receives, Mallory lies; all of them from fixed seeds.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

pub mod sealed;
pub mod server;

use hobnob_shared::{
    id::{ConversationId, EntryId, LogId, ShortHash},
    identity::{
        AccountKey, AccountRecord, Bundle, Certificate, DeviceKeys, Prekey, Profile, SignedCertificate, Ticket,
    },
    text::{MessageText, Nickname, Note},
    wire::{
        Body, Dep, SignedEntry,
        entry::{Draft, Written},
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub const NOON_MS: u64 = 1_760_000_000_000;

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub struct Person {
    pub account: AccountKey,
    pub device: DeviceKeys,
}

impl Person {
    pub fn new(seed: u64) -> Self {
        let mut rng = rng(seed);
        Self { account: AccountKey::generate(&mut rng), device: DeviceKeys::generate(&mut rng) }
    }

    pub fn certificate(&self) -> Certificate {
        Certificate {
            account: self.account.id(),
            device: self.device.id(),
            x25519: self.device.x25519_public(),
            name: nick("laptop"),
            added_ms: NOON_MS,
        }
    }

    pub fn signed_certificate(&self) -> SignedCertificate {
        self.account.sign_certificate(&self.certificate())
    }

    pub fn record(&self) -> AccountRecord {
        AccountRecord {
            seq: 1,
            prev: None,
            account: self.account.id(),
            devices: vec![self.signed_certificate().hash()],
            revoked: vec![],
            profile: Profile { nick: nick("Alice"), bio: Note::parse("tea, trains").unwrap() },
        }
    }

    pub fn bundle(&self) -> Bundle {
        Bundle {
            device: self.device.id(),
            seq: 7,
            created_ms: NOON_MS,
            expiry_ms: NOON_MS + 86_400_000,
            transport: vec![0, 36, 8, 1, 18, 32],
            addresses: vec!["/ip4/127.0.0.1/tcp/4001".into(), "/ip6/::1/tcp/4001".into()],
            prekeys: vec![Prekey { id: 3, x25519: [9; 32], ml_kem: vec![5; 1184], expiry_ms: NOON_MS }],
            tickets: vec![Ticket { carrier: "/dns/r.example/tcp/1".into(), mailbox: [1; 16], token: [2; 16] }],
        }
    }

    pub fn log(&self) -> LogId {
        self.device.id().log([1; 8])
    }

    /// The first entry of this person's log in their conversation with themselves.
    pub fn draft(&self) -> Draft {
        Draft {
            kind: 1,
            conversation: ConversationId::direct(&self.account.id(), &self.account.id()),
            log: self.log(),
            seq: 1,
            prev: None,
            lamport: 1,
            time_ms: NOON_MS,
            deps: vec![],
            auth: None,
        }
    }

    pub fn write(&self, text: &str) -> Written {
        let (_, body) = message(text).encode();
        SignedEntry::write(self.draft(), body, &self.device, [4; 16]).unwrap()
    }

    /// An entry with all that a header can hold.
    pub fn write_full(&self) -> Written {
        let dep = |n: u8| Dep { log: LogId::new([n; 24]), seq: u64::from(n) * 1000, hash: ShortHash::new([n; 16]) };
        let draft = Draft {
            seq: 300,
            prev: Some(EntryId::new([0xab; 32])),
            lamport: 70_000,
            deps: (1..=8).map(dep).collect(),
            auth: Some(EntryId::new([0xcd; 32])),
            ..self.draft()
        };
        SignedEntry::write(draft, message("good morning").encode().1, &self.device, [4; 16]).unwrap()
    }
}

pub fn alice() -> Person {
    Person::new(1)
}

pub fn bob() -> Person {
    Person::new(2)
}

pub fn mallory() -> Person {
    Person::new(666)
}

pub fn nick(text: &str) -> Nickname {
    Nickname::parse(text).unwrap()
}

pub fn message(text: &str) -> Body {
    Body::Text { text: MessageText::parse(text).unwrap(), reply: None, action: false, forwarded: false }
}
