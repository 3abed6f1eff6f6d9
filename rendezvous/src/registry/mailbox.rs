//! Mailboxes and the sealed mail in them. One mailbox is for one friend of one device; whoever knows its token may leave
//! mail there, and only its device takes it out.

use hobnob_shared::{
    id::{AccountId, DeviceId, MailboxId},
    limits::{MAIL_TTL_MS, MAX_MAIL_ITEMS, MAX_MAILBOX_BYTES, MAX_MAILBOX_ENVELOPES},
    wire::{
        ErrorCode,
        rendezvous::{BoxPut, DepositToken, Envelope, Mail, MailAck, MailGet, MailItem, MailPut},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    arrival::{Arrival, MailTimes, Place},
    leaving,
    limits::{FORGET_ROWS, MAX_BOXES, MAX_PAGE_BYTES, Policy, ROW_BYTES},
    row::{Key, after, table},
    step::{Refusal, Served, Step},
    usage::{charge, next_number, number_at, refund},
    view::Fault,
};

/// Whose mailbox it is. Both parts count: an account may certify a device that is another's too.
pub(crate) type Owner = (AccountId, DeviceId);

/// A mailbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BoxRow {
    #[serde(rename = "a")]
    owner: Owner,
    #[serde(rename = "k")]
    token: DepositToken,
    #[serde(rename = "n")]
    envelopes: u64,
    #[serde(rename = "b")]
    bytes: u64,
}

table!(Boxes: MailboxId => BoxRow);
table!(BoxesOf: (Owner, MailboxId) => ());
table!(MailRows: (MailboxId, u64) => Envelope, Mail);
table!(MailOf: (Owner, u64) => Place);
table!(Waiting: Owner => u64);

/// Makes a mailbox, gives it a new token, or deletes it with what is in it.
pub(crate) fn put(step: &mut Step<'_>, policy: &Policy, owner: &Owner, put: BoxPut) -> Served<()> {
    leaving::check_gone(step, owner)?;
    match put.token {
        Some(token) => create(step, policy, owner, put.mailbox, token),
        None => delete(step, owner, put.mailbox),
    }
}

fn create(step: &mut Step<'_>, policy: &Policy, owner: &Owner, mailbox: MailboxId, token: DepositToken) -> Served<()> {
    let row = match step.get::<Boxes>(&mailbox)? {
        Some(row) if row.owner == *owner => BoxRow { token, ..row },
        Some(_) => return Err(ErrorCode::Conflict.into()),
        None => {
            if step.under::<BoxesOf>(owner, MAX_BOXES)?.len() == MAX_BOXES {
                return Err(ErrorCode::Quota.into());
            }
            charge(step, policy, &owner.0, ROW_BYTES)?;
            BoxRow { owner: *owner, token, envelopes: 0, bytes: 0 }
        }
    };
    step.put::<Boxes>(&mailbox, &row);
    step.put::<BoxesOf>(&(*owner, mailbox), &());
    Ok(())
}

fn delete(step: &mut Step<'_>, owner: &Owner, mailbox: MailboxId) -> Served<()> {
    let row = step.get::<Boxes>(&mailbox)?.filter(|row| row.owner == *owner).ok_or(ErrorCode::NotFound)?;
    for ((_, number), _) in step.under::<MailRows>(&mailbox, MAX_MAILBOX_ENVELOPES)? {
        forget(step, owner, mailbox, number)?;
    }
    refund(step, &row.owner.0, row.bytes + ROW_BYTES * (row.envelopes + 1))?;
    step.remove::<Boxes>(&mailbox);
    step.remove::<BoxesOf>(&(*owner, mailbox));
    Ok(())
}

/// Removes a mailbox in which nothing is left, whether its row is whole or not.
pub(crate) fn remove_empty(step: &mut Step<'_>, owner: &Owner, mailbox: MailboxId) -> Served<()> {
    match step.get::<Boxes>(&mailbox) {
        Ok(Some(row)) => refund(step, &owner.0, row.bytes + ROW_BYTES * (row.envelopes + 1))?,
        Ok(None) => step.pass_over(Fault::Damaged("a mailbox is missing".into())),
        Err(fault) => step.pass_over(fault),
    }
    step.remove::<Boxes>(&mailbox);
    step.remove::<BoxesOf>(&(*owner, mailbox));
    Ok(())
}

/// Leaves an envelope. Says whose mailbox it is. A wrong token and a mailbox that is not there look the same.
pub(crate) fn deposit(step: &mut Step<'_>, policy: &Policy, put: MailPut) -> Served<Owner> {
    let mailbox = put.mailbox;
    let row = step.get::<Boxes>(&mailbox)?.filter(|row| row.token == put.token).ok_or(ErrorCode::NotFound)?;
    if leaving::is_leaving(step, &row.owner)? {
        return Err(ErrorCode::NotFound.into());
    }
    let bytes = put.envelope.as_bytes().len() as u64;
    if bytes == 0 {
        return Err(ErrorCode::Malformed.into());
    }
    let row = BoxRow { envelopes: row.envelopes + 1, bytes: row.bytes + bytes, ..row };
    if row.envelopes > MAX_MAILBOX_ENVELOPES as u64 || row.bytes > MAX_MAILBOX_BYTES as u64 {
        return Err(ErrorCode::Quota.into());
    }
    charge(step, policy, &row.owner.0, bytes + ROW_BYTES)?;
    let number = next_number(step)?;
    let owner = row.owner;
    step.put::<MailRows>(&(mailbox, number), &put.envelope);
    step.put::<MailOf>(&(owner, number), &Place::AsNumbered(mailbox));
    step.put::<MailTimes>(&number, &Arrival::AsNumbered(owner, mailbox));
    step.put::<Boxes>(&mailbox, &row);
    step.put::<Waiting>(&owner, &(waiting(step, &owner)? + 1));
    Ok(owner)
}

