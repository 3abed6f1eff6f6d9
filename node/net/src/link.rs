//! One link: its preamble, its reader, its writer, and the table in which the runtime finds it.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _,
    io::{BufReader, ReadHalf, WriteHalf},
};
use hobnob_shared::{
    limits::{MAX_NOISE_BYTES, WRITER_QUEUE_BYTES, WRITER_QUEUE_FRAMES},
    noise::{self, Mode, PREAMBLE_BYTES},
};
use libp2p::Stream;
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::{Instant, timeout},
};

use crate::{DialError, NetEvent, Overflow, Times, failure, handle::Queued};

/// Chunks of one link that wait for the runtime; then its reader waits, and the peer with it.
///
/// So one link holds at most 512 KiB here, and takes at most a thirtieth of the event queue.
const CHUNKS_IN_FLIGHT: usize = 32;

/// Bytes read from a stream at once.
const READ_BYTES: usize = 16 * 1024;

/// Chunks are gathered until they are this many bytes, and written together.
const WRITE_BYTES: usize = 32 * 1024;

/// The links that are open now, by their number.
#[derive(Debug, Default)]
pub(crate) struct Links {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    open: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    queue: mpsc::Sender<Vec<u8>>,
    signals: Arc<Signals>,
}

/// What the table and the task of a link share.
#[derive(Debug, Default)]
struct Signals {
    /// Bytes in the writer's queue.
    waiting: AtomicUsize,
    /// End at once.
    abort: Notify,
    /// The queue is closed: end when it is empty, and soon.
    close: Notify,
}

impl Links {
    /// Hands a chunk to the writer. A full queue ends the link: a chunk that is skipped makes every later one
    /// unreadable.
    pub(crate) fn send(&self, link: u64, chunk: Vec<u8>) -> Result<(), Overflow> {
        let mut table = self.table();
        let Some(entry) = table.open.get(&link) else { return Ok(()) };
        debug_assert!((1..=MAX_NOISE_BYTES).contains(&chunk.len()), "a chunk of {} bytes", chunk.len());
        let bytes = chunk.len();
        let before = entry.signals.waiting.fetch_add(bytes, Ordering::Relaxed);
        let fits = (1..=MAX_NOISE_BYTES).contains(&bytes) && before.saturating_add(bytes) <= WRITER_QUEUE_BYTES;
        if fits && entry.queue.try_send(chunk).is_ok() {
            return Ok(());
        }
        entry.signals.abort.notify_one();
        table.open.remove(&link);
        Err(Overflow)
    }

    /// Lets the writer finish what it has.
    pub(crate) fn close(&self, link: u64) {
        if let Some(entry) = self.table().open.remove(&link) {
            entry.signals.close.notify_one();
        }
    }

    /// The same for every link.
    pub(crate) fn close_all(&self) {
        for (_, entry) in self.table().open.drain() {
            entry.signals.close.notify_one();
        }
    }

    fn open(&self) -> (u64, mpsc::Receiver<Vec<u8>>, Arc<Signals>) {
        let (queue, receiver) = mpsc::channel(WRITER_QUEUE_FRAMES);
        let signals = Arc::new(Signals::default());
        let mut table = self.table();
        table.last += 1;
        let link = table.last;
        table.open.insert(link, Entry { queue, signals: signals.clone() });
        (link, receiver, signals)
    }

    fn remove(&self, link: u64) {
        self.table().open.remove(&link);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in here panics half way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a link exists. Its connection knows by it how many it carries, and since when.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) since: Instant,
    pub(crate) is_inbound: bool,
}

impl Presence {
    /// Of a link that we open now.
    pub(crate) fn outbound() -> Self {
        Self { since: Instant::now(), is_inbound: false }
    }
}

/// All that the task of a link needs.
#[derive(Debug)]
pub(crate) struct LinkTask {
    pub(crate) links: Arc<Links>,
    pub(crate) events: mpsc::Sender<Queued>,
    pub(crate) times: Arc<Times>,
    pub(crate) local: Vec<u8>,
    pub(crate) remote: Vec<u8>,
    pub(crate) address: String,
    pub(crate) presence: Arc<Presence>,
}

impl LinkTask {
    /// The whole life of a link that we opened.
    pub(crate) async fn dialled(self, mut stream: Stream, dial: u64, mode: Mode) {
        let written = timeout(self.times.preamble, async {
            stream.write_all(&noise::preamble(mode)).await?;
            stream.flush().await
        });
        let error = match written.await {
            Ok(Ok(())) => return self.run(stream, Announcement::Dialled(dial)).await,
            Ok(Err(error)) => failure::link_error(&error),
            Err(_) => DialError::TimedOut,
        };
        self.tell(NetEvent::DialFailed { dial, error }).await;
    }

