//! Sealed mail: one device opens it, with one prekey, once per envelope or a hundred times alike.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cast;

use cast::{
    alice, bob, mallory, message, rng,
    server::{account, knock, mail_content, prekey, receipt},
};
use hobnob_shared::{
    codec,
    id::{ConversationId, LogId},
    identity::{IdentityError, Prekey},
    limits::{
        KNOCK_PLAIN_BYTES, MAX_KNOCK_BYTES, MAX_MAIL_BYTES, MAX_MAIL_ENTRIES, MAX_MAIL_PLAIN_BYTES, MAX_MAIL_RANGES,
        MAX_NOTE_BYTES, MAX_RECEIPTS,
    },
    noise::{
        NoiseError,
        mail::{MailError, PrekeyPair, prekey_of, seal, seal_knock},
    },
    text::Note,
    wire::{
        SignedEntry, WantRange,
        mail::{KnockLetter, MailContent, MailWant, Receipt},
    },
};
use proptest::prelude::*;
use serde_bytes::ByteBuf;

type Parts = (u8, u32, ByteBuf, ByteBuf);

fn sealed(content: &MailContent) -> Result<Vec<u8>, MailError> {
    let to = bob().device.id();
    seal(content, &to, &prekey().public(), &alice().device, &mut rng(81)).map(|envelope| envelope.into_bytes())
}

fn parts(envelope: &[u8]) -> Parts {
    codec::decode_exact(envelope, MAX_MAIL_BYTES).unwrap()
}

/// Mail with one unknown entry of so many bytes.
fn of_size(bytes: usize) -> MailContent {
    let entry = SignedEntry { header: vec![7; bytes], signature: [0; 64], body: None };
    MailContent { entries: vec![entry], ..MailContent::default() }
}

#[test]
fn mail_comes_out_as_it_went_in_and_says_whose_key_sealed_it() {
    let envelope = sealed(&mail_content()).unwrap();
    let opened = prekey().open(&envelope, &bob().device.id()).unwrap();
    assert_eq!(opened.content, mail_content());
    assert_eq!(opened.sender, alice().device.x25519_public());
    let kept = PrekeyPair::from_secret(4, 0, &prekey().secret());
    assert_eq!(kept.open(&envelope, &bob().device.id()).unwrap(), opened, "a second time too");
    assert_eq!(prekey_of(&envelope), Ok(4));
}

#[test]
fn the_signed_objects_inside_are_good_on_their_own() {
    let content = prekey().open(&sealed(&mail_content()).unwrap(), &bob().device.id()).unwrap().content;
    content.entries[0].check(&alice().device.id()).unwrap();
    assert_eq!(content.receipts[0].verify().unwrap().device, alice().device.id());
    assert_eq!(content.knock.unwrap().verify(&bob().account.id()), Ok(knock()));
    let certificate = content.account.certificates[0].verify().unwrap();
    assert_eq!(certificate.device, alice().device.id());
}

/// The other side of the envelope, written down once more with nothing of ours.
#[test]
fn a_plain_snow_recipient_reads_it() {
    let (version, id, ciphertext, noise) = parts(&sealed(&MailContent::default()).unwrap());
    assert_eq!((version, id, ciphertext.len()), (1, 4, 1088));
    let secret = prekey().secret();
    let seed = ml_kem::Seed::try_from(&secret[32..]).unwrap();
    let kem = ml_kem::ml_kem_768::DecapsulationKey::from_seed(seed);
    let ciphertext_array = ml_kem::Ciphertext::<ml_kem::MlKem768>::try_from(ciphertext.as_slice()).unwrap();
    let psk: [u8; 32] = ml_kem::Decapsulate::decapsulate(&kem, &ciphertext_array).into();
    let prologue = [&b"hobnob/mail/1"[..], bob().device.id().as_bytes(), &4_u32.to_be_bytes(), &ciphertext].concat();
    let mut recipient = snow::Builder::new("Noise_Xpsk1_25519_ChaChaPoly_BLAKE2s".parse().unwrap())
        .local_private_key(&secret[..32])
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(|builder| builder.psk(1, &psk))
        .and_then(snow::Builder::build_responder)
        .unwrap();
    let mut padded = vec![0; 1000];
    let length = recipient.read_message(&noise, &mut padded).unwrap();
    assert_eq!(length, 256);
    // One byte of an empty map behind its length, and zeros.
    assert_eq!(padded[..5], [0, 0, 0, 1, 0xa0]);
    assert!(padded[5..length].iter().all(|byte| *byte == 0));
}

