//! Why a message waits. Of all devices of a friend that lack it, what is said of the one for which least can be done.

use hobnob_shared::{id::AccountId, rendezvous::NameAt};

use crate::{
    Parts,
    account::Device,
    around,
    command::{DeliveryState, Unreached, WaitReason},
    conversation::chat::Chat,
    log::row::Place,
    mail::Why,
};

impl Parts {
    /// For one of our messages that not everybody has.
    pub(crate) fn why(&self, chat: &Chat, place: Place, unreached: &[Unreached]) -> Why {
        let account = &chat.row.account;
        let handle = self.people.handle(account);
        if let Err(refusal) = self.people.may_write(account) {
            return Why::new(WaitReason::NotAllowed, refusal.message);
        }
        let around = around!(self);
        let all = self.people.devices(account);
        let state = |device: &Device| chat.state_at(&device.id, place, false, &around);
        let lacking = all.iter().filter(|device| state(device) < DeliveryState::Delivered);
        let (there, away): (Vec<_>, Vec<_>) =
            lacking.partition(|device| self.sessions.has_device(account, &device.x25519));
        let is_connected = !self.sessions.of(account).is_empty();
        if !there.is_empty() || (is_connected && away.is_empty()) {
            return Why::new(WaitReason::Sending, format!("on its way to {handle}"));
        }
        let waiting: Vec<_> = away.iter().filter(|device| state(device) < DeliveryState::Stored).collect();
        if waiting.is_empty() && !away.is_empty() {
            return Why::new(WaitReason::Kept, format!("kept for {handle} at a rendezvous until they are there"));
        }
        let is_one_of_more = waiting.len() < all.len();
        let who = if is_one_of_more { format!("another device of {handle}") } else { handle.to_string() };
        let whys = waiting.iter().map(|device| self.why_not_left(account, device, &who, unreached));
        let least = whys.min_by_key(|why| why.reason == WaitReason::Leaving);
        least.unwrap_or_else(|| self.why_no_mailbox(account, &who, unreached))
    }

    fn why_not_left(&self, account: &AccountId, device: &Device, who: &str, unreached: &[Unreached]) -> Why {
        let Some(Why { reason, words }) = self.mail.standing(&device.id) else {
            return self.why_no_mailbox(account, who, unreached);
        };
        let rest =
            if self.mail.has_mailbox(&device.id) { String::new() } else { format!("; {}", self.needed(account)) };
        Why::new(reason, format!("{who} is not reachable, and {words}{rest}"))
    }

    fn why_no_mailbox(&self, account: &AccountId, who: &str, unreached: &[Unreached]) -> Why {
        let is_named = self.people.friend(account).is_some_and(|row| row.name.is_some());
        if !is_named && !self.rendezvous.has_name() {
            return self.why_unreached(account, who, unreached);
        }
        if let Some(at) = self.asked_at(account).filter(|at| !self.rendezvous.is_ready(&at.server)) {
            let host = self.rendezvous.host(&at.server);
            let words = format!(
                "{who} is not reachable, no mailbox of theirs is known here, and {host} is not reached, where they can be \
                 asked for one"
            );
            return Why::new(WaitReason::NoRendezvous, words);
        }
        let needed = self.needed(account);
        let words = format!("{who} is not reachable, and no mailbox of theirs is known here; {needed}");
        Why::new(WaitReason::NoMailbox, words)
    }

    /// What must happen before a mailbox of theirs is known.
    fn needed(&self, account: &AccountId) -> String {
        let handle = self.people.handle(account);
        match self.asked_at(account) {
            Some(at) => {
                let host = self.rendezvous.host(&at.server);
                format!("it goes out once {handle} is online together with this machine, or looks in at {host}")
            }
            None => format!("it goes out once {handle} is online together with this machine"),
        }
    }

    /// Where this friend can be asked by name for a mailbox.
    fn asked_at(&self, account: &AccountId) -> Option<&NameAt> {
        let at = self.people.friend(account)?.name.as_ref();
        at.filter(|at| self.rendezvous.own_name(&at.server).is_some())
    }

    fn why_unreached(&self, account: &AccountId, who: &str, unreached: &[Unreached]) -> Why {
        let handle = self.people.handle(account);
        let words = match unreached.iter().find(|waiting| waiting.handle == handle) {
            None => format!("{who} is not reachable"),
            Some(waiting) if waiting.addresses.is_empty() => {
                format!("{who} is not reachable, and no address of theirs is known; it goes out when they connect")
            }
            Some(Unreached { retry_ms: Some(ms), .. }) => {
                format!("{who} is not reachable; next attempt in {}", in_words(*ms))
            }
            Some(_) => format!("{who} is being dialled"),
        };
        Why::new(WaitReason::Unreachable, words)
    }
}

/// `40 s`, `3 min`.
fn in_words(ms: u64) -> String {
    let secs = ms.div_ceil(1000);
    if secs < 120 { format!("{secs} s") } else { format!("{} min", secs.div_ceil(60)) }
}
