//! Our names at rendezvous, told between devices of our account in the self conversation: a machine that was linked gets
//! them without a password, and a name that comes later comes to all.
//!
//! A name is a setting that older versions keep and do not look at: `name.KEY` → `TIME NAME ADDRESS SIGNING-KEY BINDING`, key and
//! binding in hexadecimal digits, `KEY` as in the address. The account has signed the binding, so no device can send the others to a rendezvous where
//! the account has no name. What opens the vault is not told: the account's key is in it, which a linked device never holds.

use data_encoding::HEXLOWER;
use hobnob_shared::{
    codec,
    identity::{SignedBinding, VerifyingKey},
    limits::MAX_SETTING_BYTES,
    rendezvous::Address,
    text::Username,
    wire::{Body, Setting},
};
use serde_bytes::ByteArray;

use super::{
    Rendezvous,
    servers::{OwnName, ServerRow},
};
use crate::{Parts, settings::Settings, step::Step, view::Fault};

/// What stands before the key of the rendezvous.
const PREFIX: &str = "name.";

/// A name as it is told.
#[derive(Debug)]
struct Told {
    time_ms: u64,
    name: Username,
    address: Address,
    signing_key: [u8; 32],
    binding: SignedBinding,
}

/// Whether a setting is one of these.
pub(crate) fn is_name(key: &str) -> bool {
    key.starts_with(PREFIX)
}

impl Parts {
    /// Tells our other devices of names that they have not heard of.
    pub(crate) fn share_names(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        for (key, value) in self.rendezvous.unsaid_names(&self.settings) {
            self.say(&Body::Setting(Setting { key, value: Some(value), hearsay: false }), step)?;
        }
        Ok(())
    }

    /// A device of ours has a name of our account. Where we have none we take it, once: who logs out here stays out.
    pub(crate) fn on_name_said(&mut self, setting: &Setting, step: &mut Step<'_>) {
        let told = setting.value.as_deref().and_then(Told::parse);
        let Some(told) = told.filter(|told| key_of(&told.address) == setting.key) else { return };
        let signed = VerifyingKey::from_bytes(&told.signing_key).ok().and_then(|key| told.binding.verify(&key).ok());
        let is_ours = |bound: &hobnob_shared::identity::Binding| {
            (bound.account, &bound.name, bound.time_ms) == (step.me.account, &told.name, told.time_ms)
        };
        if signed.is_some_and(|bound| is_ours(&bound)) && !self.own.is_revoked(step) {
            self.rendezvous.adopt_name(told, step);
        }
    }
}

impl Rendezvous {
    /// Names that hold, and that are newer than what was said. Looked at often, so the usual case is a comparison of words.
    fn unsaid_names(&self, settings: &Settings) -> Vec<(String, String)> {
        let unsaid = self.servers.all().filter_map(|(server, row)| {
            let own = row.account.as_ref()?;
            let key = key_of(&row.address);
            let said = settings.said(&key).map(|said| said.split(' '));
            let (time, name) = said.map_or((None, None), |mut words| (words.next(), words.next()));
            if name == Some(own.name.as_str()) || !self.is_up(server) {
                return None;
            }
            let told = Told::of(row, own)?;
            let said_ms = time.and_then(|time| time.parse().ok()).unwrap_or(0);
            (told.time_ms > said_ms).then(|| (key, told.to_text()))
        });
        unsaid.filter(|(_, value)| value.len() <= MAX_SETTING_BYTES).collect()
    }

    fn adopt_name(&mut self, told: Told, step: &mut Step<'_>) {
        let server = *told.address.x25519();
        let known = self.servers.get(&server);
        let is_another = known.and_then(|row| row.signing_key).is_some_and(|key| *key != told.signing_key);
        let has_one = known.and_then(|row| row.account.as_ref()).is_some_and(|own| own.name == told.name);
        if is_another || has_one || self.is_up(&server) {
            return;
        }
        if let Err(refusal) = self.servers.add(&told.address) {
            tracing::debug!(%refusal, "a rendezvous of another device of ours is not used");
            return;
        }
        let Told { name, signing_key, binding, .. } = told;
        let own =
            OwnName { name, binding, vault_key: None, vault_seq: 0, is_merged: false, keeper: None, is_proved: false };
        self.servers.change(&server, step, |row| {
            (row.signing_key, row.account) = (Some(ByteArray::new(signing_key)), Some(own));
        });
        self.on_known(&server, step);
        self.refresh(&server, step);
        self.tell(&server, step);
    }
}

impl Told {
    /// `None`: the key with which the rendezvous signs names is not known yet.
    fn of(row: &ServerRow, own: &OwnName) -> Option<Self> {
        let signing_key = row.signing_key?.into_array();
        let bound = own.binding.verify(&VerifyingKey::from_bytes(&signing_key).ok()?).ok()?;
        Some(Self {
            time_ms: bound.time_ms,
            name: own.name.clone(),
            address: row.address.clone(),
            signing_key,
            binding: own.binding.clone(),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        let told = Self {
            time_ms: next()?.parse().ok()?,
            name: Username::parse(next()?).ok()?,
            address: Address::parse(next()?).ok()?,
            signing_key: HEXLOWER.decode(next()?.as_bytes()).ok()?.try_into().ok()?,
            binding: codec::decode_exact(&HEXLOWER.decode(next()?.as_bytes()).ok()?, MAX_SETTING_BYTES).ok()?,
        };
        words.next().is_none().then_some(told)
    }

    fn to_text(&self) -> String {
        let (key, binding) = (HEXLOWER.encode(&self.signing_key), HEXLOWER.encode(&codec::encode(&self.binding)));
        format!("{} {} {} {key} {binding}", self.time_ms, self.name.as_str(), self.address.as_str())
    }
}

fn key_of(address: &Address) -> String {
    format!("{PREFIX}{}", address.key_text())
}
