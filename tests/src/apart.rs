//! People who have names at a rendezvous and one to three devices each, and what must hold when they met nowhere else.

use std::collections::BTreeSet;

use hobnob_engine::command::{Command, DeliveryState, From, Message, Presence, Queued, Reply, RequestKind};
use hobnob_shared::text::{Handle, Note};

use crate::{
    devices::{Ends, add_device, agree, chat, have_the_same, is_everywhere, name},
    talk::{Sent, act, are_friends, befriend, friends, shown_once},
    world::{Faults, NodeIndex, ServerIndex, World, username},
};

/// The devices of each person; the first of them made the account, and has the person's number.
#[derive(Clone, Debug)]
pub struct People(pub Vec<Vec<NodeIndex>>);

impl People {
    /// A world in which as many people as there are numbers are friends, have so many devices each, and have names at the
    /// first rendezvous.
    pub fn gather(seed: u64, devices: &[usize]) -> (World, Self) {
        let mut world = World::new(seed, devices.iter().sum());
        let server = world.add_server();
        let mut next = devices.len();
        let mut people = Vec::new();
        for (person, count) in devices.iter().enumerate() {
            let mut theirs = vec![person];
            theirs.extend(next..next + count - 1);
            next += count - 1;
            people.push(theirs);
        }
        let people = Self(people);
        for (one, other) in people.pairs() {
            befriend(&mut world, one, other);
        }
        for person in 0..devices.len() {
            people.enrol(&mut world, person, server);
        }
        // Longer than what becoming friends makes them look at, and until mailboxes are made and told.
        world.run_for(10_000);
        (world, people)
    }

    fn enrol(&self, world: &mut World, person: NodeIndex, server: ServerIndex) {
        world.register(person, server);
        for device in &self.0[person][1..] {
            add_device(world, person, *device);
            world.log_in(*device, server, person);
        }
    }

