//! A clock that is ten years off, and that jumps: what is said stays in order, and what waits does not wait for years.

use hobnob::api::{Command, Reply};
use hobnob_tests::nodes::{Person, befriend};

use crate::{invite, still_chatting};

/// Ten years, in ms.
const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;

/// What the two said, and whether its time is in doubt.
async fn said(at: &Person, with: &Person) -> Vec<(String, bool)> {
    let command = Command::History { chat: with.handle.clone(), limit: 100, before: None };
    match at.node.ask(command).await {
        Ok(Reply::Messages(messages)) => messages.into_iter().map(|m| (m.text, m.clock_doubtful)).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_ten_years_off_that_jump_keep_the_order_and_mark_the_times() {
    for first in [TEN_YEARS_MS, -TEN_YEARS_MS] {
        let mut alice = Person::new("alice").await;
        let mut bob = Person::new("bob").await.restart_at(first).await;
        // An invite is good for an hour, by the clocks of both.
        if first > 0 {
            befriend(&mut bob, &mut alice).await;
        } else {
            befriend(&mut alice, &mut bob).await;
        }
        let mut expected = Vec::new();
        for skew in [first, -first, 0] {
            bob = bob.restart_at(skew).await;
            let (question, answer) = (format!("what year is it? {skew}"), format!("who knows {skew}"));
            alice.say(&bob, &question).await.expect("Alice can send");
            bob.hears(&question).await;
            bob.say(&alice, &answer).await.expect("Bob can send");
            alice.hears(&answer).await;
            // Alice's own clock is right.
            expected.extend([(question, false), (answer, skew != 0)]);
        }
        assert_eq!(said(&alice, &bob).await, expected, "{first} ms");
        let order = |said: Vec<(String, bool)>| said.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(order(said(&bob, &alice).await), order(expected), "{first} ms");
        still_chatting(&mut alice, &mut bob).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_only_a_wrong_clock_calls_expired_is_refused_with_a_word_about_the_clock() {
    let alice = Person::new("alice").await;
    let bob = Person::new("bob").await.restart_at(TEN_YEARS_MS).await;
    let invite = Box::new(invite(&alice, true).await);
    let note = hobnob_shared::text::Note::parse("").expect("an empty note");
    let refused = bob.node.ask(Command::Add { invite: invite.clone(), note: note.clone() }).await.expect_err("expired");
    assert!(refused.message.contains("clock"), "{refused}");
    // Nothing was used up.
    let mut bob = bob.restart().await;
    bob.node.ask(Command::Add { invite, note }).await.expect("a good invite");
    bob.until(|event| matches!(event, hobnob::api::Event::FriendAdded(_)).then_some(())).await;
}
