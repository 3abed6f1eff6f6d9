//! Commands that write: send, edit, delete, react, forward, pin, expire; and the routing of those that read.

use hobnob_shared::{
    text::{Handle, MessageText, Reaction},
    wire::{Body, EntryRef, kind},
};

use crate::{
    Around,
    command::{Code, Command, MessageRef, Refusal, Reply, Which},
    conversation::{Conversations, chat::Env},
    log::{row::flag, write::Wrote},
    message::Named,
    step::{Answer, Step, Stop},
};

/// Longest time that messages stay when they are set to disappear: ten years.
const MAX_EXPIRE_SECS: u64 = 10 * 366 * 24 * 60 * 60;

impl Conversations {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other commands go to other parts")]
    /// A command about chats, messages or history, a withdrawal from the outbox, or `Listen`.
    pub(crate) fn command(&mut self, command: Command, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        match command {
            Command::Send { chat, text, reply_to, action } => self.send(&chat, text, reply_to, action, around, step),
            Command::Edit { which, text } => self.edit(&which, text, around, step),
            Command::Delete { which } => self.delete(&which, around, step),
            Command::React { which, reaction } => self.react(&which, reaction, around, step),
            Command::Forward { which, to } => self.forward(&which, &to, around, step),
            Command::Pin { which, pinned } => self.pin(&which, pinned, around, step),
            Command::Info { which } => self.details(&which, around, step),
            Command::Expire { chat, after_secs } => self.set_timer(&chat, after_secs, around, step),
            Command::Open { chat, limit } => self.open_chat(&chat, limit, around, step),
            Command::MarkRead { chat } => self.mark_chat_read(&chat, around, step),
            Command::Typing { chat } => self.typing(&chat, around, step),
            Command::Chats => self.list(around, step),
            Command::Unread => self.unread(around, step),
            Command::Next => self.next(around),
            Command::History { chat, limit, before } => self.history(&chat, limit, before, around, step),
            Command::Jump { which, context } => self.jump(&which, context, around, step),
            Command::Resync { chat } => self.compare_again(&chat, around, step),
            Command::OutboxCancel { which } => self.cancel(&which, around, step),
            Command::Listen { listening } => self.listen(listening, around, step),
            _ => Err(Stop::refuse(Code::Internal, "this command went to the wrong part")),
        }
    }

