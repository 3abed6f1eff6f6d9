//! One step: what a part may read, write and ask for while an input is handled.
//!
//! Parts never hold references to each other. A part that wants another one to act pushes a [`Signal`]; `lib.rs`
//! routes it after the part has returned.

use std::{collections::VecDeque, ops::ControlFlow};

use hobnob_shared::{
    id::{AccountId, DeviceId},
    identity::{DeviceKeys, SignedCertificate},
    text::Nickname,
    wire::{Body, Frame, rendezvous::PresenceNote},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use crate::{
    command::{Code, Refusal, Reply},
    event::Event,
    log::row::Rank,
    reach::Attempt,
    rendezvous::{Outcome, ServerKey},
    row::{RowKey, RowValue, Table, after},
    view::{Fault, Order, View, Visit},
    work::{Action, LinkId, Now, Ticket, TransportId, Work},
};

/// A session is named by its link.
pub(crate) type SessionId = LinkId;

/// Who we are; fixed while the node runs.
#[derive(Debug)]
pub(crate) struct Me {
    /// Our account.
    pub(crate) account: AccountId,
    /// This device.
    pub(crate) device: DeviceId,
    /// How this device is called.
    pub(crate) device_name: Nickname,
    /// When it became one of the account's, in ms since the epoch.
    pub(crate) added_ms: u64,
    /// This device's secret keys.
    pub(crate) keys: DeviceKeys,
    /// The account's word that this device is one of its own.
    pub(crate) certificate: SignedCertificate,
    /// Our own transport.
    pub(crate) transport: TransportId,
}

/// What is to be written to a session, in order; sealed by `Engine::flush`.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Seal and send this.
    Frame(Frame),
    /// Close the link after what stands before.
    Close,
}

/// What changed about a friend, for the front ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Both accepted.
    Added,
    /// Standing, name, mute, verification.
    Changed,
    /// Two histories of one account.
    KeyChanged,
}

/// What one part wants of another.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    /// Something waits for this account: reach tries now.
    Wake(AccountId),
    /// Both sides accepted (again, perhaps), or an alarm was settled: what was held back may flow.
    Friendship(AccountId),
    /// No longer friends, blocked, or an alarm: nothing flows from now on.
    Estranged(AccountId),
    /// A session is up: the other side's account and device are known and certified.
    Up(SessionId),
    /// A link whose other end was known ended.
    Down {
        session: SessionId,
        account: AccountId,
        device: DeviceId,
        /// It had come up.
        was_up: bool,
        /// Conversations flowed over it.
        syncing: bool,
    },
    /// We dialled, and no session came of it.
    Unreached(Attempt),
    /// A session is old: another one is wanted, which will replace it.
    Renew(AccountId, [u8; 32]),
    /// The devices of this account, or where they are, changed.
    Devices(AccountId),
    /// A device of ours said this in the self conversation; of several words the one with the highest rank counts.
    Said(Rank, Box<Body>),
    /// Tell the front ends.
    News(AccountId, News),
    /// Mail waits at this rendezvous.
    Mail(ServerKey),
    /// A rendezvous answered, or did not.
    Served(Box<Outcome>),
    /// A rendezvous says how somebody shows themselves.
    Noted(ServerKey, Box<PresenceNote>),
}

/// What lives longer than a step and belongs to no part.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) me: Me,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) outgoing: Vec<(SessionId, Outgoing)>,
    pub(crate) signals: VecDeque<Signal>,
}

impl Core {
    pub(crate) fn new(me: Me, rng: ChaCha20Rng) -> Self {
        Self { me, rng, outgoing: Vec::new(), signals: VecDeque::new() }
    }
}

/// One step. See the module.
pub(crate) struct Step<'a> {
    pub(crate) now: Now,
    pub(crate) me: &'a Me,
    pub(crate) rng: &'a mut ChaCha20Rng,
    view: &'a dyn View,
    work: &'a mut Work,
    outgoing: &'a mut Vec<(SessionId, Outgoing)>,
    signals: &'a mut VecDeque<Signal>,
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").field("now", &self.now).finish_non_exhaustive()
    }
}

impl<'a> Step<'a> {
    pub(crate) fn new(core: &'a mut Core, now: Now, view: &'a dyn View, work: &'a mut Work) -> Self {
        let Core { me, rng, outgoing, signals } = core;
        Self { now, me, rng, view, work, outgoing, signals }
    }

