//! kill -9 at random moments under load: what was acknowledged is there afterwards, once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use hobnob_shared::{
    id::MailboxId,
    wire::rendezvous::{BoxPut, DepositToken, Envelope, MailAck, MailGet, MailPut, ServerFrame},
};
use rand_core::Rng as _;

use crate::{
    cast::{Person, client::Client, flows::join, rng},
    driver::Rosa,
};

const SENDERS: u32 = 8;
const ROUNDS: u64 = 6;

fn mailbox() -> MailboxId {
    MailboxId::new([1; 16])
}

fn token() -> DepositToken {
    DepositToken::new([2; 16])
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_mail_is_lost_when_the_server_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut bob = Person::new("bob", 2);
    let mut rosa = Rosa::start(dir.path());
    let mut bobs = join(&rosa.address(), &mut bob, "secret").await;
    bobs.done(ServerFrame::BoxPut(BoxPut { mailbox: mailbox(), token: Some(token()) })).await;
    let mut random = rng(77);
    let next = Arc::new(AtomicU32::new(0));
    let mut seen = BTreeSet::new();
    for round in 0..ROUNDS {
        let wanted = 5 + random.next_u32() % 100;
        let acknowledged = Arc::new(AtomicU32::new(0));
        let mut senders = Vec::new();
        for _ in 0..SENDERS {
            let mut sender = Client::guest(&rosa.address()).await;
            let (next, acknowledged) = (next.clone(), acknowledged.clone());
            senders.push(tokio::spawn(async move {
                let mut stored = Vec::new();
                // Until the connection breaks.
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let envelope = Envelope::new([number.to_be_bytes().as_slice(), &[7; 500]].concat()).unwrap();
                    let put = MailPut { mailbox: mailbox(), token: token(), envelope };
                    match sender.try_ask(ServerFrame::MailPut(put)).await {
                        Ok(ServerFrame::Done) => stored.push(number),
                        Ok(other) => panic!("{other:?}"),
                        Err(_) => return stored,
                    }
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            }));
        }
        while acknowledged.load(Ordering::SeqCst) < wanted {
            tokio::task::yield_now().await;
        }
        rosa.child.kill().unwrap();
        rosa.child.wait().unwrap();
        let mut stored = BTreeSet::new();
        for sender in senders {
            stored.extend(sender.await.unwrap());
        }
        rosa = Rosa::start(dir.path());
        bobs = Client::device(&rosa.address(), &bob).await;
        let mut got = BTreeSet::new();
        loop {
            let get = ServerFrame::MailGet(MailGet { after: 0, max: 100 });
            let ServerFrame::Mail(mail) = bobs.ask(get).await else { panic!("no mail") };
            for item in &mail.items {
                let number = u32::from_be_bytes(item.envelope.as_bytes()[..4].try_into().unwrap());
                assert!(got.insert(number) && seen.insert(number), "round {round}: {number} came twice");
            }
            let Some(last) = mail.items.last() else { break };
            bobs.done(ServerFrame::MailAck(MailAck { through: vec![(mailbox(), last.number)] })).await;
        }
        let lost: Vec<_> = stored.difference(&got).collect();
        assert!(lost.is_empty(), "round {round}: of {} acknowledged, lost {lost:?}", stored.len());
    }
}
