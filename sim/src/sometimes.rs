//! What a run reached: a point for each step that a task's life can take, for each kind of decision, and for each answer
//! of the store. Over many seeds each point must be reached now and then, or else something is never tried.
//!
//! **Invariant:** nothing here decides whether a run passed.

mod reached;

use std::collections::BTreeMap;

/// How often each point was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sometimes {
    counts: BTreeMap<&'static str, u64>,
}

/// All points beside the faults, which are counted by their own names.
pub const POINTS: &[&str] = &[
    "life: issued",
    "life: issued again under its id",
    "life: issued to be exclusive",
    "life: told to stop",
    "life: rewritten",
    "life: record removed",
    "life: copy written without a record",
    "life: first word pending",
    "life: first word starting",
    "life: first word running",
    "life: first word stopping",
    "life: first word over",
    "life: pending to starting",
    "life: pending to running",
    "life: pending to dead",
    "life: starting to running",
    "life: starting to stopping",
    "life: starting to dead",
    "life: starting to failed",
    "life: running to stopping",
    "life: running to dead",
    "life: running to failed",
    "life: completed",
    "life: stopping to dead",
    "life: stopping to failed",
    "life: begins anew",
    "life: status removed",
    "health: becomes healthy",
    "health: becomes unhealthy",
    "health: recovers",
    "placed: spread",
    "placed: binpack",
    "placed: round robin",
    "placed: e_pvm",
    "placed: bid",
    "placed: adopted",
    "blocked: memory",
    "blocked: not heard of",
    "blocked: lost",
    "blocked: draining",
    "blocked: max",
    "blocked: hopeful",
    "blocked: recalling",
    "stop: scale down",
    "stop: deleted",
    "stop: rollout",
    "stop: not healthy",
    "stop: failed",
    "stop: orphaned",
    "stop: host lost",
    "stop: drain",
    "stop: rebalance",
    "stop: preempted",
    "stop: memory pressure",
    "rollout: started",
    "rollout: done",
    "rollout: failed",
    "rollout: superseded",
    "rollout: forgotten",
    "host: suspect",
    "host: lost",
    "host: ready",
    "host: loss braked",
    "host: presence ends",
    "lock: taken",
    "lock: lost",
    "task: restarted",
    "task: given up",
    "task: vanished while its agent was away",
    "task: asked to move",
    "task: not registered",
    "task: still registered",
    "store: went back",
    "store: another one",
    "store: record unusable",
    "answer: committed",
    "answer: unknown",
    "answer: lock lost",
    "answer: conflict",
    "answer: invalid",
    "answer: unavailable",
    "answer: no session",
    "answer: listing failed",
    "answer: session lost",
    "answer: watch ended",
];

impl Sometimes {
    /// Counts a point.
    pub(crate) fn reach(&mut self, point: &'static str) {
        *self.counts.entry(point).or_default() += 1;
    }

    /// Adds what another run reached.
    pub fn merge(&mut self, other: &Sometimes) {
        for (point, count) in &other.counts {
            *self.counts.entry(point).or_default() += count;
        }
    }

    /// Gives how often a point was reached.
    #[must_use]
    pub fn count(&self, point: &str) -> u64 {
        self.counts.get(point).copied().unwrap_or_default()
    }

    /// Gives the points that were reached fewer times than this.
    #[must_use]
    pub fn missing(&self, at_least: u64) -> Vec<&'static str> {
        let rare = |point: &&&str| self.counts.get(**point).copied().unwrap_or_default() < at_least;
        POINTS.iter().filter(rare).copied().collect()
    }

    /// Walks through all that was reached, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(point, count)| (*point, *count))
    }
}
