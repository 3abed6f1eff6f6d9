//! One session: its preamble, its handshake, and then one small task that reads, seals and writes. While it is idle it
//! holds no buffer.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use hobnob_shared::{
    identity::DeviceKeys,
    limits::{HANDSHAKE_TIMEOUT_MS, MAX_HANDSHAKE_BYTES, SESSION_DEAD_MS},
    noise::{self, Handshake, Mode, PREAMBLE_BYTES, Session, Step},
    wire::{
        ErrorCode,
        payload::{Close, Failure, Hello},
        rendezvous::ServerFrame,
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    bucket::{Bucket, price},
    hub::Message,
    limits::Shared,
    memory::{Hold, Memory},
    outbox::{End, Outbox, Taken},
    places::Places,
    pulse::Pulse,
    reading::{Reading, put},
    sources::Sources,
};
use crate::{
    clock::Clock,
    metrics::Metrics,
    registry::{Caller, SessionId, Source},
};

/// A client that does not take what is written to it for so long loses its session.
const WRITE: Duration = Duration::from_secs(30);

/// What a session may hold in its stream while its next frame has to wait, in bytes: the window that yamux lets its client fill,
/// and the frames of one chunk, however short each is.
const WAITING_BYTES: usize = 384 * 1024;

/// How long the last words may take. They are only a courtesy.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) keys: DeviceKeys,
    /// Our own transport id.
    pub(crate) transport: Vec<u8>,
    pub(crate) hub: mpsc::Sender<Message>,
    pub(crate) limits: Shared,
    pub(crate) memory: Arc<Memory>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) places: Places,
    pub(crate) next: AtomicU64,
    pub(crate) instance: u64,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pulse: Arc<Pulse>,
}

impl Context {
    async fn tell_hub(&self, message: Message) -> Result<(), Ended> {
        self.hub.send(message).await.map_err(|_| Ended::Closed)
    }
}

/// Why a session ended, for the log.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the connection broke")]
    Broken(#[from] io::Error),
    #[error("it took too long")]
    TooSlow,
    #[error("{0}")]
    Noise(#[from] noise::NoiseError),
    #[error("the preamble is not ours")]
    Preamble,
    #[error("the client does not read")]
    Overflow,
    #[error("closed")]
    Closed,
    #[error("too many handshakes of its source are in progress")]
    Crowded,
}

/// A stream of a session that is not up yet.
#[derive(Debug)]
pub(crate) struct Opening<S> {
    pub(crate) stream: S,
    /// The client's transport id.
    pub(crate) peer: Vec<u8>,
    pub(crate) source: Source,
    pub(crate) context: Arc<Context>,
}

/// The whole life of a session.
///
/// Thousands of them are silent for hours, so the task of one holds nothing that is soon over: the handshake, whose
/// state is large, and the first and the last words lie in boxes of their own, which are gone afterwards.
pub(crate) fn run<S: AsyncRead + AsyncWrite + Unpin>(opening: Opening<S>) -> impl Future<Output = ()> {
    let opening = Box::pin(open(opening));
    async move {
        let ended = match opening.await {
            Ok(mut live) => {
                let ended = live.serve().await;
                Box::pin(live.end(&ended)).await;
                ended
            }
            Err(ended) => ended,
        };
        tracing::debug!(why = %ended, "session ended");
    }
}

/// From the first byte to where the hub knows of the session.
async fn open<S: AsyncRead + AsyncWrite + Unpin>(opening: Opening<S>) -> Result<Box<Live<S>>, Ended> {
    let Opening { mut stream, peer, source, context } = opening;
    let shaken = match context.places.take(source) {
        Some(_place) => shake_hands_soon(&mut stream, peer, &context).await,
        None => Err(Ended::Crowded),
    };
    match shaken {
        Ok((session, caller)) => begin(stream, session, caller, source, context).await,
        Err(ended) => {
            context.metrics.failed_handshakes.add(1);
            Err(ended)
        }
    }
}

/// Preamble and handshake, in five seconds.
async fn shake_hands_soon<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    peer: Vec<u8>,
    context: &Context,
) -> Result<(Box<Session>, Caller), Ended> {
    let deadline = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    timeout(deadline, shake_hands(stream, peer, context)).await.map_err(|_| Ended::TooSlow)?
}

