//! Whose a name is. A rendezvous signs it, the account too; once seen, the key is the contact, and another key under the
//! same name is told loudly.

use hobnob_shared::{
    id::AccountId,
    identity::{Binding, SignedBinding, Succession, verifying_key},
    text::Username,
    wire::rendezvous::Name,
};

use super::{Rendezvous, ServerKey, calls::Failed};
use crate::{
    account::{AccountRow, Chain},
    event::Event,
    friend::People,
    row::Table,
    step::{News, Signal, Step},
    tables::TableId,
    view::Fault,
};

/// (Rendezvous, name) → the binding that we hold.
#[derive(Debug)]
struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::Names;
    type Key = (ServerKey, String);
    type Value = SignedBinding;
}

/// A name, looked up and checked.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) binding: Binding,
    signed: SignedBinding,
    pub(super) row: AccountRow,
}

impl Rendezvous {
    /// Whether the answer says whose `name` is: signed by this rendezvous and by the account, with a record of it.
    pub(super) fn check_name(&self, server: &ServerKey, name: &Username, answer: &Name) -> Result<Known, Failed> {
        let key = self.servers.get(server).and_then(|row| row.signing_key);
        let binding = key
            .and_then(|key| verifying_key(&key).ok())
            .and_then(|key| answer.binding.verify(&key).ok())
            .filter(|binding| binding.name == *name);
        let Some(binding) = binding else {
            return Err(Failed::Untrusted("what it says about this name is not properly signed".to_owned()));
        };
        let mut row = AccountRow::default();
        let chain = row.learn_records(&binding.account, &answer.account.records);
        for certificate in &answer.account.certificates {
            row.learn_certificate(&binding.account, certificate);
        }
        for bundle in &answer.account.bundles {
            row.learn_bundle(bundle);
        }
        if chain != Chain::Grown {
            return Err(Failed::Untrusted("it has no valid record of whoever has this name".to_owned()));
        }
        Ok(Known { binding, signed: answer.binding.clone(), row })
    }

    /// Compares with what we hold. A name that went to another account is told, and the friend who had it is in doubt
    /// until the person decides.
    pub(super) fn compare_name(
        &self,
        server: &ServerKey,
        known: &Known,
        people: &mut People,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some((_, held)) = self.held(server, &known.binding.name, step)? else { return Ok(()) };
        let name = self.full_name(server, &known.binding.name);
        let message = match known.binding.succeeds(&held) {
            Succession::Same | Succession::Unrelated => return Ok(()),
            Succession::Renewed => {
                self.keep_name(server, known, step);
                return Ok(());
            }
            // A rendezvous that was set back counts anew. Whoever has the name now is who had it: they signed both.
            Succession::Forked if known.binding.account == held.account => {
                self.keep_name(server, known, step);
                return Ok(());
            }
            Succession::Moved => {
                alarm(&held.account, people, step);
                let whose = people.friend(&held.account).map_or_else(String::new, |row| format!(" ({})", row.handle));
                format!(
                    "{name} belongs to another key than before{whose}: the key is the contact, not the name; compare \
                     fingerprints before you trust whoever has it now"
                )
            }
            Succession::Stale => {
                format!("{name}: the rendezvous shows an older signature than before; it was set back, or it lies")
            }
            Succession::Forked => {
                alarm(&held.account, people, step);
                format!("{name}: two contradicting signatures with one number; the rendezvous, or the account, lies")
            }
        };
        step.event(Event::Warning { chat: people.friend(&held.account).map(|row| row.handle.clone()), message });
        Ok(())
    }

    /// From now on this is whose name it is.
    pub(super) fn keep_name(&self, server: &ServerKey, known: &Known, step: &mut Step<'_>) {
        step.put::<Rows>(&(*server, known.binding.name.as_str().to_owned()), &known.signed);
    }

    fn held(
        &self,
        server: &ServerKey,
        name: &Username,
        step: &Step<'_>,
    ) -> Result<Option<(SignedBinding, Binding)>, Fault> {
        let key = self.servers.get(server).and_then(|row| row.signing_key).and_then(|key| verifying_key(&key).ok());
        let signed = step.get::<Rows>(&(*server, name.as_str().to_owned()))?;
        Ok(key.zip(signed).and_then(|(key, signed)| signed.verify(&key).ok().map(|held| (signed, held))))
    }

    /// What to type to log in there again.
    pub(super) fn login_again(&self, server: &ServerKey) -> String {
        let named = self.own_name(server).map(|(name, _)| self.full_name(server, &name));
        format!("/login {}", named.unwrap_or_else(|| "NAME".to_owned()))
    }

    /// Our own names, everywhere.
    pub(crate) fn full_names(&self) -> Vec<String> {
        let named = self.servers.all().filter_map(|(server, row)| Some((server, &row.account.as_ref()?.name)));
        named.map(|(server, name)| self.full_name(server, name)).collect()
    }

    /// It shows nobody under our name.
    pub(super) fn set_nameless(&mut self, server: &ServerKey, is_nameless: bool) {
        if let Some(it) = self.tries.get_mut(server) {
            it.is_nameless = is_nameless;
        }
    }

    /// What is said of a rendezvous that turns us away and shows nobody under our name, after its host.
    pub(super) fn lost_name(&self, server: &ServerKey) -> Option<String> {
        let (name, _) = self.own_name(server).filter(|_| self.tries.get(server).is_some_and(|it| it.is_nameless))?;
        let is_only = self.servers.all().nth(1).is_none();
        let typed = if is_only { name.as_str().to_owned() } else { self.full_name(server, &name) };
        Some(format!(
            "does not know {} any more (it was restored from an older backup, or the name was given up elsewhere): /register \
             {typed} takes the name again",
            name.as_str()
        ))
    }

    /// `name@host`.
    pub(super) fn full_name(&self, server: &ServerKey, name: &Username) -> String {
        format!("{}@{}", name.as_str(), self.servers.called(server))
    }
}

/// As with a changed key: nothing flows until the person decides.
fn alarm(account: &AccountId, people: &mut People, step: &mut Step<'_>) {
    let raised = people.change(account, step, |row| !std::mem::replace(&mut row.alarm, true));
    if raised == Some(true) {
        step.signal(Signal::Estranged(*account));
        step.signal(Signal::News(*account, News::KeyChanged));
    }
}
