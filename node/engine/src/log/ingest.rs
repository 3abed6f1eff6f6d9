//! Taking an entry of somebody else, in the order of the protocol: size → encoding → conversation → author →
//! signature → past, or parked → stored.

use hobnob_shared::{
    id::EntryId,
    limits::{LOG_QUOTA_BYTES_PER_DAY, LOG_QUOTA_ENTRIES_PER_DAY, MAX_BRANCHES, MAX_ENTRY_BYTES, MAX_FIRST_LAMPORT},
    wire::{Header, SignedEntry, entry_id},
};

use crate::{
    conversation::{
        apply::{Arrival, Came},
        chat::{Chat, Env, Writer},
    },
    event::Event,
    log::{
        Append,
        parked::Address,
        row::{EntryTable, LogRow, ParkedRow, ParkedTable, Place, Quota, add_to_ranges, flag, take_from_ranges},
    },
    step::Step,
    view::{Fault, Order},
};

/// Headers of one log that are taken per day. Ten times what the quota of bodies lets through: headers are needed for
/// the chain, and must still not fill a disk.
const MAX_HEADERS_PER_DAY: u32 = 1_000_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is stored now, and perhaps others that waited for it.
    Stored(Place),
    /// It was there.
    Known(Place),
    /// It waits for its past.
    Parked,
    /// Not now, or never: its author is not certified, or its log is frozen or over a limit.
    Ignored,
    /// No honest node passes this on.
    Bad(&'static str),
}

/// Where an entry fits.
enum Fit {
    At { slot: Append, messages_before: u64 },
    Missing(Address),
    Frozen,
    Bad(&'static str),
}

impl Chat {
    /// Takes one entry that came over a session.
    pub(crate) fn ingest(&mut self, entry: SignedEntry, env: &mut Env<'_, '_>) -> Result<Taken, Fault> {
        if entry.size() > MAX_ENTRY_BYTES {
            return Ok(Taken::Bad("too large"));
        }
        let Ok(header) = Header::decode(&entry.header) else { return Ok(Taken::Bad("header")) };
        if header.conversation != self.id {
            return Ok(Taken::Bad("another conversation"));
        }
        let Some(writer) = self.writer_of(&header.log) else { return Ok(Taken::Ignored) };
        let id = entry_id(&entry.header);
        if self.parked.holds(&(header.log, header.seq, id.short())) {
            return Ok(Taken::Parked);
        }
        if let Some(known) = self.known(&header, &id, env.step)? {
            return self.refill(known, entry, &header, env);
        }
        let Some(key) = self.key_of(&header.log, writer) else { return Ok(Taken::Ignored) };
        if entry.check_decoded(&header, &key).is_err() {
            return Ok(Taken::Bad("signature or body"));
        }
        self.settle(entry, header, id, writer, env)
    }

    /// The place of an entry that is already there. Only numbers up to the head cost a look-up.
    fn known(&self, header: &Header, id: &EntryId, step: &Step<'_>) -> Result<Option<Place>, Fault> {
        let Some(number) = self.log_number(&header.log) else { return Ok(None) };
        let Some(log) = self.log_at(number) else { return Ok(None) };
        if header.seq > log.head_seq() {
            return Ok(None);
        }
        let found = log.find(self.number, number, header.seq, &id.short(), step)?;
        Ok(found.filter(|found| found.id == *id).map(|found| Place {
            log: number,
            seq: header.seq,
            branch: found.branch,
        }))
    }

    /// A repeated entry changes nothing, unless it brings a body that was withheld.
    fn refill(
        &mut self,
        place: Place,
        entry: SignedEntry,
        header: &Header,
        env: &mut Env<'_, '_>,
    ) -> Result<Taken, Fault> {
        self.to_receipt.insert(place.log);
        if entry.body.is_none() {
            return Ok(Taken::Known(place));
        }
        let Some(mut row) = self.entry(place, env.step)? else { return Ok(Taken::Known(place)) };
        if row.entry.body.is_some() || row.is_gone() {
            return Ok(Taken::Known(place));
        }
        if entry.check_body(header).is_err() {
            return Ok(Taken::Bad("body"));
        }
        let (now_ms, is_trusted) = (env.step.now.wall_ms, self.from_ours);
        let Some(log) = self.log_at_mut(place.log) else { return Ok(Taken::Known(place)) };
        if !is_trusted && !log.row.mine && !charge_body(log.change(), header.body_len, now_ms) {
            return Ok(Taken::Known(place));
        }
        take_from_ranges(&mut log.change().withheld, place.seq);
        row.clear(flag::WITHHELD);
        row.entry.body = entry.body;
        self.apply_refilled(place, row, env)?;
        Ok(Taken::Stored(place))
    }

