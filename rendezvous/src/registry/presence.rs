//! Who is there: sealed values under random topics, in memory only.
//!
//! A topic is there as long as a session that published it says something every 40 s; whoever watches it is told of
//! every change and of its end. Sessions that end leave their topics that long, so that a reconnect is not seen.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::TopicId,
    limits::{MAX_PRESENCE_TTL_SECS, SESSION_DEAD_MS},
    wire::{
        ErrorCode,
        rendezvous::{PresenceNote, PresencePut, PresenceWatch, SealedPresence},
    },
};

use super::{
    SessionId,
    limits::MAX_SESSION_TOPICS,
    shares::{Holder, Shares},
    step::Served,
};

/// A topic's number in memory: watching one costs twelve bytes.
type Index = u32;

/// What is told, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) note: PresenceNote,
    pub(crate) to: Vec<SessionId>,
}

/// All topics, and which session has to do with which.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    indexes: BTreeMap<TopicId, Index>,
    topics: Vec<State>,
    free: Vec<Index>,
    due: BTreeSet<(u64, Index)>,
    sessions: BTreeMap<SessionId, Part>,
    /// How many topics each account and source publishes and watches.
    shares: Shares,
}

#[derive(Debug)]
struct State {
    topic: TopicId,
    value: Option<Value>,
    watchers: Vec<SessionId>,
}

#[derive(Debug)]
struct Value {
    sealed: SealedPresence,
    ttl_ms: u64,
    /// When a session of it last said something, as far as was looked.
    seen_ms: u64,
    due_ms: u64,
    publishers: Vec<SessionId>,
    /// Whom it is counted for until it ends: who published it last. Whoever comes and goes has it all the while.
    holder: Holder,
}

/// What a session has to do with topics.
#[derive(Debug)]
struct Part {
    holder: Holder,
    seen_ms: u64,
    published: BTreeSet<Index>,
    watched: BTreeSet<Index>,
}

impl Presence {
    pub(crate) fn on_opened(&mut self, session: SessionId, holder: Holder, now_ms: u64) {
        let part = Part { holder, seen_ms: now_ms, published: BTreeSet::new(), watched: BTreeSet::new() };
        self.sessions.insert(session, part);
    }

    /// A session said something.
    pub(crate) fn on_frame(&mut self, session: SessionId, now_ms: u64) {
        if let Some(part) = self.sessions.get_mut(&session) {
            // It may be told late.
            part.seen_ms = part.seen_ms.max(now_ms);
        }
    }

    /// A session ended. What it published stays until it would have been silent for too long.
    pub(crate) fn on_closed(&mut self, session: SessionId) {
        let Some(part) = self.sessions.remove(&session) else { return };
        self.shares.give_back(part.holder, part.watched.len());
        for index in part.watched {
            self.unwatch(index, session);
        }
        for index in part.published {
            if let Some(value) = self.topics.get_mut(index as usize).and_then(|state| state.value.as_mut()) {
                value.seen_ms = value.seen_ms.max(part.seen_ms);
                value.publishers.retain(|publisher| *publisher != session);
            }
        }
    }

    /// Publishes a value, or ends one. Only who knows the token can name its topic.
    pub(crate) fn publish(
        &mut self,
        session: SessionId,
        put: PresencePut,
        capacity: usize,
        now_ms: u64,
    ) -> Served<Option<Told>> {
        if put.ttl_secs > MAX_PRESENCE_TTL_SECS {
            return Err(ErrorCode::TooLarge.into());
        }
        let Some(part) = self.sessions.get(&session) else { return Err(ErrorCode::Denied.into()) };
        let topic = put.topic();
        let known = self.indexes.get(&topic).copied();
        let Some(sealed) = put.sealed.filter(|_| put.ttl_secs > 0) else {
            return Ok(known.and_then(|index| self.withdraw(index, session)));
        };
        let is_new = known.is_none_or(|index| !part.published.contains(&index));
        if is_new && part.published.len() >= MAX_SESSION_TOPICS {
            return Err(ErrorCode::Quota.into());
        }
        let holder = part.holder;
        let is_counted = known.and_then(|index| self.value(index)).is_some_and(|value| value.holder == holder);
        if !self.shares.have_room(holder, usize::from(!is_counted), self.free(capacity)) {
            return Err(ErrorCode::Busy.into());
        }
        let index = self.index(topic, capacity)?;
        Ok(self.set(index, session, sealed, u64::from(put.ttl_secs) * 1000, now_ms))
    }

