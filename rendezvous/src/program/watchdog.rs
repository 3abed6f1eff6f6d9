//! Tells the service manager that the server answers (systemd's `WatchdogSec`). One that does not is ended and started again.

use std::{env, io, os::unix::net::UnixDatagram, time::Duration};

use tokio::time::interval;

use crate::server::Control;

/// Whom to tell, and how often.
#[derive(Debug)]
pub(super) struct Watchdog {
    socket: UnixDatagram,
    every: Duration,
}

impl Watchdog {
    /// Whoever watches says so in the environment; nobody else is told anything.
    pub(super) fn of_environment() -> io::Result<Option<Self>> {
        let is_ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let micros: Option<u64> = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        match (env::var_os("NOTIFY_SOCKET"), micros.filter(|micros| *micros > 0 && is_ours)) {
            (Some(path), Some(micros)) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                // Whoever watches for long must never make us wait.
                socket.set_nonblocking(true)?;
                // Twice in each span, as systemd wants it, and once more.
                Ok(Some(Self { socket, every: Duration::from_micros(micros) / 3 }))
            }
            _ => Ok(None),
        }
    }

    /// Says it for as long as the thread that serves answers, however it does.
    pub(super) async fn run(self, control: Control) {
        let mut ticks = interval(self.every.max(Duration::from_millis(1)));
        loop {
            ticks.tick().await;
            // A fault of the database is an answer too: to start again would not mend it.
            let _ = control.totals().await;
            // Whoever watches reads it later, or not at all any more.
            let _ = self.socket.send(b"WATCHDOG=1");
        }
    }
}