    /// Stores a checked entry and everything that waited for it, or parks it.
    fn settle(
        &mut self,
        entry: SignedEntry,
        header: Header,
        id: EntryId,
        writer: Writer,
        env: &mut Env<'_, '_>,
    ) -> Result<Taken, Fault> {
        let address = (header.log, header.seq, id.short());
        let taken = self.place(entry, header, id, writer, env)?;
        if !matches!(taken, Taken::Stored(_)) {
            return Ok(taken);
        }
        let mut arrived = vec![address];
        while let Some(address) = arrived.pop() {
            for waiting in self.parked.waiting_for(&address) {
                if let Taken::Stored(place) = self.unpark(&waiting, env)? {
                    self.unparked.insert(place.log);
                    arrived.push(waiting);
                }
            }
        }
        Ok(taken)
    }

    /// Tries a parked entry again.
    fn unpark(&mut self, address: &Address, env: &mut Env<'_, '_>) -> Result<Taken, Fault> {
        let key = (self.number, address.0, address.1, address.2);
        let parked = env.step.get::<ParkedTable>(&key)?;
        self.parked.remove(address);
        env.step.delete::<ParkedTable>(&key);
        let Some(ParkedRow { entry, .. }) = parked else { return Ok(Taken::Ignored) };
        let Ok(header) = Header::decode(&entry.header) else { return Ok(Taken::Ignored) };
        let Some(writer) = self.writer_of(&header.log) else { return Ok(Taken::Ignored) };
        let id = entry_id(&entry.header);
        // A wrong lamport can only be seen now; whoever passed it on could not know either.
        self.place(entry, header, id, writer, env)
    }

    /// Puts a checked entry where it fits.
    fn place(
        &mut self,
        entry: SignedEntry,
        header: Header,
        id: EntryId,
        writer: Writer,
        env: &mut Env<'_, '_>,
    ) -> Result<Taken, Fault> {
        match self.fit(&header, env.step)? {
            Fit::At { slot, messages_before } => self.admit(entry, header, id, writer, slot, messages_before, env),
            Fit::Missing(missing) => {
                self.park(&entry, &header, &id, missing, env.step);
                Ok(Taken::Parked)
            }
            Fit::Frozen => {
                if let Some(number) = self.log_number(&header.log)
                    && let Some(log) = self.log_at_mut(number)
                {
                    log.change().frozen = true;
                }
                Ok(Taken::Ignored)
            }
            Fit::Bad(why) => Ok(Taken::Bad(why)),
        }
    }

    fn fit(&self, header: &Header, step: &Step<'_>) -> Result<Fit, Fault> {
        let number = self.log_number(&header.log);
        let log = number.and_then(|number| Some((number, self.log_at(number)?)));
        if log.is_some_and(|(_, log)| log.row.frozen) {
            return Ok(Fit::Frozen);
        }
        let (slot, messages_before, mut lamport) = match header.prev {
            None => (Append::New { parent: 0, base: 0 }, 0, 0),
            Some(prev) => match self.behind(log, header, &prev, step)? {
                Some(found) => found,
                None => return Ok(Fit::Missing((header.log, header.seq - 1, prev.short()))),
            },
        };
        for dep in &header.deps {
            if dep.seq == 0 {
                return Ok(Fit::Bad("dependency"));
            }
            let found = match self.log_number(&dep.log).and_then(|number| Some((number, self.log_at(number)?))) {
                Some((number, log)) => log.find(self.number, number, dep.seq, &dep.hash, step)?,
                None => None,
            };
            match found {
                Some(found) => lamport = lamport.max(found.lamport),
                None => return Ok(Fit::Missing((dep.log, dep.seq, dep.hash))),
            }
        }
        if !follows(header, lamport) {
            return Ok(Fit::Bad("lamport"));
        }
        let branches = log.map_or(0, |(_, log)| log.row.branches.len());
        if matches!(slot, Append::New { .. }) && branches >= MAX_BRANCHES {
            return Ok(Fit::Frozen);
        }
        Ok(Fit::At { slot, messages_before })
    }

