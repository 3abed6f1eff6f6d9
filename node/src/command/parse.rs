//! A typed line, taken apart.

use hobnob_engine::command::{Code, Command, Refusal};
use hobnob_shared::text::{Handle, MessageText};

use super::{
    Action, Context, Local, Parsed, Spec,
    args::{Args, message_text, no_chat},
    table::{self, YES},
};

/// How often one alias may lead to another.
const ALIAS_DEPTH: usize = 8;

/// Reads one line, which may hold line breaks when it was pasted.
///
/// A refusal says what was wrong and how it is written; nothing was done then.
pub fn parse(line: &str, context: &Context<'_>) -> Result<Parsed, Refusal> {
    let line = line.trim_end_matches(['\n', '\r']);
    if line.trim().is_empty() {
        return Ok(Parsed { name: "", action: Action::Nothing, confirm: None, qr: false });
    }
    if let Some(text) = line.strip_prefix("//") {
        return say(context.chat, &format!("/{text}"));
    }
    if let Some(command) = line.strip_prefix('/') {
        return run(command.to_owned(), context);
    }
    refuse_blanks(line)?;
    match line.strip_prefix('@') {
        Some(addressed) if addressed.starts_with(|c: char| !c.is_whitespace()) => address(addressed),
        _ => say(context.chat, line),
    }
}

/// A line of text for the current chat.
fn say(chat: Option<&Handle>, text: &str) -> Result<Parsed, Refusal> {
    let text = message_text(text).map_err(|why| Refusal::new(Code::Usage, why))?;
    send(chat.cloned().ok_or_else(no_chat)?, text)
}

fn send(chat: Handle, text: MessageText) -> Result<Parsed, Refusal> {
    let action = Action::Ask(Command::Send { chat, text, reply_to: None, action: false });
    Ok(Parsed { name: "msg", action, confirm: None, qr: false })
}

/// A blank before a command would send it as text, so such a line does nothing.
fn refuse_blanks(line: &str) -> Result<(), Refusal> {
    let inner = line.trim_start();
    if inner.len() == line.len() {
        return Ok(());
    }
    let hint = match inner.strip_prefix('@') {
        Some(name) if name.starts_with(char::is_alphanumeric) => "without the blank it goes to that friend",
        _ if inner.starts_with('/') => "without the blank it is a command, and // sends a slash as text",
        _ => return Ok(()),
    };
    Err(Refusal::new(Code::Usage, format!("there is a blank before {:?}: {hint}", first_word(inner))))
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

/// `@bob hi` sends, `@bob` alone switches.
fn address(line: &str) -> Result<Parsed, Refusal> {
    let (name, text) = match line.split_once(char::is_whitespace) {
        Some((name, text)) => (name, text),
        None => (line, ""),
    };
    let chat = Handle::parse(name).map_err(|_| {
        Refusal::new(
            Code::Usage,
            format!("\"@{name}\" is no name: write @bob and a blank before the text (/msg @bob sends any text)"),
        )
    })?;
    if text.trim().is_empty() {
        return Ok(Parsed { name: "open", action: Action::Local(Local::Open(chat)), confirm: None, qr: false });
    }
    send(chat, message_text(text).map_err(|why| Refusal::new(Code::Usage, why))?)
}

/// A command, without its slash.
fn run(mut line: String, context: &Context<'_>) -> Result<Parsed, Refusal> {
    for _ in 0..ALIAS_DEPTH {
        let name = line.split(char::is_whitespace).next().unwrap_or_default().to_lowercase();
        if let Some(spec) = table::find(&name) {
            return execute(spec, behind_name(&line), context);
        }
        match context.aliases.get(&name) {
            Some(meaning) if meaning.starts_with('@') => {
                return address(format!("{meaning} {}", behind_name(&line)).trim_start_matches('@'));
            }
            Some(meaning) => line = expand(meaning, behind_name(&line)),
            None => return execute(by_prefix(&name)?, behind_name(&line), context),
        }
    }
    Err(Refusal::new(Code::Usage, "this alias leads to itself; /alias lists them"))
}

fn behind_name(line: &str) -> &str {
    line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest)
}

fn expand(meaning: &str, rest: &str) -> String {
    let meaning = meaning.strip_prefix('/').unwrap_or(meaning);
    if rest.is_empty() { meaning.to_owned() } else { format!("{meaning} {rest}") }
}

fn execute(spec: &'static Spec, rest: &str, context: &Context<'_>) -> Result<Parsed, Refusal> {
    let without = without_yes(rest);
    match (spec.asks, without) {
        (Some(_), Some(without)) => Ok(Parsed { confirm: None, ..read(spec, without, context)? }),
        // It may be text that somebody sends, so it counts only where there is no room for text.
        (None, Some(without)) => {
            read(spec, rest, context).or_else(|_| Ok(Parsed { confirm: None, ..read(spec, without, context)? }))
        }
        (_, None) => read(spec, rest, context),
    }
}

fn read(spec: &'static Spec, rest: &str, context: &Context<'_>) -> Result<Parsed, Refusal> {
    let mut args = Args::new(spec, context, rest);
    let action = (spec.parse)(&mut args)?;
    args.end()?;
    let asked = |question| format!("{}: {question}", format!("/{} {}", spec.name, rest.trim()).trim_end());
    let confirm = spec.asks.or(args.asks).map(asked);
    Ok(Parsed { name: spec.name, action, confirm, qr: args.qr })
}

/// `--yes` may stand first or last behind a command; what is left without it.
fn without_yes(rest: &str) -> Option<&str> {
    let trimmed = rest.trim();
    trimmed.strip_prefix(YES).or_else(|| trimmed.strip_suffix(YES))
}

/// The only command that begins so. One that destroys must be spelled out.
fn by_prefix(name: &str) -> Result<&'static Spec, Refusal> {
    let mut found: Vec<&'static Spec> = Vec::new();
    for spec in table::all() {
        if !name.is_empty() && spec.name.starts_with(name) {
            found.push(spec);
        }
    }
    match found.as_slice() {
        [only] if only.asks.is_none() => Ok(only),
        [] => Err(unknown(name)),
        [only] => Err(Refusal::new(Code::Usage, format!("/{} must be spelled out: {}", only.name, only.usage))),
        several => {
            let names: Vec<String> = several.iter().map(|spec| format!("/{}", spec.name)).collect();
            Err(Refusal::new(Code::Usage, format!("/{name} could be {}", names.join(", "))))
        }
    }
}

/// No such command: the nearest one, and how to send the line as text.
fn unknown(name: &str) -> Refusal {
    if name.is_empty() {
        return Refusal::new(
            Code::Usage,
            "a command's name follows the slash: /help lists them, // sends a slash as text",
        );
    }
    let shown: String = name.chars().take(40).collect();
    let hint = match nearest(name) {
        Some(near) => format!("did you mean /{near}? "),
        None => String::new(),
    };
    Refusal::new(
        Code::Usage,
        format!("there is no command /{shown}; {hint}/help lists them, //{shown} would send it as text"),
    )
}

/// The name or alias that differs least, if it is near enough to be meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let names = table::all().flat_map(|spec| std::iter::once(&spec.name).chain(spec.aliases));
    let (distance, near) = names.map(|known| (strsim::damerau_levenshtein(name, known), *known)).min()?;
    (distance <= 1 + name.chars().count() / 4).then_some(near)
}
