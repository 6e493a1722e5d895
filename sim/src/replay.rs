//! A run that one can stop at any moment, to look at what is true then: step by step, with everything that each event led
//! to.
//!
//! **Invariant:** looking changes nothing; a run that was stopped and looked at ends like one that was not.

mod differences;
mod state;

pub use crate::trace::{Line, LineKind, Step};
pub use differences::Snapshot;
pub use state::{Departure, HostState, Overview, Process, ServiceState, TaskState};

use crate::departed::Departed;
use crate::desk::said_by;
use crate::run::{Options, Outcome, end_of, outcome};
use crate::scenario::Scenario;
use crate::stage::Stage;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;
use callboard_core::scheduler::{self, Explanation};
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

/// A run that goes on as one asks it to.
pub struct Replay {
    stage: Stage,
    steps: VecDeque<Step>,
    seed: u64,
    end: Time,
    /// A machine found one of its own rules broken: the run is over, and this was its last word.
    broken_down: Option<String>,
}

impl Replay {
    /// Begins a run of a scenario.
    #[must_use]
    pub fn new(scenario: &Scenario, options: &Options) -> Replay {
        let seed = options.seed.unwrap_or(scenario.seed);
        let scenario = match options.hosts {
            Some(hosts) if hosts != scenario.hosts() => scenario.clone().scaled_to(hosts),
            Some(_) | None => scenario.clone(),
        };
        let end = options.until.map_or(scenario.duration, |until: Span| until.min(scenario.duration));
        let mut stage = Stage::new(Arc::new(scenario), seed, None);
        stage.witness.departed = Some(Box::new(Departed::default()));
        Replay { stage, steps: VecDeque::new(), seed, end: Time(end.0), broken_down: None }
    }

    /// Lets something happen on the stage. A machine that breaks down over it ends the run, and that is a verdict.
    fn play<T>(&mut self, what: impl FnOnce(&mut Stage) -> T) -> Option<T> {
        if self.broken_down.is_some() {
            return None;
        }
        let played = panic::catch_unwind(AssertUnwindSafe(|| what(&mut self.stage)));
        played.map_err(|said| self.broken_down = Some(said_by(said.as_ref()))).ok()
    }

    /// Lets everything happen up to and including a time, without telling of it.
    pub fn skip_to(&mut self, time: Time) {
        let until = time.min(self.end);
        self.play(|stage| stage.run_until(until));
    }

    /// Lets the next thing happen and tells of it; `None` at the end.
    pub fn step(&mut self) -> Option<Step> {
        let trace = self.stage.witness.trace.get_or_insert_default();
        trace.knows(self.stage.store.memory.entries(""));
        let (end, mut goes_on) = (self.end, true);
        while self.steps.is_empty() {
            if !goes_on {
                self.play(|stage| stage.run_until(end));
                return None;
            }
            // What a step led to before a machine broke down over it is told.
            goes_on = self.play(|stage| stage.step_until(end)).unwrap_or(false);
            self.steps.extend(self.stage.witness.trace.iter_mut().flat_map(|trace| trace.take()));
        }
        self.steps.pop_front()
    }

    /// Gives the verdict so far, and at the end of the scenario that on the whole of it. A machine that broke down is a
    /// violation, as in a run.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mut stage = self.stage.clone();
        let is_over = self.broken_down.is_some() || self.now() >= self.end;
        let complete = is_over && self.end == end_of(&stage.scenario);
        let mut broken_down = self.broken_down.clone();
        if complete && broken_down.is_none() {
            let ended = panic::catch_unwind(AssertUnwindSafe(|| stage.end()));
            broken_down = ended.err().map(|said| said_by(said.as_ref()));
        }
        if let Some(said) = broken_down {
            stage.court.blame("assert", said);
        }
        outcome(stage, self.seed, self.now(), complete)
    }

    /// Gives the present moment.
    #[must_use]
    pub fn now(&self) -> Time {
        self.stage.court.book.now
    }

    /// Gives the fingerprint of all that happened so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.stage.tidings.hash()
    }

    /// Asks the scheduler that looks after a service, host by host, where one more task of it could go; `None` when no
    /// scheduler looks after it, or nobody knows it.
    #[must_use]
    pub fn explain(&self, service: &str) -> Option<Explanation> {
        let record = self.stage.court.book.services.get(service)?.record.as_ref()?;
        let clusters = &self.stage.court.book.clusters;
        let lists = |services: &[Name]| services.iter().any(|listed| &**listed == service);
        let cluster = clusters.iter().find(|(_, cluster)| lists(&cluster.services)).map(|(name, _)| name)?;
        let mut machines = self.stage.schedulers.iter().filter_map(|process| process.machine.as_ref());
        let machine = machines.rfind(|machine| machine.machine().tenure(cluster).is_some())?;
        let scheduler = machine.machine();
        let world = scheduler.world();
        let definition = world.definition(&record.task_name, record.task_version)?;
        let key = (cluster.clone(), service.into());
        Some(scheduler::explain(
            world,
            machine.clock.shows(self.stage.now()),
            &key,
            world.services.get(service)?,
            definition,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::scenario::{Profile, draw};

    /// Has something happen after two minutes over which the program breaks down, as over a broken rule.
    fn breaks_down() -> Replay {
        let mut replay = Replay::new(&draw(Profile::Tiny, 1), &Options::default());
        replay.stage.queue.push(Time(120_000), Event::Drip(9_999));
        replay
    }

    #[test]
    fn a_machine_that_breaks_down_is_told_as_a_defect() {
        let mut steps = breaks_down();
        let last = std::iter::from_fn(|| steps.step()).last().expect("something happened");
        assert_eq!(last.at, Time(120_000), "{last:?}");
        let mut leap = breaks_down();
        leap.skip_to(Time(u64::MAX));
        for replay in [steps, leap] {
            let outcome = replay.outcome();
            let broken = outcome.violations.last().expect("it is broken");
            assert_eq!(
                (outcome.passed, broken.promise.as_str(), broken.at),
                (false, "assert", Span(120_000))
            );
        }
    }
}
