//! Routes what one part wants of another, after that part has returned.

use hobnob_shared::id::{AccountId, DeviceId};

use crate::{
    Parts, around,
    command::Standing,
    event::Event,
    friend::People,
    session::Session,
    step::{News, SessionId, Signal, Step},
    view::Fault,
    work::{Mode, TransportId},
};

impl Parts {
    /// Until nobody wants anything any more.
    pub(crate) fn settle(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        while let Some(signal) = step.next_signal() {
            self.route(signal, step)?;
        }
        Ok(())
    }

    fn route(&mut self, signal: Signal, step: &mut Step<'_>) -> Result<(), Fault> {
        match signal {
            Signal::Wake(account) => {
                self.reach.wake(&account, &self.sessions, step);
                Ok(())
            }
            Signal::Friendship(account) => self.on_friendship(&account, step),
            Signal::Estranged(account) => {
                self.on_estranged(&account, step);
                Ok(())
            }
            Signal::Up(link) => self.on_up(link, step),
            Signal::Down { session, account, device, was_up, syncing } => {
                self.on_down(session, account, device, was_up, syncing, step)
            }
            Signal::Unreached(target) => {
                self.reach.on_refused(&target, &around!(self), step);
                Ok(())
            }
            Signal::Renew(account, x25519) => {
                self.reach.renew(account, x25519, &around!(self), step);
                Ok(())
            }
            Signal::Devices(account) => self.on_devices(&account, step),
            Signal::Said(rank, body) => self.on_said(rank, &body, step),
            Signal::News(account, news) => {
                self.tell_news(&account, news, step);
                Ok(())
            }
            Signal::Served(outcome) => self.on_served(*outcome, step),
            Signal::Noted(server, note) => {
                self.on_presence_note(&server, &note, step);
                Ok(())
            }
            Signal::Mail(server) => {
                self.fetch_mail(server, step);
                Ok(())
            }
        }
    }

    fn on_up(&mut self, link: SessionId, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some(Session { initiator, mode, address, .. }) = self.sessions.get(link) else { return Ok(()) };
        let (initiator, mode, address) = (*initiator, *mode, address.clone());
        let Some(peer) = self.sessions.peer(link).cloned() else { return Ok(()) };
        self.reach.on_up(peer.account, peer.x25519);
        if initiator && peer.account == step.me.account {
            self.own.learn_address(&peer.x25519, &address, step);
        } else if initiator {
            self.people.learn_address(&peer.account, &peer.x25519, &address, step);
        }
        if mode == Mode::Nearby {
            self.nearby.on_up(link, peer.account, &self.people, step);
        }
        if !self.sessions.get(link).is_some_and(|session| session.has_knocked) {
            self.knock(link, &peer.account, step);
        }
        self.open_sync(link, step)
    }

    fn saw_device(&mut self, account: &AccountId, device: &DeviceId, step: &mut Step<'_>) {
        if *account == step.me.account {
            self.own.saw(device, step);
        } else {
            self.people.saw(account, device, step);
        }
    }

    fn saw(&mut self, account: &AccountId, device: &DeviceId, step: &mut Step<'_>) {
        let seen = step.now.wall_ms;
        self.people.change(account, step, |row| row.last_seen_ms = Some(seen));
        self.saw_device(account, device, step);
    }

    /// The process ends: nobody here will see how these sessions do.
    pub(crate) fn saw_all(&mut self, step: &mut Step<'_>) {
        let peers = self.sessions.all_up().map(|(.., peer)| (peer.account, peer.device));
        for (account, device) in peers.collect::<Vec<_>>() {
            self.saw(&account, &device, step);
        }
    }

    /// Conversations flow over a session as soon as it is up, both accepted, nothing is in doubt, and the device is one
    /// of the account's: a friend's, or ours.
    fn open_sync(&mut self, link: SessionId, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some(peer) = self.sessions.peer(link).cloned() else { return Ok(()) };
        if !around!(self).syncs(&peer.account, &peer.device) {
            return Ok(());
        }
        let has_knocked = match self.sessions.get_mut(link) {
            Some(session) if !session.syncing => {
                session.syncing = true;
                session.has_knocked
            }
            _ => return Ok(()),
        };
        if !has_knocked {
            // What follows is taken from friends only.
            self.knock(link, &peer.account, step);
        }
        // This node may not live to see the session's end. One is renewed every hour, so no more than that is lost.
        self.saw_device(&peer.account, &peer.device, step);
        if peer.account != step.me.account {
            self.presence.tell(link, step);
            self.hand_ticket(link, step);
            self.introductions.send(link, &peer.account, &self.people, step);
        }
        self.greet_with_mailboxes(link, &peer.account, step);
        self.tell_vault_keys_to(link, step);
        self.conversations.on_session_up(link, peer.account, peer.device, &around!(self), step)
    }

