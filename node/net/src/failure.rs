//! What a failed dial means to a person: the one place where errors of libraries become words. Theirs go to the log only.

use std::{error::Error, io};

use libp2p::{
    TransportError,
    core::upgrade::{NegotiationError, ProtocolError},
    dns, noise, swarm,
};

use crate::{DialError, NetError, streams::OpenError};

/// Somebody is there, and a connection does not come about, whatever the libraries call it.
const BROKEN: &str = "the connection broke before anything was said";

/// Says it for one attempt of the swarm.
pub(crate) fn dial_error(error: &swarm::DialError) -> DialError {
    use swarm::DialError as E;
    match error {
        E::LocalPeerId { .. } => own_address(),
        E::WrongPeerId { .. } => DialError::AnotherNode,
        E::NoAddresses => DialError::NoAddress,
        E::Transport(failures) => {
            failures.iter().map(|(_, error)| transport_error(error)).max_by_key(rank).unwrap_or(DialError::NoAddress)
        }
        E::Denied { .. } => {
            DialError::Other("this node has as many connections as it may; try again in a minute".into())
        }
        E::DialPeerConditionFalse(_) | E::Aborted => {
            DialError::Other("it was not tried, as a connection was on its way".into())
        }
    }
}

/// Says it for a stream on a connection that is there.
pub(crate) fn open_error(error: OpenError) -> DialError {
    match error {
        OpenError::Unsupported => DialError::NotHobnob,
        OpenError::TimedOut => DialError::TimedOut,
        OpenError::Broken => DialError::Other(BROKEN.into()),
    }
}

/// Says it for a link that broke before it was one.
pub(crate) fn link_error(error: &io::Error) -> DialError {
    classify(error)
}

/// Says it where not even the transport comes about.
pub(crate) fn no_transport(error: &NetError) -> DialError {
    tracing::debug!(%error, "no transport");
    DialError::Other("the network of this machine cannot be used now".into())
}

/// Somebody dials himself.
pub(crate) fn own_address() -> DialError {
    DialError::Other("this node itself answers there".into())
}

/// Of two failures the one that says more: that somebody is there more than that nobody is.
pub(crate) fn worse(known: Option<DialError>, new: DialError) -> DialError {
    match known {
        Some(known) if rank(&known) >= rank(&new) => known,
        _ => new,
    }
}

fn rank(error: &DialError) -> u8 {
    match error {
        DialError::NoAddress => 0,
        DialError::Other(_) | DialError::AnotherNode => 1,
        DialError::TimedOut => 2,
        DialError::Refused => 3,
        DialError::NotHobnob => 4,
    }
}

fn transport_error(error: &TransportError<io::Error>) -> DialError {
    match error {
        TransportError::MultiaddrNotSupported(_) => DialError::NoAddress,
        TransportError::Other(error) => classify(error),
    }
}

/// Looks for the first thing in the chain of causes that says what it was.
fn classify(error: &io::Error) -> DialError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = one(error) {
            return found;
        }
        cause = below(error);
    }
    tracing::debug!(error = innermost(error), "a dial failed in a way that has no words");
    DialError::Other(BROKEN.into())
}

fn one(error: &(dyn Error + 'static)) -> Option<DialError> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return by_kind(error.kind());
    }
    if let Some(error) = error.downcast_ref::<NegotiationError>() {
        return match error {
            // Its cause says more.
            NegotiationError::ProtocolError(ProtocolError::IoError(_)) => None,
            NegotiationError::ProtocolError(_) | NegotiationError::Failed => Some(DialError::NotHobnob),
        };
    }
    if let Some(error) = error.downcast_ref::<noise::Error>() {
        // It says that an I/O error is itself, not its cause.
        return Some(if let noise::Error::Io(error) = error { classify(error) } else { DialError::NotHobnob });
    }
    error.is::<dns::ResolveError>().then(|| DialError::Other("the host name cannot be resolved".into()))
}

fn by_kind(kind: io::ErrorKind) -> Option<DialError> {
    use io::ErrorKind as K;
    if kind == K::ConnectionRefused {
        return Some(DialError::Refused);
    }
    if kind == K::TimedOut {
        return Some(DialError::TimedOut);
    }
    if [K::HostUnreachable, K::NetworkUnreachable, K::NetworkDown, K::AddrNotAvailable].contains(&kind) {
        return Some(DialError::NoAddress);
    }
    if [K::UnexpectedEof, K::ConnectionReset, K::ConnectionAborted, K::BrokenPipe].contains(&kind) {
        return Some(DialError::Other("what answers there hung up at once".into()));
    }
    (kind == K::InvalidData).then_some(DialError::NotHobnob)
}

/// The next cause; an I/O error hides the error it was made from, and shows only that one's cause.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = below(error) {
        error = cause;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As yamux says it.
    #[derive(Debug, thiserror::Error)]
    #[error("yamux: connection is closed")]
    struct Raw;

    #[test]
    fn what_a_library_calls_it_is_told_to_nobody() {
        let raw = || io::Error::other(Raw);
        let errors = [
            link_error(&raw()),
            dial_error(&swarm::DialError::Transport(vec![(
                libp2p::Multiaddr::empty(),
                TransportError::Other(io::Error::other(raw())),
            )])),
            dial_error(&swarm::DialError::Denied { cause: swarm::ConnectionDenied::new(Raw) }),
            dial_error(&swarm::DialError::Aborted),
        ];
        for error in errors {
            assert!(matches!(&error, DialError::Other(words) if !words.contains("yamux")), "{error:?}");
        }
        assert_eq!(link_error(&io::Error::from(io::ErrorKind::ConnectionRefused)), DialError::Refused);
    }
}
