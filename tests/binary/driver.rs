//! Starts the program and talks to it.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Far longer than anything takes, so that a slow machine is no failure. Reached only when something is broken.
const DEADLINE: Duration = Duration::from_secs(120);

/// Between two looks at what no event tells: short beside what is looked for, long beside an answer.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The program under test; `HOBNOB_BIN` names another build of it.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("HOBNOB_BIN").map_or_else(|| env!("CARGO_BIN_EXE_hobnob").into(), PathBuf::from)
}

/// The program with nothing of this machine's configuration.
pub(crate) fn hobnob() -> Command {
    bare(Command::new(program()))
}

fn bare(mut command: Command) -> Command {
    command.env_clear().env("HOME", "/nonexistent").env("TZ", "UTC").stdin(Stdio::null());
    for keep in ["TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(keep) {
            command.env(keep, value);
        }
    }
    command
}

/// Runs it to its end with these lines on standard input.
pub(crate) fn feed(command: &mut Command, input: impl AsRef<[u8]>) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended before it read anything.
    let _ = child.stdin.take().unwrap().write_all(input.as_ref());
    child.wait_with_output().unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The JSON lines on standard output.
pub(crate) fn objects(output: &Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}

/// A directory with a profile.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    /// A profile without a password, which opens at once.
    pub(crate) fn new(name: &str) -> Self {
        let home = Self::empty();
        let made = home.command().args(["init", "--name", name, "--no-input"]).output().unwrap();
        assert_eq!(code(&made), 0, "{made:?}");
        home
    }

    /// No profile yet.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::Builder::new().prefix("hobnob-test-").tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file next to nothing that matters.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The program on this profile, on loopback, at any port.
    pub(crate) fn command(&self) -> Command {
        let mut command = hobnob();
        command.arg("-d").arg(self.path()).args(["-l", "127.0.0.1:0"]).env("HOBNOB_MDNS", "off");
        command
    }

    /// The program on this profile, listening there, behind another command and its arguments.
    pub(crate) fn command_behind(&self, prefix: &[&str], listen: &str) -> Command {
        let (first, rest) = prefix.split_first().unwrap();
        let mut command = bare(Command::new(first));
        command.args(rest).arg(program()).arg("-d").arg(self.path()).args(["-l", listen]).env("HOBNOB_MDNS", "off");
        // Where `first` is looked for.
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// `-e` with these lines.
    pub(crate) fn execute(&self, lines: &[&str]) -> Output {
        let mut command = self.command();
        for line in lines {
            command.args(["-e", line]);
        }
        command.output().unwrap()
    }

    /// `--json`, running and ready.
    pub(crate) fn start(&self) -> Running {
        self.start_with(&[] as &[&str])
    }

    pub(crate) fn start_with(&self, args: &[impl AsRef<OsStr>]) -> Running {
        let mut command = self.command();
        command.arg("--json").args(args);
        let mut running = Running::new(&mut command);
        running.ready = running.wait("ready", |_| true);
        running
    }
}

/// A running `hobnob --json`. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// Read and not asked for yet.
    waiting: Vec<Value>,
    /// Everything that was read, for when a test fails.
    log: Vec<String>,
    stderr: Option<JoinHandle<String>>,
    next_id: u64,
    /// Its first line.
    pub(crate) ready: Value,
}

