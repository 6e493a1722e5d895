//! Carries out an agent's orders. Whatever comes of one goes back as a report; nothing is decided here.

use crate::{Archive, Executor, Failure};
use callboard_core::work::{Order, Report, Run, Spec};
use futures_util::future::select_all;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// Carries out orders by one executor and sends what comes of them. Clones are one and the same.
///
/// A run that was started, or is found alive, is also waited for: its `Exited` follows. However often it is found, it is
/// waited for by one. Reports are dropped when nobody receives them any more.
#[derive(Clone)]
pub struct Performer {
    executor: Arc<dyn Executor>,
    /// Where the output of what is removed is kept.
    archive: Option<Archive>,
    reports: UnboundedSender<Report>,
    awaited: Arc<Mutex<BTreeSet<Run>>>,
    /// Runs of whose start it is told what it waits for.
    followed: Arc<Mutex<BTreeSet<Run>>>,
}

impl Performer {
    /// Makes one that has no orders yet.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>, reports: UnboundedSender<Report>) -> Performer {
        Performer { executor, archive: None, reports, awaited: Arc::default(), followed: Arc::default() }
    }

    /// Keeps the end of the output of what is removed from now on.
    #[must_use]
    pub fn keeping(self, archive: Archive) -> Performer {
        Performer { archive: Some(archive), ..self }
    }

    /// Carries out one order. Takes as long as the order does, so a driver spawns it. Must be called within a tokio runtime.
    pub async fn perform(self, order: Order) {
        let executor = &self.executor;
        let report = match order {
            Order::Inspect => self.inspect().await,
            Order::Start(spec) => {
                let run = spec.run();
                let result = self.start(&spec).await.map_err(|failure| failure.0);
                let started = result.is_ok();
                let _ = self.reports.send(Report::Started(run.clone(), result));
                if started {
                    self.wait(run);
                }
                return;
            }
            Order::Stop { run, grace, definition } => {
                if let Some(definition) = &definition {
                    executor.learn(&run, definition);
                }
                let result = executor.stop(&run, grace).await.map_err(|failure| failure.0);
                Report::Stopped(run, result)
            }
            Order::Remove(run) => {
                if let Some(archive) = &self.archive {
                    archive.take(&**executor, &run).await;
                }
                if let Err(failure) = executor.remove(&run).await {
                    let Run { id, generation, attempt } = &run;
                    tracing::warn!(task = %id, generation, attempt, %failure, "not removed");
                }
                return;
            }
            Order::Check { spec, check } => {
                let result = match spec.definition.checks.get(check) {
                    Some(what) => executor.probe(&spec, what).await,
                    None => Err(format!("task definition {} has no check {check}", spec.definition.name)),
                };
                Report::Checked { run: spec.run(), check, result }
            }
            Order::Measure => Report::Measured(executor.usage().await.into()),
        };
        let _ = self.reports.send(report);
    }

    /// Starts a run, and reports meanwhile what that waits for. An order that comes again is followed once.
    async fn start(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
        let followed = || self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let run = spec.run();
        let is_first = followed().insert(run.clone());
        let mut waits = if is_first { self.executor.progress(spec) } else { Vec::new() };
        let mut start = self.executor.start(spec);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut start => break result,
                what = change(&mut waits) => {
                    let _ = self.reports.send(Report::Starting(run.clone(), what));
                }
            }
        };
        if is_first {
            followed().remove(&run);
        }
        result
    }

    async fn inspect(&self) -> Report {
        let inventory = self.executor.inventory().await.map_err(|failure| failure.0);
        if let Ok(inventory) = &inventory {
            let live = inventory.found.iter().filter(|found| found.exit.is_none());
            live.for_each(|found| self.wait(found.spec.run()));
        }
        Report::Inspected(inventory)
    }

    /// Waits for the end of a run, unless that is done already.
    fn wait(&self, run: Run) {
        if !self.awaited.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone()) {
            return;
        }
        let Performer { executor, reports, awaited, .. } = self.clone();
        tokio::spawn(async move {
            let exit = tokio::select! {
                exit = executor.exited(&run) => exit,
                () = reports.closed() => return,
            };
            awaited.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
            let _ = reports.send(Report::Exited(run, exit));
        });
    }
}

/// Gives what a start waits for once that has changed; never, where nobody tells.
async fn change(waits: &mut Vec<watch::Receiver<String>>) -> String {
    while !waits.is_empty() {
        let changes = waits.iter_mut().map(|one| Box::pin(one.changed()));
        let (changed, at, others) = select_all(changes).await;
        drop(others);
        match changed {
            Ok(()) => return waits[at].borrow_and_update().clone(),
            Err(_) => drop(waits.swap_remove(at)),
        }
    }
    std::future::pending().await
}
