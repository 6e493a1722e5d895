//! The page about runs that people read: `--report`.

use anyhow::{Context, Result};
use callboard_sim::report::{Told, report};
use callboard_sim::{Outcome, Scenario};
use std::path::Path;
use std::sync::Arc;

/// How many passed runs are shown over time; those that failed all are.
const SHOWN: usize = 24;

/// Runs for a page.
#[derive(Default)]
pub(super) struct Page {
    runs: Vec<(Arc<Scenario>, Outcome)>,
    passed: usize,
}

impl Page {
    /// Keeps a run.
    pub(super) fn keep(&mut self, scenario: &Arc<Scenario>, outcome: &Outcome) {
        let mut outcome = outcome.clone();
        self.passed += usize::from(outcome.passed);
        if outcome.passed && self.passed > SHOWN {
            outcome.recording = None;
        }
        self.runs.push((Arc::clone(scenario), outcome));
    }

    /// Writes the page.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let told: Vec<Told<'_>> =
            self.runs.iter().map(|(scenario, outcome)| Told { scenario, outcome }).collect();
        std::fs::write(path, report(&told)).with_context(|| format!("{} cannot be written", path.display()))
    }
}
