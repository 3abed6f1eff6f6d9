//! Our side of a rendezvous: which ones we use, sessions with them, and what is asked over those.
//!
//! Everything here is optional for friends who reach each other. A rendezvous is believed only where a signature or a
//! sealed value bears it out.

mod calls;
mod carriers;
mod command;
mod declined;
mod dial;
mod errand;
mod gap;
mod generation;
mod given_up;
mod knock;
mod looked_up;
mod names;
mod own_names;
mod places;
pub(crate) mod prekeys;
mod publish;
mod refresh;
mod refusal;
mod release;
mod request;
mod served;
mod servers;
mod session;
mod talk;
mod told;
mod vault;

use std::collections::BTreeMap;

use hobnob_shared::rendezvous::Address;

pub use self::servers::Home;
use self::{
    calls::Calls,
    dial::{Dialling, Try},
    errand::Errands,
    gap::Gaps,
    prekeys::Prekeys,
    refresh::Refreshes,
    servers::Servers,
    session::Session,
};
pub(crate) use self::{
    calls::{Answered, Failed, Outcome, Purpose},
    declined::is_decline,
    dial::is_ours,
    own_names::is_name,
    refresh::LookUp,
    servers::ServerKey,
    session::Lane,
};
use crate::{
    event::Event,
    step::Step,
    view::Fault,
    work::{DialId, LinkId},
};

/// All of it.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    servers: Servers,
    /// Rendezvous that keep mail for friends and that we do not use otherwise.
    others: BTreeMap<ServerKey, Address>,
    sessions: BTreeMap<LinkId, Session>,
    dials: BTreeMap<DialId, Dialling>,
    next_dial: u64,
    tries: BTreeMap<ServerKey, Try>,
    calls: Calls,
    errands: Errands,
    gaps: Gaps,
    refreshes: Refreshes,
    prekeys: Prekeys,
    /// Tells our runs apart, once we have said who we are.
    instance: Option<u64>,
    /// Our account has revoked this device, which has no names any more that it could act under.
    is_revoked: bool,
}

impl Rendezvous {
    /// What is stored, and what the node is started with.
    pub(crate) fn load(wanted: &[Address], is_revoked: bool, step: &mut Step<'_>) -> Result<Self, Fault> {
        let mut servers = Servers::load(step)?;
        for address in wanted {
            if let Err(refusal) = servers.add(address) {
                step.event(Event::Warning { chat: None, message: refusal.message });
            }
        }
        let mut rendezvous = Self {
            servers,
            others: BTreeMap::new(),
            sessions: BTreeMap::new(),
            dials: BTreeMap::new(),
            // An answer to a dial of an earlier run, which may still be under way, is none of ours.
            next_dial: (step.now.wall_ms & 0xffff_ffff) << 20,
            tries: BTreeMap::new(),
            calls: Calls::default(),
            errands: Errands::default(),
            gaps: Gaps::default(),
            refreshes: Refreshes::default(),
            prekeys: Prekeys::load(step)?,
            instance: None,
            is_revoked,
        };
        rendezvous.wake_all(step);
        Ok(rendezvous)
    }
}
