//! yamux with bounds that suit a chat.
//!
//! libp2p's own wrapper lets a peer have 1 GiB of receive windows and 256 streams that nobody took yet, and waits
//! without end for a peer that does not read when it closes. Otherwise this is the same thin wrapper.

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

/// Streams of one connection: 8 links that the peer opened, some of ours, identify, ping, and what is just ending.
/// A peer that opens more loses the connection.
const MAX_STREAMS: usize = 24;

/// Receive windows of one connection, in bytes: the least that yamux wants for so many streams, 256 KiB for each.
const MAX_WINDOW_BYTES: usize = MAX_STREAMS * 256 * 1024;

/// Largest data frame we send, in bytes: one chunk with its length fits.
const SPLIT_BYTES: usize = 32 * 1024;

/// Inbound streams that are open but not yet taken by the swarm; more are reset.
const MAX_UNTAKEN: usize = 8;

/// The upgrade that turns a connection into a [`Muxer`].
#[derive(Clone, Debug)]
pub(crate) struct Yamux {
    config: yamux::Config,
    close: Duration,
}

impl Yamux {
    /// A connection that is being closed waits `close` for the peer to take what was written.
    pub(crate) fn new(close: Duration) -> Self {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(MAX_STREAMS);
        config.set_max_connection_receive_window(Some(MAX_WINDOW_BYTES));
        config.set_split_send_size(SPLIT_BYTES);
        Self { config, close }
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
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        std::future::ready(Ok(Muxer::new(socket, self, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        std::future::ready(Ok(Muxer::new(socket, self, Mode::Client)))
    }
}

/// One connection and its streams.
pub(crate) struct Muxer<C> {
    connection: Connection<C>,
    untaken: VecDeque<yamux::Stream>,
    waker: Option<Waker>,
    close: Duration,
    closing: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(socket: C, upgrade: Yamux, mode: Mode) -> Self {
        Self {
            connection: Connection::new(socket, upgrade.config, mode),
            untaken: VecDeque::new(),
            waker: None,
            close: upgrade.close,
            closing: None,
        }
    }

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
        let close = self.close;
        let timer = self.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(close)));
        timer.poll_unpin(cx).map(Ok)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let stream = ready!(self.poll_next(cx))?;
        if self.untaken.len() < MAX_UNTAKEN {
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
