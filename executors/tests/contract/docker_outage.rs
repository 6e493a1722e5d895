//! Crashes of the agent between any two steps of a start, and engines that are away, hang, or are started again.

use super::bench::{BashBench, Behaves, Bench, EXIT, GRACE, spec_of, until, within};
use super::cases::attempt_of;
use super::docker_bench::{DockerBench, docker_spec, id};
use callboard_core::machine::Span;
use callboard_core::work::Exit;
use callboard_executors::docker::examine;
use callboard_executors::{ByKind, Executor};
use rustix::process::Signal;
use serde_json::{Value, json};
use servers::{Docker, ask_docker, provide_image};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const WAITS: &str = "trap 'exit 7' TERM; sleep 1000 & wait";

#[tokio::test]
async fn an_agent_killed_at_any_moment_of_a_start_leaves_what_the_next_one_knows() {
    let bench = DockerBench::new().unwrap();
    let spec = docker_spec(&["true", "sleep 0.1"], WAITS);
    let (first, begun) = (bench.executor(), Instant::now());
    first.start(&spec).await.unwrap();
    let whole = begun.elapsed();
    first.stop(&spec.run(), Some(GRACE)).await.unwrap();
    first.remove(&spec.run()).await.unwrap();
    let mut seen = [0, 0, 0];
    for attempt in 1..=12_u32 {
        let spec = attempt_of(&spec, attempt);
        let starting = {
            let (executor, spec) = (bench.restarted(), spec.clone());
            tokio::spawn(async move { executor.start(&spec).await })
        };
        tokio::time::sleep(whole * attempt / 8).await;
        starting.abort();
        let _ = starting.await;
        let next = bench.restarted();
        let found = next.inspect().await.unwrap().into_iter().find(|found| found.spec == spec);
        match found.as_ref().map(|found| &found.exit) {
            Some(None) => {
                seen[0] += 1;
                assert_eq!(next.start(&spec).await, Ok(()), "it was started");
                within(10, "a stop", next.stop(&spec.run(), Some(GRACE))).await.unwrap();
            }
            Some(Some(exit)) => {
                seen[1] += 1;
                assert_eq!(*exit, EXIT);
                assert!(next.start(&spec).await.is_err(), "it was told to have ended");
            }
            None => seen[2] += 1,
        }
        // What the engine was asked for may come to be after all.
        within(20, "nothing is left", async {
            while !bench.containers().is_empty() {
                let _ = next.usage().await;
                for found in next.inspect().await.unwrap() {
                    let _ = next.stop(&found.spec.run(), Some(GRACE)).await;
                    let _ = next.remove(&found.spec.run()).await;
                }
            }
        })
        .await;
    }
    assert!(seen[0] > 0 && seen[1] > 0, "all kinds of ends were tried: {seen:?}");
}

