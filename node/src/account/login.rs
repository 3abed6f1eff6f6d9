//! Logging in: on a bare machine, which becomes a device of the account, or again on a device of it.

use std::time::Duration;

use hobnob_engine::Home;
use hobnob_shared::{
    identity::{AccountRecord, SignedCertificate, SignedRecord, keystore, past, verifying_key},
    opaque::{ClientLogin, Parties},
    text::{Nickname, Username},
    vault::{VaultContent, VaultKey},
    wire::{
        ErrorCode, ServerFrame,
        rendezvous::{LoggedIn, LoginFinish, LoginStart, Status},
    },
};
use zeroize::Zeroizing;

use super::{
    Stage, Tell,
    ask::{Talk, odd, strange, who_am_i, wrong_login},
    device::{become_device, list_again},
    outcome::{DeviceStanding, LoginEnd},
    work::{self, blocking},
};
use crate::api::{Code, Command, Event, Events, Node, Password, Refusal, Reply, ServerView};

/// How long a login waits for the account's friends, who come with the vault: as long as for any other answer of a
/// rendezvous, after which they come when they come.
const FRIENDS_WAIT: Duration = Duration::from_secs(15);

/// What logging in takes.
#[derive(Debug)]
pub struct Login {
    /// The name.
    pub name: Username,
    /// Where.
    pub server: ServerView,
    /// The password of that name.
    pub password: Zeroizing<String>,
    /// The password of this profile, where it has one: what is sealed anew stays under it.
    pub profile_password: Option<Password>,
    /// What a new device is to be called; its system where nobody says it. A number behind it keeps it from being another
    /// device's name.
    pub device: Option<Nickname>,
}

/// Logs in. Until the account's device takes this profile's place, in one step, nothing here has changed. When it answers,
/// the account's friends are here, if the rendezvous is.
pub async fn login(node: &Node, wish: Login, tell: Tell<'_>) -> Result<LoginEnd, Refusal> {
    let Login { name, server, password, profile_password, device } = wish;
    let mut talk = Talk::new(node, &server, true);
    let opened = open(node, &mut talk, &name, password, tell).await?;
    // From before anything is told of them.
    let events = node.events();
    let standing = if who_am_i(node).await? == opened.content.account.id() {
        let standing = list_again(node, &mut talk, &opened, profile_password, tell).await?;
        keep(node, opened.home.clone()).await?;
        standing
    } else {
        tell(Stage::Certifying);
        become_device(node, &mut talk, &opened, (profile_password, device)).await?;
        DeviceStanding::New
    };
    let missing_friends = await_friends(node, &opened, events, tell).await?;
    Ok(LoginEnd { standing, missing_friends, vault_friends: opened.content.contacts.len() })
}

/// Waits until the friends of the account are here: the vault brings all of them at once. How many are missing then.
async fn await_friends(node: &Node, opened: &Opened, mut events: Events, tell: Tell<'_>) -> Result<usize, Refusal> {
    let expected = opened.content.contacts.len();
    if expected == 0 || has_friends(node).await? {
        return Ok(0);
    }
    tell(Stage::Friends);
    let waiting = async {
        while let Some(event) = events.next().await {
            let is_news = matches!(event, Event::FriendAdded(_) | Event::FriendChanged(_) | Event::Missed(_));
            if is_news && has_friends(node).await? {
                return Ok(0);
            }
        }
        // The node has stopped.
        Ok(expected)
    };
    tokio::time::timeout(FRIENDS_WAIT, waiting).await.unwrap_or(Ok(expected))
}

async fn has_friends(node: &Node) -> Result<bool, Refusal> {
    let Reply::Friends(friends) = node.ask(Command::Friends).await? else { return Err(strange()) };
    Ok(!friends.is_empty())
}

/// Proves the password, and opens what it opens. Changes nothing.
pub(super) async fn open(
    node: &Node,
    talk: &mut Talk<'_>,
    name: &Username,
    password: Zeroizing<String>,
    tell: Tell<'_>,
) -> Result<Opened, Refusal> {
    tell(Stage::Asking);
    let status = talk.status().await?;
    let (logged, vault_key) = prove(node, talk, name, password, tell).await?;
    Opened::check(logged, &vault_key, name, &status, talk.server())
}

/// Remembers what we have at the rendezvous.
pub(super) async fn keep(node: &Node, home: Home) -> Result<(), Refusal> {
    let Home { server, name, binding, vault_key, vault_seq, .. } = home;
    let (server, binding) = (Box::new(server), Box::new(binding));
    node.ask(Command::Registered { server, name, binding, vault_key, vault_seq }).await.map(drop)
}

