//! A first start that ends early, wherever that is, does not keep the next one from going on.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
};

use hobnob_rendezvous::{
    keys::{KEYS_FILE, OPAQUE_FILE},
    store::{FILE, OpenError, Store},
};

use hobnob_shared::rendezvous::Address;

use crate::driver::{Rosa, call, command, said};

/// Serves with every port free, until it fails by itself.
const SERVE: [&str; 4] = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];

/// A server that is as good as one whose first start went well.
fn assert_serves(dir: &Path) {
    let key = *Rosa::start(dir).address().x25519();
    assert_eq!(*Rosa::start(dir).address().x25519(), key, "it is the same server from now on");
    assert_eq!(said(&call(dir, &["--json", "check"]))["ok"], true);
    let mut store = Store::open_file(&dir.join("data").join(FILE)).unwrap();
    for name in [KEYS_FILE, OPAQUE_FILE] {
        let is_left = store.take_secret(name, |_| Ok::<(), OpenError>(())).unwrap();
        assert!(!is_left, "{name} is still in the database");
    }
}

#[test]
fn whatever_step_cannot_be_made_is_made_by_the_next_start() {
    // A folder where a file is to be written stops the start exactly there, with all before it on the disk.
    for step in ["server.db.new", "keys.new", "opaque.new"] {
        let dir = tempfile::tempdir().unwrap();
        let obstacle = dir.path().join("data").join(step);
        fs::create_dir_all(&obstacle).unwrap();
        let output = call(dir.path(), &SERVE);
        assert_eq!(output.status.code(), Some(1), "{step}: {output:?}");
        fs::remove_dir(&obstacle).unwrap();
        assert_serves(dir.path());
    }
}

#[test]
fn a_first_start_that_is_killed_is_gone_on_with() {
    for step in ["lock", "server.db.new", "server.db", "keys.new", "keys", "opaque.new", "opaque"] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = command(dir.path()).args(SERVE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (file, last) = (dir.path().join("data").join(step), dir.path().join("data").join(OPAQUE_FILE));
        // Some files are there for a moment only; then it is killed when the last one is there.
        while !file.exists() && !last.exists() {
            assert_eq!(child.try_wait().unwrap(), None, "it ends by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_serves(dir.path());
    }
}

#[test]
fn a_server_that_cannot_have_its_place_does_not_begin() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--metrics", "--listen"), ("--listen", "--metrics")] {
        let output = call(dir.path(), &[flag, &place, other, "127.0.0.1:0"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(flag), "{text}");
        for name in [FILE, KEYS_FILE, OPAQUE_FILE] {
            assert!(!dir.path().join("data").join(name).exists(), "{flag}: {name} was made");
        }
        assert_eq!(said(&call(dir.path(), &["--json", "check"]))["new"], true);
    }
    assert_serves(dir.path());
}

#[test]
fn one_port_is_served_for_both_kinds_of_addresses() {
    // As it does when nobody says otherwise, but for the port.
    let dir = tempfile::tempdir().unwrap();
    let started = (0..5).find_map(|_| {
        // Somebody may take it again before we do.
        let port = TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port();
        let places = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
        Rosa::try_start(dir.path(), &["--listen", &places[0], "--listen", &places[1]])
    });
    let rosa = started.expect("it serves both");
    let addresses = rosa.ready["addresses"].as_array().unwrap();
    for kind in ["/ip4/127.0.0.1/", "/ip6/::1/"] {
        assert!(addresses.iter().any(|place| place.as_str().unwrap().starts_with(kind)), "{addresses:?}");
    }
    // And nobody else has it beside us.
    let port = rosa.address().place().rsplit('/').next().unwrap().to_owned();
    for place in ["0.0.0.0", "[::]"] {
        let other = tempfile::tempdir().unwrap();
        let listen = format!("{place}:{port}");
        assert_eq!(call(other.path(), &["--listen", &listen, "--metrics", "127.0.0.1:0"]).status.code(), Some(3));
    }
}

#[test]
fn a_person_is_shown_every_address_the_one_to_give_away_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = command(dir.path());
    serve.args(["--listen", "[::1]:0"]).args(SERVE).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = serve.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(5).map(Result::unwrap).collect::<Vec<_>>();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lines[0].contains("give nodes this address"), "{lines:?}");
    let [first, second] = [&lines[1], &lines[3]].map(|line| Address::parse(line).unwrap());
    assert!(first.place().starts_with("/ip4/127.0.0.1/") && second.place().starts_with("/ip6/::1/"), "{lines:?}");
    assert!(lines[2].contains("on this machine only") && lines[4].contains("announce"), "{lines:?}");
}

/// A machine of its own whose network is only itself. `None` where namespaces are not allowed.
fn alone(script: &str) -> Option<Output> {
    let alone = |script: &str| Command::new("unshare").args(["-Urn", "sh", "-c", script]).output().ok();
    if !alone("true").is_some_and(|output| output.status.success()) {
        eprintln!("skipped, needs namespaces");
        return None;
    }
    alone(script)
}

#[test]
fn it_serves_as_it_is_also_where_there_is_no_ipv6() {
    let dir = tempfile::tempdir().unwrap();
    let (program, data) = (env!("CARGO_BIN_EXE_hobnob-rendezvous"), dir.path().join("data").display().to_string());
    let serve = format!("{program} --json --data-dir {data}");
    // It is told to stop by its first line; where it says none, the time is over.
    let stop = "read line && echo \"$line\" && kill -TERM $server";
    let script = |network: &str| {
        format!(
            "{network}; mkfifo {data}.pipe; timeout 30 {serve} >{data}.pipe & server=$!; exec <{data}.pipe; {stop}; wait $server"
        )
    };
    let no_ipv6 = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo up";
    for (network, kinds) in [("ip link set lo up", 2), (no_ipv6, 1)] {
        let _ = fs::remove_file(format!("{data}.pipe"));
        let Some(output) = alone(&script(network)) else { return };
        assert!(output.status.success(), "{output:?}");
        let ready: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(ready["addresses"].as_array().unwrap().len(), kinds, "{ready}");
    }
    // Where it has no address at all it says so.
    let Some(output) = alone(&format!("timeout 30 {serve}")) else { return };
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("no such address"));
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    for name in ["lock", "server.db.new", "keys.new", "opaque.new"] {
        let dir = tempfile::tempdir().unwrap();
        let (data, elsewhere) = (dir.path().join("data"), dir.path().join("elsewhere"));
        fs::create_dir(&data).unwrap();
        fs::write(&elsewhere, "somebody else's").unwrap();
        std::os::unix::fs::symlink(&elsewhere, data.join(name)).unwrap();
        let output = call(dir.path(), &SERVE);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains("symbolic link"), "{name}: {text}");
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "somebody else's", "{name}");
        fs::remove_file(data.join(name)).unwrap();
        assert_serves(dir.path());
    }
}
