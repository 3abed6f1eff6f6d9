//! Worlds in which people have several devices. A failing one prints its seed; `WORLD_SEED=n` runs that one alone.

use std::collections::BTreeSet;

use hobnob_engine::{
    command::{Code, Command, From, Message, Reply, Standing},
    event::Event,
};
use hobnob_shared::{
    id::{EntryId, InviteId},
    identity::{AccountKey, DeviceKeys, Invite},
    text::{Handle, Note},
};
use hobnob_tests::{
    devices::{Ends, add_device, agree, chat, devices, is_everywhere, join, key, link, name, send, who},
    seeds::seeds,
    talk::befriend,
    world::{Faults, NodeIndex, World},
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;
const CAROL: NodeIndex = 2;
const PHONE: NodeIndex = 3;
const TABLET: NodeIndex = 4;
const DESK: NodeIndex = 5;

fn ids(messages: &[Message]) -> Vec<EntryId> {
    messages.iter().map(|message| message.entry).collect()
}

/// Runs until all ends hold the same messages with the same words, and everything is delivered everywhere.
fn settle(world: &mut World, ends: &Ends) {
    world.heal();
    let settled = world.run_until(3_600_000, |world| agree(world, ends));
    if !settled {
        let all: Vec<_> = ends.iter().map(|(node, with)| (*node, chat(world, *node, with).len())).collect();
        let undelivered: Vec<_> = ends
            .iter()
            .flat_map(|(node, with)| chat(world, *node, with).into_iter().map(|message| (*node, message)))
            .filter(|(_, message)| !is_everywhere(message))
            .map(|(node, message)| (node, message.text, message.delivery))
            .collect();
        panic!("seed {}: not settled: {all:?}, undelivered {undelivered:?}", world.seed);
    }
}

fn shown_once(world: &World, node: NodeIndex) {
    let mut seen = BTreeSet::new();
    for event in &world.nodes[node].events {
        if let Event::Message(message) = event {
            assert!(seen.insert(message.entry), "seed {}: node {node} showed a message twice", world.seed);
        }
    }
}

fn done(world: &mut World, node: NodeIndex, command: Command) {
    let seed = world.seed;
    world.answer(node, command).unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
}

#[test]
fn a_linked_device_gets_friends_history_and_what_comes_later() {
    for seed in seeds(30) {
        let mut world = World::new(seed, 4);
        befriend(&mut world, ALICE, BOB);
        befriend(&mut world, ALICE, CAROL);
        send(&mut world, ALICE, &name(BOB), "before");
        world.run_for(1_000);
        send(&mut world, BOB, &name(ALICE), "answer");
        world.run_for(2_000);
        add_device(&mut world, ALICE, PHONE);
        let ends = vec![(ALICE, name(BOB)), (PHONE, name(BOB)), (BOB, name(ALICE))];
        settle(&mut world, &ends);
        send(&mut world, PHONE, &name(BOB), "from the phone");
        world.run_for(2_000);
        send(&mut world, BOB, &name(ALICE), "to both");
        settle(&mut world, &ends);
        let words = |node, with: &Handle, world: &mut World| {
            chat(world, node, with).into_iter().map(|it| it.text).collect::<Vec<_>>()
        };
        assert_eq!(words(PHONE, &name(BOB), &mut world), ["before", "answer", "from the phone", "to both"]);
        let at_alice = chat(&mut world, ALICE, &name(BOB));
        assert_eq!(at_alice[2].from, From::Me, "seed {seed}");
        let sent = chat(&mut world, BOB, &name(ALICE));
        let delivery = sent[3].delivery.unwrap();
        assert_eq!((delivery.delivered, delivery.devices), (2, 2), "seed {seed}");
        let told =
            |event: &Event| matches!(event, Event::FriendNewDevice { device_name, .. } if device_name == "laptop-2");
        assert_eq!(world.nodes[BOB].events.iter().filter(|event| told(event)).count(), 1, "seed {seed}");
        let mine = |event: &Event| matches!(event, Event::DeviceAdded { .. });
        assert_eq!(world.nodes[ALICE].events.iter().filter(|event| mine(event)).count(), 1, "seed {seed}");
        assert_eq!(devices(&mut world, PHONE).len(), 2);
        let told: Vec<_> = world.nodes[PHONE]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Message(message) => Some(message.text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(told, ["from the phone", "to both"], "seed {seed}: history is no news");
        // A friend who was never told: the phone has Carol too.
        send(&mut world, PHONE, &name(CAROL), "hello Carol");
        settle(&mut world, &vec![(ALICE, name(CAROL)), (PHONE, name(CAROL)), (CAROL, name(ALICE))]);
        [ALICE, PHONE, BOB, CAROL].into_iter().for_each(|node| shown_once(&world, node));
    }
}

#[test]
fn friends_marks_and_settings_agree_at_all_devices_whatever_the_order() {
    for seed in seeds(60) {
        let mut world = World::new(seed, 5);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        add_device(&mut world, ALICE, TABLET);
        world.faults = Faults { break_link: 40, delay_ms: 200, ..Faults::default() };
        let mine = [ALICE, PHONE, TABLET];
        for round in 0..20 {
            let node = mine[world.below(3) as usize];
            if round % 5 == 2 {
                world.part(ALICE, PHONE);
            }
            if round % 5 == 4 {
                world.heal();
                world.faults = Faults { break_link: 40, delay_ms: 200, ..Faults::default() };
            }
            let bob = who(&mut world, node).into_keys().next().expect("Bob");
            let on = world.below(2) == 0;
            let command = match world.below(6) {
                0 => Command::Mute { chat: bob, muted: on },
                1 => Command::Verify { chat: bob, verdict: Some(on) },
                2 => {
                    let alias = Handle::parse(format!("bob{}", world.below(3))).unwrap();
                    Command::Rename { chat: bob, alias }
                }
                3 => Command::Set { key: "theme".into(), value: Some(["dark", "light"][usize::from(on)].into()) },
                4 => Command::Set { key: "alias.hi".into(), value: Some(format!("/msg @bob {round}")) },
                _ => Command::Set { key: "bell".into(), value: on.then(|| "off".into()) },
            };
            done(&mut world, node, command);
            let pause = world.below(3_000);
            world.run_for(pause);
        }
        world.heal();
        let settings = |world: &mut World, node| match world.answer(node, Command::Settings { key: None }) {
            Ok(Reply::Settings(settings)) => settings,
            other => panic!("{other:?}"),
        };
        let same = world.run_until(900_000, |world| {
            let all: Vec<_> = mine.iter().map(|node| (who(world, *node), settings(world, *node))).collect();
            all.iter().all(|one| *one == all[0])
        });
        let all: Vec<_> = mine.iter().map(|node| who(&mut world, *node)).collect();
        assert!(same, "seed {seed}: {all:?}");
    }
}

#[test]
fn read_marks_agree() {
    for seed in seeds(30) {
        let mut world = World::new(seed, 4);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        for n in 0..5 {
            send(&mut world, BOB, &name(ALICE), &format!("{n}"));
        }
        let unread = |world: &mut World, node| match world.answer(node, Command::Chats) {
            Ok(Reply::Chats(chats)) => chats.iter().map(|chat| chat.unread).sum::<u64>(),
            other => panic!("{other:?}"),
        };
        assert!(world.run_until(60_000, |world| unread(world, ALICE) == 5 && unread(world, PHONE) == 5), "seed {seed}");
        if seed % 3 == 0 {
            world.part(ALICE, PHONE);
        }
        done(&mut world, PHONE, Command::MarkRead { chat: name(BOB) });
        if seed % 3 == 0 {
            world.run_for(5_000);
            assert_eq!(unread(&mut world, ALICE), 5, "seed {seed}");
            send(&mut world, BOB, &name(ALICE), "one more");
            world.run_for(5_000);
            world.heal();
        }
        let left = u64::from(seed % 3 == 0);
        let read = world.run_until(300_000, |world| unread(world, ALICE) == left);
        assert!(read, "seed {seed}: {} unread", unread(&mut world, ALICE));
        // A device that comes later starts with what was read.
        let told = |event: &Event| matches!(event, Event::ReadElsewhere { unread, .. } if *unread == left);
        assert!(world.nodes[ALICE].events.iter().any(told), "seed {seed}");
    }
}

#[test]
fn a_device_that_a_friend_adds_does_not_make_what_they_have_wait_here() {
    for seed in seeds(10) {
        let mut world = World::new(seed, 5);
        befriend(&mut world, ALICE, BOB);
        for n in 0..5 {
            send(&mut world, ALICE, &name(BOB), &format!("{n}"));
        }
        world.run_for(5_000);
        world.part(ALICE, TABLET);
        add_device(&mut world, BOB, TABLET);
        let is_known = |world: &mut World| {
            let last = chat(world, ALICE, &name(BOB)).pop().and_then(|message| message.delivery).unwrap();
            (last.delivered, last.devices) == (1, 2)
        };
        assert!(world.run_until(120_000, is_known), "seed {seed}");
        let waits =
            |world: &mut World| match (world.answer(ALICE, Command::Outbox), world.answer(ALICE, Command::Chats)) {
                (Ok(Reply::Outbox { queued, missing }), Ok(Reply::Chats(chats))) => {
                    let missing: Vec<_> = missing.into_iter().map(|it| (it.chat, it.count)).collect();
                    (queued.len(), missing, chats[0].queued)
                }
                other => panic!("seed {seed}: {other:?}"),
            };
        assert_eq!(waits(&mut world), (0, vec![(name(BOB), 5)], 0), "seed {seed}");
        world.part(ALICE, BOB);
        world.run_for(60_000);
        send(&mut world, ALICE, &name(BOB), "nobody has this");
        assert_eq!(waits(&mut world), (1, vec![(name(BOB), 5)], 1), "seed {seed}");
        world.nodes[ALICE].events.clear();
        world.heal();
        let is_over = |world: &mut World| chat(world, ALICE, &name(BOB)).iter().all(is_everywhere);
        assert!(world.run_until(3_600_000, is_over), "seed {seed}");
        assert_eq!(waits(&mut world), (0, Vec::new(), 0), "seed {seed}");
        let moved = world.nodes[ALICE].events.iter().filter_map(|event| match event {
            Event::MessageState { number, advances, .. } => Some((*number, *advances)),
            _ => None,
        });
        let (news, old): (Vec<_>, Vec<_>) = moved.partition(|(_, advances)| *advances);
        assert!(!news.is_empty() && news.iter().all(|(number, _)| *number == 6), "seed {seed}: {news:?}");
        assert!(old.len() >= 5, "seed {seed}: the new device is counted, {old:?}");
    }
}

#[test]
fn a_friend_added_on_one_device_is_a_friend_on_all_and_removed_on_all() {
    for seed in seeds(30) {
        let mut world = World::new(seed, 4);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        befriend(&mut world, ALICE, CAROL);
        let is = |world: &mut World, standing| who(world, PHONE).get(&name(CAROL)).map(|it| it.0) == Some(standing);
        assert!(world.run_until(120_000, |world| is(world, Standing::Friend)), "seed {seed}");
        send(&mut world, PHONE, &name(CAROL), "hello");
        let ends = vec![(ALICE, name(CAROL)), (PHONE, name(CAROL)), (CAROL, name(ALICE))];
        settle(&mut world, &ends);
        done(&mut world, PHONE, Command::Remove { chat: name(CAROL) });
        let gone = world.run_until(120_000, |world| !who(world, ALICE).contains_key(&name(CAROL)));
        assert!(gone, "seed {seed}");
        let told = |event: &Event| matches!(event, Event::FriendRemoved(chat) if *chat == name(CAROL));
        assert!(world.nodes[ALICE].events.iter().any(told), "seed {seed}");
        done(&mut world, ALICE, Command::Block { chat: name(BOB) });
        let blocked = |world: &mut World| who(world, PHONE).get(&name(BOB)).map(|it| it.0) == Some(Standing::Blocked);
        assert!(world.run_until(120_000, blocked), "seed {seed}");
        done(&mut world, PHONE, Command::Unblock { chat: name(BOB) });
        let back = |world: &mut World| who(world, ALICE).get(&name(BOB)).map(|it| it.0) == Some(Standing::Friend);
        assert!(world.run_until(120_000, back), "seed {seed}");
        send(&mut world, ALICE, &name(BOB), "again");
        settle(&mut world, &vec![(ALICE, name(BOB)), (PHONE, name(BOB)), (BOB, name(ALICE))]);
    }
}

#[test]
fn three_accounts_with_two_and_three_devices_lose_and_double_nothing() {
    for seed in seeds(40) {
        let mut world = World::new(seed, 6);
        befriend(&mut world, ALICE, BOB);
        befriend(&mut world, ALICE, CAROL);
        add_device(&mut world, ALICE, PHONE);
        add_device(&mut world, ALICE, TABLET);
        add_device(&mut world, BOB, DESK);
        let faults = Faults { break_link: 40, crash: 80, delay_ms: 150, fail_dial: 8, ..Faults::default() };
        world.faults = faults;
        let talks: [(NodeIndex, Handle); 7] = [
            (ALICE, name(BOB)),
            (PHONE, name(BOB)),
            (TABLET, name(BOB)),
            (BOB, name(ALICE)),
            (DESK, name(ALICE)),
            (PHONE, name(CAROL)),
            (CAROL, name(ALICE)),
        ];
        let mut tickets = Vec::new();
        for round in 0..40 {
            let (node, to) = talks[world.below(7) as usize].clone();
            if round % 10 == 3 {
                let (one, other) = (world.below(6) as usize, world.below(6) as usize);
                world.part(one, other);
            }
            if round % 10 == 9 {
                world.heal();
                world.faults = faults;
            }
            let ticket = send(&mut world, node, &to, &format!("{node}:{round}"));
            tickets.push((node, to, ticket));
            let pause = world.below(700);
            world.run_for(pause);
        }
        let bob =
            vec![(ALICE, name(BOB)), (PHONE, name(BOB)), (TABLET, name(BOB)), (BOB, name(ALICE)), (DESK, name(ALICE))];
        let carol = vec![(ALICE, name(CAROL)), (PHONE, name(CAROL)), (TABLET, name(CAROL)), (CAROL, name(ALICE))];
        settle(&mut world, &bob);
        settle(&mut world, &carol);
        let there: BTreeSet<_> =
            [&bob[0], &carol[0]].into_iter().flat_map(|(node, with)| ids(&chat(&mut world, *node, with))).collect();
        for (node, _, ticket) in tickets {
            if let Some(Ok(Reply::Sent(message))) = world.nodes[node].replies.get(&ticket) {
                assert!(there.contains(&message.entry), "seed {seed}: an acknowledged message is gone");
            }
        }
        (0..6).for_each(|node| shown_once(&world, node));
    }
}

#[test]
fn more_history_than_a_day_allows_comes_whole_from_an_own_device() {
    let mut world = World::new(8, 4);
    befriend(&mut world, ALICE, BOB);
    let words = "x".repeat(2_200);
    for round in 0..23 {
        for _ in 0..100 {
            send(&mut world, BOB, &name(ALICE), &words);
        }
        world.run_for(2_000);
        if round == 18 {
            world.run_for(24 * 60 * 60 * 1000);
        }
    }
    add_device(&mut world, ALICE, PHONE);
    world.part(BOB, PHONE);
    let is_whole = |world: &mut World| {
        let there = chat(world, PHONE, &name(BOB));
        there.len() == 2_300 && there.iter().all(|message| message.text == words)
    };
    assert!(world.run_until(60_000, is_whole), "{}", chat(&mut world, PHONE, &name(BOB)).len());
    let warned = |event: &Event| matches!(event, Event::Warning { .. });
    assert!(!world.nodes[PHONE].events.iter().any(warned));
}

#[test]
fn three_hundred_conversations_are_compared_and_agree() {
    let mut world = World::new(7, 4);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for n in 0..300_u16 {
        let invite = Invite {
            account: AccountKey::generate(&mut rng).id(),
            device_x25519: DeviceKeys::generate(&mut rng).x25519_public(),
            addresses: vec![format!("/ip4/192.0.2.1/tcp/{}", 1000 + n)],
            rendezvous: None,
            id: InviteId::new([1; 16]),
            token: Zeroizing::new([2; 16]),
            expiry_ms: u64::MAX,
            flags: 0,
        };
        let handle = Handle::made_up(&invite.account);
        let note = Note::parse("").unwrap();
        done(&mut world, ALICE, Command::Add { invite: Box::new(invite), note });
        done(&mut world, ALICE, Command::Block { chat: handle });
    }
    befriend(&mut world, ALICE, BOB);
    add_device(&mut world, ALICE, PHONE);
    assert_eq!(who(&mut world, PHONE).len(), 301);
    world.part(ALICE, PHONE);
    world.run_for(60_000);
    send(&mut world, ALICE, &name(BOB), "apart");
    done(&mut world, PHONE, Command::Mute { chat: name(BOB), muted: true });
    world.run_for(1_000);
    settle(&mut world, &vec![(ALICE, name(BOB)), (PHONE, name(BOB)), (BOB, name(ALICE))]);
    let same = world.run_until(120_000, |world| who(world, ALICE) == who(world, PHONE));
    assert!(same && who(&mut world, ALICE)[&name(BOB)].2, "Bob is muted at both");
}

#[test]
fn linking_survives_a_crash_at_any_step() {
    for seed in seeds(80) {
        let mut world = World::new(seed, 4);
        befriend(&mut world, ALICE, BOB);
        send(&mut world, BOB, &name(ALICE), "hello");
        world.run_for(1_000);
        let mut invite = link(&mut world, ALICE);
        let who_crashes = if seed % 2 == 0 { ALICE } else { PHONE };
        let ticket = world.ask(PHONE, Command::JoinAccount { invite: Box::new(invite.clone()) });
        let pause = world.below(120);
        world.run_for(pause);
        let first = world.nodes[PHONE].replies.remove(&ticket);
        world.crash(who_crashes);
        world.run_for(500);
        world.start(who_crashes);
        world.run_for(1_000);
        if let Some(Ok(Reply::Joined(joined))) = first.filter(|_| seed % 4 < 2) {
            world.become_device(PHONE, &joined);
        } else {
            // The same link again; where the old device has forgotten the key that it needs, another one.
            for _ in 0..3 {
                match join(&mut world, PHONE, &invite) {
                    Ok(()) => break,
                    Err(refusal) if refusal.code == Code::Conflict => {
                        world.crash(PHONE);
                        world.start(PHONE);
                    }
                    Err(_) => invite = link(&mut world, ALICE),
                }
            }
        }
        let same = world.run_until(120_000, |world| who(world, PHONE) == who(world, ALICE));
        assert!(same, "seed {seed}: {:?}", who(&mut world, PHONE));
        assert_eq!(devices(&mut world, ALICE).len(), 2, "seed {seed}");
        settle(&mut world, &vec![(ALICE, name(BOB)), (PHONE, name(BOB)), (BOB, name(ALICE))]);
    }
}

#[test]
fn a_link_serves_one_machine_and_only_a_fresh_one() {
    let mut world = World::new(1, 5);
    befriend(&mut world, ALICE, BOB);
    let invite = link(&mut world, ALICE);
    let refused = join(&mut world, BOB, &invite).unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{refused}");
    join(&mut world, PHONE, &invite).unwrap();
    world.run_for(1_000);
    let refused = join(&mut world, TABLET, &invite).unwrap_err();
    assert_eq!(refused.code, Code::NotFound, "{refused}");
    assert_eq!(devices(&mut world, ALICE).len(), 2);
    // Nobody becomes a friend with it either.
    let note = Note::parse("").unwrap();
    let add = Command::Add { invite: Box::new(link(&mut world, ALICE)), note };
    assert_eq!(world.answer(CAROL, add).unwrap_err().code, Code::Conflict);
    // It is over after ten minutes.
    let late = link(&mut world, ALICE);
    world.run_for(11 * 60_000);
    assert_eq!(join(&mut world, TABLET, &late).unwrap_err().code, Code::NotFound);
}

fn revoke(world: &mut World, node: NodeIndex, device: &str) {
    let command = Command::RevokeDevice { name: device.into(), key: key(world, ALICE) };
    done(world, node, command);
}

#[test]
fn a_revoked_device_is_told_and_gets_nothing_more() {
    for seed in seeds(40) {
        let mut world = World::new(seed, 5);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        add_device(&mut world, ALICE, TABLET);
        send(&mut world, PHONE, &name(BOB), "from the phone");
        world.run_for(3_000);
        let is_away = seed % 2 == 0;
        if is_away {
            world.crash(PHONE);
        }
        revoke(&mut world, ALICE, "laptop-2");
        world.run_for(5_000);
        send(&mut world, BOB, &name(ALICE), "after");
        world.run_for(5_000);
        world.start(PHONE);
        let told = |world: &mut World| {
            world.nodes[PHONE].events.iter().any(|it| matches!(it, Event::DeviceRevoked { current: true, .. }))
        };
        assert!(world.run_until(120_000, told), "seed {seed}: the phone was not told");
        let refused = world.answer(
            PHONE,
            Command::Send { chat: name(BOB), text: hobnob_tests::talk::text("void"), reply_to: None, action: false },
        );
        assert_eq!(refused.unwrap_err().code, Code::Untrusted, "seed {seed}");
        world.run_for(60_000);
        let at_phone = chat(&mut world, PHONE, &name(BOB));
        assert_eq!(at_phone.len(), 1, "seed {seed}: what is there stays, and nothing comes");
        let ends = vec![(ALICE, name(BOB)), (TABLET, name(BOB)), (BOB, name(ALICE))];
        settle(&mut world, &ends);
        let at_bob = chat(&mut world, BOB, &name(ALICE));
        let words: Vec<_> = at_bob.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(words, ["from the phone", "after"], "seed {seed}");
        assert_eq!(at_bob[1].delivery.unwrap().devices, 2, "seed {seed}");
        assert_eq!(devices(&mut world, TABLET).len(), 2, "seed {seed}");
        // It stays so after a start.
        world.crash(PHONE);
        world.start(PHONE);
        world.run_for(60_000);
        assert_eq!(chat(&mut world, PHONE, &name(BOB)).len(), 1, "seed {seed}");
        // One that is linked later reads what the revoked one wrote.
        add_device(&mut world, ALICE, CAROL);
        settle(&mut world, &vec![(ALICE, name(BOB)), (CAROL, name(BOB)), (BOB, name(ALICE))]);
    }
}

#[test]
fn what_a_revoked_device_wrote_behind_its_end_counts_nowhere() {
    for seed in seeds(60) {
        let mut world = World::new(seed, 6);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        add_device(&mut world, ALICE, TABLET);
        add_device(&mut world, BOB, DESK);
        world.run_for(3_000);
        // Only one device of Bob's hears of what the phone writes now, and answers.
        for node in [ALICE, TABLET, DESK] {
            world.part(PHONE, node);
            world.part(BOB, node);
        }
        send(&mut world, PHONE, &name(BOB), "stolen");
        world.run_for(3_000);
        send(&mut world, BOB, &name(ALICE), "who is this?");
        world.run_for(3_000);
        revoke(&mut world, ALICE, "laptop-2");
        world.run_for(2_000);
        world.heal();
        let ends = vec![(ALICE, name(BOB)), (TABLET, name(BOB)), (BOB, name(ALICE)), (DESK, name(ALICE))];
        settle(&mut world, &ends);
        for (node, with) in &ends {
            let there = chat(&mut world, *node, with);
            let words: Vec<_> = there.iter().filter(|it| !it.deleted).map(|it| it.text.as_str()).collect();
            assert_eq!(words, ["who is this?"], "seed {seed}: node {node}");
        }
    }
}

#[test]
fn revoking_survives_a_crash_at_any_step() {
    for seed in seeds(60) {
        let mut world = World::new(seed, 5);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        add_device(&mut world, ALICE, TABLET);
        let command = Command::RevokeDevice { name: "laptop-2".into(), key: key(&world, ALICE) };
        world.ask(ALICE, command);
        let pause = world.below(60);
        world.run_for(pause);
        world.crash([ALICE, PHONE, BOB][seed as usize % 3]);
        world.run_for(2_000);
        world.heal();
        if devices(&mut world, ALICE).len() == 3 {
            revoke(&mut world, ALICE, "laptop-2");
        }
        send(&mut world, BOB, &name(ALICE), "still there");
        settle(&mut world, &vec![(ALICE, name(BOB)), (TABLET, name(BOB)), (BOB, name(ALICE))]);
        let sent = chat(&mut world, BOB, &name(ALICE));
        assert_eq!(sent[0].delivery.unwrap().devices, 2, "seed {seed}");
        assert_eq!(devices(&mut world, TABLET).len(), 2, "seed {seed}");
    }
}

#[test]
fn a_linked_device_with_an_old_database_catches_up() {
    for seed in seeds(40) {
        let mut world = World::new(seed, 4);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        send(&mut world, PHONE, &name(BOB), "one");
        world.run_for(3_000);
        let backup = world.nodes[PHONE].disk.rows().clone();
        send(&mut world, PHONE, &name(BOB), "two");
        done(&mut world, PHONE, Command::Rename { chat: name(BOB), alias: Handle::parse("bobby").unwrap() });
        world.run_for(3_000);
        world.restore(PHONE, backup);
        if seed % 2 == 0 {
            // It writes before it meets anyone.
            world.part(PHONE, ALICE);
            world.part(PHONE, BOB);
            world.start(PHONE);
            send(&mut world, PHONE, &name(BOB), "alone");
            done(&mut world, PHONE, Command::Mute { chat: name(BOB), muted: true });
            world.run_for(1_000);
        }
        world.heal();
        let bobby = Handle::parse("bobby").unwrap();
        let same = world.run_until(600_000, |world| {
            let all = who(world, PHONE);
            all == who(world, ALICE) && all.contains_key(&bobby)
        });
        assert!(same, "seed {seed}: {:?} {:?}", who(&mut world, PHONE), who(&mut world, ALICE));
        settle(&mut world, &vec![(ALICE, bobby.clone()), (PHONE, bobby), (BOB, name(ALICE))]);
        let words = chat(&mut world, BOB, &name(ALICE)).len();
        assert_eq!(words, 2 + usize::from(seed % 2 == 0), "seed {seed}");
    }
}
