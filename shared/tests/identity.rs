//! Keys, certificates, records, bundles, invites, and what people compare.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

mod cast;

use cast::{NOON_MS, alice, bob, mallory, nick, rng};
use hobnob_shared::{
    codec::{self, DecodeError},
    id::{AccountId, DeviceId, InviteId},
    identity::{
        AccountKey, AccountRecord, Bundle, Certificate, DeviceKeys, IdentityError, Invite, InviteError, Prekey,
        SignedBundle, SignedCertificate, SignedRecord, WordsError, fingerprint, safety_number, safety_words,
    },
    limits::{
        MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_BUNDLE_BYTES, MAX_CERTIFICATE_BYTES, MAX_DEVICES, MAX_LINK_BYTES,
        MAX_NICKNAME_BYTES, MAX_PREKEYS, MAX_RECORD_BYTES, MAX_REVOKED, MAX_TICKETS,
    },
    text::Note,
};
use proptest::prelude::*;
use zeroize::Zeroizing;

/// Every encoding of an X25519 point of small order.
const WEAK_X25519: [&str; 12] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
    "4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
    "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn weak_session_keys_are_refused() {
    let alice = alice();
    let mut weak = 0;
    for text in WEAK_X25519 {
        let x25519: [u8; 32] = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap();
        let secret = x25519_dalek::StaticSecret::from([9; 32]);
        let contributory = secret.diffie_hellman(&x25519_dalek::PublicKey::from(x25519)).was_contributory();
        let certificate = alice.account.sign_certificate(&Certificate { x25519, ..alice.certificate() });
        assert_eq!(certificate.verify().is_ok(), contributory, "{text}");
        let prekey = Prekey { x25519, ..alice.bundle().prekeys.remove(0) };
        let bundle = alice.device.sign_bundle(&Bundle { prekeys: vec![prekey], ..alice.bundle() });
        assert_eq!(bundle.verify(&alice.device.id()).is_ok(), contributory, "{text}");
        weak += usize::from(!contributory);
    }
    assert!(weak >= 9, "the table must hold weak keys");
}

#[test]
fn a_certificate_says_what_the_account_signed() {
    let signed = alice().signed_certificate();
    assert_eq!(signed.verify().unwrap(), alice().certificate());
    assert_eq!(SignedCertificate::decode(&signed.encode()).unwrap(), signed);
    let mut forged = signed.clone();
    forged.signature = mallory().account.sign_certificate(&mallory().certificate()).signature;
    assert_eq!(forged.verify(), Err(IdentityError::Signature));
    let mut changed = signed;
    let last = changed.bytes.len() - 1;
    changed.bytes[last] ^= 1;
    assert_eq!(changed.verify(), Err(IdentityError::Signature));
}

#[test]
fn the_longest_certificate_fits_its_limit() {
    let alice = alice();
    let name = nick(&"x".repeat(MAX_NICKNAME_BYTES));
    let signed = alice.account.sign_certificate(&Certificate { name, added_ms: u64::MAX, ..alice.certificate() });
    assert!(signed.encode().len() <= MAX_CERTIFICATE_BYTES);
    assert!(signed.verify().is_ok());
    let long = codec::encode(&std::collections::BTreeMap::from([("x", "y".repeat(MAX_CERTIFICATE_BYTES))]));
    assert!(matches!(SignedCertificate::decode(&long), Err(IdentityError::Unreadable(_, DecodeError::TooLong { .. }))));
}

#[test]
fn a_certificate_of_a_weak_account_or_device_is_refused() {
    let alice = alice();
    let weak = Certificate { device: DeviceId::new([0; 32]), ..alice.certificate() };
    assert_eq!(alice.account.sign_certificate(&weak).verify(), Err(IdentityError::WeakKey));
}

#[test]
fn records_chain() {
    let alice = alice();
    let first = alice.record();
    let signed = alice.account.sign_record(&first);
    assert_eq!(signed.verify().unwrap(), first);
    let next = AccountRecord { seq: 2, prev: Some(signed.hash()), ..first.clone() };
    assert!(next.follows(&first, &signed.hash()));
    assert!(!next.follows(&first, &[0; 32]));
    assert!(!AccountRecord { seq: 3, ..next.clone() }.follows(&first, &signed.hash()));
    assert!(!AccountRecord { account: bob().account.id(), ..next.clone() }.follows(&first, &signed.hash()));
    assert_eq!(alice.account.sign_record(&next).verify().unwrap(), next);
    assert_ne!(alice.account.sign_record(&next).hash(), signed.hash());
}

