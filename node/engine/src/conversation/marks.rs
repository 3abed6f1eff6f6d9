//! How far a conversation was read, at whichever device of ours.

use std::ops::ControlFlow;

use hobnob_shared::{
    limits::MAX_LISTED_LOGS,
    wire::{Body, ReadItem, ReadMark},
};

use crate::{
    Around,
    conversation::{
        Conversations,
        chat::{Chat, Env},
    },
    event::Event,
    log::row::{EntryTable, Place},
    row::RowKey as _,
    step::Step,
    view::{Fault, Order},
};

impl Chat {
    /// Whether our other devices do not know how far this was read.
    fn has_marks(&self) -> bool {
        self.logs.iter().any(|log| !log.row.mine && log.row.read > log.row.shared_read)
    }

    /// What our other devices do not know; from now on they do.
    fn take_marks(&mut self) -> Vec<ReadMark> {
        let unshared = |log: &&mut crate::log::Log| !log.row.mine && log.row.read > log.row.shared_read;
        let items: Vec<_> = self
            .logs
            .iter_mut()
            .filter(unshared)
            .map(|log| {
                let row = log.change();
                row.shared_read = row.read;
                ReadItem { log: row.id, seq: row.read }
            })
            .collect();
        let conversation = self.id;
        let page = |items: &[ReadItem]| ReadMark { conversation, items: items.to_vec() };
        items.chunks(MAX_LISTED_LOGS).map(page).collect()
    }

    /// Another device of ours has read so far. `true` when that is further than we knew.
    fn take_mark(&mut self, item: &ReadItem) -> bool {
        let Some(number) = self.log_number(&item.log) else {
            self.take_early_mark(item);
            return false;
        };
        let Some(log) = self.log_at_mut(number).filter(|log| !log.row.mine && log.row.shared_read < item.seq) else {
            return false;
        };
        let row = log.change();
        row.shared_read = item.seq;
        let is_news = row.read < item.seq;
        row.read = row.read.max(item.seq);
        is_news
    }

    /// The log itself is not here yet.
    fn take_early_mark(&mut self, item: &ReadItem) {
        let marks = &mut self.change().marks;
        if let Some((_, seq)) = marks.iter_mut().find(|(log, _)| *log == item.log) {
            *seq = item.seq.max(*seq);
        } else if marks.len() < MAX_LISTED_LOGS {
            marks.push((item.log, item.seq));
        }
    }

    /// Counts again what nobody has read.
    fn count_unread(&mut self, step: &Step<'_>) -> Result<(), Fault> {
        let (mut unread, mut first) = (0, u64::MAX);
        for (number, log) in (0_u32..).zip(&self.logs).filter(|(_, log)| !log.row.mine) {
            let from = (self.number, Place { log: number, seq: log.row.read.saturating_add(1), branch: 0 }).to_bytes();
            let end = (self.number, number.saturating_add(1)).to_bytes();
            step.range::<EntryTable>(&from, Some(&end), Order::Ascending, |_, row| {
                if row.number > 0 && row.entry.body.is_some() {
                    unread += 1;
                    first = first.min(row.number);
                }
                ControlFlow::Continue(())
            })?;
        }
        let newest = self.row.newest_number;
        let row = self.change();
        row.unread = unread;
        row.first_unread = if unread == 0 { 0 } else { first };
        row.read_number = if unread == 0 { newest } else { first - 1 };
        Ok(())
    }
}

impl Conversations {
    /// Whether our other devices do not know how far something was read.
    pub(crate) fn has_marks(&self) -> bool {
        self.read.iter().any(|number| self.chats.get(number).is_some_and(Chat::has_marks))
    }

    /// What our other devices do not know; from now on they do.
    pub(crate) fn take_marks(&mut self) -> Vec<ReadMark> {
        let read = std::mem::take(&mut self.read);
        read.iter().filter_map(|number| Some(self.chats.get_mut(number)?.take_marks())).flatten().collect()
    }

    /// Everything is compared with what our other devices know.
    pub(crate) fn touch_all(&mut self) {
        self.read.extend(self.chats.keys());
    }

    /// Another device of ours has read a conversation.
    pub(crate) fn on_mark_said(
        &mut self,
        mark: &ReadMark,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(number) = self.number_of(&mark.conversation) else { return Ok(()) };
        let Some(chat) = self.chats.get_mut(&number) else { return Ok(()) };
        let news = mark.items.iter().filter(|item| chat.take_mark(item)).count();
        if news == 0 {
            return Ok(());
        }
        let before = chat.row.unread;
        if before > 0 {
            chat.count_unread(step)?;
        }
        let (account, unread) = (chat.row.account, chat.row.unread);
        if unread != before {
            step.event(Event::ReadElsewhere { chat: around.people.handle(&account), unread });
        }
        for session in self.friends_of(number).collect::<Vec<_>>() {
            self.tell_read(session, number, around, step);
        }
        Ok(())
    }

    /// Writes to the conversation of our own devices.
    pub(crate) fn write_own(&mut self, body: &Body, around: &Around<'_>, step: &mut Step<'_>) -> Result<(), Fault> {
        let number = self.open_own(around, step);
        let Some(chat) = self.chats.get_mut(&number) else { return Ok(()) };
        chat.write(body, &mut Env { counters: &mut self.counters, around, step })?;
        Ok(())
    }
}
