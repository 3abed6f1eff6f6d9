//! Making a profile: by `hobnob init`, or on first use.

use std::{
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use hobnob_shared::{
    rendezvous::Address,
    text::{Nickname, display},
};
use zeroize::Zeroizing;

use super::{
    args::{Common, Init},
    data, link, password_from, prompt,
};
use crate::{
    api::{Code, Refusal},
    command::FullName,
    config::{Config, parse_rendezvous},
    json::{out, write},
    profile::{self, Password, ProfileError},
    script,
};

const WELCOME: &str = "\
Welcome to hobnob. There is no profile on this machine yet; making one takes a name and a password.
If you have a name at a rendezvous already, type /login and that name (/login alice) where you are asked for yours.";

const ABOUT_PASSWORD: &str = "\
The password protects your keys and your history on this disk. It is asked for at every start, and nobody can reset it.
An empty one is allowed: then whoever gets at this disk can read everything and write as you. /passwd changes it later.";

/// The first lines of the chat say what else can be done.
const DEMO: &str = "To try things on first: `hobnob demo` is a conversation with a node that answers.";

const ABOUT_WORDS: &str = "\
These 24 words are your account. Write them on paper: with them you get it back when this machine is lost, and so does \
anyone else who has them. Later /recovery shows them again.";

/// Longest file of recovery words, in bytes: 24 words of at most 8 letters, and some air.
const MAX_WORDS_BYTES: u64 = 4096;

/// `hobnob init`.
pub(super) fn run(common: &Common, config: &Config, init: Init) -> Result<u8, Refusal> {
    let asking = prompt::is_possible(common.no_input);
    match (profile::exists(&config.dir), &init.link) {
        (true, None) if profile::awaits_link(&config.dir) => {
            return Err(ProfileError::AwaitsLink(config.dir.clone()).into());
        }
        (true, Some(link)) if profile::awaits_link(&config.dir) => return link::go_on(common, config, link),
        (true, _) => return Err(ProfileError::Exists(config.dir.clone()).into()),
        (false, Some(link)) => return link::run(common, config, link, init.name.as_deref()),
        (false, None) => {}
    }
    let words = match init.recover {
        None => None,
        Some(source) => Some(recovery_words(source.as_deref(), asking)?),
    };
    let name = match init.name {
        Some(name) => parse_name(&name)?,
        None if asking => ask_name()?,
        None => return Err(usage("init needs a name: hobnob init --name NAME")),
    };
    let password = new_password(common, asking)?;
    make(common, config, &name, password.as_ref(), words.as_deref().map(String::as_str))?;
    prompt::say("Start hobnob to chat.\n");
    Ok(0)
}

/// What a first start came to.
#[derive(Debug)]
pub(super) struct FirstUse {
    /// The password of the profile, so that nobody is asked for it again at once.
    pub(super) password: Option<Password>,
    /// Where the person has a name already, and which.
    pub(super) login: Option<FirstLogin>,
}

/// The profile is to become a device of an account that has this name.
#[derive(Debug)]
pub(super) struct FirstLogin {
    /// The name, with the place if it was typed.
    pub(super) name: String,
    /// The rendezvous, where none was given to the program.
    pub(super) server: Option<Address>,
}

/// The profile that every first start needs. Whoever is about to log in has words of their account already: those of the
/// one that the profile has until then are shown to nobody, and /recovery has them if nothing comes of the login.
pub(super) fn first_use(common: &Common, config: &Config) -> Result<FirstUse, Refusal> {
    if !prompt::is_possible(common.no_input) {
        return Err(ProfileError::NotFound(config.dir.clone()).into());
    }
    prompt::tell(WELCOME);
    match ask_who()? {
        Newcomer::New(name) => {
            let password = new_password(common, true)?;
            make(common, config, &name, password.as_ref(), None)?;
            prompt::tell(DEMO);
            Ok(FirstUse { password, login: None })
        }
        Newcomer::Known(who, typed) => {
            let server = if config.rendezvous.is_empty() { Some(ask_rendezvous()?) } else { None };
            if common.password_file.is_none() {
                prompt::tell(&format!(
                    "Now a password for this disk, which is not the one of {}: that one is asked for next.",
                    who.name
                ));
            }
            let password = new_password(common, true)?;
            let nick = parse_name(who.name.as_str())?;
            let aside = profile::set_aside(&config.dir);
            drop(profile::create(&config.dir, &nick, password.as_ref())?);
            say_made(config, &nick, password.as_ref(), aside.as_deref());
            Ok(FirstUse { password, login: Some(FirstLogin { name: typed, server }) })
        }
    }
}

/// Somebody at a first start.
enum Newcomer {
    /// Wants an account, and to be called so.
    New(Nickname),
    /// Has this name at a rendezvous, and typed it so.
    Known(FullName, String),
}

fn ask_who() -> Result<Newcomer, Refusal> {
    loop {
        let typed = prompt::line("Your name, as friends will see it: ")?;
        let newcomer = match typed.strip_prefix("/login") {
            Some(name) => {
                let name = name.trim();
                FullName::parse(name)
                    .map(|who| Newcomer::Known(who, name.to_owned()))
                    .map_err(|why| usage(&why.to_string()))
            }
            None => parse_name(&typed).map(Newcomer::New),
        };
        match newcomer {
            Ok(newcomer) => return Ok(newcomer),
            Err(refusal) => prompt::say(&format!("{}\n", refusal.message)),
        }
    }
}

fn ask_rendezvous() -> Result<Address, Refusal> {
    loop {
        let typed = prompt::line("The address of that rendezvous, as its operator gives it out: ")?;
        match parse_rendezvous(&typed) {
            Ok(address) => return Ok(address),
            Err(why) => prompt::say(&format!("{why}\n")),
        }
    }
}

/// What a history that lay in the directory without its keystore is told of: it was set aside, and is not lost.
pub(super) fn say_set_aside(aside: Option<&Path>) {
    if let Some(file) = aside {
        prompt::tell(&format!(
            "A history without a keystore lay there; it is kept as {}. Only the keystore that belongs to it opens it: if you \
             have a copy of that one, put both, as keystore and {}, into a directory of their own and start hobnob -d there.",
            file.display(),
            profile::DATABASE
        ));
    }
}

fn make(
    common: &Common,
    config: &Config,
    name: &Nickname,
    password: Option<&Password>,
    words: Option<&str>,
) -> Result<(), Refusal> {
    let aside = profile::set_aside(&config.dir);
    let shown = match words {
        Some(words) => {
            profile::restore(&config.dir, words, name, password)?;
            None
        }
        None => Some(profile::create(&config.dir, name, password)?),
    };
    if common.json {
        say_made(config, name, password, aside.as_deref());
        let words = shown.as_ref().map(|words| words.as_str());
        return data(&write::line(&out::created(name.as_str(), &config.dir, words, aside.as_deref(), script::now())))
            .map(drop);
    }
    // Where the words can be taken off the screen, what is said before goes with them.
    let clears = shown.is_some() && !config.plain && prompt::is_possible(common.no_input) && prompt::can_clear();
    if !clears {
        say_made(config, name, password, aside.as_deref());
    }
    if let Some(words) = &shown {
        prompt::say("\n");
        prompt::tell(ABOUT_WORDS);
        prompt::say("\n");
        data(&if io::stdout().is_terminal() { words_table(words, prompt::columns()) } else { words_line(words) })?;
        prompt::say("\n");
    }
    if clears {
        prompt::enter_to_clear("Written down? Enter removes them: ");
        say_made(config, name, password, aside.as_deref());
    }
    Ok(())
}

fn say_made(config: &Config, name: &Nickname, password: Option<&Password>, aside: Option<&Path>) {
    prompt::say("\n");
    prompt::tell(&format!("Profile for {} made in {}.", display::line(name.as_str()), config.dir.display()));
    if password.is_none() {
        prompt::tell("It has no password: whoever gets at this disk can read it and write as you.");
    }
    say_set_aside(aside);
}

/// All in one line, as `--recover` takes them: for a file or a program, which gets nothing else.
fn words_line(words: &str) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(Vec::with_capacity(words.len() + 1));
    line.extend_from_slice(words.as_bytes());
    line.push(b'\n');
    line
}

