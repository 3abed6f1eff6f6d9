//! Routes each command to the part that carries it out.

use hobnob_shared::{
    id::AccountId,
    identity::{AccountKey, Invite},
    text::{Handle, Nickname, Note},
};
use serde_bytes::ByteArray;

use crate::{
    Parts, around,
    command::{Code, Command, Peer, Reply, Standing, WhoAmI},
    event::Event,
    friend::{InviteUse, People, Source, Token},
    introduce, invite,
    reach::parse_address,
    step::{Answer, News, Signal, Step, Stop},
    verify::safety,
    view::Fault,
    work::Ticket,
};

type Done = Result<(), Stop>;

impl Parts {
    pub(crate) fn on_command(&mut self, ticket: Ticket, command: Command, step: &mut Step<'_>) -> Result<(), Fault> {
        let answer = match self.check_device(&command, step) {
            Ok(()) => self.command(ticket, command, step),
            Err(refusal) => Err(refusal.into()),
        };
        self.settle(step)?;
        self.share(step)?;
        match answer {
            Ok(Some(reply)) => step.reply(ticket, Ok(reply)),
            Ok(None) => {}
            Err(Stop::Refusal(refusal)) => step.reply(ticket, Err(refusal)),
            Err(Stop::Fault(fault)) => return Err(fault),
        }
        Ok(())
    }

    fn command(&mut self, ticket: Ticket, command: Command, step: &mut Step<'_>) -> Answer {
        match command {
            Command::WhoAmI => answer(self.who_am_i(step)),
            Command::SetProfile { nick, bio, key } => done(self.set_profile(nick, bio, &key, step)),
            Command::Devices => answer(self.list_devices(step)),
            Command::LinkDevice { key } => self.open_link(key, step),
            Command::JoinAccount { invite } => self.join(ticket, *invite, step),
            Command::RevokeDevice { name, key } => self.revoke_device(&name, &key, step),
            Command::SetPresence { presence, text } => {
                self.choose_presence(presence, text, step);
                answer(self.shown())
            }
            Command::CreateInvite(terms) => invite::create(&terms, &self.own, step).map(Some),
            Command::Add { invite, note } => self.add(*invite, note, step),
            Command::AddNearby { name, note } => self.add_nearby(&name, note, step),
            Command::Requests => answer(Reply::Requests(self.people.requests())),
            Command::Accept { number } => self.accept(number, step),
            Command::Decline { number } => done(self.decline(number, step)),
            Command::Friends => answer(self.friends()),
            Command::Remove { chat } => done(self.remove(&chat, step)),
            Command::Rename { chat, alias } => self.rename(&chat, &alias, step),
            Command::Verify { chat, verdict } => self.verify(ticket, &chat, verdict, step),
            Command::Introduce { chat, to } => done(self.introduce(&chat, &to, step)),
            Command::Block { chat } => done(self.block(&chat, true, step)),
            Command::Unblock { chat } => done(self.block(&chat, false, step)),
            Command::Mute { chat, muted } => done(self.mute(&chat, muted, step)),
            Command::Nearby { on } => answer(self.nearby(on, step)),
            Command::Connect { chat, address } => done(self.connect(&chat, &address, step)),
            Command::ConnectNearby { address } => done(self.connect_nearby(&address, step)),
            Command::Net => answer(self.net(step)),
            Command::Peers => answer(self.peers(step)),
            Command::Ping { chat } => self.ping(ticket, &chat, step),
            Command::OutboxRetry => answer(self.outbox_retry(step)),
            Command::Outbox => self.outbox(step),
            Command::Settings { key } => answer(Reply::Settings(self.settings.list(key.as_deref())?)),
            Command::Set { key, value } => done(Ok(self.settings.set(&key, value.as_deref(), step)?)),
            of_servers @ (Command::SetRendezvous { .. }
            | Command::Servers
            | Command::Ask { .. }
            | Command::MyAccount
            | Command::Registered { .. }
            | Command::GiveUpName { .. }
            | Command::LoggedOut { .. }
            | Command::Find { .. }
            | Command::AddName { .. }) => self.server_command(ticket, of_servers, step),
            of_chats @ (Command::Send { .. }
            | Command::Edit { .. }
            | Command::Delete { .. }
            | Command::React { .. }
            | Command::Forward { .. }
            | Command::Pin { .. }
            | Command::Info { .. }
            | Command::Expire { .. }
            | Command::Open { .. }
            | Command::MarkRead { .. }
            | Command::Typing { .. }
            | Command::Chats
            | Command::Unread
            | Command::Next
            | Command::History { .. }
            | Command::Jump { .. }
            | Command::Resync { .. }
            | Command::OutboxCancel { .. }
            | Command::Listen { .. }) => self.conversations.command(of_chats, &around!(self), step),
        }
    }

