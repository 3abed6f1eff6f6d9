//! Rows: how the program behaves; help, and leaving.

use hobnob_engine::command::{Code, Command, Refusal};
use hobnob_shared::rendezvous::Address;

use super::{Arg, ROW, Spec};
use crate::command::{ALIAS_PREFIX, Action, Local, args::Args};

/// Not a setting of one value.
const RENDEZVOUS: &str = "rendezvous";

/// Goes back to the default.
const DEFAULT: &str = "default";

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "set",
        usage: "/set [KEY [VALUE or default]]",
        help: "show or change settings",
        more: "/set rendezvous ADDRESS uses one more rendezvous; ADDRESS is the whole line that its operator gives out, \
               and is remembered once the rendezvous has answered there. /set rendezvous HOST off uses one less (HOST:PORT or \
               #KEY where two are on one host: /set rendezvous shows them).",
        examples: &[
            ("/set", "all of them"),
            ("/set read-marks off", "nobody is told what you have read"),
            ("/set rendezvous", "which ones are in use"),
            ("/set rendezvous r.example off", "no longer"),
        ],
        args: &[Arg::Setting, Arg::Anything],
        parse: set,
        ..ROW
    },
    Spec {
        name: "alias",
        usage: "/alias [NAME [/command or off]]",
        help: "list, make or remove short names for commands",
        examples: &[("/alias j /jump", "/j 42 means /jump 42"), ("/alias j off", "no longer")],
        args: &[Arg::Alias, Arg::Text],
        parse: alias,
        ..ROW
    },
    Spec {
        name: "theme",
        usage: "/theme [dark, light or mono]",
        help: "choose the colours",
        args: &[Arg::Word(&["dark", "light", "mono"])],
        parse: |args| setting(args, "theme"),
        ..ROW
    },
    Spec {
        name: "notify",
        usage: "/notify [all or none]",
        help: "show messages of other chats as they come, or only count them",
        more: "The bell has a setting of its own: /set bell off.",
        args: &[Arg::Word(&["all", "none"])],
        parse: |args| setting(args, "notify"),
        ..ROW
    },
];

pub(super) const HELP_ROWS: &[Spec] = &[
    Spec {
        name: "help",
        aliases: &["h"],
        usage: "/help [command or topic]",
        help: "show all commands, or more about one",
        args: &[Arg::Topic],
        parse: |args| {
            let about = args.rest().trim();
            Ok(Action::Local(Local::Help((!about.is_empty()).then(|| about.to_owned()))))
        },
        ..ROW
    },
    Spec {
        name: "demo",
        usage: "/demo",
        help: "try things on with a second node on this machine; /quit comes back",
        more: "Nothing of your own profile is read or changed. What comes for you meanwhile waits.",
        parse: |_| Ok(Action::Local(Local::Demo)),
        ..ROW
    },
    Spec {
        name: "clear",
        usage: "/clear",
        help: "empty the screen, and nothing else",
        parse: |_| Ok(Action::Local(Local::Clear)),
        ..ROW
    },
    Spec {
        name: "version",
        usage: "/version",
        help: "say which program this is",
        parse: |_| Ok(Action::Local(Local::Version)),
        ..ROW
    },
    Spec {
        name: "quit",
        aliases: &["exit", "q"],
        usage: "/quit",
        help: "leave (Ctrl-D); what is not delivered waits on disk",
        more: "Where a friend's mail goes to a rendezvous, it is left there first, for up to three seconds, so that your friends \
               have it before you are back; so it is whatever else ends hobnob, but for a second signal and kill -9.",
        parse: |_| Ok(Action::Local(Local::Quit)),
        ..ROW
    },
];

fn set(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let Some(key) = args.word()? else { return Ok(Action::Ask(Command::Settings { key: None })) };
    if key == RENDEZVOUS { rendezvous(args) } else { value(args, key) }
}

/// There may be several, so this is a list that grows and shrinks.
fn rendezvous(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let Some(word) = args.word()? else { return Ok(Action::Ask(Command::Servers)) };
    match (Address::parse(&word), args.switch()?) {
        (Ok(address), Some(false)) => Ok(Action::Local(Local::LeaveRendezvous(address.to_string()))),
        (Ok(address), _) => Ok(Action::Ask(Command::SetRendezvous { address: Box::new(address), used: true })),
        (Err(_), Some(false)) => Ok(Action::Local(Local::LeaveRendezvous(word))),
        (Err(why), _) => Err(Refusal::new(Code::Usage, format!("{why}. Then type: /set rendezvous ADDRESS"))),
    }
}

fn setting(args: &mut Args<'_>, key: &str) -> Result<Action, Refusal> {
    value(args, key.to_owned())
}

/// Shows the setting, or changes it to all that follows.
fn value(args: &mut Args<'_>, key: String) -> Result<Action, Refusal> {
    let value = match args.rest().trim() {
        "" => return Ok(Action::Ask(Command::Settings { key: Some(key) })),
        DEFAULT => None,
        value => Some(value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value).to_owned()),
    };
    Ok(Action::Ask(Command::Set { key, value }))
}

fn alias(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let Some(word) = args.word()? else { return Ok(Action::Local(Local::Aliases)) };
    let name = word.strip_prefix('/').unwrap_or(&word).to_lowercase();
    if let Some(spec) = super::find(&name) {
        return Err(Refusal::new(Code::Conflict, format!("/{name} is a command already ({})", spec.help)));
    }
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c)) {
        return Err(args.refuse(format_args!("{word:?} cannot be a name")));
    }
    let key = format!("{ALIAS_PREFIX}{name}");
    match args.rest().trim() {
        "" => Ok(Action::Ask(Command::Settings { key: Some(key) })),
        "off" => Ok(Action::Ask(Command::Set { key, value: None })),
        meaning if meaning.starts_with(['/', '@']) => {
            Ok(Action::Ask(Command::Set { key, value: Some(meaning.to_owned()) }))
        }
        meaning => Err(args.refuse(format_args!("{meaning:?} is no command: it begins with / or @"))),
    }
}
