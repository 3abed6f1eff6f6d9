//! All that a front end can do with a node, and all that it gets to see. REPL, JSON mode, bots and tests are equals:
//! what is not here, the product cannot do.

use std::{
    fmt,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use hobnob_shared::{
    identity::{AccountKey, keystore::Params},
    opaque,
    rendezvous::Address,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use zeroize::Zeroizing;

pub use hobnob_engine::command::{
    self, Chat, Code, Command, Delivery, DeliveryState, DeviceCopy, Found, Friend, InviteTerms, Joined, Message,
    MessageDetails, MessageKind, MessageRef, Missing, NearbyPerson, OwnDevice, Peer, Presence, Queued, Quote, Refusal,
    Reply, Request, RequestKind, ServerState, ServerView, Setting, Standing, Unreached, WaitReason, Which, WhoAmI,
};
pub use hobnob_engine::event::{self, Change, Event};

pub use crate::profile::{Password, ProfileError};

use crate::{
    profile::{Keyring, OpenedProfile, Successor, Who},
    runtime,
};

/// Calls that wait for the runtime. More callers wait in line, each for its own turn.
pub(crate) const COMMAND_QUEUE: usize = 256;

/// Events that a front end may be behind before it gets [`Event::Missed`]: about 20 batches.
pub(crate) const EVENT_QUEUE: usize = 4096;

/// What a node starts with.
#[derive(Debug)]
pub struct StartOptions {
    /// Who we are, and where it is kept.
    pub profile: OpenedProfile,
    /// Multiaddresses to listen on. Port 0 means the profile's last port if it is free, else any, which is then kept.
    pub listen: Vec<String>,
    /// Whether to look for friends on the local network.
    pub mdns: bool,
    /// Rendezvous to be used, besides those that the profile knows.
    pub rendezvous: Vec<Address>,
    /// What a password for a rendezvous costs to try: a part of the protocol, so only tests have another.
    pub login_cost: Params,
    /// For tests: asked before each commit; an error stands for the disk's.
    pub disk_gate: Option<DiskGate>,
    /// For tests: how far the machine's clock is off, in ms.
    pub skew_ms: i64,
}

impl StartOptions {
    /// Starts with these addresses, everything else as usual.
    pub fn new(profile: OpenedProfile, listen: Vec<String>) -> Self {
        Self {
            profile,
            listen,
            mdns: true,
            rendezvous: Vec::new(),
            login_cost: opaque::COST,
            disk_gate: None,
            skew_ms: 0,
        }
    }
}

/// A stand-in for a disk that refuses, so that tests need no full one.
#[derive(Clone)]
pub struct DiskGate(pub Arc<dyn Fn() -> Result<(), String> + Send + Sync>);

impl fmt::Debug for DiskGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskGate(..)")
    }
}

/// Why a node did not start. The profile is as it was, and unlocked again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens there.
    #[error("{address} is in use by another program; choose another port with --listen, or port 0 for any")]
    PortInUse {
        /// Where.
        address: String,
    },
    /// Not an address of this machine, or not one at all.
    #[error("cannot listen on {address}: {why}; --listen takes IP:PORT or a multiaddr, with an IP of this machine")]
    BadAddress {
        /// Which one.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// No way to talk to anybody.
    #[error("the network cannot be used: {0}; try --listen 127.0.0.1:0 to see whether it is the address")]
    NoNetwork(String),
    /// What is stored cannot be read.
    #[error(
        "{0}; nothing was changed. Put back a copy of the profile, or restore the account from its recovery words into another directory"
    )]
    Database(String),
    /// The system would not give us a thread.
    #[error("the node's thread cannot be started; close other programs and try again")]
    Thread(#[source] std::io::Error),
}

impl StartError {
    /// Its name for exit codes and JSON.
    pub fn code(&self) -> Code {
        match self {
            Self::PortInUse { .. } | Self::BadAddress { .. } | Self::NoNetwork(_) => Code::Network,
            Self::Database(_) | Self::Thread(_) => Code::Internal,
        }
    }
}

