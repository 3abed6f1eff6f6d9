//! From an address to an encrypted, multiplexed connection: TCP, names, Noise, yamux.

use std::{io, time::Duration};

use hobnob_muxer::{Bounds, Yamux};
use libp2p::{
    PeerId, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, timeout::TransportTimeoutError},
        upgrade::Version,
    },
    dns, identity, noise, tcp,
};

use crate::{NetError, NetWarning, Times, greeting::Greeted};

/// What the swarm gets: who is at the other end, and the streams with it.
pub(crate) type Connected = Boxed<(PeerId, StreamMuxerBox)>;

/// Streams: 8 links that the peer opened, some of ours, identify, ping, and what is just ending. A chunk with its length
/// fits in one frame.
fn bounds(close: Duration) -> Bounds {
    Bounds { streams: 24, untaken: 8, frame_bytes: 32 * 1024, close, measures: true }
}

/// Builds the transport. Without a usable resolver configuration names cannot be dialled, and a warning says so.
pub(crate) fn build(key: &identity::Keypair, times: &Times) -> Result<(Connected, Option<NetWarning>), NetError> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let (named, warning) = match dns::tokio::Transport::system(tcp()) {
        Ok(named) => (named, None),
        Err(error) => {
            let none = dns::ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            let named = dns::tokio::Transport::custom(tcp(), none, dns::ResolverOpts::default());
            (named, Some(NetWarning::NoNames(error.to_string())))
        }
    };
    let noise = noise::Config::new(key).map_err(|error| NetError::Setup(error.to_string()))?;
    let transport = named
        .map(|socket, _| Greeted::new(socket))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(Yamux::new(bounds(times.close)))
        .timeout(times.upgrade)
        .map_err(|error| match error {
            TransportTimeoutError::Timeout => io::Error::from(io::ErrorKind::TimedOut),
            TransportTimeoutError::TimerError(error) => error,
            TransportTimeoutError::Other(error) => io::Error::other(error),
        })
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed();
    Ok((transport, warning))
}
