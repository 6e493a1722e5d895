//! Crash points: the same run again and again, and in each another deed of a scheduler or an agent is its last.
//!
//! **Invariant:** a crash point found here is found by its number alone, in a run from the beginning.

use super::in_order;
use crate::museum::{Bug, Mutant};
use crate::run::{Outcome, again, end_of, finish};
use crate::scenario::Scenario;
use crate::stage::{CrashPoint, Stage};
use callboard_core::machine::Time;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How many deeds one thread tries before it takes more: each such stretch costs a run up to its first deed.
const STRETCH: usize = 40;

/// Gives, for each deed of a run, how many events were over when the one began in which it was done.
fn deeds(stage: &mut Stage, end: Time) -> Vec<u64> {
    let mut before = Vec::new();
    loop {
        let popped = stage.queue.popped();
        if !stage.step_until(end) {
            return before;
        }
        let done = usize::try_from(stage.deeds.done).unwrap_or(usize::MAX);
        before.resize(done, popped);
    }
}

/// Tries every crash point of a scenario, and gives each with how the run went, in order, to `take`, until it has enough.
/// That a deed is lost with its doer is tried where that differs from the deed before taking effect: for the first of what
/// a process does at once.
pub fn crash_points(
    scenario: &Arc<Scenario>,
    seed: u64,
    threads: NonZero<usize>,
    take: impl FnMut(CrashPoint, Outcome) -> ControlFlow<()>,
) {
    crash_points_with(scenario, seed, threads, None, take);
}

/// Tries every crash point, perhaps with a planted bug.
pub(crate) fn crash_points_with(
    scenario: &Arc<Scenario>,
    seed: u64,
    threads: NonZero<usize>,
    bug: Option<Bug>,
    mut take: impl FnMut(CrashPoint, Outcome) -> ControlFlow<()>,
) {
    let begin = || Stage::new(Arc::clone(scenario), seed, bug.map(Mutant::new));
    let end = Time(scenario.duration.0);
    let before = deeds(&mut begin(), end);
    let stretches = before.len().div_ceil(STRETCH);
    let stretch = |index: u64| {
        let first = usize::try_from(index).unwrap_or(0) * STRETCH;
        let mut stage = begin();
        let mut tried = Vec::new();
        for deed in first..(first + STRETCH).min(before.len()) {
            while stage.queue.popped() < before[deed] && stage.step_until(end) {}
            let is_first = deed == 0 || before[deed - 1] != before[deed];
            for lost in [true, false].into_iter().filter(|lost| is_first || !lost) {
                let point = CrashPoint { deed: deed as u64 + 1, lost };
                let mut copy = stage.clone();
                copy.deeds.fatal = Some(point);
                tried.push((point, crashed(copy, scenario, seed, point)));
            }
        }
        tried
    };
    in_order(threads, stretches as u64, stretch, |tried| {
        tried.into_iter().try_for_each(|(point, outcome)| take(point, outcome))
    });
}

/// Makes the run in which one deed is its doer's last.
#[must_use]
pub fn crash_at(scenario: &Arc<Scenario>, seed: u64, point: CrashPoint) -> Outcome {
    let mut stage = Stage::new(Arc::clone(scenario), seed, None);
    stage.deeds.fatal = Some(point);
    crashed(stage, scenario, seed, point)
}

fn crashed(stage: Stage, scenario: &Scenario, seed: u64, point: CrashPoint) -> Outcome {
    let lost = if point.lost { " --lost" } else { "" };
    let said = format!("crash-points {{}} --seed {seed} --at {}{lost}", point.deed);
    Outcome { again: again(scenario, &said), ..finish(stage, seed, end_of(scenario)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::read;

    const WORLD: &str = "
name: crash
duration: 300s
settle: 120s
fleet: [{count: 2}]
generate: [{prefix: s-, services: 1, tasks: 2, min: 1, max: 3}]
timeline: [{at: 30s, do: set_service, service: s-001, desired: 1}]
";

    #[test]
    fn a_crash_point_is_the_same_from_a_copy_and_from_the_beginning() {
        let scenario = Arc::new(read("crash", WORLD.as_bytes()).expect("a scenario"));
        let mut points = Vec::new();
        crash_points(&scenario, 1, NonZero::new(2).expect("two"), |point, outcome| {
            assert!(outcome.passed, "{point:?}: {}", outcome.summary());
            points.push((point, outcome.hash));
            ControlFlow::Continue(())
        });
        assert!(points.len() > 100, "{}", points.len());
        assert!(points.is_sorted_by_key(|(point, _)| point.deed));
        for (point, hash) in points.iter().step_by(37) {
            assert_eq!(crash_at(&scenario, 1, *point).hash, *hash, "{point:?}");
        }
    }
}
