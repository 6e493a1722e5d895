//! What an agent knows of one task on its host: the placement it follows, how far its present start got, and when it
//! must be looked at again.

use super::converge::{SLOT_TIME, UNEXPLAINED_AFTER};
use super::gate::Gate;
use super::health::Probing;
use super::progress::Progress;
use crate::machine::{Span, Time};
use crate::model::{Generation, Health, Phase, Status, Task, TaskDefinition};
use crate::store::Revision;
use crate::work::{Exit, Order, Run, Spec};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// How long one waits for a task of an unknown definition to end before asking again.
const GRACE_UNKNOWN: Span = Span::secs(10);

/// How long an agent that ends waits at most for the end of a task of an unknown definition.
const PATIENCE_UNKNOWN: Span = Span::secs(300);

/// What a stop may take beyond its graces before it is repeated.
const STOP_PATIENCE: Span = Span::secs(30);

/// The signal that asks a process to end.
const SIGTERM: i32 = 15;

/// One task on this host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Local {
    /// The record it follows, as last accepted.
    pub(super) task: Arc<Task>,
    /// Of the record, what never changes and is asked for all the time.
    pub(super) generation: Generation,
    pub(super) time_limit: Option<Span>,
    pub(super) definition: Option<Arc<TaskDefinition>>,
    /// The present start; while nothing runs, the next one.
    pub(super) attempt: u32,
    /// How long the present start had run already when it was found.
    #[serde(default)]
    pub(super) age: Span,
    /// Restarts since it last ran for long.
    pub(super) failures: u32,
    /// Lives of the agent that ended while this placement was being started.
    pub(super) blamed: u32,
    /// The agent ends, and leaves it as it is.
    #[serde(default)]
    pub(super) left: bool,
    pub(super) state: State,
    pub(super) health: Health,
    /// What operators were told of it.
    #[serde(default)]
    pub(super) told: Health,
    pub(super) reason: Option<String>,
    /// Nearly all tasks have one check.
    pub(super) probing: SmallVec<[Probing; 1]>,
    /// The run that the registry was asked to enter.
    pub(super) shown: Option<Run>,
    pub(super) unhealthy_since: Option<Time>,
    /// What was started last, and the run before that, whose output is kept until the next one.
    pub(super) spec: Option<Arc<Spec>>,
    pub(super) past: Option<Run>,
    /// The revision of its record, if that was seen since this agent started.
    pub(super) accepted: Option<Revision>,
    /// It was found, on the machine or in the store, and what was said of it before is not yet taken into account.
    pub(super) unmerged: bool,
    /// The store went back in time, and has not shown the record since: its absence means nothing.
    pub(super) suspended: bool,
    /// Record and status are gone from a store that is otherwise in order.
    pub(super) confirmed: bool,
    /// Since when its record is missing without a reason, and whether the operator was told.
    pub(super) unexplained: Option<(Time, bool)>,
    pub(super) gate: Gate,
}

/// How far the present start got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Nothing was started yet.
    Waiting,
    /// Nothing runs until then.
    Backoff { until: Time },
    /// To be started since then, which the store is told first; the order is given when it knows, or at `again`, and
    /// given again then if nothing is heard. So many orders were given.
    Starting {
        since: Time,
        again: Time,
        orders: u32,
        #[serde(default)]
        progress: Option<Box<Progress>>,
    },
    /// Its processes exist.
    Running { since: Time },
    /// Told to stop; told again at `again`. Then it counts as what `end` says.
    Stopping { again: Time, failures: u32, why: String, end: End },
    /// Nothing is left of this start; what follows is not decided yet.
    Ended { why: String, end: End },
    /// Nothing is left, and nothing follows.
    Over(Phase),
    /// Stopped because the agent ends.
    Shut,
}

/// What the end of a start means for a task that runs to its end once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// It did what it was to do.
    Completed,
    /// The try failed.
    Failed,
    /// It was none of its own doing, but somebody's who asked it to end, or unseen: it is started again.
    Interrupted,
}

