//! Routes what comes over a link: handshake, then frames, each to the part that understands it.

use hobnob_shared::{
    id::{AccountId, DeviceId},
    identity::SignedCertificate,
    text::{Handle, Note},
    wire::{AccountPayload, Close, ErrorCode, Failure, Frame, Knock, PresenceAt},
};

use crate::{
    Parts,
    account::{AccountRow, Chain},
    around,
    event::Event,
    friend::{RequestRow, Source},
    introduce, invite,
    own::Adopted,
    session::{Arrived, Peer},
    step::{News, SessionId, Signal, Step},
    view::Fault,
    work::{LinkId, Mode},
};

impl Parts {
    pub(crate) fn on_chunk(&mut self, link: LinkId, bytes: &[u8], step: &mut Step<'_>) -> Result<(), Fault> {
        match self.sessions.on_chunk(link, bytes, step) {
            Arrived::Nothing => {}
            Arrived::Token(id) => {
                let token = invite::token(&id, step)?;
                self.sessions.on_token(link, id, token.as_deref(), step);
            }
            Arrived::Certified(peer) => self.on_certified(link, peer, step)?,
            Arrived::Open => self.on_open(link, step),
            Arrived::Frames(frames) => {
                for bytes in frames {
                    self.on_frame_bytes(link, &bytes, step)?;
                    self.settle(step)?;
                }
            }
        }
        Ok(())
    }

    /// Somebody who dialled us has proved who they are. Whoever is not admitted gets nothing, or, holding an invite,
    /// a word why.
    fn on_certified(&mut self, link: SessionId, peer: Peer, step: &mut Step<'_>) -> Result<(), Fault> {
        let account = peer.account;
        let known = around!(self).account(&account);
        if let Some(known) = known.filter(|known| known.revokes(&peer.device)) {
            let proof = known.shared(None);
            self.turn_away(link, &proof, step);
            return Ok(());
        }
        let is_ours = account == step.me.account;
        let refused = match self.sessions.get(link).map(|session| (session.mode, session.invite)) {
            None => return Ok(()),
            _ if self.own.is_revoked(step) || self.people.friend(&account).is_some_and(|row| row.blocked) => Some(None),
            Some((Mode::Device, _)) => (!is_ours && !self.people.is_expected(&account)).then_some(None),
            Some((Mode::Invite, Some(id))) if invite::links_device(&id, step)? => {
                return self.on_link_used(link, id, &peer, step);
            }
            Some((Mode::Invite, Some(_))) if is_ours => Some(Some(ErrorCode::Conflict)),
            Some((Mode::Invite, Some(id))) => invite::admit(&id, &account, step)?.err().map(Some),
            Some((Mode::Invite, None)) => Some(None),
            Some((Mode::Nearby, _)) => (is_ours || !self.nearby.has_room()).then_some(None),
            Some((Mode::Account | Mode::Guest, _)) => Some(None),
        };
        match refused {
            Some(code) => self.sessions.end(link, code, step),
            None if self.sessions.certify(link, peer, step) => {
                let known = around!(self).account(&account).and_then(AccountRow::known);
                self.sessions.greet(link, known, step);
            }
            None => {}
        }
        Ok(())
    }

    /// A device that its own account revoked gets the proof of that, and nothing else.
    pub(crate) fn turn_away(&mut self, link: SessionId, proof: &[AccountPayload], step: &mut Step<'_>) {
        for payload in proof {
            step.send(link, Frame::Account(payload.clone()));
        }
        self.sessions.end(link, Some(ErrorCode::Denied), step);
    }

    fn on_open(&mut self, link: SessionId, step: &mut Step<'_>) {
        let account = self.sessions.get(link).and_then(crate::session::Session::account);
        let known = account.and_then(|account| around!(self).account(&account)?.known());
        self.sessions.greet(link, known, step);
    }

    fn on_frame_bytes(&mut self, link: SessionId, bytes: &[u8], step: &mut Step<'_>) -> Result<(), Fault> {
        if self.sessions.get(link).is_none() {
            return Ok(()); // an earlier frame ended it
        }
        match Frame::decode(bytes) {
            Ok((id, frame)) => self.on_frame(link, id, frame, step),
            Err(error) => {
                tracing::debug!(link = link.0, %error, "a frame does not decode");
                self.sessions.end(link, Some(ErrorCode::Malformed), step);
                Ok(())
            }
        }
    }

