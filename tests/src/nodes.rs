//! Real nodes on loopback, in this process, each with a profile in a folder that is removed at the end.

use std::time::Duration;

use hobnob::{
    api::{Command, Event, Events, InviteTerms, Node, Refusal, Reply, StartOptions},
    profile::{self, OpenedProfile},
};
use hobnob_shared::{
    identity::Invite,
    text::{Handle, MessageText, Nickname, Note},
};
use tempfile::TempDir;

/// Far more than anything takes on a busy machine; reached only when something will never happen.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A person with a node.
#[derive(Debug)]
pub struct Person {
    /// How everybody calls them.
    pub handle: Handle,
    /// Their node.
    pub node: Node,
    /// What it tells.
    pub events: Events,
    /// Where it keeps things.
    pub dir: TempDir,
}

impl Person {
    /// A new profile without a password, started on a free loopback port, without mDNS.
    pub async fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let nick = Nickname::parse(name).expect("a name");
        let _words = profile::create(&dir.path().join("profile"), &nick, None).expect("a new profile");
        Self::start(Handle::from_nickname(&nick), dir).await
    }

    /// Starts the node of a profile that is there.
    pub async fn start(handle: Handle, dir: TempDir) -> Self {
        Self::start_at(handle, dir, 0).await
    }

    /// The same on a machine whose clock is off by so many ms.
    pub async fn start_at(handle: Handle, dir: TempDir, skew_ms: i64) -> Self {
        let profile = OpenedProfile::open(&dir.path().join("profile"), None).expect("a profile that opens");
        let mut options = StartOptions::new(profile, vec!["/ip4/127.0.0.1/tcp/0".to_owned()]);
        options.mdns = false;
        options.skew_ms = skew_ms;
        let node = Node::start(options).await.expect("a node that starts");
        let events = node.events();
        Self { handle, node, events, dir }
    }

    /// Stops the node and starts it again on the same profile.
    pub async fn restart(self) -> Self {
        self.restart_at(0).await
    }

    /// The same on a machine whose clock is off by so many ms.
    pub async fn restart_at(self, skew_ms: i64) -> Self {
        self.node.shutdown().await;
        Self::start_at(self.handle, self.dir, skew_ms).await
    }

    /// Sends a text to a friend.
    pub async fn say(&self, to: &Self, words: &str) -> Result<Reply, Refusal> {
        let text = MessageText::parse(words).expect("a text");
        self.node.ask(Command::Send { chat: to.handle.clone(), text, reply_to: None, action: false }).await
    }

    /// The first event from now on for which `pick` finds something.
    pub async fn until<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                let event = self.events.next().await.expect("the node runs");
                if let Some(found) = pick(&event) {
                    return found;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("{} waited in vain", self.handle))
    }

    /// Waits for a message with this text.
    pub async fn hears(&mut self, words: &str) {
        self.until(|event| matches!(event, Event::Message(message) if message.text == words).then_some(())).await;
    }
}

/// Makes two people friends, by an invite that accepts at once.
pub async fn befriend(inviter: &mut Person, guest: &mut Person) {
    let terms = InviteTerms { uses: 1, lifetime_secs: 3600, auto_accept: true };
    let Ok(Reply::Invite { link, .. }) = inviter.node.ask(Command::CreateInvite(terms)).await else {
        panic!("no invite")
    };
    let invite: Invite = Invite::parse(&link).expect("our own link");
    let note = Note::parse("").expect("an empty note");
    guest.node.ask(Command::Add { invite: Box::new(invite), note }).await.expect("an addition");
    let added = |event: &Event| matches!(event, Event::FriendAdded(_)).then_some(());
    inviter.until(added).await;
    guest.until(added).await;
}
