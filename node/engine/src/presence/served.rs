//! What rendezvous have to do with presence, between the parts.

use hobnob_shared::{
    id::{AccountId, DeviceId},
    presence::PresenceTicket,
    wire::{Frame, PresenceAt, SignedTicket, rendezvous::PresenceNote},
};

use super::{Presences, ticket::Spot};
use crate::{
    Parts,
    event::Event,
    friend::People,
    rendezvous::{Lane, Purpose, ServerKey},
    step::{SessionId, Step},
};

impl Parts {
    /// At the end of a batch: what is due goes to every rendezvous that we are with.
    pub(crate) fn show_presence(&mut self, step: &mut Step<'_>) {
        for server in self.presence.places.servers() {
            if !self.rendezvous.is_up(&server) {
                self.presence.places.end(&server);
                continue;
            }
            let presence = &mut self.presence;
            let shown = presence.published();
            let Some(place) = presence.places.get_mut(&server) else { continue };
            let mut requests = place.put(shown, self.own.listening(), presence.tickets.secret(), step);
            requests.extend(place.watch(presence.tickets.topics(), step));
            for (request, purpose) in requests {
                self.rendezvous.ask(server, Lane::Account, request, purpose, step);
            }
        }
    }

    /// Our name at a rendezvous is about to be forgotten here. Friends see that we are gone before the session ends: nobody
    /// tells them afterwards, until the rendezvous has missed us for long enough.
    pub(crate) fn end_presence(&mut self, server: ServerKey, step: &mut Step<'_>) {
        if self.rendezvous.is_up(&server) {
            for request in self.presence.places.take_leave(&server) {
                self.rendezvous.ask(server, Lane::Account, request, Purpose::Quiet, step);
            }
        }
    }

    /// A session with a rendezvous has begun.
    pub(crate) fn begin_presence(&mut self, server: ServerKey, time_ms: u64, step: &mut Step<'_>) {
        self.presence.notes.doubt(&server, step.now.mono_ms);
        if let Some(why) = self.presence.places.begin(server, time_ms, step) {
            let message = format!("{}: {why}", self.rendezvous.host(&server));
            step.event(Event::Warning { chat: None, message });
        }
    }

    /// A rendezvous says how a friend shows themselves, or that they are gone.
    pub(crate) fn on_presence_note(&mut self, server: &ServerKey, note: &PresenceNote, step: &mut Step<'_>) {
        for ((account, device), ticket) in self.presence.tickets.find(&note.topic) {
            if !self.people.syncs(&account) {
                continue;
            }
            let before = self.presence.of(&account);
            let was_there = self.presence.notes.shows(&(account, device));
            let addresses = self.presence.take_note((account, device), server, &ticket, note, step);
            self.presence.compare(&account, before, &self.people, step);
            if let Some((addresses, x25519)) = addresses.zip(self.x25519(&account, &device)) {
                self.reach.on_noted((account, x25519), addresses, !was_there, &self.sessions, step);
            }
        }
    }

    fn x25519(&self, account: &AccountId, device: &DeviceId) -> Option<[u8; 32]> {
        let found = self.people.devices(account).iter().find(|it| it.id == *device);
        found.map(|it| it.x25519.into_array())
    }

    /// A friend's device says where its presence is: itself (`by`), or in mail.
    pub(crate) fn on_presence_ticket(
        &mut self,
        account: AccountId,
        signed: &SignedTicket,
        by: Option<DeviceId>,
        step: &mut Step<'_>,
    ) {
        let Ok(letter) = signed.verify() else { return };
        let is_theirs = by.map_or_else(|| self.people.lists(&account, &letter.device), |by| by == letter.device);
        if is_theirs && self.people.syncs(&account) && self.presence.tickets.take(account, letter, by.is_some(), step) {
            self.presence.places.watch(step);
        }
    }

    /// Tells the device of a session where our presence is.
    pub(crate) fn hand_ticket(&mut self, link: SessionId, step: &mut Step<'_>) {
        let Some(spot) = self.sessions.peer(link).map(|peer| (peer.account, peer.device)) else { return };
        if self.people.syncs(&spot.0) {
            let ticket = self.presence.ticket_for(spot, step);
            step.send(link, Frame::PresenceAt(PresenceAt { ticket }));
        }
    }

    /// Devices that are no friend's any more see nothing from now on, and nothing of theirs is watched.
    pub(crate) fn hide_presence(&mut self, account: &AccountId, step: &mut Step<'_>) {
        let is_friend = self.people.syncs(account);
        let people = &self.people;
        let is_gone = |device: &DeviceId| !is_friend || !people.lists(account, device);
        let before = self.presence.of(account);
        self.presence.notes.forget(account, is_gone);
        let knows = self.presence.tickets.forget(account, is_gone, step);
        self.presence.compare(account, before, &self.people, step);
        self.presence.places.watch(step);
        if !knows {
            return;
        }
        let old = self.presence.tickets.replace(step);
        self.presence.places.withdraw(&old);
        self.presence.places.renew(step.now);
        for link in self.sessions.all_up().map(|(link, ..)| link).collect::<Vec<_>>() {
            self.hand_ticket(link, step);
        }
        self.tell_presence(step);
    }
}

impl Presences {
    /// Where our presence is, for this device of a friend.
    pub(crate) fn ticket_for(&mut self, spot: Spot, step: &mut Step<'_>) -> SignedTicket {
        self.tickets.hand_out(spot, step)
    }

    /// Where the device is, if it is there.
    fn take_note(
        &mut self,
        spot: Spot,
        server: &ServerKey,
        ticket: &PresenceTicket,
        note: &PresenceNote,
        step: &Step<'_>,
    ) -> Option<Vec<String>> {
        let Some(sealed) = &note.sealed else {
            self.notes.end(&spot, server);
            return None;
        };
        let (content, clocks) = ticket.open(sealed).zip(self.places.clocks(server, step))?;
        let addresses = content.addresses.clone();
        self.notes.take(spot, *server, content, clocks).then_some(addresses)
    }

    /// Ends what rendezvous said long enough ago.
    pub(crate) fn on_timeout(&mut self, people: &People, step: &mut Step<'_>) {
        let due = self.notes.due(step.now.mono_ms);
        let before: Vec<_> = due.into_iter().map(|account| (account, self.of(&account))).collect();
        self.notes.expire(step.now.mono_ms);
        for (account, before) in before {
            self.compare(&account, before, people, step);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        [self.notes.next_timeout(), self.places.next_timeout()].into_iter().flatten().min()
    }
}
