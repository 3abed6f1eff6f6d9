//! Sessions, reach, presence, pairing, verification and recovery between small engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, device, handle, person};
use hobnob_engine::{
    command::{Code, Command, Presence, Reply, Standing},
    event::Event,
    tables::TableId,
    view::View as _,
    work::{Input, LinkId, Mode, TransportId},
};
use hobnob_shared::{
    identity::{AccountRecord, Profile},
    text::{Nickname, Note},
};

fn sessions(world: &mut World) -> (usize, usize) {
    (world.peers(0, 1), world.peers(1, 0))
}

#[test]
fn a_stranger_gets_no_session_and_learns_nothing() {
    let mut world = World::friends();
    // Mallory knows Bob's key and address (from an old invite, say), and is not his friend.
    let mallory = world.join(person("Mallory", 66).1, None);
    let mut invite = world.link(1, 1, true);
    invite.id = hobnob_shared::id::InviteId::new([9; 16]);
    world.add(mallory, invite).unwrap();
    world.pass(60_000);
    assert_eq!(world.friend_list(mallory)[0].standing, Standing::Pending);
    assert_eq!(world.friend_list(mallory)[0].nick, None, "not even the name");
    assert_eq!(world.friend_list(1).len(), 1);
}

#[test]
fn a_handshake_has_five_seconds() {
    let mut world = World::new(&["Alice"]);
    let link = LinkId(7);
    let transport = TransportId(vec![9]);
    let (local, address) = (world.nodes[0].transport.clone(), "/ip4/10.9.9.9/tcp/1".to_owned());
    world.give(0, Input::Accepted { link, local, remote: transport, address, mode: Mode::Device });
    world.settle();
    let before = world.nodes[0].actions;
    world.pass(4_999);
    assert_eq!(world.nodes[0].actions, before);
    world.pass(1);
    assert_eq!(world.nodes[0].actions, before + 1, "the link is closed");
}

#[test]
fn a_silent_peer_is_asked_after_15_s_and_dead_after_45_s() {
    let mut world = World::friends();
    world.pass(300_000);
    assert_eq!(sessions(&mut world), (1, 1), "pings keep an idle session up");
    world.events(0);
    world.hang();
    world.pass(46_000);
    assert!(
        world
            .events(0)
            .iter()
            .any(|event| { matches!(event, Event::PresenceChanged { presence: Presence::Offline, .. }) })
    );
    world.pass(5_000);
    assert_eq!(sessions(&mut world), (1, 1), "and a new one replaces it");
}

#[test]
fn two_who_dial_at_once_keep_one_session() {
    let mut world = World::friends();
    for _ in 0..20 {
        world.stop(0);
        world.stop(1);
        // Neither hears the other's first attempt.
        world.start(0);
        world.start(1);
        for node in [0, 1] {
            let (transport, address) = (world.nodes[1 - node].transport.clone(), world.nodes[1 - node].address.clone());
            world.give(node, Input::Discovered(transport, vec![address]));
            world.give(node, Input::Timeout);
        }
        world.pass(10_000);
        assert_eq!(sessions(&mut world), (1, 1));
    }
}

#[test]
fn a_restarted_node_comes_back() {
    let mut world = World::friends();
    world.stop(1);
    assert_eq!(world.peers(0, 1), 0);
    world.pass(100_000);
    world.start(1);
    world.pass(2_000);
    assert_eq!(sessions(&mut world), (1, 1));
}

#[test]
fn a_session_is_renewed_every_hour_by_one_that_replaces_it() {
    let mut world = World::friends();
    world.events(0);
    world.pass(3_700_000);
    assert_eq!(sessions(&mut world), (1, 1));
    let seen = world.events(0);
    assert!(!seen.iter().any(|event| matches!(event, Event::PresenceChanged { .. })), "nobody left: {seen:?}");
    let Ok(Reply::Peers(peers)) = world.ask(0, Command::Peers) else { panic!() };
    assert!(peers[0].up_ms < 200_000, "up for {} ms", peers[0].up_ms);
}

