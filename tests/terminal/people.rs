//! People who meet without a link, and messages that go away: what each of them sees.

use crate::{
    cast::{be_friends, friends, spaced},
    screen::Terminal,
};

#[test]
fn two_friends_who_are_introduced_chat() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut alice, mut bob) = friends(100, &dir);
    let mut carol = Terminal::chatting(100, "carol", &dir);
    be_friends(&mut alice, "alice", &mut carol, "carol");
    alice.enters("/introduce @bob @carol");
    bob.sees("“carol”");
    carol.sees("“bob”");
    for person in [&mut bob, &mut carol] {
        person.sees("is introduced by @alice");
        person.sees("/accept 1 or /decline 1");
        person.enters("/accept 1");
    }
    bob.sees("@carol is online");
    carol.sees("@bob is online");
    bob.enters("@carol Alice says we should talk");
    carol.sees("bob: Alice says we should talk");
    carol.enters("@bob gladly");
    bob.sees("carol: gladly");
}

#[test]
fn what_disappears_is_gone_from_both_histories_and_nothing_else_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut alice, mut bob) = friends(100, &dir);
    alice.enters("@bob this one stays");
    bob.sees("this one stays");
    alice.enters("/expire @bob 1s");
    alice.sees("messages with @bob disappear after 1s");
    bob.sees("@alice lets messages between you disappear after 1s");
    alice.enters("@bob this one goes");
    bob.sees("this one goes");
    bob.enters("@alice and so does this");
    alice.sees("and so does this");
    for (person, friend) in [(&mut alice, "@bob"), (&mut bob, "@alice")] {
        let history = person.history_without(friend, &["this one goes", "so does this"]);
        assert!(history.contains("this one stays"), "{history}");
    }
}

#[test]
fn pairing_by_address_alone_ends_with_the_same_words_on_both_screens() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut alice = Terminal::chatting(100, "alice", &dir);
    let mut bob = Terminal::chatting(100, "bob", &dir);
    let address = address_of(&mut bob);
    // A node that is not in pairing mode keeps quiet to strangers.
    alice.enters("/nearby on");
    alice.sees("pairing mode is on");
    alice.enters(&format!("/connect {address}"));
    alice.sees("is not in pairing mode; /nearby on");
    bob.enters("/nearby on");
    bob.sees("pairing mode is on");
    alice.enters(&format!("/connect {address}"));
    alice.sees("near you: “bob”; /add bob asks them");
    bob.sees("near you: “alice”; /add alice asks them");
    befriend_near(&mut alice, &mut bob);

    alice.enters("/verify @bob");
    let ours = words_behind(&alice.sees("or this number:"), "either these words:");
    let theirs = words_behind(&bob.sees("Your words:"), "Your words:");
    assert_eq!(ours, theirs);
    alice.enters("/verify @bob yes");
    alice.sees("@bob is verified");
    bob.enters("/verify @alice yes");
    bob.sees("@alice is verified");
}

/// Alice asks by name, Bob accepts, and they chat.
pub(crate) fn befriend_near(alice: &mut Terminal, bob: &mut Terminal) {
    alice.enters("/add bob it is me");
    bob.sees("is near, and writes “it is me”");
    bob.sees("/accept 1");
    bob.enters("/accept 1");
    alice.sees("@bob is online");
    bob.sees("@alice is online");
    alice.enters("@bob so close");
    bob.sees("alice: so close");
    bob.enters("@alice and yet so far");
    alice.sees("bob: and yet so far");
}

/// `IP:PORT` from what a person reads in `/whoami`.
fn address_of(person: &mut Terminal) -> String {
    person.enters("/whoami");
    let screen = person.sees("listens on /ip4/127.0.0.1/tcp/");
    let port = screen.split("/ip4/127.0.0.1/tcp/").nth(1).expect("a port");
    format!("127.0.0.1:{}", port.chars().take_while(char::is_ascii_digit).collect::<String>())
}

/// The three safety words that follow these words.
fn words_behind(screen: &str, words: &str) -> Vec<String> {
    let screen = spaced(screen);
    let behind = screen.split(words).nth(1).unwrap_or_else(|| panic!("no {words:?} in {screen}"));
    behind.split_whitespace().take(3).map(|word| word.trim_end_matches('.').to_owned()).collect()
}

#[test]
fn the_demo_interrupts_a_chat_and_comes_back_to_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut alice, mut bob) = friends(80, &dir);
    alice.enters("/demo");
    alice.sees("Hi! I am the echo of this demo");
    alice.enters("@echo hello out there");
    alice.sees("echo: hello out there");
    alice.enters("/demo");
    alice.sees("this is the demo already");
    bob.enters("@alice where are you?");
    alice.enters("/quit");
    alice.sees("bob: where are you?");
    alice.enters("@bob back again");
    bob.sees("alice: back again");
}
