//! The last lines: what still waits, and where. That it is left at a rendezvous where that can be done, the node sees to,
//! however it ends.

use std::collections::BTreeMap;

use hobnob_shared::text::Handle;

use super::{
    Exit,
    front::{Front, interrupt},
};
use crate::api::{Command, DeliveryState, Queued, Reply};

impl Front {
    /// Says what still waits, and that it is not lost.
    pub(super) async fn leave(&mut self, exit: Exit) -> Exit {
        let mut outbox = self.outbox().await;
        let is_end = matches!(exit, Exit::Left | Exit::Interrupted);
        if is_end && outbox.iter().any(|one| state(one) == Some(DeliveryState::Queued)) {
            self.say("sending what is not delivered, or leaving it at a rendezvous… (Ctrl-C does not wait)");
            tokio::select! {
                () = self.node.wind_up() => {}
                () = interrupt(&mut self.interrupts) => {}
            }
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
            Ok(Reply::Outbox { queued, .. }) => queued,
            // The node has stopped, or answers nonsense: there is nothing to be told.
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}

fn state(one: &Queued) -> Option<DeliveryState> {
    one.message.delivery.map(|delivery| delivery.state)
}

/// What nobody has yet waits, and where; nothing where there is none. What one device of theirs has is delivered, whatever
/// others of theirs lack: they get it from each other, too.
fn told(outbox: &[Queued]) -> Option<String> {
    let of = |wanted| counted(outbox.iter().filter(move |one| state(one) == Some(wanted)));
    let (here, kept) = (of(DeliveryState::Queued), of(DeliveryState::Stored));
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

    use hobnob_shared::id::EntryId;

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
        let both = told(&[bob.clone(), carol.clone(), bob.clone()]).unwrap();
        assert!(both.contains("until they are there: 1 for @carol"), "{both}");
        assert!(both.contains("not delivered yet: 2 for @bob"), "{both}");
        let kept = told(std::slice::from_ref(&carol)).unwrap();
        assert!(!kept.contains("not delivered"), "{kept}");
        assert!(!told(&[bob]).unwrap().contains("rendezvous"));
    }

    #[test]
    fn what_one_device_of_theirs_has_is_delivered() {
        for state in [DeliveryState::Delivered, DeliveryState::Read] {
            assert_eq!(told(&[queued("bob", state)]), None);
        }
    }
}
