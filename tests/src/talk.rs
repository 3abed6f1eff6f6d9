//! What people do in a world, and what must hold of it afterwards.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_engine::{
    command::{Code, Command, DeliveryState, Friend, From, InviteTerms, Message, MessageRef, Reply, Standing, Which},
    event::Event,
};
use hobnob_shared::{
    id::EntryId,
    identity::Invite,
    text::{Handle, MessageText, Note, Reaction},
};

use crate::{
    cast,
    world::{NodeIndex, World},
};

/// How every node of a world calls node `index`.
pub fn handle(index: NodeIndex) -> Handle {
    Handle::from_nickname(&cast::nick(index))
}

/// Makes two nodes friends through an invite of `inviter` that accepts at once.
pub fn befriend(world: &mut World, inviter: NodeIndex, guest: NodeIndex) {
    let terms = InviteTerms { uses: 1, lifetime_secs: 3600, auto_accept: true };
    let Ok(Reply::Invite { link, .. }) = world.answer(inviter, Command::CreateInvite(terms)) else {
        panic!("seed {}: no invite", world.seed)
    };
    let invite: Invite = Invite::parse(&link).expect("our own link parses");
    let note = Note::parse("").expect("empty notes are fine");
    let added = world.answer(guest, Command::Add { invite: Box::new(invite), note });
    assert!(added.is_ok(), "seed {}: {added:?}", world.seed);
    let done = world.run_until(120_000, |world| are_friends(world, inviter, guest));
    assert!(done, "seed {}: node {inviter} and node {guest} did not become friends", world.seed);
}

/// Whether both see the other as a friend.
pub fn are_friends(world: &mut World, one: NodeIndex, other: NodeIndex) -> bool {
    [(one, other), (other, one)]
        .into_iter()
        .all(|(at, of)| friends(world, at).iter().any(|f| f.handle == handle(of) && f.standing == Standing::Friend))
}

/// What `/friends` shows.
pub fn friends(world: &mut World, node: NodeIndex) -> Vec<Friend> {
    match world.answer(node, Command::Friends) {
        Ok(Reply::Friends(friends)) => friends,
        other => panic!("seed {}: /friends said {other:?}", world.seed),
    }
}

/// Everything in the chat, oldest first.
pub fn history(world: &mut World, node: NodeIndex, with: NodeIndex) -> Vec<Message> {
    let command = Command::History { chat: handle(with), limit: 10_000, before: None };
    match world.answer(node, command) {
        Ok(Reply::Messages(messages)) => messages,
        other => panic!("seed {}: /history said {other:?}", world.seed),
    }
}

/// A text to send.
pub fn text(words: &str) -> MessageText {
    MessageText::parse(words).expect("a short text")
}

/// Sends without waiting.
pub fn say(world: &mut World, node: NodeIndex, to: NodeIndex, words: &str) -> hobnob_engine::work::Ticket {
    let command = Command::Send { chat: handle(to), text: text(words), reply_to: None, action: false };
    world.ask(node, command)
}

/// One random act of a person: mostly messages, sometimes an edit, a deletion, a reaction. The n-th text of a node
/// carries its number, so that order can be checked.
pub fn act(world: &mut World, node: NodeIndex, to: NodeIndex, sent: &mut Sent) {
    let which = |back| Which { chat: Some(handle(to)), message: MessageRef::Last(back) };
    match world.below(10) {
        0 => {
            let reaction = Some(Reaction::parse("👍").expect("an emoji"));
            world.ask(node, Command::React { which: which(1), reaction });
        }
        1 => {
            world.ask(node, Command::Typing { chat: handle(to) });
        }
        2 => {
            world.ask(node, Command::MarkRead { chat: handle(to) });
        }
        3 => {
            // Of the other's messages, or of ours: refused or done, never half.
            world.ask(node, Command::Edit { which: which(2), text: text("edited") });
        }
        _ => {
            let next = sent.count.entry(node).or_default();
            *next += 1;
            let words = format!("{node}:{next}");
            let ticket = say(world, node, to, &words);
            sent.tickets.push((node, to, ticket, words));
        }
    }
}

/// What was sent in a world.
#[derive(Debug, Default)]
pub struct Sent {
    count: BTreeMap<NodeIndex, u64>,
    tickets: Vec<(NodeIndex, NodeIndex, hobnob_engine::work::Ticket, String)>,
}

