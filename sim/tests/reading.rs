//! Mistakes in scenario files are told with their line, what is allowed, and what may have been meant.

use callboard_sim::read;

const GOOD: &str = "name: it
duration: 5m
fleet: [{count: 3}]
generate: [{prefix: web-, tasks: 3}]
";

fn check(more: &str, expect: &[&str]) {
    let found = match read("it.yml", format!("{GOOD}{more}").as_bytes()) {
        Ok(_) => Vec::new(),
        Err(error) => error.mistakes.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expect, "{more}");
}

#[test]
fn what_is_right_is_read() {
    check("", &[]);
    check("timeline: [{at: 1m, do: crash_hosts, percent: 10}]", &[]);
    check("store: {latency: [1ms, 2s], lost_requests_ppm: 100}", &[]);
    check("store: consul", &[]);
    check("store: {like: etcd, rewound_watches_ppm: 100}", &[]);
    check("expect: [{min_healthy: {}}, {healthy_by: {at: 2m}}]", &[]);
}

#[test]
fn mistakes_are_told() {
    check("", &[]);
    check(
        "timeline: [{at: 1m, do: set_service, service: web-01, desired: 2}]",
        &[
            "it.yml:5: timeline[0].service: found \"web-01\", no service of this scenario, expected the name of a \
           service; did you mean \"web-001\"?",
        ],
    );
    check(
        "store: konsul",
        &[
            "it.yml:5: store: found \"konsul\", expected memory, embedded, consul or etcd; did you mean \"consul\"?",
        ],
    );
    check(
        "timeline: [{at: 1m, do: partition, lasting: 30}]",
        &[
            "it.yml:5: timeline[0]: which machines?, expected one of count, percent, prefix, names, \
             labels, each, or running with count",
            "it.yml:5: timeline[0].lasting: found 30, expected a duration from 0s to 8784h, as in 10s, 5m or 250ms; \
             add a unit, as in 30s",
        ],
    );
    check(
        "expects: [{min_healthy: {}}]",
        &["it.yml:5: expects: unknown field, expected clusters, services, task_definitions, hosts, name, \
           description, teaches, seed, duration, settle, fleet, host_events, arrivals, generate, schedulers, ttl, reaction, \
           builds, store, registry, timeline, trickle or expect; did you mean \"expect\"?"],
    );
}

#[test]
fn what_can_go_wrong_is_listed() {
    let text = format!("{GOOD}timeline: [{{at: 1m, do: crash_host, percent: 10}}]\n");
    let error = read("it.yml", text.as_bytes()).unwrap_err().to_string();
    let begin = "it.yml:5: timeline[0].do: found \"crash_host\", expected set_service, add_service, resize_hosts, rebalance, \
                 crash_hosts,";
    assert!(error.starts_with(begin), "{error}");
    assert!(error.ends_with("; did you mean \"crash_hosts\"?"), "{error}");
}

#[test]
fn a_configuration_inside_keeps_its_lines() {
    let text = "services:
- {name: web, task_name: web, task_version: 1, desired: 4, min: 5, max: 6}
";
    let error = read("it.yml", format!("{GOOD}{text}").as_bytes()).unwrap_err();
    assert_eq!(error.mistakes[0].line, 6);
    assert!(error.to_string().contains("min"), "{error}");
}
