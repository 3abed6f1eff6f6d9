//! Several devices of one account in a world: how they are linked, and what must be the same at all of them.

use std::collections::BTreeMap;

use hobnob_engine::{
    command::{Code, Command, DeliveryState, Friend, Message, OwnDevice, Refusal, Reply, Standing},
    work::Ticket,
};
use hobnob_shared::{
    identity::{AccountKey, Invite},
    text::Handle,
};

use crate::{
    cast,
    talk::{friends, text},
    world::{NodeIndex, World},
};

/// The account key of person `index`, as the node that was made with it holds it.
pub fn key(world: &World, index: NodeIndex) -> AccountKey {
    cast::keys(index, world.seed).0
}

/// A link for another device of the account of `old`.
pub fn link(world: &mut World, old: NodeIndex) -> Invite {
    let key = key(world, old);
    match world.answer(old, Command::LinkDevice { key }) {
        Ok(Reply::Invite { link, .. }) => Invite::parse(&link).expect("our own link parses"),
        other => panic!("seed {}: no link: {other:?}", world.seed),
    }
}

/// Has `new` use a link, and start again as what it became.
pub fn join(world: &mut World, new: NodeIndex, invite: &Invite) -> Result<(), Refusal> {
    match world.answer(new, Command::JoinAccount { invite: Box::new(invite.clone()) })? {
        Reply::Joined(joined) => world.become_device(new, &joined),
        other => panic!("seed {}: joining was answered {other:?}", world.seed),
    }
    Ok(())
}

/// Makes `new` a device of the account of `old`, and waits until it knows its friends.
pub fn add_device(world: &mut World, old: NodeIndex, new: NodeIndex) {
    let invite = link(world, old);
    join(world, new, &invite).unwrap_or_else(|refusal| panic!("seed {}: {refusal}", world.seed));
    let done = world.run_until(120_000, |world| who(world, old) == who(world, new));
    let (old, new, seed) = (who(world, old), who(world, new), world.seed);
    assert!(done, "seed {seed}: {old:?} and {new:?}");
}

/// The devices of a node's account.
pub fn devices(world: &mut World, node: NodeIndex) -> Vec<OwnDevice> {
    match world.answer(node, Command::Devices) {
        Ok(Reply::Devices(devices)) => devices,
        other => panic!("seed {}: /devices said {other:?}", world.seed),
    }
}

/// Who the friends of a node are, and all that its person decided about them.
pub fn who(world: &mut World, node: NodeIndex) -> BTreeMap<Handle, (Standing, bool, bool)> {
    let one = |friend: Friend| (friend.handle, (friend.standing, friend.verified, friend.muted));
    friends(world, node).into_iter().map(one).collect()
}

/// The handle of person `index`.
pub fn name(index: NodeIndex) -> Handle {
    Handle::from_nickname(&cast::nick(index))
}

/// Everything in a chat, oldest first. Nothing where the friend is not known yet.
pub fn chat(world: &mut World, node: NodeIndex, with: &Handle) -> Vec<Message> {
    match world.answer(node, Command::History { chat: with.clone(), limit: 10_000, before: None }) {
        Ok(Reply::Messages(messages)) => messages,
        Err(refusal) if refusal.code == Code::NotFound => Vec::new(),
        other => panic!("seed {}: /history said {other:?}", world.seed),
    }
}

/// Sends without waiting.
pub fn send(world: &mut World, node: NodeIndex, to: &Handle, words: &str) -> Ticket {
    world.ask(node, Command::Send { chat: to.clone(), text: text(words), reply_to: None, action: false })
}

/// The ends of one conversation: each device, and how it calls the other side.
pub type Ends = Vec<(NodeIndex, Handle)>;

/// Whether all ends hold the same messages with the same words, and each of them is at every device.
pub fn agree(world: &mut World, ends: &Ends) -> bool {
    have_the_same(world, ends) && ends.iter().all(|(node, with)| chat(world, *node, with).iter().all(is_everywhere))
}

/// Whether all ends hold the same messages with the same words.
pub fn have_the_same(world: &mut World, ends: &Ends) -> bool {
    let mut said = |(node, with): &(NodeIndex, Handle)| {
        let messages = chat(world, *node, with).into_iter();
        messages.map(|it| (it.entry, it.text, it.edited)).collect::<Vec<_>>()
    };
    let first = said(&ends[0]);
    ends.iter().skip(1).all(|end| said(end) == first)
}

/// Whether every device that should have it has it, as far as is known here.
pub fn is_everywhere(message: &Message) -> bool {
    message.delivery.is_none_or(|it| it.state >= DeliveryState::Delivered && it.delivered == it.devices)
}
