//! The port that the node listened on last. Addresses in invites and at friends hold it, so it should stay.

use std::path::{Path, PathBuf};

use super::file;

/// Where the last port is kept. Losing it costs friends a search, nothing else, so no error here stops anything.
#[derive(Debug)]
pub(crate) struct LastPort {
    path: PathBuf,
}

impl LastPort {
    pub(super) fn new(dir: &Path) -> Self {
        Self { path: dir.join("port") }
    }

    /// The last port, if there is one.
    pub(crate) fn read(&self) -> Option<u16> {
        let bytes = file::read(&self.path, 8).ok()?;
        std::str::from_utf8(&bytes).ok()?.trim().parse().ok().filter(|port| *port != 0)
    }

    /// Keeps the first TCP port of these multiaddresses.
    pub(crate) fn keep(&self, listening: &[String]) {
        let Some(port) = listening.iter().find_map(|address| tcp_port(address)) else { return };
        if self.read() != Some(port) && file::replace(&self.path, port.to_string().as_bytes()).is_err() {
            tracing::warn!("the port cannot be kept");
        }
    }
}

fn tcp_port(multiaddr: &str) -> Option<u16> {
    multiaddr.split_once("/tcp/")?.1.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_first_tcp_port_is_kept_and_nonsense_is_none() {
        let dir = std::env::temp_dir().join(format!("hobnob-port-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let last = LastPort::new(&dir);
        assert_eq!(last.read(), None);
        last.keep(&["/dns/x/udp/1".into(), "/ip4/1.2.3.4/tcp/4001/p2p/Q".into()]);
        assert_eq!(last.read(), Some(4001));
        std::fs::write(dir.join("port"), "99999999").unwrap();
        assert_eq!(last.read(), None);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
