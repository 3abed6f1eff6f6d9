//! A name at a rendezvous: what is asked at the terminal on the way, and what is told.

use std::{
    path::{Path, PathBuf},
    pin::pin,
};

use hobnob_shared::{
    rendezvous::RegistrationCode,
    text::{Nickname, Username},
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{front::Front, render, secrets::TRIES};
use crate::{
    account::{
        self, DeviceStanding, FullName, Login, Registration, Stage,
        password::{StrongPassword, passphrase},
    },
    api::{Code, Command, Password, Refusal, Reply},
};

/// What is told of a password that was not chosen.
const NOT_CHOSEN: &str = "nothing was changed. What you type now is a message again";

/// More stages than there are.
const STAGES: usize = 16;

impl Front {
    /// Asks for whatever is missing, then registers.
    pub(super) async fn register(
        &mut self,
        who: FullName,
        file: Option<PathBuf>,
        code: Option<RegistrationCode>,
    ) -> Result<(), Refusal> {
        let server = account::server(&self.node, who.place.as_deref()).await?;
        let (name, host) = (who.name, server.called.clone());
        let password = match file {
            Some(file) => StrongPassword::parse(&secret_from(&file)?, &name)?,
            None => self.choose_password(&name).await?,
        };
        let node = self.node.clone();
        let unlock = async |typed| node.account_key(Password::new(typed)).await;
        let key = self.unlocked("the password of this profile: ", unlock).await?;
        let wish = Registration { name: name.clone(), server, password, code, key };
        let words = self.telling(async |tell| account::register(&node, wish, tell).await).await?;
        self.say(&format!("you are {name} at {host} now: /login {name} works on any new machine"));
        self.show_words(&words).await;
        Ok(())
    }

    /// Asks for the password, then logs in.
    pub(super) async fn login(
        &mut self,
        who: FullName,
        file: Option<PathBuf>,
        device: Option<Nickname>,
    ) -> Result<(), Refusal> {
        let server = account::server(&self.node, who.place.as_deref()).await?;
        let (name, host) = (who.name, server.called.clone());
        let node = self.node.clone();
        let mut of_profile = None;
        let log_in = async |front: &mut Self, password| {
            let typed = match &of_profile {
                Some(typed) => Zeroizing::clone(typed),
                None => of_profile.insert(front.profile_password().await?).clone(),
            };
            let (name, server, device) = (name.clone(), server.clone(), device.clone());
            let wish = Login { name, server, password, profile_password: Password::new(typed), device };
            Ok(front.telling(async |tell| account::login(&node, wish, tell).await).await)
        };
        let wrong = format!("the name or the password is wrong at {host}");
        let end = self.with_password(file, (&format!("password of {name}: "), &wrong), log_in).await?;
        let Reply::WhoAmI(me) = self.node.ask(Command::WhoAmI).await? else { return Ok(()) };
        self.say(&end.told(&name, &me.device_name));
        if end.standing == DeviceStanding::New { self.begin_anew().await } else { Ok(()) }
    }

    /// Asks for the old password of our name, and for the new one twice.
    pub(super) async fn change_name_password(
        &mut self,
        place: Option<String>,
        file: Option<PathBuf>,
        old_file: Option<PathBuf>,
    ) -> Result<(), Refusal> {
        let (server, name) = account::home(&self.node, place.as_deref()).await?;
        let host = server.called.clone();
        let (node, home) = (self.node.clone(), (server, name.clone()));
        let unlock = async |front: &mut Self, old| {
            let home = home.clone();
            Ok(front.telling(async |tell| account::unlock(&node, home, old, tell).await).await)
        };
        let asked = format!("old password of {name} at {host}");
        let unlocked =
            self.with_password(old_file, (&format!("{asked}: "), &format!("the {asked} is wrong")), unlock).await?;
        let new = match file {
            Some(file) => StrongPassword::parse(&secret_from(&file)?, &name)?,
            None => self.choose_password(&name).await?,
        };
        self.telling(async |tell| account::change_password(&node, unlocked, new, tell).await).await?;
        self.say(&format!(
            "/login {name} takes the new password from now on. Your other devices stay logged in, and hear from this one what \
             opens the vault now (/device revoke takes a lost one away). What this profile asks for at its start is unchanged"
        ));
        Ok(())
    }

    pub(super) async fn leave_rendezvous(&mut self, name: &str, place: &str) -> Result<(), Refusal> {
        let command = account::leave(&self.node, place).await?;
        self.ask(name, command, false, None).await
    }

    pub(super) async fn log_out(&mut self, place: Option<String>) -> Result<(), Refusal> {
        let left = account::log_out(&self.node, place.as_deref()).await?;
        self.say(&left.to_string());
        Ok(())
    }

    pub(super) async fn unregister(&mut self, place: Option<String>) -> Result<(), Refusal> {
        let left = account::unregister(&self.node, place.as_deref()).await?;
        self.say(&left.to_string());
        Ok(())
    }

    pub(super) async fn find(&mut self, name: &'static str, who: FullName) -> Result<(), Refusal> {
        let command = account::find(&self.node, who).await?;
        self.ask_in_background(name, None, command);
        Ok(())
    }

    pub(super) async fn add_named(
        &mut self,
        name: &'static str,
        who: &str,
        note: hobnob_shared::text::Note,
    ) -> Result<(), Refusal> {
        let (command, full) = account::add(&self.node, who, note).await?;
        if full.is_some() {
            self.ask_in_background(name, full, command);
            return Ok(());
        }
        self.ask(name, command, false, None).await
    }

    /// Does `work` with a name's password, from its file or typed behind `prompt`. Where it is typed, one that the rendezvous
    /// calls wrong is asked for again: a person who is sent back to the chat may type the next one there. Enter alone ends
    /// it, and so does all else that stands in the way.
    async fn with_password<T>(
        &mut self,
        file: Option<PathBuf>,
        (prompt, wrong): (&str, &str),
        mut work: impl AsyncFnMut(&mut Self, Zeroizing<String>) -> Result<Result<T, Refusal>, Refusal>,
    ) -> Result<T, Refusal> {
        if let Some(file) = file {
            return work(self, secret_from(&file)?).await?;
        }
        for left in (0..TRIES).rev() {
            let typed = self.secret(prompt).await?;
            if typed.is_empty() {
                return Err(Refusal::new(Code::Login, format!("no password was given; {NOT_CHOSEN}")));
            }
            match work(self, typed).await? {
                Err(refusal) if account::is_wrong_password(&refusal) && left > 0 => {
                    self.say(&format!("{wrong}; once more, or Enter alone to leave it"));
                }
                Err(refusal) if account::is_wrong_password(&refusal) => {
                    let message = format!("{}. What you type now is a message again", refusal.message);
                    return Err(Refusal { message, ..refusal });
                }
                done => return done,
            }
        }
        Err(Refusal::new(Code::Login, NOT_CHOSEN))
    }

    /// The password of this profile, checked; empty where it has none.
    async fn profile_password(&mut self) -> Result<Zeroizing<String>, Refusal> {
        if !self.node.has_password() {
            return Ok(Zeroizing::default());
        }
        let node = self.node.clone();
        let check = async |typed: Zeroizing<String>| {
            // A linked device does not have the account's key, and logs in all the same.
            let password = Password::new(typed.clone());
            node.with_keyring(move |keyring| keyring.certificate(password.as_ref())).await?;
            Ok(typed)
        };
        self.unlocked("the password of this profile: ", check).await
    }

    /// A password for `name`, typed twice, or made here and typed back.
    async fn choose_password(&mut self, name: &Username) -> Result<StrongPassword, Refusal> {
        self.say("with this password you log in from any machine, and whoever guesses it is you");
        for _ in 0..TRIES {
            let typed = self.secret(&format!("new password for {name} (Enter alone makes one): ")).await?;
            if typed.is_empty() {
                return self.offer_password(name).await;
            }
            match StrongPassword::parse(&typed, name) {
                Err(weak) => self.say(&format!("{weak}, or press Enter alone for words that hobnob makes")),
                Ok(strong) if *self.secret("the new one again: ").await? == *typed => return Ok(strong),
                Ok(_) => self.say("the two are not the same"),
            }
        }
        Err(Refusal::new(Code::Login, NOT_CHOSEN))
    }

    /// Six words, shown once.
    async fn offer_password(&mut self, name: &Username) -> Result<StrongPassword, Refusal> {
        let offered = passphrase(&mut crate::profile::rng()?);
        self.say("these six words are the password; write them down, they are not shown again");
        let text = Zeroizing::new(render::page(&offered, &self.look()));
        self.terminal.put(&text);
        let is_typed = self.typed_back(&offered).await;
        // Nobody wants them to stay, however it went.
        self.terminal.clear();
        if is_typed? { Ok(StrongPassword::parse(&offered, name)?) } else { Err(Refusal::new(Code::Login, NOT_CHOSEN)) }
    }

    /// Whether the words on the screen are typed once more.
    async fn typed_back(&mut self, offered: &str) -> Result<bool, Refusal> {
        for _ in 0..TRIES {
            let typed = self.secret("type the six words: ").await?;
            if typed.split_whitespace().eq(offered.split(' ')) {
                return Ok(true);
            }
            self.say("these are not the words above");
        }
        Ok(false)
    }

    /// Does `work`, and says how far it is.
    async fn telling<T>(
        &mut self,
        work: impl AsyncFnOnce(account::Tell<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (sender, mut stages) = mpsc::channel::<Stage>(STAGES);
        // A stage that is not told is no loss.
        let tell = move |stage| {
            let _ = sender.try_send(stage);
        };
        let mut work = pin!(work(&tell));
        loop {
            tokio::select! {
                biased;
                Some(stage) = stages.recv() => self.say(&stage.to_string()),
                done = &mut work => return done,
            }
        }
    }
}

/// The first line of the file.
fn secret_from(file: &Path) -> Result<Zeroizing<String>, Refusal> {
    if file.as_os_str() == "-" {
        let message = "standard input is this terminal; leave --password-file out, and the password is asked for";
        return Err(Refusal::new(Code::Usage, message));
    }
    crate::cli::secret_from(file)
}
