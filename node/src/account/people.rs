//! People by name.

use hobnob_shared::text::{Handle, Note};

use super::{FullName, ask};
use crate::api::{Command, Node, Refusal, Reply};

/// What looks this name up.
pub async fn find(node: &Node, who: FullName) -> Result<Command, Refusal> {
    let server = ask::server(node, who.place.as_deref()).await?;
    Ok(Command::Find { name: who.name, server: Some(Box::new(server.address)) })
}

/// What adds somebody with this name: one who is near comes before one at a rendezvous, for whom the full name comes along.
pub async fn add(node: &Node, name: &str, note: Note) -> Result<(Command, Option<FullName>), Refusal> {
    let (handle, full) = (Handle::parse(name.strip_prefix('@').unwrap_or(name)).ok(), FullName::parse(name).ok());
    let Reply::Nearby { people, .. } = node.ask(Command::Nearby { on: None }).await? else {
        return Err(ask::strange());
    };
    let Reply::Servers(servers) = node.ask(Command::Servers).await? else { return Err(ask::strange()) };
    match (handle, full) {
        (Some(name), full) if full.is_none() || servers.is_empty() || people.iter().any(|one| one.name == name) => {
            Ok((Command::AddNearby { name, note }, None))
        }
        (_, Some(who)) => {
            let server = ask::server(node, who.place.as_deref()).await?;
            let full = FullName { name: who.name.clone(), place: Some(server.called) };
            Ok((Command::AddName { name: who.name, server: Some(Box::new(server.address)), note }, Some(full)))
        }
        (_, None) => Err(ask::strange()),
    }
}
