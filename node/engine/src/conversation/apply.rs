//! What a stored entry does: a message gets its number and place, an amendment changes a message, and so on.

use hobnob_shared::{
    id::EntryId,
    wire::{Body, Header, SignedEntry, kind},
};

use crate::{
    command::Message,
    conversation::{
        amend::AmendTable,
        chat::{Chat, Env},
    },
    event::{Change, Event},
    log::{
        Append,
        row::{EntryRow, ExpiringTable, NumberRow, NumberTable, Place, Rank, TimelineRow, TimelineTable, flag},
        write::Wrote,
    },
    step::Signal,
    view::Fault,
};

/// Two clocks may differ by so much before a time is shown as doubtful.
const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;

/// How an entry came to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// We wrote it just now.
    Written,
    /// Pushed right after it was written.
    Live,
    /// Fetched, so it may be old.
    CaughtUp,
    /// Its body was over the day's quota.
    Withheld,
    /// Its device was revoked, and it lies behind the end of the log.
    Void,
}

/// A checked entry on its way to its place.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) entry: SignedEntry,
    pub(crate) header: Header,
    pub(crate) id: EntryId,
    pub(crate) log: u32,
    pub(crate) slot: Append,
    /// Messages in the log before it.
    pub(crate) messages_before: u64,
    pub(crate) came: Came,
    /// The body, if it has been decoded before.
    pub(crate) body: Option<Body>,
}

/// Whether entries of this kind stand on screen as messages: text, and content that a later version knows.
pub(crate) fn is_message(number: u16) -> bool {
    match number {
        // Profile, and what only the self conversation knows.
        7 | 16..=19 => false,
        kind::EDIT | kind::DELETE | kind::REACT | kind::PIN | kind::TIMER | kind::FRIEND_ACCEPT => false,
        other => other > 0 && other < kind::FIRST_CONTROL,
    }
}

impl Chat {
    /// Stores an entry whose past is here, and does what it says. Never refuses.
    pub(crate) fn store(&mut self, arrival: Arrival, env: &mut Env<'_, '_>) -> Result<Wrote, Fault> {
        let Arrival { entry, header, id, log, slot, messages_before, came, body } = arrival;
        let is_message = is_message(header.kind);
        let mut row = EntryRow {
            flags: 0,
            kind: header.kind,
            lamport: header.lamport,
            time_ms: header.time_ms,
            received_ms: env.step.now.wall_ms,
            number: 0,
            messages: messages_before + u64::from(is_message),
            expires_ms: 0,
            entry,
        };
        let Some(known) = self.log_at_mut(log) else { return Err(Fault("an entry has no log".to_owned())) };
        let branch = known.append(slot, id, &row, header.seq);
        self.moved = true;
        let place = Place { log, seq: header.seq, branch };
        mark_arrival(&mut row, came);
        let rank = Rank { lamport: row.lamport, time_ms: row.time_ms, hash: id.short() };
        let body = body.or_else(|| read_body(&mut row));
        let mut message = None;
        if is_message {
            message = self.apply_message(place, rank, id, row, body, came, env)?;
        } else {
            self.put_entry(place, &row, env.step);
            if let Some(body) = body {
                self.apply_other(place, rank, body, env)?;
            }
        }
        Ok(Wrote { place, message })
    }

