//! Rows: finding people, and keeping them.

use hobnob_engine::command::{Command, InviteTerms, Refusal};
use hobnob_shared::{identity::Invite, text::Note};

use super::{Arg, ROW, Spec};
use crate::command::{Action, FullName, Local, args::Args};

/// A link works this long unless told otherwise: a week.
const DEFAULT_LIFETIME_SECS: u64 = 7 * 86_400;

/// A link broken over lines by a mail program has at most so many pieces.
const MAX_PIECES: usize = 64;

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "invite-link",
        usage: "/invite-link [--qr] [--uses N] [--expires 7d] [--auto-accept]",
        help: "make a link that lets a stranger reach you",
        more: "Give the link to one person over a way you trust; whoever has it can ask to be your friend. It works once \
               and for 7 days unless you say otherwise. You decide with /accept, or beforehand with --auto-accept.",
        examples: &[
            ("/invite-link --qr", "a link for one person, and as a picture"),
            ("/invite-link --uses 5 --expires 1d --auto-accept", "five people, today, without asking you again"),
        ],
        flags: &["--qr", "--uses", "--expires", "--auto-accept"],
        parse: invite_link,
        ..ROW
    },
    Spec {
        name: "add",
        usage: "/add LINK or NAME [note]",
        help: "become friends with who made a link, with somebody near, or with who has a name",
        more: "NAME is one that /nearby shows, or one at a rendezvous (/find NAME shows whose it is; NAME@HOST where several \
               are in use). The note is shown with your request, which waits until it is answered.",
        examples: &[("/add hobnob:… hi, it's Alice", "ask with a note"), ("/add carol", "somebody near, or by name")],
        args: &[Arg::Stranger, Arg::Text],
        parse: add,
        ..ROW
    },
    Spec {
        name: "nearby",
        usage: "/nearby [on or off]",
        help: "see and be seen by people on this network, for 10 minutes",
        more: "Both must have it on. It ends by itself; outside of it your node only looks for friends.",
        args: &[Arg::Word(&["on", "off"])],
        parse: |args| Ok(Action::Ask(Command::Nearby { on: args.switch()? })),
        ..ROW
    },
    Spec {
        name: "requests",
        usage: "/requests",
        help: "show who waits for your answer",
        awaits: true,
        parse: |_| Ok(Action::Ask(Command::Requests)),
        ..ROW
    },
    Spec {
        name: "accept",
        usage: "/accept N",
        help: "say yes to a request; N is its number in /requests, which it keeps while it waits",
        args: &[Arg::Anything],
        awaits: true,
        parse: |args| Ok(Action::Ask(Command::Accept { number: args.number("the request's number")? })),
        ..ROW
    },
    Spec {
        name: "decline",
        usage: "/decline N",
        help: "say no to a request; nobody is told",
        args: &[Arg::Anything],
        awaits: true,
        parse: |args| Ok(Action::Ask(Command::Decline { number: args.number("the request's number")? })),
        ..ROW
    },
    Spec {
        name: "friends",
        aliases: &["roster"],
        usage: "/friends",
        help: "list your friends: who is there, who is verified",
        awaits: true,
        parse: |_| Ok(Action::Ask(Command::Friends)),
        ..ROW
    },
    Spec {
        name: "verify",
        usage: "/verify @bob [yes or no]",
        help: "compare keys with a friend, then say whether they match",
        more: "Call or meet your friend and compare the three words (both of you are connected) or the number (always). \
               If they are the same on both sides, /verify @bob yes. If not, somebody stands between you: /verify @bob no.",
        examples: &[("/verify @bob", "show words and number"), ("/verify @bob yes", "they were the same")],
        args: &[Arg::Friend, Arg::Word(&["yes", "no"])],
        parse: |args| Ok(Action::Ask(Command::Verify { chat: args.friend()?, verdict: args.switch()? })),
        ..ROW
    },
    Spec {
        name: "rename",
        usage: "/rename @bob NAME",
        help: "call a friend otherwise; only you see it",
        examples: &[("/rename @bob bobby", "from now on @bobby")],
        args: &[Arg::Friend, Arg::Anything],
        parse: |args| {
            let chat = args.friend()?;
            let word = args.need("the new name")?;
            Ok(Action::Ask(Command::Rename { chat, alias: args.handle(&word)? }))
        },
        ..ROW
    },
    Spec {
        name: "introduce",
        usage: "/introduce @bob @carol",
        help: "bring two of your friends together",
        more: "Each gets a request that names you and the other; both must accept.",
        args: &[Arg::Friend, Arg::Friend],
        parse: |args| Ok(Action::Ask(Command::Introduce { chat: args.friend()?, to: args.friend()? })),
        ..ROW
    },
    Spec {
        name: "mute",
        usage: "/mute @bob [on or off]",
        help: "no bell and no unread mark for a friend",
        args: &[Arg::Friend, Arg::Word(&["on", "off"])],
        parse: |args| Ok(Action::Ask(Command::Mute { chat: args.friend()?, muted: args.switch()?.unwrap_or(true) })),
        ..ROW
    },
    Spec {
        name: "block",
        usage: "/block @bob",
        help: "no connection to a friend until /unblock; they are not told",
        args: &[Arg::Friend],
        parse: |args| Ok(Action::Ask(Command::Block { chat: args.friend()? })),
        ..ROW
    },
    Spec {
        name: "unblock",
        usage: "/unblock @bob",
        help: "take a block back",
        args: &[Arg::Friend],
        parse: |args| Ok(Action::Ask(Command::Unblock { chat: args.friend()? })),
        ..ROW
    },
    Spec {
        name: "remove",
        usage: "/remove @bob [--yes]",
        help: "end a friendship; the history stays with you",
        args: &[Arg::Friend],
        flags: &["--yes"],
        asks: Some("you will no longer reach each other without a new invite. Go on?"),
        parse: |args| Ok(Action::Ask(Command::Remove { chat: args.friend()? })),
        ..ROW
    },
];

