//! Two real nodes on loopback: latency from typed to shown, and throughput with every message stored at both ends and
//! receipted. Both are compared with the bare work in the same run.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use hobnob::api::{Command, DeliveryState, Event, Reply};
use hobnob_engine::{tables::TableId, work::Records};
use hobnob_shared::{
    id::{ConversationId, DeviceId},
    identity::DeviceKeys,
    text::MessageText,
    wire::{Body, entry::SignedEntry},
};
use hobnob_store::{Store, StoreKey};
use hobnob_tests::{
    bare,
    nodes::{Person, befriend},
};

/// Messages sent one by one for the latency.
const SINGLE: usize = 500;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(25);
/// Messages sent as fast as the node takes them.
const BULK: usize = 20_000;
/// Calls under way at once.
const IN_FLIGHT: usize = 512;
/// Messages that share a commit in the bare loop: as many as in the runtime.
const BATCH: usize = 256;

fn main() {
    let runtime = hobnob::api::async_runtime().expect("a runtime");
    runtime.block_on(async {
        let mut alice = Person::new("alice").await;
        let mut bob = Person::new("bob").await;
        befriend(&mut alice, &mut bob).await;
        latency(&alice, &mut bob).await;
        throughput(&mut alice, &mut bob).await;
        alice.node.shutdown().await;
        bob.node.shutdown().await;
    });
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn latency(alice: &Person, bob: &mut Person) {
    let mut bare = bare::CommitsOfMessages::new();
    let (mut shown, mut commits) = (Vec::new(), Vec::new());
    for n in 0..SINGLE {
        // Neither shares the disk with the receipt of what was before it, and both wake an idle machine.
        tokio::time::sleep(PAUSE).await;
        let words = format!("message number {n}");
        let start = Instant::now();
        alice.say(bob, &words).await.expect("sent");
        bob.hears(&words).await;
        shown.push(start.elapsed());
        tokio::time::sleep(PAUSE).await;
        commits.push(bare.next_message());
    }
    let (shown, commits) = (median(shown), median(commits));
    let overhead = shown.saturating_sub(commits);
    println!(
        "latency: typed to shown {shown:.2?} (median of {SINGLE}); its two commits {commits:.2?}; the rest {overhead:.2?}"
    );
    println!(
        "latency: goal: the rest at most 1 ms: {}",
        if overhead <= Duration::from_millis(1) { "met" } else { "MISSED" }
    );
}

async fn throughput(alice: &mut Person, bob: &mut Person) {
    let start = Instant::now();
    let node = alice.node.clone();
    let chat = bob.handle.clone();
    let sender = tokio::spawn(async move {
        let mut answers = VecDeque::new();
        for n in 0..BULK {
            let words = format!("bulk message {n:06}, about as long as people write");
            let text = MessageText::parse(words).expect("a text");
            let command = Command::Send { chat: chat.clone(), text, reply_to: None, action: false };
            answers.push_back(node.submit(command).await);
            if answers.len() == IN_FLIGHT {
                let _sent = answers.pop_front().expect("one").await.expect("sent");
            }
        }
        match answers.pop_back().expect("messages").await {
            Ok(Reply::Sent(message)) => message.number,
            other => panic!("{other:?}"),
        }
    });
    let mut next = 0;
    bob.until(|event| {
        match event {
            Event::Message(message) if message.text.starts_with("bulk") => {
                assert_eq!(message.text[13..19].parse::<usize>().ok(), Some(next), "order");
                next += 1;
            }
            Event::Missed(n) => panic!("the bench was too slow for {n} events"),
            _ => {}
        }
        (next == BULK).then_some(())
    })
    .await;
    let number = sender.await.expect("joined");
    loop {
        let done = alice.until(|event| match event {
            Event::MessageState { number: n, delivery, .. } if *n == number => {
                Some(delivery.state >= DeliveryState::Delivered)
            }
            Event::Missed(_) => Some(false),
            _ => None,
        });
        if done.await {
            break;
        }
        // The state came while we were behind: ask.
        let Ok(Reply::Outbox { queued, .. }) = alice.node.ask(Command::Outbox).await else { panic!("no outbox") };
        if queued.is_empty() {
            break;
        }
    }
    let ours = BULK as f64 / start.elapsed().as_secs_f64();
    let bare = bare_loop();
    let ratio = ours / bare;
    println!(
        "throughput: {ours:.0} messages/s stored at both ends and receipted; bare loop {bare:.0}/s; ratio {ratio:.2}"
    );
    println!("throughput: goal: ratio at least 0.50: {}", if ratio >= 0.5 { "met" } else { "MISSED" });
}

/// Signs, verifies, encrypts, decrypts and commits the same messages, batch by batch, with nothing around it.
fn bare_loop() -> f64 {
    let mut rng = bare::rng(1);
    let keys = DeviceKeys::generate(&mut rng);
    let device: DeviceId = keys.id();
    let conversation = ConversationId::new([7; 32]);
    let (mut here, mut there) = bare::session(&mut rng);
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = Store::create(dir.path(), &StoreKey::new(zeroize::Zeroizing::new([1; 32]))).expect("a store");
    let start = Instant::now();
    let mut chain = bare::Chain::new(keys.id(), conversation);
    for batch in 0..BULK / BATCH {
        let mut records = Records::new();
        for n in 0..BATCH {
            let n = batch * BATCH + n;
            let text =
                MessageText::parse(format!("bulk message {n:06}, about as long as people write")).expect("a text");
            let entry: SignedEntry =
                chain.write(&Body::Text { text, reply: None, action: false, forwarded: false }, &keys, &mut rng);
            let mut chunks = Vec::new();
            here.seal(&hobnob_shared::codec::encode(&entry), &mut chunks).expect("sealed");
            for chunk in chunks {
                for frame in there.open(&chunk).expect("opened") {
                    let entry: SignedEntry = hobnob_shared::codec::decode(&frame, 1 << 16).expect("an entry");
                    entry.check(&device).expect("a good entry");
                    records.insert((TableId::Entries, (n as u64).to_be_bytes().to_vec()), Some(frame));
                }
            }
        }
        store.commit(&records).expect("committed");
    }
    (BULK / BATCH * BATCH) as f64 / start.elapsed().as_secs_f64()
}
