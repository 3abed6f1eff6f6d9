//! What a line does: asked of the node, or done here. Also which chat is the current one.

use std::collections::BTreeMap;

use hobnob_shared::text::{Handle, Nickname, Note};
use serde_json::json;

use super::{Script, odd_answer};
use crate::{
    account,
    api::{Code, Command, Event, Refusal, Reply, Setting},
    command::{self, Action, Context, DeviceLink, Local, Parsed},
    json::{fields, input::Asked, out::Origin},
    profile::Password,
};

/// Settings whose key begins so are aliases of commands.
const ALIAS: &str = "alias.";

impl Script<'_> {
    /// Carries out one line and answers it.
    pub(super) async fn on_asked(&mut self, asked: Asked) {
        let parsed = match self.parse(&asked).await {
            Ok(parsed) => parsed,
            Err(refusal) => return self.refuse(&refusal, &asked.origin),
        };
        let question = match account::question(self.node, &parsed).await {
            Ok(question) => question,
            Err(refusal) => return self.refuse(&refusal, &asked.origin),
        };
        if let Some(question) = question
            && !self.options.yes
        {
            let message = format!("{question} Add --yes to the command, or start hobnob with --yes");
            return self.refuse(&Refusal::new(Code::Usage, message), &asked.origin);
        }
        self.await_news(parsed.name).await;
        match parsed.action {
            Action::Nothing => {}
            Action::Ask(command) => self.answer(parsed.name, command, &asked.origin).await,
            Action::Local(local) => {
                if let Err(refusal) = self.on_local(parsed.name, local, &asked.origin).await {
                    self.refuse(&refusal, &asked.origin);
                }
            }
        }
    }

    async fn parse(&mut self, asked: &Asked) -> Result<Parsed, Refusal> {
        let named = match &asked.chat {
            Some(name) => Some(parse_chat(name)?),
            None => None,
        };
        let chat = match named {
            Some(chat) => Some(chat),
            None => self.current_chat().await?,
        };
        command::parse(
            &asked.command,
            &Context { chat: chat.as_ref(), aliases: &self.chats.aliases, page: command::PAGE },
        )
    }

    /// The chat that was opened; without one, the only one there is.
    async fn current_chat(&mut self) -> Result<Option<Handle>, Refusal> {
        if let Current::Unknown = self.chats.current {
            let Reply::Chats(chats) = self.ask(Command::Chats).await? else { return Err(odd_answer()) };
            self.chats.current = match chats.as_slice() {
                [only] => Current::Only(only.handle.clone()),
                _ => Current::None,
            };
        }
        Ok(match &self.chats.current {
            Current::Opened(chat) | Current::Only(chat) => Some(chat.clone()),
            Current::Unknown | Current::None | Current::Failed => None,
        })
    }

    async fn on_local(&mut self, name: &'static str, local: Local, origin: &Origin) -> Result<(), Refusal> {
        match local {
            Local::Help(about) => self.say(name, origin, "text", &command::help::help(about.as_deref())?),
            Local::Demo => {
                return Err(Refusal::new(Code::Unsupported, "/demo is for a terminal; start `hobnob demo` instead"));
            }
            Local::Quit => self.quit(name, origin),
            Local::Open(chat) => self.open(name, chat, origin).await,
            Local::Next => self.next(name, origin).await?,
            Local::Nick(nick) => self.set_profile(name, origin, Some(nick), None).await?,
            Local::Bio(bio) => self.set_profile(name, origin, None, Some(bio)).await?,
            Local::LinkDevice => {
                let key = self.node.account_key(self.password()?).await?;
                self.answer(name, Command::LinkDevice { key }, origin).await;
            }
            Local::RevokeDevice(device) => {
                let key = self.node.account_key(self.password()?).await?;
                self.answer(name, Command::RevokeDevice { name: device, key }, origin).await;
            }
            Local::JoinAccount(link) => self.join_account(name, link, origin).await?,
            Local::Passwd => {
                let message = "the password of a profile is typed at a terminal; start hobnob in one. (/passwd rendezvous, \
                               the one of your name, takes files)";
                return Err(Refusal::new(Code::Unsupported, message));
            }
            Local::NamePasswd { place, file, old_file } => {
                self.change_name_password(name, place, (file, old_file), origin).await?;
            }
            Local::Recovery => self.recovery(name, origin).await?,
            Local::Aliases => self.list_aliases(name, origin).await?,
            Local::Clear => self.out.answer(name, origin, fields(json!({})), ""),
            Local::Version => self.say(name, origin, "version", env!("CARGO_PKG_VERSION")),
            Local::Register { who, file, code } => self.register(name, (who, file, code), origin).await?,
            Local::Login { who, file, device } => self.login(name, (who, file, device), origin).await?,
            Local::LeaveRendezvous(place) => self.leave_rendezvous(name, &place, origin).await?,
            Local::Logout(place) => self.log_out(name, place, origin).await?,
            Local::Unregister(place) => self.unregister(name, place, origin).await?,
            Local::Find(who) => self.find(name, who, origin).await?,
            Local::AddNamed { name: who, note } => self.add_named(name, (&who, note), origin).await?,
        }
        Ok(())
    }

    fn say(&mut self, name: &str, origin: &Origin, field: &str, text: &str) {
        self.out.answer(name, origin, fields(json!({ field: text })), text);
    }

    fn quit(&mut self, name: &str, origin: &Origin) {
        self.leaving = true;
        let queued = self.outstanding.count();
        let text = if queued > 0 { format!("{queued} not delivered yet; waiting for them") } else { String::new() };
        self.out.answer(name, origin, fields(json!({ "queued": queued })), &text);
    }

    /// A chat that cannot be opened leaves none open: the lines behind it are not for the one before.
    async fn open(&mut self, name: &'static str, chat: Handle, origin: &Origin) {
        match self.ask(Command::Open { chat: chat.clone(), limit: command::PAGE }).await {
            Ok(reply) => {
                self.chats.current = Current::Opened(chat);
                self.out.reply(name, origin, &reply);
            }
            Err(refusal) => {
                self.chats.current = Current::Failed;
                self.refuse(&refusal, origin);
            }
        }
    }

    async fn next(&mut self, name: &'static str, origin: &Origin) -> Result<(), Refusal> {
        let reply = self.ask(Command::Next).await?;
        if let Reply::Next(Some(chat)) = reply {
            self.open(name, chat, origin).await;
        } else {
            self.out.reply(name, origin, &reply);
        }
        Ok(())
    }

    async fn set_profile(
        &mut self,
        name: &'static str,
        origin: &Origin,
        nick: Option<Nickname>,
        bio: Option<Note>,
    ) -> Result<(), Refusal> {
        let key = self.node.account_key(self.password()?).await?;
        self.answer(name, Command::SetProfile { nick, bio, key }, origin).await;
        Ok(())
    }

    /// The profile becomes a device of another account, and the run goes on as that.
    async fn join_account(&mut self, name: &'static str, link: DeviceLink, origin: &Origin) -> Result<(), Refusal> {
        self.node.account_key(self.password()?).await?;
        let reply = self.ask(Command::JoinAccount { invite: link.0 }).await?;
        let Reply::Joined(joined) = &reply else { return Err(odd_answer()) };
        self.node.take_over(self.password()?, (**joined).clone()).await?;
        self.out.reply(name, origin, &reply);
        self.begin_anew().await
    }

    /// The node is another account's device now, and says so as at a start.
    pub(super) async fn begin_anew(&mut self) -> Result<(), Refusal> {
        self.chats = Chats::default();
        self.begin().await
    }

    async fn recovery(&mut self, name: &'static str, origin: &Origin) -> Result<(), Refusal> {
        let words = self.node.recovery_words(self.password()?).await?;
        self.out.answer(name, origin, fields(json!({ "recovery_words": words.as_str() })), &words);
        Ok(())
    }

    async fn list_aliases(&mut self, name: &'static str, origin: &Origin) -> Result<(), Refusal> {
        let Reply::Settings(settings) = self.ask(Command::Settings { key: None }).await? else {
            return Err(odd_answer());
        };
        let aliases: Vec<Setting> = settings.into_iter().filter(|setting| setting.key.starts_with(ALIAS)).collect();
        self.out.reply(name, origin, &Reply::Settings(aliases));
        Ok(())
    }

    /// The password for a command that asks for it again: none, or from its file.
    pub(super) fn password(&self) -> Result<Option<Password>, Refusal> {
        if !self.node.has_password() {
            return Ok(None);
        }
        match &self.options.password_file {
            Some(file) => crate::cli::password_from(file),
            None => Err(Refusal::new(Code::Login, "this needs the password; start hobnob with --password-file FILE")),
        }
    }
}

