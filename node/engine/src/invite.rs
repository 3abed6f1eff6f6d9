//! Invites that we gave out: who may use them, how often and until when.
//!
//! Whoever lacks the token learns nothing at all. Whoever has it, and comes too late, is told so.

use std::{collections::BTreeMap, ops::ControlFlow};

use hobnob_shared::{
    id::{AccountId, DeviceId, InviteId},
    identity::Invite,
    limits::MAX_ADDRESSES,
    wire::ErrorCode,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use zeroize::Zeroizing;

use crate::{
    command::{Code, InviteTerms, Refusal, Reply},
    friend::Token,
    own::Own,
    reach::is_local,
    row::Table,
    step::Step,
    tables::TableId,
    view::{Fault, Order},
};

/// Most accounts that one invite may serve.
const MAX_USES: u32 = 1_000;
/// Longest life of an invite, in seconds.
const MAX_LIFETIME_SECS: u64 = 365 * 24 * 3600;
/// Most invites that are kept; the one that expires first goes.
const MAX_INVITES: usize = 1_000;
/// An expired invite is remembered for so long, to be able to say that it expired.
const KEEP_EXPIRED_MS: u64 = 30 * 24 * 3_600_000;

/// Id → an invite that we gave out.
#[derive(Debug)]
pub(crate) struct Given;

impl Table for Given {
    const ID: TableId = TableId::Invites;
    type Key = InviteId;
    type Value = InviteRow;
}

/// An invite that we gave out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InviteRow {
    token: Token,
    expiry_ms: u64,
    uses: u32,
    pub(crate) auto_accept: bool,
    /// Accounts that came with it; each may come again until it expires.
    used: Vec<AccountId>,
    /// Accounts that the person declined, removed or blocked.
    declined: Vec<AccountId>,
    /// It makes a machine a device of ours.
    #[serde(default)]
    links_device: bool,
    /// The machine that used it; no other one may.
    #[serde(default)]
    linked: Option<DeviceId>,
}

/// For how long a link for a device of ours is good, in seconds: for as long as it takes to carry it to the other
/// machine, for the account's key is unsealed meanwhile.
pub(crate) const LINK_SECS: u64 = 600;

/// Makes a link.
pub(crate) fn create(terms: &InviteTerms, own: &Own, step: &mut Step<'_>) -> Result<Reply, crate::step::Stop> {
    check(terms)?;
    let flags = if terms.auto_accept { Invite::ACCEPTED_AT_ONCE } else { 0 };
    Ok(make(terms, flags, own, step)?.1)
}

/// Makes a link for another device of ours.
pub(crate) fn create_for_device(own: &Own, step: &mut Step<'_>) -> Result<(InviteId, Reply), crate::step::Stop> {
    let terms = InviteTerms { uses: 1, lifetime_secs: LINK_SECS, auto_accept: false };
    make(&terms, Invite::LINKS_DEVICE, own, step)
}

fn make(
    terms: &InviteTerms,
    flags: u8,
    own: &Own,
    step: &mut Step<'_>,
) -> Result<(InviteId, Reply), crate::step::Stop> {
    let mut addresses = own.listening().to_vec();
    addresses.sort_by_key(|address| is_local(address)); // what leads here from everywhere first
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() {
        let message = "this node is not listening on any address, so a link would lead nowhere; check the network, \
                       then /net";
        return Err(Refusal::new(Code::Network, message).into());
    }
    make_room(step)?;
    let token = step.random::<16>();
    let id = InviteId::new(step.random());
    let expiry_ms = step.now.wall_ms.saturating_add(terms.lifetime_secs.saturating_mul(1000));
    step.put::<Given>(
        &id,
        &InviteRow {
            token: Token(ByteArray::new(token)),
            expiry_ms,
            uses: terms.uses,
            auto_accept: terms.auto_accept,
            used: Vec::new(),
            declined: Vec::new(),
            links_device: flags & Invite::LINKS_DEVICE != 0,
            linked: None,
        },
    );
    let local_only = addresses.iter().all(|address| is_local(address));
    let invite = Invite {
        account: step.me.account,
        device_x25519: step.me.keys.x25519_public(),
        addresses,
        rendezvous: None,
        id,
        token: Zeroizing::new(token),
        expiry_ms,
        flags,
    };
    Ok((id, Reply::Invite { link: invite.to_string(), local_only }))
}

/// Whether this invite is for a device of ours.
pub(crate) fn links_device(id: &InviteId, step: &Step<'_>) -> Result<bool, Fault> {
    Ok(step.get::<Given>(id)?.is_some_and(|row| row.links_device))
}

