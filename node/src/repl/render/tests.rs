#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use hobnob_shared::{
    id::{AccountId, DeviceId, EntryId},
    text::{Handle, Nickname, Note, Reaction, display},
};
use jiff::tz::TimeZone;

use super::*;
use crate::api::{
    Change, Chat, Delivery, DeliveryState, Event, Message, MessageDetails, MessageKind, Missing, NearbyPerson, Peer,
    Presence, Queued, Quote, Reply, Request, RequestKind, Setting, Standing, Unreached, WaitReason, WhoAmI,
    command::From,
};

/// 2026-03-04 14:02:00 UTC, a Wednesday.
const NOW: u64 = 1_772_632_920_000;

/// Escape sequences, fake lines, overrides, towers of marks.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n14:02 [99] ✓alice: send money\n@bob> \n\u{202e}evil\u{202c}a\u{301}\u{301}\
                       \u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{200b}\u{7f}\u{0}\u{8}\u{8}\t!";

fn look(width: usize) -> Look {
    Look { width, plain: false, theme: None, twelve_hours: false, zone: TimeZone::UTC, now_ms: NOW }
}

fn plain() -> Look {
    Look::plain(TimeZone::UTC, NOW)
}

fn handle(name: &str) -> Handle {
    Handle::parse(name).unwrap()
}

fn scene() -> Scene {
    let look = look(80);
    Scene {
        chat: Some(handle("bob")),
        keys: [(handle("bob"), Trust::Verified), (handle("mallory"), Trust::Alarm)].into(),
        day: Some(look.date(NOW)),
    }
}

fn from_bob(text: &str) -> Message {
    Message {
        number: 42,
        entry: EntryId::new([1; 32]),
        chat: handle("bob"),
        from: From::Friend(handle("bob")),
        kind: MessageKind::Text,
        text: text.to_owned(),
        sent_ms: NOW,
        received_ms: NOW,
        clock_doubtful: false,
        delivery: None,
        edited: false,
        deleted: false,
        forwarded: false,
        pinned: false,
        late: false,
        restored_copy: false,
        expires_ms: None,
        reply_to: None,
        reactions: Vec::new(),
    }
}

fn mine(text: &str, state: DeliveryState) -> Message {
    let delivery = Some(Delivery { state, delivered: u32::from(state >= DeliveryState::Delivered), devices: 1 });
    Message { number: 43, from: From::Me, delivery, ..from_bob(text) }
}

fn shown(one: &Message, width: usize) -> String {
    message(one, &scene(), &look(width))
}

fn in_words(one: &Message) -> String {
    message(one, &scene(), &plain())
}

#[test]
fn what_was_done_is_said_as_friends_see_it() {
    let said = |command: &str, presence, text| {
        let text = Note::parse(text).unwrap();
        reply(command, &Reply::Shown { presence, text }, &scene(), &plain())
    };
    assert_eq!(said("away", Presence::Away, "lunch"), "your friends see you away (lunch) now\n");
    assert_eq!(said("back", Presence::Online, ""), "your friends see you online now\n");
    assert_eq!(said("status", Presence::Online, "tea"), "your friends see you online (tea) now\n");
    assert_eq!(said("status", Presence::Busy, ""), "your friends see you busy now, and no text\n");
    let unseen = said("status", Presence::Invisible, "tea");
    assert!(unseen.starts_with("your friends see you offline, and see this text only when"), "{unseen}");
    for (command, text) in [("invisible", ""), ("invisible", "tea"), ("status", "")] {
        let gone = said(command, Presence::Invisible, text);
        assert!(gone.contains("your friends see you offline now"), "{gone}");
    }
}

#[test]
fn what_another_machine_of_ours_chose_is_one_quiet_line() {
    let chosen = |presence, text| {
        let text = Note::parse(text).unwrap();
        event(&Event::PresenceChosen { presence, text }, &scene(), &plain()).unwrap()
    };
    let line = chosen(Presence::Away, "lunch");
    assert_eq!(line, "you show yourself as away (lunch), as chosen on another of your machines\n");
    let line = chosen(Presence::Invisible, "");
    assert_eq!(line, "you show yourself as invisible, as chosen on another of your machines\n");
}