    /// A body that was withheld is here now.
    pub(crate) fn apply_refilled(
        &mut self,
        place: Place,
        mut row: EntryRow,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        let body = read_body(&mut row);
        self.put_entry(place, &row, env.step);
        self.moved = true;
        if is_message(row.kind) {
            self.change_event(place, &row, Change::Edited, env)
        } else if let Some(body) = body {
            let rank = row.rank();
            self.apply_other(place, rank, body, env)
        } else {
            Ok(())
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one stored entry")]
    fn apply_message(
        &mut self,
        place: Place,
        rank: Rank,
        id: EntryId,
        mut row: EntryRow,
        body: Option<Body>,
        came: Came,
        env: &mut Env<'_, '_>,
    ) -> Result<Option<Message>, Fault> {
        let mine = self.is_mine(place.log);
        row.number = env.counters.next_number();
        // What was written since this device is there is news, whichever of our devices brings it.
        let is_history = came == Came::CaughtUp && self.row.importing && rank.time_ms < env.step.me.added_ms;
        if !mine && !is_history && self.row.newest.is_some_and(|newest| rank < newest) {
            row.set(flag::LATE);
        }
        let amended = self.claim_pending(place, &mut row, env)?;
        if let Some(after_secs) = self.timer_at(&rank).filter(|_| !row.is_gone()) {
            self.set_expiry(place, &mut row, after_secs, env);
        }
        self.put_entry(place, &row, env.step);
        env.step.put::<TimelineTable>(&(self.number, rank), &TimelineRow { place, number: row.number });
        env.step.put::<NumberTable>(&row.number, &NumberRow { chat: self.number, place });
        // Another device of ours has shown it.
        let was_seen = self.log_at(place.log).is_some_and(|log| place.seq <= log.row.shared_read);
        let is_news = !mine && row.entry.body.is_some() && !was_seen;
        let now_ms = env.step.now.wall_ms;
        let known = self.change();
        known.newest = known.newest.max(Some(rank));
        known.newest_number = row.number;
        known.active_ms = now_ms;
        if was_seen && known.unread == 0 {
            known.read_number = row.number;
        }
        if is_news {
            known.unread += 1;
            if known.first_unread == 0 {
                known.first_unread = row.number;
            }
        }
        env.counters.announce(row.number);
        if row.is_gone() || (row.entry.body.is_none() && came != Came::Withheld) {
            // Withdrawn before it ever came here: nobody is told of it.
            return Ok(None);
        }
        if is_history {
            return Ok(None);
        }
        let message = self.show(place, &row, id, body, amended.as_ref(), env.around, env.step)?;
        env.step.event(Event::Message(Box::new(message.clone())));
        if !mine && self.typing_until.take().is_some() {
            env.step.event(Event::Typing { chat: message.chat.clone(), typing: false });
        }
        Ok(Some(message))
    }

    fn apply_other(&mut self, place: Place, rank: Rank, body: Body, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let mine = self.is_mine(place.log);
        match body {
            Body::Edit { target, .. } => self.apply_edit(place, rank, mine, &target, env),
            Body::Delete { target } => self.apply_delete(mine, &target, env),
            Body::React { target, emoji } => self.apply_reaction(rank, mine, &target, emoji, env),
            Body::Pin { target, pinned } => self.apply_pin(rank, &target, pinned, env),
            Body::Timer { after_secs } => self.apply_timer(rank, mine, after_secs, env),
            Body::FriendAccept { .. } if mine => {
                self.change().accepted = true;
                Ok(())
            }
            Body::FriendAccept { .. } => {
                self.change().confirmed = true;
                Ok(())
            }
            Body::DeviceCut(cut) => self.apply_cut(place, &cut, env),
            said @ (Body::FriendPut(_) | Body::FriendRemove(_) | Body::ReadMark(_) | Body::Setting(_)) => {
                if self.is_own(env.around) {
                    env.step.signal(Signal::Said(rank, Box::new(said)));
                }
                Ok(())
            }
            Body::Text { .. } | Body::Unknown(..) => Ok(()),
        }
    }

    /// Disappearing messages were set, perhaps behind messages that are here already.
    fn apply_timer(
        &mut self,
        rank: Rank,
        mine: bool,
        after_secs: Option<u64>,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        if self.add_timer(rank, after_secs) {
            let chat = env.around.people.handle(&self.row.account);
            env.step.event(Event::ExpirySet { chat, after_secs, by_me: mine });
        }
        if self.row.newest.is_some_and(|newest| newest > rank) {
            self.retime_from = Some(self.retime_from.map_or(rank, |from| from.min(rank)));
        }
        Ok(())
    }

    /// The message disappears so many seconds after we stored it.
    pub(crate) fn set_expiry(&self, place: Place, row: &mut EntryRow, after_secs: u64, env: &mut Env<'_, '_>) {
        row.expires_ms = row.received_ms.saturating_add(after_secs.saturating_mul(1000)).max(1);
        env.step.put::<ExpiringTable>(&(row.expires_ms, self.number, place), &());
        env.counters.expect_expiry(row.expires_ms);
    }

    /// What was said of this message before it came. Applies it, and gives it back for showing.
    fn claim_pending(
        &mut self,
        place: Place,
        row: &mut EntryRow,
        env: &mut Env<'_, '_>,
    ) -> Result<Option<crate::conversation::amend::AmendRow>, Fault> {
        if self.row.pending_amendments == 0 {
            return Ok(None);
        }
        let Some(target) = self.reference(place, row) else { return Ok(None) };
        let key = (self.number, target.log, target.seq, target.hash);
        let Some(mut amended) = env.step.get::<AmendTable>(&key)? else { return Ok(None) };
        self.change().pending_amendments -= 1;
        let mine = self.is_mine(place.log);
        amended.arrive(mine);
        if amended.is_deleted(mine) {
            row.set(flag::DELETED);
            row.entry.body = None;
            for edit in amended.edits.drain(..) {
                self.drop_body(edit.place, env.step)?;
            }
            env.step.delete::<AmendTable>(&key);
            return Ok(None);
        }
        env.step.put::<AmendTable>(&key, &amended);
        Ok(Some(amended))
    }
}

/// Marks what the arrival itself tells.
fn mark_arrival(row: &mut EntryRow, came: Came) {
    let ahead = row.time_ms > row.received_ms.saturating_add(CLOCK_TOLERANCE_MS);
    let behind = came == Came::Live && row.received_ms > row.time_ms.saturating_add(CLOCK_TOLERANCE_MS);
    if ahead || behind {
        row.set(flag::DOUBTFUL);
    }
    match came {
        Came::Withheld => row.set(flag::WITHHELD),
        Came::Void => row.set(flag::DELETED),
        Came::Written | Came::Live | Came::CaughtUp => {}
    }
}

/// The body, decoded. One that makes no sense is kept for a version to which it does.
pub(crate) fn read_body(row: &mut EntryRow) -> Option<Body> {
    let body = row.entry.body.as_ref()?;
    match Body::decode(row.kind, &body.body) {
        Ok(body) => Some(body),
        Err(_) => {
            row.set(flag::UNREADABLE);
            None
        }
    }
}
