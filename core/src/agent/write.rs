//! How the agent writes: one guarded transaction at a time, in batches, and after any doubt only once the keys were read
//! again.
//!
//! **Invariant:** every write but the sign of life itself is guarded by the tenure, and every key by its own revision or
//! its absence.

use super::{Agent, BTreeSet};
use crate::machine::{Span, Time, Wake};
use crate::mirror::{REPLY_DEADLINE, hash, mix, retry_delay};
use crate::model::Name;
use crate::store::{
    Entry, Guard, Op, Outcome, Refusal, Revision, SessionId, TXN_BYTES_MAX, TXN_OPS_MAX, Txn, WriteId,
};
use crate::why::Note;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How long changes are collected before they are written.
const WRITE_DELAY: Span = Span(50);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Writer {
    /// Numbers the transactions.
    last: WriteId,
    in_flight: Option<InFlight>,
    /// Nothing is written before.
    retry_at: Time,
    failures: u32,
    /// Collected changes are written then.
    due: Option<Time>,
    /// Prefixes that must be listed again before anything is written.
    stale: BTreeSet<String>,
    /// The last refusal that was told.
    told: Option<String>,
    /// Where the store went back to.
    doubted: Option<Revision>,
    /// Keys of the host may differ from what they should be.
    pub(super) host_changed: bool,
    /// Tasks whose status may differ from what was said.
    pub(super) unsaid: BTreeSet<Name>,
    salt: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct InFlight {
    write: WriteId,
    until: Time,
    ops: Vec<Op>,
}

/// A transaction in the making.
pub(super) struct Draft {
    txn: Txn,
    weight: usize,
    bytes: usize,
}

impl Draft {
    fn new(guard: Guard) -> Draft {
        let bytes = guard.key().len();
        Draft { txn: Txn { guards: alloc::vec![guard], ops: Vec::new() }, weight: 2, bytes }
    }

    /// Adds a write with the guard on its key, and perhaps a guard on another key; false when it does not fit.
    pub(super) fn add(&mut self, guard: Guard, op: Op, other: Option<Guard>) -> bool {
        let (weight, value) = match &op {
            Op::Put { value, .. } => (1, value.len()),
            Op::Delete { .. } => (2, 0),
        };
        let weight = weight + usize::from(other.is_some());
        let bytes = 2 * op.key().len() + value + other.as_ref().map_or(0, |guard| guard.key().len());
        if self.weight + weight > TXN_OPS_MAX || self.bytes + bytes > TXN_BYTES_MAX {
            return false;
        }
        self.weight += weight;
        self.bytes += bytes;
        self.txn.guards.push(guard);
        self.txn.guards.extend(other);
        self.txn.ops.push(op);
        true
    }

    fn finish(self) -> Option<Txn> {
        (!self.txn.ops.is_empty()).then_some(self.txn)
    }
}

impl Writer {
    pub(super) fn new(name: &str) -> Writer {
        Writer {
            last: WriteId(0),
            in_flight: None,
            retry_at: Time(0),
            failures: 0,
            due: None,
            stale: BTreeSet::new(),
            told: None,
            doubted: None,
            host_changed: true,
            unsaid: BTreeSet::new(),
            salt: hash(name),
        }
    }

    /// Has collected changes written soon.
    pub(super) fn hurry(&mut self, now: Time) {
        self.due = Some(self.due.unwrap_or(now + WRITE_DELAY));
    }

    /// Tells whether all that was to be written is known to be in the store.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.due.is_none()
    }

    /// A prefix has been listed.
    pub(super) fn listed(&mut self, prefix: &str) {
        self.stale.remove(prefix);
    }

    /// Takes note of whether the store went back; tells whether that is news.
    pub(super) fn doubt(&mut self, went_back: bool, to: Revision) -> bool {
        let news = went_back && self.doubted.is_none_or(|before| to < before);
        self.doubted = went_back.then_some(to);
        news
    }

    fn back_off(&mut self, now: Time) {
        self.retry_at = now + retry_delay(self.failures, mix(self.salt, self.last.0));
        self.failures = self.failures.saturating_add(1);
    }
}