    /// The whole life of a link that the peer opened. Nobody hears of it before its preamble is right; what a rendezvous
    /// serves, a node does not.
    pub(crate) async fn accepted(self, mut stream: Stream) {
        let mut bytes = [0; PREAMBLE_BYTES];
        if let Ok(Ok(())) = timeout(self.times.preamble, stream.read_exact(&mut bytes)).await
            && let Ok(mode) = noise::parse_preamble(&bytes)
            && matches!(mode, Mode::Device | Mode::Invite | Mode::Nearby)
        {
            self.run(stream, Announcement::Accepted(mode)).await;
        }
    }

    async fn run(self, stream: Stream, announcement: Announcement) {
        let (link, queue, signals) = self.links.open();
        if self.tell(self.announce(link, announcement)).await {
            self.live(link, stream, queue, &signals).await;
        }
        self.links.remove(link);
        self.tell(NetEvent::Closed { link }).await;
        tracing::debug!(link, lived_ms = self.presence.since.elapsed().as_millis(), "link ended");
    }

    /// Reads and writes until the first of both ends, or the link is told to.
    async fn live(&self, link: u64, stream: Stream, queue: mpsc::Receiver<Vec<u8>>, signals: &Signals) {
        let (reader, writer) = stream.split();
        let reading = self.read(link, reader);
        let writing = write(writer, queue, signals, self.times.write);
        let both = async {
            tokio::pin!(reading);
            tokio::select! {
                () = &mut reading => {}
                // A peer that closed may have left words that are not read yet.
                written = writing => if written.is_err() {
                    let _ = timeout(self.times.close, reading).await;
                },
            }
        };
        let closing = async {
            signals.close.notified().await;
            tokio::time::sleep(self.times.close).await;
        };
        tokio::select! {
            biased;
            () = signals.abort.notified() => {}
            () = closing => {}
            () = both => {}
        }
    }

    async fn read(&self, link: u64, half: ReadHalf<Stream>) {
        let mut reader = BufReader::with_capacity(READ_BYTES, half);
        let in_flight = Arc::new(Semaphore::new(CHUNKS_IN_FLIGHT));
        while let Ok(Some(bytes)) = read_chunk(&mut reader, self.times.chunk).await {
            let Ok(permit) = in_flight.clone().acquire_owned().await else { return };
            let queued = Queued { event: NetEvent::Chunk { link, bytes }, permit: Some(permit) };
            if self.events.send(queued).await.is_err() {
                return;
            }
        }
    }

    fn announce(&self, link: u64, announcement: Announcement) -> NetEvent {
        let (local, remote, address) = (self.local.clone(), self.remote.clone(), self.address.clone());
        match announcement {
            Announcement::Dialled(dial) => NetEvent::Dialled { dial, link, local, remote, address },
            Announcement::Accepted(mode) => NetEvent::Accepted { link, local, remote, address, mode: mode as u8 },
        }
    }

    async fn tell(&self, event: NetEvent) -> bool {
        self.events.send(event.into()).await.is_ok()
    }
}

enum Announcement {
    Dialled(u64),
    Accepted(Mode),
}

/// The next chunk; `None` at the end of the stream. Silence between chunks is fine, within one it is not.
async fn read_chunk(reader: &mut BufReader<ReadHalf<Stream>>, deadline: Duration) -> io::Result<Option<Vec<u8>>> {
    if reader.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    let whole = async {
        let mut length = [0; 2];
        reader.read_exact(&mut length).await?;
        let length = usize::from(u16::from_be_bytes(length));
        if !(1..=MAX_NOISE_BYTES).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut chunk = vec![0; length];
        reader.read_exact(&mut chunk).await?;
        Ok(Some(chunk))
    };
    timeout(deadline, whole).await?
}

/// Writes what comes out of `queue`, and closes the stream after the last.
async fn write(
    mut half: WriteHalf<Stream>,
    mut queue: mpsc::Receiver<Vec<u8>>,
    signals: &Signals,
    deadline: Duration,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(chunk) = queue.recv().await {
        let mut bytes = put(&mut buffer, &chunk);
        while buffer.len() < WRITE_BYTES
            && let Ok(chunk) = queue.try_recv()
        {
            bytes += put(&mut buffer, &chunk);
        }
        timeout(deadline, async {
            half.write_all(&buffer).await?;
            half.flush().await
        })
        .await??;
        signals.waiting.fetch_sub(bytes, Ordering::Relaxed);
        buffer.clear();
    }
    half.close().await
}

fn put(buffer: &mut Vec<u8>, chunk: &[u8]) -> usize {
    // The sender has checked that it fits.
    buffer.extend_from_slice(&u16::try_from(chunk.len()).unwrap_or(0).to_be_bytes());
    buffer.extend_from_slice(chunk);
    chunk.len()
}
