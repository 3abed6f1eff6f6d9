//! The bounds that only the server knows, with unit and reason; those that nodes know too are in [`hobnob_shared::limits`].
//! What an operator may change is in [`Policy`].

use hobnob_shared::{limits::MAX_ACCOUNT_BYTES, wire::rendezvous::Registration};

/// Most mailboxes of one device: one for each friend, and a thousand friends are many.
pub const MAX_BOXES: usize = 1024;

/// Most bytes of envelopes in one page of mail: a frame of 256 KiB holds them, their names and one more envelope.
pub const MAX_PAGE_BYTES: usize = 200 * 1024;

/// What a stored thing takes beside its bytes, in bytes: keys, indexes and the tree. Without it, many small ones would
/// be free.
pub const ROW_BYTES: u64 = 256;

/// What an account takes beside its own row, in bytes: the day it was last here, and its name with a signed binding of 300
/// bytes and a password's record of 200. Rounded up, with what the tree takes.
pub const NAME_BYTES: u64 = 1024;

/// Most topics that one session publishes, and as many that it watches: one for each friend.
pub const MAX_SESSION_TOPICS: usize = 1024;

/// A log-in that is begun must end so soon, in ms. The client's Argon2id takes a second or two, on a phone five.
pub const LOGIN_MS: u64 = 120_000;

/// Guesses in an hour at one name from one source; ten at once, and then one in six minutes.
pub const GUESSES: u32 = 10;

/// The same from one IPv6 /48, of which some hosts give one to a customer, and thousands share one elsewhere.
pub const GUESSES_OF_SITE: u32 = 40;

/// Guesses in an hour from one source at all names: as many people behind one address may mistype.
pub const GUESSES_OF_SOURCE: u32 = 100;

/// Guesses in an hour at one name from everywhere. It takes 100 sources or 25 IPv6 /48s to keep others from logging in by
/// using them up. 24,000 a day are 11 years for the 10^8 that the weakest password takes which a node registers.
pub const GUESSES_OF_NAME: u32 = 1000;

/// Guesses in an hour of one device at the name of its own account. Nobody else uses them up; and whoever steals a linked
/// device does not guess without end.
pub const GUESSES_OF_DEVICE: u32 = 10;

/// Proofs in an hour from one source that somebody holds an account's key: each takes us a tenth of a millisecond.
pub const OWNER_PROOFS: u32 = 100;

/// Accounts and sources that are remembered for throttling. About 100 bytes each: 10 MB at most, and the ones that
/// were quiet longest go first.
pub const MAX_REMEMBERED: usize = 100_000;

/// Proofs of work that are remembered so that none counts twice. When there are more, the first go: each is good for one
/// name or for one friend request only, so a second time it is worth little, while to refuse new ones would let whoever
/// computes 100,000 of them lock everybody else out.
pub const MAX_PROOFS: usize = 100_000;

/// The members at one address or IPv6 /64 have as many look-ups of names together as so many of them: a household or a small
/// office. More accounts there add none. Its guests have as many once more.
pub const PEOPLE_PER_SOURCE: u32 = 10;

/// So many friend requests from one IPv6 /48 weigh as one from one source, when it is looked who has most of a full queue.
pub const SITE_SHARE: usize = 4;

/// One source takes no more in an hour, with mail, mailboxes, friend requests and new accounts, than this part of the room for all accounts, which is
/// 32 MiB of 20 GiB. So its mail of 14 days is half of the room, and with accounts it takes 27 days to fill all of it.
const PART_OF_SOURCE: u64 = 640;

/// The least that it may take, in KiB an hour, however small the disk is: a mailbox full.
const LEAST_OF_SOURCE_KIB: u64 = 8 * 1024;

/// An IPv6 /48 may take so many times as much, and its guests have so many times as many look-ups.
pub const SITE_SOURCES: u32 = 2;

/// What an account takes at most without mailboxes, in KiB: a vault of 192, records of 32, bundles of 16 devices. So a new
/// one counts for where it comes from, unless the operator gave a code for it: 93 an hour where the room is 20 GiB.
pub const ACCOUNT_KIB: u64 = 352;

/// An account that nobody used for so long loses its name, in days: two years.
pub const SILENT_DAYS: u32 = 730;

/// Rows that one round of forgetting removes, so that requests do not wait for it.
pub const FORGET_ROWS: usize = 256;

/// A minute, in ms.
pub const MINUTE_MS: u64 = 60_000;
/// An hour, in ms.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
/// A day, in ms.
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// What an operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who may register.
    pub registration: Registration,
    /// Proof of work for a friend request, in leading zero bits.
    pub knock_bits: u8,
    /// Most bytes that one account takes with mail, vault and bundles.
    pub account_bytes: u64,
    /// Most bytes that all accounts take together.
    pub disk_bytes: u64,
    /// Look-ups of names in an hour, for one account, and for one registration code; all members at one address have
    /// [`PEOPLE_PER_SOURCE`] times as many, and so have all guests there.
    pub lookups_per_hour: u32,
    /// Most presence topics of all sessions together. One takes 1.5 KiB at most.
    pub topics: usize,
}

impl Policy {
    /// How much one source takes in an hour, in KiB.
    pub(crate) fn source_kib(&self) -> u32 {
        let part = self.disk_bytes / PART_OF_SOURCE / 1024;
        u32::try_from(part.max(LEAST_OF_SOURCE_KIB)).unwrap_or(u32::MAX)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            // 2^21 hashes: half a second on one core of a laptop, and seldom more than two.
            registration: Registration::Open { pow_bits: 21 },
            // Friend requests come one at a time, and a person waits for each.
            knock_bits: 18,
            account_bytes: MAX_ACCOUNT_BYTES,
            disk_bytes: 20 * 1024 * 1024 * 1024,
            lookups_per_hour: 30,
            topics: 200_000,
        }
    }
}
