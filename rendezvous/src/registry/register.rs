//! The end of a registration: a name, a password's record, an account and its first vault, all at once or not at all.

use hobnob_shared::{
    identity::Binding,
    pow::Puzzle,
    wire::{
        ErrorCode,
        rendezvous::{Proof, RegisterFinish, Registered, Registration, ServerFrame, VaultPut},
    },
};

use super::{
    Note, Registry, SessionId, account, code,
    limits::ACCOUNT_KIB,
    name,
    password::{self, Begun, Pending},
    session::Looker,
    step::{Served, Step},
    vault::{self, Proved},
};

impl Registry {
    pub(super) fn finish_registration(
        &mut self,
        id: SessionId,
        step: &mut Step<'_>,
        finish: RegisterFinish,
        notes: &mut Vec<Note>,
    ) -> Served<ServerFrame> {
        let begun = self.begun(id).ok_or(ErrorCode::Conflict)?;
        let claimed = self.check_claim(&begun, &finish)?;
        let upload = password::checked(finish.upload.clone())?;
        let before = account::get(step, &claimed.account)?;
        let has_name = before.as_ref().is_some_and(|row| row.name == begun.name);
        if !has_name {
            // Before anything is said about the name, so that asking about many costs as much as taking them.
            self.check_proof(step, &finish)?;
        }
        let is_bounded = !has_name && !matches!(finish.proof, Proof::Code(_));
        let source = self.session(id)?.source;
        if is_bounded {
            self.intake.check(&self.policy, source, ACCOUNT_KIB, step.now_ms)?;
        }
        let owner = name::get(step, &begun.name)?.map(|row| row.account);
        if owner.is_some_and(|owner| owner != claimed.account) || (before.is_some() && !has_name) {
            return Err(ErrorCode::Conflict.into());
        }
        if !name::follows(step, &begun.name, claimed.seq)? {
            return Err(ErrorCode::Conflict.into());
        }
        match before {
            Some(before) => {
                account::update(step, &self.policy, &claimed.account, finish.account)?;
                self.on_updated(&claimed.account, &before, step, notes)?;
            }
            None => account::register(step, &self.policy, &claimed.account, begun.name, finish.account)?,
        }
        let expected = finish.vault_seq.saturating_sub(1);
        let put = VaultPut { seq: finish.vault_seq, expected, vault: finish.vault, owner: None };
        // Signed for by the claim, which does not say that whoever writes later has the key at hand.
        vault::replace(step, &self.policy, &claimed.account, put, Proved::ByPassword)?;
        let binding = finish.claim.grant(&self.keys);
        name::bind(step, &claimed, binding.clone(), upload)?;
        if is_bounded {
            self.intake.count(&self.policy, source, ACCOUNT_KIB, step.now_ms);
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.logged_in = Some(claimed.account);
            session.pending = None;
        }
        Ok(ServerFrame::Registered(Registered { binding }))
    }

    /// What was begun here. It stays until it succeeds: who is told to work first comes again.
    fn begun(&self, id: SessionId) -> Option<Begun> {
        match self.sessions.get(id)?.pending.as_deref()? {
            Pending::Register(begun) => Some(begun.clone()),
            Pending::Login { .. } => None,
        }
    }

    /// What the account claims, when it is what we said it must be.
    fn check_claim(&self, begun: &Begun, finish: &RegisterFinish) -> Served<Binding> {
        let claimed = finish.claim.verify().map_err(|_| ErrorCode::Malformed)?;
        let wanted = Binding {
            name: begun.name.clone(),
            server: *self.keys.id().as_bytes(),
            account: claimed.account,
            seq: begun.seq,
            time_ms: begun.time_ms,
        };
        if claimed == wanted && finish.name == begun.name { Ok(claimed) } else { Err(ErrorCode::Conflict.into()) }
    }

    fn check_proof(&mut self, step: &mut Step<'_>, finish: &RegisterFinish) -> Served<()> {
        match (self.policy.registration, &finish.proof) {
            (Registration::Closed, _) => Err(ErrorCode::Denied.into()),
            // A code of the operator's is good for more than work. It stays good where the name is taken, so asking with it is
            // a look-up. It is the code's own, so that nobody who has none keeps whoever was given one from registering.
            (Registration::Invite | Registration::Open { .. }, Proof::Code(code)) => {
                code::take(step, code)?;
                self.count_look_up(&[(Looker::Code(code.hash()), self.policy.lookups_per_hour)], step.now_ms)
            }
            (Registration::Open { pow_bits }, Proof::Pow { challenge, nonce }) => {
                let subject = Puzzle::registration(&finish.name);
                self.proofs.take(*challenge, subject, *nonce, pow_bits, step.now_ms)
            }
            (Registration::Open { pow_bits }, Proof::None) => Err(self.proofs.wanted(pow_bits, step.now_ms).into()),
            (Registration::Invite, Proof::Pow { .. } | Proof::None) => Err(ErrorCode::Denied.into()),
        }
    }
}
