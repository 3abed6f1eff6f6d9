//! What happened, on its way to the screen: said once, said together, or not said.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use hobnob_shared::{id::EntryId, text::Handle};
use tokio::time::Instant;

use super::{
    front::Front,
    render::{self, Moved},
};
use crate::api::{Command, DeliveryState, EVENT_QUEUE, Event, Friend, Message, NearbyPerson, Presence, command::From};

/// States that change within this time are said in one line.
const STATES_PAUSE: Duration = Duration::from_millis(250);

/// That something was read may take longer: it is said together.
const READ_PAUSE: Duration = Duration::from_millis(1500);

/// A message in the open chat counts as read this long after it was shown.
const SHOWN_PAUSE: Duration = Duration::from_millis(15);

/// The bell rings at most this often.
const BELL_PAUSE: Duration = Duration::from_secs(2);

/// Nobody pressed a key for so long: the bell rings for the open chat too.
const IDLE: Duration = Duration::from_secs(60);

/// Requests beyond this many within [`REQUESTS_WINDOW`] are only counted.
const REQUESTS_SHOWN: usize = 3;
const REQUESTS_WINDOW: Duration = Duration::from_secs(60);

/// An answer's events come within this time.
const HUSHED: Duration = Duration::from_secs(5);

/// Things remembered so that they are not said twice.
const REMEMBERED: usize = 128;

/// Something that the person was told already, or is told by an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hush {
    /// A change of this message.
    Changed(EntryId),
    /// A friend's new name.
    Renamed(Handle),
    /// A new friend.
    Added(Handle),
    /// A friend who is none any more.
    Removed(Handle),
    /// The end of pairing mode.
    NearbyEnded,
}

/// Messages on the screen that are remembered: as many as there may be events of them on their way.
const SHOWN: usize = EVENT_QUEUE;

/// What is remembered between events.
#[derive(Debug, Default)]
pub(super) struct News {
    shown: BTreeSet<u64>,
    hushed: VecDeque<(Hush, Instant)>,
    moved: Vec<Moved>,
    moved_due: Option<Instant>,
    read_due: Option<Instant>,
    rang: Option<Instant>,
    presence: BTreeMap<Handle, Presence>,
    requests: VecDeque<Instant>,
    more_requests: usize,
}

impl News {
    /// The message of this number is on the screen: its event, which may still be on its way, says nothing new.
    pub(super) fn showed(&mut self, number: u64) {
        self.shown.insert(number);
        if self.shown.len() > SHOWN {
            // The events of old messages came long ago.
            self.shown.pop_first();
        }
    }

    fn is_shown(&self, number: u64) -> bool {
        self.shown.contains(&number)
    }

    /// The next event of this kind says nothing, if it comes soon.
    pub(super) fn hush(&mut self, hush: Hush) {
        self.hushed.push_back((hush, Instant::now() + HUSHED));
        if self.hushed.len() > REMEMBERED {
            self.hushed.pop_front();
        }
    }

    fn is_hushed(&mut self, event: &Event) -> bool {
        let now = Instant::now();
        self.hushed.retain(|(_, until)| *until > now);
        let Some(at) = self.hushed.iter().position(|(hush, _)| matches(hush, event)) else { return false };
        self.hushed.remove(at);
        true
    }
}

fn matches(hush: &Hush, event: &Event) -> bool {
    match (hush, event) {
        (Hush::Changed(entry), Event::MessageChanged { message, .. }) => message.entry == *entry,
        (Hush::Renamed(name), Event::FriendRenamed { to, .. }) => to == name,
        (Hush::Added(name), Event::FriendAdded(friend)) => friend.handle == *name,
        (Hush::Removed(name), Event::FriendRemoved(gone)) => gone == name,
        (Hush::NearbyEnded, Event::NearbyEnded) => true,
        _ => false,
    }
}

