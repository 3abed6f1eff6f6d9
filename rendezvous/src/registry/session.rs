//! Who is connected, and what each session may do.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    wire::{AccountPayload, ErrorCode},
};

use super::{
    SessionId,
    account::{self, AccountRow},
    mailbox::Owner,
    password::{Asker, Pending},
    step::{Served, Step},
};

/// Who opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody said.
    Guest,
    /// A device that showed a certificate, whose signature and key were checked.
    Device {
        /// The account that signed it.
        account: AccountId,
        /// Which device.
        device: DeviceId,
        /// The certificate's hash, as account records list it.
        certificate: [u8; 32],
    },
}

impl Caller {
    /// The account whose certificate was shown.
    pub(crate) fn account(&self) -> Option<AccountId> {
        match self {
            Self::Guest => None,
            Self::Device { account, .. } => Some(*account),
        }
    }
}

/// Where a session comes from: an IPv4 address, or the /64 that one IPv6 customer has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source([u8; 9]);

/// What a site begins with, and no source.
const SITE: u8 = 8;

impl Source {
    /// The source of an address.
    pub fn of(ip: core::net::IpAddr) -> Self {
        let mut bytes = [0; 9];
        let (kind, rest) = bytes.split_at_mut(1);
        match ip.to_canonical() {
            core::net::IpAddr::V4(ip) => {
                kind.fill(4);
                rest.iter_mut().zip(ip.octets()).for_each(|(byte, octet)| *byte = octet);
            }
            core::net::IpAddr::V6(ip) => {
                kind.fill(6);
                rest.iter_mut().zip(ip.octets()).for_each(|(byte, octet)| *byte = octet);
            }
        }
        Self(bytes)
    }

    /// The IPv6 /48 that it lies in: what one customer of some hosts has, and what thousands share elsewhere.
    pub(crate) fn site(&self) -> Option<Self> {
        let [6, a, b, c, d, e, f, _, _] = self.0 else { return None };
        Some(Self([SITE, a, b, c, d, e, f, 0, 0]))
    }

    /// Whether it is one of those.
    pub(crate) fn is_site(&self) -> bool {
        self.0.first() == Some(&SITE)
    }
}

/// Nothing: addresses do not belong into logs.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source(..)")
    }
}

/// Who looks a name up: whom the look-up is counted for. What one of them uses up takes nothing from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Looker {
    /// A member.
    Account(AccountId),
    /// All members that come from there.
    Members(Source),
    /// Everybody else who comes from there: an address, an IPv6 /64, or an IPv6 /48.
    Guests(Source),
    /// Whoever has the registration code with this hash.
    Code([u8; 32]),
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) caller: Caller,
    pub(crate) source: Source,
    /// The hash of the handshake.
    pub(crate) binding: [u8; 32],
    /// Whose password was proved here.
    pub(crate) logged_in: Option<AccountId>,
    pub(crate) pending: Option<Box<Pending>>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: BTreeMap<SessionId, Session>,
    devices: BTreeMap<Owner, Vec<SessionId>>,
}

impl Sessions {
    pub(crate) fn on_opened(&mut self, id: SessionId, caller: Caller, source: Source, binding: [u8; 32]) {
        if let Caller::Device { account, device, .. } = caller {
            self.devices.entry((account, device)).or_default().push(id);
        }
        self.open.insert(id, Session { caller, source, binding, logged_in: None, pending: None });
    }

    pub(crate) fn on_closed(&mut self, id: SessionId) {
        let Some(session) = self.open.remove(&id) else { return };
        if let Caller::Device { account, device, .. } = session.caller
            && let Some(sessions) = self.devices.get_mut(&(account, device))
        {
            sessions.retain(|other| *other != id);
            if sessions.is_empty() {
                self.devices.remove(&(account, device));
            }
        }
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.open.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.open.get_mut(&id)
    }

    /// The sessions of a device.
    pub(crate) fn of_device(&self, owner: &Owner) -> Vec<SessionId> {
        self.devices.get(owner).cloned().unwrap_or_default()
    }

    /// The sessions of all devices of an account.
    pub(crate) fn of_account(&self, account: &AccountId) -> Vec<SessionId> {
        let from = (*account, DeviceId::new([0; 32]));
        let theirs = self.devices.range(from..).take_while(|((owner, _), _)| owner == account);
        theirs.flat_map(|(_, sessions)| sessions).copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

impl Session {
    /// The device's account, when it is registered here and stands by the device.
    pub(crate) fn member(&self, step: &Step<'_>) -> Served<Option<(Owner, AccountRow)>> {
        let Caller::Device { account, device, certificate } = self.caller else { return Ok(None) };
        let row = account::get(step, &account)?.filter(|row| row.lists(&certificate, &device));
        Ok(row.map(|row| ((account, device), row)))
    }

    /// Who this is to the password's protocol.
    pub(crate) fn asker(&self, step: &Step<'_>) -> Served<Asker> {
        let device = self.member(step)?.map(|(owner, _)| owner);
        Ok(Asker { source: self.source, device, proved: self.logged_in })
    }

    /// The device that this session is of; only for what needs one.
    pub(crate) fn device(&self, step: &Step<'_>) -> Served<Owner> {
        self.member(step)?.map(|(owner, _)| owner).ok_or_else(|| ErrorCode::Denied.into())
    }

    /// The account of which this session may say something: also that of a device which only the newer record in what it
    /// says lists. The account itself has signed that; the device may have been cut off before it could be told here.
    pub(crate) fn publisher(&self, step: &Step<'_>, payload: &AccountPayload) -> Served<AccountId> {
        if let Caller::Device { account, device, certificate } = self.caller
            && account::admits(step, &account, payload, (&certificate, &device))?
        {
            return Ok(account);
        }
        self.account(step)
    }

    /// The account that this session speaks for: of its device, or of whoever logged in.
    pub(crate) fn account(&self, step: &Step<'_>) -> Served<AccountId> {
        match self.logged_in {
            // It may have given its name up since.
            Some(account) if account::get(step, &account)?.is_some() => Ok(account),
            Some(_) | None => self.device(step).map(|(account, _)| account),
        }
    }
}
