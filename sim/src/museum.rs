//! The museum of planted bugs: for each checker a way to break what it guards, so that a checker is known to catch
//! something. The machines themselves are never touched: a bug sits between a machine and the world, and alters what the
//! machine hears or does.
//!
//! **Invariant:** without a bug, the same scenario and seed pass.

mod agents;
mod bug;
mod edit;
mod exhibits;
mod mutant;
mod schedulers;
mod table;

pub use bug::Bug;
pub use exhibits::{Exhibit, FoundBy, exhibits};
pub(crate) use mutant::Mutant;
pub use table::{Catches, Row, at_crash_points, row};

use crate::run::{Options, Outcome, run, run_with};

/// Runs an exhibit's scenario with its bug planted.
#[must_use]
pub fn run_bug(exhibit: &Exhibit, seed: u64) -> Outcome {
    let options = Options { seed: Some(seed), ..Options::default() };
    run_with(&exhibit.scenario(), &options, Some(Mutant::new(exhibit.bug)))
}

/// Runs an exhibit's scenario without its bug.
#[must_use]
pub fn run_sound(exhibit: &Exhibit, seed: u64) -> Outcome {
    run(&exhibit.scenario(), &Options { seed: Some(seed), ..Options::default() })
}
