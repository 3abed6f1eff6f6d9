//! The loop: inputs → engine → one commit → network, answers, events. *Disk, then wire, then screen.*
//!
//! One thread owns the engine and the database. The wait graph has no ring: front ends wait for this thread (their
//! calls), readers of links wait for it (their chunks), and it waits for the disk and for nobody else: what it hands to
//! the network and to listeners is taken at once or lost for that one peer or listener.
//!
//! While a commit runs, inputs gather; the next commit carries them all. When a commit fails, nothing of its batch has
//! left the process: the engine is thrown away and built anew from what is stored, so the node is as if the batch had
//! never come.

mod catch_up;
mod clock;
mod desk;
mod disk;
mod inbox;
mod start;
mod succession;
mod wind_up;
mod wire;

use hobnob_engine::{
    Engine, Start,
    command::{Code, Refusal},
    event::Event,
    work::{Input, Now, Work},
};
use hobnob_shared::rendezvous::Address;
use tokio::sync::broadcast;

pub(crate) use self::{clock::wall_ms, start::start};

use self::{
    catch_up::CatchingUp,
    clock::Clock,
    desk::{Caller, Desk},
    disk::{Disk, Trouble},
    inbox::{Arrival, BATCH_INPUTS, Inbox, Woken},
    succession::Succession,
    wind_up::Winding,
    wire::{Told, Wire},
};
use crate::{
    api::{Call, Wish},
    profile::Who,
};

/// All that the thread owns.
#[derive(Debug)]
struct Runtime {
    clock: Clock,
    inbox: Inbox,
    /// `None` while the database cannot even be read.
    engine: Option<Engine>,
    who: Who,
    /// What the node was started with.
    rendezvous: Vec<Address>,
    fresh_incarnation: bool,
    disk: Disk,
    wire: Wire,
    desk: Desk,
    events: broadcast::Sender<Event>,
    /// Inputs that the runtime itself has for the engine, before all others.
    own: Vec<Input>,
    /// Accounts that are to take this one's place after the batch.
    successions: Vec<(Succession, Caller)>,
    /// Once the end was asked for: who waits, and how long at most.
    winding: Winding,
    /// Who wants to know when what lay at rendezvous is here.
    catching: CatchingUp,
    /// Nobody has the node yet.
    starting: bool,
    /// The last batch held a timeout.
    had_timeout: bool,
}

impl Runtime {
    /// Runs until it is told to stop.
    fn run(mut self) {
        let mut arrivals = Vec::with_capacity(BATCH_INPUTS);
        loop {
            let deadline = self.deadline();
            let clock = self.clock;
            let left = move || deadline.map_or(Some(FOREVER), |deadline| clock.until(deadline));
            let woken = self.inbox.gather(left, &mut arrivals);
            self.turn(&mut arrivals);
            if woken != Woken::Work {
                return self.leave(&woken);
            }
        }
    }

    /// When the loop must turn even if nothing comes.
    fn deadline(&self) -> Option<u64> {
        if !self.own.is_empty() {
            return Some(0);
        }
        if self.disk.is_refusing() {
            return self.disk.next_try();
        }
        let wanted = self.engine.as_ref().and_then(Engine::next_timeout);
        // An engine whose deadline did not move is wrong, but must not cost a whole core.
        let next = self.clock.now().mono_ms + 1;
        let wanted = wanted.map(|wanted| if self.had_timeout { wanted.max(next) } else { wanted });
        wanted.into_iter().chain(self.winding.deadline()).chain(self.catching.deadline()).min()
    }

    /// One batch, from inputs to events.
    fn turn(&mut self, arrivals: &mut Vec<Arrival>) {
        let now = self.clock.now();
        if self.disk.is_refusing() {
            let asked = arrivals.iter().any(wants_saving);
            if !self.disk.is_try_due(now.mono_ms, asked) || !self.recover(now) {
                return self.turn_unsaved(arrivals, now);
            }
        }
        let inputs = self.inputs(arrivals);
        match self.try_turn(inputs, now) {
            Ok(work) => self.act(work),
            Err(why) => self.on_not_saved(why, now),
        }
        for (succession, caller) in std::mem::take(&mut self.successions) {
            self.on_succession(succession, caller, now);
        }
        self.tell_wound_up();
        self.tell_caught_up();
    }

