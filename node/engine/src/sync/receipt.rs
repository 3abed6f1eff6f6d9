//! Receipts, read marks and typing: the small frames around entries.

use hobnob_shared::wire::{Frame, Frontier, Read, ReadItem, Typing};

use crate::{
    Around,
    conversation::{
        Conversations,
        chat::{Chat, Env},
    },
    event::Event,
    step::{SessionId, Step},
    sync::Link,
    view::Fault,
};

/// Receipts of so many milliseconds go out together.
const RECEIPT_MS: u64 = 20;
/// A receipt does not wait when so much came meanwhile: the other side's window may be full.
const RECEIPT_BYTES: usize = 128 * 1024;
/// "Typing" is told once in so long.
const TYPING_AGAIN_MS: u64 = 3_000;
/// A friend who does not repeat it has stopped typing.
const TYPING_STOP_MS: u64 = 8_000;

impl Link {
    /// When the next receipt is due.
    pub(crate) fn next_receipt(&self) -> Option<u64> {
        if self.to_receipt.is_empty() {
            return None;
        }
        Some(self.last_receipt.map_or(0, |last| last + RECEIPT_MS))
    }

    fn is_receipt_due(&self, now_ms: u64) -> bool {
        self.unreceipted_bytes >= RECEIPT_BYTES && !self.to_receipt.is_empty()
            || self.next_receipt().is_some_and(|due| due <= now_ms)
    }
}

impl Conversations {
    /// Receipts that are due. They follow the commit of what they tell.
    pub(crate) fn send_receipts(&mut self, step: &mut Step<'_>) {
        let now_ms = step.now.mono_ms;
        for ((session, number), link) in &mut self.links {
            let Some(chat) = self.chats.get(number) else { continue };
            link.to_receipt.extend(&chat.to_receipt);
            if !link.is_receipt_due(now_ms) {
                continue;
            }
            let logs = std::mem::take(&mut link.to_receipt);
            let items: Vec<_> =
                logs.iter().filter_map(|log| chat.log_at(*log)).flat_map(crate::log::Log::items).collect();
            link.last_receipt = Some(now_ms);
            link.unreceipted_bytes = 0;
            if !items.is_empty() {
                step.send(*session, Frame::Frontier(Frontier { conversation: chat.id, full: false, items }));
            }
        }
        for chat in self.chats.values_mut() {
            chat.to_receipt.clear();
        }
    }

    /// How far we have read, to a friend.
    pub(crate) fn tell_read(&self, session: SessionId, number: u32, around: &Around<'_>, step: &mut Step<'_>) {
        let Some(chat) = self.chats.get(&number) else { return };
        if !around.settings.is_on("read-marks") || around.presence.is_invisible() {
            return;
        }
        let items: Vec<ReadItem> = chat
            .logs
            .iter()
            .filter(|log| !log.row.mine && log.row.read > 0)
            .map(|log| ReadItem { log: log.row.id, seq: log.row.read })
            .collect();
        if !items.is_empty() {
            step.send(session, Frame::Read(Read { conversation: chat.id, items }));
        }
    }

    /// The chat counts as read up to its newest message.
    pub(crate) fn mark_read(&mut self, number: u32, around: &Around<'_>, step: &mut Step<'_>) {
        let Some(chat) = self.chats.get_mut(&number) else { return };
        if !chat.mark_read() {
            return;
        }
        self.read.insert(number);
        for session in self.friends_of(number).collect::<Vec<_>>() {
            self.tell_read(session, number, around, step);
        }
    }

    pub(crate) fn on_read(
        &mut self,
        session: SessionId,
        number: u32,
        read: &Read,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(partner) = self.partners.get(&session).filter(|partner| !partner.mine) else { return Ok(()) };
        let Some(chat) = self.chats.get_mut(&number) else { return Ok(()) };
        let mut env = Env { counters: &mut self.counters, around, step };
        for item in &read.items {
            match chat.log_number(&item.log) {
                Some(log) if chat.is_mine(log) => chat.on_read(partner.device, log, item.seq, &mut env)?,
                Some(_) => {}
                // Another device of ours may have written it, and it is on its way here.
                None => {
                    if let Some(link) = self.links.get_mut(&(session, number)) {
                        link.claim_read(item.log, item.seq);
                    }
                }
            }
        }
        Ok(())
    }

    /// We are typing. Repeats within three seconds cost nothing.
    pub(crate) fn type_in(&mut self, number: u32, around: &Around<'_>, step: &mut Step<'_>) {
        let Some(id) = self.chats.get(&number).map(|chat| chat.id) else { return };
        if !around.settings.is_on("typing") || around.presence.is_invisible() {
            return;
        }
        let now_ms = step.now.mono_ms;
        for session in self.friends_of(number).collect::<Vec<_>>() {
            let Some(link) = self.links.get_mut(&(session, number)) else { continue };
            if link.last_typing.is_none_or(|last| now_ms >= last + TYPING_AGAIN_MS) {
                link.last_typing = Some(now_ms);
                step.send(session, Frame::Typing(Typing { conversation: id, typing: true }));
            }
        }
    }

    /// A message went out: whoever saw us typing sees it instead.
    pub(crate) fn typed(&mut self, number: u32) {
        for (_, link) in self.links.iter_mut().filter(|((_, chat), _)| *chat == number) {
            link.last_typing = None;
        }
    }

    pub(crate) fn on_typing(
        &mut self,
        session: SessionId,
        number: u32,
        typing: bool,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) {
        let is_friend = self.partners.get(&session).is_some_and(|partner| !partner.mine);
        let Some(chat) = self.chats.get_mut(&number).filter(|_| is_friend && around.settings.is_on("typing")) else {
            return;
        };
        let was_typing = chat.typing_until.is_some();
        chat.typing_until = typing.then(|| step.now.mono_ms + TYPING_STOP_MS);
        if was_typing != typing {
            step.event(Event::Typing { chat: around.people.handle(&chat.row.account), typing });
        }
    }

    pub(crate) fn next_typing_stop(&self) -> Option<u64> {
        self.chats.values().filter_map(|chat| chat.typing_until).min()
    }

    /// Friends who have not typed for a while.
    pub(crate) fn stop_typing(&mut self, around: &Around<'_>, step: &mut Step<'_>) {
        for chat in self.chats.values_mut() {
            if chat.typing_until.is_some_and(|until| until <= step.now.mono_ms) {
                chat.typing_until = None;
                step.event(Event::Typing { chat: around.people.handle(&chat.row.account), typing: false });
            }
        }
    }
}

impl Chat {
    /// Everything that is here was seen. `true` when that is news.
    fn mark_read(&mut self) -> bool {
        let mut news = false;
        for log in self.logs.iter_mut().filter(|log| !log.row.mine) {
            let head = log.head_seq();
            if log.row.read < head {
                log.change().read = head;
                news = true;
            }
        }
        if self.row.unread > 0 || self.row.read_number < self.row.newest_number {
            let newest = self.row.newest_number;
            let row = self.change();
            row.unread = 0;
            row.first_unread = 0;
            row.read_number = newest;
        }
        news
    }
}
