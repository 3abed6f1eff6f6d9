//! A socket under yamux that can keep one frame back: the first ping with which yamux measures the round trip.
//!
//! yamux grows its windows by that time, and the rendezvous' may not grow. Without an answer it asks no more; with one it asks
//! anew whenever ten seconds have passed and something comes, which is with every ping of an idle client. Each costs as
//! much as the client's ping does.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};

/// How a frame of yamux begins that asks for a pong: version 0, type 2, flag SYN. It is 12 bytes long.
const PING: [u8; 4] = [0, 2, 0, 1];
const FRAME_BYTES: usize = 12;

/// The socket. See the module.
#[derive(Debug)]
pub(crate) struct Quiet<C> {
    socket: C,
    is_begun: bool,
}

impl<C> Quiet<C> {
    /// Where the round trip is measured, everything is written.
    pub(crate) fn new(socket: C, measures: bool) -> Self {
        Self { socket, is_begun: measures }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Quiet<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_read(cx, bytes)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Quiet<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // yamux writes the head of a frame at once, and that ping before all else. Where it did not, all would go out.
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        if is_first && bytes.len() == FRAME_BYTES && bytes.starts_with(&PING) {
            return Poll::Ready(Ok(FRAME_BYTES));
        }
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::task::noop_waker;
    use yamux::{Config, Connection, Mode};

    use super::*;

    /// What was written, and what there is to read.
    #[derive(Clone, Default)]
    struct Wire(Arc<Mutex<(Vec<u8>, Vec<u8>)>>);

    impl AsyncRead for Wire {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
            let incoming = &mut self.0.lock().unwrap().1;
            let length = bytes.len().min(incoming.len());
            if length == 0 {
                return Poll::Pending;
            }
            bytes.iter_mut().zip(incoming.drain(..length)).for_each(|(to, from)| *to = from);
            Poll::Ready(Ok(length))
        }
    }

    impl AsyncWrite for Wire {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().0.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Lets yamux do what it can on this socket, given that something comes; says what it wrote.
    fn written(socket: impl AsyncRead + AsyncWrite + Unpin, wire: &Wire, incoming: &[&[u8]]) -> Vec<u8> {
        let mut connection = Connection::new(socket, Config::default(), Mode::Server);
        let waker = noop_waker();
        for bytes in [&[&[][..]], incoming].concat() {
            wire.0.lock().unwrap().1.extend_from_slice(bytes);
            assert!(connection.poll_next_inbound(&mut Context::from_waker(&waker)).is_pending());
        }
        std::mem::take(&mut wire.0.lock().unwrap().0)
    }

    #[test]
    fn yamux_measures_nothing_and_answers_as_before() {
        let wire = Wire::default();
        let bare = written(wire.clone(), &wire, &[]);
        assert!(bare.len() == FRAME_BYTES && bare.starts_with(&PING), "yamux begins otherwise now: {bare:?}");
        assert!(written(Quiet::new(wire.clone(), false), &wire, &[]).is_empty());
        assert_eq!(
            written(Quiet::new(wire.clone(), true), &wire, &[]).len(),
            FRAME_BYTES,
            "it is measured where wanted"
        );
        let ping = |id| [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, id];
        let pong = |id| [0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, id];
        let answers = written(Quiet::new(wire.clone(), false), &wire, &[&ping(7), &ping(8)]);
        assert_eq!(answers, [pong(7), pong(8)].concat());
    }
}
