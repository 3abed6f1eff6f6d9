//! The frames of a rendezvous: they come back as they went, and nothing else is taken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cast;

use std::collections::{BTreeMap, BTreeSet};

use cast::server::{account, name, register_finish, sealed, server_frames};
use hobnob_shared::{
    Sealed, Token,
    codec::{self, DecodeError},
    id::{AccountId, DeviceId, MailboxId, TopicId},
    limits::{
        MAX_ACKS, MAX_DEVICES, MAX_FEATURE_BYTES, MAX_FRAME_BYTES, MAX_KNOCK_BYTES, MAX_MAIL_BYTES, MAX_MAIL_ITEMS,
        MAX_PENDING_KNOCKS, MAX_PRESENCE_BYTES, MAX_SOFTWARE_BYTES, MAX_STATUS_LIMITS, MAX_TOPICS, MAX_VAULT_BYTES,
    },
    opaque::message::{CredentialRequest, CredentialResponse, RegistrationUpload},
    wire::{
        AccountPayload, ServerFrame,
        rendezvous::{
            KnockAck, KnockItem, KnockPut, Knocks, LoggedIn, Mail, MailAck, MailItem, MailPut, PresencePut,
            PresenceWatch, Proof, Registration, Status, Vault, VaultPut,
        },
    },
};
use proptest::prelude::*;

#[test]
fn every_frame_comes_back() {
    for (id, (what, frame)) in server_frames().into_iter().enumerate() {
        assert_eq!(ServerFrame::decode(&frame.encode(id as u32)), Ok((id as u32, frame)), "{what}");
    }
}

#[test]
fn every_number_has_a_frame_of_its_own() {
    let numbers: BTreeSet<u16> = server_frames().iter().map(|(_, frame)| frame.number()).collect();
    let known = [
        0, 1, 2, 3, 4, 101, 102, 103, 104, 105, 106, 107, 108, 109, 111, 112, 113, 114, 115, 117, 119, 120, 121, 123,
        125, 126, 127, 128, 129, 131, 132, 133, 135, 137, 138, 151, 152,
    ];
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), known);
}

#[test]
fn requests_want_an_answer_and_answers_do_not() {
    for (what, frame) in server_frames() {
        let is_request = frame.number() > 100 && frame.number() % 2 == 1;
        let is_odd_of_old = matches!(frame, ServerFrame::Close(_) | ServerFrame::Error(_));
        assert_eq!(frame.wants_answer(), is_request || is_odd_of_old, "{what}");
    }
}

#[test]
fn unknown_frames_and_keys_are_named_and_skipped() {
    for number in [6_u16, 140, 141, 999] {
        let bytes = codec::encode(&(number, 5_u32, ("anything", [1, 2, 3])));
        assert_eq!(ServerFrame::decode(&bytes), Ok((5, ServerFrame::Unknown(number))));
    }
    let more = BTreeMap::from([("zzz", 2)]);
    assert_eq!(ServerFrame::decode(&codec::encode(&(119_u16, 1_u32, more))), Ok((1, ServerFrame::VaultGet)));
    assert!(ServerFrame::decode(&codec::encode(&(119_u16, 1_u32))).is_err());
}

#[test]
fn what_a_later_version_may_say_is_taken_for_the_least() {
    assert_eq!(Registration::from((9, 9)), Registration::Closed);
    let proof = codec::encode(&BTreeMap::from([("later", 1)]));
    assert_eq!(codec::decode::<Proof>(&proof, 100), Ok(Proof::None));
}

fn takes(frame: &ServerFrame) -> bool {
    ServerFrame::decode(&frame.encode(0)).is_ok()
}

