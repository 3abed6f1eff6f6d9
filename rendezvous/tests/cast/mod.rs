//! Alice sends, Bob receives, Mallory lies, Rosa is the rendezvous; all of them from fixed seeds.

pub mod client;
pub mod flows;

use hobnob_rendezvous::{
    keys::ServerKeys,
    registry::{Caller, Policy},
};
use hobnob_shared::{
    identity::{
        AccountKey, AccountRecord, Binding, Bundle, Certificate, DeviceKeys, Prekey, Profile, SignedBundle,
        SignedCertificate, SignedRecord,
        keystore::{Params, Password},
    },
    opaque::{ClientLogin, ClientRegistration, ExportKey, OpaqueError, Parties},
    text::{Nickname, Note, Username},
    wire::{
        AccountPayload,
        rendezvous::{
            LoginFinish, LoginGo, LoginStart, Proof, RegisterFinish, RegisterGo, RegisterStart, Registration,
            SealedVault,
        },
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

pub const NOON_MS: u64 = 1_760_000_000_000;

/// What a guess costs in tests: as little as Argon2id can.
pub const COST: Params = Params { memory_kib: 64, passes: 1, lanes: 1 };

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn rosa() -> ServerKeys {
    ServerKeys::generate(&mut rng(1_000_000))
}

/// Rules under which nobody has to compute.
pub fn easy() -> Policy {
    Policy { registration: Registration::Open { pow_bits: 0 }, knock_bits: 0, ..Policy::default() }
}

pub fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.to_owned()))
}

pub fn key_text(key: &[u8; 32]) -> String {
    data_encoding::BASE32_NOPAD.encode(key).to_ascii_lowercase()
}

pub struct Person {
    pub name: Username,
    pub account: AccountKey,
    pub device: DeviceKeys,
    pub rng: ChaCha20Rng,
}

impl Person {
    pub fn new(name: &str, seed: u64) -> Self {
        let mut rng = rng(seed);
        let (account, device) = (AccountKey::generate(&mut rng), DeviceKeys::generate(&mut rng));
        Self { name: Username::parse(name).unwrap(), account, device, rng }
    }

    pub fn certify(&self, device: &DeviceKeys) -> SignedCertificate {
        self.account.sign_certificate(&Certificate {
            account: self.account.id(),
            device: device.id(),
            x25519: device.x25519_public(),
            name: Nickname::parse("laptop").unwrap(),
            added_ms: NOON_MS,
        })
    }

    pub fn certificate(&self) -> SignedCertificate {
        self.certify(&self.device)
    }

    pub fn record(&self, seq: u64, devices: &[&DeviceKeys]) -> SignedRecord {
        self.account.sign_record(&AccountRecord {
            seq,
            prev: (seq > 1).then_some([7; 32]),
            account: self.account.id(),
            devices: devices.iter().map(|device| self.certify(device).hash()).collect(),
            revoked: vec![],
            profile: Profile { nick: Nickname::parse("Nick").unwrap(), bio: Note::parse("").unwrap() },
        })
    }

    /// The record that follows `before`, or the first one. All of them name this device only.
    pub fn next_record(&self, before: Option<&SignedRecord>) -> SignedRecord {
        let seq = before.map_or(1, |before| before.verify().unwrap().seq + 1);
        let first = self.record(seq, &[&self.device]).verify().unwrap();
        self.account.sign_record(&AccountRecord { prev: before.map(SignedRecord::hash), ..first })
    }

    pub fn payload(&self, seq: u64, devices: &[&DeviceKeys]) -> AccountPayload {
        AccountPayload {
            records: vec![self.record(seq, devices)],
            certificates: devices.iter().map(|device| self.certify(device)).collect(),
            bundles: vec![],
        }
    }

    pub fn bundle(&self, seq: u64) -> SignedBundle {
        self.device.sign_bundle(&Bundle {
            device: self.device.id(),
            seq,
            created_ms: NOON_MS,
            expiry_ms: NOON_MS + 86_400_000,
            transport: vec![0, 36, 8, 1, 18, 32],
            addresses: vec![],
            prekeys: vec![Prekey { id: 3, x25519: [9; 32], ml_kem: vec![5; 1184], expiry_ms: NOON_MS }],
            tickets: vec![],
        })
    }

    pub fn caller(&self) -> Caller {
        Caller::Device { account: self.account.id(), device: self.device.id(), certificate: self.certificate().hash() }
    }

    pub fn begin_registration(&mut self, secret: &str) -> (ClientRegistration, RegisterStart) {
        let (state, request) = ClientRegistration::start(&password(secret), &mut self.rng).unwrap();
        (state, RegisterStart { name: self.name.clone(), request, owner: None })
    }

    /// The last message of a registration at the server with these keys.
    pub fn finish_registration(
        &mut self,
        state: ClientRegistration,
        go: &RegisterGo,
        secret: &str,
        server: (&[u8; 32], &[u8; 32]),
    ) -> RegisterFinish {
        let (x25519, signing) = server;
        let text = key_text(x25519);
        let parties = Parties { name: &self.name, server: &text, session: &[0; 32] };
        let (upload, _) = state.finish(&password(secret), &go.response, &parties, COST, &mut self.rng).unwrap();
        let claim = self.account.sign_claim(&Binding {
            name: self.name.clone(),
            server: *signing,
            account: self.account.id(),
            seq: go.seq,
            time_ms: go.time_ms,
        });
        RegisterFinish {
            name: self.name.clone(),
            upload,
            account: self.payload(1, &[&self.device]),
            proof: Proof::None,
            vault: SealedVault::new(vec![1; 4096]).unwrap(),
            vault_seq: 1,
            claim,
        }
    }

    pub fn begin_login(&mut self, secret: &str) -> (ClientLogin, LoginStart) {
        let (state, request) = ClientLogin::start(&password(secret), &mut self.rng).unwrap();
        (state, LoginStart { name: self.name.clone(), request })
    }

    pub fn finish_login(
        &mut self,
        state: ClientLogin,
        go: &LoginGo,
        secret: &str,
        server: &[u8; 32],
        session: &[u8; 32],
    ) -> Result<(LoginFinish, ExportKey), OpaqueError> {
        let text = key_text(server);
        let parties = Parties { name: &self.name, server: &text, session };
        let (finalization, key) = state.finish(&password(secret), &go.response, &parties, COST, &mut self.rng)?;
        Ok((LoginFinish { finalization }, key))
    }
}
