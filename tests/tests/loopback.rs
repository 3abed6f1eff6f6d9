//! Real nodes in one process, over real sockets and real files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hobnob::{
    api::{
        Code, Command, DeliveryState, DiskGate, Event, InviteTerms, Message, Node, Reply, Standing, StartError,
        StartOptions,
    },
    profile::{self, OpenedProfile, ProfileError},
};
use hobnob_shared::text::{Handle, Nickname, Note};
use hobnob_tests::nodes::{DEADLINE, Person, befriend};
use tempfile::TempDir;

const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

/// Everything in the chat with `friend`, oldest first.
async fn history(at: &Person, friend: &Handle) -> Vec<Message> {
    match at.node.ask(Command::History { chat: friend.clone(), limit: 10_000, before: None }).await {
        Ok(Reply::Messages(messages)) => messages,
        other => panic!("{other:?}"),
    }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

/// Sends, and answers the message's number.
async fn send(from: &Person, to: &Handle, words: &str) -> u64 {
    let text = hobnob_shared::text::MessageText::parse(words).unwrap();
    match from.node.ask(Command::Send { chat: to.clone(), text, reply_to: None, action: false }).await {
        Ok(Reply::Sent(message)) => message.number,
        other => panic!("{other:?}"),
    }
}

/// Waits until message `number` of `from` has got as far as `state`.
async fn reaches(from: &mut Person, to: &Handle, number: u64, state: DeliveryState) {
    let far_enough = |message: &Message| {
        message.number == number && message.delivery.as_ref().is_some_and(|delivery| delivery.state >= state)
    };
    if history(from, to).await.iter().any(far_enough) {
        return;
    }
    from.until(|event| match event {
        Event::MessageState { number: n, delivery, .. } => (*n == number && delivery.state >= state).then_some(()),
        _ => None,
    })
    .await;
}

async fn pair() -> (Person, Person) {
    let (mut alice, mut bob) = (Person::new("alice").await, Person::new("bob").await);
    befriend(&mut alice, &mut bob).await;
    (alice, bob)
}

fn new_profile(name: &str) -> (TempDir, OpenedProfile) {
    let dir = tempfile::tempdir().unwrap();
    profile::create(dir.path(), &Nickname::parse(name).unwrap(), None).unwrap();
    let opened = OpenedProfile::open(dir.path(), None).unwrap();
    (dir, opened)
}

fn options(profile: OpenedProfile) -> StartOptions {
    StartOptions { mdns: false, ..StartOptions::new(profile, vec![LOOPBACK.to_owned()]) }
}

async fn listening(node: &Node) -> Vec<String> {
    match node.ask(Command::WhoAmI).await {
        Ok(Reply::WhoAmI(me)) => me.listen,
        other => panic!("{other:?}"),
    }
}

/// A person whose disk refuses while the switch is on.
async fn with_switch(name: &str) -> (Person, Arc<AtomicBool>) {
    let (dir, profile) = new_profile(name);
    let refuses = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&refuses);
    let full = move || if asked.load(Ordering::SeqCst) { Err("the disk is full".to_owned()) } else { Ok(()) };
    let node =
        Node::start(StartOptions { disk_gate: Some(DiskGate(Arc::new(full))), ..options(profile) }).await.unwrap();
    let events = node.events();
    (Person { handle: Handle::parse(name).unwrap(), node, events, dir }, refuses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn friends_by_invite_chat_both_ways() {
    let (mut alice, mut bob) = pair().await;
    let hello = send(&alice, &bob.handle, "hello bob").await;
    bob.hears("hello bob").await;
    send(&bob, &alice.handle, "你好 👋").await;
    alice.hears("你好 👋").await;
    reaches(&mut alice, &bob.handle.clone(), hello, DeliveryState::Delivered).await;
    bob.node.ask(Command::Open { chat: alice.handle.clone(), limit: 10 }).await.unwrap();
    reaches(&mut alice, &bob.handle.clone(), hello, DeliveryState::Read).await;
    let (a, b) = (history(&alice, &bob.handle).await, history(&bob, &alice.handle).await);
    assert_eq!(texts(&a), ["hello bob", "你好 👋"]);
    assert_eq!(a.iter().map(|m| m.entry).collect::<Vec<_>>(), b.iter().map(|m| m.entry).collect::<Vec<_>>());
    alice.node.shutdown().await;
    bob.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invite_that_asks_first_waits_for_accept() {
    let (mut alice, mut bob) = (Person::new("alice").await, Person::new("bob").await);
    let terms = InviteTerms { uses: 1, lifetime_secs: 3600, auto_accept: false };
    let Ok(Reply::Invite { link, local_only }) = alice.node.ask(Command::CreateInvite(terms)).await else { panic!() };
    assert!(local_only, "loopback reaches nobody else");
    let note = Note::parse("it is me").unwrap();
    let Ok(Reply::Friend(friend)) = bob.node.ask(Command::Add { invite: Box::new(link.parse().unwrap()), note }).await
    else {
        panic!()
    };
    assert_eq!(friend.standing, Standing::Pending);
    let request = alice
        .until(|event| if let Event::FriendRequested(request) = event { Some(request.clone()) } else { None })
        .await;
    assert_eq!((request.number, request.note.as_str(), request.nick.as_str()), (1, "it is me", "bob"));
    alice.node.ask(Command::Accept { number: 1 }).await.unwrap();
    bob.until(|event| matches!(event, Event::FriendAdded(_)).then_some(())).await;
    send(&alice, &bob.handle, "welcome").await;
    bob.hears("welcome").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_while_the_friend_is_away_arrives_later_once_and_in_order() {
    let (mut alice, bob) = pair().await;
    let Person { handle, node, dir, .. } = bob;
    node.shutdown().await;
    let mut last = 0;
    for n in 0..50 {
        last = send(&alice, &handle, &format!("away {n}")).await;
    }
    let Ok(Reply::Outbox { queued, .. }) = alice.node.ask(Command::Outbox).await else { panic!() };
    assert_eq!(queued.len(), 50);
    // Alice restarts too: what is queued is on disk.
    alice = alice.restart().await;
    let Ok(Reply::Outbox { queued, .. }) = alice.node.ask(Command::Outbox).await else { panic!() };
    assert_eq!(queued.len(), 50);
    let bob = Person::start(handle.clone(), dir).await;
    reaches(&mut alice, &handle, last, DeliveryState::Delivered).await;
    let expected: Vec<_> = (0..50).map(|n| format!("away {n}")).collect();
    assert_eq!(texts(&history(&bob, &alice.handle).await), expected);
    assert_eq!(texts(&history(&alice, &handle).await), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_the_middle_of_a_flood_loses_and_repeats_nothing() {
    let (mut alice, bob) = pair().await;
    let sending = {
        let (node, chat) = (alice.node.clone(), bob.handle.clone());
        tokio::spawn(async move {
            for n in 0..400 {
                let text = hobnob_shared::text::MessageText::parse(format!("flood {n}")).unwrap();
                node.ask(Command::Send { chat: chat.clone(), text, reply_to: None, action: false }).await.unwrap();
            }
        })
    };
    let mut bob = bob;
    for stop in ["flood 20", "flood 150"] {
        bob.hears(stop).await;
        bob = bob.restart().await;
        // What came while it was going down is on disk and will not be told again.
        if !texts(&history(&bob, &alice.handle).await).contains(&"flood 150") && stop == "flood 150" {
            bob.hears("flood 150").await;
        }
    }
    sending.await.unwrap();
    let newest = history(&alice, &bob.handle).await.last().unwrap().number;
    reaches(&mut alice, &bob.handle.clone(), newest, DeliveryState::Delivered).await;
    let expected: Vec<_> = (0..400).map(|n| format!("flood {n}")).collect();
    assert_eq!(texts(&history(&bob, &alice.handle).await), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_refuses_makes_the_node_read_only_until_it_is_well() {
    let (mut alice, refuses) = with_switch("alice").await;
    let mut bob = Person::new("bob").await;
    befriend(&mut alice, &mut bob).await;
    send(&alice, &bob.handle, "before").await;
    bob.hears("before").await;

    refuses.store(true, Ordering::SeqCst);
    let refused = alice.say(&bob, "lost?").await.unwrap_err();
    assert_eq!(refused.code, Code::NotSaved, "{refused}");
    assert!(refused.message.contains("the disk is full"), "{refused}");
    alice.until(|event| matches!(event, Event::NotSaved { .. }).then_some(())).await;
    // What is there can be read, and what is new is refused, again and again.
    assert_eq!(texts(&history(&alice, &bob.handle).await), ["before"]);
    assert_eq!(alice.say(&bob, "still?").await.unwrap_err().code, Code::NotSaved);
    // A friend's message cannot be taken either, so it stays queued there.
    let waiting = send(&bob, &alice.handle, "are you there?").await;

    refuses.store(false, Ordering::SeqCst);
    alice.until(|event| matches!(event, Event::Saved).then_some(())).await;
    send(&alice, &bob.handle, "after").await;
    bob.hears("after").await;
    reaches(&mut bob, &alice.handle.clone(), waiting, DeliveryState::Delivered).await;
    let mut got = history(&bob, &alice.handle).await;
    got.sort_by_key(|message| message.number);
    assert_eq!(texts(&got), ["before", "are you there?", "after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_on_a_full_disk_shows_what_it_has() {
    let (mut alice, bob) = pair().await;
    send(&bob, &alice.handle, "kept").await;
    alice.hears("kept").await;
    let Person { node, dir, .. } = alice;
    node.shutdown().await;
    let profile = OpenedProfile::open(&dir.path().join("profile"), None).unwrap();
    let full = || Err("the disk is full".to_owned());
    let node =
        Node::start(StartOptions { disk_gate: Some(DiskGate(Arc::new(full))), ..options(profile) }).await.unwrap();
    let asked = node.ask(Command::History { chat: bob.handle.clone(), limit: 10, before: None }).await;
    let Ok(Reply::Messages(messages)) = asked else { panic!("{asked:?}") };
    assert_eq!(texts(&messages), ["kept"]);
    node.shutdown().await;
    bob.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_thread_refuses_its_callers_instead_of_hanging_them() {
    let (dir, profile) = new_profile("alice");
    let armed = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&armed);
    let gate =
        DiskGate(Arc::new(move || if asked.load(Ordering::SeqCst) { panic!("broken on purpose") } else { Ok(()) }));
    let node = Node::start(StartOptions { disk_gate: Some(gate), ..options(profile) }).await.unwrap();
    let mut events = node.events();
    armed.store(true, Ordering::SeqCst);
    let set = || Command::Set { key: "alias.x".into(), value: Some("/help".into()) };
    let refused = tokio::time::timeout(DEADLINE, node.ask(set())).await.unwrap().unwrap_err();
    assert_eq!(refused.code, Code::Internal);
    node.ended().await;
    assert_eq!(node.ask(Command::WhoAmI).await.unwrap_err().code, Code::Internal);
    while tokio::time::timeout(DEADLINE, events.next()).await.unwrap().is_some() {}
    node.shutdown().await;
    // The profile is free and whole again.
    drop(OpenedProfile::open(dir.path(), None).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_sleeps_is_told_how_much_it_missed() {
    let (_dir, profile) = new_profile("alice");
    let node = Node::start(options(profile)).await.unwrap();
    let mut sleeper = node.events();
    let mut answers = Vec::new();
    for n in 0..5000 {
        let command = Command::Set { key: "alias.x".into(), value: Some(format!("/help {n}")) };
        answers.push(node.submit(command).await);
    }
    for answer in answers {
        answer.await.unwrap();
    }
    // The last events follow the last answer, so more may be missed while the first word about it is read.
    let (mut missed, mut next) = (0, sleeper.next().await);
    while let Some(Event::Missed(more)) = next {
        missed += more;
        next = sleeper.next().await;
    }
    assert!(missed > 0, "nothing was missed");
    assert!(
        matches!(&next, Some(Event::SettingChanged { value: Some(value), .. }) if *value == format!("/help {missed}")),
        "{missed} {next:?}"
    );
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_caller_submits_is_carried_out_in_order() {
    let (alice, bob) = pair().await;
    let mut answers = Vec::new();
    for n in 0..600 {
        let text = hobnob_shared::text::MessageText::parse(format!("{n}")).unwrap();
        let chat = bob.handle.clone();
        answers.push(alice.node.submit(Command::Send { chat, text, reply_to: None, action: false }).await);
    }
    for (n, answer) in answers.into_iter().enumerate() {
        let Ok(Reply::Sent(message)) = answer.await else { panic!("{n}") };
        assert_eq!((message.number, message.text), (n as u64 + 1, n.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_releases_the_profile_and_ends_calls_and_events() {
    let (dir, profile) = new_profile("alice");
    let node = Node::start(options(profile)).await.unwrap();
    let mut events = node.events();
    assert!(matches!(OpenedProfile::open(dir.path(), None), Err(ProfileError::InUse { .. })));
    node.shutdown().await;
    node.shutdown().await;
    assert!(events.next().await.is_none() || events.next().await.is_none());
    assert_eq!(node.ask(Command::Friends).await.unwrap_err().code, Code::Internal);
    drop(OpenedProfile::open(dir.path(), None).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_handle_shuts_down_too() {
    let (dir, profile) = new_profile("alice");
    let node = Node::start(options(profile)).await.unwrap();
    let mut events = node.events();
    drop(node);
    while events.next().await.is_some() {}
    // Events end with the thread's own state; the lock goes a moment later.
    let reopened = tokio::time::timeout(DEADLINE, async {
        while OpenedProfile::open(dir.path(), None).is_err() {
            tokio::task::yield_now().await;
        }
    });
    reopened.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_port_stays_the_same_when_it_is_free() {
    let (dir, profile) = new_profile("alice");
    let node = Node::start(options(profile)).await.unwrap();
    let first = listening(&node).await;
    assert!(!first.is_empty());
    node.shutdown().await;
    let node = Node::start(options(OpenedProfile::open(dir.path(), None).unwrap())).await.unwrap();
    assert_eq!(listening(&node).await, first);
    node.shutdown().await;
    // Somebody else takes it: another is found, and the node starts all the same.
    let port: u16 = std::fs::read_to_string(dir.path().join("port")).unwrap().parse().unwrap();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let node = Node::start(options(OpenedProfile::open(dir.path(), None).unwrap())).await.unwrap();
    assert_ne!(listening(&node).await, first);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_asked_for_and_taken_is_an_error() {
    let (dir, profile) = new_profile("alice");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let refused = Node::start(StartOptions::new(profile, vec![address.clone()])).await.unwrap_err();
    assert!(matches!(&refused, StartError::PortInUse { address: a } if *a == address), "{refused}");
    assert_eq!(refused.code(), Code::Network);
    // Nothing holds the profile any more.
    let profile = OpenedProfile::open(dir.path(), None).unwrap();
    let refused = Node::start(StartOptions::new(profile, vec!["/ip4/192.0.2.1/tcp/0".into()])).await.unwrap_err();
    assert!(matches!(refused, StartError::BadAddress { .. }), "{refused}");
}

/// A restored account signs itself onto what friends know of it, and then seals its key again.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_profile_gives_its_account_key_up_when_a_friend_has_taken_the_new_record() {
    let mut alice = Person::new("alice").await;
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nick = Nickname::parse("bob").unwrap();
    let words = profile::create(&old.path().join("profile"), &nick, None).unwrap();
    let mut bob = Person::start(Handle::from_nickname(&nick), old).await;
    befriend(&mut alice, &mut bob).await;
    bob.node.shutdown().await;

    profile::restore(&new.path().join("profile"), &words, &nick, None).unwrap();
    let marker = new.path().join("profile/restored");
    assert!(marker.exists(), "nobody has taken anything yet");
    let mut bob = Person::start(bob.handle, new).await;
    let terms = InviteTerms { uses: 1, lifetime_secs: 3600, auto_accept: true };
    let Ok(Reply::Invite { link, .. }) = alice.node.ask(Command::CreateInvite(terms)).await else {
        panic!("no invite")
    };
    let invite = Box::new(hobnob_shared::identity::Invite::parse(&link).unwrap());
    bob.node.ask(Command::Add { invite, note: Note::parse("").unwrap() }).await.unwrap();
    bob.until(|event| matches!(event, Event::FriendAdded(_)).then_some(())).await;
    send(&alice, &bob.handle, "welcome back").await;
    bob.hears("welcome back").await;
    let mut bob = bob.restart().await;
    send(&alice, &bob.handle, "welcome again").await;
    bob.hears("welcome again").await;
    assert!(!marker.exists(), "Alice has shown it when the session began");
    let bob = bob.restart().await;
    send(&bob, &alice.handle, "it is me").await;
    alice.hears("it is me").await;
}
