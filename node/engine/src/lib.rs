//! Every rule of the chat, with no clock, no I/O, no async and no randomness of its own.
//!
//! [`Engine::handle`] is the only door. It reads what is stored through a [`View`], and fills a [`Work`]: records to
//! commit, then actions on the network, then replies and events for the front ends. *Disk, then wire, then screen.*
//! [`Engine::flush`] ends a batch: what was written goes to the sessions, sealed. This file routes, nothing else.

pub mod command;
pub mod event;
pub mod reply;
pub mod tables;
pub mod view;
pub mod work;

mod account;
mod commands;
mod conversation;
mod devices;
mod frames;
mod friend;
mod introduce;
mod invite;
mod log;
mod mail;
mod message;
mod nearby;
mod outbox;
mod own;
mod place;
mod presence;
mod reach;
mod rendezvous;
mod row;
mod session;
mod settings;
mod share;
mod signals;
mod step;
mod sync;
#[cfg(test)]
mod testing;
mod timer;
mod verify;

pub use rendezvous::Home;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    identity::{AccountKey, Identity},
    rendezvous::Address,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::{
    conversation::Conversations,
    devices::Devices,
    friend::{People, device::NewDevices},
    introduce::Introductions,
    mail::Mail,
    nearby::Nearby,
    own::Own,
    presence::Presences,
    reach::Reach,
    rendezvous::Rendezvous,
    session::{Pings, Sessions},
    settings::Settings,
    share::Share,
    step::{Core, Me, Step},
    verify::Verifications,
    view::{Fault, View},
    work::{Input, Now, TransportId, Work},
};

/// What an engine starts from.
#[derive(Debug)]
pub struct Start {
    /// Who we are.
    pub identity: Identity,
    /// Only after a restore from recovery words: adopts the newer record that a friend may know of us.
    pub account_key: Option<AccountKey>,
    /// Our own transport, as others see it.
    pub transport: TransportId,
    /// The database is new, restored or repaired: this device goes on in new incarnations of its logs.
    pub fresh_incarnation: bool,
    /// Rendezvous to be used, besides those that are stored.
    pub rendezvous: Vec<Address>,
    /// All randomness grows from this.
    pub seed: [u8; 32],
}

/// All rules of one node. See the crate.
#[derive(Debug)]
pub struct Engine {
    core: Core,
    parts: Parts,
}

/// The parts, side by side. `commands.rs`, `frames.rs` and `signals.rs` route between them.
#[derive(Debug)]
struct Parts {
    /// Who we are: it is known without a step.
    me: (AccountId, DeviceId),
    own: Own,
    devices: Devices,
    share: Share,
    settings: Settings,
    people: People,
    new_devices: NewDevices,
    sessions: Sessions,
    pings: Pings,
    presence: Presences,
    reach: Reach,
    introductions: Introductions,
    nearby: Nearby,
    verifications: Verifications,
    conversations: Conversations,
    rendezvous: Rendezvous,
    mail: Mail,
}

/// What every part may look at while it acts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    pub(crate) me: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) own: &'a Own,
    pub(crate) settings: &'a Settings,
    pub(crate) people: &'a People,
    pub(crate) presence: &'a Presences,
}

/// `around!(parts)`: the read-only half, leaving the other fields free to change.
macro_rules! around {
    ($parts:expr) => {
        $crate::Around {
            me: $parts.me.0,
            device: $parts.me.1,
            own: &$parts.own,
            settings: &$parts.settings,
            people: &$parts.people,
            presence: &$parts.presence,
        }
    };
}
pub(crate) use around;

impl Engine {
    /// Reads the small state: who we are and know, settings, heads; never messages. What must be written at once
    /// (a new incarnation, say) is in `work`, to be committed before anything else.
    pub fn load(start: Start, view: &dyn View, now: Now, work: &mut Work) -> Result<Self, Fault> {
        let Start { identity, account_key, transport, fresh_incarnation, rendezvous, seed } = start;
        let Identity { account, device_keys, certificate, record } = identity;
        let (device_name, added_ms) = certificate
            .verify()
            .map(|certificate| (certificate.name, certificate.added_ms))
            .map_err(|error| Fault(format!("our own certificate: {error}")))?;
        let device = device_keys.id();
        let me = Me { account, device, device_name, added_ms, keys: device_keys, certificate, transport };
        let mut core = Core::new(me, ChaCha20Rng::from_seed(seed));
        let mut step = Step::new(&mut core, now, view, work);
        let mut own = Own::load(&record, account_key, &mut step)?;
        let settings = Settings::load(&mut step)?;
        let people = People::load(&mut step)?;
        let presence = Presences::load(fresh_incarnation, &settings, &mut step)?;
        let sessions = Sessions::new(&mut step);
        let rendezvous = Rendezvous::load(&rendezvous, own.is_revoked(&step), &mut step)?;
        own.keep_prekey(rendezvous.prekey().cloned());
        let me = (step.me.account, step.me.device);
        let around =
            Around { me: me.0, device: me.1, own: &own, settings: &settings, people: &people, presence: &presence };
        let reach = Reach::load(&around, &sessions, &mut step);
        let conversations = Conversations::load(fresh_incarnation, &around, &mut step)?;
        let mail = Mail::load(&conversations, &step)?;
        let parts = Parts {
            me,
            own,
            devices: Devices::default(),
            share: Share::default(),
            settings,
            people,
            new_devices: NewDevices::default(),
            sessions,
            pings: Pings::default(),
            presence,
            reach,
            introductions: Introductions::default(),
            nearby: Nearby::default(),
            verifications: Verifications::default(),
            conversations,
            rendezvous,
            mail,
        };
        let mut engine = Self { core, parts };
        let mut step = Step::new(&mut engine.core, now, view, work);
        engine.parts.recall_revoked(&mut step);
        engine.parts.settle(&mut step)?;
        Ok(engine)
    }

