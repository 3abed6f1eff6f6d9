//! Help, version, completions and manual pages, which need no profile and touch none.

use crate::driver::{code, hobnob, stderr, stdout};

#[test]
fn pages_go_to_standard_output() {
    for (args, word) in [
        (&["--version"][..], env!("CARGO_PKG_VERSION")),
        (&["--help"], "--password-file"),
        (&["man"], ".TH hobnob 1"),
        (&["man", "--commands"], "/invite\\-link"),
        (&["completions", "bash"], "complete -F"),
        (&["completions", "zsh"], "#compdef hobnob"),
        (&["completions", "fish"], "complete -c hobnob"),
    ] {
        let output = hobnob().args(args).output().unwrap();
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{args:?}");
        assert!(stdout(&output).contains(word), "{args:?} without {word}");
    }
}

#[test]
fn the_help_lists_no_sub_command_that_is_not_there() {
    let help = stdout(&hobnob().arg("--help").output().unwrap());
    for absent in ["daemon", "attach", "tail", "export", "import", "backup", "restore", "doctor"] {
        assert!(!help.lines().any(|line| line.trim_start().starts_with(&format!("{absent} "))), "{absent}");
    }
}