    /// Watches topics, beside those that it watches or in place of them. Says what is there already.
    pub(crate) fn watch(&mut self, session: SessionId, watch: &PresenceWatch, capacity: usize) -> Served<Vec<Told>> {
        let Some(part) = self.sessions.get(&session) else { return Err(ErrorCode::Denied.into()) };
        let (holder, held) = (part.holder, part.watched.len());
        let kept = if watch.replace { 0 } else { held };
        if kept + watch.topics.len() > MAX_SESSION_TOPICS {
            return Err(ErrorCode::Quota.into());
        }
        let new = watch.topics.iter().filter(|topic| !self.indexes.contains_key(*topic)).count();
        let more = (kept + watch.topics.len()).saturating_sub(held);
        let free = self.free(capacity);
        if new > free || !self.shares.have_room(holder, more, free) {
            return Err(ErrorCode::Busy.into());
        }
        let before = match self.sessions.get_mut(&session) {
            Some(part) if watch.replace => std::mem::take(&mut part.watched),
            _ => BTreeSet::new(),
        };
        self.shares.give_back(holder, before.len());
        let told = watch.topics.iter().filter_map(|topic| self.add_watcher(session, *topic, capacity)).collect();
        for index in before {
            let is_kept = self.sessions.get(&session).is_some_and(|part| part.watched.contains(&index));
            if !is_kept {
                self.unwatch(index, session);
            }
        }
        Ok(told)
    }

    /// A session publishes and watches nothing any more.
    pub(crate) fn leave_all(&mut self, session: SessionId) -> Vec<Told> {
        let Some(part) = self.sessions.get_mut(&session) else { return Vec::new() };
        let (published, watched) = (part.published.clone(), std::mem::take(&mut part.watched));
        self.shares.give_back(part.holder, watched.len());
        watched.into_iter().for_each(|index| self.unwatch(index, session));
        published.into_iter().filter_map(|index| self.withdraw(index, session)).collect()
    }

