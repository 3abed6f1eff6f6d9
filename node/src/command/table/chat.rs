//! Rows: writing, and what can be done with what was written.

use hobnob_engine::command::{Command, Refusal, Which};
use hobnob_shared::text::{Handle, Reaction};

use super::{Arg, ROW, Spec};
use crate::command::{Action, Local, args::Args, emoji};

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "msg",
        aliases: &["m"],
        usage: "/msg @bob text",
        help: "send a message without switching to the chat; @bob text does the same",
        more: "The text is sent as it stands, quotes and all.",
        examples: &[("/msg @bob see you at 8", "to Bob, whatever chat is open"), ("@bob see you at 8", "the same")],
        args: &[Arg::Friend, Arg::Text],
        parse: |args| {
            let chat = args.friend()?;
            send(args, chat, false)
        },
        ..ROW
    },
    Spec {
        name: "me",
        usage: "/me text",
        help: "say what you do",
        examples: &[("/me waves", "* alice waves")],
        args: &[Arg::Text],
        parse: |args| {
            let chat = args.current()?;
            send(args, chat, true)
        },
        ..ROW
    },
    Spec {
        name: "open",
        aliases: &["query"],
        usage: "/open @bob",
        help: "switch to a chat and show its last messages; @bob alone does the same",
        args: &[Arg::Friend],
        awaits: true,
        parse: |args| Ok(Action::Local(Local::Open(args.friend()?))),
        ..ROW
    },
    Spec {
        name: "next",
        usage: "/next",
        help: "switch to the chat that has waited longest (Alt-A)",
        awaits: true,
        parse: |_| Ok(Action::Local(Local::Next)),
        ..ROW
    },
    Spec {
        name: "chats",
        usage: "/chats",
        help: "list the chats, with their newest message",
        awaits: true,
        parse: |_| Ok(Action::Ask(Command::Chats)),
        ..ROW
    },
    Spec {
        name: "unread",
        usage: "/unread",
        help: "list the chats with unread messages",
        awaits: true,
        parse: |_| Ok(Action::Ask(Command::Unread)),
        ..ROW
    },
    Spec {
        name: "reply",
        usage: "/reply N text",
        help: "answer a message of this chat; what it answers is shown with it",
        examples: &[("/reply 42 yes, gladly", "answers [42]"), ("/reply ^ yes", "answers the newest message")],
        args: &[Arg::Message, Arg::Text],
        parse: |args| {
            let reply_to = Some(args.message()?);
            Ok(Action::Ask(Command::Send { chat: args.current()?, text: args.text()?, reply_to, action: false }))
        },
        ..ROW
    },
    Spec {
        name: "edit",
        usage: "/edit N text",
        help: "change a message of yours; the other side sees that it was changed",
        args: &[Arg::Message, Arg::Text],
        parse: |args| Ok(Action::Ask(Command::Edit { which: args.which()?, text: args.text()? })),
        ..ROW
    },
    Spec {
        name: "del",
        usage: "/del N [--yes]",
        help: "delete a message of yours, here and at the other side",
        more: "A friend's program may have shown it, and a friend may have copied it.",
        args: &[Arg::Message],
        flags: &["--yes"],
        asks: Some("it is deleted for both of you. Go on?"),
        parse: |args| Ok(Action::Ask(Command::Delete { which: args.which()? })),
        ..ROW
    },
    Spec {
        name: "react",
        usage: "/react N EMOJI or off",
        help: "answer with an emoji or a short word; off takes it back",
        examples: &[("/react ^ :+1:", "👍 to the newest message"), ("/react 42 off", "take it back")],
        args: &[Arg::Message, Arg::Emoji],
        parse: react,
        ..ROW
    },
    Spec {
        name: "fwd",
        usage: "/fwd N @carol",
        help: "pass a message on to another friend",
        args: &[Arg::Message, Arg::Friend],
        parse: |args| Ok(Action::Ask(Command::Forward { which: args.which()?, to: args.friend()? })),
        ..ROW
    },
    Spec {
        name: "pin",
        usage: "/pin N [off]",
        help: "mark a message for both of you; off takes it back",
        args: &[Arg::Message, Arg::Word(&["off"])],
        parse: |args| Ok(Action::Ask(Command::Pin { which: args.which()?, pinned: args.switch()?.unwrap_or(true) })),
        ..ROW
    },
    Spec {
        name: "info",
        usage: "/info N",
        help: "all about a message: which devices have it, earlier texts, its signature",
        args: &[Arg::Message],
        parse: |args| Ok(Action::Ask(Command::Info { which: args.which()? })),
        ..ROW
    },
    Spec {
        name: "expire",
        usage: "/expire [@bob] 1d or off",
        help: "let messages from now on disappear on both sides after a time",
        examples: &[("/expire 1d", "a day after they were sent"), ("/expire off", "messages stay again")],
        args: &[Arg::Word(&["1h", "1d", "7d", "30d", "off"])],
        parse: expire,
        ..ROW
    },
];

fn send(args: &mut Args<'_>, chat: Handle, action: bool) -> Result<Action, Refusal> {
    Ok(Action::Ask(Command::Send { chat, text: args.text()?, reply_to: None, action }))
}

fn react(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let which: Which = args.which()?;
    let word = args.need("an emoji")?;
    let reaction = match word.as_str() {
        "off" => None,
        _ => {
            let meant = emoji::expand(&word).unwrap_or(&word);
            Some(Reaction::parse(meant).map_err(|why| args.refuse(why))?)
        }
    };
    Ok(Action::Ask(Command::React { which, reaction }))
}

fn expire(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let chat = args.friend_or_current()?;
    let off = args.flag("off");
    let after_secs = if off { None } else { Some(args.duration()?) };
    Ok(Action::Ask(Command::Expire { chat, after_secs }))
}
