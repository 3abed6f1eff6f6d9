//! The vault: only the password's key opens it, and only as what it was sealed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod cast;

use std::collections::BTreeMap;

use cast::{
    alice, bob, rng,
    server::{name, vault_content, vault_key, vault_with_mail},
};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hobnob_shared::{
    Sealed,
    codec::{self, DecodeError, Value},
    id::AccountId,
    limits::{
        HEIGHT_STEP, MAX_ADDRESSES, MAX_CONTACTS, MAX_DEVICES, MAX_FIRST_LAMPORT, MAX_PREKEYS, MAX_SETTINGS,
        MAX_TICKETS, MAX_VAULT_BYTES, VAULT_STEP_BYTES,
    },
    rendezvous::NameAt,
    text::{Handle, Username},
    vault::{Contact, DeviceMail, Height, Reach, VaultContent, VaultError, VaultKey},
    wire::rendezvous::SealedVault,
};
use zeroize::Zeroizing;

fn seal(content: &VaultContent) -> Result<SealedVault, VaultError> {
    vault_key().seal(content, &name("alice"), 7, &mut rng(70))
}

fn open(sealed: &SealedVault) -> Result<VaultContent, VaultError> {
    vault_key().open(sealed, &name("alice"), 7)
}

fn assert_same(one: &VaultContent, other: &VaultContent) {
    assert_eq!(one.account.id(), other.account.id());
    assert_eq!((&one.record, &one.certificates), (&other.record, &other.certificates));
    assert_eq!((&one.devices, &one.contacts), (&other.devices, &other.contacts));
    assert!(one.settings == other.settings && one.rest == other.rest && one.height == other.height);
}

#[test]
fn what_was_sealed_comes_back() {
    let opened = open(&seal(&vault_content()).unwrap()).unwrap();
    assert_same(&opened, &vault_content());
    let again = VaultKey::from_bytes(&vault_key().to_bytes());
    assert!(again.open(&seal(&vault_content()).unwrap(), &name("alice"), 7).is_ok());
}

