//! How fast frames may come. Who is faster is read more slowly, and feels it at the other end.

use std::time::Duration;

use hobnob_shared::wire::rendezvous::ServerFrame;
use tokio::time::Instant;

/// A frame counts once more for each of so many bytes in it: long ones name hundreds of things, each of which costs what a
/// short one does. What people send all day is shorter.
const SHARE_BYTES: usize = 8 * 1024;

/// What a frame counts for that makes the server check signatures, or compute for a password: a fraction of a millisecond,
/// ten times what others take.
const DEAR: usize = 10;

/// What so many bytes count for.
pub(super) fn shares(bytes: usize) -> usize {
    bytes / SHARE_BYTES
}

/// What a frame of so many bytes counts for. It is paid before anything is done for it.
pub(super) fn price(frame: &ServerFrame, bytes: usize) -> usize {
    let is_dear = matches!(
        frame,
        ServerFrame::RegisterStart(_)
            | ServerFrame::RegisterFinish(_)
            | ServerFrame::LoginStart(_)
            | ServerFrame::LoginFinish(_)
            | ServerFrame::PasswordChange(_)
            | ServerFrame::NameSet(_)
            | ServerFrame::AccountPut(_)
    );
    shares(bytes) + if is_dear { DEAR } else { 1 }
}

/// Counts frames by when they are paid for: each costs a share of a second.
#[derive(Debug)]
pub(crate) struct Bucket {
    paid: Instant,
    each: Duration,
    burst: Duration,
}

impl Bucket {
    /// `burst` frames at once, then `per_second`.
    pub(crate) fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        Self { paid: now, each, burst: each * burst.max(1) }
    }

    /// Takes so many shares. Says how long they have to wait, if they have to.
    pub(crate) fn take(&mut self, shares: usize, now: Instant) -> Option<Duration> {
        self.spend(shares, now);
        let wait = (self.paid - now).saturating_sub(self.burst);
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts an answer of so many bytes, where it is long: whoever asks for hundreds of KiB with a few bytes asks less
    /// often.
    pub(crate) fn answer(&mut self, bytes: usize, now: Instant) {
        self.spend(shares(bytes), now);
    }

    /// When all of it is paid.
    pub(super) fn paid(&self) -> Instant {
        self.paid
    }

    pub(super) fn spend(&mut self, shares: usize, now: Instant) {
        let shares = u32::try_from(shares).unwrap_or(u32::MAX);
        self.paid = self.paid.max(now) + self.each.saturating_mul(shares);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_one_more_waits() {
        let now = Instant::now();
        let mut bucket = Bucket::new(5, 10, now);
        for _ in 0..5 {
            assert_eq!(bucket.take(1, now), None);
        }
        assert_eq!(bucket.take(1, now), Some(Duration::from_millis(100)));
        let later = now + Duration::from_secs(60);
        assert_eq!(bucket.take(1, later), None);
    }

    #[test]
    fn a_long_frame_counts_for_what_it_may_cost() {
        let now = Instant::now();
        let mut bucket = Bucket::new(5, 10, now);
        let mut take = |bytes| bucket.take(price(&ServerFrame::StatusGet, bytes), now);
        assert_eq!(take(SHARE_BYTES - 1), None);
        assert_eq!(take(4 * SHARE_BYTES), Some(Duration::from_millis(100)));
    }

    #[test]
    fn what_makes_the_server_compute_counts_for_ten() {
        let request = hobnob_shared::opaque::message::RegistrationRequest::new([1; 32]);
        let name = hobnob_shared::text::Username::parse("alice").unwrap();
        let start = hobnob_shared::wire::rendezvous::RegisterStart { name, request, owner: None };
        assert_eq!(price(&ServerFrame::RegisterStart(start), 100), 10);
        assert_eq!(price(&ServerFrame::Ping { nonce: 1 }, 100), 1);
    }

    #[test]
    fn long_answers_count_and_short_ones_are_free() {
        let now = Instant::now();
        let mut bucket = Bucket::new(5, 10, now);
        (0..1000).for_each(|_| bucket.answer(SHARE_BYTES - 1, now));
        assert_eq!(bucket.take(1, now), None);
        bucket.answer(5 * SHARE_BYTES, now);
        assert_eq!(bucket.take(1, now), Some(Duration::from_millis(200)));
    }
}
