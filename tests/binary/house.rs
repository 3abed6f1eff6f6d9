//! The rendezvous as a process of its own, the whole program: it can be killed, and set up again from a backup.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER;
use hobnob_rendezvous::{
    registry::view::{TableId, View as _},
    store::Store,
};
use hobnob_shared::{codec, limits::MAX_VAULT_BYTES, wire::rendezvous::Vault};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driver::{Home, Running, befriend};

/// The words of its command line, one a line.
const WORDS: &str = "HOBNOB_TEST_RENDEZVOUS";

/// Registering costs nothing, and nobody is slowed down.
const EASY: &str = "[limits]\npow_bits = 0\nknock_bits = 0\nburst_frames = 100000\nframes_per_second = 100000\n";

/// As long as the driver waits for a line.
const DEADLINE: Duration = Duration::from_secs(120);

/// A password that is good enough.
pub(crate) const PASSWORD: &str = "correct battery horse stapler";

/// What the other process runs: this is the whole program, which cargo builds for its own tests only.
#[test]
fn the_rendezvous() -> ExitCode {
    let Ok(words) = env::var(WORDS) else { return ExitCode::SUCCESS };
    hobnob_rendezvous::program::main_with(words.lines().map(Into::into))
}

/// A rendezvous with a folder. Killed when dropped.
pub(crate) struct House {
    dir: TempDir,
    behind: Vec<String>,
    listen: String,
    running: Option<(Child, BufReader<ChildStdout>)>,
    /// What a node is given.
    pub(crate) address: String,
}

