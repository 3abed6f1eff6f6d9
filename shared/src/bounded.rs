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

/// Sealed bytes, at most `MAX` of them. Prints only their number.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sealed<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Sealed<MAX> {
    /// Takes the bytes; `None` where there are too many.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, taken out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> fmt::Debug for Sealed<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Sealed<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Sealed<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec();
        let length = bytes.len();
        Self::new(bytes).ok_or_else(|| D::Error::custom(format_args!("{length} bytes; the limit is {MAX}")))
    }
}

/// A secret that gives a right to whoever shows it. Compares in constant time, is wiped when dropped, prints nothing.
#[derive(Clone, zeroize::ZeroizeOnDrop)]
pub struct Token<const N: usize>([u8; N]);

impl<const N: usize> Token<N> {
    /// Takes the bytes as they are.
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// A new one.
    pub fn generate(rng: &mut impl rand_core::CryptoRng) -> Self {
        let mut bytes = [0; N];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> PartialEq for Token<N> {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other.0.as_slice()).into()
    }
}

impl<const N: usize> Eq for Token<N> {}

impl<const N: usize> fmt::Debug for Token<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl<const N: usize> Serialize for Token<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Token<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: serde_bytes::ByteArray<N> = Deserialize::deserialize(deserializer)?;
        Ok(Self(bytes.into_array()))
    }
}
