//! Registration codes: made by the operator, each good for one account, known here by their hash only.

use hobnob_shared::{rendezvous::RegistrationCode, wire::ErrorCode};

use super::{
    limits::{DAY_MS, FORGET_ROWS},
    row::table,
    step::{Served, Step},
};

table!(Codes: [u8; 32] => u64);

/// A code is good for so long, in ms: two weeks.
pub const CODE_MS: u64 = 14 * DAY_MS;

/// Why no code is made where nobody could register with it.
pub const CLOSED: &str = "no code is made, for nobody could use it: registration = \"closed\". Set it to \"invite\" in the config \
                          file (or to \"open\"), and send SIGHUP to a server that runs";

/// Makes this code good from now on.
pub(crate) fn add(step: &mut Step<'_>, code: &RegistrationCode) {
    let until = step.now_ms.saturating_add(CODE_MS);
    step.put::<Codes>(&code.hash(), &until);
}

/// Takes a code; it was good for this once.
pub(crate) fn take(step: &mut Step<'_>, code: &RegistrationCode) -> Served<()> {
    let hash = code.hash();
    let until = step.get::<Codes>(&hash)?.ok_or(ErrorCode::Denied)?;
    if until <= step.now_ms {
        return Err(ErrorCode::Expired.into());
    }
    step.remove::<Codes>(&hash);
    Ok(())
}

/// Forgets some codes that are not good any more. There are never many.
pub(crate) fn expire(step: &mut Step<'_>) -> Served<bool> {
    for (hash, until) in step.whole_between::<Codes>(&[], None, FORGET_ROWS)? {
        if until <= step.now_ms {
            step.remove::<Codes>(&hash);
        }
    }
    Ok(false)
}
