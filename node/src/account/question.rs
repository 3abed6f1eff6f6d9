//! What a person is asked before a name is given up or a device is revoked. It is looked at first whether that can be done,
//! and what it would do, so that nobody is asked for nothing.

use super::ask::home;
use crate::{
    api::{Code, Node, ProfileError, Refusal},
    command::{Action, Local, Parsed},
};

/// The question, unless it was answered already (`--yes`), or refuses what cannot be done here.
pub async fn question(node: &Node, parsed: &Parsed) -> Result<Option<String>, Refusal> {
    match &parsed.action {
        Action::Local(Local::Unregister(place)) => {
            let question = give_up(node, place.as_deref()).await?;
            Ok(parsed.confirm.is_some().then_some(question))
        }
        Action::Local(Local::RevokeDevice(_)) if !node.holds_account_key() => Err(ProfileError::NoAccountKey.into()),
        Action::Nothing | Action::Ask(_) | Action::Local(_) => Ok(parsed.confirm.clone()),
    }
}

async fn give_up(node: &Node, place: Option<&str>) -> Result<String, Refusal> {
    let (server, name) = home(node, place).await?;
    let full = format!("{name}@{}", server.called);
    if !server.opens_vault {
        let message = format!(
            "this machine was linked, and does not hold what gives {full} up: do it on the one that registered it or is \
             logged in, or /login {full} here first. Nothing was changed"
        );
        return Err(Refusal::new(Code::Conflict, message));
    }
    let again = if node.holds_account_key() {
        ""
    } else {
        ". This machine, which was linked, cannot take it again; another one of yours can"
    };
    Ok(format!("anybody may take {full} then, and no new machine can log in{again}. Go on?"))
}
