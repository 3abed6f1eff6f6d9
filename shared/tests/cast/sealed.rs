//! Sealed things for the vectors, from fixed seeds.

use std::collections::BTreeMap;

use hobnob_shared::{
    codec,
    identity::keystore::{Params, Password},
    noise::mail,
    opaque::{ClientLogin, ClientRegistration, Parties, ServerSetup},
    pow::{Puzzle, Search},
    vault::VaultKey,
};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::{
    alice, bob, rng,
    server::{
        mail_content, name, prekey, presence_content, presence_secret, vault_content, vault_key, vault_with_mail,
    },
};

pub const CHEAP: Params = Params { memory_kib: 8, passes: 1, lanes: 1 };

pub fn password() -> Password {
    Password::new(Zeroizing::new("correct horse battery staple".to_owned()))
}

/// What a rendezvous keeps without being able to read it, and what Bob needs to open his mail.
pub fn sealed_things() -> BTreeMap<String, Vec<u8>> {
    let (pair, to) = (prekey(), bob().device.id());
    let mail = mail::seal(&mail_content(), &to, &pair.public(), &alice().device, &mut rng(40)).unwrap();
    let knock = mail::seal_knock(&mail_content(), &to, &pair.public(), &alice().device, &mut rng(41)).unwrap();
    let vault = vault_key().seal(&vault_content(), &name("alice"), 7, &mut rng(42)).unwrap();
    let vault_mail = vault_key().seal(&vault_with_mail(), &name("alice"), 7, &mut rng(47)).unwrap();
    let presence = presence_secret().seal(&presence_content(), &mut rng(43));
    let presence_parts = (presence_secret().token(), presence_secret().ticket(), presence);
    BTreeMap::from([
        ("prekey.cbor".to_owned(), codec::encode(&(ByteBuf::from(pair.secret().to_vec()), pair.public()))),
        ("mail.cbor".to_owned(), mail.into_bytes()),
        ("knock.cbor".to_owned(), knock.into_bytes()),
        ("vault.bin".to_owned(), vault.into_bytes()),
        ("vault-mail.bin".to_owned(), vault_mail.into_bytes()),
        ("presence.cbor".to_owned(), codec::encode(&presence_parts)),
        ("pow.cbor".to_owned(), codec::encode(&pow())),
        ("opaque.cbor".to_owned(), codec::encode(&opaque())),
    ])
}

/// All that travels when Alice registers and logs in, then the server's secrets and the key of her vault.
fn opaque() -> Vec<ByteBuf> {
    let (setup, name, mut rng) = (ServerSetup::generate(&mut rng(44)), name("alice"), rng(45));
    let parties = Parties { name: &name, server: "rosa", session: &[7; 32] };
    let (client, one) = ClientRegistration::start(&password(), &mut rng).unwrap();
    let two = setup.register(&name, &one).unwrap();
    let (three, _) = client.finish(&password(), &two, &parties, CHEAP, &mut rng).unwrap();
    let (client, four) = ClientLogin::start(&password(), &mut rng).unwrap();
    let (server, five) = setup.login(&parties, Some(&three), &four, &mut rng).unwrap();
    let (six, key) = client.finish(&password(), &five, &parties, CHEAP, &mut rng).unwrap();
    server.finish(&six).unwrap();
    let messages: [&[u8]; 6] =
        [one.as_bytes(), two.as_bytes(), three.as_bytes(), four.as_bytes(), five.as_bytes(), six.as_bytes()];
    let mut all: Vec<_> = messages.into_iter().map(|bytes| ByteBuf::from(bytes.to_vec())).collect();
    all.push(ByteBuf::from(setup.to_bytes().to_vec()));
    all.push(ByteBuf::from(VaultKey::derive(&key).to_bytes().to_vec()));
    all
}

/// The first number that solves a puzzle of 12 bits for registering alice.
fn pow() -> u64 {
    let puzzle = Puzzle::new([4; 16], 12, Puzzle::registration(&name("alice"))).unwrap();
    match puzzle.search(0, 1 << 20) {
        Search::Found(nonce) => nonce,
        Search::From(_) => panic!("a million numbers solve 12 bits"),
    }
}
