//! The one thread that owns registry and database: up to 256 requests become one commit, and only then their answers.
//!
//! Who waits for whom: sessions wait for the hub's queue; the hub waits for the disk and for nobody else.

use std::{collections::HashMap, io, sync::Arc, thread::JoinHandle, time::Duration};

use hobnob_shared::{
    rendezvous::RegistrationCode,
    wire::{ErrorCode, payload::Failure, rendezvous::ServerFrame},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};

use super::{
    aside::{self, Aside},
    outbox::Outbox,
    pulse::{Beat, Pulse},
    seldom::Seldom,
    sources::Sources,
};
use crate::{
    clock::Clock,
    metrics::Metrics,
    registry::{
        Answer, CLOSED, Caller, Fullness, Input, Note, Policy, Registry, SessionId, Source, Totals, Work, view::Fault,
    },
    store::{CommitError, Secrets, Snapshot, Store, Target},
};

/// Requests that make one commit. A commit takes milliseconds however many rows it has, up to about here.
pub const BATCH: usize = 256;

/// Requests that wait for the hub; then sessions wait, and are read no further.
pub(crate) const QUEUE: usize = 1024;

/// After a batch that was committed, the next one waits so long for company: a fifth of what a commit takes.
const GATHER: Duration = Duration::from_millis(1);

/// Longest sleep, so that a clock that jumps does no harm.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What sessions and the operator tell the hub.
#[derive(Debug)]
pub(crate) enum Message {
    Opened {
        session: SessionId,
        caller: Caller,
        source: Source,
        binding: [u8; 32],
        outbox: Arc<Outbox>,
    },
    Frame {
        session: SessionId,
        id: u32,
        frame: Box<ServerFrame>,
    },
    /// Sessions said that they live.
    Seen(Vec<Beat>),
    Closed(SessionId),
    Order(Order),
}

/// What the operator wants.
#[derive(Debug)]
pub(crate) enum Order {
    /// Other rules from now on.
    Policy(Policy),
    /// A code is good when this is answered.
    Code(RegistrationCode, oneshot::Sender<Result<(), String>>),
    /// How much there is.
    Totals(oneshot::Sender<Result<Totals, Fault>>),
    /// Write a backup.
    Backup(Target, Vec<Secrets>, oneshot::Sender<Result<(), String>>),
    /// Read every page of the database; with `true`, let nothing change meanwhile. Says whether all of it is whole, and
    /// then what is not.
    Check(bool, oneshot::Sender<Result<bool, String>>),
    /// End every session.
    CloseAll,
    /// End, with all that came before this stored.
    End,
}

/// The thread's state.
struct Hub {
    registry: Registry,
    store: Store,
    clock: Clock,
    metrics: Arc<Metrics>,
    pulse: Arc<Pulse>,
    sources: Arc<Sources>,
    outboxes: HashMap<SessionId, Arc<Outbox>>,
    /// The last batch wrote something.
    is_writing: bool,
    /// The server stops: whoever comes now is sent away.
    is_closing: bool,
    /// All sessions have ended, and so do we.
    is_ended: bool,
    /// Codes whose makers wait for the commit.
    codes: Vec<oneshot::Sender<Result<(), String>>>,
    /// What takes long, and does not keep us from serving.
    aside: Aside,
    /// What strangers can make us log by asking again.
    unstored: Seldom,
    damaged: Seldom,
    unread: Seldom,
    /// What the log was last told of the room that is left.
    fullness: Fullness,
}

