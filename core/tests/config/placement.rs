//! What a service may say of its hosts, and what a task may reserve beside memory and processor.

use super::{DEFINITION, SERVICE, changed, check};

fn placement(yaml: &str) -> String {
    changed(SERVICE, &format!("placement: {yaml}"))
}

#[test]
fn all_of_it_at_once() {
    let all = "{require: [{label: disk, in: [ssd, nvme]}, {label: kernel, version: \">= 5.10, < 7\"}], \
               prefer: [{label: zone, equals: eu-1, weight: -20}], near: [{service: cache, same: rack, weight: 50}], \
               apart: [{service: batch}], limit: [{same: rack, tasks: 2}, {tasks: 1}], \
               spread: [{label: zone, targets: {eu-1: 60}}, {label: rack}, {label: host}]}";
    check(&placement(all), "fine");
}

#[test]
fn what_is_wrong_with_it() {
    let table = [
        (
            "{require: [{label: disk}]}",
            "web.yml:9: services[0].placement.require[0]: a rule without a test, expected one of equals, not_equals, in, \
             not_in, exists, version, number and matches",
        ),
        (
            "{require: [{label: disk, equals: ssd, exists: true}]}",
            "web.yml:9: services[0].placement.require[0]: a rule with several tests, expected one of equals, not_equals, \
             in, not_in, exists, version, number and matches; write one rule for each",
        ),
        (
            "{require: [{label: kernel, version: \">= new\"}]}",
            "web.yml:9: services[0].placement.require[0].version: found \">= new\", has a bound `>= new` that cannot be \
             read; write it like `>= 5`",
        ),
        (
            "{prefer: [{label: zone, equals: a, weight: 0}]}",
            "web.yml:9: services[0].placement.prefer[0].weight: found 0, expected a whole number from -100 to 100, but \
             not 0",
        ),
        (
            "{near: [{service: web}]}",
            "web.yml:9: services[0].placement.near[0].service: found \"web\", the service itself, expected another \
             service; to keep tasks of one service apart, use limit",
        ),
        (
            "{limit: [{tasks: 0}]}",
            "web.yml:9: services[0].placement.limit[0].tasks: found 0, expected a whole number from 1 to 100000",
        ),
        (
            "{spread: [{label: zone, targets: {a: 70, b: 40}}]}",
            "web.yml:9: services[0].placement.spread[0].targets: found an object, 110 percent together, expected at most \
             100 percent together",
        ),
        (
            "{spread: [{label: zone}, {label: zone}]}",
            "web.yml:9: services[0].placement.spread[1].label: found \"zone\", already listed on line 9; keep one of the \
             two",
        ),
    ];
    for (input, expect) in table {
        check(&placement(input), expect);
    }
}

#[test]
fn what_a_task_reserves_and_which_ports_it_has() {
    let table = [
        ("resources: {gpu: 2}", "fine"),
        ("ports: [{name: http}, {name: dns, port: 53, protocol: udp}, {name: dns-tcp, port: 53}]", "fine"),
        (
            "resources: {gpu: 0}",
            "web.yml:6: task_definitions[0].resources[\"gpu\"]: found 0, expected a whole number from 1 to 1048576",
        ),
        (
            "ports: [{name: a, port: 53}, {name: b, port: 53}]",
            "web.yml:6: task_definitions[0].ports[1].port: found 53, already listed on line 6; keep one of the two",
        ),
        (
            "ports: [{name: a}, {name: a}]",
            "web.yml:6: task_definitions[0].ports[1].name: found \"a\", already listed on line 6; give each port its own \
             name",
        ),
    ];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}
