//! A name at a rendezvous, without a terminal: passwords come from files or the next line of input.

use std::path::{Path, PathBuf};

use hobnob_shared::{rendezvous::RegistrationCode, text::Note};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Script, odd_answer};
use crate::{
    account::{self, FullName, Login, LoginEnd, Registration, password::StrongPassword},
    api::{Code, Command, Refusal, Reply, ServerView},
    json::{fields, out::Origin},
};

impl Script<'_> {
    pub(super) async fn register(
        &mut self,
        command: &'static str,
        (who, file, code): (FullName, Option<PathBuf>, Option<RegistrationCode>),
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let server = account::server(self.node, who.host.as_deref()).await?;
        let password = StrongPassword::parse(&self.secret(file.as_deref()).await?, &who.name)?;
        let key = self.node.account_key(self.password()?).await?;
        let (name, address) = (who.name.clone(), server.address.clone());
        let wish = Registration { name: who.name, server, password, code, key };
        let words = account::register(self.node, wish, &|_| {}).await?;
        let answer = json!({
            "name": name.as_str(),
            "rendezvous": address.as_str(),
            "recovery_key": words.as_str(),
        });
        self.out.answer(command, origin, fields(answer), &words);
        Ok(())
    }

    pub(super) async fn login(
        &mut self,
        command: &'static str,
        (who, file): (FullName, Option<PathBuf>),
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let server = account::server(self.node, who.host.as_deref()).await?;
        let password = self.secret(file.as_deref()).await?;
        let profile_password = self.password()?;
        let (name, address) = (who.name.clone(), server.address.clone());
        let wish = Login { name: who.name, server, password, profile_password };
        let end = account::login(self.node, wish, &|_| {}).await?;
        let Reply::WhoAmI(me) = self.node.ask(Command::WhoAmI).await? else { return Err(odd_answer()) };
        let answer = json!({
            "name": name.as_str(),
            "rendezvous": address.as_str(),
            "account": me.account.to_string(),
            "device": me.device.to_string(),
            "new_device": end == LoginEnd::NewDevice,
        });
        let text = match end {
            LoginEnd::Again => format!("logged in as {name} again"),
            LoginEnd::NewDevice => format!("this machine is a device of {name} now"),
        };
        self.out.answer(command, origin, fields(answer), &text);
        match end {
            LoginEnd::Again => Ok(()),
            LoginEnd::NewDevice => self.begin_anew().await,
        }
    }

    pub(super) async fn change_name_password(
        &mut self,
        command: &'static str,
        host: Option<String>,
        (file, old_file): (Option<PathBuf>, Option<PathBuf>),
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let (Some(file), Some(old_file)) = (file, old_file) else {
            let message = "passwords are typed at a terminal, or come with --old-password-file FILE and --password-file FILE \
                           (- is the next line, the old one first)";
            return Err(Refusal::new(Code::Login, message));
        };
        let home = account::home(self.node, host.as_deref()).await?;
        let (server, name) = home.clone();
        let old = self.secret(Some(&old_file)).await?;
        let new = StrongPassword::parse(&self.secret(Some(&file)).await?, &name)?;
        let unlocked = account::unlock(self.node, home, old, &|_| {}).await?;
        account::change_password(self.node, unlocked, new, &|_| {}).await?;
        let text = format!("/login {name} takes the new password from now on; your other devices stay logged in");
        self.left(command, &server, &text, origin);
        Ok(())
    }

    pub(super) async fn log_out(
        &mut self,
        command: &'static str,
        host: Option<String>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let (name, server) = account::log_out(self.node, host.as_deref()).await?;
        self.left(command, &server, &format!("logged out; friends and history stay, and {name} stays yours"), origin);
        Ok(())
    }

    pub(super) async fn unregister(
        &mut self,
        command: &'static str,
        host: Option<String>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let (name, server) = account::unregister(self.node, host.as_deref()).await?;
        self.left(command, &server, &format!("{name} is no longer yours; friends and history stay"), origin);
        Ok(())
    }

    pub(super) async fn find(&mut self, command: &'static str, who: FullName, origin: &Origin) -> Result<(), Refusal> {
        let asked = account::find(self.node, who).await?;
        self.answer(command, asked, origin).await;
        Ok(())
    }

    pub(super) async fn add_named(
        &mut self,
        command: &'static str,
        (who, note): (&str, Note),
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let asked = account::add(self.node, who, note).await?;
        self.answer(command, asked, origin).await;
        Ok(())
    }

    fn left(&mut self, command: &'static str, server: &ServerView, text: &str, origin: &Origin) {
        let answer = json!({
            "name": server.name.as_ref().map(|name| name.as_str()),
            "rendezvous": server.address.as_str(),
        });
        self.out.answer(command, origin, fields(answer), text);
    }

    /// The password of a name: from its file, or for `-` the next line of input.
    async fn secret(&mut self, file: Option<&Path>) -> Result<Zeroizing<String>, Refusal> {
        let Some(file) = file else {
            let message = "a password is typed at a terminal, or comes with --password-file FILE behind the name (- is the \
                           next line)";
            return Err(Refusal::new(Code::Login, message));
        };
        match &mut self.lines {
            Some(lines) if file.as_os_str() == "-" => match lines.recv().await {
                Some(line) => {
                    let unreadable = |why| Refusal::new(Code::Login, format!("the password cannot be read: {why}"));
                    line.text.map(Zeroizing::new).map_err(unreadable)
                }
                None => Err(Refusal::new(Code::Login, "the input ended before the password; nothing was changed")),
            },
            _ => Ok(crate::cli::secret_from(file)?.unwrap_or_default()),
        }
    }
}
