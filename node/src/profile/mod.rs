//! A profile on disk: its directory (0700), the keystore file (0600), the database, the lock, the last port.
//!
//! The keystore is the profile: it is written last when one is made, and replaced whole (new file, flush, rename, flush
//! of the directory), so that a crash leaves the old one or the new one.

mod error;
mod file;
mod keyring;
mod port;
mod succession;

use std::{
    fs,
    path::{Path, PathBuf},
};

use hobnob_shared::{
    identity::{
        AccountKey, AccountRecord, Certificate, DeviceKeys, Identity, Profile, SignedCertificate,
        keystore::{self, Key, Secrets},
    },
    text::{Nickname, Note},
};
use hobnob_store::{OpenError, ProfileLock, Store, StoreKey};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use zeroize::Zeroizing;

pub use error::ProfileError;
pub(crate) use error::remedy;
pub use keyring::Keyring;
pub(crate) use port::LastPort;
pub use succession::Successor;
pub(crate) use succession::listing;

use error::{io_error, lock_error, store_error};

/// The keystore's file.
const KEYSTORE: &str = "keystore";

/// The database's file, as the store calls it.
pub(crate) const DATABASE: &str = "history.db";

/// There after a restore from words, and after a login. Friends may know newer records of the account than this device does, so its account
/// key is unsealed at every start, to vouch for this device on top of theirs: until a friend holds what it signed there,
/// or for 30 days, as the engine decides. Then the marker goes, and with it the key from every later start.
const RESTORED: &str = "restored";

/// There while a profile that was made for a link waits for it: its keys may be certified already, so they are kept until
/// the link has come to an end, one way or the other.
const LINKING: &str = "linking";

/// A password as it was typed. Wiped on drop.
#[derive(Debug)]
pub struct Password(keystore::Password);

impl Password {
    /// `None` for an empty one, which means: no password.
    pub fn new(typed: Zeroizing<String>) -> Option<Self> {
        if typed.is_empty() { None } else { Some(Self(keystore::Password::new(typed))) }
    }
}

/// Whether `dir` holds a profile.
pub fn exists(dir: &Path) -> bool {
    dir.join(KEYSTORE).exists()
}

/// Whether the profile in `dir` was made for a link that has not come to an end.
pub fn awaits_link(dir: &Path) -> bool {
    dir.join(LINKING).exists()
}

/// Whether opening the profile in `dir` takes a password.
pub fn needs_password(dir: &Path) -> Result<bool, ProfileError> {
    Keyring::new(dir).has_password()
}

/// Makes a new account with this device, under a password or none. Answers the 24 words that restore the account; they
/// are shown once, and kept nowhere but under the password.
pub fn create(dir: &Path, name: &Nickname, password: Option<&Password>) -> Result<Zeroizing<String>, ProfileError> {
    let mut rng = rng()?;
    let account = AccountKey::generate(&mut rng);
    make(dir, &account, (name, &device_name(name)), password, rng, None)?;
    Ok(account.words())
}

/// Makes a profile that is to become a device of an account which exists, called `device`. Until then it has an account
/// of its own, of which nobody gets to know.
pub fn create_for_link(dir: &Path, device: Option<&Nickname>, password: Option<&Password>) -> Result<(), ProfileError> {
    let mut rng = rng()?;
    let account = AccountKey::generate(&mut rng);
    #[expect(clippy::expect_used, reason = "a constant that is one")]
    let name = Nickname::parse("new device").expect("a name");
    let device = device.cloned().unwrap_or_else(|| device_name(&name));
    make(dir, &account, (&name, &device), password, rng, Some(LINKING))
}

