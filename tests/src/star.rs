//! A network of its own with a public place in the middle: machines that reach it, and each other only while it lets
//! them. Namespaces of the kernel; needs root and `ip`.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How many networks this process made.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// Where the public place is, for everybody: in a block that is kept for examples (RFC 5737).
pub const PUBLIC: &str = "203.0.113.7";

/// The public place, and machines around it. They are gone when this is dropped.
#[derive(Debug)]
pub struct Star {
    hub: String,
    machines: Vec<String>,
}

impl Star {
    /// So many machines, each of which reaches everybody, or why there are none.
    pub fn new(count: usize) -> Result<Self, String> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = |what| format!("hobnob-star{}-{number}-{what}", std::process::id());
        let star = Self { hub: name("hub".to_owned()), machines: (0..count).map(|at| name(at.to_string())).collect() };
        for name in star.machines.iter().chain([&star.hub]) {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        ip(&["-n", &star.hub, "addr", "add", &format!("{PUBLIC}/32"), "dev", "lo"])?;
        for (at, machine) in star.machines.iter().enumerate() {
            star.join(at, machine)?;
        }
        star.set_open(true)?;
        Ok(star)
    }

    /// As many, or a word on standard error why there is nothing to test with.
    pub fn or_skip(count: usize) -> Option<Self> {
        Self::new(count).inspect_err(|why| eprintln!("skipped, needs root and network namespaces: {why}")).ok()
    }

    /// A wire from this machine to the middle, with a network of its own on it.
    fn join(&self, at: usize, machine: &str) -> Result<(), String> {
        let (hub, near, far) = (&self.hub, address(at), format!("198.51.100.{}", 4 * at + 1));
        let wire = format!("wire{at}");
        ip(&["-n", hub, "link", "add", &wire, "type", "veth", "peer", "name", "lan0", "netns", machine])?;
        for (name, end, address) in [(hub.as_str(), wire.as_str(), &far), (machine, "lan0", &near)] {
            ip(&["-n", name, "addr", "add", &format!("{address}/30"), "dev", end])?;
            ip(&["-n", name, "link", "set", end, "up"])?;
        }
        ip(&["-n", machine, "route", "add", "default", "via", &far])
    }

    /// What stands before a command so that it runs at the public place.
    pub fn at_hub(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.hub]
    }

    /// The same for a machine.
    pub fn at(&self, machine: usize) -> [&str; 4] {
        ["ip", "netns", "exec", &self.machines[machine]]
    }

    /// From now on each machine reaches the public place and nobody else.
    pub fn part(&self) {
        self.set_open(false).expect("the middle is there");
    }

    fn set_open(&self, open: bool) -> Result<(), String> {
        let write = format!("echo {} > /proc/sys/net/ipv4/ip_forward", u8::from(open));
        ip(&["netns", "exec", &self.hub, "sh", "-c", &write])
    }
}

impl Drop for Star {
    fn drop(&mut self) {
        for name in self.machines.iter().chain([&self.hub]) {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Where this machine is.
pub fn address(machine: usize) -> String {
    format!("198.51.100.{}", 4 * machine + 2)
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("no `ip`: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}
