//! Passwords: registering one, and proving one. The server never sees any; what it computes is in [`hobnob_shared::opaque`].
//!
//! One evaluation is one guess, whether it comes as a registration or as a log-in, so both are counted together. Both are
//! made under the name's own key, whether anybody has it or not: who asks for both compares, and must not find out.

use hobnob_shared::{
    hash::hash,
    id::AccountId,
    identity::DeviceKeys,
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
    limits::{FREE_GUESSES, FREE_GUESSES_WIDE, LOGIN_MS},
    name::{self, NameRow},
    recent::Guesses,
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
    },
}

/// A registration that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) name: Username,
    /// What the claim must say.
    pub(crate) seq: u64,
    pub(crate) time_ms: u64,
}

/// The server's part of OPAQUE, and who guessed how often.
#[derive(Debug)]
pub(crate) struct Passwords {
    setup: ServerSetup,
    /// How clients call this server.
    server: String,
    /// What is read in place of a record that is not there.
    stand_in: Option<RegistrationUpload>,
    by_name_and_source: Guesses<([u8; 32], Source)>,
    by_name: Guesses<[u8; 32]>,
    /// Names that nobody has are counted elsewhere, or guessing at 100,000 of them would make us forget those that count.
    by_no_name: Guesses<[u8; 32]>,
    by_source: Guesses<Source>,
}

impl Passwords {
    pub(crate) fn new(setup: ServerSetup, keys: &DeviceKeys) -> Self {
        let key = data_encoding::BASE32_NOPAD.encode(&keys.x25519_public());
        Self {
            stand_in: stand_in(&setup),
            setup,
            server: key.to_ascii_lowercase(),
            by_name_and_source: Guesses::new(FREE_GUESSES),
            by_name: Guesses::new(FREE_GUESSES_WIDE),
            by_no_name: Guesses::new(FREE_GUESSES_WIDE),
            by_source: Guesses::new(FREE_GUESSES_WIDE),
        }
    }

    /// Begins to register `start.name`. Whose it may be is looked at in the end, where it is paid for.
    pub(crate) fn begin_registration(
        &mut self,
        step: &Step<'_>,
        start: &RegisterStart,
        source: Source,
    ) -> Served<(Begun, RegisterGo)> {
        let is_there = name::get(step, &start.name)?.is_some();
        self.guess(&start.name, is_there, source, step.now_ms)?;
        let response = self.setup.register(&start.name, &start.request).map_err(|_| ErrorCode::Malformed)?;
        let (seq, time_ms) = (name::next_seq(step)?, step.now_ms);
        let go = RegisterGo { response, seq, time_ms };
        Ok((Begun { name: start.name.clone(), seq, time_ms }, go))
    }

    /// Begins to log in. A name that is not there takes the same way with a made-up record. A session of a device that
    /// the account stands by is not held up by what others guessed.
    pub(crate) fn begin_login(
        &mut self,
        step: &Step<'_>,
        start: &LoginStart,
        known: Option<AccountId>,
        (source, session): (Source, &[u8; 32]),
        rng: &mut ChaCha20Rng,
    ) -> Served<(Pending, LoginGo)> {
        let row: Option<NameRow> = name::get(step, &start.name)?;
        let account = row.as_ref().map(|row| row.account);
        if known.is_none() || account != known {
            self.guess(&start.name, row.is_some(), source, step.now_ms)?;
        }
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
        Ok((Pending::Login { login: Box::new(login), account, until_ms }, LoginGo { response }))
    }

    /// Whether the password was right, and whose it is. A right one was no guess.
    pub(crate) fn finish_login(
        &mut self,
        pending: Option<Pending>,
        finish: &LoginFinish,
        source: Source,
        now_ms: u64,
    ) -> Served<(Username, AccountId)> {
        let Some(Pending::Login { login, account, until_ms }) = pending else {
            return Err(ErrorCode::Conflict.into());
        };
        let name = login.name().clone();
        let is_right = login.finish(&finish.finalization).is_ok();
        match account.filter(|_| is_right && now_ms < until_ms) {
            Some(account) => {
                self.forgive(&name, source);
                Ok((name, account))
            }
            None => Err(ErrorCode::Denied.into()),
        }
    }

    /// Counts a guess, or says how long to wait for it.
    fn guess(&mut self, name: &Username, is_there: bool, source: Source, now_ms: u64) -> Served<()> {
        let name = digest(name);
        let by_name = if is_there { &mut self.by_name } else { &mut self.by_no_name };
        let waits = [
            self.by_name_and_source.wait(&(name, source), now_ms),
            by_name.wait(&name, now_ms),
            self.by_source.wait(&source, now_ms),
        ];
        let retry_ms = waits.into_iter().max().unwrap_or(0);
        if retry_ms > 0 {
            return Err(ErrorCode::RateLimited { retry_ms }.into());
        }
        self.by_name_and_source.count((name, source), now_ms);
        by_name.count(name, now_ms);
        self.by_source.count(source, now_ms);
        Ok(())
    }

    fn forgive(&mut self, name: &Username, source: Source) {
        let name = digest(name);
        self.by_name_and_source.forgive(&(name, source));
        self.by_name.forgive(&name);
        self.by_source.forgive(&source);
    }
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
        limits::MAX_REMEMBERED,
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
        let source = Source::of("192.0.2.1".parse().unwrap());
        let before = rng.get_word_pos();
        let start = LoginStart { name, request };
        passwords.begin_login(&step, &start, None, (source, &[7; 32]), &mut rng).unwrap();
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

    #[test]
    fn guesses_at_names_that_are_not_there_push_no_other_out_of_memory() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let keys = DeviceKeys::generate(&mut rng);
        let mut passwords = Passwords::new(ServerSetup::generate(&mut rng), &keys);
        let alice = Username::parse("alice").unwrap();
        let mut sources = (0_u32..).map(|ip| Source::of(std::net::Ipv4Addr::from(ip).into()));
        let mut guess = |name: &Username, is_there| passwords.guess(name, is_there, sources.next().unwrap(), 1);
        for _ in 0..FREE_GUESSES_WIDE {
            guess(&alice, true).unwrap();
        }
        for number in 0..=MAX_REMEMBERED {
            guess(&Username::parse(format!("nobody_{number}")).unwrap(), false).unwrap();
        }
        assert!(guess(&alice, true).is_err(), "whoever makes us forget has another hundred guesses");
    }
}
