//! What a line does.

use std::time::Duration;

use hobnob_shared::text::{Handle, Nickname, Note};
use tokio::time::{Instant, timeout_at};

use super::{
    front::{Front, Late},
    news::Hush,
    render,
    terminal::Typed,
};
use crate::{
    account,
    api::{
        Code, Command, Delivery, DeliveryState, Event, Friend, Message, Password, Presence, Refusal, Reply, Standing,
    },
    command::{self, Action, Context, FullName, Local, Parsed},
};

/// A message is shown as soon as it is delivered, or after this time as one that waits.
const DELIVERY_PAUSE: Duration = Duration::from_millis(120);

/// Delivered, it is shown as read if that comes within this time.
const READ_PAUSE: Duration = Duration::from_millis(50);

/// Our message's own event follows its answer at once; only where events were lost it never comes.
const ECHO_PAUSE: Duration = Duration::from_millis(500);

/// Without escape sequences only the terminal itself can forget what it shows.
const PLAIN_CLEAR: &str = "a plain screen cannot be cleared from here; closing this window does it";

/// Cells of a question about a line.
const QUESTION_CELLS: usize = 200;

impl Front {
    /// Carries out one line.
    pub(super) async fn on_line(&mut self, line: &str, crossed: bool) {
        let aliases = command::aliases(self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let had_none = self.scene.chat.is_none();
        let chat = self.chat_or_only();
        let context = Context { chat: chat.as_ref(), aliases: &aliases, page: self.page() };
        let done = match command::parse(line, &context) {
            Ok(parsed) => self.act(parsed, line, crossed).await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = done {
            if had_none {
                // What was refused opens no chat.
                self.scene.chat = None;
            }
            self.refuse(&refusal);
        }
        if std::mem::take(&mut self.asked_secret) {
            // Typed while a password was checked, it may be one more try; it must not become a message.
            self.terminal.unhush();
        }
    }

    /// The current chat, or the only one there is, which then becomes it.
    fn chat_or_only(&mut self) -> Option<Handle> {
        if self.scene.chat.is_none() && self.friends.len() == 1 {
            self.scene.chat = self.friends.keys().next().cloned();
            self.look_at_chat();
        }
        self.scene.chat.clone()
    }

    async fn act(&mut self, parsed: Parsed, line: &str, crossed: bool) -> Result<(), Refusal> {
        if let Some(question) = account::question(&self.node, &parsed).await?
            && !self.confirm(&question).await?
        {
            self.say("nothing was done");
            return Ok(());
        }
        match parsed.action {
            Action::Nothing => Ok(()),
            Action::Local(local) => self.on_local(parsed.name, local, parsed.qr).await,
            Action::Ask(command) if waits_for_others(&command) => {
                self.ask_in_background(parsed.name, None, command);
                Ok(())
            }
            Action::Ask(command) => self.ask(parsed.name, command, parsed.qr, (!crossed).then_some(line)).await,
        }
    }

    /// Asks the node. A message takes the place of the line that it was typed in, if that is given.
    pub(super) async fn ask(
        &mut self,
        name: &str,
        command: Command,
        qr: bool,
        line: Option<&str>,
    ) -> Result<(), Refusal> {
        let is_message = matches!(command, Command::Send { .. });
        let change = Change::of(&command);
        let reply = self.node.ask(command).await?;
        if let Reply::Sent(message) = reply {
            self.on_sent(name, *message, is_message, line.filter(|_| is_message)).await;
            return Ok(());
        }
        self.changed(change, &reply);
        self.show(name, &reply, qr);
        Ok(())
    }

    /// What was done is known here at once: its event comes when the next line may be typed already, and says nothing.
    fn changed(&mut self, change: Option<Change>, reply: &Reply) {
        match (change, reply) {
            (Some(Change::Renamed(from)), Reply::Friend(friend)) => {
                self.on_renamed(&from, &friend.handle);
                self.news.hush(Hush::Renamed(friend.handle.clone()));
            }
            (Some(Change::Removed(handle)), _) => {
                self.on_removed(&handle);
                self.say(&format!("{handle} is no longer a friend; the history stays"));
                self.news.hush(Hush::Removed(handle));
            }
            (Some(Change::NearbyEnded), _) => self.news.hush(Hush::NearbyEnded),
            (Some(Change::Presence(presence)), _) => self.busy = presence == Presence::Busy,
            (None | Some(Change::Renamed(_)), _) => {}
        }
    }

    /// Yes or no.
    async fn confirm(&mut self, question: &str) -> Result<bool, Refusal> {
        if self.options.yes {
            return Ok(true);
        }
        if self.options.no_input {
            return Err(Refusal::new(Code::Usage, format!("{question} Add --yes to the command")));
        }
        let question = render::shorten(question, QUESTION_CELLS);
        let answer = self.terminal.answer(format!("{question} [y/N] ")).await;
        Ok(match answer {
            Typed::Answer(text) => matches!(text.trim().to_lowercase().as_str(), "y" | "yes"),
            Typed::Line { .. } | Typed::NextUnread { .. } | Typed::Secret(_) | Typed::Interrupted | Typed::End => false,
        })
    }

    /// The prompt does not wait for another person: who is asked by this name, if anybody is.
    pub(super) fn ask_in_background(&mut self, name: &'static str, who: Option<FullName>, command: Command) {
        let (node, late) = (self.node.clone(), self.late.clone());
        tokio::spawn(async move {
            let answer = node.ask(command).await;
            // The terminal may be gone by now.
            let _ = late.send((name, who, answer)).await;
        });
    }

    /// An answer that came later.
    pub(super) fn on_answer(&mut self, (name, who, answer): Late) {
        match (answer, who) {
            (Ok(Reply::Friend(friend)), Some(who)) if friend.standing == Standing::Pending => {
                self.on_asked(&friend, &who);
            }
            (Ok(reply), _) => self.show(name, &reply, false),
            (Err(refusal), _) => self.refuse(&refusal),
        }
    }

    fn on_asked(&mut self, friend: &Friend, who: &FullName) {
        self.friends.insert(friend.handle.clone(), friend.clone());
        self.know();
        let text = render::asked(friend, who, &self.look());
        self.terminal.put(&text);
    }

    /// Shows what a command answered.
    pub(super) fn show(&mut self, name: &str, reply: &Reply, qr: bool) {
        if let Reply::Messages(list) = reply
            && !list.is_empty()
        {
            return self.show_messages(list);
        }
        if let Reply::Nearby { people, .. } = reply {
            self.know_near(people.iter().map(|person| person.name.as_str().to_owned()));
        }
        if let Reply::Friend(friend) = reply {
            if friend.standing == Standing::Friend && !self.is_friend(&friend.handle) {
                self.news.hush(Hush::Added(friend.handle.clone()));
            }
            self.friends.insert(friend.handle.clone(), (**friend).clone());
            self.know();
        }
        let look = self.look();
        let mut text = render::reply(name, reply, &self.scene, &look);
        if qr {
            text.push_str(&qr_of(reply, &look));
        }
        self.terminal.put(&text);
    }

    fn is_friend(&self, handle: &Handle) -> bool {
        self.friends.get(handle).is_some_and(|friend| friend.standing == Standing::Friend)
    }

    /// Our message takes the place of the typed line, once it is known whether it was delivered at once.
    async fn on_sent(&mut self, name: &str, mut message: Message, is_new: bool, typed: Option<&str>) {
        self.news.showed(message.number);
        let earlier = if matches!(name, "edit" | "del" | "react" | "pin") {
            self.news.hush(Hush::Changed(message.entry));
            Vec::new()
        } else {
            self.await_echo(message.number).await
        };
        let meanwhile = if is_new { self.await_delivery(&mut message).await } else { Vec::new() };
        if let Some(line) = typed {
            let prompt = self.prompt_text();
            self.terminal.unput(&prompt, line);
        }
        for event in earlier {
            self.on_event(event).await;
        }
        self.turn_page();
        let text = render::message(&message, &self.scene, &self.look());
        self.terminal.put(&text);
        self.saw(&message);
        for event in meanwhile {
            self.on_event(event).await;
        }
    }

    /// What happened before our message got its number, which is told in order, though the answer comes first: shown behind
    /// it, an older message would stand below a newer one.
    async fn await_echo(&mut self, number: u64) -> Vec<Event> {
        let mut earlier = Vec::new();
        let deadline = Instant::now() + ECHO_PAUSE;
        while let Ok(Some(event)) = timeout_at(deadline, self.events.next()).await {
            let is_echo = matches!(&event, Event::Message(message) if message.number == number);
            earlier.push(event);
            if is_echo {
                break;
            }
        }
        earlier
    }

    /// Waits a moment if the friend is there. What else happens is handed back.
    async fn await_delivery(&mut self, message: &mut Message) -> Vec<Event> {
        let mut meanwhile = Vec::new();
        let is_there = self.friends.get(&message.chat).is_some_and(|friend| friend.presence != Presence::Offline);
        if !is_there {
            return meanwhile;
        }
        let mut deadline = Instant::now() + DELIVERY_PAUSE;
        while !message.delivery.is_none_or(is_all_read) {
            let Ok(Some(event)) = timeout_at(deadline, self.events.next()).await else { break };
            let Some(delivery) = state_of(&event, message) else {
                meanwhile.push(event);
                continue;
            };
            if message.delivery.is_none_or(|before| before.state < DeliveryState::Delivered) {
                deadline = deadline.min(Instant::now() + READ_PAUSE);
            }
            message.delivery = Some(delivery);
        }
        meanwhile
    }

    async fn on_local(&mut self, name: &'static str, local: Local, qr: bool) -> Result<(), Refusal> {
        match local {
            Local::Help(about) => {
                let text = render::page(&command::help::help(about.as_deref())?, &self.look());
                self.terminal.put(&text);
            }
            Local::Demo if self.options.is_demo => {
                return Err(Refusal::new(Code::Conflict, "this is the demo already: write to @echo; /quit ends it"));
            }
            Local::Demo => self.leaving = Some(super::Exit::Demo),
            Local::Quit => self.leaving = Some(super::Exit::Left),
            Local::Open(chat) => self.switch(chat).await?,
            Local::Next => self.open_next().await?,
            Local::Nick(nick) => self.set_profile(name, Some(nick), None).await?,
            Local::Bio(bio) => self.set_profile(name, None, Some(bio)).await?,
            Local::LinkDevice => self.link_device(name, qr).await?,
            Local::JoinAccount(link) => self.join_account(name, link).await?,
            Local::RevokeDevice(device) => self.revoke_device(name, device).await?,
            Local::Passwd => self.change_password().await?,
            Local::NamePasswd { place, file, old_file } => self.change_name_password(place, file, old_file).await?,
            Local::Recovery => self.show_recovery().await?,
            Local::Aliases => self.list_aliases().await?,
            Local::Clear if self.options.plain => self.say(PLAIN_CLEAR),
            Local::Clear => self.terminal.clear(),
            Local::Version => self.say(&format!("hobnob {}", env!("CARGO_PKG_VERSION"))),
            Local::Register { who, file, code } => self.register(who, file, code).await?,
            Local::Login { who, file, device } => self.login(who, file, device).await?,
            Local::LeaveRendezvous(place) => self.leave_rendezvous(name, &place).await?,
            Local::Logout(place) => self.log_out(place).await?,
            Local::Unregister(place) => self.unregister(place).await?,
            Local::Find(who) => self.find(name, who).await?,
            Local::AddNamed { name: who, note } => self.add_named(name, &who, note).await?,
        }
        Ok(())
    }

    /// Makes a chat the current one and shows its last messages.
    pub(super) async fn switch(&mut self, chat: Handle) -> Result<(), Refusal> {
        let reply = self.node.ask(Command::Open { chat: chat.clone(), limit: self.page() }).await?;
        self.scene.chat = Some(chat.clone());
        self.status.typing = false;
        if self.options.plain {
            self.say(&format!("this is the chat with {chat}"));
        }
        self.draft = self.drafts.remove(&chat).unwrap_or_default();
        self.show("open", &reply, false);
        Ok(())
    }

    async fn open_next(&mut self) -> Result<(), Refusal> {
        let reply = self.node.ask(Command::Next).await?;
        if let Reply::Next(Some(chat)) = reply {
            return self.switch(chat).await;
        }
        self.show("next", &reply, false);
        Ok(())
    }

    /// Alt-A. What was typed waits for the chat it was typed in.
    pub(super) async fn on_next_unread(&mut self, draft: String, crossed: bool) {
        if !crossed {
            let prompt = self.prompt_text();
            self.terminal.unput(&prompt, &draft);
        }
        let before = self.scene.chat.clone();
        if let Err(refusal) = self.open_next().await {
            self.refuse(&refusal);
        }
        match before {
            Some(chat) if self.scene.chat.as_ref() != Some(&chat) && !draft.is_empty() => {
                self.drafts.insert(chat, draft);
            }
            _ if self.draft.is_empty() => self.draft = draft,
            _ => {}
        }
    }

    async fn set_profile(
        &mut self,
        name: &'static str,
        nick: Option<Nickname>,
        bio: Option<Note>,
    ) -> Result<(), Refusal> {
        let node = self.node.clone();
        let key = self.unlocked("password: ", async |typed| node.account_key(Password::new(typed)).await).await?;
        let reply = self.node.ask(Command::SetProfile { nick, bio, key }).await?;
        self.show(name, &reply, false);
        Ok(())
    }

    async fn list_aliases(&mut self) -> Result<(), Refusal> {
        let Reply::Settings(mut settings) = self.node.ask(Command::Settings { key: None }).await? else {
            return Ok(());
        };
        settings.retain(|setting| setting.key.starts_with(command::ALIAS_PREFIX));
        self.show("alias", &Reply::Settings(settings), false);
        Ok(())
    }
}

/// What a command changes here.
enum Change {
    Renamed(Handle),
    Removed(Handle),
    NearbyEnded,
    Presence(Presence),
}

impl Change {
    fn of(command: &Command) -> Option<Self> {
        if let Command::Rename { chat, .. } = command {
            return Some(Self::Renamed(chat.clone()));
        }
        if let Command::Remove { chat } = command {
            return Some(Self::Removed(chat.clone()));
        }
        if let Command::SetPresence { presence: Some(presence), .. } = command {
            return Some(Self::Presence(*presence));
        }
        matches!(command, Command::Nearby { on: Some(false) }).then_some(Self::NearbyEnded)
    }
}

/// The friend's node must answer, which takes up to ten seconds.
fn waits_for_others(command: &Command) -> bool {
    matches!(command, Command::Ping { .. } | Command::Verify { verdict: None, .. })
}

/// How far the message is now, if that is what happened.
fn state_of(event: &Event, message: &Message) -> Option<Delivery> {
    if let Event::MessageState { entry, delivery, .. } = event
        && *entry == message.entry
    {
        return Some(*delivery);
    }
    None
}

fn is_all_read(delivery: Delivery) -> bool {
    delivery.state == DeliveryState::Read
}

fn qr_of(reply: &Reply, look: &render::Look) -> String {
    // In upper case a code is a third smaller, and links are read in either.
    let text = if let Reply::Invite { link, .. } = reply {
        link.to_uppercase()
    } else if let Reply::WhoAmI(me) = reply {
        me.account.to_string().to_uppercase()
    } else {
        return String::new();
    };
    let too_small = || render::notice("there is no room for a QR code here; make the window larger", look);
    render::qr(&text, look).unwrap_or_else(too_small)
}
