//! Any bytes as a frame of a rendezvous; what decodes must encode to something that decodes to the same. What is signed
//! inside is checked too.
#![no_main]
use hobnob_shared::{id::AccountId, opaque, wire::ServerFrame};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok((id, frame)) = ServerFrame::decode(bytes) else { return };
    assert_eq!(ServerFrame::decode(&frame.encode(id)).expect("our own frame decodes"), (id, frame.clone()));
    let server = hobnob_shared::identity::verifying_key(&[3; 32]);
    match frame {
        ServerFrame::RegisterFinish(finish) => {
            let _ = opaque::check_upload(&finish.upload);
            let _ = finish.claim.verify();
        }
        ServerFrame::Name(name) => drop(server.map(|server| name.binding.verify(&server))),
        ServerFrame::KnockPut(put) => {
            assert_ne!(hobnob_shared::wire::rendezvous::KnockPut::digest(&AccountId::new([0; 32]), &put.envelopes), [0; 32]);
        }
        _ => {}
    }
});
