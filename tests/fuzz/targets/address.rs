//! Any text as the address of a rendezvous, as a name there, and as a registration code.
#![no_main]
use hobnob_shared::{
    rendezvous::{Address, RegistrationCode},
    text::Username,
};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(address) = Address::parse(text) {
        assert_eq!(address.as_str(), text);
        let again = Address::new(address.place(), address.transport(), address.x25519()).expect("its own parts");
        assert_eq!(again.to_string(), text, "an address has one spelling");
    }
    if let Ok(name) = Username::parse(text) {
        assert!(name.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Ok(code) = RegistrationCode::parse(text) {
        assert!(RegistrationCode::parse(&code.to_string()) == Ok(code));
    }
});
