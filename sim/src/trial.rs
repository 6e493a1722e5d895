//! Holds the recorded history of a real fleet to the checkers of the simulator: what its store saw, and what its process
//! table showed.
//!
//! A recording lacks what only the inside of a machine knows: what was sent and not committed, what was heard, which
//! orders agents gave. Checkers that live on that are not called. That a record bears the tenure of the lock under which
//! it was written is checked here, since transactions come without their guards.

use crate::check::{Alive, By, Court, EndFacts, Fault, Text, Violation, Write};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Change, Entry};
use std::sync::Arc;

/// A history, judged while it is told.
#[derive(Clone)]
pub struct Trial {
    court: Court,
    /// When it last told of something that went wrong.
    fault_at: Time,
}

/// A process as the table of a host shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The host on which it runs.
    pub host: String,
    /// The task that it runs.
    pub id: String,
    /// The service of that task.
    pub service: String,
    /// The placement that it runs.
    pub generation: u64,
    /// Its process id.
    pub pid: u32,
    /// The port that it was given.
    pub port: Option<u16>,
}

impl Trial {
    /// Begins. `lag` is how slowly news may travel, `ttl` how long sessions outlive their owners.
    #[must_use]
    pub fn new(lag: Span, ttl: Span) -> Trial {
        Trial { court: Court::recorded(lag, ttl), fault_at: Time(0) }
    }

    /// Sets the time, from the beginning.
    pub fn at(&mut self, now: Time) {
        self.court.at(now);
    }

    /// Tells of what one event of a watch of the whole store shows.
    ///
    /// A store that merges transactions (Consul) may show those of several writers; each is told of by itself.
    pub fn changed(&mut self, changes: &[Change]) {
        let mut by_writer: Vec<(By, Vec<Change>)> = Vec::new();
        for change in changes {
            let writer = writer(change.key());
            match by_writer.iter_mut().find(|(by, _)| *by == writer) {
                Some((_, list)) => list.push(change.clone()),
                None => by_writer.push((writer, vec![change.clone()])),
            }
        }
        // What users and agents wrote is what a scheduler acts on.
        by_writer.sort_by_key(|(by, _)| *by == By::Scheduler);
        let locks = self.court.book.locks.clone();
        for (by, changes) in by_writer {
            let writes = self.court.committed(by, None, &changes);
            self.fenced(&locks, &writes);
        }
    }

    /// S1: who writes a task's record holds the lock of its cluster, and the record says in which tenure.
    fn fenced(&mut self, before: &std::collections::BTreeMap<Text, u64>, writes: &[Write]) {
        for write in writes.iter().filter(|write| write.task_before != write.task_after) {
            let Some(record) = &write.task_after else { continue };
            let held = self.court.book.locks.get(&record.cluster);
            let was_held = before.get(&record.cluster);
            if held != Some(&record.tenure) && was_held != Some(&record.tenure) {
                let what = format!("{} bears tenure {}, the lock is at {held:?}", write.key, record.tenure);
                self.court.blame("S1", what);
            }
        }
    }

    /// Tells that the store was put back to these entries, or emptied.
    pub fn put_back(&mut self, entries: &[Arc<Entry>]) {
        self.fault_at = self.court.book.now;
        self.court.restored(entries.iter());
    }

    /// Tells that from now until then the store may answer nobody.
    pub fn outage(&mut self, until: Time) {
        self.fault_at = until;
        self.court.fault(&Fault::Outage { until });
    }

    /// Tells that until then somebody who decides may be unable to act.
    pub fn trouble(&mut self, until: Time) {
        self.fault_at = until;
        self.court.fault(&Fault::Trouble { until });
    }

    /// Tells of a process that was not there before. It counts as unhealthy until something else is told.
    pub fn born(&mut self, seen: &Seen) {
        let alive = Alive {
            pid: seen.pid,
            generation: seen.generation,
            attempt: 0,
            port: seen.port,
            since: self.court.book.now,
            ordered: self.court.book.now,
            limit: None,
            healthy: false,
            healthy_since: self.court.book.now,
        };
        self.court.born(&seen.host.as_str().into(), &seen.id.as_str().into(), alive);
    }

    /// Tells whether a process does its work; only when that is new.
    pub fn health(&mut self, seen: &Seen, healthy: bool) {
        let text = |text: &str| Text::from(text);
        self.court.health(&text(&seen.host), &text(&seen.id), &text(&seen.service), seen.pid, healthy);
    }

    /// Tells of a process that is no longer there. `ordered` when nobody but an agent can have ended it.
    pub fn gone(&mut self, seen: &Seen, was_healthy: bool, ordered: bool) {
        let (host, id) = (Text::from(seen.host.as_str()), Text::from(seen.id.as_str()));
        if was_healthy {
            self.health(seen, false);
            self.court.was_healthy(&host, &id, seen.pid);
        }
        self.court.gone(&host, &id, seen.pid, ordered);
    }

    /// Ends the history and gives what was found. Everything must have converged once nothing has gone wrong for
    /// `settle`; `fit` are the hosts whose agents are well, `unsound` the versions that do not become healthy.
    #[must_use]
    pub fn verdict(mut self, settle: Span, fit: &[&str], unsound: &[(&str, u32)]) -> Vec<Violation> {
        let mut fit_hosts: Vec<Text> = fit.iter().map(|host| Text::from(*host)).collect();
        fit_hosts.sort();
        let mut unsound: Vec<(Text, u32)> =
            unsound.iter().map(|(name, version)| (Text::from(*name), *version)).collect();
        unsound.sort();
        let fault_at = self.fault_at;
        self.court.book.calm_from = fault_at;
        let (remains, weights) = (Vec::new(), Vec::new());
        let facts = |calm| EndFacts { calm, settle, fit_hosts, unsound, remains, weights, reasons: None };
        self.court.end(|book| facts(book.now.since(fault_at)));
        self.court.verdict()
    }
}

/// Tells whose key it is.
fn writer(key: &str) -> By {
    match key.split('/').collect::<Vec<_>>().as_slice() {
        ["config", ..] => By::User,
        ["hosts" | "status", host, ..] => By::Agent((*host).into()),
        ["state", ..] => By::Scheduler,
        _ => By::Session,
    }
}
