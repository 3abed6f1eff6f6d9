//! Two engines talk, and look closely at what each shows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use hobnob_shared::text::Reaction;

use crate::{
    command::{Code, Command, DeliveryState, From, MessageKind, MessageRef, Reply, Which},
    event::{Change, Event},
    testing::{ALICE, BOB, World, handle, number, text},
};

#[test]
fn a_message_is_shown_at_both_and_delivered_and_read() {
    let mut world = World::friends(1);
    let sent = world.say(ALICE, "bob", "hello");
    assert_eq!(sent.delivery.unwrap().state, DeliveryState::Queued);
    world.run(100);
    assert_eq!(world.texts(BOB, "alice"), ["hello"]);
    let delivery = world.history(ALICE, "bob")[0].delivery.unwrap();
    assert_eq!((delivery.state, delivery.delivered, delivery.devices), (DeliveryState::Delivered, 1, 1));
    world.ask(BOB, Command::MarkRead { chat: handle("alice") }).unwrap();
    world.run(100);
    assert_eq!(world.history(ALICE, "bob")[0].delivery.unwrap().state, DeliveryState::Read);
    let states: Vec<_> = world.nodes[ALICE]
        .events
        .iter()
        .filter_map(|event| if let Event::MessageState { delivery, .. } = event { Some(delivery.state) } else { None })
        .collect();
    assert_eq!(states, [DeliveryState::Delivered, DeliveryState::Read]);
}

#[test]
fn both_sides_show_one_order() {
    let mut world = World::friends(2);
    for round in 0..20 {
        world.say(ALICE, "bob", &format!("a{round}"));
        world.say(BOB, "alice", &format!("b{round}"));
        world.run(7);
    }
    world.run(1_000);
    let order = world.texts(ALICE, "bob");
    assert_eq!(order.len(), 40);
    assert_eq!(order, world.texts(BOB, "alice"));
}

#[test]
fn what_is_queued_goes_out_once_and_in_order_when_the_friend_returns() {
    let mut world = World::friends(3);
    world.cut = true;
    world.disconnect(BOB);
    world.settle();
    let words: Vec<String> = (0..700).map(|n| format!("m{n}")).collect();
    for word in &words {
        world.say(ALICE, "bob", word);
    }
    let Reply::Outbox { queued, .. } = world.ask(ALICE, Command::Outbox).unwrap() else { panic!("an outbox") };
    assert_eq!(queued.len(), 700);
    assert!(queued[0].why.contains("not reachable"), "{}", queued[0].why);
    let disk = world.nodes[ALICE].disk.clone();
    world.restart(ALICE, disk, false);
    world.cut = false;
    world.run(60_000);
    assert_eq!(world.texts(BOB, "alice"), words);
    let Reply::Outbox { queued, .. } = world.ask(ALICE, Command::Outbox).unwrap() else { panic!("an outbox") };
    assert!(queued.is_empty());
    let shown = world.nodes[BOB].events.iter().filter(|event| matches!(event, Event::Message(_))).count();
    assert_eq!(shown, 700);
}

#[test]
fn edits_deletions_reactions_and_pins_agree_at_both() {
    let mut world = World::friends(4);
    let first = world.say(ALICE, "bob", "first");
    let second = world.say(ALICE, "bob", "second");
    world.run(100);
    world.ask(ALICE, Command::Edit { which: number(first.number), text: text("first, better") }).unwrap();
    world.ask(ALICE, Command::Delete { which: number(second.number) }).unwrap();
    let theirs = world.history(BOB, "alice");
    assert_eq!((theirs[0].text.as_str(), theirs[0].edited), ("first, better", true));
    assert!(theirs[1].deleted && theirs[1].text.is_empty());
    let wave = Reaction::parse("👋").unwrap();
    let which = Which { chat: Some(handle("alice")), message: MessageRef::Last(1) };
    world.ask(BOB, Command::React { which: which.clone(), reaction: Some(wave.clone()) }).unwrap();
    world.ask(BOB, Command::Pin { which, pinned: true }).unwrap();
    world.run(100);
    let ours = world.history(ALICE, "bob");
    assert_eq!(ours[0].reactions, [(wave, vec![From::Friend(handle("bob"))])]);
    assert!(ours[0].pinned);
    let Reply::Info(details) = world.ask(ALICE, Command::Info { which: number(first.number) }).unwrap() else {
        panic!("details")
    };
    assert_eq!(details.history, ["first"]);
}

