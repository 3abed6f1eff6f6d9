//! After the handshake: frames in, Noise messages out, and back.
//!
//! All Noise messages of one direction form one stream of bytes; on it each frame stands behind its length (four bytes,
//! big-endian). Every sealed message must be sent, in order: the other side cannot skip one.

use std::fmt;

use snow::{HandshakeState, TransportState};

use super::NoiseError;
use crate::limits::{MAX_FRAME_BYTES, MAX_NOISE_BYTES};

const TAG_BYTES: usize = 16;
const PLAIN_BYTES: usize = MAX_NOISE_BYTES - TAG_BYTES;
const LENGTH_BYTES: usize = 4;

/// One session: what is sealed for and opened from one device.
pub struct Session {
    noise: Box<TransportState>,
    handshake_hash: [u8; 32],
    /// Decrypted bytes that do not make a whole frame yet. Never more than a frame and a message.
    pending: Vec<u8>,
    /// A wrong length came: where the next frame begins is not known any more.
    broken: Option<usize>,
    sent: u64,
    received: u64,
}

impl Session {
    pub(super) fn start(noise: HandshakeState) -> Result<Self, NoiseError> {
        let handshake_hash = noise.get_handshake_hash().try_into().map_err(|_| NoiseError::OutOfStep)?;
        Ok(Self {
            noise: Box::new(noise.into_transport_mode()?),
            handshake_hash,
            pending: Vec::new(),
            broken: None,
            sent: 0,
            received: 0,
        })
    }

    /// Seals one frame into as many messages as it needs, behind those in `out`.
    pub fn seal(&mut self, frame: &[u8], out: &mut Vec<Vec<u8>>) -> Result<(), NoiseError> {
        self.seal_all([frame], out)
    }

    /// Seals frames into as few messages as they need, behind those in `out`. A frame that is too long, or empty, is
    /// our own mistake: nothing at all is sealed then.
    pub fn seal_all<'a>(
        &mut self,
        frames: impl IntoIterator<Item = &'a [u8]>,
        out: &mut Vec<Vec<u8>>,
    ) -> Result<(), NoiseError> {
        let mut stream = Vec::new();
        for frame in frames {
            stream.extend_from_slice(&length(frame)?.to_be_bytes());
            stream.extend_from_slice(frame);
        }
        for plain in stream.chunks(PLAIN_BYTES) {
            let mut message = vec![0; plain.len() + TAG_BYTES];
            let bytes = self.noise.write_message(plain, &mut message)?;
            message.truncate(bytes);
            self.sent += bytes as u64;
            out.push(message);
        }
        Ok(())
    }

    /// Opens one message, and returns the frames that it completes. A message that does not decrypt changes nothing;
    /// a wrong length of a frame leaves the session of no further use.
    pub fn open(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>, NoiseError> {
        if let Some(length) = self.broken {
            return Err(NoiseError::FrameLength(length));
        }
        if message.len() > MAX_NOISE_BYTES {
            return Err(NoiseError::Decrypt);
        }
        // Not in the session itself: a rendezvous has thousands that are silent for hours.
        let mut plain = vec![0; message.len()];
        let bytes = self.noise.read_message(message, &mut plain)?;
        self.received += message.len() as u64;
        self.pending.extend_from_slice(plain.get(..bytes).unwrap_or_default());
        self.complete()
    }

    /// Binds what is said outside the session to it.
    pub fn handshake_hash(&self) -> [u8; 32] {
        self.handshake_hash
    }

    /// Memory that a frame takes of which only a part has come.
    pub fn pending_bytes(&self) -> usize {
        self.pending.capacity()
    }

    /// Bytes of all messages sealed so far.
    pub fn sent_bytes(&self) -> u64 {
        self.sent
    }

    /// Bytes of all messages opened so far.
    pub fn received_bytes(&self) -> u64 {
        self.received
    }

    fn complete(&mut self) -> Result<Vec<Vec<u8>>, NoiseError> {
        let mut frames = Vec::new();
        let mut rest = self.pending.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length == 0 || length > MAX_FRAME_BYTES {
                self.broken = Some(length);
                return Err(NoiseError::FrameLength(length));
            }
            let Some((frame, behind)) = after.split_at_checked(length) else { break };
            frames.push(frame.to_vec());
            rest = behind;
        }
        let used = self.pending.len() - rest.len();
        self.pending.drain(..used);
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        Ok(frames)
    }
}

fn length(frame: &[u8]) -> Result<u32, NoiseError> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    if frame.is_empty() || frame.len() > MAX_FRAME_BYTES {
        return Err(NoiseError::FrameLength(frame.len()));
    }
    Ok(length)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} bytes sent, {} received)", self.sent, self.received)
    }
}
