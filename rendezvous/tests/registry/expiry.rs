use hobnob_rendezvous::registry::{
    Caller,
    limits::{DAY_MS, HOUR_MS, SILENT_DAYS},
    view::TableId,
};
use hobnob_shared::wire::{
    ErrorCode,
    rendezvous::{NameGet, ServerFrame},
};

use crate::{cast::Person, world::World};

/// Time goes by in days: no deadline of the registry needs to be met one by one for two years.
fn days(world: &mut World, days: u32) {
    world.now_ms += u64::from(days) * DAY_MS;
    world.pass(120_000);
}

#[test]
fn an_account_that_nobody_used_for_two_years_loses_its_name() {
    let mut world = World::new();
    let (mut alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let session = world.join(&mut alice);
    let silent = world.join(&mut bob);
    world.close(session);
    world.close(silent);
    days(&mut world, 400);
    let session = world.open(alice.caller());
    world.close(session);
    days(&mut world, SILENT_DAYS - 400);
    assert_eq!(world.view.count(TableId::Names), 2);
    days(&mut world, 1);
    let guest = world.open(Caller::Guest);
    let find = |person: &Person| ServerFrame::NameGet(NameGet { name: person.name.clone(), since: None });
    assert_eq!(world.refused(guest, find(&bob)), ErrorCode::NotFound);
    assert!(matches!(world.ask(guest, find(&alice)), ServerFrame::Name(_)));
    for table in [TableId::Names, TableId::Accounts, TableId::Vaults, TableId::Usage, TableId::LastSeen] {
        assert_eq!(world.view.count(table), 1, "{table:?}");
    }
}

#[test]
fn a_clock_that_starts_years_ahead_can_still_be_set_before_anything_is_forgotten() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let mut ahead = World::new();
    (ahead.view, ahead.now_ms) = (world.view, world.now_ms + 11 * 365 * DAY_MS);
    ahead.pass(HOUR_MS - 1);
    assert_eq!(ahead.view.count(TableId::Names), 1);
    ahead.pass(1);
    assert_eq!(ahead.view.count(TableId::Names), 0, "whoever did not look has a server that is years older");
}
