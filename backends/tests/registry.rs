//! The registry that a Consul agent is: tasks with their tags, ports and checks, health as Consul tells it, and nothing
//! left behind.
#![cfg(feature = "consul")]

use callboard_backends::{ConsulRegistry, ConsulSettings};
use callboard_core::machine::Span;
use callboard_core::model::{Bash, Check, Container, Desired, Executor, Probe, Task, TaskDefinition};
use callboard_core::registry::{Reply, Request};
use callboard_core::work::{Run, Spec};
use serde_json::Value;
use servers::{Consul, http};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn registry(port: u16, host: &str) -> ConsulRegistry {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let addresses = vec![format!("http://127.0.0.1:{port}")];
    let settings = ConsulSettings { addresses, ..ConsulSettings::default() };
    ConsulRegistry::new(&settings, host.into(), "127.0.0.1".into()).expect("the settings are right")
}

fn check(probe: Probe) -> Check {
    Check { name: None, probe, add_provided_port: false, success_threshold: 1, failure_threshold: 2 }
}

fn http_check() -> Check {
    let header = BTreeMap::from([("X-From".to_string(), vec!["consul".to_string()])]);
    let (interval, timeout) = (Span::secs(1), Span::secs(1));
    let probe = Probe::Http { http: "http://127.0.0.1/up".into(), header, interval, timeout };
    Check { name: Some("up".into()), add_provided_port: true, ..check(probe) }
}

fn script_check() -> Check {
    check(Probe::Script { script: "true".into(), interval: Span::secs(5), timeout: Span::secs(1) })
}

fn spec(port: u16, attempt: u32, checks: Vec<Check>) -> Spec {
    let definition = TaskDefinition {
        name: "web".into(),
        version: 1,
        provide_port: true,
        port: 0,
        ports: vec![],
        tags: vec!["urlprefix-/shop strip=/shop".into(), "blue".into()],
        memory: 0,
        memory_limit: None,
        cpu_units: 0,
        cpu_limit: 0,
        disk: 0,
        resources: BTreeMap::new(),
        priority: 50,
        kill_timeout: Span::secs(5),
        restart: callboard_core::model::RestartPolicy::default(),
        containers: vec![Container {
            name: "main".into(),
            setup: vec![],
            teardown: vec![],
            essential: true,
            executor: Executor::Bash(Bash::default()),
        }],
        checks,
    };
    let task = Task {
        id: "c-web-1-0".into(),
        cluster: "c".into(),
        service: "web".into(),
        task_name: "web".into(),
        version: 1,
        instance: 0,
        generation: 7,
        host: "h1".into(),
        port: Some(port),
        ports: BTreeMap::new(),
        memory: 0,
        cpu_units: 0,
        disk: 0,
        resources: BTreeMap::new(),
        once: None,
        desired: Desired::Run,
        makes_room_for: None,
        reason: "placed".into(),
        tenure: 1,
    };
    Spec { task, definition: Arc::new(definition), attempt }
}

async fn register(registry: &ConsulRegistry, spec: &Spec) -> Result<(), String> {
    match registry.answer(Request::Register(Arc::new(spec.clone()))).await {
        Some(Reply::Registered(run, result)) if run == spec.run() => result,
        other => panic!("{other:?}"),
    }
}

async fn deregister(registry: &ConsulRegistry, run: Run) -> Result<(), String> {
    match registry.answer(Request::Deregister(run.clone())).await {
        Some(Reply::Deregistered(of, result)) if of == run => result,
        other => panic!("{other:?}"),
    }
}

async fn listed(registry: &ConsulRegistry) -> Vec<Run> {
    match registry.answer(Request::List).await {
        Some(Reply::Listed(Ok(runs))) => runs,
        other => panic!("{other:?}"),
    }
}

async fn verdict(registry: &ConsulRegistry, run: &Run, check: usize) -> Option<Result<(), String>> {
    match registry.answer(Request::Ask { run: run.clone(), check }).await {
        Some(Reply::Found { run: of, check: at, verdict }) if (&of, at) == (run, check) => verdict,
        other => panic!("{other:?}"),
    }
}