    fn on_frame(&mut self, link: SessionId, id: u32, frame: Frame, step: &mut Step<'_>) -> Result<(), Fault> {
        match frame {
            Frame::Hello(hello) => {
                if self.sessions.on_hello(link, &hello, step) {
                    self.send_account(link, hello.known_record, step);
                    self.on_known(link, hello.known_record, step);
                }
            }
            Frame::Close(Close { code }) => self.on_close(link, code, step),
            Frame::Ping { nonce } => step.send(link, Frame::Pong { nonce }),
            Frame::Pong { nonce } => {
                self.pings.on_pong(link, nonce, step);
                self.introductions.on_pong(link, nonce, &mut self.people, step);
                self.conversations.on_pong(link, nonce);
            }
            Frame::Error(Failure { code, of }) => tracing::debug!(link = link.0, ?code, of, "a frame was refused"),
            Frame::Account(payload) => self.on_account(link, &payload, step)?,
            unknown @ Frame::Unknown(_) => {
                if unknown.wants_answer() {
                    step.send(link, Frame::Error(Failure { code: ErrorCode::Unsupported, of: id }));
                }
            }
            frame @ (Frame::Digest(_)
            | Frame::Digests(_)
            | Frame::Frontier(_)
            | Frame::Want(_)
            | Frame::Entries(_)
            | Frame::Typing(_)
            | Frame::Read(_)) => {
                if self.sessions.get(link).is_some_and(|session| session.syncing) {
                    self.conversations.on_frame(link, frame, &around!(self), step)?;
                }
            }
            Frame::Presence(shown) => {
                if let Some(spot) = self.friend_device_at(link) {
                    self.presence.on_frame(link, spot, shown, &self.people, step);
                }
            }
            Frame::PresenceAt(PresenceAt { ticket }) => {
                if let Some((account, device)) = self.friend_device_at(link) {
                    self.on_presence_ticket(account, &ticket, Some(device), step);
                }
            }
            Frame::Introduce(introduce) => {
                if let Some(account) = self.friend_at(link) {
                    introduce::on_frame(&account, &introduce, &mut self.people, step);
                }
            }
            Frame::Knock(knock) => self.on_knock(link, knock, step)?,
            Frame::VaultKeys(told) => self.on_vault_keys(link, &told, step),
            Frame::Mailboxes(mailboxes) => self.on_mailboxes(link, &mailboxes, step)?,
            Frame::SasCommit { commit } => self.on_sas_commit(link, commit, step),
            Frame::SasNonce { nonce } => {
                self.verifications.on_nonce(link, nonce, &self.people, &self.sessions, step);
            }
            Frame::SasReveal { nonce } => {
                self.verifications.on_reveal(link, nonce, &self.people, &self.sessions, step);
            }
        }
        Ok(())
    }

    /// Whose session it is, if it is up and may carry what friends say.
    fn friend_at(&self, link: SessionId) -> Option<AccountId> {
        self.friend_device_at(link).map(|(account, _)| account)
    }

    /// The same, with their device.
    fn friend_device_at(&self, link: SessionId) -> Option<(AccountId, DeviceId)> {
        let peer = self.sessions.peer(link)?;
        self.people.syncs(&peer.account).then_some((peer.account, peer.device))
    }

    fn on_sas_commit(&mut self, link: SessionId, commit: [u8; 32], step: &mut Step<'_>) {
        let account = self.sessions.peer(link).map(|peer| peer.account);
        if let Some(account) = account.filter(|account| self.people.friend(account).is_some()) {
            self.verifications.on_commit(link, &account, commit, step);
        }
    }

    /// Only a friend's word counts.
    fn on_known(&mut self, link: SessionId, known: Option<(u64, [u8; 32])>, step: &mut Step<'_>) {
        let account = self.sessions.get(link).and_then(crate::session::Session::account);
        if account.is_some_and(|account| self.people.syncs(&account)) {
            self.own.on_known(known, step);
        }
    }

    pub(crate) fn send_account(&mut self, link: SessionId, known: Option<(u64, [u8; 32])>, step: &mut Step<'_>) {
        for payload in self.own.payloads(known) {
            step.send(link, Frame::Account(payload));
        }
    }

