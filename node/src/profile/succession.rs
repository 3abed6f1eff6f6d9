//! A bare profile becomes a device of an account that exists: other keys, an empty database, the same place.
//!
//! Everything is made in a folder beside the old profile, and its keystore is written there last. From then on the new
//! profile counts: the account may be told of its device, and whatever cuts the process off, the next start takes it up.
//! Before, the folder is nothing that anybody needs. So no device is ever told of whose keys are gone.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use hobnob_engine::work::Records;
use hobnob_shared::{
    identity::{AccountKey, AccountRecord, Identity, SignedCertificate, SignedRecord, keystore::Secrets},
    limits::MAX_DEVICES,
    text::Nickname,
};
use hobnob_store::{OpenError, Store, StoreKey};

use super::{
    DATABASE, KEYSTORE, Keyring, Password, ProfileError, RESTORED, Who,
    error::{commit_error, io_error, store_error},
    file, new_device, rng, store_key,
};

/// The folder in which the next database is made.
const NEXT: &str = "next";

/// A profile that is ready to take the place of the one in its directory. Dropped before its keys are written down, it
/// leaves nothing that counts.
pub struct Successor {
    dir: PathBuf,
    keystore: Vec<u8>,
    store_key: StoreKey,
    who: Who,
    record: SignedRecord,
}

impl Successor {
    /// Makes a new device of the account with `key`, called `device`, whose newest record is `newest`, and whose database
    /// begins with `records`. The keystore will be under the password that the profile has now, which is checked.
    pub fn prepare(
        keyring: &Keyring,
        password: Option<&Password>,
        (key, newest): (AccountKey, &SignedRecord),
        device: &Nickname,
        records: &Records,
    ) -> Result<Self, ProfileError> {
        let before = keyring.open(password)?;
        let mut rng = rng()?;
        let (device_keys, certificate) = new_device(&key, device, &mut rng);
        let record = listing(&key, newest, &certificate)?;
        let secrets = Secrets {
            device_keys: device_keys.clone(),
            store_key: hobnob_shared::identity::keystore::Key::generate(&mut rng),
            certificate: certificate.clone(),
            record: record.clone(),
            // Where the node listens, and under which transport key, stays as it is.
            ..before
        };
        let keystore = keyring.seal(&secrets, Some(&key), password, &mut rng)?;
        let next = keyring.directory().join(NEXT);
        withdraw(keyring.directory())?;
        let store_key = store_key(&secrets);
        let mut store = Store::create(&next, &store_key).map_err(store_error(&next))?;
        store.commit(records).map_err(commit_error(&next))?;
        drop(store);
        let identity = Identity { account: key.id(), device_keys, certificate, record: record.clone() };
        let who = Who { identity, account_key: Some(key), marker: keyring.directory().join(RESTORED) };
        Ok(Self { dir: keyring.directory().to_owned(), keystore, store_key, who, record })
    }

    /// The record that lists this device, for others to be told once its keys are written down.
    pub fn record(&self) -> &SignedRecord {
        &self.record
    }

    /// The identity that the node will have.
    pub fn identity(&self) -> &Identity {
        &self.who.identity
    }

    /// Writes the keys down. From now on this profile takes the place at the next start, if nothing does so before; only
    /// [`Self::withdraw`] takes that back.
    pub(crate) fn write_down(&self) -> Result<(), ProfileError> {
        let next = self.dir.join(NEXT);
        let path = next.join(KEYSTORE);
        file::replace(&path, &self.keystore).and_then(|()| file::sync_directory_of(&next)).map_err(io_error(&path))
    }

    /// Nobody was told of this device: the old profile stays.
    pub(crate) fn withdraw(self) -> Result<(), ProfileError> {
        withdraw(&self.dir)
    }

    /// Takes the place. The database of the old profile is not to be written from now on. After an error the profile on disk is the old
    /// one or the new one, whole; which one, the next start finds out.
    pub(crate) fn take_place(self) -> Result<(Store, Who), ProfileError> {
        self.write_down()?;
        resume(&self.dir)?;
        finish(&self.dir, &self.store_key)?;
        let store = Store::open(&self.dir, &self.store_key).map_err(store_error(&self.dir))?;
        Ok((store, self.who))
    }
}

