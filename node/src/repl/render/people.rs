//! Friends, requests, people near us, and who we are.

use hobnob_shared::{
    identity::fingerprint,
    text::{Handle, Note, display},
};

use super::{
    Look, Scene, Trust,
    event::in_ms,
    layout::shorten,
    list::{facts, rows},
    message::{bare, friend as friend_name},
    paint::Role,
};
use crate::{
    api::{Friend, Joined, NearbyPerson, OwnDevice, Presence, Request, RequestKind, Standing, WhoAmI},
    command::FullName,
};

/// Pairing mode cannot keep its promise.
const ONLY_HERE: &str = "; but this node listens on this machine only, so nobody else on the network sees it: start hobnob \
                         with --listen 0.0.0.0:0 to change that";

/// Cells that a stranger's words may take in a list.
const WORDS_CELLS: usize = 60;

/// A machine of ours that nobody saw for so long, a week in ms, may be lost.
const LONG_GONE_MS: u64 = 7 * 86_400_000;

/// In a word.
pub(super) fn presence_words(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Busy => "busy",
        Presence::Invisible => "invisible",
        Presence::Offline => "offline",
    }
}

/// How we show ourselves: `away (lunch)`.
pub(super) fn shown_as(presence: Presence, text: &Note) -> String {
    let words = presence_words(presence);
    if text.as_str().is_empty() {
        words.to_owned()
    } else {
        format!("{words} ({})", shorten(text.as_str(), WORDS_CELLS))
    }
}

/// What friends see of us after the command of this name.
pub(super) fn shown_now(command: &str, presence: Presence, text: &Note) -> String {
    let has_text = !text.as_str().is_empty();
    match (presence, command) {
        (Presence::Invisible | Presence::Offline, "status") if has_text => {
            "your friends see you offline, and see this text only when /away or /busy shows you again".to_owned()
        }
        (Presence::Invisible | Presence::Offline, _) => {
            "your friends see you offline now; messages come and go as before".to_owned()
        }
        (Presence::Online | Presence::Away | Presence::Busy, "status") if !has_text => {
            format!("your friends see you {} now, and no text", presence_words(presence))
        }
        (Presence::Online | Presence::Away | Presence::Busy, _) => {
            format!("your friends see you {} now", shown_as(presence, text))
        }
    }
}

/// The list of friends.
pub(super) fn friends(list: &[Friend], look: &Look) -> String {
    if list.is_empty() {
        return "nobody yet: /requests shows who asks for you, /add NAME asks somebody who has a name at a rendezvous, \
                /invite-link makes a link for somebody, /nearby on finds people on this network"
            .to_owned();
    }
    let cells: Vec<Vec<String>> = list.iter().map(|friend| friend_row(friend, look)).collect();
    rows(&cells, look)
}

fn friend_row(friend: &Friend, look: &Look) -> Vec<String> {
    let scene = Scene { keys: [(friend.handle.clone(), Trust::of(friend))].into(), ..Scene::default() };
    let name = friend_name(&friend.handle, true, &scene, look);
    vec![name, standing(friend), details(friend, look)]
}

fn standing(friend: &Friend) -> String {
    match friend.standing {
        Standing::Friend => presence_words(friend.presence).to_owned(),
        Standing::Pending if friend.refused.is_some() => "not added".to_owned(),
        Standing::Pending => "not accepted yet".to_owned(),
        Standing::Blocked => "blocked".to_owned(),
        Standing::Removed => "removed".to_owned(),
    }
}

fn details(friend: &Friend, look: &Look) -> String {
    let mut words = Vec::new();
    if friend.key_alarm {
        words.push("KEY CHANGED, nothing is sent until you /verify".to_owned());
    }
    words.extend(friend.refused.clone());
    let offline = friend.presence == Presence::Offline && friend.standing == Standing::Friend;
    if let Some(ms) = friend.last_seen_ms.filter(|_| offline) {
        words.push(format!("seen {}", look.ago(ms)));
    }
    if friend.queued > 0 {
        words.push(format!("{} waiting", friend.queued));
    }
    if friend.muted {
        words.push("muted".to_owned());
    }
    if let Some(nick) = friend.nick.as_ref().filter(|nick| Handle::from_nickname(nick) != friend.handle) {
        words.push(format!("calls themselves {}", shorten(nick.as_str(), WORDS_CELLS)));
    }
    let texts = [Some(friend.presence_text.as_str()), friend.bio.as_ref().map(|bio| bio.as_str())];
    for text in texts.into_iter().flatten().filter(|text| !text.is_empty()) {
        words.push(format!("“{}”", shorten(text, WORDS_CELLS)));
    }
    words.join(" · ")
}

