//! Passwords: registering one, and proving one. The server never sees any; what it computes is in [`hobnob_shared::opaque`].
//!
//! One evaluation is one guess, whether it comes as a registration or as a log-in, so both are counted together. Both are
//! made under the name's own key, whether anybody has it or not: who asks for both compares, and must not find out.

use hobnob_shared::{
    hash::hash,
    id::{AccountId, DeviceId},
    identity::{DeviceKeys, OwnerProof},
    opaque::{
        Parties, ServerLogin, ServerSetup, check_upload,
        message::{RegistrationRequest, RegistrationUpload},
    },
    text::Username,
    wire::{
        ErrorCode,
        rendezvous::{LoginFinish, LoginGo, LoginStart, RegisterGo, RegisterStart},
    },
};
use rand_chacha::ChaCha20Rng;

use super::{
    limits::{GUESSES, GUESSES_OF_DEVICE, GUESSES_OF_NAME, GUESSES_OF_SITE, GUESSES_OF_SOURCE, LOGIN_MS, OWNER_PROOFS},
    mailbox::Owner,
    name::{self, NameRow},
    recent::Allowance,
    session::Source,
    step::{Served, Step},
};

/// What was begun in a session and waits for its last message.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Registering.
    Register(Begun),
    /// Logging in.
    Login {
        /// What the last message is checked with.
        login: Box<ServerLogin>,
        /// Whose name it is, if anybody's.
        account: Option<AccountId>,
        /// After that it does not count.
        until_ms: u64,
        /// For whom it was counted as a guess.
        counted: Counted,
    },
}

/// Who asks for an evaluation.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) source: Source,
    /// The device that this session is of, if its account stands by it.
    pub(crate) device: Option<Owner>,
    /// Whose key or password was proved in this session.
    pub(crate) proved: Option<AccountId>,
}

/// For whom a guess was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// For nobody: there was nothing to guess.
    Nobody,
    /// For a device of the account itself.
    Device(DeviceId),
    /// For where it came from.
    Source(Source),
}

/// A registration that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) name: Username,
    /// What the claim must say.
    pub(crate) seq: u64,
    pub(crate) time_ms: u64,
    /// Whose key was proved with the start.
    pub(crate) owner: Option<AccountId>,
}

/// The server's part of OPAQUE, and who guessed how often.
#[derive(Debug)]
pub(crate) struct Passwords {
    setup: ServerSetup,
    /// How clients call this server.
    server: String,
    /// What is read in place of a record that is not there.
    stand_in: Option<RegistrationUpload>,
    /// For each source and each site.
    by_name_and_place: Allowance<([u8; 32], Source)>,
    by_name: Allowance<[u8; 32]>,
    by_source: Allowance<Source>,
    by_device: Allowance<DeviceId>,
    owner_proofs: Allowance<Source>,
}

impl Passwords {
    pub(crate) fn new(setup: ServerSetup, keys: &DeviceKeys) -> Self {
        let key = data_encoding::BASE32_NOPAD.encode(&keys.x25519_public());
        Self {
            stand_in: stand_in(&setup),
            setup,
            server: key.to_ascii_lowercase(),
            by_name_and_place: Allowance::new(),
            by_name: Allowance::new(),
            by_source: Allowance::new(),
            by_device: Allowance::new(),
            owner_proofs: Allowance::new(),
        }
    }

    /// Whose key was proved over this session.
    pub(crate) fn owner(
        &mut self,
        proof: &OwnerProof,
        session: &[u8; 32],
        source: Source,
        now_ms: u64,
    ) -> Served<AccountId> {
        let taken = self.owner_proofs.take_all(&[(source, OWNER_PROOFS)], now_ms);
        taken.map_err(|retry_ms| ErrorCode::RateLimited { retry_ms })?;
        proof.verify(session).map_err(|_| ErrorCode::Denied.into())
    }