#[test]
fn a_short_message_is_one_line() {
    assert_eq!(shown(&from_bob("hello"), 80), "14:02 [42] ✓bob: hello\n");
    assert_eq!(in_words(&from_bob("hello")), "14:02 [42] bob (verified): hello\n");
}

#[test]
fn our_messages_end_in_how_far_they_got() {
    for (state, sign, word) in [
        (DeliveryState::Queued, "…", "(queued)"),
        (DeliveryState::Stored, "⇡", "(kept at a rendezvous)"),
        (DeliveryState::Delivered, "✓", "(delivered)"),
        (DeliveryState::Read, "✓✓", "(read)"),
    ] {
        assert_eq!(shown(&mine("hi", state), 80), format!("14:02 [43] me: hi {sign}\n"));
        assert_eq!(in_words(&mine("hi", state)), format!("14:02 [43] me: hi {word}\n"));
    }
    assert_eq!(shown(&mine("hi", DeliveryState::Unknown), 80), "14:02 [43] me: hi\n");
    assert_eq!(in_words(&mine("hi", DeliveryState::Unknown)), "14:02 [43] me: hi\n");
    let mut some = mine("hi", DeliveryState::Delivered);
    some.delivery = Some(Delivery { state: DeliveryState::Delivered, delivered: 2, devices: 3 });
    assert_eq!(shown(&some, 80), "14:02 [43] me: hi ✓ 2/3\n");
}

#[test]
fn a_long_text_is_wrapped_behind_a_gutter() {
    let text = "The quick brown fox jumps over the lazy dog, and the dog does not even look up.";
    assert_eq!(
        shown(&from_bob(text), 40),
        "14:02 [42] ✓bob: The quick brown fox\n      \
         │ jumps over the lazy dog, and the\n      \
         │ dog does not even look up.\n"
    );
    assert_eq!(shown(&from_bob(text), 120), format!("14:02 [42] ✓bob: {text}\n"));
    assert_eq!(
        shown(&from_bob(text), 80),
        "14:02 [42] ✓bob: The quick brown fox jumps over the lazy dog, and the dog does\n      │ not even look up.\n"
    );
}

#[test]
fn chinese_is_wrapped_by_cells_and_kept_whole() {
    let text = "今天天气很好，我们一起去公园散步吧，然后去吃饭。";
    assert_eq!(
        shown(&from_bob(text), 40),
        "14:02 [42] ✓bob: 今天天气很好，我们一起\n      │ 去公园散步吧，然后去吃饭。\n"
    );
    assert_eq!(shown(&from_bob(text), 80), format!("14:02 [42] ✓bob: {text}\n"));
}

#[test]
fn emoji_count_as_their_cells() {
    let family = "👩‍👩‍👧".repeat(20);
    for width in [40, 80, 120] {
        let out = shown(&from_bob(&family), width);
        assert!(out.lines().all(|line| display::width(line) <= width), "{out}");
        assert_eq!(out.matches("👩‍👩‍👧").count(), 20, "{out}");
    }
}

#[test]
fn right_to_left_text_is_isolated_line_by_line() {
    let out = shown(&from_bob(&"שלום עולם ".repeat(8)), 40);
    for line in out.lines() {
        assert_eq!(line.matches('\u{2068}').count(), 1, "{line:?}");
        assert_eq!(line.matches('\u{2069}').count(), 1, "{line:?}");
        assert!(display::width(line) <= 40, "{line:?}");
    }
    assert_eq!(out.matches("שלום").count(), 8);
}

#[test]
fn nothing_is_lost_or_doubled_by_wrapping() {
    for width in [20, 33, 40, 80, 120] {
        let text =
            "one  two three\u{3000}four 五六七八 https://example.org/a/very/long/path/that/never/ends/at/all/indeed x";
        let out = shown(&from_bob(text), width);
        let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '│').collect::<String>();
        assert_eq!(bare(&out), format!("14:02[42]✓bob:{}", bare(text)), "width {width}");
    }
}

#[test]
fn several_lines_stay_behind_the_gutter() {
    assert_eq!(
        shown(&from_bob("one\n\n  two\nthree"), 80),
        "14:02 [42] ✓bob: one\n      │\n      │   two\n      │ three\n"
    );
    assert_eq!(in_words(&from_bob("one\ntwo")), "14:02 [42] bob (verified): one␊two\n");
}