#[test]
fn lists_at_the_limit_pass_and_one_more_item_does_not() {
    let mailbox = MailboxId::new([1; 16]);
    let build: [(usize, &dyn Fn(usize) -> ServerFrame); 7] = [
        (MAX_MAIL_ITEMS, &|n| {
            let item = MailItem { number: 1, mailbox, envelope: sealed(1) };
            ServerFrame::Mail(Mail { items: vec![item; n], more: false })
        }),
        (MAX_ACKS, &|n| ServerFrame::MailAck(MailAck { through: vec![(mailbox, 1); n] })),
        (MAX_DEVICES, &|n| {
            let (account, device) = (AccountId::new([1; 32]), DeviceId::new([1; 32]));
            let envelopes = vec![(device, sealed(1)); n];
            ServerFrame::KnockPut(KnockPut { account, envelopes, proof: Proof::None })
        }),
        (MAX_PENDING_KNOCKS, &|n| {
            ServerFrame::Knocks(Knocks { items: vec![KnockItem { number: 1, envelope: sealed(1) }; n] })
        }),
        (MAX_PENDING_KNOCKS, &|n| ServerFrame::KnockAck(KnockAck { numbers: vec![1; n] })),
        (MAX_TOPICS, &|n| {
            ServerFrame::PresenceWatch(PresenceWatch { topics: vec![TopicId::new([1; 32]); n], replace: false })
        }),
        (MAX_STATUS_LIMITS, &|n| status(String::new(), (0..n).map(|n| format!("l{n}")).collect())),
    ];
    for (index, (limit, build)) in build.into_iter().enumerate() {
        assert!(takes(&build(limit)), "list {index}");
        assert!(!takes(&build(limit + 1)), "list {index}");
    }
}

fn status(software: String, limits: Vec<String>) -> ServerFrame {
    ServerFrame::Status(Status {
        versions: (1, 1),
        software,
        time_ms: 0,
        signing_key: [1; 32],
        registration: Registration::Invite,
        knock_bits: 0,
        challenge: [0; 16],
        limits: limits.into_iter().map(|name| (name, 1)).collect(),
    })
}

#[test]
fn texts_at_the_limit_pass_and_one_more_byte_does_not() {
    assert!(takes(&status("s".repeat(MAX_SOFTWARE_BYTES), vec!["l".repeat(MAX_FEATURE_BYTES)])));
    assert!(!takes(&status("s".repeat(MAX_SOFTWARE_BYTES + 1), vec![])));
    assert!(!takes(&status(String::new(), vec!["l".repeat(MAX_FEATURE_BYTES + 1)])));
}

/// The frame `number` whose `key` holds `bytes` bytes, the rest as in `like`.
fn with_bytes(like: &ServerFrame, key: &str, bytes: usize) -> Vec<u8> {
    type Map = BTreeMap<String, codec_value::Value>;
    let (number, id, mut map): (u16, u32, Map) = codec::decode(&like.encode(0), MAX_FRAME_BYTES).unwrap();
    assert!(map.contains_key(key));
    map.insert(key.to_owned(), codec_value::Value(vec![6; bytes]));
    codec::encode(&(number, id, map))
}

