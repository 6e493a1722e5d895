//! Kinds of services, and what is said of each.

use super::check;

/// A service with these fields beside its name and task definition.
fn of_kind(fields: &str) -> String {
    format!("services:\n- {{name: web, task_name: web, task_version: 2, {fields}}}\n")
}

#[test]
fn a_system_service_has_no_counts() {
    let table = [
        ("kind: system", "fine"),
        ("kind: system, max_parallel: 3, placement: {require: [{label: disk, equals: ssd}]}", "fine"),
        ("kind: system, desired: 0, min: 0, max: 0", "fine"),
        ("kind: service, desired: 1, min: 0, max: 2", "fine"),
        (
            "kind: daemon, desired: 1, min: 0, max: 2",
            "web.yml:2: services[0].kind: found \"daemon\", expected service, system or batch",
        ),
        (
            "kind: system, desired: 3",
            "web.yml:2: services[0].desired: found 3, which is not said of a system service; leave out desired, or the kind",
        ),
        (
            "kind: system, exclusive: true",
            "web.yml:2: services[0].exclusive: found true, which is not said of a system service; leave out exclusive, or \
             the kind",
        ),
        (
            "kind: system, placement: {limit: [{tasks: 1}]}",
            "web.yml:2: services[0].placement: found an object, with limit or spread, of a system service, which has one \
             task on each host that qualifies; leave out limit and spread",
        ),
    ];
    for (input, expect) in table {
        check(&of_kind(input), expect);
    }
}

#[test]
fn a_batch_service_says_how_often_it_runs() {
    let table = [
        ("kind: batch", "fine"),
        ("kind: batch, completions: 5, parallelism: 2, retries: 0, time_limit: 10m", "fine"),
        (
            "kind: batch, completions: 0",
            "web.yml:2: services[0].completions: found 0, expected a whole number from 1 to 100000",
        ),
        (
            "kind: batch, desired: 2",
            "web.yml:2: services[0].desired: found 2, which is not said of a batch service; leave out desired, or the kind",
        ),
        (
            "kind: batch, max_parallel: 2",
            "web.yml:2: services[0].max_parallel: found 2, which is not said of a batch service; leave out max_parallel, or the kind",
        ),
        (
            "kind: system, retries: 3",
            "web.yml:2: services[0].retries: found 3, which only a batch service has; leave it out, or say `kind: batch`",
        ),
    ];
    for (input, expect) in table {
        check(&of_kind(input), expect);
    }
}
