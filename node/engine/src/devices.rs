//! Several machines of one account: linking another one, listing them, revoking one.
//!
//! A link for a device is an invite whose flag says so. The machine that uses it still has an account of its own, made
//! with its profile, and shows that one's certificate in the handshake; the old device certifies the *keys* in it for
//! the real account. Nothing is asked of the person in between, so whoever has the link within its ten minutes is in.

use hobnob_shared::{
    id::{AccountId, DeviceId, InviteId},
    identity::{AccountKey, Invite},
    limits::{MAX_DEVICES, MAX_REVOKED},
    text::{Nickname, display},
    wire::ErrorCode,
};
use serde_bytes::ByteArray;

use crate::{
    Parts,
    account::{Accounts, Device},
    around,
    command::{Code, Command, Joined, OwnDevice, Refusal, Reply},
    event::Event,
    friend::Token,
    invite,
    reach::Target,
    session::Peer,
    settings::nearest,
    step::{Answer, SessionId, Signal, Step, Stop},
    view::Fault,
    work::Ticket,
};

/// For how long a machine tries to reach the device that its link leads to.
const JOIN_MS: u64 = 30_000;
/// It dials again after this long.
const JOIN_AGAIN_MS: u64 = 2_000;

/// So much of an id names a device: what nobody calls a machine.
const MIN_ID_LETTERS: usize = 8;

/// What is under way with devices of our account.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    open: Option<OpenLink>,
    joining: Option<Joining>,
    /// This machine has become a device of another account, and must start again as that.
    joined: bool,
}

/// A link that somebody may use, with the key that certifies who does. Both are gone when it is over.
#[derive(Debug)]
struct OpenLink {
    id: InviteId,
    key: AccountKey,
    until_ms: u64,
}

/// A link that this machine uses.
#[derive(Debug)]
struct Joining {
    ticket: Ticket,
    invite: Invite,
    until_ms: u64,
    again_ms: u64,
}

impl Devices {
    /// The device that our link leads to says no. `false` when there is no such link.
    pub(crate) fn on_refused(&mut self, account: &AccountId, why: &str, step: &mut Step<'_>) -> bool {
        let Some(joining) = self.joining.take_if(|joining| joining.invite.account == *account) else { return false };
        let message = format!("this machine was not linked: {}", why.replace("invite", "link"));
        step.reply(joining.ticket, Err(Refusal::new(Code::NotFound, message)));
        true
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let open = self.open.as_ref().map(|open| open.until_ms);
        let joining = self.joining.as_ref().map(|joining| joining.again_ms.min(joining.until_ms));
        open.into_iter().chain(joining).min()
    }
}

impl Parts {
    /// Whether this device may still act for its account.
    pub(crate) fn check_device(&self, command: &Command, step: &Step<'_>) -> Result<(), Refusal> {
        if command.only_reads() {
            return Ok(());
        }
        if self.devices.joined {
            let message = "this machine is becoming a device of another account; ask again when it says so, or start hobnob \
                           again if it never does";
            return Err(Refusal::new(Code::Conflict, message));
        }
        let is_allowed =
            matches!(command, Command::Listen { .. } | Command::MarkRead { .. } | Command::LoggedOut { .. });
        if self.own.is_revoked(step) && !is_allowed {
            let message = "this device was revoked by another one of your account: it sends and receives nothing any \
                           more, and what is here stays readable. To chat on this machine, make another profile \
                           (hobnob -P NAME), and link it or log in there";
            return Err(Refusal::new(Code::Untrusted, message));
        }
        Ok(())
    }

    /// All devices of our account, this one first.
    pub(crate) fn list_devices(&self, step: &Step<'_>) -> Reply {
        let view = |device: &Device| OwnDevice {
            name: device.name.clone(),
            device: device.id,
            added_ms: device.certificate.verify().map_or(0, |certificate| certificate.added_ms),
            current: device.id == step.me.device,
            connected: self.sessions.has_device(&step.me.account, &device.x25519),
            last_seen_ms: device.seen_ms,
        };
        let mut devices: Vec<_> = self.own.devices().iter().map(view).collect();
        devices.sort_by_key(|device| (!device.current, device.added_ms, device.device));
        Reply::Devices(devices)
    }

    /// Makes a link that turns a machine into a device of ours.
    pub(crate) fn open_link(&mut self, key: AccountKey, step: &mut Step<'_>) -> Answer {
        self.own.check_key(&key, step)?;
        if self.own.devices().len() >= MAX_DEVICES {
            let message = format!("an account has at most {MAX_DEVICES} devices; /device revoke one first");
            return Err(Stop::refuse(Code::Limited, message));
        }
        let (id, reply) = invite::create_for_device(&self.own, step)?;
        self.devices.open = Some(OpenLink { id, key, until_ms: step.now.mono_ms + invite::LINK_SECS * 1000 });
        Ok(Some(reply))
    }

