//! Typed rows: which key and which value belong to which [`TableId`], and their bytes.
//!
//! Keys sort as byte strings in the order of their parts, so numbers are big-endian and only the last part of a key
//! may vary in length.

use hobnob_shared::{
    codec,
    id::{AccountId, ConversationId, DeviceId, EntryId, InviteId, LogId, MailboxId, ShortHash},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{tables::TableId, view::Fault};

/// One kind of row.
pub(crate) trait Table {
    /// Where it is stored.
    const ID: TableId;
    /// What finds it.
    type Key: RowKey;
    /// What it holds.
    type Value: RowValue;
}

/// A key, as bytes that sort like it.
pub(crate) trait RowKey: Sized {
    /// Appends its bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Takes its bytes from the front; `None` when they are too few.
    fn read(bytes: &mut &[u8]) -> Option<Self>;

    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        self.write(&mut out);
        out
    }

    /// From exactly its bytes.
    fn from_bytes(mut bytes: &[u8]) -> Result<Self, Fault> {
        match Self::read(&mut bytes) {
            Some(key) if bytes.is_empty() => Ok(key),
            _ => Err(Fault("a key has the wrong length".to_owned())),
        }
    }
}

/// A value, as bytes.
pub(crate) trait RowValue: Sized {
    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// From exactly its bytes.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Fault>;
}

/// Every type that serde knows is stored as CBOR. A type with a layout of its own
/// does without serde and implements this itself.
impl<T: Serialize + DeserializeOwned> RowValue for T {
    fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        codec::decode(bytes, bytes.len()).map_err(|error| Fault(format!("a row does not decode: {error}")))
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(head)
}

macro_rules! id_key {
    ($($id:ty),*) => { $(
        impl RowKey for $id {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_bytes());
            }
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Self::from_slice(take(bytes, Self::LEN)?)
            }
        }
    )* };
}
id_key!(AccountId, ConversationId, DeviceId, EntryId, InviteId, LogId, MailboxId, ShortHash);

macro_rules! number_key {
    ($($number:ty),*) => { $(
        impl RowKey for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self::from_be_bytes(take(bytes, size_of::<Self>())?.try_into().ok()?))
            }
        }
    )* };
}
number_key!(u8, u16, u32, u64);

impl<const N: usize> RowKey for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes, N)?.try_into().ok()
    }
}

/// Only as the last part of a key.
impl RowKey for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let text = Self::from_utf8(bytes.to_vec()).ok()?;
        *bytes = &[];
        Some(text)
    }
}

macro_rules! tuple_key {
    ($($part:ident),*) => {
        impl<$($part: RowKey),*> RowKey for ($($part,)*) {
            #[allow(non_snake_case, reason = "one macro for every length")]
            fn write(&self, out: &mut Vec<u8>) {
                let ($($part,)*) = self;
                $($part.write(out);)*
            }
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::read(bytes)?,)*))
            }
        }
    };
}
tuple_key!(A, B);
tuple_key!(A, B, C);
tuple_key!(A, B, C, D);
tuple_key!(A, B, C, D, E);

/// The first key after every key that starts with `prefix`; `None` when there is none.
pub(crate) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// The key of a row of which there is one: its number in [`TableId::Profile`]. Sessions and people use numbers below
/// 32, conversations the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot<const NUMBER: u8>;

impl<const NUMBER: u8> RowKey for Slot<NUMBER> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(NUMBER);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        (take(bytes, 1)? == [NUMBER]).then_some(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn keys_sort_as_their_parts_do_and_come_back() {
        let keys = [(1_u32, 255_u64), (1, 256), (2, 0), (256, 0)];
        let bytes: Vec<_> = keys.iter().map(RowKey::to_bytes).collect();
        assert!(bytes.is_sorted());
        for (key, bytes) in keys.iter().zip(&bytes) {
            assert_eq!(<(u32, u64) as RowKey>::from_bytes(bytes).unwrap(), *key);
        }
        assert!(<(u32, u64) as RowKey>::from_bytes(&[0; 11]).is_err());
        assert!(<(u32, u64) as RowKey>::from_bytes(&[0; 13]).is_err());
    }

    #[test]
    fn the_end_of_a_prefix_is_the_next_one() {
        assert_eq!(after(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after(&[1, 255]), Some(vec![2]));
        assert_eq!(after(&[255, 255]), None);
        assert_eq!(after(&[]), None);
    }
}
