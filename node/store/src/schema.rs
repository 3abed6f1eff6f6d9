//! Which tables there are in redb, their versions, and how an older database becomes a current one.
//!
//! A table of redb's is named after the table's number and the version of its layout. Who changes a layout raises the
//! version here, adds a step to [`STEPS`] that fills the new table from the old one and deletes that, and commits a
//! database of the format before it to `tests/`.

use hobnob_engine::tables::TableId;
use redb::{ReadableDatabase as _, TableDefinition, TableError, WriteTransaction};

use crate::error::{OpenError, Trouble, of};

/// Rows of bytes under keys of bytes.
pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Facts about the database itself.
const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");
/// Row of [`META`]: the format, four bytes.
const FORMAT: &str = "format";
/// Row of [`META`] since format 2: number and layout version of each table, so that an older program which meets a newer
/// layout says so instead of finding a table empty.
const LAYOUTS: &str = "layouts";

/// Changes an open transaction.
type Step = fn(&WriteTransaction) -> Result<(), Trouble>;

/// The steps from each format to the next; the first one starts at format 1.
const STEPS: [Step; 3] = [state_layouts, add_tables, add_tables];
/// How many of [`TableId::ALL`] there were in the formats 1 and 2.
const FIRST_TABLES: usize = 15;
/// The format that this program writes.
pub(crate) const CURRENT: u32 = 1 + STEPS.len() as u32;

/// Where a table stands in [`TableId::ALL`].
pub(crate) fn index(id: TableId) -> usize {
    TableId::ALL.iter().position(|known| *known == id).unwrap_or(usize::MAX)
}

/// The redb table of `id`: its number and the version of its layout.
pub(crate) fn definition(id: TableId) -> Definition {
    TableDefinition::new(match id {
        TableId::Profile => "1.1",
        TableId::Settings => "2.1",
        TableId::Friends => "3.1",
        TableId::Accounts => "4.1",
        TableId::Invites => "5.1",
        TableId::Requests => "6.1",
        TableId::Conversations => "7.1",
        TableId::Entries => "8.1",
        TableId::Timeline => "9.1",
        TableId::Numbers => "10.1",
        TableId::Amendments => "11.1",
        TableId::Heads => "12.1",
        TableId::Receipts => "13.1",
        TableId::Parked => "14.1",
        TableId::Expiring => "15.1",
        TableId::Servers => "40.1",
        TableId::Names => "41.1",
        TableId::Prekeys => "42.1",
        TableId::Knocks => "43.1",
        TableId::Mailboxes => "44.1",
        TableId::MailTickets => "45.1",
        TableId::OwedReceipts => "46.1",
        TableId::PresenceTickets => "48.1",
    })
}

/// The version of the layout of `id`.
const fn layout(id: TableId) -> u8 {
    match id {
        TableId::Profile
        | TableId::Settings
        | TableId::Friends
        | TableId::Accounts
        | TableId::Invites
        | TableId::Requests
        | TableId::Conversations
        | TableId::Entries
        | TableId::Timeline
        | TableId::Numbers
        | TableId::Amendments
        | TableId::Heads
        | TableId::Receipts
        | TableId::Parked
        | TableId::Expiring
        | TableId::Servers
        | TableId::Names
        | TableId::Prekeys
        | TableId::Knocks
        | TableId::Mailboxes
        | TableId::MailTickets
        | TableId::OwedReceipts
        | TableId::PresenceTickets => 1,
    }
}

/// Makes the tables of a new database.
pub(crate) fn create(transaction: &WriteTransaction) -> Result<(), Trouble> {
    create_format_1(transaction)?;
    migrate(transaction, 1)
}

/// What format 1 was: the first tables, and the format's number.
pub(crate) fn create_format_1(transaction: &WriteTransaction) -> Result<(), Trouble> {
    create_format(transaction, 1)
}

/// The first tables, and a number for the format.
pub(crate) fn create_format(transaction: &WriteTransaction, format: u32) -> Result<(), Trouble> {
    for id in TableId::ALL.into_iter().take(FIRST_TABLES) {
        transaction.open_table(definition(id)).map_err(of)?;
    }
    set(transaction, FORMAT, &format.to_le_bytes())
}

/// Takes the database from `format` to [`CURRENT`]. All of it is one transaction, so a crash leaves the old format.
pub(crate) fn migrate(transaction: &WriteTransaction, format: u32) -> Result<(), Trouble> {
    for step in STEPS.iter().skip(format.saturating_sub(1) as usize) {
        step(transaction)?;
    }
    set(transaction, FORMAT, &CURRENT.to_le_bytes())
}

/// From format 1 to 2.
fn state_layouts(transaction: &WriteTransaction) -> Result<(), Trouble> {
    let rows: Vec<u8> = TableId::ALL.into_iter().take(FIRST_TABLES).flat_map(|id| [id as u8, layout(id)]).collect();
    set(transaction, LAYOUTS, &rows)
}

/// From format 2 to 3, and from 3 to 4: the tables that have come since.
fn add_tables(transaction: &WriteTransaction) -> Result<(), Trouble> {
    for id in TableId::ALL {
        transaction.open_table(definition(id)).map_err(of)?;
    }
    let rows: Vec<u8> = TableId::ALL.into_iter().flat_map(|id| [id as u8, layout(id)]).collect();
    set(transaction, LAYOUTS, &rows)
}

/// What format 2 was: format 1, and what layout each table has.
#[cfg(test)]
pub(crate) fn create_format_2(transaction: &WriteTransaction) -> Result<(), Trouble> {
    create_format(transaction, 2)?;
    state_layouts(transaction)
}

/// What format 3 was: format 2, and the tables of names, prekeys and friend requests by name.
#[cfg(test)]
pub(crate) fn create_format_3(transaction: &WriteTransaction) -> Result<(), Trouble> {
    create_format(transaction, 3)?;
    let tables = [TableId::Servers, TableId::Names, TableId::Prekeys, TableId::Knocks];
    for id in tables {
        transaction.open_table(definition(id)).map_err(of)?;
    }
    let all = TableId::ALL.into_iter().take(FIRST_TABLES).chain(tables);
    let rows: Vec<u8> = all.flat_map(|id| [id as u8, layout(id)]).collect();
    set(transaction, LAYOUTS, &rows)
}

/// The format of the database, when this program can read it.
pub(crate) fn format(database: &redb::Database) -> Result<u32, OpenError> {
    let no_format = || Trouble::Damaged("it does not state its format".into());
    let found = row(database, FORMAT)?.and_then(|bytes| Some(u32::from_le_bytes(*bytes.first_chunk()?)));
    let found = found.filter(|found| *found > 0).ok_or_else(no_format)?;
    if found > CURRENT {
        return Err(OpenError::Newer { found, known: CURRENT });
    }
    Ok(found)
}

fn row(database: &redb::Database, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
    let table = match database.begin_read().map_err(of)?.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table.map_err(of)?,
    };
    Ok(table.get(name).map_err(of)?.map(|value| value.value().to_vec()))
}

fn set(transaction: &WriteTransaction, name: &str, value: &[u8]) -> Result<(), Trouble> {
    transaction.open_table(META).map_err(of)?.insert(name, value).map_err(of)?;
    Ok(())
}