/// A byte string, or anything else as it was not: enough to change one field of a frame whose other fields are bytes.
mod codec_value {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    #[serde(transparent)]
    pub(crate) struct Value(#[serde(with = "serde_bytes")] pub(crate) Vec<u8>);
}

#[test]
fn sealed_bytes_at_the_limit_pass_and_one_more_does_not() {
    let mail = MailPut { mailbox: MailboxId::new([1; 16]), token: Token::new([2; 16]), envelope: sealed(1) };
    let mail = ServerFrame::MailPut(mail);
    assert!(ServerFrame::decode(&with_bytes(&mail, "e", MAX_MAIL_BYTES)).is_ok());
    assert_eq!(ServerFrame::decode(&with_bytes(&mail, "e", MAX_MAIL_BYTES + 1)), Err(DecodeError::Malformed));
    fn ends_at<const MAX: usize>() {
        let bytes = |n: usize| codec::encode(&serde_bytes::Bytes::new(&vec![0; n]));
        assert!(codec::decode::<Sealed<MAX>>(&bytes(MAX), MAX_FRAME_BYTES).is_ok());
        assert!(codec::decode::<Sealed<MAX>>(&bytes(MAX + 1), MAX_FRAME_BYTES).is_err());
        assert!(Sealed::<MAX>::new(vec![0; MAX]).is_some());
        assert!(Sealed::<MAX>::new(vec![0; MAX + 1]).is_none());
    }
    ends_at::<MAX_MAIL_BYTES>();
    ends_at::<MAX_KNOCK_BYTES>();
    ends_at::<MAX_VAULT_BYTES>();
    ends_at::<MAX_PRESENCE_BYTES>();
}

#[test]
fn opaque_messages_have_one_length() {
    fn only<T: serde::de::DeserializeOwned + std::fmt::Debug>(length: usize) {
        let bytes = |n: usize| codec::encode(&serde_bytes::Bytes::new(&vec![7; n]));
        assert!(codec::decode::<T>(&bytes(length), 1000).is_ok());
        assert!(codec::decode::<T>(&bytes(length + 1), 1000).is_err());
        assert!(codec::decode::<T>(&bytes(length - 1), 1000).is_err());
        assert!(!format!("{:?}", codec::decode::<T>(&bytes(length), 1000).unwrap()).contains('7'));
    }
    only::<RegistrationUpload>(192);
    only::<CredentialRequest>(96);
    only::<CredentialResponse>(320);
}

/// The largest account that a rendezvous keeps: one record and 16 certificates of the largest size.
fn largest_account() -> AccountPayload {
    let mut account = account();
    account.records[0].bytes = vec![1; hobnob_shared::limits::MAX_RECORD_BYTES];
    account.certificates[0].bytes = vec![1; hobnob_shared::limits::MAX_CERTIFICATE_BYTES];
    account.certificates = vec![account.certificates[0].clone(); MAX_DEVICES];
    account
}

#[test]
fn the_largest_vault_fits_every_frame_that_carries_one() {
    let vault = || Vault { seq: u64::MAX, vault: sealed(MAX_VAULT_BYTES) };
    let put = VaultPut { seq: u64::MAX, expected: u64::MAX, vault: sealed(MAX_VAULT_BYTES), owner: None };
    let logged_in = LoggedIn {
        id: AccountId::new([1; 32]),
        binding: cast::server::signed_binding(),
        vault: vault(),
        account: largest_account(),
    };
    let ServerFrame::RegisterFinish(mut finish) = register_finish(Proof::None, MAX_VAULT_BYTES) else { unreachable!() };
    finish.account = largest_account();
    for frame in [
        ServerFrame::Vault(vault()),
        ServerFrame::VaultPut(put),
        ServerFrame::LoggedIn(Box::new(logged_in)),
        ServerFrame::RegisterFinish(finish),
    ] {
        assert!(takes(&frame), "{}", frame.number());
    }
}

#[test]
fn a_presence_is_published_under_the_hash_of_its_token_only() {
    let put = |token| PresencePut { token: Token::new([token; 32]), sealed: None, ttl_secs: 120 };
    assert_eq!(put(1).topic(), put(1).topic());
    assert_ne!(put(1).topic(), put(2).topic());
    assert_ne!(put(1).topic().as_bytes(), &[1; 32]);
}

#[test]
fn work_for_a_knock_is_bound_to_whom_it_asks_and_to_what() {
    let (one, other) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
    let envelopes = |byte: u8| vec![(DeviceId::new([3; 32]), Sealed::new(vec![byte; 10]).unwrap())];
    let digest = KnockPut::digest(&one, &envelopes(1));
    assert_eq!(digest, KnockPut::digest(&one, &envelopes(1)));
    assert_ne!(digest, KnockPut::digest(&other, &envelopes(1)));
    assert_ne!(digest, KnockPut::digest(&one, &envelopes(2)));
}

#[test]
fn frames_do_not_print_what_is_secret_or_names_somebody() {
    let put =
        ServerFrame::PresencePut(PresencePut { token: Token::new([77; 32]), sealed: Some(sealed(3)), ttl_secs: 1 });
    assert_eq!(
        format!("{put:?}"),
        "PresencePut(PresencePut { token: Token(..), sealed: Some(Sealed(3 bytes)), ttl_secs: 1 })"
    );
    let get = ServerFrame::NameGet(hobnob_shared::wire::rendezvous::NameGet { name: name("alice"), since: None });
    assert!(!format!("{get:?}").contains("alice"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_payloads_never_panic(number in 100_u16..156, payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ServerFrame::decode(&[&[0x83, 0x18, number as u8, 0][..], &payload].concat());
    }

    #[test]
    fn mutated_frames_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        static FRAMES: std::sync::LazyLock<Vec<Vec<u8>>> =
            std::sync::LazyLock::new(|| server_frames().iter().map(|(_, frame)| frame.encode(1)).collect());
        let mut bytes = FRAMES[which.index(FRAMES.len())].clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok((id, frame)) = ServerFrame::decode(&bytes) {
            prop_assert_eq!(ServerFrame::decode(&frame.encode(id)), Ok((id, frame)));
        }
    }
}
