//! Pieces for serde that check before they allocate.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// For `#[serde(deserialize_with)]`: a list of at most `MAX` items. What is claimed beyond that is never allocated.
pub(crate) fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let claimed = seq.size_hint().unwrap_or(0);
            if claimed > MAX {
                return Err(A::Error::invalid_length(claimed, &self));
            }
            let mut items = Vec::with_capacity(claimed.min(64));
            while let Some(item) = seq.next_element()? {
                if items.len() == MAX {
                    return Err(A::Error::invalid_length(MAX + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}

/// For `#[serde(deserialize_with)]`: text of at most `MAX` bytes.
pub(crate) fn text<'de, D: Deserializer<'de>, const MAX: usize>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() > MAX {
        return Err(D::Error::custom("text is too long"));
    }
    Ok(text)
}

/// Text of at most `MAX` bytes, as an item of a list.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Short<const MAX: usize>(#[serde(deserialize_with = "text::<_, MAX>")] pub(crate) String);

/// 32 bytes, or none: a byte string of that length, or an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maybe32(pub(crate) Option<[u8; 32]>);

impl Serialize for Maybe32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_ref().map_or(&[], |bytes| bytes.as_slice()))
    }
}

impl<'de> Deserialize<'de> for Maybe32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Maybe32;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0 or 32 bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Maybe32, E> {
                if bytes.is_empty() {
                    return Ok(Maybe32(None));
                }
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(Maybe32(Some(bytes)))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
