//! The map is tested: who may import whom, how long a file may be, and whether the book repeats the code's numbers.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The sources of every crate but this one.
const CRATES: [&str; 7] = [
    "shared/src",
    "shared/muxer/src",
    "node/src",
    "node/engine/src",
    "node/net/src",
    "node/store/src",
    "rendezvous/src",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every Rust file below `folder` that is not generated.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a source folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            if entry.file_name().is_some_and(|name| name != "target") {
                found.extend(rust_files(&entry));
            }
        } else if entry.extension().is_some_and(|e| e == "rs") {
            found.push(entry);
        }
    }
    found.sort();
    found
}

/// Every Rust file below `folder`, with its text up to the unit tests.
fn sources(folder: &str) -> Vec<(String, String)> {
    let found = rust_files(&root().join(folder));
    assert!(!found.is_empty(), "{folder} holds no Rust file");
    let name = |path: &Path| path.strip_prefix(root()).expect("below the root").display().to_string();
    found
        .into_iter()
        .filter(|path| !path.file_name().is_some_and(|f| f.to_string_lossy().ends_with("tests.rs")))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            (name(&path), code)
        })
        .collect()
}

/// Fails on every line of code below `folder` that holds one of `words`, comments apart.
fn forbid(folder: &str, words: &[&str], except: &[&str]) {
    for (file, code) in sources(folder) {
        if except.iter().any(|e| file.starts_with(e)) {
            continue;
        }
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            for word in words {
                assert!(!line.contains(word), "{file}:{}: {word} is not for this room: {line}", number + 1);
            }
        }
    }
}

fn dependencies(manifest: &str) -> String {
    let text = fs::read_to_string(root().join(manifest)).expect("a manifest");
    text.split("[dependencies]").nth(1).unwrap_or_default().split("\n[").next().unwrap_or_default().to_owned()
}

#[test]
fn the_engine_depends_on_nothing_that_does_io() {
    for banned in ["tokio", "libp2p", "redb", "futures", "getrandom", "hobnob-store", "hobnob-net"] {
        assert!(!dependencies("node/engine/Cargo.toml").contains(banned), "the engine depends on {banned}");
    }
    assert!(!dependencies("node/net/Cargo.toml").contains("hobnob-store"));
    assert!(!dependencies("node/net/Cargo.toml").contains("hobnob-engine"));
    assert!(!dependencies("node/store/Cargo.toml").contains("hobnob-net"));
    for banned in ["hobnob", "libp2p", "tokio"] {
        assert!(!dependencies("shared/Cargo.toml").contains(banned), "shared depends on {banned}");
    }
    assert!(!dependencies("shared/muxer/Cargo.toml").contains("hobnob"));
    for banned in ["hobnob-engine", "hobnob-net", "hobnob-store", "hobnob.workspace"] {
        assert!(!dependencies("rendezvous/Cargo.toml").contains(banned), "the rendezvous depends on {banned}");
    }
}

#[test]
fn the_engine_has_no_clock_no_io_and_no_unordered_maps() {
    let banned = [
        "HashMap",
        "HashSet",
        "std::time",
        "Instant",
        "SystemTime",
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "std::process",
        "async fn",
        ".await",
        "thread_rng",
        "OsRng",
        "SysRng",
    ];
    forbid("node/engine/src", &banned, &[]);
    forbid("rendezvous/src/registry", &banned, &[]);
}

#[test]
fn shared_has_no_files_no_network_and_no_clock() {
    forbid("shared/src", &["std::fs", "std::net", "std::time", "std::thread", "std::env", "async fn", ".await"], &[]);
}

