//! Shell completions and manual pages, all generated: from the flags' definition and from the command table.

use std::fmt::Write as _;

use clap::CommandFactory;

use super::args::Cli;
use crate::command::{Spec, help::TOPICS, table::AREAS};

pub(super) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut page = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "hobnob", &mut page);
    page
}

/// hobnob(1).
pub(super) fn program() -> Vec<u8> {
    let mut page = Vec::new();
    // Memory does not fail to be written.
    let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
    debug_assert!(written.is_ok(), "the manual page could not be written");
    page
}

/// hobnob-commands(7).
pub(super) fn commands() -> Vec<u8> {
    let mut page = String::from(
        ".TH HOBNOB-COMMANDS 7\n.SH NAME\nhobnob\\-commands \\- slash commands of \\fBhobnob\\fR(1)\n\
         .SH DESCRIPTION\nTyped in the chat, piped in one a line, or given with \\fB\\-e\\fR.\n",
    );
    for topic in TOPICS {
        let _ = writeln!(page, ".SH {}", escape(&topic.title.to_uppercase()));
        paragraphs(&mut page, topic.text);
    }
    for (area, rows) in AREAS {
        let _ = writeln!(page, ".SH {}", escape(&area.to_uppercase()));
        for spec in *rows {
            row(&mut page, spec);
        }
    }
    page.push_str(".SH SEE ALSO\n\\fBhobnob\\fR(1)\n");
    page.into_bytes()
}

fn paragraphs(page: &mut String, text: &str) {
    for line in text.lines() {
        if line.is_empty() {
            page.push_str(".PP\n");
        } else if line.starts_with("- ") || line.starts_with(|c: char| c.is_ascii_digit()) {
            let _ = writeln!(page, ".br\n{}", escape(line));
        } else {
            let _ = writeln!(page, "{}", escape(line));
        }
    }
}

fn row(page: &mut String, spec: &Spec) {
    let _ = write!(page, ".TP\n\\fB{}\\fR\n{}.", escape(spec.usage), escape(spec.help));
    if !spec.aliases.is_empty() {
        let names: Vec<String> = spec.aliases.iter().map(|alias| format!("/{alias}")).collect();
        let _ = write!(page, " Also {}.", escape(&names.join(", ")));
    }
    if spec.asks.is_some() {
        let _ = write!(page, " Asks first; \\fB{}\\fR answers beforehand.", escape("--yes"));
    }
    if !spec.more.is_empty() {
        let _ = write!(page, " {}", escape(spec.more));
    }
    page.push('\n');
    for (line, means) in spec.examples {
        let _ = writeln!(page, ".br\n\\fB{}\\fR: {}", escape(line), escape(means));
    }
}

/// Text that troff leaves alone: no escapes, no requests at the start of a line, hyphens that can be copied.
fn escape(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escape_line).collect();
    lines.join("\n")
}

fn escape_line(line: &str) -> String {
    let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
    let text = line.replace('\\', "\\e").replace('-', "\\-").replace('`', "");
    format!("{guard}{text}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::ValueEnum;

    use super::{commands, completions, escape, program};
    use crate::command::all;

    #[test]
    fn the_page_of_commands_names_every_command_and_holds_no_stray_request() {
        let page = String::from_utf8(commands()).unwrap();
        for spec in all() {
            assert!(page.contains(&format!("\\fB{}", escape(spec.usage))), "{}", spec.name);
        }
        let known = [".TH", ".SH", ".TP", ".PP", ".br"];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(known.iter().any(|request| line.split(' ').next() == Some(request)), "{line}");
        }
    }

    #[test]
    fn the_page_of_the_program_tells_flags_and_exit_codes() {
        let page = String::from_utf8(program()).unwrap();
        for word in ["password\\-file", "no\\-input", "completions", "Exit codes"] {
            assert!(page.contains(word), "{word}");
        }
    }

    #[test]
    fn every_shell_has_completions() {
        for shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(completions(*shell)).unwrap();
            assert!(script.contains("password-file"), "{shell}");
        }
    }

    #[test]
    fn troff_gets_nothing_to_obey() {
        assert_eq!(escape(".x\\y\n'z -e"), "\\&.x\\ey\n\\&'z \\-e");
    }
}
