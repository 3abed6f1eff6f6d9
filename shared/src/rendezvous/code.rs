//! A code that lets one account register where registration is by invitation: 26 characters of base32.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::bounded::Token;

/// Letters between two dashes: a code is read out and typed.
const GROUP: usize = 6;

/// The code. Whoever holds it may register one account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrationCode(Token<16>);

/// Why a code was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a registration code has 26 letters a-z and digits 2-7; copy all of it")]
pub struct CodeError;

impl RegistrationCode {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(Token::generate(rng))
    }

    /// Reads one. Case, blanks and dashes do not matter.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let letters: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').take(27).collect();
        let bytes = BASE32_NOPAD.decode(letters.to_ascii_uppercase().as_bytes()).map_err(|_| CodeError)?;
        bytes.try_into().map(|bytes| Self(Token::new(bytes))).map_err(|_| CodeError)
    }

    /// What the rendezvous stores: the code cannot be read from it.
    pub fn hash(&self) -> [u8; 32] {
        crate::hash::hash("hobnob/registration-code/1", &[self.0.as_bytes()])
    }
}

impl FromStr for RegistrationCode {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        Self::parse(text)
    }
}

/// Lower case, in groups.
impl fmt::Display for RegistrationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, letter) in BASE32_NOPAD.encode(self.0.as_bytes()).to_ascii_lowercase().chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RegistrationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistrationCode(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_code_survives_being_read_out() {
        let code = RegistrationCode(Token::new([0xa5; 16]));
        assert_eq!(code.to_string().split('-').map(str::len).collect::<Vec<_>>(), [6, 6, 6, 6, 2]);
        for text in [code.to_string(), code.to_string().to_uppercase(), code.to_string().replace('-', " ")] {
            assert_eq!(RegistrationCode::parse(&text).unwrap(), code);
        }
    }

    #[test]
    fn a_code_that_is_cut_off_or_mistyped_is_refused() {
        let text = RegistrationCode(Token::new([7; 16])).to_string();
        for wrong in [&text.replacen("a", "", 1), &text.replace('a', "1"), "", &format!("{text}a")] {
            assert_eq!(RegistrationCode::parse(wrong), Err(CodeError), "{wrong}");
        }
    }
}