#[test]
fn a_record_vouches_for_its_devices_until_they_are_revoked() {
    let alice = alice();
    let (hash, device) = (alice.signed_certificate().hash(), alice.device.id());
    assert!(alice.record().lists(&hash, &device));
    assert!(!alice.record().lists(&[1; 32], &device));
    assert!(!AccountRecord { revoked: vec![(device, 1)], ..alice.record() }.lists(&hash, &device));
}

#[test]
fn records_that_contradict_themselves_are_refused() {
    let alice = alice();
    for (seq, prev) in [(0, None), (1, Some([1; 32])), (2, None)] {
        let signed = alice.account.sign_record(&AccountRecord { seq, prev, ..alice.record() });
        assert!(matches!(signed.verify(), Err(IdentityError::Nonsense(_))));
    }
    let mut forged = alice.account.sign_record(&alice.record());
    forged.signature[0] ^= 1;
    assert_eq!(forged.verify(), Err(IdentityError::Signature));
}

fn record_of(devices: usize, revoked: usize) -> Result<AccountRecord, IdentityError> {
    let alice = alice();
    let record = AccountRecord {
        devices: vec![[1; 32]; devices],
        revoked: vec![(DeviceId::new([2; 32]), 1); revoked],
        ..alice.record()
    };
    alice.account.sign_record(&record).verify()
}

#[test]
fn records_at_the_limit_pass_and_one_more_item_does_not() {
    assert!(record_of(MAX_DEVICES, MAX_REVOKED).is_ok());
    assert!(record_of(MAX_DEVICES + 1, 0).is_err());
    assert!(record_of(0, MAX_REVOKED + 1).is_err());
    let long = SignedRecord { bytes: vec![0; MAX_RECORD_BYTES + 1], signature: [0; 64] };
    assert!(matches!(long.verify(), Err(IdentityError::Unreadable(_, DecodeError::TooLong { .. }))));
}

#[test]
fn a_bundle_is_of_one_device() {
    let alice = alice();
    let signed = alice.device.sign_bundle(&alice.bundle());
    assert_eq!(signed.verify(&alice.device.id()).unwrap(), alice.bundle());
    assert_eq!(signed.claimed_device().unwrap(), alice.device.id());
    assert!(matches!(signed.verify(&bob().device.id()), Err(IdentityError::WrongOwner(_))));
    let mut forged = signed;
    forged.signature = mallory().device.sign("hobnob/bundle/1", &forged.bytes);
    assert_eq!(forged.verify(&alice.device.id()), Err(IdentityError::Signature));
}

#[test]
fn bundles_at_the_limit_pass_and_one_more_item_does_not() {
    let alice = alice();
    let with = |addresses: usize, length: usize, prekeys: usize, tickets: usize| {
        let base = alice.bundle();
        let bundle = Bundle {
            addresses: vec!["a".repeat(length); addresses],
            prekeys: vec![base.prekeys[0].clone(); prekeys],
            tickets: vec![base.tickets[0].clone(); tickets],
            ..base
        };
        alice.device.sign_bundle(&bundle).verify(&alice.device.id())
    };
    assert!(with(MAX_ADDRESSES, MAX_ADDRESS_BYTES, MAX_PREKEYS, MAX_TICKETS).is_ok());
    assert!(with(MAX_ADDRESSES + 1, 1, 0, 0).is_err());
    assert!(with(1, MAX_ADDRESS_BYTES + 1, 0, 0).is_err());
    assert!(with(0, 0, MAX_PREKEYS + 1, 0).is_err());
    assert!(with(0, 0, 0, MAX_TICKETS + 1).is_err());
    let long = SignedBundle { bytes: vec![0; MAX_BUNDLE_BYTES + 1], signature: [0; 64] };
    assert!(long.verify(&alice.device.id()).is_err());
}

