//! What is answered about a name at a rendezvous, as fields of a line.

use hobnob_shared::text::Username;
use serde_json::json;

use super::view::{Fields, fields};
use crate::{
    account::{DeviceStanding, Fate, Left, LoginEnd},
    api::{ServerView, WhoAmI},
};

/// A name was taken. The words are for the one person who asked.
pub(crate) fn registered(name: &Username, server: &ServerView, words: &str) -> Fields {
    let mut answer = name_at(name, server);
    answer.insert("recovery_key".into(), words.into());
    answer
}

/// This machine is a device of the account with this name.
pub(crate) fn logged_in(name: &Username, server: &ServerView, me: &WhoAmI, end: LoginEnd) -> Fields {
    let mut answer = name_at(name, server);
    answer.extend(fields(json!({
        "account": me.account.to_string(),
        "device": me.device.to_string(),
        "device_name": me.device_name.as_str(),
        "new_device": end.standing == DeviceStanding::New,
        "missing_friends": end.missing_friends,
        "vault_friends": end.vault_friends,
    })));
    answer
}

/// The name is forgotten here, or given up.
pub(crate) fn left(left: &Left) -> Fields {
    let mut answer = name_at(&left.name, &left.server);
    let fate = match left.fate {
        Fate::Stays => "yours",
        Fate::Free => "free",
        Fate::WasForgotten => "forgotten",
        Fate::Unknown => "unknown",
    };
    answer.insert("name_is".into(), fate.into());
    answer
}

/// Which name, and where.
pub(crate) fn name_at(name: &Username, server: &ServerView) -> Fields {
    fields(json!({ "name": name.as_str(), "rendezvous": server.address.as_str() }))
}
