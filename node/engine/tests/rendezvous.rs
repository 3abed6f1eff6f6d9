//! Sessions with a rendezvous, and what is asked over them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::collections::BTreeMap;

use harness::{World, handle, person, rosa::Rosa};
use hobnob_engine::{
    command::{Code, Command, Refusal, Reply, Request, RequestKind, ServerState, ServerView, Standing},
    event::Event,
    tables::TableId,
    work::Mode,
};
use hobnob_shared::{
    rendezvous::Address,
    text::{Note, Username},
    wire::{AccountPayload, ErrorCode, ServerFrame, rendezvous::MailWaiting},
};

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn use_rosa(world: &mut World, node: usize) {
    world.use_rosa(node);
}

fn register(world: &mut World, node: usize, text: &str) {
    world.register(node, text);
}

fn server(world: &mut World, node: usize) -> ServerView {
    match world.ask(node, Command::Servers).unwrap() {
        Reply::Servers(servers) => servers.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn ask(world: &mut World, guest: bool, request: ServerFrame, wait_ms: u64) -> Result<Reply, Refusal> {
    let ticket = world.call(0, Command::Ask { server: None, guest, request: Box::new(request) });
    world.pass(wait_ms);
    world.answer(0, ticket).expect("an answer")
}

fn changes(world: &mut World, node: usize) -> Vec<(ServerState, Option<String>)> {
    let events = world.events(node).into_iter();
    let changes = events.filter_map(|event| match event {
        Event::ServerChanged(view) => Some((view.state, view.last_error)),
        _ => None,
    });
    changes.collect()
}

#[test]
fn whoever_has_a_name_has_a_session_and_whoever_has_none_has_not() {
    let mut world = World::with_rosa(&["Alice"]);
    use_rosa(&mut world, 0);
    world.pass(10_000);
    assert_eq!(world.rosa().sessions(Mode::Account), 0);
    assert_eq!(server(&mut world, 0).state, ServerState::Idle);

    world.events(0);
    register(&mut world, 0, "alice");
    let last_two = changes(&mut world, 0).split_off(1);
    assert_eq!(last_two, [(ServerState::Connecting, None), (ServerState::Up, None)]);
    assert_eq!(world.rosa().sessions(Mode::Account), 1);
    let view = server(&mut world, 0);
    assert_eq!((view.state, view.name), (ServerState::Up, Some(name("alice"))));

    world.stop(0);
    world.rosa().links.clear();
    world.start(0);
    world.pass(1_000);
    assert_eq!(world.rosa().sessions(Mode::Account), 1, "after a restart too");

    let server_address = Box::new(world.rosa().address.clone());
    world.ask(0, Command::LoggedOut { server: server_address, released: false }).unwrap();
    world.pass(1_000);
    assert_eq!(world.rosa().sessions(Mode::Account), 0);
    assert_eq!(server(&mut world, 0).name, None);
}

#[test]
fn a_rendezvous_that_is_away_is_told_once_and_found_again() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    world.events(0);
    world.stop_rosa();
    world.pass(3_600_000);
    assert_eq!(changes(&mut world, 0), [(ServerState::Waiting, Some("connection refused".to_owned()))]);
    assert!(server(&mut world, 0).retry_ms.is_some_and(|ms| ms <= 600_000));

    world.rosa().is_away = false;
    world.pass(600_000);
    assert_eq!(changes(&mut world, 0), [(ServerState::Up, None)]);
    assert_eq!(world.rosa().sessions(Mode::Account), 1);
}

#[test]
fn a_rendezvous_that_says_nothing_is_dead_within_45_seconds() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    world.rosa().is_silent = true;
    world.pass(39_000);
    assert_eq!(server(&mut world, 0).state, ServerState::Up);
    world.pass(2_000);
    assert_ne!(server(&mut world, 0).state, ServerState::Up);
    world.rosa().is_silent = false;
    world.pass(60_000);
    assert_eq!(server(&mut world, 0).state, ServerState::Up);
}

