//! The bytes of every format, fixed in `tests/vectors/`. Bytes under an existing version never change: where one of
//! these tests fails, other people's nodes would not understand this one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod cast;

use std::{collections::BTreeMap, path::PathBuf};

use cast::{
    NOON_MS, alice, bob, message, nick, rng,
    sealed::{CHEAP, password, sealed_things},
    server::{
        binding, mail_content, name, prekey, presence_content, rosa, server_frames, signed_binding, signed_ticket,
        told_keys, vault_content, vault_key, vault_with_mail,
    },
};
use hobnob_shared::{
    Sealed, Token, codec,
    hash::hash,
    id::{ConversationId, InviteId, LogId, ShortHash},
    identity::{
        AccountRecord, Invite, SignedBinding, SignedBundle, SignedCertificate, SignedClaim, SignedRecord, fingerprint,
        keystore::{self, Key, Password, Secrets},
        safety_number, safety_words, sas_commit,
    },
    keeper::KeeperKey,
    limits::{MAX_ENTRY_BYTES, MAX_FRAME_BYTES, MAX_PRESENCE_BYTES},
    noise::{Established, Handshake, Mode, Step},
    opaque::{ClientLogin, Parties, ServerSetup, message::RegistrationUpload},
    presence::PresenceTicket,
    rendezvous::NameAt,
    text::{Handle, MessageText, Note, Reaction, Username},
    vault::VaultKey,
    wire::{
        AccountPayload, Body, ChatDigest, Close, DeviceCut, Digest, Digests, Entries, EntryRef, ErrorCode, Failure,
        Frame, FriendPut, Frontier, FrontierItem, Header, Hello, Introduce, Knock, Mailboxes, Presence, PresenceAt,
        PresenceState, Read, ReadItem, ReadMark, ServerFrame, Setting, SignedEntry, Typing, Want, WantRange,
    },
};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

