//! Any bytes as handshake messages to a responder of each mode, and as the answer to an initiator.
#![no_main]
use hobnob_shared::{
    identity::DeviceKeys,
    noise::{Handshake, Mode, Step},
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

libfuzzer_sys::fuzz_target!(|messages: (u8, Vec<u8>, Vec<u8>)| {
    let (mode, one, two) = messages;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let keys = DeviceKeys::generate(&mut rng);
    let mode = [Mode::Device, Mode::Invite, Mode::Nearby, Mode::Account, Mode::Guest][usize::from(mode % 5)];
    let mut responder = Handshake::respond(mode, keys.x25519_secret(), b"b", b"a", &mut rng).expect("a responder");
    match responder.read(&one) {
        Ok(Step::NeedToken(_)) => drop(responder.token(&[0; 16])),
        // Whoever knows a rendezvous's key may be its guest; noise is not such a message.
        Ok(Step::Done(_)) => panic!("done after one message of noise"),
        Ok(Step::Send(_)) | Err(_) => {}
    }
    assert!(!matches!(responder.read(&two), Ok(Step::Done(_))), "noise was accepted as message 3");
});
