//! Files as a whole: inputs 41 to 60 of the list of bad inputs.

use super::{SERVICE, changed, check};

#[test]
fn nothing_is_no_configuration() {
    let table = [
        ("", "web.yml: the file is empty"),
        ("\n\n", "web.yml: the file is empty"),
        ("# only a comment\n", "web.yml: the file is empty"),
        (
            "---\n",
            "web.yml:1: found null, expected an object with at least one of the lists clusters, services, task_definitions and hosts",
        ),
        (
            "{}",
            "web.yml:1: found an object, with nothing in it, expected an object with at least one of the lists clusters, services, task_definitions and hosts",
        ),
        (
            "null",
            "web.yml:1: found null, expected an object with at least one of the lists clusters, services, task_definitions and hosts",
        ),
        (
            "services:\n",
            "web.yml:1: found an object, with nothing in it, expected an object with at least one of the lists clusters, services, task_definitions and hosts",
        ),
        ("services: []\n", "fine"),
        (
            "hello",
            r#"web.yml:1: found "hello", expected an object with at least one of the lists clusters, services, task_definitions and hosts"#,
        ),
        (
            "- a\n- b\n",
            "web.yml:1: found a list, expected an object with at least one of the lists clusters, services, task_definitions and hosts",
        ),
        (
            "[]",
            "web.yml:1: found a list, expected an object with at least one of the lists clusters, services, task_definitions and hosts",
        ),
    ];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn unknown_and_duplicate_fields() {
    let table = [
        (
            "service: []\n",
            r#"web.yml:1: service: unknown field, expected clusters, services, task_definitions or hosts; did you mean "services"?"#,
        ),
        (
            "services: []\nservices: []\n",
            r#"web.yml:2: found "services", the same field as on line 1; keep one of the two"#,
        ),
        (
            "hosts:\n- {name: a, name: b}\n",
            r#"web.yml:2: found "name", the same field as on line 2; keep one of the two"#,
        ),
        (
            "hosts:\n- name: a\n  labels: {}\n",
            "web.yml:3: hosts[0].labels: unknown field, expected name, draining or reserved_ports",
        ),
        (
            "\"a\\u001b[2Jb\": 1\nservices: []\n",
            r#"web.yml:1: a\u{1b}[2Jb: unknown field, expected clusters, services, task_definitions or hosts"#,
        ),
    ];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn unknown_field_of_a_service() {
    let table = [(
        "desird: 4",
        r#"web.yml:9: services[0].desird: unknown field, expected name, task_name, task_version, kind, completions, parallelism, retries, time_limit, exclusive, preempt, desired, min, max, max_parallel, min_healthy_time, healthy_deadline, placement, stopped or retry; did you mean "desired"?"#,
    )];
    for (input, expect) in table {
        check(&changed(SERVICE, input), expect);
    }
}

#[test]
fn more_of_yaml_than_is_needed() {
    let table = [
        ("services:\n\t- name: web\n", r#"web.yml:2: found "\t", a tab cannot indent; use spaces"#),
        (
            "services:\n- name: web\n\tdesired: 4\n",
            r#"web.yml:2: found "\t", a tab cannot indent; use spaces"#,
        ),
        ("services:\n-\tname: web\n", r#"web.yml:2: found "\t", a tab cannot indent; use spaces"#),
        (
            "a: &a [x]\nb: [*a, *a]\n",
            r#"web.yml:1: found "&", anchors are not supported; write the value out"#,
        ),
        (
            "services: *all\n",
            r#"web.yml:1: found "*", aliases are not supported; write the value out, or quote the text"#,
        ),
        (
            "<<: {services: []}\n",
            r#"web.yml:1: found "<<", merge keys are not supported; write the fields out"#,
        ),
        (
            "services: !!python/object:os.system []\n",
            r#"web.yml:1: found "!", tags are not supported; remove the tag"#,
        ),
        ("services: !include x.yml\n", r#"web.yml:1: found "!", tags are not supported; remove the tag"#),
        (
            "services: []\n---\nservices: []\n",
            "web.yml:2: a second document begins here; put it into a file of its own",
        ),
        (
            "%YAML 1.1\n---\nservices: []\n",
            r#"web.yml:1: found "%", directives are not supported; remove the line"#,
        ),
        ("? [services]\n: []\n", "web.yml:1: the name of a field must be a single word"),
        (
            "services: @web\n",
            "web.yml:1: not valid YAML: unexpected character: `@'; put text that begins with this character in quotes",
        ),
        ("services: [\n", "web.yml:1: not valid YAML: unclosed bracket '['"),
        ("services: \"\n", "web.yml:2: not valid YAML: invalid indentation in multiline quoted scalar"),
        (
            "services: [,]\n",
            "web.yml:1: not valid YAML: unexpected EOF while parsing an implicit flow mapping",
        ),
    ];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn json_is_yaml() {
    let table = [
        (r#"{"services": []}"#, "fine"),
        ("{\n\t\"services\": []\n}\n", "fine"),
        (r#"{"services": []}}"#, "web.yml:1: not valid YAML: misplaced bracket"),
        (r#"{"services": []} x"#, "web.yml:1: something follows the end of the object or list; remove it"),
        (
            "{\"services\": []}\n{\"services\": []}",
            "web.yml:2: something follows the end of the object or list; remove it",
        ),
        (r#"{"services": [],}"#, "fine"),
        (
            r#"{"services": [] "hosts": []}"#,
            "web.yml:1: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'",
        ),
    ];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn lines_may_end_as_on_windows() {
    let table = [(
        "hosts:\r\n- name: a\r\n- name: B\r\n",
        r#"web.yml:3: hosts[1].name: found "B", expected {name}; write "b""#,
    )];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn mistakes_are_listed_together() {
    let table = [(
        "clusters:\n- {name: A, polcy: x}\nservices:\n- name: web\n  task_version: 0\n  min: 5\n  desired: 4\nhosts: 3\n",
        "web.yml:2: clusters[0].name: found \"A\", expected {name}; write \"a\"\nweb.yml:2: clusters[0].polcy: unknown field, expected name, scheduler, services, policy, placement or host_grace; did you mean \"policy\"?\nweb.yml:4: services[0].task_name: missing, expected {name}\nweb.yml:4: services[0].max: missing, expected a whole number from 0 to 200000\nweb.yml:5: services[0].task_version: found 0, expected a whole number from 1 to 2147483647\nweb.yml:8: hosts: found 3, expected a list",
    )];
    for (input, expect) in table {
        check(input, expect);
    }
}