impl Agent {
    /// Writes what is to be written, if it may now.
    pub(super) fn write(&mut self, now: Time) {
        let writer = &mut self.writer;
        if (writer.host_changed || !writer.unsaid.is_empty()) && writer.due.is_none() {
            writer.due = Some(now + WRITE_DELAY);
        }
        let due = writer.due.is_some_and(|due| due <= now);
        if !due || writer.in_flight.is_some() || now < writer.retry_at || !writer.stale.is_empty() {
            return;
        }
        if !self.mirror.is_filled() || self.session.id().is_none() {
            return;
        }
        let txn = match self.tenure() {
            None if self.rival.is_some() && !self.writer.host_changed => return,
            None => self.acquire(),
            Some((session, tenure)) => {
                let held = self.held(session.clone(), tenure);
                let mut draft = Draft::new(held);
                let all = self.say_host(&mut draft) && self.say_tasks(&mut draft);
                self.writer.host_changed &= !all;
                draft.finish()
            }
        };
        let Some(txn) = txn else {
            self.writer.host_changed = false;
            // What waits for another agent to vanish is not forgotten.
            self.writer.due = self.writer.due.filter(|_| self.rival.is_some());
            return;
        };
        self.send(now, txn);
    }

    fn held(&self, session: SessionId, tenure: Revision) -> Guard {
        Guard::Held { key: self.at.alive.clone(), session, tenure }
    }

    fn send(&mut self, now: Time, txn: Txn) {
        let write = WriteId(self.writer.last.0 + 1);
        self.writer.last = write;
        self.writer.in_flight = Some(InFlight { write, until: now + REPLY_DEADLINE, ops: txn.ops.clone() });
        self.request(alloc::vec![crate::store::Request::Commit { write, txn }]);
    }

    /// Takes the outcome of a write.
    pub(super) fn written(&mut self, now: Time, write: WriteId, outcome: &Outcome) {
        let Some(done) = self.writer.in_flight.take_if(|sent| sent.write == write) else { return };
        // Whatever came of it, what is in the store is compared again with what should be.
        self.writer.host_changed |= !matches!(outcome, Outcome::Committed(_));
        let status = &self.at.status;
        let said = done.ops.iter().filter_map(|op| op.key().strip_prefix(&**status));
        self.writer.unsaid.extend(said.map(Name::from));
        match outcome {
            Outcome::Committed(revision) => {
                self.writer.failures = 0;
                self.writer.told = None;
                self.writer.due = Some(now);
                self.seen = self.seen.max(*revision);
                self.mirror.know(*revision);
                self.committed(*revision, done.ops);
            }
            Outcome::Refused(Refusal::LockLost) => {
                self.own.remove(&self.at.alive);
                self.reread(now);
            }
            Outcome::Refused(Refusal::Conflict(_)) | Outcome::Unknown(_) => self.reread(now),
            Outcome::Refused(refusal @ (Refusal::Invalid(_) | Refusal::Unavailable(_))) => {
                self.writer.back_off(now);
                let what = alloc::format!("{refusal}");
                if self.writer.told.as_ref() != Some(&what) {
                    self.writer.told = Some(what.clone());
                    self.note(Note::Store { what });
                }
            }
        }
    }

    fn committed(&mut self, revision: Revision, ops: Vec<Op>) {
        for op in ops {
            match op {
                Op::Put { key, value, session } => self.take_in(&Entry { key, value, revision, session }),
                Op::Delete { key } => self.take_out(&key, Some(revision)),
            }
        }
    }

    /// Lists the own prefixes before anything else is written.
    fn reread(&mut self, now: Time) {
        self.writer.back_off(now);
        for prefix in [&self.at.host, &self.at.tasks, &self.at.status] {
            self.mirror.refresh(now, prefix);
            self.writer.stale.insert(prefix.clone());
        }
    }

    /// Counts a write that was not answered in time as one whose outcome nobody knows.
    pub(super) fn wake_writer(&mut self, now: Time) {
        if let Some(sent) = self.writer.in_flight.as_ref().filter(|sent| sent.until <= now) {
            let write = sent.write;
            self.written(now, write, &Outcome::Unknown("no answer".into()));
        }
    }

    pub(super) fn writer_wake_at(&self) -> Option<(Time, Wake)> {
        let writer = &self.writer;
        if let Some(sent) = &writer.in_flight {
            return Some((sent.until, Wake::Store));
        }
        // Otherwise news from the store come first, and wake the agent by themselves.
        let may = writer.stale.is_empty()
            && self.mirror.is_filled()
            && self.session.id().is_some()
            && self.rival.is_none();
        writer.due.filter(|_| may).map(|due| (due.max(writer.retry_at), Wake::Plan))
    }
}
