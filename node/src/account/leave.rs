//! Leaving a rendezvous: this device only, or for good.

use std::fmt;

use hobnob_shared::{
    text::Username,
    wire::{ErrorCode, ServerFrame},
};

use super::ask::{self, Known, home, known, odd};
use crate::api::{Command, Node, Refusal, Reply, ServerState, ServerView};

/// What uses the rendezvous that this word names no more.
pub async fn leave(node: &Node, place: &str) -> Result<Command, Refusal> {
    let server = ask::server(node, Some(place)).await?;
    Ok(Command::SetRendezvous { address: Box::new(server.address), used: false })
}

/// What leaving came to.
#[derive(Debug)]
pub struct Left {
    /// The name that we had.
    pub name: Username,
    /// Where.
    pub server: ServerView,
    /// What has become of the name.
    pub fate: Fate,
}

/// What has become of a name that this device has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays the account's.
    Stays,
    /// Nobody has it.
    Free,
    /// The rendezvous knew nothing of it any more.
    WasForgotten,
    /// The rendezvous is not reached, so nobody knows.
    Unknown,
}

/// Forgets our name there on this device. The name, the vault and other devices stay; so do friends and history.
pub async fn log_out(node: &Node, place: Option<&str>) -> Result<Left, Refusal> {
    let (server, name) = home(node, place).await?;
    // Nobody waits for one that is known not to be there, and a device that was revoked asks nothing.
    let fate = if server.state == ServerState::Idle {
        Fate::Stays
    } else if server.last_error.is_some() && !server.is_forgotten {
        Fate::Unknown
    } else {
        match known(node, &server, &name).await {
            Ok(Known::Ours | Known::NotThisDevice) => Fate::Stays,
            Ok(Known::Forgotten) => Fate::WasForgotten,
            Err(_) => Fate::Unknown,
        }
    };
    forget(node, name, server, fate).await
}

/// Gives the name up, with everything that the rendezvous keeps for the account. Friends and history stay here.
pub async fn unregister(node: &Node, place: Option<&str>) -> Result<Left, Refusal> {
    let (server, name) = home(node, place).await?;
    match node.ask(Command::GiveUpName { server: Box::new(server.address.clone()) }).await {
        Ok(Reply::Answered { frame, .. }) if *frame == ServerFrame::Done => {
            forget(node, name, server, Fate::Free).await
        }
        Ok(_) => Err(odd(&server)),
        Err(refusal) if refusal.said == Some(ErrorCode::Denied) => match known(node, &server, &name).await? {
            Known::Forgotten => forget(node, name, server, Fate::WasForgotten).await,
            Known::NotThisDevice => {
                let message = format!(
                    "{name} is still yours at {}, and this device is none of the account's there, so it cannot give the name \
                     up: /login {name} makes it one, then /unregister again. Nothing was changed",
                    server.called
                );
                Err(Refusal { message, ..refusal })
            }
            Known::Ours => Err(refusal),
        },
        Err(refusal) => Err(refusal),
    }
}

async fn forget(node: &Node, name: Username, server: ServerView, fate: Fate) -> Result<Left, Refusal> {
    let released = matches!(fate, Fate::Free | Fate::WasForgotten);
    node.ask(Command::LoggedOut { server: Box::new(server.address.clone()), released }).await?;
    Ok(Left { name, server, fate })
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, host) = (&self.name, &self.server.called);
        match self.fate {
            Fate::Stays => {
                write!(f, "logged out of {host}; friends and history stay here, and {name} stays yours: /login {name}")
            }
            Fate::Free => write!(f, "{name} at {host} is no longer yours; friends and history stay here"),
            Fate::WasForgotten => write!(
                f,
                "logged out of {host}, which had forgotten {name} already: it was set back, or has lost what it had. Friends and \
                 history stay here; /register {name} takes the name again, as long as nobody else does"
            ),
            Fate::Unknown => write!(
                f,
                "logged out of {host} on this device; friends and history stay here. {host} was not reached, and may \
                 keep {name} for you: /login {name} says whether it does"
            ),
        }
    }
}
