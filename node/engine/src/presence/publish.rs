//! Publishing at rendezvous, and watching friends there: what each was told, and when it is told again.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::TopicId,
    limits::{MAX_PRESENCE_TTL_SECS, MAX_TOPICS},
    presence::{PresenceContent, PresenceSecret},
    text::Note,
    wire::{
        PresenceState, ServerFrame,
        rendezvous::{PresencePut, PresenceToken, PresenceWatch},
    },
};

use super::note::{Clocks, TTL_MS};
use crate::{
    rendezvous::{Purpose, ServerKey},
    step::Step,
    work::Now,
};

/// A value is published anew after this long: half of the time that it holds.
const REFRESH_MS: u64 = TTL_MS / 2;
/// What a rendezvous refused is tried again after this long.
const RETRY_MS: u64 = 30_000;
/// A clock that is further from a rendezvous's than this is not corrected by it: a rendezvous that lies about the time
/// could keep what we publish for as long. A wrong time zone is less.
const MAX_SKEW_MS: u64 = 24 * 3_600_000;

/// Every rendezvous that has a session of ours.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: BTreeMap<ServerKey, Place>,
    /// Those whose clocks the person was told about.
    warned: BTreeSet<ServerKey>,
}

/// How it stands with one.
#[derive(Debug)]
pub(super) struct Place {
    /// When we publish next; none while there is nothing to show.
    put_ms: Option<u64>,
    /// When what we watch is to be told, if it is not known there.
    watch_ms: Option<u64>,
    /// Its clock is ahead of ours by this.
    ahead_ms: i64,
    /// Which topics it was told that we watch, if that is known.
    watched: Option<BTreeSet<TopicId>>,
    /// Topics of ours that have to end.
    ending: Vec<PresenceToken>,
    /// Under which topic we are shown there.
    shown: Option<PresenceToken>,
    /// When the value ends that we published last.
    expiry_ms: u64,
}

impl Places {
    /// A session with a rendezvous begins, which says what time it is. `Some`: in words, why its friends may not see us.
    pub(super) fn begin(&mut self, server: ServerKey, time_ms: u64, step: &Step<'_>) -> Option<String> {
        let (now, wall) = (step.now.mono_ms, step.now.wall_ms);
        let apart = time_ms.abs_diff(wall);
        let is_near = apart <= MAX_SKEW_MS;
        let ahead_ms = if is_near { time_ms.wrapping_sub(wall).cast_signed() } else { 0 };
        let place = Place {
            put_ms: Some(now),
            watch_ms: Some(now),
            ahead_ms,
            watched: Some(BTreeSet::new()),
            ending: Vec::new(),
            shown: None,
            expiry_ms: 0,
        };
        self.places.insert(server, place);
        let is_news = !is_near && self.warned.insert(server);
        is_news.then(|| {
            let days = apart / MAX_SKEW_MS;
            format!(
                "its clock and the one of this machine are {days} days apart, so friends may not see there that you are \
                 online; set the clock of this machine, or tell its operator"
            )
        })
    }

    /// There is no session any more.
    pub(super) fn end(&mut self, server: &ServerKey) {
        self.places.remove(server);
    }

    pub(super) fn servers(&self) -> Vec<ServerKey> {
        self.places.keys().copied().collect()
    }

    /// What is shown changed: published at once.
    pub(super) fn renew(&mut self, now: Now) {
        for place in self.places.values_mut() {
            place.put_ms = Some(now.mono_ms);
        }
    }

    /// What is watched changed: told at once.
    pub(super) fn watch(&mut self, step: &Step<'_>) {
        for place in self.places.values_mut() {
            place.watch_ms = Some(step.now.mono_ms);
        }
    }

    /// A topic of ours ends, wherever it is shown.
    pub(super) fn withdraw(&mut self, token: &PresenceToken) {
        for place in self.places.values_mut() {
            place.ending.extend(place.shown.take_if(|shown| shown == token));
        }
    }

    /// We leave a rendezvous for good: what ends there what friends see of us.
    pub(super) fn take_leave(&mut self, server: &ServerKey) -> impl Iterator<Item = ServerFrame> + use<> {
        let place = self.places.remove(server);
        place.into_iter().flat_map(|place| place.ending.into_iter().chain(place.shown)).map(end_of)
    }

