//! The operator looks at every page of a server that runs.

use std::{fs, os::unix::fs::FileExt as _, path::Path};

use hobnob_rendezvous::{
    keys::open_or_begin,
    registry::view::{Records, TableId},
    server::{Limits, Server, Setup, start},
    store::{FILE, Store},
};
use hobnob_shared::{
    id::MailboxId,
    wire::rendezvous::{BoxPut, DepositToken, Envelope, MailAck, MailGet, MailPut, ServerFrame},
};

use crate::{
    cast::{
        Person,
        client::{Client, address_of},
        easy,
        flows::{join, status},
    },
    house::House,
};

/// Turns one bit in every place of a file that holds `bytes`.
fn damage(path: &Path, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let whole = fs::read(path).unwrap();
    let places: Vec<_> = whole.windows(bytes.len()).enumerate().filter(|(_, part)| *part == bytes).collect();
    assert!(!places.is_empty());
    for (at, part) in places {
        file.write_all_at(&[part[0] ^ 1], at as u64).unwrap();
    }
}

fn quick() -> Limits {
    Limits { burst_frames: 1_000_000, frames_per_second: 1_000_000, ..Limits::default() }
}

/// A server that has 32 MiB of rows.
async fn large(dir: &Path) -> Server {
    let (mut store, keys) = open_or_begin(dir).unwrap();
    for part in 0..16_u32 {
        let keys = (0..512_u32).map(|row| (TableId::Vaults, (part * 512 + row).to_be_bytes().to_vec()));
        store.commit(&keys.map(|key| (key, Some(vec![7; 4096]))).collect::<Records>()).unwrap();
    }
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    start(Setup { keys, store, listen, limits: quick(), policy: easy() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_bit_is_found_while_the_server_runs() {
    let house = House::new().await;
    let mut alice = Person::new("aurelia", 1);
    let mut session = join(&house.address, &mut alice, "secret").await;
    let control = house.server.control();
    control.check(house.dir.path()).await.unwrap();
    damage(&house.dir.path().join(FILE), b"aurelia");
    let found = control.check(house.dir.path()).await.unwrap_err().to_string();
    assert!(found.contains("damaged") && found.contains("backup"), "{found}");
    status(&mut session).await;
    house.server.stop().await;
    let before = fs::read(house.dir.path().join(FILE)).unwrap();
    let mut store = Store::open(house.dir.path()).unwrap();
    assert!(store.check().is_err());
    drop(store);
    assert_eq!(fs::read(house.dir.path().join(FILE)).unwrap().len(), before.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_lost_or_changed_is_found_while_the_server_runs() {
    for (name, change) in [("keys", "lost"), ("opaque", "changed")] {
        let house = House::new().await;
        let path = house.dir.path().join(name);
        if change == "lost" {
            fs::remove_file(&path).unwrap()
        } else {
            damage(&path, &fs::read(&path).unwrap()[..8])
        }
        let found = house.server.control().check(house.dir.path()).await.unwrap_err().to_string();
        assert!(found.contains(name) && found.contains("backup"), "{found}");
        house.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_never_called_damaged() {
    let house = House::with(easy(), quick()).await;
    let mut bob = Person::new("bob", 2);
    let mut bobs = join(&house.address, &mut bob, "secret").await;
    let (mailbox, token) = (MailboxId::new([1; 16]), DepositToken::new([2; 16]));
    bobs.done(ServerFrame::BoxPut(BoxPut { mailbox, token: Some(token.clone()) })).await;
    let mut sender = Client::guest(&house.address).await;
    let load = tokio::spawn(async move {
        for number in 0..400_u32 {
            let envelope = Envelope::new([number.to_be_bytes().as_slice(), &[7; 2000]].concat()).unwrap();
            sender.done(ServerFrame::MailPut(MailPut { mailbox, token: token.clone(), envelope })).await;
            if number % 8 == 7 {
                let get = ServerFrame::MailGet(MailGet { after: 0, max: 100 });
                let ServerFrame::Mail(mail) = bobs.ask(get).await else { panic!("no mail") };
                let last = mail.items.last().unwrap().number;
                bobs.done(ServerFrame::MailAck(MailAck { through: vec![(mailbox, last)] })).await;
            }
        }
    });
    let (control, mut checks) = (house.server.control(), 0);
    while !load.is_finished() {
        control.check(house.dir.path()).await.unwrap_or_else(|error| panic!("check {checks}: {error}"));
        checks += 1;
    }
    load.await.unwrap();
    assert!(checks > 10, "only {checks} were made meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_backup_or_check_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let server = large(dir.path()).await;
    let mut client = Client::guest(&address_of(&server)).await;
    for is_backup in [true, false] {
        let (control, folder) = (server.control(), dir.path().to_owned());
        let backup = folder.join("backup.db");
        let long = tokio::spawn(async move {
            if is_backup { control.back_up(backup).await } else { control.check(&folder).await }
        });
        let mut answers = 0;
        while !long.is_finished() {
            status(&mut client).await;
            answers += 1;
        }
        long.await.unwrap().unwrap();
        // One or two come in any case: before the hub has heard of it, and when it has ended.
        assert!(answers > 5, "only {answers} requests were served meanwhile");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_interrupted_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let server = large(dir.path()).await;
    let (control, folder) = (server.control(), tempfile::tempdir().unwrap());
    let (backup, unfinished) = (folder.path().join("backup.db"), folder.path().join("backup.db.unfinished"));
    let interrupted = tokio::spawn(async move { control.back_up(backup).await });
    while !unfinished.exists() {
        assert!(!interrupted.is_finished(), "it is too small to be interrupted");
        tokio::task::yield_now().await;
    }
    server.stop().await;
    assert!(interrupted.await.unwrap().unwrap_err().to_string().contains("stops"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
