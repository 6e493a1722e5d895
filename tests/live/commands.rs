//! Each command of the command line against a running daemon, by the words people read and the fields programs read.

use crate::files::{Web, command, server};
use crate::instances::holds;
use crate::show::{SOON, Show, until};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

/// Expects that an object has fields of these kinds: `name:string`.
#[track_caller]
fn has(object: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        let (name, kind) = field.split_once(':').expect("a field and its kind");
        let value = &object[name];
        let fits = match kind {
            "string" => value.is_string(),
            "number" => value.is_u64(),
            "flag" => value.is_boolean(),
            "list" => value.is_array(),
            _ => value.is_object(),
        };
        assert!(fits, "{name} is no {kind} in {object}");
    }
}

#[test]
fn programs_read_what_there_is() {
    let show = Show::start(&[]);
    show.apply(&server(1, (2, 1, 3), "")).ends(0);
    let status = show.list(&["status"]);
    has(&status, "version:string store:string role:string uptime_ms:number host:string clusters:list");
    has(&status, "services:object tasks:object hosts:object");
    has(&status["clusters"][0], "name:string scheduler:string held_by:string services:list");
    let services = show.list(&["services"]);
    has(
        &services[0],
        "name:string cluster:string scheduled:flag task_name:string version:number state:string",
    );
    has(&services[0], "desired:number min:number max:number stopped:flag issued:number healthy:number");
    has(&services[0], "stopping:number versions:list rollout:string stable:number missing:number");
    has(&services[0]["versions"][0], "version:number issued:number healthy:number");
    assert_eq!(show.list(&["services", "web"]), services);
    let tasks = show.list(&["tasks"]);
    has(&tasks[0], "id:string cluster:string service:string version:number instance:number host:string");
    has(&tasks[0], "generation:number address:string state:string desired:string attempt:number");
    has(&tasks[0], "memory:number cpu_units:number why:string");
    assert_eq!(show.list(&["tasks", "--service", "web", "--host", "h1"]).as_array().map(Vec::len), Some(2));
    assert_eq!(show.list(&["tasks", "--service", "other"]), Value::Array(Vec::new()));
    let hosts = show.list(&["hosts"]);
    has(&hosts[0], "name:string state:string address:string tasks:number memory:number memory_held:number");
    has(&hosts[0], "cpu_units:number cpu_held:number ports:string ports_held:number executors:list");
    has(&hosts[0], "agent_version:string api:string");
    assert_eq!((&hosts[0]["memory_held"], &hosts[0]["ports_held"]), (&128.into(), &2.into()));
    assert_eq!(show.list(&["hosts", "h1"])["name"], "h1");
    let explained = show.list(&["explain", "web"]);
    has(&explained, "about:string facts:list hosts:list");
    has(&explained["hosts"][0], "host:string fits:flag why:string");
    has(&show.list(&["explain", "default-web-1-0"]), "about:string facts:list");
    let events = show.list(&["events"]);
    has(&events[0], "number:number time:string source:string kind:string text:string");
    has(&show.list(&["version"]), "version:string api:string");
}

#[test]
fn scaling_stays_within_min_and_max() {
    let show = Show::start(&[]);
    show.apply(&server(1, (1, 1, 4), "")).ends(0);
    show.callboard(&["scale", "web", "3"]).ends(0).tells("desired: 1 → 3");
    show.wait_healthy("web", 3);
    assert!(show.instances().iter().all(|one| one.answers()));
    show.callboard(&["scale", "web", "5"]).ends(2).complains("5 is more than the max of web, which is 4");
    show.callboard(&["scale", "web", "0"]).ends(2).complains("0 is less than the min of web, which is 1");
    show.callboard(&["scale", "api", "1"]).ends(1).complains("there is no service \"api\"");
    show.wait_healthy("web", 3);
    show.callboard(&["scale", "web", "1"]).ends(0);
    show.wait_healthy("web", 1);
    assert_eq!(show.instances().len(), 1);
}

