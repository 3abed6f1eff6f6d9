//! Names at a rendezvous: who may say whose they are, and what a change of mind looks like.
#![allow(clippy::unwrap_used, reason = "tests")]

mod cast;

use cast::{
    Person, alice, bob, mallory,
    server::{binding, name, rosa, signed_binding},
};
use hobnob_shared::{
    codec,
    id::AccountId,
    identity::{Binding, IdentityError, SignedBinding, SignedClaim, Succession, VerifyingKey},
    limits::MAX_BINDING_BYTES,
    text::Username,
};
use serde_bytes::{ByteArray, ByteBuf};

type Parts = (ByteBuf, ByteArray<64>, ByteArray<64>);

fn key(server: &Person) -> VerifyingKey {
    server.device.verifying_key()
}

/// The binding with one of its parts changed.
fn changed(change: impl FnOnce(&mut Parts)) -> SignedBinding {
    let mut parts = Parts::from(signed_binding());
    change(&mut parts);
    parts.into()
}

#[test]
fn a_name_that_both_signed_is_believed() {
    assert_eq!(alice().account.sign_claim(&binding()).verify(), Ok(binding()));
    assert_eq!(signed_binding().verify(&key(&rosa())), Ok(binding()));
    let again: SignedBinding = codec::decode_exact(&codec::encode(&signed_binding()), 500).unwrap();
    assert_eq!(again.verify(&key(&rosa())), Ok(binding()));
}

#[test]
fn a_rendezvous_cannot_give_a_name_to_an_account_that_did_not_ask() {
    let forged = mallory().account.sign_claim(&Binding { account: mallory().account.id(), ..binding() });
    let (bytes, _) = <(ByteBuf, ByteArray<64>)>::from(alice().account.sign_claim(&binding()));
    let (_, signature) = forged.into();
    let claim = SignedClaim::from((bytes, signature));
    assert_eq!(claim.verify(), Err(IdentityError::Signature));
    assert_eq!(claim.grant(&rosa().device).verify(&key(&rosa())), Err(IdentityError::Signature));
}

#[test]
fn an_account_cannot_take_a_name_that_was_not_granted() {
    let claim = alice().account.sign_claim(&binding());
    assert_eq!(claim.grant(&mallory().device).verify(&key(&rosa())), Err(IdentityError::Signature));
    let copied = changed(|(_, server, account)| *server = *account);
    assert_eq!(copied.verify(&key(&rosa())), Err(IdentityError::Signature), "the two sign under different words");
}

#[test]
fn a_binding_of_another_rendezvous_is_not_this_ones() {
    let other = mallory();
    assert_eq!(signed_binding().verify(&key(&other)), Err(IdentityError::WrongOwner("name")));
    // Mallory's server signs what Alice asked Rosa for.
    let stolen = alice().account.sign_claim(&binding()).grant(&other.device);
    assert_eq!(stolen.verify(&key(&other)), Err(IdentityError::WrongOwner("name")));
}

#[test]
fn every_changed_byte_is_noticed() {
    let bytes = codec::encode(&signed_binding());
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut bytes = bytes.clone();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bit;
            }
            let read = codec::decode::<SignedBinding>(&bytes, 500);
            assert!(read.map_or(true, |signed| signed.verify(&key(&rosa())).is_err()), "byte {at}");
        }
    }
}

#[test]
fn only_the_one_encoding_of_a_sensible_binding_is_read() {
    let with = |bytes: Vec<u8>| changed(|parts| parts.0 = ByteBuf::from(bytes)).verify(&key(&rosa()));
    let fields = |version: u8, seq: u64| {
        let (server, account) = (ByteArray::new([1; 32]), alice().account.id());
        codec::encode(&(version, name("alice"), server, account, seq, 5_u64))
    };
    assert_eq!(with(fields(2, 1)), Err(IdentityError::Version("name", 2)));
    assert_eq!(with(fields(1, 0)), Err(IdentityError::Nonsense("name")));
    assert!(matches!(with([fields(1, 1), vec![0]].concat()), Err(IdentityError::Unreadable(..))));
    assert!(matches!(with(codec::encode(&(1, "Alice", 3))), Err(IdentityError::Unreadable(..))));
    let longest =
        Binding { name: Username::parse("a".repeat(32)).unwrap(), seq: u64::MAX, time_ms: u64::MAX, ..binding() };
    let longest = codec::encode(&alice().account.sign_claim(&longest)).len() - 64;
    assert!(longest <= MAX_BINDING_BYTES, "{longest}");
    assert!(matches!(with(vec![0; MAX_BINDING_BYTES + 1]), Err(IdentityError::Unreadable(..))));
}

#[test]
fn an_account_whose_key_is_weak_has_no_name() {
    let weak = Binding { account: AccountId::new([0; 32]), ..binding() };
    let bytes = codec::encode(&(1_u8, weak.name, ByteArray::new(weak.server), weak.account, weak.seq, weak.time_ms));
    assert_eq!(SignedClaim { bytes, signature: [0; 64] }.verify(), Err(IdentityError::WeakKey));
}

#[test]
fn what_a_new_binding_means_depends_on_the_one_that_was_known() {
    let held = Binding { seq: 5, ..binding() };
    let with = |seq, account| Binding { seq, account, ..held.clone() };
    let (same, other) = (alice().account.id(), bob().account.id());
    for (new, meaning) in [
        (held.clone(), Succession::Same),
        (with(6, same), Succession::Renewed),
        (with(6, other), Succession::Moved),
        (with(4, same), Succession::Stale),
        (with(4, other), Succession::Stale),
        (with(5, other), Succession::Forked),
        (Binding { time_ms: 1, ..held.clone() }, Succession::Forked),
        (Binding { name: name("alicia"), ..with(6, same) }, Succession::Unrelated),
        (Binding { server: [1; 32], ..with(6, same) }, Succession::Unrelated),
    ] {
        assert_eq!(new.succeeds(&held), meaning, "{new:?}");
    }
}
