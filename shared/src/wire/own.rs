//! What the devices of one account tell each other in their self conversation, and where a revoked device's logs end.

use serde::{Deserialize, Serialize};

use super::{FrontierItem, ReadItem};
use crate::{
    bounded,
    id::{AccountId, ConversationId, DeviceId},
    limits::{MAX_LISTED_LOGS, MAX_SETTING_KEY_BYTES},
    rendezvous::NameAt,
    text::{Handle, Note},
};

/// A friend, or what changed about one. Only the fields that are there say anything; of each the last word counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FriendPut {
    /// Who.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// How we call them.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<Handle>,
    /// We accepted them; whether they accepted us.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    /// Their key was compared.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// Blocked.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Muted.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// What we said when we added them.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// Under which name, and where, they can be asked.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NameAt>,
    /// Nobody decided this just now: it was in a vault, which may be old. Any other word counts more.
    #[serde(rename = "y", default, skip_serializing_if = "std::ops::Not::not")]
    pub hearsay: bool,
}

impl FriendPut {
    /// One that says nothing yet.
    pub fn new(account: AccountId) -> Self {
        Self {
            account,
            handle: None,
            accepted: None,
            verified: None,
            blocked: None,
            muted: None,
            note: None,
            name: None,
            hearsay: false,
        }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::new(self.account)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct FriendRemoveMap {
    #[serde(rename = "a")]
    pub(super) account: AccountId,
}

/// How far a conversation was read. The furthest counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMark {
    /// Which conversation.
    #[serde(rename = "c")]
    pub conversation: ConversationId,
    /// One for each log.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_LISTED_LOGS>")]
    pub items: Vec<ReadItem>,
}

/// A setting or alias. The last word counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its key.
    #[serde(rename = "k", deserialize_with = "bounded::text::<_, MAX_SETTING_KEY_BYTES>")]
    pub key: String,
    /// Its value; `None` goes back to the default, or removes an alias.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none", with = "value")]
    pub value: Option<String>,
    /// As with [`FriendPut`].
    #[serde(rename = "y", default, skip_serializing_if = "std::ops::Not::not")]
    pub hearsay: bool,
}

/// Where the logs of a revoked device end in a conversation: what lies behind says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCut {
    /// Which device.
    #[serde(rename = "d")]
    pub device: DeviceId,
    /// The last entries that count. A log that is not named has none.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_LISTED_LOGS>")]
    pub heads: Vec<FrontierItem>,
}

mod value {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::{bounded::Short, limits::MAX_SETTING_BYTES};

    pub(super) fn serialize<S: Serializer>(value: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        let value: Option<Short<MAX_SETTING_BYTES>> = Deserialize::deserialize(deserializer)?;
        Ok(value.map(|value| value.0))
    }
}
