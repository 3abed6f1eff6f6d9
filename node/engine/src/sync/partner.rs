//! One session's other side: a friend's device, with which one conversation flows, or another device of ours, with which
//! all do.
//!
//! Our own devices compare many conversations at once, a page of digests at a time: the next page goes out when the
//! answers to the last one are here.

use std::{collections::BTreeSet, ops::RangeInclusive};

use hobnob_shared::{
    id::DeviceId,
    limits::MAX_DIGESTS,
    wire::{ChatDigest, Digests, Frame, Want},
};
use rand_core::Rng as _;

use crate::{
    Around,
    conversation::{Conversations, chat::Chat},
    step::{SessionId, Step},
    sync::{REPAIR_MS, window::Window},
    view::Fault,
};

/// What is known of one session's other side, whatever the conversation.
#[derive(Debug)]
pub(crate) struct Partner {
    pub(crate) device: DeviceId,
    /// Another device of ours.
    pub(crate) mine: bool,
    pub(super) window: Window,
    pub(super) next_digest: u64,
    /// Conversations that are to be compared; only with a device of ours.
    due: BTreeSet<u32>,
    /// Sent behind the last page; its answer comes behind the answers to the page.
    asked: Option<u64>,
}

impl Partner {
    pub(crate) fn new(device: DeviceId, mine: bool, now_ms: u64) -> Self {
        let (window, due) = (Window::default(), BTreeSet::new());
        Self { device, mine, window, next_digest: now_ms + REPAIR_MS, due, asked: None }
    }

    /// A conversation is to be compared.
    pub(super) fn announce(&mut self, chat: u32) {
        self.due.insert(chat);
    }

    /// Whether a page can go out now.
    fn next_page(&mut self, nonce: u64) -> Vec<u32> {
        if self.asked.is_some() || self.due.is_empty() {
            return Vec::new();
        }
        self.asked = Some(nonce);
        let first = self.due.iter().nth(MAX_DIGESTS).copied();
        let rest = first.map(|first| self.due.split_off(&first)).unwrap_or_default();
        std::mem::replace(&mut self.due, rest).into_iter().collect()
    }
}

/// The links of one session.
pub(crate) fn links_of(session: SessionId) -> RangeInclusive<(SessionId, u32)> {
    (session, 0)..=(session, u32::MAX)
}

impl Conversations {
    /// Pages of digests that can go out.
    pub(crate) fn send_pages(&mut self, around: &Around<'_>, step: &mut Step<'_>) {
        for (session, partner) in self.partners.iter_mut().filter(|(_, partner)| partner.mine) {
            let nonce = step.rng.next_u64();
            let page = partner.next_page(nonce);
            if page.is_empty() {
                continue;
            }
            let (mut chats, mut wants) = (Vec::with_capacity(page.len()), Vec::new());
            for number in page {
                let Some(chat) = self.chats.get_mut(&number) else { continue };
                if let Some(link) = self.links.get_mut(&(*session, number)) {
                    link.told_all(chat);
                    if std::mem::take(&mut link.fresh) {
                        // Bodies that are over our quota may be there.
                        wants.extend(chat.withheld_here(*session, step.now).map(|ranges| (chat.id, ranges)));
                    }
                }
                // What was looked for over a session that broke may never have come.
                chat.probes.clear();
                chats.push(digest_of(chat, around));
            }
            step.send(*session, Frame::Digests(Digests { chats }));
            for (conversation, ranges) in wants {
                step.send(*session, Frame::Want(Want { conversation, ranges }));
            }
            step.send(*session, Frame::Ping { nonce });
        }
    }

    /// The answers to a page are here.
    pub(crate) fn on_pong(&mut self, session: SessionId, nonce: u64) {
        if let Some(partner) = self.partners.get_mut(&session).filter(|partner| partner.asked == Some(nonce)) {
            partner.asked = None;
        }
    }

    /// Another device of ours shows what it has. Conversations that are not here yet come when the friend is known.
    pub(crate) fn on_digests(
        &mut self,
        session: SessionId,
        digests: &Digests,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        if !self.partners.get(&session).is_some_and(|partner| partner.mine) {
            return Ok(());
        }
        for theirs in &digests.chats {
            let Some(number) = self.number_of(&theirs.conversation) else { continue };
            if let Some(chat) = self.chats.get(&number) {
                share_account(session, chat, theirs, around, step);
            }
            self.on_hash(session, number, &theirs.hash, around, step)?;
        }
        Ok(())
    }
}

fn digest_of(chat: &Chat, around: &Around<'_>) -> ChatDigest {
    let account = around.people.account(&chat.row.account).and_then(crate::account::AccountRow::digest);
    ChatDigest { conversation: chat.id, hash: chat.digest(), account }
}

/// What the other device may lack of a friend's records, devices and addresses.
fn share_account(session: SessionId, chat: &Chat, theirs: &ChatDigest, around: &Around<'_>, step: &mut Step<'_>) {
    let Some(known) = around.people.account(&chat.row.account) else { return };
    let ours = known.digest();
    let is_newer = ours.map(|(seq, _)| seq) >= theirs.account.map(|(seq, _)| seq);
    if ours != theirs.account && is_newer {
        for payload in known.shared(None) {
            step.send(session, Frame::Account(payload));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_conversations_are_compared_a_page_at_a_time() {
        let mut partner = Partner::new(DeviceId::new([1; 32]), true, 0);
        (0..600).for_each(|chat| partner.announce(chat));
        let pages: Vec<usize> = (1..=4)
            .map(|nonce| {
                let page = partner.next_page(nonce).len();
                assert!(partner.next_page(nonce + 100).is_empty(), "the answers are not here yet");
                partner.asked = None;
                page
            })
            .collect();
        assert_eq!(pages, [MAX_DIGESTS, MAX_DIGESTS, 600 - 2 * MAX_DIGESTS, 0]);
        partner.announce(7);
        partner.announce(7);
        assert_eq!(partner.next_page(9), [7]);
    }
}
