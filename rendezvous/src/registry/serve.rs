//! One request: who serves it. An arm is one call.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::AccountId,
    identity::OwnerProof,
    limits::{MAX_ACCOUNT_BYTES, MAX_MAILBOX_BYTES, MAX_MAILBOX_ENVELOPES},
    wire::{
        ErrorCode,
        rendezvous::{
            BoxPut, GENERATION, KnockPut, LoggedIn, LoginFinish, LoginStart, MailPut, MailWaiting, NameGet, NameSet,
            PasswordChange, PresencePut, PresenceWatch, Proof, RegisterStart, ServerFrame, Status, VaultPut,
        },
    },
};

use super::{
    Note, Registry, SessionId, account,
    knock::{self, Sender},
    limits::{MAX_SESSION_TOPICS, PEOPLE_PER_SOURCE, ROW_BYTES, SITE_SOURCES},
    mailbox::{self, Owner},
    name,
    password::{self, Pending},
    session::{Looker, Session},
    step::{Served, Step},
    vault::{self, Proved},
};

/// What we call ourselves: no version, which would only help whoever looks for old ones.
const SOFTWARE: &str = "hobnob-rendezvous";

/// The versions of the protocol that we speak.
const VERSIONS: (u8, u8) = (1, 1);

impl Registry {
    /// Serves one frame. `None`: it wants no answer.
    pub(super) fn serve(
        &mut self,
        id: SessionId,
        frame: ServerFrame,
        step: &mut Step<'_>,
        notes: &mut Vec<Note>,
    ) -> Served<Option<ServerFrame>> {
        let done = |()| ServerFrame::Done;
        let answer = match frame {
            ServerFrame::StatusGet => self.status(step.now_ms),
            ServerFrame::RegisterStart(start) => self.begin_registration(id, step, &start)?,
            ServerFrame::RegisterFinish(finish) => self.finish_registration(id, step, *finish, notes)?,
            ServerFrame::LoginStart(start) => self.begin_login(id, step, &start)?,
            ServerFrame::LoginFinish(finish) => self.finish_login(id, step, &finish)?,
            ServerFrame::PasswordChange(change) => self.change_password(id, step, change).map(done)?,
            ServerFrame::NameGet(get) => self.look_up(id, step, &get)?,
            ServerFrame::NameSet(set) => self.set_name(id, step, &set, notes).map(done)?,
            ServerFrame::AccountPut(payload) => self.update_account(id, step, payload, notes).map(done)?,
            ServerFrame::VaultPut(put) => self.replace_vault(id, step, put).map(done)?,
            ServerFrame::VaultGet => ServerFrame::Vault(vault::fetch(step, &self.session(id)?.account(step)?)?),
            ServerFrame::BoxPut(put) => self.put_box(id, step, put).map(done)?,
            ServerFrame::MailPut(put) => self.deposit(id, step, put, notes).map(done)?,
            ServerFrame::MailGet(get) => {
                ServerFrame::Mail(mailbox::fetch(step, &self.session(id)?.device(step)?, get)?)
            }
            ServerFrame::MailAck(ack) => {
                let owner = self.session(id)?.device(step)?;
                mailbox::acknowledge(step, &owner, &ack).map(done)?
            }
            ServerFrame::KnockPut(put) => self.knock(id, step, put, notes).map(done)?,
            ServerFrame::KnockGet => {
                let (account, device) = self.session(id)?.device(step)?;
                ServerFrame::Knocks(knock::fetch(step, &account, &device)?)
            }
            ServerFrame::KnockAck(ack) => {
                let owner = self.session(id)?.device(step)?;
                knock::acknowledge(step, &owner, &ack.numbers).map(done)?
            }
            ServerFrame::PresencePut(put) => self.publish(id, step, put, notes).map(done)?,
            ServerFrame::PresenceWatch(watch) => self.watch(id, step, &watch, notes).map(done)?,
            ServerFrame::Ping { nonce } => ServerFrame::Pong { nonce },
            // Said by both sides, and nothing to us beyond that somebody is there.
            ServerFrame::Hello(_) | ServerFrame::Close(_) | ServerFrame::Error(_) | ServerFrame::Pong { .. } => {
                return Ok(None);
            }
            // Our own words, or a later version's.
            ServerFrame::RegisterGo(_)
            | ServerFrame::Registered(_)
            | ServerFrame::LoginGo(_)
            | ServerFrame::LoggedIn(_)
            | ServerFrame::Name(_)
            | ServerFrame::Done
            | ServerFrame::Vault(_)
            | ServerFrame::Mail(_)
            | ServerFrame::MailWaiting(_)
            | ServerFrame::Knocks(_)
            | ServerFrame::PresenceNote(_)
            | ServerFrame::Status(_)
            | ServerFrame::Unknown(_) => return Err(ErrorCode::Unsupported.into()),
        };
        Ok(Some(answer))
    }

