//! Bringing two friends together: each is told of the other, and both decide for themselves.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::AccountId,
    text::{Note, display},
    wire::{Frame, Introduce},
};
use rand_core::Rng as _;

use crate::{
    account::{AccountRow, Chain},
    command::{Code, Refusal, Standing},
    friend::{People, RequestRow, Source},
    step::{SessionId, Step},
};

/// Most introductions that wait for one friend.
const MAX_WAITING: usize = 20;

/// Most introductions of one friend that wait in the inbox: a quarter of it, so that others find room.
const MAX_PENDING: usize = 5;
/// Most declined introductions that are remembered of one friend; the earliest goes. 8 KiB of their row.
const MAX_DECLINED: usize = 256;

/// Introductions that were sent, until a round trip proves that they were kept.
#[derive(Debug, Default)]
pub(crate) struct Introductions {
    sent: BTreeMap<u64, (SessionId, AccountId, Vec<AccountId>)>,
}

/// The person asks us to bring `one` and `other` together.
pub(crate) fn plan(
    one: &AccountId,
    other: &AccountId,
    people: &mut People,
    step: &mut Step<'_>,
) -> Result<(), Refusal> {
    for account in [one, other] {
        people.may_write(account)?;
        if people.friend(account).is_some_and(|row| row.introductions.len() >= MAX_WAITING) {
            let handle = display::line(&people.handle(account).to_string());
            let message = format!("{MAX_WAITING} introductions wait for {handle} already; wait until they are online");
            return Err(Refusal::new(Code::Limited, message));
        }
    }
    if one == other {
        return Err(Refusal::new(Code::Usage, "name two different friends, like /introduce @bob @carol"));
    }
    for (to, about) in [(one, other), (other, one)] {
        people.change(to, step, |row| {
            if !row.introductions.contains(about) {
                row.introductions.push(*about);
            }
        });
    }
    Ok(())
}

impl Introductions {
    /// Sends what waits for this friend.
    pub(crate) fn send(&mut self, session: SessionId, to: &AccountId, people: &People, step: &mut Step<'_>) {
        let waiting = people.friend(to).map(|row| row.introductions.clone()).unwrap_or_default();
        if waiting.is_empty() {
            return;
        }
        for about in &waiting {
            if let Some(known) = people.account(about).filter(|_| people.syncs(about)) {
                let account = known.introduction();
                step.send(session, Frame::Introduce(Introduce { account, note: Note::default() }));
            }
        }
        // Frames are handled in order and answered after the commit, so the answer to this means that they are kept.
        let nonce = step.rng.next_u64();
        self.sent.insert(nonce, (session, *to, waiting));
        step.send(session, Frame::Ping { nonce });
    }

    pub(crate) fn on_pong(&mut self, session: SessionId, nonce: u64, people: &mut People, step: &mut Step<'_>) {
        if self.sent.get(&nonce).is_none_or(|(sent_over, ..)| *sent_over != session) {
            return;
        }
        if let Some((_, to, told)) = self.sent.remove(&nonce) {
            people.change(&to, step, |row| row.introductions.retain(|about| !told.contains(about)));
        }
    }

    pub(crate) fn on_down(&mut self, session: SessionId) {
        self.sent.retain(|_, (sent_over, ..)| *sent_over != session);
    }
}

/// The person said no: this friend's word for that account is not heard again.
pub(crate) fn decline(by: &AccountId, account: &AccountId, people: &mut People, step: &mut Step<'_>) {
    people.change(by, step, |row| {
        row.declined.push(*account);
        if row.declined.len() > MAX_DECLINED {
            row.declined.remove(0);
        }
    });
}

/// Whether another introduction by this friend is heard.
fn is_heard(by: &AccountId, account: &AccountId, people: &People) -> bool {
    let was_declined = people.friend(by).is_some_and(|row| row.declined.contains(account));
    !was_declined && !people.is_inbox_full(account) && people.introduced_by(by) < MAX_PENDING
}

/// A friend introduces somebody.
pub(crate) fn on_frame(by: &AccountId, introduce: &Introduce, people: &mut People, step: &mut Step<'_>) {
    let Some(first) = introduce.account.records.first().and_then(|record| record.verify().ok()) else { return };
    let account = first.account;
    if account == step.me.account || account == *by {
        return;
    }
    match people.standing(&account) {
        Some(Standing::Friend | Standing::Pending | Standing::Blocked) => return,
        Some(Standing::Removed) | None => {}
    }
    if !is_heard(by, &account, people) {
        return;
    }
    let mut known = AccountRow::default();
    let chain = known.learn_records(&account, &introduce.account.records);
    for certificate in &introduce.account.certificates {
        known.learn_certificate(&account, certificate);
    }
    for bundle in &introduce.account.bundles {
        known.learn_bundle(bundle);
    }
    let Some(nick) = known.newest.as_ref().map(|newest| newest.nick.clone()).filter(|_| chain == Chain::Grown) else {
        return;
    };
    people.meet(account, known);
    let row = RequestRow {
        account,
        source: Source::Introduction(*by),
        nick,
        note: introduce.note.clone(),
        received_ms: step.now.wall_ms,
        they_accepted: false,
        asked_ms: 0,
    };
    people.ask(row, step);
}