impl Front {
    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        [self.counts_due, self.news.moved_due, self.news.read_due].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) async fn on_due(&mut self) {
        let now = Instant::now();
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.news.moved_due) {
            self.say_moved();
        }
        if is_due(self.news.read_due) {
            self.news.read_due = None;
            if let Some(chat) = self.scene.chat.clone() {
                // What cannot be marked now is marked with the next one.
                let _ = self.node.ask(Command::MarkRead { chat }).await;
            }
        }
        if is_due(self.counts_due) {
            self.count().await;
        }
        let dropped = self.terminal.take_dropped();
        if dropped > 0 {
            self.say(&format!("{dropped} lines came while the screen was held up; /history has them"));
        }
    }

    /// We are typing; the engine decides whether anybody is told.
    pub(super) async fn on_typing(&mut self, word: &str) {
        let named = word.strip_prefix('@').and_then(|name| Handle::parse(name).ok());
        let chat = if word.starts_with('@') { named } else { self.scene.chat.clone() };
        if let Some(chat) = chat.filter(|chat| self.friends.contains_key(chat)) {
            // A notice that is lost is no loss.
            let _ = self.node.ask(Command::Typing { chat }).await;
        }
    }

    /// Shows one event, or takes note of it.
    pub(super) async fn on_event(&mut self, event: Event) {
        match &event {
            Event::Message(message) => return self.on_message(message),
            Event::MessageState { advances: false, .. } => return self.recount(),
            Event::MessageState { chat, number, delivery, .. } => {
                return self.on_moved(Moved { chat: chat.clone(), number: *number, delivery: *delivery });
            }
            Event::MessageChanged { message, .. } if message.from == From::Me => self.recount(),
            Event::FriendAdded(friend) | Event::FriendChanged(friend) | Event::FriendKeyChanged(friend) => {
                self.on_friend(friend);
            }
            Event::FriendRemoved(handle) => self.on_removed(handle),
            Event::FriendRenamed { from, to } => self.on_renamed(from, to),
            Event::PresenceChanged { chat, presence, .. } => {
                if !self.says_presence(chat, *presence) {
                    return;
                }
            }
            Event::PresenceChosen { presence, .. } => self.busy = *presence == Presence::Busy,
            Event::Typing { chat, typing } => return self.on_friend_typing(chat, *typing),
            Event::NearbyFound(person) => self.on_near(person),
            Event::ReadElsewhere { .. } => return self.recount(),
            Event::FriendRequested(_) => {
                if !self.says_request() {
                    return;
                }
            }
            Event::SettingChanged { key, value } => return self.on_setting(key, value.as_deref()).await,
            Event::Missed(_) => {
                if self.load().await.is_err() {
                    return;
                }
            }
            Event::MessageChanged { .. }
            | Event::FriendNewDevice { .. }
            | Event::DeviceAdded { .. }
            | Event::DeviceRevoked { .. }
            | Event::NearbyEnded
            | Event::SafetyWords { .. }
            | Event::Gap { .. }
            | Event::ExpirySet { .. }
            | Event::Listening(_)
            | Event::ServerChanged(_)
            | Event::Warning { .. }
            | Event::NotSaved { .. }
            | Event::Saved => {}
        }
        self.tell(&event);
    }

    fn tell(&mut self, event: &Event) {
        if self.news.is_hushed(event) {
            return;
        }
        if let Some(text) = render::event(event, &self.scene, &self.look()) {
            self.turn_page();
            self.terminal.put(&text);
        }
    }

    fn on_message(&mut self, message: &Message) {
        let here = self.scene.chat.as_ref() == Some(&message.chat);
        let from_friend = message.from != From::Me;
        let is_shown = self.news.is_shown(message.number);
        if is_shown && !from_friend {
            return;
        }
        if from_friend && !is_shown {
            self.ring(message, here);
        }
        if here && from_friend {
            self.status.typing = false;
            self.look_at_chat();
        } else {
            self.recount();
        }
        if is_shown {
            return;
        }
        self.saw(message);
        // What is only counted shows in the prompt.
        if here || self.setting("notify") != "none" {
            self.turn_page();
            let text = render::message(message, &self.scene, &self.look());
            self.terminal.put(&text);
        }
    }

    fn ring(&mut self, message: &Message, here: bool) {
        let muted = self.friends.get(&message.chat).is_some_and(|friend| friend.muted);
        let looks = here && !self.terminal.shared.is_idle(IDLE);
        let unwanted = muted || looks || self.busy || self.setting("bell") == "off";
        if unwanted || self.news.rang.is_some_and(|at| at.elapsed() < BELL_PAUSE) {
            return;
        }
        self.news.rang = Some(Instant::now());
        self.terminal.bell();
    }

    /// Collected, and said together a moment later.
    fn on_moved(&mut self, moved: Moved) {
        self.recount();
        self.news.moved.retain(|one| (&one.chat, one.number) != (&moved.chat, moved.number));
        let pause = if moved.delivery.state == DeliveryState::Read { READ_PAUSE } else { STATES_PAUSE };
        let due = Instant::now() + pause;
        self.news.moved_due = Some(self.news.moved_due.map_or(due, |known| known.min(due)));
        self.news.moved.push(moved);
        if self.news.moved.len() >= REMEMBERED {
            self.say_moved();
        }
    }

    fn say_moved(&mut self) {
        self.news.moved_due = None;
        let moved = std::mem::take(&mut self.news.moved);
        if let Some(text) = render::moved(&moved, &self.look()) {
            self.terminal.put(&text);
        }
    }

    fn on_friend(&mut self, friend: &Friend) {
        self.friends.insert(friend.handle.clone(), friend.clone());
        self.know();
        self.recount();
    }

    pub(super) fn on_removed(&mut self, handle: &Handle) {
        self.friends.remove(handle);
        self.drafts.remove(handle);
        if self.scene.chat.as_ref() == Some(handle) {
            self.scene.chat = None;
        }
        self.know();
        self.recount();
    }

    pub(super) fn on_renamed(&mut self, from: &Handle, to: &Handle) {
        if let Some(mut friend) = self.friends.remove(from) {
            friend.handle = to.clone();
            self.friends.insert(to.clone(), friend);
        }
        if let Some(draft) = self.drafts.remove(from) {
            self.drafts.insert(to.clone(), draft);
        }
        if self.scene.chat.as_ref() == Some(from) {
            self.scene.chat = Some(to.clone());
        }
        self.know();
        self.recount();
    }

    /// Said for the open chat, and when somebody comes or goes; never twice the same.
    fn says_presence(&mut self, chat: &Handle, presence: Presence) -> bool {
        if let Some(friend) = self.friends.get_mut(chat) {
            friend.presence = presence;
        }
        let before = self.news.presence.insert(chat.clone(), presence);
        let muted = self.friends.get(chat).is_some_and(|friend| friend.muted);
        let here = self.scene.chat.as_ref() == Some(chat);
        let was_away = before.is_none_or(|before| before == Presence::Offline);
        let comes_or_goes = was_away && presence == Presence::Online || !was_away && presence == Presence::Offline;
        before != Some(presence) && (here || comes_or_goes) && !muted && self.setting("presence") != "off"
    }

    fn on_friend_typing(&mut self, chat: &Handle, typing: bool) {
        if self.scene.chat.as_ref() == Some(chat) && self.status.typing != typing {
            self.status.typing = typing;
            self.show_status();
        }
    }

    fn on_near(&mut self, person: &NearbyPerson) {
        self.know_near([person.name.as_str().to_owned()]);
    }

    /// The open chat is in front of somebody: what is in it counts as read.
    pub(super) fn look_at_chat(&mut self) {
        self.news.read_due.get_or_insert_with(|| Instant::now() + SHOWN_PAUSE);
    }

    /// A flood of requests becomes one line.
    fn says_request(&mut self) -> bool {
        let now = Instant::now();
        self.news.requests.retain(|at| now.duration_since(*at) < REQUESTS_WINDOW);
        if self.news.requests.is_empty() {
            self.news.more_requests = 0;
        }
        if self.news.requests.len() < REQUESTS_SHOWN {
            self.news.requests.push_back(now);
            return true;
        }
        if self.news.more_requests == 0 {
            self.say("more friend requests come in; /requests lists them");
        }
        self.news.more_requests += 1;
        false
    }

    async fn on_setting(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.settings.insert(key.to_owned(), value.to_owned());
        } else if self.load().await.is_err() {
            self.settings.remove(key);
        }
        self.know();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn renamed(to: &str) -> Event {
        Event::FriendRenamed { from: Handle::parse("bob").unwrap(), to: Handle::parse(to).unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_answer_said_is_not_said_again_but_only_once_and_not_for_long() {
        let mut news = News::default();
        news.hush(Hush::Renamed(Handle::parse("bobby").unwrap()));
        assert!(!news.is_hushed(&renamed("robert")));
        assert!(news.is_hushed(&renamed("bobby")));
        assert!(!news.is_hushed(&renamed("bobby")));
        news.hush(Hush::NearbyEnded);
        tokio::time::advance(HUSHED + Duration::from_millis(1)).await;
        assert!(!news.is_hushed(&Event::NearbyEnded));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut news = News::default();
        let newest = SHOWN as u64;
        // A list may be shown again, and older ones after it.
        for number in (0..=newest).chain([newest, 1]) {
            news.showed(number);
        }
        assert_eq!(news.shown.len(), SHOWN);
        assert!(news.is_shown(newest));
        assert!(!news.is_shown(0));
    }
}