    pub(super) fn session(&self, id: SessionId) -> Served<&Session> {
        self.sessions.get(id).ok_or_else(|| ErrorCode::Denied.into())
    }

    fn status(&self, now_ms: u64) -> ServerFrame {
        let limits = [
            ("mailbox_envelopes", MAX_MAILBOX_ENVELOPES as u64),
            ("mailbox_bytes", MAX_MAILBOX_BYTES as u64),
            ("account_bytes", self.policy.account_bytes.min(MAX_ACCOUNT_BYTES)),
            ("lookups_per_hour", self.policy.lookups_per_hour.into()),
            ("topics", MAX_SESSION_TOPICS as u64),
            (GENERATION, self.generation),
        ];
        ServerFrame::Status(Status {
            versions: VERSIONS,
            software: SOFTWARE.into(),
            time_ms: now_ms,
            signing_key: *self.keys.id().as_bytes(),
            registration: self.policy.registration,
            knock_bits: self.policy.knock_bits,
            challenge: self.proofs.challenge(now_ms),
            limits: limits.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<BTreeMap<_, _>>(),
        })
    }

    fn begin_registration(&mut self, id: SessionId, step: &Step<'_>, start: &RegisterStart) -> Served<ServerFrame> {
        let session = self.session(id)?;
        let (binding, mut asker) = (session.binding, session.asker(step)?);
        let prove = |proof| self.passwords.owner(proof, &binding, asker.source, step.now_ms);
        let owner = start.owner.as_ref().map(prove).transpose()?;
        asker.proved = owner.or(asker.proved);
        let (begun, go) = self.passwords.begin_registration(step, start, &asker, owner)?;
        self.set_pending(id, Pending::Register(begun));
        Ok(ServerFrame::RegisterGo(go))
    }

    fn begin_login(&mut self, id: SessionId, step: &Step<'_>, start: &LoginStart) -> Served<ServerFrame> {
        let session = self.session(id)?;
        let (binding, asker) = (session.binding, session.asker(step)?);
        let (pending, go) = self.passwords.begin_login(step, start, (&asker, &binding), &mut self.rng)?;
        self.set_pending(id, pending);
        Ok(ServerFrame::LoginGo(go))
    }

    fn finish_login(&mut self, id: SessionId, step: &mut Step<'_>, finish: &LoginFinish) -> Served<ServerFrame> {
        let pending = self.take_pending(id);
        let (name, account) = self.passwords.finish_login(pending, finish, step.now_ms)?;
        let binding = name::get(step, &name)?.filter(|row| row.account == account).ok_or(ErrorCode::Denied)?.binding;
        let row = account::named(step, &account)?;
        account::touch(step, &account, &row)?;
        let vault = vault::fetch(step, &account)?;
        let known = account::whole(step, &account, &row)?;
        if let Some(session) = self.sessions.get_mut(id) {
            session.logged_in = Some(account);
        }
        Ok(ServerFrame::LoggedIn(Box::new(LoggedIn { id: account, binding, vault, account: known })))
    }

