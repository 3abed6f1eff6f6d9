//! The program around the server: its command line, its files, its signals.

mod control;
mod failure;
mod folder;
mod http;
mod offline;
mod output;
mod serve;
mod watchdog;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueHint};

use crate::config::{Config, Flags};
use failure::Failure;
use output::Output;

/// The rendezvous of hobnob: where people find each other, see who is there, and leave sealed mail.
///
/// Without a sub-command it serves, with sane limits, and prints the address that nodes are given.
#[derive(Debug, Parser)]
#[command(name = "hobnob-rendezvous", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    /// Keep keys and database in DIR
    #[arg(long, value_name = "DIR", global = true, env = "HOBNOB_RENDEZVOUS_DATA_DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
    /// Listen at ADDR, an IP:PORT or a multiaddr (repeatable) [default: 0.0.0.0:4747 and [::]:4747]
    #[arg(long, value_name = "ADDR", global = true)]
    listen: Vec<String>,
    /// Serve /metrics and /healthz at IP:PORT, loopback only [default: 127.0.0.1:9747]
    #[arg(long, value_name = "IP:PORT", global = true)]
    metrics: Option<SocketAddr>,
    /// Read settings from FILE; SIGHUP reads its limits again
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Answer in JSON Lines on standard output
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    act: Option<Act>,
}

const AFTER_HELP: &str = "\
SIGTERM stops cleanly, SIGHUP reads the limits again.
Exit codes: 0 ok, 1 user error, 2 usage or internal, 3 network, 8 data folder in use.";

#[derive(Clone, Debug, Subcommand)]
enum Act {
    /// Serve (the default)
    Serve,
    /// Check settings, keys and every page of the database, also while the server runs, and serve nothing
    Check,
    /// Say how much there is
    Stats,
    /// Write keys and database into FILE, also while the server runs; FILE is as secret as the server
    Backup {
        /// Where to write it
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Make a code that lets one account register, good for two weeks
    Invite,
}

/// The whole program.
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// The same with these words, of which the first is the program's name: another process may hold the whole program too.
pub fn main_with(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is no error; nobody may be reading either.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(cli.json);
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    protect_memory();
    let Cli { data_dir, listen, metrics, config, json: _, act } = cli;
    let flags = Flags { data_dir, listen, metrics, config };
    let config = Config::load(&flags)?;
    match act.unwrap_or(Act::Serve) {
        Act::Serve => serve::serve(&flags, config, output),
        Act::Check => offline::check(&config, output),
        Act::Stats => offline::stats(&config, output),
        Act::Backup { file, force } => offline::back_up(&config, &file, force, output),
        Act::Invite => offline::invite(&config, output),
    }
}

/// No core dump and no debugger of another process of this user: keys are in our memory.
fn protect_memory() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
