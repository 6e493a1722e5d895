//! Carries out an agent's orders. Whatever comes of one goes back as a report; nothing is decided here.

use crate::Executor;
use callboard_core::work::{Order, Report, Run};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// Carries out one order and sends what comes of it. Takes as long as the order does, so a driver spawns it.
///
/// A successful start, and each live run that is found, is also waited for: its `Exited` follows, once per order.
/// Must be called within a tokio runtime. Reports are dropped when nobody receives them any more.
pub async fn perform(executor: Arc<dyn Executor>, order: Order, reports: UnboundedSender<Report>) {
    let report = match order {
        Order::Inspect => inspect(&executor, &reports).await,
        Order::Start(spec) => {
            let run = spec.run();
            let result = executor.start(&spec).await.map_err(|failure| failure.0);
            let started = result.is_ok();
            let _ = reports.send(Report::Started(run.clone(), result));
            if started {
                watch(&executor, &reports, run);
            }
            return;
        }
        Order::Stop { run, grace } => {
            let result = executor.stop(&run, grace).await.map_err(|failure| failure.0);
            Report::Stopped(run, result)
        }
        Order::Remove(run) => {
            if let Err(failure) = executor.remove(&run).await {
                tracing::warn!(task = %run.id, generation = run.generation, attempt = run.attempt, %failure, "not removed");
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
    let _ = reports.send(report);
}

async fn inspect(executor: &Arc<dyn Executor>, reports: &UnboundedSender<Report>) -> Report {
    let found = executor.inspect().await.map_err(|failure| failure.0);
    if let Ok(found) = &found {
        let live = found.iter().filter(|found| found.exit.is_none());
        live.for_each(|found| watch(executor, reports, found.spec.run()));
    }
    Report::Inspected(found)
}

fn watch(executor: &Arc<dyn Executor>, reports: &UnboundedSender<Report>, run: Run) {
    let (executor, reports) = (Arc::clone(executor), reports.clone());
    tokio::spawn(async move {
        let exit = tokio::select! {
            exit = executor.exited(&run) => exit,
            () = reports.closed() => return,
        };
        let _ = reports.send(Report::Exited(run, exit));
    });
}