fn name_at() -> NameAt {
    NameAt { name: Username::parse("bob").unwrap(), server: [9; 32] }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

fn stored(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn conversation() -> ConversationId {
    ConversationId::direct(&alice().account.id(), &bob().account.id())
}

fn account() -> AccountPayload {
    let alice = alice();
    AccountPayload {
        records: vec![alice.account.sign_record(&alice.record())],
        certificates: vec![alice.signed_certificate()],
        bundles: vec![alice.device.sign_bundle(&alice.bundle())],
    }
}

fn second_record() -> SignedRecord {
    let alice = alice();
    let first = alice.account.sign_record(&alice.record());
    let record =
        AccountRecord { seq: 2, prev: Some(first.hash()), revoked: vec![(bob().device.id(), 2)], ..alice.record() };
    alice.account.sign_record(&record)
}

fn bodies() -> Vec<(&'static str, Body)> {
    let target = EntryRef { log: alice().log(), seq: 300, hash: ShortHash::new([6; 16]) };
    let text = || MessageText::parse("naïve 你好 👋").unwrap();
    vec![
        ("text", message("hello")),
        ("text-full", Body::Text { text: text(), reply: Some(target), action: true, forwarded: true }),
        ("edit", Body::Edit { target, text: text() }),
        ("delete", Body::Delete { target }),
        ("react", Body::React { target, emoji: Some(Reaction::parse("👍").unwrap()) }),
        ("react-none", Body::React { target, emoji: None }),
        ("pin", Body::Pin { target, pinned: true }),
        ("timer", Body::Timer { after_secs: Some(86_400) }),
        ("timer-none", Body::Timer { after_secs: None }),
        ("friend-accept", Body::FriendAccept { salt: [5; 32] }),
        ("friend-put", Body::FriendPut(FriendPut::new(bob().account.id()))),
        (
            "friend-put-full",
            Body::FriendPut(FriendPut {
                account: bob().account.id(),
                handle: Some(Handle::parse("bob").unwrap()),
                accepted: Some(true),
                verified: Some(true),
                blocked: Some(false),
                muted: Some(true),
                note: Some(Note::parse("see you at noon").unwrap()),
                name: None,
                hearsay: false,
            }),
        ),
        (
            "friend-put-named",
            Body::FriendPut(FriendPut { name: Some(name_at()), ..FriendPut::new(bob().account.id()) }),
        ),
        ("friend-remove", Body::FriendRemove(bob().account.id())),
        (
            "read-mark",
            Body::ReadMark(ReadMark {
                conversation: conversation(),
                items: vec![ReadItem { log: alice().log(), seq: 999 }],
            }),
        ),
        ("setting", Body::Setting(Setting { key: "theme".into(), value: Some("light".into()), hearsay: false })),
        ("setting-none", Body::Setting(Setting { key: "alias.hi".into(), value: None, hearsay: false })),
        (
            "device-cut",
            Body::DeviceCut(DeviceCut {
                device: alice().device.id(),
                heads: vec![FrontierItem { log: alice().log(), seq: 1000, head: ShortHash::new([1; 16]) }],
            }),
        ),
    ]
}

fn frames() -> Vec<(&'static str, Frame)> {
    let (conversation, log) = (conversation(), alice().log());
    let note = || Note::parse("see you at noon").unwrap();
    let withheld = SignedEntry { body: None, ..alice().write("secret").entry };
    vec![
        (
            "hello",
            Frame::Hello(Hello {
                features: vec!["x".into()],
                time_ms: NOON_MS,
                instance: 77,
                known_record: Some((2, second_record().hash())),
            }),
        ),
        ("close", Frame::Close(Close { code: ErrorCode::Ok })),
        ("ping", Frame::Ping { nonce: 1 }),
        ("error", Frame::Error(Failure { code: ErrorCode::RateLimited { retry_ms: 1500 }, of: 9 })),
        ("pong", Frame::Pong { nonce: 1 }),
        ("digest", Frame::Digest(Digest { conversation, hash: [8; 32] })),
        (
            "frontier",
            Frame::Frontier(Frontier {
                conversation,
                full: false,
                items: vec![FrontierItem { log, seq: 1000, head: ShortHash::new([1; 16]) }],
            }),
        ),
        ("want", Frame::Want(Want { conversation, ranges: vec![WantRange { log, from: 2, to: 1000 }] })),
        (
            "entries",
            Frame::Entries(Entries { conversation, entries: vec![alice().write("hello").entry, withheld], more: true }),
        ),
        (
            "digests",
            Frame::Digests(Digests {
                chats: vec![
                    ChatDigest { conversation, hash: [8; 32], account: Some((2, second_record().hash())) },
                    ChatDigest { conversation, hash: [8; 32], account: None },
                ],
            }),
        ),
        ("presence", Frame::Presence(Presence { state: PresenceState::Away, text: note() })),
        ("typing", Frame::Typing(Typing { conversation, typing: true })),
        ("read", Frame::Read(Read { conversation, items: vec![ReadItem { log, seq: 999 }] })),
        ("account", Frame::Account(account())),
        ("knock", Frame::Knock(Knock { nick: nick("Alice"), note: note() })),
        ("introduce", Frame::Introduce(Introduce { account: account(), note: note() })),
        ("sas-commit", Frame::SasCommit { commit: sas_commit(&[2; 16]) }),
        ("sas-nonce", Frame::SasNonce { nonce: [3; 16] }),
        ("sas-reveal", Frame::SasReveal { nonce: [2; 16] }),
        ("mailboxes", Frame::Mailboxes(Mailboxes { bundle: account().bundles[0].clone(), name: None })),
        (
            "mailboxes-named",
            Frame::Mailboxes(Mailboxes { bundle: account().bundles[0].clone(), name: Some(name_at()) }),
        ),
        ("presence-at", Frame::PresenceAt(PresenceAt { ticket: signed_ticket() })),
        ("vault-keys", Frame::VaultKeys(told_keys())),
    ]
}

fn invite() -> Invite {
    Invite {
        account: alice().account.id(),
        device_x25519: alice().device.x25519_public(),
        addresses: vec!["/ip4/192.168.1.2/tcp/4001".into(), "/dns/alice.example/tcp/4001".into()],
        rendezvous: Some("/dns/r.example/tcp/4001#key".into()),
        id: InviteId::new([3; 16]),
        token: Zeroizing::new([4; 16]),
        expiry_ms: NOON_MS,
        flags: Invite::ACCEPTED_AT_ONCE,
    }
}

fn keystore(password: Option<&Password>) -> Vec<u8> {
    let alice = alice();
    let mut rng = rng(20);
    let secrets = Secrets {
        device_keys: alice.device.clone(),
        store_key: Key::generate(&mut rng),
        transport_key: Key::generate(&mut rng),
        salt: Key::generate(&mut rng),
        certificate: alice.signed_certificate(),
        record: alice.account.sign_record(&alice.record()),
    };
    keystore::seal(&secrets, Some(&alice.account), password, CHEAP, &mut rng).unwrap()
}

fn done(step: Step) -> Established {
    match step {
        Step::Done(established) => *established,
        other => panic!("{other:?}"),
    }
}

/// All that travels in a handshake of Alice with Bob and for one frame each way, and the handshake hash.
fn talk(mode: Mode) -> Vec<ByteBuf> {
    let (alice, bob, token) = (alice(), bob(), [4; 16]);
    let remote = (mode != Mode::Nearby).then(|| bob.device.x25519_public());
    let named = (mode == Mode::Invite).then_some((InviteId::new([3; 16]), &token));
    let certificate = alice.signed_certificate().encode();
    let (mut from_alice, one) =
        Handshake::initiate(mode, alice.device.x25519_secret(), remote, named, b"A", b"B", &certificate, &mut rng(21))
            .unwrap();
    let mut from_bob = Handshake::respond(mode, bob.device.x25519_secret(), b"B", b"A", &mut rng(22)).unwrap();
    let two = match from_bob.read(&one).unwrap() {
        Step::Send(two) => two,
        Step::NeedToken(_) => from_bob.token(&token).unwrap(),
        Step::Done(_) => panic!("too early"),
    };
    let mut alices = done(from_alice.read(&two).unwrap());
    let three = alices.send.take().unwrap();
    let mut bobs = done(from_bob.read(&three).unwrap());
    let mut sealed = Vec::new();
    alices.session.seal(&Frame::Ping { nonce: 1 }.encode(1), &mut sealed).unwrap();
    bobs.session.seal(&Frame::Pong { nonce: 1 }.encode(1), &mut sealed).unwrap();
    let mut all = vec![one, two, three];
    all.extend(sealed);
    all.push(bobs.session.handshake_hash().to_vec());
    all.into_iter().map(ByteBuf::from).collect()
}

/// The same for a guest of Bob's.
fn guest() -> Vec<ByteBuf> {
    let bob = bob();
    let (mut guest, one) = Handshake::initiate_as_guest(&bob.device.x25519_public(), b"A", b"B", &mut rng(21)).unwrap();
    let mut from_bob = Handshake::respond(Mode::Guest, bob.device.x25519_secret(), b"B", b"A", &mut rng(22)).unwrap();
    let mut bobs = done(from_bob.read(&one).unwrap());
    let two = bobs.send.take().unwrap();
    let mut guests = done(guest.read(&two).unwrap());
    let mut sealed = Vec::new();
    guests.session.seal(&ServerFrame::StatusGet.encode(1), &mut sealed).unwrap();
    bobs.session.seal(&ServerFrame::Done.encode(1), &mut sealed).unwrap();
    let mut all = vec![one, two];
    all.extend(sealed);
    all.push(bobs.session.handshake_hash().to_vec());
    all.into_iter().map(ByteBuf::from).collect()
}

/// What is computed from the rest, as text.
fn derived() -> BTreeMap<&'static str, String> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let (a, b) = (alice().account.id(), bob().account.id());
    let [log, other] = [alice().log(), LogId::new([9; 24])];
    assert!(log.is_of(&alice().device.id()) && !other.is_of(&alice().device.id()));
    BTreeMap::from([
        ("account", a.to_string()),
        ("account other", b.to_string()),
        ("certificate hash", hex(&alice().signed_certificate().hash())),
        ("conversation direct", conversation().to_string()),
        ("conversation self", ConversationId::direct(&a, &a).to_string()),
        ("device", alice().device.id().to_string()),
        ("entry id", alice().write("hello").id.to_string()),
        ("entry id full", alice().write_full().id.to_string()),
        ("fingerprint", fingerprint(&a)),
        ("hash", hex(&hash("hobnob/test/1", &[b"one", b"", b"two"]))),
        ("log", log.to_string()),
        ("record hash", hex(&second_record().hash())),
        ("recovery words", alice().account.words().to_string()),
        ("safety number", safety_number(&a, &b)),
        ("safety words", safety_words(&[1; 32], &a, &b, &[2; 16], &[3; 16]).join(" ")),
        ("sas commit", hex(&sas_commit(&[2; 16]))),
    ])
}

fn all() -> BTreeMap<String, Vec<u8>> {
    let (short, full) = (alice().write("hello"), alice().write_full());
    let mut all = BTreeMap::from([
        ("header.cbor".to_owned(), short.entry.header.clone()),
        ("header-full.cbor".to_owned(), full.entry.header.clone()),
        ("entry.cbor".to_owned(), codec::encode(&short.entry)),
        ("entry-full.cbor".to_owned(), codec::encode(&full.entry)),
        ("entry-withheld.cbor".to_owned(), codec::encode(&SignedEntry { body: None, ..short.entry })),
        ("certificate.cbor".to_owned(), alice().signed_certificate().encode()),
        ("record.cbor".to_owned(), codec::encode(&account().records[0])),
        ("record-second.cbor".to_owned(), codec::encode(&second_record())),
        ("claim.cbor".to_owned(), codec::encode(&alice().account.sign_claim(&binding()))),
        ("binding.cbor".to_owned(), codec::encode(&signed_binding())),
        ("bundle.cbor".to_owned(), codec::encode(&account().bundles[0])),
        ("invite.cbor".to_owned(), codec::encode(&invite().to_string())),
        ("keystore.bin".to_owned(), keystore(None)),
        ("keystore-password.bin".to_owned(), keystore(Some(&password()))),
        ("derived.cbor".to_owned(), codec::encode(&derived())),
    ]);
    all.extend(sealed_things());
    for (name, body) in bodies() {
        all.insert(format!("body-{name}.cbor"), body.encode().1);
    }
    for (name, frame) in frames() {
        all.insert(format!("frame-{name}.cbor"), frame.encode(9));
    }
    for (name, frame) in server_frames() {
        all.insert(format!("server-{name}.cbor"), frame.encode(9));
    }
    for (name, mode) in
        [("device", Mode::Device), ("invite", Mode::Invite), ("nearby", Mode::Nearby), ("account", Mode::Account)]
    {
        all.insert(format!("noise-{name}.cbor"), codec::encode(&talk(mode)));
    }
    all.insert("noise-guest.cbor".to_owned(), codec::encode(&guest()));
    all
}

#[test]
fn every_format_has_the_bytes_that_it_always_had() {
    for (name, bytes) in all() {
        assert_eq!(stored(&name), bytes, "{name}");
    }
}

#[test]
fn every_stored_file_is_compared() {
    let known = all();
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || known.contains_key(&name), "{name} is not compared with anything");
    }
}

