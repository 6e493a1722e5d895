//! The store of a simulated world: the reference semantics of the memory store, behind a network and with manners that are
//! as bad as the scenario says.
//!
//! **Invariant:** what is committed is decided by [`Memory`] alone; only when things arrive, and whether anybody hears of
//! them, is decided here.

mod watches;

use crate::event::Process;
use crate::rng::Chance;
use crate::scenario::{FaultKind, StoreManners, WayFault};
use crate::stats::Stats;
use callboard_backends::Memory;
use callboard_backends::memory::{Delivery, WatcherId};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Entry, Op, Outcome, Refusal, Reply, Request, Revision, Txn};
use std::collections::VecDeque;
use std::sync::Arc;
pub(crate) use watches::Planned;
use watches::Watches;

/// The store and what is the matter with it.
#[derive(Clone, Debug)]
pub(crate) struct SimStore {
    pub(crate) memory: Memory,
    pub(crate) manners: StoreManners,
    /// Answers nobody until then.
    pub(crate) down_until: Time,
    /// Has no leader until then, and so can do nothing.
    pub(crate) leaderless_until: Time,
    /// Takes no puts and no new sessions until then.
    pub(crate) full_until: Time,
    /// Takes no writes until then.
    pub(crate) read_only_until: Time,
    /// Is slower by a factor until then.
    pub(crate) slow_until: (Time, u64),
    /// Ends no session before then: after an outage every session gets its time again.
    mercy_until: Time,
    /// The longest ttl that was asked for.
    ttl_max: Span,
    watches: Watches,
    /// The checkers' own watch of everything.
    pub(crate) witness: WatcherId,
    checkpoints: VecDeque<(Time, Memory)>,
    /// How often it was emptied: an emptied store gives no session an id that an earlier one had.
    emptied: u64,
}

/// What the arrival of a request led to.
pub(crate) struct Served {
    /// The answer, if the request has one.
    pub(crate) reply: Option<Reply>,
    /// What watchers, the witness among them, must hear.
    pub(crate) deliveries: Vec<Delivery>,
    /// The transaction, when it was committed.
    pub(crate) committed: Option<Txn>,
}

impl Served {
    fn only(reply: Reply) -> Served {
        Served { reply: Some(reply), deliveries: Vec::new(), committed: None }
    }
}

const AWAY: &str = "the store does not answer";

impl SimStore {
    pub(crate) fn new(manners: StoreManners) -> SimStore {
        let mut memory = Memory::default();
        // An empty store has a history of nothing, so a watch from the beginning can always begin.
        let witness = memory.watch("", Revision(0)).map_or(WatcherId(0), |(witness, _)| witness);
        SimStore {
            memory,
            manners,
            down_until: Time(0),
            leaderless_until: Time(0),
            full_until: Time(0),
            read_only_until: Time(0),
            slow_until: (Time(0), 1),
            mercy_until: Time(0),
            ttl_max: Span(0),
            watches: Watches::default(),
            witness,
            checkpoints: VecDeque::new(),
            emptied: 0,
        }
    }

    /// Begins with what another store held.
    pub(crate) fn begin(&mut self, revision: Revision, entries: Vec<Arc<Entry>>) {
        self.memory = Memory::restore(revision, entries, callboard_backends::memory::HISTORY_TXNS);
        if let Ok((witness, _)) = self.memory.watch("", revision) {
            self.witness = witness;
        }
    }

    /// Tells whether it answers now.
    pub(crate) fn is_up(&self, now: Time) -> bool {
        now >= self.down_until && now >= self.leaderless_until
    }

    /// Tells whether it takes writes now.
    pub(crate) fn takes_writes(&self, now: Time) -> bool {
        self.is_up(now) && now >= self.read_only_until
    }

    /// Tells whether it takes anything new now.
    pub(crate) fn takes_puts(&self, now: Time) -> bool {
        self.takes_writes(now) && now >= self.full_until
    }