/// Cells of a numbered word.
const WORD_CELLS: usize = 14;

/// Four numbered columns, or as many as fit, to be copied by hand.
fn words_table(words: &str, cells: usize) -> Zeroizing<Vec<u8>> {
    let in_a_row = (cells / WORD_CELLS).clamp(1, 4);
    let mut table = Zeroizing::new(Vec::with_capacity(1024));
    let all: Vec<&str> = words.split_whitespace().collect();
    for (row, some) in all.chunks(in_a_row).enumerate() {
        for (column, word) in some.iter().enumerate() {
            let number = row * in_a_row + column + 1;
            table.extend_from_slice(format!("  {number:>2} {word:<9}").as_bytes());
        }
        table.push(b'\n');
    }
    table
}

fn ask_name() -> Result<Nickname, Refusal> {
    loop {
        let typed = prompt::line("Your name, as friends will see it: ")?;
        match parse_name(&typed) {
            Ok(name) => return Ok(name),
            Err(refusal) => prompt::say(&format!("{}\n", refusal.message)),
        }
    }
}

pub(super) fn parse_name(name: &str) -> Result<Nickname, Refusal> {
    Nickname::parse(name.trim()).map_err(|why| usage(&why.to_string()))
}

pub(super) fn new_password(common: &Common, asking: bool) -> Result<Option<Password>, Refusal> {
    match &common.password_file {
        Some(file) => password_from(file),
        None if asking => {
            prompt::tell(ABOUT_PASSWORD);
            prompt::new_password("Password for this disk (empty for none): ")
        }
        None => Ok(None),
    }
}

