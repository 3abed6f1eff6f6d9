//! Comparing safety words: commit, nonce, reveal over a live session, so that nobody in between can choose the words.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::AccountId,
    identity::{safety_number, safety_words, sas_commit},
    wire::Frame,
};

use crate::{
    command::Reply,
    event::Event,
    friend::People,
    session::{ASK_TIMEOUT_MS, Sessions},
    step::{SessionId, Step},
    work::Ticket,
};

/// Most comparisons that one session may begin: each shows words to the person.
const MAX_RUNS: u32 = 30;

/// Comparisons under way, at most one in each direction over a session.
#[derive(Debug, Default)]
pub(crate) struct Verifications {
    asked: BTreeMap<SessionId, Asked>,
    answered: BTreeMap<SessionId, Answered>,
    /// How often each session had us answer.
    runs: BTreeMap<SessionId, u32>,
}

/// We began.
#[derive(Debug)]
struct Asked {
    tickets: Vec<Ticket>,
    nonce: [u8; 16],
    since_ms: u64,
}

/// They began.
#[derive(Debug)]
struct Answered {
    commit: [u8; 32],
    nonce: [u8; 16],
    /// We had begun too, and gave way: our own calls are answered with these words.
    tickets: Vec<Ticket>,
    since_ms: u64,
}

impl Verifications {
    /// The person asks for words; the answer follows.
    pub(crate) fn ask(&mut self, session: SessionId, ticket: Ticket, step: &mut Step<'_>) {
        if let Some(asked) = self.asked.get_mut(&session) {
            asked.tickets.push(ticket);
            return;
        }
        let nonce = step.random();
        self.asked.insert(session, Asked { tickets: vec![ticket], nonce, since_ms: step.now.mono_ms });
        step.send(session, Frame::SasCommit { commit: sas_commit(&nonce) });
    }

    /// They begin. When both began at once, the smaller account's run counts.
    pub(crate) fn on_commit(&mut self, session: SessionId, account: &AccountId, commit: [u8; 32], step: &mut Step<'_>) {
        if self.asked.contains_key(&session) && step.me.account < *account {
            return;
        }
        let runs = self.runs.entry(session).or_default();
        *runs += 1;
        if *runs > MAX_RUNS {
            return;
        }
        let tickets = self.asked.remove(&session).map(|asked| asked.tickets).unwrap_or_default();
        let nonce = step.random();
        self.answered.insert(session, Answered { commit, nonce, tickets, since_ms: step.now.mono_ms });
        step.send(session, Frame::SasNonce { nonce });
    }

    /// They answered: now we show what we committed to.
    pub(crate) fn on_nonce(
        &mut self,
        session: SessionId,
        theirs: [u8; 16],
        people: &People,
        sessions: &Sessions,
        step: &mut Step<'_>,
    ) {
        let Some(asked) = self.asked.remove(&session) else { return };
        let Some((account, words)) = words(session, &asked.nonce, &theirs, sessions, step) else { return };
        step.send(session, Frame::SasReveal { nonce: asked.nonce });
        for ticket in asked.tickets {
            let reply = safety(&account, Some(words.clone()), people, step);
            step.reply(ticket, Ok(reply));
        }
    }

    /// They show what they committed to.
    pub(crate) fn on_reveal(
        &mut self,
        session: SessionId,
        theirs: [u8; 16],
        people: &People,
        sessions: &Sessions,
        step: &mut Step<'_>,
    ) {
        let Some(answered) = self.answered.remove(&session) else { return };
        let is_kept = sas_commit(&theirs) == answered.commit;
        let Some((account, words)) = words(session, &answered.nonce, &theirs, sessions, step) else { return };
        if !is_kept {
            let chat = Some(people.handle(&account));
            let message = "the comparison of safety words was tampered with; do not trust it".to_owned();
            step.event(Event::Warning { chat, message });
        }
        for ticket in &answered.tickets {
            let reply = safety(&account, is_kept.then(|| words.clone()), people, step);
            step.reply(*ticket, Ok(reply));
        }
        if is_kept && answered.tickets.is_empty() {
            step.event(Event::SafetyWords { chat: people.handle(&account), words });
        }
    }

    /// The session ended: whoever waits gets the number alone.
    pub(crate) fn on_down(&mut self, session: SessionId, account: &AccountId, people: &People, step: &mut Step<'_>) {
        self.runs.remove(&session);
        self.give_up(session, account, people, step);
    }

    fn give_up(&mut self, session: SessionId, account: &AccountId, people: &People, step: &mut Step<'_>) {
        let asked = self.asked.remove(&session).map(|asked| asked.tickets).unwrap_or_default();
        let answered = self.answered.remove(&session).map(|answered| answered.tickets).unwrap_or_default();
        for ticket in asked.into_iter().chain(answered) {
            let reply = safety(account, None, people, step);
            step.reply(ticket, Ok(reply));
        }
    }

    /// Nobody answered in time: the number alone.
    pub(crate) fn on_timeout(&mut self, people: &People, sessions: &Sessions, step: &mut Step<'_>) {
        let is_over = |since_ms: u64| since_ms + ASK_TIMEOUT_MS <= step.now.mono_ms;
        let asked = self.asked.iter().filter(|(_, it)| is_over(it.since_ms)).map(|(session, _)| *session);
        let answered = self.answered.iter().filter(|(_, it)| is_over(it.since_ms)).map(|(session, _)| *session);
        for session in asked.chain(answered).collect::<Vec<_>>() {
            let account = sessions.peer(session).map_or(step.me.account, |peer| peer.account);
            self.give_up(session, &account, people, step);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let asked = self.asked.values().map(|it| it.since_ms);
        asked.chain(self.answered.values().map(|it| it.since_ms)).min().map(|since| since + ASK_TIMEOUT_MS)
    }
}

/// What a person compares.
pub(crate) fn safety(account: &AccountId, words: Option<[String; 3]>, people: &People, step: &Step<'_>) -> Reply {
    Reply::Safety {
        handle: people.handle(account),
        number: safety_number(&step.me.account, account),
        words,
        verified: people.friend(account).is_some_and(|row| row.verified),
    }
}

fn words(
    session: SessionId,
    ours: &[u8; 16],
    theirs: &[u8; 16],
    sessions: &Sessions,
    step: &Step<'_>,
) -> Option<(AccountId, [String; 3])> {
    let account = sessions.peer(session)?.account;
    let hash = sessions.get(session)?.handshake_hash()?;
    Some((account, safety_words(&hash, &step.me.account, &account, ours, theirs)))
}