    /// Begins to register `start.name`. Whose it may be is looked at in the end, where it is paid for.
    pub(crate) fn begin_registration(
        &mut self,
        step: &Step<'_>,
        start: &RegisterStart,
        asker: &Asker,
        owner: Option<AccountId>,
    ) -> Served<(Begun, RegisterGo)> {
        let account = name::get(step, &start.name)?.map(|row| row.account);
        self.guess(&start.name, account, asker, step.now_ms)?;
        let response = self.setup.register(&start.name, &start.request).map_err(|_| ErrorCode::Malformed)?;
        let (seq, time_ms) = (name::next_seq(step)?, step.now_ms);
        let go = RegisterGo { response, seq, time_ms };
        Ok((Begun { name: start.name.clone(), seq, time_ms, owner }, go))
    }

    /// Begins to log in. A name that is not there takes the same way with a made-up record.
    pub(crate) fn begin_login(
        &mut self,
        step: &Step<'_>,
        start: &LoginStart,
        (asker, session): (&Asker, &[u8; 32]),
        rng: &mut ChaCha20Rng,
    ) -> Served<(Pending, LoginGo)> {
        let row: Option<NameRow> = name::get(step, &start.name)?;
        let account = row.as_ref().map(|row| row.account);
        let counted = self.guess(&start.name, account, asker, step.now_ms)?;
        let upload: Option<RegistrationUpload> = row.map(|row| row.password);
        if upload.is_none()
            && let Some(stand_in) = &self.stand_in
        {
            // Reading a record takes time too, so one is read either way. It says nothing.
            let _ = check_upload(stand_in);
        }
        let parties = Parties { name: &start.name, server: &self.server, session };
        let started = self.setup.login(&parties, upload.as_ref(), &start.request, rng);
        let (login, response) = started.map_err(|_| ErrorCode::Malformed)?;
        let until_ms = step.now_ms + LOGIN_MS;
        Ok((Pending::Login { login: Box::new(login), account, until_ms, counted }, LoginGo { response }))
    }

    /// Whether the password was right, and whose it is. A right one was no guess.
    pub(crate) fn finish_login(
        &mut self,
        pending: Option<Pending>,
        finish: &LoginFinish,
        now_ms: u64,
    ) -> Served<(Username, AccountId)> {
        let Some(Pending::Login { login, account, until_ms, counted }) = pending else {
            return Err(ErrorCode::Conflict.into());
        };
        let name = login.name().clone();
        let is_right = login.finish(&finish.finalization).is_ok();
        match account.filter(|_| is_right && now_ms < until_ms) {
            Some(account) => {
                self.forgive(&name, counted);
                Ok((name, account))
            }
            None => Err(ErrorCode::Denied.into()),
        }
    }

    /// Counts a guess, or says how long to wait for it. Strangers use up what strangers have, and neither a device of the
    /// account nor whoever holds its key waits for them.
    fn guess(&mut self, name: &Username, account: Option<AccountId>, asker: &Asker, now_ms: u64) -> Served<Counted> {
        if account.is_some() && asker.proved == account {
            return Ok(Counted::Nobody);
        }
        let counted = match asker.device {
            Some((of, device)) if account == Some(of) => Counted::Device(device),
            Some(_) | None => Counted::Source(asker.source),
        };
        let retry_ms = self.wait(&digest(name), counted, now_ms);
        if retry_ms > 0 {
            return Err(ErrorCode::RateLimited { retry_ms }.into());
        }
        self.count(digest(name), counted, now_ms);
        Ok(counted)
    }

    fn wait(&self, name: &[u8; 32], counted: Counted, now_ms: u64) -> u64 {
        match counted {
            Counted::Nobody => 0,
            Counted::Device(device) => self.by_device.wait(&device, GUESSES_OF_DEVICE, now_ms),
            Counted::Source(source) => {
                let of_place = |(place, guesses)| self.by_name_and_place.wait(&(*name, place), guesses, now_ms);
                let of_places = places(source).map(of_place).max().unwrap_or(0);
                let of_name = self.by_name.wait(name, GUESSES_OF_NAME, now_ms);
                of_places.max(of_name).max(self.by_source.wait(&source, GUESSES_OF_SOURCE, now_ms))
            }
        }
    }

