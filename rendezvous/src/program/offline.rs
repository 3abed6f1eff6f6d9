//! What the operator asks beside serving: of the server that runs, or of the data folder when none does.

use std::{
    io,
    path::{Path, absolute},
};

use hobnob_shared::{rendezvous::RegistrationCode, wire::rendezvous::Registration};
use serde_json::json;

use super::{
    Failure, Output,
    control::{Ask, Stats, Told, ask},
    folder::{Folder, Looked, exposed, holds_server},
};
use crate::{
    clock::Clock,
    config::Config,
    keys::random,
    registry::{CLOSED, code_records, stored},
    store::{Target, write_backup},
};

fn ask_running(config: &Config, what: &Ask) -> Result<Option<Told>, Failure> {
    match ask(&config.data_dir, what) {
        Ok(Some(Told::Refused(why))) => Err(Failure::Refused(why)),
        Ok(told) => Ok(told),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Failure::Silent(config.data_dir.clone())),
        Err(error) => Err(Failure::Io("the answer of the server that runs broke off", error)),
    }
}

pub(super) fn check(config: &Config, output: &Output) -> Result<(), Failure> {
    let is_running = ask_running(config, &Ask::Check)?.is_some();
    let is_new = !is_running && !holds_server(&config.data_dir)?;
    let text = if is_running {
        "settings, keys and every page of the database are whole; the server goes on"
    } else if is_new {
        "the settings are right; the data folder holds no server yet"
    } else {
        Looked::at(&config.data_dir)?.store.check()?;
        "settings, keys and every page of the database are whole"
    };
    let warnings = exposed(&config.data_dir).into_iter().map(|(path, mode)| {
        let path = path.display();
        format!(
            "others have rights to {path}; serving takes them away when it begins, and so does chmod {mode:o} {path}"
        )
    });
    let warnings: Vec<_> = warnings.collect();
    let text = [text.to_owned()].into_iter().chain(warnings.clone()).collect::<Vec<_>>().join("\nwarning: ");
    output.say("check", json!({ "ok": true, "running": is_running, "new": is_new, "warnings": warnings }), &text);
    Ok(())
}

pub(super) fn stats(config: &Config, output: &Output) -> Result<(), Failure> {
    let stats = match ask_running(config, &Ask::Stats)? {
        Some(Told::Stats(stats)) => stats,
        _ => {
            let mut looked = Looked::at(&config.data_dir)?;
            let totals = stored(&looked.store.view()?)?;
            Stats { names: totals.names, bytes: totals.bytes, ..Stats::default() }
        }
    };
    let text = format!(
        "running: {}\nconnections: {}\nsessions: {}\npresence topics: {}\nnames: {}\nstored bytes: {}",
        if stats.running { "yes" } else { "no" },
        stats.connections,
        stats.sessions,
        stats.topics,
        stats.names,
        stats.bytes
    );
    output.say("stats", json!(stats), &text);
    Ok(())
}

pub(super) fn back_up(config: &Config, file: &Path, replaces: bool, output: &Output) -> Result<(), Failure> {
    if file == Path::new("-") {
        let why = "a backup goes into a file, which only its owner can read, and not to standard output; name one";
        return Err(Failure::Refused(why.into()));
    }
    let path = absolute(file).map_err(|error| Failure::Io("the path cannot be resolved", error))?;
    if ask_running(config, &Ask::Backup { path: path.clone(), replaces })?.is_none() {
        let mut looked = Looked::at(&config.data_dir)?;
        let target = Target { path: path.clone(), replaces };
        write_backup(&looked.store.view()?, &looked.keys.secrets(), looked.store.dir(), &target)?;
    }
    let text = format!("wrote {}; it holds the keys, so keep it as safe as the server", path.display());
    output.say("backup", json!({ "path": path }), &text);
    Ok(())
}

pub(super) fn invite(config: &Config, output: &Output) -> Result<(), Failure> {
    let code = match ask_running(config, &Ask::Invite)? {
        Some(Told::Code(code)) => code,
        _ if config.policy.registration == Registration::Closed => return Err(Failure::Refused(CLOSED.into())),
        _ => {
            let mut rng = random().map_err(|error| Failure::Io("no randomness", error))?;
            let code = RegistrationCode::generate(&mut rng);
            let records = code_records(&code, Clock::start().now_ms());
            let stored = Folder::open_existing(&config.data_dir)?.store.commit(&records);
            stored.map_err(|error| Failure::Io("the code cannot be stored", io::Error::other(error)))?;
            code.to_string()
        }
    };
    let text = format!("{code}\ngood for one account and two weeks: /register NAME --invite CODE");
    output.say("invite", json!({ "code": code }), &text);
    Ok(())
}
