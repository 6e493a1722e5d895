//! Tasks of several containers, the same on bash and on docker: whose end is the task's, and what follows that end.

use super::bench::{BashBench, Bench, GRACE, container, definition, spec_of, within};
use callboard_core::machine::Span;
use callboard_core::model::{Bash as Settled, Container};
use callboard_core::work::{Exit, Spec};
use callboard_executors::{Exec, Executor};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Makes a container of a name that runs a command.
type Make = fn(&str, &str) -> Container;

/// A machine, and what makes containers for it.
fn benches() -> Vec<(Box<dyn Bench>, Make)> {
    let bash = [BashBench::plain(), BashBench::grouped()].into_iter().flatten();
    let mut all: Vec<(Box<dyn Bench>, Make)> =
        bash.map(|bench| (Box::new(bench) as Box<dyn Bench>, in_bash as Make)).collect();
    #[cfg(feature = "docker")]
    all.push((Box::new(super::docker_bench::DockerBench::new().unwrap()), in_docker));
    all
}

fn in_bash(name: &str, start: &str) -> Container {
    container(name, &[], Settled { start: vec![start.to_string()], ..Settled::default() })
}

#[cfg(feature = "docker")]
fn in_docker(name: &str, start: &str) -> Container {
    let wanted = super::docker_bench::wanted(start);
    let wanted = callboard_core::model::Docker { flags: vec!["--net=none".to_string()], ..wanted };
    super::docker_bench::docker_container(name, &[], wanted)
}

/// Waits for a TERM, and ends with 5 then.
const WAITS: &str = "trap 'exit 5' TERM; sleep 1000 & wait";

fn ends_with(container: Container, teardown: &[&str]) -> Container {
    Container { teardown: teardown.iter().map(ToString::to_string).collect(), ..container }
}

async fn end(executor: &dyn Executor, spec: &Arc<Spec>) -> (Exit, String) {
    let exit = within(20, "its end", executor.exited(&spec.run())).await;
    let output = executor.tail(&spec.run(), 1 << 20, None).await.unwrap();
    (exit, String::from_utf8(output).unwrap())
}

#[tokio::test]
async fn what_is_not_essential_may_end_by_itself() {
    for (bench, make) in benches() {
        let helper = Container { essential: false, ..make("helper", "echo helped; exit 3") };
        let spec = spec_of(definition("app", vec![helper, make("main", "sleep 1.5; exit 6")]));
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(bench.restarted().inspect().await.unwrap()[0].exit, None);
        let (exit, output) = end(&*executor, &spec).await;
        assert_eq!((exit.code, output.as_str()), (Some(6), "helped\n"), "not as the one that ended first");
        assert_eq!(bench.restarted().inspect().await.unwrap()[0].exit, Some(exit));
        executor.remove(&spec.run()).await.unwrap();
    }
}

#[tokio::test]
async fn scripts_run_where_the_container_does_that_stands_for_the_task() {
    for (bench, make) in benches() {
        let helper = Container { essential: false, ..make("helper", "exit 3") };
        let spec = spec_of(definition("app", vec![helper, make("main", WAITS)]));
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(executor.script(&spec, "true", Span::secs(5)).await, Ok(()));
        let (_input, input) = mpsc::channel(1);
        let (said, _said) = mpsc::channel(16);
        let exec = Exec { container: None, words: vec!["true".to_string()], input, output: said };
        assert_eq!(executor.exec(&spec.run(), exec).await, Ok(0));
        executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
        executor.remove(&spec.run()).await.unwrap();
    }
}