#[test]
fn only_the_device_that_it_was_sealed_for_can_say_it_got_it() {
    let envelope = sealed(&mail_content()).unwrap();
    let decrypt = Err(MailError::Noise(NoiseError::Decrypt));
    assert_eq!(prekey().open(&envelope, &mallory().device.id()), decrypt, "another device with Bob's prekey");
    let other = PrekeyPair::generate(4, 0, &mut rng(82));
    assert_eq!(other.open(&envelope, &bob().device.id()), decrypt, "another prekey with that number");
    let renamed = PrekeyPair::from_secret(5, 0, &prekey().secret());
    assert_eq!(renamed.open(&envelope, &bob().device.id()), Err(MailError::OtherPrekey(4)));
    let (version, _, ciphertext, noise) = parts(&envelope);
    let relabelled = codec::encode(&(version, 5_u32, ciphertext, noise));
    assert_eq!(renamed.open(&relabelled, &bob().device.id()), decrypt, "the number is part of the prologue");
}

#[test]
fn every_changed_byte_is_noticed() {
    let envelope = sealed(&MailContent::default()).unwrap();
    for at in 0..envelope.len() {
        let mut envelope = envelope.clone();
        envelope[at] ^= 2;
        assert!(prekey().open(&envelope, &bob().device.id()).is_err(), "byte {at}");
    }
    for at in [0, 1, 7, 1100, envelope.len() - 1] {
        assert!(matches!(prekey().open(&envelope[..at], &bob().device.id()), Err(MailError::Unreadable(_))), "{at}");
    }
    let longer = [envelope, vec![0]].concat();
    assert!(matches!(prekey_of(&longer), Err(MailError::Unreadable(_))));
}

#[test]
fn an_envelope_of_a_later_version_says_so() {
    let (_, id, ciphertext, noise) = parts(&sealed(&MailContent::default()).unwrap());
    assert_eq!(prekey_of(&codec::encode(&(2_u8, id, ciphertext, noise))), Err(MailError::Newer(2)));
    assert_eq!(prekey_of(&codec::encode(&(9_u8, "anything else"))), Err(MailError::Newer(9)));
}

#[test]
fn sizes_double_from_256_bytes_and_end_at_the_limit() {
    let overhead = sealed(&MailContent::default()).unwrap().len() - 256;
    for bytes in [0, 100, 200, 500, 5000, 20_000] {
        let length = sealed(&of_size(bytes)).unwrap().len() - overhead;
        // Length fields of CBOR grow by at most four bytes.
        assert!((0..=4).any(|more| (length - more).is_power_of_two()), "{bytes}: {length}");
    }
    let room = (MAX_MAIL_PLAIN_BYTES - 200..MAX_MAIL_PLAIN_BYTES).rev().find(|n| sealed(&of_size(*n)).is_ok()).unwrap();
    let largest = sealed(&of_size(room)).unwrap();
    assert!(largest.len() <= MAX_MAIL_BYTES, "{}", largest.len());
    assert_eq!(prekey().open(&largest, &bob().device.id()).unwrap().content, of_size(room));
    assert!(matches!(sealed(&of_size(room + 1)), Err(MailError::TooLarge(_))));
}

#[test]
fn the_largest_message_that_a_person_can_write_fits_with_all_that_proves_it() {
    let (_, body) = message(&"x".repeat(hobnob_shared::limits::MAX_TEXT_BYTES)).encode();
    let entry = SignedEntry::write(alice().draft(), body, &alice().device, [4; 16]).unwrap().entry;
    let mut account = account();
    account.bundles = vec![alice().device.sign_bundle(&alice().bundle())];
    assert!(sealed(&MailContent { account, entries: vec![entry], ..MailContent::default() }).is_ok());
}

