//! Worlds in which friends see each other through a rendezvous only. A failing one prints its seed; `WORLD_SEED=n` runs
//! that one alone.

use hobnob_engine::command::{Command, Presence, Reply};
use hobnob_shared::text::Note;
use hobnob_tests::{
    apart::{People, presence},
    devices::name,
    seeds::seeds,
    talk::befriend,
    world::{Faults, NodeIndex, World},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;
const CAROL: NodeIndex = 2;

/// Somebody of whom nothing is heard is offline to friends after this long, in ms.
const OFFLINE_MS: u64 = 45_000;

/// Friends with names at a rendezvous, who reach each other no more.
fn apart(seed: u64, devices: &[usize]) -> (World, People) {
    let (mut world, people) = People::gather(seed, devices);
    people.separate(&mut world);
    // Longer than it takes to see that the other is not reached any more.
    world.run_for(70_000);
    (world, people)
}

fn show(world: &mut World, node: NodeIndex, state: Presence, text: &str) {
    let text = Some(Note::parse(text).unwrap());
    assert!(world.answer(node, Command::SetPresence { presence: Some(state), text }).is_ok());
}

#[test]
fn every_change_is_seen_by_friends_in_seconds_and_invisible_is_offline() {
    for seed in seeds(14) {
        let (mut world, people) = apart(seed, &[1, 1, 1]);
        for round in 0..12 {
            let node = world.below(3) as usize;
            let states = [Presence::Online, Presence::Away, Presence::Busy, Presence::Invisible];
            let state = states[world.below(4) as usize];
            let text = format!("round {round}");
            show(&mut world, node, state, &text);
            let pause = 2_000 + world.below(200_000);
            world.run_for(pause);
            let expected =
                if state == Presence::Invisible { (Presence::Offline, String::new()) } else { (state, text.clone()) };
            for other in people.all().into_iter().filter(|other| *other != node) {
                let seen = presence(&mut world, other, &name(node));
                assert_eq!(seen, expected, "seed {seed}: round {round}, {node} at {other}");
            }
        }
    }
}

#[test]
fn whoever_freezes_or_dies_is_offline_within_45_seconds_and_comes_back() {
    for seed in seeds(14) {
        let (mut world, people) = apart(seed, [&[1, 1][..], &[1, 2]][seed as usize % 2]);
        assert_eq!(presence(&mut world, ALICE, &name(BOB)).0, Presence::Online, "seed {seed}");
        let pause = world.below(120_000);
        world.run_for(pause);
        for node in &people.0[BOB] {
            if seed % 4 < 2 { world.nodes[*node].frozen = true } else { world.crash(*node) }
        }
        world.run_for(OFFLINE_MS);
        assert_eq!(presence(&mut world, ALICE, &name(BOB)).0, Presence::Offline, "seed {seed}");
        for node in &people.0[BOB] {
            world.nodes[*node].frozen = false;
            world.start(*node);
        }
        let is_back = |world: &mut World| presence(world, ALICE, &name(BOB)).0 == Presence::Online;
        assert!(world.run_until(60_000, is_back), "seed {seed}: not seen again");
    }
}

#[test]
fn whoever_logs_out_or_gives_their_name_up_is_offline_in_seconds() {
    for seed in seeds(8) {
        let (mut world, _) = apart(seed, &[1, 2, 1]);
        let is_given_up = seed % 2 == 0;
        if is_given_up {
            world.unregister(BOB, 0);
        } else {
            // His other device is there without it.
            world.log_out(3, 0);
            world.run_for(2_000);
            assert_eq!(presence(&mut world, ALICE, &name(BOB)).0, Presence::Online, "seed {seed}");
            world.log_out(BOB, 0);
        }
        world.run_for(2_000);
        for node in [ALICE, CAROL] {
            assert_eq!(presence(&mut world, node, &name(BOB)).0, Presence::Offline, "seed {seed}: at {node}");
        }
    }
}

#[test]
fn a_rendezvous_that_crashes_is_not_seen_as_everybody_leaving_for_good() {
    for seed in seeds(14) {
        let (mut world, people) = apart(seed, &[1, 1, 1]);
        world.faults = Faults { crash_server: 60, break_link: 120, delay_ms: 100, ..Faults::default() };
        world.run_for(600_000);
        world.calm();
        // Until nothing that crashed is still to start by itself.
        world.run_for(120_000);
        let pairs: Vec<_> = people.pairs().into_iter().flat_map(|(one, other)| [(one, other), (other, one)]).collect();
        let sees = |world: &mut World, (at, of): (NodeIndex, NodeIndex)| presence(world, at, &name(of)).0;
        let is_well = |world: &mut World| pairs.iter().all(|pair| sees(world, *pair) == Presence::Online);
        // After many failures the rendezvous is tried again every ten minutes.
        let is_well_again = world.run_until(660_000, is_well);
        assert!(
            is_well_again,
            "seed {seed}: {:?}",
            pairs.iter().map(|pair| sees(&mut world, *pair)).collect::<Vec<_>>()
        );
        // It is gone for good: nobody shows what they cannot know.
        world.crash_server(0);
        world.run_for(150_000);
        assert_eq!(presence(&mut world, ALICE, &name(BOB)).0, Presence::Offline, "seed {seed}");
    }
}

#[test]
fn only_friends_see_and_whoever_is_removed_or_blocked_sees_nothing_after() {
    for seed in seeds(14) {
        let mut world = World::new(seed, 3);
        let server = world.add_server();
        befriend(&mut world, ALICE, BOB);
        befriend(&mut world, BOB, CAROL);
        (0..3).for_each(|node| world.register(node, server));
        world.run_for(10_000);
        for (one, other) in [(ALICE, BOB), (BOB, CAROL), (ALICE, CAROL)] {
            world.part(one, other);
        }
        world.run_for(70_000);
        show(&mut world, BOB, Presence::Busy, "work");
        world.run_for(2_000);
        for node in [ALICE, CAROL] {
            assert_eq!(presence(&mut world, node, &name(BOB)), (Presence::Busy, "work".into()), "seed {seed}");
        }
        assert_eq!(presence(&mut world, CAROL, &name(ALICE)).0, Presence::Offline, "seed {seed}: no friend");
        let chat = name(ALICE);
        let command = if seed % 2 == 0 { Command::Remove { chat } } else { Command::Block { chat } };
        assert!(world.answer(BOB, command).is_ok(), "seed {seed}");
        world.run_for(OFFLINE_MS);
        assert_eq!(presence(&mut world, ALICE, &name(BOB)).0, Presence::Offline, "seed {seed}");
        // Those who stayed friends still see, once they are told where by mail; those who did not never do.
        let sees = |world: &mut World| presence(world, CAROL, &name(BOB)).0 == Presence::Busy;
        assert!(world.run_until(60_000, sees), "seed {seed}");
        for state in [Presence::Away, Presence::Online, Presence::Busy] {
            show(&mut world, BOB, state, "secret");
            world.run_for(100_000);
            assert_eq!(presence(&mut world, CAROL, &name(BOB)), (state, "secret".into()), "seed {seed}");
            assert_eq!(presence(&mut world, ALICE, &name(BOB)), (Presence::Offline, String::new()), "seed {seed}");
        }
    }
}

#[test]
fn a_clock_ten_years_off_shows_nobody_who_is_not_there() {
    const TEN_YEARS_MS: i64 = 315_360_000_000;
    for seed in seeds(12) {
        let (mut world, people) = People::gather(seed, &[1, 1, 1]);
        let skew = [TEN_YEARS_MS, -TEN_YEARS_MS][seed as usize % 2];
        if seed % 4 < 2 {
            world.nodes[BOB].skew_ms = skew
        } else {
            world.servers[0].skew_ms = skew
        }
        people.separate(&mut world);
        for node in people.all() {
            world.crash(node);
        }
        people.all().into_iter().for_each(|node| world.start(node));
        world.run_for(200_000);
        if seed % 4 < 2 {
            assert_eq!(presence(&mut world, ALICE, &name(CAROL)).0, Presence::Online, "seed {seed}: both are right");
        }
        for node in [BOB, CAROL] {
            world.nodes[node].frozen = true;
        }
        world.run_for(OFFLINE_MS);
        for node in [BOB, CAROL] {
            assert_eq!(presence(&mut world, ALICE, &name(node)).0, Presence::Offline, "seed {seed}");
        }
    }
}

/// How a machine shows itself, as it says.
fn own(world: &mut World, node: NodeIndex) -> (Presence, String) {
    match world.answer(node, Command::WhoAmI) {
        Ok(Reply::WhoAmI(me)) => (me.presence, me.presence_text.as_str().to_owned()),
        other => panic!("seed {}: {other:?}", world.seed),
    }
}

#[test]
fn what_a_person_chooses_at_one_machine_is_shown_by_all_of_them() {
    const PHONE: NodeIndex = 2;
    // Longer than it takes to reach, or to see as gone, whoever comes or goes, and to fetch what lies at the rendezvous.
    const SOON_MS: u64 = 700_000;
    let states = [Presence::Online, Presence::Away, Presence::Busy, Presence::Invisible];
    for seed in seeds(16) {
        let (mut world, people) = People::gather(seed, &[2, 1]);
        if seed % 2 == 0 {
            people.separate(&mut world);
            world.run_for(70_000);
        }
        if seed % 4 == 0 {
            people.isolate(&mut world);
        }
        for round in 0..8 {
            let (one, other) = [(ALICE, PHONE), (PHONE, ALICE)][world.below(2) as usize];
            let mut choices = vec![(states[world.below(4) as usize], format!("{round}"))];
            // Both are on, or the other one comes later, or both choose at once.
            let turn = world.below(3);
            if turn == 1 {
                world.crash(other);
            }
            show(&mut world, one, choices[0].0, &choices[0].1);
            if turn == 2 {
                choices.push((states[world.below(4) as usize], format!("{round} too")));
                show(&mut world, other, choices[1].0, &choices[1].1);
            }
            if turn == 1 {
                let pause = 1_000 + world.below(100_000);
                world.run_for(pause);
                world.start(other);
            }
            let agrees = |world: &mut World| {
                let chosen = own(world, one);
                choices.contains(&chosen) && own(world, other) == chosen
            };
            let agreed = world.run_until(SOON_MS, agrees);
            let owns = (own(&mut world, one), own(&mut world, other));
            assert!(agreed, "seed {seed}, round {round}, turn {turn}: {choices:?} and {owns:?}");
            let (state, text) = owns.0;
            let shown = if state == Presence::Invisible { (Presence::Offline, String::new()) } else { (state, text) };
            let is_seen = |world: &mut World| presence(world, BOB, &name(ALICE)) == shown;
            let seen = world.run_until(SOON_MS, is_seen);
            assert!(seen, "seed {seed}, round {round}: {shown:?} and {:?}", presence(&mut world, BOB, &name(ALICE)));
            for _ in 0..20 {
                world.run_for(10_000);
                assert_eq!(presence(&mut world, BOB, &name(ALICE)), shown, "seed {seed}, round {round}: it changes");
            }
        }
    }
}
