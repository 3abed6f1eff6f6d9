//! Reading: history, jump, details, the lists of chats, and what came while nobody listened.

use std::ops::ControlFlow;

use hobnob_shared::text::Handle;

use crate::{
    Around,
    account::Device,
    command::{Chat as ChatView, Code, DeviceCopy, Message, MessageDetails, Refusal, Reply, Standing, Which},
    conversation::{Conversations, chat::Chat},
    log::row::{EntryTable, NumberRow, NumberTable, Place, Rank, TimelineTable},
    row::{RowKey as _, after},
    step::{Answer, Step, Stop},
    view::{Fault, Order},
};

/// Most messages of one answer.
const MAX_ANSWER: usize = 10_000;
/// Most rows that are looked at for what came while nobody listened.
const MAX_LOOKED_AT: usize = 200_000;

impl Chat {
    /// The newest `limit` messages before `before`, oldest first.
    pub(crate) fn newest(
        &self,
        limit: usize,
        before: Option<Rank>,
        around: &Around<'_>,
        step: &Step<'_>,
    ) -> Result<Vec<Message>, Fault> {
        let prefix = self.number.to_be_bytes();
        let end = before.map(|rank| (self.number, rank).to_bytes()).or_else(|| after(&prefix));
        let mut places = self.places(&prefix, end.as_deref(), Order::Descending, limit, step)?;
        places.reverse();
        self.messages(&places, around, step)
    }