#[test]
fn lists_at_the_limit_pass_and_one_more_item_does_not() {
    let tiny = || SignedEntry { header: vec![], signature: [0; 64], body: None };
    let want = |n| MailWant {
        device: bob().device.id(),
        conversation: ConversationId::new([1; 32]),
        ranges: vec![WantRange { log: LogId::new([2; 24]), from: 1, to: u64::MAX }; n],
        others: true,
    };
    let build: [(usize, &dyn Fn(usize) -> MailContent); 3] = [
        (MAX_MAIL_RANGES, &|n| MailContent { want: Some(want(n)), ..MailContent::default() }),
        (MAX_MAIL_ENTRIES, &|n| MailContent { entries: vec![tiny(); n], ..MailContent::default() }),
        (MAX_RECEIPTS, &|n| MailContent { receipts: vec![receipt(); n], ..MailContent::default() }),
    ];
    for (limit, build) in build {
        let open = |n| prekey().open(&sealed(&build(n)).unwrap(), &bob().device.id());
        assert_eq!(open(limit).unwrap().content, build(limit));
        assert_eq!(open(limit + 1), Err(MailError::Content));
    }
}

#[test]
fn all_friend_requests_have_one_size_and_hold_the_longest_note() {
    let (to, prekey) = (bob().device.id(), prekey());
    let seal = |content: &MailContent| seal_knock(content, &to, &prekey.public(), &alice().device, &mut rng(83));
    let mut account = account();
    account.bundles = vec![alice().device.sign_bundle(&alice().bundle())];
    let letter = KnockLetter { note: Note::parse("n".repeat(MAX_NOTE_BYTES)).unwrap(), ..knock() };
    let longest = MailContent { account, knock: Some(letter.sign(&alice().device)), ..MailContent::default() };
    let envelopes = [seal(&longest).unwrap(), seal(&MailContent::default()).unwrap()];
    assert_eq!(envelopes[0].as_bytes().len(), envelopes[1].as_bytes().len());
    assert!(envelopes[0].as_bytes().len() <= MAX_KNOCK_BYTES);
    assert_eq!(prekey.open(envelopes[0].as_bytes(), &to).unwrap().content, longest);
    let room = (KNOCK_PLAIN_BYTES - 200..KNOCK_PLAIN_BYTES).rev().find(|n| seal(&of_size(*n)).is_ok()).unwrap();
    assert!(matches!(seal(&of_size(room + 1)), Err(MailError::TooLarge(_))));
}

#[test]
fn a_prekey_that_is_no_good_seals_nothing() {
    let to = bob().device.id();
    let with = |prekey: Prekey| seal(&MailContent::default(), &to, &prekey, &alice().device, &mut rng(84)).unwrap_err();
    assert_eq!(with(Prekey { x25519: [0; 32], ..prekey().public() }), MailError::Noise(NoiseError::WeakKey));
    for ml_kem in [vec![], vec![0xff; 1184], vec![0; 1183]] {
        assert_eq!(with(Prekey { ml_kem, ..prekey().public() }), MailError::Noise(NoiseError::Malformed));
    }
}

#[test]
fn a_receipt_counts_for_the_device_that_signed_it() {
    let signed = receipt();
    let forged = Receipt { device: mallory().device.id(), ..signed.verify().unwrap() }.sign(&mallory().device);
    assert_eq!(forged.verify().unwrap().device, mallory().device.id());
    let mut swapped = signed.clone();
    swapped.signature = forged.signature;
    assert_eq!(swapped.verify(), Err(IdentityError::Signature));
    let later = codec::encode(&(2_u8, alice().device.id(), signed.verify().unwrap().conversation, [0_u8; 0]));
    swapped.bytes = later;
    assert_eq!(swapped.verify(), Err(IdentityError::Version("receipt", 2)));
}

#[test]
fn a_friend_request_cannot_be_shown_to_somebody_else() {
    let signed = knock().sign(&alice().device);
    assert_eq!(signed.verify(&bob().account.id()), Ok(knock()));
    assert_eq!(signed.verify(&mallory().account.id()), Err(IdentityError::WrongOwner("friend request")));
    let mut forged = KnockLetter { from: mallory().account.id(), ..knock() }.sign(&alice().device);
    forged.signature = signed.signature;
    assert_eq!(forged.verify(&bob().account.id()), Err(IdentityError::Signature));
}

#[test]
fn a_prekey_prints_its_number_only() {
    assert_eq!(format!("{:?}", prekey()), "PrekeyPair(4)");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_envelopes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        static KEY: std::sync::LazyLock<PrekeyPair> = std::sync::LazyLock::new(prekey);
        let id = bob().device.id();
        prop_assert!(KEY.open(&bytes, &id).is_err());
        let envelope = codec::encode(&(1_u8, 4_u32, ByteBuf::from(vec![7; 1088]), ByteBuf::from(bytes)));
        prop_assert!(KEY.open(&envelope, &id).is_err());
    }
}