    /// The other side's own account; what it knows of ours; or what another device of ours knows of a friend.
    fn on_account(&mut self, link: SessionId, payload: &AccountPayload, step: &mut Step<'_>) -> Result<(), Fault> {
        let first = payload.records.first().and_then(|record| record.verify().ok());
        let about = first.map(|record| record.account);
        let certified = self.sessions.get(link).and_then(|session| session.peer.clone());
        let peer = certified.or_else(|| self.sessions.certificate_in(link, payload));
        let peer = match peer {
            Some(peer) if peer.account == step.me.account => {
                self.on_account_of_ours(link, &peer, about, payload, step);
                return Ok(());
            }
            _ if about == Some(step.me.account) => {
                self.on_own_account(link, payload, step);
                return Ok(());
            }
            Some(peer) => peer,
            // Many records come in several frames; the last one holds the certificate.
            None => return Ok(()),
        };
        if !self.sessions.certify(link, peer.clone(), step) {
            return Ok(());
        }
        if self.learn_account(&peer.account, payload, Some(&peer.certificate), step) {
            self.pass_on(&peer.account, step);
        }
        if payload.certificates.contains(&peer.certificate) {
            self.sessions.on_account_seen(link, step);
        }
        self.on_joined(link, &peer, step)?;
        // A device that its own account's record does not list, or that is behind it: restored, perhaps, from words or
        // an old copy. It may go on from what we know.
        let is_restored = |known: &&AccountRow| {
            known.is_ahead_of(&payload.records) || known.newest.is_some() && known.device(&peer.device).is_none()
        };
        if let Some(known) = self.people.account(&peer.account).filter(is_restored)
            && self.sessions.prompt(link)
        {
            step.send(link, Frame::Account(known.introduction()));
        }
        Ok(())
    }

    /// Another device of ours shows our account, or what it knows of a friend.
    fn on_account_of_ours(
        &mut self,
        link: SessionId,
        peer: &Peer,
        about: Option<AccountId>,
        payload: &AccountPayload,
        step: &mut Step<'_>,
    ) {
        if let Some(friend) = about.filter(|account| *account != step.me.account) {
            if self.own.lists(&peer.device) && self.people.friend(&friend).is_some() {
                self.learn_account(&friend, payload, None, step);
            }
            return;
        }
        if !self.sessions.certify(link, peer.clone(), step) {
            return;
        }
        self.on_own_account(link, payload, step);
        if payload.certificates.contains(&peer.certificate) {
            self.sessions.on_account_seen(link, step);
        }
    }

    /// Takes what was signed by or for an account. `true` when there was news in it.
    pub(crate) fn learn_account(
        &mut self,
        account: &AccountId,
        payload: &AccountPayload,
        shown: Option<&SignedCertificate>,
        step: &mut Step<'_>,
    ) -> bool {
        let had_devices = !self.people.devices(account).is_empty();
        let (chain, added, moved) = self.people.learn(account, step, |known| {
            let former = known.former.len();
            let chain = known.learn_records(account, &payload.records);
            let certificates = payload.certificates.iter().chain(shown);
            let added: Vec<_> = certificates.filter_map(|signed| known.learn_certificate(account, signed)).collect();
            let mut moved = payload.bundles.iter().filter(|bundle| known.learn_bundle(bundle)).count() > 0;
            moved |= known.former.len() > former;
            let changed = chain == Chain::Grown || chain == Chain::Forked || !added.is_empty() || moved;
            (changed, (chain, added, moved))
        });
        if chain == Chain::Forked {
            self.raise_alarm(account, step);
        }
        if chain == Chain::Gap && self.people.friend(account).is_some() {
            self.on_gap(account, step);
        }
        if let Some((from, to)) = self.people.name_properly(account, step) {
            step.event(Event::FriendRenamed { from, to });
        }
        let is_told = had_devices && self.people.friend(account).is_some();
        for device in added.iter().filter(|_| is_told) {
            self.on_new_device(*account, *device, shown.is_some(), step);
        }
        if chain == Chain::Grown && self.people.friend(account).is_some() {
            step.signal(Signal::News(*account, News::Changed));
        }
        let is_news = chain == Chain::Grown || !added.is_empty() || moved;
        if is_news {
            step.signal(Signal::Devices(*account));
        }
        is_news
    }

    /// A friend told us news of their account: our other devices that are here hear it too.
    fn pass_on(&self, account: &AccountId, step: &mut Step<'_>) {
        let Some(known) = self.people.account(account).filter(|_| self.people.friend(account).is_some()) else {
            return;
        };
        for link in self.sessions.of(&step.me.account) {
            for payload in known.shared(None) {
                step.send(*link, Frame::Account(payload));
            }
        }
    }

    /// Two histories of one account: nothing flows until the person has decided.
    fn raise_alarm(&mut self, account: &AccountId, step: &mut Step<'_>) {
        let raised = self.people.change(account, step, |row| !std::mem::replace(&mut row.alarm, true));
        if raised == Some(true) {
            step.signal(Signal::Estranged(*account));
            step.signal(Signal::News(*account, News::KeyChanged));
        }
    }