    fn who_am_i(&self, step: &Step<'_>) -> Reply {
        let (presence, presence_text) = self.presence.own();
        Reply::WhoAmI(Box::new(WhoAmI {
            account: step.me.account,
            device: step.me.device,
            nick: self.own.nick(step),
            bio: self.own.bio(),
            device_name: step.me.device_name.clone(),
            names: self.rendezvous.full_names(),
            listen: self.own.listening().to_vec(),
            presence,
            presence_text,
        }))
    }

    fn shown(&self) -> Reply {
        let (presence, text) = self.presence.own();
        Reply::Shown { presence, text }
    }

    fn set_profile(
        &mut self,
        nick: Option<Nickname>,
        bio: Option<Note>,
        key: &AccountKey,
        step: &mut Step<'_>,
    ) -> Done {
        let known = self.own.known();
        self.own.set_profile(nick, bio, key, step)?;
        self.tell_everybody(&self.own.payloads(known), step);
        Ok(())
    }

    fn friend(&self, account: &AccountId) -> Reply {
        let view = People::view(account, &around!(self), self.conversations.queued(account, &around!(self)));
        view.map_or(Reply::Done, |friend| Reply::Friend(Box::new(friend)))
    }

    fn friends(&self) -> Reply {
        let shown = self.people.friends().filter(|(_, row)| row.standing() != Standing::Removed);
        let views = shown.filter_map(|(account, _)| {
            People::view(account, &around!(self), self.conversations.queued(account, &around!(self)))
        });
        let mut friends: Vec<_> = views.collect();
        friends.sort_by(|one, other| one.handle.cmp(&other.handle));
        Reply::Friends(friends)
    }

    fn add(&mut self, invite: Invite, note: Note, step: &mut Step<'_>) -> Answer {
        let account = invite.account;
        if invite.links_device() {
            let message = "this link makes a machine a device of the account that it is of; use it with \
                           hobnob -P NAME init --link LINK, or ask for a link of /invite-link";
            return Err(Stop::refuse(Code::Conflict, message));
        }
        if account == step.me.account {
            return Err(Stop::refuse(Code::Conflict, "this is an invite of your own; give it to somebody else"));
        }
        if invite.expiry_ms < step.now.wall_ms {
            let message = "this invite has expired; ask for a new one, or set this machine's clock if it is wrong";
            return Err(Stop::refuse(Code::NotFound, message));
        }
        if self.people.standing(&account) == Some(Standing::Blocked) {
            let handle = self.people.handle(&account);
            let message = format!("this invite is of {handle}, who is blocked; /unblock {handle} first");
            return Err(Stop::refuse(Code::Conflict, message));
        }
        let request = self.people.drop_request(&account, step);
        let was_asked = request.is_some_and(|request| request.they_accepted);
        self.people.add(account, note, was_asked, step);
        self.people.change(&account, step, |row| {
            row.invite = Some(InviteUse {
                id: invite.id,
                token: Token(ByteArray::new(*invite.token)),
                x25519: ByteArray::new(invite.device_x25519),
                addresses: invite.addresses,
                served: false,
                dead: None,
            });
        });
        self.people_changed(&account, was_asked, step);
        self.reach.wake(&account, &self.sessions, step);
        answer(self.friend(&account))
    }

    fn add_nearby(&mut self, name: &Handle, note: Note, step: &mut Step<'_>) -> Answer {
        let account = self.nearby.find(name)?;
        if let Some(standing @ (Standing::Friend | Standing::Blocked)) = self.people.standing(&account) {
            let handle = self.people.handle(&account);
            let message = match standing {
                Standing::Blocked => format!("{handle} is blocked; /unblock {handle} first"),
                Standing::Friend | Standing::Pending | Standing::Removed => format!("{handle} is a friend already"),
            };
            return Err(Stop::refuse(Code::Conflict, message));
        }
        let request = self.people.drop_request(&account, step);
        let was_asked = request.is_some_and(|request| request.they_accepted);
        self.people.add(account, note, was_asked, step);
        self.people_changed(&account, was_asked, step);
        answer(self.friend(&account))
    }

