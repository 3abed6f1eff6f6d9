//! OPAQUE: who knows the password gets in, who does not learns nothing, and the suite is that of RFC 9807.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cast;

use cast::{
    rng,
    server::{name, rosa},
};
use hobnob_shared::{
    identity::keystore::{Params, Password},
    opaque::{
        ClientLogin, ClientRegistration, OpaqueError, Parties, ServerSetup, check_upload,
        message::{
            CredentialFinalization, CredentialRequest, CredentialResponse, RegistrationRequest, RegistrationUpload,
        },
    },
    text::Username,
};
use zeroize::Zeroizing;

const CHEAP: Params = Params { memory_kib: 8, passes: 1, lanes: 1 };
const SESSION: [u8; 32] = [7; 32];

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.to_owned()))
}

fn setup() -> ServerSetup {
    ServerSetup::generate(&mut rng(50))
}

fn parties<'a>(name: &'a Username, session: &'a [u8; 32]) -> Parties<'a> {
    Parties { name, server: "rosa", session }
}

/// What Rosa keeps of Alice's password, and what it opened.
fn register(setup: &ServerSetup, who: &str, text: &str) -> (RegistrationUpload, [u8; 64]) {
    let (name, password, mut rng) = (name(who), password(text), rng(51));
    let (client, request) = ClientRegistration::start(&password, &mut rng).unwrap();
    let response = setup.register(&name, &request).unwrap();
    let (upload, key) = client.finish(&password, &response, &parties(&name, &SESSION), CHEAP, &mut rng).unwrap();
    assert_eq!(check_upload(&upload), Ok(()));
    (upload, *key.as_bytes())
}

/// How a login went at the client, and then at the server.
type Outcome = Result<([u8; 64], Result<(), OpaqueError>), OpaqueError>;

fn login(
    setup: &ServerSetup,
    record: Option<&RegistrationUpload>,
    text: &str,
    (client_side, server_side): (&Parties<'_>, &Parties<'_>),
) -> Outcome {
    let (password, mut rng) = (password(text), rng(52));
    let (client, request) = ClientLogin::start(&password, &mut rng)?;
    let (server, response) = setup.login(server_side, record, &request, &mut rng)?;
    let (finalization, key) = client.finish(&password, &response, client_side, CHEAP, &mut rng)?;
    Ok((*key.as_bytes(), server.finish(&finalization)))
}

#[test]
fn the_right_password_opens_the_same_key_every_time() {
    let (setup, alice) = (setup(), name("alice"));
    let (record, key) = register(&setup, "alice", "correct horse");
    for session in [SESSION, [8; 32]] {
        let parties = parties(&alice, &session);
        assert_eq!(login(&setup, Some(&record), "correct horse", (&parties, &parties)), Ok((key, Ok(()))));
    }
    let kept = ServerSetup::from_bytes(&setup.to_bytes()).unwrap();
    let parties = parties(&alice, &SESSION);
    assert_eq!(login(&kept, Some(&record), "correct horse", (&parties, &parties)), Ok((key, Ok(()))));
}

#[test]
fn a_wrong_password_and_an_unknown_name_look_the_same() {
    let (setup, alice) = (setup(), name("alice"));
    let (record, _) = register(&setup, "alice", "correct horse");
    let parties = parties(&alice, &SESSION);
    for record in [Some(&record), None] {
        assert_eq!(login(&setup, record, "wrong", (&parties, &parties)), Err(OpaqueError::WrongPassword));
    }
    assert_eq!(login(&setup, None, "correct horse", (&parties, &parties)), Err(OpaqueError::WrongPassword));
}

#[test]
fn the_answer_for_an_unknown_name_changes_like_that_for_a_known_one() {
    let (setup, alice) = (setup(), name("alice"));
    let (record, _) = register(&setup, "alice", "correct horse");
    let parties = parties(&alice, &SESSION);
    let (_, request) = ClientLogin::start(&password("x"), &mut rng(53)).unwrap();
    let answer = |record, seed| {
        let (_, response) = setup.login(&parties, record, &request, &mut rng(seed)).unwrap();
        *response.as_bytes()
    };
    for record in [Some(&record), None] {
        let (one, two) = (answer(record, 1), answer(record, 2));
        // The evaluated point depends on name and password only, for an unknown name too; the rest never repeats.
        assert_eq!(one[..32], two[..32]);
        assert!(one[32..].chunks(32).zip(two[32..].chunks(32)).all(|(one, two)| one != two));
    }
    assert_eq!(answer(Some(&record), 1)[..32], answer(None, 1)[..32]);
}

#[test]
fn a_record_is_of_no_use_to_another_name_rendezvous_or_session() {
    let (setup, alice, bob) = (setup(), name("alice"), name("bob"));
    let (record, _) = register(&setup, "alice", "correct horse");
    let own = parties(&alice, &SESSION);
    for (client_side, server_side) in [
        (parties(&bob, &SESSION), parties(&bob, &SESSION)),
        (own, parties(&bob, &SESSION)),
        (Parties { server: "mallory", ..own }, own),
        (own, Parties { server: "mallory", ..own }),
        (parties(&alice, &[8; 32]), own),
    ] {
        let outcome = login(&setup, Some(&record), "correct horse", (&client_side, &server_side));
        assert_eq!(outcome, Err(OpaqueError::WrongPassword), "{client_side:?} {server_side:?}");
    }
    let other = ServerSetup::generate(&mut rng(60));
    assert_eq!(login(&other, Some(&record), "correct horse", (&own, &own)), Err(OpaqueError::WrongPassword));
}

