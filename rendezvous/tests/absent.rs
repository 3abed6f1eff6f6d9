//! What the server says while there is none.

use std::process::Command;

#[test]
fn it_says_that_it_is_not_there_yet_and_exits_with_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_hobnob-rendezvous")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("no rendezvous server yet"));
}