#[test]
fn recovery_words_bring_the_account_back() {
    let key = alice().account;
    let words = key.words();
    assert_eq!(words.split(' ').count(), 24);
    let shouted = format!("  {}\n", words.to_uppercase().replace(' ', "  \n"));
    assert_eq!(AccountKey::from_words(&shouted).unwrap().id(), key.id());
    assert_eq!(AccountKey::from_words("abandon").unwrap_err(), WordsError::Count(1));
    let mut list: Vec<&str> = words.split(' ').collect();
    list.swap(0, 1);
    assert_eq!(AccountKey::from_words(&list.join(" ")).unwrap_err(), WordsError::Checksum);
    list[4] = "hobnob";
    assert_eq!(AccountKey::from_words(&list.join(" ")).unwrap_err(), WordsError::Unknown(5));
}

#[test]
fn device_keys_come_back_and_print_nothing() {
    let keys = DeviceKeys::generate(&mut rng(5));
    let again = DeviceKeys::from_bytes(&keys.to_bytes());
    assert_eq!((again.id(), again.x25519_public()), (keys.id(), keys.x25519_public()));
    assert_eq!(again.sign("x", b"y"), keys.sign("x", b"y"));
    assert_eq!(format!("{keys:?} {:?}", alice().account), "DeviceKeys(..) AccountKey(..)");
}

fn invite() -> Invite {
    Invite {
        account: alice().account.id(),
        device_x25519: alice().device.x25519_public(),
        addresses: vec!["/ip4/192.168.1.2/tcp/4001/p2p/12D3KooW".into()],
        rendezvous: None,
        id: InviteId::new([3; 16]),
        token: Zeroizing::new([4; 16]),
        expiry_ms: NOON_MS,
        flags: Invite::ACCEPTED_AT_ONCE,
    }
}

#[test]
fn an_invite_survives_mail_and_qr_codes() {
    let link = invite().to_string();
    let back = Invite::parse(&link).unwrap();
    assert_eq!(back.to_string(), link);
    assert_eq!((back.account, back.id, back.expiry_ms), (invite().account, invite().id, NOON_MS));
    assert_eq!((*back.token, back.addresses.clone(), back.rendezvous.clone()), ([4; 16], invite().addresses, None));
    assert!(back.accepted_at_once());
    assert_eq!(Invite::parse(&link.to_uppercase()).unwrap().to_string(), link);
    let mailed: Vec<String> = link.as_bytes().chunks(20).map(|c| String::from_utf8(c.to_vec()).unwrap()).collect();
    assert_eq!(Invite::parse(&format!("  {} \r\n", mailed.join("\r\n  "))).unwrap().to_string(), link);
    let hosted = Invite { rendezvous: Some("/dns/r/tcp/1#key".into()), ..invite() };
    assert_eq!(Invite::parse(&hosted.to_string()).unwrap().rendezvous, hosted.rendezvous);
}

#[test]
fn an_invite_never_prints_its_token() {
    let printed = format!("{:?}", invite());
    assert!(!printed.contains("04040404") && !printed.contains("4, 4, 4"), "{printed}");
}

#[test]
fn bad_links_say_what_is_wrong() {
    let link = invite().to_string();
    let error = |link: &str| Invite::parse(link).unwrap_err();
    assert_eq!(error("hello"), InviteError::NotAnInvite);
    assert_eq!(error(""), InviteError::NotAnInvite);
    assert_eq!(error("hobnob:"), InviteError::Truncated);
    assert_eq!(error("hobnob:ab0d"), InviteError::BadCharacter('0'));
    assert_eq!(error("hobnob:äöü"), InviteError::BadCharacter('ä'));
    assert_eq!(error(&"x".repeat(MAX_LINK_BYTES + 1)), InviteError::Invalid("it is too long"));
    for cut in 8..link.len() - 8 {
        assert_eq!(error(&link[..cut]), InviteError::Truncated, "cut at {cut}");
    }
    let mut typo = link.clone().into_bytes();
    let middle = typo.len() / 2;
    typo[middle] = if typo[middle] == b'a' { b'b' } else { b'a' };
    assert_eq!(error(&String::from_utf8(typo).unwrap()), InviteError::Mistyped);
}

