//! Any bytes as an entry, and as an entry's header under a correct signature length.
#![no_main]
use hobnob_shared::{codec, id::DeviceId, limits::MAX_ENTRY_BYTES, wire::SignedEntry};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let author = DeviceId::new([3; 32]);
    if let Ok(entry) = codec::decode::<SignedEntry>(bytes, MAX_ENTRY_BYTES) {
        let _ = entry.check(&author);
    }
    let entry = SignedEntry { header: bytes.to_vec(), signature: [0; 64], body: None };
    assert!(entry.check(&author).is_err(), "a zero signature was accepted");
});