/// The record behind `newest` that lists this device as well.
pub(crate) fn listing(
    key: &AccountKey,
    newest: &SignedRecord,
    certificate: &SignedCertificate,
) -> Result<SignedRecord, ProfileError> {
    let held = newest.verify().map_err(|why| ProfileError::BadAccount(why.to_string()))?;
    if held.account != key.id() {
        return Err(ProfileError::BadAccount("its record is of another account".to_owned()));
    }
    let mut devices = held.devices;
    // The record has room for so many; the oldest has been away for longest.
    let surplus = (devices.len() + 1).saturating_sub(MAX_DEVICES);
    devices.drain(..surplus);
    devices.push(certificate.hash());
    let seq = held.seq.saturating_add(1);
    Ok(key.sign_record(&AccountRecord { seq, prev: Some(newest.hash()), devices, ..held }))
}

impl fmt::Debug for Successor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Successor(..)")
    }
}

/// Goes on with a succession whose keys were written down, before the keystore is read: they are the profile's from now
/// on.
pub(super) fn resume(dir: &Path) -> Result<(), ProfileError> {
    let written = dir.join(NEXT).join(KEYSTORE);
    if !written.exists() {
        return Ok(());
    }
    let marker = dir.join(RESTORED);
    file::replace(&marker, b"").map_err(io_error(&marker))?;
    let path = dir.join(KEYSTORE);
    fs::rename(&written, &path).and_then(|()| file::sync_directory_of(&path)).map_err(io_error(&path))
}

/// Takes back what was written down. The keys go first: without them the rest is nothing.
fn withdraw(dir: &Path) -> Result<(), ProfileError> {
    let next = dir.join(NEXT);
    let keys = next.join(KEYSTORE);
    match fs::remove_file(&keys).and_then(|()| file::sync_directory_of(&keys)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&keys)(error)),
        Ok(()) | Err(_) => {}
    }
    clear(&next).map_err(io_error(&next))
}

