//! The frames of a session: they come back as they went, and nothing else is taken (rows 4, 31, 32 and 40).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cast;

use cast::{
    alice, nick,
    server::{signed_ticket, told_keys},
};
use hobnob_shared::{
    codec::{self, DecodeError},
    id::{ConversationId, LogId, ShortHash},
    limits::{
        MAX_BATCH_ENTRIES, MAX_DEVICES, MAX_DIGESTS, MAX_FEATURE_BYTES, MAX_FEATURES, MAX_FRAME_BYTES,
        MAX_FRONTIER_ITEMS, MAX_RECORDS, MAX_REVOKED, MAX_TOLD_KEYS, MAX_WANT_RANGES,
    },
    rendezvous::NameAt,
    text::{Note, Username},
    wire::{
        AccountPayload, ChatDigest, Close, Digest, Digests, Entries, ErrorCode, Failure, Frame, Frontier, FrontierItem,
        Hello, Introduce, Knock, Mailboxes, Presence, PresenceAt, PresenceState, Read, ReadItem, SignedEntry, Typing,
        VaultKeys, Want, WantRange,
    },
};
use proptest::prelude::*;

fn account() -> AccountPayload {
    let alice = alice();
    AccountPayload {
        records: vec![alice.account.sign_record(&alice.record())],
        certificates: vec![alice.signed_certificate()],
        bundles: vec![alice.device.sign_bundle(&alice.bundle())],
    }
}

fn all() -> Vec<Frame> {
    let conversation = ConversationId::new([3; 32]);
    let log = LogId::new([4; 24]);
    let note = || Note::parse("hello").unwrap();
    vec![
        Frame::Hello(Hello { features: vec!["a".into()], time_ms: 5, instance: 6, known_record: Some((1, [7; 32])) }),
        Frame::Hello(Hello::default()),
        Frame::Close(Close { code: ErrorCode::TooLarge }),
        Frame::Ping { nonce: u64::MAX },
        Frame::Error(Failure { code: ErrorCode::RateLimited { retry_ms: 500 }, of: 9 }),
        Frame::Pong { nonce: 0 },
        Frame::Digest(Digest { conversation, hash: [8; 32] }),
        Frame::Frontier(Frontier {
            conversation,
            full: true,
            items: vec![FrontierItem { log, seq: 9, head: ShortHash::new([1; 16]) }],
        }),
        Frame::Want(Want { conversation, ranges: vec![WantRange { log, from: 1, to: u64::MAX }] }),
        Frame::Entries(Entries {
            conversation,
            entries: vec![alice().write("hi").entry, SignedEntry { body: None, ..alice().write("hi").entry }],
            more: false,
        }),
        Frame::Digests(Digests {
            chats: vec![ChatDigest { conversation, hash: [8; 32], account: Some((1, [7; 32])) }],
        }),
        Frame::Presence(Presence { state: PresenceState::Busy, text: note() }),
        Frame::Typing(Typing { conversation, typing: true }),
        Frame::Read(Read { conversation, items: vec![ReadItem { log, seq: 2 }] }),
        Frame::Account(account()),
        Frame::Knock(Knock { nick: nick("Alice"), note: note() }),
        Frame::Introduce(Introduce { account: account(), note: note() }),
        Frame::SasCommit { commit: [1; 32] },
        Frame::SasNonce { nonce: [2; 16] },
        Frame::SasReveal { nonce: [3; 16] },
        Frame::Mailboxes(Mailboxes { bundle: account().bundles[0].clone(), name: None }),
        Frame::Mailboxes(Mailboxes {
            bundle: account().bundles[0].clone(),
            name: Some(NameAt { name: Username::parse("alice").unwrap(), server: [9; 32] }),
        }),
        Frame::PresenceAt(PresenceAt { ticket: signed_ticket() }),
        Frame::VaultKeys(told_keys()),
    ]
}

#[test]
fn every_frame_comes_back() {
    for (id, frame) in all().into_iter().enumerate() {
        let bytes = frame.encode(id as u32);
        assert_eq!(Frame::decode(&bytes), Ok((id as u32, frame)));
    }
}

#[test]
fn every_error_code_comes_back() {
    let codes = [
        ErrorCode::Ok,
        ErrorCode::Malformed,
        ErrorCode::Unsupported,
        ErrorCode::TooLarge,
        ErrorCode::Denied,
        ErrorCode::RateLimited { retry_ms: 7 },
        ErrorCode::Quota,
        ErrorCode::NotFound,
        ErrorCode::Conflict,
        ErrorCode::Busy,
        ErrorCode::Internal,
        ErrorCode::Stale { seq: 4 },
        ErrorCode::Pow { bits: 20, challenge: [5; 16] },
        ErrorCode::Expired,
        ErrorCode::Unknown(99),
    ];
    for (number, code) in codes.into_iter().enumerate() {
        assert_eq!(code.number(), if number == 14 { 99 } else { number as u16 });
        assert_eq!(Frame::decode(&Frame::Close(Close { code }).encode(0)), Ok((0, Frame::Close(Close { code }))));
    }
}

#[test]
fn unknown_frames_are_named_and_their_payload_is_skipped() {
    for (number, wants_answer) in [(6_u16, false), (201, true), (65_535, true)] {
        let bytes = codec::encode(&(number, 5_u32, ("anything", [1, 2, 3])));
        let (id, frame) = Frame::decode(&bytes).unwrap();
        assert_eq!((id, &frame), (5, &Frame::Unknown(number)));
        assert_eq!(frame.wants_answer(), wants_answer);
    }
}

