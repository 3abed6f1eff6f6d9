//! Handshakes and sessions (rows 4, 10 and 44 of the hostile table, as far as they end here).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod cast;

use cast::{Person, alice, bob, mallory, rng};
use hobnob_shared::{
    id::InviteId,
    limits::{MAX_FRAME_BYTES, MAX_HANDSHAKE_BYTES, MAX_NOISE_BYTES},
    noise::{Established, Handshake, Mode, NoiseError, PreambleError, Session, Step, parse_preamble, preamble},
};
use proptest::prelude::*;

const ALICE_AT: &[u8] = b"alice's transport";
const BOB_AT: &[u8] = b"bob's transport";
const INVITE: [u8; 16] = [7; 16];
const TOKEN: [u8; 16] = [8; 16];

fn initiate(who: &Person, to: &Person, mode: Mode) -> (Handshake, Vec<u8>) {
    let remote = (mode != Mode::Nearby).then(|| to.device.x25519_public());
    let invite = (mode == Mode::Invite).then_some((InviteId::new(INVITE), &TOKEN));
    let certificate = who.signed_certificate().encode();
    Handshake::initiate(mode, who.device.x25519_secret(), remote, invite, ALICE_AT, BOB_AT, &certificate, &mut rng(3))
        .unwrap()
}

fn respond(who: &Person, mode: Mode) -> Handshake {
    Handshake::respond(mode, who.device.x25519_secret(), BOB_AT, ALICE_AT, &mut rng(4)).unwrap()
}

/// Bob's answer to message 1, whichever way the mode goes.
fn answer(bob: &mut Handshake, one: &[u8], token: &[u8; 16]) -> Result<Vec<u8>, NoiseError> {
    match bob.read(one)? {
        Step::Send(two) => Ok(two),
        Step::NeedToken(id) => {
            assert_eq!(id, InviteId::new(INVITE));
            bob.token(token)
        }
        Step::Done(_) => panic!("too early"),
    }
}

fn done(step: Step) -> Established {
    match step {
        Step::Done(established) => *established,
        other => panic!("{other:?}"),
    }
}

fn shake(mode: Mode) -> (Established, Established) {
    let (mut alices, one) = initiate(&alice(), &bob(), mode);
    let mut bobs = respond(&bob(), mode);
    let two = answer(&mut bobs, &one, &TOKEN).unwrap();
    let alices = done(alices.read(&two).unwrap());
    let bobs = done(bobs.read(alices.send.as_ref().unwrap()).unwrap());
    (alices, bobs)
}

fn sessions() -> (Session, Session) {
    let (alices, bobs) = shake(Mode::Device);
    (alices.session, bobs.session)
}

#[test]
fn every_mode_ends_in_one_session_and_the_right_names() {
    for mode in [Mode::Device, Mode::Invite, Mode::Nearby, Mode::Account] {
        let (mut alices, mut bobs) = shake(mode);
        assert_eq!(alices.session.handshake_hash(), bobs.session.handshake_hash());
        assert_eq!(alices.remote_static, Some(bob().device.x25519_public()));
        assert_eq!(bobs.remote_static, Some(alice().device.x25519_public()));
        assert_eq!(bobs.peer.unwrap(), alice().certificate());
        assert_eq!(bobs.certificate.unwrap(), alice().signed_certificate());
        let mut out = Vec::new();
        bobs.session.seal(b"hi Alice", &mut out).unwrap();
        assert_eq!(alices.session.open(&out[0]).unwrap(), [b"hi Alice"]);
        alices.session.seal(b"hi Bob", &mut out).unwrap();
        assert_eq!(bobs.session.open(&out[1]).unwrap(), [b"hi Bob"]);
    }
}

/// A guest's handshake with Rosa: message 1, her side, the guest's side.
fn guest() -> (Handshake, Vec<u8>, Handshake) {
    let rosa = bob();
    let (guest, one) =
        Handshake::initiate_as_guest(&rosa.device.x25519_public(), ALICE_AT, BOB_AT, &mut rng(3)).unwrap();
    (respond(&rosa, Mode::Guest), one, guest)
}