#[test]
fn one_codec_one_noise_one_libp2p_one_redb() {
    for folder in ["shared/src", "node/src", "node/engine/src", "node/net/src", "node/store/src", "rendezvous/src"] {
        forbid(folder, &["ciborium"], &["shared/src/codec.rs"]);
        forbid(folder, &["snow::", "use snow"], &["shared/src/noise"]);
        // The server's settings and its first line name places as libp2p does.
        let with_libp2p =
            ["node/net/src", "rendezvous/src/server", "rendezvous/src/config.rs", "rendezvous/src/program/serve.rs"];
        forbid(folder, &["libp2p::", "libp2p_stream"], &with_libp2p);
        // Both programs bound it in the same place, shared/muxer.
        forbid(folder, &["yamux::"], &[]);
        forbid(folder, &["redb::"], &["node/store/src", "rendezvous/src/store"]);
    }
}

#[test]
fn front_ends_reach_the_node_through_the_api_only() {
    for folder in ["node/src/repl", "node/src/json", "node/src/command"] {
        forbid(folder, &["hobnob_store", "hobnob_net", "crate::runtime", "hobnob_engine::Engine"], &[]);
    }
}

#[test]
fn only_the_doors_print() {
    let doors = ["node/src/repl/terminal.rs", "node/src/output.rs"];
    for folder in CRATES {
        forbid(folder, &["println!", "print!(", "dbg!("], &doors);
    }
}

#[test]
fn no_file_is_longer_than_600_lines() {
    for folder in CRATES {
        for (file, code) in sources(folder) {
            let lines = code.lines().count();
            assert!(lines <= 600, "{file} has {lines} lines: which wall is missing?");
        }
    }
}

#[test]
fn the_book_repeats_every_limit() {
    let book = fs::read_to_string(root().join("docs/protocol.md")).expect("docs/protocol.md");
    let limits = fs::read_to_string(root().join("shared/src/limits.rs")).expect("limits.rs");
    let mut known = std::collections::BTreeMap::new();
    for line in limits.lines().filter(|line| line.starts_with("pub const ")) {
        let (name, rest) = line.trim_start_matches("pub const ").split_once(':').expect("a typed constant");
        let value = rest.split_once('=').expect("a value").1.trim().trim_end_matches(';');
        let number = |factor: &str| match known.get(factor) {
            Some(value) => *value,
            None => factor.replace('_', "").parse::<u128>().expect("a number or a limit above"),
        };
        let product: u128 = value.split('*').map(|factor| number(factor.trim())).product();
        let row = format!("| `{name}` | {product} |");
        assert!(book.contains(&row), "docs/protocol.md lacks the row: {row}");
        known.insert(name, product);
    }
    assert!(known.len() > 20, "only {} limits were found", known.len());
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).expect("the summary");
    for folder in ["docs", "docs/decisions"] {
        for entry in fs::read_dir(root().join(folder)).expect("docs").map(|e| e.expect("an entry").path()) {
            if entry.extension().is_some_and(|e| e == "md") && entry.file_name().is_some_and(|f| f != "SUMMARY.md") {
                let name = entry.strip_prefix(root().join("docs")).expect("below docs").display().to_string();
                assert!(summary.contains(&format!("({name})")), "{name} is not in docs/SUMMARY.md");
            }
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let page = fs::read_to_string(root().join("docs/threat-model.md")).expect("docs/threat-model.md");
    let table = page.split("## Tried in tests").nth(1).expect("the table").split("\n## ").next().unwrap_or_default();
    let mut tests = std::collections::BTreeSet::new();
    for folder in ["shared", "node", "rendezvous", "tests"] {
        for path in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (above, line) in lines.iter().zip(lines.iter().skip(1)) {
                let name =
                    line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                if let Some(name) = name.filter(|_| above.starts_with("#[")) {
                    tests.insert(name.to_owned());
                }
            }
        }
    }
    let named: Vec<&str> = table.split('`').skip(1).step_by(2).collect();
    assert!(named.len() > 60, "only {} tests are named", named.len());
    for name in named {
        assert!(tests.contains(name), "docs/threat-model.md names {name}, which is no test");
    }
}
