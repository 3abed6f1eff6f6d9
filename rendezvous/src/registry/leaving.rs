//! Devices that do not count any more. What is in their mailboxes goes in pieces, however much it is, and is nobody's from
//! the first one on; where it is much, the table says what is left, also after a restart.

use hobnob_shared::{id::AccountId, wire::ErrorCode};

use super::{
    limits::FORGET_ROWS,
    mailbox::{self, BoxesOf, MailRows, Owner},
    row::{Key as _, after, table},
    step::{Served, Step},
};

table!(Leaving: Owner => ());

/// Takes a device's mailboxes away, and removes the first of what is in them.
pub(crate) fn begin(step: &mut Step<'_>, owner: &Owner) -> Served<()> {
    let mut rows = FORGET_ROWS;
    begin_within(step, owner, &mut rows)
}

/// The same for all devices of an account, whether it knows them or not.
pub(crate) fn begin_all(step: &mut Step<'_>, account: &AccountId) -> Served<()> {
    let (mut next, end) = (Some(account.to_bytes()), after(&account.to_bytes()));
    let mut rows = FORGET_ROWS;
    while let Some(from) = next
        && let Some((owner, _)) = step.keys::<BoxesOf>(&from, end.as_deref(), 1)?.pop()
    {
        begin_within(step, &owner, &mut rows)?;
        next = after(&owner.to_bytes());
    }
    Ok(())
}

/// Removes some more. Says whether there is more.
pub(crate) fn go_on(step: &mut Step<'_>) -> Served<bool> {
    let mut rows = FORGET_ROWS;
    for owner in step.keys::<Leaving>(&[], None, FORGET_ROWS)? {
        if !clear(step, &owner, &mut rows)? {
            return Ok(true);
        }
        step.remove::<Leaving>(&owner);
    }
    // Each of so many had nothing left.
    Ok(!step.keys::<Leaving>(&[], None, 1)?.is_empty())
}

/// Whether what is in a device's mailboxes is nobody's.
pub(crate) fn is_leaving(step: &Step<'_>, owner: &Owner) -> Served<bool> {
    Ok(step.get::<Leaving>(owner)?.is_some())
}

/// Sends a device away that counts again before what it had is gone.
pub(crate) fn check_gone(step: &Step<'_>, owner: &Owner) -> Served<()> {
    if is_leaving(step, owner)? { Err(ErrorCode::Busy.into()) } else { Ok(()) }
}

fn begin_within(step: &mut Step<'_>, owner: &Owner, rows: &mut usize) -> Served<()> {
    if !clear(step, owner, rows)? {
        step.put::<Leaving>(owner, &());
    }
    Ok(())
}

/// Removes what is in a device's mailboxes, until there is nothing left or so many rows were removed. Says whether there is
/// nothing left.
fn clear(step: &mut Step<'_>, owner: &Owner, rows: &mut usize) -> Served<bool> {
    loop {
        let of_owner = (owner.to_bytes(), after(&owner.to_bytes()));
        let Some((_, mailbox)) = step.keys::<BoxesOf>(&of_owner.0, of_owner.1.as_deref(), 1)?.pop() else {
            return Ok(true);
        };
        let of_box = (mailbox.to_bytes(), after(&mailbox.to_bytes()));
        let mail = step.keys::<MailRows>(&of_box.0, of_box.1.as_deref(), *rows)?;
        *rows -= mail.len();
        for (_, number) in mail {
            mailbox::take_out_whatever(step, owner, mailbox, number)?;
        }
        if *rows == 0 {
            return Ok(false);
        }
        mailbox::remove_empty(step, owner, mailbox)?;
        *rows -= 1;
    }
}