/// What waits for a device, oldest first.
pub(crate) fn fetch(step: &Step<'_>, owner: &Owner, get: MailGet) -> Served<Mail> {
    leaving::check_gone(step, owner)?;
    let max = usize::from(get.max).clamp(1, MAX_MAIL_ITEMS);
    let from = (*owner, get.after.saturating_add(1)).to_bytes();
    let end = after(&owner.to_bytes());
    let found = step.whole_between::<MailOf>(&from, end.as_deref(), max + 1)?;
    let mut page = Mail { more: found.len() > max, items: Vec::new() };
    let mut bytes = 0;
    for ((_, number), place) in found.into_iter().take(max) {
        let mailbox = place.mailbox();
        let envelope = match step.get::<MailRows>(&(mailbox, number)) {
            Ok(Some(envelope)) => envelope,
            // The rest of the mail is whole. Who left this one hears from nobody that it came, and leaves it again.
            Ok(None) => {
                step.pass_over(Fault::Damaged("an envelope is missing".into()));
                continue;
            }
            Err(fault) => {
                step.pass_over(fault);
                continue;
            }
        };
        bytes += envelope.as_bytes().len();
        if bytes > MAX_PAGE_BYTES {
            page.more = true;
            break;
        }
        page.items.push(MailItem { number, mailbox, envelope });
    }
    Ok(page)
}

/// How many envelopes wait for a device.
pub(crate) fn waiting(step: &Step<'_>, owner: &Owner) -> Served<u64> {
    Ok(step.get::<Waiting>(owner)?.unwrap_or(0))
}

/// A device has what is in these mailboxes up to a number; it is deleted. What is not there was acknowledged before.
pub(crate) fn acknowledge(step: &mut Step<'_>, owner: &Owner, ack: &MailAck) -> Served<()> {
    for (mailbox, through) in &ack.through {
        if step.get::<Boxes>(mailbox)?.is_none_or(|row| row.owner != *owner) {
            continue;
        }
        let end = through.checked_add(1).map(|end| (*mailbox, end).to_bytes());
        let end = end.or_else(|| after(&mailbox.to_bytes()));
        let rows = step.between::<MailRows>(&mailbox.to_bytes(), end.as_deref(), MAX_MAILBOX_ENVELOPES)?;
        for ((_, number), _) in rows {
            take_out(step, owner, *mailbox, number)?;
        }
    }
    Ok(())
}

/// Removes some of the mail that is too old. Says whether there may be more.
pub(crate) fn expire(step: &mut Step<'_>) -> Served<bool> {
    let end = number_at(step.now_ms.saturating_sub(MAIL_TTL_MS)).to_bytes();
    let old = step.whole_between::<MailTimes>(&[], Some(&end), FORGET_ROWS)?;
    let more = old.len() == FORGET_ROWS;
    for (at, arrival) in old {
        let (owner, mailbox, number) = arrival.envelope(at);
        step.remove::<MailTimes>(&at);
        take_out_whatever(step, &owner, mailbox, number)?;
    }
    Ok(more)
}

/// The same as [`take_out`], also where something is damaged.
pub(crate) fn take_out_whatever(step: &mut Step<'_>, owner: &Owner, mailbox: MailboxId, number: u64) -> Served<()> {
    match take_out(step, owner, mailbox, number) {
        Err(Refusal::Fault(fault)) => {
            // What it took stays counted: nobody knows any more how much that was.
            step.pass_over(fault);
            forget(step, owner, mailbox, number)
        }
        taken => taken,
    }
}

/// Removes one envelope and what was counted for it.
fn take_out(step: &mut Step<'_>, owner: &Owner, mailbox: MailboxId, number: u64) -> Served<()> {
    if let (Some(envelope), Some(row)) = (step.get::<MailRows>(&(mailbox, number))?, step.get::<Boxes>(&mailbox)?) {
        let bytes = envelope.as_bytes().len() as u64;
        refund(step, &row.owner.0, bytes + ROW_BYTES)?;
        let (envelopes, bytes) = (row.envelopes.saturating_sub(1), row.bytes.saturating_sub(bytes));
        step.put::<Boxes>(&mailbox, &BoxRow { envelopes, bytes, ..row });
    }
    forget(step, owner, mailbox, number)
}

fn forget(step: &mut Step<'_>, owner: &Owner, mailbox: MailboxId, number: u64) -> Served<()> {
    let at = match step.get::<MailOf>(&(*owner, number)) {
        Ok(place) => place.map_or(number, |place| place.at(number)),
        Err(fault) => {
            step.pass_over(fault);
            number
        }
    };
    step.remove::<MailRows>(&(mailbox, number));
    step.remove::<MailOf>(&(*owner, number));
    step.remove::<MailTimes>(&at);
    match waiting(step, owner)?.saturating_sub(1) {
        0 => step.remove::<Waiting>(owner),
        left => step.put::<Waiting>(owner, &left),
    }
    Ok(())
}
