//! Random requests against a model that is a few lines long: no request, in whatever order, loses or doubles mail, and
//! what is counted is what is there.

use std::collections::BTreeMap;

use hobnob_rendezvous::registry::{Caller, SessionId, limits::ROW_BYTES};
use hobnob_shared::{
    id::MailboxId,
    wire::rendezvous::{BoxPut, DepositToken, Envelope, MailAck, MailGet, MailPut, ServerFrame},
};
use rand_core::Rng as _;

use crate::{
    cast::{Person, rng},
    world::World,
};

#[derive(Default)]
struct Model {
    /// Mailbox → its owner and token, and what is in it.
    boxes: BTreeMap<u8, (usize, u8, Vec<Vec<u8>>)>,
}

fn mailbox(number: u8) -> MailboxId {
    MailboxId::new([number; 16])
}

#[test]
fn mail_is_what_the_model_says_it_is() {
    for seed in 0..40 {
        let mut random = rng(seed);
        let mut below = |limit: u32| random.next_u32() % limit;
        let mut world = World::new();
        let mut people = [Person::new("alice", 1), Person::new("bob", 2)];
        let mut sessions: Vec<SessionId> = people.iter_mut().map(|person| world.join(person)).collect();
        let idle = world.registry.totals(&world.view).unwrap().bytes;
        let guest = world.open(Caller::Guest);
        let mut model = Model::default();
        for _ in 0..300 {
            let (who, number, token) = (below(2) as usize, below(4) as u8, below(2) as u8);
            match below(10) {
                0 | 1 => {
                    let put = BoxPut { mailbox: mailbox(number), token: Some(DepositToken::new([token; 16])) };
                    let is_done = world.ask(sessions[who], ServerFrame::BoxPut(put)) == ServerFrame::Done;
                    let may = model.boxes.get(&number).is_none_or(|(owner, ..)| *owner == who);
                    assert_eq!(is_done, may, "seed {seed}");
                    if may {
                        model.boxes.entry(number).or_insert((who, token, Vec::new())).1 = token;
                    }
                }
                2 => {
                    let put = BoxPut { mailbox: mailbox(number), token: None };
                    let is_done = world.ask(sessions[who], ServerFrame::BoxPut(put)) == ServerFrame::Done;
                    let may = model.boxes.get(&number).is_some_and(|(owner, ..)| *owner == who);
                    assert_eq!(is_done, may, "seed {seed}");
                    if may {
                        model.boxes.remove(&number);
                    }
                }
                3..=7 => {
                    let bytes = vec![below(250) as u8; 1 + below(2000) as usize];
                    let put = MailPut {
                        mailbox: mailbox(number),
                        token: DepositToken::new([token; 16]),
                        envelope: Envelope::new(bytes.clone()).unwrap(),
                    };
                    let is_done = world.ask(guest, ServerFrame::MailPut(put)) == ServerFrame::Done;
                    let place = model.boxes.get_mut(&number).filter(|(_, known, _)| *known == token);
                    assert_eq!(is_done, place.is_some(), "seed {seed}");
                    if let Some((_, _, mail)) = place {
                        mail.push(bytes);
                    }
                }
                8 => {
                    let get = ServerFrame::MailGet(MailGet { after: 0, max: 1 + below(5) as u16 });
                    let ServerFrame::Mail(page) = world.ask(sessions[who], get) else { panic!("seed {seed}") };
                    let through = page.items.iter().map(|item| (item.mailbox, item.number)).collect();
                    world.done(sessions[who], ServerFrame::MailAck(MailAck { through }));
                    for item in page.items {
                        let (owner, _, mail) = model.boxes.get_mut(&item.mailbox.as_bytes()[0]).unwrap();
                        assert_eq!((*owner, mail.remove(0)), (who, item.envelope.into_bytes()), "seed {seed}");
                    }
                }
                _ => {
                    world.close(sessions[who]);
                    sessions[who] = world.open(people[who].caller());
                }
            }
            world.now_ms += u64::from(below(3));
        }
        let counted = world.registry.totals(&world.view).unwrap().bytes - idle;
        let each = |mail: &Vec<Vec<u8>>| mail.iter().map(|bytes| bytes.len() as u64 + ROW_BYTES).sum::<u64>();
        let expected: u64 = model.boxes.values().map(|(.., mail)| each(mail) + ROW_BYTES).sum();
        assert_eq!(counted, expected, "seed {seed}");
    }
}
