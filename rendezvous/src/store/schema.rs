//! Tables on disk, and the number of their format.

use redb::{ReadableDatabase as _, TableDefinition, TableError, WriteTransaction};

use super::error::{Trouble, of};
use crate::registry::view::TableId;

/// The format that this program writes. A table whose layout changes gets a new name, and a step that moves its rows.
/// 2 has [`TableId::Past`], 3 has [`TableId::Leaving`].
pub(crate) const CURRENT: u32 = 3;

/// What is known of the database itself.
pub(crate) const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");

const FORMAT: &str = "format";

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// A table on disk: its number, and the version of its layout.
pub(crate) const fn definition(id: TableId) -> Definition {
    TableDefinition::new(match id {
        TableId::Counters => "1.1",
        TableId::Accounts => "2.1",
        TableId::Bundles => "3.1",
        TableId::Names => "4.1",
        TableId::Bindings => "5.1",
        TableId::Vaults => "6.1",
        TableId::Boxes => "7.1",
        TableId::BoxesOf => "8.1",
        TableId::Mail => "9.1",
        TableId::MailOf => "10.1",
        TableId::MailTimes => "11.1",
        TableId::Knocks => "12.1",
        TableId::KnockTimes => "13.1",
        TableId::Usage => "14.1",
        TableId::LastSeen => "15.1",
        TableId::Codes => "16.1",
        TableId::Waiting => "17.1",
        TableId::Past => "18.1",
        TableId::Leaving => "19.1",
    })
}

/// Makes the tables of a new database, and those that one of an older format lacks.
pub(crate) fn create(transaction: &WriteTransaction) -> Result<(), Trouble> {
    for id in TableId::ALL {
        transaction.open_table(definition(id)).map_err(of)?;
    }
    set(transaction, FORMAT, &CURRENT.to_le_bytes())
}

/// The format of the database.
pub(crate) fn format(database: &redb::Database) -> Result<u32, Trouble> {
    let found = get(database, FORMAT)?.and_then(|bytes| Some(u32::from_le_bytes(*bytes.first_chunk()?)));
    found.filter(|found| *found > 0).ok_or_else(|| Trouble::Damaged("it does not state its format".into()))
}

pub(crate) fn get(database: &redb::Database, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
    let table = match database.begin_read().map_err(of)?.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table.map_err(of)?,
    };
    Ok(table.get(name).map_err(of)?.map(|value| value.value().to_vec()))
}

pub(crate) fn set(transaction: &WriteTransaction, name: &str, value: &[u8]) -> Result<(), Trouble> {
    transaction.open_table(META).map_err(of)?.insert(name, value).map_err(of)?;
    Ok(())
}
