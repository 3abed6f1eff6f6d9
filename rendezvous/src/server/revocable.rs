//! A transport whose handshakes can be ended from outside: libp2p lets nobody end an inbound connection that is not
//! established.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt as _};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
    },
};

type Output = (PeerId, StreamMuxerBox);

/// What ends the handshake of the connection that came last. The swarm asks the behaviours about each before it takes the
/// next one from the transport, so there is never more than one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest(Arc<Mutex<Option<AbortHandle>>>);

impl Newest {
    /// Takes it.
    pub(crate) fn take(&self) -> Option<AbortHandle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn set(&self, handle: AbortHandle) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }
}

/// The transport. See the module.
pub(crate) struct Revocable {
    inner: Boxed<Output>,
    newest: Newest,
}

impl Revocable {
    pub(crate) fn new(inner: Boxed<Output>, newest: Newest) -> Self {
        Self { inner, newest }
    }
}

impl Transport for Revocable {
    type Output = Output;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Output>>;
    type Dial = <Boxed<Output> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let newest = self.newest.clone();
        Pin::new(&mut self.inner).poll(cx).map(|event| {
            event.map_upgrade(|upgrade| {
                let (handle, registration) = AbortHandle::new_pair();
                newest.set(handle);
                let revoked = |_| Err(io::Error::other("its place was given to a newer one"));
                Abortable::new(upgrade, registration).map(move |ended| ended.unwrap_or_else(revoked)).boxed()
            })
        })
    }
}