    fn places(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        limit: usize,
        step: &Step<'_>,
    ) -> Result<Vec<Place>, Fault> {
        let limit = limit.min(MAX_ANSWER);
        let mut places = Vec::with_capacity(limit.min(100));
        if limit == 0 {
            return Ok(places);
        }
        step.range::<TimelineTable>(from, to, order, |_, row| {
            places.push(row.place);
            if places.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(places)
    }

    fn messages(&self, places: &[Place], around: &Around<'_>, step: &Step<'_>) -> Result<Vec<Message>, Fault> {
        let mut messages = Vec::with_capacity(places.len());
        for place in places {
            if let Some(row) = self.entry(*place, step)? {
                messages.push(self.message(*place, &row, around, step)?);
            }
        }
        Ok(messages)
    }

    /// A message with `context` others on both sides, oldest first.
    fn surroundings(
        &self,
        rank: Rank,
        context: usize,
        around: &Around<'_>,
        step: &Step<'_>,
    ) -> Result<Vec<Message>, Fault> {
        let mut messages = self.newest(context, Some(rank), around, step)?;
        let from = (self.number, rank).to_bytes();
        let end = after(&self.number.to_be_bytes());
        let places = self.places(&from, end.as_deref(), Order::Ascending, context.saturating_add(1), step)?;
        messages.extend(self.messages(&places, around, step)?);
        Ok(messages)
    }

    /// As it stands in the list of chats.
    fn view(&self, around: &Around<'_>, step: &Step<'_>) -> Result<ChatView, Fault> {
        let account = &self.row.account;
        Ok(ChatView {
            handle: around.people.handle(account),
            unread: self.row.unread,
            queued: self.queued(around),
            held: self.parked.len() as u64,
            muted: around.people.is_muted(account),
            presence: around.presence.of(account).0,
            expire_secs: self.timer(),
            last: self.newest(1, None, around, step)?.pop(),
        })
    }

    fn is_unread(&self, place: Place, number: u64) -> bool {
        number > self.row.read_number && !self.is_mine(place.log)
    }
}

impl Conversations {
    pub(crate) fn history(
        &self,
        handle: &Handle,
        limit: usize,
        before: Option<u64>,
        around: &Around<'_>,
        step: &Step<'_>,
    ) -> Answer {
        let account = around.people.find(handle)?;
        let Some(chat) = self.chat_of(&account) else { return Ok(Some(Reply::Messages(Vec::new()))) };
        let before = match before {
            Some(number) => Some(self.rank_in(chat, number, handle, step)?),
            None => None,
        };
        Ok(Some(Reply::Messages(chat.newest(limit, before, around, step)?)))
    }

    fn rank_in(&self, chat: &Chat, number: u64, handle: &Handle, step: &Step<'_>) -> Result<Rank, Stop> {
        let none = || Stop::refuse(Code::NotFound, format!("there is no message {number} in the chat with {handle}"));
        let at = step.get::<NumberTable>(&number)?.filter(|at| at.chat == chat.number).ok_or_else(none)?;
        Ok(chat.entry(at.place, step)?.ok_or_else(none)?.rank())
    }

    pub(crate) fn jump(&self, which: &Which, context: usize, around: &Around<'_>, step: &Step<'_>) -> Answer {
        let named = self.named(which, around, step)?;
        let Some(chat) = self.chats.get(&named.chat) else { return Ok(Some(Reply::Messages(Vec::new()))) };
        Ok(Some(Reply::Messages(chat.surroundings(named.row.rank(), context, around, step)?)))
    }

    pub(crate) fn details(&self, which: &Which, around: &Around<'_>, step: &Step<'_>) -> Answer {
        let named = self.named(which, around, step)?;
        let gone = || Refusal::new(Code::Internal, "the log of this message is gone");
        let chat = self.chats.get(&named.chat).ok_or_else(gone)?;
        let log = chat.log_at(named.place.log).ok_or_else(gone)?;
        let devices = if log.row.mine {
            let shows_read = around.settings.is_on("read-marks");
            let devices = around.people.devices(&chat.row.account).iter();
            let copy = |device: &Device| DeviceCopy {
                name: device.name.clone(),
                state: chat.state_at(&device.id, named.place, shows_read, around),
                last_seen_ms: device.seen_ms,
            };
            devices.map(copy).collect()
        } else {
            Vec::new()
        };
        Ok(Some(Reply::Info(Box::new(MessageDetails {
            message: chat.message(named.place, &named.row, around, step)?,
            device: log.row.device,
            seq: named.place.seq,
            lamport: named.row.lamport,
            signature: named.row.entry.signature,
            devices,
            history: chat.earlier_texts(named.place, &named.row, step)?,
        }))))
    }

    /// Every chat with a friend, the one with the newest message first.
    pub(crate) fn list(&self, around: &Around<'_>, step: &Step<'_>) -> Answer {
        self.views(|chat| is_listed(chat, around), around, step)
    }

    /// The chats with unread messages, without muted ones.
    pub(crate) fn unread(&self, around: &Around<'_>, step: &Step<'_>) -> Answer {
        let is_held = |chat: &Chat| !chat.is_own(around) && !chat.parked.is_empty();
        self.views(|chat| has_news(chat, around) || is_held(chat), around, step)
    }

    fn views(&self, is_meant: impl Fn(&Chat) -> bool, around: &Around<'_>, step: &Step<'_>) -> Answer {
        let mut chats: Vec<&Chat> = self.chats.values().filter(|chat| is_meant(chat)).collect();
        chats.sort_by_key(|chat| std::cmp::Reverse((chat.row.newest_number, chat.row.active_ms)));
        let views: Result<Vec<_>, _> = chats.into_iter().map(|chat| chat.view(around, step)).collect();
        Ok(Some(Reply::Chats(views?)))
    }

    /// The chat that has waited longest with unread messages.
    pub(crate) fn next(&self, around: &Around<'_>) -> Answer {
        let waiting = self.chats.values().filter(|chat| has_news(chat, around));
        let next = waiting.min_by_key(|chat| chat.row.first_unread);
        Ok(Some(Reply::Next(next.map(|chat| around.people.handle(&chat.row.account)))))
    }

    /// A front end came or went. It gets what came while none was there.
    pub(crate) fn listen(&mut self, listening: bool, around: &Around<'_>, step: &Step<'_>) -> Answer {
        let messages = if listening { self.unannounced(around, step)? } else { Vec::new() };
        let unread = self.chats.values().map(|chat| chat.row.unread).sum();
        self.counters.listen(listening);
        Ok(Some(Reply::Listening { unread, messages }))
    }

    fn unannounced(&self, around: &Around<'_>, step: &Step<'_>) -> Result<Vec<Message>, Fault> {
        let unread = self.chats.values().filter(|chat| chat.row.unread > 0);
        let Some(first) = unread.map(|chat| chat.row.first_unread).min() else { return Ok(Vec::new()) };
        let from = first.max(self.counters.announced() + 1).to_bytes();
        let mut found = Vec::new();
        let mut looked = 0;
        step.range::<NumberTable>(&from, None, Order::Ascending, |number, NumberRow { chat, place }| {
            looked += 1;
            if self.chats.get(&chat).is_some_and(|chat| chat.is_unread(place, number)) {
                found.push((chat, place));
            }
            let more = found.len() < MAX_ANSWER && looked < MAX_LOOKED_AT;
            if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let mut messages = Vec::with_capacity(found.len());
        for (number, place) in found {
            let Some(chat) = self.chats.get(&number) else { continue };
            let Some(row) = step.get::<EntryTable>(&(number, place))? else { continue };
            if row.body().is_some() {
                messages.push(chat.message(place, &row, around, step)?);
            }
        }
        Ok(messages)
    }
}

fn is_listed(chat: &Chat, around: &Around<'_>) -> bool {
    let standing = around.people.standing(&chat.row.account);
    chat.row.unread > 0 || matches!(standing, Some(Standing::Friend | Standing::Pending))
}

fn has_news(chat: &Chat, around: &Around<'_>) -> bool {
    chat.row.unread > 0 && !around.people.is_muted(&chat.row.account)
}
