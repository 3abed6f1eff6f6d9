//! Edits, deletions, reactions and pins: what entries say about a message.
//!
//! They may come before their message. Then they wait in its row, and count when it comes. Only the author's account
//! edits and deletes; anybody else's try is void and shown to nobody.

use hobnob_shared::{
    id::{LogId, ShortHash},
    text::Reaction,
    wire::{EntryRef, kind},
};
use serde::{Deserialize, Serialize};

use crate::{
    conversation::{
        apply::is_message,
        chat::{Chat, Env},
    },
    event::{Change, Event},
    log::row::{EntryRow, Place, Rank, add_to_ranges, flag},
    row::Table,
    step::Step,
    tables::TableId,
    view::Fault,
};

/// Most edits of one message that are remembered; the earliest go first.
const MAX_EDITS: usize = 64;

/// (Conversation, log, seq, hash) of a message → what was said about it.
#[derive(Debug)]
pub(crate) struct AmendTable;

impl Table for AmendTable {
    const ID: TableId = TableId::Amendments;
    type Key = (u32, LogId, u64, ShortHash);
    type Value = AmendRow;
}

/// One edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Edit {
    pub(crate) rank: Rank,
    pub(crate) mine: bool,
    /// Where the entry with the text is.
    pub(crate) place: Place,
}

/// What was said about one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AmendRow {
    /// In their order.
    pub(crate) edits: Vec<Edit>,
    /// Deleted by our account, by theirs.
    deleted: (bool, bool),
    /// The newest word of each account (`true`: ours).
    reactions: Vec<(bool, Rank, Option<Reaction>)>,
    pin: Option<(Rank, bool)>,
}

impl AmendRow {
    /// Takes a reaction in its order. `true` when it is that account's newest.
    fn react(&mut self, mine: bool, rank: Rank, reaction: Option<Reaction>) -> bool {
        match self.reactions.iter_mut().find(|(owner, ..)| *owner == mine) {
            Some((_, known, _)) if *known > rank => return false,
            Some(known) => *known = (mine, rank, reaction),
            None => self.reactions.push((mine, rank, reaction)),
        }
        true
    }

    /// Takes an edit in its order; what comes back is remembered no more. `true` when it is the newest.
    fn edit(&mut self, edit: Edit) -> (bool, Option<Edit>) {
        let at = self.edits.partition_point(|known| known.rank < edit.rank);
        if self.edits.get(at) == Some(&edit) {
            return (false, None);
        }
        let is_newest = at == self.edits.len();
        self.edits.insert(at, edit);
        let gone = (self.edits.len() > MAX_EDITS).then(|| self.edits.remove(0));
        (is_newest, gone)
    }

    fn set_deleted(&mut self, mine: bool) {
        if mine { self.deleted.0 = true } else { self.deleted.1 = true }
    }

    /// Deleted by the account that wrote it.
    pub(crate) fn is_deleted(&self, mine: bool) -> bool {
        if mine { self.deleted.0 } else { self.deleted.1 }
    }

    /// The message is here, and its author known: what others tried on it is void.
    pub(crate) fn arrive(&mut self, mine: bool) {
        self.edits.retain(|edit| edit.mine == mine);
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.pin.is_some_and(|(_, pinned)| pinned)
    }

    /// Each account's reaction (`true`: ours).
    pub(crate) fn reactions(&self) -> impl Iterator<Item = (bool, &Reaction)> {
        self.reactions.iter().filter_map(|(mine, _, reaction)| Some((*mine, reaction.as_ref()?)))
    }
}

/// What an amendment is about.
struct Target {
    key: (u32, LogId, u64, ShortHash),
    amended: AmendRow,
    /// The message, if it is here.
    message: Option<(Place, EntryRow)>,
}

impl Chat {
    /// What was said about a message.
    pub(crate) fn amendments(&self, place: Place, row: &EntryRow, step: &Step<'_>) -> Result<Option<AmendRow>, Fault> {
        let Some(target) = self.reference(place, row) else { return Ok(None) };
        step.get::<AmendTable>(&(self.number, target.log, target.seq, target.hash))
    }

    /// The target of an amendment by one of us. `None` when the amendment is void.
    fn target(&self, target: &EntryRef, step: &Step<'_>) -> Result<Option<Target>, Fault> {
        let message = self.locate(target, step)?;
        if message.as_ref().is_some_and(|(_, row)| !is_message(row.kind) || row.is_gone()) {
            return Ok(None);
        }
        let key = (self.number, target.log, target.seq, target.hash);
        let amended = step.get::<AmendTable>(&key)?.unwrap_or_default();
        Ok(Some(Target { key, amended, message }))
    }

    /// Whether the account wrote the target, as far as one can know.
    fn may_be_author(&self, mine: bool, target: &EntryRef) -> bool {
        self.writer_of(&target.log).is_none_or(|writer| writer.mine == mine)
    }

    fn keep(&mut self, target: &Target, step: &mut Step<'_>) {
        if target.message.is_none() && target.amended != AmendRow::default() {
            self.count_pending(target, step);
        }
        step.put::<AmendTable>(&target.key, &target.amended);
    }

