//! A rendezvous that speaks other versions of the protocol than we do: said with what to do, and nothing is sent to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use hobnob::{
    account::{self, Login, Registration, password::StrongPassword},
    api::{Code, Command, Refusal},
};
use hobnob_shared::text::{Note, Username};
use hobnob_tests::{nodes::Person, pretender::Pretender};
use zeroize::Zeroizing;

fn password() -> Zeroizing<String> {
    Zeroizing::new("correct battery horse stapler".to_owned())
}

async fn register(person: &Person) -> Refusal {
    let name = Username::parse("alice").unwrap();
    let server = account::server(&person.node, None).await.unwrap();
    let password = StrongPassword::parse(&password(), &name).unwrap();
    let key = person.node.account_key(None).await.unwrap();
    let wish = Registration { name, server, password, code: None, key };
    account::register(&person.node, wish, &|_| {}).await.map(|_| ()).unwrap_err()
}

async fn log_in(person: &Person) -> Refusal {
    let (name, server) = (Username::parse("alice").unwrap(), account::server(&person.node, None).await.unwrap());
    let login = Login { name, server, password: password(), profile_password: None, device: None };
    account::login(&person.node, login, &|_| {}).await.map(|_| ()).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wish_is_refused_with_the_versions_and_what_to_do() {
    for (versions, advice) in [((2, 3), "update hobnob"), ((0, 0), "its operator should update it")] {
        let pretender = Pretender::start(versions).await;
        let alice = Person::new("alice").await;
        let address = Box::new(pretender.address.clone());
        alice.node.ask(Command::SetRendezvous { address, used: true }).await.unwrap();
        let name = Username::parse("bob").unwrap();
        let find = Command::Find { name: name.clone(), server: None };
        let add = Command::AddName { name, server: None, note: Note::default() };
        let refusals = [
            register(&alice).await,
            log_in(&alice).await,
            alice.node.ask(find).await.unwrap_err(),
            alice.node.ask(add).await.unwrap_err(),
        ];
        let spoken = format!("versions {} to {}", versions.0, versions.1);
        for refusal in refusals {
            assert_eq!(refusal.code, Code::Unsupported, "{refusal}");
            assert!(refusal.message.contains(&spoken) && refusal.message.contains(advice), "{refusal}");
        }
    }
}
