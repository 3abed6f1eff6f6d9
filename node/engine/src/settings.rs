//! Settings and aliases: one table of what can be set, with its default and its help.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use hobnob_shared::{limits::MAX_SETTING_BYTES, text::display, wire};

use crate::{
    command::{Code, Refusal, Setting},
    event::Event,
    log::row::Rank,
    row::{Slot, Table},
    step::Step,
    tables::TableId,
    view::{Fault, Order},
};

/// Most settings of our other devices that are remembered.
const MAX_SAID: usize = 1_000;
/// Most aliases.
const MAX_ALIASES: usize = 200;
/// What stands before the name of an alias in its key.
const ALIAS: &str = "alias.";

/// What a setting may be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `on` or `off`.
    Switch,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A whole number from the first to the second.
    Number(u64, u64),
}

/// One thing that can be set.
#[derive(Clone, Copy, Debug)]
struct Spec {
    key: &'static str,
    default: &'static str,
    kind: Kind,
    help: &'static str,
}

const SETTINGS: &[Spec] = &[
    Spec { key: "bell", default: "on", kind: Kind::Switch, help: "ring the terminal's bell when a message comes" },
    Spec {
        key: "clock",
        default: "24h",
        kind: Kind::Choice(&["24h", "12h"]),
        help: "how the time of a message is shown",
    },
    Spec {
        key: "history",
        default: "20",
        kind: Kind::Number(0, 1000),
        help: "how many messages /open and /history show",
    },
    Spec {
        key: "notify",
        default: "all",
        kind: Kind::Choice(&["all", "none"]),
        help: "show messages of other chats above the prompt, or only count them",
    },
    Spec { key: "presence", default: "on", kind: Kind::Switch, help: "show when friends come and go" },
    Spec {
        key: "read-marks",
        default: "on",
        kind: Kind::Switch,
        help: "tell friends what you have read, and see what they have",
    },
    Spec {
        key: "theme",
        default: "dark",
        kind: Kind::Choice(&["dark", "light", "mono"]),
        help: "colours of the terminal",
    },
    Spec {
        key: "typing",
        default: "on",
        kind: Kind::Switch,
        help: "tell friends while you type, and see when they do",
    },
];

/// Key → value, only what differs from the default, and aliases.
#[derive(Debug)]
pub(crate) struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::Settings;
    type Key = String;
    type Value = String;
}

/// What our devices told each other last: key → value.
#[derive(Debug)]
struct SaidRow;

impl Table for SaidRow {
    const ID: TableId = TableId::Profile;
    type Key = Slot<3>;
    type Value = BTreeMap<String, (Rank, Option<String>)>;
}

/// What the person has set.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    set: BTreeMap<String, String>,
    said: BTreeMap<String, (Rank, Option<String>)>,
    /// Keys that may hold what our other devices do not know.
    touched: BTreeSet<String>,
}

impl Settings {
    pub(crate) fn load(step: &mut Step<'_>) -> Result<Self, Fault> {
        let mut set = BTreeMap::new();
        step.scan::<Rows>(&[], Order::Ascending, |key, value| {
            set.insert(key, value);
            ControlFlow::Continue(())
        })?;
        let said = step.get::<SaidRow>(&Slot)?.unwrap_or_default();
        Ok(Self { set, said, touched: BTreeSet::new() })
    }

    /// What our other devices do not know.
    pub(crate) fn take_touched(&mut self) -> Vec<(String, Option<String>)> {
        let touched = std::mem::take(&mut self.touched);
        let now = touched.into_iter().map(|key| (self.set.get(&key).cloned(), key));
        let unsaid = now.filter(|(value, key)| self.said.get(key).and_then(|(_, said)| said.clone()) != *value);
        unsaid.map(|(value, key)| (key, value)).collect()
    }

    /// Everything is compared with what our other devices know.
    pub(crate) fn touch_all(&mut self) {
        // What is no setting of this version is not unset here.
        let said = self.said.keys().filter(|key| is_setting(key));
        self.touched.extend(self.set.keys().chain(said).cloned());
    }

    /// A device of ours set something. What a later version sets is kept for it, and does nothing here. `true`: it is the
    /// last word.
    pub(crate) fn on_said(&mut self, rank: Rank, setting: &wire::Setting, step: &mut Step<'_>) -> bool {
        let wire::Setting { key, value, .. } = setting;
        let is_last = self.said.get(key).is_none_or(|(known, _)| *known < rank);
        if !is_last || !self.said.contains_key(key) && self.said.len() >= MAX_SAID {
            return false;
        }
        self.said.insert(key.clone(), (rank, value.clone()));
        step.put::<SaidRow>(&Slot, &self.said);
        let is_known = key.starts_with(ALIAS) || check(key, value.as_deref()).is_ok();
        if is_known && self.set.get(key) != value.as_ref() {
            self.put(key, value.as_deref(), step);
        }
        true
    }

    /// What our devices told each other of this key last.
    pub(crate) fn said(&self, key: &str) -> Option<&str> {
        self.said.get(key).and_then(|(_, said)| said.as_deref())
    }

    /// This machine becomes a device of another account, whose settings come.
    pub(crate) fn forget_all(&mut self, step: &mut Step<'_>) {
        for key in std::mem::take(&mut self.set).keys() {
            step.delete::<Rows>(key);
        }
        self.said.clear();
        step.delete::<SaidRow>(&Slot);
    }