#[test]
fn a_guest_gets_a_session_in_two_messages_and_shows_no_key() {
    let (mut rosas, one, mut guests) = guest();
    let mut rosas = done(rosas.read(&one).unwrap());
    assert_eq!((rosas.remote_static, &rosas.certificate, &rosas.peer), (None, &None, &None));
    let two = rosas.send.take().unwrap();
    assert_eq!((one.len(), two.len()), (48, 48));
    let mut guests = done(guests.read(&two).unwrap());
    assert_eq!((guests.remote_static, guests.send), (Some(bob().device.x25519_public()), None));
    assert_eq!(guests.session.handshake_hash(), rosas.session.handshake_hash());
    let mut out = Vec::new();
    guests.session.seal(b"who is alice?", &mut out).unwrap();
    assert_eq!(rosas.session.open(&out[0]).unwrap(), [b"who is alice?"]);
    rosas.session.seal(b"nobody", &mut out).unwrap();
    assert_eq!(guests.session.open(&out[1]).unwrap(), [b"nobody"]);
}

#[test]
fn a_guest_takes_an_answer_of_the_pinned_key_only() {
    let (_, one, mut guests) = guest();
    assert!(respond(&mallory(), Mode::Guest).read(&one).is_err(), "Mallory cannot read what is for Rosa");
    let (_, mallorys) =
        Handshake::initiate_as_guest(&mallory().device.x25519_public(), ALICE_AT, BOB_AT, &mut rng(5)).unwrap();
    let two = done(respond(&mallory(), Mode::Guest).read(&mallorys).unwrap()).send.unwrap();
    assert_eq!(guests.read(&two).unwrap_err(), NoiseError::Decrypt);
    assert_eq!(guests.read(&two).unwrap_err(), NoiseError::OutOfStep);
}

#[test]
fn a_guest_is_bound_to_the_transports_below() {
    let (_, one, _) = guest();
    let elsewhere = Handshake::respond(Mode::Guest, bob().device.x25519_secret(), BOB_AT, b"other", &mut rng(4));
    assert_eq!(elsewhere.unwrap().read(&one).unwrap_err(), NoiseError::Decrypt);
}

#[test]
fn a_guest_has_an_entrance_of_its_own() {
    let certificate = alice().signed_certificate().encode();
    let (secret, remote) = (alice().device.x25519_secret().clone(), Some(bob().device.x25519_public()));
    let guest = Handshake::initiate(Mode::Guest, &secret, remote, None, ALICE_AT, BOB_AT, &certificate, &mut rng(3));
    assert_eq!(guest.unwrap_err(), NoiseError::OutOfStep);
    let (_, one) = initiate(&alice(), &bob(), Mode::Account);
    assert!(respond(&bob(), Mode::Guest).read(&one).is_err(), "a message of another mode");
    assert!(respond(&bob(), Mode::Device).read(&one).is_err(), "the mode is part of the prologue");
}

/// Bob's side of the protocol, written down once more with nothing of ours but the hash; Alice's session with it.
fn plain_bob() -> (snow::TransportState, Session) {
    use ml_kem::{Encapsulate, Key, ml_kem_768::EncapsulationKey};
    let (mut alices, one) = initiate(&alice(), &bob(), Mode::Device);
    let mut prologue = b"hobnob/session/1\x00".to_vec();
    for transport in [ALICE_AT, BOB_AT] {
        prologue.extend((transport.len() as u64).to_be_bytes());
        prologue.extend(transport);
    }
    let secret = bob().device.x25519_secret().clone();
    let builder = snow::Builder::new("Noise_XKpsk3_25519_ChaChaPoly_BLAKE2s".parse().unwrap());
    let builder = builder.local_private_key(secret.as_slice()).unwrap().prologue(&prologue).unwrap();
    let mut bobs = builder.build_responder().unwrap();
    let (mut payload, mut message) = (vec![0; 4096], vec![0; 4096]);
    assert_eq!(bobs.read_message(&one, &mut payload).unwrap(), 1184);
    let key = EncapsulationKey::new(&Key::<EncapsulationKey>::try_from(&payload[..1184]).unwrap()).unwrap();
    let (ciphertext, shared) = key.encapsulate_with_rng(&mut rng(30));
    let written = bobs.write_message(&ciphertext, &mut message).unwrap();
    bobs.set_psk(3, &hobnob_shared::hash::hash("hobnob/psk/1", &[&[0; 16], &shared])).unwrap();
    let alices = done(alices.read(&message[..written]).unwrap());
    let read = bobs.read_message(&alices.send.unwrap(), &mut payload).unwrap();
    assert_eq!(payload[..read], alice().signed_certificate().encode());
    assert_eq!(bobs.get_handshake_hash(), alices.session.handshake_hash());
    (bobs.into_transport_mode().unwrap(), alices.session)
}