    /// We have accepted somebody: they are told over every session that is up, and it may be mutual now.
    pub(crate) fn people_changed(&mut self, account: &AccountId, they_accepted: bool, step: &mut Step<'_>) {
        for session in self.sessions.of(account).to_vec() {
            self.knock(session, account, step);
        }
        if they_accepted {
            step.signal(Signal::Friendship(*account));
            step.signal(Signal::News(*account, News::Added));
        }
    }

    fn accept(&mut self, number: u64, step: &mut Step<'_>) -> Answer {
        let row = self.people.decide(number, step)?;
        let (account, they_accepted) = (row.account, row.they_accepted);
        self.people.add(account, Note::default(), they_accepted, step);
        self.people_changed(&account, they_accepted, step);
        self.accept_asked(&account, step)?;
        answer(self.friend(&account))
    }

    fn decline(&mut self, number: u64, step: &mut Step<'_>) -> Done {
        let row = self.people.decide(number, step)?;
        match row.source {
            Source::Invite(id) => invite::decline(&id, &row.account, step)?,
            Source::Introduction(by) => introduce::decline(&by, &row.account, &mut self.people, step),
            Source::Name(..) => self.tell_declined(&row, step)?,
            Source::Nearby => {}
        }
        self.dismiss(&row.account, step);
        Ok(())
    }

    /// Somebody who asked is nobody here any more.
    pub(crate) fn dismiss(&mut self, account: &AccountId, step: &mut Step<'_>) {
        self.end_sessions(account, step);
        self.people.forget(account, step);
    }

    fn end_sessions(&mut self, account: &AccountId, step: &mut Step<'_>) {
        for link in self.sessions.links_of(account) {
            self.sessions.end(link, None, step);
        }
    }

    fn remove(&mut self, chat: &Handle, step: &mut Step<'_>) -> Done {
        let account = self.people.find(chat)?;
        let handle = self.people.handle(&account);
        if self.people.standing(&account) == Some(Standing::Removed) {
            return Err(Stop::refuse(Code::Conflict, format!("{handle} is removed already; history stays")));
        }
        self.people.change(&account, step, crate::friend::FriendRow::end_friendship);
        invite::revoke(&account, step)?;
        step.signal(Signal::Estranged(account));
        step.event(Event::FriendRemoved(handle));
        Ok(())
    }

    fn rename(&mut self, chat: &Handle, alias: &Handle, step: &mut Step<'_>) -> Answer {
        let account = self.people.find(chat)?;
        let from = self.people.handle(&account);
        self.people.rename(&account, alias, step)?;
        step.event(Event::FriendRenamed { from, to: alias.clone() });
        answer(self.friend(&account))
    }

    fn verify(&mut self, ticket: Ticket, chat: &Handle, verdict: Option<bool>, step: &mut Step<'_>) -> Answer {
        let account = self.people.find(chat)?;
        if let Some(verified) = verdict {
            self.settle_keys(&account, verified, step);
            if !verified {
                return answer(self.friend(&account));
            }
            return answer(safety(&account, None, &self.people, step));
        }
        match self.sessions.of(&account).first() {
            Some(session) => self.verifications.ask(*session, ticket, step),
            None => return answer(safety(&account, None, &self.people, step)),
        }
        Ok(None)
    }

    fn settle_keys(&mut self, account: &AccountId, verified: bool, step: &mut Step<'_>) {
        let had_alarm = self.people.friend(account).is_some_and(|row| row.alarm);
        self.people.change(account, step, |row| {
            row.verified = verified;
            row.alarm &= !verified;
        });
        if had_alarm && verified {
            self.people.learn(account, step, |known| {
                known.settle_rival(account);
                (true, ())
            });
            step.signal(Signal::Devices(*account));
            step.signal(Signal::Friendship(*account));
        }
        step.signal(Signal::News(*account, News::Changed));
    }

    fn introduce(&mut self, chat: &Handle, to: &Handle, step: &mut Step<'_>) -> Done {
        let (one, other) = (self.people.find(chat)?, self.people.find(to)?);
        introduce::plan(&one, &other, &mut self.people, step)?;
        for account in [one, other] {
            if let Some(session) = self.sessions.of(&account).first() {
                self.introductions.send(*session, &account, &self.people, step);
            }
        }
        Ok(())
    }