#[test]
fn a_node_that_stays_up_signs_its_addresses_anew_every_day() {
    let mut world = World::friends();
    let bob = world.account(1);
    // The number of what he signed last; when he was here last is in the row too, and changes every hour.
    let known = |world: &World| {
        let row = world.nodes[0].view.get(TableId::Accounts, bob.as_bytes()).unwrap().unwrap();
        let at = row.windows(10).position(|key| key == b"bundle_seq").unwrap() + 10;
        row[at..at + 9].to_vec()
    };
    let before = known(&world);
    world.pass(23 * 3_600_000);
    assert_eq!(known(&world), before);
    world.pass(2 * 3_600_000);
    assert_ne!(known(&world), before);
}

#[test]
fn fifty_unreachable_friends_cost_little() {
    let mut world = World::new(&["Alice"]);
    for seed in 0..50 {
        let bob = world.join(person("Bob", 500 + seed).1, None);
        let invite = world.link(bob, 1, true);
        world.stop(bob);
        world.add(0, invite).unwrap();
    }
    world.pass(3_600_000);
    world.timeouts = 0;
    world.pass(3_600_000);
    // Every ten minutes or a little less, for each of them.
    assert!(world.timeouts <= 50 * 9, "{} timeouts an hour", world.timeouts);
    assert!(world.timeouts >= 50 * 5, "{} timeouts an hour", world.timeouts);
}

#[test]
fn a_friend_who_restarts_goes_and_comes_once_each_time() {
    let mut world = World::friends();
    world.pass(20_000);
    world.events(0);
    let presences = |world: &mut World| {
        let events = world.events(0).into_iter();
        let shown = events.filter_map(|event| match event {
            Event::PresenceChanged { presence, .. } => Some(presence),
            _ => None,
        });
        shown.collect::<Vec<_>>()
    };
    for _ in 0..3 {
        world.stop(1);
        world.start(1);
        world.pass(20_000);
        assert_eq!(presences(&mut world), [Presence::Offline, Presence::Online], "its links close with it");
    }
    for _ in 0..3 {
        world.hang();
        world.stop(1);
        world.start(1);
        world.pass(60_000);
        assert_eq!(presences(&mut world), [], "nobody saw it go, and the new session replaces the old");
    }
}

#[test]
fn presence_is_told_and_invisible_looks_offline() {
    let mut world = World::friends();
    assert_eq!(world.friend(0, "bob").presence, Presence::Online);
    let text = Some(Note::parse("lunch").unwrap());
    world.ask(1, Command::SetPresence { presence: Some(Presence::Away), text }).unwrap();
    let bob = world.friend(0, "bob");
    assert_eq!((bob.presence, bob.presence_text.as_str()), (Presence::Away, "lunch"));
    world.ask(1, Command::SetPresence { presence: Some(Presence::Invisible), text: None }).unwrap();
    let bob = world.friend(0, "bob");
    assert_eq!((bob.presence, bob.presence_text.as_str()), (Presence::Offline, ""));
    world.stop(1);
    world.start(1);
    world.pass(2_000);
    assert_eq!(world.friend(0, "bob").presence, Presence::Offline, "across a restart");
    assert_eq!(world.peers(0, 1), 1);
}

#[test]
fn both_sides_see_the_same_words() {
    let mut world = World::friends();
    world.events(1);
    let Reply::Safety { number, words, verified, .. } =
        world.ask(0, Command::Verify { chat: handle("bob"), verdict: None }).unwrap()
    else {
        panic!()
    };
    assert!(!verified);
    let shown = world.events(1).into_iter().find_map(|event| match event {
        Event::SafetyWords { words, .. } => Some(words),
        _ => None,
    });
    assert_eq!(shown, words);
    assert!(words.is_some());
    let Reply::Safety { number: theirs, words: others, .. } =
        world.ask(1, Command::Verify { chat: handle("alice"), verdict: None }).unwrap()
    else {
        panic!()
    };
    assert_eq!(number, theirs);
    assert_ne!(words, others, "each run has its own");
    world.ask(0, Command::Verify { chat: handle("bob"), verdict: Some(true) }).unwrap();
    assert!(world.friend(0, "bob").verified);
}