#[test]
fn unknown_keys_are_ignored() {
    let nonce = std::collections::BTreeMap::from([("n", 1_u64), ("zzz", 2)]);
    assert_eq!(Frame::decode(&codec::encode(&(2_u16, 0_u32, nonce))), Ok((0, Frame::Ping { nonce: 1 })));
}

#[test]
fn frames_have_three_parts() {
    assert_eq!(Frame::decode(&codec::encode(&(2_u16, 0_u32))), Err(DecodeError::Malformed));
    assert_eq!(Frame::decode(&codec::encode(&(99_u16, 0_u32, (), ()))), Err(DecodeError::Trailing(1)));
    assert!(Frame::decode(&[]).is_err());
    assert!(Frame::decode(&codec::encode(&(70_000_u32, 0_u32, ()))).is_err());
    assert!(Frame::decode(&codec::encode(&"hello")).is_err());
}

#[test]
fn a_presence_of_a_later_version_counts_as_online() {
    let payload = (22_u16, 0_u32, std::collections::BTreeMap::from([("s", 9_u8)]));
    assert!(Frame::decode(&codec::encode(&payload)).is_err());
    assert_eq!(PresenceState::from(9), PresenceState::Online);
}

/// Whether a frame with `count` items of the kind that `build` makes is taken.
fn takes(count: usize, build: impl Fn(usize) -> Frame) -> bool {
    Frame::decode(&build(count).encode(0)).is_ok()
}

#[test]
fn lists_at_the_limit_pass_and_one_more_item_does_not() {
    let conversation = ConversationId::new([3; 32]);
    let log = LogId::new([4; 24]);
    let tiny = SignedEntry { header: vec![], signature: [0; 64], body: None };
    let limits: [(usize, &dyn Fn(usize) -> Frame); 10] = [
        (MAX_FRONTIER_ITEMS, &|n| {
            let item = FrontierItem { log, seq: 1, head: ShortHash::new([1; 16]) };
            Frame::Frontier(Frontier { conversation, full: true, items: vec![item; n] })
        }),
        (MAX_WANT_RANGES, &|n| Frame::Want(Want { conversation, ranges: vec![WantRange { log, from: 1, to: 2 }; n] })),
        (MAX_BATCH_ENTRIES, &|n| Frame::Entries(Entries { conversation, entries: vec![tiny.clone(); n], more: false })),
        (MAX_FRONTIER_ITEMS, &|n| Frame::Read(Read { conversation, items: vec![ReadItem { log, seq: 1 }; n] })),
        (MAX_RECORDS, &|n| {
            Frame::Account(AccountPayload { records: vec![account().records[0].clone(); n], ..Default::default() })
        }),
        (MAX_DIGESTS, &|n| {
            let chat = ChatDigest { conversation, hash: [1; 32], account: None };
            Frame::Digests(Digests { chats: vec![chat; n] })
        }),
        (MAX_DEVICES, &|n| {
            let bundles = vec![account().bundles[0].clone(); n];
            Frame::Account(AccountPayload { bundles, ..Default::default() })
        }),
        (MAX_DEVICES + MAX_REVOKED, &|n| {
            let certificates = vec![account().certificates[0].clone(); n];
            Frame::Account(AccountPayload { certificates, ..Default::default() })
        }),
        (MAX_TOLD_KEYS, &|n| Frame::VaultKeys(VaultKeys { keys: vec![told_keys().keys[0].clone(); n] })),
        (MAX_FEATURES, &|n| Frame::Hello(Hello { features: vec!["f".into(); n], ..Default::default() })),
    ];
    for (index, (limit, build)) in limits.into_iter().enumerate() {
        assert!(takes(limit, build), "list {index}");
        assert!(!takes(limit + 1, build), "list {index}");
    }
    let feature = |n: usize| Frame::Hello(Hello { features: vec!["f".repeat(n)], ..Default::default() });
    assert!(takes(MAX_FEATURE_BYTES, feature));
    assert!(!takes(MAX_FEATURE_BYTES + 1, feature));
}

#[test]
fn a_frame_at_the_limit_passes_and_one_more_byte_does_not() {
    let padded = |size: usize| {
        let frame = |padding: usize| codec::encode(&(98_u16, 0_u32, serde_bytes::Bytes::new(&vec![0; padding])));
        frame(size - (frame(size).len() - size))
    };
    assert_eq!(padded(MAX_FRAME_BYTES).len(), MAX_FRAME_BYTES);
    assert_eq!(Frame::decode(&padded(MAX_FRAME_BYTES)), Ok((0, Frame::Unknown(98))));
    assert!(matches!(Frame::decode(&padded(MAX_FRAME_BYTES + 1)), Err(DecodeError::TooLong { .. })));
}

#[test]
fn a_frontier_item_is_small() {
    let item = FrontierItem { log: LogId::new([4; 24]), seq: 1000, head: ShortHash::new([1; 16]) };
    assert!(codec::encode(&item).len() <= 47);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Frame::decode(&bytes);
    }

    #[test]
    fn random_payloads_never_panic(number in 0_u16..50, payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Frame::decode(&[&[0x83, 0x18, number as u8, 0][..], &payload].concat());
    }

    #[test]
    fn mutated_frames_never_panic(which in 0_usize..20, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        static FRAMES: std::sync::LazyLock<Vec<Frame>> = std::sync::LazyLock::new(all);
        let mut bytes = FRAMES[which].encode(1);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok((id, frame)) = Frame::decode(&bytes) {
            let again = frame.encode(id);
            prop_assert_eq!(Frame::decode(&again), Ok((id, frame)));
        }
    }
}
