//! Signed entries (rows 8, 9, 44 and 49 of the hostile table, and every limit).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cast;

use cast::{alice, bob, mallory, message};
use curve::{IDENTITY, L, MIXED_ORDER_KEYS, SMALL_ORDER_KEYS};
use hobnob_shared::{
    codec::{self, DecodeError},
    id::{AccountId, ConversationId, DeviceId, EntryId, LogId, ShortHash},
    identity::{IdentityError, verify, verifying_key},
    limits::{
        MAX_DEPS, MAX_ENTRY_BYTES, MAX_HEADER_BYTES, MAX_LISTED_LOGS, MAX_REACTION_BYTES, MAX_SETTING_BYTES,
        MAX_SETTING_KEY_BYTES, MAX_TEXT_BYTES,
    },
    text::{Handle, MessageText, Note, Reaction},
    wire::{
        Body, Dep, DeviceCut, EntryError, EntryRef, Frame, FriendPut, FrontierItem, Header, ReadItem, ReadMark,
        Setting, SignedEntry, entry::Draft, entry_id, kind,
    },
};
use proptest::prelude::*;

/// Points and numbers that only attackers use (RFC 8032; "Taming the many EdDSAs").
mod curve {
    /// The order of the base point, little-endian.
    pub(crate) const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    const fn bytes(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut bytes = [middle; 32];
        bytes[0] = first;
        bytes[31] = last;
        bytes
    }

    /// The neutral element.
    pub(crate) const IDENTITY: [u8; 32] = bytes(1, 0, 0);

    /// Encodings of the eight points of small order, some not canonical.
    pub(crate) const SMALL_ORDER_KEYS: [[u8; 32]; 8] = [
        IDENTITY,
        bytes(0, 0, 0),
        bytes(0, 0, 0x80),
        bytes(0xec, 0xff, 0x7f),
        bytes(0xee, 0xff, 0x7f),
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        bytes(0xed, 0xff, 0x7f),
    ];

