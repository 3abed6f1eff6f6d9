//! Any bytes as a body of each kind.
#![no_main]
use hobnob_shared::wire::Body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
    if let Ok(parsed) = Body::decode(u16::from(*kind), body) {
        let (again, bytes) = parsed.encode();
        assert_eq!(Body::decode(again, &bytes).expect("our own body decodes"), parsed);
    }
});
