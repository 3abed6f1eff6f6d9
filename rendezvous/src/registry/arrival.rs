//! When mail came, which says when it is forgotten.
//!
//! The number of an envelope is that time, and numbers only grow: nodes read on from one. So after the clock was ahead they
//! go on from there, and what comes would be kept for as long as it was ahead. It is put where the right clock says.

use hobnob_shared::id::MailboxId;
use serde::{Deserialize, Serialize};

use super::{
    limits::FORGET_ROWS,
    mailbox::{MailOf, Owner},
    row::{Key as _, table},
    step::{Served, Step},
    usage::{earliest_ahead, number_at},
};

table!(MailTimes: u64 => Arrival);

/// Whose mail came at a time, and where it lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Arrival {
    /// When its number says.
    AsNumbered(Owner, MailboxId),
    /// The envelope with this number, which says another time.
    Moved(Owner, MailboxId, u64),
}

/// The mailbox in which an envelope lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Place {
    /// It came when its number says.
    AsNumbered(MailboxId),
    /// It stands at another time among [`MailTimes`].
    Moved(MailboxId, u64),
}

impl Arrival {
    /// Whose it is, in which mailbox, with which number. `at` is where it stands.
    pub(crate) fn envelope(self, at: u64) -> (Owner, MailboxId, u64) {
        match self {
            Self::AsNumbered(owner, mailbox) => (owner, mailbox, at),
            Self::Moved(owner, mailbox, number) => (owner, mailbox, number),
        }
    }
}

impl Place {
    pub(crate) fn mailbox(&self) -> MailboxId {
        match self {
            Self::AsNumbered(mailbox) | Self::Moved(mailbox, _) => *mailbox,
        }
    }

    /// Where the envelope with this number stands among [`MailTimes`].
    pub(crate) fn at(&self, number: u64) -> u64 {
        match self {
            Self::AsNumbered(_) => number,
            Self::Moved(_, at) => *at,
        }
    }
}

/// Puts some of the mail that came at times which are not yet where it came now. Says whether there may be more.
pub(crate) fn set_right(step: &mut Step<'_>) -> Served<bool> {
    let Some(ahead) = earliest_ahead(step) else { return Ok(false) };
    let found = step.whole_between::<MailTimes>(&ahead.to_bytes(), None, FORGET_ROWS)?;
    let has_more = found.len() == FORGET_ROWS;
    let (now, end) = (number_at(step.now_ms).to_bytes(), number_at(step.now_ms + 1).to_bytes());
    // Others of this millisecond are few: as many rounds as there are in one.
    let of_now = step.keys::<MailTimes>(&now, Some(&end), usize::MAX)?;
    let first = of_now.last().map_or(number_at(step.now_ms), |last| last + 1);
    for (at, (was_at, arrival)) in (first..).zip(found) {
        let (owner, mailbox, number) = arrival.envelope(was_at);
        step.remove::<MailTimes>(&was_at);
        step.put::<MailTimes>(&at, &Arrival::Moved(owner, mailbox, number));
        step.put::<MailOf>(&(owner, number), &Place::Moved(mailbox, at));
    }
    Ok(has_more)
}
