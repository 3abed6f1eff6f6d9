//! An object with its signature: the received bytes are what is signed, hashed and kept.

macro_rules! signed {
    ($(#[$doc:meta])* $name:ident, $hash_domain:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(from = "(serde_bytes::ByteBuf, serde_bytes::ByteArray<64>)")]
        #[serde(into = "(serde_bytes::ByteBuf, serde_bytes::ByteArray<64>)")]
        pub struct $name {
            /// What is signed, as its author made it.
            pub bytes: Vec<u8>,
            /// The Ed25519 signature.
            pub signature: [u8; 64],
        }

        impl $name {
            /// The hash of what is signed.
            pub fn hash(&self) -> [u8; 32] {
                crate::hash::hash($hash_domain, &[&self.bytes])
            }
        }

        impl From<(serde_bytes::ByteBuf, serde_bytes::ByteArray<64>)> for $name {
            fn from((bytes, signature): (serde_bytes::ByteBuf, serde_bytes::ByteArray<64>)) -> Self {
                Self { bytes: bytes.into_vec(), signature: signature.into_array() }
            }
        }

        impl From<$name> for (serde_bytes::ByteBuf, serde_bytes::ByteArray<64>) {
            fn from(signed: $name) -> Self {
                (serde_bytes::ByteBuf::from(signed.bytes), serde_bytes::ByteArray::new(signed.signature))
            }
        }
    };
}

pub(crate) use signed;
