//! Any bytes as sealed mail, and as what a known sender sealed: the content behind a correct seal.
#![no_main]
use std::sync::LazyLock;

use hobnob_shared::{
    codec,
    id::{AccountId, DeviceId},
    limits::MAX_MAIL_PLAIN_BYTES,
    noise::mail::{PrekeyPair, prekey_of},
    wire::mail::MailContent,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

static PREKEY: LazyLock<PrekeyPair> =
    LazyLock::new(|| PrekeyPair::generate(4, 0, &mut ChaCha20Rng::seed_from_u64(1)));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = prekey_of(bytes);
    let _ = PREKEY.open(bytes, &DeviceId::new([3; 32]));
    let Ok(content) = codec::decode::<MailContent>(bytes, MAX_MAIL_PLAIN_BYTES) else { return };
    for receipt in &content.receipts {
        let _ = receipt.verify();
    }
    if let Some(knock) = &content.knock {
        let _ = knock.verify(&AccountId::new([3; 32]));
    }
    assert_eq!(codec::decode::<MailContent>(&codec::encode(&content), MAX_MAIL_PLAIN_BYTES * 2), Ok(content));
});