/// No line of a message begins like one of ours, and nothing of it reaches the terminal as it is.
fn assert_harmless(out: &str, look: &Look) {
    assert!(out.ends_with('\n'), "{out:?}");
    for c in out.chars() {
        assert!(c == '\n' || !c.is_control(), "{c:?} in {out:?}");
        assert!(!matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}' | '\u{2067}' | '\u{200b}'), "{c:?} in {out:?}");
    }
    if look.plain {
        assert!(!out.contains(['│', '╭', '╰', '─']), "{out}");
    }
}

#[test]
fn hostile_text_is_harmless_at_every_width() {
    for look in [look(40), look(80), look(120), plain()] {
        let out = message(&from_bob(HOSTILE), &scene(), &look);
        assert_harmless(&out, &look);
        let first = out.lines().next().unwrap();
        assert!(first.starts_with("14:02 [42] "), "{first}");
        for line in out.lines().skip(1) {
            assert!(line.starts_with("      │"), "{line:?}");
        }
        if look.plain {
            assert_eq!(out.lines().count(), 1);
        }
    }
}

#[test]
fn hostile_names_and_notes_are_harmless_everywhere() {
    let hostile = |max: usize| HOSTILE.chars().filter(|c| !c.is_control()).take(max).collect::<String>();
    let nick = Nickname::parse(hostile(20)).unwrap();
    let note = Note::parse(HOSTILE.chars().take(100).collect::<String>()).unwrap();
    let account = AccountId::new([2; 32]);
    let friend = Friend {
        nick: Some(nick.clone()),
        bio: Some(note.clone()),
        presence_text: note.clone(),
        ..sample_friend("bob", Standing::Friend)
    };
    let request = Request {
        number: 1,
        kind: RequestKind::Invite,
        nick: nick.clone(),
        account,
        note: note.clone(),
        received_ms: NOW,
    };
    let person = NearbyPerson { name: handle("carol"), nick: nick.clone(), account, friend: false };
    let peer = Peer {
        handle: handle("bob"),
        device: DeviceId::new([3; 32]),
        device_name: nick.clone(),
        address: HOSTILE.to_owned(),
        outbound: true,
        up_ms: 1000,
        bytes: (1, 2),
    };
    let unreached = Unreached {
        handle: handle("bob"),
        addresses: vec![HOSTILE.into()],
        last_error: Some(HOSTILE.into()),
        retry_ms: None,
    };
    let quoting = Message {
        reply_to: Some(Quote { number: Some(1), from: None, snippet: HOSTILE.into(), deleted: false }),
        reactions: vec![(Reaction::parse("\u{202e}x").unwrap(), vec![From::Me])],
        ..from_bob(HOSTILE)
    };
    let me = WhoAmI {
        account,
        device: DeviceId::new([3; 32]),
        nick: nick.clone(),
        bio: note.clone(),
        device_name: Nickname::parse("laptop").unwrap(),
        names: vec![HOSTILE.into()],
        listen: vec![HOSTILE.into()],
        presence: Presence::Online,
        presence_text: note.clone(),
    };
    let details = MessageDetails {
        message: quoting.clone(),
        device: DeviceId::new([3; 32]),
        seq: 1,
        lamport: 1,
        signature: [0; 64],
        devices: Vec::new(),
        history: vec![HOSTILE.into()],
    };
    let replies = [
        Reply::Friends(vec![friend.clone()]),
        Reply::Requests(vec![request.clone()]),
        Reply::Messages(vec![quoting.clone()]),
        Reply::Chats(vec![sample_chat(Some(quoting.clone()))]),
        Reply::Nearby { on: true, ends_in_ms: 1000, people: vec![person.clone()], loopback_only: false },
        Reply::Info(Box::new(details)),
        Reply::Peers(vec![peer]),
        Reply::Net {
            listen: vec![HOSTILE.into()],
            sessions: 1,
            pairing: true,
            unreached: vec![unreached],
            servers: Vec::new(),
        },
        Reply::Outbox {
            queued: vec![Queued { message: quoting.clone(), reason: WaitReason::Kept, why: HOSTILE.into() }],
            missing: vec![Missing {
                chat: handle("bob"),
                device: DeviceId::new([7; 32]),
                device_name: nick.clone(),
                count: 3,
                last_seen_ms: None,
            }],
        },
        Reply::Settings(vec![Setting { key: "alias.x".into(), value: HOSTILE.into(), help: "" }]),
        Reply::WhoAmI(Box::new(me)),
        Reply::Invite { link: HOSTILE.into(), local_only: true },
    ];
    let events = [
        Event::FriendRequested(request),
        Event::NearbyFound(person),
        Event::MessageChanged { message: Box::new(quoting), change: Change::Reacted },
        Event::PresenceChanged { chat: handle("bob"), presence: Presence::Away, text: note },
        Event::FriendNewDevice { chat: handle("bob"), device_name: HOSTILE.into(), device: DeviceId::new([7; 32]) },
        Event::Warning { chat: None, message: HOSTILE.into() },
        Event::NotSaved { why: HOSTILE.into() },
    ];
    for look in [look(40), look(120), plain()] {
        for answer in &replies {
            assert_harmless(&reply("x", answer, &scene(), &look), &look);
        }
        for what in &events {
            let out = event(what, &scene(), &look).unwrap();
            assert_harmless(&out, &look);
            assert!(!out.starts_with("14:02"), "{out}");
            assert!(!look.plain || out.lines().count() == 1, "one event, one line: {out}");
        }
        let refused = Refusal::new(crate::api::Code::NotFound, HOSTILE);
        assert_harmless(&refusal(&refused, &look), &look);
    }
}

