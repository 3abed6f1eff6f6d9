//! What the server counts, and how Prometheus reads it. Numbers only: nothing of anybody.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use hobnob_shared::wire::rendezvous::ServerFrame;

use crate::registry::Totals;

/// One number.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, by: u64) {
        self.0.fetch_sub(by, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// As it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Open connections.
    pub connections: Count,
    /// Connections that were refused by a limit.
    pub refused_connections: Count,
    /// Connections that were refused because no memory was left for them.
    pub refused_for_memory: Count,
    /// Open sessions.
    pub sessions: Count,
    /// Sessions that ended because they, or all, held too much memory.
    pub ended_for_memory: Count,
    /// Bytes of frames that wait, are written or come.
    pub held_bytes: Count,
    /// Handshakes that failed.
    pub failed_handshakes: Count,
    /// Frames that came.
    pub frames: Count,
    /// Frames that had to wait because their session sent too many.
    pub throttled: Count,
    /// Requests that were served.
    pub served: Count,
    /// Requests that were refused.
    pub refused: Count,
    /// Notes that were sent.
    pub notes: Count,
    /// Sessions that ended because their client did not read.
    pub overflows: Count,
    /// Commits.
    pub commits: Count,
    /// Time that they took, in ms.
    pub commit_ms: Count,
    /// Damage of the database that was met.
    pub damage: Count,
    is_stuck: AtomicBool,
}

impl Metrics {
    /// Whether the last commit succeeded.
    pub fn is_writable(&self) -> bool {
        !self.is_stuck.load(Ordering::Relaxed)
    }

    pub(crate) fn set_writable(&self, is_writable: bool) {
        self.is_stuck.store(!is_writable, Ordering::Relaxed);
    }

    /// Whether damage of the database was met since the start. Only a restart takes that back.
    pub fn is_damaged(&self) -> bool {
        self.damage.get() > 0
    }

    pub(crate) fn count_answer(&self, answer: &ServerFrame) {
        if matches!(answer, ServerFrame::Error(_)) { &self.refused } else { &self.served }.add(1);
    }

    /// In Prometheus' text format.
    pub fn render(&self, totals: &Totals) -> String {
        let counters = [
            ("refused_connections_total", "Connections refused by a limit", &self.refused_connections),
            ("memory_refused_connections_total", "Connections refused for want of memory", &self.refused_for_memory),
            (
                "memory_ended_sessions_total",
                "Sessions ended because too much was held for them",
                &self.ended_for_memory,
            ),
            ("failed_handshakes_total", "Session handshakes that failed", &self.failed_handshakes),
            ("frames_total", "Frames received", &self.frames),
            ("throttled_frames_total", "Frames that had to wait", &self.throttled),
            ("requests_served_total", "Requests served", &self.served),
            ("requests_refused_total", "Requests refused", &self.refused),
            ("notes_total", "Notes sent unasked", &self.notes),
            ("overflows_total", "Sessions ended because the client did not read", &self.overflows),
            ("commits_total", "Commits to the database", &self.commits),
            ("commit_milliseconds_total", "Time that commits took", &self.commit_ms),
            ("damage_total", "Times that damage of the database was met", &self.damage),
        ];
        let gauges = [
            ("connections", "Open connections", self.connections.get()),
            ("sessions", "Open sessions", self.sessions.get()),
            ("held_bytes", "Bytes of frames that wait, are written or come", self.held_bytes.get()),
            ("topics", "Presence topics in memory", totals.topics),
            ("names", "Registered names", totals.names),
            ("stored_bytes", "Bytes counted for all accounts", totals.bytes),
            ("room_bytes", "Bytes that all accounts may take", totals.room),
            ("writable", "Whether the last commit succeeded", self.is_writable().into()),
        ];
        let mut text = String::new();
        for (name, help, count) in counters {
            write_metric(&mut text, name, help, "counter", count.get());
        }
        for (name, help, value) in gauges {
            write_metric(&mut text, name, help, "gauge", value);
        }
        text
    }
}

fn write_metric(text: &mut String, name: &str, help: &str, kind: &str, value: u64) {
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "# HELP hobnob_rendezvous_{name} {help}\n# TYPE hobnob_rendezvous_{name} {kind}\nhobnob_rendezvous_{name} {value}\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_one_that_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.frames.add(7);
        let text = metrics.render(&Totals { names: 3, ..Totals::default() });
        assert!(text.contains("\nhobnob_rendezvous_frames_total 7\n"));
        assert!(text.contains("\nhobnob_rendezvous_names 3\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once(' ').unwrap();
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && value.parse::<u64>().is_ok(), "{line}");
        }
    }
}
