//! Presence at a rendezvous: friends read it, nobody else learns or publishes anything.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cast;

use cast::{
    bob, rng,
    server::{mail_content, presence_content, presence_secret, signed_ticket, ticket_letter},
};
use hobnob_shared::{
    Sealed, codec,
    limits::{MAX_ADDRESSES, MAX_NOTE_BYTES, MAX_PRESENCE_BYTES},
    presence::{PresenceContent, PresenceSecret, PresenceTicket},
    text::Note,
    wire::{PresenceState, SignedTicket, TicketLetter, mail::MailContent, rendezvous::PresencePut},
};

#[test]
fn a_friend_sees_what_was_published_under_the_topic() {
    let sealed = presence_secret().seal(&presence_content(), &mut rng(90));
    let ticket = codec::encode(&presence_secret().ticket());
    let ticket: PresenceTicket = codec::decode_exact(&ticket, 200).unwrap();
    assert!(ticket.open(&sealed) == Some(presence_content()));
    let put = PresencePut { token: presence_secret().token(), sealed: Some(sealed), ttl_secs: 120 };
    assert_eq!(&put.topic(), ticket.topic());
}

#[test]
fn another_secret_opens_nothing_and_publishes_elsewhere() {
    let (one, other) = (presence_secret(), PresenceSecret::generate(&mut rng(91)));
    let sealed = one.seal(&presence_content(), &mut rng(90));
    assert!(other.ticket().open(&sealed).is_none());
    assert_ne!(one.ticket().topic(), other.ticket().topic());
    assert_ne!(one.token(), other.token());
    // The same key under another topic, as a rendezvous might try with a copied value.
    let (_, key): (_, serde_bytes::ByteArray<32>) = one.ticket().into();
    assert!(PresenceTicket::from((*other.ticket().topic(), key)).open(&sealed).is_none());
}

#[test]
fn changed_and_cut_off_values_are_refused() {
    let bytes = presence_secret().seal(&presence_content(), &mut rng(90)).into_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 4;
        }
        assert!(presence_secret().ticket().open(&Sealed::new(changed).unwrap()).is_none(), "byte {at}");
        assert!(presence_secret().ticket().open(&Sealed::new(bytes[..at].to_vec()).unwrap()).is_none());
    }
}

#[test]
fn away_and_busy_with_and_without_words_look_the_same() {
    let size = |state, text: &str| {
        let content = PresenceContent { state, text: Note::parse(text).unwrap(), ..presence_content() };
        presence_secret().seal(&content, &mut rng(90)).as_bytes().len()
    };
    assert_eq!(size(PresenceState::Online, ""), 256);
    assert_eq!(size(PresenceState::Busy, "in a meeting until noon, call only if it burns"), 256);
}

#[test]
fn the_longest_text_fits_and_only_as_many_addresses_as_there_is_room_for() {
    let address = |n: usize| format!("/dns/host-number-{n}.a-rather-long-domain.example/tcp/40001");
    let addresses: Vec<_> = (0..MAX_ADDRESSES + 4).map(address).collect();
    for text in [0, MAX_NOTE_BYTES] {
        let content = PresenceContent {
            text: Note::parse("t".repeat(text)).unwrap(),
            addresses: addresses.clone(),
            ..presence_content()
        };
        let sealed = presence_secret().seal(&content, &mut rng(90));
        assert_eq!(sealed.as_bytes().len(), MAX_PRESENCE_BYTES);
        let opened = presence_secret().ticket().open(&sealed).unwrap();
        assert!(opened.text == content.text && !opened.addresses.is_empty());
        assert!(addresses.starts_with(&opened.addresses), "the best ones stay");
    }
}

#[test]
fn a_ticket_counts_only_with_the_signature_of_the_device_that_it_names() {
    assert_eq!(signed_ticket().verify().unwrap(), ticket_letter());
    let by_another = TicketLetter { device: bob().device.id(), ..ticket_letter() }.sign(&bob().device);
    let swapped = SignedTicket { signature: by_another.signature, ..signed_ticket() };
    assert!(swapped.verify().is_err());
    let bytes = signed_ticket().bytes;
    assert!(bytes.len() < 120, "{}", bytes.len());
    for at in 0..bytes.len() {
        let mut changed = signed_ticket();
        changed.bytes[at] ^= 1;
        assert!(changed.verify().is_err(), "byte {at}");
    }
}

#[test]
fn a_ticket_travels_in_mail_and_mail_without_one_is_as_before() {
    let with = MailContent { presence: Some(signed_ticket()), ..mail_content() };
    assert_eq!(codec::decode_exact::<MailContent>(&codec::encode(&with), 4096), Ok(with));
    assert!(mail_content().presence.is_none(), "the stored envelope is one of before");
}

#[test]
fn nothing_of_it_prints_words_places_or_secrets() {
    let printed = format!("{:?} {:?} {:?}", presence_secret(), presence_secret().ticket(), presence_content());
    assert!(printed.ends_with("PresenceContent(Away, 1 addresses)"), "{printed}");
    assert!(printed.starts_with("PresenceSecret(..) PresenceTicket("), "{printed}");
    let again = PresenceSecret::from_bytes(&presence_secret().to_bytes());
    assert_eq!(again.token(), presence_secret().token());
}