    /// Key, signature and message of case 4 and 5 of "Taming the many EdDSAs": a key of mixed order whose signatures
    /// only the cofactored equation accepts.
    pub(crate) const MIXED_ORDER_KEYS: [(&str, &str, &str); 2] = [
        (
            "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
            "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
            "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        ),
        (
            "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
            "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
            "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        ),
    ];
}

#[test]
fn an_entry_is_what_its_author_wrote() {
    let written = alice().write("hello");
    let (id, header) = written.entry.check(&alice().device.id()).unwrap();
    assert_eq!((id, &header), (written.id, &written.header));
    assert_eq!(id, entry_id(&written.entry.header));
    let body = Body::decode(header.kind, &written.entry.body.unwrap().body).unwrap();
    assert_eq!(body, message("hello"));
}

#[test]
fn a_withheld_body_leaves_the_chain_whole() {
    let mut written = alice().write("hello");
    written.entry.body = None;
    assert_eq!(written.entry.check(&alice().device.id()).unwrap().0, written.id);
    let frame = codec::encode(&written.entry);
    assert_eq!(codec::decode::<SignedEntry>(&frame, MAX_ENTRY_BYTES).unwrap(), written.entry);
}

#[test]
fn changed_entries_are_refused() {
    let good = alice().write("hello").entry;
    let author = alice().device.id();
    let mut body = good.clone();
    body.body.as_mut().unwrap().body[3] ^= 1;
    assert_eq!(body.check(&author), Err(EntryError::Body));
    let mut salt = good.clone();
    salt.body.as_mut().unwrap().salt[3] ^= 1;
    assert_eq!(salt.check(&author), Err(EntryError::Body));
    let mut longer = good.clone();
    longer.body.as_mut().unwrap().body.push(0);
    assert_eq!(longer.check(&author), Err(EntryError::Body));
    let mut unsigned = good.clone();
    unsigned.signature = [0; 64];
    assert_eq!(unsigned.check(&author), Err(EntryError::Signature));
    let mut header = good;
    let last = header.header.len() - 3;
    header.header[last] ^= 1;
    assert!(header.check(&author).is_err());
}

#[test]
fn an_entry_of_somebody_else_is_refused() {
    let entry = alice().write("hello").entry;
    assert_eq!(entry.check(&bob().device.id()), Err(EntryError::WrongLog));
    let forged = SignedEntry::write(alice().draft(), vec![], &mallory().device, [0; 16]).unwrap().entry;
    assert_eq!(forged.check(&alice().device.id()), Err(EntryError::Signature));
    assert_eq!(forged.check(&mallory().device.id()), Err(EntryError::WrongLog));
}

#[test]
fn a_signature_from_another_conversation_does_not_fit() {
    let written = alice().write("hello");
    let other = Draft { conversation: ConversationId::new([9; 32]), ..alice().draft() };
    let mut replayed = SignedEntry::write(other, vec![], &mallory().device, [4; 16]).unwrap().entry;
    replayed.signature = written.entry.signature;
    assert_eq!(replayed.check(&alice().device.id()), Err(EntryError::Signature));
}

#[test]
fn a_signature_of_another_domain_does_not_fit() {
    let mut entry = alice().write("hello").entry;
    entry.signature = alice().device.sign("hobnob/bundle/1", &entry.header);
    assert_eq!(entry.check(&alice().device.id()), Err(EntryError::Signature));
}

#[test]
fn malleated_signatures_are_refused() {
    let mut entry = alice().write("hello").entry;
    let mut carry = 0_u16;
    for (byte, add) in entry.signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(entry.check(&alice().device.id()), Err(EntryError::Signature));
    for bit in 5..8 {
        let mut entry = alice().write("hello").entry;
        entry.signature[63] |= 1 << bit;
        assert_eq!(entry.check(&alice().device.id()), Err(EntryError::Signature));
    }
}

#[test]
fn keys_of_small_order_are_refused() {
    for key in SMALL_ORDER_KEYS {
        assert_eq!(verifying_key(&key).unwrap_err(), IdentityError::WeakKey, "{key:02x?}");
    }
    // A signature with R of small order: under a weak key it would fit every message.
    let mut entry = alice().write("hello").entry;
    entry.signature[..32].copy_from_slice(&IDENTITY);
    entry.signature[32..].fill(0);
    assert_eq!(entry.check(&alice().device.id()), Err(EntryError::Signature));
}

#[test]
fn keys_of_mixed_order_get_nothing_through() {
    for (key, signature, message) in MIXED_ORDER_KEYS {
        let [key, message] = [key, message].map(|text| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap());
        let signature: [u8; 64] = data_encoding::HEXLOWER.decode(signature.as_bytes()).unwrap().try_into().unwrap();
        let key = verifying_key(&key.try_into().unwrap()).unwrap();
        assert_eq!(verify(&key, "", &message, &signature), Err(IdentityError::Signature));
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let author = alice();
    let write = |draft| SignedEntry::write(draft, vec![], &author.device, [0; 16]).unwrap().entry;
    let check = |draft| write(draft).check(&author.device.id());
    assert_eq!(check(Draft { seq: 0, ..author.draft() }), Err(EntryError::Nonsense));
    assert_eq!(check(Draft { seq: 2, ..author.draft() }), Err(EntryError::Nonsense));
    assert_eq!(check(Draft { prev: Some(EntryId::new([1; 32])), ..author.draft() }), Err(EntryError::Nonsense));
    let mut later = write(author.draft());
    assert_eq!(later.header[1], 1);
    later.header[1] = 2;
    assert_eq!(later.check(&author.device.id()), Err(EntryError::Version(2)));
}

#[test]
fn eight_dependencies_pass_and_nine_do_not() {
    let dep = |n: usize| Dep { log: LogId::new([n as u8; 24]), seq: u64::MAX, hash: ShortHash::new([n as u8; 16]) };
    let author = alice();
    let check = |count: usize| {
        let draft = Draft { deps: (0..count).map(dep).collect(), ..author.draft() };
        SignedEntry::write(draft, vec![], &author.device, [0; 16]).unwrap().entry.check(&author.device.id())
    };
    assert!(check(MAX_DEPS).is_ok());
    assert_eq!(check(MAX_DEPS + 1), Err(EntryError::Header(DecodeError::Malformed)));
    assert!(author.write_full().entry.header.len() < MAX_HEADER_BYTES);
    assert_eq!(
        Header::decode(&[0; MAX_HEADER_BYTES + 1]),
        Err(EntryError::Header(DecodeError::TooLong { bytes: MAX_HEADER_BYTES + 1, limit: MAX_HEADER_BYTES }))
    );
}

#[test]
fn an_entry_at_the_limit_passes_and_one_more_byte_does_not() {
    let author = alice();
    let write = |body: usize| SignedEntry::write(author.draft(), vec![0; body], &author.device, [0; 16]);
    let mut fit = MAX_ENTRY_BYTES - write(1000).unwrap().entry.size() + 1000;
    // A longer body has a longer length in the header.
    while write(fit).is_err() {
        fit -= 1;
    }
    let entry = write(fit).unwrap().entry;
    assert_eq!(entry.size(), MAX_ENTRY_BYTES);
    assert!(entry.check(&author.device.id()).is_ok());
    assert_eq!(write(fit + 1).unwrap_err(), EntryError::TooLarge(MAX_ENTRY_BYTES + 1));
    let mut larger = entry;
    larger.body.as_mut().unwrap().body.push(0);
    assert_eq!(larger.check(&author.device.id()), Err(EntryError::TooLarge(MAX_ENTRY_BYTES + 1)));
}

#[test]
fn texts_at_the_limit_pass_and_one_more_byte_does_not() {
    assert!(MessageText::parse("x".repeat(MAX_TEXT_BYTES)).is_ok());
    assert!(MessageText::parse("x".repeat(MAX_TEXT_BYTES + 1)).is_err());
    assert!(Reaction::parse("x".repeat(MAX_REACTION_BYTES)).is_ok());
    assert!(Reaction::parse("x".repeat(MAX_REACTION_BYTES + 1)).is_err());
    let over = codec::encode(&std::collections::BTreeMap::from([("t", "x".repeat(MAX_TEXT_BYTES + 1))]));
    assert_eq!(Body::decode(kind::TEXT, &over), Err(DecodeError::Malformed));
    assert!(Body::decode(999, &vec![0; MAX_ENTRY_BYTES]).is_ok());
    assert!(Body::decode(999, &vec![0; MAX_ENTRY_BYTES + 1]).is_err());
}

#[test]
fn what_own_devices_say_fits_an_entry_at_its_limit() {
    let (log, conversation) = (LogId::new([9; 24]), ConversationId::new([9; 32]));
    let mark =
        |n: usize| Body::ReadMark(ReadMark { conversation, items: vec![ReadItem { log, seq: u64::MAX }; n] }).encode();
    let cut = |n: usize| {
        let head = FrontierItem { log, seq: u64::MAX, head: ShortHash::new([9; 16]) };
        Body::DeviceCut(DeviceCut { device: alice().device.id(), heads: vec![head; n] }).encode()
    };
    let setting = |n: usize| {
        Body::Setting(Setting { key: "alias.x".into(), value: Some("v".repeat(n)), hearsay: false }).encode()
    };
    let key = |n: usize| Body::Setting(Setting { key: "k".repeat(n), value: None, hearsay: false }).encode();
    ends_at(MAX_LISTED_LOGS, mark);
    ends_at(MAX_LISTED_LOGS, cut);
    ends_at(MAX_SETTING_BYTES, setting);
    ends_at(MAX_SETTING_KEY_BYTES, key);
}

/// A body with `limit` items fits an entry, and one with more is no body.
fn ends_at(limit: usize, build: impl Fn(usize) -> (u16, Vec<u8>)) {
    let (kind, bytes) = build(limit);
    assert!(bytes.len() + MAX_HEADER_BYTES < MAX_ENTRY_BYTES, "kind {kind}");
    assert!(Body::decode(kind, &bytes).is_ok(), "kind {kind}");
    let (kind, bytes) = build(limit + 1);
    assert_eq!(Body::decode(kind, &bytes), Err(DecodeError::Malformed), "kind {kind}");
}

#[test]
fn unknown_kinds_and_keys_are_kept() {
    let body = [0xa2, 0x61, b't', 0x61, b'x', 0x63, b'n', b'e', b'w', 0x05];
    assert_eq!(Body::decode(kind::TEXT, &body).unwrap(), message("x"));
    let unknown = Body::decode(77, &body).unwrap();
    assert_eq!(unknown, Body::Unknown(77, body.to_vec()));
    assert_eq!(unknown.encode(), (77, body.to_vec()));
}

#[test]
fn a_salt_is_whole_or_not_there() {
    let entry = alice().write("hello").entry;
    let bytes = codec::encode(&(
        serde_bytes::Bytes::new(&entry.header),
        serde_bytes::Bytes::new(&entry.signature),
        serde_bytes::Bytes::new(&[1; 15]),
        serde_bytes::Bytes::new(b"x"),
    ));
    assert_eq!(codec::decode::<SignedEntry>(&bytes, MAX_ENTRY_BYTES), Err(DecodeError::Malformed));
}

pub(crate) fn any_ref() -> impl Strategy<Value = EntryRef> {
    (any::<[u8; 24]>(), any::<u64>(), any::<[u8; 16]>()).prop_map(|(log, seq, hash)| EntryRef {
        log: LogId::new(log),
        seq,
        hash: ShortHash::new(hash),
    })
}

fn any_put() -> impl Strategy<Value = FriendPut> {
    let flag = || any::<Option<bool>>();
    (any::<[u8; 32]>(), flag(), flag(), flag(), flag(), any::<bool>()).prop_map(
        |(account, accepted, verified, blocked, muted, named)| FriendPut {
            handle: named.then(|| Handle::parse("bob").unwrap()),
            accepted,
            verified,
            blocked,
            muted,
            note: named.then(|| Note::parse("hello").unwrap()),
            ..FriendPut::new(AccountId::new(account))
        },
    )
}

fn any_body() -> impl Strategy<Value = Body> {
    let text = "\\PC{1,40}".prop_filter_map("blank", |text| MessageText::parse(text).ok());
    let emoji = proptest::option::of(Just(Reaction::parse("👍").unwrap()));
    prop_oneof![
        (text.clone(), proptest::option::of(any_ref()), any::<bool>(), any::<bool>())
            .prop_map(|(text, reply, action, forwarded)| Body::Text { text, reply, action, forwarded }),
        (any_ref(), text).prop_map(|(target, text)| Body::Edit { target, text }),
        any_ref().prop_map(|target| Body::Delete { target }),
        (any_ref(), emoji).prop_map(|(target, emoji)| Body::React { target, emoji }),
        (any_ref(), any::<bool>()).prop_map(|(target, pinned)| Body::Pin { target, pinned }),
        any::<Option<u64>>().prop_map(|after_secs| Body::Timer { after_secs }),
        any::<[u8; 32]>().prop_map(|salt| Body::FriendAccept { salt }),
        any_put().prop_map(Body::FriendPut),
        any::<[u8; 32]>().prop_map(|account| Body::FriendRemove(AccountId::new(account))),
        (any::<[u8; 32]>(), any_ref()).prop_map(|(chat, at)| Body::ReadMark(ReadMark {
            conversation: ConversationId::new(chat),
            items: vec![ReadItem { log: at.log, seq: at.seq }],
        })),
        ("[a-z.]{1,64}", proptest::option::of("\\PC{0,40}")).prop_map(|(key, value)| Body::Setting(Setting {
            key,
            value,
            hearsay: false
        })),
        (any::<[u8; 32]>(), any_ref()).prop_map(|(device, at)| Body::DeviceCut(DeviceCut {
            device: DeviceId::new(device),
            heads: vec![FrontierItem { log: at.log, seq: at.seq, head: at.hash }],
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bodies_come_back(body in any_body()) {
        let (kind, bytes) = body.encode();
        prop_assert_eq!(Body::decode(kind, &bytes), Ok(body));
    }

    #[test]
    fn random_bodies_never_panic(kind in 0_u16..80, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Body::decode(kind, &bytes);
    }

    #[test]
    fn random_entries_are_refused(header in proptest::collection::vec(any::<u8>(), 0..400), signature in any::<[u8; 64]>()) {
        let entry = SignedEntry { header, signature, body: None };
        prop_assert!(entry.check(&alice().device.id()).is_err());
        let _ = Frame::decode(&entry.header);
    }
}
