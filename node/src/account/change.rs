//! Giving our name at a rendezvous another password.
//!
//! The rendezvous takes the new password and the vault that is sealed under it in one step, so a bare machine gets in with
//! the old one or with the new one, and what it gets in to fits. This device remembers the new key afterwards: cut off
//! before that, it goes on, and says that the vault does not open until it logs in again with the new password. Devices
//! that are told the new key by this one go on as before.

use std::fmt;

use hobnob_engine::Home;
use hobnob_shared::{
    Token,
    text::Username,
    vault::VaultKey,
    wire::{
        ErrorCode, ServerFrame,
        rendezvous::{PasswordChange, VaultPut},
    },
};
use zeroize::Zeroizing;

use super::{
    Tell,
    ask::{Known, Talk, is_wrong_password, known},
    login::{self, Opened},
    password::StrongPassword,
    register::{Evaluated, evaluate},
};
use crate::api::{Code, Node, Refusal, ServerView};

/// How often another device may write the vault while the password is changed.
const TRIES: usize = 3;

/// The old password was right; what it opened.
pub struct Unlocked {
    server: ServerView,
    name: Username,
    opened: Opened,
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unlocked(..)")
    }
}

/// Proves the old password of our name. Changes nothing.
pub async fn unlock(
    node: &Node,
    (server, name): (ServerView, Username),
    old: Zeroizing<String>,
    tell: Tell<'_>,
) -> Result<Unlocked, Refusal> {
    // A name that is not there looks like a wrong password.
    if server.is_forgotten && known(node, &server, &name).await? == Known::Forgotten {
        return Err(gone(&server, &name));
    }
    let mut talk = Talk::new(node, &server, false);
    match login::open(node, &mut talk, &name, old, tell).await {
        Ok(opened) => Ok(Unlocked { server, name, opened }),
        Err(refusal) if is_wrong_password(&refusal) => {
            let message = format!(
                "the old password of {name} at {} is wrong; nothing was changed. Forgotten? /register {name}, on a device \
                 that holds the account's key, sets a new one without it",
                talk.host()
            );
            Err(Refusal { message, ..refusal })
        }
        Err(refusal) => Err(refusal),
    }
}

fn gone(server: &ServerView, name: &Username) -> Refusal {
    let message = format!(
        "{} does not know {name} any more: another machine of yours has given it up, or the rendezvous has lost what it had; \
         friends find you there no more. /register {name} takes it again. Nothing was changed",
        server.called
    );
    Refusal { said: Some(ErrorCode::NotFound), ..Refusal::new(Code::Login, message) }
}

/// Changes it.
pub async fn change_password(
    node: &Node,
    unlocked: Unlocked,
    password: StrongPassword,
    tell: Tell<'_>,
) -> Result<(), Refusal> {
    let Unlocked { server, name, mut opened } = unlocked;
    let mut talk = Talk::new(node, &server, false);
    // What the account's key is proved over is known once something was answered.
    talk.status().await?;
    let mut password = password;
    for _ in 0..TRIES {
        let key = &opened.content.account;
        let evaluated = evaluate(node, &mut talk, (&name, Some(key)), password, tell).await?;
        let seq = opened.home.vault_seq.saturating_add(1);
        match send(&mut talk, &name, &opened, &evaluated, seq).await? {
            Sent::Taken => {
                let vault_key = Token::new(*evaluated.vault_key.to_bytes());
                return login::keep(node, Home { vault_key, vault_seq: seq, ..opened.home }).await;
            }
            Sent::Stale => {
                opened = reopen(&mut talk, &name, opened).await?;
                password = evaluated.password;
            }
        }
    }
    let message = format!(
        "another device of yours writes to the vault at {} all the time; the old password still counts. Try again",
        talk.host()
    );
    Err(Refusal::new(Code::Conflict, message))
}

/// What the rendezvous made of it.
enum Sent {
    Taken,
    /// The vault has been written meanwhile.
    Stale,
}

async fn send(
    talk: &mut Talk<'_>,
    name: &Username,
    opened: &Opened,
    new: &Evaluated,
    seq: u64,
) -> Result<Sent, Refusal> {
    let sealed = new.vault_key.seal(&opened.content, name, seq, &mut crate::profile::rng()?);
    let vault = sealed.map_err(|why| Refusal::new(Code::Limited, format!("{why}; the old password still counts")))?;
    // The start has shown the account's key.
    let vault = VaultPut { seq, expected: opened.home.vault_seq, vault, owner: None };
    let change = PasswordChange { upload: new.upload.clone(), vault };
    match talk.ask(ServerFrame::PasswordChange(change)).await {
        Ok(ServerFrame::Done) => Ok(Sent::Taken),
        Ok(_) => Err(talk.odd()),
        Err(refusal) if matches!(refusal.said, Some(ErrorCode::Stale { .. })) => Ok(Sent::Stale),
        // It may have been taken, and only the answer was lost.
        Err(refusal) if refusal.said.is_none() && refusal.code == Code::Network => {
            let message = format!(
                "the connection to {} broke before it answered: {name} has the new password or still the old one. /login \
                 {name} with the new one finishes it; if that is refused, the old one counts",
                talk.host()
            );
            Err(Refusal { message, ..refusal })
        }
        Err(refusal) => Err(refusal),
    }
}

/// The vault as it is now, under the old key.
async fn reopen(talk: &mut Talk<'_>, name: &Username, opened: Opened) -> Result<Opened, Refusal> {
    let ServerFrame::Vault(vault) = talk.ask(ServerFrame::VaultGet).await? else { return Err(talk.odd()) };
    let key = VaultKey::from_bytes(&Zeroizing::new(*opened.home.vault_key.as_bytes()));
    let content = key.open(&vault.vault, name, vault.seq).map_err(|why| {
        let message =
            format!("{why}; another device of yours may have changed the password just now. Nothing was changed");
        Refusal::new(Code::Conflict, message)
    })?;
    Ok(Opened { content, home: Home { vault_seq: vault.seq, ..opened.home }, ..opened })
}
