//! Registering a name, and giving it a new password.

use hobnob_shared::{
    identity::{AccountKey, Binding, SignedBinding, past, verifying_key},
    opaque::{ClientRegistration, Parties, message::RegistrationUpload},
    pow::Puzzle,
    rendezvous::RegistrationCode,
    text::Username,
    vault::{Contact, Height, Rest, VaultContent, VaultKey},
    wire::{
        AccountPayload, ErrorCode, ServerFrame,
        rendezvous::{Proof, RegisterFinish, RegisterGo, RegisterStart, Registered, SealedVault, Status},
    },
};
use zeroize::Zeroizing;

use super::{
    Stage, Tell,
    ask::{Known, Talk, known, may_register, odd, refused_registration, strange, who_am_i},
    password::StrongPassword,
    work::{self, blocking},
};
use crate::api::{Code, Command, Node, Refusal, Reply, ServerView, Standing};

/// How often a rendezvous may want something else before it takes a registration: another proof, another number.
const TRIES: usize = 3;

/// What registering takes.
#[derive(Debug)]
pub struct Registration {
    /// The name.
    pub name: Username,
    /// Where.
    pub server: ServerView,
    /// The password that will open the account from anywhere.
    pub password: StrongPassword,
    /// What its operator gave out.
    pub code: Option<RegistrationCode>,
    /// The account's key.
    pub key: AccountKey,
}

/// Registers, and keeps the name. For a name that is ours already, only password and vault are new. Answers the words that
/// restore the account when the password is forgotten.
pub async fn register(node: &Node, wish: Registration, tell: Tell<'_>) -> Result<Zeroizing<String>, Refusal> {
    let Registration { name, server, password, code, key } = wish;
    tell(Stage::Asking);
    let has_name = holds(node, &server, &name).await?;
    let whose = if has_name { Whose::Ours } else { whose(node, &server, &name).await? };
    let mut talk = Talk::new(node, &server, !has_name);
    let status = talk.status().await?;
    // Where it is not known yet whether the name is ours, the end of the registration tells.
    let barred = may_register(status.registration, code.is_some(), talk.host()).err();
    if let (Whose::NotOurs, Some(refusal)) = (whose, &barred) {
        return Err(refusal.clone());
    }
    let words = key.words();
    let draft = Draft { name, server: server.clone(), status, key };
    let (mut finish, vault_key) = draft.prepare(&mut talk, node, password, tell).await?;
    if whose != Whose::Ours {
        tell(Stage::Working);
        finish.proof = draft.first_proof(code).await?;
    }
    let sent = draft.send(&mut talk, node, &mut finish, &vault_key).await;
    let is_denied = |refusal: &Refusal| refusal.said == Some(ErrorCode::Denied);
    let binding = sent.map_err(|refusal| barred.filter(|_| is_denied(&refusal)).unwrap_or(refusal))?;
    node.ask(Command::Registered {
        server: Box::new(draft.server.address),
        name: draft.name,
        binding: Box::new(binding),
        vault_key: hobnob_shared::Token::new(*vault_key.to_bytes()),
        vault_seq: finish.vault_seq,
    })
    .await?;
    introduce(node, &mut talk).await;
    Ok(words)
}

/// Whether the name is ours there already, by what the rendezvous says now: one that was set back takes it from us as from
/// anybody. An account has one name.
async fn holds(node: &Node, server: &ServerView, name: &Username) -> Result<bool, Refusal> {
    let Some(held) = &server.name else { return Ok(false) };
    match known(node, server, held).await {
        Ok(Known::Forgotten) => Ok(false),
        Ok(Known::Ours) if held == name => Ok(true),
        Ok(Known::NotThisDevice) if held == name => Ok(false),
        // Of no use to wait for: the end of the registration tells.
        Err(refusal) if is_limited(&refusal) => Ok(false),
        Err(refusal) => Err(refusal),
        Ok(Known::Ours | Known::NotThisDevice) => {
            let host = &server.called;
            let message = format!(
                "you are {held} at {host}, and an account has one name there. /unregister {host} gives {held} up, for good; \
                 then /register {name}"
            );
            Err(Refusal::new(Code::Conflict, message))
        }
    }
}

/// Whose a name is that this device has not, as far as it can be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Our account's: this device was made from recovery words. It goes on from what the rendezvous knows of the account.
    Ours,
    /// Somebody else's, or nobody's.
    NotOurs,
    /// No look-up is left: strangers at our address may have used them up.
    Unknown,
}