    fn count(&mut self, name: [u8; 32], counted: Counted, now_ms: u64) {
        match counted {
            Counted::Nobody => {}
            Counted::Device(device) => self.by_device.count(device, GUESSES_OF_DEVICE, now_ms),
            Counted::Source(source) => {
                for (place, guesses) in places(source) {
                    self.by_name_and_place.count((name, place), guesses, now_ms);
                }
                self.by_name.count(name, GUESSES_OF_NAME, now_ms);
                self.by_source.count(source, GUESSES_OF_SOURCE, now_ms);
            }
        }
    }

    fn forgive(&mut self, name: &Username, counted: Counted) {
        let name = digest(name);
        match counted {
            Counted::Nobody => {}
            Counted::Device(device) => self.by_device.give_back(&device, GUESSES_OF_DEVICE),
            Counted::Source(source) => {
                for (place, guesses) in places(source) {
                    self.by_name_and_place.give_back(&(name, place), guesses);
                }
                self.by_name.give_back(&name, GUESSES_OF_NAME);
                self.by_source.give_back(&source, GUESSES_OF_SOURCE);
            }
        }
    }
}

/// Where a guess comes from, narrow and wide, with the guesses that each has at one name.
fn places(source: Source) -> impl Iterator<Item = (Source, u32)> {
    [(source, GUESSES)].into_iter().chain(source.site().map(|site| (site, GUESSES_OF_SITE)))
}

/// Ristretto255's base point (RFC 9496 §A.1), as a request that anybody could make.
const BASE_POINT: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58, 0xe3, 0x0b,
    0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

/// A record that reads like any other: a public key (ours, from an answer), and zeros.
fn stand_in(setup: &ServerSetup) -> Option<RegistrationUpload> {
    let name = Username::parse("nobody").ok()?;
    let response = setup.register(&name, &RegistrationRequest::new(BASE_POINT)).ok()?;
    let (_, key) = response.as_bytes().split_at(32);
    let mut upload = [0; RegistrationUpload::LEN];
    upload.split_at_mut(key.len()).0.copy_from_slice(key);
    Some(RegistrationUpload::new(upload)).filter(|upload| check_upload(upload).is_ok())
}

/// An upload that is one.
pub(crate) fn checked(upload: RegistrationUpload) -> Served<RegistrationUpload> {
    match check_upload(&upload) {
        Ok(()) => Ok(upload),
        Err(_) => Err(ErrorCode::Malformed.into()),
    }
}

/// Names are remembered by their hash: all the same length, and no list of what was asked for.
fn digest(name: &Username) -> [u8; 32] {
    hash("hobnob/rendezvous/guess/1", &[name.as_str().as_bytes()])
}

#[cfg(test)]
mod tests {
    use hobnob_shared::{
        identity::{Binding, SignedBinding, keystore::Password},
        opaque::ClientLogin,
    };
    use rand_core::SeedableRng as _;
    use serde_bytes::{ByteArray, ByteBuf};
    use zeroize::Zeroizing;

    use super::*;
    use crate::registry::{
        limits::{MAX_REMEMBERED, MINUTE_MS},
        view::{MemoryView, Records},
    };

    #[test]
    fn there_is_a_record_to_read_for_a_name_that_is_not_there() {
        assert!(stand_in(&ServerSetup::generate(&mut ChaCha20Rng::seed_from_u64(1))).is_some());
    }

    /// How much randomness answering costs, in words: each step of OPAQUE draws its own.
    fn drawn(passwords: &mut Passwords, view: &MemoryView, name: &str) -> u128 {
        let mut records = Records::new();
        let step = Step::new(1, view, &mut records);
        let name = Username::parse(name.to_owned()).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let (_, request) = ClientLogin::start(&Password::new(Zeroizing::new("guess".into())), &mut rng).unwrap();
        let asker = stranger("192.0.2.1".parse().unwrap());
        let before = rng.get_word_pos();
        let start = LoginStart { name, request };
        passwords.begin_login(&step, &start, (&asker, &[7; 32]), &mut rng).unwrap();
        rng.get_word_pos() - before
    }