#[test]
fn stored_entries_and_bodies_are_read() {
    let author = alice().device.id();
    for name in ["entry.cbor", "entry-full.cbor", "entry-withheld.cbor"] {
        let entry: SignedEntry = codec::decode_exact(&stored(name), MAX_ENTRY_BYTES).unwrap();
        entry.check(&author).unwrap();
    }
    assert_eq!(Header::decode(&stored("header-full.cbor")).unwrap(), alice().write_full().header);
    for (name, body) in bodies() {
        assert_eq!(Body::decode(body.kind(), &stored(&format!("body-{name}.cbor"))), Ok(body));
    }
}

#[test]
fn stored_frames_are_read() {
    for (name, frame) in frames() {
        let bytes = stored(&format!("frame-{name}.cbor"));
        assert!(bytes.len() <= MAX_FRAME_BYTES);
        assert_eq!(Frame::decode(&bytes), Ok((9, frame)), "{name}");
    }
    for (name, frame) in server_frames() {
        assert_eq!(ServerFrame::decode(&stored(&format!("server-{name}.cbor"))), Ok((9, frame)), "{name}");
    }
}

#[test]
fn stored_identities_are_read() {
    SignedCertificate::decode(&stored("certificate.cbor")).unwrap().verify().unwrap();
    let first: SignedRecord = codec::decode_exact(&stored("record.cbor"), 1000).unwrap();
    let second: SignedRecord = codec::decode_exact(&stored("record-second.cbor"), 1000).unwrap();
    assert!(second.verify().unwrap().follows(&first.verify().unwrap(), &first.hash()));
    let bundle: SignedBundle = codec::decode_exact(&stored("bundle.cbor"), 9000).unwrap();
    bundle.verify(&alice().device.id()).unwrap();
    let claim: SignedClaim = codec::decode_exact(&stored("claim.cbor"), 500).unwrap();
    assert_eq!(claim.verify(), Ok(binding()));
    let bound: SignedBinding = codec::decode_exact(&stored("binding.cbor"), 500).unwrap();
    assert_eq!(bound.verify(&rosa().device.verifying_key()), Ok(binding()));
    let link: String = codec::decode_exact(&stored("invite.cbor"), 9000).unwrap();
    assert_eq!(Invite::parse(&link).unwrap().to_string(), invite().to_string());
}

