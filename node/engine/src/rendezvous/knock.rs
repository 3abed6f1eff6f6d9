//! Friend requests by name: those that came for us, and telling people that we accepted them.

use hobnob_shared::{
    id::AccountId,
    identity::SignedBundle,
    rendezvous::{Address, NameAt},
    text::Username,
    wire::{
        AccountPayload, ServerFrame, SignedTicket,
        mail::KnockLetter,
        rendezvous::{KnockAck, KnockItem, Knocks},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    Lane, Purpose, Rendezvous, ServerKey,
    calls::{Answered, Failed},
    errand::Aim,
    prekeys,
};
use crate::{
    Parts,
    account::{AccountRow, Chain, Device},
    around,
    friend::{FriendRow, People, RequestRow, Source},
    row::Table,
    step::{Signal, Step},
    tables::TableId,
    view::Fault,
};

/// How often requests are asked for, besides at the start of a session and when the rendezvous says that something waits.
pub(super) const ASK_EVERY_MS: u64 = 120_000;
/// Somebody who may not know that we accepted them is told again after this long, if no session with them came up; and a
/// name that nobody had is not looked up again before.
const TELL_AGAIN_MS: u64 = 24 * 3_600_000;

/// How it goes with asking one rendezvous for requests. One question at a time: however often it says that something
/// waits, it is asked once more after its answer.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// When to ask next.
    pub(super) due_ms: Option<u64>,
    is_asked: bool,
    /// Something came meanwhile.
    again: bool,
}

/// Account → where it can be answered by name.
#[derive(Debug)]
struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::Knocks;
    type Key = AccountId;
    type Value = KnockRow;
}

/// Where somebody who asked us can be answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KnockRow {
    name: Username,
    server: Address,
    /// When they were last told that we accepted them, in ms since the epoch.
    told_ms: u64,
    /// Where mail for the device that asked may be left once we accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bundle: Option<SignedBundle>,
}

impl Parts {
    /// The answer to our question for requests.
    pub(super) fn on_knocks_answer(
        &mut self,
        server: ServerKey,
        answer: Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let again = self.rendezvous.tries.get_mut(&server).is_some_and(|it| {
            it.knocks.is_asked = false;
            std::mem::take(&mut it.knocks.again)
        });
        // Without an answer it is asked when the next session begins, or the next time that it is due.
        let Ok(ServerFrame::Knocks(knocks)) = answer.map(|answered| *answered.frame) else { return Ok(()) };
        self.on_knocks(server, &knocks, step)?;
        if again {
            self.rendezvous.ask_knocks(server, step);
        }
        Ok(())
    }

    /// Requests that wait for us. They are taken out of the box when they are kept here, or worth nothing; our other devices
    /// find their own.
    fn on_knocks(&mut self, server: ServerKey, knocks: &Knocks, step: &mut Step<'_>) -> Result<(), Fault> {
        let mut numbers = Vec::new();
        for item in &knocks.items {
            if self.on_knock_item(&server, item, step)? {
                numbers.push(item.number);
            }
        }
        if !numbers.is_empty() {
            // It goes out after the commit.
            let request = ServerFrame::KnockAck(KnockAck { numbers });
            self.rendezvous.ask(server, Lane::Account, request, Purpose::Quiet, step);
        }
        Ok(())
    }

    /// `false`: it has to wait in the box.
    fn on_knock_item(&mut self, server: &ServerKey, item: &KnockItem, step: &mut Step<'_>) -> Result<bool, Fault> {
        let Some(opened) = prekeys::open(item.envelope.as_bytes(), step)? else {
            // An older rendezvous would take it from our other devices too; where there is none, it only fills the box.
            return Ok(self.own.devices().len() <= 1);
        };
        let letter = opened.content.knock.and_then(|knock| knock.verify(&step.me.account).ok());
        let Some(letter) = letter else { return Ok(true) };
        let account = letter.from;
        if account == step.me.account {
            return self.on_knock_of_ours(&letter, &opened.content.account, step).map(|()| true);
        }
        if self.people.friend(&account).is_some_and(|row| row.blocked) {
            return Ok(true);
        }
        if self.people.is_inbox_full(&account) && !self.people.friend(&account).is_some_and(FriendRow::is_wanted) {
            return Ok(false);
        }
        let is_wanted = self.people.friend(&account).is_some_and(FriendRow::is_wanted);
        if is_wanted {
            return self.on_acceptance(&letter, &opened.content.account, opened.content.presence, step);
        }
        if self.was_declined(&letter) {
            return Ok(true);
        }
        let chain = learn(&mut self.people, &account, &opened.content.account, step);
        if matches!(chain, Chain::Bad | Chain::Forked) || !self.people.lists(&account, &letter.device) {
            tracing::debug!("a friend request is not of the account that it names");
            self.people.forget(&account, step);
            return Ok(true);
        }
        if let Some((name, server)) = letter.name.clone() {
            let mut bundles = opened.content.account.bundles.into_iter();
            let bundle = bundles.find(|bundle| bundle.claimed_device() == Ok(letter.device));
            step.put::<Rows>(&account, &KnockRow { name, server, told_ms: 0, bundle });
        }
        self.keep_request(server, letter, step);
        Ok(true)
    }