#[test]
fn both_asking_at_once_get_the_same_words() {
    let mut world = World::friends();
    let one = world.call(0, Command::Verify { chat: handle("bob"), verdict: None });
    let other = world.call(1, Command::Verify { chat: handle("alice"), verdict: None });
    world.settle();
    let words = |reply: Option<Result<Reply, _>>| match reply.unwrap() {
        Ok(Reply::Safety { words, .. }) => words.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(words(world.answer(0, one)), words(world.answer(1, other)));
}

#[test]
fn without_a_session_or_an_answer_there_is_the_number_alone() {
    let mut world = World::friends();
    world.hang();
    let ticket = world.call(0, Command::Verify { chat: handle("bob"), verdict: None });
    world.pass(9_999);
    assert!(world.answer(0, ticket).is_none());
    world.pass(1);
    assert!(matches!(world.answer(0, ticket), Some(Ok(Reply::Safety { words: None, .. }))));
    world.stop(0);
    world.stop(1);
    world.start(0);
    let reply = world.ask(0, Command::Verify { chat: handle("bob"), verdict: None });
    assert!(matches!(reply, Ok(Reply::Safety { words: None, .. })));
}

#[test]
fn a_ping_measures_or_says_why_not() {
    let mut world = World::friends();
    assert_eq!(world.ask(0, Command::Ping { chat: handle("bob") }), Ok(Reply::Pong { round_trip_ms: 0 }));
    world.hang();
    let ticket = world.call(0, Command::Ping { chat: handle("bob") });
    world.pass(10_000);
    assert_eq!(world.answer(0, ticket).unwrap().unwrap_err().code, Code::Network);
    world.stop(1);
    world.pass(60_000);
    assert_eq!(world.ask(0, Command::Ping { chat: handle("bob") }).unwrap_err().code, Code::Network);
}

#[test]
fn people_in_pairing_mode_see_each_other_and_nobody_else_does() {
    let mut world = World::new(&["Alice", "Bob", "Carol"]);
    world.ask(0, Command::Nearby { on: Some(true) }).unwrap();
    let Reply::Nearby { people, .. } = world.ask(0, Command::Nearby { on: None }).unwrap() else { panic!() };
    assert!(people.is_empty(), "Bob and Carol are not in pairing mode");
    world.ask(1, Command::Nearby { on: Some(true) }).unwrap();
    let Reply::Nearby { people, on, ends_in_ms, .. } = world.ask(0, Command::Nearby { on: None }).unwrap() else {
        panic!()
    };
    assert_eq!((people.len(), people[0].name.as_str(), on, ends_in_ms), (1, "bob", true, 600_000));

    world.ask(0, Command::AddNearby { name: handle("bob"), note: Note::default() }).unwrap();
    world.ask(1, Command::Accept { number: 1 }).unwrap();
    assert_eq!(world.friend(0, "bob").standing, Standing::Friend);
    assert_eq!(world.friend(1, "alice").standing, Standing::Friend);
    assert!(!world.friend(0, "bob").verified);
    world.pass(601_000);
    assert!(world.events(0).contains(&Event::NearbyEnded));
    assert_eq!(sessions(&mut world), (1, 1), "friends stay connected");
}

#[test]
fn an_address_alone_leads_to_a_node_in_pairing_mode() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.ask(1, Command::Nearby { on: Some(true) }).unwrap();
    world.events(0);
    world.ask(0, Command::ConnectNearby { address: "10.0.0.2:4001".to_owned() }).unwrap();
    assert!(world.events(0).iter().any(|event| matches!(event, Event::NearbyFound(_))));
    let refusal = world.ask(0, Command::ConnectNearby { address: "nowhere".to_owned() }).unwrap_err();
    assert_eq!(refusal.code, Code::Usage);
    world.ask(0, Command::ConnectNearby { address: "10.0.0.77:4001".to_owned() }).unwrap();
    assert!(world.events(0).iter().any(|event| matches!(event, Event::Warning { .. })));
}

