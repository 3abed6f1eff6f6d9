//! redb may panic on pages that lie to it. Pages are authenticated before it sees them, so it should never come to that;
//! when it does, it ends here as an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `act`. A panic in it comes back as its message.
///
/// Whatever `act` touched must not be used for writing afterwards: [`crate::Store`] opens its database anew.
pub(crate) fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "the database code stopped".to_owned())
    })
}
