//! What a person does with an account at a rendezvous: registering, logging in on a bare machine, another password, leaving.
//!
//! The engine asks and keeps; here is what takes a password: OPAQUE's slow hash, the vault, the keystore. No password
//! ever goes to the engine, and none is kept.

mod ask;
mod change;
mod device;
mod leave;
mod login;
mod outcome;
pub mod password;
mod people;
mod question;
mod register;
mod work;

use std::fmt;

use hobnob_shared::text::Username;

use crate::api::{Node, Refusal, ServerView};

pub use crate::command::FullName;

pub use ask::is_wrong_password;
pub use change::{Unlocked, change_password, unlock};
pub use leave::{Fate, Left, leave, log_out, unregister};
pub use login::{Login, login};
pub use outcome::{DeviceStanding, LoginEnd};
pub use people::{add, find};
pub use question::question;
pub use register::{Registration, register};

/// What takes a while, for the person who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The rendezvous is asked.
    Asking,
    /// The password is hashed.
    Hashing,
    /// A proof of work is searched.
    Working,
    /// This machine becomes a device of the account.
    Certifying,
    /// The account's friends are fetched.
    Friends,
}

/// Told at the beginning of each stage.
pub type Tell<'a> = &'a (dyn Fn(Stage) + Send + Sync);

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asking => "asking the rendezvous…",
            Self::Hashing => "hashing the password, which is slow on purpose…",
            Self::Working => "proving a second of work, which keeps floods away…",
            Self::Certifying => "making this machine a device of the account…",
            Self::Friends => "fetching the friends of the account…",
        })
    }
}

/// Where we have a name, and which: at the rendezvous that this word names ([`Address::answers_to`]), or the only one.
///
/// [`Address::answers_to`]: hobnob_shared::rendezvous::Address::answers_to
pub async fn home(node: &Node, place: Option<&str>) -> Result<(ServerView, Username), Refusal> {
    ask::home(node, place).await
}

/// Which rendezvous is meant: the one that this word names, or the only one.
pub async fn server(node: &Node, place: Option<&str>) -> Result<ServerView, Refusal> {
    ask::server(node, place).await
}