    /// Everybody with everybody else, once.
    pub fn pairs(&self) -> Vec<(NodeIndex, NodeIndex)> {
        let count = self.0.len();
        (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other))).collect()
    }

    /// All devices.
    pub fn all(&self) -> Vec<NodeIndex> {
        self.0.concat()
    }

    /// Whose device this is.
    pub fn owner(&self, node: NodeIndex) -> NodeIndex {
        self.0.iter().position(|devices| devices.contains(&node)).expect("somebody's")
    }

    /// No device of one reaches a device of another any more.
    pub fn separate(&self, world: &mut World) {
        for (one, other) in self.pairs() {
            for device in &self.0[one] {
                self.0[other].iter().for_each(|it| world.part(*device, *it));
            }
        }
    }

    /// Nobody's devices reach each other any more either.
    pub fn isolate(&self, world: &mut World) {
        for devices in &self.0 {
            for (index, one) in devices.iter().enumerate() {
                devices.iter().skip(index + 1).for_each(|other| world.part(*one, *other));
            }
        }
    }

    /// The ends of the conversation of two people.
    pub fn ends(&self, one: NodeIndex, other: NodeIndex) -> Ends {
        let of = |mine: NodeIndex, theirs: NodeIndex| self.0[mine].iter().map(move |node| (*node, name(theirs)));
        of(one, other).chain(of(other, one)).collect()
    }

    /// A random act of a random device that is there, to anybody else.
    pub fn act(&self, world: &mut World, sent: &mut Sent) {
        let all = self.all();
        let node = all[world.below(all.len() as u64) as usize];
        let (owner, count) = (self.owner(node), self.0.len());
        let to = (owner + 1 + world.below(count as u64 - 1) as usize) % count;
        if world.nodes[node].engine.is_some() {
            act(world, node, to, sent);
        }
    }

    /// Ends all faults, and waits until every conversation is the same at all of its ends, and none of them says that
    /// something waits, though it is everywhere.
    pub fn settle(&self, world: &mut World, limit_ms: u64) {
        world.calm();
        for (one, other) in self.pairs() {
            let ends = self.ends(one, other);
            if !world.run_until(limit_ms, |world| have_the_same(world, &ends) && is_settled(world, &ends)) {
                self.fail(world, &ends, "are not settled");
            }
        }
    }

    /// Whether every device knows of every message that it is everywhere.
    pub fn is_known(&self, world: &mut World) -> bool {
        self.pairs().into_iter().all(|(one, other)| agree(world, &self.ends(one, other)))
    }

    /// Ends all faults, and waits for that.
    pub fn know(&self, world: &mut World, limit_ms: u64) {
        world.calm();
        if !world.run_until(limit_ms, |world| self.is_known(world)) {
            let ends: Ends = self.pairs().into_iter().flat_map(|(one, other)| self.ends(one, other)).collect();
            self.fail(world, &ends, "do not know");
        }
    }

    fn fail(&self, world: &mut World, ends: &Ends, what: &str) -> ! {
        let mut open = |(node, with): &(NodeIndex, Handle)| {
            let chat = chat(world, *node, with);
            let open = chat.iter().filter(|it| !is_everywhere(it)).map(|it| (it.text.clone(), it.delivery));
            (*node, chat.len(), open.collect::<Vec<_>>())
        };
        let all: Vec<_> = ends.iter().map(&mut open).collect();
        let outboxes: Vec<_> = self.all().into_iter().map(|node| (node, outbox(world, node))).collect();
        panic!("seed {}: they {what}: {all:#?} {outboxes:#?}", world.seed);
    }

    /// What was acknowledged is in its conversation, once, and each device's in the order of writing.
    pub fn check(&self, world: &mut World, sent: &Sent) {
        let seed = world.seed;
        let acknowledged = sent.acknowledged(world);
        for (one, other) in self.pairs() {
            let messages = chat(world, one, &name(other));
            let there: BTreeSet<_> = messages.iter().map(|message| message.entry).collect();
            assert_eq!(there.len(), messages.len(), "seed {seed}: a message stands twice");
            for (entry, (from, to)) in &acknowledged {
                let is_here = [(one, other), (other, one)].contains(&(self.owner(*from), *to));
                assert_eq!(there.contains(entry), is_here, "seed {seed}: a message is gone, or elsewhere");
            }
            for message in &messages {
                // Edited ones do not say any more who wrote them.
                let author = message.text.split_once(':').and_then(|(node, _)| node.parse().ok());
                let is_mine = author.is_none_or(|node| (self.owner(node) == one) == (message.from == From::Me));
                assert!(is_mine, "seed {seed}: a message is not of whom it says");
            }
            for author in [&self.0[one][..], &self.0[other][..]].concat() {
                let prefix = format!("{author}:");
                let numbers: Vec<u64> =
                    messages.iter().filter_map(|it| it.text.strip_prefix(&prefix)?.parse().ok()).collect();
                assert!(numbers.is_sorted(), "seed {seed}: node {author} was reordered: {numbers:?}");
            }
        }
        for node in self.all() {
            shown_once(world, node);
            let left = outbox(world, node);
            assert_eq!(left, [], "seed {seed}: node {node} still waits");
        }
    }

    /// Everything that one device of each person has read is read at all of them, soon.
    pub fn read_everywhere(&self, world: &mut World) {
        let seed = world.seed;
        for (one, other) in self.pairs() {
            for (mine, theirs) in [(one, other), (other, one)] {
                let reader = self.0[mine][world.below(self.0[mine].len() as u64) as usize];
                let read = world.answer(reader, Command::MarkRead { chat: name(theirs) });
                assert!(read.is_ok(), "seed {seed}: {read:?}");
            }
        }
        let done = world.run_until(120_000, |world| self.all().into_iter().all(|node| unread(world, node) == 0));
        assert!(done, "seed {seed}: what was read at one device is not at another");
    }
}

