//! All conversations of this node: what A calls and what the parts of a conversation share.
//!
//! A conversation lives in memory as its heads, counters and receipts (`chat.rs`); messages stay on disk. Rows of that
//! state are written once per batch, in [`Conversations::flush`].

pub(crate) mod amend;
pub(crate) mod apply;
pub(crate) mod chat;
mod command;
mod counters;
pub(crate) mod cut;
mod expiry;
mod marks;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use crate::{
    Around,
    conversation::chat::{Chat, ChatTable, Env},
    log::row::ExpiringTable,
    step::{SessionId, Step},
    sync::{
        Link,
        partner::{Partner, links_of},
    },
    view::{Fault, Order},
    work::Now,
};
use hobnob_shared::{
    id::{AccountId, ConversationId, DeviceId},
    vault::Height,
    wire::{Body, Close, ErrorCode, Frame},
};

/// An expiry is looked at again at least this often, so that a clock that was set is noticed.
const EXPIRY_CHECK_MS: u64 = 60_000;

pub(crate) use self::counters::Counters;

/// All conversations of this node.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    pub(crate) chats: BTreeMap<u32, Chat>,
    by_account: BTreeMap<AccountId, u32>,
    by_id: BTreeMap<ConversationId, u32>,
    pub(crate) counters: Counters,
    /// Conversations that were read, for our other devices.
    pub(crate) read: BTreeSet<u32>,
    /// The other sides of the sessions over which conversations flow.
    pub(crate) partners: BTreeMap<SessionId, Partner>,
    /// Each conversation of each of them: with a friend one, with a device of ours all.
    pub(crate) links: BTreeMap<(SessionId, u32), Link>,
    /// When the clocks were read last: deadlines on disk are in wall time.
    pub(crate) clocks: Option<Now>,
}

impl Conversations {
    /// Heads, counters and receipts; never messages. `fresh`: the database is new, restored or repaired, so this
    /// device goes on in new incarnations.
    pub(crate) fn load(fresh: bool, around: &Around<'_>, step: &mut Step<'_>) -> Result<Self, Fault> {
        let counters = Counters::load(fresh, step)?;
        let mut all = Self { clocks: Some(step.now), counters, ..Self::default() };
        let mut rows = Vec::new();
        step.scan::<ChatTable>(&[], Order::Ascending, |number, row| {
            rows.push((number, row));
            ControlFlow::Continue(())
        })?;
        for (number, row) in rows {
            let mut chat = Chat::load(number, row, step)?;
            chat.set_writers(around, step);
            all.insert(chat);
        }
        step.range::<ExpiringTable>(&[], None, Order::Ascending, |key, ()| {
            all.counters.set_next_expiry(Some(key.0));
            ControlFlow::Break(())
        })?;
        all.save(step);
        Ok(all)
    }

    fn insert(&mut self, chat: Chat) {
        self.by_account.insert(chat.row.account, chat.number);
        self.by_id.insert(chat.id, chat.number);
        self.chats.insert(chat.number, chat);
    }

    /// Both accepted: our `FriendAccept` is written if it is missing, and the conversation is there. Repeats change
    /// nothing.
    pub(crate) fn on_friendship(
        &mut self,
        account: AccountId,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let number = match self.by_account.get(&account) {
            Some(number) => *number,
            None => self.open(account, around, step),
        };
        let Some(chat) = self.chats.get_mut(&number) else { return Ok(()) };
        if chat.row.accepted {
            return Ok(());
        }
        let body = Body::FriendAccept { salt: step.random() };
        chat.write(&body, &mut Env { counters: &mut self.counters, around, step })?;
        Ok(())
    }

    fn open(&mut self, account: AccountId, around: &Around<'_>, step: &mut Step<'_>) -> u32 {
        let number = self.chats.last_key_value().map_or(1, |(last, _)| last + 1);
        let mut chat = Chat::new(number, account, step);
        chat.set_writers(around, step);
        self.insert(chat);
        let mine = self.partners.iter().filter(|(_, partner)| partner.mine).map(|(session, _)| *session);
        for session in mine.collect::<Vec<_>>() {
            self.connect(session, number, step);
        }
        number
    }

    /// A conversation flows over a session from now on.
    fn connect(&mut self, session: SessionId, number: u32, step: &mut Step<'_>) {
        self.links.insert((session, number), Link::new());
        self.start_round(session, number, step);
    }

