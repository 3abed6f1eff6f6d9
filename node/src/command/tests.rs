#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use hobnob_engine::command::{Code, Command, MessageRef, Presence, Refusal};
use hobnob_shared::text::Handle;

use super::{Action, Context, Local, PAGE, Parsed, all, duration, help, parse, table::AREAS};

fn aliases() -> BTreeMap<String, String> {
    [("j", "/jump"), ("b", "@bob"), ("loop", "/loop"), ("one", "/two"), ("two", "/one"), ("hi", "/msg @bob hi")]
        .map(|(name, meaning)| (name.to_owned(), meaning.to_owned()))
        .into()
}

fn parsed(line: &str) -> Result<Parsed, Refusal> {
    let bob = Handle::parse("bob").unwrap();
    parse(line, &Context { chat: Some(&bob), aliases: &aliases(), page: PAGE })
}

/// The command and its arguments, short enough to compare.
fn told(line: &str) -> String {
    match parsed(line).map(|parsed| parsed.action) {
        Ok(Action::Nothing) => "nothing".to_owned(),
        Ok(Action::Ask(Command::Send { chat, text, reply_to, action })) => {
            let reply = reply_to.map_or(String::new(), |message| format!(" reply {message:?}"));
            format!("{}{chat}{reply}: {}", if action { "* " } else { "" }, text.as_str())
        }
        Ok(Action::Ask(command)) => format!("{command:?}"),
        Ok(Action::Local(local)) => format!("{local:?}"),
        Err(refusal) => format!("{:?}: {}", refusal.code, refusal.message),
    }
}

fn refused(line: &str) -> String {
    match parsed(line) {
        Err(Refusal { code: Code::Usage, message, .. }) => message,
        other => panic!("{line:?} was not refused as usage: {other:?}"),
    }
}

#[test]
fn every_name_and_alias_is_one_lower_case_word_and_unique() {
    let mut seen = BTreeSet::new();
    for spec in all() {
        for name in std::iter::once(&spec.name).chain(spec.aliases) {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
            assert!(seen.insert(*name), "{name} is there twice");
        }
    }
    assert!(seen.len() >= 60, "{}", seen.len());
}

#[test]
fn every_usage_begins_with_its_name_and_shows_every_flag() {
    for spec in all() {
        let first = spec.usage.split(' ').next().unwrap();
        assert_eq!(first, format!("/{}", spec.name));
        for flag in spec.flags {
            assert!(spec.usage.contains(flag), "{} hides {flag}", spec.usage);
        }
        assert!(!spec.help.is_empty() && !spec.help.ends_with('.'), "{}", spec.name);
        // One of its two uses asks.
        let asks = spec.asks.is_some() || spec.name == "device";
        assert_eq!(asks, spec.flags.contains(&"--yes"), "{}", spec.name);
    }
}

#[test]
fn no_destructive_command_has_one_letter() {
    for spec in all().filter(|spec| spec.asks.is_some()) {
        assert!(std::iter::once(&spec.name).chain(spec.aliases).all(|name| name.len() > 1), "{}", spec.name);
    }
}

#[test]
fn every_example_is_understood() {
    for spec in all() {
        for (line, _) in spec.examples.iter().filter(|(line, _)| !line.contains('…')) {
            assert!(parsed(line).is_ok(), "{line}: {:?}", parsed(line));
        }
    }
}

#[test]
fn every_command_of_the_plan_is_there_and_no_dead_one() {
    let names: BTreeSet<&str> =
        all().flat_map(|spec| std::iter::once(spec.name).chain(spec.aliases.iter().copied())).collect();
    let plan = "help h demo quit exit q whoami nick bio passwd recovery devices device me add invite-link requests accept decline friends roster \
                remove rename verify introduce block unblock mute nearby msg m open query chats unread next reply edit del \
                react fwd pin info expire history jump resync away back busy invisible status net peers connect ping outbox \
                set alias theme notify clear version register login logout unregister find";
    assert_eq!(names, plan.split_whitespace().collect());
}