/// The password's protocol.
async fn prove(
    node: &Node,
    talk: &mut Talk<'_>,
    name: &Username,
    password: Zeroizing<String>,
    tell: Tell<'_>,
) -> Result<(LoggedIn, VaultKey), Refusal> {
    let host = talk.host().to_owned();
    let password = keystore::Password::new(password);
    let (begun, request, password) = {
        let host = host.clone();
        blocking(move |rng| {
            let started = ClientLogin::start(&password, rng);
            started.map(|(begun, request)| (begun, request, password)).map_err(|why| work::told(why, &host))
        })
        .await?
    };
    let start = LoginStart { name: name.clone(), request };
    let ServerFrame::LoginGo(go) = talk.ask(ServerFrame::LoginStart(start)).await? else { return Err(talk.odd()) };
    tell(Stage::Hashing);
    let (name, server, session, cost) = (name.clone(), talk.key_text(), talk.session(), node.login_cost());
    let (finalization, export_key) = {
        let host = host.clone();
        blocking(move |rng| {
            let parties = Parties { name: &name, server: &server, session: &session };
            let finished = begun.finish(&password, &go.response, &parties, cost, rng);
            finished.map_err(|why| work::told(why, &host))
        })
        .await?
    };
    match talk.ask(ServerFrame::LoginFinish(LoginFinish { finalization })).await {
        Ok(ServerFrame::LoggedIn(logged)) => Ok((*logged, VaultKey::derive(&export_key))),
        Ok(_) => Err(talk.odd()),
        Err(refusal) if matches!(refusal.said, Some(ErrorCode::Denied | ErrorCode::NotFound)) => {
            Err(wrong_login(&host))
        }
        Err(refusal) => Err(refusal),
    }
}

/// What a login brought, checked.
pub(super) struct Opened {
    pub(super) content: VaultContent,
    /// What this machine is to remember of it.
    pub(super) home: Home,
    /// The newest record of the account that the rendezvous or the vault knows.
    pub(super) newest: SignedRecord,
    pub(super) certificates: Vec<SignedCertificate>,
}

impl Opened {
    /// The vault is what the account itself sealed; what the rendezvous says must fit it.
    fn check(
        logged: LoggedIn,
        key: &VaultKey,
        name: &Username,
        status: &Status,
        server: &ServerView,
    ) -> Result<Self, Refusal> {
        let host = &server.called;
        let untrusted = |what: &str| {
            let message = format!("{host} {what}; nothing was changed. Do not use it, and tell its operator");
            Refusal::new(Code::Untrusted, message)
        };
        let LoggedIn { id, binding, vault, account } = logged;
        let content =
            key.open(&vault.vault, name, vault.seq).map_err(|why| Refusal::new(Code::Untrusted, why.to_string()))?;
        let bound = verifying_key(&status.signing_key).and_then(|server| binding.verify(&server));
        let is_bound = bound.is_ok_and(|bound| bound.name == *name && bound.account == id);
        if content.account.id() != id || !is_bound {
            return Err(untrusted("says that the name is another account's than the vault does"));
        }
        let all: Vec<_> = account.records.iter().chain(&content.past).chain(&content.record).collect();
        let known = |signed: &SignedRecord| signed.verify().ok().filter(|record| record.account == id);
        let there = account.records.last().and_then(|signed| known(signed).map(|record| (record, signed.clone())));
        let here = content.record.as_ref().and_then(|signed| known(signed).map(|record| (record, signed.clone())));
        let newest = newest(there, here).ok_or_else(|| untrusted("tells nothing true of the account"))?;
        if account.records.last().is_none_or(|last| *last != newest) {
            tracing::warn!("a rendezvous holds an older record of the account than the vault");
        }
        let mut records = past(&newest, all);
        records.push(newest.clone());
        let mut certificates = account.certificates;
        certificates.extend(content.certificates.iter().cloned());
        let home = Home {
            server: server.address.clone(),
            signing_key: status.signing_key,
            name: name.clone(),
            binding,
            vault_key: hobnob_shared::Token::new(*key.to_bytes()),
            vault_seq: vault.seq,
            records,
            account: id,
            height: content.height,
        };
        Ok(Self { content, home, newest, certificates })
    }
}

/// The one with the higher number; where they are equal, what the rendezvous tells everybody.
fn newest(
    there: Option<(AccountRecord, SignedRecord)>,
    here: Option<(AccountRecord, SignedRecord)>,
) -> Option<SignedRecord> {
    match (there, here) {
        (Some((there, signed)), Some((here, _))) if there.seq >= here.seq => Some(signed),
        (_, Some((_, signed))) | (Some((_, signed)), None) => Some(signed),
        (None, None) => None,
    }
}