    /// Takes one input. Several calls may fill one [`Work`]; later ones see the records of earlier ones. After a
    /// [`Fault`] the engine is to be dropped, and the `Work` with it.
    pub fn handle(&mut self, input: Input, now: Now, view: &dyn View, work: &mut Work) -> Result<(), Fault> {
        let mut step = Step::new(&mut self.core, now, view, work);
        self.parts.on_input(input, &mut step)?;
        self.parts.settle(&mut step)
    }

    /// Ends a batch: pushes what was written, and seals what is to be sent. Before the commit.
    pub fn flush(&mut self, now: Now, view: &dyn View, work: &mut Work) -> Result<(), Fault> {
        let mut step = Step::new(&mut self.core, now, view, work);
        self.parts.share(&mut step)?;
        self.parts.publish(&mut step)?;
        self.parts.tell_choice(&mut step);
        self.parts.show_presence(&mut step);
        self.parts.plan_mail(&mut step)?;
        self.parts.tell_new_devices(&mut step);
        self.parts.conversations.flush(&around!(self.parts), &mut step)?;
        self.parts.settle(&mut step)?;
        self.parts.sessions.seal(&mut step);
        self.parts.sessions.renew_full(&mut step);
        self.parts.settle(&mut step)?;
        Ok(())
    }

    /// The process is to end in good order: what was put off, so that many changes go together, goes now. See
    /// [`Self::is_wound_up`].
    pub fn wind_up(&mut self, now: Now) {
        self.parts.rendezvous.hurry_vaults(now.mono_ms);
        self.parts.hurry_mail(now.mono_ms);
        self.parts.hurry_wants(now.mono_ms);
        self.parts.hurry_cards(now.mono_ms);
    }

    /// Whether nothing is left that could be done until then, in `mono_ms`, for who is away or at a rendezvous.
    pub fn is_wound_up(&self, until_ms: u64) -> bool {
        let rendezvous = &self.parts.rendezvous;
        !rendezvous.has_pending_vault(until_ms)
            && !rendezvous.is_probing()
            && !rendezvous.is_telling()
            && !self.parts.mail.is_making_any(rendezvous)
            && !self.parts.is_leaving_mail(until_ms)
            && !self.parts.is_telling_cards()
    }

    /// Whether all is here that lay at rendezvous where we have a name, as far as they are reached.
    pub fn is_caught_up(&self) -> bool {
        self.parts.rendezvous.is_caught_up()
    }

    /// The last batch, when the process ends in good order: whoever sees us through a rendezvous is told now, and need
    /// not wait until it notices. Who is here now was seen last now.
    pub fn leave(&mut self, now: Now, view: &dyn View, work: &mut Work) -> Result<(), Fault> {
        self.parts.presence.leave(now);
        self.parts.saw_all(&mut Step::new(&mut self.core, now, view, work));
        self.flush(now, view, work)
    }

    /// Whether nobody is known here: no friend, present or past, and so no history.
    pub fn is_bare(&self) -> bool {
        self.parts.people.is_empty()
    }

    /// When [`Input::Timeout`] is wanted, in `mono_ms`. Handling it then always moves this.
    pub fn next_timeout(&self) -> Option<u64> {
        self.parts.next_timeout()
    }
}

impl Parts {
    fn on_input(&mut self, input: Input, step: &mut Step<'_>) -> Result<(), Fault> {
        match input {
            Input::Command(ticket, command) => self.on_command(ticket, *command, step),
            Input::Dialled { dial, link, local, remote, .. } if rendezvous::is_ours(dial) => {
                self.rendezvous.on_dialled(dial, link, (&local, &remote), step);
                Ok(())
            }
            Input::Dialled { dial, link, local, remote, address } => {
                let attempt = self.reach.on_dialled(dial);
                self.sessions.on_dialled(link, attempt, (&local, &remote), address, step);
                Ok(())
            }
            Input::Accepted { link, local, remote, address, mode } => {
                self.sessions.on_accepted(link, (&local, &remote), address, mode, self.nearby.is_on(), step);
                Ok(())
            }
            Input::Chunk(link, bytes) if self.rendezvous.has(link) => {
                self.rendezvous.on_chunk(link, &bytes, step);
                Ok(())
            }
            Input::Closed(link) if self.rendezvous.has(link) => {
                self.rendezvous.on_closed(link, step);
                Ok(())
            }
            Input::DialFailed(dial, error) if rendezvous::is_ours(dial) => {
                self.rendezvous.on_dial_failed(dial, &error, step);
                Ok(())
            }
            Input::Chunk(link, bytes) => self.on_chunk(link, &bytes, step),
            Input::Closed(link) => {
                self.sessions.on_closed(link, step);
                Ok(())
            }
            Input::DialFailed(dial, error) => {
                self.reach.on_failed(dial, &error, &around!(self), step);
                Ok(())
            }
            Input::Listening(addresses) => self.on_listening(addresses, step),
            Input::Discovered(transport, addresses) => self.on_discovered(transport, addresses, step),
            Input::Vanished(transport) => {
                self.nearby.on_vanished(&transport);
                Ok(())
            }
            Input::Timeout => self.on_timeout(step),
        }
    }
}