#[test]
fn marks_stand_where_they_say_what_they_mean() {
    let mut alarm = from_bob("hi");
    alarm.from = From::Friend(handle("mallory"));
    alarm.chat = handle("mallory");
    assert_eq!(shown(&alarm, 80), "14:02 [42] !@mallory: hi\n");
    assert_eq!(in_words(&alarm), "14:02 [42] @mallory (KEY CHANGED): hi\n");
    let other = Message { chat: handle("carol"), ..mine("hi", DeliveryState::Queued) };
    assert_eq!(shown(&other, 80), "14:02 [43] me → @carol: hi …\n");
    assert_eq!(in_words(&other), "14:02 [43] me to @carol: hi (queued)\n");
    let waves = Message { kind: MessageKind::Action, ..from_bob("waves") };
    assert_eq!(shown(&waves, 80), "14:02 [42] * ✓bob waves\n");
    let gone = Message { deleted: true, text: String::new(), ..from_bob("") };
    assert_eq!(shown(&gone, 80), "14:02 [42] ✓bob: (deleted)\n");
    assert_eq!(in_words(&gone), "14:02 [42] bob (verified): (deleted)\n");
    let worn =
        Message { edited: true, forwarded: true, pinned: true, late: true, restored_copy: true, ..from_bob("x") };
    assert_eq!(
        shown(&worn, 120),
        "14:02 [42] ✓bob: x (edited) (forwarded) (pinned) (came late) (from a restored copy)\n"
    );
    let doubtful = Message { clock_doubtful: true, sent_ms: NOW - 86_400_000 * 3650, ..from_bob("x") };
    assert_eq!(shown(&doubtful, 80), "2016-03-06 14:02? [42] ✓bob: x\n");
}

#[test]
fn a_reply_stands_below_what_it_answers_and_reactions_below_the_text() {
    let quote =
        Quote { number: Some(40), from: Some(From::Me), snippet: "shall we meet?\nat 8".into(), deleted: false };
    let reactions = vec![(Reaction::parse("👍").unwrap(), vec![From::Me, From::Friend(handle("bob"))])];
    let one = Message { reply_to: Some(quote), reactions, ..from_bob("yes") };
    assert_eq!(shown(&one, 80), "      ╭ [40] me: shall we meet? at 8\n14:02 [42] ✓bob: yes\n      ╰ 👍 me, bob\n");
    assert_eq!(
        in_words(&one),
        "14:02 [42] bob (verified) answering [40] me: shall we meet? at 8: yes (reactions: 👍 me, bob)\n"
    );
}

#[test]
fn what_is_answered_is_deleted_or_was_never_here() {
    let deleted = Quote { number: Some(40), from: Some(From::Me), snippet: String::new(), deleted: true };
    let absent = Quote { number: None, from: None, snippet: String::new(), deleted: false };
    for (quote, words) in [(deleted, "[40] me: (deleted)"), (absent, "(not here)")] {
        let one = Message { reply_to: Some(quote), ..from_bob("yes") };
        assert_eq!(shown(&one, 80), format!("      ╭ {words}\n14:02 [42] ✓bob: yes\n"));
    }
}

