//! Which rendezvous we use, where each is, and what we have there.

use std::{collections::BTreeMap, ops::ControlFlow};

use hobnob_shared::{
    Token,
    id::AccountId,
    identity::{SignedBinding, SignedRecord},
    rendezvous::Address,
    text::Username,
    vault::Height,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::places::Named;
use crate::{
    account::{AccountRow, Accounts},
    command::{Code, Refusal},
    conversation::chat::{ChatRow, ChatTable},
    row::{RowKey, RowValue, Table},
    step::Step,
    tables::TableId,
    view::{Fault, Order},
    work::Records,
};

/// Most rendezvous that are used at a time: each costs a connection, and mail is asked for at each.
const MAX_SERVERS: usize = 8;

/// The number of the first conversation of a database.
const FIRST_CHAT: u32 = 1;

/// Names a rendezvous: the key that it proves, wherever it is.
pub(crate) type ServerKey = [u8; 32];

/// Key → the rendezvous.
#[derive(Debug)]
pub(crate) struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::Servers;
    type Key = ServerKey;
    type Value = ServerRow;
}

/// A rendezvous that we use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerRow {
    /// Where it was when it proved its key last, or where it is said to be.
    pub(crate) address: Address,
    /// Where it was before that.
    #[serde(default)]
    pub(super) former: Vec<Address>,
    /// Where it is said to be, too.
    #[serde(skip)]
    pub(super) named: Vec<Named>,
    /// It never proved its key.
    #[serde(skip)]
    pub(super) is_new: bool,
    /// The key with which it signs names: pinned when first seen.
    pub(crate) signing_key: Option<ByteArray<32>>,
    /// Our name there.
    pub(crate) account: Option<OwnName>,
    /// What it told last: another one when it was restored from a backup.
    #[serde(default)]
    pub(crate) generation: Option<u64>,
}

impl ServerRow {
    /// Our name there, and where that is.
    pub(super) fn own_name(&self) -> Option<(Username, Address)> {
        Some((self.account.as_ref()?.name.clone(), self.address.clone()))
    }
}

/// What we have at a rendezvous.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OwnName {
    pub(crate) name: Username,
    pub(crate) binding: SignedBinding,
    /// What opens the vault. None where another device of ours told only the name.
    pub(crate) vault_key: Option<Token<32>>,
    /// The newest vault that we have seen or written.
    pub(crate) vault_seq: u64,
    /// The vault was opened here once: its settings are ours since.
    #[serde(default)]
    pub(crate) is_merged: bool,
    /// It was opened here once: what opens a key of it that another device of ours tells. See
    /// [`hobnob_shared::keeper`].
    #[serde(default)]
    pub(crate) keeper: Option<Token<32>>,
    /// A vault was written from here with the account's key shown: the rendezvous takes none without since then.
    #[serde(default)]
    pub(crate) is_proved: bool,
}

/// The name that an account has at a rendezvous, for a device of it that is made by a login.
#[derive(Clone, Debug)]
pub struct Home {
    /// Where.
    pub server: Address,
    /// The key with which it signs names.
    pub signing_key: [u8; 32],
    /// The name.
    pub name: Username,
    /// The name, signed by both.
    pub binding: SignedBinding,
    /// What opens the vault.
    pub vault_key: Token<32>,
    /// The number of the vault that was opened.
    pub vault_seq: u64,
    /// The account's records before the one that lists the device, oldest first: how friends are shown that it goes on
    /// from what they know.
    pub records: Vec<SignedRecord>,
    /// The account.
    pub account: AccountId,
    /// How high the conversation of its own devices is, by that vault.
    pub height: Height,
}

