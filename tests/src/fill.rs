//! A profile with very many messages, written through the engine so that every row is real.

use std::{fs, path::Path};

use hobnob_engine::{
    Engine, Start,
    command::Command,
    work::{Input, Now, Ticket, TransportId, Work},
};
use hobnob_shared::{
    identity::{Identity, keystore},
    text::{Handle, MessageText},
};
use hobnob_store::{Store, StoreKey};
use zeroize::Zeroizing;

/// Messages that share a commit.
const BATCH: u64 = 1024;

/// Writes `count` messages of the profile's owner into `chat`. The profile has no password, and no node runs on it.
pub fn with_messages(profile: &Path, chat: &Handle, count: u64) {
    let bytes = fs::read(profile.join("keystore")).expect("a keystore");
    let secrets = keystore::open(&bytes, None).expect("a keystore without a password");
    let mut store =
        Store::open(profile, &StoreKey::new(Zeroizing::new(*secrets.store_key.as_bytes()))).expect("a store");
    let identity = Identity {
        account: secrets.certificate.verify().expect("our own certificate").account,
        device_keys: secrets.device_keys.clone(),
        certificate: secrets.certificate.clone(),
        record: secrets.record.clone(),
    };
    let transport = TransportId(hobnob_net::transport_id(secrets.transport_key.as_bytes()));
    let start = Start {
        identity,
        account_key: None,
        transport,
        fresh_incarnation: false,
        rendezvous: Vec::new(),
        seed: [1; 32],
    };
    let mut now = Now { mono_ms: 0, wall_ms: 1_767_225_600_000 };
    let mut work = Work::default();
    let mut engine = Engine::load(start, &store.view().expect("a view"), now, &mut work).expect("an engine");
    store.commit(&work.records).expect("committed");
    for first in (0..count).step_by(BATCH as usize) {
        let view = store.view().expect("a view");
        let mut work = Work::default();
        for n in first..(first + BATCH).min(count) {
            now.mono_ms += 1;
            now.wall_ms += 1000;
            let text = MessageText::parse(format!("message {n}, about as long as people write, with some words"))
                .expect("a text");
            let command = Command::Send { chat: chat.clone(), text, reply_to: None, action: false };
            engine.handle(Input::Command(Ticket(n), Box::new(command)), now, &view, &mut work).expect("handled");
        }
        engine.flush(now, &view, &mut work).expect("flushed");
        store.commit(&work.records).expect("committed");
    }
}
