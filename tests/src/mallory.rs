//! A hostile peer with real keys: speaks libp2p, Noise and our frames correctly, except where a test makes it lie.

use hobnob::api::{Command, Event, InviteTerms, Reply};
use hobnob_net::{Net, NetConfig, NetEvent, NetEvents};
use hobnob_shared::{
    id::ConversationId,
    identity::{AccountKey, Identity, Invite},
    noise::{Handshake, Mode, Session, Step},
    text::{MessageText, Note},
    wire::{AccountPayload, Body, Entries, Frame, Hello, Knock, SignedEntry},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::{
    bare::Chain,
    cast,
    nodes::{DEADLINE, Person},
};

/// Mallory, with at most one link to a victim.
pub struct Mallory {
    /// Her account, to sign lies with.
    pub account: AccountKey,
    /// Her device.
    pub identity: Identity,
    /// Randomness.
    pub rng: ChaCha20Rng,
    net: Net,
    events: NetEvents,
    link: u64,
    session: Option<Session>,
    frames: std::collections::VecDeque<Vec<u8>>,
    /// The conversation with the victim, and her log in it.
    pub conversation: ConversationId,
    /// What she writes there.
    pub chain: Chain,
    next_dial: u64,
}

impl std::fmt::Debug for Mallory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mallory").finish_non_exhaustive()
    }
}

/// Waits for something that must come.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("nothing came")
}

