//! People as front ends show them.

use hobnob_shared::{id::AccountId, text::Note};

use super::People;
use crate::{
    Around,
    command::{Friend, Presence, Standing},
};

impl People {
    /// Somebody with a row, as a front end shows them.
    pub(crate) fn view(account: &AccountId, around: &Around<'_>, queued: u64) -> Option<Friend> {
        let people = around.people;
        let row = people.friend(account)?;
        let newest = people.account(account).and_then(|known| known.newest.as_ref());
        let (presence, presence_text) = match row.standing() {
            Standing::Friend => around.presence.of(account),
            Standing::Pending | Standing::Blocked | Standing::Removed => (Presence::Offline, Note::default()),
        };
        Some(Friend {
            handle: row.handle.clone(),
            nick: newest.map(|newest| newest.nick.clone()),
            bio: newest.map(|newest| newest.bio.clone()),
            account: *account,
            standing: row.standing(),
            verified: row.verified,
            key_alarm: row.alarm,
            muted: row.muted,
            presence,
            presence_text,
            devices: u32::try_from(people.devices(account).len()).unwrap_or(u32::MAX),
            queued,
            last_seen_ms: row.last_seen_ms,
            refused: people.refused_invite(account).filter(|_| row.is_wanted()).and_then(|invite| invite.dead.clone()),
        })
    }
}