    /// What came, as the engine takes it.
    fn inputs(&mut self, arrivals: &mut Vec<Arrival>) -> Vec<Input> {
        let mut inputs = std::mem::take(&mut self.own);
        inputs.reserve(arrivals.len());
        for arrival in arrivals.drain(..) {
            match arrival {
                Arrival::Call(call) => inputs.extend(self.on_call(*call)),
                Arrival::Net(event) => match self.wire.told(event) {
                    Told::Input(input) => inputs.push(input),
                    Told::Event(event) => tell(&self.events, event),
                    Told::Nothing => {}
                },
            }
        }
        inputs
    }

    fn on_call(&mut self, call: Call) -> Option<Input> {
        match call.wish {
            Wish::Command(command) => Some(self.desk.take(command, call.answer)),
            // After this batch: what others asked of the old account is answered by it.
            Wish::Succeed(successor) => {
                self.successions.push((Succession::Profile(*successor), call.answer));
                None
            }
            Wish::Become(who) => {
                self.successions.push((Succession::Keys(*who), call.answer));
                None
            }
            Wish::CatchUp => {
                let until_ms = self.clock.now().mono_ms + catch_up::CATCH_UP_MS;
                self.catching.add(until_ms, call.answer);
                None
            }
            Wish::WindUp => {
                self.begin_wind_up();
                self.winding.callers.push(call.answer);
                None
            }
        }
    }

    /// Inputs through the engine and its records onto the disk. After an error the engine is not to be used again.
    fn try_turn(&mut self, inputs: Vec<Input>, now: Now) -> Result<Work, Trouble> {
        let Some(engine) = &mut self.engine else { return Err(unreadable()) };
        let mut work = Work::default();
        {
            let view = self.disk.view()?;
            for input in inputs {
                engine.handle(input, now, &view, &mut work)?;
            }
            self.had_timeout = engine.next_timeout().is_some_and(|timeout| timeout <= now.mono_ms);
            if self.had_timeout {
                engine.handle(Input::Timeout, now, &view, &mut work)?;
            }
            engine.flush(now, &view, &mut work)?;
        }
        self.disk.commit(&work.records)?;
        Ok(work)
    }

    /// What is on disk now may leave: first to the network, then to callers, then to listeners.
    fn act(&mut self, work: Work) {
        if work.key_is_done {
            self.who.seal();
        }
        self.own = self.wire.act(work.actions);
        for (ticket, answer) in work.replies {
            self.desk.answer(ticket, answer);
        }
        for event in work.events {
            // At the start everybody asks where we listen; only a change is news.
            if !(self.starting && matches!(event, Event::Listening(_))) {
                tell(&self.events, event);
            }
        }
    }

    /// Nothing of the batch happened. Everybody who waits is told, and the engine forgets.
    fn on_not_saved(&mut self, why: Trouble, now: Now) {
        tracing::warn!(%why, "a batch failed");
        self.own.clear();
        self.wire.hang_up();
        let refusal = not_saved(&why);
        self.desk.refuse_all(&refusal);
        self.winding.callers.clear();
        self.catching = CatchingUp::default();
        let told = Event::NotSaved { why: why.to_string() };
        let is_damage = matches!(why, Trouble::Unreadable(_));
        if self.disk.on_refusal(why, self.clock.now().mono_ms) {
            tell(&self.events, told);
            if is_damage {
                tell(&self.events, Event::Warning { chat: None, message: refusal.message });
            }
        }
        // For reading only: what it wants saved at once is saved when it is loaded again.
        if let Err(why) = self.reload(now) {
            tracing::error!(%why, "the engine cannot be loaded");
        }
    }

    /// A new engine from what is stored, and what it wants to have saved first.
    fn reload(&mut self, now: Now) -> Result<Work, Trouble> {
        self.engine = None;
        let mut work = Work::default();
        self.engine = Some(self.load(now, &mut work)?);
        Ok(work)
    }

    fn load(&mut self, now: Now, work: &mut Work) -> Result<Engine, Trouble> {
        let (identity, account_key) = self.who.copy();
        let seed = crate::profile::random().map_err(|error| Trouble::Refused(error.to_string()))?;
        let transport = self.wire.transport();
        let fresh_incarnation = self.fresh_incarnation;
        let rendezvous = self.rendezvous.clone();
        let start = Start { identity, account_key, transport, fresh_incarnation, rendezvous, seed: *seed };
        let view = self.disk.view()?;
        Ok(Engine::load(start, &view, now, work)?)
    }

    /// Tries whether the disk takes again, and goes on as after a start if it does.
    fn recover(&mut self, now: Now) -> bool {
        match self.try_recover(now) {
            Ok(work) => {
                self.disk.on_well(now.mono_ms);
                self.act(work);
                self.own.extend(self.wire.introduction());
                tell(&self.events, Event::Saved);
                true
            }
            Err(why) => {
                tracing::debug!(%why, "still refusing");
                self.disk.on_refusal(why, now.mono_ms);
                false
            }
        }
    }

