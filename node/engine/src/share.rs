//! What the devices of one account agree on: friends, settings, how they show themselves, how far was read.
//!
//! Each change becomes an entry of the self conversation, and an entry changes something only here, in `on_said`, whoever
//! wrote it. Of several words about one thing that with the highest rank counts, so the order of arrival does not
//! matter. An account with a single device writes nothing; with the second one everything is said once.

use hobnob_shared::{
    id::AccountId,
    rendezvous::NameAt,
    text::{Handle, Note},
    wire::{Body, FriendPut, ReadMark, Setting},
};
use serde::{Deserialize, Serialize};

use crate::{
    Parts, around,
    command::Standing,
    event::Event,
    friend::{FriendRow, RequestRow},
    invite,
    log::row::Rank,
    presence::is_choice,
    rendezvous::{is_decline, is_name},
    step::{News, Signal, Step},
    view::Fault,
};

/// Read marks wait so long for others of their conversation: reading along costs one entry a second.
const MARKS_MS: u64 = 1_000;

/// What was said of one thing, and the rank of who said it last.
type Last<T> = Option<(Rank, T)>;

/// What the self conversation says of a friend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    handle: Last<Handle>,
    /// `None`: removed. Otherwise whether they accepted us.
    standing: Last<Option<bool>>,
    verified: Last<bool>,
    blocked: Last<bool>,
    muted: Last<bool>,
    note: Last<Note>,
    #[serde(default)]
    name: Last<NameAt>,
}

/// Whether anything is shared, and what is due.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// There are other devices, and everything that is here was compared with what they were told.
    is_on: bool,
    marks_ms: Option<u64>,
}

impl Share {
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.marks_ms
    }
}

/// Takes a word if it is the last one. `true` when it is.
fn take<T>(last: &mut Last<T>, rank: Rank, value: Option<T>) -> bool {
    let Some(value) = value.filter(|_| last.as_ref().is_none_or(|(known, _)| *known < rank)) else { return false };
    *last = Some((rank, value));
    true
}

/// Below all that anybody decided; a lamport begins at 1.
fn weigh(rank: Rank, hearsay: bool) -> Rank {
    if hearsay { Rank { lamport: 0, ..rank } } else { rank }
}

/// What is, if it is not what was said.
fn unsaid<T: PartialEq + Clone>(last: &Last<T>, now: &T, at_first: &T) -> Option<T> {
    let said = last.as_ref().map_or(at_first, |(_, said)| said);
    (said != now).then(|| now.clone())
}

impl FriendRow {
    /// What other devices of ours have not been told of this friend.
    fn unsaid(&self, account: AccountId) -> (FriendPut, bool) {
        let said = &self.said;
        let standing = match (self.removed, self.we_accepted) {
            (true, _) => None,
            (false, true) => Some(self.they_accepted),
            (false, false) => return (FriendPut::new(account), false),
        };
        let is_news = said.standing.as_ref().is_none_or(|(_, known)| *known != standing);
        let is_named = said.handle.as_ref().is_none_or(|(_, known)| *known != self.handle) && !self.provisional;
        let empty = Note::default();
        let put = FriendPut {
            account,
            handle: is_named.then(|| self.handle.clone()),
            accepted: standing.filter(|_| is_news),
            verified: unsaid(&said.verified, &self.verified, &false),
            blocked: unsaid(&said.blocked, &self.blocked, &false),
            muted: unsaid(&said.muted, &self.muted, &false),
            note: unsaid(&said.note, &self.note, &empty),
            name: self.name.clone().filter(|name| said.name.as_ref().is_none_or(|(_, known)| known != name)),
            hearsay: false,
        };
        (put, is_news && standing.is_none())
    }

