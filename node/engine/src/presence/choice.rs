//! How the person shows themselves: one choice for all devices of their account, told between them in the self
//! conversation.
//!
//! It is a setting that older versions keep and do not look at: `shown` → `STATE` or `STATE TEXT`. The last word counts
//! everywhere. That one machine leaves is no choice, and is told to nobody here.

use hobnob_shared::{
    text::Note,
    wire::{Body, Setting},
};
use serde::{Deserialize, Serialize};

use crate::{
    Parts,
    command::Presence,
    event::Event,
    row::{Slot, Table},
    settings::Settings,
    step::Step,
    tables::TableId,
    view::Fault,
};

const KEY: &str = "shown";

/// Whether a setting is this one.
pub(crate) fn is_choice(key: &str) -> bool {
    key == KEY
}

#[derive(Debug)]
struct Shown;

impl Table for Shown {
    const ID: TableId = TableId::Profile;
    type Key = Slot<2>;
    type Value = Own;
}

/// How we show ourselves, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Own {
    presence: Presence,
    text: Note,
    /// It was chosen here, and our other devices do not know: there were none.
    #[serde(default)]
    is_unsaid: bool,
}

/// How we show ourselves.
#[derive(Debug)]
pub(super) struct Choice {
    own: Own,
    /// It comes from a version that told nobody, so whatever anybody decided since counts more.
    is_old: bool,
    /// What was shown before other devices of ours said otherwise in this batch.
    before: Option<(Presence, Note)>,
}

impl Choice {
    pub(super) fn load(settings: &Settings, step: &Step<'_>) -> Result<Self, Fault> {
        let stored = step.get::<Shown>(&Slot)?;
        let mut choice = Self { own: stored.unwrap_or_else(Own::at_first), is_old: false, before: None };
        match settings.said(KEY) {
            // An older version kept the word, and did not look at it.
            Some(said) if !choice.own.is_unsaid => {
                if let Some((presence, text)) = parse(said) {
                    choice.own = Own { presence, text, is_unsaid: false };
                }
            }
            Some(_) => {}
            None => choice.is_old = !choice.own.is_unsaid,
        }
        Ok(choice)
    }

    pub(super) fn presence(&self) -> Presence {
        self.own.presence
    }

    pub(super) fn text(&self) -> &Note {
        &self.own.text
    }

    fn both(&self) -> (Presence, Note) {
        (self.own.presence, self.own.text.clone())
    }

    /// The person chooses, here. To be there and shown as gone is to be invisible.
    fn set(&mut self, presence: Presence, text: Note, step: &mut Step<'_>) {
        let presence = if presence == Presence::Offline { Presence::Invisible } else { presence };
        self.own = Own { presence, text, is_unsaid: true };
        (self.is_old, self.before) = (false, None);
        step.put::<Shown>(&Slot, &self.own);
    }

    /// What our other devices have not been told. From now on they have.
    fn take_unsaid(&mut self, settings: &Settings, step: &mut Step<'_>) -> Option<Setting> {
        let hearsay = std::mem::take(&mut self.is_old);
        if std::mem::take(&mut self.own.is_unsaid) {
            step.put::<Shown>(&Slot, &self.own);
        } else if !hearsay {
            return None;
        }
        let at_first = Own::at_first();
        let known = match settings.said(KEY) {
            Some(said) => parse(said),
            None => Some((at_first.presence, at_first.text)),
        };
        let value = to_text(&self.own);
        (known != Some(self.both())).then(|| Setting { key: KEY.to_owned(), value: Some(value), hearsay })
    }

    /// A device of ours says how the person shows themselves. What a later version knows besides changes nothing here.
    /// `true` when it does.
    fn take(&mut self, said: &Setting, step: &mut Step<'_>) -> bool {
        let said = said.value.as_deref().and_then(parse);
        // What was chosen here and is not said yet comes after it.
        let Some((presence, text)) = said.filter(|_| !self.own.is_unsaid) else { return false };
        self.is_old = false;
        let now = self.both();
        if now == (presence, text.clone()) {
            return false;
        }
        self.before.get_or_insert(now);
        self.own = Own { presence, text, is_unsaid: false };
        step.put::<Shown>(&Slot, &self.own);
        true
    }

    /// `true`: other devices of ours said in this batch that we are shown otherwise.
    fn take_changed(&mut self) -> bool {
        self.before.take().is_some_and(|before| before != self.both())
    }

    /// This machine becomes a device of another account.
    pub(super) fn forget(&mut self, step: &mut Step<'_>) {
        *self = Self { own: Own::at_first(), is_old: false, before: None };
        step.delete::<Shown>(&Slot);
    }
}

impl Own {
    fn at_first() -> Self {
        Self { presence: Presence::Online, text: Note::default(), is_unsaid: false }
    }
}

impl Parts {
    /// The person shows themselves otherwise; `None` leaves a part as it is.
    pub(crate) fn choose_presence(&mut self, presence: Option<Presence>, text: Option<Note>, step: &mut Step<'_>) {
        let (before, text_before) = self.presence.own();
        self.presence.choice.set(presence.unwrap_or(before), text.unwrap_or(text_before), step);
        self.show_choice(step);
    }

    /// Tells our other devices.
    pub(crate) fn share_choice(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        match self.presence.choice.take_unsaid(&self.settings, step) {
            Some(said) => self.say(&Body::Setting(said), step),
            None => Ok(()),
        }
    }

    /// A device of ours told us, this one too.
    pub(crate) fn on_choice_said(&mut self, said: &Setting, step: &mut Step<'_>) {
        if self.presence.choice.take(said, step) {
            self.presence.places.renew(step.now);
        }
    }

    /// At the end of a batch: what was chosen elsewhere is seen by friends who have a session, and told here, once.
    pub(crate) fn tell_choice(&mut self, step: &mut Step<'_>) {
        if self.presence.choice.take_changed() {
            self.show_choice(step);
            let (presence, text) = self.presence.own();
            step.event(Event::PresenceChosen { presence, text });
        }
    }

    fn show_choice(&mut self, step: &mut Step<'_>) {
        let friends = self.sessions.all_up().filter(|(.., peer)| self.people.syncs(&peer.account));
        for (link, ..) in friends.collect::<Vec<_>>() {
            self.presence.tell(link, step);
        }
        self.presence.places.renew(step.now);
    }
}

fn parse(said: &str) -> Option<(Presence, Note)> {
    let (word, text) = said.split_once(' ').unwrap_or((said, ""));
    let states = [Presence::Online, Presence::Away, Presence::Busy, Presence::Invisible];
    let state = states.into_iter().find(|state| self::word(*state) == word)?;
    Some((state, Note::parse(text).ok()?))
}

fn to_text(own: &Own) -> String {
    let word = word(own.presence);
    if own.text.as_str().is_empty() { word.to_owned() } else { format!("{word} {}", own.text.as_str()) }
}

fn word(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Busy => "busy",
        Presence::Invisible | Presence::Offline => "invisible",
    }
}