    /// The slot behind `prev`, with the messages up to it and its lamport.
    fn behind(
        &self,
        log: Option<(u32, &crate::log::Log)>,
        header: &Header,
        prev: &EntryId,
        step: &Step<'_>,
    ) -> Result<Option<(Append, u64, u64)>, Fault> {
        let Some((number, log)) = log else { return Ok(None) };
        for (branch, known) in (0..).zip(&log.row.branches) {
            if known.seq + 1 == header.seq && known.head == *prev {
                return Ok(Some((Append::Head(branch), known.messages, known.lamport)));
            }
        }
        let Some(found) = log.find(self.number, number, header.seq - 1, &prev.short(), step)? else { return Ok(None) };
        if found.id != *prev {
            return Ok(None);
        }
        let place = Place { log: number, seq: header.seq - 1, branch: found.branch };
        let messages = step.get::<EntryTable>(&(self.number, place))?.map_or(0, |row| row.messages);
        Ok(Some((Append::New { parent: found.branch, base: messages }, messages, found.lamport)))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one checked entry")]
    fn admit(
        &mut self,
        mut entry: SignedEntry,
        header: Header,
        id: EntryId,
        writer: Writer,
        slot: Append,
        messages_before: u64,
        env: &mut Env<'_, '_>,
    ) -> Result<Taken, Fault> {
        let Some(number) = self.open_log(header.log, writer) else { return Ok(Taken::Ignored) };
        let came = match self.wanted.get(&header.log) {
            Some(wanted) if header.seq <= wanted.to => Came::CaughtUp,
            Some(_) | None => Came::Live,
        };
        let (now_ms, is_trusted) = (env.step.now.wall_ms, self.from_ours);
        let Some(log) = self.log_at_mut(number) else { return Ok(Taken::Ignored) };
        let mut withheld = false;
        if !log.row.mine && !is_trusted {
            let row = log.change();
            if !charge_header(row, now_ms) {
                return Ok(Taken::Ignored);
            }
            if entry.body.is_some() && !charge_body(row, header.body_len, now_ms) {
                entry.body = None;
                withheld = true;
                let is_first = row.withheld.is_empty();
                add_to_ranges(&mut row.withheld, header.seq);
                if is_first {
                    self.warn_of_quota(env);
                }
            }
        }
        if env.step.me.device == writer.device && header.log == env.step.me.device.log(env.counters.incarnation()) {
            // Somebody holds more of our own log than we do: this database was restored. It goes on in a new one.
            env.counters.renew(env.step);
        }
        self.to_receipt.insert(number);
        let end = self.end_of(&header.log, &writer.device, writer.mine, env.around);
        let came = match end {
            Some(end) if header.seq > end => {
                entry.body = None;
                Came::Void
            }
            Some(_) | None if withheld => Came::Withheld,
            Some(_) | None => came,
        };
        let arrival = Arrival { entry, header, id, log: number, slot, messages_before, came, body: None };
        Ok(Taken::Stored(self.store(arrival, env)?.place))
    }

    fn warn_of_quota(&self, env: &mut Env<'_, '_>) {
        let chat = env.around.people.handle(&self.row.account);
        let message = format!(
            "{chat} has sent more today than a day allows ({LOG_QUOTA_ENTRIES_PER_DAY} messages and {} MiB of text); the \
             rest is fetched tomorrow, or now with /resync {chat}",
            LOG_QUOTA_BYTES_PER_DAY / (1024 * 1024)
        );
        env.step.event(Event::Warning { chat: Some(chat), message });
    }

    fn park(&mut self, entry: &SignedEntry, header: &Header, id: &EntryId, missing: Address, step: &mut Step<'_>) {
        let order = self.parked.next_order();
        let row = ParkedRow { entry: entry.clone(), order };
        let address = (header.log, header.seq, id.short());
        step.put::<ParkedTable>(&(self.number, address.0, address.1, address.2), &row);
        for gone in self.parked.add(address, missing, entry.size(), order, step.now.mono_ms) {
            step.delete::<ParkedTable>(&(self.number, gone.0, gone.1, gone.2));
        }
    }

    /// Reads what was parked before the node started.
    pub(crate) fn load_parked(&mut self, step: &Step<'_>) -> Result<(), Fault> {
        let mut rows = Vec::new();
        step.scan::<ParkedTable>(&self.number.to_be_bytes(), Order::Ascending, |(_, log, seq, hash), row| {
            rows.push(((log, seq, hash), row));
            std::ops::ControlFlow::Continue(())
        })?;
        rows.sort_by_key(|(_, row)| row.order);
        for (address, row) in rows {
            let Ok(header) = Header::decode(&row.entry.header) else { continue };
            if let Fit::Missing(missing) = self.fit(&header, step)? {
                // What was within the bounds when it was written still is.
                let _ = self.parked.add(address, missing, row.entry.size(), row.order, step.now.mono_ms);
            }
        }
        Ok(())
    }
}

/// Whether an entry may have its lamport, when the highest of its past is this one. The first of a log may stand higher: its
/// device knows that there is a history, and does not have it yet.
fn follows(header: &Header, highest: u64) -> bool {
    let Some(next) = highest.checked_add(1) else { return false };
    header.lamport == next || header.prev.is_none() && (next..=MAX_FIRST_LAMPORT).contains(&header.lamport)
}

/// Whether today's quota of bodies is left.
pub(crate) fn has_quota(row: &LogRow, now_ms: u64) -> bool {
    let quota = &row.quota;
    // Both must be used up: many small messages cost as little as few large ones.
    quota.day != now_ms / DAY_MS || quota.bodies < LOG_QUOTA_ENTRIES_PER_DAY || quota.bytes < LOG_QUOTA_BYTES_PER_DAY
}

fn today(row: &mut LogRow, now_ms: u64) -> &mut Quota {
    let day = now_ms / DAY_MS;
    if row.quota.day != day {
        row.quota = Quota { day, ..Quota::default() };
    }
    &mut row.quota
}

fn charge_header(row: &mut LogRow, now_ms: u64) -> bool {
    let quota = today(row, now_ms);
    let fits = quota.headers < MAX_HEADERS_PER_DAY;
    quota.headers = quota.headers.saturating_add(1);
    fits
}

fn charge_body(row: &mut LogRow, bytes: u32, now_ms: u64) -> bool {
    if !has_quota(row, now_ms) {
        return false;
    }
    let quota = today(row, now_ms);
    quota.bodies = quota.bodies.saturating_add(1);
    quota.bytes = quota.bytes.saturating_add(u64::from(bytes));
    true
}
