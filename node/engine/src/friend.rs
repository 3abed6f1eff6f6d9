//! People: who is a friend, who waits, who is blocked, how we call them, and what is known of their accounts.

pub(crate) mod device;
mod name;
mod place;
mod request;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::{AccountId, DeviceId, InviteId},
    rendezvous::NameAt,
    text::{Handle, Nickname, Note},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

pub(crate) use self::request::{RequestRow, Source};
use crate::{
    account::{AccountRow, Accounts, Device},
    command::{Code, Refusal, Standing},
    row::Table,
    share::Said,
    step::{News, Signal, Step},
    tables::TableId,
    view::{Fault, Order},
};

/// Account → friend, also pending, blocked and removed ones.
#[derive(Debug)]
pub(crate) struct Friends;

impl Table for Friends {
    const ID: TableId = TableId::Friends;
    type Key = AccountId;
    type Value = FriendRow;
}

/// One person whom we added, or who was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of one row")]
pub(crate) struct FriendRow {
    pub(crate) handle: Handle,
    /// The handle is made up until we learn how they call themselves.
    pub(crate) provisional: bool,
    pub(crate) we_accepted: bool,
    pub(crate) they_accepted: bool,
    pub(crate) blocked: bool,
    pub(crate) removed: bool,
    pub(crate) verified: bool,
    /// Two histories of their account: nothing flows until the person decides.
    pub(crate) alarm: bool,
    pub(crate) muted: bool,
    /// What we said when we added them.
    pub(crate) note: Note,
    /// The invite that we use, until they have accepted.
    pub(crate) invite: Option<InviteUse>,
    pub(crate) added_ms: u64,
    pub(crate) last_seen_ms: Option<u64>,
    /// Friends of ours to be introduced to them at the next session.
    pub(crate) introductions: Vec<AccountId>,
    /// Whom they introduced and we declined, latest last.
    #[serde(default)]
    pub(crate) declined: Vec<AccountId>,
    /// What our devices told each other of them.
    #[serde(default)]
    pub(crate) said: Said,
    /// Where a vault says that their devices are, until their certificates come.
    #[serde(default)]
    pub(crate) places: Vec<Place>,
    /// Under which name, and where, they can be told something while no session and no mail reaches them.
    #[serde(default)]
    pub(crate) name: Option<NameAt>,
}

/// A device of which only its session key and its addresses are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) x25519: ByteArray<32>,
    pub(crate) addresses: Vec<String>,
}

/// An invite of somebody else that we are using.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InviteUse {
    pub(crate) id: InviteId,
    pub(crate) token: Token,
    pub(crate) x25519: ByteArray<32>,
    pub(crate) addresses: Vec<String>,
    /// They have accepted over it.
    pub(crate) served: bool,
    /// They said no, in words for the person. It is not tried again.
    pub(crate) dead: Option<String>,
}

/// An invite's secret. Prints nothing; the database that holds it is encrypted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(pub(crate) ByteArray<16>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(self.0.as_mut_slice());
    }
}

/// Everybody we know.
#[derive(Debug, Default)]
pub(crate) struct People {
    friends: BTreeMap<AccountId, FriendRow>,
    accounts: BTreeMap<AccountId, AccountRow>,
    handles: BTreeMap<Handle, AccountId>,
    requests: BTreeMap<u64, RequestRow>,
    /// The last number that a request was given.
    last_request: u64,
    /// Rows that may hold what our other devices do not know.
    touched: BTreeSet<AccountId>,
}

impl FriendRow {
    /// Both accepted, and nobody took it back.
    pub(crate) fn is_mutual(&self) -> bool {
        self.we_accepted && self.they_accepted && !self.blocked && !self.removed
    }

    /// We want to be reached by them, and to reach them.
    pub(crate) fn is_wanted(&self) -> bool {
        self.we_accepted && !self.blocked && !self.removed
    }

    /// They are a friend no more.
    pub(crate) fn end_friendship(&mut self) {
        (self.removed, self.we_accepted, self.they_accepted, self.invite) = (true, false, false, None);
        self.introductions.clear();
    }

    /// How it stands, in one word.
    pub(crate) fn standing(&self) -> Standing {
        match self {
            Self { blocked: true, .. } => Standing::Blocked,
            Self { removed: true, .. } => Standing::Removed,
            Self { they_accepted: true, we_accepted: true, .. } => Standing::Friend,
            _ => Standing::Pending,
        }
    }
}