/// One call of a front end on its way to the runtime.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) wish: Wish,
    pub(crate) answer: oneshot::Sender<Result<Reply, Refusal>>,
}

/// What a call is about.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Something for the engine.
    Command(Box<Command>),
    /// Another account's device takes the place of this bare profile.
    Succeed(Box<Successor>),
    /// The profile's keys are those of another account's device now.
    Become(Box<Who>),
    /// What lay at rendezvous is to be here.
    CatchUp,
    /// What was put off is done now.
    WindUp,
}

/// A running node. Clones are the same node; when the last one is dropped, it shuts down by itself.
#[derive(Clone, Debug)]
pub struct Node {
    calls: mpsc::Sender<Call>,
    events: broadcast::WeakSender<Event>,
    /// For the first listener: what happened since the start.
    first: Arc<Mutex<Option<broadcast::Receiver<Event>>>>,
    ended: watch::Receiver<bool>,
    stop: Arc<watch::Sender<bool>>,
    keyring: Arc<Keyring>,
    login_cost: Params,
}

impl Node {
    /// Opens the network and starts the runtime's thread. Must be called within a tokio runtime, which has to outlive
    /// the node.
    pub async fn start(options: StartOptions) -> Result<Self, StartError> {
        runtime::start(options).await
    }

    pub(crate) fn new(
        calls: mpsc::Sender<Call>,
        events: &broadcast::Sender<Event>,
        ended: watch::Receiver<bool>,
        stop: watch::Sender<bool>,
        (keyring, login_cost): (Keyring, Params),
    ) -> Self {
        Self {
            calls,
            events: events.downgrade(),
            first: Arc::new(Mutex::new(Some(events.subscribe()))),
            ended,
            stop: Arc::new(stop),
            keyring: Arc::new(keyring),
            login_cost,
        }
    }

    /// Has `command` carried out. The answer comes after the commit, and before the events of the same commit can be
    /// seen: who polls the answer before [`Events::next`] sees it first.
    pub async fn ask(&self, command: Command) -> Result<Reply, Refusal> {
        self.submit(command).await.await
    }

    /// Hands `command` in, waiting only while too many others wait already. Commands of one caller are carried out in
    /// the order in which they were handed in, and many of them can share a commit: who has much to send submits it
    /// all, and then waits for the answers.
    pub async fn submit(&self, command: Command) -> Answer {
        self.call(Wish::Command(Box::new(command))).await
    }

    /// From the answer on this node is another account's device. Refused when the profile has friends; then, and when the
    /// disk refuses, it stays what it is.
    pub(crate) async fn succeed(&self, successor: Successor) -> Result<(), Refusal> {
        self.call(Wish::Succeed(Box::new(successor))).await.await.map(drop)
    }

    async fn call(&self, wish: Wish) -> Answer {
        let (answer, answered) = oneshot::channel();
        // When the node has stopped, the call is dropped, and the answer says so.
        let _ = self.calls.send(Call { wish, answer }).await;
        Answer { answered }
    }

    /// What happens from now on. The first listener also gets what happened since the start: that the network is
    /// missing, say.
    pub fn events(&self) -> Events {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        Events { receiver: first.or_else(|| self.events.upgrade().map(|sender| sender.subscribe())) }
    }

    /// Returns when what lay at the rendezvous where we have a name is here, or they were tried in vain; after a few seconds
    /// in any case.
    pub async fn catch_up(&self) {
        // A node that has stopped, or whose disk refuses, gets nothing more.
        let _ = self.call(Wish::CatchUp).await.await;
    }

    /// Does now what was put off, so that it is known how far things got before [`Node::shutdown`], which does it too: mail
    /// for who is away is left at a rendezvous, say. Takes a few seconds at most, and the two share them.
    pub async fn wind_up(&self) {
        // A node that has stopped has nothing left to do.
        let _ = self.call(Wish::WindUp).await.await;
    }

