//! A name at a rendezvous, without a terminal: passwords come from files or the next line of input.

use std::path::{Path, PathBuf};

use hobnob_shared::{
    rendezvous::RegistrationCode,
    text::{Nickname, Note},
};
use zeroize::Zeroizing;

use super::{Script, odd_answer};
use crate::{
    account::{self, DeviceStanding, FullName, Left, Login, Registration, password::StrongPassword},
    api::{Code, Command, Refusal, Reply},
    json::{account as json, out::Origin},
};

impl Script<'_> {
    pub(super) async fn register(
        &mut self,
        command: &'static str,
        (who, file, code): (FullName, Option<PathBuf>, Option<RegistrationCode>),
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let server = account::server(self.node, who.place.as_deref()).await?;
        let password = StrongPassword::parse(&self.secret(file.as_deref()).await?, &who.name)?;
        let key = self.node.account_key(self.password()?).await?;
        let name = who.name.clone();
        let wish = Registration { name: who.name, server: server.clone(), password, code, key };
        let words = account::register(self.node, wish, &|_| {}).await?;
        self.out.aside("these words restore your account; whoever has them is you:");
        self.out.answer(command, origin, json::registered(&name, &server, &words), &words);
        Ok(())
    }

    pub(super) async fn login(
        &mut self,
        command: &'static str,
        (who, file, device): (FullName, Option<PathBuf>, Option<Nickname>),
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let server = account::server(self.node, who.place.as_deref()).await?;
        let password = self.secret(file.as_deref()).await?;
        let profile_password = self.password()?;
        let name = who.name.clone();
        let wish = Login { name: who.name, server: server.clone(), password, profile_password, device };
        let end = account::login(self.node, wish, &|_| {}).await?;
        let Reply::WhoAmI(me) = self.node.ask(Command::WhoAmI).await? else { return Err(odd_answer()) };
        let is_new = end.standing == DeviceStanding::New;
        let answer = json::logged_in(&name, &server, &me, end);
        self.out.answer(command, origin, answer, &end.told(&name, &me.device_name));
        if is_new { self.begin_anew().await } else { Ok(()) }
    }

    pub(super) async fn change_name_password(
        &mut self,
        command: &'static str,
        place: Option<String>,
        (file, old_file): (Option<PathBuf>, Option<PathBuf>),
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let (Some(file), Some(old_file)) = (file, old_file) else {
            let message = "passwords are typed at a terminal, or come with --old-password-file FILE and --password-file FILE \
                           (- is the next line, the old one first)";
            return Err(Refusal::new(Code::Login, message));
        };
        let home = account::home(self.node, place.as_deref()).await?;
        let (server, name) = home.clone();
        let old = self.secret(Some(&old_file)).await?;
        let new = StrongPassword::parse(&self.secret(Some(&file)).await?, &name)?;
        let unlocked = account::unlock(self.node, home, old, &|_| {}).await?;
        account::change_password(self.node, unlocked, new, &|_| {}).await?;
        let text = format!("/login {name} takes the new password from now on; your other devices stay logged in");
        self.out.answer(command, origin, json::name_at(&name, &server), &text);
        Ok(())
    }

    pub(super) async fn leave_rendezvous(
        &mut self,
        command: &'static str,
        place: &str,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let asked = account::leave(self.node, place).await?;
        self.answer(command, asked, origin).await;
        Ok(())
    }

    pub(super) async fn log_out(
        &mut self,
        command: &'static str,
        place: Option<String>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let left = account::log_out(self.node, place.as_deref()).await?;
        self.left(command, &left, origin);
        Ok(())
    }

    pub(super) async fn unregister(
        &mut self,
        command: &'static str,
        place: Option<String>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let left = account::unregister(self.node, place.as_deref()).await?;
        self.left(command, &left, origin);
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
        let (asked, _) = account::add(self.node, who, note).await?;
        self.answer(command, asked, origin).await;
        Ok(())
    }

    fn left(&mut self, command: &'static str, left: &Left, origin: &Origin) {
        self.out.answer(command, origin, json::left(left), &left.to_string());
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
                    let line = line.text.map(Zeroizing::new).map_err(unreadable)?;
                    if line.is_empty() {
                        let message = "the line that should be the password is empty; nothing was done";
                        return Err(Refusal::new(Code::Usage, message));
                    }
                    Ok(line)
                }
                None => Err(Refusal::new(Code::Login, "the input ended before the password; nothing was changed")),
            },
            _ => crate::cli::secret_from(file),
        }
    }
}
