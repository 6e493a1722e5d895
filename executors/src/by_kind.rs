//! Makes one executor of several. Each container of a task goes to the executor of its type; the task is the whole:
//! it starts when all parts do, and when one part ends the others are stopped.
//!
//! **Invariant:** which executors hold a part of a run follows from its specification alone, so that a part that
//! never came to be counts as ended instead of being forgotten.

use crate::exec::choose;
use crate::{EXIT_UNSEEN, Exec, Executor, Failure};
use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::model::Usage;
use callboard_core::work::{Exit, Found, Run, Spec};
use futures_util::future::{join_all, select_all};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Dispatches by the type of a task's containers, `bash` or `docker`. An executor ignores the containers that are not
/// of its type.
pub struct ByKind {
    kinds: BTreeMap<&'static str, Arc<dyn Executor>>,
    runs: Mutex<BTreeMap<Run, Arc<Spec>>>,
}

impl ByKind {
    /// Combines executors, by the type of container each one runs.
    #[must_use]
    pub fn new(kinds: BTreeMap<&'static str, Arc<dyn Executor>>) -> ByKind {
        ByKind { kinds, runs: Mutex::default() }
    }

    /// Lists the types on offer, for the host's registration.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        self.kinds.keys().map(ToString::to_string).collect()
    }

    fn parts(&self, spec: &Spec) -> Result<Vec<&Arc<dyn Executor>>, Failure> {
        let wanted: BTreeSet<_> =
            spec.definition.containers.iter().map(|part| part.executor.kind()).collect();
        wanted.into_iter().map(|kind| self.part(kind)).collect()
    }

    fn part(&self, kind: &str) -> Result<&Arc<dyn Executor>, Failure> {
        self.kinds.get(kind).ok_or_else(|| {
            let offer = match self.kinds.is_empty() {
                true => "none".to_string(),
                false => self.kinds().join(", "),
            };
            Failure(format!(
                "this host offers no executor of type {kind} (it offers: {offer}); enable it in the agent's \
                 configuration or place the task elsewhere"
            ))
        })
    }

    fn spec(&self, run: &Run) -> Option<Arc<Spec>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned()
    }

    /// Tells what a run was made of, and learns it where that is not known, as after a restart.
    async fn known(&self, run: &Run) -> Option<Arc<Spec>> {
        if self.spec(run).is_none() {
            let _ = self.inspect().await;
        }
        self.spec(run)
    }

    fn remember(&self, spec: &Arc<Spec>) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.run(), Arc::clone(spec));
    }

    /// Gives who may hold a part of a run: all where it is not known what it is made of.
    fn holders(&self, run: &Run) -> Vec<&Arc<dyn Executor>> {
        match self.spec(run).map(|spec| self.parts(&spec)) {
            Some(Ok(parts)) => parts,
            Some(Err(_)) | None => self.kinds.values().collect(),
        }
    }

    async fn stop_all(&self, run: &Run, grace: Span) -> Result<(), Failure> {
        let stops = self.holders(run).into_iter().map(|executor| executor.stop(run, grace));
        join_all(stops).await.into_iter().collect()
    }
}

#[async_trait]
impl Executor for ByKind {
    async fn start(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
        let parts = self.parts(spec)?;
        self.remember(spec);
        for part in parts {
            if let Err(failure) = part.start(spec).await {
                self.stop_all(&spec.run(), spec.definition.kill_timeout).await?;
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn stop(&self, run: &Run, grace: Span) -> Result<(), Failure> {
        self.stop_all(run, grace).await
    }

    async fn exited(&self, run: &Run) -> Exit {
        let Some(spec) = self.known(run).await else { return EXIT_UNSEEN };
        let Ok(parts) = self.parts(&spec) else { return EXIT_UNSEEN };
        if parts.is_empty() {
            return EXIT_UNSEEN;
        }
        let single = parts.len() == 1;
        let (exit, ..) = select_all(parts.into_iter().map(|part| part.exited(run))).await;
        while !single && let Err(failure) = self.stop_all(run, spec.definition.kill_timeout).await {
            tracing::warn!(task = %run.id, %failure, "one part has ended, another cannot be stopped; trying again");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        exit
    }

    async fn inspect(&self) -> Result<Vec<Found>, Failure> {
        let mut runs: BTreeMap<Run, Found> = BTreeMap::new();
        for found in join_all(self.kinds.values().map(|executor| executor.inspect())).await {
            for part in found? {
                self.remember(&part.spec);
                let whole = runs.entry(part.spec.run()).or_insert_with(|| part.clone());
                if part.exit.is_none() {
                    whole.exit = None;
                }
            }
        }
        Ok(runs.into_values().collect())
    }

    async fn remove(&self, run: &Run) -> Result<(), Failure> {
        let removals = self.holders(run).into_iter().map(|executor| executor.remove(run));
        join_all(removals).await.into_iter().collect::<Result<(), _>>()?;
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
        Ok(())
    }

    async fn usage(&self) -> Usage {
        let mut whole = crate::memory::machine();
        for part in join_all(self.kinds.values().map(|executor| executor.usage())).await {
            for (task, memory) in part.tasks {
                *whole.tasks.entry(task).or_default() += memory;
            }
            whole.unfit = whole.unfit.or(part.unfit);
        }
        whole
    }

    async fn tail(&self, run: &Run, bytes_max: usize, since: Option<SystemTime>) -> Result<Vec<u8>, Failure> {
        let mut failure =
            Failure(format!("there is no run {} of task {} on this host", run.generation, run.id));
        for executor in self.holders(run) {
            match executor.tail(run, bytes_max, since).await {
                Ok(output) => return Ok(output),
                Err(other) => failure = other,
            }
        }
        Err(failure)
    }

    async fn exec(&self, run: &Run, exec: Exec) -> Result<i32, Failure> {
        let spec = self.known(run).await.ok_or_else(|| Failure("the task does not run".to_string()))?;
        let containers = spec.definition.containers.iter();
        let kinds = containers.map(|container| (container, container.executor.kind()));
        self.part(choose(kinds, exec.container.as_deref())?)?.exec(run, exec).await
    }

    async fn script(&self, spec: &Arc<Spec>, command: &str, timeout: Span) -> Result<(), Failure> {
        // A script check belongs to the task; it runs where the first container does.
        match spec.definition.containers.first() {
            Some(first) => self.part(first.executor.kind())?.script(spec, command, timeout).await,
            None => Err(Failure("the task has no container".to_string())),
        }
    }
}
