//! Who waits for which answer.

use std::collections::HashMap;

use hobnob_engine::{
    command::{Command, Refusal, Reply},
    work::{Input, Ticket},
};
use tokio::sync::oneshot;

use crate::api::Wish;

/// The callers that wait, by ticket.
#[derive(Debug, Default)]
pub(super) struct Desk {
    next: u64,
    waiting: HashMap<Ticket, Caller>,
}

/// Where an answer goes.
pub(super) type Caller = oneshot::Sender<Result<Reply, Refusal>>;

impl Desk {
    /// Takes a command; its answer goes to [`Desk::answer`].
    pub(super) fn take(&mut self, command: Box<Command>, answer: Caller) -> Input {
        Input::Command(self.wait(answer), command)
    }

    fn wait(&mut self, answer: Caller) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.insert(ticket, answer);
        ticket
    }

    /// Answers one caller. One who has gone meanwhile needs no answer.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Result<Reply, Refusal>) {
        if let Some(caller) = self.waiting.remove(&ticket) {
            let _ = caller.send(answer);
        }
    }

    /// Answers everybody who waits with the same refusal.
    pub(super) fn refuse_all(&mut self, refusal: &Refusal) {
        for (_, caller) in self.waiting.drain() {
            let _ = caller.send(Err(refusal.clone()));
        }
    }
}

/// Whether `wish` can be granted while the disk refuses.
pub(super) fn is_reading(wish: &Wish) -> bool {
    match wish {
        Wish::Command(command) => command.only_reads(),
        Wish::Succeed(_) | Wish::Become(_) | Wish::CatchUp | Wish::WindUp => false,
    }
}
