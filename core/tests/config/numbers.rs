//! Numbers and durations: inputs 21 to 40 of the list of bad inputs, and 51.

use super::{DEFINITION, HOST, SERVICE, changed, check};
use callboard_core::config::read;
use callboard_core::machine::Span;

#[test]
fn counts_are_whole_numbers_in_range() {
    let table = [
        ("desired: -1", "web.yml:6: services[0].desired: found -1, expected a whole number from 0 to 100000"),
        (
            "desired: 1000000000",
            "web.yml:6: services[0].desired: found 1000000000, expected a whole number from 0 to 100000",
        ),
        (
            "desired: 2.5",
            "web.yml:6: services[0].desired: found 2.5, expected a whole number from 0 to 100000; write it without a fraction or an exponent",
        ),
        (
            r#"desired: "4""#,
            r#"web.yml:6: services[0].desired: found "4", expected a whole number from 0 to 100000; write it without quotes"#,
        ),
        (
            r#"desired: "four""#,
            r#"web.yml:6: services[0].desired: found "four", expected a whole number from 0 to 100000"#,
        ),
        (
            "desired: null",
            "web.yml:6: services[0].desired: found null, expected a whole number from 0 to 100000",
        ),
        ("desired:", "web.yml:6: services[0].desired: found null, expected a whole number from 0 to 100000"),
        ("-desired", "web.yml:3: services[0].desired: missing, expected a whole number from 0 to 100000"),
        (
            "desired: [4]",
            "web.yml:6: services[0].desired: found a list, expected a whole number from 0 to 100000",
        ),
        (
            "desired: four",
            r#"web.yml:6: services[0].desired: found "four", expected a whole number from 0 to 100000"#,
        ),
        (
            "desired: ٤",
            r#"web.yml:6: services[0].desired: found "٤", expected a whole number from 0 to 100000"#,
        ),
    ];
    for (input, expect) in table {
        check(&changed(SERVICE, input), expect);
    }
}

#[test]
fn other_spellings_of_numbers_are_explained() {
    let table = [
        (
            "desired: .nan",
            "web.yml:6: services[0].desired: found .nan, expected a whole number from 0 to 100000",
        ),
        (
            "desired: .inf",
            "web.yml:6: services[0].desired: found .inf, expected a whole number from 0 to 100000",
        ),
        (
            "desired: 1e400",
            "web.yml:6: services[0].desired: found 1e400, expected a whole number from 0 to 100000; write it without a fraction or an exponent",
        ),
        (
            "desired: 1e1",
            "web.yml:6: services[0].desired: found 1e1, expected a whole number from 0 to 100000; write it without a fraction or an exponent",
        ),
        (
            "desired: 012",
            "web.yml:6: services[0].desired: found 012, expected a whole number from 0 to 100000; a leading zero means octal to some readers, write 12",
        ),
        (
            "desired: 0o17",
            "web.yml:6: services[0].desired: found 0o17, expected a whole number from 0 to 100000; write it in decimal",
        ),
        (
            "desired: 0x10",
            "web.yml:6: services[0].desired: found 0x10, expected a whole number from 0 to 100000; write it in decimal",
        ),
        (
            "desired: 1_000",
            "web.yml:6: services[0].desired: found 1_000, expected a whole number from 0 to 100000; write it without _",
        ),
        ("desired: +4", "web.yml:6: services[0].desired: found +4, expected a whole number from 0 to 100000"),
        (
            "desired: 4.0",
            "web.yml:6: services[0].desired: found 4.0, expected a whole number from 0 to 100000; write it without a fraction or an exponent",
        ),
        (
            "desired: 1:30",
            "web.yml:6: services[0].desired: found 1:30, expected a whole number from 0 to 100000; write it in decimal",
        ),
        (
            "desired: 18446744073709551616",
            "web.yml:6: services[0].desired: found 18446744073709551616, expected a whole number from 0 to 100000",
        ),
        (
            "desired: 9007199254740993",
            "web.yml:6: services[0].desired: found 9007199254740993, expected a whole number from 0 to 100000",
        ),
        (
            "desired: yes",
            "web.yml:6: services[0].desired: found yes, expected a whole number from 0 to 100000",
        ),
    ];
    for (input, expect) in table {
        check(&changed(SERVICE, input), expect);
    }
}

