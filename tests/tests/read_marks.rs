//! Worlds in which a friend has read what another machine of ours wrote while this one was off. A failing one prints its
//! seed; `WORLD_SEED=n` runs that one alone.

use hobnob_engine::command::{Command, DeliveryState};
use hobnob_tests::{
    devices::{add_device, chat, name, send},
    seeds::seeds,
    talk::befriend,
    world::{NodeIndex, World},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;
const PHONE: NodeIndex = 2;

fn state(world: &mut World, node: NodeIndex, with: NodeIndex, text: &str) -> Option<DeliveryState> {
    let shown = chat(world, node, &name(with)).into_iter().find(|message| message.text == text);
    shown.and_then(|message| message.delivery).map(|delivery| delivery.state)
}

#[test]
fn what_was_read_while_we_were_off_is_read_here_as_soon_as_it_comes() {
    for seed in seeds(20) {
        let mut world = World::new(seed, 3);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        world.run_for(10_000);
        // What the phone writes first reaches Bob, and the other machine only when it is on again: Bob says what he has read
        // as soon as there is a session, before what he has read comes.
        world.crash(ALICE);
        send(&mut world, PHONE, &name(BOB), "from the phone");
        let came = world.run_until(30_000, |world| chat(world, BOB, &name(ALICE)).len() == 1);
        assert!(came, "seed {seed}: Bob has nothing");
        assert!(world.answer(BOB, Command::MarkRead { chat: name(ALICE) }).is_ok());
        world.run_for(2_000);
        if seed % 2 == 0 {
            world.part(ALICE, PHONE);
        }
        world.start(ALICE);
        let is_here = |world: &mut World| state(world, ALICE, BOB, "from the phone").is_some();
        assert!(world.run_until(120_000, is_here), "seed {seed}: it never came");
        // Long before the two compare all they know again.
        let is_read = |world: &mut World| state(world, ALICE, BOB, "from the phone") == Some(DeliveryState::Read);
        let seen = world.run_until(2_000, is_read);
        assert!(seen, "seed {seed}: {:?}", state(&mut world, ALICE, BOB, "from the phone"));
    }
}

#[test]
fn what_a_machine_wrote_that_another_has_not_met_is_read_there_as_soon_as_it_comes() {
    for seed in seeds(20) {
        let mut world = World::new(seed, 3);
        befriend(&mut world, ALICE, BOB);
        add_device(&mut world, ALICE, PHONE);
        world.crash(ALICE);
        world.run_for(10_000);
        // The first word of the phone begins a log of which the other machine knows nothing yet.
        send(&mut world, PHONE, &name(BOB), "first word");
        let came = world.run_until(30_000, |world| chat(world, BOB, &name(ALICE)).len() == 1);
        assert!(came, "seed {seed}: Bob has nothing");
        assert!(world.answer(BOB, Command::MarkRead { chat: name(ALICE) }).is_ok());
        // Bob says what he has read at once; what he has read is slower, as it takes more than one turn.
        world.run_for(2_000);
        world.part(ALICE, PHONE);
        world.start(ALICE);
        world.run_for(1_000 + seed * 300);
        world.join(ALICE, PHONE);
        let is_here = |world: &mut World| state(world, ALICE, BOB, "first word").is_some();
        assert!(world.run_until(120_000, is_here), "seed {seed}: it never came");
        let is_read = |world: &mut World| state(world, ALICE, BOB, "first word") == Some(DeliveryState::Read);
        let seen = world.run_until(2_000, is_read);
        assert!(seen, "seed {seed}: {:?}", state(&mut world, ALICE, BOB, "first word"));
    }
}