impl End {
    pub(super) fn of(exit: &Exit) -> End {
        match exit {
            Exit { code: Some(0), .. } => End::Completed,
            Exit { code: None, signal: None | Some(SIGTERM), out_of_memory: false } => End::Interrupted,
            Exit { .. } => End::Failed,
        }
    }

    /// Tells how what an earlier agent was stopping counts.
    pub(super) fn of_stopped(status: &Status) -> End {
        if status.health == Health::Unhealthy { End::Failed } else { End::Interrupted }
    }
}

/// A live run that another one has taken the place of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Relic {
    /// What it is made of, where that is known.
    pub(super) definition: Option<Arc<TaskDefinition>>,
    pub(super) port: Option<u16>,
    pub(super) again: Time,
    pub(super) failures: u32,
    /// It was told to stop already.
    pub(super) told: bool,
}

impl Relic {
    /// Makes one that is to be told to stop at `again`.
    pub(super) fn new(definition: Option<Arc<TaskDefinition>>, port: Option<u16>, again: Time) -> Relic {
        Relic { definition, port, again, failures: 0, told: false }
    }

    /// Gives how long an order to stop may take.
    pub(super) fn stop_time(&self) -> Span {
        stop_time(self.definition.as_ref())
    }

    /// Gives how long its end is waited for when nobody is left to ask again.
    pub(super) fn patience(&self) -> Span {
        patience(self.definition.as_ref())
    }
}

fn patience(definition: Option<&Arc<TaskDefinition>>) -> Span {
    definition.map_or(PATIENCE_UNKNOWN, |definition| definition.kill_timeout.times(definition.graces()))
}

/// Gives how long an order to stop what is made of this may take, before it is repeated.
fn stop_time(definition: Option<&Arc<TaskDefinition>>) -> Span {
    let known = |definition: &Arc<TaskDefinition>| definition.kill_timeout.times(definition.graces().max(2));
    Span(definition.map_or(GRACE_UNKNOWN.times(2), known).0 + STOP_PATIENCE.0)
}

/// Gives the order that stops a run, which only those that may have a part of it are to carry out.
pub(super) fn stop_of(run: Run, definition: Option<Arc<TaskDefinition>>) -> Order {
    let grace = definition.as_ref().map(|definition| definition.kill_timeout);
    Order::Stop { run, grace, definition }
}

impl Local {
    pub(super) fn new(task: Arc<Task>) -> Local {
        Local {
            generation: task.generation,
            time_limit: task.once.as_ref().and_then(|once| once.time_limit),
            task,
            definition: None,
            attempt: 0,
            age: Span(0),
            failures: 0,
            blamed: 0,
            left: false,
            state: State::Waiting,
            health: Health::Unknown,
            told: Health::Unknown,
            reason: None,
            probing: SmallVec::new(),
            shown: None,
            unhealthy_since: None,
            spec: None,
            past: None,
            accepted: None,
            unmerged: false,
            suspended: false,
            confirmed: false,
            unexplained: None,
            gate: Gate::Unasked,
        }
    }

    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Tells whether a report about `run` speaks of the present start.
    pub(super) fn is_at(&self, run: &Run) -> bool {
        self.generation == run.generation && self.attempt == run.attempt
    }

    pub(super) fn run(&self) -> Run {
        Run { id: self.task.id.clone(), generation: self.generation, attempt: self.attempt }
    }

    /// Tells whether what was said of it goes beyond what is known here.
    pub(super) fn is_behind(&self, status: &Status) -> bool {
        let is_ahead = status.attempt > self.attempt
            || (status.attempt == self.attempt && status.phase.is_over() && !self.phase().is_over());
        status.generation == self.generation() && is_ahead
    }