    fn send(
        &mut self,
        handle: &Handle,
        text: MessageText,
        reply_to: Option<MessageRef>,
        action: bool,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Answer {
        let number = self.writable(handle, around, step)?;
        let reply = match reply_to {
            Some(message) => Some(self.reply_target(handle, number, message, around, step)?),
            None => None,
        };
        self.write_message(number, &Body::Text { text, reply, action, forwarded: false }, around, step)
    }

    fn reply_target(
        &self,
        handle: &Handle,
        chat: u32,
        message: MessageRef,
        around: &Around<'_>,
        step: &Step<'_>,
    ) -> Result<EntryRef, Stop> {
        let named = self.named(&Which { chat: Some(handle.clone()), message }, around, step)?;
        if named.chat != chat {
            let message =
                format!("message {} is not in the chat with {handle}; reply where it is, or /fwd it", named.row.number);
            return Err(Stop::refuse(Code::Conflict, message));
        }
        self.target_of(&named)
    }

    /// The chat of a friend to whom we may write now, opened if need be.
    fn writable(&mut self, handle: &Handle, around: &Around<'_>, step: &mut Step<'_>) -> Result<u32, Stop> {
        let account = around.people.find(handle)?;
        around.people.may_write(&account)?;
        self.on_friendship(account, around, step)?;
        let missing = || Refusal::new(Code::Internal, "the chat could not be opened");
        Ok(self.chat_of(&account).ok_or_else(missing)?.number)
    }

    fn write(&mut self, number: u32, body: &Body, around: &Around<'_>, step: &mut Step<'_>) -> Result<Wrote, Stop> {
        let missing = || Refusal::new(Code::Internal, "the chat is gone");
        let chat = self.chats.get_mut(&number).ok_or_else(missing)?;
        let account = chat.row.account;
        let wrote = chat.write(body, &mut Env { counters: &mut self.counters, around, step })?;
        step.wake(account);
        Ok(wrote)
    }

    fn write_message(&mut self, number: u32, body: &Body, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        self.typed(number);
        match self.write(number, body, around, step)?.message {
            Some(message) => Ok(Some(Reply::Sent(Box::new(message)))),
            None => Ok(Some(Reply::Done)),
        }
    }

    /// A message in a chat where we may write, and its reference.
    fn amendable(&self, which: &Which, around: &Around<'_>, step: &Step<'_>) -> Result<(Named, EntryRef), Stop> {
        let named = self.named(which, around, step)?;
        let missing = || Refusal::new(Code::Internal, "the chat of this message is gone");
        let chat = self.chats.get(&named.chat).ok_or_else(missing)?;
        around.people.may_write(&chat.row.account)?;
        if named.row.is_gone() {
            return Err(Stop::refuse(Code::Conflict, format!("message {} is deleted", named.row.number)));
        }
        let target = self.target_of(&named)?;
        Ok((named, target))
    }

    fn target_of(&self, named: &Named) -> Result<EntryRef, Stop> {
        let target = self.chats.get(&named.chat).and_then(|chat| chat.reference(named.place, &named.row));
        target.ok_or_else(|| Stop::refuse(Code::Internal, "the log of this message is gone"))
    }

    fn own(&self, which: &Which, verb: &str, around: &Around<'_>, step: &Step<'_>) -> Result<(Named, EntryRef), Stop> {
        let (named, target) = self.amendable(which, around, step)?;
        let mine = self.chats.get(&named.chat).is_some_and(|chat| chat.is_mine(named.place.log));
        if !mine {
            let message = format!("message {} is not yours; you can {verb} only what you wrote", named.row.number);
            return Err(Stop::refuse(Code::Conflict, message));
        }
        Ok((named, target))
    }

    fn edit(&mut self, which: &Which, text: MessageText, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let (named, target) = self.own(which, "edit", around, step)?;
        if named.row.kind != kind::TEXT {
            return Err(Stop::refuse(Code::Conflict, format!("message {} has no text to edit", named.row.number)));
        }
        self.amend(&named, &Body::Edit { target, text }, around, step)
    }

    fn delete(&mut self, which: &Which, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let (named, target) = self.own(which, "delete", around, step)?;
        self.amend(&named, &Body::Delete { target }, around, step)
    }

    fn react(&mut self, which: &Which, reaction: Option<Reaction>, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let (named, target) = self.amendable(which, around, step)?;
        self.amend(&named, &Body::React { target, emoji: reaction }, around, step)
    }

    fn pin(&mut self, which: &Which, pinned: bool, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let (named, target) = self.amendable(which, around, step)?;
        self.amend(&named, &Body::Pin { target, pinned }, around, step)
    }

    /// Writes an amendment, and answers with the message as it is now.
    fn amend(&mut self, named: &Named, body: &Body, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        self.write(named.chat, body, around, step)?;
        let Some(chat) = self.chats.get(&named.chat) else { return Ok(Some(Reply::Done)) };
        match chat.entry(named.place, step)? {
            Some(row) => Ok(Some(Reply::Sent(Box::new(chat.message(named.place, &row, around, step)?)))),
            None => Ok(Some(Reply::Done)),
        }
    }

    fn forward(&mut self, which: &Which, to: &Handle, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let named = self.named(which, around, step)?;
        let number = named.row.number;
        let Some(chat) = self.chats.get(&named.chat) else { return Ok(Some(Reply::Done)) };
        if named.row.is_gone() {
            return Err(Stop::refuse(Code::Conflict, format!("message {number} is deleted")));
        }
        let message = chat.message(named.place, &named.row, around, step)?;
        if named.row.kind != kind::TEXT || named.row.is(flag::UNREADABLE | flag::WITHHELD) {
            return Err(Stop::refuse(
                Code::Unsupported,
                format!("message {number} has no text that could be forwarded"),
            ));
        }
        let action = message.kind == crate::command::MessageKind::Action;
        let text = MessageText::parse(message.text)
            .map_err(|error| Refusal::new(Code::Usage, format!("message {number} cannot be forwarded: {error}")))?;
        let to = self.writable(to, around, step)?;
        self.write_message(to, &Body::Text { text, reply: None, action, forwarded: true }, around, step)
    }

    fn set_timer(
        &mut self,
        handle: &Handle,
        after_secs: Option<u64>,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Answer {
        if after_secs.is_some_and(|secs| secs == 0 || secs > MAX_EXPIRE_SECS) {
            let message = "messages can disappear after 1 second to 10 years; /expire off keeps them";
            return Err(Stop::refuse(Code::Usage, message));
        }
        let number = self.writable(handle, around, step)?;
        self.write(number, &Body::Timer { after_secs }, around, step)?;
        Ok(Some(Reply::Done))
    }

    fn open_chat(&mut self, handle: &Handle, limit: usize, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let answer = self.history(handle, limit, None, around, step)?;
        let account = around.people.find(handle)?;
        if let Some(number) = self.chat_of(&account).map(|chat| chat.number) {
            self.mark_read(number, around, step);
        }
        Ok(answer)
    }

    fn mark_chat_read(&mut self, handle: &Handle, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let account = around.people.find(handle)?;
        if let Some(number) = self.chat_of(&account).map(|chat| chat.number) {
            self.mark_read(number, around, step);
        }
        Ok(Some(Reply::Done))
    }

    fn typing(&mut self, handle: &Handle, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let account = around.people.find(handle)?;
        if let Some(number) = self.chat_of(&account).map(|chat| chat.number) {
            self.type_in(number, around, step);
        }
        Ok(Some(Reply::Done))
    }

    fn compare_again(&mut self, handle: &Handle, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let account = around.people.find(handle)?;
        around.people.may_write(&account)?;
        let number = self.chat_of(&account).map(|chat| chat.number);
        if number.is_some_and(|number| self.resync(number, step)) {
            return Ok(Some(Reply::Done));
        }
        let message = format!("{handle} is not connected; what is missing comes by itself when they are");
        step.wake(account);
        Err(Stop::refuse(Code::Network, message))
    }
}
