//! How every frame is read: `[type, id, payload]`, where the type decides what the payload is.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

use crate::{
    codec::{self, DecodeError},
    limits::MAX_FRAME_BYTES,
};

/// A set of frames.
pub(super) trait Frames: Sized {
    /// Reads the payload of the frame with this number: exactly one [`part`].
    fn payload<'de, A: SeqAccess<'de>>(number: u16, seq: &mut A) -> Result<Self, A::Error>;
}

/// Decodes exactly one frame, with its id.
pub(super) fn decode<F: Frames>(bytes: &[u8]) -> Result<(u32, F), DecodeError> {
    codec::decode::<Numbered<F>>(bytes, MAX_FRAME_BYTES).map(|numbered| (numbered.id, numbered.frame))
}

/// The next of a frame's three parts.
pub(super) fn part<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| A::Error::custom("a frame has three parts"))
}

struct Numbered<F> {
    id: u32,
    frame: F,
}

impl<'de, F: Frames> Deserialize<'de> for Numbered<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<F>(PhantomData<F>);

        impl<'de, F: Frames> Visitor<'de> for Parts<F> {
            type Value = Numbered<F>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[type, id, payload]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Numbered<F>, A::Error> {
                let number: u16 = part(&mut seq)?;
                let id: u32 = part(&mut seq)?;
                Ok(Numbered { id, frame: F::payload(number, &mut seq)? })
            }
        }

        deserializer.deserialize_tuple(3, Parts(PhantomData))
    }
}
