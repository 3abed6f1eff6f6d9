//! Runs `hobnob-rendezvous` and reads what it says.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

use hobnob_shared::rendezvous::Address;
use serde_json::Value;

/// A server that runs. It is killed when dropped.
pub struct Rosa {
    pub child: Child,
    pub ready: Value,
    lines: BufReader<ChildStdout>,
}

/// A configuration under which nobody has to compute.
pub const EASY: &str = "[limits]\npow_bits = 0\nknock_bits = 0\nburst_frames = 100000\nframes_per_second = 100000\n";

/// A free port of this machine.
const LOOPBACK: [&str; 2] = ["--listen", "127.0.0.1:0"];

pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hobnob-rendezvous"));
    command.env_remove("HOBNOB_RENDEZVOUS_DATA_DIR").arg("--data-dir").arg(dir.join("data"));
    command
}

/// One call that ends by itself, and is killed where it does not.
pub fn call(dir: &Path, words: &[&str]) -> Output {
    let child = command(dir).args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (id, (ended, end)) = (child.id(), mpsc::channel());
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    if let Ok(output) = end.recv_timeout(Duration::from_secs(30)) {
        return output.unwrap();
    }
    Command::new("kill").args(["-9", &id.to_string()]).status().unwrap();
    panic!("{words:?} does not end");
}

pub fn said(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Rosa {
    pub fn start(dir: &Path) -> Self {
        Self::start_with(dir, &LOOPBACK, Stdio::null()).expect("a ready line")
    }

    /// The same, with what it logs to be read at its end. It must be little.
    pub fn start_logging(dir: &Path) -> Self {
        Self::start_with(dir, &LOOPBACK, Stdio::piped()).expect("a ready line")
    }

    /// One that listens elsewhere, if it can.
    pub fn try_start(dir: &Path, listen: &[&str]) -> Option<Self> {
        Self::start_with(dir, listen, Stdio::null())
    }

    fn start_with(dir: &Path, listen: &[&str], log: Stdio) -> Option<Self> {
        let config = dir.join("config.toml");
        if !config.exists() {
            std::fs::write(&config, EASY).unwrap();
        }
        let mut child = command(dir)
            .args(["--json", "--metrics", "127.0.0.1:0"])
            .args(listen)
            .arg("--config")
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let ready = line(&mut lines).expect("a first line");
        let rosa = Self { child, ready, lines };
        (rosa.ready["type"] == "ready").then_some(rosa)
    }

    pub fn address(&self) -> Address {
        Address::parse(self.ready["address"].as_str().unwrap()).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// The next line that it says; `None` at its end.
    pub fn line(&mut self) -> Option<Value> {
        line(&mut self.lines)
    }
}

impl Drop for Rosa {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it answers to a monitor.
pub fn get(rosa: &Rosa, path: &str) -> String {
    let mut stream = TcpStream::connect(rosa.ready["metrics"].as_str().unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn line(lines: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
}
