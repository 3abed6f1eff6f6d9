//! What a device may do that holds neither the account's key nor the password: a linked one, or its thief.

use hobnob_rendezvous::registry::SessionId;
use hobnob_shared::{
    identity::OwnerProof,
    wire::{
        ErrorCode,
        rendezvous::{LoginFinish, NameSet, PasswordChange, RegisterStart, SealedVault, ServerFrame, VaultPut},
    },
};

use crate::{
    cast::Person,
    world::{World, binding},
};

fn put(seq: u64, owner: Option<OwnerProof>) -> ServerFrame {
    let vault = SealedVault::new(vec![3; 4096]).unwrap();
    ServerFrame::VaultPut(VaultPut { seq, expected: seq - 1, vault, owner: owner.map(Box::new) })
}

/// Logs in on a session that is there.
fn prove_password(world: &mut World, session: SessionId, alice: &mut Person) {
    let (state, start) = alice.begin_login("secret");
    let ServerFrame::LoginGo(go) = world.ask(session, ServerFrame::LoginStart(start)) else { panic!("no login") };
    let x25519 = world.server.0;
    let (finish, _) = alice.finish_login(state, &go, "secret", &x25519, &binding(session)).unwrap();
    let LoginFinish { finalization } = finish;
    let answer = world.ask(session, ServerFrame::LoginFinish(LoginFinish { finalization }));
    assert!(matches!(answer, ServerFrame::LoggedIn(_)), "{answer:?}");
}

/// Asks for another password; says what came of it.
fn change_password(
    world: &mut World,
    session: SessionId,
    alice: &mut Person,
    owner: Option<OwnerProof>,
) -> ServerFrame {
    let (state, start) = alice.begin_registration("better");
    let start = RegisterStart { owner, ..start };
    let ServerFrame::RegisterGo(go) = world.ask(session, ServerFrame::RegisterStart(start)) else { panic!("no start") };
    let upload = alice.finish_registration(state, &go, "better", (&world.server.0, &world.server.1)).upload;
    let vault = VaultPut { seq: 2, expected: 1, vault: SealedVault::new(vec![2; 4096]).unwrap(), owner: None };
    world.ask(session, ServerFrame::PasswordChange(PasswordChange { upload, vault }))
}

fn is_denied(answer: &ServerFrame) -> bool {
    matches!(answer, ServerFrame::Error(failure) if failure.code == ErrorCode::Denied)
}

#[test]
fn a_linked_device_does_not_give_the_name_away() {
    let mut world = World::new();
    let (mut alice, mallory) = (Person::new("alice", 1), Person::new("mallory", 2));
    let thief = world.join(&mut alice);
    let elsewhere = alice.account.prove_over(&[200; 32]);
    for owner in [None, Some(mallory.account.prove_over(&binding(thief))), Some(elsewhere)] {
        assert_eq!(world.refused(thief, ServerFrame::NameSet(NameSet::Release(owner))), ErrorCode::Denied);
    }
    assert!(world.log_in(&mut alice, "secret", "192.0.2.1").is_ok(), "all is as it was");
    world.release(thief, &alice);
}

#[test]
fn whoever_proves_the_password_gives_the_name_up() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    prove_password(&mut world, session, &mut alice);
    world.done(session, ServerFrame::NameSet(NameSet::Release(None)));
}

#[test]
fn a_linked_device_does_not_change_the_password() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let thief = world.join(&mut alice);
    let answer = change_password(&mut world, thief, &mut alice, None);
    assert!(is_denied(&answer), "{answer:?}");
    let strangers = Person::new("mallory", 2).account.prove_over(&binding(thief));
    let answer = change_password(&mut world, thief, &mut alice, Some(strangers));
    assert!(is_denied(&answer), "{answer:?}");
    assert!(world.log_in(&mut alice, "secret", "192.0.2.1").is_ok(), "all is as it was");
    prove_password(&mut world, thief, &mut alice);
    assert_eq!(change_password(&mut world, thief, &mut alice, None), ServerFrame::Done);
}

#[test]
fn a_linked_device_writes_no_vault_once_the_key_was_shown() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    // A node of before, which shows none.
    world.done(session, put(2, None));
    let owner = |session| Some(alice.account.prove_over(&binding(session)));
    assert_eq!(world.refused(session, put(3, Some(alice.account.prove_over(&[200; 32])))), ErrorCode::Denied);
    world.done(session, put(3, owner(session)));
    let thief = world.open(alice.caller());
    assert_eq!(world.refused(thief, put(4, None)), ErrorCode::Denied);
    assert_eq!(world.refused(thief, put(9, None)), ErrorCode::Denied);
    world.done(session, put(4, owner(session)));
    // The password is worth as much, and takes nothing back.
    let (bare, _) = world.whole_login(&mut alice, "secret", "192.0.2.1").unwrap();
    world.done(bare, put(5, None));
    assert_eq!(world.refused(thief, put(6, None)), ErrorCode::Denied);
}
