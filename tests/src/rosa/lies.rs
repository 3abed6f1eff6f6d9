//! What a rendezvous that lies says: to requests that it does not carry out, instead of answers, and unasked.

use std::collections::{BTreeMap, VecDeque};

use hobnob_shared::{
    id::MailboxId,
    limits::MAX_MAIL_ITEMS,
    text::Username,
    wire::{
        ErrorCode, ServerFrame,
        payload::Failure,
        rendezvous::{Envelope, GENERATION, Knocks, Mail, MailItem, MailWaiting, Name, PresenceNote, Vault},
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Most of each kind that she remembers, to say it again.
const PAST: usize = 64;

/// Most bytes of a page of mail, as the server has it: a frame must hold it.
const PAGE_BYTES: usize = 200 * 1024;

/// Ten years, in ms.
const TEN_YEARS_MS: u64 = 315_360_000_000;

/// What she lies about, in chances of one in so many. 0 means never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lies {
    /// She says that she keeps mail, and does not.
    pub lose_mail: u32,
    /// She says that mail is deleted, and keeps it.
    pub keep_mail: u32,
    /// An envelope comes twice.
    pub repeat_mail: u32,
    /// A page of mail comes in another order.
    pub shuffle_mail: u32,
    /// Mail of another mailbox comes too, under its own name or under that of this one.
    pub foreign_mail: u32,
    /// Garbage comes as mail: random, cut short, with a bit flipped.
    pub garbage_mail: u32,
    /// She says that a mailbox is made or deleted, and does nothing.
    pub lose_box: u32,
    /// She says that a vault or an account's record is stored, and stores nothing.
    pub lose_vault: u32,
    /// She shows an older vault.
    pub old_vault: u32,
    /// She says that somebody else wrote the vault meanwhile.
    pub stale_vault: u32,
    /// She says that she was set back from a backup.
    pub other_generation: u32,
    /// She refuses a request, with whatever code.
    pub refuse: u32,
    /// She says nothing to a request.
    pub ignore: u32,
    /// She answers something that makes no sense.
    pub nonsense: u32,
    /// She answers twice.
    pub repeat: u32,
    /// She says something that nobody asked for.
    pub unasked: u32,
    /// She says what friends showed before, or that they are gone.
    pub old_presence: u32,
    /// Her clock is ten years off when she says what time it is.
    pub wrong_time: u32,
}

impl Lies {
    /// All of them, each with this chance.
    pub fn all(one_in: u32) -> Self {
        Self {
            lose_mail: one_in,
            keep_mail: one_in,
            repeat_mail: one_in,
            shuffle_mail: one_in,
            foreign_mail: one_in,
            garbage_mail: one_in,
            lose_box: one_in,
            lose_vault: one_in,
            old_vault: one_in,
            stale_vault: one_in,
            other_generation: one_in,
            refuse: one_in,
            ignore: one_in,
            nonsense: one_in,
            repeat: one_in,
            unasked: one_in,
            old_presence: one_in,
            wrong_time: one_in,
        }
    }
}

/// What becomes of a request that is not carried out.
#[derive(Debug)]
pub(super) enum Lie {
    /// It is answered so.
    Say(Box<ServerFrame>),
    /// It is not answered.
    Silence,
}

/// The one who lies, and what she remembers to do it with.
#[derive(Debug)]
pub struct Liar {
    /// What she lies about.
    pub lies: Lies,
    /// How often she lied.
    pub told: u64,
    /// Names of which she says that they are somebody else's.
    pub names: BTreeMap<Username, Name>,
    mail: VecDeque<MailItem>,
    notes: VecDeque<PresenceNote>,
    vaults: VecDeque<Vault>,
    rng: ChaCha20Rng,
}

impl Liar {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            lies: Lies::default(),
            told: 0,
            names: BTreeMap::new(),
            mail: VecDeque::new(),
            notes: VecDeque::new(),
            vaults: VecDeque::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.next_u64() as usize % bound.max(1)
    }

    fn lies(&mut self, one_in: u32) -> bool {
        let lies = one_in > 0 && self.below(one_in as usize) == 0;
        self.told += u64::from(lies);
        lies
    }

    /// What she does with a request that she does not even look at, if she does so.
    pub(super) fn pretend(&mut self, id: u32, frame: &ServerFrame) -> Option<Lie> {
        let Lies { lose_mail, keep_mail, lose_box, lose_vault, old_vault, stale_vault, refuse, ignore, .. } = self.lies;
        self.remember(frame);
        if !frame.wants_answer() || matches!(frame, ServerFrame::StatusGet | ServerFrame::Ping { .. }) {
            return None;
        }
        if self.lies(ignore) {
            return Some(Lie::Silence);
        }
        let answer = match frame {
            _ if self.lies(refuse) => ServerFrame::Error(Failure { code: self.code(), of: id }),
            ServerFrame::MailPut(_) if self.lies(lose_mail) => ServerFrame::Done,
            ServerFrame::MailAck(_) if self.lies(keep_mail) => ServerFrame::Done,
            ServerFrame::BoxPut(_) if self.lies(lose_box) => ServerFrame::Done,
            ServerFrame::VaultPut(_) | ServerFrame::AccountPut(_) if self.lies(lose_vault) => ServerFrame::Done,
            ServerFrame::VaultPut(put) if self.lies(stale_vault) => {
                ServerFrame::Error(Failure { code: ErrorCode::Stale { seq: put.seq }, of: id })
            }
            ServerFrame::VaultGet if self.lies(old_vault) => ServerFrame::Vault(self.old_vault()?),
            ServerFrame::NameGet(get) => ServerFrame::Name(self.names.get(&get.name)?.clone()),
            _ => return None,
        };
        Some(Lie::Say(Box::new(answer)))
    }

    fn code(&mut self) -> ErrorCode {
        let seq = self.rng.next_u64();
        let codes = [
            ErrorCode::NotFound,
            ErrorCode::Quota,
            ErrorCode::RateLimited { retry_ms: seq },
            ErrorCode::RateLimited { retry_ms: 0 },
            ErrorCode::Denied,
            ErrorCode::Busy,
            ErrorCode::Internal,
            ErrorCode::Conflict,
            ErrorCode::Stale { seq },
            ErrorCode::Expired,
            ErrorCode::Malformed,
            ErrorCode::Unsupported,
            ErrorCode::Pow { bits: 1, challenge: [7; 16] },
            ErrorCode::Ok,
        ];
        codes[self.below(codes.len())]
    }

    fn old_vault(&mut self) -> Option<Vault> {
        let at = self.below(self.vaults.len());
        self.vaults.get(at).cloned()
    }

    fn remember(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::MailPut(put) => {
                let item = MailItem { number: 1, mailbox: put.mailbox, envelope: put.envelope.clone() };
                push(&mut self.mail, item);
            }
            ServerFrame::VaultPut(put) => push(&mut self.vaults, Vault { seq: put.seq, vault: put.vault.clone() }),
            _ => {}
        }
    }

    /// What she says instead of the truth, or besides it.
    pub(super) fn twist(&mut self, frame: ServerFrame) -> Vec<ServerFrame> {
        let Lies { nonsense, repeat, unasked, old_presence, wrong_time, other_generation, .. } = self.lies;
        let mut said = Vec::new();
        match frame {
            ServerFrame::Mail(page) => said.push(ServerFrame::Mail(self.twist_mail(page))),
            ServerFrame::Status(mut status) => {
                if self.lies(wrong_time) {
                    let times = [0, u64::MAX, status.time_ms - TEN_YEARS_MS, status.time_ms + TEN_YEARS_MS];
                    status.time_ms = times[self.below(times.len())];
                }
                if self.lies(other_generation) {
                    status.limits.insert(GENERATION.to_owned(), self.rng.next_u64());
                }
                said.push(ServerFrame::Status(status));
            }
            ServerFrame::PresenceNote(note) => {
                push(&mut self.notes, note.clone());
                said.push(ServerFrame::PresenceNote(note));
                if self.lies(old_presence) {
                    let at = self.below(self.notes.len());
                    let old = self.notes[at].clone();
                    let sealed = if self.below(3) == 0 { None } else { old.sealed };
                    let at = self.below(self.notes.len());
                    let topic = self.notes[at].topic;
                    said.push(ServerFrame::PresenceNote(PresenceNote { topic, sealed }));
                }
            }
            other => said.push(other),
        }
        if !matches!(said.first(), Some(ServerFrame::Status(_) | ServerFrame::PresenceNote(_))) && self.lies(nonsense) {
            said = vec![self.nonsense()];
        }
        if self.lies(repeat) {
            said.extend(said.first().cloned());
        }
        if self.lies(unasked) {
            said.push(self.nonsense());
        }
        said
    }

    fn nonsense(&mut self) -> ServerFrame {
        match self.below(6) {
            0 => ServerFrame::Done,
            1 => ServerFrame::Mail(Mail { items: Vec::new(), more: true }),
            2 => ServerFrame::Knocks(Knocks { items: Vec::new() }),
            3 => ServerFrame::MailWaiting(MailWaiting { envelopes: u64::MAX }),
            4 => ServerFrame::StatusGet,
            _ => ServerFrame::Error(Failure { code: self.code(), of: self.rng.next_u32() % 64 }),
        }
    }

    fn twist_mail(&mut self, mut page: Mail) -> Mail {
        let Lies { repeat_mail, shuffle_mail, foreign_mail, garbage_mail, .. } = self.lies;
        if self.lies(repeat_mail) && !page.items.is_empty() {
            let at = self.below(page.items.len());
            page.items.push(page.items[at].clone());
        }
        if self.lies(foreign_mail) && !self.mail.is_empty() {
            let at = self.below(self.mail.len());
            let mut item = self.mail[at].clone();
            item.number = self.number();
            if let Some(first) = page.items.first().filter(|_| self.rng.next_u32().is_multiple_of(2)) {
                item.mailbox = first.mailbox;
            }
            page.items.push(item);
        }
        if self.lies(garbage_mail) {
            let number = self.number();
            let mailbox = page.items.first().map_or(MailboxId::new([1; 16]), |item| item.mailbox);
            page.items.push(MailItem { number, mailbox, envelope: self.garbage() });
        }
        if self.lies(shuffle_mail) {
            for at in (1..page.items.len()).rev() {
                let other = self.below(at + 1);
                page.items.swap(at, other);
            }
            page.more = self.below(2) == 0;
        }
        page.items.truncate(MAX_MAIL_ITEMS);
        let mut bytes = 0;
        page.items.retain(|item| {
            bytes += item.envelope.as_bytes().len();
            bytes <= PAGE_BYTES
        });
        page
    }

    fn number(&mut self) -> u64 {
        [0, 1, u64::MAX, self.rng.next_u64() % 1_000][self.below(4)]
    }

    fn garbage(&mut self) -> Envelope {
        let at = self.below(self.mail.len());
        let mut bytes = self.mail.get(at).map_or_else(|| vec![0x84], |item| item.envelope.as_bytes().to_vec());
        match self.below(3) {
            0 => {
                let at = self.below(bytes.len());
                bytes[at] ^= 1;
            }
            1 => {
                let at = self.below(bytes.len());
                bytes.truncate(at);
            }
            _ => self.rng.fill_bytes(&mut bytes),
        }
        Envelope::new(bytes).expect("no longer than one that fitted")
    }
}

fn push<T>(past: &mut VecDeque<T>, one: T) {
    past.push_back(one);
    if past.len() > PAST {
        past.pop_front();
    }
}
