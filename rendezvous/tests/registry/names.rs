use hobnob_rendezvous::registry::{Caller, Input, Policy, SessionId, limits::DAY_MS};
use hobnob_shared::{
    identity::{OwnerProof, verifying_key},
    rendezvous::RegistrationCode,
    wire::{
        ErrorCode,
        rendezvous::{NameGet, NameSet, Proof, RegisterFinish, RegisterStart, Registration, ServerFrame},
    },
};

use crate::{
    cast::{Person, easy, rng},
    world::{World, binding},
};

fn find(person: &Person) -> ServerFrame {
    ServerFrame::NameGet(NameGet { name: person.name.clone(), since: None })
}

#[test]
fn a_name_is_found_with_both_signatures() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    let mut payload = alice.payload(1, &[&alice.device]);
    payload.bundles = vec![alice.bundle(1)];
    world.done(session, ServerFrame::AccountPut(payload.clone()));
    let guest = world.open(Caller::Guest);
    let ServerFrame::Name(found) = world.ask(guest, find(&alice)) else { panic!("not found") };
    let binding = found.binding.verify(&verifying_key(&world.server.1).unwrap()).unwrap();
    assert_eq!((binding.account, binding.seq, binding.name), (alice.account.id(), world.now_ms, alice.name.clone()));
    assert_eq!(found.account, payload);
}

#[test]
fn hidden_and_absent_are_the_same_bytes() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    world.done(session, ServerFrame::NameSet(NameSet::Hidden));
    let guest = world.open(Caller::Guest);
    let hidden = world.ask(guest, find(&alice));
    let absent = world.ask(guest, find(&Person::new("nobody", 2)));
    assert_eq!(hidden.encode(1), absent.encode(1));
    world.done(session, ServerFrame::NameSet(NameSet::Visible));
    assert!(matches!(world.ask(guest, find(&alice)), ServerFrame::Name(_)));
}

#[test]
fn thirty_lookups_an_hour_and_not_one_more() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    let nobody = Person::new("nobody", 3);
    for _ in 0..30 {
        assert_eq!(world.refused(bob, find(&nobody)), ErrorCode::NotFound);
    }
    assert!(matches!(world.refused(bob, find(&nobody)), ErrorCode::RateLimited { .. }));
    let carol = world.join(&mut Person::new("carol", 4));
    assert_eq!(world.refused(carol, find(&nobody)), ErrorCode::NotFound, "another one's look-ups are another's");
}

/// How many look-ups a session has before it has to wait. Those of one address are 300, and of one site 600.
fn lookups(world: &mut World, session: SessionId) -> usize {
    let nobody = find(&Person::new("nobody", 99));
    (0..1000).take_while(|_| world.refused(session, nobody.clone()) == ErrorCode::NotFound).count()
}

#[test]
fn all_guests_of_one_address_have_as_many_lookups_as_ten_accounts_and_take_none_from_them() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    let (stranger, guest) = (world.open(Caller::Guest), world.open(Caller::Guest));
    assert_eq!(lookups(&mut world, stranger), 300);
    assert_eq!(lookups(&mut world, guest), 0);
    assert_eq!(lookups(&mut world, bob), 30, "an account has its own");
    let elsewhere = world.open_from(Caller::Guest, "198.51.100.1");
    assert_eq!(lookups(&mut world, elsewhere), 300);
    world.pass(3_600_000 / 300);
    assert_eq!(lookups(&mut world, guest), 1);
}

#[test]
fn accounts_use_up_nothing_of_what_guests_have() {
    let mut world = World::new();
    for number in 0..12_u64 {
        let session = world.join(&mut Person::new(&format!("bot_{number}"), number + 1));
        lookups(&mut world, session);
    }
    let guest = world.open(Caller::Guest);
    assert_eq!(lookups(&mut world, guest), 300);
}

#[test]
fn the_guests_of_one_site_have_no_more_than_two_of_its_networks() {
    let mut world = World::new();
    let served = (0..6).map(|network| {
        let guest = world.open_from(Caller::Guest, &format!("2001:db8:7:{network}::1"));
        lookups(&mut world, guest)
    });
    assert_eq!(served.collect::<Vec<_>>(), [300, 300, 0, 0, 0, 0]);
    let elsewhere = world.open_from(Caller::Guest, "2001:db8:8::1");
    assert_eq!(lookups(&mut world, elsewhere), 300);
}

