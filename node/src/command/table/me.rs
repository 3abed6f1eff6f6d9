//! Rows: who we are, and how we show ourselves.

use hobnob_engine::command::{Command, Presence, Refusal};
use hobnob_shared::text::{Nickname, Note};

use super::{Arg, ROW, Spec};
use crate::command::{Action, Local, args::Args};

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "whoami",
        usage: "/whoami [--qr]",
        help: "show your name, your fingerprint and where your node listens",
        flags: &["--qr"],
        parse: |args| {
            args.qr = args.flag("--qr");
            Ok(Action::Ask(Command::WhoAmI))
        },
        ..ROW
    },
    Spec {
        name: "nick",
        usage: "/nick NAME",
        help: "call yourself otherwise; your friends are told (asks for your password)",
        args: &[Arg::Text],
        parse: |args| {
            let name = Nickname::parse(args.rest().trim()).map_err(|why| args.refuse(why))?;
            Ok(Action::Local(Local::Nick(name)))
        },
        ..ROW
    },
    Spec {
        name: "bio",
        usage: "/bio [text]",
        help: "say something about yourself; nothing takes it back (asks for your password)",
        args: &[Arg::Text],
        parse: |args| Ok(Action::Local(Local::Bio(args.note()?))),
        ..ROW
    },
    Spec {
        name: "passwd",
        usage: "/passwd",
        help: "change the password of this profile",
        more: "The password protects the keys on this disk. An empty one means that whoever has the disk has the keys.",
        parse: |_| Ok(Action::Local(Local::Passwd)),
        ..ROW
    },
    Spec {
        name: "recovery",
        usage: "/recovery",
        help: "show the 24 words that restore your account (asks for your password)",
        more: "Write them on paper; Enter then takes them off the screen. Whoever has them is you. They restore the account, not what \
               was said.",
        parse: |_| Ok(Action::Local(Local::Recovery)),
        ..ROW
    },
    Spec {
        name: "away",
        usage: "/away [text]",
        help: "show friends that you are away, and perhaps why",
        args: &[Arg::Text],
        parse: |args| presence(args, Presence::Away),
        ..ROW
    },
    Spec {
        name: "busy",
        usage: "/busy [text]",
        help: "show friends that you do not want to be disturbed; no bell",
        args: &[Arg::Text],
        parse: |args| presence(args, Presence::Busy),
        ..ROW
    },
    Spec {
        name: "invisible",
        usage: "/invisible",
        help: "look offline; messages still come and go",
        parse: |_| Ok(Action::Ask(Command::SetPresence { presence: Some(Presence::Invisible), text: None })),
        ..ROW
    },
    Spec {
        name: "back",
        usage: "/back",
        help: "end /away, /busy or /invisible, and take the text with it away",
        parse: |args| {
            Ok(Action::Ask(Command::SetPresence { presence: Some(Presence::Online), text: Some(args.note()?) }))
        },
        ..ROW
    },
    Spec {
        name: "status",
        usage: "/status [text]",
        help: "show friends a text beside your name; nothing takes it back",
        args: &[Arg::Text],
        parse: |args| Ok(Action::Ask(Command::SetPresence { presence: None, text: Some(args.note()?) })),
        ..ROW
    },
];

/// Without a text, the one that was there stays.
fn presence(args: &mut Args<'_>, presence: Presence) -> Result<Action, Refusal> {
    let text: Note = args.note()?;
    let text = (!text.as_str().is_empty()).then_some(text);
    Ok(Action::Ask(Command::SetPresence { presence: Some(presence), text }))
}
