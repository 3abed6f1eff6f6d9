#![allow(clippy::unwrap_used, reason = "tests")]

use hobnob_shared::identity::{AccountKey, AccountRecord, Profile};
use rand_core::SeedableRng as _;

use super::*;

fn record(key: &AccountKey, seq: u64, prev: Option<[u8; 32]>) -> SignedRecord {
    let profile = Profile { nick: Nickname::parse("Alice").unwrap(), bio: Note::parse("").unwrap() };
    let (account, devices, revoked) = (key.id(), vec![[seq as u8; 32]], Vec::new());
    key.sign_record(&AccountRecord { seq, prev, account, devices, revoked, profile })
}

#[test]
fn what_leads_up_to_a_chain_that_began_late_is_put_before_it() {
    let key = AccountKey::generate(&mut rand_chacha::ChaCha20Rng::from_seed([1; 32]));
    let mut all = vec![record(&key, 1, None)];
    for seq in 2..=40 {
        all.push(record(&key, seq, Some(all.last().unwrap().hash())));
    }
    let (_, mut late) = AccountRow::begin(&all[38..]).unwrap();
    assert!(!late.learn_past(&all[..36]), "there is a gap");
    assert!(late.learn_past(&all[30..]) && !late.learn_past(&all[30..]));
    assert_eq!(late.known(), Some((40, all[39].hash())));
    let mut friend = AccountRow::default();
    assert_eq!(friend.learn_records(&key.id(), &all[..32]), Chain::Grown);
    assert_eq!(friend.learn_records(&key.id(), &late.payloads(friend.known()).pop().unwrap().records), Chain::Grown);
    assert_eq!(friend.known(), late.known());
    // Others keep the latest ones only.
    assert_eq!(friend.recent(), all[39 - MAX_PAST_RECORDS..]);
}

#[test]
fn a_chain_that_begins_late_counts_the_record_that_it_follows_as_held() {
    let key = AccountKey::generate(&mut rand_chacha::ChaCha20Rng::from_seed([1; 32]));
    let first = record(&key, 1, None);
    let second = record(&key, 2, Some(first.hash()));
    let mut late = AccountRow::default();
    assert_eq!(late.learn_records(&key.id(), std::slice::from_ref(&second)), Chain::Grown);
    assert!(late.holds(&second.hash()) && late.holds(&first.hash()));
    assert!(!late.holds(&record(&key, 1, Some([9; 32])).hash()));

    // Whoever knows the first record is shown the second, and takes it.
    let mut friend = AccountRow::default();
    friend.learn_records(&key.id(), std::slice::from_ref(&first));
    let shown = late.payloads(friend.known()).pop().unwrap().records;
    assert_eq!(friend.learn_records(&key.id(), &shown), Chain::Grown);
}
