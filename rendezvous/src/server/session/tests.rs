use std::{
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    task::{self, Poll},
};

use futures::poll;
use hobnob_shared::{
    identity::{AccountKey, Certificate},
    noise::preamble,
    text::Nickname,
};

use super::*;
use crate::server::limits::Limits;

/// A client that sends this and then nothing more, and takes whatever it is sent.
struct Canned(Vec<u8>);

impl AsyncRead for Canned {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut task::Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let count = to.len().min(self.0.len());
        to.iter_mut().zip(self.0.drain(..count)).for_each(|(to, byte)| *to = byte);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Canned {
    fn poll_write(self: Pin<&mut Self>, _: &mut task::Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const PEER: &[u8] = b"peer";

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn context(limits: Limits) -> (Arc<Context>, mpsc::Receiver<Message>) {
    let (hub, messages) = mpsc::channel(8);
    let limits = Shared::new(limits);
    let context = Context {
        keys: DeviceKeys::generate(&mut rng()),
        transport: b"server".to_vec(),
        hub,
        places: Places::new(limits.clone()),
        memory: Arc::new(Memory::new(limits.clone(), Arc::default())),
        sources: Arc::new(Sources::new(limits.clone())),
        limits,
        next: 1.into(),
        instance: 1,
        clock: Clock::start(),
        metrics: Arc::default(),
        pulse: Arc::default(),
    };
    (Arc::new(context), messages)
}

fn first_words(mode: Mode, message: &[u8]) -> Canned {
    let mut bytes = preamble(mode).to_vec();
    put(&mut bytes, message);
    Canned(bytes)
}

/// A guest has no more to say than this.
fn guest(context: &Context) -> Canned {
    let key = context.keys.x25519_public();
    let (_, first) = Handshake::initiate_as_guest(&key, PEER, &context.transport, &mut rng()).unwrap();
    first_words(Mode::Guest, &first)
}

/// A device whose third message never comes.
fn stalled(context: &Context) -> Canned {
    let (account, device) = (AccountKey::generate(&mut rng()), DeviceKeys::generate(&mut rng()));
    let certificate = account.sign_certificate(&Certificate {
        account: account.id(),
        device: device.id(),
        x25519: device.x25519_public(),
        name: Nickname::parse("laptop").unwrap(),
        added_ms: 1,
    });
    let (secret, server) = (device.x25519_secret(), context.keys.x25519_public());
    let (_, first) = Handshake::initiate(
        Mode::Account,
        secret,
        Some(server),
        None,
        PEER,
        &context.transport,
        &certificate.encode(),
        &mut rng(),
    )
    .unwrap();
    first_words(Mode::Account, &first)
}

fn opening(context: &Arc<Context>, stream: Canned, host: u8) -> Opening<Canned> {
    let source = Source::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)));
    Opening { stream, peer: PEER.to_vec(), source, context: context.clone() }
}

#[tokio::test]
async fn whoever_stalls_keeps_no_place_from_others() {
    let (context, _messages) = context(Limits { handshakes_per_source: 100, ..Limits::default() });
    let mut stalling = Vec::new();
    // More than one source may have, and more than were once allowed in all.
    for host in 1..=2 {
        for _ in 0..100 {
            let mut opening = Box::pin(open(opening(&context, stalled(&context), host)));
            assert!(poll!(&mut opening).is_pending(), "its third message is awaited");
            stalling.push(opening);
        }
    }
    assert_eq!(context.metrics.failed_handshakes.get(), 0);
    let crowded = poll!(Box::pin(open(opening(&context, guest(&context), 1))));
    assert!(matches!(crowded, Poll::Ready(Err(Ended::Crowded))), "one source has so many places");
    let honest = poll!(Box::pin(open(opening(&context, guest(&context), 3))));
    assert!(matches!(honest, Poll::Ready(Ok(_))), "somebody else is served at once");

    drop(stalling.remove(0));
    for _ in 0..2 {
        let again = poll!(Box::pin(open(opening(&context, guest(&context), 1))));
        assert!(matches!(again, Poll::Ready(Ok(_))), "a place comes back when its handshake is over");
    }
}
