//! Any text as a line that somebody types, with and without a current chat.
#![no_main]
#![allow(dead_code, unused_imports)]
#[path = "../../../node/src/command/mod.rs"]
mod command;

use std::collections::BTreeMap;

use hobnob_shared::text::Handle;

libfuzzer_sys::fuzz_target!(|line: &str| {
    let bob = Handle::parse("bob").expect("a handle");
    let aliases = BTreeMap::from([("hi".to_owned(), "/msg @bob hello".to_owned())]);
    for chat in [None, Some(&bob)] {
        let _ = command::parse(line, &command::Context { chat, aliases: &aliases, page: 20 });
    }
});