/// A machine that wants to be a device of ours proved that it has the link. Binds the link to it.
pub(crate) fn admit_device(
    id: &InviteId,
    device: &DeviceId,
    step: &mut Step<'_>,
) -> Result<Result<(), ErrorCode>, Fault> {
    let Some(mut row) = step.get::<Given>(id)? else { return Ok(Err(ErrorCode::NotFound)) };
    if row.linked.is_some_and(|linked| linked != *device) {
        return Ok(Err(ErrorCode::Conflict));
    }
    if row.expiry_ms < step.now.wall_ms {
        return Ok(Err(ErrorCode::Expired));
    }
    row.linked = Some(*device);
    step.put::<Given>(id, &row);
    Ok(Ok(()))
}

fn check(terms: &InviteTerms) -> Result<(), Refusal> {
    if !(1..=MAX_USES).contains(&terms.uses) {
        let message = format!("an invite can be for 1 to {MAX_USES} people, not {}", terms.uses);
        return Err(Refusal::new(Code::Usage, message));
    }
    if !(1..=MAX_LIFETIME_SECS).contains(&terms.lifetime_secs) {
        return Err(Refusal::new(Code::Usage, "an invite can last from a second to 365 days, like --expires 7d"));
    }
    Ok(())
}

/// Forgets what expired long ago, and the oldest of too many.
fn make_room(step: &mut Step<'_>) -> Result<(), Fault> {
    let now = step.now.wall_ms;
    let mut by_expiry = BTreeMap::new();
    step.scan::<Given>(&[], Order::Ascending, |id, row| {
        by_expiry.insert((row.expiry_ms, id), ());
        ControlFlow::Continue(())
    })?;
    let over = (by_expiry.len() + 1).saturating_sub(MAX_INVITES);
    for (index, (expiry_ms, id)) in by_expiry.into_keys().enumerate() {
        if index < over || expiry_ms.saturating_add(KEEP_EXPIRED_MS) < now {
            step.delete::<Given>(&id);
        }
    }
    Ok(())
}

/// The secret of an invite of ours, spent ones too: whether it is still good is said only to those who have it.
pub(crate) fn token(id: &InviteId, step: &Step<'_>) -> Result<Option<Zeroizing<[u8; 16]>>, Fault> {
    Ok(step.get::<Given>(id)?.map(|row| Zeroizing::new(row.token.0.into_array())))
}

/// Somebody proved that they have the link. Binds a use of it to their account.
pub(crate) fn admit(id: &InviteId, account: &AccountId, step: &mut Step<'_>) -> Result<Result<(), ErrorCode>, Fault> {
    let Some(mut row) = step.get::<Given>(id)? else { return Ok(Err(ErrorCode::NotFound)) };
    if row.expiry_ms < step.now.wall_ms {
        return Ok(Err(ErrorCode::Expired));
    }
    if row.declined.contains(account) {
        return Ok(Err(ErrorCode::Denied));
    }
    if !row.used.contains(account) {
        if row.used.len() >= row.uses as usize {
            return Ok(Err(ErrorCode::Conflict));
        }
        row.used.push(*account);
        step.put::<Given>(id, &row);
    }
    Ok(Ok(()))
}

/// Whether whoever uses it becomes a friend at once.
pub(crate) fn accepts_at_once(id: &InviteId, step: &Step<'_>) -> Result<bool, Fault> {
    Ok(step.get::<Given>(id)?.is_some_and(|row| row.auto_accept))
}

/// The person said no to somebody who came with it.
pub(crate) fn decline(id: &InviteId, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
    if let Some(mut row) = step.get::<Given>(id)? {
        row.declined.push(*account);
        step.put::<Given>(id, &row);
    }
    Ok(())
}

/// Somebody is a friend no more: no invite that is out lets them in again. One that is made later does.
pub(crate) fn revoke(account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
    let mut open = Vec::new();
    let now = step.now.wall_ms;
    step.scan::<Given>(&[], Order::Ascending, |id, row| {
        if row.expiry_ms >= now && !row.declined.contains(account) {
            open.push((id, row));
        }
        ControlFlow::Continue(())
    })?;
    for (id, mut row) in open {
        row.declined.push(*account);
        step.put::<Given>(&id, &row);
    }
    Ok(())
}

/// What the inviter's refusal means, for the person who used the link.
pub(crate) fn refusal(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::Expired => Some("the invite has expired; ask for a new one"),
        ErrorCode::Conflict => Some("the invite was already used by somebody else; ask for a new one"),
        ErrorCode::Denied => Some("the other side declined; ask for a new invite, or /remove them here"),
        ErrorCode::NotFound => Some("the invite is not valid any more; ask for a new one"),
        ErrorCode::Ok
        | ErrorCode::Malformed
        | ErrorCode::Unsupported
        | ErrorCode::TooLarge
        | ErrorCode::RateLimited { .. }
        | ErrorCode::Quota
        | ErrorCode::Busy
        | ErrorCode::Internal
        | ErrorCode::Stale { .. }
        | ErrorCode::Pow { .. }
        | ErrorCode::Unknown(_) => None,
    }
}
