//! What is taken, what is refused, what waits; with entries made by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use hobnob_shared::{
    id::{ConversationId, EntryId},
    identity::{AccountKey, DeviceKeys},
    limits::{LOG_QUOTA_BYTES_PER_DAY, LOG_QUOTA_ENTRIES_PER_DAY, MAX_FIRST_LAMPORT, MAX_PARKED_ENTRIES},
    text::Reaction,
    wire::{
        Body, Dep, DeviceCut, EntryRef, FriendPut, Header, ReadItem, ReadMark, Setting, SignedEntry, entry::Draft,
        entry_id,
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::{
    command::Command,
    event::{Change, Event},
    log::{ingest::Taken, row},
    message::OVER_QUOTA,
    testing::{ALICE, BOB, World, text},
};

/// Somebody who writes what they like.
#[derive(Clone)]
struct Author {
    keys: DeviceKeys,
    conversation: ConversationId,
    incarnation: [u8; 8],
    seq: u64,
    prev: Option<EntryId>,
    lamport: u64,
}

impl Author {
    fn new(world: &World, who: usize) -> Self {
        let accounts = (world.nodes[ALICE].account.id(), world.nodes[BOB].account.id());
        Self {
            keys: world.nodes[who].keys.clone(),
            conversation: ConversationId::direct(&accounts.0, &accounts.1),
            incarnation: [9; 8],
            seq: 0,
            prev: None,
            lamport: 0,
        }
    }

    fn draft(&self, kind: u16, deps: Vec<Dep>) -> Draft {
        Draft {
            kind,
            conversation: self.conversation,
            log: self.keys.id().log(self.incarnation),
            seq: self.seq + 1,
            prev: self.prev,
            lamport: self.lamport + 1,
            time_ms: crate::testing::EPOCH_MS,
            deps,
            auth: None,
        }
    }

    fn sign(&mut self, draft: Draft, body: Vec<u8>) -> SignedEntry {
        let written = SignedEntry::write(draft, body, &self.keys, [3; 16]).unwrap();
        (self.seq, self.prev, self.lamport) = (written.header.seq, Some(written.id), written.header.lamport);
        written.entry
    }

    fn write(&mut self, body: &Body) -> SignedEntry {
        let (kind, bytes) = body.encode();
        self.sign(self.draft(kind, Vec::new()), bytes)
    }

    fn say(&mut self, words: &str) -> SignedEntry {
        self.write(&say(words))
    }
}

fn say(words: &str) -> Body {
    Body::Text { text: text(words), reply: None, action: false, forwarded: false }
}

fn dep(entry: &SignedEntry) -> Dep {
    let header = Header::decode(&entry.header).unwrap();
    Dep { log: header.log, seq: header.seq, hash: entry_id(&entry.header).short() }
}

fn target(entry: &SignedEntry) -> EntryRef {
    let Dep { log, seq, hash } = dep(entry);
    EntryRef { log, seq, hash }
}

fn is_stored(taken: &Taken) -> bool {
    matches!(taken, Taken::Stored(_))
}

#[test]
fn what_a_friend_says_of_our_own_business_does_nothing() {
    let mut world = World::friends(101);
    world.say(ALICE, "bob", "mine");
    world.run(1_000);
    let mut bob = Author::new(&world, BOB);
    let (alice, bob_account) = (world.nodes[ALICE].keys.id(), world.nodes[BOB].account.id());
    let put = FriendPut { blocked: Some(true), muted: Some(true), ..FriendPut::new(bob_account) };
    let mine = world.chat(ALICE, BOB).logs.iter().find(|log| log.row.mine).unwrap().row.id;
    let entries = [
        Body::FriendPut(put),
        Body::FriendRemove(bob_account),
        Body::Setting(Setting { key: "theme".into(), value: Some("mono".into()), hearsay: false }),
        Body::ReadMark(ReadMark { conversation: bob.conversation, items: vec![ReadItem { log: mine, seq: 9 }] }),
        Body::DeviceCut(DeviceCut { device: alice, heads: Vec::new() }),
    ];
    let entries: Vec<_> = entries.iter().map(|body| bob.write(body)).collect();
    let before = world.ask(ALICE, Command::Friends).unwrap();
    assert!(world.ingest(ALICE, BOB, entries).iter().all(is_stored));
    world.run(1_000);
    assert_eq!(world.ask(ALICE, Command::Friends).unwrap(), before);
    assert_eq!(world.texts(ALICE, "bob"), ["mine"]);
    assert!(!world.nodes[ALICE].events.iter().any(|event| matches!(event, Event::SettingChanged { .. })));
}

#[test]
fn entries_in_any_order_end_up_in_one_order() {
    for seed in 0..40 {
        let mut world = World::friends(100);
        let mut bob = Author::new(&world, BOB);
        let mut other = Author { incarnation: [8; 8], ..bob.clone() };
        let mut entries = Vec::new();
        for n in 0..12 {
            entries.push(bob.say(&format!("b{n}")));
            let deps = vec![dep(entries.last().unwrap())];
            let mut draft = other.draft(1, deps);
            draft.lamport = other.lamport.max(bob.lamport) + 1;
            entries.push(other.sign(draft, say(&format!("o{n}")).encode().1));
        }
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for at in (1..entries.len()).rev() {
            entries.swap(at, rng.next_u64() as usize % (at + 1));
        }
        let twice = entries.clone();
        world.ingest(ALICE, BOB, entries);
        world.ingest(ALICE, BOB, twice);
        let texts = world.texts(ALICE, "bob");
        assert_eq!(texts.len(), 24, "seed {seed}");
        for n in 0..12 {
            let place = |text: &str| texts.iter().position(|known| known == text).unwrap();
            assert!(place(&format!("b{n}")) < place(&format!("o{n}")), "seed {seed}");
        }
        assert!(world.chat(ALICE, BOB).parked.is_empty(), "seed {seed}");
    }
}

#[test]
fn what_no_honest_node_passes_on_is_bad() {
    let mut world = World::friends(101);
    let bob = Author::new(&world, BOB);
    let mut far = bob.clone();
    far.lamport = u64::MAX - 1;
    let mut elsewhere = bob.clone();
    elsewhere.conversation = ConversationId::new([7; 32]);
    let mut tampered = bob.clone().say("tampered");
    tampered.signature[5] ^= 1;
    let mut swapped = bob.clone().say("swapped");
    swapped.body = bob.clone().say("body").body;
    let mut cut = bob.clone().say("cut");
    cut.header.pop();
    let bad = vec![far.say("lamport"), elsewhere.say("elsewhere"), tampered, swapped, cut];
    let taken = world.ingest(ALICE, BOB, bad);
    assert!(taken.iter().all(|taken| matches!(taken, Taken::Bad(_))), "{taken:?}");
    assert!(world.texts(ALICE, "bob").is_empty());
}

#[test]
fn a_log_begins_up_to_the_limit_and_counts_on_from_there() {
    let mut world = World::friends(112);
    let bob = Author::new(&world, BOB);
    let other = |incarnation: u8| Author { incarnation: [incarnation; 8], ..bob.clone() };
    let mut first = Author { lamport: MAX_FIRST_LAMPORT - 1, ..bob.clone() };
    let chain = vec![first.say("at the limit"), first.say("one more")];
    assert!(world.ingest(ALICE, BOB, chain.clone()).iter().all(is_stored));

    let mut jump = Author { lamport: first.lamport + 1, ..first.clone() };
    let mut back = Author { lamport: first.lamport - 1, ..first.clone() };
    let mut above = Author { lamport: MAX_FIRST_LAMPORT, ..other(8) };
    let bad = vec![jump.say("a jump"), back.say("no step"), above.say("above the limit")];
    let taken = world.ingest(ALICE, BOB, bad);
    assert_eq!(taken, [Taken::Bad("lamport"); 3]);

    // A log whose past stands above the limit begins right behind it.
    for (incarnation, step, is_good) in [(7, 0, false), (6, 1, true), (5, 2, false)] {
        let mut author = other(incarnation);
        let mut draft = author.draft(1, vec![dep(&chain[1])]);
        draft.lamport = first.lamport + step;
        let entry = author.sign(draft, say("behind it").encode().1);
        assert_eq!(is_stored(&world.ingest(ALICE, BOB, vec![entry])[0]), is_good, "{step} above");
    }
}

#[test]
fn a_log_does_not_begin_below_what_it_names() {
    let mut world = World::friends(113);
    let mut bob = Author::new(&world, BOB);
    let before: Vec<SignedEntry> = (0..5).map(|n| bob.say(&format!("{n}"))).collect();
    world.ingest(ALICE, BOB, before.clone());
    for (incarnation, lamport, is_good) in [(8, 1, false), (7, 5, false), (6, 6, true), (4, 2_000, true)] {
        let mut author = Author { incarnation: [incarnation; 8], ..Author::new(&world, BOB) };
        let mut draft = author.draft(1, vec![dep(&before[4])]);
        draft.lamport = lamport;
        let entry = author.sign(draft, say("behind").encode().1);
        assert_eq!(is_stored(&world.ingest(ALICE, BOB, vec![entry])[0]), is_good, "lamport {lamport}");
    }
    // Alice goes on behind the highest.
    world.say(ALICE, "bob", "last");
    assert_eq!(world.texts(ALICE, "bob").last().unwrap(), "last");
    world.run(1_000);
    assert_eq!(world.chat(ALICE, BOB).row.newest.unwrap().lamport, 2_001);
}

#[test]
fn a_device_that_nobody_certified_writes_nothing() {
    let mut world = World::friends(102);
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut mallory = Author { keys: DeviceKeys::generate(&mut rng), ..Author::new(&world, BOB) };
    let _ = AccountKey::generate(&mut rng);
    assert_eq!(world.ingest(ALICE, BOB, vec![mallory.say("hi")]), [Taken::Ignored]);
}

#[test]
fn an_edit_or_deletion_by_somebody_else_is_void() {
    let mut world = World::friends(103);
    world.say(ALICE, "bob", "mine");
    let row = world.history(ALICE, "bob");
    let chat = world.chat(ALICE, BOB);
    let log = chat.logs.iter().find(|log| log.row.mine).unwrap();
    let at = EntryRef { log: log.row.id, seq: log.row.branches[0].seq, hash: log.row.branches[0].head.short() };
    let mut bob = Author::new(&world, BOB);
    let forged =
        vec![bob.write(&Body::Edit { target: at, text: text("forged") }), bob.write(&Body::Delete { target: at })];
    assert!(world.ingest(ALICE, BOB, forged).iter().all(is_stored));
    assert_eq!(world.history(ALICE, "bob"), row);
}

#[test]
fn amendments_that_come_before_their_message_count_when_it_comes() {
    let mut world = World::friends(104);
    // Two devices' worth of logs: the second does not name the first as its past.
    let mut bob = Author::new(&world, BOB);
    let mut other = Author { incarnation: [8; 8], ..bob.clone() };
    let (edited, deleted, plain) = (bob.say("one"), bob.say("two"), bob.say("three"));
    let wave = Reaction::parse("👋").unwrap();
    let early = vec![
        other.write(&Body::Edit { target: target(&edited), text: text("one, later") }),
        other.write(&Body::Edit { target: target(&edited), text: text("one, last") }),
        other.write(&Body::Delete { target: target(&deleted) }),
        other.write(&Body::React { target: target(&plain), emoji: Some(wave) }),
        other.write(&Body::Pin { target: target(&plain), pinned: true }),
    ];
    assert!(world.ingest(ALICE, BOB, early).iter().all(is_stored));
    assert_eq!(world.chat(ALICE, BOB).row.pending_amendments, 3);
    assert!(world.ingest(ALICE, BOB, vec![edited, deleted, plain]).iter().all(is_stored));
    let history = world.history(ALICE, "bob");
    assert_eq!((history[0].text.as_str(), history[0].edited), ("one, last", true));
    assert!(history[1].deleted && history[1].text.is_empty());
    assert!(history[2].pinned && history[2].reactions.len() == 1);
    assert_eq!(world.chat(ALICE, BOB).row.pending_amendments, 0);
}

#[test]
fn a_message_without_its_past_waits_and_the_gap_is_told() {
    let mut world = World::friends(105);
    let mut bob = Author::new(&world, BOB);
    let mut other = Author { incarnation: [8; 8], ..bob.clone() };
    let lost = bob.say("lost");
    let mut draft = other.draft(1, vec![dep(&lost)]);
    draft.lamport = 2;
    let waiting = other.sign(draft, say("waiting").encode().1);
    let mut third = Author { incarnation: [7; 8], ..Author::new(&world, BOB) };
    let taken = world.ingest(ALICE, BOB, vec![waiting, third.say("free")]);
    assert!(taken[0] == Taken::Parked && is_stored(&taken[1]), "{taken:?}");
    assert_eq!(world.texts(ALICE, "bob"), ["free"]);
    world.run(10_000);
    let gaps = world.nodes[ALICE].events.iter().filter(|event| matches!(event, Event::Gap { missing: 1, .. })).count();
    assert_eq!(gaps, 1);
    let disk = world.nodes[ALICE].disk.clone();
    world.restart(ALICE, disk, false);
    world.ingest(ALICE, BOB, vec![lost]);
    assert_eq!(world.texts(ALICE, "bob").len(), 3);
    assert!(world.chat(ALICE, BOB).parked.is_empty());
}

#[test]
fn parking_is_bounded_and_the_oldest_goes_first() {
    let mut world = World::friends(106);
    let mut bob = Author::new(&world, BOB);
    bob.say("never sent");
    let orphans: Vec<SignedEntry> = (0..MAX_PARKED_ENTRIES + 5).map(|n| bob.say(&format!("{n}"))).collect();
    world.ingest(ALICE, BOB, orphans);
    let rows = world.nodes[ALICE].disk.0.keys().filter(|(table, _)| *table == crate::tables::TableId::Parked).count();
    assert_eq!(rows, MAX_PARKED_ENTRIES);
    assert!(world.chat(ALICE, BOB).parked.evicted);
}

#[test]
fn both_branches_of_a_fork_are_kept_and_a_log_with_too_many_is_frozen() {
    let mut world = World::friends(107);
    let mut bob = Author::new(&world, BOB);
    let trunk = vec![bob.say("trunk")];
    world.ingest(ALICE, BOB, trunk);
    let mut branches: Vec<Author> = vec![bob; 5];
    for (n, branch) in branches.iter_mut().enumerate() {
        let entries = vec![branch.say(&format!("branch {n}")), branch.say(&format!("twig {n}"))];
        let taken = world.ingest(ALICE, BOB, entries);
        assert_eq!(taken.iter().all(is_stored), n < 4, "branch {n}");
    }
    let history = world.history(ALICE, "bob");
    assert_eq!(history.len(), 9);
    assert!(!history[0].restored_copy && history[1..].iter().all(|message| message.restored_copy));
    let log = world.chat(ALICE, BOB).logs.iter().find(|log| log.is_forked()).unwrap();
    assert!(log.row.frozen);
}

#[test]
fn bodies_over_the_quota_are_left_out_until_they_are_asked_for() {
    let mut world = World::friends(108);
    let mut bob = Author::new(&world, BOB);
    let words = "x".repeat(LOG_QUOTA_BYTES_PER_DAY as usize / LOG_QUOTA_ENTRIES_PER_DAY as usize);
    let entries: Vec<SignedEntry> = (0..LOG_QUOTA_ENTRIES_PER_DAY + 1).map(|_| bob.say(&words)).collect();
    let last = entries.last().unwrap().clone();
    assert!(world.ingest(ALICE, BOB, entries).iter().all(is_stored));
    let texts = world.texts(ALICE, "bob");
    assert_eq!(texts.iter().filter(|text| **text == words).count(), LOG_QUOTA_ENTRIES_PER_DAY as usize);
    assert_eq!(texts.last().unwrap(), OVER_QUOTA);
    world.now_ms += 24 * 60 * 60 * 1000;
    assert!(is_stored(&world.ingest(ALICE, BOB, vec![last])[0]));
    assert_eq!(*world.texts(ALICE, "bob").last().unwrap(), words);
    assert!(world.chat(ALICE, BOB).logs.iter().all(|log| log.row.withheld.is_empty()));
}

#[test]
fn an_unknown_kind_is_kept_and_shown_as_such() {
    let mut world = World::friends(109);
    let mut bob = Author::new(&world, BOB);
    let draft = bob.draft(33, Vec::new());
    let entry = bob.sign(draft, b"from the future".to_vec());
    assert!(is_stored(&world.ingest(ALICE, BOB, vec![entry])[0]));
    assert_eq!(world.texts(ALICE, "bob"), [crate::message::NEWER_VERSION]);
}

#[test]
fn a_clock_that_is_far_off_is_marked() {
    let mut world = World::friends(110);
    world.nodes[BOB].skew_ms = -700_000;
    world.say(BOB, "alice", "behind");
    world.run(100);
    world.nodes[BOB].skew_ms = 700_000;
    world.say(BOB, "alice", "ahead");
    world.nodes[BOB].skew_ms = 0;
    world.say(BOB, "alice", "right");
    world.run(100);
    let doubtful: Vec<bool> = world.history(ALICE, "bob").iter().map(|message| message.clock_doubtful).collect();
    assert_eq!(doubtful, [true, true, false]);
}

#[test]
fn a_late_edit_says_what_changed() {
    let mut world = World::friends(111);
    let mut bob = Author::new(&world, BOB);
    let one = bob.say("one");
    let edit = bob.write(&Body::Edit { target: target(&one), text: text("two") });
    world.ingest(ALICE, BOB, vec![one, edit]);
    let changed = world.nodes[ALICE].events.iter().find_map(|event| match event {
        Event::MessageChanged { message, change: Change::Edited } => Some(message.text.clone()),
        _ => None,
    });
    assert_eq!(changed.as_deref(), Some("two"));
}

#[test]
fn ranges_join_split_and_count() {
    let mut ranges = Vec::new();
    for seq in [5, 3, 4, 9, 8, 4] {
        row::add_to_ranges(&mut ranges, seq);
    }
    assert_eq!(ranges, [(3, 5), (8, 9)]);
    assert_eq!(row::count_in_ranges(&ranges, 4), 3);
    row::take_from_ranges(&mut ranges, 4);
    assert_eq!(ranges, [(3, 3), (5, 5), (8, 9)]);
    row::join_range(&mut ranges, 12, 20);
    row::join_range(&mut ranges, 4, 10);
    assert_eq!(ranges, [(3, 10), (12, 20)]);
}
