//! One of each frame between a node and Rosa, the rendezvous, from fixed seeds.

use hobnob_shared::{
    Sealed, Token,
    id::{ConversationId, MailboxId, ShortHash, TopicId},
    identity::{Binding, SignedBinding},
    keeper::KeeperKey,
    noise::mail::PrekeyPair,
    opaque::message::{
        CredentialFinalization, CredentialRequest, CredentialResponse, RegistrationRequest, RegistrationResponse,
        RegistrationUpload,
    },
    presence::{PresenceContent, PresenceSecret},
    rendezvous::{Address, RegistrationCode},
    text::{Handle, Note, Username},
    vault::{Contact, DeviceMail, FriendMail, Height, Reach, Rest, VaultContent, VaultKey},
    wire::{
        AccountPayload, Close, ErrorCode, Failure, FrontierItem, Hello, PresenceState, ServerFrame, SignedTicket,
        TicketLetter, ToldKey, VaultKeys,
        mail::{KnockLetter, MailContent, Receipt, SignedReceipt},
        rendezvous::{
            BoxPut, GENERATION, KnockAck, KnockItem, KnockPut, Knocks, LoggedIn, LoginFinish, LoginGo, LoginStart,
            Mail, MailAck, MailGet, MailItem, MailPut, MailWaiting, Name, NameGet, NameSet, PasswordChange,
            PresenceNote, PresencePut, PresenceWatch, Proof, RegisterFinish, RegisterGo, RegisterStart, Registered,
            Registration, Status, Vault, VaultPut,
        },
    },
};

use super::{NOON_MS, Person, alice, bob, nick, rng};

pub fn rosa() -> Person {
    Person::new(3)
}

pub fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub fn binding() -> Binding {
    Binding {
        name: name("alice"),
        server: *rosa().device.id().as_bytes(),
        account: alice().account.id(),
        seq: 1,
        time_ms: NOON_MS,
    }
}

pub fn signed_binding() -> SignedBinding {
    alice().account.sign_claim(&binding()).grant(&rosa().device)
}

pub fn account() -> AccountPayload {
    let alice = alice();
    AccountPayload {
        records: vec![alice.account.sign_record(&alice.record())],
        certificates: vec![alice.signed_certificate()],
        bundles: vec![],
    }
}

pub fn sealed<const MAX: usize>(bytes: usize) -> Sealed<MAX> {
    Sealed::new(vec![6; bytes]).unwrap()
}

pub fn register_finish(proof: Proof, vault_bytes: usize) -> ServerFrame {
    ServerFrame::RegisterFinish(Box::new(RegisterFinish {
        name: name("alice"),
        upload: RegistrationUpload::new([3; 192]),
        account: account(),
        proof,
        vault: sealed(vault_bytes),
        vault_seq: 1,
        claim: alice().account.sign_claim(&binding()),
    }))
}

pub fn vault_key() -> VaultKey {
    VaultKey::from_bytes(&zeroize::Zeroizing::new([5; 32]))
}

/// Its key, told to another device of Alice's.
pub fn told_keys() -> VaultKeys {
    let keeper = KeeperKey::derive(&alice().account);
    let (name, server) = (name("alice"), [9; 32]);
    let key = keeper.seal(&vault_key(), 7, (&name, &server), &mut rng(60)).unwrap();
    VaultKeys { keys: vec![ToldKey { server, name, key }] }
}

pub fn vault_content() -> VaultContent {
    let (alice, bob) = (alice(), bob());
    let reach = |x25519: [u8; 32], place: &str| Reach { x25519, addresses: vec![place.to_owned()] };
    VaultContent {
        record: Some(alice.account.sign_record(&alice.record())),
        past: Vec::new(),
        certificates: vec![alice.signed_certificate()],
        devices: vec![reach(alice.device.x25519_public(), "/ip4/192.168.1.2/tcp/4001")],
        contacts: vec![Contact {
            account: bob.account.id(),
            handle: Handle::parse("bobby").unwrap(),
            verified: true,
            blocked: false,
            devices: vec![reach(bob.device.x25519_public(), "/dns/bob.example/tcp/4001")],
            name: None,
            height: Height::default(),
            mail: None,
            rest: Rest::default(),
        }],
        settings: vec![("read-marks".to_owned(), vec![0])],
        height: Height::default(),
        rest: Rest::default(),
        account: alice.account,
    }
}

