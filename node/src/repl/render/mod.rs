//! What the person sees, as pure functions: a thing and a [`Look`] in, lines out.
//!
//! This is the only way from a stranger's text to a terminal. All text of others goes through
//! [`hobnob_shared::text::display`] here, and behind it no line begins with anything but our own words.

mod details;
mod event;
mod layout;
mod list;
mod message;
mod paint;
mod people;
mod reply;
mod server;
mod time;

use std::collections::BTreeMap;

use hobnob_shared::text::Handle;
use jiff::{civil::Date, tz::TimeZone};
use qrcode::render::unicode::Dense1x2;

pub(super) use self::layout::shorten;
pub use self::{
    event::{Moved, event, moved},
    message::{message, messages},
    paint::Theme,
    reply::{asked, reply, whoami_card},
    server::missing,
    time::day,
};
use self::{layout::safe_block, paint::Role};
use crate::api::{Friend, Refusal};

/// How things are shown.
#[derive(Clone, Debug)]
pub struct Look {
    /// Cells a line may take; not heeded in plain mode.
    pub width: usize,
    /// One event a line, words for marks, no escape sequence, no box drawing.
    pub plain: bool,
    /// Colours, if any.
    pub theme: Option<Theme>,
    /// `2:02 pm` for `14:02`.
    pub twelve_hours: bool,
    /// The time zone of the person.
    pub zone: TimeZone,
    /// Now, in ms since the epoch.
    pub now_ms: u64,
}

impl Look {
    /// For pipes and screen readers.
    pub fn plain(zone: TimeZone, now_ms: u64) -> Self {
        Self { width: usize::MAX, plain: true, theme: None, twelve_hours: false, zone, now_ms }
    }
}

/// What stands around a line and changes how it reads.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The current chat of this front end.
    pub chat: Option<Handle>,
    /// What is known of each friend's key.
    pub keys: BTreeMap<Handle, Trust>,
    /// The day whose separator stands above; other days are written out.
    pub day: Option<Date>,
}

/// What is known of a friend's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Nobody compared anything.
    #[default]
    Unknown,
    /// Compared, and the same.
    Verified,
    /// Two histories.
    Alarm,
}

impl Trust {
    /// Of this friend.
    pub fn of(friend: &Friend) -> Self {
        match friend {
            Friend { key_alarm: true, .. } => Self::Alarm,
            Friend { verified: true, .. } => Self::Verified,
            _ => Self::Unknown,
        }
    }
}

/// A command that was refused.
pub fn refusal(refusal: &Refusal, look: &Look) -> String {
    let head = if look.plain { "error: ".to_owned() } else { format!("{} ", look.paint(Role::Alert, "✗")) };
    look.sentence(&head, &refusal.message)
}

/// Words of our own. Others' text in them is made harmless here too.
pub fn notice(text: &str, look: &Look) -> String {
    let head = if look.plain { String::new() } else { format!("{} ", look.paint(Role::Dim, "·")) };
    look.sentence(&head, text)
}

/// A page of our own words, line by line. What does not fit goes on below the beginning of its last column.
pub fn page(text: &str, look: &Look) -> String {
    let mut out = String::new();
    for line in safe_block(text).split('\n') {
        out.push_str(&look.hanging(line));
    }
    out
}

/// A QR code, two rows of it in one line; nothing in plain mode or where it does not fit.
///
/// Many cameras read only dark modules on a light ground. With colours that is what they get on any terminal; without,
/// the letters are taken to be light, as on most.
pub fn qr(text: &str, look: &Look) -> Option<String> {
    if look.plain {
        return None;
    }
    let has_colours = matches!(look.theme, Some(Theme::Dark | Theme::Light));
    let (dark, light) = if has_colours { (Dense1x2::Dark, Dense1x2::Light) } else { (Dense1x2::Light, Dense1x2::Dark) };
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L).ok()?;
    let picture = code.render::<Dense1x2>().dark_color(dark).light_color(light).quiet_zone(true).build();
    let mut out = String::new();
    for line in picture.lines() {
        if line.chars().count() > look.width {
            return None;
        }
        out.push_str(&look.paint(Role::Code, line));
        out.push('\n');
    }
    Some(out)
}

#[cfg(test)]
mod tests;
