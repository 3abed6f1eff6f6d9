//! The answer to a command.

use hobnob_shared::text::display;

use super::{
    Look, Scene, details, list,
    message::{bare, message, messages},
    notice, people, server,
};
use crate::{
    api::{Friend, MessageDetails, Reply, WhoAmI},
    command::FullName,
};

/// What the command of this name (as in [`crate::command::Parsed`]) answered. Empty where an event says it.
pub fn reply(command: &str, reply: &Reply, scene: &Scene, look: &Look) -> String {
    match reply {
        Reply::Done => done(command, look),
        Reply::WhoAmI(me) => whoami_card(me, look),
        Reply::Shown { presence, text } => notice(&people::shown_now(command, *presence, text), look),
        Reply::Invite { link, local_only } => invite(command, link, *local_only, look),
        Reply::Devices(devices) => lines(&people::devices(devices, look), look),
        Reply::Joined(joined) => notice(&people::joined(joined), look),
        Reply::Friend(friend) => notice(&people::friend_after(command, friend), look),
        Reply::Friends(friends) => lines(&people::friends(friends, look), look),
        Reply::Requests(requests) => lines(&people::requests(requests, look), look),
        Reply::Sent(sent) => message(sent, scene, look),
        Reply::Messages(list) if list.is_empty() => notice("nothing was said here yet", look),
        Reply::Messages(list) => messages(list, scene, look),
        Reply::Chats(chats) => lines(&list::chats(chats, nothing_unread(command), look), look),
        Reply::Next(None) => notice("nothing is unread", look),
        Reply::Next(Some(chat)) => notice(&format!("next is {}", bare(chat, true)), look),
        Reply::Safety { handle, number, words, verified } => {
            lines(&people::safety(handle, number, words.as_ref(), *verified, look), look)
        }
        Reply::Nearby { on, ends_in_ms, people, loopback_only } => {
            let on = on.then_some(*ends_in_ms);
            lines(&people::nearby(on, people, *loopback_only, look), look)
        }
        Reply::Info(details) => info(details, scene, look),
        Reply::Net { listen, sessions, pairing, unreached, servers } => {
            let network = list::net(listen, *sessions, *pairing, unreached, look);
            lines([network, server::servers(servers, look)].join("\n").trim_end_matches('\n'), look)
        }
        Reply::Servers(servers) => lines(&server::servers(servers, look), look),
        Reply::Found(found) => notice(&server::found(found), look),
        // For flows that go on from it; they answer in words of their own.
        Reply::Answered { .. } | Reply::MyAccount(_) => String::new(),
        Reply::Peers(peers) => lines(&list::peers(peers, look), look),
        Reply::Pong { round_trip_ms } => notice(&format!("there and back in {round_trip_ms} ms"), look),
        Reply::Outbox { queued, missing } => list::outbox(queued, missing, scene, look),
        Reply::Settings(settings) => lines(&list::settings(settings, look), look),
        Reply::Listening { messages: list, .. } => messages(list, scene, look),
    }
}

/// Somebody was asked to be a friend, by this name at a rendezvous.
pub fn asked(friend: &Friend, who: &FullName, look: &Look) -> String {
    notice(&people::asked_by_name(friend, who), look)
}

/// Lines that were made harmless piece by piece. Our addresses stay whole, so that they can be copied.
fn lines(text: &str, look: &Look) -> String {
    let mut out = String::new();
    for line in text.split('\n') {
        let stays = look.plain || line.contains('\x1b') || line.starts_with(list::LISTENING);
        if stays || display::width(line) <= look.width {
            out.push_str(line);
            out.push('\n');
        } else {
            out.push_str(&look.sentence("", line));
        }
    }
    out
}

fn done(command: &str, look: &Look) -> String {
    let words = match command {
        // The event says it.
        "remove" | "expire" | "device" => return String::new(),
        "nick" | "bio" => "changed; your friends are told when they are reached",
        "decline" => "declined; nobody is told",
        "introduce" => "both are asked",
        "resync" => "comparing the whole chat; what is missing comes by itself",
        "block" => "blocked: no connection until /unblock",
        "unblock" => "no longer blocked",
        "mute" => "done: /friends shows who is muted",
        "connect" => "trying that address",
        "outbox" => "done: /outbox shows what still waits",
        "set" | "theme" | "notify" => "set",
        // One came, or one went.
        "alias" => "done: /alias lists what there is",
        _ => "done",
    };
    notice(words, look)
}

fn nothing_unread(command: &str) -> &'static str {
    match command {
        "unread" => "nothing is unread",
        _ => "no chats yet: /friends lists your friends, /help people says how to find some",
    }
}

/// The link on a line of its own, so that it can be copied whole.
fn invite(command: &str, link: &str, local_only: bool, look: &Look) -> String {
    let link = display::line(link);
    if look.plain && look.width == usize::MAX {
        return format!("{link}\n");
    }
    let words = match command {
        "device" => {
            "at your other machine type: hobnob init --link, and this link. It is good once, for ten minutes, while hobnob \
             runs here; whoever has it gets everything that you have:"
        }
        _ => "give this link to your friend over a way you both trust; they type /add and the link:",
    };
    let mut out = notice(words, look);
    out.push_str(&format!("{link}\n"));
    if local_only {
        let words = "it holds addresses of this machine or this network only: nobody outside can reach you with it";
        out.push_str(&notice(words, look));
    }
    out
}

/// Who we are.
pub fn whoami_card(me: &WhoAmI, look: &Look) -> String {
    lines(&people::whoami(me, look), look)
}

fn info(info: &MessageDetails, scene: &Scene, look: &Look) -> String {
    details::info(info, scene, look)
}
