//! The conversations: placeholder signatures for the part that owns logs, sync and messages.

use hobnob_shared::{
    id::{AccountId, DeviceId},
    wire::Frame,
};

use crate::{
    Around,
    command::Command,
    step::{Answer, SessionId, Step},
    view::Fault,
    work::Ticket,
};

/// All conversations of this node.
#[derive(Debug, Default)]
pub(crate) struct Conversations {}

impl Conversations {
    /// Heads, counters and receipts; never messages. `fresh`: the database is new, restored or repaired, so this
    /// device goes on in new incarnations.
    pub(crate) fn load(_fresh: bool, _around: &Around<'_>, _step: &mut Step<'_>) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    /// A session with a device of a friend is up, both accepted, and nothing is in doubt. Once per session.
    pub(crate) fn on_session_up(
        &mut self,
        _session: SessionId,
        _account: AccountId,
        _device: DeviceId,
        _around: &Around<'_>,
        _step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        Ok(())
    }

    /// A session that [`Self::on_session_up`] named ended, or nothing may flow over it any more.
    pub(crate) fn on_session_down(&mut self, _session: SessionId, _step: &mut Step<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// `Digest`, `Frontier`, `Want`, `Entries`, `Read` or `Typing`, over a session that is up.
    pub(crate) fn on_frame(
        &mut self,
        _session: SessionId,
        _frame: Frame,
        _around: &Around<'_>,
        _step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        Ok(())
    }

    /// Both accepted: our `FriendAccept` is written if it is missing, and the conversation is there. Repeats change nothing.
    pub(crate) fn on_friendship(
        &mut self,
        _account: AccountId,
        _around: &Around<'_>,
        _step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        Ok(())
    }

    /// The devices that should store our messages to `account` changed.
    pub(crate) fn on_devices_changed(
        &mut self,
        _account: AccountId,
        _around: &Around<'_>,
        _step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        Ok(())
    }

    /// A command about chats, messages, history or the outbox, or `Listen`.
    pub(crate) fn command(
        &mut self,
        _ticket: Ticket,
        _command: Command,
        _around: &Around<'_>,
        _step: &mut Step<'_>,
    ) -> Answer {
        Ok(None)
    }

    /// Our messages to `account` that not all its devices have.
    pub(crate) fn queued(&self, _account: &AccountId) -> u64 {
        0
    }

    /// Deadlines: expiry, repair digests, coalesced receipts.
    pub(crate) fn on_timeout(&mut self, _around: &Around<'_>, _step: &mut Step<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// When [`Self::on_timeout`] is wanted, in `mono_ms`.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        None
    }

    /// The batch is over: what was written is pushed, and heads and counters go to their rows.
    pub(crate) fn flush(&mut self, _around: &Around<'_>, _step: &mut Step<'_>) -> Result<(), Fault> {
        Ok(())
    }
}