fn parse_chat(name: &str) -> Result<Handle, Refusal> {
    Handle::parse(name.strip_prefix('@').unwrap_or(name))
        .map_err(|why| Refusal::new(Code::Usage, format!("chat is no name: {why}; write \"@bob\"")))
}

/// Which chat a line without a name goes to.
#[derive(Debug, Default)]
enum Current {
    /// Nobody looked yet, or the list of chats may have changed.
    #[default]
    Unknown,
    /// There is none, or there are several.
    None,
    /// The only one.
    Only(Handle),
    /// The last one opened.
    Opened(Handle),
    /// Opening one was refused, and nothing was opened since.
    Failed,
}

/// The current chat, and the aliases of commands.
#[derive(Debug, Default)]
pub(super) struct Chats {
    current: Current,
    aliases: BTreeMap<String, String>,
}

impl Chats {
    pub(super) fn load_aliases(&mut self, settings: &[Setting]) {
        self.aliases = command::aliases(settings.iter().map(|one| (one.key.as_str(), one.value.as_str())));
    }

    /// A command was carried out. Its events say the same, but the next line may be read before them.
    pub(super) fn on_done(&mut self, change: ChatChange) {
        match change {
            ChatChange::None => {}
            ChatChange::List => self.forget_only(),
            ChatChange::Renamed(from, to) => self.on_renamed(&from, &to),
            ChatChange::Setting(key, value) => self.on_setting(&key, value),
        }
    }

