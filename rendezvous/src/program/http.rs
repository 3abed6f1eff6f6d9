//! `/metrics` and `/healthz`, on loopback. Just enough HTTP: one request, one answer, and the connection ends.
//!
//! Whoever connects and asks nothing keeps nobody from being answered: there are few such connections, and a newer one takes
//! the place of the oldest.

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};

use super::control::BREATH;
use crate::{registry::Fullness, server::Control};

/// Longest request that is looked at, in bytes.
const MAX_REQUEST_BYTES: usize = 4096;

/// Requests that are answered at once; more wait.
const AT_ONCE: usize = 16;

/// Who has not said yet what they want.
const READING: Reading = Reading { most: 16, within: Duration::from_secs(2) };

/// A request waits so long for its turn, and its answer takes so long. A hub that does not answer by then is not healthy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bounds of connections whose request has not come.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// So many at most; one more takes the place of the oldest.
    most: usize,
    /// Each for so long: a request on loopback comes in one piece.
    within: Duration,
}

/// What a person or a monitor reads where damage was met.
const UNHEALTHY: &str = "unhealthy: the database has damaged rows; run check\n";

/// And where nobody new is let in.
const CROWDED: &str = "unhealthy: connections are refused, for memory_mib is taken; look at held_bytes in /metrics\n";

/// Listens; says where, with the real port.
pub(super) async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Answers until dropped.
pub(super) async fn answer(listener: TcpListener, control: Control) {
    answer_within(READING, listener, control).await;
}

async fn answer_within(bounds: Reading, listener: TcpListener, control: Control) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    // Oldest first; each closes when its request has come.
    let mut reading: VecDeque<oneshot::Sender<()>> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // It broke before it was taken, or no file is left until others close theirs.
            sleep(BREATH).await;
            continue;
        };
        reading.retain(|place| !place.is_closed());
        while reading.len() >= bounds.most {
            // Dropped, it ends.
            reading.pop_front();
        }
        let (place, pushed_out) = oneshot::channel();
        reading.push_back(place);
        let (control, places) = (control.clone(), places.clone());
        tokio::spawn(async move {
            // Slow or broken, it ends here.
            let _ = talk(stream, bounds.within, pushed_out, &places, &control).await;
        });
    }
}

async fn talk(
    mut stream: TcpStream,
    within: Duration,
    pushed_out: oneshot::Receiver<()>,
    places: &Semaphore,
    control: &Control,
) -> io::Result<()> {
    let request = tokio::select! {
        request = timeout(within, read(&mut stream)) => request??,
        _ = pushed_out => return Ok(()),
    };
    // The place is free now: whoever asks is not idle.
    let Ok(Ok(_turn)) = timeout(PATIENCE, places.acquire()).await else { return Ok(()) };
    timeout(2 * PATIENCE, serve(stream, &request, control)).await?
}

/// Reads a request to its end.
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = vec![0; MAX_REQUEST_BYTES];
    let mut have = 0;
    while !request.get(..have).unwrap_or_default().windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(request.get_mut(have..).unwrap_or_default()).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        have += read;
    }
    Ok(request)
}

async fn serve(mut stream: TcpStream, request: &[u8], control: &Control) -> io::Result<()> {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, body) = match (method, path) {
        (b"GET", b"/metrics") => metrics(control).await,
        (b"GET", b"/healthz") => health(control).await,
        (b"GET", _) => ("404 Not Found", "there are /metrics and /healthz\n".to_owned()),
        _ => ("405 Method Not Allowed", "GET only\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

async fn metrics(control: &Control) -> (&'static str, String) {
    match timeout(PATIENCE, control.totals()).await {
        Ok(Ok(totals)) => ("200 OK", control.metrics().render(&totals)),
        _ => ("503 Service Unavailable", "the database does not answer\n".to_owned()),
    }
}

async fn health(control: &Control) -> (&'static str, String) {
    let totals = timeout(PATIENCE, control.totals()).await.ok().and_then(Result::ok);
    match (totals.map(|totals| totals.fullness()), control.metrics().is_writable()) {
        _ if control.metrics().is_damaged() => ("503 Service Unavailable", UNHEALTHY.to_owned()),
        (Some(_), true) if control.is_out_of_memory() => ("503 Service Unavailable", CROWDED.to_owned()),
        (Some(Fullness::Roomy), true) => ("200 OK", "ok\n".to_owned()),
        // A restart would not help, so whoever restarts what is unhealthy shall not.
        (Some(Fullness::NearlyFull), true) => ("200 OK", "ok, and nearly full: raise disk_mib\n".to_owned()),
        (Some(Fullness::Full), true) => ("200 OK", "full: mail is refused; raise disk_mib\n".to_owned()),
        (Some(_), false) => ("503 Service Unavailable", "nothing can be stored; look at the disk\n".to_owned()),
        (None, _) => ("503 Service Unavailable", "the database does not answer\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;
    use crate::{
        keys::open_or_begin,
        registry::Policy,
        server::{Limits, Server, Setup, start},
    };

    /// Longer than anything may take that is not meant to fail.
    const SOON: Duration = Duration::from_secs(20);
    /// Longer than any test.
    const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

    /// A port of a server in this process, under these bounds.
    struct Port {
        address: SocketAddr,
        answering: JoinHandle<()>,
        server: Server,
        _dir: tempfile::TempDir,
    }

    impl Port {
        async fn new(bounds: Reading) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (store, keys) = open_or_begin(dir.path()).unwrap();
            let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
            let setup = Setup { keys, store, listen, limits: Limits::default(), policy: Policy::default() };
            let server = start(setup).await.unwrap();
            let (listener, address) = listen_at_any().await;
            let answering = tokio::spawn(answer_within(bounds, listener, server.control()));
            Self { address, answering, server, _dir: dir }
        }

        /// Connects and says nothing.
        async fn idle(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        async fn health(&self) -> String {
            let mut stream = self.idle().await;
            stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            timeout(SOON, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
            answer
        }

        async fn end(self) {
            self.answering.abort();
            self.server.stop().await;
        }
    }

    async fn listen_at_any() -> (TcpListener, SocketAddr) {
        listen("127.0.0.1:0".parse().unwrap()).await.unwrap()
    }

    /// Waits until the other side has closed it.
    async fn assert_closed(stream: &mut TcpStream) {
        let mut byte = [0];
        // Closed, or broken.
        assert!(!matches!(timeout(SOON, stream.read(&mut byte)).await.expect("an end"), Ok(1..)));
    }

    #[tokio::test]
    async fn whoever_says_nothing_makes_place_for_whoever_asks() {
        let port = Port::new(Reading { most: 16, within: NEVER }).await;
        let mut idle = Vec::new();
        for _ in 0..40 {
            idle.push(port.idle().await);
        }
        assert!(port.health().await.ends_with("\r\n\r\nok\n"));
        let (pushed_out, open) = idle.split_at_mut(25);
        for stream in pushed_out {
            assert_closed(stream).await;
        }
        for stream in open {
            let nothing = stream.try_read(&mut [0]).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock, "the newest may still ask");
        }
        port.end().await;
    }

    #[tokio::test]
    async fn whoever_says_nothing_in_time_is_hung_up_on() {
        let port = Port::new(Reading { most: 16, within: Duration::from_millis(1) }).await;
        let mut idle = port.idle().await;
        assert_closed(&mut idle).await;
        port.end().await;
    }
}