#[test]
fn many_accounts_in_one_place_look_up_no_more_than_ten() {
    let mut world = World::new();
    let nobody = Person::new("nobody", 99);
    let mut served = 0;
    for number in 0..12_u64 {
        let mut person = Person::new(&format!("bot_{number}"), number + 1);
        let session = world.join(&mut person);
        served += (0..31).filter(|_| world.refused(session, find(&nobody)) == ErrorCode::NotFound).count();
    }
    assert_eq!(served, 300);
    let mut elsewhere = Person::new("elsewhere", 50);
    world.join(&mut elsewhere);
    let session = world.open_from(elsewhere.caller(), "198.51.100.1");
    assert_eq!(world.refused(session, find(&nobody)), ErrorCode::NotFound);
}

#[test]
fn a_code_does_not_ask_about_names_without_end() {
    let mut world = World::with(Policy { registration: Registration::Invite, ..easy() });
    let codes: Vec<_> = (5..7).map(|seed| RegistrationCode::generate(&mut rng(seed))).collect();
    codes.iter().for_each(|code| drop(world.handle(Input::Code(code.clone()))));
    let register = |world: &mut World, name: &str, seed, code: &RegistrationCode| {
        let guest = world.open(Caller::Guest);
        let mut finish = world.registration(guest, &mut Person::new(name, seed), "secret");
        finish.proof = Proof::Code(code.clone());
        world.ask(guest, ServerFrame::RegisterFinish(Box::new(finish)))
    };
    assert!(matches!(register(&mut world, "alice", 1, &codes[0]), ServerFrame::Registered(_)));
    let guest = world.open(Caller::Guest);
    let mut finish = world.registration(guest, &mut Person::new("alice", 2), "secret");
    finish.proof = Proof::Code(codes[1].clone());
    for _ in 0..30 {
        assert_eq!(world.refused(guest, ServerFrame::RegisterFinish(Box::new(finish.clone()))), ErrorCode::Conflict);
    }
    let limited = world.refused(guest, ServerFrame::RegisterFinish(Box::new(finish)));
    assert!(matches!(limited, ErrorCode::RateLimited { .. }), "{limited:?}");
    // Nor does it tell by what is not refused; and the code is as good as before.
    let free = register(&mut world, "bob", 3, &codes[1]);
    assert!(matches!(free, ServerFrame::Error(failure) if failure.code == limited), "{free:?}");
    world.pass(3_600_000 / 30);
    assert!(matches!(register(&mut world, "bob", 3, &codes[1]), ServerFrame::Registered(_)));
}

#[test]
fn whoever_has_a_code_does_not_wait_for_whoever_has_none() {
    let mut world = World::with(Policy { registration: Registration::Invite, ..easy() });
    let code = RegistrationCode::generate(&mut rng(5));
    world.handle(Input::Code(code.clone()));
    let stranger = world.open(Caller::Guest);
    lookups(&mut world, stranger);
    let mut made_up = world.registration(stranger, &mut Person::new("mallory", 2), "secret");
    made_up.proof = Proof::Code(RegistrationCode::generate(&mut rng(6)));
    for _ in 0..40 {
        assert_eq!(world.refused(stranger, ServerFrame::RegisterFinish(Box::new(made_up.clone()))), ErrorCode::Denied);
    }
    let guest = world.open(Caller::Guest);
    let mut finish = world.registration(guest, &mut Person::new("alice", 1), "secret");
    finish.proof = Proof::Code(code);
    let answer = world.ask(guest, ServerFrame::RegisterFinish(Box::new(finish)));
    assert!(matches!(answer, ServerFrame::Registered(_)), "{answer:?}");
}

#[test]
fn a_taken_name_and_a_second_name_are_conflicts() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let guest = world.open(Caller::Guest);
    let mut mallory = Person::new("alice", 2);
    let finish = world.registration(guest, &mut mallory, "secret");
    assert_eq!(world.refused(guest, ServerFrame::RegisterFinish(Box::new(finish))), ErrorCode::Conflict);
    alice.name = Person::new("alice_two", 1).name;
    let finish = world.registration(guest, &mut alice, "secret");
    assert_eq!(world.refused(guest, ServerFrame::RegisterFinish(Box::new(finish))), ErrorCode::Conflict);
}