    /// Takes what is newer of a word. They have accepted us once anybody of us knows it.
    fn take_put(&mut self, rank: Rank, put: &FriendPut) {
        if take(&mut self.said.standing, rank, put.accepted.map(Some)) {
            let was_wanted = self.we_accepted && !self.removed;
            self.they_accepted = put.accepted.unwrap_or_default() || was_wanted && self.they_accepted;
            (self.we_accepted, self.removed) = (true, false);
        }
        if take(&mut self.said.verified, rank, put.verified) {
            self.verified = put.verified.unwrap_or_default();
        }
        if take(&mut self.said.blocked, rank, put.blocked) {
            self.blocked = put.blocked.unwrap_or_default();
        }
        if take(&mut self.said.muted, rank, put.muted) {
            self.muted = put.muted.unwrap_or_default();
        }
        if take(&mut self.said.note, rank, put.note.clone()) {
            self.note = put.note.clone().unwrap_or_default();
        }
        if take(&mut self.said.name, rank, put.name.clone()) {
            self.name.clone_from(&put.name);
        }
    }

    fn take_removal(&mut self, rank: Rank) {
        if take(&mut self.said.standing, rank, Some(None)) {
            self.end_friendship();
        }
    }

    /// The rank of the word that gave the handle, if it is the one that is used.
    pub(crate) fn handle_rank(&self) -> Option<Rank> {
        self.said.handle.as_ref().filter(|(_, said)| *said == self.handle).map(|(rank, _)| *rank)
    }
}

impl Parts {
    /// Tells our other devices what changed here. Called after each command and at the end of a batch, so that a word of
    /// theirs that comes later is compared with ours.
    pub(crate) fn share(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        if !self.own.has_others(step) || self.own.is_revoked(step) {
            self.share = Share::default();
            self.people.take_touched();
            self.settings.take_touched();
            return Ok(());
        }
        if !std::mem::replace(&mut self.share.is_on, true) {
            self.people.touch_all();
            self.settings.touch_all();
            self.conversations.touch_all();
        }
        for account in self.people.take_touched() {
            self.share_friend(account, false, step)?;
        }
        for (key, value) in self.settings.take_touched() {
            self.say(&Body::Setting(Setting { key, value, hearsay: false }), step)?;
        }
        self.share_choice(step)?;
        self.share_names(step)?;
        if self.conversations.has_marks() && self.share.marks_ms.is_none() {
            self.share.marks_ms = Some(step.now.mono_ms + MARKS_MS);
        }
        self.settle(step)
    }

    /// Friends and settings came out of a vault. Our other devices may decide otherwise, or have done so.
    pub(crate) fn share_hearsay(&mut self, friends: &[AccountId], step: &mut Step<'_>) -> Result<(), Fault> {
        if self.own.is_revoked(step) {
            return Ok(());
        }
        for account in friends {
            self.share_friend(*account, true, step)?;
        }
        for (key, value) in self.settings.take_touched() {
            self.say(&Body::Setting(Setting { key, value, hearsay: true }), step)?;
        }
        self.settle(step)
    }

    /// Read marks are due.
    pub(crate) fn on_share_timeout(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        if self.share.marks_ms.is_none_or(|at| at > step.now.mono_ms) {
            return Ok(());
        }
        self.share.marks_ms = None;
        for mark in self.conversations.take_marks() {
            self.say(&Body::ReadMark(mark), step)?;
        }
        self.settle(step)
    }

    fn share_friend(&mut self, account: AccountId, hearsay: bool, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some((put, is_removal)) = self.people.friend(&account).map(|row| row.unsaid(account)) else {
            return Ok(());
        };
        if !put.is_empty() {
            self.say(&Body::FriendPut(FriendPut { hearsay, ..put }), step)?;
        }
        if is_removal {
            self.say(&Body::FriendRemove(account), step)?;
        }
        Ok(())
    }

    /// Writes to the self conversation.
    pub(crate) fn say(&mut self, body: &Body, step: &mut Step<'_>) -> Result<(), Fault> {
        self.conversations.write_own(body, &around!(self), step)
    }

    /// A device of ours said something, this one too.
    pub(crate) fn on_said(&mut self, rank: Rank, body: &Body, step: &mut Step<'_>) -> Result<(), Fault> {
        match body {
            Body::FriendPut(put) => self.on_friend_said(weigh(rank, put.hearsay), put, step)?,
            Body::FriendRemove(account) => self.on_removal_said(rank, account, step)?,
            Body::Setting(setting) => self.on_setting_said(weigh(rank, setting.hearsay), setting, step),
            Body::ReadMark(mark) => self.on_mark_said(mark, step)?,
            Body::Text { .. }
            | Body::Edit { .. }
            | Body::Delete { .. }
            | Body::React { .. }
            | Body::Pin { .. }
            | Body::Timer { .. }
            | Body::FriendAccept { .. }
            | Body::DeviceCut(_)
            | Body::Unknown(..) => {}
        }
        Ok(())
    }

