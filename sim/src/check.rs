//! The checkers: each knows one promise, sees the true world, and says when the promise is broken.
//!
//! **Invariant:** nothing here shares code with what it checks: records are read by `record`, keys are taken apart there,
//! and counts are kept by `book`.

mod again;
mod attribution;
mod batch;
mod bids;
mod book;
mod bound;
mod brake;
mod budget;
mod capacity;
mod convergence;
mod copies;
mod count;
mod court;
mod cure;
mod doubt;
mod drain;
mod eligibility;
mod emptied;
mod ending;
mod evidence;
mod exclusive;
mod failures;
mod foreign;
mod freshness;
mod garbage;
mod generation;
mod growth;
mod herd;
mod honesty;
mod identity;
mod isolation;
mod ledger;
mod lifecycle;
mod limits;
mod lock;
mod name;
mod orphan;
mod outage;
mod overtime;
mod ownership;
mod page;
mod pair;
mod poison;
mod policy;
mod ports;
mod precedence;
mod preemption;
mod prefix;
mod prompt;
mod proof;
mod quiet;
mod record;
mod registration;
mod relocation;
mod removal;
mod replacement;
mod reread;
mod rest;
mod restart;
mod reunion;
mod rollout;
mod room;
mod rubbish;
mod rules;
mod sending;
mod starts;
mod stopping;
mod succession;
mod surplus;
mod system;
mod text;
mod traffic;
mod unfit;
mod upgrade;
mod vacancy;
mod versions;
mod views;
mod waiting;

pub(crate) use book::{Book, Write};
pub(crate) use court::{Court, EndFacts};
pub(crate) use page::{Alive, ServicePage};
pub(crate) use record::{
    Condition, Place, PolicyRecord, RolloutRecord, ServiceRecord, StatusRecord, Step, TaskRecord, Text,
};

use crate::event::Process;
use callboard_core::machine::{Span, Time};
use callboard_core::registry;
use callboard_core::store::{Reply, Request, Txn};
use callboard_core::work::{Order, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number, as in `S14`, or what was expected, as in `min_healthy`.
    pub promise: String,
    /// When, from the beginning.
    pub at: Span,
    /// What was seen, in words.
    pub what: String,
    /// The seed of the run.
    pub seed: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.promise, self.at, self.what)
    }
}

/// Who changed the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Agent(Text),
    Scheduler,
    User,
    /// Somebody with another version of Callboard.
    Stranger,
    /// A session that ended.
    Session,
}

/// A committed transaction.
pub(crate) struct Seen<'a> {
    /// Everything as it is afterwards.
    pub(crate) book: &'a Book,
    pub(crate) by: By,
    pub(crate) txn: Option<&'a Txn>,
    pub(crate) writes: &'a [Write],
}

impl Seen<'_> {
    /// Walks through the task records that came to be, with what they replaced.
    pub(crate) fn created(&self) -> impl Iterator<Item = &TaskRecord> {
        self.writes.iter().filter(|write| write.place.is_task()).filter_map(|write| {
            let after = write.task_after.as_deref()?;
            let same = write.task_before.as_ref().is_some_and(|old| old.generation == after.generation);
            // What somebody took away by hand is not placed anew when it is written again.
            let key = (after.id.clone(), after.generation);
            let issued = self.book.first_issued.get(&key);
            let again = self.book.meddled && issued.is_some_and(|at| *at < self.book.now);
            (!same && !again).then_some(after)
        })
    }

    /// Walks through the placements that shall no longer run: told to stop, taken away, or replaced.
    pub(crate) fn ended(&self) -> impl Iterator<Item = &TaskRecord> {
        self.writes.iter().filter(|write| write.place.is_task()).filter_map(|write| {
            let before = write.task_before.as_deref().filter(|old| old.runs())?;
            let goes_on = write
                .task_after
                .as_ref()
                .is_some_and(|new| new.runs() && new.generation == before.generation);
            (!goes_on).then_some(before)
        })
    }
}

