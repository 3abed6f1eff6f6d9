//! Any text as a line that somebody types.
#![no_main]
#[path = "../../../node/src/command/mod.rs"]
mod command;

libfuzzer_sys::fuzz_target!(|line: &str| {
    let _ = command::parse(line);
});
