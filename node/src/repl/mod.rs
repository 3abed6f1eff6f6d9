//! The terminal front end: what a person types becomes commands, what happens becomes lines.
//!
//! [`run`] is one loop over what was typed and what happened. Only [`render`] turns things into text, and only
//! `terminal` writes to the screen.

mod account;
mod act;
mod complete;
mod devices;
mod editing;
mod front;
mod gate;
mod greeting;
mod leaving;
mod news;
mod prompt;
mod reader;
pub mod render;
mod secrets;
mod terminal;

use std::io::{self, Write as _};

use hobnob_shared::text::display;

use crate::{
    api::{Code, Node},
    config::Color,
};

/// How the REPL behaves.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Options {
    /// One event a line, words for marks, no escape sequences. Always so on a terminal that can do nothing else.
    pub plain: bool,
    /// Colours.
    pub color: Color,
    /// Destructive commands do not ask.
    pub yes: bool,
    /// Whatever would ask fails instead.
    pub no_input: bool,
    /// The node is the person's in a demo.
    pub is_demo: bool,
    /// A line that is carried out first, as if it was typed.
    pub first: Option<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The person left.
    Left,
    /// The person wants to see the demo, and then to come back.
    Demo,
    /// The person pressed Ctrl-C twice.
    Interrupted,
    /// The node could not go on.
    Refused(Code),
}

/// Runs on the terminal until the person leaves. The node goes on running; the caller shuts it down.
///
/// Dropping the future leaves the terminal as it was found.
pub async fn run(node: Node, options: Options) -> Exit {
    match front::Front::open(node, options).await {
        Ok(mut front) => front.run().await,
        Err(refusal) => {
            complain(&refusal.message);
            Exit::Refused(refusal.code)
        }
    }
}

/// There is no screen to say it on.
fn complain(message: &str) {
    // When nobody reads that either, the exit code is all we have.
    let _ = writeln!(io::stderr().lock(), "hobnob: {}", display::line(message));
}