#[test]
fn days_are_named_above_their_messages() {
    let yesterday = Message { number: 41, sent_ms: NOW - 86_400_000, ..from_bob("old") };
    let out = messages(&[yesterday.clone(), from_bob("new")], &scene(), &look(80));
    assert_eq!(
        out,
        "── Tuesday, 3 March 2026 ──\n14:02 [41] ✓bob: old\n── Wednesday, 4 March 2026 ──\n14:02 [42] ✓bob: new\n"
    );
    assert_eq!(shown(&yesterday, 80), "3 Mar 14:02 [41] ✓bob: old\n");
    assert!(messages(&[yesterday], &scene(), &plain()).starts_with("Tuesday, 3 March 2026\n"));
    let noon = Look { twelve_hours: true, ..look(80) };
    assert_eq!(message(&from_bob("x"), &scene(), &noon), "2:02 pm [42] ✓bob: x\n");
}

#[test]
fn a_very_long_message_is_folded_and_info_unfolds_it() {
    let out = shown(&from_bob(&"x\n".repeat(300)), 80);
    assert_eq!(out.lines().count(), 61);
    assert!(out.ends_with("│ … 241 more lines, /info shows all\n"), "{out}");
}

#[test]
fn states_that_change_together_are_one_line() {
    let moved =
        |number, state| Moved { chat: handle("bob"), number, delivery: Delivery { state, delivered: 1, devices: 1 } };
    let list = [
        moved(45, DeliveryState::Delivered),
        moved(43, DeliveryState::Delivered),
        moved(44, DeliveryState::Delivered),
        moved(40, DeliveryState::Read),
        moved(47, DeliveryState::Delivered),
    ];
    assert_eq!(
        super::moved(&list, &look(80)).unwrap(),
        "      · ✓ @bob has [43]–[45], [47]\n      · ✓✓ @bob has read [40]\n"
    );
    assert_eq!(super::moved(&list, &plain()).unwrap(), "delivered to @bob: [43]–[45], [47]\nread by @bob: [40]\n");
    let some =
        Moved { delivery: Delivery { state: DeliveryState::Delivered, delivered: 1, devices: 3 }, ..list[0].clone() };
    assert_eq!(super::moved(&[some], &look(80)).unwrap(), "      · ✓ @bob has [45] on 1 of 3 devices\n");
    assert_eq!(super::moved(&[], &look(80)), None);
}

fn sample_friend(name: &str, standing: Standing) -> Friend {
    Friend {
        handle: handle(name),
        nick: Some(Nickname::parse(name).unwrap()),
        bio: None,
        account: AccountId::new([2; 32]),
        standing,
        verified: name == "bob",
        key_alarm: false,
        muted: false,
        presence: Presence::Offline,
        presence_text: Note::parse("").unwrap(),
        devices: 1,
        queued: 0,
        last_seen_ms: Some(NOW - 7_200_000),
        refused: None,
    }
}

fn sample_chat(last: Option<Message>) -> Chat {
    Chat {
        handle: handle("bob"),
        unread: 3,
        queued: 1,
        held: 0,
        muted: false,
        presence: Presence::Online,
        expire_secs: Some(86_400),
        last,
    }
}

#[test]
fn lists_are_tables_or_sentences() {
    let carol = Friend { queued: 2, presence: Presence::Away, ..sample_friend("carol", Standing::Friend) };
    let dave =
        Friend { nick: Some(Nickname::parse("David 大卫").unwrap()), ..sample_friend("dave", Standing::Pending) };
    let list = Reply::Friends(vec![sample_friend("bob", Standing::Friend), carol, dave]);
    assert_eq!(
        reply("friends", &list, &scene(), &look(80)),
        "  ✓@bob   offline           seen 2 h ago\n  \
         @carol  away              2 waiting\n  \
         @dave   not accepted yet  calls themselves David 大卫\n"
    );
    assert_eq!(
        reply("friends", &list, &scene(), &plain()),
        "@bob (verified), offline, seen 2 h ago\n@carol, away, 2 waiting\n@dave, not accepted yet, calls themselves David 大卫\n"
    );
    let chats = Reply::Chats(vec![sample_chat(Some(from_bob("hello\nthere")))]);
    assert_eq!(
        reply("chats", &chats, &scene(), &look(80)),
        "  @bob  online  ●3 …1 gone after 1d  14:02 [42] hello there\n"
    );
    assert_eq!(
        reply("chats", &chats, &scene(), &plain()),
        "@bob, online, 3 unread 1 queued gone after 1d, 14:02 [42] hello there\n"
    );
    let chats = Reply::Chats(vec![Chat { held: 2, unread: 0, queued: 0, expire_secs: None, ..sample_chat(None) }]);
    assert_eq!(
        reply("unread", &chats, &scene(), &look(80)),
        "  @bob  online  2 more have come, and are shown once what they follow is here\n"
    );
}

