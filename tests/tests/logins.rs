//! Worlds in which a bare machine becomes a device of an account by its name and password, and has nothing of the past yet.
//! A failing one prints its seed; `WORLD_SEED=n` runs that one alone.

use hobnob_engine::{
    command::{Code, Command, Delivery, DeliveryState, MessageRef, Reply, Setting, WaitReason, Which},
    event::Event,
};
use hobnob_shared::{
    limits::{MAX_NICKNAME_BYTES, MAX_NOTE_BYTES, MAX_PAST_RECORDS, MAX_TEXT_BYTES, PREKEY_KEEP_MS, PREKEY_ROTATE_MS},
    text::{Handle, Nickname, Note},
};
use hobnob_tests::{
    apart::outbox,
    devices::{add_device, chat, devices, have_the_same, key, name, send, who},
    seeds::seeds,
    talk::{befriend, friends},
    world::{NodeIndex, ServerIndex, World},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;
const PHONE: NodeIndex = 2;
const TABLET: NodeIndex = 3;
const ROSA: ServerIndex = 0;

/// Longer than a vault waits for more changes, with the time to write it.
const VAULT_MS: u64 = 32_000;

/// Alice and Bob, friends with names at a rendezvous. Phone and tablet are nobody's yet.
fn alice_and_bob(seed: u64) -> World {
    let mut world = World::new(seed, 4);
    world.add_server();
    befriend(&mut world, ALICE, BOB);
    world.register(ALICE, ROSA);
    world.register(BOB, ROSA);
    world
}

fn done(world: &mut World, node: NodeIndex, command: Command) {
    let seed = world.seed;
    world.answer(node, command).unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
}

fn words(world: &mut World, node: NodeIndex, with: &Handle) -> Vec<String> {
    chat(world, node, with).into_iter().map(|message| message.text).collect()
}

fn settings(world: &mut World, node: NodeIndex) -> Vec<Setting> {
    match world.answer(node, Command::Settings { key: None }) {
        Ok(Reply::Settings(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

fn set(world: &mut World, node: NodeIndex, key: &str, value: &str) {
    done(world, node, Command::Set { key: key.into(), value: Some(value.into()) });
}

fn value(world: &mut World, node: NodeIndex, key: &str) -> Option<String> {
    settings(world, node).into_iter().find(|setting| setting.key == key).map(|setting| setting.value)
}

/// A node becomes Alice's, and knows Bob.
fn log_in(world: &mut World, node: NodeIndex) {
    world.log_in_bare(node, ROSA, ALICE);
    world.start(node);
    let seed = world.seed;
    assert!(world.run_until(60_000, |world| !friends(world, node).is_empty()), "seed {seed}: no friends");
}

fn rename(world: &mut World, node: NodeIndex, from: &str, to: &str) {
    let (chat, alias) = (Handle::parse(from).unwrap(), Handle::parse(to).unwrap());
    done(world, node, Command::Rename { chat, alias });
}

#[test]
fn what_a_bare_machine_writes_before_the_history_is_there_stands_below_it() {
    for seed in seeds(6) {
        let mut world = alice_and_bob(seed);
        for n in 0..100 {
            send(&mut world, ALICE, &name(BOB), &format!("{n} of Alice"));
            send(&mut world, BOB, &name(ALICE), &format!("{n} of Bob"));
            world.run_for(100);
        }
        world.run_for(VAULT_MS);
        // As much again, and the vault is not told of it.
        world.crash_server(ROSA);
        for n in 0..50 {
            send(&mut world, BOB, &name(ALICE), &format!("{n} of Bob, later"));
        }
        world.run_for(5_000);
        world.start_server(ROSA);
        world.crash(ALICE);
        world.crash(BOB);
        log_in(&mut world, PHONE);
        send(&mut world, PHONE, &name(BOB), "new one");
        world.run_for(1_000);
        send(&mut world, PHONE, &name(BOB), "new two");
        world.run_for(1_000);
        assert_eq!(words(&mut world, PHONE, &name(BOB)), ["new one", "new two"], "seed {seed}: nothing is there yet");
        // Cut off in between, it is the same.
        world.crash(PHONE);
        world.heal();
        let ends = vec![(ALICE, name(BOB)), (PHONE, name(BOB)), (BOB, name(ALICE))];
        let is_same = |world: &mut World| have_the_same(world, &ends);
        assert!(world.run_until(600_000, is_same), "seed {seed}: they do not agree");
        let all = chat(&mut world, BOB, &name(ALICE));
        let last: Vec<_> = all.iter().rev().take(2).map(|message| message.text.as_str()).collect();
        assert_eq!((all.len(), last), (252, vec!["new two", "new one"]), "seed {seed}");
        // What comes later stands below that, whoever writes it; and history is not marked as late.
        for (node, with) in [(BOB, ALICE), (ALICE, BOB), (PHONE, BOB)] {
            send(&mut world, node, &name(with), &format!("at last from {node}"));
            world.run_for(2_000);
        }
        assert!(world.run_until(600_000, is_same), "seed {seed}: they do not agree at last");
        let last: Vec<_> = words(&mut world, ALICE, &name(BOB)).split_off(252);
        assert_eq!(last, ["at last from 1", "at last from 0", "at last from 2"], "seed {seed}");
        let late = chat(&mut world, PHONE, &name(BOB)).into_iter().filter(|message| message.late).count();
        assert_eq!(late, 0, "seed {seed}");
    }
}

#[test]
fn what_a_bare_machine_decides_before_it_hears_of_the_others_counts_more_than_what_they_decided_before() {
    for seed in seeds(10) {
        let mut world = alice_and_bob(seed);
        // With a second device there is a conversation of Alice's own.
        log_in(&mut world, TABLET);
        world.run_for(5_000);
        for n in 0..30 {
            set(&mut world, ALICE, "alias.hi", &format!("/msg @bob {n}"));
            rename(&mut world, ALICE, ["bob", "bobby"][n % 2], ["bobby", "bob"][n % 2]);
        }
        set(&mut world, ALICE, "theme", "light");
        world.run_for(VAULT_MS);
        [ALICE, TABLET, BOB].into_iter().for_each(|node| world.crash(node));
        world.log_in_bare(PHONE, ROSA, ALICE);
        // Nothing but what the login left is there: no word of the rendezvous, and none of Alice.
        world.crash_server(ROSA);
        world.start(PHONE);
        set(&mut world, PHONE, "theme", "mono");
        world.run_for(1_000);
        world.start_server(ROSA);
        let knows = |world: &mut World| who(world, PHONE).contains_key(&name(BOB));
        assert!(world.run_until(600_000, knows), "seed {seed}: {:?}", who(&mut world, PHONE));
        rename(&mut world, PHONE, "bob", "robert");
        world.run_for(1_000);
        world.heal();
        let robert = Handle::parse("robert").unwrap();
        let same = world.run_until(600_000, |world| {
            who(world, ALICE) == who(world, PHONE)
                && who(world, ALICE).contains_key(&robert)
                && settings(world, ALICE) == settings(world, PHONE)
                && value(world, ALICE, "theme").as_deref() == Some("mono")
                && value(world, ALICE, "alias.hi").as_deref() == Some("/msg @bob 29")
        });
        let both = [ALICE, PHONE].map(|node| (who(&mut world, node), settings(&mut world, node)));
        assert!(same, "seed {seed}: {both:#?}");
    }
}

#[test]
fn what_a_bare_machine_takes_from_an_old_vault_counts_less_than_what_others_decided_since() {
    for seed in seeds(10) {
        let mut world = alice_and_bob(seed);
        // With a second device there is a conversation of Alice's own.
        log_in(&mut world, TABLET);
        set(&mut world, ALICE, "theme", "light");
        world.run_for(VAULT_MS);
        // The vault is not told of this.
        world.crash_server(ROSA);
        world.part(ALICE, TABLET);
        set(&mut world, ALICE, "theme", "mono");
        rename(&mut world, ALICE, "bob", "robert");
        world.run_for(1_000);
        world.crash(ALICE);
        world.crash(TABLET);
        world.start_server(ROSA);
        log_in(&mut world, PHONE);
        assert_eq!(value(&mut world, PHONE, "theme").as_deref(), Some("light"), "seed {seed}: as the vault says");
        world.heal();
        let robert = Handle::parse("robert").unwrap();
        let same = world.run_until(600_000, |world| {
            [ALICE, PHONE].into_iter().all(|node| {
                who(world, node).contains_key(&robert) && value(world, node, "theme").as_deref() == Some("mono")
            })
        });
        let both = [ALICE, PHONE].map(|node| (who(&mut world, node), value(&mut world, node, "theme")));
        assert!(same, "seed {seed}: {both:#?}");
    }
}

#[test]
fn what_a_bare_machine_takes_from_an_old_vault_counts_less_than_what_nobody_was_told_yet() {
    for seed in seeds(10) {
        let mut world = alice_and_bob(seed);
        set(&mut world, ALICE, "theme", "light");
        world.run_for(VAULT_MS);
        // The vault is not told of this, and there is no other device to be told.
        world.crash_server(ROSA);
        set(&mut world, ALICE, "theme", "mono");
        rename(&mut world, ALICE, "bob", "robert");
        world.run_for(1_000);
        world.crash(ALICE);
        world.start_server(ROSA);
        log_in(&mut world, PHONE);
        world.run_for(10_000);
        if seed % 2 == 0 {
            // What they tell each other goes by mail.
            world.part(ALICE, PHONE);
            world.calm();
        } else {
            world.heal();
        }
        let robert = Handle::parse("robert").unwrap();
        let same = |world: &mut World| {
            [ALICE, PHONE].into_iter().all(|node| {
                who(world, node).contains_key(&robert) && value(world, node, "theme").as_deref() == Some("mono")
            })
        };
        // A device that knows no mailbox of another tells it once a day where its own is.
        let is_same = (0..30).any(|_| {
            same(&mut world) || {
                world.run_for(3_600_000);
                false
            }
        });
        let both = [ALICE, PHONE].map(|node| (who(&mut world, node), value(&mut world, node, "theme")));
        assert!(is_same, "seed {seed}: {both:#?}");
    }
}

#[test]
fn what_another_machine_wrote_is_not_queued_here_though_nobody_has_said_yet_that_they_have_it() {
    for seed in seeds(10) {
        let mut world = alice_and_bob(seed);
        send(&mut world, ALICE, &name(BOB), "delivered");
        world.run_for(2_000);
        world.crash(BOB);
        send(&mut world, ALICE, &name(BOB), "kept");
        // Longer than mail waits, so that it is with the rendezvous.
        world.run_for(VAULT_MS);
        log_in(&mut world, PHONE);
        let states = |world: &mut World, node| -> Vec<DeliveryState> {
            chat(world, node, &name(BOB)).into_iter().filter_map(|it| it.delivery).map(|it| it.state).collect()
        };
        let is_there = |world: &mut World| states(world, PHONE).len() == 2;
        assert!(world.run_until(120_000, is_there), "seed {seed}: no history");
        assert_eq!(states(&mut world, PHONE), [DeliveryState::Unknown; 2], "seed {seed}");
        assert_eq!(states(&mut world, ALICE), [DeliveryState::Delivered, DeliveryState::Stored], "seed {seed}");
        assert_eq!(outbox(&mut world, PHONE), [], "seed {seed}");
        assert_eq!(friends(&mut world, PHONE)[0].queued, 0, "seed {seed}");
        // Its own is queued; what is not here cannot be taken back.
        send(&mut world, PHONE, &name(BOB), "of the phone");
        world.run_for(1_000);
        let waits = outbox(&mut world, PHONE);
        assert_eq!((waits.len(), friends(&mut world, PHONE)[0].queued), (1, 1), "seed {seed}");
        assert_eq!(waits[0].message.text, "of the phone", "seed {seed}");
        for (back, text) in [(2, "kept"), (3, "delivered")] {
            let which = Which { chat: Some(name(BOB)), message: MessageRef::Last(back) };
            let refused = world.answer(PHONE, Command::OutboxCancel { which }).unwrap_err();
            assert_eq!(refused.code, Code::Conflict, "seed {seed}: {text}");
            assert!(refused.message.contains("another device of yours"), "seed {seed}: {refused}");
        }
        world.heal();
        let known = |world: &mut World| states(world, PHONE) == [DeliveryState::Delivered; 3];
        assert!(world.run_until(600_000, known), "seed {seed}: {:?}", states(&mut world, PHONE));
    }
}

#[test]
fn a_bare_machine_alone_gets_by_mail_what_was_said_before_and_after() {
    for seed in seeds(8) {
        let mut world = alice_and_bob(seed);
        // The longer one is more than waits for its past at a time.
        for n in 0..if seed % 4 == 3 { 2_500 } else { 300 } {
            send(&mut world, [ALICE, BOB][n % 2], &name([BOB, ALICE][n % 2]), &format!("{n}"));
            world.run_for(20);
        }
        world.run_for(VAULT_MS);
        let before = words(&mut world, BOB, &name(ALICE));
        // Alice's machine is lost with all that is on it, and Bob is never there when the new one is.
        world.crash(ALICE);
        world.part(PHONE, BOB);
        log_in(&mut world, PHONE);
        send(&mut world, BOB, &name(ALICE), "while you were away");
        let mut wanted = before;
        wanted.push("while you were away".to_owned());
        let has_all = |world: &mut World| words(world, PHONE, &name(BOB)) == wanted;
        let came = (0..48).any(|_| {
            has_all(&mut world) || {
                world.run_for(3_600_000);
                false
            }
        });
        let there = words(&mut world, PHONE, &name(BOB)).len();
        assert!(came, "seed {seed}: {there} of {} messages", wanted.len());
        // Each once, and from now on as between any two.
        let more = send_and_wait(&mut world, BOB, ALICE, "at last");
        assert_eq!(more, DeliveryState::Delivered, "seed {seed}");
        assert_eq!(words(&mut world, PHONE, &name(BOB)).len(), wanted.len() + 1, "seed {seed}");
    }
}

/// How far the newest message of a chat gets in a quarter of an hour.
fn send_and_wait(world: &mut World, from: NodeIndex, to: NodeIndex, text: &str) -> DeliveryState {
    send(world, from, &name(to), text);
    world.run_for(900_000);
    let newest = chat(world, from, &name(to)).pop();
    newest.and_then(|message| message.delivery).map_or(DeliveryState::Queued, |it| it.state)
}

#[test]
fn a_friend_who_missed_many_machines_takes_in_the_latest_ones() {
    for seed in seeds(6) {
        let mut world = World::new(seed, 8);
        world.add_server();
        befriend(&mut world, ALICE, BOB);
        world.register(ALICE, ROSA);
        world.register(BOB, ROSA);
        world.run_for(VAULT_MS);
        world.crash(ALICE);
        world.crash(BOB);
        for node in 2..8 {
            log_in(&mut world, node);
            world.run_for(VAULT_MS);
            if node < 7 {
                world.crash(node);
            }
        }
        if seed % 2 == 0 {
            // It does not even meet the last one.
            world.part(7, BOB);
        }
        world.start(BOB);
        let knows = |world: &mut World| friends(world, BOB)[0].devices == 7;
        assert!(world.run_until(3_600_000, knows), "seed {seed}: {:?}", friends(&mut world, BOB));
        send(&mut world, 7, &name(BOB), "of the newest");
        let came = |world: &mut World| words(world, BOB, &name(ALICE)) == ["of the newest"];
        assert!(world.run_until(3_600_000, came), "seed {seed}: {:?}", words(&mut world, BOB, &name(ALICE)));
    }
}

/// How far the newest message of ours in a chat got.
fn delivery(world: &mut World, node: NodeIndex, with: NodeIndex) -> Delivery {
    let mut ours = chat(world, node, &name(with)).into_iter().filter_map(|message| message.delivery);
    ours.next_back().unwrap_or_else(|| panic!("seed {}: nothing was sent", world.seed))
}

fn is_stored(world: &mut World, node: NodeIndex, with: NodeIndex) -> bool {
    delivery(world, node, with).state == DeliveryState::Stored
}

/// Each of them is there for so long, again and again, and never both.
fn take_turns(world: &mut World, nodes: [NodeIndex; 2], ms: u64, done: impl Fn(&mut World, NodeIndex) -> bool) -> bool {
    (0..10).any(|round| {
        let node = nodes[round % 2];
        world.start(node);
        let is_done = world.run_until(ms, |world| done(world, node));
        world.run_for(10_000);
        world.crash(node);
        is_done
    })
}

#[test]
fn a_bare_machine_leaves_mail_for_a_friend_whom_it_never_meets() {
    for seed in seeds(8) {
        let mut world = alice_and_bob(seed);
        let devices: u32 = if seed % 2 == 0 { 1 } else { 2 };
        if devices == 2 {
            add_device(&mut world, BOB, TABLET);
            world.log_in(TABLET, ROSA, BOB);
            world.run_for(10_000);
        }
        world.run_for(VAULT_MS);
        [ALICE, BOB, TABLET].into_iter().for_each(|node| world.crash(node));
        log_in(&mut world, PHONE);
        send(&mut world, PHONE, &name(BOB), "of the phone");
        assert!(world.run_until(60_000, |world| is_stored(world, PHONE, BOB)), "seed {seed}: not left");
        let reason = outbox(&mut world, PHONE)[0].reason;
        // One of his machines may have its copy a moment before the other.
        assert!(matches!(reason, WaitReason::Kept | WaitReason::Leaving), "seed {seed}: {reason:?}");
        world.run_for(5_000);
        assert_eq!(outbox(&mut world, PHONE)[0].reason, WaitReason::Kept, "seed {seed}");
        world.crash(PHONE);

        world.start(BOB);
        let came = |world: &mut World| words(world, BOB, &name(ALICE)) == ["of the phone"];
        assert!(world.run_until(60_000, came), "seed {seed}: {:?}", words(&mut world, BOB, &name(ALICE)));
        let told = |event: &&Event| matches!(event, Event::FriendNewDevice { .. });
        // Only once he has asked whether it is still one of hers.
        world.run_for(5_000);
        assert_eq!(world.nodes[BOB].events.iter().filter(told).count(), 1, "seed {seed}: he is told of the phone");
        send(&mut world, BOB, &name(ALICE), "an answer");
        assert!(world.run_until(60_000, |world| is_stored(world, BOB, ALICE)), "seed {seed}: no answer");
        world.run_for(10_000);
        world.crash(BOB);

        // The second of two devices has not been there.
        world.start(PHONE);
        let known = Delivery { state: DeliveryState::Delivered, delivered: 1, devices };
        let is_known = |world: &mut World| delivery(world, PHONE, BOB) == known;
        assert!(world.run_until(60_000, is_known), "seed {seed}: {:?}", delivery(&mut world, PHONE, BOB));
        world.crash(PHONE);
        let has_both = |world: &mut World, node| {
            let mut words = if node == PHONE { words(world, PHONE, &name(BOB)) } else { Vec::new() };
            words.sort();
            words == ["an answer", "of the phone"]
        };
        assert!(take_turns(&mut world, [PHONE, BOB], 60_000, has_both), "seed {seed}: the answer never came");
    }
}

#[test]
fn mailboxes_made_anew_since_the_vault_was_written_delay_what_a_bare_machine_says_and_lose_nothing() {
    for seed in seeds(8) {
        let mut world = alice_and_bob(seed);
        world.run_for(VAULT_MS);
        world.crash(ALICE);
        for command in [Command::Block { chat: name(ALICE) }, Command::Unblock { chat: name(ALICE) }] {
            done(&mut world, BOB, command);
            world.run_for(10_000);
        }
        world.crash(BOB);
        world.part(PHONE, BOB);
        log_in(&mut world, PHONE);
        send(&mut world, PHONE, &name(BOB), "of the phone");
        world.run_for(60_000);
        assert_eq!(delivery(&mut world, PHONE, BOB).state, DeliveryState::Queued, "seed {seed}");
        let waits = outbox(&mut world, PHONE).remove(0);
        assert_eq!(waits.reason, WaitReason::MailboxGone, "seed {seed}: {}", waits.why);
        assert!(waits.why.contains("once @bob is online together"), "seed {seed}: {}", waits.why);
        world.start(BOB);
        let came = |world: &mut World| words(world, BOB, &name(ALICE)) == ["of the phone"];
        assert!(world.run_until(600_000, came), "seed {seed}: {:?}", outbox(&mut world, PHONE));
        let known = |world: &mut World| delivery(world, PHONE, BOB).state == DeliveryState::Delivered;
        assert!(world.run_until(600_000, known), "seed {seed}");
    }
}

#[test]
fn a_bare_machine_says_that_it_knows_no_mailbox_of_a_friend_who_never_told_of_one() {
    for seed in seeds(4) {
        let mut world = World::new(seed, 3);
        world.add_server();
        befriend(&mut world, ALICE, BOB);
        world.register(ALICE, ROSA);
        world.run_for(VAULT_MS);
        world.crash(ALICE);
        world.crash(BOB);
        log_in(&mut world, PHONE);
        send(&mut world, PHONE, &name(BOB), "of the phone");
        world.run_for(60_000);
        let waits = outbox(&mut world, PHONE).remove(0);
        assert_eq!(waits.reason, WaitReason::NoMailbox, "seed {seed}: {}", waits.why);
        assert!(waits.why.ends_with("is online together with this machine"), "seed {seed}: {}", waits.why);
        world.start(BOB);
        let known = |world: &mut World| delivery(world, PHONE, BOB).state == DeliveryState::Delivered;
        assert!(world.run_until(600_000, known), "seed {seed}");
    }
}

#[test]
fn a_bare_machine_seals_to_a_prekey_of_today_and_not_to_that_of_an_old_vault() {
    for seed in seeds(2) {
        let mut world = alice_and_bob(seed);
        world.run_for(VAULT_MS);
        world.crash(ALICE);
        // Bob replaces the prekey that the vault knows, and erases its secret half.
        for away_ms in [PREKEY_ROTATE_MS, PREKEY_KEEP_MS + PREKEY_ROTATE_MS] {
            world.crash(BOB);
            world.run_for(away_ms);
            world.start(BOB);
            world.run_for(60_000);
        }
        world.crash(BOB);
        log_in(&mut world, PHONE);
        send(&mut world, PHONE, &name(BOB), "of the phone");
        assert!(world.run_until(60_000, |world| is_stored(world, PHONE, BOB)), "seed {seed}: not left");
        world.crash(PHONE);
        world.start(BOB);
        let came = |world: &mut World| words(world, BOB, &name(ALICE)) == ["of the phone"];
        assert!(world.run_until(60_000, came), "seed {seed}: {:?}", words(&mut world, BOB, &name(ALICE)));
    }
}

#[test]
fn the_longest_message_of_a_bare_machine_comes_after_all_that_shows_whose_it_is() {
    for seed in seeds(2) {
        let mut world = World::new(seed, 8);
        world.add_server();
        befriend(&mut world, ALICE, BOB);
        world.register(ALICE, ROSA);
        world.register(BOB, ROSA);
        world.run_for(VAULT_MS);
        for node in 2..7 {
            log_in(&mut world, node);
            world.run_for(VAULT_MS);
            world.crash(node);
        }
        // With so many records of this size there is no room for the message beside them.
        for n in 0..MAX_PAST_RECORDS {
            let nick = Nickname::parse("A".repeat(MAX_NICKNAME_BYTES)).unwrap();
            let bio = Note::parse(format!("{n:0>MAX_NOTE_BYTES$}")).unwrap();
            let key = key(&world, ALICE);
            done(&mut world, ALICE, Command::SetProfile { nick: Some(nick), bio: Some(bio), key });
        }
        world.run_for(VAULT_MS);
        world.crash(ALICE);
        world.crash(BOB);
        log_in(&mut world, 7);
        let long = "x".repeat(MAX_TEXT_BYTES);
        send(&mut world, 7, &name(BOB), &long);
        assert!(world.run_until(60_000, |world| is_stored(world, 7, BOB)), "seed {seed}: not left");
        world.crash(7);
        world.start(BOB);
        let with = friends(&mut world, BOB)[0].handle.clone();
        let came = |world: &mut World| words(world, BOB, &with) == [long.as_str()];
        assert!(world.run_until(60_000, came), "seed {seed}: it was refused");
    }
}

#[test]
fn a_new_device_that_was_revoked_before_friends_heard_of_it_is_no_news_to_them() {
    for seed in seeds(12) {
        let mut world = alice_and_bob(seed);
        world.run_for(VAULT_MS);
        world.crash(BOB);
        log_in(&mut world, PHONE);
        if seed % 2 == 0 {
            send(&mut world, PHONE, &name(BOB), "of the phone");
            assert!(world.run_until(60_000, |world| is_stored(world, PHONE, BOB)), "seed {seed}: not left");
        }
        world.run_for(60_000);
        let phone = devices(&mut world, ALICE).into_iter().find(|device| !device.current).expect("the phone");
        let command = Command::RevokeDevice { name: phone.device.to_string(), key: key(&world, ALICE) };
        done(&mut world, ALICE, command);
        world.run_for(60_000);
        if seed % 3 == 0 {
            world.crash(ALICE);
        }
        let before = world.nodes[BOB].events.len();
        world.start(BOB);
        world.run_for(120_000);
        let told = |event: &&Event| matches!(event, Event::FriendNewDevice { .. });
        let events = world.nodes[BOB].events.get(before..).unwrap_or(&world.nodes[BOB].events);
        assert_eq!(events.iter().find(told), None, "seed {seed}");
    }
}
