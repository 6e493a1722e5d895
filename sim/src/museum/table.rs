//! How many seeds it takes until a planted bug is caught: in its own scenario, in tiny worlds drawn from seeds, and, where
//! neither shows it, at crash points.

use super::{Exhibit, Mutant, run_bug};
use crate::run::{Options, run_with};
use crate::scenario::{Profile, draw};
use crate::search::crash_points_with;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How soon one bug is caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The bug, and which promise it breaks.
    pub exhibit: Exhibit,
    /// By its own checker, in its own scenario.
    pub own: Catches,
    /// By any checker, in tiny worlds.
    pub drawn: Catches,
    /// Crash points of its own scenario that show it, where no seed alone does.
    pub crash_points: Option<u64>,
}

/// In which of the seeds that were tried a bug was caught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catches {
    /// How many seeds were tried.
    pub seeds: u64,
    /// How many seeds each catch took, in ascending order.
    takes: Vec<u64>,
    /// How often it was which promise that was seen broken first.
    by: BTreeMap<String, u64>,
}

impl Catches {
    /// Tries seeds one after the other; each catch ends a trial, and the next begins.
    fn among(seeds: u64, broken: impl Fn(u64) -> Option<String>) -> Catches {
        let (mut takes, mut by, mut since) = (Vec::new(), BTreeMap::new(), 0);
        for seed in 1..=seeds {
            since += 1;
            if let Some(promise) = broken(seed) {
                takes.push(std::mem::take(&mut since));
                *by.entry(promise).or_insert(0) += 1;
            }
        }
        takes.sort_unstable();
        Catches { seeds, takes, by }
    }

    /// Lists the promises that were seen broken first, the most frequent first, with how often.
    #[must_use]
    pub fn by(&self) -> Vec<(&str, u64)> {
        let mut by: Vec<(&str, u64)> =
            self.by.iter().map(|(promise, count)| (promise.as_str(), *count)).collect();
        by.sort_by_key(|(_, count)| Reverse(*count));
        by
    }

    /// Gives how many seeds caught it.
    #[must_use]
    pub fn caught(&self) -> usize {
        self.takes.len()
    }

    /// Gives how many seeds such a share of the trials took at most, in percent; `None` when it was never caught.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<u64> {
        self.takes.get((self.takes.len() * percent).div_ceil(100).saturating_sub(1)).copied()
    }
}

/// Tries a bug with so many seeds.
#[must_use]
pub fn row(exhibit: &Exhibit, seeds: u64) -> Row {
    let own = Catches::among(seeds, |seed| {
        let mut broken = run_bug(exhibit, seed).violations.into_iter().map(|violation| violation.promise);
        broken.find(|promise| promise == exhibit.promise)
    });
    let drawn = Catches::among(seeds, |seed| {
        let mutant = Some(Mutant::new(exhibit.bug));
        let outcome = run_with(&draw(Profile::Tiny, seed), &Options::default(), mutant);
        outcome.violations.into_iter().map(|violation| violation.promise).next()
    });
    let crash_points = (own.caught() == 0).then(|| at_crash_points(exhibit, u64::MAX));
    Row { exhibit: *exhibit, own, drawn, crash_points }
}

/// Counts the crash points of the exhibit's scenario at which the promise is broken, until there are enough.
#[must_use]
pub fn at_crash_points(exhibit: &Exhibit, enough: u64) -> u64 {
    let scenario = Arc::new(exhibit.scenario());
    let (one, mut count) = (NonZero::<usize>::MIN, 0);
    crash_points_with(&scenario, scenario.seed, one, Some(exhibit.bug), |_, outcome| {
        count += u64::from(outcome.violations.iter().any(|broken| broken.promise == exhibit.promise));
        if count >= enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    count
}

#[cfg(test)]
mod tests {
    use super::Catches;

    #[test]
    fn each_catch_ends_a_trial() {
        let broken = |seed| [(1, "S9"), (4, "S1"), (9, "S9")].into_iter().find(|(at, _)| *at == seed);
        let catches = Catches::among(10, |seed| broken(seed).map(|(_, promise)| promise.into()));
        assert_eq!(catches.by(), [("S9", 2), ("S1", 1)]);
        assert_eq!((catches.caught(), &catches.takes[..]), (3, &[1, 3, 5][..]));
        assert_eq!((catches.percentile(50), catches.percentile(95)), (Some(3), Some(5)));
        assert_eq!(Catches::among(10, |_| None).percentile(50), None);
    }
}
