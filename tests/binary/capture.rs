//! What a node puts on the wire when a name is registered and logged in to, and what of it stays on the disk.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};

use hobnob_shared::rendezvous::Address;

use crate::{
    driver::{Home, Running},
    house::{House, wait_up},
};

const NAME: &str = "alice_in_wonderland";
const PASSWORD: &str = "correct battery horse stapler";
/// The file that the password is in: its name is nobody's business either.
const FILE: &str = "where-my-password-is";

type Recorded = Arc<Mutex<Vec<u8>>>;

/// A wire tap: passes everything on, and writes it down. The address of the rendezvous behind it.
fn tap(address: &str) -> (String, Recorded) {
    let behind = Address::parse(address).unwrap();
    let port: u16 = behind.place().rsplit('/').next().unwrap().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    let recorded = Recorded::default();
    let into = recorded.clone();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to, into) = (from.try_clone().unwrap(), to.try_clone().unwrap(), into.clone());
                std::thread::spawn(move || pass(from, to, &into));
            }
        }
    });
    (Address::new(&place, behind.transport(), behind.x25519()).unwrap().to_string(), recorded)
}

fn pass(mut from: TcpStream, mut to: TcpStream, into: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        into.lock().unwrap().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // It may be gone already.
    let _ = to.shutdown(Shutdown::Write);
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Every file below, with what is in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else if entry.is_file() {
            found.push((entry.display().to_string(), std::fs::read(&entry).unwrap()));
        }
    }
    found
}

fn start(home: &Home, address: &str) -> Running {
    home.start_with(&["-vv", "--rendezvous", address])
}

#[test]
fn no_password_leaves_the_machine_or_stays_on_its_disk() {
    let (house, secrets) = (House::new(), tempfile::tempdir().unwrap());
    let (address, recorded) = tap(&house.address);
    let file = secrets.path().join(FILE);
    std::fs::write(&file, PASSWORD).unwrap();
    let (home_one, home_two) = (Home::new("Alice"), Home::new("Nobody"));
    let mut alice = start(&home_one, &address);
    let shown = alice.ask(&format!("/register {NAME} --password-file {}", file.display()));
    wait_up(&mut alice);
    let mut bare = start(&home_two, &address);
    let logged = bare.ask(&format!("/login {NAME} --password-file {}", file.display()));
    assert_eq!(logged["account"], alice.ready["account"]);
    wait_up(&mut bare);
    assert_eq!((alice.end().0, bare.end().0), (0, 0));

    let recovery = shown["recovery_key"].as_str().unwrap();
    let words = recovery.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let secret = [PASSWORD, "battery horse", FILE, recovery, &words];
    let recorded = recorded.lock().unwrap().clone();
    assert!(recorded.len() > 10_000, "{} bytes were seen", recorded.len());
    for what in secret.iter().chain(&[NAME]) {
        assert!(!holds(&recorded, what.as_bytes()), "{what} is on the wire");
    }
    let account = data_encoding::HEXLOWER.decode(logged["account"].as_str().unwrap().as_bytes()).unwrap();
    assert!(!holds(&recorded, &account), "the account is on the wire");
    // Profiles and logs of both machines, and what the rendezvous keeps: it knows the name and nothing else of this.
    let kept = [home_one.path(), home_two.path(), house.path()].map(files);
    let logs = kept.iter().flatten().filter(|(name, bytes)| name.ends_with("hobnob.log") && !bytes.is_empty()).count();
    assert_eq!(logs, 2, "both wrote a log");
    for (name, bytes) in kept.iter().flatten() {
        for what in secret {
            assert!(!holds(bytes, what.as_bytes()), "{what} is in {name}");
        }
    }
    let is_known = |files: &[(String, Vec<u8>)]| files.iter().any(|(_, bytes)| holds(bytes, NAME.as_bytes()));
    assert!(is_known(&kept[2]), "the search finds what is there");
    assert!(!is_known(&kept[0]) && !is_known(&kept[1]), "the name is in a profile or a log");
}
