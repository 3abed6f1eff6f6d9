//! Rendezvous as carriers of mail: ours, and those that only our friends use.

use hobnob_shared::rendezvous::Address;

use super::{Rendezvous, ServerKey};

/// Most rendezvous of others that are remembered at a time. One that is forgotten is met again with the next mail.
const MAX_OTHERS: usize = 256;

impl Rendezvous {
    /// Where we have a name, in the order of their keys.
    pub(crate) fn named(&self) -> impl Iterator<Item = &ServerKey> {
        self.servers.all().filter(|(_, row)| row.account.is_some()).map(|(key, _)| key)
    }

    /// Where a rendezvous is.
    pub(crate) fn address(&self, server: &ServerKey) -> Option<&Address> {
        self.servers.get(server).map(|row| &row.address).or_else(|| self.others.get(server))
    }

    /// All places where it may be, in the order in which they are tried.
    pub(super) fn places(&self, server: &ServerKey) -> Vec<Address> {
        match self.servers.get(server) {
            Some(row) => row.places(),
            None => self.others.get(server).cloned().into_iter().collect(),
        }
    }

    /// A friend's mail is kept there. Where we know the rendezvous ourselves, our address of it counts.
    pub(crate) fn meet(&mut self, address: &Address) -> ServerKey {
        let key = *address.x25519();
        if self.servers.get(&key).is_none() {
            if self.others.len() >= MAX_OTHERS {
                let used: Vec<_> = self.dials.values().map(|dial| dial.server()).chain(self.in_session()).collect();
                self.others.retain(|other, _| used.contains(other));
            }
            self.others.insert(key, address.clone());
        }
        key
    }

    fn in_session(&self) -> impl Iterator<Item = ServerKey> {
        self.sessions.values().map(|session| session.server)
    }
}
