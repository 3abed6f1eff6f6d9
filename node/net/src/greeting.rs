//! How a socket begins and ends: hangs up on whoever does not begin as every libp2p node does, and lets the other side
//! read what was said before the end.
//!
//! The negotiation takes the first byte of an SSH or HTTP server for a length and waits for the rest, so a person who
//! mistypes a port would learn after a timeout only that nobody answered.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};

/// What both sides of a libp2p connection say first.
const GREETING: &[u8] = b"\x13/multistream/1.0.0\n";

/// A socket whose peer has to say the greeting first.
#[derive(Debug)]
pub(crate) struct Greeted<S> {
    socket: S,
    /// What of the greeting has not come yet.
    expected: &'static [u8],
    /// We have said that nothing more will come from us.
    has_ended: bool,
}

impl<S> Greeted<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, expected: GREETING, has_ended: false }
    }

    fn check(&mut self, read: &[u8]) -> io::Result<()> {
        if read.is_empty() {
            // Not "unexpected end": the negotiation would call that a protocol that is not supported.
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let length = read.len().min(self.expected.len());
        let (now, later) = self.expected.split_at(length);
        if !read.starts_with(now) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.expected = later;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        if !self.expected.is_empty() {
            self.check(buffer.get(..read).unwrap_or_default())?;
        }
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Says the end, and waits for that of the other side, which whoever closes bounds in time.
    ///
    /// A socket that is dropped while something unread lies in it makes the kernel reset the connection, and then the
    /// other side loses what it has not read yet.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_ended {
            ready!(Pin::new(&mut self.socket).poll_close(cx))?;
            self.has_ended = true;
        }
        let mut unread = [0; 1024];
        loop {
            if !matches!(ready!(Pin::new(&mut self.socket).poll_read(cx, &mut unread)), Ok(1..)) {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_may_come_in_pieces_and_with_more_behind_it() {
        let mut whole = GREETING.to_vec();
        whole.extend_from_slice(b"\x07/noise\n");
        for cut in 1..whole.len() {
            let mut socket = Greeted::new(());
            let (first, second) = whole.split_at(cut);
            assert!(socket.check(first).is_ok() && socket.check(second).is_ok(), "cut at {cut}");
        }
    }

    #[test]
    fn anything_else_is_refused_at_its_first_wrong_byte() {
        assert!(Greeted::new(()).check(b"SSH-2.0").is_err());
        assert!(Greeted::new(()).check(b"\x13/multistream/2").is_err());
        assert!(Greeted::new(()).check(b"\x13/multistream/1").is_ok());
        assert!(Greeted::new(()).check(b"").is_err());
    }
}
