//! The password of an account at a rendezvous: how strong it must be, and one that is offered.
//!
//! A rendezvous that lies, or loses its secrets, can guess at it without asking anybody, and whoever guesses it opens the
//! vault with the account's key. So a weak one is refused here, where it is typed; the rendezvous cannot check it.

use hobnob_shared::{identity::keystore, text::Username};
use rand_core::Rng;
use zeroize::Zeroizing;
use zxcvbn::{Score, feedback::Warning, zxcvbn};

use crate::api::{Code, Refusal};

const ADVICE: &str = "take four or more words that do not belong together";

/// The weakest that is taken: 10^8 guesses at least, by zxcvbn's count. Each costs a guesser Argon2id over 256 MiB, a
/// second of one core; so the weakest stands for three years of it, and a common password for none.
const MIN_SCORE: Score = Score::Three;

/// Words of a passphrase that is offered. Each is one of 2048, so six are 66 bits: more than anybody guesses at a second
/// a guess, and little enough to be kept in mind.
const WORDS: usize = 6;

/// Words that a guesser tries first, beside the name.
const OBVIOUS: [&str; 2] = ["hobnob", "rendezvous"];

/// A password that is good enough to register with. Wiped on drop.
#[derive(Debug)]
pub struct StrongPassword(keystore::Password);

/// A password that is too easy to guess: why, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this password is too easy to guess{why}; {ADVICE}")]
pub struct WeakPassword {
    why: String,
}

impl StrongPassword {
    /// Takes what was typed, if it is hard enough to guess for somebody who knows `name`. Takes a few milliseconds.
    pub fn parse(typed: &Zeroizing<String>, name: &Username) -> Result<Self, WeakPassword> {
        let obvious: Vec<&str> = std::iter::once(name.as_str()).chain(OBVIOUS).collect();
        let estimate = zxcvbn(typed, &obvious);
        if estimate.score() >= MIN_SCORE {
            return Ok(Self(keystore::Password::new(typed.clone())));
        }
        let found = estimate.feedback().and_then(|feedback| feedback.warning()).map(words);
        let is_obvious = obvious.iter().any(|word| typed.to_lowercase().contains(word));
        let why = found.or(is_obvious.then_some("it holds your own name, or this program's"));
        Err(WeakPassword { why: why.map(|why| format!(": {why}")).unwrap_or_default() })
    }

    /// For the password protocol.
    pub fn as_password(&self) -> &keystore::Password {
        &self.0
    }
}

impl From<WeakPassword> for Refusal {
    fn from(weak: WeakPassword) -> Self {
        Self::new(Code::Usage, format!("{weak}. Nothing was changed"))
    }
}

/// Six random words, with blanks between: a password that passes.
pub fn passphrase(rng: &mut impl Rng) -> Zeroizing<String> {
    let list = bip39::Language::English.word_list();
    // The longest word has 8 letters: the text never moves in memory.
    let mut text = Zeroizing::new(String::with_capacity(WORDS * 9));
    for at in 0..WORDS {
        // 2048 divides 2^32, so each word is as likely as any other.
        let index = rng.next_u32() as usize % list.len();
        if at > 0 {
            text.push(' ');
        }
        text.push_str(list.get(index).copied().unwrap_or_default());
    }
    text
}

/// What zxcvbn found, in our words.
fn words(warning: Warning) -> &'static str {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess => {
            "it is a pattern on the keyboard"
        }
        Warning::RepeatsLikeAaaAreEasyToGuess | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => {
            "it repeats itself"
        }
        Warning::ThisIsATop10Password | Warning::ThisIsATop100Password | Warning::ThisIsACommonPassword => {
            "it is one that many people have"
        }
        Warning::ThisIsSimilarToACommonlyUsedPassword => "it is much like one that many people have",
        Warning::SequencesLikeAbcAreEasyToGuess => "it is a sequence",
        Warning::RecentYearsAreEasyToGuess | Warning::DatesAreOftenEasyToGuess => "it is a date or a year",
        Warning::AWordByItselfIsEasyToGuess => "it is a single word",
        Warning::NamesAndSurnamesByThemselvesAreEasyToGuess | Warning::CommonNamesAndSurnamesAreEasyToGuess => {
            "it is made of names"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;

    fn parse(text: &str) -> Result<StrongPassword, WeakPassword> {
        StrongPassword::parse(&Zeroizing::new(text.to_owned()), &Username::parse("alice_wonder").unwrap())
    }

    #[test]
    fn weak_passwords_are_refused_with_the_reason() {
        for (text, why) in [
            ("password", "many people have"),
            ("qwertyuiop", "many people have"),
            ("zxcvfdsaqwer", "keyboard"),
            ("aaaaaaaaaaaaaa", "repeats itself"),
            ("abcdefghijk", "sequence"),
            ("alice_wonder", "your own name"),
            ("Alice_Wonder7", "your own name"),
            ("P4ssw0rd!", "much like one that many people have"),
            ("", "too easy to guess"),
            ("hobnob", "your own name"),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.contains(why) && told.contains("four or more words"), "{text}: {told}");
        }
    }

    #[test]
    fn strong_ones_pass_in_any_script_and_at_any_length() {
        for text in
            ["correct battery horse stapler", "gT7#kw92!pQz", "übermäßig viele Möwen", "天気が良いので散歩に行く"]
        {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
        // Only its beginning is looked at, so that a long one does not take a minute.
        assert!(parse(&"gT7#kw92!pQz".repeat(300)).is_ok());
    }

    #[test]
    fn what_is_offered_passes_and_never_comes_twice() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let offered = passphrase(&mut rng);
            assert_eq!(offered.split(' ').filter(|word| word.len() >= 3).count(), WORDS);
            assert!(parse(&offered).is_ok());
            assert!(seen.insert(offered.to_string()));
        }
    }

    #[test]
    fn a_refusal_never_repeats_the_password() {
        assert!(!parse("sunshine1").unwrap_err().to_string().contains("sunshine1"));
    }
}
