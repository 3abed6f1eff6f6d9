//! Which of its lives a database is in: a backup holds no generation, so the first server that serves from it makes a new
//! one, by which nodes see that what came after the backup is gone.

use std::io;

use super::{OpenError, Store, error::guarded, schema, write};

/// Where it is kept.
const GENERATION: &str = "generation";

impl Store {
    /// The generation of this database. A new one, a backup, and one from before there were generations get theirs now.
    pub fn generation(&mut self) -> Result<u64, OpenError> {
        let database = self.reopened()?;
        let found = guarded(|| schema::get(database, GENERATION))?;
        match found.map(|bytes| bytes.try_into().map(u64::from_be_bytes)) {
            Some(Ok(generation)) => Ok(generation),
            Some(Err(_)) => Err(OpenError::Damaged("its generation has the wrong length".into())),
            None => {
                let mut made = [0; 8];
                getrandom::fill(&mut made).map_err(|error| OpenError::Io(io::Error::other(error)))?;
                write(database, |transaction| schema::set(transaction, GENERATION, &made))?;
                Ok(u64::from_be_bytes(made))
            }
        }
    }
}