#[test]
fn a_device_is_linked_or_revoked_and_only_revoking_asks() {
    let local = |line: &str| match parsed(line).unwrap() {
        Parsed { action: Action::Local(local), confirm, qr, .. } => (local, confirm.is_some(), qr),
        other => panic!("{other:?}"),
    };
    assert_eq!(local("/device link"), (Local::LinkDevice, false, false));
    assert_eq!(local("/device link --qr"), (Local::LinkDevice, false, true));
    assert_eq!(local("/device revoke phone"), (Local::RevokeDevice("phone".into()), true, false));
    assert_eq!(local("/device revoke \"my phone\" --yes"), (Local::RevokeDevice("my phone".into()), false, false));
    for wrong in ["/device", "/device link hobnob:x", "/device revoke", "/device revoke one two", "/device forget x"] {
        assert!(parsed(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn lines_go_where_they_should() {
    for (line, wanted) in [
        ("", "nothing"),
        ("   \t ", "nothing"),
        ("hello", "@bob: hello"),
        ("hello\r\n", "@bob: hello"),
        ("  two blanks", "@bob:   two blanks"),
        ("//etc/passwd", "@bob: /etc/passwd"),
        ("//", "@bob: /"),
        ("@carol hi there", "@carol: hi there"),
        ("@carol  two blanks", "@carol:  two blanks"),
        ("@carol \"quoted\"", "@carol: \"quoted\""),
        ("@carol one\ntwo", "@carol: one\ntwo"),
        ("@carol\none", "@carol: one"),
        ("@ home", "@bob: @ home"),
        ("#dev", "@bob: #dev"),
        ("/msg @carol \"as it stands\"  'x' ", "@carol: \"as it stands\"  'x' "),
        ("/m carol hi", "@carol: hi"),
        ("/MSG @carol hi", "@carol: hi"),
        ("/msg \"@carol\" hi", "@carol: hi"),
        ("/me waves \"both\" hands", "* @bob: waves \"both\" hands"),
        ("/reply 42 yes", "@bob reply Number(42): yes"),
        ("/reply ^ yes", "@bob reply Last(1): yes"),
        ("/reply ^^ one\ntwo", "@bob reply Last(2): one\ntwo"),
        ("text\u{1b}[31m stays", "@bob: text\u{1b}[31m stays"),
    ] {
        assert_eq!(told(line), wanted, "{line:?}");
    }
}

#[test]
fn commands_take_their_arguments() {
    for (line, wanted) in [
        ("@carol", r"Open(Handle(5 bytes))"),
        ("@carol  ", r"Open(Handle(5 bytes))"),
        ("/open carol", r"Open(Handle(5 bytes))"),
        ("/query @carol", r"Open(Handle(5 bytes))"),
        ("/friends", "Friends"),
        ("/roster", "Friends"),
        ("/accept 2", "Accept { number: 2 }"),
        ("/verify @bob yes", "Verify { chat: Handle(3 bytes), verdict: Some(true) }"),
        ("/verify bob", "Verify { chat: Handle(3 bytes), verdict: None }"),
        ("/mute @bob", "Mute { chat: Handle(3 bytes), muted: true }"),
        ("/mute @bob off", "Mute { chat: Handle(3 bytes), muted: false }"),
        ("/nearby", "Nearby { on: None }"),
        ("/nearby on", "Nearby { on: Some(true) }"),
        ("/invite-link", "CreateInvite(InviteTerms { uses: 1, lifetime_secs: 604800, auto_accept: false })"),
        (
            "/invite-link --auto-accept --uses 5 --expires 1d12h",
            "CreateInvite(InviteTerms { uses: 5, lifetime_secs: 129600, auto_accept: true })",
        ),
        ("/expire 1d", "Expire { chat: Handle(3 bytes), after_secs: Some(86400) }"),
        ("/expire @carol off", "Expire { chat: Handle(5 bytes), after_secs: None }"),
        ("/history", "History { chat: Handle(3 bytes), limit: 20, before: None }"),
        ("/history 50", "History { chat: Handle(3 bytes), limit: 50, before: None }"),
        ("/history @carol 5 --before 42", "History { chat: Handle(5 bytes), limit: 5, before: Some(42) }"),
        ("/hist 5", "History { chat: Handle(3 bytes), limit: 5, before: None }"),
        ("/pin [7]", "Pin { which: Which { chat: Some(Handle(3 bytes)), message: Number(7) }, pinned: true }"),
        ("/pin 7 off", "Pin { which: Which { chat: Some(Handle(3 bytes)), message: Number(7) }, pinned: false }"),
        (
            "/react ^carol :+1:",
            "React { which: Which { chat: Some(Handle(3 bytes)), message: LastFrom(Handle(5 bytes)) }, reaction: Some(Reaction(4 bytes)) }",
        ),
        ("/react 7 off", "React { which: Which { chat: Some(Handle(3 bytes)), message: Number(7) }, reaction: None }"),
        ("/connect @bob 192.0.2.7:4001", "Connect { chat: Handle(3 bytes), address: \"192.0.2.7:4001\" }"),
        ("/connect 192.0.2.7:4001", "ConnectNearby { address: \"192.0.2.7:4001\" }"),
        ("/ping", "Ping { chat: Handle(3 bytes) }"),
        ("/outbox", "Outbox"),
        ("/outbox retry", "OutboxRetry"),
        ("/outbox cancel 9", "OutboxCancel { which: Which { chat: Some(Handle(3 bytes)), message: Number(9) } }"),
        ("/set", "Settings { key: None }"),
        ("/set theme", "Settings { key: Some(\"theme\") }"),
        ("/set theme light", "Set { key: \"theme\", value: Some(\"light\") }"),
        ("/set theme default", "Set { key: \"theme\", value: None }"),
        ("/theme mono", "Set { key: \"theme\", value: Some(\"mono\") }"),
        ("/alias", "Aliases"),
        ("/alias /x /history 50", "Set { key: \"alias.x\", value: Some(\"/history 50\") }"),
        ("/alias x off", "Set { key: \"alias.x\", value: None }"),
        ("/away", "SetPresence { presence: Some(Away), text: None }"),
        ("/away don't \"wait\"", "SetPresence { presence: Some(Away), text: Some(Note(12 bytes)) }"),
        ("/back", "SetPresence { presence: Some(Online), text: Some(Note(0 bytes)) }"),
        ("/add carol hi, it's me", "AddNamed { name: \"carol\", note: Note(11 bytes) }"),
        ("/add carol@r.example", "AddNamed { name: \"carol@r.example\", note: Note(0 bytes) }"),
        (
            "/register alice",
            "Register { who: FullName { name: Username(5 bytes), place: None }, file: None, code: None }",
        ),
        (
            "/login alice@r.example --password-file -",
            "Login { who: FullName { name: Username(5 bytes), place: Some(\"r.example\") }, file: Some(\"-\"), device: None }",
        ),
        ("/passwd", "Passwd"),
        ("/passwd rendezvous", "NamePasswd { place: None, file: None, old_file: None }"),
        (
            "/passwd rendezvous r.example --old-password-file old --password-file -",
            "NamePasswd { place: Some(\"r.example\"), file: Some(\"-\"), old_file: Some(\"old\") }",
        ),
        ("/logout", "Logout(None)"),
        ("/find @bob", "Find(FullName { name: Username(3 bytes), place: None })"),
        ("/set rendezvous", "Servers"),
        ("/help", "Help(None)"),
        ("/h /msg", "Help(Some(\"/msg\"))"),
        ("/q", "Quit"),
        ("/del 7 --yes", "Delete { which: Which { chat: Some(Handle(3 bytes)), message: Number(7) } }"),
        // Aliases.
        ("/j 42", "Jump { which: Which { chat: Some(Handle(3 bytes)), message: Number(42) }, context: 5 }"),
        ("/b hello", "@bob: hello"),
        ("/b", r"Open(Handle(3 bytes))"),
        ("/hi there", "@bob: hi there"),
    ] {
        assert_eq!(told(line), wanted, "{line:?}");
    }
    assert!(matches!(
        parsed("/busy").unwrap().action,
        Action::Ask(Command::SetPresence { presence: Some(Presence::Busy), text: None })
    ));
}

#[test]
fn lines_that_may_hold_a_password_are_known_and_never_repeated() {
    let secrets =
        ["/login alice hunter2", "/LOGIN alice", "  /register alice x", "/reg alice", "/logi", "/passwd hunter2"];
    for line in secrets {
        assert!(super::may_hold_secret(line), "{line}");
    }
    for line in ["/logout", "/find login", "login alice", "//login", "/", "", "/passwd", "/pin 3"] {
        assert!(!super::may_hold_secret(line), "{line}");
    }
    for line in [
        "/login alice hunter2",
        "/register alice hunter2",
        "/register alice --password hunter2",
        "/passwd hunter2",
        "/passwd rendezvous r.example hunter2",
    ] {
        assert!(!refused(line).contains("hunter2"), "{line}");
    }
}

#[test]
fn what_is_wrong_is_said_with_how_it_is_written() {
    for (line, part) in [
        (" /quit", "there is a blank before \"/quit\""),
        ("\t//x", "there is a blank"),
        (" @bob hi", "without the blank it goes to that friend"),
        ("@bob, hi", "\"@bob,\" is no name"),
        ("@bob@example.org", "is no name"),
        ("/", "a command's name follows the slash"),
        ("/ quit", "a command's name follows the slash"),
        ("/mgs @bob hi", "did you mean /msg?"),
        ("/usr/bin", "//usr/bin would send it as text"),
        ("/re 42", "/re could be /requests, /rename, /remove, /reply, /react, /resync, /recovery"),
        ("/remov @bob", "/remove must be spelled out"),
        ("/msg", "a name is missing; use /msg @bob text"),
        ("/msg @bob", "there is no text; use /msg @bob text"),
        ("/msg @b/ob hi", "a handle cannot contain '/'"),
        ("/reply x hi", "\"x\" is no message"),
        ("/reply 0 hi", "\"0\" is no message"),
        ("/reply 42", "there is no text"),
        ("/accept zero", "\"zero\" is not the request's number"),
        ("/accept 0", "is not the request's number"),
        ("/accept 1 2", "\"2\" is too much; use /accept N"),
        ("/friends all", "\"all\" is too much"),
        ("/rename @bob \"two words", "a quote is not closed"),
        ("/rename @bob \"two words\"", "a handle cannot contain ' '"),
        ("/expire soon", "\"soon\" is no time"),
        ("/nearby maybe", "neither on nor off"),
        ("/invite-link --users 5", "\"--users\" is too much"),
        ("/invite-link --uses none", "is not a number of people"),
        ("/add", "a link or a name is missing"),
        ("/add hobnob:abc", "use /add LINK or NAME [note]"),
        ("/outbox all", "neither retry nor cancel"),
        ("/alias x history", "is no command"),
        ("/alias a/b /history", "cannot be a name"),
        ("/loop", "leads to itself"),
        ("/one", "leads to itself"),
        ("/react 7 a b", "\"b\" is too much"),
    ] {
        let message = refused(line);
        assert!(message.contains(part), "{line:?}: {message}");
    }
    assert_eq!(parsed("/alias quit /help").unwrap_err().code, Code::Conflict);
}

#[test]
fn a_text_at_the_limit_is_sent_and_one_more_byte_is_refused() {
    use hobnob_shared::limits::MAX_TEXT_BYTES;
    assert!(parsed(&"x".repeat(MAX_TEXT_BYTES)).is_ok());
    assert!(refused(&"x".repeat(MAX_TEXT_BYTES + 1)).contains("the limit is"));
}

#[test]
fn without_a_chat_a_line_says_how_to_open_one() {
    let none = BTreeMap::new();
    let context = Context { chat: None, aliases: &none, page: PAGE };
    for line in ["hello", "/me waves", "/history", "/reply 42 hi", "/ping"] {
        let message = parse(line, &context).unwrap_err().message;
        assert!(message.contains("no chat is open"), "{line}: {message}");
    }
    assert!(parse("@bob hello", &context).is_ok());
    assert!(parse("/del 42 --yes", &context).is_ok(), "a number belongs to one message, whatever chat is open");
}

#[test]
fn destructive_commands_ask_unless_told() {
    for line in ["/remove @bob", "/del 42"] {
        assert!(parsed(line).unwrap().confirm.is_some(), "{line}");
        let yes = parsed(&format!("{line} --yes")).unwrap();
        assert!(yes.confirm.is_none(), "{line}");
    }
    assert!(parsed("/del --yes 42").unwrap().confirm.is_none());
    assert!(parsed("/unregister").unwrap().confirm.unwrap().starts_with("/unregister: anybody"));
}

#[test]
fn yes_is_no_mistake_where_nothing_is_asked_and_text_stays_text() {
    for line in ["/block @bob --yes", "/block --yes @bob", "/friends --yes"] {
        assert!(parsed(line).unwrap().confirm.is_none(), "{line}");
    }
    match parsed("/msg @bob say --yes").unwrap().action {
        Action::Ask(Command::Send { text, .. }) => assert_eq!(text.as_str(), "say --yes"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_of_commands_are_told_for_replies() {
    for (line, name) in [("hello", "msg"), ("@bob hi", "msg"), ("@bob", "open"), ("/m @bob hi", "msg"), ("", "")] {
        assert_eq!(parsed(line).unwrap().name, name, "{line}");
    }
}

#[test]
fn a_link_may_be_broken_by_mail_and_a_note_may_follow() {
    let link = sample_link();
    let (one, two) = link.split_at(40);
    for line in [
        format!("/add {link} it's me"),
        format!("/add {one}\n{two} it's me"),
        format!("/add {} it's me", link.to_uppercase()),
    ] {
        match parsed(&line).unwrap().action {
            Action::Ask(Command::Add { note, .. }) => assert_eq!(note.as_str(), "it's me", "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

fn sample_link() -> String {
    use hobnob_shared::{
        id::{AccountId, InviteId},
        identity::Invite,
    };
    let mut device_x25519 = [0; 32];
    device_x25519[0] = 9;
    let invite = Invite {
        account: AccountId::new([7; 32]),
        device_x25519,
        addresses: vec!["/ip4/192.0.2.7/tcp/4001".into()],
        rendezvous: None,
        id: InviteId::new([3; 16]),
        token: zeroize::Zeroizing::new([4; 16]),
        expiry_ms: 1_900_000_000_000,
        flags: 0,
    };
    invite.to_string()
}

#[test]
fn times_are_read() {
    for (word, secs) in
        [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600), ("1d12h", 129_600)]
    {
        assert_eq!(duration(word), Some(secs), "{word}");
    }
    for word in ["", "0s", "d", "7", "7y", "-1d", "1d1", "99999999999999999999d", "١d"] {
        assert_eq!(duration(word), None, "{word}");
    }
}

#[test]
fn help_knows_every_command_and_topic() {
    let overview = help::help(None).unwrap();
    for spec in all() {
        assert!(overview.contains(&format!("/{} ", spec.name)), "{}", spec.name);
        assert!(help::help(Some(spec.name)).unwrap().starts_with(spec.usage));
    }
    for topic in help::TOPICS {
        assert!(super::find(topic.name).is_none(), "/help {} is ambiguous", topic.name);
        assert!(help::help(Some(topic.name)).is_ok());
    }
    assert!(help::help(Some("/msg")).unwrap().contains("/m"));
    assert_eq!(help::help(Some("nonsense")).unwrap_err().code, Code::NotFound);
    assert!(help::help(Some("frends")).unwrap_err().message.contains("/help friends"));
}

#[test]
fn the_page_of_commands_is_the_same_each_time_and_whole() {
    let page = help::page();
    assert_eq!(page, help::page());
    for (area, rows) in AREAS {
        assert!(page.contains(&format!("## {area}\n")));
        assert!(rows.iter().all(|spec| page.contains(&format!("### `{}`", spec.usage))));
    }
}

/// `HOBNOB_WRITE_DOCS=1 cargo test -p hobnob` writes the page anew.
#[test]
fn the_page_in_the_book_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md");
    if std::env::var_os("HOBNOB_WRITE_DOCS").is_some() {
        std::fs::write(path, help::page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == help::page(), "docs/commands.md is not what the table says; write it with HOBNOB_WRITE_DOCS=1");
}

#[test]
fn nothing_that_is_typed_panics() {
    for line in [
        "/\u{0}",
        "@",
        "@\u{202e}x y",
        "/é",
        "//\u{1b}",
        "/msg @\u{301}",
        "/\u{1f600}",
        "^",
        "/reply ^@ x",
        "/reply ^^^^a x",
    ] {
        let _ = parsed(line);
    }
    assert_eq!(told("/jump ^bob"), told("/jump ^@bob"));
    assert!(matches!(super::args::message_ref("^^^"), Some(MessageRef::Last(3))));
    assert!(matches!(parsed("/help x y").unwrap().action, Action::Local(Local::Help(Some(_)))));
}
