//! Worlds in which the name of somebody with several machines gets another password, also by a machine that was made from
//! the recovery words. A failing one prints its seed; `WORLD_SEED=n` runs that one alone.

use hobnob_engine::{
    command::{Command, Presence},
    event::Event,
};
use hobnob_shared::text::{Note, Username};
use hobnob_tests::{
    apart::presence,
    devices::{add_device, chat, devices, have_the_same, key, name, send},
    seeds::seeds,
    talk::{befriend, friends},
    world::{NodeIndex, ServerIndex, World, username},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;
const PHONE: NodeIndex = 2;
const NEW: NodeIndex = 3;
const ROSA: ServerIndex = 0;

/// Longer than a vault waits for more changes, with the time to write it.
const VAULT_MS: u64 = 32_000;

/// Alice and Bob, friends with names at a rendezvous, and a conversation.
fn alice_and_bob(seed: u64) -> World {
    let mut world = World::new(seed, 4);
    world.add_server();
    befriend(&mut world, ALICE, BOB);
    world.register(ALICE, ROSA);
    world.register(BOB, ROSA);
    send(&mut world, ALICE, &name(BOB), "before");
    send(&mut world, BOB, &name(ALICE), "answer");
    world.run_for(VAULT_MS);
    world
}

/// The phone logs in.
fn log_in(world: &mut World) {
    world.log_in_bare(PHONE, ROSA, ALICE);
    world.start(PHONE);
    let seed = world.seed;
    assert!(world.run_until(60_000, |world| !friends(world, PHONE).is_empty()), "seed {seed}: no friends");
    world.run_for(VAULT_MS);
}

/// A machine is made from Alice's recovery words, and gives her name another password.
fn restore(world: &mut World) {
    let seed = world.seed;
    world.recover(NEW, ALICE);
    world.use_server(NEW, ROSA);
    let find = Command::Find { name: Username::parse("alice").unwrap(), server: None };
    world.answer(NEW, find).unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
    world.change_password(NEW, ROSA, ALICE);
}

fn warnings(world: &World, node: NodeIndex) -> Vec<&str> {
    let events = world.nodes[node].events.iter();
    let warned = events.filter_map(|event| match event {
        Event::Warning { message, .. } => Some(message.as_str()),
        _ => None,
    });
    warned.collect()
}

/// Whether it was told to anybody that a vault does not open.
fn is_locked_out(world: &World, node: NodeIndex) -> bool {
    warnings(world, node).iter().any(|message| message.contains("does not open here"))
}

fn vault_has_bob(world: &mut World) -> bool {
    world.vault(ROSA, ALICE).contacts.iter().any(|contact| contact.handle == name(BOB))
}

/// A new name for Bob, given by a node, is in the vault soon: it opens there.
fn writes_the_vault(world: &mut World, node: NodeIndex, alias: &str) -> bool {
    let (chat, alias) = (friends(world, node)[0].handle.clone(), hobnob_shared::text::Handle::parse(alias).unwrap());
    world.answer(node, Command::Rename { chat, alias: alias.clone() }).unwrap();
    world.run_until(300_000, |world| world.vault(ROSA, ALICE).contacts.iter().any(|it| it.handle == alias))
}

#[test]
fn the_other_machine_opens_the_vault_after_the_password_was_changed() {
    for seed in seeds(10) {
        let mut world = alice_and_bob(seed);
        log_in(&mut world);
        match seed % 3 {
            0 => {}
            // They meet only afterwards, and the phone finds a vault that it cannot open before.
            1 => world.part(ALICE, PHONE),
            _ => world.crash(PHONE),
        }
        world.change_password(ALICE, ROSA, ALICE);
        if seed % 3 != 2 {
            assert!(writes_the_vault(&mut world, ALICE, "robert"), "seed {seed}: not even where it was changed");
        }
        world.run_for(5_000);
        world.heal();
        world.run_for(120_000);
        assert!(!is_locked_out(&world, ALICE), "seed {seed}");
        world.crash(ALICE);
        assert!(writes_the_vault(&mut world, PHONE, "rob"), "seed {seed}: the phone does not open it");
        if seed % 3 != 1 {
            assert!(!is_locked_out(&world, PHONE), "seed {seed}: {:?}", warnings(&world, PHONE));
        }
    }
}

#[test]
fn a_machine_that_was_linked_and_never_logged_in_is_told_nothing_that_it_can_read() {
    for seed in seeds(4) {
        let mut world = alice_and_bob(seed);
        add_device(&mut world, ALICE, PHONE);
        // A thief has it, who knows the name, and is not able to open the vault.
        world.log_in_with(PHONE, ROSA, ALICE, [9; 32]);
        world.run_for(VAULT_MS);
        world.change_password(ALICE, ROSA, ALICE);
        world.run_for(120_000);
        assert!(world.holds_vault_key(ALICE, ROSA, ALICE), "seed {seed}");
        assert!(!world.holds_vault_key(PHONE, ROSA, ALICE), "seed {seed}");
    }
}

#[test]
fn a_revoked_machine_is_not_told_the_new_key() {
    for seed in seeds(6) {
        let mut world = alice_and_bob(seed);
        log_in(&mut world);
        let phone = devices(&mut world, ALICE).into_iter().find(|device| !device.current).expect("the phone");
        if seed % 2 == 0 {
            world.part(ALICE, PHONE);
        }
        let name = phone.device.to_string();
        let key = key(&world, ALICE);
        world.answer(ALICE, Command::RevokeDevice { name, key }).unwrap();
        world.change_password(ALICE, ROSA, ALICE);
        assert!(writes_the_vault(&mut world, ALICE, "robert"), "seed {seed}");
        world.heal();
        world.run_for(120_000);
        assert!(world.holds_vault_key(ALICE, ROSA, ALICE), "seed {seed}");
        assert!(!world.holds_vault_key(PHONE, ROSA, ALICE), "seed {seed}");
    }
}

#[test]
fn a_machine_made_from_the_recovery_words_finds_the_old_one_and_gets_all_back() {
    for seed in seeds(12) {
        let mut world = alice_and_bob(seed);
        if seed % 3 == 1 {
            // Bob is never there: what was said comes from the old machine.
            world.crash(BOB);
        }
        if seed % 3 == 2 {
            world.crash(ALICE);
        }
        restore(&mut world);
        world.run_for(5_000);
        world.start(ALICE);
        let came = world.run_until(120_000, |world| {
            friends(world, NEW).len() == 1 && have_the_same(world, &vec![(ALICE, name(BOB)), (NEW, name(BOB))])
        });
        assert!(came, "seed {seed}: {:?} {:?}", friends(&mut world, NEW), devices(&mut world, ALICE));
        assert_eq!(chat(&mut world, NEW, &name(BOB)).len(), 2, "seed {seed}");
        assert!(world.run_until(120_000, vault_has_bob), "seed {seed}: the vault has no friends");
        for node in [ALICE, NEW] {
            assert!(!is_locked_out(&world, node), "seed {seed}: {:?}", warnings(&world, node));
        }
        world.crash(NEW);
        assert!(writes_the_vault(&mut world, ALICE, "robert"), "seed {seed}: the old one does not open it");
    }
}

#[test]
fn it_finds_an_old_one_that_nobody_can_dial() {
    for seed in seeds(6) {
        let mut world = alice_and_bob(seed);
        world.crash(BOB);
        world.nodes[ALICE].hidden = true;
        restore(&mut world);
        // The old one asks what is new when it renews its session with the rendezvous.
        let came = world.run_until(3_700_000, |world| {
            friends(world, NEW).len() == 1 && have_the_same(world, &vec![(ALICE, name(BOB)), (NEW, name(BOB))])
        });
        assert!(came, "seed {seed}: {:?}", devices(&mut world, ALICE));
        assert!(world.run_until(120_000, vault_has_bob), "seed {seed}: the vault has no friends");
    }
}

#[test]
fn a_machine_made_from_the_recovery_words_asks_a_friend_again_and_talks_with_them() {
    for seed in seeds(6) {
        let mut world = alice_and_bob(seed);
        world.crash(ALICE);
        restore(&mut world);
        let add = Command::AddName { name: username(BOB), server: None, note: Note::default() };
        world.answer(NEW, add).unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
        let sees = |world: &mut World| presence(world, NEW, &name(BOB)).0 == Presence::Online;
        assert!(
            world.run_until(60_000, sees),
            "seed {seed}: {:#?} {:#?}",
            world.nodes[NEW].events,
            world.nodes[BOB].events.iter().rev().take(6).collect::<Vec<_>>()
        );
        send(&mut world, BOB, &name(ALICE), "who are you?");
        let came = |world: &mut World| chat(world, NEW, &name(BOB)).last().is_some_and(|it| it.text == "who are you?");
        assert!(world.run_until(60_000, came), "seed {seed}: {:?}", chat(&mut world, NEW, &name(BOB)).len());
    }
}
