//! Logs with two ends: told by a liar, or by an honest node whose folder was put back from a copy.

use std::{fs, path::Path};

use hobnob::api::{Command, Message, Reply};
use hobnob_shared::{
    text::Handle,
    wire::{Frame, Frontier},
};
use hobnob_tests::{
    nodes::{Person, befriend},
    talk,
};

use crate::{stage, still_chatting};

async fn history(at: &Person, chat: &Handle) -> Vec<Message> {
    match at.node.ask(Command::History { chat: chat.clone(), limit: 1000, before: None }).await {
        Ok(Reply::Messages(messages)) => messages,
        other => panic!("{other:?}"),
    }
}

/// Each text, and whether it is marked as coming from a copy.
fn marked(messages: &[Message]) -> Vec<(&str, bool)> {
    messages.iter().map(|message| (message.text.as_str(), message.restored_copy)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_of_a_forked_log_are_kept_marked_and_told_to_whoever_compares() {
    let (mut alice, mut bob, mut mallory) = stage(80).await;
    let trunk = mallory.text("trunk");
    let chain = mallory.chain.clone();
    let left = mallory.text("left");
    let grown = mallory.chain.clone();
    mallory.chain = chain;
    let right = mallory.text("right");
    mallory.push(vec![trunk, left, right]);
    assert!(mallory.is_welcome().await);
    let chat = talk::handle(3);
    let mut kept = history(&alice, &chat).await;
    assert_eq!(kept[0].text, "trunk");
    kept[1..].sort_by(|one, other| one.text.cmp(&other.text));
    assert_eq!(marked(&kept), [("trunk", false), ("left", true), ("right", true)]);
    // Either end grows on.
    mallory.chain = grown;
    let leaf = mallory.text("leaf");
    mallory.push(vec![leaf]);
    assert!(mallory.is_welcome().await);
    assert_eq!(history(&alice, &chat).await.len(), 4);
    // Whoever compares is told of both.
    let conversation = mallory.conversation;
    let device = mallory.identity.device_keys.id();
    mallory.send(&Frame::Frontier(Frontier { conversation, full: true, items: Vec::new() }));
    let ends = mallory.until(|frame| match frame {
        Frame::Frontier(frontier) => {
            let hers = frontier.items.iter().filter(|item| item.log.is_of(&device));
            let ends: Vec<u64> = hers.map(|item| item.seq).collect();
            (!ends.is_empty()).then_some(ends)
        }
        _ => None,
    });
    let mut ends = ends.await;
    ends.sort_unstable();
    // The accept is her first entry, the trunk her second.
    assert_eq!(ends, [3, 4]);
    // A restart forgets neither.
    drop(mallory);
    alice = alice.restart().await;
    assert_eq!(history(&alice, &chat).await.len(), 4);
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_put_back_and_written_to_alone_converges_with_everything_kept() {
    let (mut alice, mut bob) = (Person::new("alice").await, Person::new("bob").await);
    befriend(&mut alice, &mut bob).await;
    bob.say(&alice, "one").await.expect("Bob can send");
    alice.hears("one").await;
    let Person { handle, node, dir, .. } = bob;
    node.shutdown().await;
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(dir.path(), copy.path());
    let bob = Person::start(handle.clone(), dir).await;
    for words in ["two", "three"] {
        bob.say(&alice, words).await.expect("Bob can send");
        alice.hears(words).await;
    }
    bob.node.shutdown().await;
    // Nobody is there who knows better when he writes on the copy.
    let Person { handle: alice_handle, node, dir: alice_dir, .. } = alice;
    node.shutdown().await;
    let bob = Person::start(handle.clone(), copy).await;
    let send = |words: &str| Command::Send {
        chat: alice_handle.clone(),
        text: talk::text(words),
        reply_to: None,
        action: false,
    };
    bob.node.ask(send("alone")).await.expect("Bob can send");
    let mut alice = Person::start(alice_handle.clone(), alice_dir).await;
    alice.hears("alone").await;
    let mut bob = bob;
    let both = tokio::time::timeout(hobnob_tests::nodes::DEADLINE, async {
        while history(&bob, &alice_handle).await.len() < 4 {
            bob.events.next().await.expect("the node runs");
        }
    });
    both.await.expect("Bob gets back what Alice has of his");
    let (at_alice, at_bob) = (history(&alice, &handle).await, history(&bob, &alice_handle).await);
    let entries = |messages: &[Message]| messages.iter().map(|message| message.entry).collect::<Vec<_>>();
    assert_eq!(entries(&at_alice), entries(&at_bob));
    let mut kept = marked(&at_alice);
    kept.sort_unstable();
    assert_eq!(kept, [("alone", true), ("one", false), ("three", true), ("two", true)]);
    still_chatting(&mut alice, &mut bob).await;
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir(&to).expect("a folder");
            copy_folder(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a copy");
        }
    }
}
