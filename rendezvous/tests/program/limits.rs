use std::fs;

use tokio::time::timeout;

use crate::{
    cast::client::{Client, SOON},
    driver::{Rosa, get},
};

#[tokio::test(flavor = "multi_thread")]
async fn sighup_applies_the_bound_of_memory_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let rosa = Rosa::start(dir.path());
    let config = dir.path().join("config.toml");
    let reload = |mib: u32| {
        fs::write(&config, format!("[limits]\nmemory_mib = {mib}\n")).unwrap();
        rosa.signal("HUP");
    };
    reload(1);
    let mut open = Vec::new();
    // Some 26 connections of 40 KiB, and a few that come before the signal does.
    while let Ok(client) = Client::try_open(&rosa.address(), None, None).await {
        open.push(client);
        assert!(open.len() < 100, "all were let in");
    }
    let health = get(&rosa, "/healthz");
    assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("memory_mib"), "{health}");
    let metrics = get(&rosa, "/metrics");
    assert!(metrics.contains("\nhobnob_rendezvous_memory_refused_connections_total 1\n"), "{metrics}");
    reload(2048);
    let healthy = async {
        while !get(&rosa, "/healthz").starts_with("HTTP/1.1 200 ") {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, healthy).await.expect("there is memory again");
    Client::guest(&rosa.address()).await;
}
