//! The words of the command line: flags and sub-commands, and nothing that acts on them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::config::{Color, Layer};

/// Chat with your people from a terminal, machine to machine.
///
/// Without a sub-command, hobnob opens the chat on the default profile, and makes one on first use. Where input or
/// output is no terminal, commands are read from standard input, one a line.
#[derive(Debug, Parser)]
#[command(name = "hobnob", version, max_term_width = 100, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) act: Option<Act>,
}

const AFTER_HELP: &str = "\
Slash commands are listed by /help inside the chat and in hobnob-commands(7).
Exit codes: 0 ok, 1 user error or not found, 2 usage or internal, 3 network, 4 untrusted or changed key,
5 limit, 6 password, 7 queued and not delivered in time, 8 profile in use, 130 interrupted.";

/// Flags that stand before or after any sub-command.
#[derive(Args, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Common {
    /// Use the profile NAME instead of the default one
    #[arg(short = 'P', long, value_name = "NAME", global = true)]
    pub(super) profile: Option<String>,
    /// Keep profiles in DIR
    #[arg(short = 'd', long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub(super) data_dir: Option<PathBuf>,
    /// Listen on ADDR, an IP:PORT or a multiaddr (repeatable); port 0 takes the profile's last port or any free one
    #[arg(short, long, value_name = "ADDR", global = true)]
    pub(super) listen: Vec<String>,
    /// Use the rendezvous at ADDRESS, a multiaddr with its key (repeatable)
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub(super) rendezvous: Vec<String>,
    /// Carry out COMMAND as if it were typed, then end (repeatable, in order, up to the first that is refused)
    #[arg(short, long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub(super) execute: Vec<String>,
    /// At the end of input, wait so many SECONDS for what was sent to be delivered [default: 10]
    #[arg(short, long, value_name = "SECONDS", global = true)]
    pub(super) timeout: Option<u64>,
    /// Answer in JSON Lines on standard output
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// One event a line, words for marks, no cursor movement: for screen readers and plain terminals
    #[arg(long, global = true)]
    pub(super) plain: bool,
    /// Never ask; fail where an answer is needed
    #[arg(long, global = true)]
    pub(super) no_input: bool,
    /// Answer yes where a command would ask
    #[arg(short, long, global = true)]
    pub(super) yes: bool,
    /// Colours: auto, always or never
    #[arg(long, value_name = "WHEN", global = true, value_parser = color)]
    pub(super) color: Option<Color>,
    /// Take the password from the first line of FILE, or of standard input for -
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub(super) password_file: Option<PathBuf>,
    /// Log more (repeatable): -v what a person would notice, -vv decisions, -vvv every frame
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(super) verbose: u8,
    /// Log to FILE instead of hobnob.log in the profile
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub(super) log_file: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Act {
    /// Open the chat (the default)
    Chat,
    /// Make a profile: keys, a name, and the recovery words, which are shown once
    Init(Init),
    /// Send one message and wait until it is delivered; exit 7 if it is still queued
    Send {
        /// To whom, as @name
        #[arg(value_name = "CHAT")]
        chat: String,
        /// The message; `-` or nothing reads it from standard input
        #[arg(value_name = "TEXT")]
        text: Vec<String>,
    },
    /// Try it out: a second node on this machine becomes your friend and answers
    Demo,
    /// Print shell completions
    Completions {
        /// For which shell
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print the manual page; with --commands, hobnob-commands(7)
    Man {
        /// The page about slash commands
        #[arg(long)]
        commands: bool,
    },
}

/// What `init` needs to know.
#[derive(Args, Debug)]
pub(super) struct Init {
    /// How your friends will see you
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Become a device of the account whose /device link made LINK (- reads it from standard input); --name then names
    /// the device
    #[arg(long, value_name = "LINK", conflicts_with = "recover")]
    pub(super) link: Option<String>,
    /// Restore an account from its recovery words, asked for or read from FILE (- is standard input)
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_hint = ValueHint::FilePath)]
    #[allow(clippy::option_option, reason = "clap's way to say: not given, given, given with a file")]
    pub(super) recover: Option<Option<PathBuf>>,
}

impl Common {
    /// What the flags say about settings.
    pub(super) fn layer(&self) -> Layer {
        Layer {
            profile: self.profile.clone(),
            data_dir: self.data_dir.clone(),
            listen: (!self.listen.is_empty()).then(|| self.listen.clone()),
            rendezvous: (!self.rendezvous.is_empty()).then(|| self.rendezvous.clone()),
            mdns: None,
            plain: self.plain.then_some(true),
            color: self.color,
            timeout: self.timeout,
            log_level: None,
            log_file: self.log_file.clone(),
        }
    }
}

fn color(text: &str) -> Result<Color, String> {
    text.parse().map_err(|takes: &str| format!("it takes {takes}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::{CommandFactory, Parser};

    use super::{Act, Cli};

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_says_what_it_does() {
        for arg in Cli::command().get_arguments() {
            assert!(arg.get_help().is_some(), "{}", arg.get_id());
        }
    }

    #[test]
    fn no_flag_takes_a_password_itself() {
        let command = Cli::command();
        let names: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_long()).collect();
        assert!(names.contains(&"password-file"));
        assert!(!names.iter().any(|name| *name == "password" || name.contains("passphrase")));
    }

    #[test]
    fn flags_stand_before_or_after_the_sub_command() {
        for line in ["hobnob -t 3 --json send @bob -", "hobnob send @bob - -t 3 --json"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!((cli.common.timeout, cli.common.json), (Some(3), true), "{line}");
            assert!(matches!(cli.act, Some(Act::Send { chat, text }) if chat == "@bob" && text == ["-"]), "{line}");
        }
    }

    #[test]
    fn executed_lines_keep_their_order_and_may_begin_with_a_hyphen() {
        let cli = Cli::try_parse_from(["hobnob", "-e", "@bob", "-e", "-- dashes", "-e", "/quit"]).unwrap();
        assert_eq!(cli.common.execute, ["@bob", "-- dashes", "/quit"]);
    }

    #[test]
    fn recovery_words_come_from_a_prompt_or_a_file() {
        let recover = |line: &str| match Cli::try_parse_from(line.split(' ')).unwrap().act {
            Some(Act::Init(init)) => init.recover,
            other => panic!("{other:?}"),
        };
        assert_eq!(recover("hobnob init --name a"), None);
        assert_eq!(recover("hobnob init --name a --recover"), Some(None));
        assert_eq!(recover("hobnob init --recover words.txt"), Some(Some("words.txt".into())));
    }
}
