//! Chunks on a stream: each stands behind its length (two bytes, big-endian).

use std::io;

use futures::{AsyncRead, AsyncReadExt as _};
use hobnob_shared::limits::MAX_NOISE_BYTES;

/// A chunk that is being read. Between two chunks it holds no buffer.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    length: [u8; 2],
    have: usize,
    chunk: Vec<u8>,
}

impl Reading {
    /// The next whole chunk. Dropping the future loses nothing: what was read stays here.
    pub(crate) async fn next<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<Vec<u8>> {
        loop {
            let have = self.have;
            let read = match self.length.get_mut(have..) {
                Some(rest) if !rest.is_empty() => stream.read(rest).await?,
                _ => {
                    let rest = self.chunk.get_mut(have - self.length.len()..).unwrap_or_default();
                    stream.read(rest).await?
                }
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.have += read;
            if self.have == self.length.len() {
                let length = usize::from(u16::from_be_bytes(self.length));
                if !(1..=MAX_NOISE_BYTES).contains(&length) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                self.chunk = vec![0; length];
            } else if self.have == self.length.len() + self.chunk.len() {
                self.have = 0;
                return Ok(std::mem::take(&mut self.chunk));
            }
        }
    }
}

/// Appends a chunk with its length.
pub(crate) fn put(bytes: &mut Vec<u8>, chunk: &[u8]) {
    debug_assert!(chunk.len() <= MAX_NOISE_BYTES, "a chunk of {} bytes", chunk.len());
    bytes.extend_from_slice(&u16::try_from(chunk.len()).unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(chunk);
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, io::Cursor};

    use super::*;

    #[tokio::test]
    async fn chunks_come_back_however_they_are_cut() {
        let mut bytes = Vec::new();
        put(&mut bytes, &[7; 300]);
        put(&mut bytes, &[8; MAX_NOISE_BYTES]);
        for cut in [1, 2, 3, 301, 302, 303, 304, 305, 5000] {
            let (first, second) = bytes.split_at(cut);
            let (mut reading, mut got) = (Reading::default(), Vec::new());
            let (near, mut far) = tokio::io::duplex(1 << 20);
            let mut near = tokio_compat(near);
            tokio::io::AsyncWriteExt::write_all(&mut far, first).await.unwrap();
            // Read what there is, and drop the future in the middle.
            while let Some(chunk) = reading.next(&mut near).now_or_never() {
                got.push(chunk.unwrap().len());
            }
            tokio::io::AsyncWriteExt::write_all(&mut far, second).await.unwrap();
            while got.len() < 2 {
                got.push(reading.next(&mut near).await.unwrap().len());
            }
            assert_eq!(got, [300, MAX_NOISE_BYTES], "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_length_of_nothing_or_too_much_is_refused() {
        for length in [0, MAX_NOISE_BYTES as u16 + 1, u16::MAX] {
            let mut stream = Cursor::new(length.to_be_bytes().to_vec());
            let error = Reading::default().next(&mut stream).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{length}");
        }
    }

    fn tokio_compat(stream: tokio::io::DuplexStream) -> impl AsyncRead + Unpin {
        struct Compat(tokio::io::DuplexStream);
        impl AsyncRead for Compat {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                out: &mut [u8],
            ) -> std::task::Poll<io::Result<usize>> {
                let mut buffer = tokio::io::ReadBuf::new(out);
                let read = tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut self.0), cx, &mut buffer);
                read.map_ok(|()| buffer.filled().len())
            }
        }
        Compat(stream)
    }
}
