//! Times as a person reads them.

use jiff::{Timestamp, ZonedDateTime, civil::Date};

use super::{Look, Scene, paint::Role};

impl Look {
    /// This moment in the person's time zone; a nonsense time of a stranger becomes the nearest one there is.
    pub(super) fn at(&self, ms: u64) -> ZonedDateTime {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX).min(Timestamp::MAX.as_millisecond());
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(self.zone.clone())
    }

    /// `14:02`, with its date where the day above it is another.
    pub(super) fn clock(&self, ms: u64, doubtful: bool, scene: &Scene) -> String {
        let time = self.at(ms);
        let mark = if doubtful { "?" } else { "" };
        let today = scene.day.unwrap_or_else(|| self.today());
        let clock = if self.twelve_hours { "%-I:%M %P" } else { "%H:%M" };
        let date = match time.date() {
            date if date == today => "",
            date if date.year() == today.year() => "%-d %b ",
            _ => "%Y-%m-%d ",
        };
        format!("{}{mark}", time.strftime(&format!("{date}{clock}")))
    }

    /// A moment in full.
    pub(super) fn moment(&self, ms: u64) -> String {
        self.at(ms).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// How long ago that was.
    pub(super) fn ago(&self, ms: u64) -> String {
        match self.now_ms.saturating_sub(ms) {
            0..60_000 => "just now".to_owned(),
            past => format!("{} ago", span(past / 1000)),
        }
    }

    /// The day it is.
    pub(super) fn today(&self) -> Date {
        self.at(self.now_ms).date()
    }

    /// The day on which something was.
    pub fn date(&self, ms: u64) -> Date {
        self.at(ms).date()
    }
}

/// The line above a new day.
pub fn day(date: Date, look: &Look) -> String {
    let name = date.strftime("%A, %-d %B %Y").to_string();
    if look.plain {
        format!("{name}\n")
    } else {
        format!("{}\n", look.paint(Role::Dim, &format!("── {name} ──")))
    }
}

/// A stretch of time in its largest unit: `90 s`, `5 min`, `3 h`, `2 days`.
pub(super) fn span(secs: u64) -> String {
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3600),
        _ => format!("{} days", secs / 86_400),
    }
}

/// The same, exactly, in the way `/expire` takes it: `1d12h`.
pub(super) fn exact_span(secs: u64) -> String {
    let mut rest = secs;
    let mut text = String::new();
    for (unit, size) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}
