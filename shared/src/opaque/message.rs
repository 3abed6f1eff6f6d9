//! What travels, each with its one length. That the bytes are points and scalars is checked where they are used.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! message {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Its length, in bytes.
            pub const LEN: usize = $len;

            /// Takes the bytes as they are.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes: serde_bytes::ByteArray<{ $len }> = Deserialize::deserialize(deserializer)?;
                Ok(Self(bytes.into_array()))
            }
        }
    };
}

/// A Ristretto255 point or scalar, and a nonce.
const N: usize = 32;
/// A SHA-512 hash or MAC.
const H: usize = 64;
/// The envelope at the rendezvous: nonce and MAC.
const ENVELOPE: usize = N + H;

message!(
    /// The client begins to register: a blinded point.
    RegistrationRequest, N
);
message!(
    /// The rendezvous answers: the evaluated point, its public key.
    RegistrationResponse, N + N
);
message!(
    /// The client ends: its public key, masking key and envelope. The rendezvous keeps it.
    RegistrationUpload, N + H + ENVELOPE
);
message!(
    /// The client begins to log in: a blinded point, nonce, ephemeral key.
    CredentialRequest, N + N + N
);
message!(
    /// The rendezvous answers: evaluated point, masking nonce, masked key and envelope, nonce, ephemeral key, MAC.
    CredentialResponse, N + N + (N + ENVELOPE) + N + N + H
);
message!(
    /// The client ends: a MAC, which only the password makes.
    CredentialFinalization, H
);
