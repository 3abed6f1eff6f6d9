//! Any text as an invite link.
#![no_main]
use hobnob_shared::identity::Invite;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(invite) = Invite::parse(text) {
        let again = Invite::parse(&invite.to_string()).expect("our own link parses");
        assert_eq!(again.to_string(), invite.to_string());
    }
});
