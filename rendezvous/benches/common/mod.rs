//! What the benchmarks share: the real server as a process of its own, people who are registered there, and `/proc`.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations, reason = "benchmarks")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use hobnob_rendezvous::{
    keys::open_or_begin,
    registry::{Caller, Input, Policy, Registry, SessionId, Source, Work},
};
use hobnob_shared::{
    rendezvous::Address,
    wire::rendezvous::{Proof, RegisterGo, ServerFrame},
};
use rand_core::Rng as _;

use crate::cast::{NOON_MS, Person, easy};

/// Limits of a server whose clients are all on this machine.
pub const CONFIG: &str = "[limits]\npow_bits = 0\nknock_bits = 0\nburst_frames = 1000000\nframes_per_second = 1000000\n\
    connections = 19000\nconnections_per_source = 19000\nnew_connections_per_source = 19000\nmemory_mib = 16384\n\
    lookups_per_hour = 1000000000\ndisk_mib = 1073741824\n";

/// The same for a registry without a server.
pub fn roomy() -> Policy {
    Policy { lookups_per_hour: u32::MAX, disk_bytes: 1 << 50, ..easy() }
}

/// A process that serves, and is killed when dropped.
pub struct Served {
    pub child: Child,
    pub first_line: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process on one core (0 or 1) and reads its first line.
pub fn on_core(core: usize, program: &Path, words: &[&str]) -> Served {
    let mut child = Command::new("taskset")
        .args(["-c", &core.to_string()])
        .arg(program)
        .args(words)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first_line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
    Served { child, first_line }
}

/// The real server with the data in `dir`.
pub fn rosa(dir: &Path) -> (Served, Address) {
    let config = dir.join("config.toml");
    fs::write(&config, CONFIG).unwrap();
    let (data, config) = (dir.join("data"), config.to_str().unwrap().to_owned());
    let words = ["--json", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--config", &config, "--data-dir"];
    let words = [words.as_slice(), &[data.to_str().unwrap()]].concat();
    let served = on_core(0, Path::new(env!("CARGO_BIN_EXE_hobnob-rendezvous")), &words);
    let ready: serde_json::Value = serde_json::from_str(&served.first_line).unwrap();
    let address = Address::parse(ready["address"].as_str().unwrap()).unwrap();
    (served, address)
}

/// This process on one core from now on.
pub fn stay_on_core(core: usize) {
    let id = std::process::id().to_string();
    let status =
        Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &id]).stdout(Stdio::null()).status();
    assert!(status.unwrap().success());
}

/// Registers people straight into the database in `dir`, without a network and with little to compute.
pub fn register(dir: &Path, people: &mut [Person]) {
    let (mut store, keys) = open_or_begin(&dir.join("data")).unwrap();
    let (x25519, signing) = (keys.device.x25519_public(), *keys.device.id().as_bytes());
    let now_ms = now_ms();
    let mut registry = Registry::new(keys.device, keys.opaque, roomy(), 1, [1; 32]);
    for (part, people) in people.chunks_mut(256).enumerate() {
        let mut work = Work::default();
        let view = store.view().unwrap();
        for (number, person) in people.iter_mut().enumerate() {
            let number = (part * 256 + number) as u32;
            let session = SessionId(u64::from(number));
            let source = Source::of(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + number)));
            let opened = Input::Opened { session, caller: Caller::Guest, source, binding: [0; 32] };
            registry.handle(opened, now_ms, &view, &mut work);
            let (state, start) = person.begin_registration("secret");
            let go: RegisterGo = match ask(&mut registry, session, ServerFrame::RegisterStart(start), &view, &mut work)
            {
                ServerFrame::RegisterGo(go) => go,
                answer => panic!("{answer:?}"),
            };
            let mut finish = person.finish_registration(state, &go, "secret", (&x25519, &signing));
            let ServerFrame::Status(status) = ask(&mut registry, session, ServerFrame::StatusGet, &view, &mut work)
            else {
                panic!("no status")
            };
            finish.proof = Proof::Pow { challenge: status.challenge, nonce: person.rng.next_u64() };
            let answer = ask(&mut registry, session, ServerFrame::RegisterFinish(Box::new(finish)), &view, &mut work);
            assert!(matches!(answer, ServerFrame::Registered(_)), "{answer:?}");
            registry.handle(Input::Closed(session), now_ms, &view, &mut work);
        }
        drop(view);
        store.commit(&work.records).unwrap();
    }
}

fn ask(
    registry: &mut Registry,
    session: SessionId,
    frame: ServerFrame,
    view: &dyn hobnob_rendezvous::registry::view::View,
    work: &mut Work,
) -> ServerFrame {
    registry.handle(Input::Frame { session, id: 1, frame }, now_ms(), view, work);
    work.answers.pop().unwrap().frame
}

pub fn now_ms() -> u64 {
    hobnob_rendezvous::clock::Clock::start().now_ms().max(NOON_MS)
}

/// People with names, all different.
pub fn people(count: usize) -> Vec<Person> {
    (0..count).map(|number| Person::new(&format!("person_{number}"), 1_000 + number as u64)).collect()
}

/// Resident memory of a process, in KiB.
pub fn resident_kib(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4.0
}

/// CPU time of a process so far.
pub fn cpu(pid: u32) -> Duration {
    let of_thread = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    Duration::from_nanos(tasks.filter_map(|task| of_thread(task.ok()?)).sum())
}

/// The value below which this share of the sorted values lies.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

pub fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

/// A count from the environment, or this one.
pub fn count(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