impl Talk<'_> {
    pub(super) fn odd(&self) -> Refusal {
        odd(self.server())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use hobnob_shared::{
        identity::{AccountKey, Binding, DeviceKeys, Profile, SignedBinding},
        rendezvous::Address,
        text::{Nickname, Note},
        wire::AccountPayload,
        wire::rendezvous::{Registration, Vault},
    };
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;
    use crate::api::ServerState;

    /// Alice's account, and the rendezvous that keeps it.
    struct Cast {
        rng: ChaCha20Rng,
        alice: AccountKey,
        rosa: DeviceKeys,
        name: Username,
        key: VaultKey,
    }

    impl Cast {
        fn new() -> Self {
            let mut rng = ChaCha20Rng::from_seed([1; 32]);
            let (alice, rosa) = (AccountKey::generate(&mut rng), DeviceKeys::generate(&mut rng));
            let key = VaultKey::from_bytes(&Zeroizing::new([7; 32]));
            Self { alice, rosa, name: Username::parse("alice").unwrap(), key, rng }
        }

        fn status(&self) -> Status {
            Status {
                versions: (1, 1),
                software: String::new(),
                time_ms: 1,
                signing_key: *self.rosa.id().as_bytes(),
                registration: Registration::Closed,
                knock_bits: 0,
                challenge: [0; 16],
                limits: BTreeMap::new(),
            }
        }

        fn server(&self) -> ServerView {
            let peer = libp2p::identity::Keypair::ed25519_from_bytes([8; 32]).unwrap().public().to_peer_id();
            ServerView {
                address: Address::new("/dns4/r.example/tcp/4747", &peer.to_bytes(), &[9; 32]).unwrap(),
                called: "r.example".to_owned(),
                name: None,
                state: ServerState::Idle,
                last_error: None,
                retry_ms: None,
                opens_vault: false,
                is_forgotten: false,
            }
        }

        fn record(&self, seq: u64) -> SignedRecord {
            self.alice.sign_record(&AccountRecord {
                seq,
                prev: (seq > 1).then_some([5; 32]),
                account: self.alice.id(),
                devices: vec![[6; 32]],
                revoked: Vec::new(),
                profile: Profile { nick: Nickname::parse("Alice").unwrap(), bio: Note::parse("").unwrap() },
            })
        }

        fn binding(&self, name: &str, owner: &AccountKey) -> SignedBinding {
            let (name, server) = (Username::parse(name).unwrap(), *self.rosa.id().as_bytes());
            owner.sign_claim(&Binding { name, server, account: owner.id(), seq: 1, time_ms: 1 }).grant(&self.rosa)
        }

        /// What an honest rendezvous tells: its own record has one number, the vault's another.
        fn logged(&mut self, there: u64, here: u64) -> LoggedIn {
            let record = Some(self.record(here));
            let content = VaultContent { record, ..VaultContent::new(AccountKey::from_bytes(self.alice.to_bytes())) };
            let vault = self.key.seal(&content, &self.name, 3, &mut self.rng).unwrap();
            LoggedIn {
                id: self.alice.id(),
                binding: self.binding("alice", &self.alice),
                vault: Vault { seq: 3, vault },
                account: AccountPayload { records: vec![self.record(there)], ..AccountPayload::default() },
            }
        }

        fn check(&self, logged: LoggedIn) -> Result<Opened, Refusal> {
            Opened::check(logged, &self.key, &self.name, &self.status(), &self.server())
        }

        fn refused(&self, logged: LoggedIn) -> Code {
            self.check(logged).map(|_| ()).unwrap_err().code
        }
    }

    #[test]
    fn the_newer_record_of_the_two_is_gone_on_from() {
        let mut cast = Cast::new();
        for (there, here, newest) in [(4, 2, 4), (2, 4, 4), (3, 3, 3)] {
            let logged = cast.logged(there, here);
            let opened = cast.check(logged).unwrap();
            assert_eq!(opened.newest.verify().unwrap().seq, newest, "{there} at the rendezvous, {here} in the vault");
        }
    }

    #[test]
    fn a_rendezvous_that_names_somebody_else_is_not_believed() {
        let mut cast = Cast::new();
        let mallory = AccountKey::generate(&mut cast.rng);
        let honest = cast.logged(1, 1);
        let another_id = LoggedIn { id: mallory.id(), ..honest.clone() };
        let anothers_name = LoggedIn { binding: cast.binding("alice", &mallory), ..honest.clone() };
        let another_name = LoggedIn { binding: cast.binding("alicia", &cast.alice), ..honest.clone() };
        let nothing = LoggedIn { account: AccountPayload::default(), ..honest.clone() };
        for lie in [another_id, anothers_name, another_name] {
            assert_eq!(cast.refused(lie), Code::Untrusted);
        }
        assert!(cast.check(nothing).is_ok(), "the vault has a record of its own");
        let unsigned = Status { signing_key: *DeviceKeys::generate(&mut cast.rng).id().as_bytes(), ..cast.status() };
        let other_server = Opened::check(honest, &cast.key, &cast.name, &unsigned, &cast.server());
        assert_eq!(other_server.map(|_| ()).unwrap_err().code, Code::Untrusted);
    }

    #[test]
    fn a_vault_of_another_number_does_not_pass_for_this_one() {
        let mut cast = Cast::new();
        let mut logged = cast.logged(1, 1);
        logged.vault.seq = 4;
        assert_eq!(cast.refused(logged), Code::Untrusted);
    }
}