    fn on_setting_said(&mut self, rank: Rank, setting: &Setting, step: &mut Step<'_>) {
        if !self.settings.on_said(rank, setting, step) {
            return;
        }
        if is_name(&setting.key) {
            self.on_name_said(setting, step);
        } else if is_choice(&setting.key) {
            self.on_choice_said(setting, step);
        } else if is_decline(&setting.key) {
            self.on_declines_said(setting, step);
        }
    }

    fn on_friend_said(&mut self, rank: Rank, put: &FriendPut, step: &mut Step<'_>) -> Result<(), Fault> {
        let account = put.account;
        if account == step.me.account {
            return Ok(());
        }
        self.people.expect(account, step);
        let before = self.people.friend(&account).cloned();
        self.people.change(&account, step, |row| row.take_put(rank, put));
        if let Some(handle) = &put.handle {
            self.on_handle_said(&account, rank, handle, step);
        }
        self.on_friend_changed(&account, before.as_ref(), step)
    }

    fn on_handle_said(&mut self, account: &AccountId, rank: Rank, handle: &Handle, step: &mut Step<'_>) {
        let is_last = self.people.change(account, step, |row| take(&mut row.said.handle, rank, Some(handle.clone())));
        if is_last != Some(true) {
            return;
        }
        for (from, to) in self.people.give_handle(account, handle, rank, step) {
            step.event(Event::FriendRenamed { from, to });
        }
    }

    fn on_removal_said(&mut self, rank: Rank, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        self.people.expect(*account, step);
        let before = self.people.friend(account).cloned();
        self.people.change(account, step, |row| row.take_removal(rank));
        self.on_friend_changed(account, before.as_ref(), step)
    }

    /// What follows for sessions, chats and front ends from what other devices said of a friend.
    fn on_friend_changed(
        &mut self,
        account: &AccountId,
        before: Option<&FriendRow>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let (Some(row), Some(before)) = (self.people.friend(account), before) else { return Ok(()) };
        let (was, is) = (before.standing(), row.standing());
        let (was_wanted, is_wanted, is_mutual) = (before.is_wanted(), row.is_wanted(), row.is_mutual());
        let handle = row.handle.clone();
        let is_same = FriendRow { said: before.said.clone(), ..row.clone() } == *before;
        if row.they_accepted || row.removed || row.blocked {
            self.conversations.open_chat_with(*account, &around!(self), step);
        }
        if is_wanted && let Some(request) = self.people.drop_request(account, step) {
            self.on_request_accepted(account, &request, step)?;
        }
        match (was_wanted, is_wanted) {
            (true, false) => {
                invite::revoke(account, step)?;
                step.signal(Signal::Estranged(*account));
            }
            (false, true) => step.signal(Signal::Devices(*account)),
            (true, true) | (false, false) => {}
        }
        if is_mutual && !before.is_mutual() {
            step.signal(Signal::Friendship(*account));
            step.signal(Signal::News(*account, News::Added));
        } else if was != Standing::Removed && is == Standing::Removed {
            step.event(Event::FriendRemoved(handle));
        } else if !is_same {
            step.signal(Signal::News(*account, News::Changed));
        }
        Ok(())
    }

    /// Another device of ours accepted somebody who asks here too. What they said to this one counts as well.
    fn on_request_accepted(
        &mut self,
        account: &AccountId,
        request: &RequestRow,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        if request.they_accepted {
            self.people.they_accept(account, step);
        }
        self.learn_asked(account, step)
    }

    fn on_mark_said(&mut self, mark: &ReadMark, step: &mut Step<'_>) -> Result<(), Fault> {
        self.conversations.on_mark_said(mark, &around!(self), step)
    }
}