    /// A machine has the link: it becomes a device of ours, and gets the proof of that over this session. One that was
    /// certified before only gets the proof again.
    pub(crate) fn on_link_used(
        &mut self,
        link: SessionId,
        id: InviteId,
        peer: &Peer,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        if !self.own.lists(&peer.device)
            && let Err(code) = self.certify(id, peer, step)?
        {
            self.sessions.end(link, Some(code), step);
            return Ok(());
        }
        if self.sessions.certify(link, peer.clone(), step) {
            self.sessions.greet(link, None, step);
        }
        Ok(())
    }

    fn certify(&mut self, id: InviteId, peer: &Peer, step: &mut Step<'_>) -> Result<Result<(), ErrorCode>, Fault> {
        if self.own.row().revokes(&peer.device) || self.own.devices().len() >= MAX_DEVICES {
            return Ok(Err(ErrorCode::Denied));
        }
        let Some(open) = self.devices.open.take_if(|open| open.id == id) else { return Ok(Err(ErrorCode::Expired)) };
        if let Err(code) = invite::admit_device(&id, &peer.device, step)? {
            return Ok(Err(code));
        }
        let known = self.own.known();
        let name = self.own.certify(&open.key, peer, step);
        step.event(Event::DeviceAdded { name, device: peer.device });
        step.signal(Signal::Devices(step.me.account));
        self.tell_everybody(&self.own.payloads(known), step);
        Ok(Ok(()))
    }

    /// Has this machine, which has no friends and no history, become a device of another account. The answer follows.
    pub(crate) fn join(&mut self, ticket: Ticket, invite: Invite, step: &mut Step<'_>) -> Answer {
        self.check_join(&invite, step)?;
        let now = step.now.mono_ms;
        self.devices.joining = Some(Joining { ticket, invite, until_ms: now + JOIN_MS, again_ms: now });
        self.dial_link(step);
        Ok(None)
    }

    fn check_join(&self, invite: &Invite, step: &Step<'_>) -> Result<(), Refusal> {
        if !invite.links_device() {
            let message =
                "this is a link for a friend; /add it. /device link at your other machine makes one for this one";
            return Err(Refusal::new(Code::Usage, message));
        }
        if invite.account == step.me.account {
            return Err(Refusal::new(Code::Conflict, "this machine is a device of that account already"));
        }
        let is_fresh =
            self.people.friends().next().is_none() && self.conversations.chats.is_empty() && !self.own.has_others(step);
        if !is_fresh {
            let message = "this profile has friends or a history of its own, which the account that the link is of would \
                           replace; link a new profile instead: hobnob -P NAME init --link LINK";
            return Err(Refusal::new(Code::Conflict, message));
        }
        if invite.expiry_ms < step.now.wall_ms {
            let message = "this link has expired; make a new one with /device link at the other machine";
            return Err(Refusal::new(Code::NotFound, message));
        }
        if self.devices.joining.is_some() {
            return Err(Refusal::new(Code::Conflict, "this machine is being linked already; wait for the answer"));
        }
        Ok(())
    }

    fn dial_link(&mut self, step: &mut Step<'_>) {
        let Some(joining) = &mut self.devices.joining else { return };
        joining.again_ms = step.now.mono_ms + JOIN_AGAIN_MS;
        let invite = &joining.invite;
        if !self.sessions.links_of(&invite.account).is_empty() {
            return;
        }
        let target = Target::Invite {
            account: invite.account,
            x25519: invite.device_x25519,
            id: invite.id,
            token: Token(ByteArray::new(*invite.token)),
        };
        self.reach.dial_link(target, invite.addresses.clone(), step);
    }

    /// The device that our link leads to showed its account. If it lists this machine, the profile may go over.
    pub(crate) fn on_joined(&mut self, link: SessionId, peer: &Peer, step: &mut Step<'_>) -> Result<(), Fault> {
        let is_meant = |joining: &mut Joining| joining.invite.account == peer.account;
        let Some(known) = self.people.account(&peer.account) else { return Ok(()) };
        let Some(device) = known.device(&step.me.device) else { return Ok(()) };
        let (Some(newest), Some(record)) = (&known.newest, known.newest_record()) else { return Ok(()) };
        let joined = Joined {
            account: peer.account,
            nick: newest.nick.clone(),
            device_name: device.name.clone(),
            certificate: device.certificate.clone(),
            record: record.clone(),
        };
        let Some(joining) = self.devices.joining.take_if(is_meant) else { return Ok(()) };
        step.put::<Accounts>(&peer.account, known);
        step.delete::<Accounts>(&step.me.account);
        self.settings.forget_all(step);
        self.presence.forget_choice(step);
        self.rendezvous.forget_names(step);
        self.mail.forget_boxes(step);
        self.devices.joined = true;
        step.reply(joining.ticket, Ok(Reply::Joined(Box::new(joined))));
        self.sessions.end(link, Some(ErrorCode::Ok), step);
        Ok(())
    }