impl Mallory {
    /// A new one, unknown to everybody.
    pub async fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (account, device) = cast::keys(3, seed);
        let identity = cast::identity_of(&account, device, cast::nick(3));
        let mut transport = [0; 32];
        rng.fill_bytes(&mut transport);
        let (net, events) = hobnob_net::start(NetConfig::loopback(transport)).await.expect("a net");
        let conversation = ConversationId::new([0; 32]);
        let chain = Chain::new(identity.device_keys.id(), conversation);
        Self {
            account,
            identity,
            rng,
            net,
            events,
            link: 0,
            session: None,
            frames: std::collections::VecDeque::new(),
            conversation,
            chain,
            next_dial: 0,
        }
    }

    /// Opens a stream to the victim with a preamble of this mode, and nothing more. Returns both transports.
    pub async fn dial(&mut self, addresses: &[String], mode: Mode) -> (Vec<u8>, Vec<u8>) {
        self.next_dial += 1;
        self.net.try_dial(self.next_dial, None, addresses.to_vec(), mode as u8).expect("room for a dial");
        loop {
            match soon(self.events.recv()).await.expect("the net runs") {
                NetEvent::Dialled { link, local, remote, .. } => {
                    self.link = link;
                    self.session = None;
                    self.frames.clear();
                    return (local, remote);
                }
                NetEvent::DialFailed { error, .. } => panic!("the victim is not there: {error}"),
                _ => {}
            }
        }
    }

    /// Writes these bytes as one chunk, below Noise.
    pub fn chunk(&self, bytes: Vec<u8>) {
        // A link that is gone takes nothing; the test sees it elsewhere.
        let _ = self.net.try_send(self.link, bytes);
    }

    /// The next chunk, or nothing when the link is closed.
    pub async fn next_chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            match soon(self.events.recv()).await.expect("the net runs") {
                NetEvent::Chunk { link, bytes } if link == self.link => return Some(bytes),
                NetEvent::Closed { link } if link == self.link => return None,
                _ => {}
            }
        }
    }

    /// Whether the victim closes the link, whatever it says before.
    pub async fn is_thrown_out(&mut self) -> bool {
        while self.next_chunk().await.is_some() {}
        true
    }

    /// A whole handshake as initiator. `None` when the victim closes.
    pub async fn handshake(&mut self, invite: &Invite, mode: Mode) -> Option<()> {
        let (local, remote) = self.dial(&invite.addresses, mode).await;
        let token = (mode == Mode::Invite).then_some((invite.id, &*invite.token));
        let known = (mode != Mode::Nearby).then_some(invite.device_x25519);
        let secret = self.identity.device_keys.x25519_secret().clone();
        let certificate = self.identity.certificate.encode();
        let (mut handshake, one) =
            Handshake::initiate(mode, &secret, known, token, &local, &remote, &certificate, &mut self.rng)
                .expect("message 1");
        self.chunk(one);
        let two = self.next_chunk().await?;
        let Ok(Step::Done(done)) = handshake.read(&two) else { return None };
        self.chunk(done.send.expect("message 3"));
        self.session = Some(done.session);
        Some(())
    }

    /// Becomes a friend of the victim by an honest invite, so that lies from inside can follow.
    pub async fn befriend(&mut self, victim: &mut Person) {
        let terms = InviteTerms { uses: 1, lifetime_secs: 3600, auto_accept: true };
        let Ok(Reply::Invite { link, .. }) = victim.node.ask(Command::CreateInvite(terms)).await else {
            panic!("no invite")
        };
        let invite = Invite::parse(&link).expect("a link");
        self.conversation = ConversationId::direct(&self.identity.account, &invite.account);
        self.chain = Chain::new(self.identity.device_keys.id(), self.conversation);
        self.handshake(&invite, Mode::Invite).await.expect("a session");
        self.introduce_herself();
        victim.until(|event| matches!(event, Event::FriendAdded(_)).then_some(())).await;
        let accept = self.write(&Body::FriendAccept { salt: [9; 32] });
        self.push(vec![accept]);
    }

    /// The frames that begin every session.
    pub fn introduce_herself(&mut self) {
        self.send(&Frame::Hello(Hello { time_ms: 1_767_225_600_000, instance: 1, ..Hello::default() }));
        self.send(&Frame::Account(AccountPayload {
            records: vec![self.identity.record.clone()],
            certificates: vec![self.identity.certificate.clone()],
            bundles: Vec::new(),
        }));
        let note = Note::parse("").expect("an empty note");
        self.send(&Frame::Knock(Knock { nick: cast::nick(3), note }));
    }

    /// Sends a frame in the session.
    pub fn send(&mut self, frame: &Frame) {
        self.send_bytes(&frame.encode(1));
    }

    /// Sends any bytes as a frame in the session.
    pub fn send_bytes(&mut self, frame: &[u8]) {
        for chunk in self.seal(frame) {
            self.chunk(chunk);
        }
    }

    /// Seals without sending.
    pub fn seal(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        self.session.as_mut().expect("a session").seal(frame, &mut chunks).expect("sealed");
        chunks
    }

    /// Entries, as if they had been asked for.
    pub fn push(&mut self, entries: Vec<SignedEntry>) {
        let conversation = self.conversation;
        self.send(&Frame::Entries(Entries { conversation, entries, more: false }));
    }

    /// Writes the next entry of her log.
    pub fn write(&mut self, body: &Body) -> SignedEntry {
        self.chain.write(body, &self.identity.device_keys, &mut self.rng)
    }

    /// A text, as the next entry of her log.
    pub fn text(&mut self, words: &str) -> SignedEntry {
        let text = MessageText::parse(words).expect("a text");
        self.write(&Body::Text { text, reply: None, action: false, forwarded: false })
    }

    /// The next frame of the victim, or nothing when the link is closed.
    pub async fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(Frame::decode(&frame).expect("an honest frame").1);
            }
            let chunk = self.next_chunk().await?;
            let frames = self.session.as_mut().expect("a session").open(&chunk).expect("an honest chunk");
            self.frames.extend(frames);
        }
    }

    /// The next frame for which `pick` finds something; panics when the link closes first.
    pub async fn until<T>(&mut self, mut pick: impl FnMut(&Frame) -> Option<T>) -> T {
        loop {
            let frame = self.next_frame().await.expect("the victim keeps the link");
            if let Some(found) = pick(&frame) {
                return found;
            }
        }
    }

    /// Whether the session still answers a ping.
    pub async fn is_welcome(&mut self) -> bool {
        let nonce = self.rng.next_u64();
        self.send(&Frame::Ping { nonce });
        loop {
            match self.next_frame().await {
                Some(Frame::Pong { nonce: back }) if back == nonce => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }
}