#[test]
fn a_live_session_is_kept_by_pings_and_renewed_every_hour() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    // Whoever tried her address out is gone.
    world.pass(20_000);
    let first = *world.rosa().links.keys().next().unwrap();
    world.pass(3_570_000);
    assert_eq!(*world.rosa().links.keys().next().unwrap(), first);
    world.events(0);
    world.pass(20_000);
    assert_eq!(world.rosa().sessions(Mode::Account), 1);
    assert_ne!(*world.rosa().links.keys().next().unwrap(), first);
    assert_eq!(changes(&mut world, 0), [], "nobody is told of a renewal");
}

#[test]
fn a_guest_asks_over_one_link_and_leaves_when_nothing_is_wanted() {
    let mut world = World::with_rosa(&["Alice"]);
    use_rosa(&mut world, 0);
    let hash = |reply| match reply {
        Ok(Reply::Answered { frame, session }) => {
            assert!(matches!(*frame, ServerFrame::Status(_)));
            session
        }
        other => panic!("{other:?}"),
    };
    let first = hash(ask(&mut world, true, ServerFrame::StatusGet, 1));
    world.pass(50_000);
    let second = hash(ask(&mut world, true, ServerFrame::StatusGet, 1));
    assert_eq!(first, second, "a login goes on where it began");
    assert_eq!(world.rosa().sessions(Mode::Guest), 1);
    world.pass(61_000);
    assert_eq!(world.rosa().sessions(Mode::Guest), 0);
    assert_ne!(hash(ask(&mut world, true, ServerFrame::StatusGet, 1)), first);
}

#[test]
fn a_request_is_refused_in_words_with_what_was_said() {
    let mut world = World::with_rosa(&["Alice"]);
    use_rosa(&mut world, 0);
    world.rosa().refuses = Some(ErrorCode::RateLimited { retry_ms: 120_000 });
    let refusal = ask(&mut world, true, ServerFrame::VaultGet, 1).unwrap_err();
    assert_eq!((refusal.code, refusal.said), (Code::Limited, Some(ErrorCode::RateLimited { retry_ms: 120_000 })));
    assert!(refusal.message.contains("rosa.example") && refusal.message.contains("2 min"), "{refusal}");

    world.rosa().is_silent = true;
    let refusal = ask(&mut world, true, ServerFrame::VaultGet, 15_000).unwrap_err();
    assert_eq!((refusal.code, refusal.said), (Code::Network, None));

    world.stop_rosa();
    let refusal = ask(&mut world, true, ServerFrame::VaultGet, 1).unwrap_err();
    assert_eq!(refusal.code, Code::Network);
    let refusal = ask(&mut world, false, ServerFrame::VaultGet, 1).unwrap_err();
    assert_eq!(refusal.code, Code::Login, "no name there: {refusal}");
}

#[test]
fn a_rendezvous_that_lets_us_in_only_to_hang_up_is_asked_more_and_more_seldom() {
    let mut world = two();
    world.rosa().disowns = true;
    world.stop(0);
    world.start(0);
    world.pass(600_000);
    let often = world.rosa().asked(151);
    world.pass(600_000);
    let later = world.rosa().asked(151) - often;
    assert!((3..40).contains(&often) && later < often, "{often}, then {later}");
    world.rosa().disowns = false;
    world.pass(600_000);
    world.rosa().seen.clear();
    world.pass(60_000);
    assert_eq!(world.rosa().asked(151), 0, "it is there, and stays");
}

#[test]
fn what_waits_for_an_answer_is_told_when_the_link_breaks() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    world.rosa().is_silent = true;
    let request = Box::new(ServerFrame::VaultGet);
    let ticket = world.call(0, Command::Ask { server: None, guest: false, request });
    world.pass(100);
    assert!(world.answer(0, ticket).is_none());
    world.stop_rosa();
    let refusal = world.answer(0, ticket).unwrap().unwrap_err();
    assert_eq!(refusal.code, Code::Network, "{refusal}");
}

#[test]
fn whoever_lacks_the_key_of_the_address_is_not_talked_to() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    world.stop_rosa();
    let address = world.rosa().address.clone();
    world.rosa = Some(Rosa { address, ..Rosa::new(8) });
    world.events(0);
    world.pass(60_000);
    let told = changes(&mut world, 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.as_ref().unwrap().contains("does not prove the key"), "{told:?}");
    let refusal = ask(&mut world, true, ServerFrame::StatusGet, 1).unwrap_err();
    assert_eq!(refusal.code, Code::Untrusted);
    assert_eq!(world.rosa().seen, []);
}

