//! Orders and reports, and several executors as one.

use super::bench::{
    BashBench, Behaves, Bench, EXIT, FakeBench, GRACE, container, definition, spec_of, within,
};
use callboard_core::machine::Span;
use callboard_core::model::{Bash as Settled, Container, Docker, Executor as Kind};
use callboard_core::work::{Exit, Inventory, Order, Report, Spec};
use callboard_executors::fake::{Behaviour, Fake};
use callboard_executors::{ByKind, Executor, Performer};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

async fn next(reports: &mut UnboundedReceiver<Report>) -> Report {
    within(10, "a report", reports.recv()).await.unwrap()
}

#[tokio::test]
async fn each_order_is_answered_by_its_report() {
    let bench = FakeBench::new().unwrap();
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    let (sender, mut reports) = unbounded_channel();
    let performer = Performer::new(executor, sender);
    let order = |order| performer.clone().perform(order);
    order(Order::Start(spec.clone())).await;
    assert_eq!(next(&mut reports).await, Report::Started(spec.run(), Ok(())));
    order(Order::Check { spec: spec.clone(), check: 0 }).await;
    let result = Err("task definition app has no check 0".to_string());
    assert_eq!(next(&mut reports).await, Report::Checked { run: spec.run(), check: 0, result });
    order(Order::Measure).await;
    assert!(matches!(next(&mut reports).await, Report::Measured(_)));
    order(Order::Stop { run: spec.run(), grace: Some(GRACE), definition: None }).await;
    let mut last = [next(&mut reports).await, next(&mut reports).await];
    last.sort_by_key(|report| matches!(report, Report::Exited(..)));
    let [stopped, exited] = last;
    assert_eq!(stopped, Report::Stopped(spec.run(), Ok(())));
    let exit = Exit { signal: Some(15), ..EXIT };
    assert_eq!(exited, Report::Exited(spec.run(), exit));
    order(Order::Remove(spec.run())).await;
    order(Order::Inspect).await;
    assert_eq!(next(&mut reports).await, Report::Inspected(Ok(Inventory::default())));
}

#[tokio::test]
async fn what_is_found_alive_is_waited_for_once() {
    let bench = BashBench::plain().unwrap();
    let spec = bench.spec(Behaves::Runs);
    bench.executor().start(&spec).await.unwrap();
    let (sender, mut reports) = unbounded_channel();
    let performer = Performer::new(bench.restarted(), sender);
    for _ in 0..3 {
        performer.clone().perform(Order::Inspect).await;
        assert!(matches!(next(&mut reports).await, Report::Inspected(Ok(_))));
    }
    drop(performer);
    bench.executor().stop(&spec.run(), Some(GRACE)).await.unwrap();
    let exit = Exit { signal: Some(15), ..EXIT };
    assert_eq!(next(&mut reports).await, Report::Exited(spec.run(), exit));
    assert_eq!(within(10, "the end of reports", reports.recv()).await, None, "it was waited for by one");
}

fn mixed() -> Arc<Spec> {
    let docker =
        Container { executor: Kind::Docker(Docker::default()), ..container("d", &[], Settled::default()) };
    spec_of(definition("app", vec![container("b", &[], Settled::default()), docker]))
}

fn two() -> (Fake, Fake, ByKind) {
    let (bash, docker) = (Fake::default(), Fake::default());
    let kinds: BTreeMap<&'static str, Arc<dyn Executor>> =
        BTreeMap::from([("bash", Arc::new(bash.clone()) as _), ("docker", Arc::new(docker.clone()) as _)]);
    (bash, docker, ByKind::new(kinds))
}

#[tokio::test]
async fn the_parts_of_a_task_live_and_die_together() {
    let (bash, docker, both) = two();
    let spec = mixed();
    both.start(&spec).await.unwrap();
    assert_eq!((bash.inspect().await.unwrap().len(), docker.inspect().await.unwrap().len()), (1, 1));
    assert_eq!(both.inspect().await.unwrap().len(), 1);
    bash.end(&spec.run(), Exit { code: Some(8), ..EXIT });
    assert_eq!(both.inspect().await.unwrap()[0].exit, None, "a part lives");
    assert_eq!(both.exited(&spec.run()).await.code, Some(8));
    assert!(both.inspect().await.unwrap()[0].exit.is_some());
    assert_eq!(docker.inspect().await.unwrap()[0].exit, Some(Exit { signal: Some(15), ..EXIT }));
}

#[tokio::test]
async fn a_part_that_does_not_start_ends_the_others() {
    let (bash, docker, both) = two();
    docker.behave("app", Behaviour { start_error: Some("no image".to_string()), ..Behaviour::default() });
    assert_eq!(both.start(&mixed()).await.unwrap_err().0, "no image");
    assert!(bash.inspect().await.unwrap()[0].exit.is_some());
}

#[tokio::test]
async fn a_part_that_is_missing_after_a_crash_ends_the_task() {
    let (bash, _, both) = two();
    let spec = mixed();
    bash.start(&spec).await.unwrap();
    assert_eq!(both.inspect().await.unwrap()[0].exit, None);
    assert_eq!(within(5, "its end", both.exited(&spec.run())).await, EXIT);
    assert!(bash.inspect().await.unwrap()[0].exit.is_some());
}

#[tokio::test]
async fn a_type_that_is_not_offered_is_refused() {
    let bash: Arc<dyn Executor> = Arc::new(Fake::default());
    let only = ByKind::new(BTreeMap::from([("bash", bash)]));
    let failure = only.start(&mixed()).await.unwrap_err();
    assert!(failure.0.contains("no executor of type docker (it offers: bash)"), "{failure}");
    assert_eq!(only.inspect().await.unwrap(), vec![]);
    assert_eq!(only.stop(&mixed().run(), Some(Span(1))).await, Ok(()));
}