/// A record that somebody else wrote may name no container whose end is the task's.
#[tokio::test]
async fn where_no_container_is_essential_all_are() {
    for (bench, make) in benches() {
        let parts = [make("one", "sleep 0.3; exit 6"), make("other", WAITS)];
        let parts = parts.map(|part| Container { essential: false, ..part });
        let spec = spec_of(definition("app", parts.into()));
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        assert_eq!(end(&*executor, &spec).await.0.code, Some(6));
        executor.remove(&spec.run()).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_essential_ends_with_the_task() {
    for (bench, make) in benches() {
        let helper = Container {
            essential: false,
            ..make("helper", "trap 'echo told; exit 0' TERM; sleep 1000 & wait")
        };
        let spec = spec_of(definition("app", vec![helper, make("main", "sleep 0.5; exit 6")]));
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        let (exit, output) = end(&*executor, &spec).await;
        assert_eq!((exit.code, output.as_str()), (Some(6), "told\n"));
        executor.remove(&spec.run()).await.unwrap();
    }
}

#[tokio::test]
async fn teardown_follows_the_end_of_all_the_last_container_s_first() {
    for (bench, make) in benches() {
        let first =
            ends_with(make("first", "trap 'sleep 0.3; echo ended' TERM; sleep 1000 & wait"), &["echo three"]);
        let last = ends_with(
            make("last", "sleep 0.3; exit 6"),
            &["echo one; exit 9", "echo two $CALLBOARD_SERVICE"],
        );
        let spec = spec_of(definition("app", vec![first, last]));
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        let (exit, output) = end(&*executor, &spec).await;
        assert_eq!((exit.code, output.as_str()), (Some(6), "ended\none\ntwo web\nthree\n"));
        assert_eq!(bench.restarted().inspect().await.unwrap()[0].exit, Some(exit));
        executor.remove(&spec.run()).await.unwrap();
        assert_eq!(bench.restarted().inspect().await.unwrap(), []);
    }
}

#[tokio::test]
async fn teardown_follows_an_ordered_end_and_not_a_start_that_failed() {
    for (bench, make) in benches() {
        let main = ends_with(make("main", WAITS), &["echo gone"]);
        let spec = spec_of(definition("app", vec![main.clone()]));
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
        let (exit, output) = end(&*executor, &spec).await;
        assert_eq!((exit.code, output.as_str()), (None, "gone\n"));
        executor.remove(&spec.run()).await.unwrap();
        let failing = Container { setup: vec!["exit 3".to_string()], ..main };
        let spec = super::cases::attempt_of(&spec_of(definition("app", vec![failing])), 1);
        executor.start(&spec).await.unwrap_err();
        let output = executor.tail(&spec.run(), 1 << 20, None).await.unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "");
        executor.remove(&spec.run()).await.unwrap();
    }
}

#[tokio::test]
async fn a_teardown_that_does_not_end_holds_nobody_up_for_longer_than_its_grace() {
    for (bench, make) in benches() {
        let main = ends_with(make("main", "exit 6"), &["trap '' TERM; echo stays; sleep 1005", "echo never"]);
        let mut definition = definition("app", vec![main]);
        definition.kill_timeout = Span::secs(1);
        let spec = spec_of(definition);
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        let (exit, output) = end(&*executor, &spec).await;
        assert_eq!((exit.code, output.as_str()), (Some(6), "stays\n"));
        // What was left off is left off for good, also by the next agent.
        let executor = bench.restarted();
        assert_eq!(executor.inspect().await.unwrap()[0].exit, Some(exit.clone()));
        assert_eq!(end(&*executor, &spec).await, (exit, "stays\n".to_string()));
        executor.remove(&spec.run()).await.unwrap();
        assert_eq!(bench.restarted().inspect().await.unwrap(), []);
    }
}

#[tokio::test]
async fn an_agent_that_was_killed_goes_on_with_the_teardown() {
    for (bench, make) in benches() {
        let main = ends_with(make("main", "exit 6"), &["echo one", "sleep 1; echo two", "echo three"]);
        let spec = spec_of(definition("app", vec![main]));
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(900), executor.exited(&spec.run())).await;
        assert!(waited.is_err(), "its teardown is under way");
        drop(executor);
        let executor = bench.restarted();
        assert_eq!(executor.inspect().await.unwrap()[0].exit, None);
        let (exit, output) = end(&*executor, &spec).await;
        assert_eq!((exit.code, output.as_str()), (Some(6), "one\ntwo\nthree\n"));
        executor.remove(&spec.run()).await.unwrap();
    }
}
