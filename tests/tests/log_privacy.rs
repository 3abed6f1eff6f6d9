//! A whole talk with every log line of ours switched on: nothing that a person wrote or is may be in it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use hobnob::api::{Command, Presence, Reply};
use hobnob_shared::text::{Note, Reaction};
use hobnob_tests::nodes::{Person, befriend};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_name_key_or_address_is_logged() {
    let lines = Lines::default();
    let filter = "off,hobnob=trace,hobnob_engine=trace,hobnob_net=trace,hobnob_store=trace,hobnob_shared=trace";
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(lines.clone()).init();

    let mut alice = Person::new("Aurelia").await;
    let mut bob = Person::new("Bartholomew").await;
    befriend(&mut alice, &mut bob).await;
    alice.say(&bob, "the treasure lies under the oak").await.expect("sent");
    bob.hears("the treasure lies under the oak").await;
    let text = Some(Note::parse("out hunting").expect("a note"));
    alice.node.ask(Command::SetPresence { presence: Some(Presence::Away), text }).await.expect("away");
    let which = hobnob::api::Which { chat: Some(alice.handle.clone()), message: hobnob::api::MessageRef::Last(1) };
    let reaction = Some(Reaction::parse("marvellous").expect("a reaction"));
    bob.node.ask(Command::React { which, reaction }).await.expect("reacted");
    bob = bob.restart().await;
    bob.say(&alice, "and the map is in the boat").await.expect("sent");
    alice.hears("and the map is in the boat").await;

    let mut secrets: Vec<String> = [
        "treasure",
        "oak",
        "hunting",
        "marvellous",
        "boat",
        "Aurelia",
        "aurelia",
        "Bartholomew",
        "bartholomew",
        "127.0.0.1",
    ]
    .map(str::to_owned)
    .to_vec();
    for person in [&alice, &bob] {
        let Ok(Reply::WhoAmI(me)) = person.node.ask(Command::WhoAmI).await else { panic!("nobody") };
        secrets.extend([me.account.to_string(), me.device.to_string()]);
        secrets.extend(me.listen.iter().filter_map(|address| Some(address.rsplit_once("/p2p/")?.1.to_owned())));
    }
    alice.node.shutdown().await;
    bob.node.shutdown().await;
    let log = String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("UTF-8");
    assert!(log.lines().count() > 5, "nothing was logged at all: {log}");
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret:?} was logged: {line:?}");
    }
}