#[tokio::test]
async fn a_container_that_was_created_and_not_started_is_removed() {
    let bench = DockerBench::new().unwrap();
    let first = docker_spec(&[], WAITS);
    bench.executor().start(&first).await.unwrap();
    let half = attempt_of(&first, 1);
    let mut labels = bench.only()["Config"]["Labels"].clone();
    labels["callboard.attempt"] = "1".into();
    labels["callboard.spec"] = serde_json::to_string(&half).unwrap().into();
    let body = json!({"Image": servers::BUSYBOX, "Cmd": ["sleep", "1000"], "Labels": labels});
    let (status, said) = ask_docker(&bench.host, "POST", "/containers/create", &body.to_string());
    assert_eq!(status, 201, "{said}");
    let next = bench.restarted();
    let found = next.inspect().await.unwrap();
    let ends: Vec<_> = found.iter().map(|found| (found.spec.attempt, found.exit.clone())).collect();
    assert_eq!(ends, [(0, None), (1, Some(EXIT))]);
    assert_eq!(bench.containers().len(), 1, "the one that runs");
    assert!(next.start(&half).await.unwrap_err().0.contains("cut off"));
    assert_eq!(next.inspect().await.unwrap().len(), 2, "told until it is removed");
    next.remove(&half.run()).await.unwrap();
    assert_eq!(next.inspect().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_engine_that_hangs_or_is_away_ends_nothing() {
    let mut engine = Docker::start();
    provide_image(&engine.host());
    let bench = DockerBench::with(engine.host(), |settings| settings.patience = Duration::from_millis(1500));
    let (executor, spec) = (bench.executor(), docker_spec(&[], WAITS));
    executor.start(&spec).await.unwrap();
    let waiting = {
        let (executor, run) = (executor.clone(), spec.run());
        tokio::spawn(async move { executor.exited(&run).await })
    };
    engine.member.signal(Signal::STOP);
    let begun = Instant::now();
    let failure = executor.inspect().await.unwrap_err();
    assert!(failure.0.contains("did not answer within 1500 ms"), "{failure}");
    let usage = executor.usage().await;
    assert!(usage.unfit_for["docker"].contains("did not answer"), "{usage:?}");
    assert_eq!(usage.unfit, None, "the machine is fit for others");
    assert!(executor.stop(&spec.run(), Some(GRACE)).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    engine.member.signal(Signal::CONT);
    until("it answers", || ask_docker(&engine.host(), "GET", "/_ping", "").0 == 200).await;
    assert!(executor.usage().await.unfit_for.is_empty());
    assert!(!waiting.is_finished());
    // Stopped and started again; tasks live on where the engine is set up so.
    engine.stop();
    let failure = executor.start(&attempt_of(&spec, 1)).await.unwrap_err();
    assert!(failure.0.contains("cannot be asked") && failure.0.contains("does it run"), "{failure}");
    assert!(executor.inspect().await.is_err());
    assert!(executor.usage().await.unfit_for["docker"].contains("cannot be asked"));
    assert!(examine(&engine.host(), Duration::from_secs(1)).await.is_err());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!waiting.is_finished(), "nobody says that it has ended");
    engine.restart();
    let found = executor.inspect().await.unwrap();
    assert_eq!((found.len(), &found[0].exit), (1, &None));
    assert!(!waiting.is_finished());
    let examined = examine(&engine.host(), Duration::from_secs(10)).await.unwrap();
    assert!(examined.what.starts_with("docker engine "), "{examined:?}");
    let _ = ask_docker(
        &engine.host(),
        "POST",
        &format!("/containers/{}/kill?signal=TERM", id(&bench.only())),
        "",
    );
    let exit = within(20, "its end", waiting).await.unwrap();
    assert_eq!(exit, Exit { code: Some(7), ..EXIT });
}

#[tokio::test]
async fn an_engine_that_goes_away_during_a_teardown_ends_nothing_before_its_time() {
    let mut engine = Docker::start();
    provide_image(&engine.host());
    let bench = DockerBench::with(engine.host(), |settings| settings.patience = Duration::from_millis(1500));
    let mut definition = (*docker_spec(&[], "exit 6").definition).clone();
    definition.kill_timeout = Span::secs(60);
    definition.containers[0].teardown = vec!["sleep 4; echo late".to_string(), "echo last".to_string()];
    let (executor, spec) = (bench.executor(), spec_of(definition));
    executor.start(&spec).await.unwrap();
    let waiting = {
        let (executor, run) = (executor.clone(), spec.run());
        tokio::spawn(async move { executor.exited(&run).await })
    };
    let is_torn_down = || {
        let labels = |one: &Value| one["Labels"]["callboard.role"] == "teardown" && one["State"] == "running";
        bench.containers().iter().any(labels)
    };
    until("its teardown runs", is_torn_down).await;
    engine.stop();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished(), "nobody knows whether it has ended");
    engine.restart();
    let exit = within(60, "its end", waiting).await.unwrap();
    assert_eq!(exit.code, Some(6));
    assert!(bench.containers().iter().all(|one| one["State"] != "running"), "nothing of it lives");
    let output = String::from_utf8(executor.tail(&spec.run(), 1000, None).await.unwrap()).unwrap();
    assert_eq!(output, "late\nlast\n");
    executor.remove(&spec.run()).await.unwrap();
}

#[tokio::test]
async fn a_start_that_an_engine_cuts_off_has_not_failed_before_nothing_of_it_is_left() {
    let mut engine = Docker::start();
    provide_image(&engine.host());
    let bench = DockerBench::with(engine.host(), |settings| settings.patience = Duration::from_millis(1500));
    let (executor, spec) = (bench.executor(), docker_spec(&["trap '' TERM; sleep 1000 & wait"], WAITS));
    let progress = executor.progress(&spec).remove(0);
    let starting = {
        let (executor, spec) = (executor.clone(), spec.clone());
        tokio::spawn(async move { executor.start(&spec).await })
    };
    until("its setup runs", || bench.containers().iter().any(|one| one["State"] == "running")).await;
    engine.stop();
    let told = "cannot be removed yet";
    until("it is told that something is left", || progress.borrow().contains(told)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!starting.is_finished(), "what was started of it may live");
    engine.restart();
    let failure = within(60, "its end", starting).await.unwrap().unwrap_err();
    assert!(failure.0.contains("cannot wait for the end") && !failure.0.contains(told), "{failure}");
    assert_eq!(bench.containers(), Vec::<Value>::new());
    assert_eq!(executor.start(&spec).await, Err(failure), "it is known");
    executor.start(&attempt_of(&docker_spec(&[], WAITS), 1)).await.unwrap();
    assert_eq!(bench.containers().len(), 1);
}

#[tokio::test]
async fn an_engine_that_comes_later_is_found() {
    let mut engine = Docker::start();
    provide_image(&engine.host());
    engine.stop();
    let bench = DockerBench::with(engine.host(), |_| {});
    let (executor, spec) = (bench.executor(), docker_spec(&[], WAITS));
    assert!(executor.inspect().await.unwrap_err().0.contains("cannot be asked"));
    assert!(executor.start(&spec).await.is_err());
    // Meanwhile it hides nothing of the others.
    let bash = BashBench::plain().unwrap();
    let other = attempt_of(&bash.spec(Behaves::Runs), 9);
    bash.executor().start(&other).await.unwrap();
    let both = ByKind::new(BTreeMap::from([("bash", bash.executor()), ("docker", executor.clone())]));
    let inventory = both.inventory().await.unwrap();
    assert_eq!(inventory.found.iter().map(|found| &found.spec).collect::<Vec<_>>(), [&other]);
    assert!(inventory.silent["docker"].contains("cannot be asked"), "{inventory:?}");
    engine.restart();
    executor.start(&attempt_of(&spec, 1)).await.unwrap();
    assert_eq!(executor.inspect().await.unwrap().len(), 1);
    let inventory = both.inventory().await.unwrap();
    assert_eq!((inventory.found.len(), inventory.silent), (2, BTreeMap::new()));
}
