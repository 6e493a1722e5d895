//! What an agent says to its executors and health checks, and what they answer, as plain data.
//!
//! Every order names generation and attempt, and so does its report: a report about an earlier start is never taken for
//! one about the present.

use crate::machine::Span;
use crate::model::{Generation, Name, Task, TaskDefinition, Usage};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One start of one placement of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Run {
    /// The task.
    pub id: Name,
    /// Its placement.
    pub generation: Generation,
    /// Which start, from 0.
    pub attempt: u32,
}

/// All an executor needs to start a task, and all an agent needs to go on looking after it when it was itself restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The record.
    pub task: Task,
    /// What it runs.
    pub definition: Arc<TaskDefinition>,
    /// Which start.
    pub attempt: u32,
}

impl Spec {
    /// Names this start.
    #[must_use]
    pub fn run(&self) -> Run {
        Run { id: self.task.id.clone(), generation: self.task.generation, attempt: self.attempt }
    }

    /// Tells whether it may run for so long only, so that [`Found::age`] is asked for.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.task.once.as_ref().is_some_and(|once| once.time_limit.is_some())
    }
}

/// An agent's order. Each is answered by its report, or by none when it is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Tell everything of ours that exists on this machine.
    Inspect,
    /// Set up and start; answered when the processes exist, or did not come to be. From then on, `Exited` follows once.
    Start(Arc<Spec>),
    /// Run the stop commands, ask to end, kill after the grace; answered when really nothing is left.
    Stop {
        /// What.
        run: Run,
        /// From asking to killing; `None`: what the run was started with says how long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace: Option<Span>,
        /// What it is made of; `None` where that is not known, and then any executor may have a part of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        definition: Option<Arc<TaskDefinition>>,
    },
    /// Forget what is known of a run that is over: its directory, its container. Logs may stay for a while.
    Remove(Run),
    /// Do one health check.
    Check {
        /// Of what.
        spec: Arc<Spec>,
        /// Index into the definition's checks.
        check: usize,
    },
    /// Measure what the machine and its tasks use.
    Measure,
}

/// What an executor found on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What it was started from.
    pub spec: Arc<Spec>,
    /// `None` while it lives.
    pub exit: Option<Exit>,
    /// How long it has run, where [`Spec::is_limited`] asks for it and it can be told without a clock that somebody may set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Span>,
}

/// What executors tell of all that is on the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// What exists.
    pub found: Vec<Found>,
    /// Executors that cannot tell, by kind, and why: what exists of theirs is not known.
    pub silent: BTreeMap<String, String>,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, where it ended by itself; what was told to stop has none.
    pub code: Option<i32>,
    /// The signal that killed it, where one did.
    pub signal: Option<i32>,
    /// It was killed for its memory.
    pub out_of_memory: bool,
}

/// What came of an order, or happened by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Answers `Inspect`; `Err` when no executor can tell, which is no evidence that nothing runs.
    Inspected(Result<Inventory, String>),
    /// A start is under way and waits for this, in words for operators. Comes unasked, as often as it changes.
    Starting(Run, String),
    /// Answers `Start`.
    Started(Run, Result<(), String>),
    /// A started task ended, by itself or stopped.
    Exited(Run, Exit),
    /// Answers `Stop`: `Ok` nothing is left, `Err` something may be.
    Stopped(Run, Result<(), String>),
    /// Answers `Check`: `Err` tells why it failed. For a ttl check it comes from the task itself, unasked.
    Checked {
        /// Of what.
        run: Run,
        /// Index into the definition's checks.
        check: usize,
        /// Passed, or why not.
        result: Result<(), String>,
    },
    /// Answers `Measure`.
    Measured(Arc<Usage>),
}
