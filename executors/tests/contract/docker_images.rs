//! Images that are missing: pulled by tag and digest, with a password, once for all who want one, and not for ever.

use super::bench::{Bench, GRACE, within};
use super::cases::attempt_of;
use super::docker_bench::{DockerBench, docker_spec, wanted};
use super::registry::Registry;
use callboard_core::model::{Docker as Wanted, Executor as Kind};
use callboard_core::work::Spec;
use servers::{ask_docker, shared_docker};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Makes a task of an image that runs what the image does.
pub(crate) fn of_image(image: &str, attempt: u32) -> Arc<Spec> {
    let mut spec = (*attempt_of(&docker_spec(&[], ""), attempt)).clone();
    let flags = vec!["--net=none".to_string()];
    let docker = Wanted { image: image.to_string(), cmd: Vec::new(), flags, ..wanted("") };
    Arc::make_mut(&mut spec.definition).containers[0].executor = Kind::Docker(docker);
    Arc::new(spec)
}

/// Takes an image out of the engine when the test ends.
pub(crate) struct Pulled(pub(crate) String, pub(crate) String);

impl Drop for Pulled {
    fn drop(&mut self) {
        let _ = ask_docker(&self.0, "DELETE", &format!("/images/{}?force=1", self.1), "");
    }
}

#[tokio::test]
async fn an_image_is_pulled_once_and_used_as_it_is() {
    let (registry, bench) = (Registry::start(None), DockerBench::new().unwrap());
    let _pulled = Pulled(bench.host.clone(), registry.by_tag());
    let executor = bench.executor();
    let specs = [0, 1, 2].map(|attempt| of_image(&registry.by_tag(), attempt));
    let starts = specs.iter().map(|spec| executor.start(spec));
    for started in futures_util::future::join_all(starts).await {
        assert_eq!(started, Ok(()));
    }
    assert_eq!(registry.layers.load(Ordering::Relaxed), 1, "they waited for the same pull");
    executor.exited(&specs[0].run()).await;
    assert_eq!(executor.tail(&specs[0].run(), 100, None).await.unwrap(), b"pulled\n");
    registry.hangs.store(true, Ordering::Relaxed);
    let again = of_image(&registry.by_tag(), 3);
    within(10, "a start without the registry", executor.start(&again)).await.unwrap();
}

