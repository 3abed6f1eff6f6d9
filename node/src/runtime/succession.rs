//! A bare profile becomes a device of another account while the node runs: other keys, the same network.

use hobnob_engine::{
    Engine,
    command::{Code, Refusal, Reply},
    work::Now,
};
use hobnob_store::Incarnation;

use super::{Runtime, desk::Caller, disk::Trouble, not_saved};
use crate::profile::{Successor, Who};

/// Who comes instead.
#[derive(Debug)]
pub(super) enum Succession {
    /// A profile with a database of its own.
    Profile(Successor),
    /// Only the keys are new, and on disk already.
    Keys(Who),
}

impl Runtime {
    /// Does it, and tells the caller.
    pub(super) fn on_succession(&mut self, succession: Succession, caller: Caller, now: Now) {
        let done = match succession {
            Succession::Profile(successor) => self.succeed(successor, now),
            Succession::Keys(who) => {
                self.end_account();
                self.begin_as(who, now)
            }
        };
        // Whoever asked may be gone; the node is what it is.
        let _ = caller.send(done.map(|()| Reply::Done));
    }

    fn succeed(&mut self, successor: Successor, now: Now) -> Result<(), Refusal> {
        if !self.engine.as_ref().is_some_and(Engine::is_bare) {
            let message =
                "this profile has friends by now, so it stays what it is; log in from another one: hobnob -P NAME";
            successor.withdraw()?;
            return Err(Refusal::new(Code::Conflict, message));
        }
        self.end_account();
        let (store, who) = successor.take_place().map_err(|why| {
            // Its database may be closed now, and which profile the disk holds is found out when it is opened again.
            self.on_not_saved(Trouble::Unreadable(why.to_string()), now);
            Refusal::new(why.code(), format!("{why}; leave hobnob and start it again"))
        })?;
        self.fresh_incarnation = store.incarnation_hint() == Incarnation::Fresh;
        self.disk.replace(store);
        self.begin_as(who, now)
    }

    /// What the old account was about is over.
    fn end_account(&mut self) {
        self.wire.hang_up();
        self.own.clear();
        self.engine = None;
        self.desk.refuse_all(&Refusal::new(Code::Conflict, "this node has become another account's device; ask again"));
    }

    fn begin_as(&mut self, who: Who, now: Now) -> Result<(), Refusal> {
        self.who = who;
        let loaded = self.reload(now).and_then(|work| self.disk.commit(&work.records).map(|()| work));
        match loaded {
            Ok(work) => {
                self.fresh_incarnation = false;
                self.act(work);
                self.own.extend(self.wire.introduction());
                Ok(())
            }
            Err(why) => {
                let refusal = not_saved(&why);
                self.on_not_saved(why, now);
                Err(refusal)
            }
        }
    }
}