/// Waits for a verdict.
async fn until_verdict(registry: &ConsulRegistry, run: &Run, check: usize, passes: bool) -> Duration {
    let started = Instant::now();
    loop {
        let verdict = verdict(registry, run, check).await;
        if verdict.as_ref().map(Result::is_ok) == Some(passes) {
            return started.elapsed();
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{verdict:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn read(port: u16, path: &str) -> Value {
    let path = path.to_string();
    let answer = tokio::task::spawn_blocking(move || http(port, "GET", &path, b"")).await;
    let (status, body) = answer.expect("it does not panic").expect("Consul answers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("Consul speaks JSON")
}

/// The healthy ones of a service, as fabio and DNS see them, anywhere.
async fn passing(port: u16, service: &str) -> Vec<Value> {
    let path = format!("/v1/health/service/{service}?passing");
    read(port, &path).await.as_array().cloned().unwrap_or_default()
}

async fn until_passing(port: u16, service: &str, count: usize) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let found = passing(port, service).await;
        if found.len() == count {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Answers every connection with 200, as long as it is not aborted.
async fn serve() -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let served = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _gone = stream.write_all(answer).await;
        }
    });
    (port, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_found_while_consul_says_that_it_is_healthy() {
    let consul = Consul::start(1, serde_json::json!({}));
    let (at, (port, server)) = (consul.port(0), serve().await);
    let registry = registry(at, "h1");
    let ttl = check(Probe::Ttl { ttl: Span::secs(20) });
    let spec = spec(port, 0, vec![http_check(), script_check(), ttl]);
    let run = spec.run();
    assert_eq!(verdict(&registry, &run, 0).await, None, "it is not known yet");
    register(&registry, &spec).await.expect("it is taken");
    until_verdict(&registry, &run, 0, true).await;
    assert!(passing(at, "web").await.is_empty(), "nobody has told of script and ttl yet");
    for check in [1, 2] {
        registry.answer(Request::Tell { run: run.clone(), check, result: Ok(()) }).await;
    }
    let found = until_passing(at, "web", 1).await;
    let service = &found[0]["Service"];
    assert_eq!(service["Tags"], serde_json::json!(["urlprefix-/shop strip=/shop", "blue"]));
    assert_eq!((&service["Address"], &service["Port"]), (&"127.0.0.1".into(), &port.into()));
    assert_eq!(service["Meta"]["task"], "c-web-1-0");

    // Entered again, as after a restart of the agent: nothing is lost, not even for a moment.
    register(&registry, &spec).await.expect("it is taken");
    assert_eq!(passing(at, "web").await.len(), 1);

    server.abort();
    let took = until_verdict(&registry, &run, 0, false).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    until_passing(at, "web", 0).await;

    // One check is enough to be critical, and the words reach whoever looks.
    registry.answer(Request::Tell { run: run.clone(), check: 1, result: Err("disk full".into()) }).await;
    until_verdict(&registry, &run, 1, false).await;
    let checks = read(at, "/v1/agent/checks").await;
    assert_eq!(checks["task:c-web-1-0:7:0:1"]["Output"], "disk full");
    deregister(&registry, run).await.expect("it is taken out");
    assert!(read(at, "/v1/agent/checks").await.as_object().is_some_and(serde_json::Map::is_empty));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_this_host_entered_is_listed_and_taken_out() {
    let consul = Consul::start(1, serde_json::json!({}));
    let at = consul.port(0);
    let (one, other) = (registry(at, "h1"), registry(at, "h2"));
    let (first, second) = (spec(20_000, 0, vec![script_check()]), spec(20_001, 1, vec![script_check()]));
    for spec in [&first, &second] {
        register(&one, spec).await.expect("it is taken");
    }
    register(&other, &first).await.expect("it is taken");
    let foreign = br#"{"ID": "mine", "Name": "web", "Meta": {"callboard": "task", "host": "h1", "task": "x",
                       "generation": "1", "attempt": "0"}}"#;
    let put = tokio::task::spawn_blocking(move || http(at, "PUT", "/v1/agent/service/register", foreign));
    assert_eq!(put.await.expect("it does not panic").map(|answer| answer.0), Some(200));

    assert_eq!(listed(&one).await, [first.run(), second.run()]);
    deregister(&one, first.run()).await.expect("it is taken out");
    deregister(&one, first.run()).await.expect("what is not there is out");
    assert_eq!(listed(&one).await, [second.run()]);
    assert_eq!(listed(&other).await, [first.run()]);
    let services = read(at, "/v1/agent/services").await;
    assert!(services.get("mine").is_some());

    // A check that the task no longer has is gone with its next entry.
    register(&one, &spec(20_001, 1, vec![])).await.expect("it is taken");
    let checks = read(at, "/v1/agent/checks").await;
    assert!(checks.get("task:c-web-1-0:7:1:0").is_none(), "{checks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consul_that_was_started_again_has_no_verdict_before_it_looked() {
    let mut consul = Consul::start(1, serde_json::json!({}));
    let (at, (port, _server)) = (consul.port(0), serve().await);
    let registry = registry(at, "h1");
    let mut slow = http_check();
    slow.probe = Probe::Http {
        http: "http://127.0.0.1/".into(),
        header: BTreeMap::new(),
        interval: Span::secs(8),
        timeout: Span::secs(1),
    };
    let spec = spec(port, 0, vec![slow]);
    register(&registry, &spec).await.expect("it is taken");
    until_verdict(&registry, &spec.run(), 0, true).await;
    consul.members[0].restart();
    let started = Instant::now();
    let mut passes = false;
    while !passes {
        let verdict = verdict(&registry, &spec.run(), 0).await;
        assert!(!matches!(verdict, Some(Err(_))), "{verdict:?} after {:?}", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(40), "{verdict:?}");
        passes = verdict.is_some() && started.elapsed() > Duration::from_secs(2);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(listed(&registry).await, [spec.run()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_found_as_callboard() {
    let consul = Consul::start(1, serde_json::json!({}));
    let at = consul.port(0);
    let registry = registry(at, "h1");
    let api = "0.0.0.0:4190".parse().expect("an address");
    for _ in 0..2 {
        registry.announce(api).await.expect("it is taken");
    }
    let found = until_passing(at, "callboard", 1).await;
    assert_eq!(found[0]["Service"]["Port"], 4190);
    assert_eq!(found[0]["Service"]["Address"], "127.0.0.1");
    assert!(listed(&registry).await.is_empty(), "it is no task");
    registry.withdraw(api).await.expect("it is taken out");
    until_passing(at, "callboard", 0).await;
}

#[tokio::test]
async fn what_consul_would_take_and_not_serve_is_refused_before_it_is_asked() {
    // Nobody listens there, so whatever is sent fails in other words.
    let nobody = registry(1, "h1");
    let refused = async |change: fn(&mut Spec, &mut TaskDefinition), expect: &str| {
        let mut spec = spec(20_000, 0, vec![http_check()]);
        let mut definition = TaskDefinition::clone(&spec.definition);
        change(&mut spec, &mut definition);
        spec.definition = Arc::new(definition);
        let why = register(&nobody, &spec).await.expect_err("it is not taken");
        assert!(why.contains(expect), "{why}");
    };
    refused(|_, _| (), "http://127.0.0.1:1").await;
    refused(|spec, _| spec.task.service = "a b".into(), "\"a b\" cannot be the name of a service").await;
    refused(|spec, _| spec.task.service = "UPPER_under".into(), "cannot be the name of a service").await;
    refused(|spec, _| spec.task.id = "../../kv/x".into(), "cannot be an id in Consul").await;
    refused(|spec, _| spec.task.port = Some(0), "0 is no port").await;
    refused(|spec, _| spec.task.port = None, "check up: the check wants the provided port").await;
    refused(|_, definition| definition.tags.push(String::new()), "\"\" cannot be a tag").await;
    refused(|_, definition| definition.tags.push("a\nb".into()), "cannot be a tag").await;
    let tcp = |tcp: &str| {
        let (interval, timeout) = (Span::secs(1), Span::secs(1));
        check(Probe::Tcp { tcp: tcp.into(), interval, timeout })
    };
    for (target, expect) in
        [("host", "has no port"), ("host:99999", "has no port"), ("host:0", "has no port")]
    {
        let why = register(&nobody, &spec(1, 0, vec![tcp(target)])).await.expect_err("it is not taken");
        assert!(why.contains(expect), "{why}");
    }
    let mut no_url = http_check();
    no_url.add_provided_port = false;
    no_url.probe = Probe::Http {
        http: "notaurl".into(),
        header: BTreeMap::new(),
        interval: Span::secs(1),
        timeout: Span::secs(1),
    };
    let why = register(&nobody, &spec(1, 0, vec![no_url])).await.expect_err("it is not taken");
    assert!(why.contains("\"notaurl\" is no URL"), "{why}");
    let nowhere =
        ConsulSettings { addresses: vec!["http://127.0.0.1:1".into()], ..ConsulSettings::default() };
    let nowhere = ConsulRegistry::new(&nowhere, "h1".into(), "0.0.0.0".into()).expect("settings are right");
    let why = register(&nowhere, &spec(1, 0, vec![])).await.expect_err("it is not taken");
    assert!(why.contains("\"0.0.0.0\" is no address that others could reach"), "{why}");
}