    pub(super) fn on_event(&mut self, event: &Event) {
        if let Event::FriendRenamed { from, to } = event {
            self.on_renamed(from, to);
        }
        if let Event::SettingChanged { key, value } = event {
            self.on_setting(key, value.clone());
        }
        if let Event::FriendRemoved(gone) = event
            && matches!(&self.current, Current::Opened(chat) if chat == gone)
        {
            self.current = Current::Failed;
        }
        if matches!(event, Event::FriendAdded(_) | Event::FriendRemoved(_) | Event::FriendChanged(_)) {
            self.forget_only();
        }
    }

    fn on_renamed(&mut self, from: &Handle, to: &Handle) {
        if let Current::Opened(chat) | Current::Only(chat) = &mut self.current
            && chat == from
        {
            *chat = to.clone();
        }
    }

    fn on_setting(&mut self, key: &str, value: Option<String>) {
        if let Some(name) = key.strip_prefix(ALIAS) {
            match value {
                Some(value) => self.aliases.insert(name.to_owned(), value),
                None => self.aliases.remove(name),
            };
        }
    }

    /// What was found by looking at the list has to be looked up again; what was opened stays.
    fn forget_only(&mut self) {
        if matches!(self.current, Current::Only(_) | Current::None) {
            self.current = Current::Unknown;
        }
    }
}

/// What a command means for the current chat and the aliases, once it is done.
#[derive(Debug)]
pub(super) enum ChatChange {
    None,
    /// The list of chats may be another one.
    List,
    Renamed(Handle, Handle),
    Setting(String, Option<String>),
}

impl ChatChange {
    pub(super) fn of(command: &Command) -> Self {
        if let Command::Rename { chat, alias } = command {
            return Self::Renamed(chat.clone(), alias.clone());
        }
        if let Command::Set { key, value } = command {
            return Self::Setting(key.clone(), value.clone());
        }
        let changes_list = matches!(
            command,
            Command::Add { .. }
                | Command::AddNearby { .. }
                | Command::AddName { .. }
                | Command::Accept { .. }
                | Command::Remove { .. }
        );
        if changes_list { Self::List } else { Self::None }
    }
}