#[test]
fn a_stopped_service_is_started_again_and_a_deleted_one_is_gone() {
    let show = Show::start(&[]);
    show.apply(&server(1, (2, 1, 3), "")).ends(0);
    let first = show.instances();
    show.callboard(&["stop", "web"]).ends(0);
    assert_eq!(show.service("web").unwrap()["state"], "stopped");
    assert!(!first.iter().any(|one| one.answers()), "min does not hold up who asks for a stop");
    show.callboard(&["explain", "web"])
        .ends(0)
        .tells("stopped by `callboard stop`")
        .tells("callboard start web");
    show.apply(&server(1, (2, 1, 3), "")).ends(0).complains("web is stopped and stays so");
    show.callboard(&["start", "web"]).ends(0);
    show.wait_healthy("web", 2);

    show.callboard(&["delete", "task-definition", "web", "1"]).ends(5).complains("is run by web");
    show.callboard(&["delete", "cluster", "default"]).ends(5).complains("still has services: web");
    show.callboard(&["delete", "service", "web"]).ends(0).tells("services/web deleted");
    until("its tasks are gone", SOON, || show.instances().is_empty().then_some(()));
    assert_eq!(show.service("web"), None);
    show.callboard(&["delete", "service", "web"]).ends(1).complains("there is no service \"web\"");
    show.callboard(&["delete", "task-definition", "web", "1"]).ends(0);
    show.callboard(&["delete", "cluster", "default"]).ends(0);
    let (_, config) = show.get("/v1/config").unwrap();
    assert!(!config.contains("web") && !config.contains("default"), "{config}");
}