    fn on_down(
        &mut self,
        link: SessionId,
        account: AccountId,
        device: DeviceId,
        was_up: bool,
        syncing: bool,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        self.pings.on_down(link, step);
        self.verifications.on_down(link, &account, &self.people, step);
        self.introductions.on_down(link);
        self.nearby.on_down(link);
        let heir = self.sessions.of(&account).first().copied().filter(|_| self.people.syncs(&account));
        self.presence.on_gone(link, heir, &self.people, step);
        if syncing {
            self.conversations.on_session_down(link, step);
        }
        if was_up {
            self.saw(&account, &device, step);
            let x25519 = around!(self).account(&account).and_then(|known| known.device(&device)).map(|it| it.x25519);
            if let Some(x25519) = x25519.filter(|x25519| !self.sessions.has_device(&account, x25519)) {
                self.reach.on_down(account, x25519.into_array(), step);
            }
            self.mail_instead(&account, step);
        }
        if self.sessions.links_of(&account).is_empty() {
            self.people.forget_stranger(&account);
        }
        Ok(())
    }

    fn on_friendship(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        self.mail.on_people_changed();
        if !self.people.syncs(account) {
            return Ok(());
        }
        self.conversations.on_friendship(*account, &around!(self), step)?;
        self.reach.refresh(account, &around!(self), &self.sessions, step);
        for link in self.sessions.of(account).to_vec() {
            self.open_sync(link, step)?;
        }
        Ok(())
    }

    /// Blocked and removed people lose their sessions; somebody with two histories keeps them, to settle which counts.
    fn on_estranged(&mut self, account: &AccountId, step: &mut Step<'_>) {
        self.mail.on_people_changed();
        self.reach.refresh(account, &around!(self), &self.sessions, step);
        self.hide_presence(account, step);
        let is_wanted = self.people.friend(account).is_some_and(|row| row.is_wanted());
        for link in self.sessions.links_of(account) {
            if is_wanted {
                self.close_sync(link, step);
            } else {
                self.sessions.end(link, None, step);
            }
        }
    }

    /// Conversations stop, the session goes on.
    fn close_sync(&mut self, link: SessionId, step: &mut Step<'_>) {
        if self.sessions.get_mut(link).is_some_and(|session| std::mem::take(&mut session.syncing)) {
            self.presence.on_gone(link, None, &self.people, step);
            self.conversations.on_session_down(link, step);
        }
    }

    fn on_devices(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        let is_us = *account == step.me.account;
        self.people.spend_invite(account, step);
        self.reach.refresh(account, &around!(self), &self.sessions, step);
        self.hide_presence(account, step);
        if is_us {
            self.mail.on_people_changed();
        }
        if is_us || self.people.standing(account) == Some(Standing::Friend) {
            self.conversations.on_devices_changed(*account, &around!(self), step)?;
        }
        for link in self.sessions.of(account).to_vec() {
            let Some(device) = self.sessions.peer(link).map(|peer| peer.device) else { continue };
            match around!(self).account(account) {
                Some(known) if known.device(&device).is_some() => self.open_sync(link, step)?,
                Some(known) if known.revokes(&device) => {
                    let proof = known.shared(None);
                    self.turn_away(link, &proof, step);
                }
                Some(_) | None => self.close_sync(link, step),
            }
        }
        Ok(())
    }

    fn tell_news(&self, account: &AccountId, news: News, step: &mut Step<'_>) {
        let queued = self.conversations.queued(account, &around!(self));
        let Some(friend) = People::view(account, &around!(self), queued).map(Box::new) else { return };
        step.event(match news {
            News::Added => Event::FriendAdded(friend),
            News::Changed => Event::FriendChanged(friend),
            News::KeyChanged => Event::FriendKeyChanged(friend),
        });
    }

    pub(crate) fn on_listening(&mut self, addresses: Vec<String>, step: &mut Step<'_>) -> Result<(), Fault> {
        step.event(Event::Listening(addresses.clone()));
        self.rendezvous.wake_all(step);
        self.rendezvous.probe_new(step);
        self.presence.on_moved(step);
        if self.own.on_listening(addresses, step) {
            self.tell_everybody(&[self.own.bundle()], step);
        }
        Ok(())
    }

    pub(crate) fn on_discovered(
        &mut self,
        transport: TransportId,
        addresses: Vec<String>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let is_friend = self.reach.on_discovered(&transport, &addresses, &around!(self), &self.sessions, step);
        self.nearby.on_discovered(transport, addresses, is_friend, &mut self.reach, step);
        Ok(())
    }

    pub(crate) fn set_pairing(&mut self, on: bool, step: &mut Step<'_>) {
        self.nearby.set(on, &around!(self), &mut self.reach, step);
        if on {
            return;
        }
        let strangers = self
            .sessions
            .all_up()
            .filter(|(_, session, peer)| session.mode == Mode::Nearby && !self.people.is_expected(&peer.account));
        for link in strangers.map(|(link, ..)| link).collect::<Vec<_>>() {
            self.sessions.end(link, None, step);
        }
    }
}