#[test]
fn another_version_and_another_signing_key_are_told_and_nothing_is_said_there() {
    let mut world = World::with_rosa(&["Alice"]);
    world.rosa().status.versions = (2, 3);
    register(&mut world, 0, "alice");
    world.pass(60_000);
    let told = changes(&mut world, 0);
    assert!(told.last().unwrap().1.as_ref().unwrap().contains("versions 2 to 3"), "{told:?}");
    assert_ne!(server(&mut world, 0).state, ServerState::Up);

    world.rosa().status.versions = (1, 2);
    world.pass(600_000);
    assert_eq!(server(&mut world, 0).state, ServerState::Up);
    world.stop_rosa();
    world.rosa().is_away = false;
    world.rosa().status.signing_key = [9; 32];
    world.events(0);
    world.pass(60_000);
    let warned = world
        .events(0)
        .iter()
        .any(|event| matches!(event, Event::Warning { message, .. } if message.contains("another key")));
    assert!(warned);
    assert_ne!(server(&mut world, 0).state, ServerState::Up);
}

#[test]
fn another_key_for_the_same_peer_is_refused_and_another_place_is_the_same_rendezvous() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    let (address, other) = (world.rosa().address.clone(), Rosa::new(8).address);
    let refusal = world.ask(0, Command::SetRendezvous { address: Box::new(other), used: true }).unwrap_err();
    assert_eq!(refusal.code, Code::Untrusted);
    let moved = Address::new("/dns4/new.example/tcp/4001", address.transport(), address.x25519()).unwrap();
    world.ask(0, Command::SetRendezvous { address: Box::new(moved.clone()), used: true }).unwrap();
    let view = server(&mut world, 0);
    assert_eq!((view.address, view.name), (address, Some(name("alice"))), "until it has worked there");
    let refusal = world.ask(0, Command::SetRendezvous { address: Box::new(moved), used: false }).unwrap_err();
    assert_eq!(refusal.code, Code::Conflict, "{refusal}");
}

fn find(world: &mut World, node: usize, text: &str) -> Result<Reply, Refusal> {
    let ticket = world.call(node, Command::Find { name: name(text), server: None });
    world.pass(1_000);
    world.answer(node, ticket).expect("an answer")
}

fn add(world: &mut World, node: usize, text: &str) -> Result<Reply, Refusal> {
    let note = Note::parse("we met in Ghent").unwrap();
    let ticket = world.call(node, Command::AddName { name: name(text), server: None, note });
    world.pass(5_000);
    world.answer(node, ticket).expect("an answer")
}

fn requests(world: &mut World, node: usize) -> Vec<Request> {
    match world.ask(node, Command::Requests).unwrap() {
        Reply::Requests(requests) => requests,
        other => panic!("{other:?}"),
    }
}

fn warnings(world: &mut World, node: usize) -> Vec<String> {
    let events = world.events(node).into_iter();
    let warnings = events.filter_map(|event| match event {
        Event::Warning { message, .. } => Some(message),
        _ => None,
    });
    warnings.collect()
}

/// Alice and Bob, both with a name at Rosa's.
fn two() -> World {
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    register(&mut world, 0, "alice");
    register(&mut world, 1, "bob");
    world.pass(2_000);
    world
}

#[test]
fn a_name_is_found_by_its_exact_letters_and_nobody_learns_who_asked() {
    let mut world = two();
    let Reply::Found(found) = find(&mut world, 0, "bob").unwrap() else { panic!() };
    assert_eq!((found.account, found.nick.as_str(), found.devices), (world.account(1), "Bob", 1));
    assert_eq!((found.friend, found.is_me), (None, false));
    let Reply::Found(found) = find(&mut world, 0, "alice").unwrap() else { panic!() };
    assert!(found.is_me);
    let refusal = find(&mut world, 0, "bobb").unwrap_err();
    assert_eq!((refusal.code, refusal.said), (Code::NotFound, Some(ErrorCode::NotFound)));
    let by_account = |(mode, frame): &&(Mode, ServerFrame)| {
        *mode == Mode::Account
            && matches!(frame, ServerFrame::NameGet(get) if get.name != name("alice") && get.name != name("bob"))
    };
    assert_eq!(world.rosa().seen.iter().filter(by_account).count(), 0);
    world.pass(11_000);
    assert_eq!(world.rosa().sessions(Mode::Guest), 0, "each errand's link is gone");
}