    #[test]
    fn no_step_of_opaque_is_left_out_for_a_name_that_is_not_there() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let keys = DeviceKeys::generate(&mut rng);
        let mut passwords = Passwords::new(ServerSetup::generate(&mut rng), &keys);
        let name = Username::parse("alice").unwrap();
        let password = passwords.stand_in.clone().unwrap();
        let mut view = MemoryView::default();
        let mut records = Records::new();
        let mut step = Step::new(1, &view, &mut records);
        let claimed = Binding { name, server: [0; 32], account: AccountId::new([1; 32]), seq: 1, time_ms: 1 };
        let signed = (ByteBuf::new(), ByteArray::new([0; 64]), ByteArray::new([0; 64]));
        name::bind(&mut step, &claimed, SignedBinding::from(signed), password).unwrap();
        step.keep();
        view.apply(&records);
        let (known, unknown) = (drawn(&mut passwords, &view, "alice"), drawn(&mut passwords, &view, "nobody"));
        // Two nonces of 32 bytes and an ephemeral key at least; and what stands in for a record on top.
        assert!(known >= 3 * 8 && unknown >= known, "{known} words for a known name, {unknown} for an unknown one");
    }

    fn stranger(ip: core::net::IpAddr) -> Asker {
        Asker { source: Source::of(ip), device: None, proved: None }
    }

    /// Somebody's name, and what is remembered of those who guess.
    fn alices() -> (Passwords, Username, Option<AccountId>) {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let keys = DeviceKeys::generate(&mut rng);
        let passwords = Passwords::new(ServerSetup::generate(&mut rng), &keys);
        (passwords, Username::parse("alice").unwrap(), Some(AccountId::new([1; 32])))
    }

    #[test]
    fn guesses_at_other_names_push_none_out_of_memory() {
        let (mut passwords, alice, account) = alices();
        let mut sources = (0_u32..).map(|ip| stranger(std::net::Ipv4Addr::from(ip).into()));
        let mut guess = |name: &Username, account| passwords.guess(name, account, &sources.next().unwrap(), 1);
        for _ in 0..GUESSES_OF_NAME {
            guess(&alice, account).unwrap();
        }
        for number in 0..=MAX_REMEMBERED {
            guess(&Username::parse(format!("nobody_{number}")).unwrap(), None).unwrap();
        }
        assert!(guess(&alice, account).is_err(), "whoever makes us forget has another thousand guesses");
    }

    #[test]
    fn the_weakest_password_that_is_taken_holds_for_years_against_everybody() {
        // What zxcvbn's score of three stands for, which is the least that a node takes.
        const WEAKEST: u64 = 100_000_000;
        let (mut passwords, alice, account) = alices();
        let sources: Vec<_> = (0..300_u32).map(|ip| stranger(std::net::Ipv4Addr::from(ip).into())).collect();
        let mut of_day = [0_u64; 2];
        for minute in 0..2 * 24 * 60 {
            let now_ms = 1_000_000_000 + minute * MINUTE_MS;
            let guesses = sources.iter().filter(|asker| passwords.guess(&alice, account, asker, now_ms).is_ok());
            of_day[(minute / (24 * 60)) as usize] += guesses.count() as u64;
        }
        assert!(of_day[1] <= u64::from(GUESSES_OF_NAME) * 24, "{of_day:?}");
        assert!(WEAKEST / of_day[1] > 11 * 365, "{of_day:?}");
    }

    #[test]
    fn a_whole_site_has_few_guesses_whatever_it_has_of_addresses() {
        let (mut passwords, alice, account) = alices();
        let of_site = |net: u16| stranger(core::net::IpAddr::from([0x2001, 0xdb8, 1, net, 0, 0, 0, 1]));
        let guesses = (0..1000).filter(|net| passwords.guess(&alice, account, &of_site(*net), 1).is_ok()).count();
        assert_eq!(guesses, GUESSES_OF_SITE as usize);
        let elsewhere = stranger(core::net::IpAddr::from([0x2001, 0xdb8, 2, 0, 0, 0, 0, 1]));
        assert!(passwords.guess(&alice, account, &elsewhere, 1).is_ok());
    }
}
