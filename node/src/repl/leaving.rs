//! The last lines: what is not delivered is left at a rendezvous if one is there, and what still waits is said.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hobnob_shared::{id::EntryId, text::Handle};
use tokio::time::{Instant, timeout_at};

use super::{Exit, front::Front};
use crate::api::{Command, DeliveryState, Event, Queued, Reply, ServerState};

/// How long leaving waits until a rendezvous has taken what is not delivered: some round trips, and no more than a person
/// who leaves has patience for.
const LEAVE_PAUSE: Duration = Duration::from_secs(2);

impl Front {
    /// Leaves mail for who is away, and says what still waits, and that it is not lost.
    pub(super) async fn leave(&mut self, exit: Exit) -> Exit {
        let mut outbox = self.outbox().await;
        if matches!(exit, Exit::Left) && is_waiting(&outbox) && self.reaches_rendezvous().await {
            self.say("leaving what is not delivered at a rendezvous…");
            self.leave_mail(&outbox).await;
            outbox = self.outbox().await;
        }
        if let Some(text) = told(&outbox) {
            self.say(&text);
        }
        // The node may have stopped; then nobody listens anyway.
        let _ = self.node.ask(Command::Listen { listening: false }).await;
        exit
    }

    async fn outbox(&self) -> Vec<Queued> {
        match self.node.ask(Command::Outbox).await {
            Ok(Reply::Outbox(queued)) => queued,
            // The node has stopped, or answers nonsense: there is nothing to be told.
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    async fn reaches_rendezvous(&self) -> bool {
        let Ok(Reply::Servers(servers)) = self.node.ask(Command::Servers).await else { return false };
        servers.iter().any(|one| one.state == ServerState::Up)
    }

    /// Has it mailed now, and waits a moment until it is.
    async fn leave_mail(&mut self, outbox: &[Queued]) {
        let mut waiting: BTreeSet<EntryId> =
            outbox.iter().filter(|one| is_here(one)).map(|one| one.message.entry).collect();
        if self.node.ask(Command::OutboxRetry).await.is_err() {
            return;
        }
        let deadline = Instant::now() + LEAVE_PAUSE;
        while !waiting.is_empty() {
            let Ok(Some(event)) = timeout_at(deadline, self.events.next()).await else { return };
            if let Event::MessageState { entry, delivery, .. } = event
                && delivery.state != DeliveryState::Queued
            {
                waiting.remove(&entry);
            }
        }
    }
}

/// Nobody else has it.
fn is_here(one: &Queued) -> bool {
    one.message.delivery.is_some_and(|delivery| delivery.state == DeliveryState::Queued)
}

fn is_waiting(outbox: &[Queued]) -> bool {
    outbox.iter().any(is_here)
}

/// What waits, and where; nothing where everything is delivered.
fn told(outbox: &[Queued]) -> Option<String> {
    let is_kept = |one: &&Queued| one.message.delivery.is_some_and(|delivery| delivery.state == DeliveryState::Stored);
    let here = counted(outbox.iter().filter(|one| !is_kept(one)));
    let kept = counted(outbox.iter().filter(is_kept));
    let kept = (!kept.is_empty()).then(|| format!("left at a rendezvous, which keeps it until they are there: {kept}"));
    let here = (!here.is_empty()).then(|| {
        format!("not delivered yet: {here}. It is kept here, and goes out when hobnob runs and they are there")
    });
    let parts: Vec<String> = kept.into_iter().chain(here).collect();
    (!parts.is_empty()).then(|| parts.join(". "))
}

/// `2 for @bob, 1 for @carol`.
fn counted<'a>(list: impl Iterator<Item = &'a Queued>) -> String {
    let mut counts: BTreeMap<&Handle, u64> = BTreeMap::new();
    list.for_each(|one| *counts.entry(&one.message.chat).or_default() += 1);
    counts.iter().map(|(chat, count)| format!("{count} for {chat}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::api::{Delivery, Message, MessageKind, WaitReason, command::From};

    fn queued(chat: &str, state: DeliveryState) -> Queued {
        let message = Message {
            number: 1,
            entry: EntryId::new([7; 32]),
            chat: Handle::parse(chat).unwrap(),
            from: From::Me,
            kind: MessageKind::Text,
            text: "hi".to_owned(),
            sent_ms: 0,
            received_ms: 0,
            clock_doubtful: false,
            delivery: Some(Delivery { state, delivered: 0, devices: 1 }),
            edited: false,
            deleted: false,
            forwarded: false,
            pinned: false,
            late: false,
            restored_copy: false,
            expires_ms: None,
            reply_to: None,
            reactions: Vec::new(),
        };
        Queued { message, reason: WaitReason::Unreachable, why: String::new() }
    }

    #[test]
    fn whoever_leaves_is_told_what_waits_and_where() {
        assert_eq!(told(&[]), None);
        let (bob, carol) = (queued("bob", DeliveryState::Queued), queued("carol", DeliveryState::Stored));
        assert!(is_waiting(std::slice::from_ref(&bob)) && !is_waiting(std::slice::from_ref(&carol)));
        let both = told(&[bob.clone(), carol.clone(), bob.clone()]).unwrap();
        assert!(both.contains("until they are there: 1 for @carol"), "{both}");
        assert!(both.contains("not delivered yet: 2 for @bob"), "{both}");
        let kept = told(std::slice::from_ref(&carol)).unwrap();
        assert!(!kept.contains("not delivered"), "{kept}");
        assert!(!told(&[bob]).unwrap().contains("rendezvous"));
    }
}