    fn count_pending(&mut self, target: &Target, step: &Step<'_>) {
        // A fault here would have shown when the same row was read a moment ago.
        if !step.has::<AmendTable>(&target.key).unwrap_or(true) {
            self.change().pending_amendments += 1;
        }
    }

    pub(crate) fn apply_edit(
        &mut self,
        place: Place,
        rank: Rank,
        mine: bool,
        target: &EntryRef,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        if !self.may_be_author(mine, target) {
            return Ok(());
        }
        if self.locate(target, env.step)?.is_some_and(|(_, row)| row.is_gone()) {
            return self.drop_body(place, env.step);
        }
        let found = self.target(target, env.step)?;
        let editable = |found: &Target| found.message.as_ref().is_none_or(|(_, row)| row.kind == kind::TEXT);
        let Some(mut found) = found.filter(editable) else { return Ok(()) };
        let (is_newest, gone) = found.amended.edit(Edit { rank, mine, place });
        self.keep(&found, env.step);
        if let Some(gone) = gone {
            self.drop_body(gone.place, env.step)?;
        }
        match found.message {
            Some((message, row)) if is_newest => self.change_event(message, &row, Change::Edited, env),
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn apply_delete(&mut self, mine: bool, target: &EntryRef, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let found = if self.may_be_author(mine, target) { self.target(target, env.step)? } else { None };
        let Some(mut found) = found else { return Ok(()) };
        let Some((place, mut row)) = found.message.take() else {
            found.amended.set_deleted(mine);
            self.keep(&found, env.step);
            return Ok(());
        };
        let was_shown = row.entry.body.is_some() || row.is(flag::WITHHELD);
        self.forget_message(place, &mut row, flag::DELETED, env)?;
        self.put_entry(place, &row, env.step);
        if was_shown { self.change_event(place, &row, Change::Deleted, env) } else { Ok(()) }
    }

    /// Body, edits, reactions and unread mark of a message go. Its row is for the caller to write.
    pub(crate) fn forget_message(
        &mut self,
        place: Place,
        row: &mut EntryRow,
        why: u8,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        if let Some(amended) = self.amendments(place, row, env.step)? {
            for edit in &amended.edits {
                self.drop_body(edit.place, env.step)?;
            }
            if let Some(target) = self.reference(place, row) {
                env.step.delete::<AmendTable>(&(self.number, target.log, target.seq, target.hash));
            }
        }
        let was_unread = row.entry.body.is_some() && row.number > self.row.read_number;
        row.set(why);
        row.clear(flag::WITHHELD);
        row.entry.body = None;
        if self.is_mine(place.log) {
            self.withdraw(place, env);
        } else if was_unread {
            let known = self.change();
            known.unread = known.unread.saturating_sub(1);
            if known.unread == 0 {
                known.first_unread = 0;
            }
        }
        Ok(())
    }

    /// A message of ours that not everybody has does not count as queued any more.
    fn withdraw(&mut self, place: Place, env: &Env<'_, '_>) {
        let least = self.least_receipt(place.log, place.branch, env.around).stored;
        if place.seq > least
            && let Some(log) = self.log_at_mut(place.log)
        {
            add_to_ranges(&mut log.change().withdrawn, place.seq);
        }
    }

    pub(crate) fn apply_reaction(
        &mut self,
        rank: Rank,
        mine: bool,
        target: &EntryRef,
        reaction: Option<Reaction>,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        let Some(mut found) = self.target(target, env.step)? else { return Ok(()) };
        if !found.amended.react(mine, rank, reaction) {
            return Ok(());
        }
        self.keep(&found, env.step);
        match found.message {
            Some((place, row)) => self.change_event(place, &row, Change::Reacted, env),
            None => Ok(()),
        }
    }

    pub(crate) fn apply_pin(
        &mut self,
        rank: Rank,
        target: &EntryRef,
        pinned: bool,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        let Some(mut found) = self.target(target, env.step)? else { return Ok(()) };
        if found.amended.pin.is_some_and(|(known, _)| known > rank) {
            return Ok(());
        }
        found.amended.pin = Some((rank, pinned));
        self.keep(&found, env.step);
        match found.message {
            Some((place, row)) => self.change_event(place, &row, Change::Pinned, env),
            None => Ok(()),
        }
    }

    /// The body of an entry goes for good; the chain stays whole.
    pub(crate) fn drop_body(&mut self, place: Place, step: &mut Step<'_>) -> Result<(), Fault> {
        if let Some(mut row) = self.entry(place, step)? {
            row.set(flag::DELETED);
            row.entry.body = None;
            self.put_entry(place, &row, step);
        }
        Ok(())
    }

    /// Tells the front ends what a message is now.
    pub(crate) fn change_event(
        &self,
        place: Place,
        row: &EntryRow,
        change: Change,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        let message = self.message(place, row, env.around, env.step)?;
        env.step.event(Event::MessageChanged { message: Box::new(message), change });
        Ok(())
    }
}
