//! Real nodes and the real server: a name is registered, found, asked, and what is in the vault comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use hobnob::api::{Code, Command, Event, Node, Reply, RequestKind, ServerState, Standing};
use hobnob_shared::{
    Token,
    identity::{
        Binding,
        keystore::{Params, Password},
    },
    opaque::{ClientLogin, ClientRegistration, Parties},
    pow::{Puzzle, Search},
    text::{Note, Username},
    vault::{VaultContent, VaultKey},
    wire::{
        ServerFrame,
        rendezvous::{LoginFinish, LoginStart, Proof, RegisterFinish, RegisterStart, Registration},
    },
};
use hobnob_tests::{
    house::House,
    nodes::{DEADLINE, Person},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use zeroize::Zeroizing;

/// What a guess costs in tests: as little as Argon2id can.
const COST: Params = Params { memory_kib: 64, passes: 1, lanes: 1 };

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.to_owned()))
}

async fn ask(node: &Node, request: ServerFrame) -> (ServerFrame, [u8; 32]) {
    let command = Command::Ask { server: None, guest: true, request: Box::new(request) };
    match node.ask(command).await {
        Ok(Reply::Answered { frame, session }) => (*frame, session),
        other => panic!("{other:?}"),
    }
}

/// What a front end does for `/register`, with a password that costs little to stretch.
async fn register(node: &Node, house: &House, text: &str, seed: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (name, secret, server) = (name(text), password("correct horse"), house.address.key_text());
    node.ask(Command::SetRendezvous { address: Box::new(house.address.clone()), used: true }).await.unwrap();
    let (ServerFrame::Status(status), session) = ask(node, ServerFrame::StatusGet).await else { panic!("no status") };
    let (state, request) = ClientRegistration::start(&secret, &mut rng).unwrap();
    let start = RegisterStart { name: name.clone(), request, owner: None };
    let (ServerFrame::RegisterGo(go), same) = ask(node, ServerFrame::RegisterStart(start)).await else {
        panic!("no go")
    };
    assert_eq!(session, same, "requests of one front end share a session");
    let parties = Parties { name: &name, server: &server, session: &session };
    let (upload, export) = state.finish(&secret, &go.response, &parties, COST, &mut rng).unwrap();
    let account = node.account_key(None).await.unwrap();
    let binding = Binding {
        name: name.clone(),
        server: status.signing_key,
        account: account.id(),
        seq: go.seq,
        time_ms: go.time_ms,
    };
    let claim = account.sign_claim(&binding);
    let Registration::Open { pow_bits } = status.registration else { panic!("closed") };
    let puzzle = Puzzle::new(status.challenge, pow_bits, Puzzle::registration(&name)).unwrap();
    let Search::Found(nonce) = puzzle.search(seed, 1_000_000) else { panic!("no work found") };
    let Ok(Reply::MyAccount(payload)) = node.ask(Command::MyAccount).await else { panic!("no account") };
    let key = VaultKey::derive(&export);
    let content = VaultContent::new(account);
    let vault = key.seal(&content, &name, 1, &mut rng).unwrap();
    let proof = Proof::Pow { challenge: status.challenge, nonce };
    let finish = RegisterFinish { name: name.clone(), upload, account: *payload, proof, vault, vault_seq: 1, claim };
    let (ServerFrame::Registered(done), _) = ask(node, ServerFrame::RegisterFinish(Box::new(finish))).await else {
        panic!("not registered")
    };
    let command = Command::Registered {
        server: Box::new(house.address.clone()),
        name,
        binding: Box::new(done.binding),
        vault_key: Token::new(*key.to_bytes()),
        vault_seq: 1,
    };
    node.ask(command).await.unwrap();
}

/// Waits until the session of this person's account is up: whoever asks over it waits for it.
async fn is_up(person: &Person) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let request = Box::new(ServerFrame::StatusGet);
        let asked = person.node.ask(Command::Ask { server: None, guest: false, request }).await;
        let Ok(Reply::Servers(servers)) = person.node.ask(Command::Servers).await else { panic!("no servers") };
        if servers[0].state == ServerState::Up {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{asked:?}");
    }
}

async fn people(house: &House) -> (Person, Person) {
    let (alice, bob) = (Person::new("alice").await, Person::new("bob").await);
    register(&alice.node, house, "alice", 1).await;
    register(&bob.node, house, "bob", 2).await;
    is_up(&alice).await;
    is_up(&bob).await;
    (alice, bob)
}

/// Asks for this name until it can be asked: the rendezvous may not have the other's prekey yet.
async fn add(person: &Person, text: &str) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let command = Command::AddName { name: name(text), server: None, note: Note::parse("hi").unwrap() };
        match person.node.ask(command).await {
            Ok(Reply::Friend(friend)) => return assert_eq!(friend.standing, Standing::Pending),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) if refusal.code == Code::NotFound && tokio::time::Instant::now() < deadline => {}
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_find_each_other_by_name_and_talk_without_the_rendezvous() {
    let house = House::new().await;
    let (mut alice, bob) = people(&house).await;
    let Ok(Reply::Found(found)) = alice.node.ask(Command::Find { name: name("bob"), server: None }).await else {
        panic!("not found")
    };
    assert_eq!((found.nick.as_str(), found.is_me), ("bob", false));
    let refused = alice.node.ask(Command::Find { name: name("carol"), server: None }).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound, "{refused}");

    // The request waits while Bob is away.
    let (handle, dir) = (bob.handle.clone(), bob.dir);
    bob.node.shutdown().await;
    drop((bob.node, bob.events));
    add(&alice, "bob").await;
    let mut bob = Person::start(handle, dir).await;
    let request = bob
        .until(|event| match event {
            Event::FriendRequested(request) => Some(request.clone()),
            _ => None,
        })
        .await;
    assert_eq!(request.kind, RequestKind::Name { name: name("bob"), server: "127.0.0.1".to_owned() });
    assert_eq!((request.nick.as_str(), request.note.as_str()), ("alice", "hi"));
    bob.node.ask(Command::Accept { number: request.number }).await.unwrap();
    let added = |event: &Event| matches!(event, Event::FriendAdded(_)).then_some(());
    alice.until(added).await;

    house.server.stop().await;
    alice.say(&bob, "without a server").await.unwrap();
    bob.hears("without a server").await;
    bob.say(&alice, "as well").await.unwrap();
    alice.hears("as well").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rendezvous_that_restarts_is_found_again_and_knows_the_name_and_password() {
    let house = House::new().await;
    let alice = Person::new("alice").await;
    register(&alice.node, &house, "alice", 1).await;
    is_up(&alice).await;
    let house = house.restart().await;
    is_up(&alice).await;

    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (who, secret, server) = (name("alice"), password("correct horse"), house.address.key_text());
    let (state, request) = ClientLogin::start(&secret, &mut rng).unwrap();
    let start = LoginStart { name: who.clone(), request };
    let (ServerFrame::LoginGo(go), session) = ask(&alice.node, ServerFrame::LoginStart(start)).await else {
        panic!("no go")
    };
    let parties = Parties { name: &who, server: &server, session: &session };
    let (finalization, export) = state.finish(&secret, &go.response, &parties, COST, &mut rng).unwrap();
    let finish = ServerFrame::LoginFinish(LoginFinish { finalization });
    let (ServerFrame::LoggedIn(logged_in), _) = ask(&alice.node, finish).await else { panic!("not logged in") };
    let vault = logged_in.vault;
    let content = VaultKey::derive(&export).open(&vault.vault, &who, vault.seq).unwrap();
    assert_eq!(content.account.id(), alice.node.account_key(None).await.unwrap().id());
}
