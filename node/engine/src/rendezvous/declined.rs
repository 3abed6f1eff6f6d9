//! Friend requests by name that the person declined, told between devices of our account in the self conversation: each of
//! them has a request of its own, or finds it later, and the person says no once.
//!
//! As names, these are settings that older versions keep and do not look at: `declined.X` → `ACCOUNT TIME ACCOUNT TIME …`, the latest
//! last. `X` is the first hexadecimal digit of the accounts, so that two devices which decline at once rarely write the same
//! word. A time is that of the letter which was declined: whoever asks again later is heard again.

use data_encoding::HEXLOWER;
use hobnob_shared::{
    id::AccountId,
    limits::MAIL_TTL_MS,
    wire::{Body, Setting, mail::KnockLetter},
};

use crate::{
    Parts,
    friend::{RequestRow, Source},
    settings::Settings,
    step::Step,
    view::Fault,
};

/// What stands before the digit.
const PREFIX: &str = "declined.";

/// Most that one word tells: 64 digits of an account, 20 of a time and two spaces each, 1 KiB in all. With 16 words they are
/// 176, and what waits at a rendezvous is 14 days old at most. Of the earliest a machine may be asked that was off meanwhile.
const MAX_TOLD: usize = 11;

/// What was declined of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Declined {
    account: AccountId,
    asked_ms: u64,
}

/// Whether a setting is one of these.
pub(crate) fn is_decline(key: &str) -> bool {
    key.starts_with(PREFIX)
}

impl Parts {
    /// The person declined here: that holds for all devices.
    pub(crate) fn tell_declined(&mut self, row: &RequestRow, step: &mut Step<'_>) -> Result<(), Fault> {
        // A row of an older version does not say when they asked.
        if row.asked_ms == 0 || !self.own.has_others(step) || self.own.is_revoked(step) {
            return Ok(());
        }
        let key = key_of(&row.account);
        let mut told = told(&self.settings, &key);
        told.retain(|it| it.account != row.account);
        told.push(Declined { account: row.account, asked_ms: row.asked_ms });
        let value = Some(to_text(told.split_off(told.len().saturating_sub(MAX_TOLD))));
        self.say(&Body::Setting(Setting { key, value, hearsay: false }), step)
    }

    /// The person declined at a device of ours, this one too.
    pub(crate) fn on_declines_said(&mut self, setting: &Setting, step: &mut Step<'_>) {
        let told = setting.value.as_deref().map(parse).unwrap_or_default();
        for it in told.into_iter().filter(|it| key_of(&it.account) == setting.key) {
            let is_it = |row: &RequestRow| matches!(row.source, Source::Name(..)) && it.covers(row.asked_ms);
            if self.people.request_of(&it.account).is_some_and(is_it) {
                self.people.drop_request(&it.account, step);
                self.dismiss(&it.account, step);
            }
        }
    }

    /// Whether the person said no to this request at any device.
    pub(super) fn was_declined(&self, letter: &KnockLetter) -> bool {
        let told = told(&self.settings, &key_of(&letter.from));
        told.iter().any(|it| it.account == letter.from && it.covers(letter.time_ms))
    }
}

impl Declined {
    /// Whether it was said to a letter of this time too. Nothing older waits anywhere, unless their clock was set.
    fn covers(&self, asked_ms: u64) -> bool {
        self.asked_ms.checked_sub(asked_ms).is_some_and(|ms| ms <= MAIL_TTL_MS)
    }
}

fn told(settings: &Settings, key: &str) -> Vec<Declined> {
    settings.said(key).map(parse).unwrap_or_default()
}

/// What is understood of it.
fn parse(text: &str) -> Vec<Declined> {
    let mut words = text.split(' ');
    let next = || {
        let account = HEXLOWER.decode(words.next()?.as_bytes()).ok()?.try_into().ok()?;
        Some(Declined { account: AccountId::new(account), asked_ms: words.next()?.parse().ok()? })
    };
    std::iter::from_fn(next).take(MAX_TOLD).collect()
}

fn to_text(told: Vec<Declined>) -> String {
    let words = |it: Declined| format!("{} {}", HEXLOWER.encode(it.account.as_bytes()), it.asked_ms);
    told.into_iter().map(words).collect::<Vec<_>>().join(" ")
}

fn key_of(account: &AccountId) -> String {
    let digits = HEXLOWER.encode(account.as_bytes());
    digits.chars().take(1).fold(PREFIX.to_owned(), |key, digit| key + digit.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use hobnob_shared::limits::{MAX_SETTING_BYTES, MAX_SETTING_KEY_BYTES};

    use super::*;

    fn declined(account: u8, asked_ms: u64) -> Declined {
        Declined { account: AccountId::new([account; 32]), asked_ms }
    }

    #[test]
    fn a_full_word_fits_and_comes_back() {
        let told: Vec<_> = (0..MAX_TOLD).map(|number| declined(number as u8, u64::MAX)).collect();
        let text = to_text(told.clone());
        assert!(text.len() <= MAX_SETTING_BYTES, "{} bytes", text.len());
        assert_eq!(parse(&text), told);
        assert_eq!(key_of(&AccountId::new([0xb1; 32])), "declined.b");
        assert!(key_of(&AccountId::new([0xb1; 32])).len() <= MAX_SETTING_KEY_BYTES);
    }

    #[test]
    fn nonsense_declines_nobody() {
        for text in ["", " ", "b1", "b1b1 5", "x y", &format!("{} -1", "b1".repeat(32)), &"0".repeat(1024)] {
            assert_eq!(parse(text), [], "{text:?}");
        }
    }

    #[test]
    fn a_later_letter_is_heard_and_so_is_one_of_a_clock_that_was_set() {
        let no = declined(1, 2 * MAIL_TTL_MS);
        let heard = [0, MAIL_TTL_MS - 1, MAIL_TTL_MS, 2 * MAIL_TTL_MS, 2 * MAIL_TTL_MS + 1].map(|ms| !no.covers(ms));
        assert_eq!(heard, [true, true, false, false, true]);
    }
}
