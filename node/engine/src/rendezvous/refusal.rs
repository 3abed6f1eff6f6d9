//! What a rendezvous's refusal means to a person.

use hobnob_shared::wire::ErrorCode;

use super::calls::Failed;
use crate::command::{Code, Refusal};

/// A name that another machine of ours gave up, a rendezvous that was set back or has lost what it had, or a device that was
/// revoked: it tells no difference.
const DISOWNED: &str = "it does not take this device for one of ours any more: another machine of yours has given the name up or \
                        revoked this device, or the rendezvous has lost what it had; friends find you there no more, and \
                        /register takes the name again";

/// Our account has said itself that this device is none of its own any more.
const REVOKED: &str = "this device was revoked by another one of your account, so nothing is asked there as it any more. /logout \
                       takes the name off it; to use the account on this machine again, log in from another profile: \
                       hobnob -P NAME";

/// What to do about a rendezvous that is not there.
const UNREACHED: &str = "Nothing was changed. Try again in a while; if it stays so, ask whoever runs it whether it is up and still at \
                         this address (/net shows it)";

impl Failed {
    /// The rendezvous ended the session, with this code.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others say the same to a person")]
    pub(super) fn closed(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Denied => Self::Disowned,
            ErrorCode::Busy | ErrorCode::RateLimited { .. } => Self::Unreached("it is busy".to_owned()),
            ErrorCode::Ok => Self::Unreached("it has closed the session".to_owned()),
            code => Self::Unreached(format!("it has closed the session (code {})", code.number())),
        }
    }

    /// In words, without the host.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Refused(code) => format!("it refuses (code {})", code.number()),
            Self::Disowned => DISOWNED.to_owned(),
            Self::Revoked => REVOKED.to_owned(),
            Self::Unreached(why) | Self::Untrusted(why) | Self::Unsupported(why) => why.clone(),
            Self::Silent => "it does not answer".to_owned(),
        }
    }

    /// In words, about the rendezvous on this host. What a code means for one request, its flow knows better.
    pub(crate) fn refusal(&self, host: &str) -> Refusal {
        match self {
            Self::Refused(code) => Refusal { said: Some(*code), ..refused(host, *code) },
            Self::Disowned => Refusal {
                said: Some(ErrorCode::Denied),
                ..Refusal::new(Code::Login, format!("{host} turns this device away: {DISOWNED}"))
            },
            Self::Revoked => Refusal::new(Code::Untrusted, format!("{host} is not asked: {REVOKED}")),
            Self::Unreached(why) => Refusal::new(Code::Network, format!("{host} is not reached: {why}. {UNREACHED}")),
            Self::Untrusted(why) => Refusal::new(Code::Untrusted, format!("{host} is not to be trusted: {why}")),
            Self::Unsupported(why) => Refusal::new(Code::Unsupported, format!("{host} cannot be used: {why}")),
            Self::Silent => {
                Refusal::new(Code::Network, format!("{host} did not answer in time; try again, /net shows how it goes"))
            }
        }
    }
}

fn refused(host: &str, code: ErrorCode) -> Refusal {
    let (name, message) = match code {
        ErrorCode::RateLimited { retry_ms } => {
            (Code::Limited, format!("too many tries at {host}; it takes the next one {}", later(retry_ms)))
        }
        ErrorCode::Pow { .. } => (Code::Limited, format!("{host} wants proof of work for this; try again")),
        ErrorCode::Quota => (Code::Limited, format!("{host} has no room for this; try again later")),
        ErrorCode::TooLarge => (Code::Limited, format!("this is more than {host} takes")),
        ErrorCode::NotFound => (Code::NotFound, format!("{host} has nothing of that name")),
        ErrorCode::Denied => (Code::Login, format!("{host} refuses; log in there again")),
        ErrorCode::Conflict => (Code::Conflict, format!("{host} has something else in that place")),
        ErrorCode::Stale { .. } => (Code::Conflict, format!("{host} has something newer; try again")),
        ErrorCode::Expired => (Code::Conflict, format!("this came too late for {host}; try again")),
        ErrorCode::Busy => (Code::Network, format!("{host} is busy; try again in a minute")),
        ErrorCode::Internal => (Code::Network, format!("{host} has trouble of its own; its operator should know")),
        ErrorCode::Unsupported => {
            (Code::Unsupported, format!("{host} cannot do this; it may be older or newer than this program"))
        }
        ErrorCode::Ok | ErrorCode::Malformed | ErrorCode::Unknown(_) => {
            (Code::Internal, format!("{host} does not understand us (code {}); update hobnob", code.number()))
        }
    };
    Refusal::new(name, message)
}

/// Longest wait that is believed, in ms: no limit of a rendezvous counts over more than a day.
const MAX_WAIT_MS: u64 = 86_400_000;

/// When the next try is taken: after a time to wait, rounded up.
pub(super) fn later(ms: u64) -> String {
    let secs = ms.div_ceil(1000);
    match secs {
        _ if ms > MAX_WAIT_MS => "later".to_owned(),
        0..=90 => format!("in {secs} s"),
        91..=5_400 => format!("in {} min", secs.div_ceil(60)),
        _ => format!("in {} h", secs.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_the_unit_that_fits_it() {
        let said = |retry_ms| refused("rosa.example", ErrorCode::RateLimited { retry_ms }).message;
        let waits = [(1, "in 1 s"), (90_000, "in 90 s"), (90_001, "in 2 min"), (5_400_001, "in 2 h")];
        for (ms, words) in
            waits.into_iter().chain([(MAX_WAIT_MS, "in 24 h"), (MAX_WAIT_MS + 1, "later"), (u64::MAX, "later")])
        {
            assert!(said(ms).ends_with(words), "{}", said(ms));
        }
    }

    #[test]
    fn whoever_does_not_reach_a_rendezvous_is_told_what_to_do() {
        let refusal = Failed::Unreached("connection refused".to_owned()).refusal("rosa.example");
        assert!(refusal.message.starts_with("rosa.example is not reached: connection refused. "), "{refusal}");
        assert!(refusal.message.contains("/net") && refusal.message.contains("ask whoever runs it"), "{refusal}");
        assert_eq!(refusal.said, None);
    }

    #[test]
    fn what_was_said_comes_along_for_the_flow_that_goes_on() {
        let code = ErrorCode::Pow { bits: 20, challenge: [7; 16] };
        assert_eq!(Failed::Refused(code).refusal("rosa.example").said, Some(code));
        assert_eq!(Failed::Silent.refusal("rosa.example").said, None);
        assert_eq!(Failed::closed(ErrorCode::Denied).refusal("rosa.example").said, Some(ErrorCode::Denied));
    }
}
