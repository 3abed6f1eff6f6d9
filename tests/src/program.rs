//! The real program as a child process, for what only a process of its own can show.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// `hobnob --json` on a profile, past its `ready` line. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    _input: ChildStdin,
    _output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it and waits for `ready`. `HOBNOB_BIN` names another binary than `target/release/hobnob`.
    pub fn start(profile: &Path) -> Self {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/hobnob");
        let binary = std::env::var_os("HOBNOB_BIN").map_or(built, PathBuf::from);
        let mut child = Command::new(binary)
            .args(["--json", "--no-input", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the release binary; `cargo build --release` makes it");
        let input = child.stdin.take().expect("a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a first line");
        assert!(line.contains(r#""type":"ready""#), "not ready: {line}");
        Self { child, _input: input, _output: output }
    }

    /// Processor time so far, user and system.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux");
        // The name may hold blanks; numbers follow the last parenthesis. Fields 14 and 15, in ticks of 10 ms.
        let after = stat.rsplit_once(')').expect("a name").1;
        let ticks: u64 = after.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory, in MiB.
    pub fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a running process");
        line.split_whitespace().nth(1).expect("a number").parse::<f64>().expect("KiB") / 1024.0
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}