#[test]
fn a_plain_snow_responder_understands_us() {
    let (mut bobs, mut alices) = plain_bob();
    let mut message = [0; 100];
    let written = bobs.write_message(b"\x00\x00\x00\x02hi", &mut message).unwrap();
    assert_eq!(alices.open(&message[..written]).unwrap(), [b"hi"]);
}

#[test]
fn a_wrong_frame_length_is_refused_before_memory_is_taken_for_it() {
    for length in [0, MAX_FRAME_BYTES as u32 + 1, u32::MAX] {
        let (mut bobs, mut alices) = plain_bob();
        let mut message = [0; 100];
        let written = bobs.write_message(&length.to_be_bytes(), &mut message).unwrap();
        assert_eq!(alices.open(&message[..written]).unwrap_err(), NoiseError::FrameLength(length as usize));
        // What stands behind a wrong length cannot be found any more.
        let written = bobs.write_message(b"\x00\x00\x00\x02hi", &mut message).unwrap();
        assert_eq!(alices.open(&message[..written]).unwrap_err(), NoiseError::FrameLength(length as usize));
    }
}

#[test]
fn messages_have_the_sizes_of_the_protocol() {
    let (mut alices, one) = initiate(&alice(), &bob(), Mode::Device);
    let mut bobs = respond(&bob(), Mode::Device);
    let two = answer(&mut bobs, &one, &TOKEN).unwrap();
    let certificate = alice().signed_certificate().encode().len();
    let three = done(alices.read(&two).unwrap()).send.unwrap();
    assert_eq!((one.len(), two.len(), three.len()), (1232, 1136, 64 + certificate));
    assert!(one.len() <= MAX_HANDSHAKE_BYTES);
}

#[test]
fn a_wrong_token_yields_nothing() {
    let (mut alices, one) = initiate(&alice(), &bob(), Mode::Invite);
    let mut bobs = respond(&bob(), Mode::Invite);
    let two = answer(&mut bobs, &one, &[9; 16]).unwrap();
    let three = done(alices.read(&two).unwrap()).send.unwrap();
    assert_eq!(bobs.read(&three).unwrap_err(), NoiseError::Decrypt);
}

#[test]
fn modes_transports_and_devices_must_agree() {
    let (_, one) = initiate(&alice(), &bob(), Mode::Device);
    assert_eq!(respond(&mallory(), Mode::Device).read(&one).unwrap_err(), NoiseError::Decrypt);
    assert_eq!(respond(&bob(), Mode::Invite).read(&one).unwrap_err(), NoiseError::Decrypt);
    assert_eq!(respond(&bob(), Mode::Nearby).read(&one).unwrap_err(), NoiseError::Decrypt);
    let bob = bob();
    let elsewhere = Handshake::respond(Mode::Device, bob.device.x25519_secret(), BOB_AT, BOB_AT, &mut rng(4));
    assert_eq!(elsewhere.unwrap().read(&one).unwrap_err(), NoiseError::Decrypt);
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let (mallory, bob) = (mallory(), bob());
    let stolen = alice().signed_certificate().encode();
    let (mut theirs, one) = Handshake::initiate(
        Mode::Device,
        mallory.device.x25519_secret(),
        Some(bob.device.x25519_public()),
        None,
        ALICE_AT,
        BOB_AT,
        &stolen,
        &mut rng(3),
    )
    .unwrap();
    let mut bobs = respond(&bob, Mode::Device);
    let two = answer(&mut bobs, &one, &TOKEN).unwrap();
    let three = done(theirs.read(&two).unwrap()).send.unwrap();
    assert_eq!(bobs.read(&three).unwrap_err(), NoiseError::WrongKey);
}

