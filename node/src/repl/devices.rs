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

    /// The profile becomes a device of another account, and the chat goes on as that.
    pub(super) async fn join_account(&mut self, name: &'static str, link: DeviceLink) -> Result<(), Refusal> {
        let node = self.node.clone();
        let check = async |typed: Zeroizing<String>| {
            node.account_key(Password::new(typed.clone())).await?;
            Ok(typed)
        };
        let password = self.unlocked("password: ", check).await?;
        self.say("reaching the other machine");
        let reply = self.node.ask(Command::JoinAccount { invite: link.0 }).await?;
        let Reply::Joined(joined) = &reply else { return Ok(()) };
        self.node.take_over(Password::new(password), (**joined).clone()).await?;
        self.show(name, &reply, false);
        self.begin_anew().await
    }

    /// The node is another account's device now: what was known of the old one is nothing.
    pub(super) async fn begin_anew(&mut self) -> Result<(), Refusal> {
        self.scene.chat = None;
        self.drafts.clear();
        self.load().await?;
        self.greet().await
    }
}
