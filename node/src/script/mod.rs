//! The front end without a terminal: `--json`, piped lines, `-e` and `send`. One loop for all of them; they differ in
//! where lines come from ([`Source`]) and how answers look ([`Output`]).
//!
//! An answer is written before the events that its command caused, whatever order they are noticed in.

mod account;
mod act;
mod await_news;
mod input;
mod output;
mod outstanding;

use std::{collections::VecDeque, path::PathBuf, pin::pin, time::Duration};

use futures::FutureExt;
use hobnob_shared::text::{Handle, MessageText};
use tokio::{sync::mpsc, time::Instant};

use self::{act::Chats, await_news::Awaits, input::Line, outstanding::Outstanding};
pub(crate) use self::{
    input::lines,
    output::{Output, now},
};
use crate::{
    api::{Code, Command, Event, Events, Node, Refusal, Reply, command::From},
    json::{
        input::{self as json_input, Asked},
        out::Origin,
    },
};

/// How often the end of input looks whether a friend who was added was reached: there is no event for that.
const REACHED_POLL: Duration = Duration::from_millis(250);

/// Where lines come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Standard input.
    Lines(mpsc::Receiver<Line>),
    /// `-e`: in order, up to the first that is refused, so that no text goes to the wrong chat.
    Given(VecDeque<String>),
    /// `send`: one message.
    Message {
        /// To whom.
        chat: Handle,
        /// What.
        text: MessageText,
    },
}

/// How to behave.
#[derive(Debug)]
pub(crate) struct Options {
    /// Lines may be JSON objects.
    pub(crate) json: bool,
    /// Answer yes where a command would ask.
    pub(crate) yes: bool,
    /// How long the end of input waits for what was sent.
    pub(crate) timeout: Duration,
    /// Where a command that needs the password again finds it.
    pub(crate) password_file: Option<PathBuf>,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The exit code of the signal that ended it early.
    pub(crate) stopped: Option<u8>,
    /// The first refusal, if there was one; else whether something is still queued.
    pub(crate) code: Option<Code>,
    /// What was sent and is with nobody yet.
    pub(crate) queued: u64,
}

/// Runs the lines of `source` against `node` until they end, waits for what was sent, and stops the node. The first
/// `signal` ends the waiting, the second one the stopping, too. What was answered by then is on disk.
pub(crate) async fn run(
    node: &Node,
    source: Source,
    options: Options,
    out: &mut Output,
    mut signal: impl AsyncFnMut() -> u8,
) -> Ended {
    let mut script = Script {
        events: node.events(),
        node,
        lines: None,
        options,
        out,
        held: VecDeque::new(),
        chats: Chats::default(),
        outstanding: Outstanding::default(),
        shown: 0,
        listening: matches!(source, Source::Lines(_)),
        awaits: Awaits::of(&source),
        answered: 0,
        listen: Vec::new(),
        failed: None,
        leaving: false,
    };
    let stopped = tokio::select! {
        biased;
        code = signal() => Some(code),
        () = script.serve(source) => None,
    };
    let again = tokio::select! {
        biased;
        code = signal() => Some(code),
        () = script.leave() => None,
    };
    // Two that are sent at once may be seen in either order.
    let stopped = again.max(stopped);
    Ended { stopped, code: script.code(), queued: script.outstanding.count() }
}

struct Script<'a> {
    node: &'a Node,
    /// Standard input, where commands come from it.
    lines: Option<mpsc::Receiver<Line>>,
    events: Events,
    options: Options,
    out: &'a mut Output,
    /// Events that were noticed before the answer that they follow was written.
    held: VecDeque<Event>,
    chats: Chats,
    outstanding: Outstanding,
    /// Messages up to this number were written at the start.
    shown: u64,
    listening: bool,
    /// Which commands wait for what lies at a rendezvous.
    awaits: Awaits,
    /// Our messages up to this number stood in an answer.
    answered: u64,
    /// Our addresses as last written.
    listen: Vec<String>,
    failed: Option<Code>,
    leaving: bool,
}