#[test]
fn whoever_was_asked_by_name_is_told_by_that_name_and_by_the_one_here() {
    let who = crate::command::FullName::parse("dave@rosa.example").unwrap();
    let told = |here: &str| asked(&sample_friend(here, Standing::Pending), &who, &look(200));
    assert!(told("da").starts_with("· asked dave@rosa.example (here: @da): they see it"), "{}", told("da"));
    assert!(told("dave").starts_with("· asked @dave: they see it"), "{}", told("dave"));
}

#[test]
fn a_dead_invite_is_explained_in_the_list_of_friends() {
    let refused = Some("the invite has expired; ask for a new one".to_owned());
    let list = Reply::Friends(vec![Friend { refused, ..sample_friend("dave", Standing::Pending) }]);
    assert_eq!(
        reply("friends", &list, &scene(), &look(80)),
        "  @dave  not added  the invite has expired; ask for a new one\n"
    );
    assert_eq!(
        reply("friends", &list, &scene(), &plain()),
        "@dave, not added, the invite has expired; ask for a new one\n"
    );
}

#[test]
fn pairing_mode_on_loopback_promises_nothing() {
    let near = |loopback_only, width| {
        let answer = Reply::Nearby { on: true, ends_in_ms: 600_000, people: Vec::new(), loopback_only };
        reply("nearby", &answer, &scene(), &Look { width, ..look(width) })
    };
    assert!(near(false, 200).contains("people on this network who have it on too see you"));
    let alone = near(true, 200);
    assert!(alone.contains("on this machine only") && alone.contains("--listen"), "{alone}");
    assert!(!alone.contains("see you"), "{alone}");
}

#[test]
fn facts_are_one_a_line_in_plain_mode() {
    let me = WhoAmI {
        account: AccountId::new([2; 32]),
        device: DeviceId::new([3; 32]),
        nick: Nickname::parse("Alice").unwrap(),
        bio: Note::parse("").unwrap(),
        device_name: Nickname::parse("linux").unwrap(),
        names: vec!["alice@rosa.example".to_owned()],
        listen: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
        presence: Presence::Online,
        presence_text: Note::parse("").unwrap(),
    };
    let out = whoami_card(&me, &plain());
    let names: Vec<&str> = out.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    assert_eq!(
        names,
        ["name", "fingerprint", "account", "device", "presence", "at a rendezvous", "listens on"],
        "{out}"
    );
    let bell = Setting { key: "bell".into(), value: "on".into(), help: "ring for messages" };
    let alias = Setting { key: "alias.hi".into(), value: "/msg @bob hi".into(), help: "" };
    assert_eq!(
        reply("set", &Reply::Settings(vec![bell, alias]), &scene(), &plain()),
        "bell: on (ring for messages)\n/hi: /msg @bob hi\n"
    );
}

#[test]
fn what_has_no_room_in_its_column_goes_on_below_it() {
    let text = "Me\n  /nick         call yourself otherwise; your friends are told\nmore words than fit in a line of this width";
    assert_eq!(
        page(text, &look(40)),
        "Me\n  /nick         call yourself otherwise;\n                your friends are told\n\
         more words than fit in a line of this\n  width\n"
    );
    let help = "show messages of other chats above the prompt, or only count them";
    let notify = Setting { key: "notify".into(), value: "all".into(), help };
    let shown = |width| reply("set", &Reply::Settings(vec![notify.clone()]), &scene(), &look(width));
    assert_eq!(
        shown(60),
        "  notify  all  show messages of other chats above the\n               prompt, or only count them\n"
    );
    assert!(shown(40).starts_with("  notify  all\n      show"), "{}", shown(40));
}