/// Ends a succession that was cut off: the next database is taken if it is that of this keystore, else it goes.
pub(super) fn finish(dir: &Path, key: &StoreKey) -> Result<(), ProfileError> {
    let next = dir.join(NEXT);
    if !next.exists() {
        return Ok(());
    }
    match Store::open(&next, key) {
        Ok(store) => {
            drop(store);
            let path = dir.join(DATABASE);
            fs::rename(next.join(DATABASE), &path)
                .and_then(|()| file::sync_directory_of(&path))
                .map_err(io_error(&path))?;
        }
        // Made for a succession that did not come to pass, or moved already.
        Err(OpenError::WrongKey | OpenError::NotFound | OpenError::Damaged { .. }) => {}
        Err(error) => return Err(store_error(&next)(error)),
    }
    clear(&next).map_err(io_error(&next))
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{
        super::{OpenedProfile, create, exists},
        *,
    };

    /// A bare profile, and the key and record of an account that is to take its place.
    fn cast(password: Option<&Password>) -> (tempfile::TempDir, AccountKey, SignedRecord) {
        let (bare, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        create(bare.path(), &Nickname::parse("Nobody").unwrap(), password).unwrap();
        create(other.path(), &Nickname::parse("Alice").unwrap(), None).unwrap();
        let other = OpenedProfile::open(other.path(), None).unwrap();
        let key = other.keyring().account_key(None).unwrap();
        let record = other.into_parts().who.identity.record;
        (bare, key, record)
    }

    fn prepared(dir: &Path, key: &AccountKey, record: &SignedRecord) -> Successor {
        let profile = OpenedProfile::open(dir, None).unwrap();
        prepare(profile.keyring(), None, key, record).unwrap()
    }

    fn prepare(
        keyring: &Keyring,
        password: Option<&Password>,
        key: &AccountKey,
        record: &SignedRecord,
    ) -> Result<Successor, ProfileError> {
        let account = (AccountKey::from_bytes(key.to_bytes()), record);
        Successor::prepare(keyring, password, account, &Nickname::parse("phone").unwrap(), &Records::new())
    }

    fn identity(dir: &Path, password: Option<&Password>) -> Identity {
        OpenedProfile::open(dir, password).unwrap().into_parts().who.identity
    }

    #[test]
    fn the_account_takes_the_place_and_lists_the_new_device() {
        let (dir, key, record) = cast(None);
        let before = identity(dir.path(), None);
        let transport = *OpenedProfile::open(dir.path(), None).unwrap().into_parts().transport_key;
        let successor = prepared(dir.path(), &key, &record);
        let listed = successor.record().verify().unwrap();
        assert_eq!((listed.seq, listed.prev, listed.devices.len()), (2, Some(record.hash()), 2));
        let device = successor.identity().device_keys.id();
        drop(successor.take_place().unwrap());
        let after = OpenedProfile::open(dir.path(), None).unwrap().into_parts();
        assert_eq!((after.who.identity.account, after.who.identity.device_keys.id()), (key.id(), device));
        assert_ne!(after.who.identity.device_keys.id(), before.device_keys.id());
        assert_eq!(*after.transport_key, transport, "the node listens as it did");
        assert!(!dir.path().join(NEXT).exists());
    }

    #[test]
    fn cut_off_before_the_keys_are_written_down_the_old_profile_is_whole() {
        let (dir, key, record) = cast(None);
        let before = identity(dir.path(), None);
        drop(prepared(dir.path(), &key, &record));
        assert!(dir.path().join(NEXT).exists());
        // A write that was torn is none.
        fs::write(dir.path().join(NEXT).join("keystore.new"), "torn").unwrap();
        assert_eq!(identity(dir.path(), None).account, before.account);
        assert!(!dir.path().join(NEXT).exists());
    }

    #[test]
    fn cut_off_behind_the_keys_the_next_start_is_the_new_device() {
        for cut in 0..4 {
            let (dir, key, record) = cast(None);
            let successor = prepared(dir.path(), &key, &record);
            let device = successor.identity().device_keys.id();
            successor.write_down().unwrap();
            let next = dir.path().join(NEXT);
            if cut > 0 {
                fs::write(dir.path().join(RESTORED), "").unwrap();
            }
            if cut > 1 {
                fs::rename(next.join(KEYSTORE), dir.path().join(KEYSTORE)).unwrap();
            }
            if cut > 2 {
                fs::rename(next.join(DATABASE), dir.path().join(DATABASE)).unwrap();
            }
            let (after, account_key) = OpenedProfile::open(dir.path(), None).unwrap().into_parts().who.copy();
            assert_eq!((after.account, after.device_keys.id()), (key.id(), device), "cut {cut}");
            assert!(account_key.is_some(), "cut {cut}: it can vouch for itself");
            assert!(!next.exists() && exists(dir.path()), "cut {cut}");
        }
    }

    #[test]
    fn what_is_withdrawn_leaves_the_old_profile() {
        let (dir, key, record) = cast(None);
        let before = identity(dir.path(), None);
        let successor = prepared(dir.path(), &key, &record);
        successor.write_down().unwrap();
        successor.withdraw().unwrap();
        assert!(!dir.path().join(NEXT).exists());
        assert_eq!(identity(dir.path(), None).account, before.account);
    }

    #[test]
    fn a_second_try_replaces_what_the_first_left() {
        let (dir, key, record) = cast(None);
        drop(prepared(dir.path(), &key, &record));
        let profile = OpenedProfile::open(dir.path(), None).unwrap();
        let again = || prepare(profile.keyring(), None, &key, &record).unwrap();
        again().write_down().unwrap();
        drop(again().take_place().unwrap());
        drop(profile);
        assert_eq!(identity(dir.path(), None).account, key.id());
    }

    #[test]
    fn the_password_of_the_profile_stays_and_a_wrong_one_changes_nothing() {
        let password = |text: &str| Password::new(zeroize::Zeroizing::new(text.to_owned()));
        let (dir, key, record) = cast(password("mine").as_ref());
        let before = identity(dir.path(), password("mine").as_ref());
        let profile = OpenedProfile::open(dir.path(), password("mine").as_ref()).unwrap();
        let prepared = |typed: &str| prepare(profile.keyring(), password(typed).as_ref(), &key, &record);
        assert!(matches!(prepared("yours"), Err(ProfileError::WrongPassword)));
        let successor = prepared("mine").unwrap();
        drop(profile);
        assert_eq!(identity(dir.path(), password("mine").as_ref()).account, before.account);
        drop(successor);
    }

    #[test]
    fn a_record_of_another_account_is_refused() {
        let (dir, _, record) = cast(None);
        let (_other, key, _) = cast(None);
        let profile = OpenedProfile::open(dir.path(), None).unwrap();
        let refused = prepare(profile.keyring(), None, &key, &record);
        assert!(matches!(refused, Err(ProfileError::BadAccount(_))));
    }
}