#[test]
fn a_replayed_first_message_yields_nothing() {
    let (mut alices, one) = initiate(&alice(), &bob(), Mode::Device);
    let mut bobs = respond(&bob(), Mode::Device);
    let two = answer(&mut bobs, &one, &TOKEN).unwrap();
    let three = done(alices.read(&two).unwrap()).send.unwrap();
    let bob = bob();
    let mut again =
        Handshake::respond(Mode::Device, bob.device.x25519_secret(), BOB_AT, ALICE_AT, &mut rng(5)).unwrap();
    answer(&mut again, &one, &TOKEN).unwrap();
    assert_eq!(again.read(&three).unwrap_err(), NoiseError::Decrypt);
}

#[test]
fn a_known_key_of_small_order_is_refused() {
    let alice = alice();
    let weak = Handshake::initiate(
        Mode::Device,
        alice.device.x25519_secret(),
        Some([0; 32]),
        None,
        ALICE_AT,
        BOB_AT,
        &[],
        &mut rng(3),
    );
    assert_eq!(weak.unwrap_err(), NoiseError::WeakKey);
}

#[test]
fn a_handshake_does_not_go_on_after_an_error_or_the_end() {
    let (mut alices, one) = initiate(&alice(), &bob(), Mode::Device);
    assert_eq!(alices.read(&[9; 100]).unwrap_err(), NoiseError::Decrypt);
    let mut bobs = respond(&bob(), Mode::Device);
    assert_eq!(bobs.token(&TOKEN).unwrap_err(), NoiseError::OutOfStep);
    let two = answer(&mut bobs, &one, &TOKEN).unwrap();
    assert_eq!(alices.read(&two).unwrap_err(), NoiseError::OutOfStep);
}

#[test]
fn long_frames_are_split_and_short_ones_share_a_message() {
    let (mut alices, mut bobs) = sessions();
    let mut out = Vec::new();
    let long = vec![42; MAX_FRAME_BYTES];
    alices.seal(&long, &mut out).unwrap();
    assert!(out.iter().all(|message| message.len() <= MAX_NOISE_BYTES));
    let opened: Vec<Vec<u8>> = out.iter().flat_map(|message| bobs.open(message).unwrap()).collect();
    assert_eq!(opened, [long]);
    out.clear();
    let frames: Vec<Vec<u8>> = (1..=100_u8).map(|n| vec![n; n.into()]).collect();
    alices.seal_all(frames.iter().map(Vec::as_slice), &mut out).unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!(bobs.open(&out[0]).unwrap(), frames);
    assert_eq!(alices.sent_bytes(), bobs.received_bytes());
}

#[test]
fn frames_at_the_limit_pass_and_one_more_byte_does_not() {
    let (mut alices, _) = sessions();
    let mut out = Vec::new();
    alices.seal(&vec![0; MAX_FRAME_BYTES], &mut out).unwrap();
    out.clear();
    let over = alices.seal(&vec![0; MAX_FRAME_BYTES + 1], &mut out).unwrap_err();
    assert_eq!(over, NoiseError::FrameLength(MAX_FRAME_BYTES + 1));
    assert_eq!(alices.seal(&[], &mut out).unwrap_err(), NoiseError::FrameLength(0));
    assert!(out.is_empty());
}

#[test]
fn messages_at_the_limit_pass_and_one_more_byte_does_not() {
    let (mut alices, mut bobs) = sessions();
    let mut out = Vec::new();
    alices.seal(&vec![1; MAX_NOISE_BYTES], &mut out).unwrap();
    assert_eq!(out[0].len(), MAX_NOISE_BYTES);
    let mut longer = out[0].clone();
    longer.push(0);
    assert_eq!(bobs.open(&longer).unwrap_err(), NoiseError::Decrypt);
    bobs.open(&out[0]).unwrap();
}

#[test]
fn handshake_messages_over_the_limit_are_not_even_tried() {
    let at = respond(&bob(), Mode::Nearby).read(&[9; MAX_HANDSHAKE_BYTES]).unwrap_err();
    let over = respond(&bob(), Mode::Nearby).read(&[9; MAX_HANDSHAKE_BYTES + 1]).unwrap_err();
    assert_eq!((at, over), (NoiseError::Decrypt, NoiseError::Malformed));
}

#[test]
fn a_replayed_or_skipped_message_does_not_open() {
    let (mut alices, mut bobs) = sessions();
    let mut out = Vec::new();
    alices.seal(b"one", &mut out).unwrap();
    alices.seal(b"two", &mut out).unwrap();
    assert_eq!(bobs.open(&out[1]).unwrap_err(), NoiseError::Decrypt);
    bobs.open(&out[0]).unwrap();
    assert_eq!(bobs.open(&out[0]).unwrap_err(), NoiseError::Decrypt);
    assert_eq!(bobs.open(&out[1]).unwrap(), [b"two"]);
}