    /// The row under `key`, this batch's writes included.
    pub(crate) fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, Fault> {
        let full = (T::ID, key.to_bytes());
        let bytes = match self.work.records.get(&full) {
            Some(written) => written.as_deref().map(T::Value::from_bytes),
            None => self.view.get(T::ID, &full.1)?.as_deref().map(T::Value::from_bytes),
        };
        bytes.transpose()
    }

    /// Whether there is a row under `key`.
    pub(crate) fn has<T: Table>(&self, key: &T::Key) -> Result<bool, Fault> {
        let full = (T::ID, key.to_bytes());
        match self.work.records.get(&full) {
            Some(written) => Ok(written.is_some()),
            None => Ok(self.view.get(T::ID, &full.1)?.is_some()),
        }
    }

    /// Whether this batch has written to this table.
    pub(crate) fn wrote<T: Table>(&self) -> bool {
        let first = self.work.records.range((T::ID, Vec::new())..).next();
        first.is_some_and(|((table, _), _)| *table == T::ID)
    }

    /// Writes a row.
    pub(crate) fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        self.work.records.insert((T::ID, key.to_bytes()), Some(value.to_bytes()));
    }

    /// Removes a row.
    pub(crate) fn delete<T: Table>(&mut self, key: &T::Key) {
        self.work.records.insert((T::ID, key.to_bytes()), None);
    }

    /// Shows `visit` every row whose key starts with `prefix` until it breaks.
    pub(crate) fn scan<T: Table>(
        &self,
        prefix: &[u8],
        order: Order,
        visit: impl FnMut(T::Key, T::Value) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        self.range::<T>(prefix, after(prefix).as_deref(), order, visit)
    }

    /// Shows `visit` every row with `from <= key < to` (as bytes) until it breaks.
    pub(crate) fn range<T: Table>(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        mut visit: impl FnMut(T::Key, T::Value) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let mut fault = None;
        self.raw_range::<T>(from, to, order, &mut |key, value| match T::Key::from_bytes(key)
            .and_then(|key| Ok((key, T::Value::from_bytes(value)?)))
        {
            Ok((key, value)) => visit(key, value),
            Err(found) => {
                fault = Some(found);
                ControlFlow::Break(())
            }
        })?;
        fault.map_or(Ok(()), Err)
    }

    /// Merges the stored rows with this batch's; both are sorted.
    fn raw_range<T: Table>(&self, from: &[u8], to: Option<&[u8]>, order: Order, visit: Visit<'_>) -> Result<(), Fault> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        let written = self
            .work
            .records
            .range((T::ID, from.to_vec())..)
            .take_while(|((table, key), _)| *table == T::ID && to.is_none_or(|to| key.as_slice() < to))
            .map(|((_, key), value)| (key.as_slice(), value.as_deref()));
        let mut written: Vec<_> = written.collect();
        if order == Order::Ascending {
            written.reverse(); // the next one is always at the end
        }
        let comes_first = |one: &[u8], other: &[u8]| match order {
            Order::Ascending => one < other,
            Order::Descending => one > other,
        };
        let mut stopped = false;
        self.view.scan(T::ID, from, to, order, &mut |key, value| {
            while let Some(&(next, change)) = written.last() {
                if next != key && !comes_first(next, key) {
                    break;
                }
                written.pop();
                if let Some(bytes) = change
                    && visit(next, bytes).is_break()
                {
                    stopped = true;
                    return ControlFlow::Break(());
                }
                if next == key {
                    return ControlFlow::Continue(());
                }
            }
            let flow = visit(key, value);
            stopped = flow.is_break();
            flow
        })?;
        while !stopped && let Some((key, change)) = written.pop() {
            stopped = change.is_some_and(|bytes| visit(key, bytes).is_break());
        }
        Ok(())
    }

    /// Tells the front ends.
    pub(crate) fn event(&mut self, event: Event) {
        self.work.events.push(event);
    }

    /// Answers a call.
    pub(crate) fn reply(&mut self, ticket: Ticket, answer: Result<Reply, Refusal>) {
        self.work.replies.push((ticket, answer));
    }

    /// The account's key is needed no more.
    pub(crate) fn seal_key(&mut self) {
        self.work.key_is_done = true;
    }

    /// Acts on the network, after the commit.
    pub(crate) fn act(&mut self, action: Action) {
        self.work.actions.push(action);
    }

    /// Sends a frame over a session. Sealed at the end of the batch; dropped if the session is gone by then.
    pub(crate) fn send(&mut self, session: SessionId, frame: Frame) {
        self.outgoing.push((session, Outgoing::Frame(frame)));
    }

    /// Closes a session after what was sent before.
    pub(crate) fn close(&mut self, session: SessionId) {
        self.outgoing.push((session, Outgoing::Close));
    }

    /// Everything that was to be sent.
    pub(crate) fn take_outgoing(&mut self) -> Vec<(SessionId, Outgoing)> {
        std::mem::take(self.outgoing)
    }

    /// The next signal to be routed.
    pub(crate) fn next_signal(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }

    /// Asks another part to act, after this one.
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.signals.push_back(signal);
    }

    /// Something waits for this account: reach tries now.
    pub(crate) fn wake(&mut self, account: AccountId) {
        self.signal(Signal::Wake(account));
    }

    /// Random bytes.
    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

