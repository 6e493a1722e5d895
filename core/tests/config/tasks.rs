//! Containers and checks: inputs 68 to 78 of the list of bad inputs.

use super::{DEFINITION, changed, check};

#[test]
fn containers() {
    let table = [
        (
            "containers: []",
            "web.yml:5: task_definitions[0].containers: found a list, with 0 elements, expected a list of 1 to 64 containers",
        ),
        (
            "-containers",
            "web.yml:3: task_definitions[0].containers: missing, expected a list of 1 to 64 containers",
        ),
        (
            "containers: null",
            "web.yml:5: task_definitions[0].containers: found null, expected a list of 1 to 64 containers",
        ),
        (
            "containers: {}",
            "web.yml:5: task_definitions[0].containers: found an object, expected a list of 1 to 64 containers",
        ),
        (
            "containers: [{name: a, type: bash, executor: {start: [a]}}, {name: a, type: bash, executor: {start: [b]}}]",
            r#"web.yml:5: task_definitions[0].containers[1].name: found "a", the name of the container on line 5; give it another name"#,
        ),
        (
            "containers: [{name: a, type: dokcer, executor: {image: a}}]",
            r#"web.yml:5: task_definitions[0].containers[0].type: found "dokcer", expected docker or bash; did you mean "docker"?"#,
        ),
        (
            "containers: [{name: a, type: podman, executor: {image: a}}]",
            r#"web.yml:5: task_definitions[0].containers[0].type: found "podman", expected docker or bash"#,
        ),
        (
            "containers: [{name: a, executor: {image: a}}]",
            "web.yml:5: task_definitions[0].containers[0].type: missing, expected docker or bash",
        ),
        (
            "containers: [{name: a, type: docker}]",
            "web.yml:5: task_definitions[0].containers[0].executor: missing, expected an object",
        ),
        (
            "containers: [{type: bash, executor: {start: [a]}}]",
            "web.yml:5: task_definitions[0].containers[0].name: missing, expected {name}",
        ),
        (
            "containers: [{name: a, type: docker, image: a, executor: {image: a}}]",
            "web.yml:5: task_definitions[0].containers[0].image: unknown field, expected name, setup, teardown, essential, type or executor",
        ),
        (
            r#"containers: [{name: a, type: bash, setup: [""], executor: {start: [a]}}]"#,
            r#"web.yml:5: task_definitions[0].containers[0].setup[0]: found "", expected a command"#,
        ),
        (
            "containers: [docker]",
            r#"web.yml:5: task_definitions[0].containers[0]: found "docker", expected an object"#,
        ),
        (
            "containers: [{name: a, type: docker, executor: {image: a, container_port: 80}}, {name: b, type: docker, executor: {image: b, container_port: 80}}]",
            "fine",
        ),
    ];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}

#[test]
fn what_follows_the_end_of_containers() {
    let table = [
        (
            r#"containers: [{name: a, type: bash, teardown: [""], executor: {start: [a]}}]"#,
            r#"web.yml:5: task_definitions[0].containers[0].teardown[0]: found "", expected a command"#,
        ),
        (
            "containers: [{name: a, type: bash, essential: no, executor: {start: [a]}}]",
            r#"web.yml:5: task_definitions[0].containers[0].essential: found no, expected true or false; write false"#,
        ),
        (
            "containers: [{name: a, type: bash, essential: false, executor: {start: [a]}}, {name: b, type: docker, executor: {image: a}}]",
            "web.yml:5: task_definitions[0].containers: found a list, no container of type bash that is essential, expected one of each type at least; leave out essential: false of one whose end is to end the task",
        ),
    ];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}

