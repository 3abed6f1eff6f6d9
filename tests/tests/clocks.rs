//! Nodes whose clocks are ten years off, with a real rendezvous: what does not work is said, and nothing is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use hobnob::{
    account::{self, Registration, password::StrongPassword},
    api::{Command, DeliveryState, Event, Queued, Reply},
};
use hobnob_shared::text::Username;
use hobnob_tests::{
    house::House,
    nodes::{DEADLINE, Person, befriend},
};
use zeroize::Zeroizing;

const TEN_YEARS_MS: i64 = 3652 * 24 * 3_600_000;

/// A person with a name there, and this clock.
async fn person(name: &str, house: &House, skew_ms: i64) -> Person {
    let person = Person::new(name).await.restart_at(skew_ms).await;
    let address = Box::new(house.address.clone());
    person.node.ask(Command::SetRendezvous { address, used: true }).await.unwrap();
    let text = Zeroizing::new("correct battery horse stapler".to_owned());
    let name = Username::parse(name).unwrap();
    let password = StrongPassword::parse(&text, &name).unwrap();
    let (key, server) =
        (person.node.account_key(None).await.unwrap(), account::server(&person.node, None).await.unwrap());
    let wish = Registration { name, server, password, code: None, key };
    account::register(&person.node, wish, &|_| {}).await.unwrap();
    person
}

async fn warned(person: &mut Person) -> String {
    let warning = |event: &Event| match event {
        Event::Warning { message, .. } if message.contains("clock") => Some(message.clone()),
        _ => None,
    };
    person.until(warning).await
}

async fn outbox(person: &Person) -> Vec<Queued> {
    let Ok(Reply::Outbox { queued, .. }) = person.node.ask(Command::Outbox).await else { panic!("no outbox") };
    queued
}

/// They hear each other twice: what a rendezvous answered before is told by then.
async fn meet(alice: &mut Person, bob: &mut Person) {
    for words in ["while we meet", "and still"] {
        alice.say(bob, words).await.unwrap();
        bob.hears(words).await;
        bob.say(alice, words).await.unwrap();
        alice.hears(words).await;
    }
}

/// Goes away, and is there again when the other has done this.
async fn away<T>(person: Person, skew_ms: i64, meanwhile: impl Future<Output = T>) -> (Person, T) {
    let (handle, dir) = (person.handle.clone(), person.dir);
    person.node.shutdown().await;
    drop((person.node, person.events));
    let done = meanwhile.await;
    (Person::start_at(handle, dir, skew_ms).await, done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_ahead_takes_mail_keys_for_expired_and_the_message_waits_here() {
    let house = House::new().await;
    let mut alice = person("alice", &house, TEN_YEARS_MS).await;
    let told = warned(&mut alice).await;
    assert!(told.contains("days apart") && told.contains("set the clock of this machine"), "{told}");
    let mut bob = person("bob", &house, 0).await;
    befriend(&mut alice, &mut bob).await;
    house.wait_mailboxes(2).await;
    meet(&mut alice, &mut bob).await;
    let bobs = bob.handle.clone();
    let ((mut bob, why), alice) = {
        let waiting = async {
            let text = hobnob_shared::text::MessageText::parse("while you are away").unwrap();
            alice.node.ask(Command::Send { chat: bobs, text, reply_to: None, action: false }).await.unwrap();
            let deadline = tokio::time::Instant::now() + DEADLINE;
            loop {
                let queued = outbox(&alice).await;
                assert_eq!(queued[0].message.delivery.unwrap().state, DeliveryState::Queued);
                if queued[0].why.contains("expired") {
                    return queued[0].why.clone();
                }
                assert!(tokio::time::Instant::now() < deadline, "{}", queued[0].why);
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        (away(bob, 0, waiting).await, alice)
    };
    assert!(why.contains("the key that mail to them is sealed with has expired"), "{why}");
    bob.hears("while you are away").await;
    alice.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_behind_is_told_of_and_mail_goes_all_the_same() {
    let house = House::new().await;
    let mut alice = person("alice", &house, -TEN_YEARS_MS).await;
    let told = warned(&mut alice).await;
    assert!(told.contains("days apart"), "{told}");
    let mut bob = person("bob", &house, 0).await;
    befriend(&mut bob, &mut alice).await;
    house.wait_mailboxes(2).await;
    meet(&mut alice, &mut bob).await;
    let bobs = bob.handle.clone();
    let waiting = async {
        let text = hobnob_shared::text::MessageText::parse("while you are away").unwrap();
        alice.node.ask(Command::Send { chat: bobs, text, reply_to: None, action: false }).await.unwrap();
        let stored = |event: &Event| match event {
            Event::MessageState { delivery, .. } if delivery.state == DeliveryState::Stored => Some(()),
            _ => None,
        };
        alice.until(stored).await;
    };
    let (mut bob, ()) = away(bob, 0, waiting).await;
    alice.node.shutdown().await;
    bob.hears("while you are away").await;
}