#[test]
fn another_key_name_or_number_opens_nothing() {
    let sealed = seal(&vault_content()).unwrap();
    let other = VaultKey::from_bytes(&Zeroizing::new([1; 32]));
    assert_eq!(other.open(&sealed, &name("alice"), 7).unwrap_err(), VaultError::Decrypt);
    for (who, seq) in [("bob", 7), ("alice", 6), ("alice", 8)] {
        assert_eq!(vault_key().open(&sealed, &name(who), seq).unwrap_err(), VaultError::Decrypt, "{who} {seq}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let bytes = seal(&vault_content()).unwrap().into_bytes();
    for at in (0..bytes.len()).step_by(61).chain([1, bytes.len() - 1]) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(open(&Sealed::new(bytes).unwrap()).is_err(), "byte {at}");
    }
    for short in [0, 1, 25, 4095] {
        assert_eq!(open(&Sealed::new(bytes[..short].to_vec()).unwrap()).err(), Some(VaultError::Decrypt));
    }
}

#[test]
fn a_vault_of_a_later_version_says_so() {
    let mut bytes = seal(&vault_content()).unwrap().into_bytes();
    bytes[0] = 2;
    assert_eq!(open(&Sealed::new(bytes).unwrap()).unwrap_err(), VaultError::Newer(2));
}

#[test]
fn its_size_grows_in_steps_and_ends_at_the_limit() {
    let with = |settings: usize, bytes: usize| {
        let settings = (0..settings).map(|n| (format!("s{n}"), vec![n as u8; bytes])).collect();
        VaultContent { settings, ..vault_content() }
    };
    for (settings, bytes) in [(0, 0), (1, 10), (5, 1000)] {
        assert_eq!(seal(&with(settings, bytes)).unwrap().as_bytes().len() % VAULT_STEP_BYTES, 0);
    }
    // The largest setting that fits, found by halving.
    let (mut fits, mut does_not) = (0, MAX_VAULT_BYTES);
    while does_not - fits > 1 {
        let middle = (fits + does_not) / 2;
        if seal(&with(1, middle)).is_ok() { fits = middle } else { does_not = middle }
    }
    let largest = seal(&with(1, fits)).unwrap();
    assert_eq!(largest.as_bytes().len(), MAX_VAULT_BYTES);
    assert_eq!(open(&largest).unwrap().settings[0].1.len(), fits);
    let refused = seal(&with(1, does_not)).unwrap_err();
    assert_eq!(refused, VaultError::TooLarge(MAX_VAULT_BYTES + VAULT_STEP_BYTES));
}

#[test]
fn where_a_friend_can_be_asked_comes_back() {
    let mut content = vault_content();
    content.contacts[0].name = Some(NameAt { name: Username::parse("bob").unwrap(), server: [9; 32] });
    assert_eq!(open(&seal(&content).unwrap()).unwrap().contacts, content.contacts);
}

fn friend(n: u32) -> Contact {
    let mut account = [0; 32];
    account[..4].copy_from_slice(&n.to_be_bytes());
    Contact {
        account: AccountId::new(account),
        handle: Handle::parse(format!("friend-number-{n}")).unwrap(),
        devices: vec![Reach { x25519: [9; 32], addresses: vec!["/ip4/203.0.113.77/tcp/40001".into()] }],
        name: Some(NameAt { name: Username::parse(format!("friend_{n}")).unwrap(), server: [9; 32] }),
        ..vault_with_mail().contacts[0].clone()
    }
}

#[test]
fn a_thousand_friends_fit() {
    let contact = |n| Contact { mail: None, ..friend(n) };
    let content = VaultContent { contacts: (0..1000).map(contact).collect(), ..vault_content() };
    assert_eq!(open(&seal(&content).unwrap()).unwrap().contacts.len(), 1000);
}

#[test]
fn what_mail_to_a_friend_needs_comes_back_and_is_left_out_where_nothing_is_known() {
    let opened = open(&seal(&vault_with_mail()).unwrap()).unwrap();
    assert_same(&opened, &vault_with_mail());
    assert!(opened.contacts[0].mail.is_some());
    by_hand(&seal(&vault_content()).unwrap(), |map| {
        let Some(Value::Array(contacts)) = map.get("f") else { panic!("friends are a list") };
        let Some(Value::Map(contact)) = contacts.first() else { panic!("a friend is a map") };
        assert!(contact.iter().all(|(key, _)| *key != Value::from("m")));
    });
}

#[test]
fn as_many_devices_tickets_and_prekeys_as_an_account_may_have_come_back_and_more_do_not() {
    let with = |change: &dyn Fn(&mut Vec<DeviceMail>)| {
        let mut content = vault_with_mail();
        change(&mut content.contacts[0].mail.as_mut().unwrap().devices);
        content
    };
    type Fill<'a> = &'a dyn Fn(&mut Vec<DeviceMail>, usize);
    let lists: [(usize, Fill<'_>); 3] = [
        (MAX_DEVICES, &|devices, n| devices.resize(n, devices[0].clone())),
        (MAX_TICKETS, &|devices, n| devices[0].tickets = vec![devices[0].tickets[0].clone(); n]),
        (MAX_PREKEYS, &|devices, n| devices[0].prekeys = vec![devices[0].prekeys[0].clone(); n]),
    ];
    for (index, (limit, fill)) in lists.into_iter().enumerate() {
        let full = with(&|devices| fill(devices, limit));
        assert_same(&open(&seal(&full).unwrap()).unwrap(), &full);
        let refused = open(&seal(&with(&|devices| fill(devices, limit + 1))).unwrap()).unwrap_err();
        assert_eq!(refused, VaultError::Unreadable(DecodeError::Malformed), "list {index}");
    }
}

/// Friends of whom those with the highest numbers were heard of last.
fn with_room_made(count: u32) -> Vec<Contact> {
    let mut content = VaultContent { contacts: (0..count).map(friend).collect(), ..vault_content() };
    let rank = |contact: &Contact| {
        let number: [u8; 4] = contact.account.as_bytes()[..4].try_into().unwrap();
        u64::from(u32::from_be_bytes(number))
    };
    content.make_room(rank);
    let sealed = seal(&content).unwrap();
    assert!(open(&sealed).unwrap().contacts == content.contacts);
    assert_eq!(content.contacts.len(), count as usize, "no friend is left out");
    content.contacts
}

#[test]
fn where_there_is_no_room_those_who_were_heard_of_last_keep_what_mail_needs() {
    let has_prekeys = |it: &Contact| it.mail.as_ref().is_some_and(|mail| !mail.devices[0].prekeys.is_empty());
    let has_tickets = |it: &Contact| it.mail.as_ref().is_some_and(|mail| !mail.devices[0].tickets.is_empty());
    let kept = |count: u32, is_kept: &dyn Fn(&Contact) -> bool| {
        let contacts = with_room_made(count);
        let kept = contacts.iter().filter(|it| is_kept(it)).count();
        assert!(contacts.iter().rev().take(kept).all(is_kept), "the last ones keep it");
        kept
    };
    assert_eq!((kept(80, &has_prekeys), kept(80, &has_tickets)), (80, 80));
    // First the prekeys go.
    let few = kept(150, &has_prekeys);
    assert!((20..150).contains(&few), "{few}");
    assert_eq!(kept(150, &has_tickets), 150);
    // Then the rest, and never a friend.
    let few = kept(700, &has_tickets);
    assert!((100..700).contains(&few), "{few}");
    assert_eq!((kept(700, &has_prekeys), kept(1_000, &has_prekeys)), (0, 0));
}

#[test]
fn lists_at_the_limit_come_back_and_longer_ones_do_not() {
    let reach = Reach { x25519: [9; 32], addresses: vec![] };
    let tiny = Contact { handle: Handle::parse("b").unwrap(), devices: vec![], ..vault_content().contacts[0].clone() };
    let build: [(usize, &dyn Fn(usize) -> VaultContent); 4] = [
        (MAX_DEVICES, &|n| VaultContent { devices: vec![reach.clone(); n], ..vault_content() }),
        (MAX_SETTINGS, &|n| VaultContent { settings: vec![(String::new(), vec![]); n], ..vault_content() }),
        (MAX_DEVICES, &|n| VaultContent { certificates: vec![alice().signed_certificate(); n], ..vault_content() }),
        (MAX_ADDRESSES, &|n| {
            let addresses = vec![String::new(); n];
            VaultContent { devices: vec![Reach { x25519: [9; 32], addresses }], ..vault_content() }
        }),
    ];
    for (index, (limit, build)) in build.into_iter().enumerate() {
        assert_same(&open(&seal(&build(limit)).unwrap()).unwrap(), &build(limit));
        let refused = open(&seal(&build(limit + 1)).unwrap()).unwrap_err();
        assert_eq!(refused, VaultError::Unreadable(DecodeError::Malformed), "list {index}");
    }
    // More friends than the list may hold do not fit the bytes either.
    let many = VaultContent { contacts: vec![tiny; MAX_CONTACTS + 1], ..vault_content() };
    assert!(matches!(seal(&many), Err(VaultError::TooLarge(_))));
}

/// Opens and seals without our code: the bytes are what the documentation says.
fn by_hand(sealed: &SealedVault, change: impl FnOnce(&mut BTreeMap<String, Value>)) -> SealedVault {
    let cipher = XChaCha20Poly1305::new((&*vault_key().to_bytes()).into());
    let aad = [&b"hobnob/vault/1alice"[..], &7_u64.to_be_bytes()].concat();
    let (nonce, body) = (XNonce::try_from(&sealed.as_bytes()[1..25]).unwrap(), &sealed.as_bytes()[25..]);
    let padded = cipher.decrypt(&nonce, Payload { msg: body, aad: &aad }).unwrap();
    let length = u32::from_be_bytes(padded[..4].try_into().unwrap()) as usize;
    let mut map = codec::decode(&padded[4..4 + length], MAX_VAULT_BYTES).unwrap();
    change(&mut map);
    let plain = codec::encode(&map);
    let mut again = [&u32::try_from(plain.len()).unwrap().to_be_bytes()[..], &plain].concat();
    again.resize(padded.len(), 0);
    let body = cipher.encrypt(&nonce, Payload { msg: &again, aad: &aad }).unwrap();
    Sealed::new([&[1][..], &nonce, &body].concat()).unwrap()
}

#[test]
fn what_a_later_version_put_in_is_kept() {
    let later = by_hand(&seal(&vault_content()).unwrap(), |map| {
        map.insert("rooms".to_owned(), Value::Array(vec![Value::Bytes(vec![1]), Value::from(-7)]));
        let Some(Value::Array(contacts)) = map.get_mut("f") else { panic!("friends are a list") };
        let Some(Value::Map(contact)) = contacts.first_mut() else { panic!("a friend is a map") };
        contact.push((Value::from("pet"), Value::from("cat")));
    });
    let opened = open(&later).unwrap();
    assert_eq!(format!("{:?} {:?}", opened.rest, opened.contacts[0].rest), "Rest(1 keys) Rest(1 keys)");
    let again = seal(&opened).unwrap();
    assert_same(&open(&again).unwrap(), &opened);
    by_hand(&again, |map| {
        assert_eq!(map.get("rooms"), Some(&Value::Array(vec![Value::Bytes(vec![1]), Value::from(-7)])));
    });
}

#[test]
fn heights_come_back_and_are_left_out_where_nothing_is_known() {
    let mut content = vault_content();
    by_hand(&seal(&content).unwrap(), |map| assert!(!map.contains_key("l")));
    content.height = Height::above(1);
    content.contacts[0].height = Height::above(70_000);
    let opened = open(&seal(&content).unwrap()).unwrap();
    assert_same(&opened, &content);
    assert_eq!((opened.height.lamport(), opened.contacts[0].height.lamport()), (2_048, 71_680));
}

#[test]
fn a_height_is_ahead_of_what_it_tells_of_and_seldom_changes() {
    assert!(Height::above(0).is_nothing() && Height::default().is_nothing());
    let mut heights: Vec<u64> = (1..=10_000).map(|highest| Height::above(highest).lamport()).collect();
    for (highest, height) in (1..).zip(&heights) {
        assert!((HEIGHT_STEP..=2 * HEIGHT_STEP).contains(&(height - highest)), "{height} above {highest}");
    }
    heights.dedup();
    assert_eq!(heights.len(), 10_000 / 1024 + 1);
}

#[test]
fn a_height_without_room_above_it_is_taken_for_the_highest_with_room() {
    let highest = MAX_FIRST_LAMPORT - 1;
    for claimed in [highest, highest + 1, u64::MAX - HEIGHT_STEP, u64::MAX] {
        let hostile = by_hand(&seal(&vault_content()).unwrap(), |map| {
            map.insert("l".to_owned(), Value::from(claimed));
            let Some(Value::Array(contacts)) = map.get_mut("f") else { panic!("friends are a list") };
            let Some(Value::Map(contact)) = contacts.first_mut() else { panic!("a friend is a map") };
            contact.push((Value::from("l"), Value::from(claimed)));
        });
        let opened = open(&hostile).unwrap();
        assert_eq!((opened.height.lamport(), opened.contacts[0].height.lamport()), (highest, highest));
        assert_eq!(Height::above(claimed).lamport(), highest);
    }
    let nonsense = by_hand(&seal(&vault_content()).unwrap(), |map| {
        map.insert("l".to_owned(), Value::from(-1));
    });
    assert_eq!(open(&nonsense).unwrap_err(), VaultError::Unreadable(DecodeError::Malformed));
}

#[test]
fn nothing_of_it_prints_a_secret_or_a_friend() {
    let contact = &vault_with_mail().contacts[0];
    let devices = &contact.mail.as_ref().unwrap().devices;
    let printed = format!("{:?} {:?} {contact:?} {devices:?}", vault_key(), vault_content());
    assert!(printed.starts_with("VaultKey(..) VaultContent(1 contacts, 1 settings)"), "{printed}");
    assert!(printed.ends_with("[DeviceMail(1 tickets, 1 prekeys)]") && !printed.contains("r.example"), "{printed}");
    assert!(!printed.contains("bobby") && !printed.contains(&bob().account.id().to_string()));
}
