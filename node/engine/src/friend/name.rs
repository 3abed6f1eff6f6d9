//! How we call people: handles, each of one person only.

use hobnob_shared::{
    id::AccountId,
    text::{Handle, Nickname, display},
};

use super::{FriendRow, People};
use crate::{
    command::{Code, Refusal},
    log::row::Rank,
    settings::nearest,
    step::Step,
};

impl People {
    /// Who is called this, or words that help.
    pub(crate) fn find(&self, handle: &Handle) -> Result<AccountId, Refusal> {
        let lower = || Handle::parse(handle.as_str().to_lowercase()).ok();
        let found = self.handles.get(handle).or_else(|| self.handles.get(&lower()?));
        found.copied().ok_or_else(|| self.not_found(handle))
    }

    pub(super) fn not_found(&self, handle: &Handle) -> Refusal {
        let name = display::line(&handle.to_string());
        let names = self.handles.keys().map(Handle::as_str);
        let hint = match nearest(handle.as_str(), names) {
            Some(near) => format!("did you mean @{near}? /friends lists them"),
            None if self.handles.is_empty() && !self.requests.is_empty() => {
                "somebody asks for you: /requests shows who, and /accept N makes a friend of them".to_owned()
            }
            None if self.handles.is_empty() => {
                "you have no friends here yet; /invite-link makes a link for one, /add NAME asks somebody who has a name at \
                 a rendezvous"
                    .to_owned()
            }
            None => "/friends lists them".to_owned(),
        };
        Refusal::new(Code::NotFound, format!("no friend is called {name}; {hint}"))
    }

    /// How we call them. Somebody without a row is called by their fingerprint.
    pub(crate) fn handle(&self, account: &AccountId) -> Handle {
        self.friends.get(account).map_or_else(|| Handle::made_up(account), |row| row.handle.clone())
    }

    /// Gives them another name of ours.
    pub(crate) fn rename(&mut self, account: &AccountId, to: &Handle, step: &mut Step<'_>) -> Result<(), Refusal> {
        if to.is_reserved() {
            let message = format!("{to} is how you yourself are shown; choose another name");
            return Err(Refusal::new(Code::Conflict, message));
        }
        match self.handles.get(to) {
            Some(holder) if holder != account => {
                let message = format!("{to} is already a friend's name; choose another, or /rename {to} first");
                return Err(Refusal::new(Code::Conflict, message));
            }
            _ => {}
        }
        let from = self.handle(account);
        self.handles.remove(&from);
        self.handles.insert(to.clone(), *account);
        self.change(account, step, |row| {
            row.handle = to.clone();
            row.provisional = false;
        });
        Ok(())
    }

    /// Now that we know how they call themselves: from which handle to which, if the old one was made up.
    pub(crate) fn name_properly(&mut self, account: &AccountId, step: &mut Step<'_>) -> Option<(Handle, Handle)> {
        let nick = self.nick(account)?.clone();
        let from = self.friends.get(account).filter(|row| row.provisional)?.handle.clone();
        let to = self.free_handle(account, Some(&nick));
        self.rename(account, &to, step).ok()?;
        Some((from, to))
    }

    /// A handle that nobody has: from their own name, or made up.
    pub(super) fn free_handle(&self, account: &AccountId, nick: Option<&Nickname>) -> Handle {
        let wish = nick.map_or_else(|| Handle::made_up(account), Handle::from_nickname);
        let numbered = (2..).map(|number| wish.numbered(number));
        let is_free = |handle: &Handle| self.handles.get(handle).is_none_or(|holder| holder == account);
        std::iter::once(wish.clone()).chain(numbered).find(is_free).unwrap_or(wish)
    }

    /// Our devices agreed on a handle. Where they gave it to two people, the one who had it first keeps it, everywhere
    /// the same. Who is called otherwise now.
    pub(crate) fn give_handle(
        &mut self,
        account: &AccountId,
        handle: &Handle,
        rank: Rank,
        step: &mut Step<'_>,
    ) -> Vec<(Handle, Handle)> {
        let mut renamed = Vec::new();
        let holder = self.handles.get(handle).copied().filter(|holder| holder != account);
        let holder_rank = holder.map(|holder| self.friends.get(&holder).and_then(FriendRow::handle_rank));
        let keeps = holder_rank.is_some_and(|held| held.is_some_and(|held| held < rank));
        let mut moves = Vec::new();
        match holder {
            Some(_) if keeps => moves.push((*account, self.free_variant(handle))),
            Some(holder) => moves.extend([(holder, self.free_variant(handle)), (*account, handle.clone())]),
            None => moves.push((*account, handle.clone())),
        }
        for (who, to) in moves {
            let from = self.handle(&who);
            if self.rename(&who, &to, step).is_ok() && from != to {
                renamed.push((from, to));
            }
        }
        renamed
    }

    /// A handle that nobody has, with a number behind this one.
    fn free_variant(&self, wish: &Handle) -> Handle {
        let mut numbered = (2..).map(|number| wish.numbered(number));
        numbered.find(|handle| !self.handles.contains_key(handle)).unwrap_or_else(|| wish.clone())
    }
}
