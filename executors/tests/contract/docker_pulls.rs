//! When an image is pulled, as its container says: if it is missing, always, never. And what is told of it meanwhile.

use super::bench::{Bench, within};
use super::cases::attempt_of;
use super::docker_bench::{DockerBench, docker_spec};
use super::docker_images::{Pulled, of_image};
use super::registry::Registry;
use callboard_core::model::{Executor as Kind, Pull};
use callboard_core::work::{Order, Report, Spec};
use callboard_executors::{Executor, Performer};
use servers::{ask_docker, shared_docker};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;

fn pulled(image: &str, pull: Pull, attempt: u32) -> Arc<Spec> {
    let mut spec = (*of_image(image, attempt)).clone();
    match &mut Arc::make_mut(&mut spec.definition).containers[0].executor {
        Kind::Docker(docker) => docker.pull = pull,
        Kind::Bash(_) => panic!("a task of docker"),
    }
    Arc::new(spec)
}

/// Starts one, and gives what it wrote by its end.
async fn said(executor: &dyn Executor, spec: &Arc<Spec>) -> String {
    within(30, "a start", executor.start(spec)).await.unwrap();
    within(10, "its end", executor.exited(&spec.run())).await;
    String::from_utf8(executor.tail(&spec.run(), 100, None).await.unwrap()).unwrap()
}

#[tokio::test]
async fn one_that_is_always_pulled_is_what_the_registry_has_now_or_nothing() {
    let (registry, bench) = (Registry::start(None), DockerBench::new().unwrap());
    let (tag, digest) = (registry.by_tag(), registry.by_digest());
    let _pulled = [&tag, &digest].map(|image| Pulled(bench.host.clone(), image.clone()));
    let executor = bench.executor();
    let spec = |image: &str, attempt| pulled(image, Pull::Always, attempt);
    assert_eq!(said(&*executor, &spec(&tag, 0)).await, "pulled\n");
    let asked = registry.asked.load(Ordering::Relaxed);
    assert_eq!(said(&*executor, &spec(&tag, 1)).await, "pulled\n");
    assert!(registry.asked.load(Ordering::Relaxed) > asked, "the registry was asked again");
    assert_eq!(registry.layers.load(Ordering::Relaxed), 1, "and had nothing to send");
    assert_eq!(said(&*executor, &spec(&digest, 2)).await, "pulled\n");
    registry.publish("newer");
    assert_eq!(said(&*executor, &pulled(&tag, Pull::Missing, 3)).await, "pulled\n");
    assert_eq!(said(&*executor, &spec(&tag, 4)).await, "newer\n");
    registry.away.store(true, Ordering::Relaxed);
    let before = bench.containers().len();
    let failure = within(30, "a start", executor.start(&spec(&tag, 5))).await.unwrap_err();
    let expect =
        format!("container main: image {tag} is to be pulled before every start and cannot be pulled: ");
    assert!(failure.0.starts_with(&expect), "{failure}");
    assert_eq!(bench.containers().len(), before);
    // What a digest names the registry cannot change.
    assert_eq!(said(&*executor, &spec(&digest, 6)).await, "pulled\n");
    assert_eq!(said(&*executor, &pulled(&tag, Pull::Missing, 7)).await, "newer\n");
}

#[tokio::test]
async fn one_that_is_never_pulled_is_there_or_not_started() {
    let (registry, bench) = (Registry::start(None), DockerBench::new().unwrap());
    let tag = registry.by_tag();
    let _pulled = Pulled(bench.host.clone(), tag.clone());
    let executor = bench.executor();
    let failure = within(5, "a start", executor.start(&pulled(&tag, Pull::Never, 0))).await.unwrap_err();
    let expect = format!(
        "container main: image {tag} is not on this host, and with pull: never it is not pulled; load it there, as by \
         docker load or docker pull, or set pull: missing"
    );
    assert_eq!(failure.0, expect);
    assert_eq!((registry.asked.load(Ordering::Relaxed), bench.containers().len()), (0, 0));
    assert_eq!(said(&*executor, &pulled(&tag, Pull::Missing, 1)).await, "pulled\n");
    registry.away.store(true, Ordering::Relaxed);
    assert_eq!(said(&*executor, &pulled(&tag, Pull::Never, 2)).await, "pulled\n");
}

#[tokio::test]
async fn what_a_tag_named_before_goes_too_when_nobody_wants_it() {
    let registry = Registry::start(None);
    let bench = DockerBench::with(shared_docker(), |settings| settings.image_keep = Duration::ZERO);
    let tag = registry.by_tag();
    let _pulled = Pulled(bench.host.clone(), tag.clone());
    let executor = bench.executor();
    let seen = |image: &str| {
        let (status, body) = ask_docker(&bench.host, "GET", &format!("/images/{image}/json"), "");
        let id = serde_json::from_str::<serde_json::Value>(&body).unwrap()["Id"].as_str().map(str::to_string);
        id.filter(|_| status == 200)
    };
    // Nothing of it is swept while a container has it.
    said(&*executor, &pulled(&tag, Pull::Always, 0)).await;
    let before = seen(&tag).unwrap();
    registry.publish("newer");
    said(&*executor, &pulled(&tag, Pull::Always, 1)).await;
    assert_ne!(seen(&tag).as_ref(), Some(&before));
    for attempt in [0, 1] {
        executor.remove(&pulled(&tag, Pull::Always, attempt).run()).await.unwrap();
    }
    within(10, "both are gone", async {
        while seen(&tag).is_some() || seen(&before).is_some() {
            executor.usage().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn all_that_wait_for_a_pull_are_told_how_far_it_is() {
    let (registry, bench) = (Registry::start(None), DockerBench::new().unwrap());
    let tag = registry.by_tag();
    let _pulled = Pulled(bench.host.clone(), tag.clone());
    registry.slow.store(true, Ordering::Relaxed);
    let (sender, mut reports) = unbounded_channel();
    let performer = Performer::new(bench.executor(), sender);
    let specs = [Pull::Missing, Pull::Always].map(|pull| pulled(&tag, pull, pull as u32));
    let setup = attempt_of(&docker_spec(&["sleep 1"], "exit 0"), 7);
    // An order that comes again is not told of twice.
    for spec in specs.iter().chain(&specs).chain([&setup]) {
        drop(tokio::spawn(performer.clone().perform(Order::Start(spec.clone()))));
    }
    let (mut told, mut started) = (Vec::new(), 0);
    within(60, "all starts", async {
        while started < 5 {
            match reports.recv().await {
                Some(Report::Starting(run, what)) => told.push((run, what)),
                Some(Report::Started(_, result)) => {
                    result.unwrap();
                    started += 1;
                }
                Some(_) | None => {}
            }
        }
    })
    .await;
    let of = |spec: &Arc<Spec>| -> Vec<&str> {
        let own = told.iter().filter(|(run, _)| *run == spec.run());
        own.map(|(_, what)| what.as_str()).collect()
    };
    for spec in &specs {
        let told = of(spec);
        assert_eq!(told[0], format!("pulling {tag}"), "{told:?}");
        for far in [0, 1] {
            let expect = format!("pulling {tag}, {far} of 2 MiB");
            assert_eq!(told.iter().filter(|what| **what == expect).count(), 1, "{told:?}");
        }
        assert_eq!(told.last(), Some(&"its containers are created and started"), "{told:?}");
    }
    assert_eq!(of(&setup)[0], "setup command 1 of container main runs");
    assert_eq!(registry.layers.load(Ordering::Relaxed), 1, "they waited for the same pull");
}