#[test]
fn a_link_of_a_later_version_says_so() {
    let link = invite().to_string().to_uppercase();
    let mut bytes = data_encoding::BASE32_NOPAD.decode(&link.as_bytes()[7..]).unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes[1] = 2;
    let sum = hobnob_shared::hash::hash("hobnob/invite-checksum/1", &[&bytes]);
    bytes.extend_from_slice(&sum[..4]);
    let link = format!("hobnob:{}", data_encoding::BASE32_NOPAD.encode(&bytes));
    assert_eq!(Invite::parse(&link).unwrap_err(), InviteError::Newer(2));
}

#[test]
fn invites_hold_at_most_so_many_addresses() {
    let with = |count: usize| Invite { addresses: vec!["/ip4/1.2.3.4/tcp/1".into(); count], ..invite() }.to_string();
    assert!(Invite::parse(&with(MAX_ADDRESSES)).is_ok());
    let longest = "/".repeat(MAX_ADDRESS_BYTES);
    let full = Invite {
        addresses: vec![longest.clone(); MAX_ADDRESSES],
        rendezvous: Some(longest),
        expiry_ms: u64::MAX,
        ..invite()
    };
    assert_eq!(Invite::parse(&full.to_string()).unwrap().addresses, full.addresses);
    assert!(matches!(Invite::parse(&with(MAX_ADDRESSES + 1)), Err(InviteError::Invalid(_))));
}

#[test]
fn an_invite_with_a_weak_key_is_refused() {
    let weak = Invite { device_x25519: [0; 32], ..invite() }.to_string();
    assert_eq!(Invite::parse(&weak).unwrap_err(), InviteError::Invalid("its key is weak"));
}

#[test]
fn what_people_compare_is_the_same_from_both_sides() {
    let (a, b) = (alice().account.id(), bob().account.id());
    let number = safety_number(&a, &b);
    assert_eq!(number, safety_number(&b, &a));
    assert_eq!(number.split(' ').filter(|group| group.len() == 5).count(), 12);
    assert!(number.chars().all(|c| c == ' ' || c.is_ascii_digit()));
    assert_ne!(number, safety_number(&a, &mallory().account.id()));
    let words = safety_words(&[1; 32], &a, &b, &[2; 16], &[3; 16]);
    assert_eq!(words, safety_words(&[1; 32], &b, &a, &[3; 16], &[2; 16]));
    assert_ne!(words, safety_words(&[1; 32], &a, &b, &[3; 16], &[2; 16]));
    assert_ne!(words, safety_words(&[2; 32], &a, &b, &[2; 16], &[3; 16]));
    assert!(words.iter().all(|word| bip39::Language::English.find_word(word).is_some()));
    assert_eq!(fingerprint(&a).len(), 19);
    assert_ne!(fingerprint(&a), fingerprint(&b));
}

#[test]
fn notes_and_names_at_the_limit_pass_and_one_more_byte_does_not() {
    use hobnob_shared::{limits::MAX_NOTE_BYTES, text::Nickname};
    assert!(Nickname::parse("n".repeat(MAX_NICKNAME_BYTES)).is_ok());
    assert!(Nickname::parse("n".repeat(MAX_NICKNAME_BYTES + 1)).is_err());
    assert!(Note::parse("n".repeat(MAX_NOTE_BYTES)).is_ok());
    assert!(Note::parse("n".repeat(MAX_NOTE_BYTES + 1)).is_err());
    assert!(Nickname::parse("Mal\u{1b}[2Jlory").is_err());
    let _ = AccountId::LEN;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_links_never_panic(text in "\\PC{0,200}", base32 in "[a-z2-7]{0,400}") {
        prop_assert!(Invite::parse(&text).is_err());
        let link = format!("hobnob:{base32}");
        prop_assert!(Invite::parse(&link).is_err());
    }

    #[test]
    fn random_signed_objects_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let signature = [1; 64];
        let certificate = SignedCertificate { bytes: bytes.clone(), signature };
        let record = SignedRecord { bytes: bytes.clone(), signature };
        let bundle = SignedBundle { bytes: bytes.clone(), signature };
        prop_assert!(certificate.verify().is_err());
        prop_assert!(record.verify().is_err());
        prop_assert!(bundle.verify(&alice().device.id()).is_err());
        let _ = SignedCertificate::decode(&bytes);
    }
}