#[test]
fn stored_keystores_open() {
    let open = keystore::open(&stored("keystore.bin"), None).unwrap();
    let locked = keystore::open(&stored("keystore-password.bin"), Some(&password())).unwrap();
    assert_eq!(open.device_keys.id(), alice().device.id());
    assert_eq!(locked.device_keys.id(), alice().device.id());
    let account = keystore::open_account(&stored("keystore-password.bin"), Some(&password())).unwrap();
    assert_eq!(account.id(), alice().account.id());
}

#[test]
fn stored_sealed_things_open() {
    let to = bob().device.id();
    assert_eq!(prekey().open(&stored("mail.cbor"), &to).unwrap().content, mail_content());
    assert_eq!(prekey().open(&stored("knock.cbor"), &to).unwrap().content, mail_content());
    for (file, content) in [("vault.bin", vault_content()), ("vault-mail.bin", vault_with_mail())] {
        let vault = Sealed::new(stored(file)).unwrap();
        assert_eq!(vault_key().open(&vault, &name("alice"), 7).unwrap().contacts, content.contacts);
    }
    let (_, ticket, presence): (Token<32>, PresenceTicket, Sealed<MAX_PRESENCE_BYTES>) =
        codec::decode_exact(&stored("presence.cbor"), 1000).unwrap();
    assert!(ticket.open(&presence) == Some(presence_content()));
}

