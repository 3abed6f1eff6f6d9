//! Rows: a name at a rendezvous, and finding people by theirs.

use std::path::PathBuf;

use hobnob_engine::command::Refusal;
use hobnob_shared::{rendezvous::RegistrationCode, text::Nickname};

use super::{Arg, ROW, Spec};
use crate::command::{Action, FullName, Local, args::Args};

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "register",
        usage: "/register NAME [--password-file F] [--invite CODE]",
        help: "take a name at a rendezvous, so that people find you and you can log in from anywhere",
        more: "The rendezvous never learns the password, and it never sees what you write or who your friends are. Again \
               for the name that you have, it gives it a new password. NAME is 3 to 32 of a-z, 0-9 and _; where several \
               rendezvous are in use, NAME@HOST says which (NAME@HOST:PORT or NAME@#KEY where two are on one host). The words that are shown at the end restore the account when \
               no device is left; the name stays with its password then.",
        examples: &[
            ("/register alice", "asks for a password, or makes one"),
            ("/register alice --password-file pw.txt", "takes it from the first line of a file"),
        ],
        args: &[Arg::Anything],
        flags: &["--password-file", "--invite"],
        parse: register,
        ..ROW
    },
    Spec {
        name: "login",
        usage: "/login NAME [--device NAME] [--password-file F]",
        help: "make this new machine a device of your account, with your friends",
        more: "Works on a profile without friends and history, which becomes one of the account's devices, called NAME behind \
               --device or else by its system; your other devices and your friends are told. On a device of the account it logs \
               in again, and lists the device anew where the account lists it no more. One that was revoked stays out.",
        examples: &[
            ("/login alice", "asks for the password"),
            ("/login alice --device phone", "and this machine is called so in /devices"),
        ],
        args: &[Arg::Anything],
        flags: &["--device", "--password-file"],
        parse: login,
        ..ROW
    },
    Spec {
        name: "logout",
        usage: "/logout [HOST]",
        help: "forget your name at the rendezvous on this device; friends and history stay",
        args: &[Arg::Anything],
        parse: |args| Ok(Action::Local(Local::Logout(args.word()?))),
        ..ROW
    },
    Spec {
        name: "unregister",
        usage: "/unregister [HOST] [--yes]",
        help: "give your name up, with all that the rendezvous keeps for you; friends and history stay",
        args: &[Arg::Anything],
        flags: &["--yes"],
        asks: Some("anybody may take your name then, and no new machine can log in. Go on?"),
        parse: |args| Ok(Action::Local(Local::Unregister(args.word()?))),
        ..ROW
    },
    Spec {
        name: "find",
        usage: "/find NAME",
        help: "look up who has exactly this name at the rendezvous",
        more: "Names cannot be listed or guessed at in bulk. Compare the fingerprint before you trust it; /add NAME asks \
               to be friends.",
        examples: &[
            ("/find bob", "who is bob?"),
            ("/find bob@r.example", "at this rendezvous"),
            ("/find bob@r.example:4001", "where two are on this host"),
        ],
        args: &[Arg::Anything],
        parse: |args| Ok(Action::Local(Local::Find(full_name(args)?))),
        ..ROW
    },
];

fn full_name(args: &mut Args<'_>) -> Result<FullName, Refusal> {
    let word = args.need("a name")?;
    FullName::parse(&word).map_err(|why| args.refuse(why))
}

fn register(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let who = full_name(args)?;
    let (mut file, mut code) = (None, None);
    while let Some(flag) = args.word()? {
        match flag.as_str() {
            "--password-file" => file = Some(PathBuf::from(args.need("a file")?)),
            "--invite" => {
                let word = args.need("a code")?;
                code = Some(RegistrationCode::parse(&word).map_err(|why| args.refuse(why))?);
            }
            // It may be a password, so it is not repeated.
            _ => return Err(args.refuse("more words than a name; a password is asked for, or comes from a file")),
        }
    }
    Ok(Action::Local(Local::Register { who, file, code }))
}

fn login(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let who = full_name(args)?;
    let (mut file, mut device) = (None, None);
    while let Some(flag) = args.word()? {
        match flag.as_str() {
            "--password-file" => file = Some(PathBuf::from(args.need("a file")?)),
            "--device" => {
                let word = args.need("a name for this machine")?;
                device = Some(Nickname::parse(word).map_err(|why| args.refuse(why))?);
            }
            _ => return Err(args.refuse("more words than a name; the password is asked for, or comes from a file")),
        }
    }
    Ok(Action::Local(Local::Login { who, file, device }))
}
