//! What attackers send, to real nodes on loopback. Each test ends with Alice and Bob still chatting.

mod clock;
mod crowd;
mod fork;

use hobnob::api::{Command, Event, InviteTerms, Reply};
use hobnob_shared::{
    id::{ConversationId, LogId, ShortHash},
    identity::Invite,
    noise::Mode,
    wire::{Body, Digest, Entries, EntryRef, ErrorCode, Frame, Frontier, FrontierItem, Knock, Want, WantRange},
};
use hobnob_tests::{
    mallory::Mallory,
    nodes::{Person, befriend},
};

/// Alice and Bob are friends, Mallory is Alice's friend too, and has a session.
async fn stage(seed: u64) -> (Person, Person, Mallory) {
    let mut alice = Person::new("alice").await;
    let mut bob = Person::new("bob").await;
    befriend(&mut alice, &mut bob).await;
    let mut mallory = Mallory::new(seed).await;
    mallory.befriend(&mut alice).await;
    (alice, bob, mallory)
}

/// Alice and Bob still chat, both ways.
async fn still_chatting(alice: &mut Person, bob: &mut Person) {
    alice.say(bob, "are you there?").await.expect("Alice can send");
    bob.hears("are you there?").await;
    bob.say(alice, "of course").await.expect("Bob can send");
    alice.hears("of course").await;
}

async fn invite(person: &Person, auto_accept: bool) -> Invite {
    let terms = InviteTerms { uses: 1, lifetime_secs: 3600, auto_accept };
    match person.node.ask(Command::CreateInvite(terms)).await {
        Ok(Reply::Invite { link, .. }) => Invite::parse(&link).expect("a link"),
        other => panic!("{other:?}"),
    }
}

