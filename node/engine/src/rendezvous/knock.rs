//! Friend requests by name: those that came for us, and telling people that we accepted them.

use hobnob_shared::{
    id::{AccountId, DeviceId},
    identity::SignedBundle,
    rendezvous::Address,
    text::{Note, Username},
    wire::{
        AccountPayload, ServerFrame,
        mail::KnockLetter,
        rendezvous::{KnockAck, KnockItem, Knocks},
    },
};
use serde::{Deserialize, Serialize};

use super::{Lane, Purpose, Rendezvous, ServerKey, errand::Aim, prekeys};
use crate::{
    Parts,
    account::Chain,
    friend::{FriendRow, People, RequestRow, Source},
    row::Table,
    step::{Signal, Step},
    tables::TableId,
    view::Fault,
};

/// How often requests are asked for, besides at the start of a session and when mail waits.
pub(super) const ASK_EVERY_MS: u64 = 120_000;
/// Somebody who may not know that we accepted them is told again after this long, if no session with them came up.
const TELL_AGAIN_MS: u64 = 24 * 3_600_000;

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
}

impl Parts {
    /// Requests that wait for us. They are taken out of the box when they are kept here, or worth nothing.
    pub(super) fn on_knocks(&mut self, server: ServerKey, knocks: &Knocks, step: &mut Step<'_>) -> Result<(), Fault> {
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
            // Another device of ours may have the key; where there is none, it only fills the box.
            return Ok(self.own.devices().len() <= 1);
        };
        let letter = opened.content.knock.and_then(|knock| knock.verify(&step.me.account).ok());
        let Some(letter) = letter.filter(|letter| letter.from != step.me.account) else { return Ok(true) };
        let account = letter.from;
        if self.people.friend(&account).is_some_and(|row| row.blocked) {
            return Ok(true);
        }
        if self.people.is_inbox_full(&account) && !self.people.friend(&account).is_some_and(FriendRow::is_wanted) {
            return Ok(false);
        }
        let (public, private) = split(opened.content.account, &letter.device);
        let chain = learn(&mut self.people, &account, &public, step);
        if matches!(chain, Chain::Bad | Chain::Forked) || !self.people.lists(&account, &letter.device) {
            tracing::debug!("a friend request is not of the account that it names");
            self.people.forget(&account, step);
            return Ok(true);
        }
        if self.people.friend(&account).is_some_and(FriendRow::is_wanted) {
            self.people.they_accept(&account, step);
            step.signal(Signal::Devices(account));
            for bundle in &private {
                self.learn_mailboxes(&account, &letter.device, bundle, false, step)?;
            }
            return self.answer_again(&account, step).map(|()| true);
        }
        if let Some((name, server)) = letter.name.clone() {
            step.put::<Rows>(&account, &KnockRow { name, server, told_ms: 0 });
        }
        self.ask_person(server, letter, step);
        Ok(true)
    }

    /// Somebody whom we accepted asks again: they have not heard of it.
    fn answer_again(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        if let Some(mut row) = step.get::<Rows>(account)? {
            row.told_ms = 0;
            step.put::<Rows>(account, &row);
        }
        self.accept_by_name(account, step)
    }

    fn ask_person(&mut self, server: &ServerKey, letter: KnockLetter, step: &mut Step<'_>) {
        let Some((name, host)) = self.rendezvous.own_name(server) else { return };
        let nick = self.people.nick(&letter.from).cloned().unwrap_or(letter.nick);
        let row = RequestRow {
            account: letter.from,
            source: Source::Name(name, host),
            nick,
            note: letter.note,
            received_ms: step.now.wall_ms,
            they_accepted: true,
        };
        self.people.ask(row, step);
    }

    /// Tells those whom we accepted, and who may not know, by their name. A session tells it too.
    pub(super) fn tell_accepted(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        let unsure = |row: &FriendRow| row.is_mutual() && row.last_seen_ms.is_none();
        let accounts: Vec<_> =
            self.people.friends().filter(|(_, row)| unsure(row)).map(|(account, _)| *account).collect();
        for account in accounts {
            self.accept_by_name(&account, step)?;
        }
        Ok(())
    }

    /// Tells this one, unless it was told today.
    pub(crate) fn accept_by_name(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some(row) = step.get::<Rows>(account)? else { return Ok(()) };
        let is_told = step.now.wall_ms.abs_diff(row.told_ms) < TELL_AGAIN_MS;
        let is_used = self.rendezvous.own_name(row.server.x25519()).is_some();
        if !is_told && is_used && !self.rendezvous.errands.is_accepting(account) {
            self.rendezvous.run(*row.server.x25519(), row.name, Aim::Accept(*account), step);
        }
        Ok(())
    }

    /// The rendezvous has stored that we accept them.
    pub(super) fn on_accept_stored(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        if let Some(mut row) = step.get::<Rows>(account)? {
            row.told_ms = step.now.wall_ms;
            step.put::<Rows>(account, &row);
        }
        Ok(())
    }

    /// A request by name leads to a friend who waits for their answer.
    pub(super) fn befriend(&mut self, account: &AccountId, payload: &AccountPayload, note: Note, step: &mut Step<'_>) {
        learn(&mut self.people, account, payload, step);
        let request = self.people.drop_request(account, step);
        let was_asked = request.is_some_and(|request| request.they_accepted);
        self.people.add(*account, note, was_asked, step);
        self.people_changed(account, was_asked, step);
    }
}

impl Rendezvous {
    /// Asks for requests.
    pub(super) fn ask_knocks(&mut self, server: ServerKey, step: &mut Step<'_>) {
        if let Some(it) = self.tries.get_mut(&server) {
            it.knocks_ms = Some(step.now.mono_ms + ASK_EVERY_MS);
        }
        self.ask(server, Lane::Account, ServerFrame::KnockGet, Purpose::Knocks, step);
    }

    /// Our name there, and the host.
    pub(super) fn own_name(&self, server: &ServerKey) -> Option<(Username, String)> {
        let row = self.servers.get(server)?;
        Some((row.account.as_ref()?.name.clone(), row.address.host().to_owned()))
    }
}

/// Parts what everybody may know of an account from bundles of its device that name mailboxes for us.
fn split(mut payload: AccountPayload, device: &DeviceId) -> (AccountPayload, Vec<SignedBundle>) {
    let is_private = |bundle: &SignedBundle| bundle.verify(device).is_ok_and(|bundle| !bundle.tickets.is_empty());
    let (private, public) = payload.bundles.into_iter().partition(is_private);
    payload.bundles = public;
    (payload, private)
}

/// Takes what an account says of itself.
fn learn(people: &mut People, account: &AccountId, payload: &AccountPayload, step: &mut Step<'_>) -> Chain {
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
