//! What is stored: one [`TableId`] per kind of row. The store keeps bytes; the engine gives them types.

/// A table. The number is on disk for ever; a table whose layout changes gets a new one, and a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TableId {
    /// One row each: counters, this device's incarnation, presence, pairing.
    Profile = 1,
    /// `/set` and `/alias`: key → value.
    Settings = 2,
    /// Account → friend, also pending, blocked and removed ones.
    Friends = 3,
    /// Account → its account records, certificates and bundles.
    Accounts = 4,
    /// Invites that we gave out.
    Invites = 5,
    /// What waits for a person's decision: friend requests and introductions.
    Requests = 6,
    /// Conversation number → its state.
    Conversations = 7,
    /// (Conversation, log, seq, branch) → entry, with what this node knows of it.
    Entries = 8,
    /// (Conversation, lamport, time, id) → where the message's entry is: the order on screen.
    Timeline = 9,
    /// Message number → where the message is.
    Numbers = 10,
    /// (Conversation, log, seq, hash) of a message → its edits, reactions, deletion, pin.
    Amendments = 11,
    /// (Conversation, log) → the heads of its branches, quotas, what was read: our frontier.
    Heads = 12,
    /// (Conversation, device, log, branch) → how far that device has stored and read.
    Receipts = 13,
    /// (Conversation, log, seq, hash) → entries that wait for their past.
    Parked = 14,
    /// (Deadline, conversation, log, seq, branch): messages that disappear.
    Expiring = 15,
    /// Key of a rendezvous → where it is, and our name there.
    Servers = 40,
    /// (Key of a rendezvous, name) → who has that name there.
    Names = 41,
    /// Number → the secret half of a prekey of this device.
    Prekeys = 42,
    /// Account → a friend request of ours that its name led to.
    Knocks = 43,
    /// (Key of a rendezvous, mailbox) → the friend who may leave mail for this device there.
    Mailboxes = 44,
    /// Device of a friend → where mail for it may be left, and what it is sealed to.
    MailTickets = 45,
    /// (Conversation, device): mail of this device came and was not receipted.
    OwedReceipts = 46,
    /// (Account, device) of a friend → where its presence is at a rendezvous, and which of our tickets it was told.
    PresenceTickets = 48,
}

impl TableId {
    /// Every table, in the order of its number.
    pub const ALL: [Self; 23] = [
        Self::Profile,
        Self::Settings,
        Self::Friends,
        Self::Accounts,
        Self::Invites,
        Self::Requests,
        Self::Conversations,
        Self::Entries,
        Self::Timeline,
        Self::Numbers,
        Self::Amendments,
        Self::Heads,
        Self::Receipts,
        Self::Parked,
        Self::Expiring,
        Self::Servers,
        Self::Names,
        Self::Prekeys,
        Self::Knocks,
        Self::Mailboxes,
        Self::MailTickets,
        Self::OwedReceipts,
        Self::PresenceTickets,
    ];
}