    /// Deadlines of links.
    pub(crate) fn on_link_timeout(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        self.devices.open.take_if(|open| open.until_ms <= now);
        if let Some(joining) = self.devices.joining.take_if(|joining| joining.until_ms <= now) {
            let message = "nobody answered at the addresses of the link; is hobnob running at the other machine, and can \
                           this one reach it? The link stays good for ten minutes from when it was made";
            step.reply(joining.ticket, Err(Refusal::new(Code::Network, message)));
            for link in self.sessions.links_of(&joining.invite.account) {
                self.sessions.end(link, None, step);
            }
        }
        if self.devices.joining.as_ref().is_some_and(|joining| joining.again_ms <= now) {
            self.dial_link(step);
        }
    }

    /// A device does not count any more: every conversation says where its logs end, and the next record names it.
    pub(crate) fn revoke_device(&mut self, name: &str, key: &AccountKey, step: &mut Step<'_>) -> Answer {
        self.own.check_key(key, step)?;
        let (id, name) = self.meant(name, step)?;
        if id == step.me.device {
            let message = "this is the device you are at; revoke it from another one that holds the account's key";
            return Err(Stop::refuse(Code::Conflict, message));
        }
        if self.own.row().revoked() >= MAX_REVOKED {
            let message = format!("an account can revoke {MAX_REVOKED} devices, and has; nothing was changed");
            return Err(Stop::refuse(Code::Limited, message));
        }
        self.conversations.cut_all(&id, &around!(self), step)?;
        let known = self.own.known();
        self.own.revoke(key, &id, step);
        step.event(Event::DeviceRevoked { name, device: id, current: false });
        step.signal(Signal::Devices(step.me.account));
        self.tell_everybody(&self.own.payloads(known), step);
        Ok(Some(Reply::Done))
    }

    /// Which device of ours is meant, by its name or the beginning of its id. Where several have one name, another than
    /// this one is.
    fn meant(&self, name: &str, step: &Step<'_>) -> Result<(DeviceId, Nickname), Refusal> {
        let is_id = |id: &DeviceId| name.len() >= MIN_ID_LETTERS && id.to_string().starts_with(name);
        let meant = |device: &&Device| device.name.as_str() == name || is_id(&device.id);
        let mut meant: Vec<_> = self.own.devices().iter().filter(meant).collect();
        if meant.len() > 1 {
            meant.retain(|device| device.id != step.me.device);
        }
        match meant.as_slice() {
            [one] => Ok((one.id, one.name.clone())),
            [] => Err(self.no_device(name)),
            [_, ..] => {
                let message = format!(
                    "several devices of yours are called {}; say the beginning of the id that /devices shows",
                    display::line(name)
                );
                Err(Refusal::new(Code::Conflict, message))
            }
        }
    }

    fn no_device(&self, name: &str) -> Refusal {
        let names = self.own.devices().iter().map(|device| device.name.as_str());
        let hint = match nearest(name, names) {
            Some(near) => format!("did you mean {}? /devices lists them", display::line(near)),
            None => "/devices lists them".to_owned(),
        };
        Refusal::new(Code::NotFound, format!("no device of yours is called {}; {hint}", display::line(name)))
    }

    /// This device was revoked. What is here stays; nothing more comes or goes.
    pub(crate) fn on_revoked(&mut self, step: &mut Step<'_>) {
        self.recall_revoked(step);
        self.rendezvous.on_revoked(step);
        for link in self.sessions.all_links() {
            self.sessions.end(link, None, step);
        }
        let accounts = self.people.friends().map(|(account, _)| *account).chain([step.me.account]);
        for account in accounts.collect::<Vec<_>>() {
            self.reach.refresh(&account, &around!(self), &self.sessions, step);
        }
    }

    /// Says once that this device was revoked, if it was: when it happens, and at each start.
    pub(crate) fn recall_revoked(&self, step: &mut Step<'_>) {
        if self.own.is_revoked(step) {
            let (name, device) = (step.me.device_name.clone(), step.me.device);
            step.event(Event::DeviceRevoked { name, device, current: true });
        }
    }

    /// Devices of ours that came or went, by somebody else's word.
    pub(crate) fn tell_devices(&self, before: &[Device], step: &mut Step<'_>) {
        let had = |device: &Device| before.iter().any(|known| known.id == device.id);
        let now = self.own.devices();
        let is_new =
            |device: &&Device| !had(device) && device.id != step.me.device && !self.own.was_here_before(device);
        for device in now.iter().filter(is_new) {
            step.event(Event::DeviceAdded { name: device.name.clone(), device: device.id });
        }
        let is_gone = |device: &&Device| now.iter().all(|known| known.id != device.id);
        for device in before.iter().filter(is_gone) {
            step.event(Event::DeviceRevoked { name: device.name.clone(), device: device.id, current: false });
        }
    }
}
