//! The server's secrets, as far as the database has to do with them: a new one and a backup hold them until they have files
//! of their own, and each keeps a print of them, so that files of another server beside it are seen.

use hobnob_shared::hash::hash;
use redb::WriteTransaction;
use zeroize::Zeroizing;

use super::{
    OpenError, Store,
    error::{Trouble, guarded, of},
    schema, write,
};

/// What makes a server the one that its users know.
#[derive(Debug)]
pub struct Secrets {
    /// Name of the file in the data folder.
    pub name: &'static str,
    /// What is in it.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Secrets {
    /// Puts it into a database that is being made, with its print.
    pub(super) fn put(&self, transaction: &WriteTransaction) -> Result<(), Trouble> {
        schema::set(transaction, self.name, &self.bytes)?;
        self.put_print(transaction)
    }

    fn put_print(&self, transaction: &WriteTransaction) -> Result<(), Trouble> {
        schema::set(transaction, &self.print_name(), &self.print())
    }

    /// Where its print is kept.
    fn print_name(&self) -> String {
        format!("{}.print", self.name)
    }

    /// Tells it from every other, and nothing about it: it has hundreds of random bits.
    fn print(&self) -> [u8; 32] {
        hash("hobnob-rendezvous/secret-file/1", &[self.name.as_bytes(), &self.bytes])
    }
}

impl Store {
    /// Takes a secret out of a database that is a backup, or new; `false` when it holds none of that name. `keep` makes it
    /// last elsewhere first.
    pub fn take_secret<E: From<OpenError>>(
        &mut self,
        name: &str,
        keep: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let take = |trouble: Trouble| E::from(OpenError::from(trouble));
        let database = self.reopened().map_err(take)?;
        let found = guarded(|| schema::get(database, name)).map_err(take)?;
        let Some(bytes) = found.map(Zeroizing::new) else { return Ok(false) };
        keep(&bytes)?;
        let removed = write(database, |transaction| {
            transaction.open_table(schema::META).map_err(of)?.remove(name).map_err(of)?;
            Ok(())
        });
        removed.map(|()| true).map_err(take)
    }

    /// Which of `secrets` are not those of this database's server. One that was made before prints were kept takes what
    /// lies beside it for its own, where none is another's.
    pub fn foreign(&mut self, secrets: &[Secrets]) -> Result<Vec<&'static str>, OpenError> {
        let database = self.reopened()?;
        let (mut foreign, mut unknown) = (Vec::new(), Vec::new());
        for secret in secrets {
            match guarded(|| schema::get(database, &secret.print_name()))? {
                Some(print) if print == secret.print() => {}
                Some(_) => foreign.push(secret.name),
                None => unknown.push(secret),
            }
        }
        if foreign.is_empty() && !unknown.is_empty() {
            write(database, |transaction| unknown.iter().try_for_each(|secret| secret.put_print(transaction)))?;
        }
        Ok(foreign)
    }
}
