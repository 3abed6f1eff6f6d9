//! What a login came to.

use hobnob_shared::text::{Nickname, Username, display};

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginEnd {
    /// What this profile is now.
    pub standing: DeviceStanding,
    /// So many friends of the account are known to be there, and have not come yet.
    pub missing_friends: usize,
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
                 restores the account are the 24 words that were written down when it was made; words that this machine \
                 showed before are worth nothing now"
            ),
        };
        match self.missing_friends {
            0 => done,
            missing => format!(
                "{done}. The rendezvous does not answer just now: {missing} of your contacts come when it does (/net says \
                 how it goes)"
            ),
        }
    }
}
