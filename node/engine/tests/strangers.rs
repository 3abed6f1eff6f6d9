//! What those get who are not welcome, or do not keep the rules: hand-made handshakes against one engine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, person};
use hobnob_engine::{
    command::Command,
    work::{Action, Input, LinkId, Mode, TransportId, Work},
};
use hobnob_shared::{
    id::InviteId,
    identity::Identity,
    noise::{Handshake, Session, Step},
    wire::{Close, ErrorCode, Frame, Hello},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// Somebody with keys of their own and no engine.
struct Mallory {
    identity: Identity,
    link: LinkId,
    session: Option<Session>,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
enum Back {
    Message(Vec<u8>),
    Closed,
}

fn give(world: &mut World, input: Input) -> Vec<Back> {
    let now = world.now();
    let node = &mut world.nodes[0];
    let engine = node.engine.as_mut().unwrap();
    let mut work = Work::default();
    engine.handle(input, now, &node.view, &mut work).unwrap();
    engine.flush(now, &node.view, &mut work).unwrap();
    node.view.apply(&work.records);
    let back = work.actions.into_iter().filter_map(|action| match action {
        Action::Send(_, bytes) => Some(Back::Message(bytes)),
        Action::Close(_) => Some(Back::Closed),
        _ => None,
    });
    back.collect()
}

impl Mallory {
    fn new(link: u64) -> Self {
        Self { identity: person("Mallory", 66).1, link: LinkId(link), session: None }
    }

    fn call(&self, world: &mut World, mode: Mode) -> Vec<Back> {
        let (local, remote) = (world.nodes[0].transport.clone(), TransportId(vec![66]));
        let address = "/ip4/10.6.6.6/tcp/66".to_owned();
        give(world, Input::Accepted { link: self.link, local, remote, address, mode })
    }

    /// All three messages; what the node answers to the last.
    fn shake(&mut self, world: &mut World, mode: Mode, invite: Option<(InviteId, [u8; 16])>) -> Vec<Back> {
        assert_eq!(self.call(world, mode), []);
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let (mut handshake, one) = Handshake::initiate(
            mode,
            self.identity.device_keys.x25519_secret(),
            Some(world.nodes[0].identity.device_keys.x25519_public()),
            invite.as_ref().map(|(id, token)| (*id, token)),
            &[66],
            &world.nodes[0].transport.0.clone(),
            &self.identity.certificate.encode(),
            &mut rng,
        )
        .unwrap();
        let back = give(world, Input::Chunk(self.link, one));
        let [Back::Message(two)] = &back[..] else { return back };
        let Ok(Step::Done(done)) = handshake.read(two) else { panic!("message 2 is good") };
        self.session = Some(done.session);
        give(world, Input::Chunk(self.link, done.send.unwrap()))
    }

    fn say(&mut self, world: &mut World, frame: &[u8]) -> Vec<Back> {
        let mut messages = Vec::new();
        self.session.as_mut().unwrap().seal(frame, &mut messages).unwrap();
        messages.into_iter().flat_map(|message| give(world, Input::Chunk(self.link, message))).collect()
    }

    fn read(&mut self, back: &[Back]) -> Vec<Frame> {
        let session = self.session.as_mut().unwrap();
        let messages = back.iter().filter_map(|it| if let Back::Message(bytes) = it { Some(bytes) } else { None });
        let frames: Vec<_> = messages.flat_map(|message| session.open(message).unwrap()).collect();
        frames.iter().map(|frame| Frame::decode(frame).unwrap().1).collect()
    }

    /// A session by an invite, which Alice gave to whoever asked.
    fn guest(world: &mut World) -> Self {
        let invite = world.link(0, 9, false);
        let mut mallory = Self::new(666);
        let back = mallory.shake(world, Mode::Invite, Some((invite.id, *invite.token)));
        assert!(matches!(mallory.read(&back)[..], [Frame::Hello(_)]), "greeted, and no more");
        mallory
    }
}

#[test]
fn whoever_knows_only_the_key_is_shown_the_door_without_a_word() {
    let mut world = World::new(&["Alice"]);
    assert_eq!(Mallory::new(1).shake(&mut world, Mode::Device, None), [Back::Closed]);
    assert_eq!(Mallory::new(2).call(&mut world, Mode::Nearby), [Back::Closed], "pairing mode is off");
    for mode in [Mode::Account, Mode::Guest] {
        assert_eq!(Mallory::new(8).call(&mut world, mode), [Back::Closed], "a node is no rendezvous");
    }
    let unknown = (InviteId::new([3; 16]), [3; 16]);
    assert_eq!(Mallory::new(3).shake(&mut world, Mode::Invite, Some(unknown)), [Back::Closed], "no such invite");
    let invite = world.link(0, 1, true);
    let guessed = (invite.id, [3; 16]);
    assert_eq!(Mallory::new(4).shake(&mut world, Mode::Invite, Some(guessed)), [Back::Closed], "a guessed token");
}

#[test]
fn a_flood_of_half_open_handshakes_does_not_keep_a_friend_out() {
    let mut world = World::friends();
    world.stop(1);
    for link in 0..1000 {
        assert!(Mallory::new(1_000_000 + link).call(&mut world, Mode::Device).len() <= 1, "the oldest goes at most");
    }
    world.start(1);
    world.pass(2_000);
    assert_eq!(world.peers(0, 1), 1);
}

#[test]
fn noise_and_nonsense_end_the_link() {
    let mut world = World::new(&["Alice"]);
    let mallory = Mallory::new(1);
    mallory.call(&mut world, Mode::Device);
    assert_eq!(give(&mut world, Input::Chunk(mallory.link, vec![0; 1232])), [Back::Closed]);
    assert_eq!(give(&mut world, Input::Chunk(mallory.link, vec![0; 10])), [Back::Closed], "an unknown link is closed");

    for nonsense in [&[0xff_u8, 1, 2][..], &[0x83, 0, 0], &Frame::Hello(Hello::default()).encode(0)[..9]] {
        let mut guest = Mallory::guest(&mut world);
        let back = guest.say(&mut world, nonsense);
        assert_eq!(guest.read(&back), [Frame::Close(Close { code: ErrorCode::Malformed })]);
        assert_eq!(back.last(), Some(&Back::Closed));
    }
}

#[test]
fn a_second_hello_ends_the_session() {
    let mut world = World::new(&["Alice"]);
    let mut guest = Mallory::guest(&mut world);
    let hello = Frame::Hello(Hello::default()).encode(0);
    let back = guest.say(&mut world, &hello);
    assert!(matches!(guest.read(&back)[..], [Frame::Account(_)]));
    assert_eq!(guest.say(&mut world, &hello).last(), Some(&Back::Closed));
}

#[test]
fn unknown_frames_are_ignored_or_answered_and_the_session_goes_on() {
    let mut world = World::new(&["Alice"]);
    let mut guest = Mallory::guest(&mut world);
    assert_eq!(guest.say(&mut world, &Frame::Unknown(200).encode(1)), []);
    let back = guest.say(&mut world, &Frame::Unknown(201).encode(5));
    assert!(matches!(guest.read(&back)[..], [Frame::Error(failure)] if failure.of == 5));
    let back = guest.say(&mut world, &Frame::Ping { nonce: 4 }.encode(6));
    assert_eq!(guest.read(&back), [Frame::Pong { nonce: 4 }]);
}

#[test]
fn a_guest_who_never_says_who_they_are_is_gone_after_five_seconds() {
    let mut world = World::new(&["Alice"]);
    Mallory::guest(&mut world);
    world.pass(4_999);
    let now = world.nodes[0].engine.as_ref().unwrap().next_timeout();
    assert_eq!(now, Some(5_000));
    world.now_ms = 5_000;
    assert_eq!(give(&mut world, Input::Timeout), [Back::Closed]);
}

#[test]
fn another_persons_frames_before_friendship_do_nothing() {
    let mut world = World::new(&["Alice"]);
    let mut guest = Mallory::guest(&mut world);
    for frame in [
        Frame::SasCommit { commit: [0; 32] },
        Frame::SasReveal { nonce: [0; 16] },
        Frame::Presence(hobnob_shared::wire::Presence {
            state: hobnob_shared::wire::PresenceState::Online,
            text: hobnob_shared::text::Note::default(),
        }),
    ] {
        assert_eq!(guest.say(&mut world, &frame.encode(1)), []);
    }
    assert!(world.friend_list(0).is_empty());
    world.ask(0, Command::Requests).unwrap();
}