/// Asks the rendezvous, as a courtesy: whoever cannot have a name hears of it before any work is done for it.
async fn whose(node: &Node, server: &ServerView, name: &Username) -> Result<Whose, Refusal> {
    let find = Command::Find { name: name.clone(), server: Some(Box::new(server.address.clone())) };
    match node.ask(find).await {
        Ok(Reply::Found(found)) if found.account == who_am_i(node).await? => Ok(Whose::Ours),
        Ok(Reply::Found(_)) => Ok(Whose::NotOurs),
        Ok(_) => Err(strange()),
        Err(refusal) if refusal.code == Code::NotFound => Ok(Whose::NotOurs),
        Err(refusal) if is_limited(&refusal) => Ok(Whose::Unknown),
        Err(refusal) => Err(refusal),
    }
}

fn is_limited(refusal: &Refusal) -> bool {
    matches!(refusal.said, Some(ErrorCode::RateLimited { .. }))
}

/// A registration on its way.
struct Draft {
    name: Username,
    server: ServerView,
    status: Status,
    key: AccountKey,
}

impl Draft {
    /// The password's part, and all that is signed and sealed.
    async fn prepare(
        &self,
        talk: &mut Talk<'_>,
        node: &Node,
        password: StrongPassword,
        tell: Tell<'_>,
    ) -> Result<(RegisterFinish, VaultKey), Refusal> {
        let Evaluated { go, upload, vault_key, .. } =
            evaluate(node, talk, (&self.name, Some(&self.key)), password, tell).await?;
        let claim = self.key.sign_claim(&Binding {
            name: self.name.clone(),
            server: self.status.signing_key,
            account: self.key.id(),
            seq: go.seq,
            time_ms: go.time_ms,
        });
        let vault = self.seal(node, &vault_key, 1).await?;
        let account = my_account(node).await?;
        let (name, proof) = (self.name.clone(), Proof::None);
        Ok((RegisterFinish { name, upload, account, proof, vault, vault_seq: 1, claim }, vault_key))
    }

    /// A code is worth more than work.
    async fn first_proof(&self, code: Option<RegistrationCode>) -> Result<Proof, Refusal> {
        match (code, self.status.registration) {
            (Some(code), _) => Ok(Proof::Code(code)),
            (None, hobnob_shared::wire::rendezvous::Registration::Open { pow_bits }) => {
                self.prove(self.status.challenge, pow_bits).await
            }
            (None, _) => Ok(Proof::None),
        }
    }

    async fn prove(&self, challenge: [u8; 16], bits: u8) -> Result<Proof, Refusal> {
        work::prove(challenge, bits, Puzzle::registration(&self.name), &self.server.called).await
    }

    /// Sends it until it is taken, and checks what comes back.
    async fn send(
        &self,
        talk: &mut Talk<'_>,
        node: &Node,
        finish: &mut RegisterFinish,
        vault_key: &VaultKey,
    ) -> Result<SignedBinding, Refusal> {
        for _ in 0..TRIES {
            let refusal = match talk.ask(ServerFrame::RegisterFinish(Box::new(finish.clone()))).await {
                Ok(ServerFrame::Registered(Registered { binding })) => return self.checked(binding, finish),
                Ok(_) => return Err(odd(&self.server)),
                Err(refusal) => refusal,
            };
            match refusal.said {
                Some(ErrorCode::Pow { bits, challenge }) => finish.proof = self.prove(challenge, bits).await?,
                // A vault from before lies there: this one follows it.
                Some(ErrorCode::Stale { seq }) => {
                    finish.vault_seq = seq.saturating_add(1);
                    finish.vault = self.seal(node, vault_key, finish.vault_seq).await?;
                }
                _ => return Err(refused_registration(refusal, &self.name, &self.server.called)),
            }
        }
        let message = format!("{} wants something else each time; nothing was changed here", self.server.called);
        Err(Refusal::new(Code::Unsupported, message))
    }

    /// The binding, when it says what was asked for.
    fn checked(&self, binding: SignedBinding, finish: &RegisterFinish) -> Result<SignedBinding, Refusal> {
        let granted = verifying_key(&self.status.signing_key).and_then(|server| binding.verify(&server));
        match (granted, finish.claim.verify()) {
            (Ok(granted), Ok(claimed)) if granted == claimed => Ok(binding),
            _ => {
                let message = format!("{} signs something else than was asked for; do not use it", self.server.called);
                Err(Refusal::new(Code::Untrusted, message))
            }
        }
    }