#[test]
fn a_friend_who_moved_is_found_by_the_address_that_a_person_names() {
    let mut world = World::friends();
    world.stop(1);
    world.nodes[1].address = "/ip4/10.0.0.42/tcp/4001".to_owned();
    world.stop(0);
    world.start(0);
    // Bob's node does not dial by itself: it hears nothing of Alice's new address either.
    world.nodes[0].address = "/ip4/10.0.0.43/tcp/4001".to_owned();
    world.start(1);
    world.pass(60_000);
    assert_eq!(sessions(&mut world), (0, 0));
    world.ask(0, Command::Connect { chat: handle("bob"), address: "10.0.0.42:4001".to_owned() }).unwrap();
    world.pass(1_000);
    assert_eq!(sessions(&mut world), (1, 1));
    world.stop(0);
    world.start(0);
    world.pass(1_000);
    assert_eq!(sessions(&mut world), (1, 1), "and it is remembered");
}

#[test]
fn mdns_finds_a_friend_who_moved() {
    let mut world = World::friends();
    world.stop(1);
    world.pass(3_600_000);
    world.nodes[1].address = "/ip4/10.0.0.42/tcp/4001".to_owned();
    let (transport, address) = (world.nodes[1].transport.clone(), world.nodes[1].address.clone());
    world.nodes[0].address = "/ip4/10.0.0.43/tcp/4001".to_owned();
    world.start(1);
    world.give(0, Input::Discovered(transport, vec![address]));
    world.pass(1);
    assert_eq!(sessions(&mut world), (1, 1));
}

#[test]
fn another_name_reaches_friends_and_needs_the_right_key() {
    let mut world = World::friends();
    let (key, _) = person("Bob", 1);
    let nick = Some(Nickname::parse("Bobby").unwrap());
    world.ask(1, Command::SetProfile { nick: nick.clone(), bio: None, key }).unwrap();
    assert_eq!(world.friend(0, "bob").nick, nick);
    let (key, _) = person("Mallory", 66);
    assert_eq!(world.ask(1, Command::SetProfile { nick, bio: None, key }).unwrap_err().code, Code::Login);
    // While Alice is away Bob changes it twice more.
    world.stop(0);
    for name in ["Bert", "Robert"] {
        let (key, nick) = (person("Bob", 1).0, Some(Nickname::parse(name).unwrap()));
        world.ask(1, Command::SetProfile { nick, bio: None, key }).unwrap();
    }
    world.start(0);
    world.pass(5_000);
    assert_eq!(world.friend(0, "bob").nick.unwrap().as_str(), "Robert");
    assert!(!world.friend(0, "bob").key_alarm);
}

#[test]
fn two_histories_of_one_account_stop_everything_until_the_person_decides() {
    let mut world = World::friends();
    // Another history: same account, same device, another first record.
    let (key, identity) = person("Bob", 1);
    let record = key.sign_record(&AccountRecord {
        seq: 1,
        prev: None,
        account: key.id(),
        devices: vec![identity.certificate.hash()],
        revoked: Vec::new(),
        profile: Profile { nick: Nickname::parse("Mallory").unwrap(), bio: Note::default() },
    });
    world.stop(1);
    world.nodes[1].view = hobnob_engine::view::MemoryView::default();
    world.nodes[1].identity.record = record;
    world.start(1);
    world.events(0);
    // Bob's copy knows nobody; he uses a link of Alice's.
    let invite = world.link(0, 1, true);
    world.add(1, invite).unwrap();
    assert!(world.friend(0, "bob").key_alarm);
    assert!(world.events(0).iter().any(|event| matches!(event, Event::FriendKeyChanged(_))));
    world.ask(0, Command::Verify { chat: handle("bob"), verdict: Some(true) }).unwrap();
    world.pass(1_000);
    let bob = world.friend(0, "bob");
    assert_eq!((bob.key_alarm, bob.verified), (false, true));
    assert_eq!(bob.nick.unwrap().as_str(), "Mallory");
}

