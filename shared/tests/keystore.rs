//! The keystore's bytes: what opens, what does not, and that nothing in them is readable (row 36).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cast;

use cast::{alice, rng};
use hobnob_shared::{
    identity::keystore::{
        Key, KeystoreError, Params, Password, Secrets, has_password, holds_account, open, open_account, seal,
    },
    limits::MAX_KEYSTORE_BYTES,
};
use zeroize::Zeroizing;

/// Next to no work: what is tested here is not Argon2.
const CHEAP: Params = Params { memory_kib: 8, passes: 1, lanes: 1 };

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.to_owned()))
}

fn secrets() -> Secrets {
    let alice = alice();
    let mut rng = rng(9);
    Secrets {
        device_keys: alice.device.clone(),
        store_key: Key::generate(&mut rng),
        transport_key: Key::generate(&mut rng),
        salt: Key::generate(&mut rng),
        certificate: alice.signed_certificate(),
        record: alice.account.sign_record(&alice.record()),
    }
}

fn sealed(password: Option<&Password>) -> Vec<u8> {
    seal(&secrets(), Some(&alice().account), password, CHEAP, &mut rng(10)).unwrap()
}

#[test]
fn the_right_password_opens_both_boxes() {
    let password = password("correct horse");
    let file = sealed(Some(&password));
    assert!(has_password(&file).unwrap() && holds_account(&file).unwrap());
    let opened = open(&file, Some(&password)).unwrap();
    assert_eq!(opened.device_keys.id(), alice().device.id());
    assert_eq!(opened.store_key.as_bytes(), secrets().store_key.as_bytes());
    assert_eq!(opened.transport_key.as_bytes(), secrets().transport_key.as_bytes());
    assert_eq!(opened.salt.as_bytes(), secrets().salt.as_bytes());
    assert_eq!((opened.certificate, opened.record), (secrets().certificate, secrets().record));
    assert_eq!(open_account(&file, Some(&password)).unwrap().id(), alice().account.id());
}

#[test]
fn a_linked_device_has_no_account_key() {
    let password = password("correct horse");
    let file = seal(&secrets(), None, Some(&password), CHEAP, &mut rng(10)).unwrap();
    assert!(!holds_account(&file).unwrap(), "which is seen without the password");
    assert_eq!(open(&file, Some(&password)).unwrap().device_keys.id(), alice().device.id());
    assert_eq!(open_account(&file, Some(&password)).unwrap_err(), KeystoreError::NoAccountKey);
}

#[test]
fn other_passwords_and_none_open_nothing() {
    let file = sealed(Some(&password("correct horse")));
    for wrong in ["", "correct horse ", "Correct horse"] {
        assert_eq!(open(&file, Some(&password(wrong))).unwrap_err(), KeystoreError::WrongPassword);
        assert_eq!(open_account(&file, Some(&password(wrong))).unwrap_err(), KeystoreError::WrongPassword);
    }
    assert_eq!(open(&file, None).unwrap_err(), KeystoreError::PasswordNeeded);
}

#[test]
fn without_a_password_everybody_opens_it() {
    let file = sealed(None);
    assert!(!has_password(&file).unwrap());
    assert_eq!(open(&file, None).unwrap().device_keys.id(), alice().device.id());
    assert_eq!(open_account(&file, None).unwrap().id(), alice().account.id());
    assert_eq!(open(&file, Some(&password("any"))).unwrap().device_keys.id(), alice().device.id());
}

#[test]
fn any_changed_or_missing_byte_is_noticed_as_damage() {
    for file in [sealed(None), sealed(Some(&password("x")))] {
        for at in 8..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(matches!(open(&changed, Some(&password("x"))), Err(KeystoreError::Damaged(_))), "byte {at}");
            assert!(matches!(open(&file[..at], Some(&password("x"))), Err(KeystoreError::Damaged(_))), "cut at {at}");
        }
        let longer = [&file[..], &[0]].concat();
        assert!(matches!(open(&longer, None), Err(KeystoreError::Damaged(_))));
    }
}