    fn change_password(&mut self, id: SessionId, step: &mut Step<'_>, change: PasswordChange) -> Served<()> {
        let account = self.session(id)?.account(step)?;
        let Some(Pending::Register(begun)) = self.take_pending(id) else { return Err(ErrorCode::Conflict.into()) };
        let upload = password::checked(change.upload)?;
        let is_own = account::get(step, &account)?.is_some_and(|row| row.name == begun.name);
        if !is_own {
            return Err(ErrorCode::Conflict.into());
        }
        // A linked device, which holds neither password nor key, must not take the name from its person.
        let proved = self.proved(id, &account, change.vault.owner.as_deref())?;
        let proved = if begun.owner == Some(account) { Proved::ByKey } else { proved };
        if proved == Proved::Nothing {
            return Err(ErrorCode::Denied.into());
        }
        vault::replace(step, &self.policy, &account, change.vault, proved)?;
        name::set_password(step, &begun.name, upload)
    }

    /// Hides the own name, shows it, or gives it up, which is more than a linked device may.
    fn replace_vault(&self, id: SessionId, step: &mut Step<'_>, put: VaultPut) -> Served<()> {
        let account = self.session(id)?.account(step)?;
        let proved = self.proved(id, &account, put.owner.as_deref())?;
        vault::replace(step, &self.policy, &account, put, proved)
    }

    /// What whoever speaks for an account has proved beyond that. What is no proof is refused.
    fn proved(&self, id: SessionId, account: &AccountId, owner: Option<&OwnerProof>) -> Served<Proved> {
        let session = self.session(id)?;
        match owner {
            Some(proof) if proof.verify(&session.binding) == Ok(*account) => Ok(Proved::ByKey),
            Some(_) => Err(ErrorCode::Denied.into()),
            None if session.logged_in == Some(*account) => Ok(Proved::ByPassword),
            None => Ok(Proved::Nothing),
        }
    }

    fn look_up(&mut self, id: SessionId, step: &Step<'_>, get: &NameGet) -> Served<ServerFrame> {
        let session = self.session(id)?;
        let (source, per_hour) = (session.source, self.policy.lookups_per_hour);
        let together = per_hour.saturating_mul(PEOPLE_PER_SOURCE);
        // A member's counts for the account and for where it is: accounts are cheap, and so many of them in one place would
        // have so many times as many.
        let counted = match session.member(step)? {
            Some(((account, _), _)) => vec![(Looker::Account(account), per_hour), (Looker::Members(source), together)],
            None => {
                let site = source.site().map(|site| (Looker::Guests(site), together.saturating_mul(SITE_SOURCES)));
                [(Looker::Guests(source), together)].into_iter().chain(site).collect()
            }
        };
        self.count_look_up(&counted, step.now_ms)?;
        name::look_up(step, get).map(ServerFrame::Name)
    }

    /// Counts a look-up for each of these, which have so many an hour, or says how long to wait for it.
    pub(super) fn count_look_up(&mut self, counted: &[(Looker, u32)], now_ms: u64) -> Served<()> {
        let taken = self.lookups.take_all(counted, now_ms);
        taken.map_err(|retry_ms| ErrorCode::RateLimited { retry_ms }.into())
    }

    fn deposit(&mut self, id: SessionId, step: &mut Step<'_>, put: MailPut, notes: &mut Vec<Note>) -> Served<()> {
        let source = self.session(id)?.source;
        let kib = (put.envelope.as_bytes().len() as u64 + ROW_BYTES).div_ceil(1024);
        self.intake.check(&self.policy, source, kib, step.now_ms)?;
        let owner = mailbox::deposit(step, &self.policy, put)?;
        self.intake.count(&self.policy, source, kib, step.now_ms);
        self.ring(&owner, step, notes)
    }

    fn put_box(&mut self, id: SessionId, step: &mut Step<'_>, put: BoxPut) -> Served<()> {
        let session = self.session(id)?;
        let (owner, source) = (session.device(step)?, session.source);
        // The row and its index, rounded up; deleting one is always possible.
        let kib = u64::from(put.token.is_some());
        self.intake.check(&self.policy, source, kib, step.now_ms)?;
        mailbox::put(step, &self.policy, &owner, put)?;
        self.intake.count(&self.policy, source, kib, step.now_ms);
        Ok(())
    }