/// The end of a run.
pub(crate) struct End<'a> {
    pub(crate) book: &'a Book,
    /// How long nothing has gone wrong any more.
    pub(crate) calm: Span,
    /// How long after the last fault everything must have converged.
    pub(crate) settle: Span,
    /// Hosts that run, have an agent and reach the store, in order.
    pub(crate) fit_hosts: Vec<Text>,
    /// Versions that do not become or stay healthy, in order.
    pub(crate) unsound: Vec<(Text, u32)>,
    /// What is left on those hosts of runs that are over.
    pub(crate) remains: Vec<(Text, Run)>,
    /// How many bytes each machine keeps in mind, nearly.
    pub(crate) weights: Vec<(Process, usize)>,
    /// Why tasks of services wait, as the schedulers say that hold their locks; `None` when nobody was asked.
    pub(crate) reasons: Option<BTreeMap<Text, String>>,
}

/// What a fault did, for the checkers that must know.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A host is gone with all its tasks.
    HostDown(Text),
    /// Until then nothing new should come to a host, or nothing for one executor: its disk is full, what runs there waits
    /// for memory, or the executor does not answer.
    Unfit { host: Text, executor: Option<&'static str>, until: Time },
    /// Until then somebody who decides, or the store, may be unable to act.
    Trouble { until: Time },
    /// Until then the store answers nobody.
    Outage { until: Time },
    /// The store was put back or emptied.
    Amnesia,
    /// A process is no more.
    Ended(Process),
    /// The clock of a host's agent jumped ahead by so much: what it waited for is over.
    ClockJumped { host: Text, by: Span },
    /// Until then a process hears nothing.
    Unreachable { process: Process, until: Time },
}

/// Collects what was found.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    pub(crate) now: Time,
    pub(crate) seed: u64,
    pub(crate) list: Vec<Violation>,
}

/// How many findings of one promise are kept.
const KEPT: usize = 5;

impl Findings {
    pub(crate) fn blame(&mut self, promise: &str, what: String) {
        if self.list.iter().filter(|found| found.promise == promise).count() < KEPT {
            let (at, seed) = (Span(self.now.0), self.seed);
            self.list.push(Violation { promise: promise.into(), at, what, seed });
        }
    }
}

/// One checker. Each method is told of one kind of happening; most checkers need few.
pub(crate) trait Check: Duplicate + Send {
    /// A transaction is on its way to the store.
    fn sent(&mut self, _book: &Book, _from: Process, _txn: &Txn, _found: &mut Findings) {}
    /// A machine asks something of the store.
    fn asked(&mut self, _book: &Book, _from: Process, _request: &Request, _found: &mut Findings) {}
    /// A machine hears from the store.
    fn heard(&mut self, _to: Process, _reply: &Reply) {}
    /// A transaction was committed.
    fn committed(&mut self, _seen: &Seen<'_>, _found: &mut Findings) {}
    /// An agent gave an order.
    fn ordered(&mut self, _book: &Book, _host: &Text, _order: &Order, _found: &mut Findings) {}
    /// An agent ordered a start: so many of its are under way now, of so many that may be.
    fn starting(&mut self, _host: &Text, _under_way: (usize, usize), _found: &mut Findings) {}
    /// An agent asked something of the registry of its host.
    fn inquired(&mut self, _book: &Book, _host: &Text, _request: &registry::Request) {}
    /// The registry of a host holds something else than it did.
    fn registry(&mut self, _host: &Text, _held: &BTreeSet<Run>) {}
    /// A process came to be; it is in the book already.
    fn born(&mut self, _book: &Book, _host: &Text, _id: &Text, _alive: &Alive, _found: &mut Findings) {}
    /// A process ended, on order or by itself; it is no longer in the book.
    fn gone(
        &mut self,
        _book: &Book,
        _host: &Text,
        _id: &Text,
        _alive: &Alive,
        _ordered: bool,
        _found: &mut Findings,
    ) {
    }
    /// Something was made to go wrong.
    fn fault(&mut self, _book: &Book, _fault: &Fault) {}
    /// The run is over.
    fn end(&mut self, _end: &End<'_>, _found: &mut Findings) {}
}

/// Lets a world be copied with its checkers.
pub(crate) trait Duplicate {
    /// Copies a checker with all it knows.
    fn duplicate(&self) -> Box<dyn Check>;
}

impl<C: Check + Clone + 'static> Duplicate for C {
    fn duplicate(&self) -> Box<dyn Check> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Check> {
    fn clone(&self) -> Box<dyn Check> {
        (**self).duplicate()
    }
}