#[test]
fn other_files_and_later_versions_say_so() {
    for other in [&b""[..], b"HOBNOB", b"hello, this is some other file", b"HOBNOBK"] {
        assert_eq!(open(other, None).unwrap_err(), KeystoreError::NotAKeystore);
    }
    let mut later = sealed(None);
    later[7] = 2;
    assert_eq!(open(&later, None).unwrap_err(), KeystoreError::Newer(2));
    let huge = [sealed(None), vec![0; MAX_KEYSTORE_BYTES]].concat();
    assert!(matches!(open(&huge, None), Err(KeystoreError::Damaged(_))));
}

#[test]
fn parameters_out_of_bounds_are_refused_before_any_work() {
    let password = password("x");
    let bounds = [(9_usize, 1024 * 1024 + 1), (13, 17), (17, 17), (9, 7), (13, 0), (17, 0)];
    for (at, value) in bounds {
        let mut file = sealed(Some(&password));
        file[at..at + 4].copy_from_slice(&u32::to_be_bytes(value));
        let content = file.len() - 16;
        let sum = hobnob_shared::hash::hash("hobnob/keystore-checksum/1", &[&file[..content]]);
        file[content..].copy_from_slice(&sum[..16]);
        assert!(matches!(open(&file, Some(&password)), Err(KeystoreError::Damaged(_))), "{at} {value}");
    }
}

#[test]
fn the_header_cannot_be_changed_to_ask_for_no_password() {
    let mut file = sealed(Some(&password("x")));
    file[8] = 0;
    let content = file.len() - 16;
    let sum = hobnob_shared::hash::hash("hobnob/keystore-checksum/1", &[&file[..content]]);
    file[content..].copy_from_slice(&sum[..16]);
    assert!(matches!(open(&file, None), Err(KeystoreError::Damaged(_))));
}

#[test]
fn nothing_secret_or_personal_is_readable() {
    for file in [sealed(None), sealed(Some(&password("correct horse")))] {
        let seed = alice().account.to_bytes();
        let (account, device) = (alice().account.id(), alice().device.to_bytes());
        let parts: [&[u8]; 6] =
            [b"Alice", b"laptop", b"correct horse", seed.as_slice(), &account.as_bytes()[..8], &device[..8]];
        for part in parts {
            assert!(!file.windows(part.len()).any(|window| window == part));
        }
    }
}

#[test]
fn new_files_cost_a_guesser_64_mib_and_three_passes() {
    assert_eq!(Params::DEFAULT, Params { memory_kib: 65_536, passes: 3, lanes: 1 });
    let password = password("correct horse");
    let file = seal(&secrets(), Some(&alice().account), Some(&password), Params::DEFAULT, &mut rng(12)).unwrap();
    assert_eq!(file[9..21], [0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]);
    assert!(open(&file, Some(&password)).is_ok());
}

#[test]
fn random_files_never_panic() {
    use rand_core::Rng;
    let mut rng = rng(13);
    for length in 0..400 {
        let mut file = vec![0; length];
        rng.fill_bytes(&mut file);
        assert_eq!(open(&file, None).unwrap_err(), KeystoreError::NotAKeystore);
        let file = [b"HOBNOBK\x01".to_vec(), file].concat();
        assert!(matches!(open(&file, None), Err(KeystoreError::Damaged(_))));
    }
}

#[test]
fn two_seals_have_nothing_in_common() {
    let password = password("x");
    let mut rng = rng(11);
    let one = seal(&secrets(), Some(&alice().account), Some(&password), CHEAP, &mut rng).unwrap();
    let two = seal(&secrets(), Some(&alice().account), Some(&password), CHEAP, &mut rng).unwrap();
    assert_ne!(one[21..37], two[21..37]);
    assert_ne!(one[93..], two[93..]);
}

#[test]
fn secrets_print_nothing() {
    let printed = format!("{:?} {:?}", secrets(), password("correct horse"));
    assert!(!printed.contains("horse") && printed.contains("Key(..)") && printed.contains("DeviceKeys(..)"));
}
