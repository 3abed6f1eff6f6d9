//! Every number that two programs must agree on, with its unit and its reason. `docs/protocol.md` repeats them, and a
//! test compares the two.

/// Largest frame, in bytes, without its four bytes of length.
///
/// A batch of entries is the largest thing a frame carries; 256 KiB is eight entries of the largest size, and bounds
/// what one session can make us hold while a frame is incomplete.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;

/// Largest Noise message of a session, in bytes of ciphertext.
///
/// Noise allows 65 535; 16 KiB keeps the latency of one message behind a large batch small, and the buffers too.
pub const MAX_NOISE_BYTES: usize = 16 * 1024;

/// Largest handshake message, in bytes. The largest one that is sent carries an ML-KEM-768 key (1,184 bytes).
pub const MAX_HANDSHAKE_BYTES: usize = 2048;

/// Largest entry (header, signature, salt and body), in bytes.
pub const MAX_ENTRY_BYTES: usize = 32 * 1024;

/// Largest header, in bytes: eight dependencies take 8 · 60, the rest about 250.
pub const MAX_HEADER_BYTES: usize = 2 * 1024;

/// Most dependencies of one header.
pub const MAX_DEPS: usize = 8;

/// Largest message text, in UTF-8 bytes: a few screens, and half an entry, so an edit of it always fits too.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Largest nickname, in UTF-8 bytes, and the same for a device name.
pub const MAX_NICKNAME_BYTES: usize = 64;

/// Largest short text (bio, status, note to a friend request), in UTF-8 bytes.
pub const MAX_NOTE_BYTES: usize = 512;

/// Largest reaction, in UTF-8 bytes: the longest emoji sequences (families, flags) take 35.
pub const MAX_REACTION_BYTES: usize = 48;

/// Deepest nesting of anything decoded. ciborium's own limit of 256 overflows small stacks.
pub const MAX_DEPTH: usize = 16;

/// Largest account record, in bytes.
pub const MAX_RECORD_BYTES: usize = 16 * 1024;

/// Most devices of one account at a time.
pub const MAX_DEVICES: usize = 16;

/// Most addresses in a bundle or an invite.
pub const MAX_ADDRESSES: usize = 16;

/// Largest address, in bytes of its text form.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Largest device bundle, in bytes: 16 addresses, four prekeys of 1.3 KiB each, 16 mailbox tickets.
pub const MAX_BUNDLE_BYTES: usize = 16 * 1024;

/// Most prekeys in a bundle: today's, yesterday's, and room for two more.
pub const MAX_PREKEYS: usize = 4;

/// Most mailbox tickets in a bundle.
pub const MAX_TICKETS: usize = 16;

/// Largest certificate, in bytes: three keys, a name and a time take under 240.
pub const MAX_CERTIFICATE_BYTES: usize = 512;

/// Largest invite, in bytes before base32: as many and as long addresses as a bundle has, a rendezvous, three keys.
/// A usual one takes 300; a QR code ends at about 2,600.
pub const MAX_INVITE_BYTES: usize = 5 * 1024;

/// Longest link that is even looked at, in bytes: an invite in base32, with the blanks that mail programs put in.
pub const MAX_LINK_BYTES: usize = 16 * 1024;

/// Most account records in one frame: more than that a friend was not away for.
pub const MAX_RECORDS: usize = 64;

/// Most revoked devices that a record lists.
pub const MAX_REVOKED: usize = 128;

/// Most features in a `Hello`.
pub const MAX_FEATURES: usize = 64;

/// Largest name of a feature, in bytes.
pub const MAX_FEATURE_BYTES: usize = 32;

/// Largest keystore file, in bytes: two boxes with a record each, and room to grow.
pub const MAX_KEYSTORE_BYTES: usize = 64 * 1024;

/// Most items in one `Frontier` frame.
pub const MAX_FRONTIER_ITEMS: usize = 4096;

/// Most conversations in one `Digests` frame: 20 KiB, and what they may make the other side answer stays below what a
/// writer's queue holds.
pub const MAX_DIGESTS: usize = 256;

/// Most ranges in one `Want` frame.
pub const MAX_WANT_RANGES: usize = 4096;

/// Most entries in one `Entries` frame (the frame's own size bounds it too).
pub const MAX_BATCH_ENTRIES: usize = 500;

/// Most entries parked for a missing past, per conversation.
pub const MAX_PARKED_ENTRIES: usize = 1000;

/// Most bytes of parked entries, per conversation.
pub const MAX_PARKED_BYTES: usize = 4 * 1024 * 1024;

/// Most logs that one entry names: read marks, or the ends of a device's logs. 60 bytes each, so that they fit an entry.
pub const MAX_LISTED_LOGS: usize = 500;

/// Longest key of a setting, in bytes; an alias has 38.
pub const MAX_SETTING_KEY_BYTES: usize = 64;

/// Longest value of a setting or alias, in bytes.
pub const MAX_SETTING_BYTES: usize = 1024;

/// Most branches of one log that are kept; a log with more is frozen.
pub const MAX_BRANCHES: usize = 4;

/// Most frames waiting for one peer's writer.
pub const WRITER_QUEUE_FRAMES: usize = 256;

/// Most bytes waiting for one peer's writer.
pub const WRITER_QUEUE_BYTES: usize = 1024 * 1024;

/// Entries of one log whose bodies are requested per day.
pub const LOG_QUOTA_ENTRIES_PER_DAY: u32 = 2000;

/// Bytes of one log whose bodies are requested per day.
pub const LOG_QUOTA_BYTES_PER_DAY: u64 = 4 * 1024 * 1024;

/// Time for a whole handshake, in milliseconds.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 5_000;

/// A session is renewed after this many milliseconds.
pub const SESSION_RENEW_MS: u64 = 3_600_000;

/// A session is renewed after this many bytes in one direction.
pub const SESSION_RENEW_BYTES: u64 = 1024 * 1024 * 1024;

/// A session without a frame from the other side for this long is dead, in milliseconds.
pub const SESSION_DEAD_MS: u64 = 45_000;