#[test]
fn a_claim_must_say_what_was_agreed() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let guest = world.open(Caller::Guest);
    let good = world.registration(guest, &mut alice, "secret");
    let mut other_name = good.clone();
    other_name.name = Person::new("bob", 1).name;
    let (server, seq) = (world.server.1, world.now_ms);
    let claim = |server, seq, time_ms| {
        alice.account.sign_claim(&hobnob_shared::identity::Binding {
            name: alice.name.clone(),
            server,
            account: alice.account.id(),
            seq,
            time_ms,
        })
    };
    let with = |claim| RegisterFinish { claim, ..good.clone() };
    for wrong in [
        other_name,
        with(claim([9; 32], seq, world.now_ms)),
        with(claim(server, seq + 1, world.now_ms)),
        with(claim(server, seq, world.now_ms - 1)),
    ] {
        assert_eq!(world.refused(guest, ServerFrame::RegisterFinish(Box::new(wrong))), ErrorCode::Conflict);
    }
    let mut unsigned = good.clone();
    unsigned.claim.signature = [1; 64];
    assert_eq!(world.refused(guest, ServerFrame::RegisterFinish(Box::new(unsigned))), ErrorCode::Malformed);
    let answer = world.ask(guest, ServerFrame::RegisterFinish(Box::new(good)));
    assert!(matches!(answer, ServerFrame::Registered(_)), "a refusal ends nothing: {answer:?}");
}

#[test]
fn registering_wants_work_or_a_code_as_the_operator_says() {
    let register = |policy: Policy, proof: &mut dyn FnMut(&mut World, Proof) -> Proof| {
        let mut world = World::with(policy);
        let guest = world.open(Caller::Guest);
        let mut finish = world.registration(guest, &mut Person::new("alice", 1), "secret");
        finish.proof = proof(&mut world, finish.proof.clone());
        match world.ask(guest, ServerFrame::RegisterFinish(Box::new(finish))) {
            ServerFrame::Registered(_) => None,
            ServerFrame::Error(failure) => Some(failure.code),
            answer => panic!("{answer:?}"),
        }
    };
    let with = |registration| Policy { registration, ..easy() };
    let open = || with(Registration::Open { pow_bits: 26 });
    let code = RegistrationCode::generate(&mut rng(5));
    let mut none = |_: &mut World, _| Proof::None;
    let mut work = |_: &mut World, free| free;
    let mut fresh = |world: &mut World, _| {
        world.handle(Input::Code(code.clone()));
        Proof::Code(code.clone())
    };
    let mut unknown = |_: &mut World, _| Proof::Code(code.clone());
    let mut old = |world: &mut World, _| {
        world.handle(Input::Code(code.clone()));
        world.now_ms += 14 * DAY_MS;
        Proof::Code(code.clone())
    };
    assert!(matches!(register(open(), &mut none), Some(ErrorCode::Pow { bits: 26, .. })));
    assert!(matches!(register(open(), &mut work), Some(ErrorCode::Pow { bits: 26, .. })));
    assert_eq!(register(open(), &mut fresh), None);
    assert_eq!(register(with(Registration::Invite), &mut none), Some(ErrorCode::Denied));
    assert_eq!(register(with(Registration::Invite), &mut fresh), None);
    assert_eq!(register(with(Registration::Invite), &mut unknown), Some(ErrorCode::Denied));
    assert_eq!(register(with(Registration::Invite), &mut old), Some(ErrorCode::Expired));
    assert_eq!(register(with(Registration::Closed), &mut fresh), Some(ErrorCode::Denied));
}