/// The words of an account, from a file, from standard input for `-`, or typed.
fn recovery_words(source: Option<&Path>, asking: bool) -> Result<Zeroizing<String>, Refusal> {
    let unreadable = |path: &Path, why: std::io::Error| {
        usage(&format!("the recovery words cannot be read from {}: {why}", path.display()))
    };
    let mut words = Zeroizing::new(String::new());
    match source {
        None if asking => return prompt::line("The 24 recovery words, with blanks between them: "),
        None => {
            return Err(usage(
                "nobody is there to type the recovery words; use --recover FILE, or - for standard input",
            ));
        }
        Some(path) if path.as_os_str() == "-" => {
            std::io::stdin()
                .lock()
                .take(MAX_WORDS_BYTES)
                .read_to_string(&mut words)
                .map_err(|why| unreadable(path, why))?;
        }
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|why| unreadable(path, why))?;
            file.take(MAX_WORDS_BYTES).read_to_string(&mut words).map_err(|why| unreadable(path, why))?;
        }
    }
    Ok(words)
}

pub(super) fn usage(why: &str) -> Refusal {
    Refusal::new(Code::Usage, why)
}

#[cfg(test)]
mod tests {
    use super::words_table;

    #[test]
    fn words_stand_in_numbered_columns() {
        let words: Vec<String> = (1..=24).map(|n| format!("word{n}")).collect();
        let table = words_table(&words.join(" "), 80);
        let text = String::from_utf8_lossy(&table).into_owned();
        assert_eq!(text.lines().count(), 6);
        assert!(text.starts_with("   1 word1"), "{text}");
        assert!(text.contains("24 word24"), "{text}");
        let narrow = words_table(&words.join(" "), 40);
        let narrow = String::from_utf8_lossy(&narrow).into_owned();
        assert_eq!(narrow.lines().count(), 12);
        assert!(narrow.lines().all(|line| line.len() <= 40), "{narrow}");
    }
}
