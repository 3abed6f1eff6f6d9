//! Presence at Rosa's: a topic is there while a session that published it says something every 40 s.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_engine::{
    command::{Command, Reply},
    work::{Input, LinkId},
};
use hobnob_shared::{
    Token,
    id::TopicId,
    limits::SESSION_DEAD_MS,
    text::Username,
    wire::{
        ServerFrame,
        rendezvous::{PresenceNote, SealedPresence},
    },
};

use super::{World, person, rosa::Rosa};

const DEAD_MS: u64 = SESSION_DEAD_MS;

/// All topics.
#[derive(Default)]
pub(crate) struct Topics {
    values: BTreeMap<TopicId, Value>,
    watched: BTreeMap<LinkId, BTreeSet<TopicId>>,
    /// When each session said something last.
    heard: BTreeMap<LinkId, u64>,
    /// Every value that was ever published.
    pub(crate) past: Vec<(TopicId, SealedPresence)>,
}

struct Value {
    sealed: SealedPresence,
    by: BTreeSet<LinkId>,
    seen_ms: u64,
}

type Told = Vec<(LinkId, ServerFrame)>;

impl Topics {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn on_frame(&mut self, link: LinkId, now_ms: u64) {
        self.heard.insert(link, now_ms);
        for value in self.values.values_mut().filter(|value| value.by.contains(&link)) {
            value.seen_ms = now_ms;
        }
    }

    pub(super) fn on_closed(&mut self, link: LinkId) {
        self.watched.remove(&link);
        self.heard.remove(&link);
        for value in self.values.values_mut() {
            value.by.remove(&link);
        }
    }

    /// Serves it, if it is about presence.
    pub(super) fn serve(&mut self, link: LinkId, frame: &ServerFrame, now_ms: u64) -> Option<Told> {
        match frame {
            ServerFrame::PresencePut(put) => {
                assert!(put.ttl_secs <= 120);
                let topic = put.topic();
                match &put.sealed {
                    Some(sealed) => {
                        self.past.push((topic, sealed.clone()));
                        let mut by = self.values.remove(&topic).map_or_else(BTreeSet::new, |value| value.by);
                        by.insert(link);
                        self.values.insert(topic, Value { sealed: sealed.clone(), by, seen_ms: now_ms });
                    }
                    None => drop(self.values.remove(&topic)),
                }
                Some(self.tell(topic))
            }
            ServerFrame::PresenceWatch(watch) => {
                assert!(watch.topics.len() <= 256);
                let watched = self.watched.entry(link).or_default();
                if watch.replace {
                    watched.clear();
                }
                watched.extend(&watch.topics);
                let there = watch.topics.iter().filter(|topic| self.values.contains_key(*topic));
                Some(there.map(|topic| (link, self.note(*topic))).collect())
            }
            _ => None,
        }
    }

    fn note(&self, topic: TopicId) -> ServerFrame {
        let sealed = self.values.get(&topic).map(|value| value.sealed.clone());
        ServerFrame::PresenceNote(PresenceNote { topic, sealed })
    }

    fn tell(&self, topic: TopicId) -> Told {
        let to = self.watched.iter().filter(|(_, watched)| watched.contains(&topic));
        to.map(|(link, _)| (*link, self.note(topic))).collect()
    }

    fn next_timeout(&self) -> Option<u64> {
        self.values.values().map(|value| value.seen_ms + DEAD_MS).min()
    }

    fn on_timeout(&mut self, now_ms: u64) -> Told {
        let dead = self.values.iter().filter(|(_, value)| value.seen_ms + DEAD_MS <= now_ms);
        let dead: Vec<_> = dead.map(|(topic, _)| *topic).collect();
        let mut told = Vec::new();
        for topic in dead {
            self.values.remove(&topic);
            told.extend(self.tell(topic));
        }
        told
    }

    /// Who watches this topic.
    pub(crate) fn watchers(&self, topic: &TopicId) -> usize {
        self.watched.values().filter(|watched| watched.contains(topic)).count()
    }
}

impl World {
    pub(super) fn rosas(&mut self) -> impl Iterator<Item = &mut Rosa> {
        self.rosa.iter_mut().chain(&mut self.second)
    }

    /// When Rosa has something to do.
    pub(super) fn rosa_timeout(&self) -> Option<u64> {
        let rosas = self.rosa.iter().chain(&self.second);
        rosas.filter(|rosa| !rosa.is_away && !rosa.is_silent).filter_map(|rosa| rosa.topics.next_timeout()).min()
    }

    pub(super) fn rosa_due(&mut self) {
        let now_ms = self.now_ms;
        let told: Vec<_> = self.rosas().flat_map(|rosa| rosa.topics.on_timeout(now_ms)).collect();
        self.announce(told);
    }

    /// Rosa says this without being asked.
    pub(crate) fn announce(&mut self, told: Vec<(LinkId, ServerFrame)>) {
        for (link, frame) in told {
            let Some((node, messages)) = self.rosas().find_map(|rosa| rosa.seal(link, &frame)) else { continue };
            for message in messages {
                self.give(node, Input::Chunk(link, message));
            }
        }
    }

    /// Rosa repeats what was published once, to everybody who watches the topic.
    pub(crate) fn replay(&mut self, (topic, sealed): (TopicId, SealedPresence)) {
        let note = ServerFrame::PresenceNote(PresenceNote { topic, sealed: Some(sealed) });
        let watched = &self.rosa().topics.watched;
        let links: Vec<_> =
            watched.iter().filter(|(_, topics)| topics.contains(&topic)).map(|(link, _)| *link).collect();
        self.announce(links.into_iter().map(|link| (link, note.clone())).collect());
        self.settle();
    }

    /// Gives a node a name at both, or at the only one.
    pub(crate) fn enrol(&mut self, node: usize, text: &str) {
        let (key, _) = person("x", node as u64);
        let payload = match self.ask(node, Command::MyAccount).unwrap() {
            Reply::MyAccount(payload) => *payload,
            other => panic!("{other:?}"),
        };
        let bound: Vec<_> = self
            .rosas()
            .map(|rosa| {
                rosa.accounts.insert(key.id(), (payload.clone(), BTreeMap::new()));
                (rosa.address.clone(), rosa.bind(text, 1, &key))
            })
            .collect();
        for (address, binding) in bound {
            let address = Box::new(address);
            self.ask(node, Command::SetRendezvous { address: address.clone(), used: true }).unwrap();
            let command = Command::Registered {
                server: address,
                name: Username::parse(text).unwrap(),
                binding: Box::new(binding),
                vault_key: Token::new([5; 32]),
                vault_seq: 1,
            };
            self.ask(node, command).unwrap();
        }
        self.pass(100);
    }

    /// This node's links with Rosa break.
    pub(crate) fn leave_links(&mut self, node: usize) {
        let links: Vec<_> = self
            .rosas()
            .flat_map(|rosa| {
                rosa.links.iter().filter(|(_, it)| it.node == node).map(|(link, _)| *link).collect::<Vec<_>>()
            })
            .collect();
        self.leave_rosas(node);
        for link in links {
            self.give(node, Input::Closed(link));
        }
        self.settle();
    }

    /// The process of this node ended: its links with Rosa close.
    pub(super) fn leave_rosas(&mut self, node: usize) {
        for rosa in self.rosas() {
            let gone: Vec<_> = rosa.links.iter().filter(|(_, it)| it.node == node).map(|(link, _)| *link).collect();
            for link in gone {
                rosa.links.remove(&link);
                rosa.topics.on_closed(link);
            }
        }
    }
}
