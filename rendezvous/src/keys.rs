//! The server's secrets, each kind in its own file: who has them is the server.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
};

use hobnob_shared::{identity::DeviceKeys, opaque::ServerSetup};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use zeroize::Zeroizing;

use crate::store::{FILE, OpenError, Secrets, Store, finish, hand_over, private};

/// Name of the file with the keys: for signatures and sessions (64 bytes), then for the transport (32).
pub const KEYS_FILE: &str = "keys";

/// Name of the file with what passwords are checked with. Without it no password is right any more.
pub const OPAQUE_FILE: &str = "opaque";

const KEYS_BYTES: usize = 96;

/// All secrets of a server.
#[derive(Debug)]
pub struct ServerKeys {
    /// For names and sessions.
    pub device: DeviceKeys,
    /// Seed of the transport's key.
    pub transport: Zeroizing<[u8; 32]>,
    /// For passwords.
    pub opaque: ServerSetup,
}

/// The secrets could not be had. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file is not what we wrote.
    #[error("the file {0} is damaged; put it back from a backup")]
    Damaged(&'static str),
    /// One is there and the other is not.
    #[error(
        "the data folder holds a database but no file {0}; put it back, or a backup in the place of {FILE}; to begin anew, \
         without anybody's name, move {FILE}, {KEYS_FILE} and {OPAQUE_FILE} away"
    )]
    Missing(&'static str),
    /// A backup lies beside the secrets of another server.
    #[error(
        "{FILE} is a backup of another server than the file {0} is of; move {KEYS_FILE} and {OPAQUE_FILE} away to go on \
         with the backup's"
    )]
    Another(&'static str),
    /// One is there, and the database was made with another.
    #[error(
        "the file {0} is not the one that {FILE} was made with: it is another server's, or damaged; put back the one that \
         belongs to it, or move all three files away and put a backup, which holds all of them, in the place of {FILE}"
    )]
    Foreign(&'static str),
    /// The database was made with others than both.
    #[error(
        "{FILE} was made with other files {KEYS_FILE} and {OPAQUE_FILE} than lie beside it: it is another server's; put back \
         the one that belongs to them, or its own {KEYS_FILE} and {OPAQUE_FILE}"
    )]
    ForeignDatabase,
    /// The database, looked at for a backup's secrets.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The operating system said no.
    #[error("the file {0} cannot be read or written")]
    Io(&'static str, #[source] io::Error),
}

impl ServerKeys {
    /// New ones.
    pub fn generate(rng: &mut ChaCha20Rng) -> Self {
        let mut transport = Zeroizing::new([0; 32]);
        let device = DeviceKeys::generate(rng);
        rng.fill_bytes(transport.as_mut_slice());
        Self { opaque: ServerSetup::generate(rng), device, transport }
    }

    /// Reads them from `dir`; takes them out of a database that is new or a backup first. Those of another server than the
    /// database's are refused: with them every password would be wrong, or every pinned key.
    pub fn open(dir: &Path, store: &mut Store) -> Result<Self, KeysError> {
        for name in [KEYS_FILE, OPAQUE_FILE] {
            store.take_secret(name, |bytes| keep(dir, name, bytes))?;
        }
        Self::fitting(store, &read(dir, KEYS_FILE)?, &read(dir, OPAQUE_FILE)?)
    }

    /// The same, of a database that is only looked at ([`Store::look`]): no file is made of what is still in it.
    pub fn look(dir: &Path, store: &mut Store) -> Result<Self, KeysError> {
        let mut found = |name| {
            let mut held = None;
            store.take_secret(name, |bytes| {
                is_kept(dir, name, bytes)?;
                held = Some(Zeroizing::new(bytes.to_vec()));
                Ok::<(), KeysError>(())
            })?;
            held.map_or_else(|| read(dir, name), Ok)
        };
        let (keys, opaque) = (found(KEYS_FILE)?, found(OPAQUE_FILE)?);
        Self::fitting(store, &keys, &opaque)
    }