/// The same with what mail to Bob needs.
pub fn vault_with_mail() -> VaultContent {
    let bob = bob();
    let bundle = bob.bundle();
    let mail = FriendMail {
        record: bob.account.sign_record(&bob.record()),
        devices: vec![DeviceMail {
            certificate: bob.signed_certificate(),
            seq: bundle.seq,
            tickets: bundle.tickets,
            prekeys: bundle.prekeys,
        }],
    };
    let content = vault_content();
    let contacts = content.contacts.iter().map(|contact| Contact { mail: Some(mail.clone()), ..contact.clone() });
    VaultContent { contacts: contacts.collect(), ..content }
}

/// A prekey of Bob's.
pub fn prekey() -> PrekeyPair {
    PrekeyPair::generate(4, NOON_MS + 86_400_000, &mut rng(80))
}

pub fn receipt() -> SignedReceipt {
    let items = vec![FrontierItem { log: alice().log(), seq: 9, head: ShortHash::new([1; 16]) }];
    let conversation = ConversationId::direct(&alice().account.id(), &bob().account.id());
    Receipt { device: alice().device.id(), conversation, items }.sign(&alice().device)
}

pub fn knock() -> KnockLetter {
    let key = rosa().device.x25519_public();
    let peer = [&[0, 0x24, 8, 1, 0x12, 0x20][..], rosa().device.id().as_bytes()].concat();
    KnockLetter {
        from: alice().account.id(),
        device: alice().device.id(),
        to: bob().account.id(),
        nick: nick("Alice"),
        note: Note::parse("from the train").unwrap(),
        name: Some((name("alice"), Address::new("/dns/r.example/tcp/4001", &peer, &key).unwrap())),
        time_ms: NOON_MS,
    }
}

/// Mail of Alice's to Bob with all that mail can hold.
pub fn mail_content() -> MailContent {
    MailContent {
        account: account(),
        entries: vec![alice().write("hello").entry],
        receipts: vec![receipt()],
        knock: Some(knock().sign(&alice().device)),
        want: None,
        presence: None,
    }
}

pub fn presence_secret() -> PresenceSecret {
    PresenceSecret::from_bytes(&zeroize::Zeroizing::new([8; 32]))
}

pub fn presence_content() -> PresenceContent {
    PresenceContent {
        state: PresenceState::Away,
        text: Note::parse("at lunch").unwrap(),
        addresses: vec!["/ip4/203.0.113.7/tcp/4001".into()],
        expiry_ms: NOON_MS,
    }
}

pub fn ticket_letter() -> TicketLetter {
    TicketLetter { device: alice().device.id(), ticket: presence_secret().ticket(), time_ms: NOON_MS }
}

pub fn signed_ticket() -> SignedTicket {
    ticket_letter().sign(&alice().device)
}