    fn try_recover(&mut self, now: Now) -> Result<Work, Trouble> {
        self.disk.probe()?;
        let work = self.reload(now)?;
        self.disk.commit(&work.records)?;
        self.fresh_incarnation = false;
        Ok(work)
    }

    /// A batch while the disk refuses: who only reads is answered, everybody else is refused, and no link is kept.
    fn turn_unsaved(&mut self, arrivals: &mut Vec<Arrival>, now: Now) {
        for arrival in arrivals.drain(..) {
            match arrival {
                Arrival::Call(call) if desk::is_reading(&call.wish) => self.read(*call, now),
                Arrival::Call(call) => drop(call.answer.send(Err(self.still()))),
                Arrival::Net(event) => {
                    if let Told::Event(event) = self.wire.told(event) {
                        tell(&self.events, event);
                    }
                }
            }
        }
        self.wire.hang_up();
    }

    /// Answers a question from what is stored. Whatever else the engine wants is not done.
    fn read(&mut self, call: Call, now: Now) {
        let input = self.on_call(call);
        let mut work = Work::default();
        let view = self.disk.view();
        let answered = match (&mut self.engine, view, input) {
            (Some(engine), Ok(view), Some(input)) => engine.handle(input, now, &view, &mut work).map_err(Trouble::from),
            (None, _, _) | (_, Err(_), _) | (_, _, None) => Err(unreadable()),
        };
        for (ticket, answer) in work.replies {
            self.desk.answer(ticket, answer);
        }
        let refusal = match answered {
            Ok(()) => self.still(),
            Err(why) => not_saved(&why),
        };
        self.desk.refuse_all(&refusal);
    }

    /// What somebody is told who asks for more than reading meanwhile.
    fn still(&self) -> Refusal {
        match self.disk.trouble() {
            Some(why @ Trouble::Unreadable(_)) => not_saved(why),
            Some(Trouble::Refused(_)) | None => not_saved(&Trouble::Refused("the disk still refuses".to_owned())),
        }
    }

    /// The engine's last words. A disk that refuses them now does not hold anybody up.
    fn say_goodbye(&mut self) {
        let mut work = Work::default();
        let now = self.clock.now();
        let said = match (&mut self.engine, self.disk.view()) {
            (Some(engine), Ok(view)) => engine.leave(now, &view, &mut work).map_err(Trouble::from),
            (None, _) | (_, Err(_)) => return,
        };
        match said.and_then(|()| self.disk.commit(&work.records)) {
            Ok(()) => self.act(work),
            Err(why) => tracing::warn!(%why, "nobody was told that this node stops"),
        }
    }

    /// The end: what waits for the network is sent, links and database are closed, the profile is released.
    fn leave(mut self, woken: &Woken) {
        self.inbox.calls.close();
        let stopping = Refusal::new(Code::Internal, "the node is stopping; what was confirmed is on disk");
        while let Ok(call) = self.inbox.calls.try_recv() {
            drop(call.answer.send(Err(stopping.clone())));
        }
        self.desk.refuse_all(&stopping);
        if *woken == Woken::Stop {
            self.wind_up();
            self.say_goodbye();
            self.inbox.close(self.wire.net(), self.clock);
        }
        tracing::info!("stopped");
    }
}

/// A day: longer than any deadline, and `park_timeout` takes it everywhere.
const FOREVER: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Whether somebody asks for something to be kept.
fn wants_saving(arrival: &Arrival) -> bool {
    match arrival {
        Arrival::Call(call) => !desk::is_reading(&call.wish),
        Arrival::Net(_) => false,
    }
}

fn unreadable() -> Trouble {
    Trouble::Unreadable("the database cannot be read".to_owned())
}

fn not_saved(why: &Trouble) -> Refusal {
    match why {
        Trouble::Refused(why) => Refusal::new(
            Code::NotSaved,
            format!("not saved, and nothing changed: {why}. Make room on the disk; hobnob goes on by itself"),
        ),
        Trouble::Unreadable(why) => Refusal::new(
            Code::Internal,
            format!(
                "nothing changed: {why}. Leave hobnob and put back a copy of the profile, or restore the account from its \
                 recovery words into another directory"
            ),
        ),
    }
}

fn tell(events: &broadcast::Sender<Event>, event: Event) {
    // No one may be listening; what they miss is on disk.
    let _ = events.send(event);
}
