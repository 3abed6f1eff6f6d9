//! What a person types without seeing it is nowhere to be seen.

use std::{fs, path::Path};

use crate::screen::Terminal;

const FIRST: &str = "correct horse battery";
const SECOND: &str = "staple behind the barn";

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Every file below the folder that holds this text.
fn files_with(folder: &Path, text: &str, found: &mut Vec<String>) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files_with(&path, text, found);
        } else if holds(&fs::read(&path).expect("a file"), text) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn passwords_are_on_no_screen_in_no_file_and_in_no_log() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (profile, log) = (at("profile"), at("log"));
    let mut carol = Terminal::start(100, &["-vvvv", "--log-file", &log, "--data-dir", &profile]);
    carol.sees("Your name");
    carol.enters("Carol");
    for prompt in ["Password", "Again"] {
        carol.sees(prompt);
        carol.enters(FIRST);
    }
    carol.sees("Written down?");
    carol.enters("");
    carol.sees("hobnob>");
    carol.enters("/passwd");
    carol.sees("old password:");
    carol.enters(FIRST);
    for prompt in ["new password (empty for none):", "the new one again:"] {
        carol.sees(prompt);
        carol.enters(SECOND);
    }
    carol.sees("it is asked for at the next start");
    carol.until("the next prompt", |screen| screen.trim_end().ends_with("hobnob>"));
    // The line before is the command, not what it asked for.
    carol.types("\u{1b}[A");
    // How it is written stands behind it.
    let is_command =
        |screen: &str| screen.trim_end().lines().last().is_some_and(|line| line.starts_with("hobnob> /passwd"));
    carol.until("the command again", is_command);
    let process = Path::new("/proc").join(carol.process().to_string());
    let limits = fs::read_to_string(process.join("limits")).expect("Linux");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    for part in ["cmdline", "environ"] {
        let bytes = fs::read(process.join(part)).unwrap_or_default();
        assert!(!holds(&bytes, FIRST) && !holds(&bytes, SECOND), "{part}");
    }
    let raw = carol.raw();
    drop(carol);
    assert!(fs::metadata(&log).expect("a log").len() > 0);
    for word in ["horse", "barn"] {
        assert!(!holds(&raw, word), "{word:?} reached the terminal");
    }
    for secret in [FIRST, SECOND] {
        let mut found = Vec::new();
        files_with(dir.path(), secret, &mut found);
        assert!(found.is_empty(), "{secret:?} is in {found:?}");
    }
}