/// Every frame at least once, each with a name of its own.
pub fn server_frames() -> Vec<(&'static str, ServerFrame)> {
    let (mailbox, token) = (MailboxId::new([1; 16]), Token::new([2; 16]));
    let vault_put = || VaultPut { seq: 8, expected: 7, vault: sealed(50), owner: None };
    let code = RegistrationCode::parse(&"abcdefghijklm234567abcdefg".replace("fg", "fe")).unwrap();
    vec![
        ("hello", ServerFrame::Hello(Hello { features: vec!["x".into()], ..Hello::default() })),
        ("close", ServerFrame::Close(Close { code: ErrorCode::Busy })),
        ("ping", ServerFrame::Ping { nonce: 1 }),
        ("error", ServerFrame::Error(Failure { code: ErrorCode::Stale { seq: 4 }, of: 9 })),
        ("pong", ServerFrame::Pong { nonce: u64::MAX }),
        (
            "register-start",
            ServerFrame::RegisterStart(RegisterStart {
                name: name("alice"),
                request: RegistrationRequest::new([1; 32]),
                owner: None,
            }),
        ),
        (
            "register-start-owned",
            ServerFrame::RegisterStart(RegisterStart {
                name: name("alice"),
                request: RegistrationRequest::new([1; 32]),
                owner: Some(alice().account.prove_over(&[6; 32])),
            }),
        ),
        (
            "register-go",
            ServerFrame::RegisterGo(RegisterGo {
                response: RegistrationResponse::new([2; 64]),
                seq: 1,
                time_ms: NOON_MS,
            }),
        ),
        ("register-finish", register_finish(Proof::Pow { challenge: [4; 16], nonce: 99 }, 40)),
        ("register-finish-code", register_finish(Proof::Code(code), 40)),
        ("registered", ServerFrame::Registered(Registered { binding: signed_binding() })),
        (
            "login-start",
            ServerFrame::LoginStart(LoginStart { name: name("alice"), request: CredentialRequest::new([1; 96]) }),
        ),
        ("login-go", ServerFrame::LoginGo(LoginGo { response: CredentialResponse::new([2; 320]) })),
        ("login-finish", ServerFrame::LoginFinish(LoginFinish { finalization: CredentialFinalization::new([3; 64]) })),
        (
            "logged-in",
            ServerFrame::LoggedIn(Box::new(LoggedIn {
                id: alice().account.id(),
                binding: signed_binding(),
                vault: Vault { seq: 7, vault: sealed(40) },
                account: account(),
            })),
        ),
        (
            "password-change",
            ServerFrame::PasswordChange(PasswordChange {
                upload: RegistrationUpload::new([3; 192]),
                vault: vault_put(),
            }),
        ),
        (
            "name-get-since",
            ServerFrame::NameGet(NameGet { name: name("bob_2"), since: Some(serde_bytes::ByteArray::new([7; 32])) }),
        ),
        ("name-get", ServerFrame::NameGet(NameGet { name: name("bob_2"), since: None })),
        ("name", ServerFrame::Name(Name { binding: signed_binding(), account: account() })),
        ("name-set-visible", ServerFrame::NameSet(NameSet::Visible)),
        ("name-set-hidden", ServerFrame::NameSet(NameSet::Hidden)),
        ("name-set-release", ServerFrame::NameSet(NameSet::Release(None))),
        ("name-set-release-owned", ServerFrame::NameSet(NameSet::Release(Some(alice().account.prove_over(&[6; 32]))))),
        ("done", ServerFrame::Done),
        ("account-put", ServerFrame::AccountPut(account())),
        ("vault-put", ServerFrame::VaultPut(vault_put())),
        (
            "vault-put-owned",
            ServerFrame::VaultPut(VaultPut {
                owner: Some(Box::new(alice().account.prove_over(&[6; 32]))),
                ..vault_put()
            }),
        ),
        ("vault-get", ServerFrame::VaultGet),
        ("vault", ServerFrame::Vault(Vault { seq: 7, vault: sealed(40) })),
        ("box-put", ServerFrame::BoxPut(BoxPut { mailbox, token: Some(token.clone()) })),
        ("box-delete", ServerFrame::BoxPut(BoxPut { mailbox, token: None })),
        ("mail-put", ServerFrame::MailPut(MailPut { mailbox, token, envelope: sealed(60) })),
        ("mail-get", ServerFrame::MailGet(MailGet { after: 7, max: 100 })),
        (
            "mail",
            ServerFrame::Mail(Mail { items: vec![MailItem { number: 8, mailbox, envelope: sealed(60) }], more: true }),
        ),
        ("mail-ack", ServerFrame::MailAck(MailAck { through: vec![(mailbox, 8)] })),
        ("mail-waiting", ServerFrame::MailWaiting(MailWaiting { envelopes: 3 })),
        (
            "knock-put",
            ServerFrame::KnockPut(KnockPut {
                account: alice().account.id(),
                envelopes: vec![(alice().device.id(), sealed(70))],
                proof: Proof::None,
            }),
        ),
        ("knock-get", ServerFrame::KnockGet),
        ("knocks", ServerFrame::Knocks(Knocks { items: vec![KnockItem { number: 2, envelope: sealed(70) }] })),
        ("knock-ack", ServerFrame::KnockAck(KnockAck { numbers: vec![2] })),
        (
            "presence-put",
            ServerFrame::PresencePut(PresencePut {
                token: Token::new([5; 32]),
                sealed: Some(sealed(80)),
                ttl_secs: 120,
            }),
        ),
        (
            "presence-watch",
            ServerFrame::PresenceWatch(PresenceWatch { topics: vec![TopicId::new([5; 32])], replace: true }),
        ),
        (
            "presence-note",
            ServerFrame::PresenceNote(PresenceNote { topic: TopicId::new([5; 32]), sealed: Some(sealed(80)) }),
        ),
        ("presence-gone", ServerFrame::PresenceNote(PresenceNote { topic: TopicId::new([5; 32]), sealed: None })),
        ("status-get", ServerFrame::StatusGet),
        ("status", status(&[("mailbox_envelopes", 1000)])),
        ("status-generation", status(&[(GENERATION, u64::MAX - 1), ("mailbox_envelopes", 1000)])),
    ]
}

fn status(limits: &[(&str, u64)]) -> ServerFrame {
    ServerFrame::Status(Status {
        versions: (1, 1),
        software: "hobnob-rendezvous 0.1.0".into(),
        time_ms: NOON_MS,
        signing_key: *rosa().device.id().as_bytes(),
        registration: Registration::Open { pow_bits: 20 },
        knock_bits: 18,
        challenge: [4; 16],
        limits: limits.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    })
}
