//! Friends, requests, invites, introductions, blocks: what people do with each other, between small engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, handle};
use hobnob_engine::{
    command::{Code, Command, InviteTerms, Reply, Request, RequestKind, Standing},
    event::Event,
    tables::TableId,
};
use hobnob_shared::text::Note;

fn requests(world: &mut World, node: usize) -> Vec<Request> {
    match world.ask(node, Command::Requests).unwrap() {
        Reply::Requests(requests) => requests,
        other => panic!("{other:?}"),
    }
}

fn warnings(world: &mut World, node: usize) -> Vec<String> {
    let events = world.events(node).into_iter();
    events.filter_map(|event| if let Event::Warning { message, .. } = event { Some(message) } else { None }).collect()
}

#[test]
fn an_invite_that_accepts_at_once_makes_friends_of_both() {
    let mut world = World::friends();
    for (node, name) in [(0, "bob"), (1, "alice")] {
        let friend = world.friend(node, name);
        assert_eq!((friend.standing, friend.devices), (Standing::Friend, 1), "node {node}");
        let added = world.events(node).into_iter().filter(|event| matches!(event, Event::FriendAdded(_))).count();
        assert_eq!(added, 1, "node {node} is told once");
    }
}

#[test]
fn without_that_the_inviter_decides() {
    let mut world = World::new(&["Alice", "Bob"]);
    let invite = world.link(0, 1, false);
    world.add(1, invite).unwrap();
    assert_eq!(world.friend(1, "alice").standing, Standing::Pending);
    let waiting = requests(&mut world, 0);
    assert_eq!((waiting[0].number, waiting[0].nick.as_str(), &waiting[0].kind), (1, "Bob", &RequestKind::Invite));
    assert!(world.friend_list(0).is_empty());

    world.ask(0, Command::Accept { number: 1 }).unwrap();
    assert_eq!(world.friend(0, "bob").standing, Standing::Friend);
    assert_eq!(world.friend(1, "alice").standing, Standing::Friend);
    assert!(requests(&mut world, 0).is_empty());
    assert!(world.events(1).iter().any(|event| matches!(event, Event::FriendAdded(_))));
}

#[test]
fn a_request_waits_for_the_inviter_across_restarts_of_both() {
    let mut world = World::new(&["Alice", "Bob"]);
    let invite = world.link(0, 1, false);
    world.add(1, invite).unwrap();
    world.stop(0);
    world.stop(1);
    world.start(0);
    world.ask(0, Command::Accept { number: 1 }).unwrap();
    world.start(1);
    world.pass(5_000);
    assert_eq!(world.friend(0, "bob").standing, Standing::Friend);
    assert_eq!(world.friend(1, "alice").standing, Standing::Friend);
}

#[test]
fn a_declined_request_is_told_and_does_not_come_again() {
    let mut world = World::new(&["Alice", "Bob"]);
    let invite = world.link(0, 1, false);
    world.add(1, invite).unwrap();
    world.ask(0, Command::Decline { number: 1 }).unwrap();
    world.pass(60_000);
    assert!(requests(&mut world, 0).is_empty());
    assert_eq!(
        warnings(&mut world, 1),
        ["@alice could not be added: the other side declined; ask for a new invite, or /remove them here"]
    );
}

#[test]
fn a_single_use_invite_belongs_to_the_first_account() {
    let mut world = World::new(&["Alice", "Bob", "Mallory"]);
    let invite = world.link(0, 1, true);
    world.add(1, invite.clone()).unwrap();
    world.add(2, invite).unwrap();
    let told = warnings(&mut world, 2);
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("the invite was already used by somebody else; ask for a new one"), "{told:?}");
    assert_eq!(world.friend_list(0).len(), 1);
    world.pass(600_000);
    assert!(warnings(&mut world, 2).is_empty(), "a refused invite is not tried again");
    let Ok(Reply::Net { unreached, .. }) = world.ask(2, Command::Net) else { panic!("net") };
    let why = "the invite was already used by somebody else; ask for a new one";
    assert_eq!(world.friend_list(2)[0].refused.as_deref(), Some(why));
    let shown: Vec<_> = unreached.iter().map(|one| (&one.handle, one.last_error.as_deref(), one.retry_ms)).collect();
    assert_eq!(shown, [(&world.friend_list(2)[0].handle, Some(why), None)]);
}

