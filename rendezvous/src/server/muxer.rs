//! yamux for many connections with little to say: few streams, small windows, and no peer holds one open by not reading.
//!
//! libp2p's own wrapper lets a client have 1 GiB of receive windows and 256 streams that nobody took yet.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    io, iter,
    pin::Pin,
    task::{Context, Poll, Waker, ready as done},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite, FutureExt as _};
use libp2p::core::{
    muxing::{StreamMuxer, StreamMuxerEvent},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
};
use yamux::{Connection, ConnectionError, Mode};

use super::quiet::Quiet;

/// Streams of one connection: two sessions while one replaces the other, identify both ways, ping, what just ends.
const MAX_STREAMS: usize = 8;

/// Receive windows of one connection, in bytes: the least that yamux wants for so many streams.
const MAX_WINDOW_BYTES: usize = MAX_STREAMS * 256 * 1024;

/// A connection that is being closed waits so long for the client to take what was written.
const CLOSE: Duration = Duration::from_secs(2);

/// The upgrade that turns a connection into a [`Muxer`].
#[derive(Clone, Debug)]
pub(crate) struct Yamux(yamux::Config);

impl Yamux {
    pub(crate) fn new() -> Self {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(MAX_STREAMS);
        config.set_max_connection_receive_window(Some(MAX_WINDOW_BYTES));
        Self(config)
    }

    fn start<C: AsyncRead + AsyncWrite + Unpin>(self, socket: C, mode: Mode) -> Ready<io::Result<Muxer<C>>> {
        let connection = Connection::new(Quiet::new(socket), self.0, mode);
        ready(Ok(Muxer { connection, untaken: VecDeque::new(), waker: None, closing: None }))
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
pub(crate) struct Muxer<C> {
    connection: Connection<Quiet<C>>,
    untaken: VecDeque<yamux::Stream>,
    waker: Option<Waker>,
    closing: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    /// Drives the whole connection; ready with a new inbound stream.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        let next = done!(self.connection.poll_next_inbound(cx));
        Poll::Ready(next.unwrap_or(Err(ConnectionError::Closed)).map_err(io_error))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = yamux::Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        if let Some(stream) = self.untaken.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = self.poll_next(cx);
        if next.is_pending() {
            self.waker = Some(cx.waker().clone());
        }
        next
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        self.connection.poll_new_outbound(cx).map_err(io_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = self.connection.poll_close(cx) {
            return Poll::Ready(result.map_err(io_error));
        }
        let timer = self.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(CLOSE)));
        timer.poll_unpin(cx).map(Ok)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let stream = done!(self.poll_next(cx))?;
        // Beyond the limit the stream is reset by being dropped.
        if self.untaken.len() < MAX_STREAMS {
            self.untaken.push_back(stream);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn io_error(error: ConnectionError) -> io::Error {
    if let ConnectionError::Io(error) = error { error } else { io::Error::other(error) }
}
