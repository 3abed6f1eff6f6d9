//! How a person names one of several rendezvous: by its host, and by more of its address where that is not enough.

use super::Address;

/// Letters of a key that tell two rendezvous apart: 40 bits, where a node uses a handful of them.
const KEY_LETTERS: usize = 8;

impl Address {
    /// Whether `word` names it: `HOST`, `HOST:PORT`, `#` and the first letters of its key, or the address itself. The key
    /// is what counts of an address; without one, its multiaddress.
    pub fn answers_to(&self, word: &str) -> bool {
        if let Ok(address) = Self::parse(word) {
            return address.x25519() == self.x25519();
        }
        match word.strip_prefix('#') {
            Some(letters) => !letters.is_empty() && self.key_text().starts_with(&letters.to_ascii_lowercase()),
            None => {
                let is = |known: &str| known.eq_ignore_ascii_case(word);
                is(self.host()) || is(&self.bracketed()) || is(&self.host_and_port()) || self.begins_with(word)
            }
        }
    }

    /// The shortest name that tells it apart from these: its host, else `HOST:PORT`, else `#` and the first letters of its
    /// key. Each is one that [`Self::answers_to`] takes.
    pub fn called<'a>(&self, all: impl IntoIterator<Item = &'a Self>) -> String {
        let others: Vec<&Self> = all.into_iter().filter(|one| one.x25519() != self.x25519()).collect();
        let is_only = |name: &str| !others.iter().any(|one| one.answers_to(name));
        let key = self.key_text();
        let short = format!("#{}", key.get(..KEY_LETTERS).unwrap_or(&key));
        let names = [self.host().to_owned(), self.host_and_port(), short];
        names.into_iter().find(|name| is_only(name)).unwrap_or_else(|| format!("#{key}"))
    }

    /// `/ip4/…/tcp/PORT`, with the peer id behind it or not.
    fn begins_with(&self, multiaddr: &str) -> bool {
        let whole = self.as_str().split('#').next().unwrap_or_default();
        multiaddr == self.place() || multiaddr == whole
    }

    fn host_and_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.place().split('/').nth(4).unwrap_or_default())
    }

    /// The host as it stands before a port.
    fn bracketed(&self) -> String {
        let host = self.host();
        if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

    use super::*;

    const TRANSPORT: [u8; 38] = {
        let mut bytes = [7; 38];
        let head = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
        let mut at = 0;
        while at < head.len() {
            bytes[at] = head[at];
            at += 1;
        }
        bytes
    };

    fn address(place: &str, key: u8) -> Address {
        Address::new(place, &TRANSPORT, &[key; 32]).unwrap()
    }

    #[test]
    fn all_that_a_person_may_type_for_a_rendezvous_names_it() {
        let rosa = address("/dns4/rosa.example/tcp/4001", 9);
        let key = rosa.key_text();
        let moved = address("/ip4/192.0.2.1/tcp/1", 9).to_string();
        for word in ["rosa.example", "Rosa.Example", "rosa.example:4001", "/dns4/rosa.example/tcp/4001", &moved] {
            assert!(rosa.answers_to(word), "{word}");
        }
        for word in [format!("#{key}"), format!("#{}", &key[..3]), rosa.to_string(), rosa.to_string().replace(&key, "")]
        {
            assert!(rosa.answers_to(word.trim_end_matches('#')), "{word}");
        }
        for word in ["", "#", "rosa", "rosa.example:4002", "rosa.example:", "#zzzz", "/dns4/rosa.example", &key[..8]] {
            assert!(!rosa.answers_to(word), "{word}");
        }
        let other = address("/dns4/rosa.example/tcp/4001", 10);
        assert!(!rosa.answers_to(other.as_str()), "the key is what counts");
    }

    #[test]
    fn an_ip6_host_stands_in_brackets_before_a_port() {
        let rosa = address("/ip6/2001:db8::1/tcp/4001", 9);
        for word in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4001"] {
            assert!(rosa.answers_to(word), "{word}");
        }
        let other = address("/ip6/2001:db8::1/tcp/4002", 10);
        assert_eq!(rosa.called([&rosa, &other]), "[2001:db8::1]:4001");
    }

    #[test]
    fn each_is_called_by_no_more_than_tells_it_apart() {
        let (one, two) = (address("/ip4/192.0.2.1/tcp/1", 9), address("/ip4/192.0.2.1/tcp/2", 10));
        let (three, four) = (address("/ip4/192.0.2.2/tcp/1", 11), address("/ip4/192.0.2.1/tcp/1", 12));
        assert_eq!(one.called([]), "192.0.2.1");
        assert_eq!(one.called([&one, &two, &three]), "192.0.2.1:1");
        assert_eq!(three.called([&one, &two, &three]), "192.0.2.2");
        let all = [&one, &two, &three, &four];
        assert_eq!(one.called(all), format!("#{}", &one.key_text()[..KEY_LETTERS]));
        for address in all {
            let name = address.called(all);
            assert_eq!(all.iter().filter(|one| one.answers_to(&name)).count(), 1, "{name}");
        }
    }
}