fn invite_link(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let mut terms = InviteTerms { uses: 1, lifetime_secs: DEFAULT_LIFETIME_SECS, auto_accept: false };
    while let Some(flag) = args.word()? {
        match flag.as_str() {
            "--qr" => args.qr = true,
            "--auto-accept" => terms.auto_accept = true,
            "--uses" => terms.uses = args.number("a number of people")?,
            "--expires" => terms.lifetime_secs = args.duration()?,
            other => return Err(args.refuse(format_args!("{other:?} is too much"))),
        }
    }
    Ok(Action::Ask(Command::CreateInvite(terms)))
}

fn add(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let first = args.need("a link or a name")?;
    if first.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("hobnob:")) {
        return add_link(args, &first);
    }
    // Either kind of name may be meant, and it must be one of them.
    if FullName::parse(&first).is_err() {
        args.handle(&first)?;
    }
    Ok(Action::Local(Local::AddNamed { name: first, note: args.note()? }))
}

/// The link is as many words as it takes: mail programs break it.
fn add_link(args: &mut Args<'_>, first: &str) -> Result<Action, Refusal> {
    let first_error = match Invite::parse(first) {
        Ok(invite) => return added(invite, args.note()?),
        Err(error) => error,
    };
    let rest = args.rest();
    let mut link = first.to_owned();
    let mut behind = rest;
    for _ in 0..MAX_PIECES {
        let (piece, after) = behind.trim_start().split_once(char::is_whitespace).unwrap_or((behind.trim_start(), ""));
        if piece.is_empty() {
            break;
        }
        link.push_str(piece);
        behind = after;
        if let Ok(invite) = Invite::parse(&link) {
            return added(invite, Note::parse(behind.trim()).map_err(|why| args.refuse(why))?);
        }
    }
    Err(args.refuse(first_error))
}

fn added(invite: Invite, note: Note) -> Result<Action, Refusal> {
    Ok(Action::Ask(Command::Add { invite: Box::new(invite), note }))
}
