use std::cell::RefCell;

use hobnob_rendezvous::registry::{
    Caller, Input, SessionId, Work,
    limits::{GUESSES, GUESSES_OF_DEVICE, GUESSES_OF_NAME, HOUR_MS, LOGIN_MS, OWNER_PROOFS},
    view::{Fault, MemoryView, Records, TableId, View, Visit},
};
use hobnob_shared::{
    opaque::message::{CredentialFinalization, RegistrationRequest},
    wire::{
        ErrorCode,
        rendezvous::{
            LoginFinish, LoginStart, NameSet, PasswordChange, RegisterStart, SealedVault, ServerFrame, VaultPut,
        },
    },
};

use crate::{
    cast::Person,
    world::{World, binding},
};

const HOME: &str = "192.0.2.1";

#[test]
fn the_right_password_opens_and_a_wrong_one_does_not() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let session = world.log_in(&mut alice, "secret", HOME).unwrap();
    let ServerFrame::Vault(vault) = world.ask(session, ServerFrame::VaultGet) else { panic!("no vault") };
    assert_eq!((vault.seq, vault.vault.as_bytes().len()), (1, 4096));
    assert_eq!(world.log_in(&mut alice, "wrong", HOME), Err(ErrorCode::Denied));
}

#[test]
fn an_unknown_name_answers_in_the_same_bytes() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let mut nobody = Person::new("nobody", 2);
    let mut lengths = Vec::new();
    for person in [&mut alice, &mut nobody] {
        let session = world.open(Caller::Guest);
        let (_, start) = person.begin_login("guess");
        let go = world.ask(session, ServerFrame::LoginStart(start));
        lengths.push(go.encode(1).len());
        // Whoever sends a last message all the same learns nothing from it.
        let finish = LoginFinish { finalization: hobnob_shared::opaque::message::CredentialFinalization::new([1; 64]) };
        assert_eq!(world.refused(session, ServerFrame::LoginFinish(finish)), ErrorCode::Denied);
    }
    assert_eq!(lengths[0], lengths[1]);
}

/// What is asked of the database, in order.
struct Counting<'a>(&'a MemoryView, RefCell<Vec<TableId>>);

impl View for Counting<'_> {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.1.borrow_mut().push(table);
        self.0.get(table, key)
    }

    fn scan(&self, table: TableId, from: &[u8], to: Option<&[u8]>, visit: Visit<'_>) -> Result<(), Fault> {
        self.1.borrow_mut().push(table);
        self.0.scan(table, from, to, visit)
    }
}

/// The answer to one frame, and what it cost: reads, rows to write, and bytes to send.
fn cost(world: &mut World, session: SessionId, frame: ServerFrame) -> (ServerFrame, (Vec<TableId>, Records, usize)) {
    let (view, mut work) = (Counting(&world.view, RefCell::default()), Work::default());
    world.registry.handle(Input::Frame { session, id: 7, frame }, world.now_ms, &view, &mut work);
    let answer = work.answers.remove(0).frame;
    let bytes = answer.encode(7).len();
    (answer, (view.1.into_inner(), work.records, bytes))
}

#[test]
fn an_unknown_name_costs_what_a_known_one_does_in_every_step() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let alices = world.join(&mut alice);
    let mut nobody = Person::new("nobody", 2);
    let mut costs = Vec::new();
    for (person, who) in [(&mut alice, alices), (&mut nobody, world.open(Caller::Guest))] {
        let session = world.open(Caller::Guest);
        let (_, start) = person.begin_login("guess");
        let blinded: [u8; 32] = start.request.as_bytes()[..32].try_into().unwrap();
        let (answer, started) = cost(&mut world, session, ServerFrame::LoginStart(start));
        let ServerFrame::LoginGo(go) = answer else { panic!("{answer:?}") };
        // The point in it was evaluated under the name's own key, as when the name is registered.
        let register =
            RegisterStart { name: person.name.clone(), request: RegistrationRequest::new(blinded), owner: None };
        let ServerFrame::RegisterGo(registered) = world.ask(who, ServerFrame::RegisterStart(register)) else {
            panic!("no registration")
        };
        assert_eq!(go.response.as_bytes()[..32], registered.response.as_bytes()[..32]);
        let finish = LoginFinish { finalization: CredentialFinalization::new([1; 64]) };
        let (answer, finished) = cost(&mut world, session, ServerFrame::LoginFinish(finish));
        assert!(matches!(answer, ServerFrame::Error(failure) if failure.code == ErrorCode::Denied), "{answer:?}");
        assert!(!started.0.is_empty());
        costs.push((started, finished));
    }
    assert_eq!(costs[0], costs[1]);
}

