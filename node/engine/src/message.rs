//! Messages as front ends show them, and the ways to name one.

pub(crate) mod history;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use hobnob_shared::{
    id::EntryId,
    text::Handle,
    wire::{Body, EntryRef},
};

use crate::{
    Around,
    command::{Code, From, Message, MessageKind, MessageRef, Quote, Refusal, Which},
    conversation::{
        Conversations,
        amend::AmendRow,
        apply::{is_message, read_body},
        chat::Chat,
    },
    log::row::{EntryRow, NumberRow, NumberTable, Place, TimelineTable, flag},
    step::{Step, Stop},
    view::{Fault, Order},
};

/// Most characters of a quoted message.
const SNIPPET_CHARS: usize = 80;
/// How far back `^bob` looks.
const LOOK_BACK: usize = 10_000;

/// What stands instead of a text that this version cannot read.
pub(crate) const NEWER_VERSION: &str = "(this message needs a newer version of hobnob)";
/// What stands instead of a text that was over the day's quota.
pub(crate) const OVER_QUOTA: &str = "(not fetched: too much from this device today; /resync fetches it)";

/// A message that was named, and is there.
pub(crate) struct Named {
    pub(crate) chat: u32,
    pub(crate) place: Place,
    pub(crate) row: EntryRow,
}

impl Chat {
    /// The message at a place, as it is now.
    pub(crate) fn message(
        &self,
        place: Place,
        row: &EntryRow,
        around: &Around<'_>,
        step: &Step<'_>,
    ) -> Result<Message, Fault> {
        let amended = self.amendments(place, row, step)?;
        let body = match row.body() {
            Some(bytes) => Body::decode(row.kind, bytes).ok(),
            None => None,
        };
        self.show(place, row, row.id(), body, amended.as_ref(), around, step)
    }

    /// The same, when its parts are at hand.
    #[expect(clippy::too_many_arguments, reason = "the parts of one message, each of which costs a look-up")]
    pub(crate) fn show(
        &self,
        place: Place,
        row: &EntryRow,
        id: EntryId,
        body: Option<Body>,
        amended: Option<&AmendRow>,
        around: &Around<'_>,
        step: &Step<'_>,
    ) -> Result<Message, Fault> {
        let chat = around.people.handle(&self.row.account);
        let mine = self.is_mine(place.log);
        let author = |mine: bool| if mine { From::Me } else { From::Friend(chat.clone()) };
        let deleted = is_deleted(row);
        let forked_at = self.log_at(place.log).and_then(crate::log::Log::forked_at);
        let mut message = Message {
            number: row.number,
            entry: id,
            from: author(mine),
            kind: MessageKind::Unknown,
            text: String::new(),
            sent_ms: row.time_ms,
            received_ms: row.received_ms,
            clock_doubtful: row.is(flag::DOUBTFUL),
            delivery: mine.then(|| self.delivery(place, around)),
            edited: false,
            deleted,
            forwarded: false,
            pinned: amended.is_some_and(AmendRow::is_pinned),
            late: row.is(flag::LATE),
            restored_copy: forked_at.is_some_and(|at| place.seq >= at),
            expires_ms: (row.expires_ms > 0).then_some(row.expires_ms),
            reply_to: None,
            reactions: Vec::new(),
            chat: chat.clone(),
        };
        match body {
            _ if deleted => {}
            Some(Body::Text { text, reply, action, forwarded }) => {
                message.kind = if action { MessageKind::Action } else { MessageKind::Text };
                message.text = text.into();
                message.forwarded = forwarded;
                message.reply_to = reply.map(|target| self.quote(&target, &chat, step)).transpose()?;
            }
            _ if row.is(flag::WITHHELD) => OVER_QUOTA.clone_into(&mut message.text),
            _ => NEWER_VERSION.clone_into(&mut message.text),
        }
        if let Some(amended) = amended
            && !deleted
        {
            if let Some(text) = self.edited_text(amended, mine, step)? {
                message.text = text;
                message.edited = true;
            }
            for (mine, reaction) in amended.reactions() {
                match message.reactions.iter_mut().find(|(known, _)| known == reaction) {
                    Some((_, givers)) => givers.push(author(mine)),
                    None => message.reactions.push((reaction.clone(), vec![author(mine)])),
                }
            }
        }
        Ok(message)
    }

