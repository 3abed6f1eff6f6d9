//! The keystore file of a profile: what takes the password again.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use hobnob_engine::command::Joined;
use hobnob_shared::{
    identity::{
        AccountKey, Identity, SignedCertificate,
        keystore::{self, Params, Secrets},
    },
    limits::MAX_KEYSTORE_BYTES,
};
use rand_chacha::ChaCha20Rng;
use zeroize::Zeroizing;

use super::{
    KEYSTORE, LINKING, Password, ProfileError, RESTORED, Who,
    error::{io_error, keystore_error},
    file, rng,
};

/// The keystore file of a profile.
#[derive(Debug)]
pub struct Keyring {
    dir: PathBuf,
    /// One change at a time.
    changing: Mutex<()>,
}

impl Keyring {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), changing: Mutex::new(()) }
    }

    /// The profile's directory.
    pub fn directory(&self) -> &Path {
        &self.dir
    }

    fn path(&self) -> PathBuf {
        self.dir.join(KEYSTORE)
    }

    fn read(&self) -> Result<Vec<u8>, ProfileError> {
        let path = self.path();
        if !path.exists() {
            return Err(ProfileError::NotFound(self.dir.clone()));
        }
        file::read(&path, MAX_KEYSTORE_BYTES as u64).map_err(io_error(&path))
    }

    /// Whether the keystore is under a password.
    pub fn has_password(&self) -> Result<bool, ProfileError> {
        keystore::has_password(&self.read()?).map_err(keystore_error(&self.path()))
    }

    /// Whether the account's key is here, under the password or not. A linked device does not have it.
    pub fn holds_account_key(&self) -> Result<bool, ProfileError> {
        keystore::holds_account(&self.read()?).map_err(keystore_error(&self.path()))
    }

    /// Whether the account was there before this profile, and no friend of it is known to have met this device: it was
    /// logged in, or made from recovery words.
    pub(crate) fn is_restored(&self) -> bool {
        self.dir.join(RESTORED).exists()
    }

    /// Unseals what a running node needs.
    pub(super) fn open(&self, password: Option<&Password>) -> Result<Secrets, ProfileError> {
        keystore::open(&self.read()?, password.map(|p| &p.0)).map_err(keystore_error(&self.path()))
    }

    /// Who the secrets make us.
    pub(super) fn identity(&self, secrets: &Secrets) -> Result<Identity, ProfileError> {
        let damaged = |why: String| ProfileError::Damaged { path: self.path(), why };
        let certificate = secrets.certificate.verify().map_err(|error| damaged(error.to_string()))?;
        if certificate.device != secrets.device_keys.id() {
            return Err(damaged("its certificate is for another device".to_owned()));
        }
        Ok(Identity {
            account: certificate.account,
            device_keys: secrets.device_keys.clone(),
            certificate: secrets.certificate.clone(),
            record: secrets.record.clone(),
        })
    }

    /// Unseals the account key.
    pub fn account_key(&self, password: Option<&Password>) -> Result<AccountKey, ProfileError> {
        keystore::open_account(&self.read()?, password.map(|p| &p.0)).map_err(keystore_error(&self.path()))
    }

    /// The account's word for this device.
    pub(crate) fn certificate(&self, password: Option<&Password>) -> Result<SignedCertificate, ProfileError> {
        Ok(self.open(password)?.certificate)
    }

    /// The 24 words that restore the account.
    pub fn recovery_words(&self, password: Option<&Password>) -> Result<Zeroizing<String>, ProfileError> {
        Ok(self.account_key(password)?.words())
    }

    /// Seals the keystore under another password (`None`: under none).
    pub fn change_password(&self, old: Option<&Password>, new: Option<&Password>) -> Result<(), ProfileError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let secrets = self.open(old)?;
        let account = match self.account_key(old) {
            Err(ProfileError::NoAccountKey) => None,
            key => Some(key?),
        };
        self.write(&secrets, account.as_ref(), new, &mut rng()?)
    }

    /// From now on this is a device of the account that certified it. The key of the account that the profile was made
    /// with is gone. Answers who we are then.
    pub(crate) fn take_over(&self, password: Option<&Password>, joined: &Joined) -> Result<Who, ProfileError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut secrets = self.open(password)?;
        secrets.certificate = joined.certificate.clone();
        secrets.record = joined.record.clone();
        let identity = self.identity(&secrets)?;
        // A profile from recovery words unseals its account key at each start, and this one will have none.
        let marker = self.dir.join(RESTORED);
        if marker.exists() {
            std::fs::remove_file(&marker).map_err(io_error(&marker))?;
        }
        self.write(&secrets, None, password, &mut rng()?)?;
        let waiting = self.dir.join(LINKING);
        if waiting.exists() {
            std::fs::remove_file(&waiting)
                .and_then(|()| file::sync_directory_of(&waiting))
                .map_err(io_error(&waiting))?;
        }
        Ok(Who { identity, account_key: None, marker })
    }

    pub(super) fn write(
        &self,
        secrets: &Secrets,
        account: Option<&AccountKey>,
        password: Option<&Password>,
        rng: &mut ChaCha20Rng,
    ) -> Result<(), ProfileError> {
        self.replace(&self.seal(secrets, account, password, rng)?)
    }

    /// The bytes of a keystore that is not written yet.
    pub(super) fn seal(
        &self,
        secrets: &Secrets,
        account: Option<&AccountKey>,
        password: Option<&Password>,
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<u8>, ProfileError> {
        let sealed = keystore::seal(secrets, account, password.map(|p| &p.0), Params::DEFAULT, rng);
        sealed.map_err(keystore_error(&self.path()))
    }

    /// Puts another keystore in the place of this one, whole or not at all.
    pub(super) fn replace(&self, sealed: &[u8]) -> Result<(), ProfileError> {
        let path = self.path();
        file::replace(&path, sealed).map_err(io_error(&path))
    }
}