#[test]
fn only_the_author_edits_and_deletes() {
    let mut world = World::friends(5);
    world.say(ALICE, "bob", "mine");
    world.run(100);
    let theirs = world.history(BOB, "alice")[0].number;
    let edit = Command::Edit { which: number(theirs), text: text("forged") };
    assert_eq!(world.ask(BOB, edit).unwrap_err().code, Code::Conflict);
    assert_eq!(world.ask(BOB, Command::Delete { which: number(theirs) }).unwrap_err().code, Code::Conflict);
    assert_eq!(world.texts(BOB, "alice"), ["mine"]);
}

#[test]
fn a_deleted_message_leaves_no_body_on_either_disk() {
    let mut world = World::friends(6);
    let sent = world.say(ALICE, "bob", "xyzzy-plugh");
    world.ask(ALICE, Command::Edit { which: number(sent.number), text: text("xyzzy-plover") }).unwrap();
    world.run(100);
    world.ask(ALICE, Command::Delete { which: number(sent.number) }).unwrap();
    world.run(100);
    for node in [ALICE, BOB] {
        for (key, row) in &world.nodes[node].disk.0 {
            let holds = row.windows(5).any(|part| part == b"xyzzy");
            assert!(!holds, "{:?} of node {node} still holds the text", key.0);
        }
    }
}

#[test]
fn a_reply_quotes_and_a_forward_says_so() {
    let mut world = World::friends(7);
    world.say(ALICE, "bob", "question?");
    world.run(100);
    let reply_to = Some(MessageRef::LastFrom(handle("alice")));
    let command = Command::Send { chat: handle("alice"), text: text("answer"), reply_to, action: true };
    world.ask(BOB, command).unwrap();
    world.run(100);
    let history = world.history(ALICE, "bob");
    let quote = history[1].reply_to.clone().unwrap();
    assert_eq!(
        (quote.number, quote.from, quote.snippet.as_str()),
        (Some(history[0].number), Some(From::Me), "question?")
    );
    assert_eq!(history[1].kind, MessageKind::Action);
    world.ask(ALICE, Command::Forward { which: number(history[0].number), to: handle("bob") }).unwrap();
    world.run(100);
    assert!(world.history(BOB, "alice")[2].forwarded);
}

#[test]
fn a_reply_to_a_deleted_message_says_so_on_both_sides() {
    let mut world = World::friends(7);
    let asked = world.say(ALICE, "bob", "question?");
    world.run(100);
    let reply_to = Some(MessageRef::LastFrom(handle("alice")));
    world.ask(BOB, Command::Send { chat: handle("alice"), text: text("answer"), reply_to, action: false }).unwrap();
    world.run(100);
    world.ask(ALICE, Command::Delete { which: number(asked.number) }).unwrap();
    world.run(100);
    for (node, chat) in [(ALICE, "bob"), (BOB, "alice")] {
        let quotes: Vec<_> = world.history(node, chat).into_iter().filter_map(|message| message.reply_to).collect();
        assert_eq!(
            quotes.iter().map(|quote| (quote.deleted, quote.snippet.as_str())).collect::<Vec<_>>(),
            [(true, "")]
        );
    }
}

