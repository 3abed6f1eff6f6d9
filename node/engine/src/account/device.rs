//! A device of an account: its newest bundle, and where it was reached.

use hobnob_shared::{
    id::DeviceId,
    identity::{Bundle, Certificate, Prekey, SignedBundle, SignedCertificate},
    limits::MAX_ADDRESSES,
    text::Nickname,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::work::TransportId;

/// Most addresses of one device that are remembered because they worked.
const MAX_LEARNED: usize = 8;

/// A certified device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) x25519: ByteArray<32>,
    pub(crate) name: Nickname,
    pub(crate) certificate: SignedCertificate,
    bundle: Option<SignedBundle>,
    bundle_seq: u64,
    #[serde(with = "serde_bytes")]
    transport: Vec<u8>,
    /// From the bundle.
    addresses: Vec<String>,
    /// Reached there, the latest first.
    learned: Vec<String>,
    /// When it was here last, as far as is known, in ms since the epoch.
    #[serde(default)]
    pub(crate) seen_ms: Option<u64>,
}

impl Device {
    /// One of which nothing is known but its certificate.
    pub(super) fn new(certificate: Certificate, signed: SignedCertificate) -> Self {
        Self {
            id: certificate.device,
            x25519: ByteArray::new(certificate.x25519),
            name: certificate.name,
            certificate: signed,
            bundle: None,
            bundle_seq: 0,
            transport: Vec::new(),
            addresses: Vec::new(),
            learned: Vec::new(),
            seen_ms: None,
        }
    }

    pub(super) fn learn_bundle(&mut self, signed: &SignedBundle, bundle: Bundle) -> bool {
        if self.bundle.is_some() && bundle.seq <= self.bundle_seq {
            return false;
        }
        self.bundle = Some(signed.clone());
        self.bundle_seq = bundle.seq;
        if bundle.is_public() {
            // It does not say where the device is; what it told us before still counts.
            return true;
        }
        self.learn_place(bundle);
        true
    }

    /// Takes where it is from a bundle that is not for everybody, and so is not kept. `true` when that is news.
    pub(super) fn learn_told_place(&mut self, bundle: Bundle) -> bool {
        let is_newer = bundle.seq > self.bundle_seq && !bundle.is_public();
        let is_news = is_newer && (self.transport != bundle.transport || self.addresses != bundle.addresses);
        if is_news {
            self.learn_place(bundle);
        }
        is_news
    }

    fn learn_place(&mut self, bundle: Bundle) {
        if self.transport != bundle.transport {
            // They name the old transport, which nobody answers for any more.
            self.learned.clear();
        }
        self.transport = bundle.transport;
        self.addresses = bundle.addresses;
        self.addresses.truncate(MAX_ADDRESSES);
    }

    /// Somebody else says where it is, which counts as long as it has not said so itself. `true` when that is news.
    pub(crate) fn hear_of_place(&mut self, addresses: &[String]) -> bool {
        let is_news = self.transport.is_empty() && !addresses.is_empty() && self.addresses != addresses;
        if is_news {
            self.addresses = addresses.iter().take(MAX_ADDRESSES).cloned().collect();
        }
        is_news
    }

    /// Remembers where it answered. `true` when that was not the first choice already.
    pub(crate) fn learn_address(&mut self, address: &str) -> bool {
        if self.learned.first().is_some_and(|first| first == address) {
            return false;
        }
        self.learned.retain(|held| held != address);
        self.learned.insert(0, address.to_owned());
        self.learned.truncate(MAX_LEARNED);
        true
    }

    /// Where to try it, best first.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let fresh = self.addresses.iter().filter(|address| !self.learned.contains(address));
        self.learned.iter().chain(fresh).cloned().collect()
    }

    /// What its newest bundle says: number, time of signing, addresses.
    pub(crate) fn told(&self) -> (u64, u64, Vec<String>) {
        let created = self.bundle.as_ref().and_then(|signed| signed.verify(&self.id).ok()).map(|it| it.created_ms);
        (self.bundle_seq, created.unwrap_or(0), self.addresses.clone())
    }

    /// Its newest bundle.
    pub(crate) fn bundle(&self) -> Option<&SignedBundle> {
        self.bundle.as_ref()
    }

    /// The addresses that its newest bundle names.
    pub(crate) fn told_addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The number of its newest bundle.
    pub(crate) fn bundle_seq(&self) -> u64 {
        self.bundle_seq
    }

    /// The prekeys that its newest bundle names.
    pub(crate) fn prekeys(&self) -> Vec<Prekey> {
        let bundle = self.bundle.as_ref().and_then(|signed| signed.verify(&self.id).ok());
        bundle.map(|bundle| bundle.prekeys).unwrap_or_default()
    }

    /// Its transport, once it has told us.
    pub(crate) fn transport(&self) -> Option<TransportId> {
        (!self.transport.is_empty()).then(|| TransportId(self.transport.clone()))
    }
}
