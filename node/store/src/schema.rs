//! Which redb tables there are, and their versions.

use hobnob_engine::tables::TableId;
use redb::TableDefinition;

/// Rows of bytes under keys of bytes.
pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Where a table stands in [`TableId::ALL`].
pub(crate) fn index(id: TableId) -> usize {
    usize::from(id as u8).saturating_sub(1)
}

/// The redb table of `id`: its number and the version of its layout, which a migration changes.
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
    })
}
