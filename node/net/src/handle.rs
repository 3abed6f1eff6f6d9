//! The handle of a net: what the runtime calls and where it listens.

use tokio::sync::mpsc;

use crate::{NetConfig, NetError, NetEvent, Overflow};

/// Starts a net on the current tokio runtime.
///
/// The first event is [`NetEvent::Listening`]. Without any network this still succeeds, on loopback.
pub async fn start(config: NetConfig) -> Result<(Net, NetEvents), NetError> {
    let _ = config;
    Err(NetError::Setup("not yet".into()))
}

/// The transport id that belongs to a seed, as in bundles and events.
pub fn transport_id(seed: &[u8; 32]) -> Vec<u8> {
    let mut seed = zeroize::Zeroizing::new(*seed);
    libp2p::identity::Keypair::ed25519_from_bytes(&mut seed[..])
        .map(|key| key.public().to_peer_id().to_bytes())
        .unwrap_or_default()
}

/// A running net. Clones are the same net; when the last one is dropped it stops.
#[derive(Clone, Debug)]
pub struct Net {}

impl Net {
    /// Opens a link to any of `addresses` (best first), and sends the preamble with `mode`.
    ///
    /// [`NetEvent::Dialled`] or [`NetEvent::DialFailed`] follows, unless this returns [`Overflow`].
    pub fn try_dial(
        &self,
        dial: u64,
        transport: Option<Vec<u8>>,
        addresses: Vec<String>,
        mode: u8,
    ) -> Result<(), Overflow> {
        let _ = (dial, transport, addresses, mode);
        Err(Overflow)
    }

    /// Hands a chunk to the link's writer. On [`Overflow`] the link is closed at once, and what waited is lost.
    ///
    /// A link that has ended already takes the chunk and does nothing: its `Closed` is on the way.
    pub fn try_send(&self, link: u64, chunk: Vec<u8>) -> Result<(), Overflow> {
        let _ = (link, chunk);
        Ok(())
    }

    /// Closes the link after what was sent before. [`NetEvent::Closed`] follows, unless it came already.
    pub fn close(&self, link: u64) {
        let _ = link;
    }

    /// Pairing mode began or ended: with `true` the local network is asked at once who is there.
    pub fn set_pairing(&self, on: bool) {
        let _ = on;
    }

    /// Our own transport, as others know it.
    pub fn transport(&self) -> &[u8] {
        &[]
    }

    /// Sends what waits, closes every link and connection, and stops. Takes at most a few seconds.
    pub async fn shutdown(&self) {
        std::future::ready(()).await;
    }
}

/// Where the events of a net come out.
///
/// One link has only so many chunks in here, so a link that floods cannot hold up the others for long.
#[derive(Debug)]
pub struct NetEvents {
    receiver: mpsc::Receiver<NetEvent>,
}

impl NetEvents {
    /// The next event; `None` after the net has stopped.
    pub async fn recv(&mut self) -> Option<NetEvent> {
        self.receiver.recv().await
    }

    /// The same for a thread outside of tokio.
    pub fn blocking_recv(&mut self) -> Option<NetEvent> {
        self.receiver.blocking_recv()
    }

    /// The next event if there is one now.
    pub fn try_recv(&mut self) -> Option<NetEvent> {
        self.receiver.try_recv().ok()
    }
}
