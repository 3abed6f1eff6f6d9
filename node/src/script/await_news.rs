//! A command that shows what others sent is asked of a node that has just started: it waits until the node has heard of it.

use std::pin::pin;

use futures::FutureExt as _;

use super::{Script, Source};
use crate::{
    api::{Command, Reply, ServerState},
    command,
};

/// Which commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// Every one of `-e`: each may follow one that changed what there is to hear of.
    Each,
    /// The first line: who reads on sees what comes.
    First,
    /// None any more.
    None,
}

impl Awaits {
    pub(super) fn of(source: &Source) -> Self {
        match source {
            Source::Given(_) => Self::Each,
            Source::Lines(_) => Self::First,
            Source::Message { .. } => Self::None,
        }
    }
}

impl Script<'_> {
    /// Waits, if this command does, for what lies at a rendezvous. Events are written meanwhile.
    pub(super) async fn await_news(&mut self, name: &str) {
        let awaits = self.awaits;
        if awaits == Awaits::First {
            self.awaits = Awaits::None;
        }
        if awaits == Awaits::None || !command::find(name).is_some_and(|spec| spec.awaits) {
            return;
        }
        self.release();
        let node = self.node.clone();
        let mut here = pin!(node.catch_up().fuse());
        loop {
            tokio::select! {
                biased;
                () = &mut here => break,
                event = self.events.next() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return,
                },
            }
        }
        if awaits == Awaits::Each {
            self.say_what_is_missing().await;
        }
    }

    /// Talk, for a person: a reader of JSON has `rendezvous.changed`.
    async fn say_what_is_missing(&mut self) {
        let Ok(Reply::Servers(servers)) = self.node.ask(Command::Servers).await else { return };
        for server in servers.iter().filter(|one| one.name.is_some() && one.state != ServerState::Up) {
            self.out.missing(server);
        }
    }
}
