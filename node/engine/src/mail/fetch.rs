//! Our own mail: asked for when a session begins and when the rendezvous says that some waits, opened, taken, and only
//! then deleted there.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::{AccountId, MailboxId},
    wire::{
        AccountPayload, Header, ServerFrame, SignedEntry, SignedTicket,
        mail::MailContent,
        rendezvous::{Mail, MailAck, MailGet, MailItem},
    },
};

use super::{Asked, PATIENCE_MS};
use crate::{
    Parts, around,
    conversation::{Conversations, chat::Env},
    friend::FriendRow,
    log::ingest::Taken,
    rendezvous::{Failed, Lane, Purpose, ServerKey, prekeys},
    step::Step,
    view::Fault,
};

/// Envelopes that are asked for at once: at most a mebibyte, and at most so many signatures to check in one step.
const MAX_AT_ONCE: u16 = 32;

/// What is being fetched.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    /// The number after which each rendezvous was asked for more.
    asked: BTreeMap<ServerKey, u64>,
    /// More came meanwhile.
    again: BTreeSet<ServerKey>,
    /// Envelopes that could not be opened, since the start.
    unreadable: u64,
    /// Entries in mail that nobody honest sends, since the start.
    refused: u64,
}

/// What becomes of an envelope in its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It may be deleted: it is stored here, or worth nothing.
    Delete,
    /// It waits there for a person's decision: ours, or that of whom we asked to be a friend.
    Leave,
}

impl Parts {
    /// Asks for our mail there.
    pub(crate) fn fetch_mail(&mut self, server: ServerKey, step: &mut Step<'_>) {
        if self.mail.fetches.asked.contains_key(&server) {
            self.mail.fetches.again.insert(server);
            return;
        }
        self.ask_mail(server, 0, step);
    }

    fn ask_mail(&mut self, server: ServerKey, after: u64, step: &mut Step<'_>) {
        self.mail.fetches.asked.insert(server, after);
        let request = ServerFrame::MailGet(MailGet { after, max: MAX_AT_ONCE });
        self.rendezvous.ask(server, Lane::Account, request, Purpose::Mail(Asked::Get), step);
    }

    pub(super) fn on_mail(
        &mut self,
        server: ServerKey,
        answer: Result<ServerFrame, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(after) = self.mail.fetches.asked.remove(&server) else { return Ok(()) };
        let Ok(ServerFrame::Mail(Mail { items, more })) = answer else {
            // It is asked again when the next session begins.
            self.mail.fetches.again.remove(&server);
            return Ok(());
        };
        let last = items.last().map_or(0, |item| item.number);
        self.take_items(server, items, step)?;
        if more && last > after {
            self.ask_mail(server, last, step);
        } else if self.mail.fetches.again.remove(&server) {
            self.ask_mail(server, 0, step);
        }
        Ok(())
    }

    /// Takes what is in a few envelopes. They are deleted up to the first that has to wait, in each mailbox.
    fn take_items(&mut self, server: ServerKey, items: Vec<MailItem>, step: &mut Step<'_>) -> Result<(), Fault> {
        let mut through: BTreeMap<MailboxId, u64> = BTreeMap::new();
        let mut waiting = BTreeSet::new();
        for item in items {
            let (number, mailbox) = (item.number, item.mailbox);
            if self.take_item(&server, item, step)? == Then::Leave {
                waiting.insert(mailbox);
            } else if !waiting.contains(&mailbox) {
                through.insert(mailbox, number);
            }
        }
        if !through.is_empty() {
            // It goes out after the commit of what was taken.
            let request = ServerFrame::MailAck(MailAck { through: through.into_iter().collect() });
            self.rendezvous.ask(server, Lane::Account, request, Purpose::Mail(Asked::Ack), step);
        }
        Ok(())
    }

    fn take_item(&mut self, server: &ServerKey, item: MailItem, step: &mut Step<'_>) -> Result<Then, Fault> {
        let Some(row) = self.mail.boxes.get(server, &item.mailbox).filter(|row| !row.doomed) else {
            return Ok(Then::Delete);
        };
        let account = row.account;
        if account != step.me.account {
            if !self.people.friend(&account).is_some_and(FriendRow::is_wanted) {
                return Ok(Then::Delete);
            }
            if !self.people.friend(&account).is_some_and(FriendRow::is_mutual) {
                self.take_acceptance(server, &account, &item, step)?;
                return Ok(Then::Leave);
            }
            if !self.people.syncs(&account) {
                return Ok(Then::Leave);
            }
        }
        let Some(opened) = prekeys::open(item.envelope.as_bytes(), step)? else {
            self.mail.fetches.unreadable += 1;
            tracing::debug!(so_far = self.mail.fetches.unreadable, "mail cannot be opened");
            return Ok(Then::Delete);
        };
        self.take_content(&account, opened.content, step)?;
        Ok(Then::Delete)
    }