#[test]
fn counts_are_in_order() {
    let table = [
        (
            "min: 5",
            "web.yml:7: services[0].min: found 5, more than desired, expected a whole number from 0 to 4; lower min or raise desired",
        ),
        (
            "max: 3",
            "web.yml:8: services[0].max: found 3, less than desired, expected a whole number from 4 to 200000; raise max or lower desired",
        ),
        (
            "min: 4",
            "web.yml:8: services[0].max: found 4, the same as min and desired, so an update has no room; raise max or lower min",
        ),
        (
            "desired: 0",
            "web.yml:7: services[0].min: found 3, more than desired, expected a whole number from 0 to 0; lower min or raise desired",
        ),
        (
            "desired: 2",
            "web.yml:7: services[0].min: found 3, more than desired, expected a whole number from 0 to 2; lower min or raise desired",
        ),
        (
            "desired: 100000",
            "web.yml:8: services[0].max: found 4, less than desired, expected a whole number from 100000 to 200000; raise max or lower desired",
        ),
        ("max: 100000", "fine"),
        ("max: 200001", "web.yml:8: services[0].max: found 200001, expected a whole number from 0 to 200000"),
    ];
    for (input, expect) in table {
        check(&changed(SERVICE, input), expect);
    }
}

#[test]
fn an_update_needs_room() {
    let table = [
        ("services:\n- {name: web, task_name: web, task_version: 1, desired: 0, min: 0, max: 0}\n", "fine"),
        (
            "services:\n- {name: web, task_name: web, task_version: 1, desired: 1, min: 1, max: 1}\n",
            "web.yml:2: services[0].max: found 1, the same as min and desired, so an update has no room; raise max or lower min",
        ),
        ("services:\n- {name: web, task_name: web, task_version: 1, desired: 1, min: 0, max: 1}\n", "fine"),
        (
            "services:\n- {name: w, task_name: w, task_version: 1, desired: 1, min: 0, max: 1, exclusive: true}\n",
            "fine",
        ),
        (
            "services:\n- {name: w, task_name: w, task_version: 1, desired: 1, min: 0, max: 2, exclusive: true}\n",
            "web.yml:2: services[0].max: found 2, more than the one task that an exclusive service may have, expected 0 or 1; lower max, and desired and min with it, or leave out exclusive",
        ),
        (
            "services:\n- {name: w, task_name: w, task_version: 1, desired: 1, min: 1, max: 1, exclusive: true}\n",
            "web.yml:2: services[0].max: found 1, the same as min and desired, so an update has no room; lower min to 0",
        ),
        ("services:\n- {name: web, task_name: web, task_version: 1, desired: 1, min: 1, max: 2}\n", "fine"),
        (
            "services:\n- {name: web, task_name: web, task_version: 1, desired: 1, min: 0, max: 0}\n",
            "web.yml:2: services[0].max: found 0, less than desired, expected a whole number from 1 to 200000; raise max or lower desired",
        ),
        (
            "services:\n- {name: web, task_name: web, task_version: 1, desired: 100000, min: 100000, max: 100001}\n",
            "fine",
        ),
    ];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn versions_are_from_one() {
    let table = [
        (
            "task_version: 0",
            "web.yml:5: services[0].task_version: found 0, expected a whole number from 1 to 2147483647",
        ),
        (
            "task_version: -1",
            "web.yml:5: services[0].task_version: found -1, expected a whole number from 1 to 2147483647",
        ),
        (
            "task_version: 9223372036854775808",
            "web.yml:5: services[0].task_version: found 9223372036854775808, expected a whole number from 1 to 2147483647",
        ),
        (
            "task_version: 1.0",
            "web.yml:5: services[0].task_version: found 1.0, expected a whole number from 1 to 2147483647; write it without a fraction or an exponent",
        ),
        ("task_version: 2147483647", "fine"),
        (
            "task_version: 2147483648",
            "web.yml:5: services[0].task_version: found 2147483648, expected a whole number from 1 to 2147483647",
        ),
    ];
    for (input, expect) in table {
        check(&changed(SERVICE, input), expect);
    }
}

#[test]
fn other_fields_of_a_service() {
    let table = [
        (
            "max_parallel: 0",
            "web.yml:9: services[0].max_parallel: found 0, expected a whole number from 1 to 100000",
        ),
        ("max_parallel: 3", "fine"),
        ("min_healthy_time: 0s", "fine"),
        (
            "min_healthy_time: -1s",
            r#"web.yml:9: services[0].min_healthy_time: found "-1s", expected a duration from 0s to 24h, as in 10s, 5m or 250ms"#,
        ),
        (
            "healthy_deadline: 0s",
            r#"web.yml:9: services[0].healthy_deadline: found "0s", expected a duration of more than 0s, at most 24h, as in 10s, 5m or 250ms"#,
        ),
        ("stopped: yes", "web.yml:9: services[0].stopped: found yes, expected true or false; write true"),
        ("stopped: on", "web.yml:9: services[0].stopped: found on, expected true or false; write true"),
        (
            r#"stopped: "true""#,
            r#"web.yml:9: services[0].stopped: found "true", expected true or false; write true"#,
        ),
        ("stopped: true", "fine"),
        ("retry: 1", "fine"),
        ("retry: -1", "web.yml:9: services[0].retry: found -1, expected a whole number from 0 to 4294967295"),
    ];
    for (input, expect) in table {
        check(&changed(SERVICE, input), expect);
    }
}

#[test]
fn ports() {
    let table = [
        (
            "version: 0",
            "web.yml:4: task_definitions[0].version: found 0, expected a whole number from 1 to 2147483647",
        ),
        (
            "port: -1",
            "web.yml:6: task_definitions[0].port: found -1, expected a whole number from 0 to 65535",
        ),
        (
            "port: 65536",
            "web.yml:6: task_definitions[0].port: found 65536, expected a whole number from 0 to 65535",
        ),
        (
            "port: 99999",
            "web.yml:6: task_definitions[0].port: found 99999, expected a whole number from 0 to 65535",
        ),
        (
            "port: 0",
            "web.yml:6: task_definitions[0].port: found 0, expected a whole number from 1 to 65535; remove it, or set provide_port to true to be given a port",
        ),
        ("port: 8080", "fine"),
        ("port: null", "fine"),
        (
            "provide_port: yes",
            "web.yml:6: task_definitions[0].provide_port: found yes, expected true or false; write true",
        ),
        (
            "provide_port: NO",
            "web.yml:6: task_definitions[0].provide_port: found NO, expected true or false; write false",
        ),
        ("provide_port: 1", "web.yml:6: task_definitions[0].provide_port: found 1, expected true or false"),
    ];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}

#[test]
fn room() {
    let table = [
        (
            "memory: -5",
            "web.yml:6: task_definitions[0].memory: found -5, expected a whole number from 0 to 16777216",
        ),
        (
            "memory: 1m",
            r#"web.yml:6: task_definitions[0].memory: found "1m", expected a whole number from 0 to 16777216"#,
        ),
        (
            "memory: 5",
            "web.yml:6: task_definitions[0].memory: found 5, less than docker can run with, expected 0 for no limit, or a whole number of MiB from 6 to 16777216",
        ),
        ("memory: 6", "fine"),
        ("memory: 0", "fine"),
        ("memory: 5\n  memory_limit: 64", "fine"),
        ("memory_limit: 64", "fine"),
        ("memory: 64\n  memory_limit: 0", "fine"),
        (
            "memory: 64\n  memory_limit: 63",
            "web.yml:7: task_definitions[0].memory_limit: found 63, less than memory, which is reserved, expected 0 for no limit, or a whole number of MiB from 64 to 16777216",
        ),
        (
            "memory_limit: 5",
            "web.yml:6: task_definitions[0].memory_limit: found 5, less than docker can run with, expected 0 for no limit, or a whole number of MiB from 6 to 16777216",
        ),
        (
            "memory_limit: 1g",
            r#"web.yml:6: task_definitions[0].memory_limit: found "1g", expected a whole number from 0 to 16777216"#,
        ),
        (
            "memory: 9223372036854775808",
            "web.yml:6: task_definitions[0].memory: found 9223372036854775808, expected a whole number from 0 to 16777216",
        ),
        (
            "memory: 16777217",
            "web.yml:6: task_definitions[0].memory: found 16777217, expected a whole number from 0 to 16777216",
        ),
        (
            "cpu_units: 1",
            "web.yml:6: task_definitions[0].cpu_units: found 1, expected 0 to reserve none, or a whole number from 2 to 1048576",
        ),
        ("cpu_units: 2", "fine"),
        ("cpu_units: 2\n  cpu_limit: 11", "fine"),
        ("cpu_limit: 2048", "fine"),
        ("cpu_units: 512\n  cpu_limit: 0", "fine"),
        (
            "cpu_units: 512\n  cpu_limit: 511",
            "web.yml:7: task_definitions[0].cpu_limit: found 511, less than cpu_units, which are reserved, expected 0 for no limit, or a whole number from 512 to 1048576",
        ),
        (
            "cpu_limit: 10",
            "web.yml:6: task_definitions[0].cpu_limit: found 10, expected 0 for no limit, or a whole number from 11 to 1048576",
        ),
        (
            "cpu_limit: half",
            r#"web.yml:6: task_definitions[0].cpu_limit: found "half", expected a whole number from 0 to 1048576"#,
        ),
        (
            "cpu_units: 1048577",
            "web.yml:6: task_definitions[0].cpu_units: found 1048577, expected a whole number from 0 to 1048576",
        ),
        (
            "priority: 101",
            "web.yml:6: task_definitions[0].priority: found 101, expected a whole number from 0 to 100",
        ),
    ];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}

#[test]
fn tags() {
    let table = [
        (
            r#"tags: [""]"#,
            r#"web.yml:6: task_definitions[0].tags[0]: found "", expected a tag of 1 to 255 characters"#,
        ),
        (
            "tags: [a, b, a]",
            r#"web.yml:6: task_definitions[0].tags[2]: found "a", already listed on line 6; keep one of the two"#,
        ),
        (
            r#"tags: ["a\u001b[2J"]"#,
            r#"web.yml:6: task_definitions[0].tags[0]: found "a\u{1b}[2J", which holds the control character \u{1b}, expected a tag of 1 to 255 characters; remove it"#,
        ),
        ("tags: a", r#"web.yml:6: task_definitions[0].tags: found "a", expected a list"#),
    ];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}

#[test]
fn a_port_is_fixed_or_provided() {
    let table = [
        (
            "task_definitions:\n- name: web\n  version: 1\n  provide_port: true\n  port: 8080\n  containers: [{name: a, type: docker, executor: {image: web}}]\n",
            "web.yml:5: task_definitions[0].port: found 8080, together with provide_port, expected one of the two; remove port or provide_port",
        ),
        (
            "task_definitions:\n- name: web\n  version: 1\n  provide_port: true\n  port: 0\n  containers: [{name: a, type: docker, executor: {image: web}}]\n",
            "fine",
        ),
    ];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn durations_have_units_and_limits() {
    let table = [
        (
            "kill_timeout: 0s",
            r#"web.yml:6: task_definitions[0].kill_timeout: found "0s", expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms"#,
        ),
        (
            "kill_timeout: 100h",
            r#"web.yml:6: task_definitions[0].kill_timeout: found "100h", expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms"#,
        ),
        (
            "kill_timeout: 5",
            "web.yml:6: task_definitions[0].kill_timeout: found 5, expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms; add a unit, as in 5s",
        ),
        (
            r#"kill_timeout: "5""#,
            r#"web.yml:6: task_definitions[0].kill_timeout: found "5", expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms; add a unit, as in 5s"#,
        ),
        (
            "kill_timeout: 5 parsecs",
            r#"web.yml:6: task_definitions[0].kill_timeout: found "5 parsecs", expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms"#,
        ),
        (
            "kill_timeout: -5s",
            r#"web.yml:6: task_definitions[0].kill_timeout: found "-5s", expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms"#,
        ),
        ("kill_timeout: 1h", "fine"),
        ("kill_timeout: 1m30s", "fine"),
        (
            "kill_timeout: 99999999999999999999h",
            r#"web.yml:6: task_definitions[0].kill_timeout: found "99999999999999999999h", expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms"#,
        ),
        (
            "kill_timeout: 1:30",
            "web.yml:6: task_definitions[0].kill_timeout: found 1:30, expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms",
        ),
        (
            "kill_timeout: [5s]",
            "web.yml:6: task_definitions[0].kill_timeout: found a list, expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms",
        ),
    ];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}

#[test]
fn restart_policy() {
    let table = [
        (
            "restart: {attempts: 1001}",
            "web.yml:6: task_definitions[0].restart.attempts: found 1001, expected a whole number from 0 to 1000",
        ),
        (
            "restart: {delay: 0s}",
            r#"web.yml:6: task_definitions[0].restart.delay: found "0s", expected a duration of more than 0s, at most 1h, as in 10s, 5m or 250ms"#,
        ),
        (
            "restart: {delay: 10s, max_delay: 5s}",
            r#"web.yml:6: task_definitions[0].restart.max_delay: found "5s", less than delay, expected a duration from 10s to 24h"#,
        ),
        ("restart: {delay: 2m}", "fine"),
        (
            "restart: {atempts: 1}",
            r#"web.yml:6: task_definitions[0].restart.atempts: unknown field, expected attempts, delay, max_delay, reset_after or unhealthy_after; did you mean "attempts"?"#,
        ),
        ("restart: never", r#"web.yml:6: task_definitions[0].restart: found "never", expected an object"#),
    ];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}

#[test]
fn a_delay_beyond_the_usual_cap_is_its_own() {
    for (input, expect) in [("delay: 30s", Span::secs(60)), ("delay: 30m", Span::secs(1800))] {
        let file = changed(DEFINITION, &format!("restart: {{{input}}}"));
        let read = read("web.yml", file.as_bytes()).expect("it is fine").value;
        assert_eq!(read.task_definitions[0].restart.max_delay, expect, "{input}");
    }
}

#[test]
fn room_does_not_overflow() {
    let table = [(
        "services:\n- {name: web, task_name: web, task_version: 1, desired: 100000, min: 0, max: 200000}\ntask_definitions:\n- {name: web, version: 1, memory: 16777216, containers: [{name: a, type: docker, executor: {image: web}}]}\n",
        "fine",
    )];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn hosts() {
    let table = [
        ("draining: maybe", r#"web.yml:4: hosts[0].draining: found "maybe", expected true or false"#),
        ("draining: true", "fine"),
        ("reserved_ports: [22, 80]", "fine"),
        (
            "reserved_ports: [0]",
            "web.yml:5: hosts[0].reserved_ports[0]: found 0, expected a whole number from 1 to 65535",
        ),
        (
            "reserved_ports: [22, 22]",
            "web.yml:5: hosts[0].reserved_ports[1]: found 22, already listed; keep one of the two",
        ),
        ("reserved_ports: 22", "web.yml:5: hosts[0].reserved_ports: found 22, expected a list"),
        (
            "drainin: true",
            r#"web.yml:5: hosts[0].drainin: unknown field, expected name, draining or reserved_ports; did you mean "draining"?"#,
        ),
    ];
    for (input, expect) in table {
        check(&changed(HOST, input), expect);
    }
}