#[test]
fn references_count_back_without_deleted_messages() {
    let mut world = World::friends(8);
    let one = world.say(ALICE, "bob", "one");
    let two = world.say(ALICE, "bob", "two");
    world.ask(ALICE, Command::Delete { which: number(two.number) }).unwrap();
    let last = |back| Which { chat: Some(handle("bob")), message: MessageRef::Last(back) };
    let Reply::Info(found) = world.ask(ALICE, Command::Info { which: last(1) }).unwrap() else { panic!("details") };
    assert_eq!(found.message.number, one.number);
    assert_eq!(world.ask(ALICE, Command::Info { which: last(2) }).unwrap_err().code, Code::NotFound);
    let nowhere = Which { chat: None, message: MessageRef::Last(1) };
    assert_eq!(world.ask(ALICE, Command::Info { which: nowhere }).unwrap_err().code, Code::Usage);
    assert_eq!(world.ask(ALICE, Command::Info { which: number(999) }).unwrap_err().code, Code::NotFound);
}

#[test]
fn history_pages_and_jumps() {
    let mut world = World::friends(9);
    let numbers: Vec<u64> = (0..30).map(|n| world.say(ALICE, "bob", &format!("m{n}")).number).collect();
    let page = Command::History { chat: handle("bob"), limit: 5, before: Some(numbers[20]) };
    let Reply::Messages(page) = world.ask(ALICE, page).unwrap() else { panic!("messages") };
    assert_eq!(page.iter().map(|m| m.number).collect::<Vec<_>>(), numbers[15..20]);
    let jump = Command::Jump { which: number(numbers[10]), context: 2 };
    let Reply::Messages(around) = world.ask(ALICE, jump).unwrap() else { panic!("messages") };
    assert_eq!(around.iter().map(|m| m.number).collect::<Vec<_>>(), numbers[8..13]);
}

#[test]
fn unread_counts_and_next_and_listen_agree() {
    let mut world = World::friends(10);
    world.say(ALICE, "bob", "one");
    world.say(ALICE, "bob", "two");
    world.run(100);
    let Reply::Chats(chats) = world.ask(BOB, Command::Unread).unwrap() else { panic!("chats") };
    assert_eq!((chats.len(), chats[0].unread), (1, 2));
    assert_eq!(world.ask(BOB, Command::Next).unwrap(), Reply::Next(Some(handle("alice"))));
    let Reply::Listening { unread, messages } = world.ask(BOB, Command::Listen { listening: true }).unwrap() else {
        panic!("messages")
    };
    assert_eq!((unread, messages.len()), (2, 2));
    world.say(ALICE, "bob", "three");
    world.run(100);
    world.ask(BOB, Command::Listen { listening: false }).unwrap();
    let Reply::Listening { unread, messages } = world.ask(BOB, Command::Listen { listening: true }).unwrap() else {
        panic!("messages")
    };
    assert_eq!((unread, messages.len()), (3, 0), "what was announced once is not announced again");
    world.ask(BOB, Command::Open { chat: handle("alice"), limit: 10 }).unwrap();
    assert_eq!(world.ask(BOB, Command::Next).unwrap(), Reply::Next(None));
}

#[test]
fn disappearing_messages_go_at_both_and_for_good() {
    let mut world = World::friends(11);
    world.say(ALICE, "bob", "stays");
    world.ask(ALICE, Command::Expire { chat: handle("bob"), after_secs: Some(10) }).unwrap();
    world.say(ALICE, "bob", "goes");
    world.run(100);
    world.say(BOB, "alice", "goes too");
    world.run(100);
    assert_eq!(world.texts(BOB, "alice").len(), 3);
    world.run(11_000);
    for (node, chat) in [(ALICE, "bob"), (BOB, "alice")] {
        assert_eq!(world.texts(node, chat), ["stays"]);
        let gone = world.nodes[node].events.iter();
        let gone = gone.filter(|e| matches!(e, Event::MessageChanged { change: Change::Expired, .. })).count();
        assert_eq!(gone, 2);
    }
    world.ask(ALICE, Command::Expire { chat: handle("bob"), after_secs: None }).unwrap();
    world.say(ALICE, "bob", "stays too");
    world.run(20_000);
    assert_eq!(world.texts(BOB, "alice"), ["stays", "stays too"]);
}