    /// Those with these bytes, which must be of this database's server.
    fn fitting(store: &mut Store, keys: &[u8], opaque: &[u8]) -> Result<Self, KeysError> {
        let (device, transport) = split(keys).ok_or(KeysError::Damaged(KEYS_FILE))?;
        let opaque = opaque.try_into().ok().and_then(|bytes| ServerSetup::from_bytes(bytes).ok());
        let opaque = opaque.ok_or(KeysError::Damaged(OPAQUE_FILE))?;
        let found = Self { device, transport, opaque };
        match store.foreign(&found.secrets())?.as_slice() {
            [] => Ok(found),
            [name] => Err(KeysError::Foreign(name)),
            _ => Err(KeysError::ForeignDatabase),
        }
    }

    /// As they lie in their files.
    pub fn secrets(&self) -> Vec<Secrets> {
        let mut keys = Zeroizing::new(Vec::with_capacity(KEYS_BYTES));
        keys.extend_from_slice(self.device.to_bytes().as_slice());
        keys.extend_from_slice(self.transport.as_slice());
        let opaque = Zeroizing::new(self.opaque.to_bytes().to_vec());
        vec![Secrets { name: KEYS_FILE, bytes: keys }, Secrets { name: OPAQUE_FILE, bytes: opaque }]
    }
}

/// Opens the server in `dir`; begins one where there is no database.
pub fn open_or_begin(dir: &Path) -> Result<(Store, ServerKeys), KeysError> {
    let mut store = if dir.join(FILE).try_exists().map_err(OpenError::Io)? {
        Store::open(dir)?
    } else {
        let made = ServerKeys::generate(&mut random().map_err(|error| KeysError::Io(KEYS_FILE, error))?);
        Store::begin(dir, &made.secrets())?
    };
    let keys = ServerKeys::open(dir, &mut store)?;
    Ok((store, keys))
}

/// A generator with a seed of the operating system's.
pub fn random() -> io::Result<ChaCha20Rng> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(ChaCha20Rng::from_seed(seed))
}

/// Whether the file of a secret in `dir` holds what it should.
pub(crate) fn check(dir: &Path, secret: &Secrets) -> Result<(), KeysError> {
    if *read(dir, secret.name)? == *secret.bytes { Ok(()) } else { Err(KeysError::Foreign(secret.name)) }
}

fn split(bytes: &[u8]) -> Option<(DeviceKeys, Zeroizing<[u8; 32]>)> {
    if bytes.len() != KEYS_BYTES {
        return None;
    }
    let (device, transport) = bytes.split_first_chunk::<64>()?;
    let device = DeviceKeys::from_bytes(&Zeroizing::new(*device));
    Some((device, Zeroizing::new(transport.try_into().ok()?)))
}

fn read(dir: &Path, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let file = fs::File::open(dir.join(name)).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound { KeysError::Missing(name) } else { KeysError::Io(name, error) }
    })?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    // No secret file of ours is longer.
    file.take(1024).read_to_end(&mut bytes).map_err(|error| KeysError::Io(name, error))?;
    Ok(bytes)
}

/// Makes the file of a secret that comes out of a database.
fn keep(dir: &Path, name: &'static str, bytes: &[u8]) -> Result<(), KeysError> {
    if is_kept(dir, name, bytes)? {
        return Ok(());
    }
    write(dir, name, bytes).map_err(|error| KeysError::Io(name, error))
}

/// Whether a secret that is still in its database has its file; one that is there must hold the same.
fn is_kept(dir: &Path, name: &'static str, bytes: &[u8]) -> Result<bool, KeysError> {
    match read(dir, name) {
        Ok(there) if there.as_slice() == bytes => Ok(true),
        Ok(_) => Err(KeysError::Another(name)),
        Err(KeysError::Missing(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The file has its name only when it is complete.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = dir.join(format!("{name}.new"));
    let mut file = private().write(true).create(true).truncate(true).open(&unfinished)?;
    hand_over(&file, &unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    finish(&unfinished, &dir.join(name))
}