    /// Somebody whom we want for a friend says that they want it too. `false`: more has to be known of their account first.
    pub(crate) fn on_acceptance(
        &mut self,
        letter: &KnockLetter,
        payload: &AccountPayload,
        presence: Option<SignedTicket>,
        step: &mut Step<'_>,
    ) -> Result<bool, Fault> {
        let account = letter.from;
        self.learn_account(&account, payload, None, step);
        if !self.people.lists(&account, &letter.device) {
            return Ok(!self.rendezvous.errands.is_learning(&account));
        }
        self.people.they_accept(&account, step);
        step.signal(Signal::Devices(account));
        self.on_accepted(letter, payload, presence, step).map(|()| true)
    }

    /// Somebody whom we accepted accepts us too, and says where they can be told something from now on. They may not have
    /// heard of us: the answer goes by mail where they told of a mailbox, and else by their name.
    fn on_accepted(
        &mut self,
        letter: &KnockLetter,
        payload: &AccountPayload,
        presence: Option<SignedTicket>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let account = letter.from;
        let name = letter.name.as_ref().map(|(name, server)| NameAt { name: name.clone(), server: *server.x25519() });
        self.people
            .change(&account, step, |row| name.is_some() && std::mem::replace(&mut row.name, name.clone()) != name);
        self.settle(step)?;
        self.learn_places(&account, &payload.bundles, presence, step)?;
        if self.mail.knows(&account) { self.owe(&account, step) } else { self.answer_again(&account, step) }
    }

    /// Another device of ours, which knows no mailbox of this one: here it learns it.
    fn on_knock_of_ours(
        &mut self,
        letter: &KnockLetter,
        payload: &AccountPayload,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        if letter.device == step.me.device {
            return Ok(());
        }
        self.on_own_record(None, payload, step);
        self.settle(step)?;
        self.learn_places(&letter.from, &payload.bundles, None, step)?;
        self.owe(&letter.from, step)
    }

    /// Somebody whom we accepted asks again.
    fn answer_again(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        if let Some(mut row) = step.get::<Rows>(account)? {
            row.told_ms = 0;
            step.put::<Rows>(account, &row);
        }
        self.accept_by_name(account, step)
    }

    fn keep_request(&mut self, server: &ServerKey, letter: KnockLetter, step: &mut Step<'_>) {
        let Some((name, host)) = self.rendezvous.own_name(server) else { return };
        let nick = self.people.nick(&letter.from).cloned().unwrap_or(letter.nick);
        let row = RequestRow {
            account: letter.from,
            source: Source::Name(name, host),
            nick,
            note: letter.note,
            received_ms: step.now.wall_ms,
            they_accepted: true,
            asked_ms: letter.time_ms,
        };
        self.people.ask(row, step);
    }

    /// Tells friends of whom no mailbox is known, by their name: those who may not know that we accepted them, and those
    /// whose mailboxes are all gone, and who may be somewhere else. A session tells it too.
    pub(crate) fn tell_accepted(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        let is_unsure = |(account, row): &(&AccountId, &FriendRow)| {
            row.is_mutual() && !self.mail.knows(account) && self.sessions.of(account).is_empty()
        };
        let accounts: Vec<_> = self.people.friends().filter(is_unsure).map(|(account, _)| *account).collect();
        for account in accounts {
            self.accept_by_name(&account, step)?;
        }
        Ok(())
    }

    /// Another device of ours is known by its certificate only, as one that was made from the recovery words: it is told by our
    /// own name where this one is, and dials. Only once the vault was looked into, which may say
    /// where it is.
    pub(super) fn tell_lost_devices(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        let me = step.me.account;
        let is_lost = |device: &Device| {
            device.id != step.me.device
                && device.addresses().is_empty()
                && !self.sessions.has_device(&me, &device.x25519)
                && !self.mail.has_mailbox(&device.id)
        };
        if self.own.devices().iter().any(is_lost) { self.accept_by_name(&me, step) } else { Ok(()) }
    }