/// The devices of our account.
pub(super) fn devices(list: &[OwnDevice], look: &Look) -> String {
    let row = |device: &OwnDevice| {
        let state = match (device.current, device.connected, device.last_seen_ms) {
            (true, ..) => "this one".to_owned(),
            (false, true, _) => "connected".to_owned(),
            (false, false, Some(ms)) => format!("seen {}", look.ago(ms)),
            (false, false, None) => "not seen yet".to_owned(),
        };
        // The id is what notices name too, and `/device revoke` takes.
        let name = format!("{} ({:?})", shorten(device.name.as_str(), WORDS_CELLS), device.device);
        vec![name, state, format!("added {}", look.ago(device.added_ms))]
    };
    let mut text = rows(&list.iter().map(row).collect::<Vec<_>>(), look);
    let is_long_gone = |device: &OwnDevice| {
        let last_ms = device.last_seen_ms.unwrap_or(device.added_ms);
        !device.current && !device.connected && look.now_ms.saturating_sub(last_ms) > LONG_GONE_MS
    };
    if list.iter().any(is_long_gone) {
        text.push_str("\nfriends wait for every machine: /device revoke NAME takes one out that is gone for good");
    }
    text
}

/// This machine has become a device of an account.
pub(super) fn joined(joined: &Joined) -> String {
    format!(
        "this machine is a device of {} now ({}), called {}. Friends and chats come from your other devices",
        shorten(joined.nick.as_str(), WORDS_CELLS),
        fingerprint(&joined.account),
        shorten(joined.device_name.as_str(), WORDS_CELLS),
    )
}

/// What a command did to a friend.
pub(super) fn friend_after(command: &str, friend: &Friend) -> String {
    let name = bare(&friend.handle, true);
    match (command, friend.standing) {
        (_, Standing::Blocked) => format!("{name} is blocked: no connection until /unblock {name}"),
        (_, Standing::Removed) => format!("{name} is no longer a friend; the history stays"),
        ("rename", _) => format!("from now on {name}"),
        ("mute", _) if friend.muted => format!("{name} is muted: no bell, no unread mark"),
        ("mute", _) => format!("{name} is no longer muted"),
        ("verify", _) if friend.verified => format!("{name} is verified: the keys are the same on both sides"),
        ("verify", _) => format!(
            "{name} is not verified. If the words or numbers differed, somebody may stand between you: write nothing \
             secret here, and meet over another link; /block {name} ends the connection"
        ),
        (_, Standing::Pending) => asked(&name),
        (_, Standing::Friend) => format!("you and {name} are friends: write \"{name} hello\""),
    }
}

/// Somebody was asked by the name that they have at a rendezvous, which need not be what they are called here.
pub(super) fn asked_by_name(friend: &Friend, who: &FullName) -> String {
    let handle = bare(&friend.handle, true);
    if friend.handle.as_str() == who.name.as_str() { asked(&handle) } else { asked(&format!("{who} (here: {handle})")) }
}

fn asked(who: &str) -> String {
    format!(
        "asked {who}: they see it when they are next online, and you are friends once they accept (/friends shows it)"
    )
}

/// The requests, oldest first.
pub(super) fn requests(list: &[Request], look: &Look) -> String {
    if list.is_empty() {
        return "nobody waits for an answer".to_owned();
    }
    let line =
        |request: &Request| vec![request.number.to_string(), request_line(request), look.ago(request.received_ms)];
    let cells: Vec<Vec<String>> = list.iter().map(line).collect();
    format!("{}\n/accept N or /decline N", rows(&cells, look))
}

/// Who asks, and why they can.
pub(super) fn request_line(request: &Request) -> String {
    let nick = shorten(request.nick.as_str(), WORDS_CELLS);
    let why = match &request.kind {
        RequestKind::Invite => "used your invite link".to_owned(),
        RequestKind::Nearby => "is near".to_owned(),
        RequestKind::Introduction { by } => format!("is introduced by {}", bare(by, true)),
        RequestKind::Name { name, server } => {
            format!("looked up your name {}@{}", name.as_str(), display::line(server))
        }
    };
    let note = match request.note.as_str() {
        "" => String::new(),
        note => format!(", and writes “{}”", shorten(note, WORDS_CELLS)),
    };
    format!("“{nick}” ({}) {why}{note}", fingerprint(&request.account))
}