#[test]
fn plaintext_inside_a_session_is_refused() {
    let (_, mut bobs) = sessions();
    assert_eq!(bobs.open(b"\x00\x00\x00\x05hello, not sealed").unwrap_err(), NoiseError::Decrypt);
    assert_eq!(bobs.open(b"").unwrap_err(), NoiseError::Decrypt);
}

#[test]
fn preambles_are_read_back_and_others_refused() {
    for mode in [Mode::Device, Mode::Invite, Mode::Nearby, Mode::Account, Mode::Guest] {
        assert_eq!(parse_preamble(&preamble(mode)), Ok(mode));
    }
    assert_eq!(parse_preamble(b"SSH-2.0-"), Err(PreambleError::NotHobnob));
    assert_eq!(parse_preamble(b"HOBN\x02\x00\x00\x00"), Err(PreambleError::Version(2)));
    assert_eq!(parse_preamble(b"HOBN\x01\x03\x00\x00"), Err(PreambleError::Mode(3)));
    assert_eq!(parse_preamble(b"HOBN\x01\x0a\x00\x00"), Err(PreambleError::Mode(10)));
    assert_eq!(parse_preamble(b"HOBN\x01\x09\x01\x00"), Err(PreambleError::NotHobnob));
    assert_eq!(parse_preamble(b"HOBN\x01\x00\x00\x01"), Err(PreambleError::NotHobnob));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tampered_message_changes_nothing(frame in proptest::collection::vec(any::<u8>(), 1..400), at in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<bool>()) {
        let (mut alices, mut bobs) = sessions();
        let mut out = Vec::new();
        alices.seal(b"before", &mut out).unwrap();
        alices.seal(&frame, &mut out).unwrap();
        prop_assert_eq!(bobs.open(&out[0]).unwrap(), [b"before"]);
        let mut forged = out[1].clone();
        let at = at.index(forged.len());
        if cut { forged.truncate(at) } else { forged[at] ^= 1 << bit }
        let received = bobs.received_bytes();
        prop_assert_eq!(bobs.open(&forged).unwrap_err(), NoiseError::Decrypt);
        prop_assert_eq!(bobs.received_bytes(), received);
        prop_assert_eq!(bobs.open(&out[1]).unwrap(), [frame]);
    }

    #[test]
    fn frames_come_out_as_they_went_in(sizes in proptest::collection::vec(1_usize..40_000, 1..12), together in any::<bool>()) {
        let (mut alices, mut bobs) = sessions();
        let frames: Vec<Vec<u8>> = sizes.iter().map(|size| vec![*size as u8; *size]).collect();
        let mut out = Vec::new();
        if together {
            alices.seal_all(frames.iter().map(Vec::as_slice), &mut out).unwrap();
        } else {
            for frame in &frames { alices.seal(frame, &mut out).unwrap() }
        }
        let opened: Vec<Vec<u8>> = out.iter().flat_map(|message| bobs.open(message).unwrap()).collect();
        prop_assert_eq!(opened, frames);
    }

    #[test]
    fn a_tampered_handshake_message_ends_it(which in 0_usize..3, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let tamper = |message: &[u8], is: usize| {
            let mut message = message.to_vec();
            let at = at.index(message.len());
            if is == which { message[at] ^= 1 << bit }
            message
        };
        let (mut alices, one) = initiate(&alice(), &bob(), Mode::Device);
        let mut bobs = respond(&bob(), Mode::Device);
        let outcome = answer(&mut bobs, &tamper(&one, 0), &TOKEN)
            .and_then(|two| alices.read(&tamper(&two, 1)))
            .and_then(|step| bobs.read(&tamper(done(step).send.as_ref().unwrap(), 2)));
        // The highest bit of an X25519 key does not count for the secret, but it is hashed all the same.
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = respond(&bob(), Mode::Nearby).read(&bytes);
        let _ = initiate(&alice(), &bob(), Mode::Nearby).0.read(&bytes);
        let (_, mut bobs) = sessions();
        prop_assert!(bobs.open(&bytes).is_err());
    }
}
