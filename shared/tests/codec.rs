//! The one decoder against what ciborium itself would take (rows 5 to 8 of the hostile table).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cast;

use cast::{alice, message};
use hobnob_shared::{
    codec::{DecodeError, decode, decode_exact, encode},
    limits::{MAX_DEPTH, MAX_FRAME_BYTES},
    wire::{EntryError, Frame, Header},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// As deep as its input.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

#[test]
fn the_length_is_checked_before_anything_is_read() {
    assert_eq!(decode::<u64>(&[0; 9], 8), Err(DecodeError::TooLong { bytes: 9, limit: 8 }));
    assert_eq!(decode::<u64>(&[0x1b, 0, 0, 0, 0, 0, 0, 0, 1], 9), Ok(1));
    let frame = vec![0; MAX_FRAME_BYTES + 1];
    assert!(matches!(Frame::decode(&frame), Err(DecodeError::TooLong { .. })));
}

#[test]
fn what_follows_the_value_is_refused() {
    assert_eq!(decode::<u8>(&[1, 2, 3], 9), Err(DecodeError::Trailing(2)));
    assert_eq!(decode::<u8>(&[], 9), Err(DecodeError::Ended));
    assert_eq!(decode::<(u8, u8)>(&[0x83, 1, 2, 3], 9), Err(DecodeError::Trailing(1)));
}

#[test]
fn huge_claims_are_refused_without_memory() {
    let claims: [&[u8]; 4] = [
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0x7a, 0x40, 0, 0, 0, b'a'],
        &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for claim in claims {
        assert!(decode::<Vec<u8>>(claim, 100).is_err());
        assert!(decode::<serde_bytes::ByteBuf>(claim, 100).is_err());
        assert!(decode::<String>(claim, 100).is_err());
        assert!(decode::<std::collections::BTreeMap<String, u8>>(claim, 100).is_err());
        assert!(Frame::decode(&[&[0x83, 16, 0][..], claim].concat()).is_err());
    }
}

#[test]
fn sixteen_levels_pass_and_one_more_does_not() {
    let nest = |levels: usize| [vec![0x81; levels - 1], vec![0x80]].concat();
    assert!(decode::<Nest>(&nest(MAX_DEPTH), 300).is_ok());
    assert_eq!(decode::<Nest>(&nest(MAX_DEPTH + 1), 300), Err(DecodeError::TooDeep));
}

#[test]
fn deep_input_fits_a_small_stack() {
    let deep = [vec![0x81; 255], vec![0x80]].concat();
    let ignored = [&[0x83, 0x18, 99, 0][..], &deep].concat();
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        assert_eq!(decode::<Nest>(&deep, 300).unwrap_err(), DecodeError::TooDeep);
        assert_eq!(Frame::decode(&ignored).unwrap_err(), DecodeError::TooDeep);
    });
    thread.unwrap().join().unwrap();
}

/// One byte string replaced by another, which must occur exactly once.
fn swap(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at: Vec<usize> = (0..=bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert_eq!(at.len(), 1, "{from:02x?}");
    [&bytes[..at[0]], to, &bytes[at[0] + from.len()..]].concat()
}

#[test]
fn a_header_has_exactly_one_encoding() {
    let header = alice().write_full().entry.header;
    Header::decode(&header).unwrap();
    let conversation = [&[0x58, 32][..], &header[5..37]].concat();
    let seq = [0x19, 0x01, 0x2c];
    let auth = [&[0x58, 32][..], &[0xcd; 32]].concat();
    let as_integers: Vec<u8> = [&[0x98, 32][..], &[[0x18, 0xcd]; 32].concat()].concat();
    let cases = [
        ("version not minimal", swap(&header, &[0x8c, 0x01], &[0x8c, 0x18, 0x01])),
        ("kind not minimal", swap(&header, &[0x8c, 0x01, 0x01], &[0x8c, 0x01, 0x19, 0, 1])),
        ("number not minimal", swap(&header, &seq, &[0x1a, 0, 0, 0x01, 0x2c])),
        ("bignum", swap(&header, &seq, &[0xc2, 0x42, 0x01, 0x2c])),
        ("float", swap(&header, &seq, &[0xfa, 0x43, 0x96, 0, 0])),
        ("tagged", swap(&header, &seq, &[0xc1, 0x19, 0x01, 0x2c])),
        ("indefinite array", [&[0x9f], &header[1..], &[0xff]].concat()),
        ("long array length", [&[0x98, 12], &header[1..]].concat()),
        ("indefinite list", swap(&[&header[..], &[]].concat(), &[0x88, 0x83, 0x58, 24, 1], &[0x9f, 0x83, 0x58, 24, 1])),
        ("indefinite bytes", swap(&header, &auth, &[&[0x5f], &auth[..], &[0xff]].concat())),
        ("bytes as integers", swap(&header, &auth, &as_integers)),
        ("bytes as text", swap(&header, &auth, &[&[0x78, 32][..], &[b'a'; 32]].concat())),
        ("bytes with a long length", swap(&header, &conversation, &[&[0x59, 0, 32], &conversation[2..]].concat())),
        ("trailing byte", [&header[..], &[0]].concat()),
        ("extra element", [&[0x8d], &header[1..], &[0]].concat()),
        ("missing element", [&[0x8b], &header[1..header.len() - 34]].concat()),
        ("null for none", swap(&header, &auth, &[0xf6])),
        ("31 bytes", swap(&header, &auth, &[&[0x58, 31][..], &[0xcd; 31]].concat())),
        ("map", [&[0xac], &header[1..]].concat()),
    ];
    for (case, bytes) in cases {
        assert!(matches!(Header::decode(&bytes), Err(EntryError::Header(_))), "{case}");
    }
}

#[test]
fn every_single_bit_of_a_header_counts() {
    let written = alice().write_full();
    let header = &written.entry.header;
    for bit in 0..header.len() * 8 {
        let mut other = header.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(Header::decode(&other).ok(), Some(written.header.clone()), "bit {bit}");
    }
}

#[test]
fn duplicate_keys_in_a_body_are_refused() {
    let bytes = [0xa2, 0x61, b't', 0x61, b'x', 0x61, b't', 0x61, b'y'];
    assert!(hobnob_shared::wire::Body::decode(1, &bytes).is_err());
    assert!(hobnob_shared::wire::Body::decode(1, &[&[0xa1], &bytes[1..5]].concat()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_our_own_encoding_is_exact(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = decode_exact::<(u16, serde_bytes::ByteBuf, Vec<u64>)>(&bytes, 100) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }

    #[test]
    fn mutated_headers_decode_to_themselves_or_not_at_all(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut header = alice().write("hello").entry.header;
        let at = at.index(header.len());
        header[at] = byte;
        if let Ok(decoded) = Header::decode(&header) {
            prop_assert_eq!(Header::decode(&header), Ok(decoded));
        }
        let _ = message("x");
    }
}