const EACH_MS: u64 = HOUR_MS / GUESSES as u64;

/// Whether one guess is taken from there.
fn guess(world: &mut World, person: &mut Person, caller: Caller, ip: &str) -> Result<(), ErrorCode> {
    let session = world.open_from(caller, ip);
    let (_, start) = person.begin_login("guess");
    let answer = world.ask(session, ServerFrame::LoginStart(start));
    world.close(session);
    match answer {
        ServerFrame::LoginGo(_) => Ok(()),
        ServerFrame::Error(failure) => Err(failure.code),
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn ten_guesses_are_free_and_then_everybody_there_waits_and_nobody_else() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    for _ in 0..GUESSES {
        assert_eq!(world.log_in(&mut alice, "wrong", "198.51.100.1"), Err(ErrorCode::Denied));
    }
    let wait = ErrorCode::RateLimited { retry_ms: EACH_MS };
    assert_eq!(world.log_in(&mut alice, "secret", "198.51.100.1"), Err(wait));
    assert!(world.log_in(&mut alice, "secret", HOME).is_ok(), "elsewhere it is free");
    assert_eq!(guess(&mut world, &mut Person::new("alice", 1), alice.caller(), "198.51.100.1"), Ok(()));
    world.pass(EACH_MS);
    for _ in 0..2 {
        assert!(world.log_in(&mut alice, "secret", "198.51.100.1").is_ok(), "a right one is no guess");
    }
}

#[test]
fn whoever_guesses_from_ten_addresses_keeps_no_bare_machine_out() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let mut mallory = Person::new("alice", 2);
    for minute in 0..4 * 60 {
        for address in 0..10 {
            // As many as are taken, all the time.
            while guess(&mut world, &mut mallory, Caller::Guest, &format!("198.51.100.{address}")).is_ok() {}
        }
        if minute % 30 == 29 {
            assert!(world.log_in(&mut alice, "secret", HOME).is_ok(), "kept out in minute {minute}");
        }
        world.pass(60_000);
    }
}

#[test]
fn neither_the_accounts_key_nor_its_devices_wait_for_a_crowd_of_strangers() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let mut mallory = Person::new("alice", 2);
    // One was hers, when she registered.
    for number in 1..GUESSES_OF_NAME {
        assert_eq!(guess(&mut world, &mut mallory, Caller::Guest, &format!("198.51.100.{}", number / GUESSES)), Ok(()));
    }
    let waits = world.log_in(&mut alice, "secret", HOME);
    assert_eq!(waits, Err(ErrorCode::RateLimited { retry_ms: HOUR_MS / u64::from(GUESSES_OF_NAME) }));
    assert_eq!(guess(&mut world, &mut Person::new("alice", 1), alice.caller(), HOME), Ok(()));
    // The way back after the password was forgotten, from a machine that the server does not know.
    let session = world.open_from(Caller::Guest, HOME);
    let (state, start) = alice.begin_registration("remembered");
    let owner = Some(alice.account.prove_over(&binding(session)));
    let answer = world.ask(session, ServerFrame::RegisterStart(RegisterStart { owner, ..start.clone() }));
    let ServerFrame::RegisterGo(go) = answer else { panic!("{answer:?}") };
    let mut finish = alice.finish_registration(state, &go, "remembered", (&world.server.0, &world.server.1));
    finish.vault_seq = 2;
    let answer = world.ask(session, ServerFrame::RegisterFinish(Box::new(finish)));
    assert!(matches!(answer, ServerFrame::Registered(_)), "{answer:?}");
    // Another account's key is worth nothing for this name.
    let session = world.open_from(Caller::Guest, "203.0.113.1");
    let owner = Some(mallory.account.prove_over(&binding(session)));
    let refused = world.refused(session, ServerFrame::RegisterStart(RegisterStart { owner, ..start }));
    assert!(matches!(refused, ErrorCode::RateLimited { .. }), "{refused:?}");
}