#[test]
fn an_invite_for_three_serves_three() {
    let mut world = World::new(&["Alice", "Bob", "Bob", "Bob", "Dora"]);
    let invite = world.link(0, 3, true);
    for node in 1..5 {
        world.add(node, invite.clone()).unwrap();
    }
    let names: Vec<_> = world.friend_list(0).into_iter().map(|friend| friend.handle.as_str().to_owned()).collect();
    assert_eq!(names, ["bob", "bob-2", "bob-3"]);
}

#[test]
fn an_expired_invite_is_refused_before_and_behind_the_wire() {
    let mut world = World::new(&["Alice", "Bob", "Carol"]);
    let terms = InviteTerms { uses: 1, lifetime_secs: 10, auto_accept: true };
    let Reply::Invite { link, local_only } = world.ask(0, Command::CreateInvite(terms)).unwrap() else { panic!() };
    assert!(local_only);
    let mut invite = hobnob_shared::identity::Invite::parse(&link).unwrap();
    world.pass(20_000);
    let refusal = world.add(1, invite.clone()).unwrap_err();
    assert_eq!(
        refusal.message,
        "this invite has expired; ask for a new one, or set this machine's clock if it is wrong"
    );
    invite.expiry_ms += 1_000_000_000; // Carol's clock is far behind
    world.add(2, invite).unwrap();
    assert!(warnings(&mut world, 2)[0].ends_with("the invite has expired; ask for a new one"));
}

#[test]
fn our_own_invite_is_not_for_us() {
    let mut world = World::new(&["Alice"]);
    let invite = world.link(0, 1, true);
    assert_eq!(world.add(0, invite).unwrap_err().code, Code::Conflict);
}

#[test]
fn the_inbox_holds_twenty() {
    let mut names = vec!["Alice"];
    names.resize(24, "Stranger");
    let mut world = World::new(&names);
    let invite = world.link(0, 100, false);
    for node in 1..24 {
        world.add(node, invite.clone()).unwrap();
    }
    assert_eq!(requests(&mut world, 0).len(), 20);
    let refusal = world.ask(0, Command::Accept { number: 21 }).unwrap_err();
    assert!(refusal.message.starts_with("there is no request 21; 1, 2, 3, "), "{refusal:?}");
    assert!(refusal.message.ends_with(", 19 and 20 wait (/requests)"), "{refusal:?}");
}

/// Alice, whom the others asked one after the other.
fn asked(others: &[&str]) -> World {
    let names: Vec<_> = std::iter::once("Alice").chain(others.iter().copied()).collect();
    let mut world = World::new(&names);
    let invite = world.link(0, 100, false);
    (1..names.len()).for_each(|node| drop(world.add(node, invite.clone()).unwrap()));
    world
}

fn numbered(world: &mut World) -> Vec<(u64, String)> {
    requests(world, 0).into_iter().map(|request| (request.number, request.nick.as_str().to_owned())).collect()
}

/// What the screen said when they came.
fn told(world: &mut World) -> Vec<(u64, String)> {
    let requested = |event| match event {
        Event::FriendRequested(request) => Some((request.number, request.nick.as_str().to_owned())),
        _ => None,
    };
    world.events(0).into_iter().filter_map(requested).collect()
}

fn pairs<const N: usize>(list: [(u64, &str); N]) -> Vec<(u64, String)> {
    list.map(|(number, name)| (number, name.to_owned())).to_vec()
}

#[test]
fn a_request_keeps_the_number_that_it_was_shown_with() {
    let mut world = asked(&["Fa", "Ja", "Ha"]);
    assert_eq!(told(&mut world), pairs([(1, "Fa"), (2, "Ja"), (3, "Ha")]));
    world.ask(0, Command::Accept { number: 1 }).unwrap();
    world.stop(0);
    world.start(0);
    assert_eq!(numbered(&mut world), pairs([(2, "Ja"), (3, "Ha")]));
    world.ask(0, Command::Accept { number: 2 }).unwrap();
    assert_eq!(world.friend(0, "ja").standing, Standing::Friend);
    for decide in [Command::Accept { number: 2 }, Command::Decline { number: 2 }] {
        let refusal = world.ask(0, decide).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.message.as_str()),
            (Code::NotFound, "2 is decided already; 3 waits (/requests)")
        );
    }
    assert_eq!(numbered(&mut world), pairs([(3, "Ha")]));
}

