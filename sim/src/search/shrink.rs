//! Making a scenario that breaks a promise as small as it can be while it still breaks that promise.
//!
//! **Invariant:** the result depends on the scenario alone, however many threads try.

use super::in_order;
use super::smaller::{PASSES, Pass};
use crate::check::Violation;
use crate::museum::{Bug, Mutant};
use crate::run::{Options, Outcome, run_with};
use crate::scenario::{self, Scenario};
use std::num::NonZero;
use std::ops::ControlFlow;

/// A scenario that could not be made smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The scenario, with the seed that breaks the promise.
    pub scenario: Scenario,
    /// What is broken in it.
    pub broken: Violation,
    /// How many scenarios were tried.
    pub tries: u64,
}

/// Makes a scenario as small as it can be while it still breaks the promise that it breaks first with this seed. `None`
/// when it breaks none. `told` hears of each smaller one that was found, and how many were tried.
#[must_use]
pub fn shrink(
    scenario: &Scenario,
    seed: u64,
    threads: NonZero<usize>,
    told: impl FnMut(&Scenario, u64),
) -> Option<Shrunk> {
    shrink_with(scenario, seed, threads, None, told)
}

/// Makes a scenario smaller, perhaps with a planted bug.
pub(crate) fn shrink_with(
    scenario: &Scenario,
    seed: u64,
    threads: NonZero<usize>,
    bug: Option<Bug>,
    mut told: impl FnMut(&Scenario, u64),
) -> Option<Shrunk> {
    let mut scenario = Scenario { seed, ..scenario.clone() };
    let outcome = play(&scenario, bug);
    let broken = outcome.violations.first()?.clone();
    let mut search = Search { threads, bug, broken, tries: 1 };
    let spelled_out = spelled_out(&scenario, &outcome);
    if let Some(found) = search.first(vec![spelled_out]) {
        scenario = found;
    }
    loop {
        let before = scenario.clone();
        for pass in PASSES {
            while let Some(found) = search.smaller(*pass, &scenario) {
                scenario = found;
                told(&scenario, search.tries);
            }
        }
        if scenario == before {
            return Some(Shrunk { scenario, broken: search.broken, tries: search.tries });
        }
    }
}

/// Names one by one on the timeline what struck by chance, so that each can be left out.
fn spelled_out(scenario: &Scenario, outcome: &Outcome) -> Scenario {
    let mut explicit = Scenario { trickle: Vec::new(), ..scenario.clone() };
    explicit.timeline.extend(outcome.struck.iter().cloned());
    explicit.timeline.sort_by_key(|happening| happening.at);
    explicit
}

fn play(scenario: &Scenario, bug: Option<Bug>) -> Outcome {
    run_with(scenario, &Options::default(), bug.map(Mutant::new))
}

/// What is looked for, and what it cost so far.
struct Search {
    threads: NonZero<usize>,
    bug: Option<Bug>,
    broken: Violation,
    tries: u64,
}

impl Search {
    /// Finds the first of what a pass proposes that still breaks the promise.
    fn smaller(&mut self, pass: Pass, scenario: &Scenario) -> Option<Scenario> {
        let mut proposed = pass(scenario, &self.broken);
        proposed.retain(|smaller| smaller != scenario);
        self.first(proposed)
    }

    /// Finds the first that still breaks the promise.
    fn first(&mut self, proposed: Vec<Scenario>) -> Option<Scenario> {
        let mut found = None;
        let breaks = |index: u64| {
            let scenario = proposed.get(usize::try_from(index).ok()?)?;
            let outcome = play(&as_written(scenario)?, self.bug);
            let same = outcome.violations.into_iter().find(|it| it.promise == self.broken.promise)?;
            Some((scenario.clone(), same))
        };
        let mut tries = 0;
        in_order(self.threads, proposed.len() as u64, breaks, |result| {
            tries += 1;
            found = result;
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.tries += tries;
        let (scenario, broken) = found?;
        self.broken = broken;
        Some(scenario)
    }
}

/// Gives the scenario as it is once it was written to a file; `None` when such a file would be refused.
fn as_written(scenario: &Scenario) -> Option<Scenario> {
    scenario::read(&scenario.file, scenario::write(scenario).as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Profile, draw};

    fn threads(count: usize) -> NonZero<usize> {
        NonZero::new(count).expect("some")
    }

    /// Draws the first tiny world in which a bug breaks a promise.
    fn broken_world(bug: Bug, promise: &str) -> Scenario {
        let breaks = |scenario: &Scenario| {
            play(scenario, Some(bug)).violations.first().is_some_and(|it| it.promise == promise)
        };
        (0..200).map(|seed| draw(Profile::Tiny, seed)).find(breaks).expect("a bug that can be caught")
    }

    #[track_caller]
    fn check(bug: Bug, promise: &str, at_most: (usize, usize, usize)) {
        let world = broken_world(bug, promise);
        let small = shrink_with(&world, world.seed, threads(2), Some(bug), |_, _| {}).expect("it breaks");
        let it = &small.scenario;
        let size = (it.hosts(), it.desired.services.len(), it.timeline.len() + it.trickle.len());
        let is_small = size.0 <= at_most.0 && size.1 <= at_most.1 && size.2 <= at_most.2;
        assert!(is_small, "{size:?} in {} tries\n{}", small.tries, scenario::write(it));
        assert_eq!(small.broken.promise, promise);
        let again = as_written(it).expect("it can be read");
        assert!(play(&again, Some(bug)).violations.iter().any(|broken| broken.promise == promise));
    }

    #[test]
    fn what_breaks_at_once_needs_next_to_nothing() {
        check(Bug::Unfenced, "S1", (1, 1, 0));
    }

    #[test]
    fn what_needs_a_fault_keeps_it() {
        check(Bug::StopsInOutage, "L15", (2, 1, 2));
    }

    #[test]
    fn the_result_does_not_depend_on_how_many_try() {
        let world = broken_world(Bug::Unfenced, "S1");
        let shrunk = |count| shrink_with(&world, world.seed, threads(count), Some(Bug::Unfenced), |_, _| {});
        assert_eq!(shrunk(1), shrunk(3));
    }

    #[test]
    fn what_is_well_cannot_be_shrunk() {
        assert_eq!(shrink(&draw(Profile::Tiny, 0), 0, threads(1), |_, _| {}), None);
    }
}