impl People {
    /// Reads everybody.
    pub(crate) fn load(step: &mut Step<'_>) -> Result<Self, Fault> {
        let mut people = Self::default();
        step.scan::<Friends>(&[], Order::Ascending, |account, row| {
            people.handles.insert(row.handle.clone(), account);
            people.friends.insert(account, row);
            std::ops::ControlFlow::Continue(())
        })?;
        step.scan::<Accounts>(&[], Order::Ascending, |account, row| {
            people.accounts.insert(account, row);
            std::ops::ControlFlow::Continue(())
        })?;
        people.accounts.remove(&step.me.account);
        people.load_requests(step)?;
        Ok(people)
    }

    /// Nobody was ever added or accepted.
    pub(crate) fn is_empty(&self) -> bool {
        self.friends.is_empty()
    }

    /// Their row.
    pub(crate) fn friend(&self, account: &AccountId) -> Option<&FriendRow> {
        self.friends.get(account)
    }

    /// Everybody with a row.
    pub(crate) fn friends(&self) -> impl Iterator<Item = (&AccountId, &FriendRow)> {
        self.friends.iter()
    }

    /// How it stands with them.
    pub(crate) fn standing(&self, account: &AccountId) -> Option<Standing> {
        self.friends.get(account).map(FriendRow::standing)
    }

    /// Both accepted, and nothing is in doubt: messages may flow.
    pub(crate) fn syncs(&self, account: &AccountId) -> bool {
        self.friends.get(account).is_some_and(|row| row.is_mutual() && !row.alarm)
    }

    /// We hear no bell of them.
    pub(crate) fn is_muted(&self, account: &AccountId) -> bool {
        self.friends.get(account).is_some_and(|row| row.muted)
    }

    /// Whether something may be written to them now; if not, why, and what to do.
    pub(crate) fn may_write(&self, account: &AccountId) -> Result<(), Refusal> {
        let handle = self.handle(account);
        let Some(row) = self.friends.get(account) else { return Err(self.not_found(&handle)) };
        let (code, message) = match row.standing() {
            Standing::Friend if !row.alarm => return Ok(()),
            Standing::Friend => (
                Code::Untrusted,
                format!(
                    "{handle} shows two different histories of the same account, so nothing is sent; compare the safety \
                     number with /verify {handle}, then say /verify {handle} yes"
                ),
            ),
            Standing::Pending => (
                Code::Conflict,
                format!("{handle} has not accepted yet; you can write as soon as they do (/friends shows it)"),
            ),
            Standing::Blocked => (Code::Conflict, format!("{handle} is blocked; /unblock {handle} first")),
            Standing::Removed => {
                (Code::Conflict, format!("{handle} is removed; /add a new link of theirs to be friends again"))
            }
        };
        Err(Refusal::new(code, message))
    }

    /// What is known of their account.
    pub(crate) fn account(&self, account: &AccountId) -> Option<&AccountRow> {
        self.accounts.get(account)
    }

    /// The devices that their newest record lists.
    pub(crate) fn devices(&self, account: &AccountId) -> &[Device] {
        self.accounts.get(account).map_or(&[], |row| row.devices.as_slice())
    }

    /// A device of theirs is here, or was until now.
    pub(crate) fn saw(&mut self, account: &AccountId, device: &DeviceId, step: &mut Step<'_>) {
        if let Some(row) = self.accounts.get_mut(account).filter(|_| self.friends.contains_key(account))
            && row.saw(device, step.now.wall_ms)
        {
            step.put::<Accounts>(account, row);
        }
    }

    /// Whether their newest record lists this device.
    pub(crate) fn lists(&self, account: &AccountId, device: &DeviceId) -> bool {
        self.devices(account).iter().any(|listed| listed.id == *device)
    }

    /// How they call themselves, once known.
    pub(crate) fn nick(&self, account: &AccountId) -> Option<&Nickname> {
        Some(&self.accounts.get(account)?.newest.as_ref()?.nick)
    }

    /// Somebody becomes wanted: by link, in pairing mode, or out of the inbox. Known facts about them stay.
    pub(crate) fn add(&mut self, account: AccountId, note: Note, they_accepted: bool, step: &mut Step<'_>) {
        let row = self.row(account, step);
        row.we_accepted = true;
        row.they_accepted |= they_accepted;
        row.removed = false;
        row.note = note;
        step.put::<Friends>(&account, row);
        self.touched.insert(account);
        if let Some(known) = self.accounts.get(&account) {
            step.put::<Accounts>(&account, known);
        }
        step.signal(Signal::Devices(account));
    }

