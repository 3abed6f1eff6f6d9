//! Leaving a rendezvous: this device only, or for good.

use hobnob_shared::{
    text::Username,
    wire::{ServerFrame, rendezvous::NameSet},
};

use super::ask::{Talk, odd};
use crate::api::{Code, Command, Node, Refusal, Reply, ServerView};

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

/// Which rendezvous has our name: the one at this host, or the only one.
async fn home(node: &Node, host: Option<&str>) -> Result<(ServerView, Username), Refusal> {
    let Reply::Servers(servers) = node.ask(Command::Servers).await? else { return Err(nowhere()) };
    let is_meant = |one: &ServerView| host.is_none_or(|host| one.address.host() == host);
    let mut ours = servers.into_iter().filter(is_meant).filter_map(|one| one.name.clone().map(|name| (one, name)));
    match (ours.next(), ours.next()) {
        (Some(home), None) => Ok(home),
        (None, _) => Err(nowhere()),
        (Some(_), Some(_)) => {
            Err(Refusal::new(Code::Usage, "you have names at several rendezvous; say at which host (/net lists them)"))
        }
    }
}

fn nowhere() -> Refusal {
    Refusal::new(Code::Conflict, "you have no name there; /register NAME or /login NAME gives you one")
}
