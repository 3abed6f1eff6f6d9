//! Disappearing messages: each node deletes by its own clock, from the time it stored them.

use std::ops::ControlFlow;

use crate::{
    conversation::{
        Conversations,
        chat::{Chat, Env},
    },
    event::{Change, Event},
    log::row::{ExpiringTable, NumberTable, Place, Rank, TimelineRow, TimelineTable, flag},
    row::RowKey as _,
    step::Step,
    view::{Fault, Order},
};

/// Most messages that disappear in one step; the next step comes at once.
const EXPIRE_AT_ONCE: usize = 200;
/// Most messages that the settings which came late in one batch are applied to.
const RETIME_AT_ONCE: usize = 1000;

impl Chat {
    /// Settings came behind messages that are here already: those below follow them. Once in a batch, so that many
    /// settings cost no more than one.
    fn retime(&mut self, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let Some(from) = self.retime_from.take() else { return Ok(()) };
        // Above the first one that is remembered nobody knows what held: that stays as it is.
        let Some(rank) = self.row.timers.first().map(|(first, _)| from.max(*first)) else { return Ok(()) };
        let mut below: Vec<(Rank, TimelineRow)> = Vec::new();
        let from = (self.number, rank).to_bytes();
        let end = (self.number.saturating_add(1)).to_bytes();
        env.step.range::<TimelineTable>(&from, Some(&end), Order::Ascending, |(_, rank), row| {
            below.push((rank, row));
            if below.len() < RETIME_AT_ONCE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        for (rank, message) in below {
            let Some(mut row) = self.entry(message.place, env.step)? else { continue };
            if row.is_gone() {
                continue;
            }
            if row.expires_ms > 0 {
                env.step.delete::<ExpiringTable>(&(row.expires_ms, self.number, message.place));
                row.expires_ms = 0;
            }
            if let Some(after_secs) = self.timer_at(&rank) {
                self.set_expiry(message.place, &mut row, after_secs, env);
            }
            self.put_entry(message.place, &row, env.step);
        }
        Ok(())
    }

    /// The time of a message is up: it goes from screen and disk; only its link in the chain stays.
    fn expire(&mut self, place: Place, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let Some(mut row) = self.entry(place, env.step)? else { return Ok(()) };
        let told = if row.is_gone() { None } else { Some(self.message(place, &row, env.around, env.step)?) };
        self.forget_message(place, &mut row, flag::EXPIRED, env)?;
        env.step.delete::<TimelineTable>(&(self.number, row.rank()));
        env.step.delete::<NumberTable>(&row.number);
        row.expires_ms = 0;
        self.put_entry(place, &row, env.step);
        if let Some(mut message) = told {
            message.text.clear();
            message.deleted = true;
            env.step.event(Event::MessageChanged { message: Box::new(message), change: Change::Expired });
        }
        Ok(())
    }
}

impl Conversations {
    /// The batch is over: messages that are here follow the settings that came behind them.
    pub(crate) fn retime_all(&mut self, around: &crate::Around<'_>, step: &mut Step<'_>) -> Result<(), Fault> {
        for chat in self.chats.values_mut() {
            chat.retime(&mut Env { counters: &mut self.counters, around, step })?;
        }
        Ok(())
    }

    /// Removes what is due, a bounded number at once.
    pub(crate) fn expire_due(&mut self, around: &crate::Around<'_>, step: &mut Step<'_>) -> Result<(), Fault> {
        let now_ms = step.now.wall_ms;
        if self.counters.next_expiry().is_none_or(|due| due > now_ms) {
            return Ok(());
        }
        let mut due = Vec::new();
        let mut next = None;
        step.range::<ExpiringTable>(&[], None, Order::Ascending, |key, ()| {
            if key.0 > now_ms || due.len() == EXPIRE_AT_ONCE {
                next = Some(key.0);
                return ControlFlow::Break(());
            }
            due.push(key);
            ControlFlow::Continue(())
        })?;
        for key in due {
            step.delete::<ExpiringTable>(&key);
            let (_, number, place) = key;
            if let Some(chat) = self.chats.get_mut(&number) {
                chat.expire(place, &mut Env { counters: &mut self.counters, around, step })?;
            }
        }
        self.counters.set_next_expiry(next);
        Ok(())
    }
}
