//! Passwords and recovery words: asked for without echo, shown until they are written down.

use zeroize::Zeroizing;

use super::{front::Front, render, terminal::Typed};
use crate::api::{Code, Password, ProfileError, Refusal};

/// How often a password may be mistyped: a person who is sent back to the chat may type the next one there.
pub(super) const TRIES: usize = 3;

/// What is asked while recovery words are on the screen.
const WRITTEN_DOWN: &str = "Written down? Enter removes them: ";

/// Cells of a numbered recovery word.
const WORD_CELLS: usize = 14;

impl Front {
    pub(super) async fn change_password(&mut self) -> Result<(), Refusal> {
        let node = self.node.clone();
        let check = async |old: Zeroizing<String>| {
            node.account_key(Password::new(old.clone())).await?;
            Ok(old)
        };
        let old = self.unlocked("old password: ", check).await?;
        let new = self.new_password().await?;
        let is_empty = new.is_empty();
        self.node.change_password(Password::new(old), Password::new(new)).await?;
        self.say(if is_empty {
            "there is no password now: whoever has this disk has your keys"
        } else {
            "changed; it is asked for at the next start"
        });
        Ok(())
    }

    async fn new_password(&mut self) -> Result<Zeroizing<String>, Refusal> {
        for _ in 0..TRIES {
            let new = self.secret("new password (empty for none): ").await?;
            if *self.secret("the new one again: ").await? == *new {
                return Ok(new);
            }
            self.say("the two are not the same");
        }
        let message = "the password is what it was. What you type now is a message again: /passwd asks once more";
        Err(Refusal::new(Code::Login, message))
    }

    pub(super) async fn show_recovery(&mut self) -> Result<(), Refusal> {
        let node = self.node.clone();
        let words = self.unlocked("password: ", async |typed| node.recovery_words(Password::new(typed)).await).await?;
        self.show_words(&words).await;
        Ok(())
    }

    /// The words that restore the account, until they are written down.
    pub(super) async fn show_words(&mut self, words: &str) {
        let waits = !self.options.plain && !self.options.no_input;
        let then = if self.options.plain { ", then close this window" } else { "" };
        self.say(&format!("these words restore your account. Whoever has them is you: write them on paper{then}"));
        let in_a_row = (self.look().width / WORD_CELLS).clamp(1, 6);
        let mut lines = Zeroizing::new(String::new());
        for (at, word) in words.split_whitespace().enumerate() {
            let end = if (at + 1).is_multiple_of(in_a_row) { "\n" } else { "" };
            lines.push_str(&format!("{:>4} {word:<9}{end}", at + 1));
        }
        let text = Zeroizing::new(render::page(lines.trim_end_matches(['\n', ' ']), &self.look()));
        self.terminal.put(&text);
        if waits {
            // Whatever is typed, and Ctrl-C too: nobody wants them to stay.
            self.terminal.answer(WRITTEN_DOWN.to_owned()).await;
            self.terminal.clear();
            self.say("the words are off the screen; /recovery shows them again");
        }
    }

    /// Does `work` with the password of the profile, empty if it has none. A wrong one is asked for again.
    pub(super) async fn unlocked<T>(
        &mut self,
        prompt: &str,
        work: impl AsyncFn(Zeroizing<String>) -> Result<T, ProfileError>,
    ) -> Result<T, Refusal> {
        let has_password = self.node.has_password();
        for _ in 0..TRIES {
            let typed = if has_password { self.secret(prompt).await? } else { Zeroizing::default() };
            match work(typed).await {
                Err(ProfileError::WrongPassword | ProfileError::PasswordNeeded) if has_password => {
                    self.say("the password is wrong");
                }
                done => return Ok(done?),
            }
        }
        let message = "the password was wrong each time, and nothing was changed. What you type now is a message again";
        Err(Refusal::new(Code::Login, message))
    }

    pub(super) async fn secret(&mut self, prompt: &str) -> Result<Zeroizing<String>, Refusal> {
        if self.options.no_input {
            return Err(Refusal::new(
                Code::Login,
                "this asks for a password, and --no-input forbids that; start hobnob without it",
            ));
        }
        self.asked_secret = true;
        match self.terminal.secret(prompt).await {
            Typed::Secret(text) => Ok(text),
            Typed::Line { .. } | Typed::NextUnread { .. } | Typed::Answer(_) | Typed::Interrupted | Typed::End => {
                Err(Refusal::new(Code::Login, "no password was given; nothing was changed"))
            }
        }
    }
}
