use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use hobnob_shared::{
    rendezvous::Address,
    wire::{
        ErrorCode,
        rendezvous::{SealedVault, ServerFrame},
    },
};

use crate::{
    cast::{Person, client::Client, flows::registration},
    driver::{EASY, command},
};

/// Registers somebody with a large vault; says why not.
async fn register(at: &Address, seed: u64) -> Result<(), ErrorCode> {
    let mut guest = Client::guest(at).await;
    let mut person = Person::new(&format!("person_{seed}"), seed);
    let mut finish = registration(&mut guest, at, &mut person, "secret").await;
    finish.vault = SealedVault::new(vec![1; 64 * 1024]).unwrap();
    match guest.ask(ServerFrame::RegisterFinish(Box::new(finish))).await {
        ServerFrame::Registered(_) => Ok(()),
        ServerFrame::Error(failure) => Err(failure.code),
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_logged_once_however_many_want_to_store_something() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), EASY).unwrap();
    let server = command(dir.path());
    // No file may grow beyond 600 KiB, which is an error like that of a full disk once the signal is ignored.
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$@\"", "limited"]).arg(server.get_program());
    limited.args(server.get_args()).args(["--json", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--config"]);
    limited.arg(dir.path().join("config.toml")).env_remove("HOBNOB_RENDEZVOUS_DATA_DIR");
    let mut child = limited.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let at = Address::parse(ready["address"].as_str().unwrap()).unwrap();
    let mut seed = 0;
    while register(&at, seed).await.is_ok() {
        seed += 1;
        assert!(seed < 20, "the disk is never full");
    }
    for more in 1..=5 {
        assert_eq!(register(&at, seed + more).await, Err(ErrorCode::Busy));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let said = log.lines().filter(|line| line.contains("nothing can be stored"));
    assert_eq!(said.count(), 1, "{log}");
}
