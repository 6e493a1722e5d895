//! Branches: a run up to an interesting moment, and from there on with other randomness, again and again.
//!
//! **Invariant:** scenario, seed, moment and branch are a run; branch 0 is the run itself.

use crate::run::{Outcome, again, end_of, finish};
use crate::scenario::Scenario;
use crate::stage::Stage;
use callboard_core::machine::Span;
use std::sync::Arc;

/// What makes a moment interesting, by the point that was reached in it.
const TURNS: [&str; 5] =
    ["lock: taken", "answer: unknown", "rollout: started", "store: went back", "host: lost"];

/// How many moments of each kind are branched from in one run: the first ones.
const EACH: usize = 2;

/// A moment to branch from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// How many events are over by then: its number.
    pub events: u64,
    /// When it is.
    pub at: Span,
    /// What was reached.
    pub what: &'static str,
}

/// Finds the interesting moments of a run.
#[must_use]
pub fn moments(scenario: &Arc<Scenario>, seed: u64) -> Vec<Moment> {
    let mut stage = Stage::new(Arc::clone(scenario), seed, None);
    let (mut reached, mut found) = ([0; TURNS.len()], Vec::new());
    while stage.step_until(end_of(scenario)) {
        for (index, what) in TURNS.into_iter().enumerate() {
            let count = stage.stats.sometimes.count(what);
            if count == reached[index] {
                continue;
            }
            reached[index] = count;
            if found.iter().filter(|moment: &&Moment| moment.what == what).count() < EACH {
                found.push(Moment { events: stage.queue.popped(), at: Span(stage.now().0), what });
            }
        }
    }
    found
}

/// Makes branches of a run at a moment.
#[must_use]
pub fn branches(
    scenario: &Arc<Scenario>,
    seed: u64,
    moment: u64,
    branches: std::ops::Range<u64>,
) -> Vec<Outcome> {
    let mut stage = Stage::new(Arc::clone(scenario), seed, None);
    while stage.queue.popped() < moment && stage.step_until(end_of(scenario)) {}
    let branch = |branch: u64| {
        let mut copy = stage.clone();
        if branch > 0 {
            copy.reseed(seed, moment, branch);
        }
        let said = format!("branch {{}} --seed {seed} --moment {moment} --branch {branch}");
        Outcome { again: again(scenario, &said), ..finish(copy, seed, end_of(scenario)) }
    };
    branches.map(branch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Options, run};
    use crate::scenario::{Profile, draw};
    use std::collections::BTreeSet;

    #[test]
    fn branches_differ_from_each_other_and_are_the_same_again() {
        let (scenario, seed) = (Arc::new(draw(Profile::Tiny, 3)), 3);
        let moment = moments(&scenario, seed)[0].events;
        let hashes = |range| -> Vec<u64> {
            branches(&scenario, seed, moment, range).iter().map(|outcome| outcome.hash).collect()
        };
        let first = hashes(0..4);
        assert_eq!(first[0], run(&scenario, &Options::default()).hash, "branch 0 is the run itself");
        assert_eq!(first[2..], hashes(2..4));
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 4);
    }
}
