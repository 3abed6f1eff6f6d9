//! The rendezvous server, which is not there yet. Nodes meet without it: by invite link, or on one network.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Exit code for usage and internal errors, as the node has it.
const UNSUPPORTED: u8 = 2;

fn main() -> ExitCode {
    // Nobody may be reading; the exit code says it too.
    let _ = writeln!(
        io::stderr(),
        "hobnob-rendezvous: this version has no rendezvous server yet.\n\
         Nodes meet without one: /invite-link on one machine and /add LINK on the other, or /nearby on at both."
    );
    ExitCode::from(UNSUPPORTED)
}
