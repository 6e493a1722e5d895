//! What runs are made of, as far as known: of those that were started, found, or are to be stopped here.
//!
//! **Invariant:** nothing is known for ever of what nobody tells of any more.

use callboard_core::model::TaskDefinition;
use callboard_core::work::Run;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known, and how often it was asked what there is.
#[derive(Default)]
struct Book {
    round: u64,
    /// With the round in which each was last heard of.
    runs: BTreeMap<Run, (u64, Arc<TaskDefinition>)>,
}

#[derive(Default)]
pub(crate) struct Known(Mutex<Book>);

impl Known {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, run: &Run) -> Option<Arc<TaskDefinition>> {
        self.book().runs.get(run).map(|(_, definition)| Arc::clone(definition))
    }

    /// Takes note of a run. What was known of it first holds.
    pub(crate) fn learn(&self, run: &Run, definition: &Arc<TaskDefinition>) {
        let mut book = self.book();
        let round = book.round;
        book.runs.entry(run.clone()).or_insert_with(|| (round, Arc::clone(definition))).0 = round;
    }

    pub(crate) fn forget(&self, run: &Run) {
        self.book().runs.remove(run);
    }

    /// Begins to ask all executors, and gives the number of this round.
    pub(crate) fn ask(&self) -> u64 {
        let mut book = self.book();
        book.round += 1;
        book.round
    }

    /// Forgets what was last heard of before all executors that may have a part of it were asked, and is none of what
    /// they told of. `asked` has the rounds in which those were asked that have told, by kind.
    pub(crate) fn compare(&self, asked: &BTreeMap<&str, u64>, is_found: impl Fn(&Run) -> bool) {
        self.book().runs.retain(|run, (heard, definition)| {
            let mut kinds = definition.containers.iter().map(|container| container.executor.kind());
            is_found(run) || !kinds.all(|kind| asked.get(kind).is_some_and(|round| *heard < *round))
        });
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.book().runs.len()
    }
}