    /// The conversation with this id.
    pub(crate) fn number_of(&self, id: &ConversationId) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// The conversation with somebody whom another device of ours knows.
    pub(crate) fn open_chat_with(&mut self, account: AccountId, around: &Around<'_>, step: &mut Step<'_>) {
        if self.by_account.contains_key(&account) {
            return;
        }
        let number = self.open(account, around, step);
        if let Some(chat) = self.chats.get_mut(&number) {
            chat.change().importing = true;
        }
    }

    /// A vault tells how high the conversation with this account is, which may be ours. A log of ours that has not begun
    /// yet begins above that.
    pub(crate) fn learn_height(
        &mut self,
        account: AccountId,
        height: Height,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) {
        if height.is_nothing() {
            return;
        }
        if account == around.me {
            self.open_own(around, step);
        }
        let chat = self.by_account.get(&account).and_then(|number| self.chats.get_mut(number));
        if let Some(chat) = chat.filter(|chat| chat.row.height < height) {
            chat.change().height = height;
        }
    }

    /// How high the conversation with this account is.
    pub(crate) fn height_of(&self, account: &AccountId) -> Height {
        self.chat_of(account).map(Chat::height).unwrap_or_default()
    }

    /// When something was written to or by this friend last, in ms since the epoch.
    pub(crate) fn active_ms(&self, account: &AccountId) -> Option<u64> {
        self.chat_of(account).map(|chat| chat.row.active_ms)
    }

    /// Whether a vault should tell more of some height than when this was asked last.
    pub(crate) fn has_risen(&mut self) -> bool {
        let mut has_risen = false;
        for chat in self.chats.values_mut().filter(|chat| chat.moved) {
            let height = chat.height();
            has_risen |= std::mem::replace(&mut chat.told_height, height) < height;
        }
        has_risen
    }

    /// The conversation of our own devices, from when there is more than one of them.
    pub(crate) fn open_own(&mut self, around: &Around<'_>, step: &mut Step<'_>) -> u32 {
        match self.by_account.get(&around.me) {
            Some(number) => *number,
            None => self.open(around.me, around, step),
        }
    }

    /// The devices of `account` changed: who may write, and who should store what we write.
    pub(crate) fn on_devices_changed(
        &mut self,
        account: AccountId,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let is_us = account == step.me.account;
        let numbers: Vec<u32> =
            self.chats.values().filter(|chat| is_us || chat.row.account == account).map(|chat| chat.number).collect();
        for number in numbers {
            if let Some(chat) = self.chats.get_mut(&number) {
                chat.set_writers(around, step);
                chat.enforce_cuts(&mut Env { counters: &mut self.counters, around, step })?;
            }
            for session in self.sessions_of(number).collect::<Vec<_>>() {
                self.let_write(session, number);
                self.start_round(session, number, step);
            }
        }
        Ok(())
    }

    /// The device of a friend's live session has shown its certificate, listed or not.
    pub(crate) fn let_write(&mut self, session: SessionId, number: u32) {
        let Some(partner) = self.partners.get(&session).filter(|partner| !partner.mine) else { return };
        if let Some(chat) = self.chats.get_mut(&number) {
            chat.add_writer(partner.device, false);
        }
    }

