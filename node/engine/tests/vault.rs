//! The vault: what it holds, how several machines share it, and what happens when it is set back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, device, handle, person, rosa};
use hobnob_engine::{
    command::{Command, Reply, Standing},
    event::Event,
};
use hobnob_shared::{
    identity::{AccountRecord, Identity},
    limits::HEIGHT_STEP,
    text::{MessageText, Note, Username},
    vault::Height,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use rand_core::Rng as _;

/// Longer than a vault waits for more changes, with the time to write it.
const SETTLED_MS: u64 = 32_000;
const DAY_MS: u64 = 86_400_000;

fn warnings(world: &mut World, node: usize) -> Vec<String> {
    let events = world.events(node).into_iter();
    let warnings = events.filter_map(|event| match event {
        Event::Warning { message, .. } => Some(message),
        _ => None,
    });
    warnings.collect()
}

fn handles(world: &mut World, text: &str) -> Vec<String> {
    let (_, content) = world.vault(0, text);
    content.contacts.iter().map(|contact| contact.handle.as_str().to_owned()).collect()
}

/// Alice, with a name, and Bob, her friend.
fn alice_and_bob() -> World {
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    world.register(0, "alice");
    world.befriend(0, 1);
    world
}

/// Another machine of Alice's, certified, as a login on a bare machine leaves it.
fn second_machine(world: &mut World) -> usize {
    let (key, _) = person("Alice", 0);
    let first = world.nodes[0].identity.clone();
    let fresh = device(&key, "Alice", 500);
    let before = first.record.verify().unwrap();
    let record = key.sign_record(&AccountRecord {
        seq: before.seq + 1,
        prev: Some(first.record.hash()),
        devices: vec![first.certificate.hash(), fresh.certificate.hash()],
        ..before
    });
    let alice = key.id();
    let (payload, _) = world.rosa().accounts.get_mut(&alice).unwrap();
    payload.records = vec![record.clone()];
    payload.certificates = vec![first.certificate, fresh.certificate.clone()];
    let node = world.join(Identity { record, ..fresh }, None);
    world.use_rosa(node);
    world.log_in(node, "alice");
    node
}

#[test]
fn friends_are_in_the_vault_half_a_minute_after_they_became_friends() {
    let mut world = alice_and_bob();
    let before = world.vault(0, "alice").0;
    world.pass(SETTLED_MS);
    let (seq, content) = world.vault(0, "alice");
    assert_eq!(seq, before + 1, "written once");
    assert_eq!(content.contacts.len(), 1);
    assert_eq!((content.contacts[0].handle.as_str(), content.contacts[0].account), ("bob", world.account(1)));
    assert_eq!(content.account.id(), world.account(0), "the account's key stays in it");
    assert_eq!(content.record.unwrap(), world.nodes[0].identity.record);

    world.pass(600_000);
    assert_eq!(world.vault(0, "alice").0, seq, "nothing changed, nothing is written");
    world.ask(0, Command::Rename { chat: handle("bob"), alias: handle("robert") }).unwrap();
    world.pass(SETTLED_MS);
    assert_eq!(handles(&mut world, "alice"), ["robert"]);
    world.ask(0, Command::Remove { chat: handle("robert") }).unwrap();
    world.pass(SETTLED_MS);
    assert_eq!(handles(&mut world, "alice"), [""; 0]);
}

#[test]
fn another_machine_has_the_friends_and_settings_of_the_vault_and_reaches_them() {
    let mut world = alice_and_bob();
    world.ask(0, Command::Verify { chat: handle("bob"), verdict: Some(true) }).unwrap();
    world.ask(0, Command::Set { key: "clock".to_owned(), value: Some("12h".to_owned()) }).unwrap();
    world.pass(SETTLED_MS);
    let tablet = second_machine(&mut world);
    world.pass(10_000);
    let bob = world.friend(tablet, "bob");
    assert_eq!((bob.standing, bob.verified, bob.account), (Standing::Friend, true, world.account(1)));
    let Ok(Reply::Settings(clock)) = world.ask(tablet, Command::Settings { key: Some("clock".to_owned()) }) else {
        panic!()
    };
    assert_eq!(clock[0].value, "12h");
    assert_eq!(world.peers(tablet, 1), 1, "at the place that the vault names");
}

#[test]
fn what_two_machines_write_at_once_is_united() {
    let mut world = alice_and_bob();
    for person_index in [2, 3] {
        let (_, identity) = person(["Carol", "Dave"][person_index - 2], 20 + person_index as u64);
        world.join(identity, None);
    }
    world.pass(SETTLED_MS);
    let tablet = second_machine(&mut world);
    world.pass(10_000);
    world.befriend(0, 2);
    world.befriend(tablet, 3);
    world.pass(2 * SETTLED_MS);
    assert_eq!(handles(&mut world, "alice").len(), 3, "{:?}", handles(&mut world, "alice"));
}

#[test]
fn a_vault_that_was_set_back_is_a_loud_warning_and_is_written_again() {
    let mut world = alice_and_bob();
    let alice = world.account(0);
    let old = world.rosa().vaults[&alice].clone();
    world.pass(SETTLED_MS);
    let (seq, _) = world.vault(0, "alice");
    assert!(seq > old.0);
    world.stop_rosa();
    world.rosa().vaults.insert(alice, old);
    world.rosa().is_away = false;
    world.events(0);
    world.pass(10_000);
    let warned = warnings(&mut world, 0);
    assert!(warned.iter().any(|it| it.contains("set back")), "{warned:?}");
    assert_eq!(handles(&mut world, "alice"), ["bob"]);
}

#[test]
fn a_vault_under_another_password_is_told_and_left_alone() {
    let mut world = alice_and_bob();
    let alice = world.account(0);
    world.pass(SETTLED_MS);
    let (seq, content) = world.vault(0, "alice");
    let other = hobnob_shared::vault::VaultKey::from_bytes(&zeroize::Zeroizing::new([6; 32]));
    let name = Username::parse("alice").unwrap();
    let sealed = other.seal(&content, &name, seq + 1, &mut world.rosa().rng).unwrap();
    world.rosa().vaults.insert(alice, (seq + 1, sealed.clone()));
    world.events(0);
    world.ask(0, Command::Mute { chat: handle("bob"), muted: true }).unwrap();
    world.ask(0, Command::Rename { chat: handle("bob"), alias: handle("robert") }).unwrap();
    world.pass(2 * SETTLED_MS);
    let warned = warnings(&mut world, 0);
    assert_eq!(warned.iter().filter(|it| it.contains("does not open here")).count(), 1, "{warned:?}");
    assert_eq!(world.rosa().vaults[&alice], (seq + 1, sealed));
}

fn say(world: &mut World, node: usize, to: &str) {
    let text = MessageText::parse("hi").unwrap();
    world.ask(node, Command::Send { chat: handle(to), text, reply_to: None, action: false }).unwrap();
}

#[test]
fn the_vault_tells_how_high_a_conversation_is_and_changes_once_in_a_thousand_messages() {
    let mut world = alice_and_bob();
    world.pass(SETTLED_MS);
    let height = |world: &mut World| {
        let (seq, content) = world.vault(0, "alice");
        (seq, content.contacts[0].height.lamport())
    };
    let (seq, first) = height(&mut world);
    assert_eq!(first, 2 * HEIGHT_STEP, "above the two words that made them friends");
    let mut changes = Vec::new();
    for _ in 0..30 {
        (0..100).for_each(|_| say(&mut world, 0, "bob"));
        world.pass(SETTLED_MS);
        changes.push(height(&mut world));
    }
    changes.dedup();
    let expected = [(seq, 2), (seq + 1, 3), (seq + 2, 4)].map(|(seq, steps)| (seq, steps * HEIGHT_STEP));
    assert_eq!(changes, expected);
}

#[test]
fn a_height_that_another_device_knows_is_kept_and_begun_above() {
    let mut world = alice_and_bob();
    world.pass(SETTLED_MS);
    let (seq, mut content) = world.vault(0, "alice");
    content.contacts[0].height = Height::above(50_000);
    content.height = Height::above(7_000);
    let (alice, name) = (world.account(0), Username::parse("alice").unwrap());
    let sealed = rosa::vault_key().seal(&content, &name, seq + 1, &mut world.rosa().rng).unwrap();
    world.rosa().vaults.insert(alice, (seq + 1, sealed));
    world.ask(0, Command::Rename { chat: handle("bob"), alias: handle("robert") }).unwrap();
    world.pass(SETTLED_MS);
    let (written, merged) = world.vault(0, "alice");
    assert_eq!((written, merged.contacts[0].handle.as_str()), (seq + 2, "robert"));
    assert_eq!((merged.height, merged.contacts[0].height), (content.height, content.contacts[0].height));

    // A second machine of hers begins above it, with Bob and with the first machine.
    let tablet = second_machine(&mut world);
    world.pass(10_000);
    say(&mut world, tablet, "robert");
    world.pass(2 * SETTLED_MS);
    let (_, grown) = world.vault(0, "alice");
    assert_eq!(grown.contacts[0].height, Height::above(content.contacts[0].height.lamport() + 2));
    assert_eq!(grown.height, Height::above(content.height.lamport() + 1));
}

/// The number of the vault, and what of mail to Bob is in it: mailboxes, and when the prekey ends.
fn mail_to_bob(world: &mut World) -> (u64, Option<(usize, u64)>) {
    let (seq, content) = world.vault(0, "alice");
    let mail = content.contacts[0].mail.as_ref();
    let devices = mail.map(|mail| mail.devices.as_slice()).unwrap_or_default();
    (seq, devices.first().map(|device| (device.tickets.len(), device.prekeys[0].expiry_ms)))
}

#[test]
fn mailboxes_of_a_friend_make_the_vault_due_and_prekeys_go_along_once_a_week() {
    let mut world = alice_and_bob();
    world.pass(SETTLED_MS);
    let (seq, mail) = mail_to_bob(&mut world);
    assert_eq!(mail, None, "Bob has no mailbox yet");
    world.register(1, "bob");
    world.pass(2 * SETTLED_MS);
    let (first, mail) = mail_to_bob(&mut world);
    let (tickets, expiry_ms) = mail.expect("Bob told where his mail goes");
    assert_eq!((first, tickets), (seq + 1, 1), "written once");
    // Bob makes a prekey every day, and tells it.
    world.pass(15 * DAY_MS);
    let (last, mail) = mail_to_bob(&mut world);
    let writes = last - first;
    assert!((1..=3).contains(&writes), "{writes} times in two weeks");
    let younger_ms = mail.map(|(_, at)| at).unwrap().saturating_sub(expiry_ms);
    assert!(younger_ms >= 7 * DAY_MS, "{younger_ms} ms");
}

#[test]
fn what_another_device_knows_of_mailboxes_is_united_with_what_is_known_here_and_the_newer_counts() {
    let mut world = alice_and_bob();
    world.register(1, "bob");
    world.pass(2 * SETTLED_MS);
    let (seq, content) = world.vault(0, "alice");
    let ours = content.contacts[0].mail.clone().expect("Bob told where his mail goes").devices;
    for (newer, number) in [(false, seq + 1), (true, seq + 3)] {
        let (_, mut content) = world.vault(0, "alice");
        let told = &mut content.contacts[0].mail.as_mut().unwrap().devices[0];
        told.seq = if newer { u64::MAX } else { 1 };
        told.tickets[0].mailbox = [7; 16];
        let (alice, name) = (world.account(0), Username::parse("alice").unwrap());
        let sealed = rosa::vault_key().seal(&content, &name, number, &mut world.rosa().rng).unwrap();
        world.rosa().vaults.insert(alice, (number, sealed));
        let alias = handle(if newer { "robert" } else { "bobby" });
        let chat = handle(if newer { "bobby" } else { "bob" });
        world.ask(0, Command::Rename { chat, alias }).unwrap();
        world.pass(SETTLED_MS);
        let (written, content) = world.vault(0, "alice");
        let mailbox = content.contacts[0].mail.as_ref().unwrap().devices[0].tickets[0].mailbox;
        assert_eq!(written, number + 1);
        assert_eq!(mailbox == [7; 16], newer, "the newer counts");
        assert_eq!(mailbox == ours[0].tickets[0].mailbox, !newer);
    }
}

/// Alice asks for Bob by his name, he accepts, and both vaults know of it, while Rosa comes and goes and so do they.
fn through_storms(seed: u64) -> bool {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    world.register(0, "alice");
    world.register(1, "bob");
    world.pass(1_000);
    let (mut is_asked, mut is_accepted) = (false, false);
    for _ in 0..40 {
        match rng.next_u32() % 6 {
            0 => world.stop_rosa(),
            1 | 2 => world.rosa().is_away = false,
            3 => {
                let node = (rng.next_u32() % 2) as usize;
                world.rosa().links.retain(|_, link| link.node != node);
                world.stop(node);
                world.start(node);
            }
            4 if !is_asked => {
                let command =
                    Command::AddName { name: Username::parse("bob").unwrap(), server: None, note: Note::default() };
                let ticket = world.call(0, command);
                world.pass(20_000);
                is_asked = world.answer(0, ticket).expect("an answer, whatever happens").is_ok();
            }
            _ if !is_accepted => is_accepted = world.ask(1, Command::Accept { number: 1 }).is_ok(),
            _ => {}
        }
        world.pass(u64::from(rng.next_u32()) % 90_000);
    }
    world.rosa().is_away = false;
    world.pass(600_000);
    if !is_asked {
        return false; // Rosa was away each time
    }
    if !is_accepted {
        world.ask(1, Command::Accept { number: 1 }).unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
    }
    world.pass(900_000);
    for (node, friend) in [(0, "bob"), (1, "alice")] {
        let friends = world.friend_list(node);
        assert_eq!(friends.len(), 1, "seed {seed}");
        assert_eq!(friends[0].standing, Standing::Friend, "seed {seed}: {friend}");
        let own = ["alice", "bob"][node];
        assert_eq!(world.vault(node, own).1.contacts.len(), 1, "seed {seed}: the vault of {own}");
    }
    assert_eq!(world.rosa().knocks.len(), 0, "seed {seed}: nothing waits");
    true
}

#[test]
fn a_rendezvous_that_comes_and_goes_loses_no_request_and_no_vault() {
    let asked = (0..60).filter(|seed| through_storms(*seed)).count();
    assert!(asked > 40, "a request went out in {asked} worlds only");
}