/// Two become friends by the name of `other`, over the first rendezvous, where both have names.
pub fn befriend_by_name(world: &mut World, one: NodeIndex, other: NodeIndex) {
    let seed = world.seed;
    let add = Command::AddName { name: username(other), server: None, note: Note::default() };
    let added = world.answer(one, add);
    assert!(added.is_ok(), "seed {seed}: {added:?}");
    let asked = |world: &mut World| match world.answer(other, Command::Requests) {
        Ok(Reply::Requests(requests)) => requests.iter().any(|it| matches!(it.kind, RequestKind::Name { .. })),
        answer => panic!("seed {seed}: {answer:?}"),
    };
    assert!(world.run_until(300_000, asked), "seed {seed}: nobody asked");
    let accepted = world.answer(other, Command::Accept { number: 1 });
    assert!(accepted.is_ok(), "seed {seed}: {accepted:?}");
    assert!(world.run_until(300_000, |world| are_friends(world, one, other)), "seed {seed}: not friends");
}

/// Everybody comes, says something and goes, each at random times.
pub fn live(world: &mut World, people: &People, rounds: u64, sent: &mut Sent) {
    let all = people.all();
    for _ in 0..rounds {
        let node = all[world.below(all.len() as u64) as usize];
        match world.below(8) {
            0 => world.crash(node),
            1 | 2 => world.start(node),
            _ => people.act(world, sent),
        }
        let pause = world.below(15_000);
        world.run_for(pause);
    }
}

/// Times in which people reach nobody but the rendezvous, and others in which they meet, in turn; everything fails at times.
pub fn meet_now_and_then(world: &mut World, people: &People, times: u64, sent: &mut Sent) {
    for time in 0..times {
        if time % 2 == 0 {
            people.separate(world);
        } else {
            world.heal();
        }
        world.faults = Faults { crash: 80, crash_server: 80, break_link: 80, delay_ms: 80, ..Faults::default() };
        live(world, people, 8, sent);
    }
}

/// Everybody looks in for twenty minutes a day, and says nothing.
pub fn visit_daily(world: &mut World, people: &People, days: u64) {
    const VISIT_MS: u64 = 20 * 60_000;
    for _ in 0..days {
        people.all().into_iter().for_each(|node| world.start(node));
        world.run_for(VISIT_MS);
        people.all().into_iter().for_each(|node| world.crash(node));
        world.run_for(86_400_000 - VISIT_MS);
    }
}

/// How a friend shows themselves to a node. Nobody is offline to whom they are no friend.
pub fn presence(world: &mut World, node: NodeIndex, of: &Handle) -> (Presence, String) {
    let friend = friends(world, node).into_iter().find(|friend| friend.handle == *of);
    friend.map_or((Presence::Offline, String::new()), |it| (it.presence, it.presence_text.as_str().to_owned()))
}

/// What `/outbox` shows.
pub fn outbox(world: &mut World, node: NodeIndex) -> Vec<Queued> {
    match world.answer(node, Command::Outbox) {
        Ok(Reply::Outbox { queued, .. }) => queued,
        other => panic!("seed {}: /outbox said {other:?}", world.seed),
    }
}

fn unread(world: &mut World, node: NodeIndex) -> u64 {
    match world.answer(node, Command::Chats) {
        Ok(Reply::Chats(chats)) => chats.iter().map(|chat| chat.unread).sum(),
        other => panic!("seed {}: /chats said {other:?}", world.seed),
    }
}

/// Whether whoever wrote a message knows that it is everywhere, and their other devices that it is somewhere, or nothing.
fn is_settled(world: &mut World, ends: &Ends) -> bool {
    let is_true = |message: &Message| {
        message.delivery.is_none_or(|it| it.state == DeliveryState::Unknown || it.state >= DeliveryState::Delivered)
    };
    ends.iter().all(|(node, with)| chat(world, *node, with).iter().all(is_true) && outbox(world, *node).is_empty())
}
