//! Unit, container file, config file and operations page agree with the program and with each other.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    cast::client::SOON,
    driver::{command, said},
};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn unit() -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in read("packaging/hobnob-rendezvous.service").lines() {
        if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            keys.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    keys
}

/// Runs a packaged command line as a check of settings, which opens no port, with `place` for its data folder.
fn check(line: &[String], data: &str, place: &Path) -> Value {
    let place = place.to_str().unwrap();
    let words: Vec<_> = line.iter().map(|word| if word == data { place } else { word }).collect();
    assert!(words.contains(&place), "{line:?} keeps its data elsewhere than in {data}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hobnob-rendezvous"));
    command.env_remove("HOBNOB_RENDEZVOUS_DATA_DIR").args(&words[1..]).args(["--json", "check"]);
    said(&command.output().unwrap())
}

#[test]
fn the_units_command_line_is_one_that_the_program_takes() {
    let unit = unit();
    let line: Vec<String> = unit["ExecStart"][0].split_whitespace().map(str::to_owned).collect();
    assert_eq!(unit["ExecStart"].len(), 1);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(check(&line, "${STATE_DIRECTORY}", dir.path())["ok"], true);
    assert_eq!(unit["ExecReload"], ["/bin/kill -HUP $MAINPID"]);
    // What its head says, and what the page says of it.
    let head = read("packaging/hobnob-rendezvous.service");
    let (folder, file) = Path::new(&line[0]).parent().zip(Path::new(&line[0]).file_name()).unwrap();
    assert!(head.contains(&format!("install -m 755 {} {}/", file.to_str().unwrap(), folder.display())));
    let state = format!("/var/lib/{}", unit["StateDirectory"][0]);
    assert!(read("../docs/operations.md").contains(&format!("--data-dir {state} ")), "the page tells another folder");
    assert!(read("packaging/config.toml").contains(&format!("data_dir = \"{state}\"")));
}

#[test]
fn the_unit_gives_it_the_time_the_files_and_the_memory_that_it_wants() {
    let unit = unit();
    let seconds: u64 = unit["TimeoutStopSec"][0].parse().unwrap();
    assert!(seconds > 8 + 3, "sessions have 8 s and connections 3 s for their last words");
    let files: u64 = unit["LimitNOFILE"][0].parse().unwrap();
    let config: toml::Table = read("packaging/config.toml").parse().unwrap();
    let connections = config["limits"]["connections"].as_integer().unwrap() as u64;
    assert!(files > connections + 256, "each connection takes a file");
    let memory_mib = config["limits"]["memory_mib"].as_integer().unwrap();
    let most_gib: i64 = unit["MemoryMax"][0].strip_suffix('G').unwrap().parse().unwrap();
    assert!(most_gib * 1024 >= 2 * memory_mib, "it bounds itself long before it is killed");
}

#[test]
fn the_unit_watches_it_and_it_says_that_it_answers() {
    assert_eq!(unit()["WatchdogSec"], ["10min"], "a third of it is how often it says so");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(SOON)).unwrap();
    let mut server = command(dir.path());
    server.args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::null());
    server.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "30000").env_remove("WATCHDOG_PID");
    let mut server = server.spawn().unwrap();
    for _ in 0..3 {
        let mut said = [0; 64];
        let count = manager.recv(&mut said).expect("it says that it answers");
        assert_eq!(&said[..count], b"WATCHDOG=1");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn the_containers_command_line_is_one_that_the_program_takes() {
    let text = read("packaging/Containerfile");
    let value = |key: &str| text.lines().filter_map(|line| line.strip_prefix(key)).map(str::trim).collect::<Vec<_>>();
    let line: Vec<String> = serde_json::from_str(value("ENTRYPOINT")[0]).unwrap();
    let volume = value("VOLUME")[0];
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(check(&line, volume, dir.path())["ok"], true);
    assert!(text.contains(&format!("-v rosa:{volume} ")), "its head mounts another folder");
    let copied = value("COPY").into_iter().find(|copy| copy.contains("target/release/hobnob-rendezvous")).unwrap();
    assert!(copied.ends_with(&line[0]), "{copied} is not where it is started from");
    let built = value("RUN").into_iter().find(|run| run.contains("cargo build")).unwrap();
    assert!(built.contains("--release") && built.contains("--package hobnob-rendezvous"), "{built}");
    // The port that it serves when nobody says otherwise.
    let config: toml::Table = read("packaging/config.toml").parse().unwrap();
    let listen = config["listen"].as_array().unwrap();
    let port = value("EXPOSE")[0];
    assert!(listen.iter().all(|place| place.as_str().unwrap().ends_with(&format!(":{port}"))), "{listen:?}");
    assert!(text.contains(&format!("-p {port}:{port} ")));
    let version: toml::Table = read("../Cargo.toml").parse().unwrap();
    let rust = version["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(value("FROM")[0].contains(&format!("rust:{rust}-")), "it builds with another Rust than the sources want");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn the_program_needs_no_library_that_the_containers_image_lacks() {
    assert!(read("packaging/Containerfile").contains("\nFROM gcr.io/distroless/cc-"));
    let output = Command::new("ldd").arg(env!("CARGO_BIN_EXE_hobnob-rendezvous")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()?.rsplit('/').next()).collect();
    assert!(names.contains(&"libc.so.6"), "{text}");
    for name in names {
        // What is in images of that name: libc6 and libgcc.
        let is_there = ["libc.so.6", "libm.so.6", "libgcc_s.so.1"].contains(&name);
        assert!(is_there || name.starts_with("ld-linux") || name.starts_with("linux-vdso"), "{name}");
    }
}
