//! The terminal: lines in, lines out.

pub mod render;

use std::time::Duration;

use crate::{api::Node, config::Color};

/// How the REPL behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// One event a line, words for marks, no escape sequences. Always so when it is not a terminal.
    pub plain: bool,
    /// Colours.
    pub color: Color,
    /// Destructive commands do not ask.
    pub yes: bool,
    /// Whatever would ask fails instead.
    pub no_input: bool,
    /// How long to wait at the end of piped input for what was sent.
    pub timeout: Duration,
    /// Lines to run instead of reading any (`-e`).
    pub execute: Vec<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The person left, or the input ended and all is well.
    Left,
    /// Piped input, and this was the code of the first line that was refused, or `Queued` when what was sent was not
    /// delivered in time.
    Refused(hobnob_engine::command::Code),
}

/// Runs until the person leaves or the input ends. The node goes on running; the caller shuts it down.
pub async fn run(node: Node, options: Options) -> Exit {
    node.ended().await;
    drop(options);
    Exit::Left
}