#[test]
fn proofs_of_a_key_are_counted_for_where_they_come_from_right_or_wrong() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let (_, start) = alice.begin_registration("remembered");
    let session = world.open_from(Caller::Guest, "198.51.100.1");
    let elsewhere = RegisterStart { owner: Some(alice.account.prove_over(&[200; 32])), ..start.clone() };
    for _ in 0..OWNER_PROOFS {
        assert_eq!(world.refused(session, ServerFrame::RegisterStart(elsewhere.clone())), ErrorCode::Denied);
    }
    let own = |session| RegisterStart { owner: Some(alice.account.prove_over(&binding(session))), ..start.clone() };
    let refused = world.refused(session, ServerFrame::RegisterStart(own(session)));
    assert!(matches!(refused, ErrorCode::RateLimited { .. }), "{refused:?}");
    let session = world.open_from(Caller::Guest, HOME);
    assert!(matches!(world.ask(session, ServerFrame::RegisterStart(own(session))), ServerFrame::RegisterGo(_)));
}

#[test]
fn a_stolen_device_guesses_no_faster_than_a_stranger_and_holds_up_nobody() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let mut thief = Person::new("alice", 1);
    for _ in 0..GUESSES_OF_DEVICE {
        assert_eq!(guess(&mut world, &mut thief, alice.caller(), "198.51.100.1"), Ok(()));
    }
    // Wherever it goes.
    let wait = Err(ErrorCode::RateLimited { retry_ms: EACH_MS });
    assert_eq!(guess(&mut world, &mut thief, alice.caller(), "198.51.100.2"), wait);
    assert!(world.log_in(&mut alice, "secret", "198.51.100.1").is_ok());
}

/// What somebody learns of a name by asking to register it and to log in, always with the same point: the answers, without
/// what is random in them, and what they cost.
fn probe(world: &mut World, name: &str) -> impl PartialEq + std::fmt::Debug + use<> {
    let (mut nobody, session) = (Person::new(name, 99), world.open(Caller::Guest));
    let (_, login) = nobody.begin_login("guess");
    let blinded: [u8; 32] = login.request.as_bytes()[..32].try_into().unwrap();
    let register = RegisterStart { name: nobody.name, request: RegistrationRequest::new(blinded), owner: None };
    let (answer, registering) = cost(world, session, ServerFrame::RegisterStart(register));
    let ServerFrame::RegisterGo(go) = answer else { panic!("{answer:?}") };
    let (answer, logging_in) = cost(world, session, ServerFrame::LoginStart(login));
    let ServerFrame::LoginGo(login) = answer else { panic!("{answer:?}") };
    let is_same = go.response.as_bytes()[..32] == login.response.as_bytes()[..32];
    (go.seq, go.time_ms, is_same, go.response.as_bytes()[32..].to_vec(), registering, logging_in)
}

#[test]
fn asking_to_register_and_to_log_in_tells_nothing_of_a_name() {
    let mut world = World::new();
    let (mut alice, mut hidden, mut gone) = (Person::new("alice", 1), Person::new("hidden", 2), Person::new("gone", 3));
    world.join(&mut alice);
    let session = world.join(&mut hidden);
    world.done(session, ServerFrame::NameSet(NameSet::Hidden));
    let session = world.join(&mut gone);
    world.release(session, &gone);
    let absent = probe(&mut world, "nobody");
    for name in ["alice", "hidden", "gone"] {
        assert_eq!(probe(&mut world, name), absent, "{name}");
    }
    // So it is when the clock was set back, which a number that grows must survive.
    world.now_ms -= 3_600_000;
    let absent = probe(&mut world, "nobody_else");
    for name in ["alice", "hidden", "gone"] {
        assert_eq!(probe(&mut world, name), absent, "{name}");
    }
}