    /// Tells this one, unless it was told today. Where a mailbox for them is being made, they are told when it is there.
    pub(crate) fn accept_by_name(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some(at) = self.name_of(account, step) else { return Ok(()) };
        let told_ms = step.get::<Rows>(account)?.map_or(0, |row| row.told_ms);
        let is_told = step.now.wall_ms.abs_diff(told_ms) < TELL_AGAIN_MS;
        let absent_ms = self.rendezvous.errands.absent_ms(account);
        let is_absent = absent_ms.is_some_and(|at| step.now.mono_ms.saturating_sub(at) < TELL_AGAIN_MS);
        let is_used = self.rendezvous.own_name(&at.server).is_some();
        let is_under_way = self.rendezvous.errands.is_accepting(account) || self.mail.is_making(account);
        if !is_told && !is_absent && is_used && !is_under_way {
            let known = self.known_record(account);
            self.rendezvous.run(at.server, at.name, Aim::Accept(*account), known, step);
        }
        Ok(())
    }

    /// Under which name, and where, an account can be asked; ours too.
    pub(crate) fn name_of(&self, account: &AccountId, step: &Step<'_>) -> Option<NameAt> {
        if *account != step.me.account {
            return self.people.friend(account)?.name.clone();
        }
        let server = *self.rendezvous.named().next()?;
        let (name, _) = self.rendezvous.own_name(&server)?;
        Some(NameAt { name, server })
    }

    /// A friend tells under which name they can be asked. The one that we know counts while we can ask there.
    pub(crate) fn learn_name(&mut self, account: &AccountId, told: &NameAt, step: &mut Step<'_>) {
        if *account == step.me.account {
            return;
        }
        let held = self.people.friend(account).and_then(|row| row.name.as_ref());
        let can_ask = |at: &NameAt| self.rendezvous.own_name(&at.server).is_some();
        if held.is_none_or(|held| held != told && (held.server == told.server || !can_ask(held))) {
            self.people.change(account, step, |row| row.name = Some(told.clone()));
        }
    }

    /// The person accepted somebody who asked by name: there they are told.
    pub(crate) fn accept_asked(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        if let Some(row) = step.get::<Rows>(account)? {
            let name = NameAt { name: row.name, server: *row.server.x25519() };
            self.people.change(account, step, |friend| friend.name.replace(name.clone()) != Some(name));
            self.plan_boxes(step);
            self.learn_asked(account, step)?;
        }
        self.accept_by_name(account, step)
    }

    /// Somebody who asked us is a friend now: what we write goes to the mailbox that their request told of.
    pub(crate) fn learn_asked(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some(bundle) = step.get::<Rows>(account)?.and_then(|row| row.bundle) else { return Ok(()) };
        self.learn_places(account, &[bundle], None, step)?;
        if self.mail.knows(account) { self.owe(account, step) } else { Ok(()) }
    }

    /// Whoever has this name was looked up again: what it says of them is newer than what we know.
    pub(super) fn refresh(&mut self, account: &AccountId, payload: &AccountPayload, step: &mut Step<'_>) {
        let known = |parts: &Self| around!(parts).account(account).and_then(AccountRow::digest);
        let before = known(self);
        if *account == step.me.account {
            self.on_own_record(None, payload, step);
        } else {
            self.learn_account(account, payload, None, step);
        }
        if known(self) != before {
            self.mail_anew(account, step);
        }
    }

    /// The rendezvous has stored that we accept them.
    pub(super) fn on_told(&mut self, account: &AccountId, step: &mut Step<'_>) {
        let at = self.name_of(account, step);
        if let Some((at, server)) = at.and_then(|at| Some((at.clone(), self.rendezvous.address(&at.server)?.clone()))) {
            step.put::<Rows>(account, &KnockRow { name: at.name, server, told_ms: step.now.wall_ms, bundle: None });
        }
    }
}

impl Rendezvous {
    /// Asks for requests.
    pub(super) fn ask_knocks(&mut self, server: ServerKey, step: &mut Step<'_>) {
        if let Some(it) = self.tries.get_mut(&server) {
            it.knocks.due_ms = Some(step.now.mono_ms + ASK_EVERY_MS);
            if std::mem::replace(&mut it.knocks.is_asked, true) {
                it.knocks.again = true;
                return;
            }
        }
        self.ask(server, Lane::Account, ServerFrame::KnockGet, Purpose::Knocks, step);
    }

    /// Our name there, and what the rendezvous is called.
    pub(crate) fn own_name(&self, server: &ServerKey) -> Option<(Username, String)> {
        let row = self.servers.get(server)?;
        Some((row.account.as_ref()?.name.clone(), self.servers.called(server)))
    }
}

/// Takes what an account says of itself.
pub(super) fn learn(people: &mut People, account: &AccountId, payload: &AccountPayload, step: &mut Step<'_>) -> Chain {
    people.learn(account, step, |known| {
        let chain = known.learn_records(account, &payload.records);
        for certificate in &payload.certificates {
            known.learn_certificate(account, certificate);
        }
        for bundle in &payload.bundles {
            known.learn_bundle(bundle);
        }
        (true, chain)
    })
}
