//! The one transaction in flight, and what follows from its end: what was refused, or whose outcome nobody knows, is
//! read again before anything else is decided.

use super::{Effect, Scheduler};
use crate::machine::Time;
use crate::mirror::{REPLY_DEADLINE, mix, retry_delay};
use crate::model::Name;
use crate::store::{Op, Outcome, Refusal, Reply, Request, Revision, Txn, WriteId};
use crate::why::Note;
use crate::world::World;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The transaction in flight and the keys in doubt.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Writes {
    next: u64,
    in_flight: Option<InFlight>,
    ended: Option<(InFlight, Outcome)>,
    /// Keys to read again, and when to ask (again).
    doubtful: BTreeMap<String, Time>,
    failures: u32,
    /// The store takes no writes; tried again then.
    pause: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct InFlight {
    write: WriteId,
    ops: Vec<Op>,
    purpose: Purpose,
    notes: Vec<Note>,
    deadline: Time,
}

/// What a transaction is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// Takes a cluster's lock.
    Lock(Name),
    /// Carries out a plan for a cluster.
    Plan(Name),
}

impl Writes {
    /// Tells whether nothing is in flight or in doubt.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.doubtful.is_empty() && self.ended.is_none() && self.pause.is_none()
    }

    /// Tells whether the last transactions came to nothing for want of the store.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Sends a transaction.
    pub(super) fn send(&mut self, now: Time, txn: Txn, purpose: Purpose, notes: Vec<Note>) -> Request {
        assert!(self.is_idle(), "a transaction is sent while another one is in flight");
        assert_eq!(txn.fault(), None, "a transaction that no store may be sent");
        self.next += 1;
        let write = WriteId(self.next);
        let deadline = now + REPLY_DEADLINE;
        self.in_flight = Some(InFlight { write, ops: txn.ops.clone(), purpose, notes, deadline });
        Request::Commit { write, txn }
    }

    /// Takes an answer. Tells whether the transaction in flight has come to its end.
    pub(super) fn reply(&mut self, now: Time, reply: &Reply, world: &mut World) -> bool {
        match reply {
            Reply::Done { write, outcome }
                if self.in_flight.as_ref().is_some_and(|sent| sent.write == *write) =>
            {
                self.ended = self.in_flight.take().map(|sent| (sent, outcome.clone()));
                true
            }
            Reply::Listed { prefix, result } if self.doubtful.contains_key(prefix) => {
                match result {
                    Ok(listing) => {
                        let found = listing.entries.iter().find(|entry| entry.key == *prefix);
                        world.restore(now, prefix, found.map(|entry| &**entry), listing.revision);
                        self.doubtful.remove(prefix);
                    }
                    Err(_) => {
                        let delay = retry_delay(self.failures, mix(now.0, self.next));
                        self.failures = self.failures.saturating_add(1);
                        self.doubtful.insert(prefix.clone(), now + delay);
                    }
                }
                false
            }
            Reply::Done { .. }
            | Reply::Listed { .. }
            | Reply::SessionOpened(_)
            | Reply::SessionRenewed(..)
            | Reply::Changed { .. }
            | Reply::WatchEnded { .. } => false,
        }
    }

    /// Asks for what is in doubt, and stops waiting for answers that do not come. Tells whether the transaction in flight
    /// has come to its end.
    pub(super) fn wake(&mut self, now: Time, out: &mut Vec<Request>) -> bool {
        self.pause = self.pause.filter(|until| *until > now);
        for (key, at) in &mut self.doubtful {
            if *at <= now {
                *at = now + REPLY_DEADLINE;
                out.push(Request::List { prefix: key.clone() });
            }
        }
        if self.in_flight.as_ref().is_some_and(|sent| sent.deadline <= now) {
            self.ended = self.in_flight.take().map(|sent| (sent, Outcome::Unknown("no answer".into())));
            return true;
        }
        false
    }

    pub(super) fn wake_at(&self) -> Option<Time> {
        let deadline = self.in_flight.as_ref().map(|sent| sent.deadline);
        self.doubtful.values().copied().chain(deadline).chain(self.pause).min()
    }

    fn doubt<'a>(&mut self, now: Time, keys: impl Iterator<Item = &'a str>) {
        self.doubtful.extend(keys.map(|key| (key.into(), now)));
    }

    fn pause(&mut self, now: Time) {
        self.pause = Some(now + retry_delay(self.failures, mix(now.0, self.next)));
        self.failures = self.failures.saturating_add(1);
    }
}

impl Scheduler {
    /// Draws the consequences of the end of a transaction.
    pub(super) fn after_write(&mut self, now: Time, out: &mut Vec<Effect>) {
        let Some((sent, outcome)) = self.writes.ended.take() else { return };
        let cluster = match &sent.purpose {
            Purpose::Lock(cluster) | Purpose::Plan(cluster) => cluster.clone(),
        };
        match outcome {
            Outcome::Committed(revision) => self.committed(now, sent, cluster, revision, out),
            Outcome::Unknown(why) => {
                out.push(Effect::Note(Note::Store {
                    what: format!("{cluster}: the outcome of a write is unknown: {why}"),
                }));
                self.distrust(now, &sent, &cluster);
                // It may still arrive; under a tenure that is over it comes to nothing.
                self.give_up(cluster, out);
            }
            Outcome::Refused(refusal) => {
                out.push(Effect::Note(Note::Store {
                    what: format!("{cluster}: a write was refused: {refusal}"),
                }));
                match refusal {
                    Refusal::LockLost => {
                        self.give_up(cluster.clone(), out);
                        self.mirror.refresh(now, crate::keys::SCHEDULERS);
                    }
                    // Not only what was to be written may have changed, but also what it depends on.
                    Refusal::Conflict(keys) => self.writes.doubt(now, keys.iter().map(String::as_str)),
                    Refusal::Invalid(_) | Refusal::Unavailable(_) => self.writes.pause(now),
                }
                self.distrust(now, &sent, &cluster);
            }
        }
        let mut requests = Vec::new();
        self.writes.wake(now, &mut requests);
        out.extend(requests.into_iter().map(Effect::Store));
    }

    fn committed(
        &mut self,
        now: Time,
        sent: InFlight,
        cluster: Name,
        revision: Revision,
        out: &mut Vec<Effect>,
    ) {
        self.writes.failures = 0;
        self.mirror.know(revision);
        self.world.confirm(&sent.ops, revision);
        out.extend(sent.notes.into_iter().map(Effect::Note));
        match sent.purpose {
            Purpose::Lock(_) => {
                let session = sent.ops.iter().find_map(|op| match op {
                    Op::Put { session, .. } => session.clone(),
                    Op::Delete { .. } => None,
                });
                let is_ours = session.as_ref() == self.session.id();
                self.world.locks.insert(cluster.clone(), session);
                // A lock under a session that was lost meanwhile goes with it.
                if is_ours {
                    self.begin(now, cluster, revision, out);
                }
            }
            Purpose::Plan(_) => self.plan_at = self.plan_at.or(Some(now)),
        }
    }

    /// Reads again all that a transaction wrote, and looks again at all of its cluster.
    fn distrust(&mut self, now: Time, sent: &InFlight, cluster: &Name) {
        self.writes.doubt(now, sent.ops.iter().map(Op::key));
        if let Some(tenure) = self.tenures.get_mut(cluster) {
            tenure.ready = false;
        }
    }
}