#[test]
fn a_number_is_not_given_again_while_somebody_waits() {
    let mut world = World::new(&["Alice", "Fa", "Ja", "Ha", "Ka"]);
    let invite = world.link(0, 100, false);
    [1, 2].into_iter().for_each(|node| drop(world.add(node, invite.clone()).unwrap()));
    world.ask(0, Command::Decline { number: 2 }).unwrap();
    world.stop(0);
    world.start(0);
    world.add(3, invite.clone()).unwrap();
    assert_eq!(numbered(&mut world), pairs([(1, "Fa"), (3, "Ha")]), "2 was Ja");
    [1, 3].into_iter().for_each(|number| drop(world.ask(0, Command::Decline { number }).unwrap()));
    assert_eq!(world.ask(0, Command::Accept { number: 3 }).unwrap_err().message, "no request is waiting");
    world.add(4, invite).unwrap();
    assert_eq!(numbered(&mut world), pairs([(1, "Ka")]), "nobody waited");
}

#[test]
fn requests_of_an_older_database_have_the_numbers_that_it_showed() {
    let mut world = asked(&["Fa", "Ja", "Ha"]);
    world.ask(0, Command::Decline { number: 1 }).unwrap();
    // It showed places, and knew of no last number.
    world.stop(0);
    world.forget_rows(0, TableId::Profile);
    for _ in 0..2 {
        world.start(0);
        assert_eq!(numbered(&mut world), pairs([(1, "Ja"), (2, "Ha")]));
        world.stop(0);
    }
    world.start(0);
    world.ask(0, Command::Accept { number: 1 }).unwrap();
    assert_eq!(numbered(&mut world), pairs([(2, "Ha")]));
}

#[test]
fn blocking_ends_the_session_and_keeps_it_ended() {
    let mut world = World::friends();
    world.ask(0, Command::Block { chat: handle("bob") }).unwrap();
    world.pass(120_000);
    assert_eq!((world.peers(0, 1), world.peers(1, 0)), (0, 0));
    world.ask(0, Command::Unblock { chat: handle("bob") }).unwrap();
    world.pass(5_000);
    assert_eq!((world.peers(0, 1), world.peers(1, 0)), (1, 1));
}

#[test]
fn a_removed_friend_stays_away_until_a_new_link() {
    let mut world = World::friends();
    world.ask(0, Command::Remove { chat: handle("bob") }).unwrap();
    world.pass(600_000);
    assert_eq!((world.peers(0, 1), world.peers(1, 0)), (0, 0));
    assert!(world.friend_list(0).is_empty());
    let invite = world.link(0, 1, true);
    world.add(1, invite).unwrap();
    assert_eq!((world.peers(0, 1), world.peers(1, 0)), (1, 1));
    assert_eq!(world.friend(0, "bob").standing, Standing::Friend);
}

#[test]
fn a_removed_friend_cannot_use_the_old_links_again() {
    for uses in [1, 9] {
        let mut world = World::new(&["Alice", "Bob"]);
        let (invite, unused) = (world.link(0, uses, true), world.link(0, 9, true));
        world.add(1, invite.clone()).unwrap();
        world.ask(0, Command::Remove { chat: handle("bob") }).unwrap();
        for old in [invite, unused] {
            world.add(1, old).unwrap();
            assert_eq!(
                warnings(&mut world, 1),
                ["@alice could not be added: the other side declined; ask for a new invite, or /remove them here"]
            );
            world.pass(600_000);
            assert!(world.friend_list(0).is_empty() && requests(&mut world, 0).is_empty(), "{uses} uses");
        }
        let of_bob = world.link(1, 1, true);
        world.add(0, of_bob).unwrap();
        assert_eq!((world.peers(0, 1), world.peers(1, 0)), (1, 1), "Alice may change her mind");
        assert_eq!(world.friend(0, "bob").standing, Standing::Friend);
    }
}

