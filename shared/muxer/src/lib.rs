//! yamux with bounds, for nodes and for the rendezvous.
//!
//! libp2p's own wrapper lets a peer have 1 GiB of receive windows and 256 streams that nobody took yet, and waits
//! without end for a peer that does not read when it closes. Otherwise this is the same thin wrapper.

mod quiet;

use std::{
    collections::VecDeque,
    future::Ready,
    io, iter,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite, FutureExt as _};
use libp2p::core::{
    muxing::{StreamMuxer, StreamMuxerEvent},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
};
use yamux::{Connection, ConnectionError, Mode};

use quiet::Quiet;

/// What one connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Streams at once, of both sides. A peer that opens more loses the connection.
    pub streams: usize,
    /// Inbound streams that are open but not yet taken by the swarm; more are reset.
    pub untaken: usize,
    /// Largest data frame that is sent, in bytes.
    pub frame_bytes: usize,
    /// A connection that is being closed waits so long for the peer to take what was written.
    pub close: Duration,
    /// Whether the round trip is measured, by which yamux lets a receive window grow past 256 KiB.
    pub measures: bool,
}

/// Bytes of a stream's receive window when it begins, which yamux fixes, and the least that it wants to be allowed for
/// each stream of a connection.
const WINDOW_BYTES: usize = 256 * 1024;

/// The upgrade that turns a connection into a [`Muxer`].
#[derive(Clone, Debug)]
pub struct Yamux {
    config: yamux::Config,
    bounds: Bounds,
}

impl Yamux {
    /// Connections with these bounds.
    pub fn new(bounds: Bounds) -> Self {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(bounds.streams);
        config.set_max_connection_receive_window(Some(bounds.streams * WINDOW_BYTES));
        config.set_split_send_size(bounds.frame_bytes);
        Self { config, bounds }
    }

    fn start<C: AsyncRead + AsyncWrite + Unpin>(self, socket: C, mode: Mode) -> Ready<io::Result<Muxer<C>>> {
        let Self { config, bounds } = self;
        let connection = Connection::new(Quiet::new(socket, bounds.measures), config, mode);
        std::future::ready(Ok(Muxer { connection, bounds, untaken: VecDeque::new(), waker: None, closing: None }))
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        self.start(socket, Mode::Server)
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        self.start(socket, Mode::Client)
    }
}

/// One connection and its streams.
pub struct Muxer<C> {
    connection: Connection<Quiet<C>>,
    bounds: Bounds,
    untaken: VecDeque<yamux::Stream>,
    waker: Option<Waker>,
    closing: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<C> std::fmt::Debug for Muxer<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Muxer").field("untaken", &self.untaken.len()).finish_non_exhaustive()
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    /// Drives the whole connection; ready with a new inbound stream.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        Poll::Ready(match ready!(self.connection.poll_next_inbound(cx)) {
            Some(Ok(stream)) => Ok(stream),
            Some(Err(error)) => Err(io_error(error)),
            None => Err(io_error(ConnectionError::Closed)),
        })
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = yamux::Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        if let Some(stream) = self.untaken.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        if let Poll::Ready(result) = self.poll_next(cx) {
            return Poll::Ready(result);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        self.connection.poll_new_outbound(cx).map_err(io_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = self.connection.poll_close(cx) {
            return Poll::Ready(result.map_err(io_error));
        }
        // A peer that reads nothing must not hold the connection's memory and its place for ever.
        let close = self.bounds.close;
        let timer = self.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(close)));
        timer.poll_unpin(cx).map(Ok)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let stream = ready!(self.poll_next(cx))?;
        if self.untaken.len() < self.bounds.untaken {
            self.untaken.push_back(stream);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        // There may be more, but others want to run too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn io_error(error: ConnectionError) -> io::Error {
    if let ConnectionError::Io(error) = error { error } else { io::Error::other(error) }
}
