//! Worlds in which a machine was linked to an account that has a name at a rendezvous: it needs no password there. A failing
//! one prints its seed; `WORLD_SEED=n` runs that one alone.

use hobnob_engine::{
    command::{Command, Presence, Reply, ServerState},
    event::Event,
};
use hobnob_shared::text::Username;
use hobnob_tests::{
    apart::presence,
    devices::{add_device, agree, name, send},
    seeds::seeds,
    talk::befriend,
    world::{NodeIndex, World, username},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;
const PHONE: NodeIndex = 3;

#[test]
fn a_linked_device_has_the_name_without_a_password_and_works_through_the_rendezvous() {
    for seed in seeds(14) {
        let mut world = World::new(seed, 4);
        let server = world.add_server();
        befriend(&mut world, ALICE, BOB);
        world.register(BOB, server);
        let is_named_first = seed % 2 == 0;
        if is_named_first {
            world.register(ALICE, server);
        }
        add_device(&mut world, ALICE, PHONE);
        if !is_named_first {
            world.register(ALICE, server);
        }
        let is_up = |world: &mut World| name_at(world, PHONE) == Some((username(ALICE), ServerState::Up));
        assert!(world.run_until(60_000, is_up), "seed {seed}: {:?}", name_at(&mut world, PHONE));
        world.run_for(20_000);
        // From now on it meets nobody but the rendezvous.
        for other in [ALICE, BOB] {
            world.part(PHONE, other);
        }
        world.part(ALICE, BOB);
        world.run_for(70_000);
        assert_eq!(presence(&mut world, PHONE, &name(BOB)).0, Presence::Online, "seed {seed}");
        send(&mut world, PHONE, &name(BOB), "from the phone");
        send(&mut world, BOB, &name(ALICE), "to all of you");
        let ends = vec![(ALICE, name(BOB)), (PHONE, name(BOB)), (BOB, name(ALICE))];
        assert!(world.run_until(120_000, |world| agree(world, &ends)), "seed {seed}");
        // Nothing is said of a vault that it cannot open, and after a start all is as before.
        world.crash(PHONE);
        world.start(PHONE);
        assert!(world.run_until(60_000, is_up), "seed {seed}");
        let is_warning = |event: &&Event| matches!(event, Event::Warning { .. });
        assert_eq!(world.nodes[PHONE].events.iter().find(is_warning), None, "seed {seed}");
        // Whoever logs out there stays out.
        world.log_out(PHONE, server);
        world.heal();
        world.crash(ALICE);
        world.start(ALICE);
        world.run_for(120_000);
        assert_eq!(name_at(&mut world, PHONE), None, "seed {seed}");
    }
}

/// The name that a node has at the rendezvous, and how it goes with it.
fn name_at(world: &mut World, node: NodeIndex) -> Option<(Username, ServerState)> {
    match world.answer(node, Command::Servers) {
        Ok(Reply::Servers(servers)) => servers.into_iter().find_map(|it| Some((it.name?, it.state))),
        other => panic!("seed {}: {other:?}", world.seed),
    }
}