#[test]
fn settings_that_come_late_hold_for_what_is_here_already() {
    let mut world = World::friends(15);
    world.cut = true;
    world.disconnect(BOB);
    world.settle();
    for secs in 1..=20 {
        world.ask(ALICE, Command::Expire { chat: handle("bob"), after_secs: Some(100 + secs) }).unwrap();
    }
    for number in 0..30 {
        world.say(BOB, "alice", &number.to_string());
    }
    assert!(world.history(BOB, "alice").iter().all(|message| message.expires_ms.is_none()));
    world.cut = false;
    world.run(60_000);
    let goes: Vec<_> = world.history(BOB, "alice").iter().map(|message| message.expires_ms.is_some()).collect();
    // Twelve of Alice's twenty are forgotten; her log began one step before or after Bob's.
    assert!(goes.is_sorted() && !goes[0] && goes[13..].iter().all(|goes| *goes), "eight are remembered: {goes:?}");
    assert!(goes[..11].iter().all(|goes| !goes), "and no more: {goes:?}");
    world.run(120_000);
    let left = world.texts(BOB, "alice");
    assert_eq!(left.len(), goes.iter().filter(|goes| !**goes).count());
    assert_eq!(world.texts(ALICE, "bob"), left);
}

#[test]
fn a_message_nobody_has_can_be_withdrawn() {
    let mut world = World::friends(12);
    world.cut = true;
    world.disconnect(BOB);
    world.settle();
    let kept = world.say(ALICE, "bob", "kept");
    let gone = world.say(ALICE, "bob", "gone");
    world.ask(ALICE, Command::OutboxCancel { which: number(gone.number) }).unwrap();
    let Reply::Outbox { queued, .. } = world.ask(ALICE, Command::Outbox).unwrap() else { panic!("an outbox") };
    assert_eq!(queued.iter().map(|queued| queued.message.number).collect::<Vec<_>>(), [kept.number]);
    let Reply::Chats(chats) = world.ask(ALICE, Command::Chats).unwrap() else { panic!("chats") };
    assert_eq!(chats[0].queued, 1);
    world.cut = false;
    world.run(60_000);
    let shown: Vec<_> = world.nodes[BOB].events.iter().filter(|event| matches!(event, Event::Message(_))).collect();
    assert_eq!(shown.len(), 1);
    let Reply::Chats(chats) = world.ask(ALICE, Command::Chats).unwrap() else { panic!("chats") };
    assert_eq!(chats[0].queued, 0);
    assert_eq!(
        world.ask(ALICE, Command::OutboxCancel { which: number(kept.number) }).unwrap_err().code,
        Code::Conflict
    );
}

#[test]
fn typing_is_told_once_in_three_seconds_and_ends() {
    let mut world = World::friends(13);
    for _ in 0..5 {
        world.ask(ALICE, Command::Typing { chat: handle("bob") }).unwrap();
        world.run(100);
    }
    let typing = |world: &World| {
        let events = world.nodes[BOB].events.iter();
        events
            .filter_map(|e| if let Event::Typing { typing, .. } = e { Some(*typing) } else { None })
            .collect::<Vec<_>>()
    };
    assert_eq!(typing(&world), [true]);
    world.run(10_000);
    assert_eq!(typing(&world), [true, false]);
    world.ask(ALICE, Command::Typing { chat: handle("bob") }).unwrap();
    world.say(ALICE, "bob", "typed");
    world.run(10);
    assert_eq!(typing(&world), [true, false, true, false]);
    world.ask(ALICE, Command::Set { key: "typing".into(), value: Some("off".into()) }).unwrap();
    world.ask(ALICE, Command::Typing { chat: handle("bob") }).unwrap();
    assert_eq!(typing(&world).len(), 4);
}

#[test]
fn read_marks_that_are_off_are_neither_told_nor_shown() {
    let mut world = World::friends(14);
    world.ask(BOB, Command::Set { key: "read-marks".into(), value: Some("off".into()) }).unwrap();
    world.say(ALICE, "bob", "seen?");
    world.run(100);
    world.ask(BOB, Command::MarkRead { chat: handle("alice") }).unwrap();
    world.run(100);
    assert_eq!(world.history(ALICE, "bob")[0].delivery.unwrap().state, DeliveryState::Delivered);
}