/// Why a command has no answer.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The person is told, and nothing changed.
    Refusal(Refusal),
    /// The store failed.
    Fault(Fault),
}

impl Stop {
    /// A refusal with its words.
    pub(crate) fn refuse(code: Code, message: impl Into<String>) -> Self {
        Self::Refusal(Refusal::new(code, message))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a command comes to; `None` when the answer follows later. A refusal must come before the first write.
pub(crate) type Answer = Result<Option<Reply>, Stop>;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use hobnob_shared::identity::{AccountKey, Certificate};
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::{tables::TableId, view::MemoryView};

    struct Numbers;

    impl Table for Numbers {
        const ID: TableId = TableId::Numbers;
        type Key = u8;
        type Value = u32;
    }

    fn core() -> Core {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (account, keys) = (AccountKey::generate(&mut rng), DeviceKeys::generate(&mut rng));
        let device_name = Nickname::parse("laptop").unwrap();
        let certificate = account.sign_certificate(&Certificate {
            account: account.id(),
            device: keys.id(),
            x25519: keys.x25519_public(),
            name: device_name.clone(),
            added_ms: 0,
        });
        let (account, device, transport) = (account.id(), keys.id(), TransportId(Vec::new()));
        Core::new(Me { account, device, device_name, added_ms: 0, keys, certificate, transport }, rng)
    }

    fn seen(step: &Step<'_>, from: u8, to: Option<u8>, order: Order, most: usize) -> Vec<(u8, u32)> {
        let mut rows = Vec::new();
        let to = to.map(|to| vec![to]);
        step.range::<Numbers>(&[from], to.as_deref(), order, |key, value| {
            rows.push((key, value));
            if rows.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        rows
    }

    #[test]
    fn a_scan_shows_what_this_batch_wrote_over_what_is_stored() {
        let mut core = core();
        let now = Now { mono_ms: 0, wall_ms: 0 };
        let (mut stored, empty) = (MemoryView::default(), MemoryView::default());
        let mut work = Work::default();
        let mut step = Step::new(&mut core, now, &empty, &mut work);
        for key in [2, 4, 6, 8] {
            step.put::<Numbers>(&key, &u32::from(key));
        }
        stored.apply(&work.records);

        let mut work = Work::default();
        let mut step = Step::new(&mut core, now, &stored, &mut work);
        for (key, value) in [(1, 1), (4, 40), (5, 50), (9, 90)] {
            step.put::<Numbers>(&key, &value);
        }
        step.delete::<Numbers>(&6);
        step.delete::<Numbers>(&7);
        let all = [(1, 1), (2, 2), (4, 40), (5, 50), (8, 8), (9, 90)];
        let mut backwards = all;
        backwards.reverse();
        assert_eq!(seen(&step, 0, None, Order::Ascending, 99), all);
        assert_eq!(seen(&step, 0, None, Order::Descending, 99), backwards);
        for most in 1..=6 {
            assert_eq!(seen(&step, 0, None, Order::Ascending, most), all.get(..most).unwrap());
            assert_eq!(seen(&step, 0, None, Order::Descending, most), backwards.get(..most).unwrap());
        }
        assert_eq!(seen(&step, 2, Some(8), Order::Ascending, 99), [(2, 2), (4, 40), (5, 50)]);
        assert_eq!(seen(&step, 2, Some(9), Order::Descending, 99), [(8, 8), (5, 50), (4, 40), (2, 2)]);
        assert_eq!(seen(&step, 5, Some(5), Order::Ascending, 99), []);
        assert_eq!(step.get::<Numbers>(&4).unwrap(), Some(40));
        assert_eq!(step.get::<Numbers>(&6).unwrap(), None);
        assert_eq!(step.get::<Numbers>(&8).unwrap(), Some(8));
    }
}
