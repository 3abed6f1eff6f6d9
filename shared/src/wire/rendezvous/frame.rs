//! All of them, with their numbers.

use serde::{
    Deserialize, Serialize,
    de::{IgnoredAny, SeqAccess},
};

use super::{
    account::{
        LoggedIn, LoginFinish, LoginGo, LoginStart, Name, NameGet, NameSet, PasswordChange, RegisterFinish, RegisterGo,
        RegisterStart, Registered, Vault, VaultPut,
    },
    mail::{
        BoxPut, KnockAck, KnockPut, Knocks, Mail, MailAck, MailGet, MailPut, MailWaiting, PresenceNote, PresencePut,
        PresenceWatch,
    },
    status::Status,
};
use crate::{
    codec::{self, DecodeError},
    wire::{
        numbered::{self, Frames, part},
        payload::{AccountPayload, Close, Failure, Hello},
    },
};

/// One row for each frame: its number, its name, what it carries.
macro_rules! frames {
    (
        $($number:literal $name:ident($payload:ty),)* ;
        $($empty_number:literal $empty:ident,)* ;
        $($ping_number:literal $ping:ident,)*
    ) => {
        /// One frame between a node and a rendezvous.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum ServerFrame {
            $(#[doc = concat!(stringify!($number), ", with its payload.")] $name($payload),)*
            $(#[doc = concat!(stringify!($empty_number), ", without a payload.")] $empty,)*
            $(
                #[doc = concat!(stringify!($ping_number), ", as between nodes.")]
                $ping {
                    /// Of the ping, repeated by the pong.
                    nonce: u64,
                },
            )*
            /// A number that this version does not know. Its payload is gone.
            Unknown(u16),
        }

        impl ServerFrame {
            /// Its number.
            pub fn number(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $number,)*
                    $(Self::$empty => $empty_number,)*
                    $(Self::$ping { .. } => $ping_number,)*
                    Self::Unknown(number) => *number,
                }
            }

            /// Encodes it with the id of the request; an announcement has 0.
            pub fn encode(&self, id: u32) -> Vec<u8> {
                let number = self.number();
                match self {
                    $(Self::$name(payload) => codec::encode(&(number, id, payload)),)*
                    $(Self::$empty)|* | Self::Unknown(_) => codec::encode(&(number, id, Nothing {})),
                    $(Self::$ping { nonce })|* => codec::encode(&(number, id, Nonce { nonce: *nonce })),
                }
            }
        }

        impl Frames for ServerFrame {
            fn payload<'de, A: SeqAccess<'de>>(number: u16, seq: &mut A) -> Result<Self, A::Error> {
                Ok(match number {
                    $($number => Self::$name(part(seq)?),)*
                    $($empty_number => part::<_, Nothing>(seq).map(|_| Self::$empty)?,)*
                    $($ping_number => Self::$ping { nonce: part::<_, Nonce>(seq)?.nonce },)*
                    unknown => part::<_, IgnoredAny>(seq).map(|_| Self::Unknown(unknown))?,
                })
            }
        }
    };
}

frames! {
    0 Hello(Hello),
    1 Close(Close),
    3 Error(Failure),
    101 RegisterStart(RegisterStart),
    102 RegisterGo(RegisterGo),
    103 RegisterFinish(Box<RegisterFinish>),
    104 Registered(Registered),
    105 LoginStart(LoginStart),
    106 LoginGo(LoginGo),
    107 LoginFinish(LoginFinish),
    108 LoggedIn(Box<LoggedIn>),
    109 PasswordChange(PasswordChange),
    111 NameGet(NameGet),
    112 Name(Name),
    113 NameSet(NameSet),
    115 AccountPut(AccountPayload),
    117 VaultPut(VaultPut),
    120 Vault(Vault),
    121 BoxPut(BoxPut),
    123 MailPut(MailPut),
    125 MailGet(MailGet),
    126 Mail(Mail),
    127 MailAck(MailAck),
    128 MailWaiting(MailWaiting),
    129 KnockPut(KnockPut),
    132 Knocks(Knocks),
    133 KnockAck(KnockAck),
    135 PresencePut(PresencePut),
    137 PresenceWatch(PresenceWatch),
    138 PresenceNote(PresenceNote),
    152 Status(Status),
    ;
    114 Done,
    119 VaultGet,
    131 KnockGet,
    151 StatusGet,
    ;
    2 Ping,
    4 Pong,
}

impl ServerFrame {
    /// Whether somebody who does not know this frame must say so.
    pub fn wants_answer(&self) -> bool {
        self.number() % 2 == 1
    }

    /// Decodes exactly one frame, with its id.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), DecodeError> {
        numbered::decode(bytes)
    }
}

#[derive(Serialize, Deserialize)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Nonce {
    #[serde(rename = "n")]
    nonce: u64,
}
