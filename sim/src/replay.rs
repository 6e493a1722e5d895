//! A run that one can stop at any moment, to look at what is true then: step by step, with everything that each event led
//! to.
//!
//! **Invariant:** looking changes nothing; a run that was stopped and looked at ends like one that was not.

mod differences;
mod state;

pub use crate::trace::{Line, LineKind, Step};
pub use differences::Snapshot;
pub use state::{HostState, Overview, Process, ServiceState, TaskState};

use crate::run::{Options, Outcome, end_of, outcome};
use crate::scenario::Scenario;
use crate::stage::Stage;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;
use callboard_core::scheduler::{self, Explanation};
use std::collections::VecDeque;
use std::sync::Arc;

/// A run that goes on as one asks it to.
pub struct Replay {
    stage: Stage,
    steps: VecDeque<Step>,
    seed: u64,
    end: Time,
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
        let stage = Stage::new(Arc::new(scenario), seed, None);
        Replay { stage, steps: VecDeque::new(), seed, end: Time(end.0) }
    }

    /// Lets everything happen up to and including a time, without telling of it.
    pub fn skip_to(&mut self, time: Time) {
        self.stage.run_until(time.min(self.end));
    }

    /// Lets the next thing happen and tells of it; `None` at the end.
    pub fn step(&mut self) -> Option<Step> {
        let trace = self.stage.witness.trace.get_or_insert_default();
        trace.knows(self.stage.store.memory.entries(""));
        while self.steps.is_empty() {
            if !self.stage.step_until(self.end) {
                self.stage.run_until(self.end);
                return None;
            }
            self.steps.extend(self.stage.witness.trace.iter_mut().flat_map(|trace| trace.take()));
        }
        self.steps.pop_front()
    }

    /// Gives the verdict so far, and at the end of the scenario that on the whole of it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mut stage = self.stage.clone();
        let complete = self.end == end_of(&stage.scenario) && self.now() >= self.end;
        if complete {
            stage.end();
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
