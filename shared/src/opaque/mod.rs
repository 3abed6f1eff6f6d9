//! OPAQUE (RFC 9807): a password proves itself to a rendezvous that never sees it.

pub mod message;