    /// What the newest edit of the author says.
    fn edited_text(&self, amended: &AmendRow, mine: bool, step: &Step<'_>) -> Result<Option<String>, Fault> {
        for edit in amended.edits.iter().rev().filter(|edit| edit.mine == mine) {
            if let Some(text) = self.text_of_edit(edit.place, step)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn text_of_edit(&self, place: Place, step: &Step<'_>) -> Result<Option<String>, Fault> {
        let Some(mut row) = self.entry(place, step)? else { return Ok(None) };
        Ok(match read_body(&mut row) {
            Some(Body::Edit { text, .. }) => Some(text.into()),
            _ => None,
        })
    }

    /// The texts of a message before the one it has now, oldest first.
    pub(crate) fn earlier_texts(&self, place: Place, row: &EntryRow, step: &Step<'_>) -> Result<Vec<String>, Fault> {
        let mut texts = Vec::new();
        if let Some(Body::Text { text, .. }) = read_body(&mut row.clone()) {
            texts.push(text.into());
        }
        if let Some(amended) = self.amendments(place, row, step)? {
            let mine = self.is_mine(place.log);
            for edit in amended.edits.iter().filter(|edit| edit.mine == mine) {
                texts.extend(self.text_of_edit(edit.place, step)?);
            }
        }
        texts.pop();
        Ok(texts)
    }

    fn quote(&self, target: &EntryRef, chat: &Handle, step: &Step<'_>) -> Result<Quote, Fault> {
        let Some((place, mut row)) = self.locate(target, step)? else {
            return Ok(Quote { number: None, from: None, snippet: String::new(), deleted: false });
        };
        let mine = self.is_mine(place.log);
        let edited = match self.amendments(place, &row, step)? {
            Some(amended) => self.edited_text(&amended, mine, step)?,
            None => None,
        };
        let deleted = is_deleted(&row);
        let text = match read_body(&mut row) {
            _ if deleted => String::new(),
            Some(Body::Text { text, .. }) => edited.unwrap_or_else(|| text.into()),
            _ if row.is(flag::WITHHELD) => OVER_QUOTA.to_owned(),
            Some(_) | None => NEWER_VERSION.to_owned(),
        };
        Ok(Quote {
            number: (row.number > 0 && !row.is(flag::EXPIRED)).then_some(row.number),
            from: Some(if mine { From::Me } else { From::Friend(chat.clone()) }),
            snippet: text.chars().take(SNIPPET_CHARS).collect(),
            deleted,
        })
    }
}

fn is_deleted(row: &EntryRow) -> bool {
    row.is_gone() || (row.entry.body.is_none() && !row.is(flag::WITHHELD))
}

impl Conversations {
    /// The message that a front end means. Deleted ones are found by their number only.
    pub(crate) fn named(&self, which: &Which, around: &Around<'_>, step: &Step<'_>) -> Result<Named, Stop> {
        match &which.message {
            MessageRef::Number(number) => self.by_number(*number, step),
            MessageRef::Last(back) => {
                let chat = self.meant_chat(which, around)?;
                let back = usize::try_from(*back).unwrap_or(usize::MAX);
                let refusal = || {
                    let handle = around.people.handle(&chat.row.account);
                    Refusal::new(Code::NotFound, format!("the chat with {handle} has not that many messages"))
                };
                self.nth_last(chat, back.max(1), |_| true, step)?.ok_or_else(|| refusal().into())
            }
            MessageRef::LastFrom(name) => {
                let chat = self.meant_chat(which, around)?;
                let account = around.people.find(name)?;
                let mine = chat.row.account != account;
                if mine {
                    let handle = around.people.handle(&chat.row.account);
                    return Err(Stop::refuse(
                        Code::NotFound,
                        format!("{name} does not write in the chat with {handle}"),
                    ));
                }
                let found = self.nth_last(chat, 1, |log| !chat.is_mine(log), step)?;
                found.ok_or_else(|| Stop::refuse(Code::NotFound, format!("there is no message of {name} in this chat")))
            }
        }
    }

    fn meant_chat(&self, which: &Which, around: &Around<'_>) -> Result<&Chat, Stop> {
        let Some(handle) = &which.chat else {
            return Err(Stop::refuse(
                Code::Usage,
                "no chat is open that ^ could look into; /open @name, or use a number",
            ));
        };
        let account = around.people.find(handle)?;
        let no_messages =
            || Refusal::new(Code::NotFound, format!("there are no messages in the chat with {handle} yet"));
        Ok(self.chat_of(&account).ok_or_else(no_messages)?)
    }

    fn by_number(&self, number: u64, step: &Step<'_>) -> Result<Named, Stop> {
        let none = || Stop::refuse(Code::NotFound, format!("there is no message {number}; /history shows the numbers"));
        let NumberRow { chat, place } = step.get::<NumberTable>(&number)?.ok_or_else(none)?;
        let row = self.chats.get(&chat).ok_or_else(none)?.entry(place, step)?.ok_or_else(none)?;
        Ok(Named { chat, place, row })
    }

    /// Counted back from the newest, without what is deleted.
    fn nth_last(
        &self,
        chat: &Chat,
        nth: usize,
        is_meant: impl Fn(u32) -> bool,
        step: &Step<'_>,
    ) -> Result<Option<Named>, Fault> {
        let mut left = nth;
        let mut looked = 0;
        let mut found = None;
        let mut fault = None;
        step.scan::<TimelineTable>(&chat.number.to_be_bytes(), Order::Descending, |_, at| {
            looked += 1;
            if looked > LOOK_BACK {
                return ControlFlow::Break(());
            }
            if !is_meant(at.place.log) {
                return ControlFlow::Continue(());
            }
            match chat.entry(at.place, step) {
                Ok(Some(row)) if !row.is_gone() && is_message(row.kind) => {
                    left -= 1;
                    if left == 0 {
                        found = Some(Named { chat: chat.number, place: at.place, row });
                        return ControlFlow::Break(());
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    fault = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        fault.map_or(Ok(found), Err)
    }
}