    fn block(&mut self, chat: &Handle, blocked: bool, step: &mut Step<'_>) -> Done {
        let account = self.people.find(chat)?;
        let handle = self.people.handle(&account);
        if self.people.friend(&account).is_some_and(|row| row.blocked == blocked) {
            let message = if blocked { "is blocked already" } else { "is not blocked" };
            return Err(Stop::refuse(Code::Conflict, format!("{handle} {message}")));
        }
        self.people.change(&account, step, |row| row.blocked = blocked);
        if blocked {
            invite::revoke(&account, step)?;
            step.signal(Signal::Estranged(account));
        } else {
            step.signal(Signal::Devices(account));
            step.signal(Signal::Friendship(account));
        }
        step.signal(Signal::News(account, News::Changed));
        Ok(())
    }

    fn mute(&mut self, chat: &Handle, muted: bool, step: &mut Step<'_>) -> Done {
        let account = self.people.find(chat)?;
        self.people.change(&account, step, |row| row.muted = muted);
        step.signal(Signal::News(account, News::Changed));
        Ok(())
    }

    fn nearby(&mut self, on: Option<bool>, step: &mut Step<'_>) -> Reply {
        if let Some(on) = on {
            self.set_pairing(on, step);
        }
        self.nearby.list(&self.people, self.own.listening(), step)
    }

    fn connect(&mut self, chat: &Handle, address: &str, step: &mut Step<'_>) -> Done {
        let account = self.people.find(chat)?;
        let address = parse_address(address)?;
        let handle = self.people.handle(&account);
        if !self.people.friend(&account).is_some_and(crate::friend::FriendRow::is_wanted) {
            let message = format!("{handle} is blocked or removed; /unblock them or /add a new link of theirs first");
            return Err(Stop::refuse(Code::Conflict, message));
        }
        if !self.reach.ask(&account, &address, step) {
            let message = format!("no device of {handle} is known yet; /add a link of theirs first");
            return Err(Stop::refuse(Code::NotFound, message));
        }
        Ok(())
    }

    fn connect_nearby(&mut self, address: &str, step: &mut Step<'_>) -> Done {
        let address = parse_address(address)?;
        // Both sides must be in pairing mode, and whoever dials by hand wants to be.
        self.set_pairing(true, step);
        self.reach.dial_nearby(None, vec![address.clone()], Some(address), step);
        Ok(())
    }

    fn net(&self, step: &Step<'_>) -> Reply {
        Reply::Net {
            listen: self.own.listening().to_vec(),
            sessions: self.sessions.all_up().count(),
            pairing: self.nearby.is_on(),
            unreached: self.reach.unreached(&around!(self), &self.sessions, step),
            servers: self.rendezvous.views(step),
        }
    }

    fn peers(&self, step: &Step<'_>) -> Reply {
        let view = self.sessions.all_up().map(|(_, session, peer)| Peer {
            handle: around!(self).handle(&peer.account),
            device: peer.device,
            device_name: peer.name.clone(),
            address: session.address.clone(),
            outbound: session.initiator,
            up_ms: step.now.mono_ms.saturating_sub(session.up_ms.unwrap_or(step.now.mono_ms)),
            bytes: session.bytes(),
        });
        Reply::Peers(view.collect())
    }

    fn ping(&mut self, ticket: Ticket, chat: &Handle, step: &mut Step<'_>) -> Answer {
        let account = self.people.find(chat)?;
        let handle = self.people.handle(&account);
        let Some(session) = self.sessions.of(&account).first() else {
            let message = format!("{handle} is not connected; /net shows what is being tried");
            return Err(Stop::refuse(Code::Network, message));
        };
        self.pings.ask(*session, ticket, step);
        Ok(None)
    }

    fn outbox(&self, step: &Step<'_>) -> Answer {
        let unreached = self.reach.unreached(&around!(self), &self.sessions, step);
        self.conversations.outbox(|chat, place| self.why(chat, place, &unreached), self.missing(), &around!(self), step)
    }

    fn outbox_retry(&mut self, step: &mut Step<'_>) -> Reply {
        let is_waiting = |account: &AccountId| self.conversations.is_owing(account, &around!(self));
        let friends = self.people.friends().map(|(account, _)| *account);
        for account in friends.filter(is_waiting).collect::<Vec<_>>() {
            self.reach.wake(&account, &self.sessions, step);
            self.mail_now(&account, step);
        }
        Reply::Done
    }
}

fn answer(reply: Reply) -> Answer {
    Ok(Some(reply))
}

fn done(result: Done) -> Answer {
    result.map(|()| Some(Reply::Done))
}