    /// The conversation with a friend, or our own, made if it has to be.
    pub(crate) fn chat_for(
        &mut self,
        account: &AccountId,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<u32, Fault> {
        if *account == around.me {
            return Ok(self.open_own(around, step));
        }
        self.on_friendship(*account, around, step)?;
        Ok(self.by_account.get(account).copied().unwrap_or_default())
    }

    /// The conversation with a friend, or our own, if there is one.
    pub(crate) fn chat_of(&self, account: &AccountId) -> Option<&Chat> {
        self.chats.get(self.by_account.get(account)?)
    }

    /// A session with a device of a friend is up, both accepted, and nothing is in doubt. Once per session.
    pub(crate) fn on_session_up(
        &mut self,
        session: SessionId,
        account: AccountId,
        device: DeviceId,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let mine = account == around.me;
        self.partners.insert(session, Partner::new(device, mine, step.now.mono_ms));
        if mine {
            self.open_own(around, step);
            for number in self.chats.keys().copied().collect::<Vec<_>>() {
                self.connect(session, number, step);
            }
            return Ok(());
        }
        self.on_friendship(account, around, step)?;
        let Some(number) = self.by_account.get(&account).copied() else { return Ok(()) };
        self.let_write(session, number);
        self.connect(session, number, step);
        self.tell_read(session, number, around, step);
        Ok(())
    }

    /// A session that [`Self::on_session_up`] named ended, or nothing may flow over it any more.
    pub(crate) fn on_session_down(&mut self, session: SessionId, step: &mut Step<'_>) {
        let Some(partner) = self.partners.remove(&session) else { return };
        let connected: Vec<u32> = self.links.range(links_of(session)).map(|((_, number), _)| *number).collect();
        for number in connected {
            self.links.remove(&(session, number));
            let Some(chat) = self.chats.get_mut(&number) else { continue };
            let before = chat.wanted.len();
            chat.wanted.retain(|_, wanted| wanted.session != session);
            if partner.mine && chat.wanted.len() == before {
                continue;
            }
            // What it owed us, another one may have.
            for other in self.sessions_of(number).collect::<Vec<_>>() {
                self.start_round(other, number, step);
            }
        }
    }

    /// `Digest`, `Digests`, `Frontier`, `Want`, `Entries`, `Read` or `Typing`, over a session that is up.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other frames go to other parts")]
    pub(crate) fn on_frame(
        &mut self,
        session: SessionId,
        frame: Frame,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(mine) = self.partners.get(&session).map(|partner| partner.mine) else { return Ok(()) };
        let conversation = match &frame {
            Frame::Digests(digests) => return self.on_digests(session, digests, around, step),
            Frame::Digest(digest) => digest.conversation,
            Frame::Frontier(frontier) => frontier.conversation,
            Frame::Want(want) => want.conversation,
            Frame::Entries(entries) => entries.conversation,
            Frame::Read(read) => read.conversation,
            Frame::Typing(typing) => typing.conversation,
            _ => return Ok(()),
        };
        let connected = self.number_of(&conversation).filter(|number| self.links.contains_key(&(session, *number)));
        let Some(number) = connected else {
            if matches!(frame, Frame::Entries(_)) && !mine {
                // The same for conversations that are here and that are not: nobody learns which we have.
                self.refuse(session, step);
            }
            return Ok(());
        };
        match frame {
            Frame::Digest(digest) => self.on_hash(session, number, &digest.hash, around, step),
            Frame::Frontier(frontier) => self.on_frontier(session, number, &frontier, around, step),
            Frame::Want(want) => {
                self.on_want(session, number, &want);
                Ok(())
            }
            Frame::Entries(entries) => self.on_entries(session, number, entries, around, step),
            Frame::Read(read) => self.on_read(session, number, &read, around, step),
            Frame::Typing(typing) => {
                self.on_typing(session, number, typing.typing, around, step);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// No honest node sends this: the session ends.
    pub(crate) fn refuse(&mut self, session: SessionId, step: &mut Step<'_>) {
        step.send(session, Frame::Close(Close { code: ErrorCode::Malformed }));
        step.close(session);
    }

    /// Deadlines: expiry, repair digests, coalesced receipts.
    pub(crate) fn on_timeout(&mut self, around: &Around<'_>, step: &mut Step<'_>) -> Result<(), Fault> {
        self.clocks = Some(step.now);
        self.expire_due(around, step)?;
        self.repair_due(around, step);
        self.send_receipts(step);
        self.stop_typing(around, step);
        Ok(())
    }

    /// When [`Self::on_timeout`] is wanted, in `mono_ms`.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let expiry = self.counters.next_expiry().zip(self.clocks).map(|(due, clocks)| {
            // One step forward at least, so that a long list of due messages leaves room for others.
            clocks.mono_ms + due.saturating_sub(clocks.wall_ms).clamp(1, EXPIRY_CHECK_MS)
        });
        [expiry, self.next_repair(), self.next_typing_stop()].into_iter().flatten().min()
    }

    /// The batch is over: what was written is pushed, and heads and counters go to their rows.
    pub(crate) fn flush(&mut self, around: &Around<'_>, step: &mut Step<'_>) -> Result<(), Fault> {
        self.retime_all(around, step)?;
        self.settle_claims(around, step)?;
        self.send_pages(around, step);
        self.push_all(step)?;
        self.send_receipts(step);
        self.ask_again(around, step);
        self.save(step);
        Ok(())
    }

    fn save(&mut self, step: &mut Step<'_>) {
        for chat in self.chats.values_mut() {
            chat.save(step);
            chat.moved = false;
        }
        self.counters.save(step);
    }
}