/// Takes away a profile that has just been made and came to nothing.
pub fn discard(dir: &Path) -> Result<(), ProfileError> {
    let _lock = ProfileLock::take(dir).map_err(lock_error(dir))?;
    for name in [KEYSTORE, DATABASE, LINKING] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io_error(&path)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Makes a profile for a new device of an account that exists, from its recovery words. `name` is only used until a
/// friend tells what the account was called.
pub fn restore(dir: &Path, words: &str, name: &Nickname, password: Option<&Password>) -> Result<(), ProfileError> {
    let account = AccountKey::from_words(words).map_err(ProfileError::BadWords)?;
    make(dir, &account, (name, &device_name(name)), password, rng()?, Some(RESTORED))
}

fn make(
    dir: &Path,
    account: &AccountKey,
    (name, device): (&Nickname, &Nickname),
    password: Option<&Password>,
    mut rng: ChaCha20Rng,
    marker: Option<&str>,
) -> Result<(), ProfileError> {
    let _lock = ProfileLock::take(dir).map_err(lock_error(dir))?;
    file::make_private(dir).map_err(io_error(dir))?;
    if exists(dir) {
        return Err(ProfileError::Exists(dir.to_owned()));
    }
    let secrets = new_secrets(account, name, device, &mut rng)?;
    drop(new_store(dir, &store_key(&secrets))?);
    if let Some(marker) = marker {
        let marker = dir.join(marker);
        file::replace(&marker, b"").map_err(io_error(&marker))?;
    }
    Keyring::new(dir).write(&secrets, Some(account), password, &mut rng)
}

/// Keys for a new device, vouched for in the account's first record.
fn new_secrets(
    account: &AccountKey,
    name: &Nickname,
    device: &Nickname,
    rng: &mut ChaCha20Rng,
) -> Result<Secrets, ProfileError> {
    let (device_keys, certificate) = new_device(account, device, rng);
    #[expect(clippy::expect_used, reason = "a note may be empty")]
    let bio = Note::parse("").expect("an empty note");
    let record = account.sign_record(&AccountRecord {
        seq: 1,
        prev: None,
        account: account.id(),
        devices: vec![certificate.hash()],
        revoked: Vec::new(),
        profile: Profile { nick: name.clone(), bio },
    });
    let [store_key, transport_key, salt] = std::array::from_fn(|_| Key::generate(rng));
    Ok(Secrets { device_keys, store_key, transport_key, salt, certificate, record })
}

/// Keys for a new device, and the account's word for it.
fn new_device(account: &AccountKey, device: &Nickname, rng: &mut ChaCha20Rng) -> (DeviceKeys, SignedCertificate) {
    let device_keys = DeviceKeys::generate(rng);
    let certificate = account.sign_certificate(&Certificate {
        account: account.id(),
        device: device_keys.id(),
        x25519: device_keys.x25519_public(),
        name: device.clone(),
        added_ms: crate::runtime::wall_ms(),
    });
    (device_keys, certificate)
}

/// What a device is called where nobody named it: its system. The machine's own name would tell friends, and whoever looks
/// up a name, more than anybody chose to tell them.
pub(crate) fn device_name(fallback: &Nickname) -> Nickname {
    Nickname::parse(std::env::consts::OS).unwrap_or_else(|_| fallback.clone())
}

fn store_key(secrets: &Secrets) -> StoreKey {
    StoreKey::new(Zeroizing::new(*secrets.store_key.as_bytes()))
}

/// Where a database that lies there without a keystore goes when a profile is made in this directory.
pub fn set_aside(dir: &Path) -> Option<PathBuf> {
    let path = dir.join(DATABASE);
    (path.exists() && !exists(dir)).then(|| free_name(&path))
}

/// An empty database. One that lies there without a keystore was made by a run that was cut off, or has lost its key;
/// it is set aside, not deleted.
fn new_store(dir: &Path, key: &StoreKey) -> Result<Store, ProfileError> {
    match Store::create(dir, key) {
        Err(OpenError::Exists) => {
            let path = dir.join(DATABASE);
            fs::rename(&path, free_name(&path)).map_err(io_error(&path))?;
            Store::create(dir, key).map_err(store_error(dir))
        }
        created => created.map_err(store_error(dir)),
    }
}

/// A name beside `path` that nothing has yet: `.old`, else `.old-2` and so on. Who holds the profile's lock is alone.
fn free_name(path: &Path) -> PathBuf {
    let mut number = 1_u64;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(if number == 1 { ".old".to_owned() } else { format!(".old-{number}") });
        let name = PathBuf::from(name);
        // A link to nowhere is something too.
        if name.symlink_metadata().is_err() {
            return name;
        }
        number += 1;
    }
}