#[test]
fn a_list_of_names_is_looked_up_a_few_at_a_time_and_each_is_answered() {
    let mut world = two();
    // Whoever tried her address out is gone.
    world.pass(60_000);
    assert_eq!(world.rosa().sessions(Mode::Guest), 0);
    let find = || Command::Find { name: name("bob"), server: None };
    let tickets: Vec<_> = (0..40).map(|_| world.call(0, find())).collect();
    let mut most = 0;
    for _ in 0..2_000 {
        most = most.max(world.rosa().sessions(Mode::Guest));
        world.pass(1);
    }
    assert!(most <= 8, "{most} links at once");
    for ticket in tickets {
        let reply = world.answer(0, ticket).expect("an answer");
        assert!(matches!(reply, Ok(Reply::Found(_))), "{reply:?}");
    }
    assert_eq!(world.rosa().sessions(Mode::Guest), 0, "each link ends with its errand");
}

#[test]
fn a_rendezvous_that_only_nods_at_a_look_up_is_told_of_and_nothing_hangs() {
    // When it is asked for its status (151), and for the name (111).
    for number in [151, 111] {
        let mut world = two();
        world.rosa().nods_at = Some(number);
        for refusal in [find(&mut world, 0, "bob").unwrap_err(), add(&mut world, 0, "bob").unwrap_err()] {
            assert_eq!(refusal.code, Code::Network);
            assert!(refusal.message.contains("nonsense"), "{refusal}");
        }
    }
}

#[test]
fn a_request_by_name_waits_until_the_other_is_there_and_both_become_friends() {
    let mut world = two();
    world.stop(1);
    let reply = add(&mut world, 0, "bob").unwrap();
    assert!(matches!(reply, Reply::Friend(friend) if friend.standing == Standing::Pending));
    assert_eq!(world.rosa().knocks.len(), 1);

    world.start(1);
    world.pass(2_000);
    let waiting = requests(&mut world, 1);
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].account, world.account(0));
    assert_eq!(waiting[0].kind, RequestKind::Name { name: name("bob"), server: "rosa.example".to_owned() });
    assert_eq!((waiting[0].nick.as_str(), waiting[0].note.as_str()), ("Alice", "we met in Ghent"));
    assert_eq!(world.rosa().knocks.len(), 0, "it is out of the box");

    world.ask(1, Command::Accept { number: 1 }).unwrap();
    world.pass(5_000);
    assert_eq!(world.friend(0, "bob").standing, Standing::Friend);
    assert_eq!(world.friend(1, "alice").standing, Standing::Friend);
    assert_eq!((world.peers(0, 1), world.peers(1, 0)), (1, 1), "they reach each other directly");
}

#[test]
fn a_request_by_name_is_shown_at_once_to_whoever_is_there() {
    let mut world = two();
    add(&mut world, 0, "bob").unwrap();
    let waiting = requests(&mut world, 1);
    assert_eq!(waiting.iter().map(|request| request.account).collect::<Vec<_>>(), [world.account(0)]);
    assert_eq!(world.rosa().knocks.len(), 0, "it is out of the box");
}

#[test]
fn a_rendezvous_that_tells_nobody_is_asked_for_requests_all_the_same() {
    let mut world = two();
    world.rosa().letters.is_mute = true;
    add(&mut world, 0, "bob").unwrap();
    assert_eq!(requests(&mut world, 1), []);
    world.pass(120_000);
    assert_eq!(requests(&mut world, 1).len(), 1);
}

