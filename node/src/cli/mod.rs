//! The command line: what was asked for, with which profile, and the code that the process ends with.
//!
//! Standard output is data, standard error is talk. No password is ever taken from an argument or a variable.

mod args;
mod init;
mod link;
mod manual;
mod prompt;
mod start;

use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{self, BufReader, IsTerminal, Read, Write},
    panic::AssertUnwindSafe,
    path::Path,
    process::ExitCode,
};

use clap::Parser;
use hobnob_shared::text::{Handle, MessageText};
use zeroize::Zeroizing;

use self::{
    args::{Act, Cli, Common},
    init::FirstLogin,
};
pub(crate) use self::{
    prompt::tell,
    start::{Signals, async_runtime, front_end},
};
use crate::{
    api::{self, Code, Refusal},
    config::{Config, ConfigError},
    demo,
    json::out::Origin,
    logging,
    profile::{Password, ProfileError},
    repl,
    script::{Output, Source},
    secret,
};

/// Ended by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit code that stands for a refusal. `docs/json.md` lists them.
pub fn exit_code(code: Code) -> u8 {
    match code {
        Code::NotFound | Code::Conflict | Code::Unsupported => 1,
        Code::Usage | Code::Internal | Code::NotSaved => 2,
        Code::Network => 3,
        Code::Untrusted => 4,
        Code::Limited => 5,
        Code::Login => 6,
        Code::Queued => 7,
        Code::InUse => 8,
    }
}

/// The whole program, from the words of the command line to the exit code.
pub fn main() -> ExitCode {
    api::protect_process();
    logging::log_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let json = cli.common.json;
    // A panic is a bug; its place is in the log, and the person gets words instead of a trace.
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| run(cli)));
    let ended = ended.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, CRASHED)));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(refusal) => {
            report(json, &refusal);
            ExitCode::from(exit_code(refusal.code))
        }
    }
}

const CRASHED: &str = "hobnob stopped because of a bug; the log in the profile names the place. What was confirmed is on \
                       disk: start it again";

/// Help and version are data; wrong words are talk, and an object too for a reader of JSON. Nobody may be there to read
/// any of it.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() && asks_json(std::env::args_os()) {
        report(true, &Refusal::new(Code::Usage, first_words(&error.to_string())));
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The words could not be read, so this one is looked for among them.
fn asks_json(words: impl Iterator<Item = OsString>) -> bool {
    words.take_while(|word| word != "--").any(|word| word == "--json")
}

/// What is wrong, without the usage below it.
fn first_words(text: &str) -> String {
    let what = text.split("\n\n").next().unwrap_or_default();
    what.strip_prefix("error: ").unwrap_or(what).trim().to_owned()
}

fn report(json: bool, refusal: &Refusal) {
    let mut out = Output::new(json);
    let named = Refusal::new(refusal.code, format!("hobnob: {}", refusal.message));
    out.error(if json { refusal } else { &named }, &Origin::None);
}

fn run(cli: Cli) -> Result<u8, Refusal> {
    let Cli { common, act } = cli;
    match act.unwrap_or(Act::Chat) {
        Act::Completions { shell } => data(&manual::completions(shell)),
        Act::Man { commands: false } => data(&manual::program()),
        Act::Man { commands: true } => data(&manual::commands()),
        Act::Init(init) => init::run(&common, &config(&common)?, init),
        Act::Chat => chat(&common, &config(&common)?),
        Act::Send { chat, text } => send(&common, &config(&common)?, &chat, &text),
        Act::Demo => demo::run(&session(&common, &config(&common)?)),
    }
}

fn config(common: &Common) -> Result<Config, Refusal> {
    let mut config = Config::load(common.layer(), &|name| std::env::var(name).ok())?;
    config.log_level = config.log_level.raised(common.verbose);
    Ok(config)
}

/// The REPL on a terminal; anything else is a script.
fn chat(common: &Common, config: &Config) -> Result<u8, Refusal> {
    let mut session = session(common, config);
    let (profile, login) = start::open(common, config, session.is_terminal())?;
    if let Some(FirstLogin { name, server }) = login {
        session.config.rendezvous.extend(server);
        session.first = Some(format!("/login {name}"));
    }
    start::serve(profile, &session, None)
}

/// One message: the words behind the name, or all of standard input.
fn send(common: &Common, config: &Config, chat: &str, text: &[String]) -> Result<u8, Refusal> {
    let usage = |why: String| Refusal::new(Code::Usage, why);
    let handle = Handle::parse(chat.strip_prefix('@').unwrap_or(chat))
        .map_err(|why| usage(format!("{chat:?} is no name: {why}; write hobnob send @bob -")))?;
    let text = match text {
        [] => read_message()?,
        [dash] if dash == "-" => read_message()?,
        words => words.join(" "),
    };
    let text = MessageText::parse(text).map_err(|why| usage(why.to_string()))?;
    let (profile, _) = start::open(common, config, false)?;
    start::serve(profile, &session(common, config), Some(Source::Message { chat: handle, text }))
}

