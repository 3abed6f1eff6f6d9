//! How `stats`, `backup` and `invite` reach a server that runs: a socket in its data folder, which only its owner can
//! enter. One line of JSON there, one line back.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use hobnob_shared::rendezvous::RegistrationCode;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

use crate::{keys::random, server::Control};

/// Name of the socket in the data folder.
const FILE: &str = "control.sock";

/// Longest line, in bytes: a path and some words.
const MAX_LINE_BYTES: u64 = 16 * 1024;

/// Somebody who connects and says nothing is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What may be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ask {
    Stats,
    Backup(PathBuf),
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
    let Ok(mut stream) = UnixStream::connect(dir.join(FILE)) else { return Ok(None) };
    let mut line = serde_json::to_string(ask).map_err(io::Error::other)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_LINE_BYTES)).read_line(&mut answer)?;
    serde_json::from_str(&answer).map(Some).map_err(io::Error::other)
}

/// Answers whoever asks, until dropped.
pub(super) async fn answer(dir: PathBuf, control: Control) -> io::Result<()> {
    let path = dir.join(FILE);
    // The folder is locked, so a socket that is there is a dead server's.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let control = control.clone();
        tokio::spawn(async move {
            let mut stream = tokio::io::BufStream::new(stream);
            let mut line = String::new();
            let mut bounded = (&mut stream).take(MAX_LINE_BYTES);
            let read = bounded.read_line(&mut line);
            if !matches!(tokio::time::timeout(PATIENCE, read).await, Ok(Ok(1..))) {
                return;
            }
            let told = match serde_json::from_str(&line) {
                Ok(ask) => serve(ask, &control).await,
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

async fn serve(ask: Ask, control: &Control) -> Told {
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
        Ask::Backup(path) => control.back_up(path).await.map(|()| Told::Done),
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