impl Sent {
    /// The entries whose sending was acknowledged.
    pub fn acknowledged(&self, world: &World) -> BTreeMap<EntryId, (NodeIndex, NodeIndex)> {
        self.tickets
            .iter()
            .filter_map(|(node, to, ticket, _)| match world.nodes[*node].replies.get(ticket)? {
                Ok(Reply::Sent(message)) => Some((message.entry, (*node, *to))),
                Ok(other) => panic!("seed {}: sending was answered {other:?}", world.seed),
                Err(refusal) if refusal.code == Code::NotFound => None, // Not friends yet.
                Err(refusal) => panic!("seed {}: sending was refused: {refusal}", world.seed),
            })
            .collect()
    }
}

/// Ends all faults, and waits until the two have the same and know it.
pub fn settle(world: &mut World, one: NodeIndex, other: NodeIndex) {
    world.heal();
    let settled = world.run_until(3_600_000, |world| {
        let (a, b) = (history(world, one, other), history(world, other, one));
        ids(&a) == ids(&b)
            && texts(&a) == texts(&b)
            && is_delivered(world, one, other)
            && is_delivered(world, other, one)
    });
    if !settled {
        let (a, b) = (history(world, one, other), history(world, other, one));
        let queued: Vec<_> =
            [&a, &b].map(|h| h.iter().filter(|m| !delivered(m)).map(|m| m.text.clone()).collect::<Vec<_>>()).into();
        panic!("seed {}: not settled: {} and {} messages; undelivered: {queued:?}", world.seed, a.len(), b.len());
    }
}

fn delivered(message: &Message) -> bool {
    message.delivery.is_none_or(|d| d.state >= DeliveryState::Delivered)
}

fn is_delivered(world: &mut World, node: NodeIndex, with: NodeIndex) -> bool {
    history(world, node, with).iter().all(delivered)
}

/// Which entries, in which order.
pub fn ids(messages: &[Message]) -> Vec<EntryId> {
    messages.iter().map(|m| m.entry).collect()
}

/// What they say by now.
fn texts(messages: &[Message]) -> Vec<(String, bool, usize)> {
    messages.iter().map(|m| (m.text.clone(), m.edited, m.reactions.len())).collect()
}

/// The promises: what was acknowledged is at both, once, in the same order, each author's in the order of writing, and
/// with the same texts.
pub fn check(world: &mut World, one: NodeIndex, other: NodeIndex, sent: &Sent, lost: &BTreeSet<EntryId>) {
    let seed = world.seed;
    let (a, b) = (history(world, one, other), history(world, other, one));
    assert_eq!(ids(&a), ids(&b), "seed {seed}: order differs");
    assert_eq!(texts(&a), texts(&b), "seed {seed}: texts differ");
    let there: BTreeSet<EntryId> = ids(&a).into_iter().collect();
    assert_eq!(there.len(), a.len(), "seed {seed}: an entry stands twice");
    for entry in sent.acknowledged(world).keys() {
        assert!(there.contains(entry) || lost.contains(entry), "seed {seed}: an acknowledged message is gone");
    }
    for author in [one, other] {
        let prefix = format!("{author}:");
        let numbers: Vec<u64> = a.iter().filter_map(|m| m.text.strip_prefix(&prefix)?.parse().ok()).collect();
        assert!(numbers.is_sorted(), "seed {seed}: node {author} was reordered: {numbers:?}");
    }
    shown_once(world, one);
    shown_once(world, other);
}

/// No message of others was announced twice, over all lives of the node.
pub fn shown_once(world: &World, node: NodeIndex) {
    let mut seen = BTreeSet::new();
    let live = world.nodes[node].events.iter().filter_map(|event| match event {
        Event::Message(message) if message.from != From::Me => Some(message.entry),
        _ => None,
    });
    let caught_up = world.nodes[node].replies.values().filter_map(|reply| match reply {
        Ok(Reply::Listening { messages, .. }) => Some(messages.iter().map(|m| m.entry)),
        _ => None,
    });
    for entry in live.chain(caught_up.flatten()) {
        assert!(seen.insert(entry), "seed {}: node {node} showed a message twice", world.seed);
    }
}
