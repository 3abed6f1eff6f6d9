//! The pages say what the program does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
};

use serde_json::Value;

use crate::{
    cast::{
        Person,
        flows::{join, status},
    },
    driver::{EASY, Rosa, call, said},
};

/// What the page says of `--json`: the keys of each type.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).unwrap();
    let section = page.split("\n## For scripts\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut types = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")).skip(1) {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        // What stands in brackets explains a key, or names its values.
        let plain =
            cells[2].split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect::<String>();
        let keys = plain.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        types.insert(cells[0].trim().trim_matches('`').to_owned(), keys);
    }
    types
}

#[test]
fn the_page_names_every_key_that_scripts_are_given() {
    let mut documented = documented();
    let assert_told = |line: &Value| {
        let mut keys: BTreeSet<_> = line.as_object().unwrap().keys().cloned().collect();
        for always in ["v", "type", "ts"] {
            assert!(keys.remove(always), "{line}");
        }
        let kind = line["type"].as_str().unwrap().to_owned();
        assert_eq!(Some(&keys), documented.get(&kind), "{line}");
        kind
    };
    let dir = tempfile::tempdir().unwrap();
    let mut told = BTreeSet::from([assert_told(&said(&call(dir.path(), &["--json", "check"])))]);
    let mut rosa = Rosa::start(dir.path());
    told.insert(assert_told(&rosa.ready));
    let backups = ["running.db", "stopped.db"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
    for backup in &backups {
        let acts: [&[&str]; 4] = [&["check"], &["stats"], &["invite"], &["backup", backup]];
        for words in acts {
            told.insert(assert_told(&said(&call(dir.path(), &[&["--json"], words].concat()))));
        }
        let refused = call(dir.path(), &["--json", "backup", backup]);
        told.insert(assert_told(&serde_json::from_slice(&refused.stdout).unwrap()));
        if rosa.child.try_wait().unwrap().is_none() {
            rosa.signal("TERM");
            told.insert(assert_told(&rosa.line().unwrap()));
            rosa.child.wait().unwrap();
        }
    }
    documented.retain(|kind, _| !told.contains(kind));
    assert!(documented.is_empty(), "never said: {documented:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_log_names_nobody_and_the_pages_say_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.toml"), format!("log = \"trace\"\n{EASY}")).unwrap();
    let mut rosa = Rosa::start_logging(dir.path());
    let mut aurelia = Person::new("aurelia", 1);
    let mut session = join(&rosa.address(), &mut aurelia, "treasure").await;
    status(&mut session).await;
    session.send_bytes(b"aurelia").await.unwrap();
    session.closed().await;
    rosa.signal("TERM");
    assert_eq!(rosa.line().unwrap()["type"], "bye");
    rosa.child.wait().unwrap();
    let mut log = String::new();
    rosa.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("serving") && log.contains("session ended"), "{log}");
    let (account, device) = (aurelia.account.id().to_string(), aurelia.device.id().to_string());
    let (at, local) = (rosa.address(), session.link.local.to_string());
    for secret in ["aurelia", "treasure", "127.0.0.1", &account, &device, &local, &at.key_text()] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret:?} was logged: {line:?}");
    }
    let read = |path: &str| fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let says = "At no level, `trace` included, is there a name, a key or an address of anybody";
    assert!(read("../docs/operations.md").contains(says));
    assert!(read("../docs/architecture.md").contains("no text, name, key or address of anybody in logs, at any level"));
    assert!(read("packaging/config.toml").contains("No level logs names, keys or addresses."));
}
