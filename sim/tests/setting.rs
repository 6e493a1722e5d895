//! Fields of a scenario can be set from outside; mistakes in what is set name it, and say what is there.

use callboard_sim::{Scenario, read_with};

const FILE: &str = "name: it
duration: 5m
fleet: [{prefix: a-, count: 3}, {prefix: b-, count: 1}]
services: [{name: web, task_name: web, task_version: 1, desired: 2, min: 1, max: 3}]
task_definitions:
- {name: web, version: 1, containers: [{name: web, type: bash, executor: {start: [serve]}}]}
store: consul
";

fn set(sets: &[&str]) -> Result<Scenario, String> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_string()).collect();
    let load = |_: &str| Err("there are no others".into());
    read_with("it.yml", FILE.as_bytes(), &sets, &load).map_err(|error| error.to_string())
}

fn check(sets: &[&str], expect: &str) {
    assert_eq!(set(sets).map(|_| String::new()).unwrap_or_else(|error| error), expect, "{sets:?}");
}

#[test]
fn any_field_can_be_set() {
    let scenario = set(&[
        "duration=1h",
        "store=etcd",
        "services.web.desired=3",
        "fleet.0.count=100",
        "fleet.b-.labels={rack: r1}",
        "registry.late_ppm=7",
        "timeline=[{at: 1m, do: apply}]",
        "services.web.min=",
    ]);
    // A field that is set to nothing is left out, and this one must not be.
    assert_eq!(
        scenario.unwrap_err(),
        "--set services.web.min=: services[0].min: found null, expected a whole number from 0 to 100000"
    );
    let scenario = set(&[
        "duration=1h",
        "store=etcd",
        "services.web.desired=3",
        "fleet.0.count=100",
        "fleet.b-.labels={rack: r1}",
        "registry.late_ppm=7",
        "timeline=[{at: 1m, do: apply}]",
    ])
    .unwrap();
    assert_eq!(scenario.duration.0, 3_600_000);
    assert_eq!(scenario.store.kind.to_string(), "etcd");
    assert_eq!(scenario.desired.services[0].desired, 3);
    assert_eq!(scenario.fleet[0].count, 100);
    assert_eq!(scenario.fleet[1].labels["rack"], "r1");
    assert_eq!(scenario.registry.unwrap().late, 7);
    assert_eq!(scenario.timeline.len(), 1);
}

#[test]
fn mistakes_name_what_was_set() {
    check(&["duration"], "--set duration: there is no =, expected a field and its value, as in duration=1h");
    check(
        &["store=konsul"],
        "--set store=konsul: store: found \"konsul\", expected memory, embedded, consul or etcd; did you mean \"consul\"?",
    );
    check(
        &["services.wob.desired=3"],
        "--set services.wob.desired=3: services: no \"wob\" in the list, expected web, or 0; did you mean \"web\"?",
    );
    check(
        &["store.latency=5ms"],
        "--set store.latency=5ms: store: one value, in which there is no \"latency\", expected store=... to replace it",
    );
    check(
        &["services.web.desird=3"],
        "--set services.web.desird=3: services[0].desird: unknown field, expected name, task_name, task_version, \
         kind, completions, parallelism, retries, time_limit, exclusive, preempt, desired, min, max, max_parallel, min_healthy_time, healthy_deadline, placement, stopped or retry; did you mean \"desired\"?",
    );
}