impl Home {
    /// What is to be stored before the device starts for the first time: it finds its account's friends by itself then,
    /// whatever happens to the process that logged in. What it says to the account's other devices before it hears of them
    /// comes after all that they have said.
    pub fn rows(&self) -> Records {
        let Self { server, signing_key, name, binding, vault_key, vault_seq, records, account: me, height } =
            self.clone();
        let key = *server.x25519();
        let account = Some(OwnName {
            name,
            binding,
            vault_key: Some(vault_key),
            vault_seq,
            is_merged: false,
            keeper: None,
            is_proved: false,
        });
        let row = ServerRow { signing_key: Some(ByteArray::new(signing_key)), account, ..ServerRow::named(server) };
        let mut rows = Records::from([((Rows::ID, RowKey::to_bytes(&key)), Some(RowValue::to_bytes(&row)))]);
        if let Some((account, held)) = AccountRow::begin(&records) {
            rows.insert((Accounts::ID, RowKey::to_bytes(&account)), Some(RowValue::to_bytes(&held)));
        }
        if !height.is_nothing() {
            let own = ChatRow { height, ..ChatRow::new(me, 0) };
            rows.insert((ChatTable::ID, RowKey::to_bytes(&FIRST_CHAT)), Some(RowValue::to_bytes(&own)));
        }
        rows
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Servers(BTreeMap<ServerKey, ServerRow>);

impl Servers {
    pub(crate) fn load(step: &mut Step<'_>) -> Result<Self, Fault> {
        let mut servers = Self::default();
        step.scan::<Rows>(&[], Order::Ascending, |key, row| {
            servers.0.insert(key, row);
            ControlFlow::Continue(())
        })?;
        Ok(servers)
    }

    /// Uses this rendezvous from now on. The same key at another place is the same one, and may have moved: see
    /// [`super::places`].
    pub(crate) fn add(&mut self, address: &Address) -> Result<(), Refusal> {
        let key = *address.x25519();
        let is_impostor =
            |row: &ServerRow| row.address.transport() == address.transport() && *row.address.x25519() != key;
        // Of what never worked, the last word counts.
        self.0.retain(|_, row| row.is_kept() || !is_impostor(row));
        if self.0.values().any(is_impostor) {
            let message = format!(
                "the rendezvous at {} is known with another key; ask its operator which is right, and take the old one \
                 away first (/set rendezvous, and its address there, and off)",
                address.host()
            );
            return Err(Refusal::new(Code::Untrusted, message));
        }
        if !self.0.contains_key(&key) && self.0.len() >= MAX_SERVERS {
            self.0.retain(|_, row| row.is_kept());
        }
        if !self.0.contains_key(&key) && self.0.len() >= MAX_SERVERS {
            let message = format!("{MAX_SERVERS} rendezvous are used already; take one away first");
            return Err(Refusal::new(Code::Limited, message));
        }
        self.0.entry(key).or_insert_with(|| ServerRow::named(address.clone())).name(address);
        Ok(())
    }

    /// Uses it no more.
    pub(crate) fn remove(&mut self, address: &Address, step: &mut Step<'_>) -> Result<(), Refusal> {
        let (key, row) = self.find(Some(address))?;
        if let Some(account) = &row.account {
            let place = self.called(&key);
            let message = format!("you are {}@{place}; /logout {place} first", account.name.as_str());
            return Err(Refusal::new(Code::Conflict, message));
        }
        self.0.remove(&key);
        step.delete::<Rows>(&key);
        Ok(())
    }

    /// Changes a row, and writes it.
    pub(crate) fn change<R>(
        &mut self,
        key: &ServerKey,
        step: &mut Step<'_>,
        change: impl FnOnce(&mut ServerRow) -> R,
    ) -> Option<R> {
        let row = self.0.get_mut(key)?;
        let result = change(row);
        if row.is_kept() {
            step.put::<Rows>(key, row);
        }
        Some(result)
    }

    /// It proved its key there.
    pub(super) fn worked(&mut self, key: &ServerKey, address: &Address, step: &mut Step<'_>) {
        if let Some(row) = self.0.get_mut(key)
            && row.worked(address)
        {
            step.put::<Rows>(key, row);
        }
    }

    /// It did not.
    pub(super) fn failed(&mut self, key: &ServerKey, address: &Address) {
        if let Some(row) = self.0.get_mut(key) {
            row.failed(address);
        }
    }

    /// Whether somebody named a place where it is not, and is to be told.
    pub(super) fn is_misplaced(&mut self, key: &ServerKey) -> bool {
        self.0.get_mut(key).is_some_and(ServerRow::take_untold)
    }

    /// The one that is meant: where only one is used, it need not be named.
    pub(crate) fn find(&self, address: Option<&Address>) -> Result<(ServerKey, &ServerRow), Refusal> {
        let found = match address {
            Some(address) => self.0.get_key_value(address.x25519()),
            None if self.0.len() > 1 => {
                let names: Vec<_> = self.0.keys().map(|key| self.called(key)).collect();
                let message = format!("several rendezvous are used; name one of them: {}", names.join(", "));
                return Err(Refusal::new(Code::Usage, message));
            }
            None => self.0.first_key_value(),
        };
        found.map(|(key, row)| (*key, row)).ok_or_else(|| {
            let message = "that rendezvous is not in use; /set rendezvous ADDRESS first, with the address that its \
                           operator gives out";
            Refusal::new(Code::NotFound, message)
        })
    }

    pub(crate) fn get(&self, key: &ServerKey) -> Option<&ServerRow> {
        self.0.get(key)
    }

    /// What a person calls it: its host, and more where another one is on that host too.
    pub(crate) fn called(&self, key: &ServerKey) -> String {
        let all = self.0.values().map(|row| &row.address);
        self.0.get(key).map_or_else(|| "?".to_owned(), |row| row.address.called(all))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&ServerKey, &ServerRow)> {
        self.0.iter()
    }
}
