//! What runs tasks on a host, behind one trait: docker, bash, and in tests a fake. An executor does as it is told;
//! whether to start, stop or start again is decided in `callboard_core`.
//!
//! ```text
//! perform      an agent's order → an executor → a report
//! archive      what runs wrote that are gone
//! by_kind      one executor made of several, by the type of a task's containers
//! bash/        shell commands under a shim that outlives the agent
//! docker/      containers of the engine on this host, by its API
//! check        one health check
//! exec         a program that a person runs inside a task
//! known        what runs are made of
//! fake         an executor that only pretends
//! process      which process is which
//! machine      what the machine has and uses
//! cpu          how fast processor time is used
//! environment  what every task is told of itself
//! waits        what a start waits for
//! quote        output in messages
//! failpoint    where tests have an agent killed
//! ```
//!
//! **Invariant:** a run that an executor reports as ended has no process left.

mod archive;
pub mod bash;
mod by_kind;
pub mod check;
mod cpu;
#[cfg(feature = "docker")]
pub mod docker;
mod environment;
mod exec;
#[cfg(feature = "failpoints")]
pub mod failpoint;
#[cfg(not(feature = "failpoints"))]
mod failpoint;
pub mod fake;
mod known;
mod machine;
mod perform;
mod process;
mod question;
mod quote;
mod waits;

pub use archive::Archive;
pub use by_kind::ByKind;
pub use exec::{Exec, Said};
pub use perform::Performer;
use quote::quote;

use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::model::{Check, TaskDefinition, Usage};
use callboard_core::work::{Exit, Found, Inventory, Run, Spec};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;

/// Tells in words for an operator what could not be done, where, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    /// Says what was being done when `cause` came up.
    pub(crate) fn of(doing: impl std::fmt::Display, cause: impl std::fmt::Display) -> Failure {
        Failure(format!("{doing}: {cause}"))
    }
}

/// How a run ended of which nobody saw the end.
pub const EXIT_UNSEEN: Exit = Exit { code: None, signal: None, out_of_memory: false };

/// Runs tasks on this machine, one [`Run`] being one start of one placement.
///
/// Runs outlive the executor: dropping it, or killing its process, stops nothing, and the next one over the same
/// place finds them by [`Executor::inspect`]. Calls for different runs go on in parallel; any call may be repeated.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Sets up and starts a run; returns when its processes exist. A run that was started before is not started
    /// again, and the answer is that of the first start. A `stop` meanwhile ends it.
    ///
    /// # Errors
    /// What failed, with the last lines of output where there were any. Nothing of the run is left then.
    async fn start(&self, spec: &Arc<Spec>) -> Result<(), Failure>;

    /// Gives what the start of a run waits for, in words for operators, whenever that changes: one for each part of it that
    /// tells.
    fn progress(&self, _spec: &Spec) -> Vec<watch::Receiver<String>> {
        Vec::new()
    }

    /// Runs the stop commands, asks everything of the run to end, and kills after `grace` what has not; without one, after
    /// the time in the definition that the run was started with. The stop commands get as much time again, so the whole
    /// may take twice that. A run that has been stopped cannot be started any more, even when the stop came first.
    ///
    /// `Ok` also for a run that has ended or never was.
    ///
    /// # Errors
    /// Something of the run may be left; it is safe and useful to ask again.
    async fn stop(&self, run: &Run, grace: Option<Span>) -> Result<(), Failure>;

    /// Waits until the run has ended and nothing of it is left. A run that never was has ended, unseen.
    async fn exited(&self, run: &Run) -> Exit;

    /// Tells every run of ours on the machine that was not removed, ended ones included, in the order of their names.
    ///
    /// # Errors
    /// It cannot tell; that is no evidence that nothing runs.
    async fn inspect(&self) -> Result<Vec<Found>, Failure>;

    /// Tells the same of each kind of executor by itself, where this one is made of several: one that cannot tell hides
    /// nothing of the others.
    ///
    /// # Errors
    /// None of them can tell.
    async fn inventory(&self) -> Result<Inventory, Failure> {
        Ok(Inventory { found: self.inspect().await?, ..Inventory::default() })
    }

    /// Learns what a run is made of, where this one is made of several: only those that may have a part of it are asked
    /// to stop or to forget it.
    fn learn(&self, _run: &Run, _definition: &Arc<TaskDefinition>) {}

    /// Forgets a run that has ended. `Ok` when there is no such run.
    ///
    /// # Errors
    /// It has not ended, or cannot be removed.
    async fn remove(&self, run: &Run) -> Result<(), Failure>;

    /// Measures the memory of the machine, within the limit of this process's control group where there is one, and
    /// of each task; and what both use of the processors since they were measured before.
    async fn usage(&self) -> Usage;

    /// Reads the last `bytes_max` bytes of what the run wrote, stdout and stderr together; with `since` only of what it
    /// wrote from that second on.
    ///
    /// # Errors
    /// There is no such run, or its output cannot be read.
    async fn tail(&self, run: &Run, bytes_max: usize, since: Option<SystemTime>) -> Result<Vec<u8>, Failure>;

    /// Runs a shell command inside a live run, with its environment and work directory, and kills it and its process
    /// group after `timeout`.
    ///
    /// # Errors
    /// Its exit code was not 0, or it took too long, with the last lines of its output; or it could not be run.
    async fn script(&self, spec: &Arc<Spec>, command: &str, timeout: Span) -> Result<(), Failure>;

    /// Runs a program inside a live run, with the environment and work directory of a container, until it ends, and gives
    /// its exit code: 128 and the number of the signal where one ended it.
    ///
    /// # Errors
    /// The run does not live, has no such container, or the program cannot be run.
    async fn exec(&self, run: &Run, exec: Exec) -> Result<i32, Failure>;

    /// Carries out one health check of a live run, see [`check::probe`].
    ///
    /// # Errors
    /// Why the task is not healthy, or why that cannot be told.
    async fn probe(&self, spec: &Arc<Spec>, check: &Check) -> Result<(), String> {
        check::probe(check, spec, self).await
    }
}