#[test]
fn a_rendezvous_that_cries_without_end_is_asked_one_question_at_a_time() {
    let mut world = two();
    let before = world.rosa().asked(131);
    let of_bob = world.rosa().links.iter().filter(|(_, link)| link.node == 1 && link.mode == Mode::Account);
    let bobs = *of_bob.map(|(link, _)| link).next().unwrap();
    let look = ServerFrame::MailWaiting(MailWaiting { envelopes: 0 });
    // All of them are there before her first answer is.
    world.announce(vec![(bobs, look); 1_000]);
    world.settle();
    assert_eq!(world.rosa().asked(131), before + 2, "one question, and one more for what came meanwhile");
    add(&mut world, 0, "bob").unwrap();
    assert_eq!(requests(&mut world, 1).len(), 1, "requests are heard of as before");
}

#[test]
fn that_somebody_accepted_arrives_by_name_where_no_session_can_be_had() {
    let mut world = two();
    for node in [0, 1] {
        world.nodes[node].address = "/ip4/10.0.0.77/tcp/1".to_owned();
    }
    add(&mut world, 0, "bob").unwrap();
    world.pass(120_000);
    world.ask(1, Command::Accept { number: 1 }).unwrap();
    world.pass(5_000);
    assert_eq!(world.friend(0, "bob").standing, Standing::Friend);
    assert_eq!(world.peers(0, 1), 0);
    let put = world.rosa().asked(129);
    world.pass(3_600_000);
    assert_eq!(world.rosa().asked(129), put, "it is told again only after a day");
}

#[test]
fn a_request_that_is_declined_or_of_somebody_blocked_is_not_seen_again() {
    let mut world = two();
    add(&mut world, 0, "bob").unwrap();
    world.pass(120_000);
    world.ask(1, Command::Decline { number: 1 }).unwrap();
    world.pass(600_000);
    assert_eq!(requests(&mut world, 1), []);

    world.befriend(1, 0);
    world.ask(1, Command::Block { chat: handle("alice") }).unwrap();
    world.ask(0, Command::Remove { chat: handle("bob") }).unwrap();
    add(&mut world, 0, "bob").unwrap();
    world.pass(120_000);
    assert_eq!((requests(&mut world, 1).len(), world.rosa().knocks.len()), (0, 0));
}

#[test]
fn work_is_done_in_slices_and_again_when_other_work_is_wanted() {
    let mut world = two();
    world.rosa().status.knock_bits = 14;
    let note = Note::default();
    let ticket = world.call(0, Command::AddName { name: name("bob"), server: None, note });
    world.pass(1);
    world.rosa().status.challenge = [5; 16];
    world.pass(5_000);
    assert!(world.answer(0, ticket).unwrap().is_ok());
    assert_eq!(world.rosa().asked(129), 2);

    world.rosa().status.knock_bits = 255;
    let refusal = find(&mut world, 0, "bob").map(|_| add(&mut world, 0, "bob").unwrap_err());
    assert_eq!(refusal.unwrap().code, Code::Untrusted);
}

#[test]
fn a_name_that_goes_to_another_key_is_a_loud_warning_and_the_friend_is_in_doubt() {
    let mut world = two();
    add(&mut world, 0, "bob").unwrap();
    world.pass(120_000);
    world.ask(1, Command::Accept { number: 1 }).unwrap();
    world.pass(5_000);
    world.events(0);
    let (mallory, identity) = person("Mallory", 66);
    world.rosa().bind("bob", 2, &mallory);
    let payload = AccountPayload {
        records: vec![identity.record],
        certificates: vec![identity.certificate],
        bundles: Vec::new(),
    };
    world.rosa().accounts.insert(mallory.id(), (payload, BTreeMap::new()));
    let Reply::Found(found) = find(&mut world, 0, "bob").unwrap() else { panic!() };
    assert_eq!((found.account, found.friend), (mallory.id(), None));
    let warned = warnings(&mut world, 0);
    assert!(warned.iter().any(|it| it.contains("belongs to another key than before")), "{warned:?}");
    assert!(world.friend(0, "bob").key_alarm, "the key is the contact");

    world.events(1);
    world.stop_rosa();
    world.rosa().is_away = false;
    world.pass(10_000);
    let warned = warnings(&mut world, 1);
    assert!(warned.iter().any(|it| it.contains("bob@rosa.example belongs to another key now")), "{warned:?}");
}