/// Texts that Alice has from Mallory.
async fn heard_from_mallory(alice: &Person) -> Vec<String> {
    let chat = hobnob_tests::talk::handle(3);
    match alice.node.ask(Command::History { chat, limit: 1000, before: None }).await {
        Ok(Reply::Messages(messages)) => messages.into_iter().map(|m| m.text).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_a_handshake_is_thrown_out() {
    let mut alice = Person::new("alice").await;
    let mut bob = Person::new("bob").await;
    befriend(&mut alice, &mut bob).await;
    let invite = invite(&alice, false).await;
    let mut mallory = Mallory::new(1).await;
    for mode in [Mode::Device, Mode::Invite, Mode::Nearby] {
        mallory.dial(&invite.addresses, mode).await;
        mallory.chunk(vec![0xff; 1300]);
        assert!(mallory.is_thrown_out().await, "{mode:?}");
    }
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_the_right_key_and_no_invite_gets_no_session() {
    let mut alice = Person::new("alice").await;
    let mut bob = Person::new("bob").await;
    befriend(&mut alice, &mut bob).await;
    let invite = invite(&alice, false).await;
    let mut mallory = Mallory::new(2).await;
    // The device key is right, so Noise completes; the certificate is of nobody that Alice knows.
    if mallory.handshake(&invite, Mode::Device).await.is_some() {
        assert!(mallory.is_thrown_out().await);
    }
    // Pairing mode is off.
    assert!(mallory.handshake(&invite, Mode::Nearby).await.is_none() || mallory.is_thrown_out().await);
    // The token is wrong: message 3 fails, and nothing was learnt.
    let mut forged = invite.clone();
    *forged.token = [0; 16];
    if mallory.handshake(&forged, Mode::Invite).await.is_some() {
        assert!(mallory.is_thrown_out().await);
    }
    assert_eq!(alice.node.ask(Command::Requests).await, Ok(Reply::Requests(Vec::new())));
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_or_flipped_noise_message_ends_the_session_and_nothing_else() {
    let (mut alice, mut bob, mut mallory) = stage(3).await;
    let entry = mallory.text("once");
    let conversation = mallory.conversation;
    let chunks = mallory.seal(&Frame::Entries(Entries { conversation, entries: vec![entry], more: false }).encode(7));
    for chunk in chunks.iter().chain(&chunks) {
        mallory.chunk(chunk.clone());
    }
    assert!(mallory.is_thrown_out().await);
    assert_eq!(heard_from_mallory(&alice).await, ["once"]);
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_no_frames_end_the_session() {
    let bad: [&[u8]; 6] = [
        &[0xff; 40],                                                               // No CBOR.
        &[0x83, 0x02, 0x01],                                                       // Cut short.
        &[0x83, 0x02, 0x01, 0xa0, 0x00],                                           // Something behind it.
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],                   // 2^64 elements.
        &[0x83, 0x02, 0x01, 0x5b, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // 2^62 bytes.
        &[0x81; 300],                                                              // 300 deep.
    ];
    for (seed, frame) in bad.into_iter().enumerate() {
        let (mut alice, mut bob, mut mallory) = stage(10 + seed as u64).await;
        mallory.send_bytes(frame);
        assert!(mallory.is_thrown_out().await, "{frame:x?}");
        still_chatting(&mut alice, &mut bob).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_the_future_are_ignored_or_answered() {
    let (mut alice, mut bob, mut mallory) = stage(20).await;
    // [1000, 5, {}]: even, so ignored. [1001, 6, {}]: odd, so answered.
    mallory.send_bytes(&[0x83, 0x19, 0x03, 0xe8, 0x05, 0xa0]);
    mallory.send_bytes(&[0x83, 0x19, 0x03, 0xe9, 0x06, 0xa0]);
    let failure = mallory.until(|frame| match frame {
        Frame::Error(failure) => Some(*failure),
        _ => None,
    });
    let failure = failure.await;
    assert_eq!((failure.code, failure.of), (ErrorCode::Unsupported, 6));
    assert!(mallory.is_welcome().await);
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_with_a_bad_signature_or_of_another_conversation_are_refused() {
    for seed in 30..34 {
        let (mut alice, mut bob, mut mallory) = stage(seed).await;
        let mut entry = mallory.text("forged");
        let mut conversation = mallory.conversation;
        match seed {
            30 => entry.signature[5] ^= 1,
            31 => entry.header[20] ^= 1,
            32 => {
                // A good entry, pushed into the conversation of Alice and Bob.
                let whoami = |reply| match reply {
                    Ok(Reply::WhoAmI(me)) => me.account,
                    other => panic!("{other:?}"),
                };
                let one = whoami(alice.node.ask(Command::WhoAmI).await);
                let other = whoami(bob.node.ask(Command::WhoAmI).await);
                conversation = ConversationId::direct(&one, &other);
            }
            _ => {
                if let Some(body) = entry.body.as_mut() {
                    body.body[0] ^= 1;
                }
            }
        }
        mallory.send(&Frame::Entries(Entries { conversation, entries: vec![entry], more: false }));
        assert!(mallory.is_thrown_out().await, "seed {seed}");
        assert!(!heard_from_mallory(&alice).await.contains(&"forged".to_owned()), "seed {seed}");
        still_chatting(&mut alice, &mut bob).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_past_blocks_only_its_author() {
    let (mut alice, mut bob, mut mallory) = stage(40).await;
    let first = mallory.text("first");
    let second = mallory.text("second");
    let third = mallory.text("third");
    mallory.push(vec![third, second.clone(), second]);
    assert!(mallory.is_welcome().await);
    assert!(heard_from_mallory(&alice).await.is_empty());
    still_chatting(&mut alice, &mut bob).await;
    mallory.push(vec![first]);
    assert!(mallory.is_welcome().await);
    assert_eq!(heard_from_mallory(&alice).await, ["first", "second", "third"]);
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_edits_or_deletes_what_others_wrote() {
    let (mut alice, mut bob, mut mallory) = stage(50).await;
    let chat = hobnob_tests::talk::handle(3);
    let text = hobnob_tests::talk::text("mine");
    alice.node.ask(Command::Send { chat: chat.clone(), text, reply_to: None, action: false }).await.expect("sent");
    let Ok(Reply::WhoAmI(me)) = alice.node.ask(Command::WhoAmI).await else { panic!("nobody") };
    let conversation = mallory.conversation;
    mallory.send(&Frame::Frontier(Frontier { conversation, full: true, items: Vec::new() }));
    let ranges = mallory.until(|frame| {
        let Frame::Frontier(frontier) = frame else { return None };
        let hers = frontier.items.iter().filter(|item| item.log.is_of(&me.device));
        let ranges: Vec<_> = hers.map(|item| WantRange { log: item.log, from: 1, to: item.seq }).collect();
        (!ranges.is_empty()).then_some(ranges)
    });
    let ranges = ranges.await;
    mallory.send(&Frame::Want(Want { conversation, ranges }));
    let target: EntryRef = mallory
        .until(|frame| {
            let Frame::Entries(entries) = frame else { return None };
            entries.entries.iter().find_map(|entry| {
                let (id, header) = entry.check(&me.device).ok()?;
                (header.kind == 1).then(|| EntryRef { log: header.log, seq: header.seq, hash: id.short() })
            })
        })
        .await;
    let edit = mallory.write(&Body::Edit { target, text: hobnob_tests::talk::text("hers") });
    let delete = mallory.write(&Body::Delete { target });
    mallory.push(vec![edit, delete]);
    assert!(mallory.is_welcome().await);
    let Ok(Reply::Messages(messages)) = alice.node.ask(Command::History { chat, limit: 10, before: None }).await else {
        panic!("no history")
    };
    assert!(messages.iter().any(|m| m.text == "mine" && !m.edited && !m.deleted), "{messages:?}");
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_frontiers_wants_and_digests_cost_little() {
    let (mut alice, mut bob, mut mallory) = stage(60).await;
    let conversation = mallory.conversation;
    let log = |n: u32| {
        let mut id = [7; 24];
        id[..4].copy_from_slice(&n.to_be_bytes());
        LogId::new(id)
    };
    let items = (0..4096).map(|n| FrontierItem { log: log(n), seq: u64::MAX, head: ShortHash::new([1; 16]) }).collect();
    mallory.send(&Frame::Frontier(Frontier { conversation, full: true, items }));
    let ranges = (0..4096).map(|n| WantRange { log: log(n), from: 0, to: u64::MAX }).collect();
    mallory.send(&Frame::Want(Want { conversation, ranges }));
    for n in 0..200 {
        mallory.send(&Frame::Digest(Digest { conversation, hash: [n; 32] }));
        mallory.send(&Frame::Digest(Digest { conversation: ConversationId::new([n; 32]), hash: [n; 32] }));
    }
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_frontier_item_too_many_is_refused_before_it_is_read() {
    let (mut alice, mut bob, mut mallory) = stage(61).await;
    let conversation = mallory.conversation;
    let item = FrontierItem { log: LogId::new([1; 24]), seq: 1, head: ShortHash::new([1; 16]) };
    mallory.send(&Frame::Frontier(Frontier { conversation, full: true, items: vec![item; 4097] }));
    assert!(mallory.is_thrown_out().await);
    still_chatting(&mut alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_use_invite_takes_one_account_and_a_flood_of_knocks_is_one_request() {
    let mut alice = Person::new("alice").await;
    let mut bob = Person::new("bob").await;
    befriend(&mut alice, &mut bob).await;
    let invite = invite(&alice, false).await;
    let mut mallory = Mallory::new(70).await;
    mallory.handshake(&invite, Mode::Invite).await.expect("a good invite");
    mallory.introduce_herself();
    for _ in 0..200 {
        let note = hobnob_shared::text::Note::parse("let me in").expect("a note");
        mallory.send(&Frame::Knock(Knock { nick: hobnob_tests::cast::nick(3), note }));
    }
    alice.until(|event| matches!(event, Event::FriendRequested(_)).then_some(())).await;
    let Ok(Reply::Requests(requests)) = alice.node.ask(Command::Requests).await else { panic!("no requests") };
    assert_eq!(requests.len(), 1);
    // The same invite, another account.
    let mut eve = Mallory::new(71).await;
    if eve.handshake(&invite, Mode::Invite).await.is_some() {
        eve.introduce_herself();
        assert!(eve.is_thrown_out().await);
    }
    let Ok(Reply::Requests(requests)) = alice.node.ask(Command::Requests).await else { panic!("no requests") };
    assert_eq!(requests.len(), 1);
    still_chatting(&mut alice, &mut bob).await;
}
