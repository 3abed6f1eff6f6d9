//! What a login came to.

use hobnob_shared::text::{Nickname, Username, display};

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginEnd {
    /// What this profile is now.
    pub standing: DeviceStanding,
    /// So many friends of the account are known to be there, and have not come yet.
    pub missing_friends: usize,
    /// So many contacts the vault held. One that is new, as after the password was set from recovery words, holds none
    /// until a machine that knows the account's friends has written them there.
    pub vault_friends: usize,
}

/// What this profile is to the account that it logged in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStanding {
    /// A device of it, as before.
    Again,
    /// A device of it, which its newest record did not list any more.
    ListedAnew,
    /// A new device of it.
    New,
}

impl LoginEnd {
    /// In words.
    pub fn told(&self, name: &Username, device: &Nickname) -> String {
        let device = display::line(device.as_str());
        let done = match self.standing {
            DeviceStanding::Again => format!("you are logged in as {name} again, on the device {device}"),
            DeviceStanding::ListedAnew => {
                format!("you are logged in as {name} again, and {device} is a device of the account again")
            }
            DeviceStanding::New => format!(
                "this machine is a device of {name} now, called {device}; your other devices and your friends are told. What \
                 restores the account are the 24 words that were written down when it was made; if this machine showed \
                 words of its own, they are worth nothing now"
            ),
        };
        match (self.missing_friends, self.vault_friends) {
            (0, 0) if self.standing != DeviceStanding::Again => format!(
                "{done}. The vault there holds no friends: if you had some, they come back when another of your machines is \
                 on, or when they write"
            ),
            (0, _) => done,
            (missing, _) => format!(
                "{done}. The rendezvous does not answer just now: {missing} of your contacts come when it does (/net says \
                 how it goes)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn told(standing: DeviceStanding, missing_friends: usize, vault_friends: usize) -> String {
        let (name, device) = (Username::parse("alice").unwrap(), Nickname::parse("phone").unwrap());
        LoginEnd { standing, missing_friends, vault_friends }.told(&name, &device)
    }

    #[test]
    fn a_vault_without_friends_is_not_told_as_if_all_were_here() {
        assert!(told(DeviceStanding::New, 0, 0).contains("holds no friends"));
        assert!(told(DeviceStanding::ListedAnew, 0, 0).contains("holds no friends"));
        assert!(!told(DeviceStanding::Again, 0, 0).contains("holds no friends"), "whoever is a friend is here");
        assert!(!told(DeviceStanding::New, 0, 3).contains("holds no friends"));
        assert!(told(DeviceStanding::New, 3, 3).contains("3 of your contacts"));
    }
}