    /// Tells whether processes of it may exist.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Starting { .. } | State::Running { .. } | State::Stopping { .. })
    }

    /// Tells whether it runs and was not yet seen at work.
    pub(super) fn is_unproven(&self) -> bool {
        matches!(self.state, State::Running { .. }) && self.health == Health::Unknown
    }

    /// Tells whether its port is taken.
    pub(super) fn holds_port(&self) -> bool {
        self.is_live() || matches!(self.state, State::Backoff { .. } | State::Ended { .. })
    }

    /// Gives how long an order to stop may take.
    pub(super) fn stop_time(&self) -> Span {
        stop_time(self.definition.as_ref())
    }

    /// Gives how long its end is waited for when nobody is left to ask again.
    pub(super) fn patience(&self) -> Span {
        patience(self.definition.as_ref())
    }

    /// Gives how long a start may take, where that is limited.
    pub(super) fn time_limit(&self) -> Option<Span> {
        self.time_limit
    }

    /// Has the stop that was just ordered count as a failed try. What is said of it meanwhile tells a later agent.
    pub(super) fn fail_try(&mut self) {
        if let (State::Stopping { end, why, .. }, true) = (&mut self.state, self.task.once.is_some()) {
            *end = End::Failed;
            self.health = Health::Unhealthy;
            self.reason = Some(why.clone());
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match &self.state {
            State::Waiting | State::Backoff { .. } | State::Shut => Phase::Pending,
            State::Starting { .. } => Phase::Starting,
            State::Running { .. } => Phase::Running,
            State::Stopping { .. } | State::Ended { .. } => Phase::Stopping,
            State::Over(phase) => *phase,
        }
    }

    /// Gives what is to be said of it.
    pub(super) fn status(&self) -> Status {
        // What becomes of a start that ends while the agent does is for the next one to decide.
        let is_starting = matches!(self.state, State::Starting { .. } | State::Ended { .. });
        let left = self.left && (is_starting || self.is_unproven());
        let waits = if let State::Starting { progress: Some(progress), .. } = &self.state {
            progress.said.as_ref()
        } else {
            None
        };
        Status {
            id: self.task.id.clone(),
            generation: self.generation,
            attempt: self.attempt,
            failures: self.failures,
            blamed: self.blamed,
            left,
            phase: if left && is_starting { Phase::Starting } else { self.phase() },
            health: self.health,
            // What it failed of before is told again when it runs.
            reason: waits.or(self.reason.as_ref()).cloned(),
        }
    }

    /// Tells whether it runs and does its work, and nothing about it is in doubt or under way: until something else
    /// happens, there is nothing to do but to make its checks.
    pub(super) fn is_steady(&self) -> bool {
        matches!(self.state, State::Running { .. })
            && self.health == Health::Healthy
            && self.failures == 0
            && self.unhealthy_since.is_none()
            && self.accepted.is_some()
            && !self.unmerged
            && !self.suspended
            && self.unexplained.is_none()
            && self.gate == Gate::Unasked
            && self.time_limit().is_none()
    }

    /// Tells when time alone will have changed something. What was due before and is not done waits for more than time, and
    /// is looked at again when that is there.
    pub(super) fn next_due(&self, now: Time) -> Option<Time> {
        let own = match &self.state {
            State::Backoff { until } => [Some(*until), None, None, None],
            State::Starting { since, again, progress, .. } => {
                let untold = progress.as_ref().and_then(|progress| progress.due());
                [Some(*again), Some(*since + SLOT_TIME), untold, None]
            }
            State::Stopping { again, .. } => [Some(*again), None, None, None],
            State::Running { since } => self.running_dues(*since),
            State::Waiting | State::Ended { .. } | State::Over(_) | State::Shut => [None; 4],
        };
        let untold = self.unexplained.map(|(since, _)| since + UNEXPLAINED_AFTER);
        own.into_iter().chain([untold]).flatten().filter(|at| *at > now).min()
    }

    fn running_dues(&self, since: Time) -> [Option<Time>; 4] {
        let restart = self.definition.as_ref().map(|definition| &definition.restart);
        let reset = restart.filter(|_| self.failures > 0).map(|policy| since + policy.reset_after);
        let unhealthy =
            self.unhealthy_since.zip(restart).map(|(since, policy)| since + policy.unhealthy_after);
        let probe = self.probing.iter().map(|probing| probing.due()).min();
        [
            reset,
            unhealthy,
            probe,
            self.time_limit().map(|limit| since + Span(limit.0.saturating_sub(self.age.0))),
        ]
    }
}