#[test]
fn a_guess_at_another_cost_is_a_wrong_one() {
    let (setup, alice, secret, mut rng) = (setup(), name("alice"), password("correct horse"), rng(54));
    let (record, _) = register(&setup, "alice", "correct horse");
    let parties = parties(&alice, &SESSION);
    let (client, request) = ClientLogin::start(&secret, &mut rng).unwrap();
    let (_, response) = setup.login(&parties, Some(&record), &request, &mut rng).unwrap();
    let cost = Params { passes: 2, ..CHEAP };
    let outcome = client.finish(&secret, &response, &parties, cost, &mut rng);
    assert_eq!(outcome.unwrap_err(), OpaqueError::WrongPassword);
}

#[test]
fn a_cost_that_cannot_be_is_said() {
    let (setup, alice, secret, mut rng) = (setup(), name("alice"), password("correct horse"), rng(55));
    let (client, request) = ClientRegistration::start(&secret, &mut rng).unwrap();
    let response = setup.register(&alice, &request).unwrap();
    let cost = Params { memory_kib: 1, passes: 1, lanes: 1 };
    let outcome = client.finish(&secret, &response, &parties(&alice, &SESSION), cost, &mut rng);
    assert_eq!(outcome.unwrap_err(), OpaqueError::NoMemory(1));
}

#[test]
fn messages_that_are_no_points_are_refused_on_arrival() {
    let (setup, alice, mut rng) = (setup(), name("alice"), rng(56));
    let parties = parties(&alice, &SESSION);
    for byte in [0, 0xff] {
        let request = RegistrationRequest::new([byte; 32]);
        assert_eq!(setup.register(&alice, &request).unwrap_err(), OpaqueError::Malformed);
        let request = CredentialRequest::new([byte; 96]);
        assert_eq!(setup.login(&parties, None, &request, &mut rng).unwrap_err(), OpaqueError::Malformed);
        assert_eq!(check_upload(&RegistrationUpload::new([byte; 192])), Err(OpaqueError::Malformed));
        let (client, _) = ClientLogin::start(&password("x"), &mut rng).unwrap();
        let response = CredentialResponse::new([byte; 320]);
        let outcome = client.finish(&password("x"), &response, &parties, CHEAP, &mut rng);
        assert_eq!(outcome.unwrap_err(), OpaqueError::Malformed);
    }
    assert!(ServerSetup::from_bytes(&[0xff; 128]).is_err());
}

#[test]
fn a_rendezvous_that_sends_the_question_back_is_caught() {
    let (secret, alice, mut rng) = (password("x"), name("alice"), rng(57));
    let (client, request) = ClientRegistration::start(&secret, &mut rng).unwrap();
    let mut response = *setup().register(&alice, &request).unwrap().as_bytes();
    response[..32].copy_from_slice(request.as_bytes());
    let response = hobnob_shared::opaque::message::RegistrationResponse::new(response);
    let outcome = client.finish(&secret, &response, &parties(&alice, &SESSION), CHEAP, &mut rng);
    assert_eq!(outcome.unwrap_err(), OpaqueError::Malformed);
}

#[test]
fn a_last_message_of_somebody_else_or_of_another_login_is_refused() {
    let (setup, alice, secret, mut rng) = (setup(), name("alice"), password("correct horse"), rng(58));
    let (record, _) = register(&setup, "alice", "correct horse");
    let parties = parties(&alice, &SESSION);
    let mut begin = || {
        let (client, request) = ClientLogin::start(&secret, &mut rng).unwrap();
        let (server, response) = setup.login(&parties, Some(&record), &request, &mut rng).unwrap();
        let (finalization, _) = client.finish(&secret, &response, &parties, CHEAP, &mut rng).unwrap();
        (server, finalization)
    };
    let ((one, good), (two, _)) = (begin(), begin());
    assert_eq!(two.finish(&good), Err(OpaqueError::WrongPassword), "of another login");
    assert_eq!(one.name(), &alice);
    assert_eq!(one.finish(&good), Ok(()));
    assert_eq!(begin().0.finish(&CredentialFinalization::new([0; 64])), Err(OpaqueError::WrongPassword));
}

#[test]
fn nothing_of_it_prints_a_secret() {
    let (secret, mut rng) = (password("x"), rng(59));
    let (registration, _) = ClientRegistration::start(&secret, &mut rng).unwrap();
    let (login, _) = ClientLogin::start(&secret, &mut rng).unwrap();
    let printed = format!("{registration:?} {login:?} {:?}", setup());
    assert_eq!(printed, "ClientRegistration(..) ClientLogin(..) ServerSetup(..)");
    assert_ne!(setup().to_bytes()[..], rosa().device.to_bytes()[..]);
}