    /// Sends what waits for the network, closes the sessions, closes the database and releases the profile. Calls that
    /// come later are refused. Returns when all is done, however often it is called.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        self.ended().await;
    }

    /// Returns when the node has stopped, for whatever reason.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // The sender is only gone when the thread is, which is as good.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// The profile's directory.
    pub fn directory(&self) -> &Path {
        self.keyring.directory()
    }

    /// Whether the profile has a password. When its keystore cannot be read now, it is better to ask for one.
    pub fn has_password(&self) -> bool {
        self.keyring.has_password().unwrap_or(true)
    }

    /// Whether the account's key is in this profile. When its keystore cannot be read now, whatever wants the key says so.
    pub fn holds_account_key(&self) -> bool {
        self.keyring.holds_account_key().unwrap_or(true)
    }

    /// Whether the account is older than this profile, which was linked, logged in or made from recovery words: what the
    /// account has is elsewhere first.
    pub fn came_later(&self) -> bool {
        !self.holds_account_key() || self.keyring.is_restored()
    }

    /// What a password for a rendezvous costs to try.
    pub(crate) fn login_cost(&self) -> Params {
        self.login_cost
    }

    /// The account key, for a command that changes the account record. Takes a quarter of a second.
    pub async fn account_key(&self, password: Option<Password>) -> Result<AccountKey, ProfileError> {
        self.with_keyring(move |keyring| keyring.account_key(password.as_ref())).await
    }

    /// The 24 words that restore the account.
    pub async fn recovery_words(&self, password: Option<Password>) -> Result<Zeroizing<String>, ProfileError> {
        self.with_keyring(move |keyring| keyring.recovery_words(password.as_ref())).await
    }

    /// Seals the keystore under another password (`None`: under none).
    pub async fn change_password(&self, old: Option<Password>, new: Option<Password>) -> Result<(), ProfileError> {
        self.with_keyring(move |keyring| keyring.change_password(old.as_ref(), new.as_ref())).await
    }

    /// After [`Reply::Joined`]: the profile becomes that device, and so does this node.
    pub async fn take_over(&self, password: Option<Password>, joined: Joined) -> Result<(), Refusal> {
        let who = self.with_keyring(move |keyring| keyring.take_over(password.as_ref(), &joined)).await?;
        self.call(Wish::Become(Box::new(who))).await.await.map(drop)
    }

    /// Argon2id is slow on purpose, so it runs where it holds nobody up.
    pub(crate) async fn with_keyring<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Keyring) -> Result<T, ProfileError> + Send + 'static,
    ) -> Result<T, ProfileError> {
        let keyring = Arc::clone(&self.keyring);
        tokio::task::spawn_blocking(move || work(&keyring)).await.unwrap_or(Err(ProfileError::Interrupted))
    }
}

/// The answer to a command that was handed in. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "the answer says whether the command was carried out"]
pub struct Answer {
    answered: oneshot::Receiver<Result<Reply, Refusal>>,
}

impl Future for Answer {
    type Output = Result<Reply, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answered).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(stopped())))
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::Internal, "the node has stopped; start it again (what was confirmed is on disk)")
}

/// What happens, in order. Dropping it loses nothing: what events tell is on disk.
#[derive(Debug)]
pub struct Events {
    receiver: Option<broadcast::Receiver<Event>>,
}

impl Events {
    /// The next event, or [`Event::Missed`] with how many were lost to a reader that was too slow. `None` when the node
    /// has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.as_mut()?.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next event if one is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        match self.receiver.as_mut()?.try_recv() {
            Ok(event) => Some(event),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
        }
    }

    /// [`Events::next`] for a thread outside tokio.
    pub fn next_blocking(&mut self) -> Option<Event> {
        match self.receiver.as_mut()?.blocking_recv() {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The tokio runtime that a node is at home in: two threads, so that an idle node stays small.
pub fn async_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_name("hobnob-net")
        .enable_all()
        .build()
}

/// Keeps keys out of core dumps and out of other processes' reach. Call it first in `main`.
pub fn protect_process() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    // Where the system refuses, it is no worse than before.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
