//! Continuing our own log.

use hobnob_shared::{
    limits::MAX_DEPS,
    wire::{Body, Dep, EntryError, SignedEntry, entry::Draft},
};

use crate::{
    command::Message,
    conversation::{
        apply::{Arrival, Came},
        chat::{Chat, Env, Writer},
    },
    log::{Append, row::Place},
    view::Fault,
};

/// What became of a write.
#[derive(Debug)]
pub(crate) struct Wrote {
    pub(crate) place: Place,
    /// The message, if it is one.
    pub(crate) message: Option<Message>,
}

/// A head of another log that our next entry comes after.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    log: u32,
    branch: usize,
    lamport: u64,
    dep: Dep,
}

impl Chat {
    /// Writes an entry of ours, and applies it.
    pub(crate) fn write(&mut self, body: &Body, env: &mut Env<'_, '_>) -> Result<Wrote, Fault> {
        let device = env.step.me.device;
        if self.row.incarnation != env.counters.incarnation() {
            self.change().incarnation = env.counters.incarnation();
            self.forget_covered();
        }
        let log_id = device.log(env.counters.incarnation());
        let log = self
            .open_log(log_id, Writer { device, mine: true })
            .ok_or_else(|| Fault("our own log cannot be opened".to_owned()))?;
        let (candidates, deps_lamport) = self.candidates(log);
        let head = self.log_at(log).and_then(|log| log.row.branches.first());
        let (seq, prev, prev_lamport) = match head {
            Some(head) => (head.seq + 1, Some(head.head), head.lamport),
            None => (1, None, self.row.height.lamport()),
        };
        let (kind, bytes) = body.encode();
        let draft = Draft {
            kind,
            conversation: self.id,
            log: log_id,
            seq,
            prev,
            lamport: prev_lamport.max(deps_lamport) + 1,
            time_ms: env.step.now.wall_ms,
            deps: candidates.iter().map(|candidate| candidate.dep).collect(),
            auth: None,
        };
        let salt = env.step.random();
        let written = SignedEntry::write(draft, bytes, &env.step.me.keys, salt).map_err(too_large)?;
        self.cover(&candidates);
        let slot = if seq == 1 { Append::New { parent: 0, base: 0 } } else { Append::Head(0) };
        let arrival = Arrival {
            entry: written.entry,
            header: written.header,
            id: written.id,
            log,
            slot,
            messages_before: head_messages(self, log),
            came: Came::Written,
            body: Some(body.clone()),
        };
        self.store(arrival, env)
    }

    /// Heads of other logs that our log does not name yet, the highest first, and the highest lamport among them.
    fn candidates(&self, own: u32) -> (Vec<Candidate>, u64) {
        let mut found = Vec::new();
        for (number, log) in (0..).zip(&self.logs) {
            if number == own {
                continue;
            }
            for (branch, known) in log.row.branches.iter().enumerate() {
                if known.seq > known.covered {
                    let dep = Dep { log: log.row.id, seq: known.seq, hash: known.head.short() };
                    found.push(Candidate { log: number, branch, lamport: known.lamport, dep });
                }
            }
        }
        // With more than fit, the rest waits for our next entry; the highest go first, so the order on screen is right.
        found.sort_unstable_by_key(|candidate| (std::cmp::Reverse(candidate.lamport), candidate.dep));
        found.truncate(MAX_DEPS);
        let lamport = found.first().map_or(0, |highest| highest.lamport);
        (found, lamport)
    }

    fn cover(&mut self, candidates: &[Candidate]) {
        for candidate in candidates {
            let Some(log) = self.log_at_mut(candidate.log) else { continue };
            if let Some(branch) = log.change().branches.get_mut(candidate.branch) {
                branch.covered = branch.seq;
            }
        }
    }

    /// Our next entry goes to a new log, which names nothing yet.
    fn forget_covered(&mut self) {
        for log in &mut self.logs {
            for branch in &mut log.change().branches {
                branch.covered = 0;
            }
        }
    }
}

fn head_messages(chat: &Chat, log: u32) -> u64 {
    chat.log_at(log).and_then(|log| log.row.branches.first()).map_or(0, |head| head.messages)
}

fn too_large(error: EntryError) -> Fault {
    debug_assert!(false, "a text within its limit always fits: {error}");
    Fault(error.to_string())
}