/// Starts the thread. It ends when it is told to, or nobody is left who could tell it anything.
pub(crate) fn start(
    registry: Registry,
    store: Store,
    clock: Clock,
    (metrics, pulse, sources): (Arc<Metrics>, Arc<Pulse>, Arc<Sources>),
) -> io::Result<(mpsc::Sender<Message>, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let hub = Hub {
        registry,
        store,
        clock,
        metrics,
        pulse,
        sources,
        outboxes: HashMap::new(),
        is_writing: false,
        is_closing: false,
        is_ended: false,
        codes: Vec::new(),
        aside: Aside::default(),
        unstored: Seldom::default(),
        damaged: Seldom::default(),
        unread: Seldom::default(),
        fullness: Fullness::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let thread = std::thread::Builder::new().name("hub".into()).spawn(move || runtime.block_on(hub.run(receiver)))?;
    Ok((sender, thread))
}

impl Hub {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        while !self.is_ended {
            let wait = self.clock.until(self.registry.next_timeout()).min(LONGEST_SLEEP);
            tokio::select! {
                biased;
                count = messages.recv_many(&mut batch, BATCH) => if count == 0 { break },
                () = sleep(wait) => {}
            }
            if self.is_writing && batch.len() < BATCH {
                self.gather(&mut messages, &mut batch).await;
            }
            self.serve(&mut batch);
        }
        // With the database a backup that is being written ends too, and leaves nothing behind.
        drop(self.store);
        self.aside.end();
    }

    /// Waits a moment for more. Whoever was just answered asks again: without this, the first of them would be committed
    /// alone, and all others wait for that.
    async fn gather(&self, messages: &mut mpsc::Receiver<Message>, batch: &mut Vec<Message>) {
        sleep(GATHER).await;
        while batch.len() < BATCH
            && let Ok(message) = messages.try_recv()
        {
            batch.push(message);
        }
    }

    /// One batch: work out, commit, tell.
    fn serve(&mut self, batch: &mut Vec<Message>) {
        let mut work = Work::default();
        match self.store.view() {
            Ok(view) => self.work_out(batch, &view, &mut work),
            Err(fault) => {
                self.note(&fault);
                self.refuse_all(batch, &fault, &mut work);
            }
        }
        work.faults.drain(..).for_each(|fault| self.note(&fault));
        self.is_writing = !work.records.is_empty();
        let committed = self.commit(&work);
        if self.is_writing && committed.is_ok() {
            self.look_at_room();
        }
        self.tell(work, &committed);
        let stored = committed.map_err(|error| error.to_string());
        for code in self.codes.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = code.send(stored.clone());
        }
    }

    fn work_out(&mut self, batch: &mut Vec<Message>, view: &Snapshot, work: &mut Work) {
        let now_ms = self.clock.now_ms();
        self.feel(self.pulse.take(), view, work);
        for message in batch.drain(..) {
            let input = match message {
                Message::Opened { session, caller, source, binding, outbox } => {
                    if self.is_closing {
                        outbox.close();
                    }
                    self.outboxes.insert(session, outbox);
                    Input::Opened { session, caller, source, binding }
                }
                Message::Frame { session, id, frame } => {
                    self.on_frame((session, id, *frame), now_ms, view, work);
                    continue;
                }
                Message::Seen(beats) => {
                    self.feel(beats, view, work);
                    continue;
                }
                Message::Closed(session) => {
                    self.outboxes.remove(&session);
                    Input::Closed(session)
                }
                Message::Order(Order::Code(_, done)) if self.registry.is_closed() => {
                    drop(done.send(Err(CLOSED.into())));
                    continue;
                }
                Message::Order(Order::Code(code, done)) => {
                    self.codes.push(done);
                    Input::Code(code)
                }
                Message::Order(order) => {
                    self.obey(order, Ok(view));
                    continue;
                }
            };
            self.registry.handle(input, now_ms, view, work);
        }
        if self.registry.next_timeout() <= now_ms {
            self.registry.handle(Input::Timeout, now_ms, view, work);
        }
    }

    /// What the frame makes us tell others is paid for by whoever sent it.
    fn on_frame(
        &mut self,
        (session, id, frame): (SessionId, u32, ServerFrame),
        now_ms: u64,
        view: &Snapshot,
        work: &mut Work,
    ) {
        let before = work.notes.len();
        self.registry.handle(Input::Frame { session, id, frame }, now_ms, view, work);
        let told = work.notes.iter().skip(before).map(|note| note.to.len()).sum();
        if let Some(outbox) = self.outboxes.get(&session) {
            self.sources.notes(outbox.source(), told, Instant::now());
        }
    }

    fn feel(&mut self, beats: Vec<Beat>, view: &Snapshot, work: &mut Work) {
        for (session, at_ms) in beats {
            self.registry.handle(Input::Seen(session), at_ms, view, work);
        }
    }

    /// The database cannot be read: sessions live on, requests are told to come again.
    fn refuse_all(&mut self, batch: &mut Vec<Message>, fault: &Fault, work: &mut Work) {
        for message in batch.drain(..) {
            match message {
                Message::Opened { session, outbox, .. } => {
                    outbox.close();
                    self.outboxes.insert(session, outbox);
                }
                Message::Frame { session, id, frame } if frame.wants_answer() => {
                    work.answers.push(Answer { session, id, frame: refusal(id, ErrorCode::Internal) });
                }
                Message::Closed(session) => drop(self.outboxes.remove(&session)),
                Message::Order(order) => self.obey(order, Err(fault)),
                Message::Frame { .. } | Message::Seen(_) => {}
            }
        }
    }

    fn obey(&mut self, order: Order, view: Result<&Snapshot, &Fault>) {
        // Whoever asked may have stopped waiting for the answer.
        match order {
            Order::Policy(policy) => self.registry.set_policy(policy),
            Order::Totals(answer) => {
                let totals = view.map_err(Fault::clone).and_then(|view| self.registry.totals(view));
                drop(answer.send(totals.inspect_err(|fault| self.note(fault))));
            }
            Order::Backup(target, secrets, answer) => self.aside.back_up(&mut self.store, target, secrets, answer),
            Order::Check(true, answer) => drop(answer.send(aside::check(&self.store))),
            Order::Check(false, answer) => self.aside.check(&mut self.store, answer),
            Order::CloseAll => self.close_all(),
            Order::End => self.is_ended = true,
            // One that can be stored is an input.
            Order::Code(_, done) => {
                drop(done.send(Err(view.err().map_or_else(|| "it was not stored".into(), Fault::to_string))));
            }
        }
    }

    fn close_all(&mut self) {
        self.is_closing = true;
        self.outboxes.values().for_each(|outbox| outbox.close());
    }

    fn commit(&mut self, work: &Work) -> Result<(), CommitError> {
        if work.records.is_empty() {
            return Ok(());
        }
        let started_ms = self.clock.now_ms();
        let committed = self.store.commit(&work.records);
        self.metrics.commits.add(1);
        self.metrics.commit_ms.add(self.clock.now_ms().saturating_sub(started_ms));
        self.metrics.set_writable(committed.is_ok());
        match &committed {
            Ok(()) => {}
            Err(CommitError::Damaged(what)) => self.note(&Fault::Damaged(what.clone())),
            Err(error @ (CommitError::Full | CommitError::Io(_))) => {
                if let Some(more) = self.unstored.take() {
                    tracing::error!(%error, more, "nothing can be stored");
                }
            }
        }
        committed
    }

    /// Says once that the room for all accounts comes to its end, and that there is some again.
    fn look_at_room(&mut self) {
        let Ok(totals) = self.store.view().and_then(|view| self.registry.totals(&view)) else { return };
        let (now, bytes, room) = (totals.fullness(), totals.bytes, totals.room);
        if std::mem::replace(&mut self.fullness, now) == now {
            return;
        }
        match now {
            Fullness::Roomy => tracing::info!(bytes, room, "there is room for all accounts again"),
            Fullness::NearlyFull => {
                tracing::warn!(bytes, room, "the room for all accounts is nearly full; raise disk_mib")
            }
            Fullness::Full => tracing::error!(bytes, room, "the room for all accounts is full; raise disk_mib"),
        }
    }

    /// The operator is to know, also where nobody reads logs.
    fn note(&self, fault: &Fault) {
        match fault {
            Fault::Damaged(_) => {
                self.metrics.damage.add(1);
                let Some(more) = self.damaged.take() else { return };
                tracing::error!(%fault, more, "something is not served; run hobnob-rendezvous check, and put a backup in its place");
            }
            Fault::Unread(_) => {
                if let Some(more) = self.unread.take() {
                    tracing::error!(%fault, more, "requests could not be served");
                }
            }
        }
    }

    /// Sends answers and notes; where nothing was stored, the requests are told to come again.
    fn tell(&mut self, work: Work, committed: &Result<(), CommitError>) {
        for Answer { session, id, frame } in work.answers {
            let frame = if committed.is_ok() { frame } else { refusal(id, ErrorCode::Busy) };
            self.metrics.count_answer(&frame);
            self.push(session, frame.encode(id).into());
        }
        for note in work.notes {
            self.tell_unasked(note, committed.is_ok());
        }
    }

    /// Sends a note. One that ends sessions counts only if what led to it was stored.
    fn tell_unasked(&mut self, Note { to, frame }: Note, is_stored: bool) {
        let ends = matches!(frame, ServerFrame::Close(_));
        if ends && !is_stored {
            return;
        }
        let bytes: Arc<[u8]> = frame.encode(0).into();
        self.metrics.notes.add(to.len() as u64);
        for session in to {
            self.push(session, bytes.clone());
            if let Some(outbox) = self.outboxes.get(&session).filter(|_| ends) {
                outbox.close();
            }
        }
    }

    fn push(&self, session: SessionId, frame: Arc<[u8]>) {
        if let Some(outbox) = self.outboxes.get(&session)
            && !outbox.push(frame)
        {
            tracing::debug!("a client does not read what it is told");
        }
    }
}

fn refusal(of: u32, code: ErrorCode) -> ServerFrame {
    ServerFrame::Error(Failure { code, of })
}
