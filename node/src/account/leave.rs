//! Leaving a rendezvous: this device only, or for good.

use hobnob_shared::{
    text::Username,
    wire::{ServerFrame, rendezvous::NameSet},
};

use super::ask::{Talk, home, odd};
use crate::api::{Command, Node, Refusal, ServerView};

/// Forgets our name there on this device. The name, the vault and other devices stay; so do friends and history.
pub async fn log_out(node: &Node, host: Option<&str>) -> Result<(Username, ServerView), Refusal> {
    let (server, name) = home(node, host).await?;
    node.ask(Command::LoggedOut { server: Box::new(server.address.clone()) }).await?;
    Ok((name, server))
}

/// Gives the name up, with everything that the rendezvous keeps for the account. Friends and history stay here.
pub async fn unregister(node: &Node, host: Option<&str>) -> Result<(Username, ServerView), Refusal> {
    let (server, name) = home(node, host).await?;
    let mut talk = Talk::new(node, &server.address, false);
    if talk.ask(ServerFrame::NameSet(NameSet::Release)).await? != ServerFrame::Done {
        return Err(odd(&server.address));
    }
    node.ask(Command::LoggedOut { server: Box::new(server.address.clone()) }).await?;
    Ok((name, server))
}