#[tokio::test]
async fn an_image_that_nobody_wants_any_more_goes() {
    let registry = Registry::start(None);
    let bench = DockerBench::with(shared_docker(), |settings| settings.image_keep = Duration::ZERO);
    let _pulled = Pulled(bench.host.clone(), registry.by_tag());
    let (executor, spec, theirs) =
        (bench.executor(), of_image(&registry.by_tag(), 0), docker_spec(&[], "exit 0"));
    executor.start(&spec).await.unwrap();
    executor.start(&attempt_of(&theirs, 1)).await.unwrap();
    executor.exited(&spec.run()).await;
    let is_here = |image: &str| ask_docker(&bench.host, "GET", &format!("/images/{image}/json"), "").0 == 200;
    for _ in 0..3 {
        executor.usage().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(is_here(&registry.by_tag()), "a container has it");
    executor.stop(&attempt_of(&theirs, 1).run(), Some(GRACE)).await.unwrap();
    for run in [spec.run(), attempt_of(&theirs, 1).run()] {
        executor.remove(&run).await.unwrap();
    }
    within(10, "it is gone", async {
        while is_here(&registry.by_tag()) {
            executor.usage().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(is_here(servers::BUSYBOX), "it was not pulled by us");
}

#[tokio::test]
async fn an_image_is_pulled_by_its_digest() {
    let (registry, bench) = (Registry::start(None), DockerBench::new().unwrap());
    let _pulled = Pulled(bench.host.clone(), registry.by_digest());
    let (executor, spec) = (bench.executor(), of_image(&registry.by_digest(), 0));
    executor.start(&spec).await.unwrap();
    assert_eq!(executor.exited(&spec.run()).await.code, Some(0));
    let wrong = of_image(&format!("{}/app@sha256:{}", registry.name(), "0".repeat(64)), 1);
    let failure = executor.start(&wrong).await.unwrap_err();
    assert!(failure.0.contains("is not on this host and cannot be pulled"), "{failure}");
}

#[tokio::test]
async fn a_registry_with_a_password_is_given_it() {
    // Bytes whose base64 is not the same in URLs.
    let password = "bWU6fn5+Pz8/Pj4+";
    let (registry, bench) = (Registry::start(Some(password)), DockerBench::new().unwrap());
    let image = registry.by_tag();
    let _pulled = Pulled(bench.host.clone(), image.clone());
    let failure = bench.executor().start(&of_image(&image, 0)).await.unwrap_err();
    assert!(
        failure.0.contains("cannot be pulled") && failure.0.contains("may this host have it?"),
        "{failure}"
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    let auths =
        serde_json::json!({"auths": {registry.name(): {"auth": password}, "elsewhere": {"auth": "YTpi"}}});
    std::fs::write(&file, auths.to_string()).unwrap();
    let knows = bench.another(|settings| settings.credentials = Some(file.clone()));
    let spec = of_image(&image, 1);
    knows.start(&spec).await.unwrap();
    assert_eq!(knows.exited(&spec.run()).await.code, Some(0));
    let asked_by = registry.asked_by.lock().unwrap();
    assert!(asked_by.iter().all(|who| *who == format!("Basic {password}")), "{asked_by:?}");
}

#[tokio::test]
async fn an_image_is_judged_by_what_it_is_and_not_by_what_it_is_called() {
    let bench = DockerBench::with(shared_docker(), |settings| {
        settings.policy.images = Some(vec!["docker.io/".to_string()]);
    });
    let registry = Registry::start(None);
    let pulled = Pulled(bench.host.clone(), registry.by_tag());
    let free = bench.another(|settings| settings.policy.images = None);
    free.start(&of_image(&registry.by_tag(), 0)).await.unwrap();
    let (_, seen) = ask_docker(&pulled.0, "GET", &format!("/images/{}/json", pulled.1), "");
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    let id = seen["Id"].as_str().unwrap().trim_start_matches("sha256:").to_string();
    for (attempt, image) in [(1, &id[..12]), (2, &*id), (3, &*format!("sha256:{id}"))] {
        let failure = bench.executor().start(&of_image(image, attempt)).await.unwrap_err();
        assert!(
            failure.0.contains("this host's policy refuses") && failure.0.contains("may not run here"),
            "{failure}"
        );
    }
    within(
        10,
        "a start of what may run",
        bench.executor().start(&attempt_of(&docker_spec(&[], "exit 0"), 4)),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_pull_of_which_nothing_comes_is_given_up_and_may_be_tried_again() {
    let registry = Registry::start(None);
    registry.hangs.store(true, Ordering::Relaxed);
    let bench = DockerBench::with(shared_docker(), |settings| settings.pull_stall = Duration::from_secs(2));
    let _pulled = Pulled(bench.host.clone(), registry.by_tag());
    let executor = bench.executor();
    let started = within(10, "a pull", executor.start(&of_image(&registry.by_tag(), 0))).await;
    let failure = started.unwrap_err();
    assert!(failure.0.contains("was not pulled: for 2 s nothing came of it"), "{failure}");
    registry.hangs.store(false, Ordering::Relaxed);
    within(20, "another pull", executor.start(&of_image(&registry.by_tag(), 1))).await.unwrap();
}

#[tokio::test]
async fn a_pull_that_hangs_holds_nobody_up_and_has_an_end() {
    let registry = Registry::start(None);
    registry.hangs.store(true, Ordering::Relaxed);
    let bench =
        DockerBench::with(shared_docker(), |settings| settings.pull_deadline = Duration::from_secs(4));
    let executor = bench.executor();
    let begun = Instant::now();
    let waiting = [0, 1].map(|attempt| {
        let (executor, spec) = (executor.clone(), of_image(&registry.by_tag(), attempt));
        tokio::spawn(async move { (executor.start(&spec).await, Instant::now()) })
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let other = attempt_of(&docker_spec(&[], "exit 0"), 2);
    within(3, "another task's start", executor.start(&other)).await.unwrap();
    let found = executor.inspect().await.unwrap();
    assert_eq!(
        found.iter().filter(|found| found.exit.is_none() && found.spec.attempt < 2).count(),
        2,
        "they start"
    );
    // One is told to stop, the other waits until it has been long enough.
    within(2, "a stop", executor.stop(&of_image(&registry.by_tag(), 0).run(), Some(GRACE))).await.unwrap();
    let [stopped, waited] = waiting;
    let (stopped, _) = stopped.await.unwrap();
    assert!(stopped.unwrap_err().0.contains("stopped"));
    let (waited, at) = within(10, "the end of the pull", waited).await.unwrap();
    let failure = waited.unwrap_err();
    assert!(failure.0.contains("was not pulled") && failure.0.contains("within 4000 ms"), "{failure}");
    assert!(at - begun >= Duration::from_secs(4));
    registry.hangs.store(false, Ordering::Relaxed);
}
