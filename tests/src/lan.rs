//! A network of its own: namespaces of the kernel joined by a wire, and ways to break it. Needs root and `ip`.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How many networks this process made.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// The interface at both ends of the wire.
const WIRE: &str = "lan0";

/// Two machines on one wire. They are gone when this is dropped.
#[derive(Debug)]
pub struct Lan {
    names: [String; 2],
}

impl Lan {
    /// Two machines, or why there are none.
    pub fn new() -> Result<Self, String> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = |end| format!("hobnob{}-{number}-{end}", std::process::id());
        let lan = Self { names: [name(0), name(1)] };
        for name in &lan.names {
            ip(&["netns", "add", name])?;
        }
        let [one, two] = &lan.names;
        ip(&["-n", one, "link", "add", WIRE, "type", "veth", "peer", "name", WIRE, "netns", two])?;
        for (end, name) in lan.names.iter().enumerate() {
            ip(&["-n", name, "addr", "add", &format!("{}/24", address(end)), "dev", WIRE])?;
            ip(&["-n", name, "link", "set", WIRE, "up"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        lan.open_up()?;
        Ok(lan)
    }

    /// Everything that is not known to be elsewhere is behind the wire.
    fn open_up(&self) -> Result<(), String> {
        self.names.iter().try_for_each(|name| ip(&["-n", name, "route", "replace", "default", "dev", WIRE]))
    }

    /// Two machines, or a word on standard error why there is nothing to test with.
    pub fn or_skip() -> Option<Self> {
        Self::new().inspect_err(|why| eprintln!("skipped, needs root and network namespaces: {why}")).ok()
    }

    /// What stands before a command so that it runs on this machine (0 or 1).
    pub fn at(&self, end: usize) -> [&str; 4] {
        ["ip", "netns", "exec", &self.names[end]]
    }

    /// Pulls the cable.
    pub fn cut(&self) {
        self.set_link("down");
    }

    /// Puts the cable back.
    pub fn mend(&self) {
        self.set_link("up");
        self.open_up().expect("a wire that is up");
    }

    fn set_link(&self, state: &str) {
        ip(&["-n", &self.names[0], "link", "set", WIRE, state]).expect("the wire is there");
    }

    /// From now on this machine (0 or 1) hears nothing of the other, which hears it well.
    pub fn deafen(&self, end: usize) {
        self.set_way("add", end);
    }

    /// It hears again.
    pub fn hear(&self, end: usize) {
        self.set_way("del", end);
    }

    fn set_way(&self, act: &str, to: usize) {
        let from = &self.names[1 - to];
        ip(&["-n", from, "route", act, "blackhole", &format!("{}/32", address(to))]).expect("the machine is there");
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Where this machine (0 or 1) is: in the block that is kept for examples (RFC 5737).
pub fn address(end: usize) -> String {
    format!("192.0.2.{}", end + 1)
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("no `ip`: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}