/// Standard input as one message, without its last line break. Reads a little past the limit, never all of a huge file.
fn read_message() -> Result<String, Refusal> {
    let mut text = String::new();
    let limit = hobnob_shared::limits::MAX_TEXT_BYTES as u64 + 2;
    io::stdin().lock().take(limit).read_to_string(&mut text).map_err(|why| {
        Refusal::new(
            Code::Usage,
            format!("the message cannot be read from standard input: {why}; it must be UTF-8 text"),
        )
    })?;
    let end = text.strip_suffix('\n').map_or(text.len(), |text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(end);
    Ok(text)
}

/// How a front end behaves, whichever node it talks to.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) json: bool,
    pub(crate) no_input: bool,
    pub(crate) yes: bool,
    pub(crate) execute: VecDeque<String>,
    pub(crate) password_file: Option<std::path::PathBuf>,
    /// In here is the demo.
    pub(crate) is_demo: bool,
    /// The REPL begins with this line.
    pub(crate) first: Option<String>,
}

fn session(common: &Common, config: &Config) -> Session {
    Session {
        config: config.clone(),
        json: common.json,
        no_input: common.no_input,
        yes: common.yes,
        execute: common.execute.iter().cloned().collect(),
        // Standard input is read once: behind the password come commands.
        password_file: common.password_file.clone().filter(|file| file.as_os_str() != "-"),
        is_demo: false,
        first: None,
    }
}

impl Session {
    /// How the REPL behaves.
    fn repl(&self) -> repl::Options {
        let Self { yes, no_input, is_demo, .. } = *self;
        repl::Options {
            plain: self.config.plain,
            color: self.config.color,
            yes,
            no_input,
            is_demo,
            first: self.first.clone(),
        }
    }

    /// A person sits at both ends.
    pub(crate) fn is_terminal(&self) -> bool {
        !self.json && self.execute.is_empty() && io::stdin().is_terminal() && io::stdout().is_terminal()
    }
}

/// The password in the first line of `file`, or of standard input for `-`.
pub(crate) fn password_from(file: &Path) -> Result<Option<Password>, Refusal> {
    Ok(Password::new(secret_from(file)?))
}

/// The first line of `file`, or of standard input for `-`. One that is empty is nobody's password: the file is the wrong
/// one, or was not written to its end.
pub(crate) fn secret_from(file: &Path) -> Result<Zeroizing<String>, Refusal> {
    let line = if file.as_os_str() == "-" {
        secret::first_line(&mut io::stdin().lock())
    } else {
        std::fs::File::open(file).and_then(|file| secret::first_line(&mut BufReader::new(file)))
    };
    line.map_err(|why| {
        let file = file.display();
        if why.kind() == io::ErrorKind::UnexpectedEof {
            let message =
                format!("the password file {file} is empty: its first line is to be the password; nothing was done");
            return Refusal::new(Code::Usage, message);
        }
        let message =
            format!("the password file {file} cannot be read: {why}; check what stands behind --password-file");
        Refusal::new(Code::Login, message)
    })
}

/// Writes a page to standard output. A reader that has enough of it is no error.
fn data(bytes: &[u8]) -> Result<u8, Refusal> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(0),
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(why) => Err(Refusal::new(Code::Internal, format!("standard output cannot be written: {why}"))),
    }
}

impl From<ConfigError> for Refusal {
    fn from(why: ConfigError) -> Self {
        Self::new(Code::Usage, chain(&why))
    }
}

impl From<ProfileError> for Refusal {
    fn from(why: ProfileError) -> Self {
        Self::new(why.code(), chain(&why))
    }
}

impl From<api::StartError> for Refusal {
    fn from(why: api::StartError) -> Self {
        Self::new(why.code(), chain(&why))
    }
}

/// An error and what caused it, in one line. A cause that the error already tells is not told again.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{args::Cli, asks_json, exit_code, first_words};
    use crate::api::Code;

    #[test]
    fn wrong_words_are_told_in_one_line_to_a_reader_of_json() {
        let asks = |line: &str| asks_json(line.split(' ').map(Into::into));
        assert!(asks("hobnob --json --bogus") && asks("hobnob send --json"));
        assert!(!asks("hobnob --bogus") && !asks("hobnob send @bob -- --json"));
        let Err(error) = Cli::try_parse_from(["hobnob", "--json", "--bogus"]) else { panic!("--bogus is known") };
        assert_eq!(first_words(&error.to_string()), "unexpected argument '--bogus' found");
    }

    #[test]
    fn exit_codes_are_those_of_the_manual() {
        let table = [
            (Code::NotFound, 1),
            (Code::Conflict, 1),
            (Code::Unsupported, 1),
            (Code::Usage, 2),
            (Code::Internal, 2),
            (Code::NotSaved, 2),
            (Code::Network, 3),
            (Code::Untrusted, 4),
            (Code::Limited, 5),
            (Code::Login, 6),
            (Code::Queued, 7),
            (Code::InUse, 8),
        ];
        for (code, exit) in table {
            assert_eq!(exit_code(code), exit, "{code:?}");
        }
    }
}
