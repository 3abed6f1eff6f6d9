//! Who somebody is: account and device keys, certificates, account records, bundles, invites.

/// The account's secret key.
#[derive(Debug)]
pub struct AccountKey;

/// An invite link, parsed.
#[derive(Debug)]
pub struct Invite;
