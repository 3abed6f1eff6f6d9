//! How `check`, `stats`, `backup` and `invite` reach a server that runs: a socket in its data folder, which only its owner can
//! enter. One line of JSON there, one line back; until that is ready, one every two seconds that says so, by which whoever
//! asks knows a long answer from none.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    mem::MaybeUninit,
    os::unix::{fs::lchown, net::UnixStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hobnob_shared::rendezvous::RegistrationCode;
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    time::{sleep, timeout},
};

use crate::{
    keys::random,
    server::{Control, OrderError},
    store::{CONTROL_FILE, Target, other_owner},
};

/// Longest line, in bytes: a path and some words.
const MAX_LINE_BYTES: u64 = 16 * 1024;

/// Whoever connects and says nothing is not waited for, and neither is a server that does.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server at work says so this often.
const BEAT: Duration = Duration::from_secs(2);

/// The hub answers a short question in so long, or something is wrong with it: a check of a damaged database may keep it for
/// some seconds.
const SHORT: Duration = Duration::from_secs(60);

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
    /// The answer comes later.
    Working,
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

/// Asks the server that runs in `dir`; `None` when none does. One that says nothing for ten seconds, because it was stopped for
/// example, is an error of the kind [`io::ErrorKind::TimedOut`].
pub(super) fn ask(dir: &Path, ask: &Ask) -> io::Result<Option<Told>> {
    // What the operating system calls a wait that was too long.
    let is_late = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
    ask_within(dir, ask, PATIENCE).map_err(|error| if is_late(&error) { io::ErrorKind::TimedOut.into() } else { error })
}

fn ask_within(dir: &Path, ask: &Ask, patience: Duration) -> io::Result<Option<Told>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(patience))?;
    socket.set_read_timeout(Some(patience))?;
    match socket.connect(&SockAddr::unix(dir.join(CONTROL_FILE))?) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
        Err(_) => return Ok(None),
    }
    let mut stream = UnixStream::from(socket);
    let mut line = serde_json::to_string(ask).map_err(io::Error::other)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answers = BufReader::new(stream);
    loop {
        let mut answer = String::new();
        (&mut answers).take(MAX_LINE_BYTES).read_line(&mut answer)?;
        match serde_json::from_str(&answer).map_err(io::Error::other)? {
            Told::Working => {}
            told @ (Told::Stats(_) | Told::Done | Told::Code(_) | Told::Refused(_)) => return Ok(Some(told)),
        }
    }
}

/// Makes the socket.
pub(super) fn listen(dir: &Path) -> io::Result<UnixListener> {
    let path = dir.join(CONTROL_FILE);
    // The folder is locked, so a socket that is there is a dead server's.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    if let Some((user, group)) = other_owner(&path)? {
        lchown(&path, Some(user), Some(group))?;
    }
    Ok(listener)
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
            // Whoever asked may be gone.
            let _ = talk(stream, &dir, &control).await;
        });
    }
}

async fn talk(stream: tokio::net::UnixStream, dir: &Path, control: &Control) -> io::Result<()> {
    let mut stream = tokio::io::BufStream::new(stream);
    let mut line = String::new();
    let read = timeout(PATIENCE, (&mut stream).take(MAX_LINE_BYTES).read_line(&mut line)).await;
    if !matches!(read, Ok(Ok(1..))) || has_given_up(stream.get_ref()) {
        return Ok(());
    }
    let serving = async {
        match serde_json::from_str(&line) {
            Ok(ask) => serve(ask, dir, control).await,
            Err(error) => Told::Refused(error.to_string()),
        }
    };
    tokio::pin!(serving);
    loop {
        let told = timeout(BEAT, &mut serving).await;
        let is_last = told.is_ok();
        let mut answer = serde_json::to_string(&told.unwrap_or(Told::Working)).unwrap_or_default();
        answer.push('\n');
        let said = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await
        };
        match said.await {
            Ok(()) if is_last => return Ok(()),
            Ok(()) => {}
            // What was begun is ended all the same.
            Err(error) => {
                serving.await;
                return Err(error);
            }
        }
    }
}

/// Whether whoever asked is gone before anything was done: the server was stopped, and goes on.
fn has_given_up(stream: &tokio::net::UnixStream) -> bool {
    // The system is asked, for tokio hears of it later.
    match SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// The answer to a question that needs no time.
async fn soon<T>(answer: impl Future<Output = Result<T, OrderError>>) -> Result<T, OrderError> {
    let late =
        || OrderError("the server runs, but its database does not answer; look at its log, and at the disk".into());
    timeout(SHORT, answer).await.unwrap_or_else(|_| Err(late()))
}

async fn serve(ask: Ask, dir: &Path, control: &Control) -> Told {
    let told = match ask {
        Ask::Stats => soon(control.totals()).await.map(|totals| {
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
                soon(control.add_code(code.clone())).await.map(|()| Told::Code(code.to_string()))
            }
            Err(error) => Ok(Told::Refused(error.to_string())),
        },
    };
    told.unwrap_or_else(|error| Told::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A folder with a socket of nobody's yet.
    fn folder() -> (tempfile::TempDir, std::os::unix::net::UnixListener) {
        let dir = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(dir.path().join(CONTROL_FILE)).unwrap();
        (dir, listener)
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for() {
        let (dir, _listener) = folder();
        let soon = Duration::from_millis(1);
        let error = ask_within(dir.path(), &Ask::Stats, soon).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        // Nor when so many have asked that no more can.
        let full = (0..10_000).find_map(|_| {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.connect(&SockAddr::unix(dir.path().join(CONTROL_FILE)).unwrap()).err()
        });
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
        assert!(ask_within(dir.path(), &Ask::Stats, soon).is_err());
    }

    #[test]
    fn one_that_works_is_waited_for_and_nobody_is_none() {
        let (dir, listener) = folder();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            stream.write_all(b"\"working\"\n\"working\"\n\"done\"\n").unwrap();
            line
        });
        let told = ask(dir.path(), &Ask::Check).unwrap();
        assert!(matches!(told, Some(Told::Done)), "{told:?}");
        assert_eq!(server.join().unwrap(), "\"check\"\n");
        assert!(ask(dir.path(), &Ask::Check).unwrap().is_none(), "the socket that it left is nobody's");
    }
}