    /// A rendezvous refused, or did not answer: all of it is told again later. `ending`: what should have ended.
    pub(super) fn on_failed(&mut self, server: &ServerKey, ending: Option<PresenceToken>, step: &Step<'_>) {
        let Some(place) = self.places.get_mut(server) else { return };
        let again = Some(step.now.mono_ms + RETRY_MS);
        (place.put_ms, place.watch_ms) = (again, again);
        place.watched = None;
        place.ending.extend(ending);
    }

    /// What to measure values of this rendezvous with. `None`: we have no session there.
    pub(super) fn clocks(&self, server: &ServerKey, step: &Step<'_>) -> Option<Clocks> {
        Some(self.places.get(server)?.clocks(step))
    }

    pub(super) fn get_mut(&mut self, server: &ServerKey) -> Option<&mut Place> {
        self.places.get_mut(server)
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.places.values().flat_map(|place| [place.put_ms, place.watch_ms]).flatten().min()
    }
}

impl Place {
    fn clocks(&self, step: &Step<'_>) -> Clocks {
        Clocks { server_ms: step.now.wall_ms.saturating_add_signed(self.ahead_ms), mono_ms: step.now.mono_ms }
    }

    /// What is to be published now: nothing, an end, or what is shown.
    pub(super) fn put(
        &mut self,
        shown: Option<(PresenceState, Note)>,
        addresses: &[String],
        secret: &PresenceSecret,
        step: &mut Step<'_>,
    ) -> Vec<(ServerFrame, Purpose)> {
        if self.put_ms.is_none_or(|due| due > step.now.mono_ms) {
            return Vec::new();
        }
        let mut requests = Vec::new();
        let token = secret.token();
        self.put_ms = shown.is_some().then_some(step.now.mono_ms + REFRESH_MS);
        if shown.is_none() {
            self.ending.extend(self.shown.take());
        }
        for old in std::mem::take(&mut self.ending) {
            requests.push((end_of(old.clone()), Purpose::Presence(Some(old))));
        }
        if let Some((state, text)) = shown {
            let clocks = self.clocks(step);
            let expiry_ms = clocks.server_ms + TTL_MS;
            let is_after = self.expiry_ms >= expiry_ms && clocks.is_plausible(self.expiry_ms);
            self.expiry_ms = if is_after { self.expiry_ms + 1 } else { expiry_ms };
            let content = PresenceContent { state, text, addresses: addresses.to_vec(), expiry_ms: self.expiry_ms };
            let sealed = Some(secret.seal(&content, step.rng));
            self.shown = Some(token.clone());
            let put = PresencePut { token, sealed, ttl_secs: MAX_PRESENCE_TTL_SECS };
            requests.push((ServerFrame::PresencePut(put), Purpose::Presence(None)));
        }
        requests
    }

    /// What it is to be told now of the topics that we watch: the new ones, or all where some went.
    pub(super) fn watch(
        &mut self,
        topics: impl Iterator<Item = TopicId>,
        step: &Step<'_>,
    ) -> Vec<(ServerFrame, Purpose)> {
        if self.watch_ms.is_none_or(|due| due > step.now.mono_ms) {
            return Vec::new();
        }
        self.watch_ms = None;
        let wanted: BTreeSet<_> = topics.collect();
        let known = self.watched.take().filter(|watched| watched.is_subset(&wanted));
        let is_anew = known.is_none();
        let told: Vec<_> = wanted.difference(&known.unwrap_or_default()).copied().collect();
        let mut chunks: Vec<_> = told.chunks(MAX_TOPICS).map(<[TopicId]>::to_vec).collect();
        if is_anew && chunks.is_empty() {
            chunks.push(Vec::new());
        }
        self.watched = Some(wanted);
        let requests = chunks.into_iter().enumerate().map(|(index, topics)| {
            let watch = PresenceWatch { topics, replace: is_anew && index == 0 };
            (ServerFrame::PresenceWatch(watch), Purpose::Presence(None))
        });
        requests.collect()
    }
}

/// Ends a topic of ours.
fn end_of(token: PresenceToken) -> ServerFrame {
    ServerFrame::PresencePut(PresencePut { token, sealed: None, ttl_secs: 0 })
}
