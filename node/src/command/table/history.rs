//! Rows: reading what was said.

use hobnob_engine::command::{Command, Refusal};

use super::{Arg, ROW, Spec};
use crate::command::{Action, args::Args};

/// How many messages `/jump` shows on each side.
const CONTEXT: usize = 5;

/// The most that one `/history` shows: more is many screens.
const MAX_LINES: usize = 10_000;

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "history",
        usage: "/history [@bob] [n] [--before N]",
        help: "show the last n messages of the chat: 20 unless told otherwise, 10,000 at most",
        examples: &[("/history 100", "the last hundred"), ("/history 20 --before 42", "twenty before [42]")],
        args: &[Arg::Friend],
        flags: &["--before"],
        awaits: true,
        parse: history,
        ..ROW
    },
    Spec {
        name: "jump",
        usage: "/jump N",
        help: "show a message and what was said around it",
        args: &[Arg::Message],
        parse: |args| Ok(Action::Ask(Command::Jump { which: args.which()?, context: CONTEXT })),
        ..ROW
    },
    Spec {
        name: "resync",
        usage: "/resync [@bob]",
        help: "compare the whole chat with your friend's again",
        more: "It happens by itself; this is for when you doubt it.",
        args: &[Arg::Friend],
        parse: |args| Ok(Action::Ask(Command::Resync { chat: args.friend_or_current()? })),
        ..ROW
    },
];

fn history(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let chat = args.friend_or_current()?;
    let mut limit = args.page;
    let mut before = None;
    while args.peek().is_some() {
        if args.flag("--before") {
            before = Some(before_number(args)?);
        } else {
            limit = args.number::<usize>("a number of messages")?.min(MAX_LINES);
        }
    }
    Ok(Action::Ask(Command::History { chat, limit, before }))
}

fn before_number(args: &mut Args<'_>) -> Result<u64, Refusal> {
    args.number("a message's number")
}
