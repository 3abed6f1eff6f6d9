//! What a person does at a server: register, log in, join.

use hobnob_shared::{
    opaque::ExportKey,
    rendezvous::Address,
    wire::{
        ErrorCode,
        rendezvous::{LoggedIn, Proof, RegisterFinish, ServerFrame, Status},
    },
};
use rand_core::Rng as _;

use super::{Person, client::Client};

pub async fn status(client: &mut Client) -> Status {
    match client.ask(ServerFrame::StatusGet).await {
        ServerFrame::Status(status) => status,
        answer => panic!("{answer:?}"),
    }
}

/// A registration up to its last message, with a proof that costs nothing.
pub async fn registration(client: &mut Client, address: &Address, person: &mut Person, secret: &str) -> RegisterFinish {
    let status = status(client).await;
    let (state, start) = person.begin_registration(secret);
    let ServerFrame::RegisterGo(go) = client.ask(ServerFrame::RegisterStart(start)).await else {
        panic!("no registration")
    };
    let mut finish = person.finish_registration(state, &go, secret, (address.x25519(), &status.signing_key));
    finish.proof = Proof::Pow { challenge: status.challenge, nonce: person.rng.next_u64() };
    finish
}

/// Registers, and opens a session of the person's device.
pub async fn join(address: &Address, person: &mut Person, secret: &str) -> Client {
    let mut guest = Client::guest(address).await;
    let finish = registration(&mut guest, address, person, secret).await;
    let answer = guest.ask(ServerFrame::RegisterFinish(Box::new(finish))).await;
    assert!(matches!(answer, ServerFrame::Registered(_)), "{answer:?}");
    Client::device(address, person).await
}

pub async fn log_in(
    client: &mut Client,
    address: &Address,
    person: &mut Person,
    secret: &str,
) -> Result<(LoggedIn, ExportKey), ErrorCode> {
    let (state, start) = person.begin_login(secret);
    let go = match client.ask(ServerFrame::LoginStart(start)).await {
        ServerFrame::LoginGo(go) => go,
        ServerFrame::Error(failure) => return Err(failure.code),
        answer => panic!("{answer:?}"),
    };
    let binding = client.binding();
    let finish = person.finish_login(state, &go, secret, address.x25519(), &binding);
    let (finish, key) = finish.map_err(|_| ErrorCode::Denied)?;
    match client.ask(ServerFrame::LoginFinish(finish)).await {
        ServerFrame::LoggedIn(logged_in) => Ok((*logged_in, key)),
        ServerFrame::Error(failure) => Err(failure.code),
        answer => panic!("{answer:?}"),
    }
}
