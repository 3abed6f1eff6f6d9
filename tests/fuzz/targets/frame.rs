//! Any bytes as a session frame; what decodes must encode to something that decodes to the same.
#![no_main]
use hobnob_shared::wire::Frame;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok((id, frame)) = Frame::decode(bytes) {
        let again = Frame::decode(&frame.encode(id)).expect("our own frame decodes");
        assert_eq!(again, (id, frame));
    }
});
