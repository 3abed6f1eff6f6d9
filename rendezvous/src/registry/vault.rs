//! The sealed vault of an account: one value, replaced only by who has seen the one before.

use hobnob_shared::{
    id::AccountId,
    wire::{
        ErrorCode,
        rendezvous::{SealedVault, Vault, VaultPut},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    limits::{Policy, ROW_BYTES},
    row::table,
    step::{Served, Step},
    usage::{charge, refund},
    view::Fault,
};

/// A vault, and who may replace it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VaultRow {
    #[serde(rename = "s")]
    seq: u64,
    #[serde(rename = "v")]
    vault: SealedVault,
    /// It was written with the account's key at hand, and from then on only so.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    is_owned: bool,
}

table!(Vaults: AccountId => VaultRow);

/// What whoever replaces a vault has proved in this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proved {
    /// Only to be a device of the account.
    Nothing,
    /// To know the password, or to have the account's signature for this.
    ByPassword,
    /// To hold the account's key.
    ByKey,
}

/// The vault as it is. Whoever is registered has one.
pub(crate) fn fetch(step: &Step<'_>, account: &AccountId) -> Served<Vault> {
    let row = step.get::<Vaults>(account)?;
    row.map(|row| Vault { seq: row.seq, vault: row.vault })
        .ok_or_else(|| Fault::Damaged("an account's vault is missing".into()).into())
}

/// The number of the vault; 0 when there is none.
pub(crate) fn seq(step: &Step<'_>, account: &AccountId) -> Served<u64> {
    Ok(step.get::<Vaults>(account)?.map_or(0, |row| row.seq))
}

/// Replaces the vault if it still has the number that was expected.
pub(crate) fn replace(
    step: &mut Step<'_>,
    policy: &Policy,
    account: &AccountId,
    put: VaultPut,
    proved: Proved,
) -> Served<()> {
    let is_owned = step.get::<Vaults>(account)?.is_some_and(|row| row.is_owned);
    if is_owned && proved == Proved::Nothing {
        return Err(ErrorCode::Denied.into());
    }
    let current = seq(step, account)?;
    if current != put.expected || Some(put.seq) != current.checked_add(1) {
        return Err(ErrorCode::Stale { seq: current }.into());
    }
    remove(step, account)?;
    charge(step, policy, account, bytes(&put.vault))?;
    let is_owned = is_owned || proved == Proved::ByKey;
    step.put::<Vaults>(account, &VaultRow { seq: put.seq, vault: put.vault, is_owned });
    Ok(())
}

/// Removes the vault, if there is one.
pub(crate) fn remove(step: &mut Step<'_>, account: &AccountId) -> Served<()> {
    if let Some(row) = step.get::<Vaults>(account)? {
        refund(step, account, bytes(&row.vault))?;
        step.remove::<Vaults>(account);
    }
    Ok(())
}

fn bytes(vault: &SealedVault) -> u64 {
    vault.as_bytes().len() as u64 + ROW_BYTES
}