#[test]
fn an_empty_answer_says_what_to_do_next() {
    for (name, answer, part) in [
        ("friends", Reply::Friends(Vec::new()), "/invite-link"),
        ("requests", Reply::Requests(Vec::new()), "nobody waits"),
        ("unread", Reply::Chats(Vec::new()), "nothing is unread"),
        ("chats", Reply::Chats(Vec::new()), "no chats yet"),
        ("next", Reply::Next(None), "nothing is unread"),
        ("peers", Reply::Peers(Vec::new()), "/net says why"),
        ("outbox", Reply::Outbox { queued: Vec::new(), missing: Vec::new() }, "everything is delivered"),
        ("history", Reply::Messages(Vec::new()), "nothing was said here yet"),
        ("alias", Reply::Settings(Vec::new()), "there are none"),
    ] {
        let out = reply(name, &answer, &scene(), &look(80));
        assert!(out.contains(part), "{name}: {out}");
    }
}

#[test]
fn a_link_stands_alone_on_its_line() {
    let out = reply("invite-link", &Reply::Invite { link: "hobnob:abc".into(), local_only: true }, &scene(), &look(40));
    assert!(out.lines().any(|line| line == "hobnob:abc"), "{out}");
    assert!(out.contains("nobody outside"), "{out}");
    let piped =
        reply("invite-link", &Reply::Invite { link: "hobnob:abc".into(), local_only: true }, &scene(), &plain());
    assert_eq!(piped, "hobnob:abc\n");
}

#[test]
fn colours_wrap_words_of_ours_and_no_others() {
    let look = Look { theme: Some(Theme::Dark), ..look(80) };
    let out = message(&from_bob("a\u{1b}[31mb"), &scene(), &look);
    assert_eq!(out, "\u{1b}[2m14:02 [42]\u{1b}[0m ✓\u{1b}[32mbob\u{1b}[0m: a␛[31mb\n");
    let mono = Look { theme: Theme::named("mono"), ..look };
    assert!(message(&from_bob("x"), &scene(), &mono).contains("\u{1b}[1mbob\u{1b}[0m"));
    assert_eq!(Theme::named("pink"), None);
}

#[test]
fn plain_has_no_escape_even_with_a_theme() {
    let look = Look { theme: Some(Theme::Dark), ..plain() };
    for out in [message(&mine("x", DeliveryState::Read), &scene(), &look), notice("x", &look), day(look.today(), &look)]
    {
        assert!(!out.contains('\u{1b}'), "{out:?}");
    }
    assert_eq!(qr("HOBNOB", &look), None);
    assert!(qr("HOBNOB", &super::tests::look(80)).is_some());
    assert_eq!(qr("HOBNOB", &super::tests::look(10)), None);
}

#[test]
fn safety_says_what_to_compare_and_what_to_type() {
    let words = Some(["apple", "bread", "cloud"].map(str::to_owned));
    let number = ["12345"; 12].join(" ");
    let answer = Reply::Safety { handle: handle("bob"), number: number.clone(), words, verified: false };
    assert_eq!(
        reply("verify", &answer, &scene(), &look(80)),
        "@bob is not verified yet. Compare by phone or face to face, either these words:\n  apple   bread   cloud\n\
         or this number:\n  12345 12345 12345 12345 12345 12345\n  12345 12345 12345 12345 12345 12345\n\
         the same on both sides: /verify @bob yes\nnot the same: /verify @bob no\n"
    );
    let done = Reply::Safety { handle: handle("bob"), number, words: None, verified: true };
    let out = reply("verify", &done, &scene(), &look(40));
    assert!(out.starts_with("@bob is verified: you said that the\n  keys are the same."), "{out}");
    assert!(out.lines().all(|line| display::width(line) <= 40), "{out}");
}

#[test]
fn a_row_without_room_goes_on_below_and_indented() {
    let list =
        [Setting { key: "bell".into(), value: "on".into(), help: "ring the terminal's bell when a message comes" }];
    assert_eq!(
        reply("set", &Reply::Settings(list.to_vec()), &scene(), &look(40)),
        "  bell  on\n      ring the terminal's bell when a\n      message comes\n"
    );
}