    /// Stops answering for a while. Sessions get their whole time again afterwards.
    pub(crate) fn go_down(&mut self, now: Time, lasting: Span) {
        self.down_until = self.down_until.max(now + lasting);
        self.mercy_until = self.mercy_until.max(self.down_until + self.ttl_max);
    }

    /// Loses its leader for a while; the next one gives every session its whole time again.
    pub(crate) fn lose_leader(&mut self, now: Time, lasting: Span) {
        self.leaderless_until = self.leaderless_until.max(now + lasting);
        self.mercy_until = self.mercy_until.max(self.leaderless_until + self.ttl_max);
    }

    /// Runs out of space for a while.
    pub(crate) fn fill_up(&mut self, now: Time, lasting: Span) {
        self.full_until = self.full_until.max(now + lasting);
    }

    /// Tells when a write that reaches a store without a leader is carried out after all, if it is.
    pub(crate) fn commits_later(&self, now: Time, request: &Request, chance: &mut Chance) -> Option<Time> {
        let waits = now < self.leaderless_until && matches!(request, Request::Commit { .. });
        let later = waits && chance.happens(self.manners.commits_later);
        later.then(|| self.leaderless_until + chance.span(Span(0), Span::secs(1)))
    }

    /// Gives how long it takes before it says that it cannot answer.
    pub(crate) fn hesitates(&self, now: Time) -> Span {
        if now < self.leaderless_until { self.manners.fails_after } else { Span(0) }
    }

    /// Stops taking writes for a while; renewals are not writes of keys and go on.
    pub(crate) fn go_read_only(&mut self, now: Time, lasting: Span) {
        self.read_only_until = self.read_only_until.max(now + lasting);
    }

    /// Draws how long one way to or from the store takes.
    pub(crate) fn latency(&self, now: Time, chance: &mut Chance, stats: &mut Stats) -> Span {
        let (low, high) = self.manners.latency;
        let drawn = chance.span(low, high);
        let late = if chance.happens(self.manners.late) {
            stats.hit(FaultKind::Way(WayFault::DelayAnswers).name());
            chance.span(Span::secs(1), Span::secs(30))
        } else {
            Span(0)
        };
        let factor = if now < self.slow_until.0 { self.slow_until.1 } else { 1 };
        Span(drawn.times(factor).0 + late.0)
    }

    /// Carries out a request.
    pub(crate) fn serve(&mut self, now: Time, from: Process, request: Request) -> Served {
        if !self.is_up(now) {
            return match unanswered(request) {
                Some(reply) => Served::only(reply),
                None => Served { reply: None, deliveries: Vec::new(), committed: None },
            };
        }
        match request {
            Request::OpenSession { name, ttl } => {
                if !self.takes_puts(now) {
                    return Served::only(Reply::SessionOpened(Err("it takes no writes".into())));
                }
                let ttl = self.manners.session_ttl(ttl);
                self.ttl_max = self.ttl_max.max(ttl);
                Served::only(Reply::SessionOpened(Ok(self.memory.open_session(&name, ttl, now))))
            }
            Request::RenewSession(session) => {
                let alive = self.memory.renew_session(&session, now);
                Served::only(Reply::SessionRenewed(session, Ok(alive)))
            }
            Request::CloseSession(session) => {
                let deliveries = self.memory.close_session(&session);
                Served { reply: None, deliveries, committed: None }
            }
            Request::List { prefix } => {
                let result = Ok(self.memory.list(&prefix));
                Served::only(Reply::Listed { prefix, result })
            }
            Request::Watch { prefix, after } => match self.watch(from, prefix, after) {
                Ok(deliveries) => Served { reply: None, deliveries, committed: None },
                Err(ended) => Served::only(ended),
            },
            Request::Commit { write, txn } => {
                let puts = txn.ops.iter().any(|op| matches!(op, Op::Put { .. }));
                if !self.takes_writes(now) || puts && !self.takes_puts(now) {
                    let outcome = Outcome::Refused(Refusal::Unavailable("no space left".into()));
                    return Served::only(Reply::Done { write, outcome });
                }
                let (outcome, deliveries) = self.memory.commit(&txn);
                let committed = matches!(outcome, Outcome::Committed(_)).then_some(txn);
                Served { reply: Some(Reply::Done { write, outcome }), deliveries, committed }
            }
        }
    }

