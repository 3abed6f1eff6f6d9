//! How `check`, `stats`, `backup` and `invite` reach a server that runs: a socket in its data folder, which only its owner can
//! enter. One line of JSON there, one line back.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hobnob_shared::rendezvous::RegistrationCode;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    time::{sleep, timeout},
};

use crate::{
    keys::random,
    server::Control,
    store::{CONTROL_FILE, Target},
};

/// Longest line, in bytes: a path and some words.
const MAX_LINE_BYTES: u64 = 16 * 1024;

/// Somebody who connects and says nothing is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries to take a connection, where that fails.
pub(super) const BREATH: Duration = Duration::from_millis(100);

/// What may be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ask {
    Stats,
    Backup { path: PathBuf, replaces: bool },
    Check,
    Invite,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Told {
    Stats(Stats),
    Done,
    Code(String),
    Refused(String),
}

/// How much there is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stats {
    pub(super) running: bool,
    pub(super) connections: u64,
    pub(super) sessions: u64,
    pub(super) topics: u64,
    pub(super) names: u64,
    pub(super) bytes: u64,
}

/// Asks the server that runs in `dir`; `None` when none does.
pub(super) fn ask(dir: &Path, ask: &Ask) -> io::Result<Option<Told>> {
    let Ok(mut stream) = UnixStream::connect(dir.join(CONTROL_FILE)) else { return Ok(None) };
    let mut line = serde_json::to_string(ask).map_err(io::Error::other)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_LINE_BYTES)).read_line(&mut answer)?;
    serde_json::from_str(&answer).map(Some).map_err(io::Error::other)
}

/// Makes the socket.
pub(super) fn listen(dir: &Path) -> io::Result<UnixListener> {
    let path = dir.join(CONTROL_FILE);
    // The folder is locked, so a socket that is there is a dead server's.
    let _ = std::fs::remove_file(&path);
    UnixListener::bind(&path)
}

/// Answers whoever asks, until dropped.
pub(super) async fn answer(listener: UnixListener, dir: PathBuf, control: Control) {
    let dir: Arc<Path> = dir.into();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file is left, most likely. Others close theirs.
            sleep(BREATH).await;
            continue;
        };
        let dir = dir.clone();
        let control = control.clone();
        tokio::spawn(async move {
            let mut stream = tokio::io::BufStream::new(stream);
            let mut line = String::new();
            let mut bounded = (&mut stream).take(MAX_LINE_BYTES);
            let read = bounded.read_line(&mut line);
            if !matches!(timeout(PATIENCE, read).await, Ok(Ok(1..))) {
                return;
            }
            let told = match serde_json::from_str(&line) {
                Ok(ask) => serve(ask, &dir, &control).await,
                Err(error) => Told::Refused(error.to_string()),
            };
            let mut answer = serde_json::to_string(&told).unwrap_or_default();
            answer.push('\n');
            // Whoever asked may be gone.
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.flush().await;
        });
    }
}

async fn serve(ask: Ask, dir: &Path, control: &Control) -> Told {
    let told = match ask {
        Ask::Stats => control.totals().await.map(|totals| {
            Told::Stats(Stats {
                running: true,
                connections: control.metrics().connections.get(),
                sessions: totals.sessions,
                topics: totals.topics,
                names: totals.names,
                bytes: totals.bytes,
            })
        }),
        Ask::Backup { path, replaces } => control.back_up(Target { path, replaces }).await.map(|()| Told::Done),
        Ask::Check => control.check(dir).await.map(|()| Told::Done),
        Ask::Invite => match random() {
            Ok(mut rng) => {
                let code = RegistrationCode::generate(&mut rng);
                control.add_code(code.clone()).await.map(|()| Told::Code(code.to_string()))
            }
            Err(error) => Ok(Told::Refused(error.to_string())),
        },
    };
    told.unwrap_or_else(|error| Told::Refused(error.to_string()))
}