/// Who is near. `ends_in_ms`: pairing mode is on for so long.
pub(super) fn nearby(ends_in_ms: Option<u64>, people: &[NearbyPerson], loopback_only: bool, look: &Look) -> String {
    let mut mode = match (ends_in_ms, loopback_only) {
        (Some(ms), false) => {
            format!("pairing mode is on and ends {}: people on this network who have it on too see you", in_ms(ms))
        }
        (None, false) => {
            "pairing mode is off: /nearby on shows you to people on this network for 10 minutes".to_owned()
        }
        (Some(ms), true) => format!("pairing mode is on and ends {}", in_ms(ms)),
        (None, true) => "pairing mode is off".to_owned(),
    };
    if loopback_only {
        mode.push_str(ONLY_HERE);
    }
    if people.is_empty() {
        return if ends_in_ms.is_some() { format!("{mode}\nnobody else yet") } else { mode };
    }
    let line = |person: &NearbyPerson| {
        let name = bare(&person.name, false);
        let act = if person.friend { "a friend already".to_owned() } else { format!("/add {name}") };
        vec![name, shorten(person.nick.as_str(), WORDS_CELLS), fingerprint(&person.account), act]
    };
    let cells: Vec<Vec<String>> = people.iter().map(line).collect();
    format!("{mode}\n{}", rows(&cells, look))
}

/// Groups of digits on a line, so that both people see the same lines.
const NUMBER_GROUPS: usize = 6;

/// Both keys, to be compared.
pub(super) fn safety(
    handle: &Handle,
    number: &str,
    words: Option<&[String; 3]>,
    verified: bool,
    look: &Look,
) -> String {
    let name = bare(handle, true);
    let groups: Vec<String> = number.split_whitespace().map(display::line).collect();
    let number: Vec<String> = groups.chunks(NUMBER_GROUPS).map(|line| format!("  {}", line.join(" "))).collect();
    let mut lines = Vec::new();
    match (words, verified) {
        (None, true) => {
            lines.push(format!(
                "{name} is verified: you said that the keys are the same. The number, to compare again:"
            ));
            lines.extend(number);
            return lines.join("\n");
        }
        (None, false) => {
            lines.push(format!("{name} is not verified yet. Compare this number by phone or face to face:"));
            lines.extend(number);
            lines.push(format!("(there are three words instead while {name} is connected)"));
        }
        (Some([one, two, three]), _) => {
            let state = if verified { "is verified" } else { "is not verified yet" };
            lines.push(format!("{name} {state}. Compare by phone or face to face, either these words:"));
            lines.push(format!("  {}", look.paint(Role::Strong, &format!("{one}   {two}   {three}"))));
            lines.push("or this number:".to_owned());
            lines.extend(number);
        }
    }
    lines.push(format!("the same on both sides: /verify {name} yes"));
    lines.push(format!("not the same: /verify {name} no"));
    lines.join("\n")
}

/// Who we are.
pub(super) fn whoami(me: &WhoAmI, look: &Look) -> String {
    let presence = match me.presence_text.as_str() {
        "" => presence_words(me.presence).to_owned(),
        text => format!("{}: {}", presence_words(me.presence), shorten(text, WORDS_CELLS)),
    };
    let mut cells = vec![
        vec!["name".to_owned(), shorten(me.nick.as_str(), WORDS_CELLS)],
        vec!["fingerprint".to_owned(), fingerprint(&me.account)],
        vec!["account".to_owned(), me.account.to_string()],
        vec!["device".to_owned(), format!("{} {}", shorten(me.device_name.as_str(), WORDS_CELLS), me.device)],
        vec!["presence".to_owned(), presence],
    ];
    for name in &me.names {
        cells.push(vec!["at a rendezvous".to_owned(), display::line(name)]);
    }
    if !me.bio.as_str().is_empty() {
        cells.push(vec!["bio".to_owned(), shorten(me.bio.as_str(), WORDS_CELLS)]);
    }
    for address in &me.listen {
        cells.push(vec!["listens on".to_owned(), display::line(address)]);
    }
    facts(&cells, look)
}