#[test]
fn a_blocked_friend_who_is_removed_cannot_use_the_old_link_again() {
    let mut world = World::new(&["Alice", "Bob"]);
    let invite = world.link(0, 9, true);
    world.add(1, invite.clone()).unwrap();
    world.ask(0, Command::Block { chat: handle("bob") }).unwrap();
    world.ask(0, Command::Remove { chat: handle("bob") }).unwrap();
    world.ask(0, Command::Unblock { chat: handle("bob") }).unwrap();
    world.add(1, invite).unwrap();
    world.pass(600_000);
    assert!(world.friend_list(0).is_empty() && requests(&mut world, 0).is_empty());
}

#[test]
fn friends_who_are_introduced_decide_for_themselves() {
    let mut world = World::new(&["Alice", "Bob", "Carol"]);
    world.befriend(0, 1);
    world.befriend(0, 2);
    world.stop(2);
    world.ask(0, Command::Introduce { chat: handle("bob"), to: handle("carol") }).unwrap();
    world.start(2);
    world.pass(30_000);
    let at_bob = requests(&mut world, 1);
    assert_eq!(
        (at_bob[0].nick.as_str(), &at_bob[0].kind),
        ("Carol", &RequestKind::Introduction { by: handle("alice") })
    );
    world.ask(1, Command::Accept { number: 1 }).unwrap();
    world.pass(30_000);
    assert_eq!(world.friend(1, "carol").standing, Standing::Pending);
    world.ask(2, Command::Accept { number: 1 }).unwrap();
    world.pass(30_000);
    assert_eq!(world.friend(1, "carol").standing, Standing::Friend);
    assert_eq!(world.friend(2, "bob").standing, Standing::Friend);
    world.pass(600_000);
    assert!(requests(&mut world, 1).is_empty() && requests(&mut world, 2).is_empty());
}

#[test]
fn a_declined_introduction_is_not_heard_again_from_the_same_friend() {
    let mut world = World::new(&["Alice", "Bob", "Carol", "Dora"]);
    for (one, other) in [(0, 1), (0, 2), (3, 1), (3, 2)] {
        world.befriend(one, other);
    }
    let introduce = || Command::Introduce { chat: handle("bob"), to: handle("carol") };
    world.ask(0, introduce()).unwrap();
    world.pass(1_000);
    world.ask(1, Command::Decline { number: 1 }).unwrap();
    world.ask(0, introduce()).unwrap();
    world.pass(1_000);
    assert!(requests(&mut world, 1).is_empty());
    world.stop(1);
    world.start(1);
    world.pass(5_000);
    world.ask(0, introduce()).unwrap();
    world.pass(1_000);
    assert!(requests(&mut world, 1).is_empty(), "across a restart");
    world.ask(3, introduce()).unwrap();
    world.pass(1_000);
    assert_eq!(requests(&mut world, 1)[0].kind, RequestKind::Introduction { by: handle("dora") });
}

#[test]
fn one_friend_holds_five_places_of_the_inbox() {
    let mut world = World::new(&["Alice", "Bob", "C1", "C2", "C3", "C4", "C5", "C6", "C7"]);
    for node in 1..9 {
        world.befriend(0, node);
    }
    for number in 1..8 {
        let to = handle(&format!("c{number}"));
        world.ask(0, Command::Introduce { chat: handle("bob"), to }).unwrap();
        world.pass(1_000);
    }
    assert_eq!(requests(&mut world, 1).len(), 5);
}

#[test]
fn names_are_ours_to_give() {
    let mut world = World::friends();
    world.ask(0, Command::Rename { chat: handle("bob"), alias: handle("Robert") }).unwrap();
    assert_eq!(world.friend(0, "Robert").nick.unwrap().as_str(), "Bob");
    let refusal = world.ask(0, Command::Mute { chat: handle("Robrt"), muted: true }).unwrap_err();
    assert_eq!(refusal.message, "no friend is called @Robrt; did you mean @Robert? /friends lists them");
    let gone = world.ask(0, Command::Mute { chat: handle("bob"), muted: true }).unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
}

#[test]
fn a_note_reaches_the_inbox() {
    let mut world = World::new(&["Alice", "Bob"]);
    let invite = world.link(0, 1, false);
    let note = Note::parse("we met on the train").unwrap();
    world.ask(1, Command::Add { invite: Box::new(invite), note: note.clone() }).unwrap();
    world.pass(1_000);
    assert_eq!(requests(&mut world, 0)[0].note, note);
}
