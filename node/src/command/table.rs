//! The rows, by area. A new command is one row in one of the files below; parsing, `/help`, completion and
//! `docs/commands.md` follow from it.

mod chat;
mod friends;
mod history;
mod me;
mod network;
mod rendezvous;
mod settings;

use hobnob_engine::command::Refusal;

use super::{Action, args::Args};

/// Answers the question of a command that asks, before it is asked.
pub(super) const YES: &str = "--yes";

/// One command.
#[derive(Debug)]
pub struct Spec {
    /// Its name, without the slash.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// How it is written. `[…]` may be left out; `a or b` is a choice.
    pub usage: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// What else there is to know; may be empty.
    pub more: &'static str,
    /// Lines that work, each with what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// What Tab offers for each word behind the name.
    pub args: &'static [Arg],
    /// Flags, for completion.
    pub flags: &'static [&'static str],
    /// It is about what others sent, which may lie at a rendezvous yet when the program has just started.
    pub awaits: bool,
    /// Asked before it is done.
    pub asks: Option<&'static str>,
    pub(super) parse: fn(&mut Args<'_>) -> Result<Action, Refusal>,
}

/// What Tab offers for a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A friend's name.
    Friend,
    /// The name of somebody near, or an invite link.
    Stranger,
    /// A message's number.
    Message,
    /// A setting's key.
    Setting,
    /// An alias.
    Alias,
    /// A command or a topic.
    Topic,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A reaction.
    Emoji,
    /// Something only the person knows.
    Anything,
    /// The rest of the line is text.
    Text,
}

/// Where the rows take what they do not say themselves.
const ROW: Spec = Spec {
    name: "",
    aliases: &[],
    usage: "",
    help: "",
    more: "",
    examples: &[],
    args: &[],
    flags: &[],
    awaits: false,
    asks: None,
    parse: |args| Err(args.refuse("nothing")),
};

/// Every area with its commands, in the order of `/help`.
pub const AREAS: &[(&str, &[Spec])] = &[
    ("Friends", friends::ROWS),
    ("Chat", chat::ROWS),
    ("History", history::ROWS),
    ("Me", me::ROWS),
    ("Rendezvous", rendezvous::ROWS),
    ("Network", network::ROWS),
    ("Settings", settings::ROWS),
    ("Help and leaving", settings::HELP_ROWS),
];

/// All commands.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    AREAS.iter().flat_map(|(_, rows)| rows.iter())
}

/// The command with exactly this name or alias (lower case, without the slash).
pub fn find(name: &str) -> Option<&'static Spec> {
    all().find(|spec| spec.name == name || spec.aliases.contains(&name))
}