#[test]
fn what_a_rendezvous_says_about_a_name_counts_only_when_it_is_signed() {
    let mut world = two();
    let (mallory, identity) = person("Mallory", 66);
    let payload = AccountPayload {
        records: vec![identity.record],
        certificates: vec![identity.certificate],
        bundles: Vec::new(),
    };
    world.rosa().accounts.insert(mallory.id(), (payload, BTreeMap::new()));
    let forged = Rosa::new(8).bind("carol", 1, &mallory);
    let of_bob = world.rosa().names[&name("bob")].1.clone();
    let (bob, _) = person("x", 1);
    for (lie, what, whose) in
        [("carol", forged, mallory.id()), ("dave", of_bob.clone(), bob.id()), ("bob", of_bob, mallory.id())]
    {
        world.rosa().names.insert(name(lie), (whose, what));
        assert_eq!(find(&mut world, 0, lie).unwrap_err().code, Code::Untrusted, "{lie}");
    }
}

#[test]
fn a_rendezvous_is_not_told_where_a_device_is() {
    let mut world = two();
    let bob = world.account(1);
    let Ok(Reply::MyAccount(registered)) = world.ask(1, Command::MyAccount) else { panic!("no account") };
    let kept: Vec<_> = world.rosa().accounts[&bob].1.values().cloned().collect();
    assert!(!kept.is_empty());
    for bundle in kept.iter().chain(&registered.bundles) {
        let bundle = bundle.verify(&bundle.claimed_device().unwrap()).unwrap();
        assert!(bundle.is_public() && !bundle.prekeys.is_empty(), "{:?}", bundle.addresses);
    }
}

#[test]
fn a_new_prekey_goes_out_every_day_and_the_old_ones_open_what_was_sealed_to_them() {
    let mut world = two();
    let prekey = |world: &mut World| {
        let bob = world.account(1);
        let (_, bundles) = &world.rosa().accounts[&bob];
        let (device, bundle) = bundles.first_key_value().unwrap();
        bundle.verify(device).unwrap().prekeys[0].id
    };
    let first = prekey(&mut world);
    world.pass(24 * 3_600_000);
    assert_ne!(prekey(&mut world), first);
    world.stop(1);
    add(&mut world, 0, "bob").unwrap();
    world.pass(10 * 24 * 3_600_000);
    world.start(1);
    world.pass(200_000);
    assert_eq!(requests(&mut world, 1).len(), 1, "sealed to the prekey of ten days ago");
    let rows = |world: &World| world.nodes[1].view.count(TableId::Prekeys);
    assert_eq!(rows(&world), 3);
    for node in [0, 1] {
        world.stop(node);
    }
    world.pass(27 * 24 * 3_600_000);
    world.start(1);
    world.pass(1_000);
    assert_eq!(rows(&world), 2, "what was replaced 27 days ago is erased, what was in use until now is not");
}

#[test]
fn a_clock_that_jumps_by_years_erases_no_prekey_that_friends_may_seal_to() {
    const DAY_MS: u64 = 24 * 3_600_000;
    const TEN_YEARS_MS: i64 = 3652 * 24 * 3_600_000;
    let mut world = two();
    let rows = |world: &World| world.nodes[1].view.count(TableId::Prekeys);
    world.pass(DAY_MS);
    assert_eq!(rows(&world), 2);
    // While it runs, and while it does not; to where it was ahead, and back.
    for (jump, all) in [(TEN_YEARS_MS, 3), (-TEN_YEARS_MS, 5)] {
        world.nodes[1].ahead_ms = jump;
        world.pass(60_000);
        assert_eq!(rows(&world), all);
        world.stop(1);
        world.nodes[1].ahead_ms = 0;
        world.start(1);
        world.pass(1_000);
    }
    assert_eq!(rows(&world), 6, "each jump made one");
    // All of them go when so much time has passed as others have to hear of the next one.
    for (days, left) in [(20, 7), (3, 3)] {
        [0, 1].into_iter().for_each(|node| world.stop(node));
        world.pass(days * DAY_MS);
        world.start(1);
        world.pass(1_000);
        assert_eq!(rows(&world), left, "{days} days later");
    }
}
