//! The engine alone, no disk and no network: two engines on one core. Signing and verifying are compared with all the
//! time spent in the engines.

use std::time::{Duration, Instant};

use hobnob_engine::command::Command;
use hobnob_shared::{
    id::ConversationId,
    text::MessageText,
    wire::{Body, entry::SignedEntry},
};
use hobnob_tests::{
    bare,
    talk::{befriend, handle},
    world::World,
};

/// Messages, in batches as the runtime makes them.
const MESSAGES: usize = 20_000;
const BATCH: usize = 256;

fn main() {
    let mut world = World::new(1, 2);
    befriend(&mut world, 0, 1);
    world.faults.delay_ms = 0;
    world.in_engines = Duration::ZERO;
    for batch in 0..MESSAGES / BATCH {
        for n in 0..BATCH {
            let n = batch * BATCH + n;
            let text =
                MessageText::parse(format!("bulk message {n:06}, about as long as people write")).expect("a text");
            let command = Command::Send { chat: handle(1), text, reply_to: None, action: false };
            world.ask(0, command);
        }
        // Sent, received, and receipted.
        world.run_for(50);
        world.nodes.iter_mut().for_each(|node| {
            node.events.clear();
            node.replies.clear();
        });
    }
    let ours = world.in_engines;
    let (sign, verify) = bare_crypto();
    let share = (sign + verify).as_secs_f64() / ours.as_secs_f64();
    let each = ours / (MESSAGES as u32);
    println!(
        "engine: {each:.1?} of CPU a message at both ends; signing {:.1?}, verify_strict {:.1?}",
        sign / MESSAGES as u32,
        verify / MESSAGES as u32
    );
    println!(
        "engine: signing and verifying are {:.0} % of it (goal: at least 70 %: {})",
        share * 100.0,
        if share >= 0.7 { "met" } else { "MISSED" }
    );
}

/// The same number of messages signed and verified, with nothing around it.
fn bare_crypto() -> (Duration, Duration) {
    let mut rng = bare::rng(1);
    let keys = hobnob_shared::identity::DeviceKeys::generate(&mut rng);
    let mut chain = bare::Chain::new(keys.id(), ConversationId::new([7; 32]));
    let text = MessageText::parse("bulk message 000000, about as long as people write").expect("a text");
    let body = Body::Text { text, reply: None, action: false, forwarded: false };
    let entries: Vec<SignedEntry> = (0..MESSAGES).map(|_| chain.write(&body, &keys, &mut rng)).collect();
    let start = Instant::now();
    for entry in &entries {
        std::hint::black_box(keys.sign("hobnob/entry/1", &entry.header));
    }
    let sign = start.elapsed();
    let key = keys.verifying_key();
    let start = Instant::now();
    for entry in &entries {
        let message = [b"hobnob/entry/1".as_slice(), &entry.header].concat();
        let signature = ed25519_dalek::Signature::from_bytes(&entry.signature);
        key.verify_strict(&message, &signature).expect("our own signature");
    }
    (sign, start.elapsed())
}
