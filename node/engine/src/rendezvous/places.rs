//! Where a rendezvous is said to be: several places for one key. The one that worked last goes first, and only those that
//! worked are stored: a mistyped address takes the place of no good one.

use hobnob_shared::{rendezvous::Address, wire::ServerFrame};

use super::{
    Lane, Purpose, Rendezvous, ServerKey,
    calls::{Answered, Failed},
    servers::ServerRow,
};
use crate::{event::Event, step::Step};

/// What is tried out as a guest, over a link of its own.
const PROBE: Lane = Lane::Errand(u64::MAX);

/// Most places of one rendezvous that worked before and are kept.
const MAX_FORMER: usize = 3;
/// Most that somebody named and that have not worked yet.
const MAX_NAMED: usize = 4;

/// A place that somebody named, and where nobody has proved the key yet.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    address: Address,
    /// Tried, and nobody was there.
    has_failed: bool,
    /// The person was told so.
    is_told: bool,
}

impl ServerRow {
    /// One that somebody named.
    pub(super) fn named(address: Address) -> Self {
        Self {
            address,
            signing_key: None,
            account: None,
            former: Vec::new(),
            named: Vec::new(),
            is_new: true,
            generation: None,
        }
    }

    /// Whether it is to be stored: what never worked is good for this run only.
    pub(super) fn is_kept(&self) -> bool {
        !self.is_new || self.account.is_some()
    }

    /// Somebody names this place: it is tried first, once.
    pub(super) fn name(&mut self, address: &Address) {
        if self.is_new && !self.is_kept() {
            // Of what never worked, the last word counts.
            self.address = address.clone();
            self.named.clear();
        } else if self.address != *address {
            self.named.retain(|named| named.address != *address);
            self.named.insert(0, Named { address: address.clone(), has_failed: false, is_told: false });
            self.named.truncate(MAX_NAMED);
        }
    }

    /// Whether somebody named a place of which it is not known whether it is one.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_new || self.named.iter().any(|named| !named.has_failed)
    }

    /// All places, in the order in which they are tried.
    pub(super) fn places(&self) -> Vec<Address> {
        let named = |has_failed| self.named.iter().filter(move |it| it.has_failed == has_failed).map(|it| &it.address);
        let known = std::iter::once(&self.address).chain(&self.former);
        named(false).chain(known).chain(named(true)).cloned().collect()
    }

    /// The key was proved there. `true`: something is to be stored.
    pub(super) fn worked(&mut self, address: &Address) -> bool {
        self.named.retain(|named| named.address != *address);
        if self.address == *address {
            return std::mem::take(&mut self.is_new);
        }
        self.former.retain(|former| former != address);
        let before = std::mem::replace(&mut self.address, address.clone());
        if !std::mem::take(&mut self.is_new) {
            self.former.insert(0, before);
            self.former.truncate(MAX_FORMER);
        }
        true
    }

    /// Whether somebody named a place where nobody was, and has not been told.
    pub(super) fn take_untold(&mut self) -> bool {
        let untold = self.named.iter_mut().filter(|named| named.has_failed && !named.is_told);
        untold.map(|named| named.is_told = true).count() > 0
    }

    /// Nobody proved the key there.
    pub(super) fn failed(&mut self, address: &Address) {
        self.named.iter_mut().filter(|named| named.address == *address).for_each(|named| named.has_failed = true);
    }
}

impl Rendezvous {
    /// Somebody named a place, and a session may be there already: whether the key is proved at that place is found out now.
    pub(super) fn probe(&mut self, server: ServerKey, step: &mut Step<'_>) {
        if self.servers.get(&server).is_none_or(|row| !row.is_in_doubt()) {
            return;
        }
        for link in self.links_of(&server, PROBE) {
            self.leave(link, step);
        }
        self.ask(server, PROBE, ServerFrame::StatusGet, Purpose::Probe, step);
    }

    /// The same for all that never worked and where we have no name, which would be reason enough to go there.
    pub(crate) fn probe_new(&mut self, step: &mut Step<'_>) {
        let is_new = |row: &ServerRow| row.is_new && row.account.is_none();
        let new = self.servers.all().filter(|(_, row)| is_new(row)).map(|(server, _)| *server);
        for server in new.collect::<Vec<_>>() {
            self.probe(server, step);
        }
    }

    /// Whether that is still being found out.
    pub(crate) fn is_probing(&self) -> bool {
        self.calls.is_probing()
    }

    pub(super) fn on_probed(&mut self, server: &ServerKey, answer: &Result<Answered, Failed>, step: &mut Step<'_>) {
        let Some(row) = self.servers.get(server) else { return };
        let host = self.host(server);
        let message = match answer {
            Err(failed) if row.is_new => format!(
                "the rendezvous at {host} is not reached: {}. Its address is tried again when it is needed, and remembered \
                 once it has worked",
                failed.words()
            ),
            Ok(_) | Err(_) => return self.tell_misplaced(server, step),
        };
        step.event(Event::Warning { chat: None, message });
    }

    /// Says once that it is not at a place that somebody named, now that it is known where it is, or that it is nowhere.
    pub(super) fn tell_misplaced(&mut self, server: &ServerKey, step: &mut Step<'_>) {
        if self.servers.is_misplaced(server) {
            let host = self.host(server);
            let message = format!(
                "no rendezvous with the key of {host} was reached at the address that you gave: check it. Until it works \
                 the one from before is used and remembered"
            );
            step.event(Event::Warning { chat: None, message });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn place(port: u16) -> Address {
        let peer = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &[13; 32]].concat();
        Address::new(&format!("/ip4/192.0.2.1/tcp/{port}"), &peer, &[9; 32]).unwrap()
    }

    #[test]
    fn a_place_that_never_worked_is_not_kept_and_gives_way_to_the_next_word() {
        let mut row = ServerRow::named(place(1));
        assert!(!row.is_kept() && row.is_in_doubt());
        row.name(&place(2));
        assert_eq!(row.places(), [place(2)]);
        assert!(row.worked(&place(2)) && row.is_kept() && !row.is_in_doubt());
        assert!(!row.worked(&place(2)), "that is no news");
    }

    #[test]
    fn a_new_place_is_tried_first_once_and_takes_the_first_place_when_it_works() {
        let mut row = ServerRow::named(place(1));
        row.worked(&place(1));
        row.name(&place(2));
        assert_eq!((row.places(), &row.address), (vec![place(2), place(1)], &place(1)));
        row.failed(&place(2));
        assert_eq!((row.places(), row.is_in_doubt()), (vec![place(1), place(2)], false));
        row.name(&place(2));
        assert!(row.worked(&place(2)));
        assert_eq!((row.places(), &row.address), (vec![place(2), place(1)], &place(2)));
        assert!(row.worked(&place(1)), "back again");
        assert_eq!(row.places(), [place(1), place(2)]);
        (3..20).for_each(|port| row.name(&place(port)));
        assert_eq!(row.places().len(), 2 + MAX_NAMED);
        (3..20).for_each(|port| assert!(row.worked(&place(port))));
        assert_eq!(row.places().len(), 1 + MAX_FORMER);
    }
}