    fn on_own_account(&mut self, link: SessionId, payload: &AccountPayload, step: &mut Step<'_>) {
        let account = self.sessions.get(link).and_then(crate::session::Session::account);
        let chat = account.filter(|account| *account != step.me.account).map(|account| self.people.handle(&account));
        self.on_own_record(chat, payload, step);
    }

    /// What somebody knows of our account: this friend, or another device of ours.
    pub(crate) fn on_own_record(&mut self, chat: Option<Handle>, payload: &AccountPayload, step: &mut Step<'_>) {
        let (known, before) = (self.own.known(), self.own.devices().to_vec());
        match self.own.adopt(payload, step) {
            Adopted::Nothing => {}
            Adopted::Moved => {
                self.tell_devices(&before, step);
                step.signal(Signal::Devices(step.me.account));
            }
            Adopted::Unable => {
                let message =
                    "this friend knows a newer record of your account than this node has, so they take it for \
                               another device. Where you have a name at a rendezvous, /login NAME lists this one again. \
                               If it is the account's only one, restore it once more from its words, into another \
                               directory: hobnob init --recover -d DIR"
                        .to_owned();
                step.event(Event::Warning { chat, message });
            }
            Adopted::Revoked => self.on_revoked(step),
            Adopted::WentOn => {
                self.tell_devices(&before, step);
                step.signal(Signal::Devices(step.me.account));
                // After a restore what we had told nobody is gone, and what they told us is where we went on.
                let told = known.filter(|(_, hash)| self.own.row().holds(hash));
                let told = told.or_else(|| payload.records.last().map(|record| (0, record.hash())));
                self.tell_everybody(&self.own.payloads(told), step);
            }
        }
    }

    /// Sends frames about ourselves to everybody who is connected.
    pub(crate) fn tell_everybody(&self, payloads: &[AccountPayload], step: &mut Step<'_>) {
        for (link, ..) in self.sessions.all_up() {
            for payload in payloads {
                step.send(link, Frame::Account(payload.clone()));
            }
        }
    }

    /// The other side ends the session, and may say why.
    fn on_close(&mut self, link: SessionId, code: ErrorCode, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get(link) else { return };
        let account = session.account();
        if let (true, Mode::Invite, Some(account), Some(why)) =
            (session.initiator, session.mode, account, invite::refusal(code))
            && !self.devices.on_refused(&account, why, step)
        {
            let chat = self.people.handle(&account);
            self.people.bury_invite(&account, why, step);
            step.event(Event::Warning { message: format!("{chat} could not be added: {why}"), chat: Some(chat) });
            step.signal(Signal::Devices(account));
        }
        self.sessions.end(link, None, step);
    }

    /// Tells somebody that we accept them.
    pub(crate) fn knock(&mut self, link: SessionId, account: &AccountId, step: &mut Step<'_>) {
        let Some(row) = self.people.friend(account).filter(|row| row.is_wanted()) else { return };
        let (nick, note) = (self.own.nick(step), row.note.clone());
        step.send(link, Frame::Knock(Knock { nick, note }));
        if let Some(session) = self.sessions.get_mut(link) {
            session.has_knocked = true;
        }
    }

    /// Somebody accepts us.
    fn on_knock(&mut self, link: SessionId, knock: Knock, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some(session) = self.sessions.get(link) else { return Ok(()) };
        let (mode, id, Some(account)) = (session.mode, session.invite, session.account()) else { return Ok(()) };
        if self.people.friend(&account).is_some_and(|row| row.is_wanted()) {
            self.people.they_accept(&account, step);
            return Ok(());
        }
        let source = match (mode, id) {
            (Mode::Invite, Some(id)) => Source::Invite(id),
            (Mode::Nearby, _) => Source::Nearby,
            (Mode::Device | Mode::Invite | Mode::Account | Mode::Guest, _) => match self.people.request_of(&account) {
                Some(request) => request.source.clone(),
                None => return Ok(()),
            },
        };
        if let Source::Invite(id) = source
            && invite::accepts_at_once(&id, step)?
        {
            self.people.drop_request(&account, step);
            self.people.add(account, Note::default(), true, step);
            self.people_changed(&account, true, step);
            return Ok(());
        }
        let nick = self.people.nick(&account).cloned().unwrap_or(knock.nick);
        let received_ms = step.now.wall_ms;
        let row = RequestRow { account, source, nick, note: knock.note, received_ms, they_accepted: true, asked_ms: 0 };
        if !self.people.ask(row, step) {
            self.sessions.end(link, Some(ErrorCode::Quota), step);
        }
        Ok(())
    }
}