impl Script<'_> {
    async fn serve(&mut self, source: Source) {
        if let Err(refusal) = self.begin().await {
            return self.refuse(&refusal, &Origin::None);
        }
        match source {
            Source::Lines(lines) => {
                self.lines = Some(lines);
                self.follow().await;
            }
            Source::Given(given) => self.carry_out(given).await,
            Source::Message { chat, text } => {
                let command = Command::Send { chat, text, reply_to: None, action: false };
                self.answer("msg", command, &Origin::None).await;
            }
        }
        self.finish().await;
    }

    /// `ready`, and what came while nobody listened.
    pub(super) async fn begin(&mut self) -> Result<(), Refusal> {
        let Reply::Settings(settings) = self.node.ask(Command::Settings { key: None }).await? else {
            return Err(odd_answer());
        };
        self.chats.load_aliases(&settings);
        let Reply::WhoAmI(me) = self.node.ask(Command::WhoAmI).await? else { return Err(odd_answer()) };
        self.listen.clone_from(&me.listen);
        let Reply::Friends(friends) = self.node.ask(Command::Friends).await? else { return Err(odd_answer()) };
        if !self.listening {
            let Reply::Chats(chats) = self.node.ask(Command::Chats).await? else { return Err(odd_answer()) };
            self.out.ready(&me, &friends, chats.iter().map(|chat| chat.unread).sum());
            return Ok(());
        }
        let Reply::Listening { unread, messages } = self.node.ask(Command::Listen { listening: true }).await? else {
            return Err(odd_answer());
        };
        self.out.ready(&me, &friends, unread);
        for message in messages {
            self.shown = self.shown.max(message.number);
            self.out.event(&Event::Message(Box::new(message)));
        }
        Ok(())
    }

    /// Lines as they come, and events in between.
    async fn follow(&mut self) {
        while !self.leaving && !self.out.is_closed() {
            self.release();
            let Some(lines) = &mut self.lines else { return };
            tokio::select! {
                biased;
                event = self.events.next() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return self.node_is_gone(),
                },
                line = lines.recv() => match line {
                    Some(line) => self.on_line(line).await,
                    None => return,
                },
            }
        }
    }

    async fn carry_out(&mut self, given: VecDeque<String>) {
        for line in given {
            if self.leaving || self.failed.is_some() || self.out.is_closed() {
                return;
            }
            let asked = Asked { origin: Origin::None, command: line, chat: None };
            self.on_asked(asked).await;
            self.release();
        }
    }

    async fn on_line(&mut self, line: Line) {
        let origin = Origin::Line(line.number);
        let text = match line.text {
            Ok(text) => text,
            Err(why) => return self.refuse(&Refusal::new(Code::Usage, why.to_string()), &origin),
        };
        if !self.options.json {
            return self.on_asked(Asked { origin, command: text, chat: None }).await;
        }
        match json_input::read(text, line.number) {
            Ok(Some(asked)) => self.on_asked(asked).await,
            Ok(None) => {}
            Err((origin, refusal)) => self.refuse(&refusal, &origin),
        }
    }

    /// Asks the node; events that come meanwhile are written, but never before the answer that they follow.
    async fn ask(&mut self, command: Command) -> Result<Reply, Refusal> {
        self.release();
        let node = self.node.clone();
        let mut answer = pin!(node.ask(command).fuse());
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                event = self.events.next() => {
                    let Some(event) = event else { return answer.await };
                    // The node answers before it tells, so an answer to whatever caused this event is there by now.
                    if let Some(answer) = answer.as_mut().now_or_never() {
                        self.held.push_back(event);
                        return answer;
                    }
                    self.on_event(event).await;
                }
            }
        }
    }

    /// Asks the node and writes its answer.
    async fn answer(&mut self, name: &'static str, command: Command, origin: &Origin) {
        let change = act::ChatChange::of(&command);
        // A request by name is stored at the rendezvous by now: whether it is accepted is theirs, and may take days.
        let is_stored = matches!(command, Command::AddName { .. });
        match self.ask(command).await {
            Ok(reply) => {
                self.chats.on_done(change);
                if !is_stored {
                    self.outstanding.on_reply(&reply);
                }
                if let Reply::Sent(message) = &reply {
                    self.answered = self.answered.max(message.number);
                }
                self.out.reply(name, origin, &reply);
            }
            Err(refusal) => self.refuse(&refusal, origin),
        }
    }

    fn release(&mut self) {
        while let Some(event) = self.held.pop_front() {
            self.note(&event);
        }
    }

    async fn on_event(&mut self, event: Event) {
        self.note(&event);
        if matches!(event, Event::Missed(_)) && self.outstanding.count() > 0 {
            // Not `self.ask`: events that are lost one after the other must not nest.
            if let Ok(Reply::Outbox { queued, .. }) = self.node.ask(Command::Outbox).await {
                self.outstanding.on_outbox(&queued);
            }
        }
    }

    fn note(&mut self, event: &Event) {
        self.chats.on_event(event);
        self.outstanding.on_event(event);
        let dead = self.outstanding.take_dead(event);
        // In plain lines the refusal below says the same.
        if self.is_wanted(event) && (dead.is_none() || self.options.json) {
            self.out.event(event);
        }
        if let Event::Listening(addresses) = event {
            self.listen.clone_from(addresses);
        }
        if let Some(why) = dead {
            self.refuse(&Refusal::new(Code::NotFound, why), &Origin::None);
        }
    }

    /// A message that no front end listens for is shown by the next one that does; one that was among the unread was
    /// shown already, and so were the addresses in `ready`.
    fn is_wanted(&self, event: &Event) -> bool {
        if let Event::Listening(addresses) = event {
            return *addresses != self.listen;
        }
        let Event::Message(message) = event else { return true };
        // A person has read the answer; a script sorts lines by their type.
        let told = if message.from == From::Me && !self.options.json { self.answered } else { self.shown };
        self.listening && message.number > told
    }

    /// Waits for what was sent, up to the timeout.
    async fn finish(&mut self) {
        let deadline = Instant::now() + self.options.timeout;
        let mut reached_poll = tokio::time::interval(REACHED_POLL);
        self.release();
        while self.outstanding.count() > 0 && !self.out.is_closed() {
            tokio::select! {
                biased;
                event = self.events.next() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return self.node_is_gone(),
                },
                () = tokio::time::sleep_until(deadline) => return,
                _ = reached_poll.tick(), if self.outstanding.awaits_friends() => self.look_who_was_reached().await,
            }
        }
    }

    /// Stops the node, which leaves what waits at a rendezvous if it can.
    async fn leave(&mut self) {
        self.release();
        self.node.shutdown().await;
        while let Some(event) = self.events.try_next() {
            self.outstanding.on_event(&event);
            if matches!(event, Event::MessageState { .. }) {
                self.out.event(&event);
            }
        }
    }

    async fn look_who_was_reached(&mut self) {
        if let Ok(Reply::Peers(peers)) = self.node.ask(Command::Peers).await {
            let connected: Vec<Handle> = peers.into_iter().map(|peer| peer.handle).collect();
            self.outstanding.on_connected(&connected);
        }
    }

    fn node_is_gone(&mut self) {
        let refusal =
            Refusal::new(Code::Internal, "the node has stopped; its log says why. What was confirmed is on disk");
        self.refuse(&refusal, &Origin::None);
    }

    fn refuse(&mut self, refusal: &Refusal, origin: &Origin) {
        self.failed.get_or_insert(refusal.code);
        self.out.error(refusal, origin);
    }

    fn code(&self) -> Option<Code> {
        self.failed.or((self.outstanding.count() > 0).then_some(Code::Queued))
    }
}

fn odd_answer() -> Refusal {
    Refusal::new(Code::Internal, "the node answered something else; this is a bug, please report it")
}