async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    peer: Vec<u8>,
    context: &Context,
) -> Result<(Box<Session>, Caller), Ended> {
    let mut preamble = [0; PREAMBLE_BYTES];
    stream.read_exact(&mut preamble).await?;
    let mode = noise::parse_preamble(&preamble).map_err(|_| Ended::Preamble)?;
    if !matches!(mode, Mode::Account | Mode::Guest) {
        return Err(Ended::Preamble);
    }
    let first = read_handshake(stream).await?;
    // No computing is interrupted by waiting, so there is never more of it at once than the runtime has threads, and
    // whoever stalls between two messages holds nothing that others need.
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let mut rng = ChaCha20Rng::from_seed(seed);
    let secret = context.keys.x25519_secret();
    let mut handshake = Handshake::respond(mode, secret, &context.transport, &peer, &mut rng)?;
    let mut step = handshake.read(&first)?;
    if let Step::Send(message) = &step {
        write_handshake(stream, message).await?;
        step = handshake.read(&read_handshake(stream).await?)?;
    }
    let Step::Done(established) = step else { return Err(Ended::Preamble) };
    if let Some(last) = &established.send {
        write_handshake(stream, last).await?;
    }
    let caller = match (established.certificate, established.peer) {
        (Some(signed), Some(certificate)) => {
            Caller::Device { account: certificate.account, device: certificate.device, certificate: signed.hash() }
        }
        _ => Caller::Guest,
    };
    Ok((Box::new(established.session), caller))
}

async fn read_handshake<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if !(1..=MAX_HANDSHAKE_BYTES).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_handshake<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(message.len() + 2);
    put(&mut bytes, message);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    session: Box<Session>,
    caller: Caller,
    source: Source,
    context: Arc<Context>,
) -> Result<Box<Live<S>>, Ended> {
    let id = SessionId(context.next.fetch_add(1, Ordering::Relaxed));
    let outbox = Outbox::new(context.memory.clone(), source, id);
    let hello =
        Hello { features: Vec::new(), time_ms: context.clock.now_ms(), instance: context.instance, known_record: None };
    outbox.push(ServerFrame::Hello(hello).encode(0).into());
    let opened =
        Message::Opened { session: id, caller, source, binding: session.handshake_hash(), outbox: outbox.clone() };
    context.tell_hub(opened).await?;
    context.metrics.sessions.add(1);
    let limits = context.limits.get();
    let bucket = Bucket::new(limits.burst_frames, limits.frames_per_second, Instant::now());
    Ok(Box::new(Live { id, source, stream, session, outbox, bucket, context }))
}