    /// Tells the sessions of a device that something came for it.
    fn ring(&self, owner: &Owner, step: &Step<'_>, notes: &mut Vec<Note>) -> Served<()> {
        let to = self.sessions.of_device(owner);
        if !to.is_empty() {
            let envelopes = mailbox::waiting(step, owner)?;
            notes.push(Note { to, frame: ServerFrame::MailWaiting(MailWaiting { envelopes }) });
        }
        Ok(())
    }

    fn knock(&mut self, id: SessionId, step: &mut Step<'_>, put: KnockPut, notes: &mut Vec<Note>) -> Served<()> {
        let session = self.session(id)?;
        let account = session.member(step)?.map(|((account, _), _)| account);
        let sender = Sender { source: session.source, account };
        let bits = self.policy.knock_bits;
        match put.proof {
            Proof::Pow { challenge, nonce } => {
                let digest = KnockPut::digest(&put.account, &put.envelopes);
                self.proofs.take(challenge, digest, nonce, bits, step.now_ms)?;
            }
            Proof::None | Proof::Code(_) => return Err(self.proofs.wanted(bits, step.now_ms).into()),
        }
        let known = account::get(step, &put.account)?.ok_or(ErrorCode::NotFound)?.known_devices();
        // A request that no device can open takes a place that no device can free. Each counts once, however often the
        // request names it.
        let envelopes = put.envelopes.into_iter().rev().filter(|(device, _)| known.contains(device));
        let envelopes: BTreeMap<_, _> = envelopes.collect();
        let devices: Vec<_> = envelopes.keys().copied().collect();
        if devices.is_empty() {
            return Err(ErrorCode::NotFound.into());
        }
        let envelopes: Vec<_> = envelopes.into_iter().collect();
        let kib = knock::bytes(&envelopes).div_ceil(1024);
        self.intake.check(&self.policy, sender.source, kib, step.now_ms)?;
        knock::deposit(step, &self.policy, &put.account, &envelopes, (sender, &mut self.senders))?;
        self.intake.count(&self.policy, sender.source, kib, step.now_ms);
        devices.into_iter().try_for_each(|device| self.ring(&(put.account, device), step, notes))
    }

    fn set_name(&mut self, id: SessionId, step: &mut Step<'_>, set: &NameSet, notes: &mut Vec<Note>) -> Served<()> {
        let account = self.session(id)?.account(step)?;
        match set {
            NameSet::Visible => name::set_hidden(step, &account, false),
            NameSet::Hidden => name::set_hidden(step, &account, true),
            NameSet::Release(owner) => match self.proved(id, &account, owner.as_ref())? {
                Proved::Nothing => Err(ErrorCode::Denied.into()),
                Proved::ByPassword | Proved::ByKey => {
                    account::release(step, &account)?;
                    self.on_released(&account, id, notes);
                    Ok(())
                }
            },
        }
    }

    fn publish(&mut self, id: SessionId, step: &Step<'_>, put: PresencePut, notes: &mut Vec<Note>) -> Served<()> {
        self.session(id)?.device(step)?;
        let told = self.presence.publish(id, put, self.policy.topics, step.now_ms)?;
        notes.extend(told.map(Note::from));
        Ok(())
    }

    fn watch(&mut self, id: SessionId, step: &Step<'_>, watch: &PresenceWatch, notes: &mut Vec<Note>) -> Served<()> {
        self.session(id)?.device(step)?;
        notes.extend(self.presence.watch(id, watch, self.policy.topics)?.into_iter().map(Note::from));
        Ok(())
    }

    pub(super) fn set_pending(&mut self, id: SessionId, pending: Pending) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.pending = Some(Box::new(pending));
        }
    }

    pub(super) fn take_pending(&mut self, id: SessionId) -> Option<Pending> {
        self.sessions.get_mut(id)?.pending.take().map(|pending| *pending)
    }
}