#[test]
fn logs_are_shown_and_followed() {
    let show = Show::start(&[]);
    let ticking = "n=0; while true; do n=$((n+1)); echo tick $n; echo aside >&2; sleep 0.2; done";
    show.apply(&command(1, (1, 0, 1), ticking)).ends(0);
    let task = "default-web-1-0";
    let all = until("three ticks are written", SOON, || {
        let said = show.callboard(&["logs", task]).ends(0);
        said.out.contains("tick 3\n").then_some(said.out)
    });
    assert!(all.starts_with("tick 1\n") && all.contains("aside\n"), "{all}");
    let since = |since: &str| show.callboard(&["logs", task, "--since", since]).ends(0).out;
    for old in ["1h", "2020-01-01T00:00:00Z", "2020-01-01 00:00:00+01:00"] {
        assert!(since(old).starts_with(&all), "{old}");
    }
    until("the first is older than two seconds", SOON, || (!since("2s").contains("tick 1\n")).then_some(()));
    assert_eq!(since("2100-01-01T00:00:00Z"), "");
    show.callboard(&["logs", task, "--since", "yesterday"]).ends(2).complains("how long ago, as in 10m");
    let (status, body) = show.get(&format!("/v1/tasks/{task}/logs?since=soon")).unwrap();
    assert!(status == 400 && body.contains("how long ago"), "{body}");
    let tail = show.callboard(&["logs", task, "--tail", "2"]).ends(0).out;
    assert_eq!(tail.lines().count(), 2, "{tail}");

    let mut follower = show
        .asking(&["logs", task, "-f", "--since", "1s", "--tail", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let ticks: Vec<u32> = lines
        .filter_map(|line| line.unwrap().strip_prefix("tick ").map(|number| number.parse().unwrap()))
        .take(5)
        .collect();
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert!(ticks.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{ticks:?}");
    assert_eq!(ticks.len(), 5);
    show.callboard(&["logs", "default-web-1-9"]).ends(1).complains("there is no task \"default-web-1-9\"");
}

#[test]
fn events_tell_what_happened_in_order() {
    let show = Show::start(&[]);
    show.apply(&server(1, (1, 0, 1), "")).ends(0);
    let events = show.events();
    let order = [
        "web: rolling out version 1",
        "default-web-1-0 placed on h1: ",
        "default-web-1-0: running",
        "web: version 1 is rolled out and healthy",
    ];
    let at = order.map(|text| events.iter().position(|event| event.starts_with(text)));
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{at:?} in {events:#?}");
    let numbers: Vec<u64> = show
        .list(&["events"])
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["number"].as_u64())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    let last = numbers.last().unwrap().to_string();
    show.callboard(&["stop", "web"]).ends(0);
    let later = show.callboard(&["events", "--after", &last]).ends(0).tells("told to stop").out;
    assert!(!later.contains("rolling out"), "{later}");
}

#[test]
fn what_a_task_wrote_is_read_when_it_is_gone() {
    let show = Show::start(&[]);
    show.apply(&command(1, (1, 0, 2), "echo mine; sleep 1000")).ends(0);
    let bad = "echo begins; echo no database >&2; exit 3";
    let bad = Web { restart: "{attempts: 1, delay: 100ms}", ..command(2, (1, 0, 2), bad) };
    let given_up = "the last was default-web-2-0 on h1: exited with code 3";
    show.apply(&bad).ends(3).complains(given_up).complains("`callboard logs TASK`");
    until("it is gone", SOON, || {
        (!show.instances().iter().any(|one| one.id == "default-web-2-0")).then_some(())
    });
    let logs = |more: &[&str]| show.callboard(&[&["logs", "default-web-2-0"], more].concat()).ends(0);
    let said = logs(&["--host", "h1"]).complains("default-web-2-0 is gone from its host");
    assert_eq!(said.out, "begins\nno database\n");
    assert_eq!(logs(&["--tail", "1", "-f"]).out, "no database\n");
    show.callboard(&["logs", "default-web-2-0", "--host", "h9"]).ends(1).complains("h9");
    show.callboard(&["logs", "default-web-9-0"]).ends(1).complains("callboard logs TASK --host HOST");
    // What is there is not mistaken for what was.
    let now = show.callboard(&["logs", "default-web-1-0"]).ends(0);
    assert!(now.out == "mine\n" && now.err.is_empty(), "{}", now.err);
    // To plan the same again tells that it is given up.
    let file = show.file("again.yml", bad.yaml());
    let again = show.callboard(&["plan", "-f", &file]).ends(3).tells("nothing would change");
    again.complains("web: version 2 was given up: ").complains("`callboard start web` tries it again");
}

#[test]
fn a_plan_writes_nothing_and_tells_what_apply_does() {
    let show = Show::start(&[]);
    show.apply(&server(1, (2, 1, 3), "")).ends(0);
    let all = || (show.get("/v1/config").unwrap(), show.instances(), show.events());
    let before = all();
    let file = show.file("next.yml", server(2, (3, 1, 4), "").yaml());
    let plan = show.callboard(&["plan", "-f", &file, "-o", "json"]).ends(0).json();
    show.callboard(&["plan", "-f", &file])
        .ends(0)
        .complains("nothing was written")
        .tells("+ task_definitions/web/2 created")
        .tells("desired: 2 → 3");
    show.callboard(&["apply", "--dry-run", "-f", &file]).ends(0).complains("nothing was written");
    holds("nothing happens", Duration::from_secs(1), || all() == before);
    let applied = show.callboard(&["apply", "-f", &file, "-o", "json"]).ends(0).json();
    assert_eq!(plan["applied"], applied);
    show.wait_healthy("web", 3);
    assert_eq!(foretold(&plan), happened(&show, before.2.len()));
    let outcome = plan["outcome"].as_str().unwrap();
    assert!(outcome.contains("web: 3 healthy in the end, never fewer than 2 on the way"), "{outcome}");
    let again = show.callboard(&["plan", "-f", &file, "-o", "json"]).ends(0).json();
    let changes = again["applied"]["changes"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["change"] == "unchanged"), "{again}");
}

/// Gives the steps of a plan without their reasons, sorted.
fn foretold(plan: &Value) -> Vec<String> {
    let steps = plan["steps"].as_array().expect("a list").iter().map(|step| step.as_str().expect("words"));
    let mut steps: Vec<String> =
        steps.map(|step| step.split(':').next().unwrap_or_default().to_owned()).collect();
    steps.sort();
    steps
}

/// Gives what was started and stopped since so many events, in the words of a plan.
fn happened(show: &Show, since: usize) -> Vec<String> {
    let events = show.list(&["events"]);
    let step = |event: &Value| {
        let word = match event["kind"].as_str()? {
            "placed" => "start",
            "stop_ordered" => "stop ",
            _ => return None,
        };
        Some(format!("{word} {} on {}", event["task"].as_str()?, event["host"].as_str()?))
    };
    let mut steps: Vec<String> =
        events.as_array().expect("a list")[since..].iter().filter_map(step).collect();
    steps.sort();
    steps
}

#[test]
fn a_plan_says_what_would_not_work() {
    let show = Show::start(&["--memory", "300"]);
    show.apply(&server(1, (2, 1, 3), "")).ends(0);
    let before = show.get("/v1/config");
    let file = show.file("large.yml", server(1, (9, 1, 9), "").yaml());
    show.callboard(&["plan", "-f", &file])
        .ends(3)
        .tells("start default-web-1-3 on h1")
        .complains("web: 5 would not be placed: 1 host without 64 MiB of free memory")
        .complains("nothing was written");
    assert_eq!(show.get("/v1/config"), before);
}

#[test]
fn what_needs_no_daemon() {
    let show = Show::start(&[]);
    let version = format!("callboard {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(show.callboard(&["version"]).ends(0).out, version);
    assert_eq!(show.callboard(&["--version"]).ends(0).out, version);
    for shell in ["bash", "zsh", "fish"] {
        show.callboard(&["completions", shell]).ends(0).tells("callboard").tells("undrain");
    }
    let help = show.callboard(&["--help"]).ends(0).tells("callboard dev examples/hello-world.yml");
    help.tells("Exit codes:");
}
