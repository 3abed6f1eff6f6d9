//! Commands about the devices of the account: each asks for the password.

use zeroize::Zeroizing;

use super::front::Front;
use crate::{
    api::{Command, Password, Refusal, Reply},
    command::DeviceLink,
};

impl Front {
    pub(super) async fn link_device(&mut self, name: &'static str, qr: bool) -> Result<(), Refusal> {
        let node = self.node.clone();
        let key = self.unlocked("password: ", async |typed| node.account_key(Password::new(typed)).await).await?;
        let reply = self.node.ask(Command::LinkDevice { key }).await?;
        self.show(name, &reply, qr);
        Ok(())
    }

    pub(super) async fn revoke_device(&mut self, name: &'static str, device: String) -> Result<(), Refusal> {
        let node = self.node.clone();
        let key = self.unlocked("password: ", async |typed| node.account_key(Password::new(typed)).await).await?;
        let reply = self.node.ask(Command::RevokeDevice { name: device, key }).await?;
        self.show(name, &reply, false);
        Ok(())
    }

    /// The profile becomes a device of another account; the chat ends, to begin again as that.
    pub(super) async fn join_account(&mut self, name: &'static str, link: DeviceLink) -> Result<(), Refusal> {
        let node = self.node.clone();
        let check = async |typed: Zeroizing<String>| {
            node.account_key(Password::new(typed.clone())).await?;
            Ok(typed)
        };
        let password = self.unlocked("password: ", check).await?;
        self.say("reaching the other machine");
        let reply = self.node.ask(Command::JoinAccount { invite: link.0 }).await?;
        if let Reply::Joined(joined) = &reply {
            let kept = self.node.take_over(Password::new(password), (**joined).clone()).await;
            kept.map_err(|why| Refusal::new(why.code(), why.to_string()))?;
            self.leaving = Some(super::Exit::Left);
        }
        self.show(name, &reply, false);
        Ok(())
    }
}
