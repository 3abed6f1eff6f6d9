//! The sealed vault of an account: one value, replaced only by who has seen the one before.

use hobnob_shared::{
    id::AccountId,
    wire::{
        ErrorCode,
        rendezvous::{SealedVault, Vault, VaultPut},
    },
};

use super::{
    limits::{Policy, ROW_BYTES},
    row::table,
    step::{Served, Step},
    usage::{charge, refund},
    view::Fault,
};

table!(Vaults: AccountId => Vault);

/// The vault as it is. Whoever is registered has one.
pub(crate) fn fetch(step: &Step<'_>, account: &AccountId) -> Served<Vault> {
    step.get::<Vaults>(account)?.ok_or_else(|| Fault::Damaged("an account's vault is missing".into()).into())
}

/// The number of the vault; 0 when there is none.
pub(crate) fn seq(step: &Step<'_>, account: &AccountId) -> Served<u64> {
    Ok(step.get::<Vaults>(account)?.map_or(0, |vault| vault.seq))
}

/// Replaces the vault if it still has the number that was expected.
pub(crate) fn replace(step: &mut Step<'_>, policy: &Policy, account: &AccountId, put: VaultPut) -> Served<()> {
    let current = seq(step, account)?;
    if current != put.expected || Some(put.seq) != current.checked_add(1) {
        return Err(ErrorCode::Stale { seq: current }.into());
    }
    remove(step, account)?;
    charge(step, policy, account, bytes(&put.vault))?;
    step.put::<Vaults>(account, &Vault { seq: put.seq, vault: put.vault });
    Ok(())
}

/// Removes the vault, if there is one.
pub(crate) fn remove(step: &mut Step<'_>, account: &AccountId) -> Served<()> {
    if let Some(vault) = step.get::<Vaults>(account)? {
        refund(step, account, bytes(&vault.vault))?;
        step.remove::<Vaults>(account);
    }
    Ok(())
}

fn bytes(vault: &SealedVault) -> u64 {
    vault.as_bytes().len() as u64 + ROW_BYTES
}