    /// Ends the sessions that have lapsed, and tells when to look again.
    pub(crate) fn expire(&mut self, now: Time) -> (Vec<Delivery>, Option<Time>) {
        let deliveries = if now < self.mercy_until || !self.takes_writes(now) {
            Vec::new()
        } else {
            self.memory.expire(now - self.manners.session_slack)
        };
        (deliveries, self.next_expiry(now))
    }

    /// Tells when sessions may lapse.
    pub(crate) fn next_expiry(&self, now: Time) -> Option<Time> {
        let lapse = self.memory.next_expiry()? + self.manners.session_slack;
        Some(lapse.max(self.mercy_until).max(self.read_only_until).max(now + Span(1)))
    }

    /// Ends all sessions at once, or those of one name.
    pub(crate) fn expire_all(&mut self, of: Option<&str>) -> Vec<Delivery> {
        let sessions = self.memory.sessions().filter(|(_, name)| of.is_none_or(|of| of == *name));
        let all: Vec<_> = sessions.map(|(id, _)| id.clone()).collect();
        all.iter().flat_map(|session| self.memory.close_session(session)).collect()
    }

    /// Remembers what it holds now, to be put back to it later.
    pub(crate) fn checkpoint(&mut self, now: Time) {
        self.checkpoints.push_back((now, self.memory.clone()));
        if self.checkpoints.len() > 20 {
            self.checkpoints.pop_front();
        }
    }

    /// Makes the next store that is empty one whose revisions go on where those of this one end, as another store's may.
    pub(crate) fn replace(&mut self) {
        self.emptied = self.emptied.max(self.memory.revision().0 + 1_000);
    }

    /// Puts it back to what it was at a time, or empties it. Sessions and watches are gone.
    pub(crate) fn go_back(&mut self, to: Option<Time>) -> Vec<(Process, Reply)> {
        let ended = self.cut_all("compacted", || true);
        let found = to.and_then(|to| {
            let mut past = self.checkpoints.iter().rev();
            past.find(|(at, _)| *at <= to).map(|(_, memory)| memory.clone())
        });
        let before = std::mem::take(&mut self.memory);
        self.memory = match found {
            Some(memory) => {
                let entries: Vec<_> =
                    memory.entries("").filter(|entry| entry.session.is_none()).cloned().collect();
                Memory::restore(memory.revision(), entries, callboard_backends::memory::HISTORY_TXNS)
            }
            None => {
                self.emptied += 1;
                let begin = Revision(self.emptied);
                Memory::restore(begin, Vec::new(), callboard_backends::memory::HISTORY_TXNS)
            }
        };
        self.memory.succeed(&before);
        let begin = self.memory.revision();
        if let Ok((witness, _)) = self.memory.watch("", begin) {
            self.witness = witness;
        }
        self.checkpoints.clear();
        ended
    }
}

/// Gives what the client of a store that does not answer makes of a request.
pub(crate) fn unanswered(request: Request) -> Option<Reply> {
    let why = || AWAY.to_string();
    match request {
        Request::OpenSession { .. } => Some(Reply::SessionOpened(Err(why()))),
        Request::RenewSession(session) => Some(Reply::SessionRenewed(session, Err(why()))),
        Request::CloseSession(_) => None,
        Request::List { prefix } => Some(Reply::Listed { prefix, result: Err(why()) }),
        Request::Watch { prefix, .. } => Some(Reply::WatchEnded { prefix, why: why() }),
        Request::Commit { write, .. } => Some(Reply::Done { write, outcome: Outcome::Unknown(why()) }),
    }
}