    /// Whether a switch is on. A key that is not in the table is off.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.value(key) == Some("on")
    }

    fn value(&self, key: &str) -> Option<&str> {
        let default = || SETTINGS.iter().find(|spec| spec.key == key).map(|spec| spec.default);
        self.set.get(key).map(String::as_str).or_else(default)
    }

    /// All of them, aliases last, or the one that is named.
    pub(crate) fn list(&self, key: Option<&str>) -> Result<Vec<Setting>, Refusal> {
        let known = SETTINGS.iter().map(|spec| (spec.key, spec.default, spec.help));
        let aliases = self.set.keys().filter(|key| key.starts_with(ALIAS)).map(|key| (key.as_str(), "", ""));
        let view = |(key, default, help): (&str, &str, &'static str)| Setting {
            key: key.to_owned(),
            value: self.set.get(key).map_or(default, String::as_str).to_owned(),
            help,
        };
        let all = known.chain(aliases);
        let list: Vec<_> = all.filter(|(name, ..)| key.is_none_or(|key| key == *name)).map(view).collect();
        match key {
            Some(key) if list.is_empty() => Err(unknown(key)),
            _ => Ok(list),
        }
    }

    /// Everything that was set, as a vault holds it.
    pub(crate) fn all(&self) -> Vec<(String, Vec<u8>)> {
        self.set.iter().map(|(key, value)| (key.clone(), value.clone().into_bytes())).collect()
    }

    /// What was set on another machine of ours, where nothing was set here. What this version does not know is left out.
    pub(crate) fn adopt(&mut self, settings: &[(String, Vec<u8>)], step: &mut Step<'_>) {
        for (key, value) in settings.iter().filter(|(key, _)| !self.set.contains_key(key)).collect::<Vec<_>>() {
            let known = std::str::from_utf8(value).ok().map(|value| self.set(key, Some(value), step));
            if !matches!(known, Some(Ok(()))) {
                tracing::debug!("a setting of the vault is not known here");
            }
        }
    }

    /// Sets, or goes back to the default; an alias comes or goes.
    pub(crate) fn set(&mut self, key: &str, value: Option<&str>, step: &mut Step<'_>) -> Result<(), Refusal> {
        match key.strip_prefix(ALIAS) {
            Some(name) => self.check_alias(name, value)?,
            None => check(key, value)?,
        }
        self.put(key, value, step);
        self.touched.insert(key.to_owned());
        Ok(())
    }

    fn put(&mut self, key: &str, value: Option<&str>, step: &mut Step<'_>) {
        match value {
            Some(value) => {
                self.set.insert(key.to_owned(), value.to_owned());
                step.put::<Rows>(&key.to_owned(), &value.to_owned());
            }
            None => {
                self.set.remove(key);
                step.delete::<Rows>(&key.to_owned());
            }
        }
        step.event(Event::SettingChanged { key: key.to_owned(), value: value.map(str::to_owned) });
    }

    fn check_alias(&self, name: &str, value: Option<&str>) -> Result<(), Refusal> {
        let shown = display::line(name);
        if value.is_none() && !self.set.contains_key(&format!("{ALIAS}{name}")) {
            return Err(Refusal::new(Code::NotFound, format!("there is no alias {shown}; /alias lists them")));
        }
        if name.is_empty() || name.len() > 32 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            let message = format!("{shown} cannot name an alias; use up to 32 letters, digits and -");
            return Err(Refusal::new(Code::Usage, message));
        }
        if value.is_some_and(|value| value.len() > MAX_SETTING_BYTES) {
            return Err(Refusal::new(Code::Limited, format!("an alias holds at most {MAX_SETTING_BYTES} bytes")));
        }
        let aliases = self.set.keys().filter(|key| key.starts_with(ALIAS)).count();
        if value.is_some() && aliases >= MAX_ALIASES {
            let message = format!("there are {MAX_ALIASES} aliases already; remove one with /alias NAME off first");
            return Err(Refusal::new(Code::Limited, message));
        }
        Ok(())
    }
}

fn is_setting(key: &str) -> bool {
    key.starts_with(ALIAS) || SETTINGS.iter().any(|spec| spec.key == key)
}

fn unknown(key: &str) -> Refusal {
    let hint = nearest(key, SETTINGS.iter().map(|spec| spec.key))
        .map_or_else(|| "/set lists them".to_owned(), |near| format!("did you mean {near}? /set lists them"));
    Refusal::new(Code::NotFound, format!("there is no setting {}; {hint}", display::line(key)))
}

fn check(key: &str, value: Option<&str>) -> Result<(), Refusal> {
    let spec = SETTINGS.iter().find(|spec| spec.key == key).ok_or_else(|| unknown(key))?;
    let Some(value) = value else { return Ok(()) };
    let wanted = match spec.kind {
        Kind::Switch if ["on", "off"].contains(&value) => return Ok(()),
        Kind::Switch => "on or off".to_owned(),
        Kind::Choice(choices) if choices.contains(&value) => return Ok(()),
        Kind::Choice(choices) => choices.join(" or "),
        Kind::Number(from, to) if value.parse().is_ok_and(|number: u64| (from..=to).contains(&number)) => return Ok(()),
        Kind::Number(from, to) => format!("a number from {from} to {to}"),
    };
    Err(Refusal::new(Code::Usage, format!("{key} takes {wanted}, not {}", display::line(value))))
}

/// The candidate that a typing mistake may have meant.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + typed.chars().count() / 4;
    let near = candidates.map(|candidate| (strsim::damerau_levenshtein(typed, candidate), candidate));
    near.filter(|(distance, _)| *distance <= limit).min().map(|(_, candidate)| candidate)
}
