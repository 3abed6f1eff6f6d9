//! The first lines: who we are, what came meanwhile, and what to do next.

use hobnob_shared::{id::AccountId, identity::fingerprint, text::display};

use super::front::Front;
use crate::api::{Command, Friend, Presence, Refusal, Reply, ServerView, Standing, WhoAmI};

/// Messages that came meanwhile are shown if they are no more than this; else they are counted.
const SHOWN_MEANWHILE: usize = 20;

/// Messages shown of the only chat.
const SHOWN_OF_ONLY: usize = 10;

impl Front {
    /// Greets, or says why that cannot be.
    pub(super) async fn begin(&mut self) {
        if let Err(refusal) = self.greet().await {
            self.refuse(&refusal);
        }
    }

    /// A new profile that is to become a device of an account greets as that. Else it is one of an account of its own.
    pub(super) async fn begin_with(&mut self, line: &str) {
        let before = self.me().await;
        self.on_line(line, false).await;
        if self.leaving.is_none() && self.me().await == before {
            self.say(&format!(
                "not logged in: {line} tries again. Until then this profile has an account of its own, which is new, and \
                 which the words of /recovery restore if you stay with it"
            ));
            self.begin().await;
        }
    }

    async fn me(&self) -> Option<AccountId> {
        match self.node.ask(Command::WhoAmI).await {
            Ok(Reply::WhoAmI(me)) => Some(me.account),
            // The node has stopped, and says so elsewhere.
            Ok(_) | Err(_) => None,
        }
    }

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
        let Reply::Servers(servers) = self.node.ask(Command::Servers).await? else { return Ok(()) };
        self.say(&next_steps(self.friends.values(), &servers, self.node.came_later()));
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

/// How somebody without friends gets to people: by name too where a rendezvous is used, else as it goes without a server.
fn ways_to_people(servers: &[ServerView]) -> String {
    const LINKS: &str =
        "/invite-link makes a link for a friend, /add LINK uses one, /nearby on finds people on this network";
    let called = |one: &ServerView| display::line(&one.called);
    let nameless = servers.iter().find(|one| one.name.is_none());
    match (servers.iter().find(|one| one.name.is_some()), nameless) {
        (Some(one), _) => {
            format!("/find NAME looks somebody up at {}, /add NAME asks them to be friends; {LINKS}", called(one))
        }
        (None, Some(one)) => format!(
            "At {}, /register NAME takes a name, /login NAME makes this machine one of yours if you have a name there, and \
             /find NAME looks somebody up; {LINKS}",
            called(one)
        ),
        (None, None) => format!("No server is needed: {LINKS}"),
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

/// `came_later`: the account may have friends, whom this machine does not know yet.
fn next_steps<'a>(friends: impl Iterator<Item = &'a Friend>, servers: &[ServerView], came_later: bool) -> String {
    let friends: Vec<&Friend> = friends.filter(|friend| friend.standing == Standing::Friend).collect();
    if friends.is_empty() && came_later {
        let ways = if servers.is_empty() { String::new() } else { format!("{}. ", ways_to_people(servers)) };
        return format!(
            "no friend is here yet: those that you have come when another machine of yours is on, or when they write. \
             {ways}/help start says more"
        );
    }
    if friends.is_empty() {
        return format!("nobody to talk to yet. {}. /help start says more", ways_to_people(servers));
    }
    let there = friends.iter().filter(|friend| friend.presence != Presence::Offline).count();
    let count = if friends.len() == 1 { "1 friend".to_owned() } else { format!("{} friends", friends.len()) };
    format!("{count}, {there} online. @name opens a chat, @name text writes, /chats lists them, /help shows everything")
}

#[cfg(test)]
mod tests {
    use super::next_steps;

    #[test]
    fn whoever_has_friends_elsewhere_is_not_told_that_there_is_nobody() {
        let told = |came_later| next_steps([].into_iter(), &[], came_later);
        assert!(told(false).starts_with("nobody to talk to yet. No server is needed: /invite-link"), "{}", told(false));
        assert!(told(true).starts_with("no friend is here yet: those that you have come when"), "{}", told(true));
        assert!(!told(true).contains("No server is needed"), "{}", told(true));
    }
}