#[test]
fn an_account_restored_from_words_goes_on_from_what_friends_know() {
    let mut world = World::friends();
    let (key, nick) = (person("Bob", 1).0, Some(Nickname::parse("Bobby").unwrap()));
    world.ask(1, Command::SetProfile { nick, bio: None, key }).unwrap();
    world.stop(1);
    // Bob's machine is lost. He has the words, and makes a new device from them.
    let key = person("Bob", 1).0;
    let restored = world.join(device(&key, "Bob", 4711), Some(key));
    let invite = world.link(0, 1, true);
    world.events(0);
    world.add(restored, invite).unwrap();
    world.pass(5_000);
    let bob = world.friend(0, "bob");
    assert_eq!((bob.key_alarm, bob.devices, bob.standing), (false, 2, Standing::Friend));
    assert_eq!(world.peers(0, restored), 1);
    let events = world.events(0);
    assert!(events.iter().any(|event| matches!(event, Event::FriendNewDevice { .. })), "{events:?}");
    assert_eq!(world.friend(restored, "alice").standing, Standing::Friend);
    let Reply::WhoAmI(me) = world.ask(restored, Command::WhoAmI).unwrap() else { panic!() };
    assert_eq!(me.nick.as_str(), "Bobby");
    world.stop(restored);
    world.start(restored);
    world.pass(5_000);
    assert_eq!(world.peers(0, restored), 1, "without the key, after a restart");
}

#[test]
fn a_node_restored_from_an_old_copy_learns_its_newer_record_from_a_friend() {
    let mut world = World::friends();
    let copy = world.nodes[1].view.clone();
    let (key, nick) = (person("Bob", 1).0, Some(Nickname::parse("Bobby").unwrap()));
    world.ask(1, Command::SetProfile { nick, bio: None, key }).unwrap();
    world.stop(1);
    world.nodes[1].view = copy;
    world.start(1);
    world.pass(5_000);
    let Reply::WhoAmI(me) = world.ask(1, Command::WhoAmI).unwrap() else { panic!() };
    assert_eq!(me.nick.as_str(), "Bobby");
    let (key, nick) = (person("Bob", 1).0, Some(Nickname::parse("Robert").unwrap()));
    world.ask(1, Command::SetProfile { nick, bio: None, key }).unwrap();
    let bob = world.friend(0, "bob");
    assert_eq!((bob.nick.unwrap().as_str(), bob.key_alarm), ("Robert", false));
}

#[test]
fn the_same_seeds_and_inputs_do_the_same() {
    let run = || {
        let mut world = World::new(&["Alice", "Bob"]);
        world.befriend(0, 1);
        world.pass(100_000);
        world.stop(1);
        world.pass(1_000_000);
        world.start(1);
        world.pass(100_000);
        (world.nodes[0].view.clone(), world.nodes[1].view.clone(), world.timeouts)
    };
    assert_eq!(run(), run());
}

#[test]
fn settings_have_defaults_and_refuse_what_they_cannot_be() {
    let mut world = World::new(&["Alice"]);
    let set = |key: &str, value: Option<&str>| Command::Set { key: key.to_owned(), value: value.map(str::to_owned) };
    world.ask(0, set("typing", Some("off"))).unwrap();
    world.ask(0, set("alias.hi", Some("/msg @bob hi"))).unwrap();
    let refusal = world.ask(0, set("typing", Some("perhaps"))).unwrap_err();
    assert_eq!(refusal.message, "typing takes on or off, not perhaps");
    let refusal = world.ask(0, set("tping", Some("on"))).unwrap_err();
    assert_eq!(refusal.message, "there is no setting tping; did you mean typing? /set lists them");
    world.stop(0);
    world.start(0);
    let Reply::Settings(settings) = world.ask(0, Command::Settings { key: None }).unwrap() else { panic!() };
    let value = |key: &str| settings.iter().find(|it| it.key == key).map(|it| it.value.as_str());
    assert_eq!((value("typing"), value("bell"), value("alias.hi")), (Some("off"), Some("on"), Some("/msg @bob hi")));
}
