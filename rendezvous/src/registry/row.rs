//! Typed rows: which key and which value belong to which [`TableId`], and their bytes.
//!
//! Keys sort as byte strings in the order of their parts, so numbers are big-endian and only the last part of a key
//! may vary in length.

use hobnob_shared::id::{AccountId, DeviceId, MailboxId};
use serde::{Serialize, de::DeserializeOwned};

use super::view::{Fault, TableId};

/// One kind of row.
pub(crate) trait Table {
    /// Where it is stored.
    const ID: TableId;
    /// What finds it.
    type Key: Key;
    /// What it holds, as CBOR.
    type Value: Serialize + DeserializeOwned;
}

/// A key, as bytes that sort like it.
pub(crate) trait Key: Sized {
    /// Appends its bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Takes its bytes from the front; `None` when they are too few.
    fn read(bytes: &mut &[u8]) -> Option<Self>;

    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.write(&mut out);
        out
    }

    /// From exactly its bytes.
    fn parse(mut bytes: &[u8]) -> Result<Self, Fault> {
        let key = Self::read(&mut bytes).filter(|_| bytes.is_empty());
        key.ok_or_else(|| Fault::Damaged("a key has the wrong length".to_owned()))
    }
}

impl<const N: usize> Key for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*key)
    }
}

macro_rules! as_array {
    ($($key:ty, $to:expr, $from:expr;)*) => { $(
        impl Key for $key {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&$to(self));
            }
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Key::read(bytes).map($from)
            }
        }
    )* };
}
as_array! {
    AccountId, |id: &AccountId| *id.as_bytes(), AccountId::new;
    DeviceId, |id: &DeviceId| *id.as_bytes(), DeviceId::new;
    MailboxId, |id: &MailboxId| *id.as_bytes(), MailboxId::new;
    u32, |n: &u32| n.to_be_bytes(), u32::from_be_bytes;
    u64, |n: &u64| n.to_be_bytes(), u64::from_be_bytes;
}

/// Only as the last part of a key.
impl Key for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Self::from_utf8(std::mem::take(bytes).to_vec()).ok()
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

/// The first key after every key that starts with `prefix`; `None` when there is none.
pub(crate) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// Declares the type that stands for a table; the third word is the table's where it has another name.
macro_rules! table {
    ($name:ident: $key:ty => $value:ty) => {
        $crate::registry::row::table!($name: $key => $value, $name);
    };
    ($name:ident: $key:ty => $value:ty, $id:ident) => {
        pub(crate) struct $name;

        impl $crate::registry::row::Table for $name {
            const ID: $crate::registry::view::TableId = $crate::registry::view::TableId::$id;
            type Key = $key;
            type Value = $value;
        }
    };
}
pub(crate) use table;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_parts_do_and_come_back() {
        let keys = [(1_u32, 255_u64), (1, 256), (2, 0), (256, 0)];
        let bytes: Vec<_> = keys.iter().map(Key::to_bytes).collect();
        assert!(bytes.is_sorted());
        for (key, bytes) in keys.iter().zip(&bytes) {
            assert_eq!(<(u32, u64)>::parse(bytes).unwrap(), *key);
        }
        assert!(<(u32, u64)>::parse(&[0; 11]).is_err());
        assert!(<(u32, u64)>::parse(&[0; 13]).is_err());
    }

    #[test]
    fn the_end_of_a_prefix_is_the_next_one() {
        assert_eq!(after(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after(&[1, 255]), Some(vec![2]));
        assert_eq!(after(&[255, 255]), None);
    }
}
