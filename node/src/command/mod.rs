//! The one table of commands, and the grammar of a typed line. Help, completion, `docs/commands.md`, the REPL and the
//! JSON front end all come from here; a command that is not in the table does not exist.
//!
//! Parsing is pure: a line and its [`Context`] in, a [`Parsed`] out. Nothing here asks the node.

mod args;
pub mod emoji;
mod full_name;
pub mod help;
mod parse;
pub mod table;

use std::{collections::BTreeMap, path::PathBuf};

use hobnob_engine::command::Command;
use hobnob_shared::{
    identity::Invite,
    rendezvous::RegistrationCode,
    text::{Handle, Nickname, Note},
};

pub use self::{
    args::duration,
    full_name::FullName,
    parse::parse,
    table::{Arg, Spec, all, find},
};

/// How many messages `/open` and `/history` show when nobody says how many.
pub const PAGE: usize = 20;

/// Settings that begin so are aliases.
pub const ALIAS_PREFIX: &str = "alias.";

/// What a line means without being in it.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The current chat of this front end.
    pub chat: Option<&'a Handle>,
    /// `/alias` names (without the slash) and what they stand for: the settings `alias.NAME`.
    pub aliases: &'a BTreeMap<String, String>,
    /// How many messages `/history` shows when nobody says how many: the setting `history`, or [`PAGE`].
    pub page: usize,
}

/// A line that was understood.
#[derive(Debug)]
pub struct Parsed {
    /// The command's name in the table, without the slash; a line of text is `msg`, an empty one is empty.
    pub name: &'static str,
    /// What to do.
    pub action: Action,
    /// Asked before it is done, unless the answer was given already (`--yes`).
    pub confirm: Option<String>,
    /// Show the answer as a QR code too.
    pub qr: bool,
}

/// What a line asks for.
#[derive(Debug)]
pub enum Action {
    /// Nothing: the line was empty.
    Nothing,
    /// The node answers.
    Ask(Command),
    /// The front end does it, perhaps asking the node on its way.
    Local(Local),
}

/// What a front end does itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// Help about everything, a command or a topic.
    Help(Option<String>),
    /// Leaves for a conversation with a node that answers, and comes back.
    Demo,
    /// Leave.
    Quit,
    /// Makes it the current chat, then `Command::Open`.
    Open(Handle),
    /// `Command::Next`, then the same with its answer.
    Next,
    /// Needs the account key, so the password: `Command::SetProfile`.
    Nick(Nickname),
    /// Needs the account key, so the password: `Command::SetProfile`.
    Bio(Note),
    /// Needs the account key, so the password: `Command::LinkDevice`.
    LinkDevice,
    /// `Command::JoinAccount`, then the profile becomes that device, and the front end begins anew as that.
    JoinAccount(DeviceLink),
    /// Needs the account key, so the password: `Command::RevokeDevice`.
    RevokeDevice(String),
    /// Asks for the old password and twice for the new one.
    Passwd,
    /// Gives our name at a rendezvous another password. Both are asked for, or come from files; `-` is standard input.
    NamePasswd {
        /// At which rendezvous, where we have several names.
        place: Option<String>,
        /// Where the new password is.
        file: Option<PathBuf>,
        /// Where the old one is.
        old_file: Option<PathBuf>,
    },
    /// Asks for the password and shows the recovery words once.
    Recovery,
    /// The settings whose key begins with `alias.`.
    Aliases,
    /// Empties the screen, and nothing else.
    Clear,
    /// Which program this is.
    Version,
    /// Takes a name at a rendezvous. The password is asked for, or comes from the file.
    Register {
        /// The name.
        who: FullName,
        /// Where the password is; `-` is standard input.
        file: Option<PathBuf>,
        /// What the operator of the rendezvous gave out.
        code: Option<RegistrationCode>,
    },
    /// Makes this machine a device of the account with this name.
    Login {
        /// The name.
        who: FullName,
        /// Where the password is; `-` is standard input.
        file: Option<PathBuf>,
        /// What this machine is to be called among the account's devices.
        device: Option<Nickname>,
    },
    /// `Command::SetRendezvous`, at the one that is meant: it is used no more.
    LeaveRendezvous(String),
    /// Forgets our name there on this device.
    Logout(Option<String>),
    /// Gives our name there up.
    Unregister(Option<String>),
    /// `Command::Find`, at the rendezvous that is meant.
    Find(FullName),
    /// Somebody near with this name, else whoever has it at the rendezvous.
    AddNamed {
        /// The name.
        name: String,
        /// What is said with it.
        note: Note,
    },
}

/// Whether somebody may have typed a password behind this command, against what its help says: such a line is kept
/// nowhere.
pub fn may_hold_secret(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default().to_lowercase();
    // Short forms count too: /reg for /register.
    let is = |secret: &str| name.len() > 1 && secret.starts_with(&name);
    is("/register") || is("/login") || (is("/passwd") && words.next().is_some())
}

/// A link that makes this machine a device of an account.
#[derive(Clone, Debug)]
pub struct DeviceLink(pub Box<Invite>);

impl PartialEq for DeviceLink {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for DeviceLink {}

/// The aliases among the settings: `alias.NAME` becomes `NAME`.
pub fn aliases<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    settings
        .into_iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(ALIAS_PREFIX)?.to_owned(), value.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests;