    /// Somebody whom we asked has a mailbox before they accept. The first letter after that says it; then what is there is
    /// taken from the start.
    fn take_acceptance(
        &mut self,
        server: &ServerKey,
        account: &AccountId,
        item: &MailItem,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(opened) = prekeys::open(item.envelope.as_bytes(), step)? else { return Ok(()) };
        let MailContent { knock, account: payload, presence, .. } = opened.content;
        let letter = knock.and_then(|knock| knock.verify(&step.me.account).ok());
        if let Some(letter) = letter.filter(|letter| letter.from == *account) {
            self.on_acceptance(&letter, &payload, presence, step)?;
        }
        if self.people.friend(account).is_some_and(FriendRow::is_mutual) {
            self.mail.fetches.again.insert(*server);
        }
        Ok(())
    }

    fn take_content(&mut self, account: &AccountId, content: MailContent, step: &mut Step<'_>) -> Result<(), Fault> {
        if *account == step.me.account {
            self.on_own_record(None, &content.account, step);
            self.settle(step)?;
            self.learn_places(account, &content.account.bundles, None, step)?;
        } else {
            self.learn_from_mail(account, &content.account, content.presence, step)?;
            if !self.people.syncs(account) {
                return Ok(()); // it brought a second history of their account
            }
        }
        self.conversations.chat_for(account, &around!(self), step)?;
        for number in self.ingest_mail(account, content.entries, step)? {
            // Whichever device of theirs looks first is to see that it arrived.
            for device in self.mail.tickets.devices(account) {
                self.mail.owed.add(number, device, step);
            }
            self.mail.post.plan(number, step.now.mono_ms + PATIENCE_MS);
        }
        if let Some(want) = &content.want {
            self.on_mailed_want(account, want, step);
        }
        self.on_mailed_receipts(account, &content.receipts, step)
    }

    /// What the friend says of its account: records, certificates, and where mail for its device may be left and its
    /// presence is.
    fn learn_from_mail(
        &mut self,
        account: &AccountId,
        payload: &AccountPayload,
        presence: Option<SignedTicket>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        // What is told to us alone is no part of what is known of the account.
        let public = AccountPayload { bundles: Vec::new(), ..payload.clone() };
        self.learn_account(account, &public, None, step);
        self.settle(step)?;
        self.learn_places(account, &payload.bundles, presence, step)
    }

    /// Takes entries like those of a session: of a friend those of the one conversation, of our own devices any. Returns
    /// the conversations in which something is here now that this device did not write.
    fn ingest_mail(
        &mut self,
        account: &AccountId,
        entries: Vec<SignedEntry>,
        step: &mut Step<'_>,
    ) -> Result<BTreeSet<u32>, Fault> {
        let mut came = BTreeSet::new();
        let around = around!(self);
        for entry in entries {
            let header = Header::decode(&entry.header).ok();
            let number = header.as_ref().and_then(|header| self.conversations.number_of(&header.conversation));
            let Conversations { chats, counters, .. } = &mut self.conversations;
            let chat = number.and_then(|number| chats.get_mut(&number));
            let Some(chat) = chat.filter(|chat| *account == around.me || chat.row.account == *account) else {
                self.mail.fetches.refused += 1;
                continue;
            };
            let author = header.and_then(|header| chat.writer_of(&header.log)).map(|writer| writer.device);
            let mut env = Env { counters: &mut *counters, around: &around, step: &mut *step };
            match chat.ingest(entry, &mut env)? {
                Taken::Stored(place) | Taken::Known(place) => {
                    if chat.log_at(place.log).is_some_and(|log| log.row.device != around.device) {
                        came.insert(chat.number);
                    }
                }
                Taken::Parked => {
                    if let Some(author) = author {
                        self.mail.lacks(chat.number, author, env.step.now);
                    }
                }
                Taken::Ignored => {}
                Taken::Bad(why) => {
                    self.mail.fetches.refused += 1;
                    tracing::debug!(
                        why,
                        so_far = self.mail.fetches.refused,
                        "mail held an entry that no honest node sends"
                    );
                }
            }
        }
        Ok(came)
    }
}
