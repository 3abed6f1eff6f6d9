//! The eight bytes before the first chunk: `HOBN`, version, mode, two zeros.

/// Length of the preamble, in bytes.
pub(crate) const PREAMBLE_BYTES: usize = 8;

const VERSION: u8 = 1;
/// Device, invite and nearby.
const MODES: u8 = 3;

/// What the side that opened the stream writes first.
pub(crate) fn preamble(mode: u8) -> [u8; PREAMBLE_BYTES] {
    [b'H', b'O', b'B', b'N', VERSION, mode, 0, 0]
}

/// The mode of a preamble of our version; `None` when it is anything else.
pub(crate) fn parse(bytes: [u8; PREAMBLE_BYTES]) -> Option<u8> {
    match bytes {
        [b'H', b'O', b'B', b'N', VERSION, mode, 0, 0] if mode < MODES => Some(mode),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_comes_back_and_nothing_else_passes() {
        for mode in 0..=255 {
            assert_eq!(parse(preamble(mode)), (mode < MODES).then_some(mode));
        }
        assert_eq!(parse(*b"HOBN\x02\0\0\0"), None);
        assert_eq!(parse(*b"HOBN\x01\0\0\x01"), None);
        assert_eq!(parse(*b"GET / HT"), None);
    }
}