#[test]
fn a_stored_vault_key_is_what_was_told() {
    let Ok((_, Frame::VaultKeys(told))) = Frame::decode(&stored("frame-vault-keys.cbor")) else { panic!() };
    let (told, keeper) = (&told.keys[0], KeeperKey::derive(&alice().account));
    let (key, seq) = keeper.open(&told.key, &told.name, &told.server).unwrap();
    assert_eq!((key.to_bytes(), seq), (vault_key().to_bytes(), 7));
}

#[test]
fn a_stored_password_record_still_opens() {
    let kept: Vec<ByteBuf> = codec::decode_exact(&stored("opaque.cbor"), 2000).unwrap();
    let setup = ServerSetup::from_bytes(kept[6].as_slice().try_into().unwrap()).unwrap();
    let record = RegistrationUpload::new(kept[2].as_slice().try_into().unwrap());
    let (name, mut rng) = (name("alice"), rng(46));
    let parties = Parties { name: &name, server: "rosa", session: &[8; 32] };
    let (client, request) = ClientLogin::start(&password(), &mut rng).unwrap();
    let (server, response) = setup.login(&parties, Some(&record), &request, &mut rng).unwrap();
    let (last, key) = client.finish(&password(), &response, &parties, CHEAP, &mut rng).unwrap();
    assert_eq!(server.finish(&last), Ok(()));
    assert_eq!(VaultKey::derive(&key).to_bytes().as_slice(), kept[7].as_slice());
}

/// Only for a new format. Never to make a failing test pass.
#[test]
#[ignore = "writes the files that the other tests compare with"]
fn write_missing_vectors() {
    std::fs::create_dir_all(folder()).unwrap();
    for (name, bytes) in all() {
        let path = folder().join(name);
        if !path.exists() {
            std::fs::write(path, bytes).unwrap();
        }
    }
}
