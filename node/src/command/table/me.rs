//! Rows: who we are, and how we show ourselves.

use std::path::PathBuf;

use hobnob_engine::command::{Command, Presence, Refusal};
use hobnob_shared::{
    identity::Invite,
    text::{Nickname, Note},
};

use super::{Arg, ROW, Spec};
use crate::command::{Action, DeviceLink, Local, args::Args};

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
        usage: "/passwd [rendezvous [HOST] [--password-file F] [--old-password-file F]]",
        help: "change the password of this profile, or the one of your name at the rendezvous",
        more: "/passwd alone is about this disk: the password protects the keys on it, and an empty one means that whoever has \
               the disk has the keys. /passwd rendezvous is about /login: it asks for the old password and twice for the \
               new one (Enter alone makes one). Your other devices stay logged in, and hear from this one what opens the \
               vault now, so /device revoke a lost one first. Who forgot the old one sets a new one with /register NAME, on \
               a device that holds the account's key. Did somebody else know the old one? Then look \
               at /devices too: a new password takes no device away, /device revoke does.",
        examples: &[
            ("/passwd", "what hobnob asks for at the start on this machine"),
            ("/passwd rendezvous", "what /login asks for on a new machine"),
        ],
        args: &[Arg::Word(&["rendezvous"]), Arg::Anything],
        flags: &["--password-file", "--old-password-file"],
        parse: passwd,
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
        name: "devices",
        usage: "/devices",
        help: "list the machines of your account, and which one this is",
        awaits: true,
        parse: |_| Ok(Action::Ask(Command::Devices)),
        ..ROW
    },
    Spec {
        name: "device",
        usage: "/device link [--qr] or link LINK or revoke NAME [--yes]",
        help: "add a machine to your account, or take one away (asks for your password)",
        more: "/device link makes a link that is good once, for ten minutes; whoever has it gets everything that you have, so \
               carry it to your other machine yourself. There, `hobnob init --link LINK` makes a profile with it, and \
               /device link LINK uses it in a new profile that has no friends yet. All friends, chats and settings come to \
               the new device; it does not hold your account's key, so only the first one links, revokes and changes your \
               name. A device that you revoke gets nothing any more, but keeps what it has: revoke one that you lost. The \
               first letters of the id that /devices shows take the name's place, where two have one name.",
        examples: &[
            ("/device link", "a link for your other machine"),
            ("/device revoke phone", "the phone is gone; your friends' machines stop trusting it"),
        ],
        flags: &["--qr", "--yes"],
        args: &[Arg::Word(&["link", "revoke"]), Arg::Anything],
        parse: device,
        ..ROW
    },
    Spec {
        name: "away",
        usage: "/away [text]",
        help: "show friends that you are away, and perhaps why",
        more: "What you choose here, with /busy, /invisible, /back or /status counts at all your machines; the last word wins.",
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
        more: "This counts at all your machines. One that is off now hears of it when it is on again and reaches another of \
               them, or what they left at a rendezvous; until then it shows you as before.",
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

fn passwd(args: &mut Args<'_>) -> Result<Action, Refusal> {
    match args.word()?.as_deref() {
        None => return Ok(Action::Local(Local::Passwd)),
        Some("rendezvous") => {}
        // It may be a password, so it is not repeated.
        Some(_) => return Err(args.refuse("a password is never a part of the line; it is asked for")),
    }
    let (mut place, mut file, mut old_file) = (None, None, None);
    while let Some(word) = args.word()? {
        match word.as_str() {
            "--password-file" => file = Some(PathBuf::from(args.need("a file")?)),
            "--old-password-file" => old_file = Some(PathBuf::from(args.need("a file")?)),
            _ if place.is_none() && !word.starts_with('-') => place = Some(word),
            _ => return Err(args.refuse("more words than a host; passwords are asked for, or come from files")),
        }
    }
    Ok(Action::Local(Local::NamePasswd { place, file, old_file }))
}

fn device(args: &mut Args<'_>) -> Result<Action, Refusal> {
    match args.need("link or revoke")?.as_str() {
        "link" => {
            args.qr = args.flag("--qr");
            // Mail programs break links; blanks in them do not matter.
            let link = args.rest().trim();
            if link.is_empty() {
                return Ok(Action::Local(Local::LinkDevice));
            }
            let invite = Invite::parse(link).map_err(|why| args.refuse(why))?;
            Ok(Action::Local(Local::JoinAccount(DeviceLink(Box::new(invite)))))
        }
        "revoke" => {
            let name = args.need("the name of the device")?;
            args.asks = Some("nothing goes to that device any more, and what it writes does not count. Go on?");
            Ok(Action::Local(Local::RevokeDevice(name)))
        }
        other => Err(args.refuse(format_args!("{other:?} is neither link nor revoke"))),
    }
}

/// Without a text, the one that was there stays.
fn presence(args: &mut Args<'_>, presence: Presence) -> Result<Action, Refusal> {
    let text: Note = args.note()?;
    let text = (!text.as_str().is_empty()).then_some(text);
    Ok(Action::Ask(Command::SetPresence { presence: Some(presence), text }))
}