    /// The vault with what a bare machine needs first; the engine keeps it up to date from then on.
    async fn seal(&self, node: &Node, key: &VaultKey, seq: u64) -> Result<SealedVault, Refusal> {
        let AccountPayload { mut records, certificates, .. } = my_account(node).await?;
        let record = records.pop();
        let content = VaultContent {
            past: record.as_ref().map(|newest| past(newest, &records)).unwrap_or_default(),
            record,
            certificates,
            contacts: contacts(node).await?,
            ..VaultContent::new(AccountKey::from_bytes(self.key.to_bytes()))
        };
        let sealed = key.seal(&content, &self.name, seq, &mut crate::profile::rng()?);
        sealed.map_err(|why| Refusal::new(Code::Limited, why.to_string()))
    }
}

/// A password that the rendezvous has evaluated without seeing it.
pub(super) struct Evaluated {
    pub(super) go: RegisterGo,
    pub(super) upload: RegistrationUpload,
    pub(super) vault_key: VaultKey,
    pub(super) password: StrongPassword,
}

/// Has the rendezvous evaluate a new password of a name, and stretches it. With the account's key where the session alone
/// does not say whose name it is.
pub(super) async fn evaluate(
    node: &Node,
    talk: &mut Talk<'_>,
    (name, key): (&Username, Option<&AccountKey>),
    password: StrongPassword,
    tell: Tell<'_>,
) -> Result<Evaluated, Refusal> {
    let host = talk.host().to_owned();
    let (begun, request, password) = {
        let host = host.clone();
        blocking(move |rng| {
            let started = ClientRegistration::start(password.as_password(), rng);
            started.map(|(begun, request)| (begun, request, password)).map_err(|why| work::told(why, &host))
        })
        .await?
    };
    let owner = key.map(|key| key.prove_over(&talk.session()));
    let start = RegisterStart { name: name.clone(), request, owner };
    let go = match talk.ask(ServerFrame::RegisterStart(start)).await {
        Ok(ServerFrame::RegisterGo(go)) => go,
        Ok(_) => return Err(odd(talk.server())),
        Err(refusal) => return Err(refused_registration(refusal, name, &host)),
    };
    tell(Stage::Hashing);
    let (name, server, session) = (name.clone(), talk.key_text(), talk.session());
    let (response, cost) = (go.response.clone(), node.login_cost());
    let (upload, export_key, password) = blocking(move |rng| {
        let parties = Parties { name: &name, server: &server, session: &session };
        let finished = begun.finish(password.as_password(), &response, &parties, cost, rng);
        finished.map(|(upload, key)| (upload, key, password)).map_err(|why| work::told(why, &host))
    })
    .await?;
    Ok(Evaluated { go, upload, vault_key: VaultKey::derive(&export_key), password })
}

/// Leaves this device's bundle there, which names a prekey from now on: whoever asks for us can write to us even if this
/// node leaves at once. The engine does the same whenever it is connected, so that this fails is no loss.
pub(super) async fn introduce(node: &Node, talk: &mut Talk<'_>) {
    if let Ok(account) = my_account(node).await {
        let put = talk.ask(ServerFrame::AccountPut(account)).await;
        tracing::debug!(taken = put.is_ok(), "introduced this device to a rendezvous");
    }
}

async fn my_account(node: &Node) -> Result<AccountPayload, Refusal> {
    let Reply::MyAccount(payload) = node.ask(Command::MyAccount).await? else { return Err(strange()) };
    Ok(*payload)
}

/// Who our friends are: where they are, they tell themselves.
async fn contacts(node: &Node) -> Result<Vec<Contact>, Refusal> {
    let Reply::Friends(friends) = node.ask(Command::Friends).await? else { return Ok(Vec::new()) };
    let kept = friends.into_iter().filter(|friend| matches!(friend.standing, Standing::Friend | Standing::Blocked));
    Ok(kept
        .map(|friend| Contact {
            account: friend.account,
            blocked: friend.standing == Standing::Blocked,
            verified: friend.verified,
            handle: friend.handle,
            devices: Vec::new(),
            name: None,
            height: Height::default(),
            mail: None,
            rest: Rest::default(),
        })
        .collect())
}