/// A session that is up.
struct Live<S> {
    id: SessionId,
    source: Source,
    stream: S,
    session: Box<Session>,
    outbox: Arc<Outbox>,
    bucket: Bucket,
    context: Arc<Context>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Live<S> {
    /// The last words, and nothing more of it.
    async fn end(&mut self, ended: &Ended) {
        self.farewell(ended).await;
        self.context.metrics.sessions.sub(1);
        self.context.metrics.overflows.add(matches!(ended, Ended::Overflow).into());
        // The hub ends after all sessions.
        let _ = self.context.tell_hub(Message::Closed(self.id)).await;
    }

    /// Says why, where the other side can still read it.
    async fn farewell(&mut self, ended: &Ended) {
        let code = match ended {
            Ended::Noise(noise::NoiseError::FrameLength(_)) => ErrorCode::TooLarge,
            Ended::Noise(noise::NoiseError::Frame(_)) => ErrorCode::Malformed,
            Ended::Closed => ErrorCode::Ok,
            Ended::Noise(_)
            | Ended::Broken(_)
            | Ended::TooSlow
            | Ended::Preamble
            | Ended::Overflow
            | Ended::Crowded => return,
        };
        let close: Arc<[u8]> = ServerFrame::Close(Close { code }).encode(0).into();
        let closing = async {
            self.write(vec![close], self.outbox.holding()).await?;
            self.stream.close().await.map_err(Ended::Broken)
        };
        // Whether it is heard or not, this is the end.
        let _ = timeout(FAREWELL, closing).await;
    }

    /// Reads and writes until the end.
    async fn serve(&mut self) -> Ended {
        match self.talk().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn talk(&mut self) -> Result<Infallible, Ended> {
        let mut reading = Reading::default();
        // What has come of a frame that is not whole.
        let mut begun = self.outbox.holding();
        let dead = sleep(Duration::from_millis(SESSION_DEAD_MS));
        tokio::pin!(dead);
        loop {
            tokio::select! {
                biased;
                Taken { frames, hold, end } = self.outbox.take() => {
                    if end == Some(End::Overflow) {
                        return Err(Ended::Overflow);
                    }
                    Box::pin(self.write(frames, hold)).await?;
                    if end.is_some() {
                        return Err(Ended::Closed);
                    }
                }
                chunk = reading.next(&mut self.stream) => {
                    let frames = self.session.open(&chunk?)?;
                    begun.set(self.session.pending_bytes());
                    for bytes in frames {
                        Box::pin(self.on_frame(&bytes)).await?;
                        dead.as_mut().reset(Instant::now() + Duration::from_millis(SESSION_DEAD_MS));
                    }
                }
                () = &mut dead => return Err(Ended::TooSlow),
            }
        }
    }

    async fn on_frame(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        let (id, frame) = ServerFrame::decode(bytes).map_err(noise::NoiseError::Frame)?;
        self.wait_for_its_turn(price(&frame, bytes.len())).await?;
        self.context.metrics.frames.add(1);
        if let ServerFrame::Close(_) = frame {
            return Err(Ended::Closed);
        }
        if let ServerFrame::Ping { nonce } = frame {
            self.outbox.push(ServerFrame::Pong { nonce }.encode(id).into());
            return match self.context.pulse.add(self.id, self.context.clock.now_ms()) {
                Some(beats) => self.context.tell_hub(Message::Seen(beats)).await,
                None => Ok(()),
            };
        }
        if let ServerFrame::Unknown(_) = frame {
            if frame.wants_answer() {
                let failure = Failure { code: ErrorCode::Unsupported, of: id };
                self.outbox.push(ServerFrame::Error(failure).encode(id).into());
            }
            return Ok(());
        }
        let message = Message::Frame { session: self.id, id, frame: Box::new(frame) };
        self.context.tell_hub(message).await
    }

    /// Where this session, or all of its source, have sent too much, reads no further for a while.
    async fn wait_for_its_turn(&mut self, shares: usize) -> Result<(), Ended> {
        let now = Instant::now();
        let of_source = self.context.sources.take(self.source, shares, now);
        let Some(wait) = self.bucket.take(shares, now).max(of_source) else { return Ok(()) };
        self.context.metrics.throttled.add(1);
        let mut waiting = self.outbox.holding();
        waiting.set(WAITING_BYTES);
        tokio::select! {
            () = sleep(wait) => Ok(()),
            () = self.outbox.overflow() => Err(Ended::Overflow),
        }
    }

    /// Writes these frames, which `hold` counts until they are written.
    async fn write(&mut self, frames: Vec<Arc<[u8]>>, mut hold: Hold) -> Result<(), Ended> {
        let bytes = self.seal(frames)?;
        hold.set(bytes.len());
        let written = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        tokio::select! {
            written = timeout(WRITE, written) => Ok(written.map_err(|_| Ended::TooSlow)??),
            () = self.outbox.overflow() => Err(Ended::Overflow),
        }
    }

    /// The bytes of these frames as they are sent.
    fn seal(&mut self, frames: Vec<Arc<[u8]>>) -> Result<Vec<u8>, Ended> {
        let now = Instant::now();
        for frame in &frames {
            self.bucket.answer(frame.len(), now);
            self.context.sources.answer(self.source, frame.len(), now);
        }
        let mut messages = Vec::new();
        self.session.seal_all(frames.iter().map(|frame| &**frame), &mut messages)?;
        let mut bytes = Vec::with_capacity(messages.iter().map(|message| message.len() + 2).sum());
        messages.iter().for_each(|message| put(&mut bytes, message));
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
