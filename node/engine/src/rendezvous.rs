//! Our side of a rendezvous: which ones we use, sessions with them, and what is asked over those.
//!
//! Everything here is optional for friends who reach each other. A rendezvous is believed only where a signature or a
//! sealed value bears it out.

mod command;
mod servers;

use hobnob_shared::rendezvous::Address;

pub(crate) use self::servers::ServerKey;
use self::servers::Servers;
use crate::{event::Event, step::Step, view::Fault};

/// All of it.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    servers: Servers,
}

impl Rendezvous {
    /// What is stored, and what the node is started with.
    pub(crate) fn load(wanted: &[Address], step: &mut Step<'_>) -> Result<Self, Fault> {
        let mut servers = Servers::load(step)?;
        for address in wanted {
            if let Err(refusal) = servers.add(address, step) {
                step.event(Event::Warning { chat: None, message: refusal.message });
            }
        }
        Ok(Self { servers })
    }
}
