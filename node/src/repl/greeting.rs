//! The first lines: who we are, what came meanwhile, and what to do next.

use hobnob_shared::{identity::fingerprint, text::display};

use super::front::Front;
use crate::api::{Command, Friend, Presence, Refusal, Reply, Standing, WhoAmI};

/// Messages that came meanwhile are shown if they are no more than this; else they are counted.
const SHOWN_MEANWHILE: usize = 20;

/// Messages shown of the only chat.
const SHOWN_OF_ONLY: usize = 10;

impl Front {
    /// Says all that, and begins to listen.
    pub(super) async fn greet(&mut self) -> Result<(), Refusal> {
        if let Reply::WhoAmI(me) = self.node.ask(Command::WhoAmI).await? {
            self.say(&who(&me));
            self.busy = me.presence == Presence::Busy;
            if me.listen.is_empty() {
                self.say("this node listens nowhere yet; /net says why");
            }
        }
        let Reply::Listening { unread, messages } = self.node.ask(Command::Listen { listening: true }).await? else {
            return Ok(());
        };
        if !self.node.has_password() {
            self.say("this profile has no password: whoever has this disk has your keys. /passwd sets one");
        }
        self.say(&next_steps(self.friends.values()));
        let mut only = self.friends.values().filter(|friend| friend.standing == Standing::Friend);
        match (only.next().map(|friend| friend.handle.clone()), only.next()) {
            (Some(chat), None) => return self.open_only(chat).await,
            _ if messages.is_empty() && unread == 0 => {}
            _ if !messages.is_empty() && messages.len() <= SHOWN_MEANWHILE => self.show_messages(&messages),
            _ => self.say(&format!("{unread} unread: /next opens them chat by chat, /unread lists them")),
        }
        Ok(())
    }

    async fn open_only(&mut self, chat: hobnob_shared::text::Handle) -> Result<(), Refusal> {
        let mut unread = 0;
        if let Reply::Chats(chats) = self.node.ask(Command::Chats).await? {
            unread = chats.iter().map(|chat| chat.unread).sum();
        }
        let limit =
            SHOWN_OF_ONLY.max(usize::try_from(unread).unwrap_or(usize::MAX)).min(self.page().max(SHOWN_OF_ONLY));
        let reply = self.node.ask(Command::Open { chat: chat.clone(), limit }).await?;
        self.scene.chat = Some(chat);
        if let Reply::Messages(list) = &reply {
            self.show_messages(list);
        }
        Ok(())
    }
}

fn who(me: &WhoAmI) -> String {
    format!(
        "hobnob {} · you are {} ({})",
        env!("CARGO_PKG_VERSION"),
        display::line(me.nick.as_str()),
        fingerprint(&me.account)
    )
}

fn next_steps<'a>(friends: impl Iterator<Item = &'a Friend>) -> String {
    let friends: Vec<&Friend> = friends.filter(|friend| friend.standing == Standing::Friend).collect();
    if friends.is_empty() {
        return "nobody to talk to yet: /invite-link makes a link for a friend, /add LINK uses one, /nearby on finds people \
                on this network. /help start says more"
            .to_owned();
    }
    let there = friends.iter().filter(|friend| friend.presence != Presence::Offline).count();
    let count = if friends.len() == 1 { "1 friend".to_owned() } else { format!("{} friends", friends.len()) };
    format!("{count}, {there} online. @name opens a chat, @name text writes, /chats lists them, /help shows everything")
}
