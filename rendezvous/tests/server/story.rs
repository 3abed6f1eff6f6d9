use std::time::Duration;

use hobnob_shared::{
    id::MailboxId,
    identity::verifying_key,
    wire::{
        ErrorCode,
        rendezvous::{
            BoxPut, DepositToken, Envelope, KnockEnvelope, KnockPut, MailAck, MailGet, MailPut, NameGet, PresencePut,
            PresenceToken, PresenceWatch, Proof, SealedPresence, SealedVault, ServerFrame, VaultPut,
        },
    },
};
use tokio::time::Instant;

use crate::{
    cast::{
        Person,
        client::Client,
        flows::{join, log_in, status},
    },
    house::House,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_meet_see_each_other_and_write() {
    let house = House::new().await;
    let at = &house.address;
    let (mut alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut alices = join(at, &mut alice, "correct horse").await;
    let mut bobs = join(at, &mut bob, "battery staple").await;

    // Bob can be found.
    let mut payload = bob.payload(1, &[&bob.device]);
    payload.bundles = vec![bob.bundle(1)];
    bobs.done(ServerFrame::AccountPut(payload)).await;
    let found = alices.ask(ServerFrame::NameGet(NameGet { name: bob.name.clone(), since: None })).await;
    let ServerFrame::Name(found) = found else { panic!("{found:?}") };
    let signing = verifying_key(&status(&mut alices).await.signing_key).unwrap();
    assert_eq!(found.binding.verify(&signing).unwrap().account, bob.account.id());

    // Alice knocks.
    let challenge = status(&mut alices).await.challenge;
    let envelopes = vec![(bob.device.id(), KnockEnvelope::new(b"sealed request".to_vec()).unwrap())];
    let proof = Proof::Pow { challenge, nonce: 1 };
    let mut guest = Client::guest(at).await;
    guest.done(ServerFrame::KnockPut(KnockPut { account: bob.account.id(), envelopes, proof })).await;
    let waiting = |frame: &ServerFrame| match frame {
        ServerFrame::MailWaiting(waiting) => Some(waiting.envelopes),
        _ => None,
    };
    assert_eq!(bobs.note(waiting).await, 0, "he is told to look, though no mail waits");
    let ServerFrame::Knocks(knocks) = bobs.ask(ServerFrame::KnockGet).await else { panic!("no knocks") };
    assert_eq!(knocks.items[0].envelope.as_bytes(), b"sealed request");

    // Bob watches Alice come and go.
    let value = |value: u8| Some(SealedPresence::new(vec![value; 64]).unwrap());
    let put = |sealed| PresencePut { token: PresenceToken::new([7; 32]), sealed, ttl_secs: 120 };
    let topics = vec![put(None).topic()];
    bobs.done(ServerFrame::PresenceWatch(PresenceWatch { topics, replace: true })).await;
    for sealed in [value(1), value(2), None] {
        alices.done(ServerFrame::PresencePut(put(sealed.clone()))).await;
        let told = bobs.note(|frame| match frame {
            ServerFrame::PresenceNote(note) => Some(note.sealed.clone()),
            _ => None,
        });
        assert_eq!(told.await, sealed);
    }

    // Alice writes while Bob is there.
    let (mailbox, token) = (MailboxId::new([1; 16]), DepositToken::new([2; 16]));
    bobs.done(ServerFrame::BoxPut(BoxPut { mailbox, token: Some(token.clone()) })).await;
    let envelope = Envelope::new(b"sealed mail".to_vec()).unwrap();
    guest.done(ServerFrame::MailPut(MailPut { mailbox, token, envelope: envelope.clone() })).await;
    assert_eq!(bobs.note(waiting).await, 1);
    let get = || ServerFrame::MailGet(MailGet { after: 0, max: 10 });
    let ServerFrame::Mail(mail) = bobs.ask(get()).await else { panic!("no mail") };
    assert_eq!(mail.items[0].envelope, envelope);
    bobs.done(ServerFrame::MailAck(MailAck { through: vec![(mailbox, mail.items[0].number)] })).await;
    let ServerFrame::Mail(mail) = bobs.ask(get()).await else { panic!("no mail") };
    assert_eq!(mail.items, []);

    // A bare machine of Alice's: name and password are enough.
    let mut bare = Client::guest(at).await;
    let (logged_in, first) = log_in(&mut bare, at, &mut alice, "correct horse").await.unwrap();
    assert_eq!((logged_in.id, logged_in.vault.seq), (alice.account.id(), 1));
    let vault = SealedVault::new(vec![9; 8192]).unwrap();
    let put = VaultPut { seq: 2, expected: 1, vault: vault.clone(), owner: None };
    bare.done(ServerFrame::VaultPut(put.clone())).await;
    assert_eq!(alices.refused(ServerFrame::VaultPut(put)).await, ErrorCode::Stale { seq: 2 });
    let mut again = Client::guest(at).await;
    let (logged_in, second) = log_in(&mut again, at, &mut alice, "correct horse").await.unwrap();
    assert_eq!(logged_in.vault.vault, vault);
    assert_eq!(first.as_bytes(), second.as_bytes(), "the vault's key is the same each time");
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_alone_keep_a_presence_and_their_end_ends_it() {
    const TTL: Duration = Duration::from_secs(2);
    let house = House::new().await;
    let at = &house.address;
    let mut alices = join(at, &mut Person::new("alice", 1), "correct horse").await;
    let mut bobs = join(at, &mut Person::new("bob", 2), "battery staple").await;
    let sealed = Some(SealedPresence::new(vec![1; 64]).unwrap());
    let put = PresencePut { token: PresenceToken::new([7; 32]), sealed, ttl_secs: TTL.as_secs() as u32 };
    bobs.done(ServerFrame::PresenceWatch(PresenceWatch { topics: vec![put.topic()], replace: true })).await;
    alices.done(ServerFrame::PresencePut(put)).await;
    // Twice as long as it would last by itself. On a machine that stands still for so long, the server is right.
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < 2 * TTL {
        let said = Instant::now();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let pong = alices.ask(ServerFrame::Ping { nonce: 5 }).await;
        assert_eq!(pong, ServerFrame::Pong { nonce: 5 });
        longest = longest.max(said.elapsed());
    }
    let ping = bobs.send(ServerFrame::Ping { nonce: 6 }).await.unwrap();
    let mut told = Vec::new();
    loop {
        match bobs.next_frame().await.unwrap() {
            (_, ServerFrame::PresenceNote(note)) => told.push(note.sealed.is_some()),
            (of, ServerFrame::Pong { nonce: 6 }) if of == ping => break,
            _ => {}
        }
    }
    assert!(told == [true] || longest >= TTL, "{told:?} though pings came every {longest:?}");
    let gone = |frame: &ServerFrame| match frame {
        ServerFrame::PresenceNote(note) => note.sealed.is_none().then_some(()),
        _ => None,
    };
    bobs.note(gone).await;
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_a_device_ends_with_its_revocation() {
    let house = House::new().await;
    let at = &house.address;
    let mut alice = Person::new("alice", 1);
    let mut alices = join(at, &mut alice, "correct horse").await;
    let lost = Person { device: Person::new("lost", 40).device, ..Person::new("alice", 1) };
    alices.done(ServerFrame::AccountPut(alice.payload(2, &[&alice.device, &lost.device]))).await;
    let mut thief = Client::device(at, &lost).await;
    thief.done(ServerFrame::PresenceWatch(PresenceWatch { topics: Vec::new(), replace: true })).await;
    alices.done(ServerFrame::AccountPut(alice.payload(3, &[&alice.device]))).await;
    assert_eq!(thief.closed().await, Some(ErrorCode::Denied));
    // It may come again, and is told nothing.
    let mut thief = Client::device(at, &lost).await;
    assert_eq!(thief.refused(ServerFrame::VaultGet).await, ErrorCode::Denied);
    assert!(matches!(alices.ask(ServerFrame::VaultGet).await, ServerFrame::Vault(_)));
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_name_look_the_same_on_the_wire() {
    let house = House::new().await;
    let at = &house.address;
    let mut alice = Person::new("alice", 1);
    join(at, &mut alice, "correct horse").await;
    let mut nobody = Person::new("nobody", 2);
    let mut answers = Vec::new();
    for person in [&mut alice, &mut nobody] {
        let mut client = Client::guest(at).await;
        assert_eq!(log_in(&mut client, at, person, "wrong").await.err(), Some(ErrorCode::Denied));
        let (_, start) = person.begin_login("wrong");
        let go = client.ask(ServerFrame::LoginStart(start)).await;
        let finalization = hobnob_shared::opaque::message::CredentialFinalization::new([3; 64]);
        let finish = hobnob_shared::wire::rendezvous::LoginFinish { finalization };
        let end = client.ask(ServerFrame::LoginFinish(finish)).await;
        answers.push((go.encode(1).len(), end));
    }
    let (known, unknown) = (&answers[0], &answers[1]);
    assert_eq!(known.0, unknown.0);
    assert!(matches!((&known.1, &unknown.1), (ServerFrame::Error(a), ServerFrame::Error(b)) if a.code == b.code));
}
