//! Who has a name with her: registered over OPAQUE, as cheaply as Argon2id can.

use hobnob_rendezvous::registry::{Caller, Input, SessionId, Source, Work};
use hobnob_shared::{
    identity::{
        AccountKey, Binding, SignedBinding,
        keystore::{Params, Password},
    },
    opaque::{ClientLogin, ClientRegistration, Parties},
    text::Username,
    vault::{VaultContent, VaultKey},
    wire::{
        AccountPayload, ErrorCode, Failure,
        rendezvous::{LoggedIn, LoginFinish, LoginStart, Name, Proof, RegisterFinish, RegisterStart, ServerFrame},
    },
};
use rand_core::Rng as _;
use zeroize::Zeroizing;

use super::{Process, Rosa, keys};

/// What a guess costs here: what a password is worth is tested elsewhere.
const COST: Params = Params { memory_kib: 64, passes: 1, lanes: 1 };

/// No session of the network has this number.
const DIRECT: SessionId = SessionId(u64::MAX);

/// What all vaults of a world are sealed with whose passwords nobody changed.
pub(crate) const VAULT_KEY: [u8; 32] = [5; 32];

impl Rosa {
    /// Registers an account under a name, or gives the name that it has another password, with a vault that holds nothing
    /// but its key. The name as she signed it, and the vault's number.
    pub(crate) fn register(
        &mut self,
        name: &Username,
        account: AccountKey,
        payload: AccountPayload,
        key: &VaultKey,
        true_ms: u64,
    ) -> (SignedBinding, u64) {
        let password = password();
        let server = keys(self.seed).device;
        let now_ms = self.wall(true_ms);
        let source = Source::of("192.0.2.1".parse().expect("an address"));
        self.tell(Input::Opened { session: DIRECT, caller: Caller::Guest, source, binding: [0; 32] }, now_ms);
        let (state, request) = ClientRegistration::start(&password, &mut self.rng).expect("a registration");
        let start = RegisterStart { name: name.clone(), request, owner: Some(account.prove_over(&[0; 32])) };
        let ServerFrame::RegisterGo(go) = self.ask(ServerFrame::RegisterStart(start), now_ms) else {
            panic!("no registration")
        };
        let text = self.address.key_text();
        let parties = Parties { name, server: &text, session: &[0; 32] };
        let (upload, _) = state.finish(&password, &go.response, &parties, COST, &mut self.rng).expect("its answer");
        let ServerFrame::Status(status) = self.ask(ServerFrame::StatusGet, now_ms) else { panic!("no status") };
        let claim = account.sign_claim(&Binding {
            name: name.clone(),
            server: *server.id().as_bytes(),
            account: account.id(),
            seq: go.seq,
            time_ms: go.time_ms,
        });
        self.numbers.insert(name.clone(), go.seq);
        let content = VaultContent::new(account);
        let mut finish = RegisterFinish {
            name: name.clone(),
            upload,
            account: payload,
            proof: Proof::Pow { challenge: status.challenge, nonce: self.rng.next_u64() },
            vault: key.seal(&content, name, 1, &mut self.rng).expect("a small vault"),
            vault_seq: 1,
            claim,
        };
        let mut answer = self.ask(ServerFrame::RegisterFinish(Box::new(finish.clone())), now_ms);
        if let ServerFrame::Error(Failure { code: ErrorCode::Stale { seq }, .. }) = answer {
            finish.vault_seq = seq + 1;
            finish.vault = key.seal(&content, name, seq + 1, &mut self.rng).expect("a small vault");
            answer = self.ask(ServerFrame::RegisterFinish(Box::new(finish.clone())), now_ms);
        }
        self.tell(Input::Closed(DIRECT), now_ms);
        match answer {
            ServerFrame::Registered(registered) => (registered.binding, finish.vault_seq),
            other => panic!("registering was answered {other:?}"),
        }
    }

    /// Logs in under a name, and has her take what `certify` makes of what she tells: the account with one device more.
    pub(crate) fn log_in<T>(
        &mut self,
        name: &Username,
        true_ms: u64,
        certify: impl FnOnce(LoggedIn) -> (AccountPayload, T),
    ) -> T {
        let now_ms = self.wall(true_ms);
        let (account, made) = certify(self.open(name, now_ms));
        assert_eq!(self.ask(ServerFrame::AccountPut(account), now_ms), ServerFrame::Done);
        self.tell(Input::Closed(DIRECT), now_ms);
        made
    }

    /// What a login under a name shows.
    pub(crate) fn show(&mut self, name: &Username, true_ms: u64) -> LoggedIn {
        let now_ms = self.wall(true_ms);
        let logged = self.open(name, now_ms);
        self.tell(Input::Closed(DIRECT), now_ms);
        logged
    }

    fn open(&mut self, name: &Username, now_ms: u64) -> LoggedIn {
        let (password, text) = (password(), self.address.key_text());
        let source = Source::of("192.0.2.1".parse().expect("an address"));
        self.tell(Input::Opened { session: DIRECT, caller: Caller::Guest, source, binding: [0; 32] }, now_ms);
        let (state, request) = ClientLogin::start(&password, &mut self.rng).expect("a login");
        let start = ServerFrame::LoginStart(LoginStart { name: name.clone(), request });
        let ServerFrame::LoginGo(go) = self.ask(start, now_ms) else { panic!("no login") };
        let parties = Parties { name, server: &text, session: &[0; 32] };
        let finished = state.finish(&password, &go.response, &parties, COST, &mut self.rng);
        let (finalization, _) = finished.expect("the right password");
        let finish = ServerFrame::LoginFinish(LoginFinish { finalization });
        let ServerFrame::LoggedIn(logged) = self.ask(finish, now_ms) else { panic!("not logged in") };
        *logged
    }

    /// From now on she says that this name is that account's, and signs it, under a number that is so much higher than that of
    /// the true binding.
    pub(crate) fn impersonate(&mut self, name: &Username, account: &AccountKey, payload: AccountPayload, higher: u64) {
        let server = keys(self.seed).device;
        let seq = self.numbers.get(name).copied().unwrap_or(0) + higher;
        let binding = Binding {
            name: name.clone(),
            server: *server.id().as_bytes(),
            account: account.id(),
            seq,
            time_ms: 1_767_225_600_000,
        };
        let binding = account.sign_claim(&binding).grant(&server);
        self.liar.names.insert(name.clone(), Name { binding, account: payload });
    }

    fn tell(&mut self, input: Input, now_ms: u64) -> Vec<ServerFrame> {
        let Process { registry, .. } = self.process.as_mut().expect("she is up");
        let mut work = Work::default();
        registry.handle(input, now_ms, &self.rows, &mut work);
        self.rows.apply(&work.records);
        work.answers.into_iter().map(|answer| answer.frame).collect()
    }

    fn ask(&mut self, frame: ServerFrame, now_ms: u64) -> ServerFrame {
        let mut answers = self.tell(Input::Frame { session: DIRECT, id: 1, frame }, now_ms);
        assert_eq!(answers.len(), 1, "a request has one answer");
        answers.remove(0)
    }
}

fn password() -> Password {
    Password::new(Zeroizing::new("secret".to_owned()))
}
