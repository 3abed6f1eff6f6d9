//! The handle of a net: what the runtime calls, and where it listens.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::{NetEvent, Overflow, link::Links};

/// Events that wait for the runtime. With the largest chunks, 16 MiB.
pub(crate) const EVENT_QUEUE: usize = 1024;

/// Calls that wait for the task; it serves them before anything else.
pub(crate) const COMMAND_QUEUE: usize = 256;

/// What the handle asks of the task.
#[derive(Debug)]
pub(crate) enum Command {
    Dial { dial: u64, transport: Option<Vec<u8>>, addresses: Vec<String>, mode: u8 },
    AskNearby,
    Shutdown(oneshot::Sender<()>),
}

/// A running net. Clones are the same net; when the last one is dropped it stops.
#[derive(Clone, Debug)]
pub struct Net {
    commands: mpsc::Sender<Command>,
    links: Arc<Links>,
    transport: Arc<[u8]>,
}

impl Net {
    pub(crate) fn new(commands: mpsc::Sender<Command>, links: Arc<Links>, transport: Arc<[u8]>) -> Self {
        Self { commands, links, transport }
    }

    /// Opens a link to `transport`, or whoever answers, and sends the preamble with `mode`.
    ///
    /// A connection that exists already is used; otherwise `addresses` are tried, best first. An address is a
    /// multiaddress with or without `/p2p/…`, or `IP:PORT`. [`NetEvent::Dialled`] or [`NetEvent::DialFailed`] follows,
    /// unless this returns [`Overflow`].
    pub fn try_dial(
        &self,
        dial: u64,
        transport: Option<Vec<u8>>,
        addresses: Vec<String>,
        mode: u8,
    ) -> Result<(), Overflow> {
        self.commands.try_send(Command::Dial { dial, transport, addresses, mode }).map_err(|_| Overflow)
    }

    /// Hands a chunk of 1 to `MAX_NOISE_BYTES` bytes to the link's writer. On [`Overflow`] the link is closed at once,
    /// and what waited is lost.
    ///
    /// A link that has ended already takes the chunk and does nothing: its `Closed` is on the way.
    pub fn try_send(&self, link: u64, chunk: Vec<u8>) -> Result<(), Overflow> {
        self.links.send(link, chunk)
    }

    /// Closes the link after what was sent before. [`NetEvent::Closed`] follows, unless it came already.
    pub fn close(&self, link: u64) {
        self.links.close(link);
    }

    /// Pairing mode began or ended: with `true` the local network is asked at once who is there.
    pub fn set_pairing(&self, on: bool) {
        if on {
            // A full queue only delays the answer until mDNS asks by itself.
            let _ = self.commands.try_send(Command::AskNearby);
        }
    }

    /// Our own transport, as others know it.
    pub fn transport(&self) -> &[u8] {
        &self.transport
    }

    /// Sends what waits, closes every link and connection, and stops. Takes at most twice [`Times::close`].
    ///
    /// [`Times::close`]: crate::Times::close
    pub async fn shutdown(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Shutdown(done)).await.is_ok() {
            // An error means that it stopped without saying so, which is as good.
            let _ = stopped.await;
        }
    }
}

/// An event on its way, and the place it takes in its link's share.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) event: NetEvent,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl From<NetEvent> for Queued {
    fn from(event: NetEvent) -> Self {
        Self { event, permit: None }
    }
}

impl Queued {
    fn take(self) -> NetEvent {
        drop(self.permit);
        self.event
    }
}

/// Where the events of a net come out.
///
/// One link has only so many chunks in here, so a link that floods cannot hold up the others for long. Dropping it
/// stops the net.
#[derive(Debug)]
pub struct NetEvents {
    receiver: mpsc::Receiver<Queued>,
}

impl NetEvents {
    pub(crate) fn new(receiver: mpsc::Receiver<Queued>) -> Self {
        Self { receiver }
    }

    /// The next event; `None` after the net has stopped.
    pub async fn recv(&mut self) -> Option<NetEvent> {
        self.receiver.recv().await.map(Queued::take)
    }

    /// The same for a thread outside of tokio.
    pub fn blocking_recv(&mut self) -> Option<NetEvent> {
        self.receiver.blocking_recv().map(Queued::take)
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.receiver.len()
    }

    /// The next event if there is one now.
    pub fn try_recv(&mut self) -> Option<NetEvent> {
        self.receiver.try_recv().ok().map(Queued::take)
    }
}