impl Running {
    pub(crate) fn new(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let Ok(line) = line else { return };
                let object: Value =
                    serde_json::from_str(&line).unwrap_or_else(|why| json!({ "bad": line, "why": why.to_string() }));
                if sender.send(object).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            lines,
            waiting: Vec::new(),
            log: Vec::new(),
            stderr: Some(stderr),
            next_id: 1,
            ready: Value::Null,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line. One that is not read any more is no failure: the process may be meant to be gone.
    pub(crate) fn write(&mut self, line: impl AsRef<[u8]>) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(line.as_ref()).and_then(|()| stdin.write_all(b"\n"));
        }
    }

    /// Sends a command with an id, and waits for its reply or error.
    pub(crate) fn ask_any(&mut self, command: &str) -> Value {
        let id = self.send(command);
        self.wait_for(&format!("the answer to {command:?}"), |line| line["id"] == id)
    }

    /// Sends a command, and waits for its reply, which must not be an error.
    pub(crate) fn ask(&mut self, command: &str) -> Value {
        let answer = self.ask_any(command);
        assert_eq!(answer["type"], "reply", "{command}: {answer}");
        assert_eq!(answer["ok"], true, "{command}: {answer}");
        answer
    }

    /// Asks again and again until the answer fits: for what no event tells.
    pub(crate) fn ask_until(&mut self, command: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let answer = self.ask(command);
            if fits(&answer) {
                return answer;
            }
            assert!(since.elapsed() < DEADLINE, "{command} stays {answer}");
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Sends a command, which must be refused with this code.
    pub(crate) fn refused(&mut self, command: &str, code: &str) -> Value {
        let answer = self.ask_any(command);
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{command}: {answer}");
        assert!(answer["message"].as_str().unwrap().len() > 10, "{answer}");
        answer
    }

    /// Sends a command with an id, and does not wait.
    pub(crate) fn send(&mut self, command: &str) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.write(json!({ "id": id, "command": command }).to_string());
        id
    }

    /// The first line of this type that fits, among those not waited for yet.
    pub(crate) fn wait(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(kind, |line| line["type"] == kind && fits(line))
    }

    pub(crate) fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&fits) {
            return self.waiting.remove(at);
        }
        loop {
            match self.next(what) {
                Some(line) if fits(&line) => return line,
                Some(line) if line["bad"].is_string() => panic!("not JSON: {line}"),
                Some(line) => self.waiting.push(line),
                None => panic!("waited for {what}; got\n{}\n{}", self.log.join("\n"), self.last_words()),
            }
        }
    }

    /// Whether a line of this type has come. Does not wait.
    pub(crate) fn has(&mut self, kind: &str) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.log.push(line.to_string());
            self.waiting.push(line);
        }
        self.waiting.iter().any(|line| line["type"] == kind)
    }

    /// One line more, whatever it is; `None` at the end of output.
    pub(crate) fn next_line(&mut self) -> Option<Value> {
        self.next("any line")
    }

    fn next(&mut self, what: &str) -> Option<Value> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => {
                self.log.push(line.to_string());
                let sound = line["v"] == 1 && line["type"].is_string() && line["ts"].is_string();
                assert!(sound || line["bad"].is_string(), "odd line {line}");
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!(
                    "nothing came while waiting for {what}; before that\n{}\n{}",
                    self.log.join("\n"),
                    self.last_words()
                )
            }
        }
    }

    fn last_words(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }

    /// Waits until a message with this text is there, from the other side.
    pub(crate) fn receive(&mut self, text: &str) -> Value {
        self.wait("message.received", |line| line["text"] == text)
    }

    /// Waits until this message of ours is at least so far.
    pub(crate) fn wait_state(&mut self, entry: &Value, states: &[&str]) -> Value {
        let entry = entry.clone();
        self.wait("message.state", |line| line["entry"] == entry && states.iter().any(|state| line["state"] == *state))
    }

    /// No more input.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Ends the input, and waits for the end: the exit code, and the lines that nobody waited for.
    pub(crate) fn end(mut self) -> (i32, Vec<Value>) {
        self.close();
        self.finish()
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> (i32, Vec<Value>) {
        while let Some(line) = self.next("the end") {
            assert!(line["type"].is_string(), "not JSON: {line}");
            self.waiting.push(line);
        }
        let status = self.child.wait().unwrap();
        let code = status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {}\n{}", self.log.join("\n"), self.last_words()));
        (code, std::mem::take(&mut self.waiting))
    }

    /// The hardest end there is. Answers what it still said.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Some(line) = self.next("the last lines") {
            // Its last line may be cut off.
            if line["type"].is_string() {
                self.waiting.push(line);
            }
        }
        std::mem::take(&mut self.waiting)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Alice and Bob, friends, both running.
pub(crate) struct Pair {
    pub(crate) alice_home: Home,
    pub(crate) bob_home: Home,
    pub(crate) alice: Running,
    pub(crate) bob: Running,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let (alice_home, bob_home) = (Home::new("Alice"), Home::new("Bob"));
        let (mut alice, mut bob) = (alice_home.start(), bob_home.start());
        befriend(&mut alice, &mut bob);
        Self { alice_home, bob_home, alice, bob }
    }

    pub(crate) fn homes() -> (Home, Home) {
        let Self { alice_home, bob_home, alice, bob } = Self::new();
        assert_eq!((alice.end().0, bob.end().0), (0, 0));
        (alice_home, bob_home)
    }
}

/// By a link that says yes by itself.
pub(crate) fn befriend(alice: &mut Running, bob: &mut Running) {
    let link = alice.ask("/invite-link --auto-accept")["link"].as_str().unwrap().to_owned();
    bob.ask(&format!("/add {link}"));
    alice.wait("friend.added", |_| true);
    bob.wait("friend.added", |_| true);
}

/// Entry ids and texts of a whole conversation, oldest first.
pub(crate) fn history(running: &mut Running, chat: &str) -> Vec<(String, String)> {
    let answer = running.ask(&format!("/history {chat} 1000"));
    let field = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
    answer["messages"].as_array().unwrap().iter().map(|one| (field(one, "entry"), field(one, "text"))).collect()
}

/// The 24 words that `init` showed.
pub(crate) fn words(shown: &str) -> Vec<String> {
    shown.split_whitespace().filter(|word| word.chars().all(|c| c.is_ascii_lowercase())).map(str::to_owned).collect()
}