    /// Their row, made if there is none.
    fn row(&mut self, account: AccountId, step: &Step<'_>) -> &mut FriendRow {
        let nick = self.nick(&account).cloned();
        let handle = self.friends.get(&account).map(|row| row.handle.clone());
        let handle = handle.unwrap_or_else(|| self.free_handle(&account, nick.as_ref()));
        self.handles.insert(handle.clone(), account);
        self.friends.entry(account).or_insert_with(|| FriendRow {
            handle,
            provisional: nick.is_none(),
            we_accepted: false,
            they_accepted: false,
            blocked: false,
            removed: false,
            verified: false,
            alarm: false,
            muted: false,
            note: Note::default(),
            invite: None,
            added_ms: step.now.wall_ms,
            last_seen_ms: None,
            introductions: Vec::new(),
            declined: Vec::new(),
            said: Said::default(),
            places: Vec::new(),
            name: None,
        })
    }

    /// Another device of ours has a row of somebody: there is one here too.
    pub(crate) fn expect(&mut self, account: AccountId, step: &mut Step<'_>) {
        let row = self.row(account, step);
        step.put::<Friends>(&account, row);
    }

    /// Rows that may hold what our other devices do not know.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<AccountId> {
        std::mem::take(&mut self.touched)
    }

    /// Everything is compared with what our other devices know.
    pub(crate) fn touch_all(&mut self) {
        self.touched = self.friends.keys().copied().collect();
    }

    /// Changes a row, and writes it.
    pub(crate) fn change<R>(
        &mut self,
        account: &AccountId,
        step: &mut Step<'_>,
        change: impl FnOnce(&mut FriendRow) -> R,
    ) -> Option<R> {
        let row = self.friends.get_mut(account)?;
        let result = change(row);
        step.put::<Friends>(account, row);
        self.touched.insert(*account);
        Some(result)
    }

    /// The account's owner said "I accept you", and we had accepted before.
    pub(crate) fn they_accept(&mut self, account: &AccountId, step: &mut Step<'_>) {
        let changed = self.change(account, step, |row| {
            let before = std::mem::replace(&mut row.they_accepted, true);
            if let Some(invite) = &mut row.invite {
                invite.served = true;
            }
            !before
        });
        self.spend_invite(account, step);
        if changed == Some(true) {
            step.signal(Signal::Friendship(*account));
            step.signal(Signal::News(*account, News::Added));
        }
    }

    /// Changes what is known of an account. It is kept on disk if somebody with a row or a request has it.
    pub(crate) fn learn<R>(
        &mut self,
        account: &AccountId,
        step: &mut Step<'_>,
        change: impl FnOnce(&mut AccountRow) -> (bool, R),
    ) -> R {
        let row = self.accounts.entry(*account).or_default();
        let (changed, result) = change(row);
        if changed && (self.friends.contains_key(account) || self.requests.values().any(|it| it.account == *account)) {
            step.put::<Accounts>(account, row);
        }
        result
    }

    /// Somebody whom we have never had a session with: what a friend says of them.
    pub(crate) fn meet(&mut self, account: AccountId, known: AccountRow) {
        self.accounts.entry(account).or_insert(known);
    }

    /// Forgets what is known of somebody who has neither row nor request.
    pub(crate) fn forget(&mut self, account: &AccountId, step: &mut Step<'_>) {
        if self.is_stranger(account) && self.accounts.remove(account).is_some() {
            step.delete::<Accounts>(account);
        }
    }

    /// Whether a session of theirs is welcome: somebody whom we accepted, or who waits for our decision.
    pub(crate) fn is_expected(&self, account: &AccountId) -> bool {
        self.friends.get(account).is_some_and(FriendRow::is_wanted) || self.request_of(account).is_some()
    }

    /// The same for somebody of whom nothing is on disk.
    pub(crate) fn forget_stranger(&mut self, account: &AccountId) {
        if self.is_stranger(account) {
            self.accounts.remove(account);
        }
    }

    fn is_stranger(&self, account: &AccountId) -> bool {
        !self.friends.contains_key(account) && self.request_of(account).is_none()
    }
}