#[test]
fn a_code_lets_one_account_register() {
    let mut world = World::with(Policy { registration: Registration::Invite, ..easy() });
    let code = RegistrationCode::generate(&mut rng(5));
    world.handle(Input::Code(code.clone()));
    for (name, seed, expected) in [("alice", 1, true), ("bob", 2, false)] {
        let guest = world.open(Caller::Guest);
        let mut finish = world.registration(guest, &mut Person::new(name, seed), "secret");
        finish.proof = Proof::Code(code.clone());
        let answer = world.ask(guest, ServerFrame::RegisterFinish(Box::new(finish)));
        assert_eq!(matches!(answer, ServerFrame::Registered(_)), expected, "{name}");
    }
}

#[test]
fn a_proof_counts_once() {
    let mut world = World::new();
    let guest = world.open(Caller::Guest);
    let first = world.registration(guest, &mut Person::new("alice", 1), "secret");
    world.ask(guest, ServerFrame::RegisterFinish(Box::new(first.clone())));
    let mut second = world.registration(guest, &mut Person::new("bob", 2), "secret");
    second.proof = first.proof;
    let refused = world.refused(guest, ServerFrame::RegisterFinish(Box::new(second)));
    assert!(matches!(refused, ErrorCode::Pow { .. }), "{refused:?}");
}

#[test]
fn a_released_name_can_be_taken_with_a_higher_number() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    world.release(session, &alice);
    assert_eq!(world.refused(session, ServerFrame::VaultGet), ErrorCode::Denied);
    let mut other = Person::new("alice", 2);
    world.join(&mut other);
    let guest = world.open(Caller::Guest);
    let ServerFrame::Name(found) = world.ask(guest, find(&other)) else { panic!("not found") };
    let binding = found.binding.verify(&verifying_key(&world.server.1).unwrap()).unwrap();
    assert_eq!((binding.account, binding.seq), (other.account.id(), world.now_ms + 1));
}

#[test]
fn whoever_has_the_accounts_key_sets_a_forgotten_password_anew() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    let mut finish = world.registration(session, &mut alice, "remembered");
    finish.vault_seq = 2;
    finish.proof = Proof::None;
    let answer = world.ask(session, ServerFrame::RegisterFinish(Box::new(finish)));
    assert!(matches!(answer, ServerFrame::Registered(_)), "{answer:?}");
    assert_eq!(world.log_in(&mut alice, "secret", "192.0.2.1"), Err(ErrorCode::Denied));
    assert!(world.log_in(&mut alice, "remembered", "192.0.2.1").is_ok());
}

#[test]
fn the_accounts_key_counts_in_its_session_whatever_the_device() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let guest = world.open(Caller::Guest);
    let register = |person: &mut Person, world: &mut World, owner: OwnerProof| {
        let (state, start) = person.begin_registration("remembered");
        let start = RegisterStart { owner: Some(owner), ..start };
        (state, world.ask(guest, ServerFrame::RegisterStart(start)))
    };
    // Of another session, a proof is worth nothing; of another account, the name is taken.
    let elsewhere = alice.account.prove_over(&[200; 32]);
    let (_, refused) = register(&mut alice, &mut world, elsewhere);
    assert!(matches!(refused, ServerFrame::Error(failure) if failure.code == ErrorCode::Denied));
    let keys = (world.server.0, world.server.1);
    let here = binding(guest);
    let mut mallory = Person::new("alice", 2);
    let strangers = mallory.account.prove_over(&here);
    let (state, ServerFrame::RegisterGo(go)) = register(&mut mallory, &mut world, strangers) else { panic!("refused") };
    let finish = mallory.finish_registration(state, &go, "remembered", (&keys.0, &keys.1));
    let finish = RegisterFinish { proof: world.free_proof(guest), ..finish };
    assert_eq!(world.refused(guest, ServerFrame::RegisterFinish(Box::new(finish))), ErrorCode::Conflict);

    let own = alice.account.prove_over(&here);
    let (state, ServerFrame::RegisterGo(go)) = register(&mut alice, &mut world, own) else { panic!("refused") };
    let mut finish = alice.finish_registration(state, &go, "remembered", (&keys.0, &keys.1));
    finish.vault_seq = 2;
    let answer = world.ask(guest, ServerFrame::RegisterFinish(Box::new(finish)));
    assert!(matches!(answer, ServerFrame::Registered(_)), "{answer:?}");
    assert!(world.log_in(&mut alice, "remembered", "192.0.2.1").is_ok());
}