#[test]
fn whoever_asks_before_and_after_does_not_learn_that_a_name_was_taken() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let (_, start) = Person::new("alice", 99).begin_registration("guess");
    let mut evaluations = Vec::new();
    for _ in 0..2 {
        let session = world.open_from(Caller::Guest, "198.51.100.1");
        let ServerFrame::RegisterGo(go) = world.ask(session, ServerFrame::RegisterStart(start.clone())) else {
            panic!()
        };
        evaluations.push(go.response);
        if evaluations.len() == 1 {
            world.join(&mut alice);
        }
    }
    assert_eq!(evaluations[0], evaluations[1]);
}

#[test]
fn registering_is_no_way_to_guess_more() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let session = world.open_from(Caller::Guest, "198.51.100.1");
    let ask = |world: &mut World, number| {
        let mut mallory = Person::new("alice", 2);
        let frame = match number % 2 {
            0 => ServerFrame::RegisterStart(mallory.begin_registration("guess").1),
            _ => ServerFrame::LoginStart(mallory.begin_login("guess").1),
        };
        world.ask(session, frame)
    };
    for number in 0..GUESSES {
        assert!(!matches!(ask(&mut world, number), ServerFrame::Error(_)), "{number}");
    }
    for number in 0..2 {
        let answer = ask(&mut world, number);
        let ServerFrame::Error(failure) = &answer else { panic!("{answer:?}") };
        assert!(matches!(failure.code, ErrorCode::RateLimited { .. }), "{failure:?}");
    }
}

#[test]
fn a_login_that_dawdles_does_not_count() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let session = world.open(Caller::Guest);
    let (state, start) = alice.begin_login("secret");
    let ServerFrame::LoginGo(go) = world.ask(session, ServerFrame::LoginStart(start)) else { panic!("no login") };
    let (x25519, _) = world.server;
    let (finish, _) = alice.finish_login(state, &go, "secret", &x25519, &[session.0 as u8; 32]).unwrap();
    world.pass(LOGIN_MS);
    assert_eq!(world.refused(session, ServerFrame::LoginFinish(finish.clone())), ErrorCode::Denied);
    assert_eq!(world.refused(session, ServerFrame::LoginFinish(finish)), ErrorCode::Conflict, "and is over");
}

#[test]
fn nonsense_is_malformed() {
    let mut world = World::new();
    let session = world.open(Caller::Guest);
    let request = hobnob_shared::opaque::message::CredentialRequest::new([0xff; 96]);
    let start = LoginStart { name: Person::new("alice", 1).name, request };
    assert_eq!(world.refused(session, ServerFrame::LoginStart(start)), ErrorCode::Malformed);
}

#[test]
fn a_new_password_and_its_vault_count_together_or_not_at_all() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let device = world.join(&mut alice);
    let change = |world: &mut World, alice: &mut Person, expected| {
        let (state, start) = alice.begin_registration("better");
        let owner = Some(alice.account.prove_over(&binding(device)));
        let start = RegisterStart { owner, ..start };
        let ServerFrame::RegisterGo(go) = world.ask(device, ServerFrame::RegisterStart(start)) else {
            panic!("no start")
        };
        let upload = alice.finish_registration(state, &go, "better", (&world.server.0, &world.server.1)).upload;
        let vault = SealedVault::new(vec![2; 4096]).unwrap();
        let vault = VaultPut { seq: expected + 1, expected, vault, owner: None };
        world.ask(device, ServerFrame::PasswordChange(PasswordChange { upload, vault }))
    };
    let stale = change(&mut world, &mut alice, 5);
    assert!(matches!(stale, ServerFrame::Error(failure) if failure.code == ErrorCode::Stale { seq: 1 }), "{stale:?}");
    assert!(world.log_in(&mut alice, "secret", HOME).is_ok());
    assert_eq!(change(&mut world, &mut alice, 1), ServerFrame::Done);
    assert_eq!(world.log_in(&mut alice, "secret", HOME), Err(ErrorCode::Denied));
    assert!(world.log_in(&mut alice, "better", HOME).is_ok());
}
