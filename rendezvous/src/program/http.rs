//! `/metrics` and `/healthz`, on loopback. Just enough HTTP: one request, one answer, and the connection ends.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::control::BREATH;
use crate::server::Control;

/// Longest request that is looked at, in bytes.
const MAX_REQUEST_BYTES: usize = 4096;

/// Requests at once; more wait.
const AT_ONCE: usize = 16;

/// A request and its answer take so long at most. A hub that does not answer by then is not healthy.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a person or a monitor reads where damage was met.
const UNHEALTHY: &str = "unhealthy: the database has damaged rows; run check\n";

/// Listens; says where, with the real port.
pub(super) async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Answers until dropped.
pub(super) async fn answer(listener: TcpListener, control: Control) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // It broke before it was taken, or no file is left until others close theirs.
            sleep(BREATH).await;
            continue;
        };
        let control = control.clone();
        tokio::spawn(async move {
            // Slow or broken, it ends here.
            let _ = timeout(2 * PATIENCE, serve(stream, &control)).await;
            drop(place);
        });
    }
}

async fn serve(mut stream: TcpStream, control: &Control) -> io::Result<()> {
    let mut request = vec![0; MAX_REQUEST_BYTES];
    let mut have = 0;
    while !request.get(..have).unwrap_or_default().windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(request.get_mut(have..).unwrap_or_default()).await?;
        if read == 0 {
            return Ok(());
        }
        have += read;
    }
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
    let answers = matches!(timeout(PATIENCE, control.totals()).await, Ok(Ok(_)));
    match (answers, control.metrics().is_writable()) {
        _ if control.metrics().is_damaged() => ("503 Service Unavailable", UNHEALTHY.to_owned()),
        (true, true) => ("200 OK", "ok\n".to_owned()),
        (true, false) => ("503 Service Unavailable", "nothing can be stored; look at the disk\n".to_owned()),
        (false, _) => ("503 Service Unavailable", "the database does not answer\n".to_owned()),
    }
}
