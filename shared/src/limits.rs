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

/// Most records before the newest one that a rendezvous, a vault or a letter keeps of an account: as many changes may a
/// friend miss who meets none of the devices that knew the old record. A login makes one, 16 devices fill an account.
pub const MAX_PAST_RECORDS: usize = 16;

/// Most bytes of them: 40 usual ones, and small beside [`MAX_VAULT_BYTES`].
pub const MAX_PAST_BYTES: usize = 16 * 1024;

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

/// Highest lamport that a log begins with on its own word, instead of with one more than the highest of its dependencies: a
/// new device stands behind a history that it does not have yet. It is 2^48: no conversation of people comes so far, and
/// since later entries only count on from there, nobody can use up the 2^64 that a lamport has.
pub const MAX_FIRST_LAMPORT: u64 = 281_474_976_710_656;

/// A vault tells how high the lamports of a conversation are in multiples of this, between one and two of them ahead: it
/// changes once in a thousand messages and not with each, and stays ahead of those that it does not know of yet.
pub const HEIGHT_STEP: u64 = 1024;

/// Time for a whole handshake, in milliseconds.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 5_000;

/// A session is renewed after this many milliseconds.
pub const SESSION_RENEW_MS: u64 = 3_600_000;

/// A session is renewed after this many bytes in one direction.
pub const SESSION_RENEW_BYTES: u64 = 1024 * 1024 * 1024;

/// A session without a frame from the other side for this long is dead, in milliseconds: two pings and their answers may be
/// lost, and whoever died is offline to friends within 45 s, with what a busy machine adds.
pub const SESSION_DEAD_MS: u64 = 40_000;

/// Shortest name at a rendezvous, in bytes: shorter ones are too few, and too easily taken for another.
pub const MIN_USERNAME_BYTES: usize = 3;

/// Longest name at a rendezvous, in bytes: fits a line beside an address, and no key passes for one.
pub const MAX_USERNAME_BYTES: usize = 32;

/// Largest binding of a name to an account, in bytes: a name and two keys take under 130.
pub const MAX_BINDING_BYTES: usize = 256;

/// Largest envelope of sealed mail, in bytes: [`MAX_MAIL_PLAIN_BYTES`], an ML-KEM ciphertext (1,088 bytes), Noise's
/// keys and tags (112), CBOR; the rest is room.
pub const MAX_MAIL_BYTES: usize = 34 * 1024;

/// Most bytes inside one envelope, padding included: the largest entry takes about half.
pub const MAX_MAIL_PLAIN_BYTES: usize = 32 * 1024;

/// Most entries in one envelope: a small one takes 250 bytes, so more do not fit anyway.
pub const MAX_MAIL_ENTRIES: usize = 128;

/// Most ranges of entries that a letter asks for: one for each log of a conversation of a few devices.
pub const MAX_MAIL_RANGES: usize = 64;

/// Most receipts in one envelope: one for each conversation that moved since the last mail.
pub const MAX_RECEIPTS: usize = 64;

/// Largest envelope of a friend request, in bytes: [`KNOCK_PLAIN_BYTES`], and what mail is sealed with (1.2 KiB).
pub const MAX_KNOCK_BYTES: usize = 4 * 1024;

/// Bytes inside the envelope of a friend request, padding included, always: a record, a certificate, a bundle with one
/// prekey, and a note of the largest size.
pub const KNOCK_PLAIN_BYTES: usize = 11 * 256;

/// Friend requests that wait for one account at a rendezvous: 16 devices' envelopes each, 1.3 MiB in all.
pub const MAX_PENDING_KNOCKS: usize = 20;

/// Largest sealed vault, in bytes: a thousand friends with names and addresses, and with it, in one frame, the records
/// and certificates of an account (24 KiB at most).
pub const MAX_VAULT_BYTES: usize = 192 * 1024;

/// A sealed vault is a multiple of this, in bytes, so that its size tells the number of friends only roughly.
pub const VAULT_STEP_BYTES: usize = 4 * 1024;

/// Most vault keys in one frame: a device uses eight rendezvous at a time.
pub const MAX_TOLD_KEYS: usize = 8;

/// A vault's key that is told to another device, in bytes: nonce (24), key (32), number of the vault (8), tag (16).
pub const SEALED_VAULT_KEY_BYTES: usize = 80;

/// Largest sealed presence, in bytes: a state, a text and a few addresses.
pub const MAX_PRESENCE_BYTES: usize = 1024;

/// Largest presence ticket, in bytes: three keys and a time take under 120.
pub const MAX_PRESENCE_TICKET_BYTES: usize = 256;

/// A presence that is not refreshed is forgotten after this, in seconds.
pub const MAX_PRESENCE_TTL_SECS: u32 = 120;

/// Most friends in a vault: more do not fit anyway, at 60 bytes each.
pub const MAX_CONTACTS: usize = 4096;

/// Most settings in a vault.
pub const MAX_SETTINGS: usize = 256;

/// Most zero bits that a node works for: 26 take a core half a minute; a rendezvous that asks for more wants it idle.
pub const MAX_POW_BITS: u8 = 26;

/// Most topics in one `PresenceWatch` frame.
pub const MAX_TOPICS: usize = 256;

/// Most envelopes in one `Mail` frame (the frame's own size bounds it too: a small envelope takes 1.5 KiB).
pub const MAX_MAIL_ITEMS: usize = 256;

/// Most mailboxes in one `MailAck` frame.
pub const MAX_ACKS: usize = 256;

/// Most envelopes in one mailbox.
pub const MAX_MAILBOX_ENVELOPES: usize = 1000;

/// Most bytes of envelopes in one mailbox.
pub const MAX_MAILBOX_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes that a rendezvous keeps for one account.
pub const MAX_ACCOUNT_BYTES: u64 = 64 * 1024 * 1024;

/// Mail and friend requests that nobody fetched are deleted after 14 days, in milliseconds.
pub const MAIL_TTL_MS: u64 = 14 * 86_400_000;

/// A new prekey is made every day, in milliseconds.
pub const PREKEY_ROTATE_MS: u64 = 86_400_000;

/// The secret half of a prekey is erased this long after another replaced it, in milliseconds: friends hear of the new one within
/// 7 days, and mail waits for 14.
pub const PREKEY_KEEP_MS: u64 = 22 * 86_400_000;

/// Largest bundle that a rendezvous gives out, in bytes: four prekeys and addresses, no tickets. 16 of them fit a frame.
pub const MAX_PUBLIC_BUNDLE_BYTES: usize = 8 * 1024;

/// Most limits that a rendezvous announces.
pub const MAX_STATUS_LIMITS: usize = 64;

/// Longest text that names a rendezvous's software, in bytes.
pub const MAX_SOFTWARE_BYTES: usize = 64;
