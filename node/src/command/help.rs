//! `/help`, and the page `docs/commands.md`: both written from the table, so neither can be wrong about it.

use std::fmt::Write as _;

use hobnob_engine::command::{Code, Refusal};

use super::{Spec, parse::nearest, table};

/// A thing to know that is no command.
#[derive(Debug)]
pub struct Topic {
    /// What to type behind `/help`.
    pub name: &'static str,
    /// What it is about, in a line.
    pub title: &'static str,
    /// The text, in Markdown that reads well as it is.
    pub text: &'static str,
}

/// The topics, in the order in which a newcomer needs them.
pub const TOPICS: &[Topic] = &[
    Topic {
        name: "start",
        title: "the first minute",
        text: "\
1. One of you types `/invite-link` and sends the link to the other over a way you both trust.
2. The other types `/add` and the link. The first one sees a request and types `/accept 1`.
3. Both are friends now: `@bob hello` sends, `@bob` alone opens the chat, and then every line goes there.

On one network it goes without a link: both type `/nearby on`, and one of you `/add` and the name shown.",
    },
    Topic {
        name: "writing",
        title: "how lines are read",
        text: "\
- A line without `/` goes to the chat in the prompt, or to the only chat there is. `@bob hi` goes to Bob without switching; `@bob` alone switches.
- A line that begins with `//` sends the rest with one slash. A blank before `/` or `@name` is refused: nothing is sent by mistake.
- Double quotes group words of a command. The text of a message is sent as it stands, quotes and all.
- A command may be shortened as long as only one fits: `/hist` is `/history`. One that destroys must be spelled out.
- Several pasted lines are one message. Alt-Enter begins a new line of it.",
    },
    Topic {
        name: "messages",
        title: "numbers and marks",
        text: "\
Every message has a number, `[42]`, that it keeps for ever on this node. Where a message is meant, these work:
`42`; `^` the newest of the chat; `^^` the one before; `^bob` the newest of Bob.

Behind your own messages: `…` waits here, `⇡` is kept at a rendezvous until they are there, `✓` is stored by a device of your friend, `✓✓` was shown there, which you learn when the two of you are connected, then or later: mail at a rendezvous does not tell it.
Nothing stands behind one that another machine of yours wrote while this one has not heard yet how far it got.
Before a name: `✓` you compared keys (`/verify`), `!` the key changed. In plain mode all of these are words.

In the prompt: the chat, `●3` unread messages elsewhere, `…1` messages of yours that wait here. A bare `…` before
`>`: your friend is typing. The prompt keeps its width while a line is typed, so a count that goes away leaves blanks in front.",
    },
    Topic {
        name: "keys",
        title: "the keyboard",
        text: "\
- Tab completes commands, names, message numbers, settings and `:emoji:`.
- Alt-A opens the next unread chat. Up, Down and Ctrl-R look through the lines of this run; they are never written to disk.
- Alt-Enter begins a new line of the same message.
- Ctrl-C empties the line; twice leaves. Ctrl-D on an empty line leaves.
- The rest is as in readline: Ctrl-A, Ctrl-E, Ctrl-W, Ctrl-U, Ctrl-K, Ctrl-Y, Alt-B, Alt-F.",
    },
    Topic {
        name: "people",
        title: "how people become friends",
        text: "\
Friendship takes two: one makes a link (`/invite-link`), the other uses it (`/add`), the first accepts (`/accept`).
Or both type `/nearby on` on one network. Or a common friend brings you together (`/introduce`). Or you have names at one
rendezvous (`/register`): then `/add bob` asks him, also while he is away.
`/requests` shows who waits. A stranger without an invite is refused before a word is exchanged; who knows your name can only ask.",
    },
    Topic {
        name: "security",
        title: "what is protected, and what you must do",
        text: "\
Everything between two nodes is encrypted end to end, and everything on disk too. No server is needed; a
rendezvous, if you use one, cannot read what it carries.
To be sure that no one stands between you: `/verify @bob`, compare the words or the number by phone or face to face, `/verify @bob yes`.
The password protects the keys on this disk; an empty one leaves them to whoever has the disk. `/recovery` shows the words that
restore your account: paper is a good place for them.",
    },
];

/// What `/help` shows: everything in short, or one command or topic in full.
pub fn help(about: Option<&str>) -> Result<String, Refusal> {
    let Some(about) = about else { return Ok(overview()) };
    let name = about.trim_start_matches('/').to_lowercase();
    if let Some(spec) = table::find(&name) {
        return Ok(command_text(spec));
    }
    if let Some(topic) = TOPICS.iter().find(|topic| topic.name == name) {
        return Ok(format!("{} ({})\n{}", topic.title, topic.name, topic.text));
    }
    let beginning: Vec<&Spec> = table::all().filter(|spec| spec.name.starts_with(&name)).collect();
    if let [only] = beginning.as_slice() {
        return Ok(command_text(only));
    }
    Err(no_help(about, &name))
}

fn no_help(about: &str, name: &str) -> Refusal {
    let hint = nearest(name).map_or(String::new(), |near| format!("did you mean /help {near}? "));
    Refusal::new(Code::NotFound, format!("there is no help on {about:?}; {hint}/help lists commands and topics"))
}

fn overview() -> String {
    let mut text = String::new();
    for (area, rows) in table::AREAS {
        let _ = writeln!(text, "{area}");
        for spec in *rows {
            let _ = writeln!(text, "  {:<13} {}", format!("/{}", spec.name), spec.help);
        }
    }
    let topics: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
    let _ = write!(text, "/help and a command says more; so does /help and a topic: {}", topics.join(", "));
    text
}

fn command_text(spec: &Spec) -> String {
    let mut text = format!("{}\n  {}", spec.usage, spec.help);
    if !spec.aliases.is_empty() {
        let _ = write!(text, "\n  also: {}", also(spec));
    }
    if !spec.more.is_empty() {
        let _ = write!(text, "\n  {}", spec.more);
    }
    for (line, means) in spec.examples {
        let _ = write!(text, "\n  {line}  ({means})");
    }
    text
}

fn also(spec: &Spec) -> String {
    let names: Vec<String> = spec.aliases.iter().map(|alias| format!("/{alias}")).collect();
    names.join(", ")
}

/// The page `docs/commands.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Commands\n\n\
         This page is written from the command table by a test; change the table, not the page. In the program,\n\
         `/help` shows the same.\n",
    );
    for topic in TOPICS {
        let _ = write!(page, "\n## {}\n\n{}\n", capital(topic.title), topic.text);
    }
    for (area, rows) in table::AREAS {
        let _ = write!(page, "\n## {area}\n");
        for spec in *rows {
            page_row(&mut page, spec);
        }
    }
    page
}

fn page_row(page: &mut String, spec: &Spec) {
    let _ = write!(page, "\n### `{}`\n\n{}.", spec.usage, capital(spec.help));
    if spec.asks.is_some() {
        page.push_str(" It asks first; `--yes` answers beforehand.");
    }
    if !spec.more.is_empty() {
        let _ = write!(page, " {}", spec.more);
    }
    page.push('\n');
    if !spec.aliases.is_empty() {
        let _ = write!(page, "\nAlso: `{}`.\n", also(spec));
    }
    if !spec.examples.is_empty() {
        page.push('\n');
    }
    for (line, means) in spec.examples {
        let _ = writeln!(page, "- `{line}`: {means}");
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