    /// When [`Self::on_timeout`] is needed next, if at all.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Looks at the topics that are due: those whose sessions are silent are gone.
    pub(crate) fn on_timeout(&mut self, now_ms: u64) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some((_, index)) = self.due.first().copied().filter(|(due, _)| *due <= now_ms) {
            match self.gone_at(index) {
                Some(at) if at > now_ms => self.set_due(index, at),
                _ => told.extend(self.end(index)),
            }
        }
        told
    }

    /// How many topics are known.
    pub(crate) fn len(&self) -> usize {
        self.indexes.len()
    }

    fn add_watcher(&mut self, session: SessionId, topic: TopicId, capacity: usize) -> Option<Told> {
        let index = self.index(topic, capacity).ok()?;
        let (state, part) = (self.topics.get_mut(index as usize)?, self.sessions.get_mut(&session)?);
        if part.watched.insert(index) {
            self.shares.take(part.holder, 1);
        }
        if !state.watchers.contains(&session) {
            state.watchers.push(session);
        }
        let sealed = state.value.as_ref()?.sealed.clone();
        Some(Told { note: PresenceNote { topic, sealed: Some(sealed) }, to: vec![session] })
    }

    fn set(
        &mut self,
        index: Index,
        session: SessionId,
        sealed: SealedPresence,
        ttl_ms: u64,
        now_ms: u64,
    ) -> Option<Told> {
        let part = self.sessions.get_mut(&session)?;
        part.seen_ms = now_ms;
        part.published.insert(index);
        let holder = part.holder;
        let state = self.topics.get_mut(index as usize)?;
        let before = state.value.take();
        if let Some(before) = &before {
            self.shares.give_back(before.holder, 1);
        }
        self.shares.take(holder, 1);
        let is_same = before.as_ref().is_some_and(|before| before.sealed == sealed);
        let due_ms = before.as_ref().map_or(0, |before| before.due_ms);
        let mut publishers = before.map_or_else(Vec::new, |before| before.publishers);
        if !publishers.contains(&session) {
            publishers.push(session);
        }
        state.value = Some(Value { sealed: sealed.clone(), ttl_ms, seen_ms: now_ms, due_ms, publishers, holder });
        let note = PresenceNote { topic: state.topic, sealed: Some(sealed) };
        let told = Told { note, to: state.watchers.clone() };
        self.set_due(index, now_ms + ttl_ms.min(SESSION_DEAD_MS));
        Some(told).filter(|told| !is_same && !told.to.is_empty())
    }

    /// When a topic is gone, as its sessions stand now.
    fn gone_at(&mut self, index: Index) -> Option<u64> {
        let value = self.topics.get_mut(index as usize)?.value.as_mut()?;
        let seen = value.publishers.iter().filter_map(|session| Some(self.sessions.get(session)?.seen_ms)).max();
        value.seen_ms = value.seen_ms.max(seen.unwrap_or(0));
        Some(value.seen_ms + value.ttl_ms.min(SESSION_DEAD_MS))
    }

    fn set_due(&mut self, index: Index, due_ms: u64) {
        if let Some(value) = self.topics.get_mut(index as usize).and_then(|state| state.value.as_mut()) {
            self.due.remove(&(value.due_ms, index));
            value.due_ms = due_ms;
            self.due.insert((due_ms, index));
        }
    }

    /// A session has no more part in a topic; without any other it is gone.
    fn withdraw(&mut self, index: Index, session: SessionId) -> Option<Told> {
        let value = self.topics.get_mut(index as usize)?.value.as_mut()?;
        value.publishers.retain(|publisher| *publisher != session);
        let is_last = value.publishers.is_empty();
        self.publish_no_more(session, index);
        if is_last { self.end(index) } else { None }
    }

    /// A topic's value is gone.
    fn end(&mut self, index: Index) -> Option<Told> {
        let state = self.topics.get_mut(index as usize)?;
        let value = state.value.take()?;
        let told = Told { note: PresenceNote { topic: state.topic, sealed: None }, to: state.watchers.clone() };
        self.due.remove(&(value.due_ms, index));
        self.shares.give_back(value.holder, 1);
        for session in value.publishers {
            self.publish_no_more(session, index);
        }
        self.drop_unused(index);
        Some(told).filter(|told| !told.to.is_empty())
    }

    fn publish_no_more(&mut self, session: SessionId, index: Index) {
        if let Some(part) = self.sessions.get_mut(&session) {
            part.published.remove(&index);
        }
    }

    fn value(&self, index: Index) -> Option<&Value> {
        self.topics.get(index as usize)?.value.as_ref()
    }

    /// How many topics more there may be.
    fn free(&self, capacity: usize) -> usize {
        capacity.saturating_sub(self.indexes.len())
    }

    fn unwatch(&mut self, index: Index, session: SessionId) {
        if let Some(state) = self.topics.get_mut(index as usize) {
            state.watchers.retain(|watcher| *watcher != session);
            self.drop_unused(index);
        }
    }

    /// The number of a topic, a new one if need be.
    fn index(&mut self, topic: TopicId, capacity: usize) -> Served<Index> {
        if let Some(index) = self.indexes.get(&topic) {
            return Ok(*index);
        }
        if self.indexes.len() >= capacity {
            return Err(ErrorCode::Busy.into());
        }
        let state = State { topic, value: None, watchers: Vec::new() };
        let index = match self.free.pop() {
            Some(index) => index,
            None => Index::try_from(self.topics.len()).map_err(|_| ErrorCode::Busy)?,
        };
        match self.topics.get_mut(index as usize) {
            Some(place) => *place = state,
            None => self.topics.push(state),
        }
        self.indexes.insert(topic, index);
        Ok(index)
    }

    fn drop_unused(&mut self, index: Index) {
        if let Some(state) = self.topics.get_mut(index as usize)
            && state.value.is_none()
            && state.watchers.is_empty()
            && self.indexes.get(&state.topic) == Some(&index)
        {
            self.indexes.remove(&state.topic);
            state.watchers = Vec::new();
            self.free.push(index);
        }
    }
}