/// Random bytes from the operating system.
pub(crate) fn random() -> Result<Zeroizing<[u8; 32]>, ProfileError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| ProfileError::NoRandomness)?;
    Ok(bytes)
}

/// What keys and nonces are made with.
pub(crate) fn rng() -> Result<ChaCha20Rng, ProfileError> {
    Ok(ChaCha20Rng::from_seed(*random()?))
}

/// A profile that this process holds: unsealed, locked, its database open.
#[derive(Debug)]
pub struct OpenedProfile {
    parts: Parts,
}

/// What a node is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) who: Who,
    pub(crate) keyring: Keyring,
    pub(crate) transport_key: Zeroizing<[u8; 32]>,
    pub(crate) last_port: LastPort,
    /// Last, so that it is dropped after the database.
    pub(crate) lock: ProfileLock,
}

/// Who we are, for as many engines as it takes.
#[derive(Debug)]
pub(crate) struct Who {
    identity: Identity,
    /// Only after a restore or a login.
    account_key: Option<AccountKey>,
    marker: PathBuf,
}

impl Who {
    /// For one engine.
    pub(crate) fn copy(&self) -> (Identity, Option<AccountKey>) {
        let key = self.account_key.as_ref().map(|key| AccountKey::from_bytes(key.to_bytes()));
        (self.identity.clone(), key)
    }

    /// The account's key has done its work: this process forgets it, and later starts leave it sealed.
    pub(crate) fn seal(&mut self) {
        if self.account_key.take().is_none() {
            return;
        }
        if let Err(error) = fs::remove_file(&self.marker).and_then(|()| file::sync_directory_of(&self.marker)) {
            // The next start holds the key once more, and finds that out again.
            tracing::warn!(%error, "the account's key stays unsealed at the next start");
        }
    }
}

impl OpenedProfile {
    /// Takes the lock, unseals the keystore (a quarter of a second with a password) and opens the database.
    pub fn open(dir: &Path, password: Option<&Password>) -> Result<Self, ProfileError> {
        if !exists(dir) {
            return Err(ProfileError::NotFound(dir.to_owned()));
        }
        let lock = ProfileLock::take(dir).map_err(lock_error(dir))?;
        file::make_private(dir).map_err(io_error(dir))?;
        succession::resume(dir)?;
        let keyring = Keyring::new(dir);
        let secrets = keyring.open(password)?;
        let identity = keyring.identity(&secrets)?;
        let marker = dir.join(RESTORED);
        let account_key = if marker.exists() { Some(keyring.account_key(password)?) } else { None };
        succession::finish(dir, &store_key(&secrets))?;
        let store = Store::open(dir, &store_key(&secrets)).map_err(store_error(dir))?;
        let who = Who { identity, account_key, marker };
        let transport_key = Zeroizing::new(*secrets.transport_key.as_bytes());
        Ok(Self { parts: Parts { store, who, keyring, transport_key, last_port: LastPort::new(dir), lock } })
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.parts.keyring.directory()
    }

    /// Its keystore.
    pub fn keyring(&self) -> &Keyring {
        &self.parts.keyring
    }

    pub(crate) fn into_parts(self) -> Parts {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_database_that_is_set_aside_takes_no_others_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        for name in ["history.db.old", "history.db.old-2", "history.db.old-3"] {
            let free = free_name(&path);
            assert_eq!(free, dir.path().join(name));
            fs::write(free, b"").unwrap();
        }
    }
}