impl House {
    /// On loopback.
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1:0", &[])
    }

    /// On loopback, with these limits too.
    pub(crate) fn with(limits: &str) -> Self {
        Self::with_config("127.0.0.1:0", &[], &format!("{EASY}{limits}"))
    }

    /// There, behind another command and its arguments.
    pub(crate) fn at(listen: &str, behind: &[&str]) -> Self {
        Self::with_config(listen, behind, EASY)
    }

    fn with_config(listen: &str, behind: &[&str], config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("hobnob-house-").tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), config).unwrap();
        let behind = behind.iter().map(|&word| word.to_owned()).collect();
        let mut house = Self { dir, behind, listen: listen.to_owned(), running: None, address: String::new() };
        house.start();
        house
    }

    /// Where it keeps everything.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let (data, config) = (self.dir.path().join("data"), self.dir.path().join("config.toml"));
        let (data, config) = (data.display().to_string(), config.display().to_string());
        let mut line = vec!["hobnob-rendezvous", "--json", "--data-dir", &data, "--config", &config];
        line.extend(words);
        let this = env::current_exe().unwrap();
        let mut command = match self.behind.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(this);
                command
            }
            None => Command::new(this),
        };
        command.args(["--exact", "house::the_rendezvous", "--nocapture"]).env(WORDS, line.join("\n"));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Serves, at the same place as before.
    pub(crate) fn start(&mut self) {
        let mut command = self.command(&["--listen", &self.listen, "--metrics", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let ready = next_object(&mut lines).expect("a ready line");
        assert_eq!(ready["type"], "ready", "{ready}");
        ready["address"].as_str().unwrap().clone_into(&mut self.address);
        let (host, port) = self.listen.rsplit_once(':').unwrap();
        if port == "0" {
            let port = self.address.split('/').nth(4).unwrap();
            self.listen = format!("{host}:{port}");
        }
        self.running = Some((child, lines));
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let (mut child, _) = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A clean end.
    pub(crate) fn stop(&mut self) {
        let (mut child, mut lines) = self.running.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(next_object(&mut lines).unwrap()["type"], "bye");
        assert!(child.wait().unwrap().success());
    }

    /// It is there, and says nothing any more.
    pub(crate) fn freeze(&self) {
        let (child, _) = self.running.as_ref().unwrap();
        kill_process(Pid::from_child(child), Signal::STOP).unwrap();
    }

    /// Writes everything into a file, while it runs.
    pub(crate) fn back_up(&self, name: &str) -> PathBuf {
        let file = self.dir.path().join(name);
        let output = self.command(&["backup", file.to_str().unwrap()]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        file
    }

    /// Killed, and started with what the file holds and nothing else.
    pub(crate) fn restore(&mut self, file: &Path) {
        self.kill();
        let data = self.dir.path().join("data");
        fs::remove_dir_all(&data).unwrap();
        fs::create_dir(&data).unwrap();
        fs::copy(file, data.join("server.db")).unwrap();
        self.start();
    }

    /// Looks at what it keeps at this moment.
    fn look<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        let folder = tempfile::tempdir_in(self.dir.path()).unwrap();
        let file = self.back_up(folder.path().join("server.db").to_str().unwrap());
        look(&mut Store::open_file(&file).unwrap())
    }

    fn rows(&self, table: TableId) -> usize {
        let sizes = self.look(|store| store.sizes().unwrap());
        let rows = sizes.rows.iter().find(|(id, _)| *id == table).map_or(0, |(_, rows)| *rows);
        usize::try_from(rows).unwrap()
    }

    /// How many envelopes wait there.
    pub(crate) fn envelopes(&self) -> usize {
        self.rows(TableId::Mail)
    }

    /// How many of them are for devices of this account.
    pub(crate) fn envelopes_for(&self, account: &Value) -> usize {
        self.rows_of(TableId::MailOf, account)
    }

    /// How many friend requests wait for this account.
    pub(crate) fn knocks_for(&self, account: &Value) -> usize {
        self.rows_of(TableId::Knocks, account)
    }

    fn rows_of(&self, table: TableId, account: &Value) -> usize {
        let owner = HEXLOWER.decode(account.as_str().unwrap().as_bytes()).unwrap();
        self.look(|store| {
            let mut count = 0;
            let mut visit = |key: &[u8], _: &[u8]| {
                count += usize::from(key.starts_with(&owner));
                ControlFlow::Continue(())
            };
            store.view().unwrap().scan(table, &[], None, &mut visit).unwrap();
            count
        })
    }

    /// The sealed vault of this account.
    pub(crate) fn vault(&self, account: &Value) -> Vec<u8> {
        let key = HEXLOWER.decode(account.as_str().unwrap().as_bytes()).unwrap();
        self.look(|store| store.view().unwrap().get(TableId::Vaults, &key)).unwrap().unwrap()
    }

    /// Waits until the vault of this account has been written so often: the second time by a node that keeps it.
    pub(crate) fn wait_vault(&self, account: &Value, number: u64) {
        let seq = |house: &Self| codec::decode::<Vault>(&house.vault(account), MAX_VAULT_BYTES * 2).unwrap().seq;
        self.wait("vaults", seq, |now| *now >= number);
    }

    /// Waits until so many envelopes are there.
    pub(crate) fn wait_envelopes(&self, count: usize) {
        self.wait("envelopes", |house| house.envelopes(), |now| *now == count);
    }

    /// Waits until it keeps so many mailboxes.
    pub(crate) fn wait_mailboxes(&self, count: usize) {
        self.wait("mailboxes", |house| house.rows(TableId::Boxes), |now| *now == count);
    }

    /// Looks until it is so; each look takes another process.
    pub(crate) fn wait<T: std::fmt::Debug>(&self, what: &str, look: impl Fn(&Self) -> T, fits: impl Fn(&T) -> bool) {
        let since = Instant::now();
        loop {
            let now = look(self);
            if fits(&now) {
                return;
            }
            assert!(since.elapsed() < DEADLINE, "{what} stay {now:?}");
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The test harness has its own words on the same lines.
fn next_object(lines: &mut impl std::io::BufRead) -> Option<Value> {
    lines.lines().map_while(Result::ok).find_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok())
}

/// A profile with a password beside it.
pub(crate) fn home(name: &str) -> Home {
    let home = Home::new(name);
    home.file("pw", PASSWORD);
    home
}

/// `/register` or `/login` with that password.
pub(crate) fn line(verb: &str, name: &str, home: &Home) -> String {
    format!("/{verb} {name} --password-file {}", home.path().join("pw").display())
}

/// Starts a node that uses this rendezvous.
pub(crate) fn start(home: &Home, house: &House) -> Running {
    home.start_with(&["--rendezvous", &house.address])
}

/// Waits until our account has a session there.
pub(crate) fn wait_up(node: &mut Running) {
    node.wait("rendezvous.changed", |line| line["state"] == "up");
}

/// Two people with names at this rendezvous, friends, each of whom knows where the other's mail goes.
pub(crate) struct Neighbours {
    pub(crate) house: House,
    pub(crate) alice_home: Home,
    pub(crate) bob_home: Home,
    pub(crate) alice: Running,
    pub(crate) bob: Running,
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        let (house, alice_home, bob_home) = (House::new(), home("Alice"), home("Bob"));
        let (mut alice, mut bob) = (start(&alice_home, &house), start(&bob_home, &house));
        meet(&house, (&mut alice, &alice_home), (&mut bob, &bob_home));
        Self { house, alice_home, bob_home, alice, bob }
    }
}

/// Makes them so.
pub(crate) fn meet(house: &House, alice: (&mut Running, &Home), bob: (&mut Running, &Home)) {
    alice.0.ask(&line("register", "alice", alice.1));
    bob.0.ask(&line("register", "bob", bob.1));
    wait_up(alice.0);
    wait_up(bob.0);
    befriend(alice.0, bob.0);
    house.wait_mailboxes(2);
    hear(alice.0, bob.0);
}

/// Each has heard all that the other said so far: what a rendezvous answered is told before the next round trip.
pub(crate) fn hear(alice: &mut Running, bob: &mut Running) {
    for _ in 0..2 {
        alice.ask("/ping @bob");
        bob.ask("/ping @alice");
    }
}

/// Says this to this chat, and waits until a carrier has it.
pub(crate) fn leave(node: &mut Running, chat: &str, text: &str) -> Value {
    let entry = node.ask(&format!("/msg {chat} {text}"))["entry"].clone();
    assert_ne!(entry, json!(null));
    node.wait_state(&entry, &["stored"]);
    entry
}
