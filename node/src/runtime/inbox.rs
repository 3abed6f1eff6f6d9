//! What the loop waits for: calls of front ends, events of the network, a deadline, the end. It truly sleeps until one
//! of them is there, and is woken by whoever sends, without a timer or a task in between.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use hobnob_net::{Net, NetEvent, NetEvents};
use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use crate::api::Call;

/// Inputs that share one commit.
///
/// A commit costs 0.4 to 5 ms, and 256 inputs about as much again, so more would only make people wait.
pub(super) const BATCH_INPUTS: usize = 256;

/// How many of them may be calls, so that a front end that never stops cannot keep the network out.
const BATCH_CALLS: usize = 192;

/// The network closes in a few seconds, or never.
const CLOSING_MS: u64 = 10_000;

/// One thing that came.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A front end asks.
    Call(Box<Call>),
    /// The network tells.
    Net(NetEvent),
}

/// Where everything comes in.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) calls: mpsc::Receiver<Call>,
    pub(super) net: NetEvents,
    pub(super) stop: watch::Receiver<bool>,
    /// The end was asked for, and is not waited for any more.
    pub(super) is_stopping: bool,
}

/// What waking up was about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// There is something in the batch, or the deadline has come.
    Work,
    /// The node is to stop. What had come by then is in the batch.
    Stop,
    /// The network is gone, and with it the tokio runtime.
    Stranded,
}

impl Inbox {
    /// Waits until something is there or `left()` has run out, then takes what there is, calls first.
    pub(super) fn gather(&mut self, left: impl Fn() -> Option<Duration>, batch: &mut Vec<Arrival>) -> Woken {
        let woken = match block_on(self.first(), left) {
            None => Woken::Work,
            Some(First::Arrival(arrival)) => {
                batch.push(arrival);
                Woken::Work
            }
            Some(First::Stop) => Woken::Stop,
            Some(First::Stranded) => Woken::Stranded,
        };
        self.fill(batch);
        woken
    }

    /// Takes what has come already.
    fn fill(&mut self, batch: &mut Vec<Arrival>) {
        while batch.len() < BATCH_CALLS {
            match self.calls.try_recv() {
                Ok(call) => batch.push(Arrival::Call(Box::new(call))),
                Err(_) => break,
            }
        }
        while batch.len() < BATCH_INPUTS {
            match self.net.try_recv() {
                Some(event) => batch.push(Arrival::Net(event)),
                None => break,
            }
        }
    }

    /// Stops the network: what waits is sent, links and connections are closed. What still comes in is nobody's.
    pub(super) fn close(&mut self, net: &Net, clock: Clock) {
        let events = &mut self.net;
        let closed = async {
            tokio::select! {
                () = net.shutdown() => {}
                () = drain(events) => {}
            }
        };
        let latest = clock.now().mono_ms + CLOSING_MS;
        if block_on(closed, || clock.until(latest)).is_none() {
            tracing::warn!("the network did not close in time");
        }
    }

    async fn first(&mut self) -> First {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop), if !self.is_stopping => First::Stop,
            Some(call) = self.calls.recv() => First::Arrival(Arrival::Call(Box::new(call))),
            event = self.net.recv() => event.map_or(First::Stranded, |event| First::Arrival(Arrival::Net(event))),
        }
    }
}

/// Takes events until the end of time, so that no reader waits for us while the network closes.
async fn drain(events: &mut NetEvents) {
    while events.recv().await.is_some() {}
    std::future::pending().await
}

#[derive(Debug)]
enum First {
    Arrival(Arrival),
    Stop,
    Stranded,
}

/// Runs `future` on this thread until it is done or `left` says that no time is left (`None`).
///
/// tokio's own `block_on` would need its timer for the deadline; parking needs nobody.
fn block_on<T>(future: impl Future<Output = T>, left: impl Fn() -> Option<Duration>) -> Option<T> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        thread::park_timeout(left()?);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_comes_at_once_and_nothing_ends_with_the_time() {
        assert_eq!(block_on(std::future::ready(1), || None), Some(1));
        assert_eq!(block_on(std::future::pending::<()>(), || None), None);
    }

    #[test]
    fn a_sender_on_another_thread_wakes_the_sleeper() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sending = thread::spawn(move || sender.send(7));
        assert_eq!(block_on(receiver, || Some(Duration::from_secs(60))), Some(Ok(7)));
        assert!(sending.join().is_ok());
    }
}