#[test]
fn one_container_takes_the_port() {
    let table = [(
        "task_definitions:\n- name: web\n  version: 1\n  provide_port: true\n  containers:\n  - {name: a, type: docker, executor: {image: a, container_port: 80}}\n  - {name: b, type: docker, executor: {image: b, container_port: 80}}\n",
        r#"web.yml:7: task_definitions[0].containers[1]: found an object, with a container_port, but container "a" takes the task's port, expected one container_port; remove one of the two"#,
    )];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn a_check_has_one_probe() {
    let table = [
        (
            "{}",
            "web.yml:7: task_definitions[0].checks[0]: checks nothing, expected exactly one of http, tcp, script or ttl",
        ),
        (
            "{name: a}",
            "web.yml:7: task_definitions[0].checks[0]: checks nothing, expected exactly one of http, tcp, script or ttl",
        ),
        (
            r#"{http: "http://a", tcp: "a:1"}"#,
            "web.yml:7: task_definitions[0].checks[0]: checks http and tcp, expected exactly one of http, tcp, script or ttl",
        ),
        (r#"{http: "http://a", tcp: null}"#, "fine"),
        (
            r#"{http: "http://a", tcp: "a:1", script: x, ttl: 5s}"#,
            "web.yml:7: task_definitions[0].checks[0]: checks http, tcp, script and ttl, expected exactly one of http, tcp, script or ttl",
        ),
        ("x", r#"web.yml:7: task_definitions[0].checks[0]: found "x", expected an object"#),
    ];
    for (input, expect) in table {
        check(&changed(&changed(DEFINITION, "provide_port: true"), &format!("checks: [{input}]")), expect);
    }
}

#[test]
fn urls_name_a_host() {
    let table = [
        (
            "{http: notaurl}",
            r#"web.yml:7: task_definitions[0].checks[0].http: found "notaurl", expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "ftp://a"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "ftp://a", expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "HTTP://a"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "HTTP://a", expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://", which names no host, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http:///x"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http:///x", which names no host, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://user:secret@a/"}"#,
            "web.yml:7: task_definitions[0].checks[0].http: a URL with a user name or password, expected a URL such as http://web.example/health or https://10.0.0.7/; remove all up to the @",
        ),
        (
            r#"{http: "http://-a/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://-a/", which names no host, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://a%2eb/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://a%2eb/", which names no host, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://a\r\nHost: b/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://a\r\nHost: b/", which holds the control character \u{d}, expected a URL such as http://web.example/health or https://10.0.0.7/; remove it"#,
        ),
        (r#"{http: "http://127.0.0.1:8080/health?x=1#y"}"#, "fine"),
        (r#"{http: "https://[::1]:8080/"}"#, "fine"),
        (r#"{http: "http://localhost"}"#, "fine"),
        (r#"{http: "http://a_b.example."}"#, "fine"),
    ];
    for (input, expect) in table {
        check(&changed(&changed(DEFINITION, "provide_port: true"), &format!("checks: [{input}]")), expect);
    }
}

#[test]
fn some_hosts_are_refused() {
    let table = [
        (
            r#"{http: "http://0.0.0.0/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://0.0.0.0/", an address that names no host, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://0.1.2.3/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://0.1.2.3/", an address that names no host, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://169.254.169.254/latest"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://169.254.169.254/latest", a link-local address, where clouds keep their secrets, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://[::ffff:169.254.169.254]/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://[::ffff:169.254.169.254]/", a link-local address, where clouds keep their secrets, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://[::ffff:a9fe:a9fe]:80/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://[::ffff:a9fe:a9fe]:80/", a link-local address, where clouds keep their secrets, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://[fe80::1]/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://[fe80::1]/", a link-local address, where clouds keep their secrets, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://[fd00:ec2::254]/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://[fd00:ec2::254]/", where clouds keep their secrets, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://[::]/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://[::]/", an address that names no host, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://metadata.google.internal/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://metadata.google.internal/", where clouds keep their secrets, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://224.0.0.1/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://224.0.0.1/", an address of many hosts, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
    ];
    for (input, expect) in table {
        check(&changed(&changed(DEFINITION, "provide_port: true"), &format!("checks: [{input}]")), expect);
    }
}

#[test]
fn addresses_are_spelled_plainly() {
    let table = [
        (
            r#"{http: "http://2852039166/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://2852039166/", an odd spelling of an IP address, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://0x7f.1/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://0x7f.1/", an odd spelling of an IP address, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://127.1/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://127.1/", an odd spelling of an IP address, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://127.0.0.01/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://127.0.0.01/", an odd spelling of an IP address, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://a b/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://a b/", expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://a:0/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://a:0/", whose port is not from 1 to 65535, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://a:70000/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://a:70000/", whose port is not from 1 to 65535, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://a:/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://a:/", whose port is not from 1 to 65535, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://a:+1/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://a:+1/", whose port is not from 1 to 65535, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            r#"{http: "http://[::1/"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://[::1/", whose port is not from 1 to 65535, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
    ];
    for (input, expect) in table {
        check(&changed(&changed(DEFINITION, "provide_port: true"), &format!("checks: [{input}]")), expect);
    }
}

#[test]
fn tcp() {
    let table = [
        (
            "{tcp: a}",
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found "a", without a port, expected host:port; add a port from 1 to 65535"#,
        ),
        (
            r#"{tcp: "a:70000"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found "a:70000", whose port is not from 1 to 65535, expected host:port"#,
        ),
        (
            r#"{tcp: "a:0"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found "a:0", whose port is not from 1 to 65535, expected host:port"#,
        ),
        (
            r#"{tcp: ":80"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found ":80", which names no host, expected host:port"#,
        ),
        (
            r#"{tcp: "a:b:1"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found "a:b:1", whose port is not from 1 to 65535, expected host:port"#,
        ),
        (
            r#"{tcp: "0.0.0.0:80"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found "0.0.0.0:80", an address that names no host, expected host:port"#,
        ),
        (r#"{tcp: "127.0.0.1:80"}"#, "fine"),
        (r#"{tcp: "[::1]:80"}"#, "fine"),
        (
            r#"{tcp: "http://a:80"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found "http://a:80", whose port is not from 1 to 65535, expected host:port"#,
        ),
        (
            "{tcp: 22:22}",
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found 22:22, which YAML readers take for a number in base 60, expected host:port; if it is meant, write "22:22" in quotes"#,
        ),
    ];
    for (input, expect) in table {
        check(&changed(&changed(DEFINITION, "provide_port: true"), &format!("checks: [{input}]")), expect);
    }
}

#[test]
fn a_provided_port() {
    let table = [
        (r#"{http: "http://127.0.0.1", add_provided_port: true}"#, "fine"),
        (r#"{http: "http://127.0.0.1/health", add_provided_port: true}"#, "fine"),
        (
            r#"{http: "http://127.0.0.1:80", add_provided_port: true}"#,
            r#"web.yml:7: task_definitions[0].checks[0].http: found "http://127.0.0.1:80", with a port, expected a URL such as http://web.example/health or https://10.0.0.7/; remove the port or add_provided_port"#,
        ),
        ("{tcp: 127.0.0.1, add_provided_port: true}", "fine"),
        (
            r#"{tcp: "127.0.0.1:80", add_provided_port: true}"#,
            r#"web.yml:7: task_definitions[0].checks[0].tcp: found "127.0.0.1:80", with a port, expected a host; remove the port or add_provided_port"#,
        ),
        (
            r#"{script: "true", add_provided_port: true}"#,
            "web.yml:7: task_definitions[0].checks[0].add_provided_port: found true, with a script or ttl check, expected http or tcp beside it; remove add_provided_port",
        ),
        (
            "{ttl: 5s, add_provided_port: true}",
            "web.yml:7: task_definitions[0].checks[0].add_provided_port: found true, with a script or ttl check, expected http or tcp beside it; remove add_provided_port",
        ),
    ];
    for (input, expect) in table {
        check(&changed(&changed(DEFINITION, "provide_port: true"), &format!("checks: [{input}]")), expect);
    }
}

#[test]
fn a_provided_port_needs_a_port() {
    let table = [(
        r#"checks: [{http: "http://127.0.0.1", add_provided_port: true}]"#,
        "web.yml:6: task_definitions[0].checks[0].add_provided_port: found true, but the task has no port; set provide_port or port",
    )];
    for (input, expect) in table {
        check(&changed(DEFINITION, input), expect);
    }
}

#[test]
fn times() {
    let table = [
        (
            r#"{tcp: "a:1", interval: 0s}"#,
            r#"web.yml:7: task_definitions[0].checks[0].interval: found "0s", expected a duration of more than 0s, at most 24h, as in 10s, 5m or 250ms"#,
        ),
        (
            r#"{tcp: "a:1", interval: 5}"#,
            "web.yml:7: task_definitions[0].checks[0].interval: found 5, expected a duration of more than 0s, at most 24h, as in 10s, 5m or 250ms; add a unit, as in 5s",
        ),
        (
            r#"{tcp: "a:1", interval: 25h}"#,
            r#"web.yml:7: task_definitions[0].checks[0].interval: found "25h", expected a duration of more than 0s, at most 24h, as in 10s, 5m or 250ms"#,
        ),
        (
            r#"{tcp: "a:1", interval: 5s, timeout: 6s}"#,
            r#"web.yml:7: task_definitions[0].checks[0].timeout: found "6s", longer than the interval of 5s; lower timeout or raise interval"#,
        ),
        (r#"{tcp: "a:1", interval: 5s, timeout: 5s}"#, "fine"),
        (
            r#"{tcp: "a:1", timeout: 11s}"#,
            r#"web.yml:7: task_definitions[0].checks[0].timeout: found "11s", longer than the interval of 10s; lower timeout or raise interval"#,
        ),
        (
            r#"{tcp: "a:1", timeout: 0s}"#,
            r#"web.yml:7: task_definitions[0].checks[0].timeout: found "0s", expected a duration of more than 0s, at most 24h, as in 10s, 5m or 250ms"#,
        ),
        (
            "{ttl: 0s}",
            r#"web.yml:7: task_definitions[0].checks[0].ttl: found "0s", expected a duration of more than 0s, at most 24h, as in 10s, 5m or 250ms"#,
        ),
        ("{ttl: 10s}", "fine"),
        (
            "{ttl: 10s, interval: 5s}",
            r#"web.yml:7: task_definitions[0].checks[0].interval: found "5s", with a ttl check, which is not run but waited for; remove it"#,
        ),
        (
            "{ttl: 10s, timeout: 5s}",
            r#"web.yml:7: task_definitions[0].checks[0].timeout: found "5s", with a ttl check, which is not run but waited for; remove it"#,
        ),
        ("{ttl: 10s, interval: null}", "fine"),
        (
            "{ttl: 10s, deregister_critical_service_after: 59s}",
            r#"web.yml:7: task_definitions[0].checks[0].deregister_critical_service_after: found "59s", expected a duration from 1m to 8760h, as in 10s, 5m or 250ms"#,
        ),
        ("{ttl: 10s, deregister_critical_service_after: 1m}", "fine"),
        (
            "{ttl: 10s, success_threshold: 0}",
            "web.yml:7: task_definitions[0].checks[0].success_threshold: found 0, expected a whole number from 1 to 100",
        ),
        (
            "{ttl: 10s, failure_threshold: 101}",
            "web.yml:7: task_definitions[0].checks[0].failure_threshold: found 101, expected a whole number from 1 to 100",
        ),
    ];
    for (input, expect) in table {
        check(&changed(&changed(DEFINITION, "provide_port: true"), &format!("checks: [{input}]")), expect);
    }
}

#[test]
fn headers_and_scripts() {
    let table = [
        (
            r#"{http: "http://a", header: {X-A: ["b\r\nX-B: c"]}}"#,
            r#"web.yml:7: task_definitions[0].checks[0].header["X-A"][0]: found "b\r\nX-B: c", which holds the control character \u{d}, expected a header value of one line; remove it"#,
        ),
        (
            r#"{http: "http://a", header: {"X A": [b]}}"#,
            r#"web.yml:7: task_definitions[0].checks[0].header["X A"]: found a list, under an impossible name, expected a header name of letters, digits and -"#,
        ),
        (
            r#"{http: "http://a", header: {X-A: b}}"#,
            r#"web.yml:7: task_definitions[0].checks[0].header["X-A"]: found "b", expected a list"#,
        ),
        (r#"{http: "http://a", header: {X-A: [b]}}"#, "fine"),
        (
            r#"{tcp: "a:1", header: {X-A: [b]}}"#,
            "web.yml:7: task_definitions[0].checks[0].header: found an object, with a tcp check; remove it, or check by http",
        ),
        (
            r#"{script: ""}"#,
            r#"web.yml:7: task_definitions[0].checks[0].script: found "", expected a command"#,
        ),
        (
            r#"{script: "a\0b"}"#,
            r#"web.yml:7: task_definitions[0].checks[0].script: found "a\0b", which holds the control character \u{0}, expected a command; remove it"#,
        ),
        ("{script: curl localhost}", "fine"),
        (
            "{scrpt: a}",
            "web.yml:7: task_definitions[0].checks[0]: checks nothing, expected exactly one of http, tcp, script or ttl\nweb.yml:7: task_definitions[0].checks[0].scrpt: unknown field, expected name, add_provided_port, http, tcp, script, ttl, header, interval, timeout, deregister_critical_service_after, success_threshold or failure_threshold; did you mean \"script\"?",
        ),
    ];
    for (input, expect) in table {
        check(&changed(&changed(DEFINITION, "provide_port: true"), &format!("checks: [{input}]")), expect);
    }
}
