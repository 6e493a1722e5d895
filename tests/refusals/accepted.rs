//! What the list of bad inputs calls legal, or what only the scheduler can judge, for only it knows the hosts.

use crate::{Board, service};

fn listed(definition: &str, counts: &str) -> String {
    format!(
        "clusters:\n- {{name: default, services: [web, api]}}\nservices:\n- {{name: api, task_name: api, \
         task_version: 1, min_healthy_time: 0s, {counts}}}\ntask_definitions:\n- {{name: api, version: 1, \
         kill_timeout: 1s, containers: [{{name: a, type: bash, executor: {{start: [exec sleep 600]}}}}], {definition}}}\n"
    )
}

#[test]
fn legal() {
    let board = Board::start();
    // 30: nothing is wanted, so nothing need have room.
    board.takes(
        "30",
        "services:\n- {name: api, task_name: web, task_version: 1, desired: 0, min: 0, max: 0}\n",
    );
    // 59: lines end as on Windows.
    board.takes("59", service("desired: 3").replace('\n', "\r\n"));
    // 65: another process may be the scheduler of a cluster.
    board.takes("65", "clusters:\n- {name: other, scheduler: my-own}\n");
    // 57: a file of JSON is a file of YAML.
    board.takes("57", r#"{"hosts": [{"name": "h9"}]}"#);
    let (_, config) = board.show.get("/v1/config").unwrap();
    for name in ["\"api\"", "\"my-own\"", "\"h9\""] {
        assert!(config.contains(name), "{config}");
    }
}

#[test]
fn a_script_of_a_bash_task_is_no_more_than_the_task() {
    // 74: a host that runs bash tasks runs their scripts; one that does not runs neither.
    let board = Board::start();
    let file =
        listed("checks: [{script: \"true\", interval: 1s, timeout: 1s}]", "desired: 1, min: 0, max: 1");
    board.takes("74", &file);
    let path = board.show.file("again.yml", file);
    board.show.callboard(&["apply", "-f", &path]).ends(0);
}

#[test]
fn no_memory_is_no_limit() {
    // 36: 0 is spelled out in the documentation as "reserves none and sets no limit".
    let board = Board::start();
    let path = board.show.file("none.yml", listed("memory: 0, cpu_units: 0", "desired: 2, min: 0, max: 2"));
    board.show.callboard(&["apply", "-f", &path]).ends(0);
    let (_, hosts) = board.show.get("/v1/hosts/h1").unwrap();
    assert!(hosts.contains("\"memory_held\":0"), "{hosts}");
}

#[test]
fn a_fixed_port_is_had_once_a_host() {
    // 33: hosts come and go, so it is the scheduler that says what does not fit.
    let board = Board::start();
    let port = board.show.ports.last;
    board.takes("33", listed(&format!("port: {port}"), "desired: 2, min: 0, max: 2"));
    board.is_blocked("api", 1, 1, &format!("port {port}"));
}

#[test]
fn a_fixed_port_is_not_provided_to_another() {
    // 34: a fixed port may lie among those that a host provides; nobody is given it twice.
    let board = Board::start();
    let port = board.show.ports.first;
    let path = board.show.file("fixed.yml", listed(&format!("port: {port}"), "desired: 1, min: 0, max: 1"));
    board.show.callboard(&["apply", "-f", &path]).ends(0);
    let count = board.show.ports.last - port;
    let provided = listed("provide_port: true", &format!("desired: {}, min: 0, max: {0}", count + 1))
        .replace("name: api", "name: cdn")
        .replace("task_name: api", "task_name: cdn")
        .replace("[web, api]", "[web, api, cdn]");
    board.takes("34", provided);
    board.is_blocked("cdn", count, 1, "1 host without a free port");
}

#[test]
fn more_than_any_host_has() {
    let board = Board::start();
    // 35: larger than any host that is there now.
    board.takes("35", listed("memory: 16777216", "desired: 1, min: 0, max: 1"));
    board.is_blocked("api", 0, 1, "16777216 MiB of free memory");
    // 40: the product of both overflows 32 bits, and 63 bits of bytes.
    board.takes("40", listed("memory: 16777216", "desired: 100000, min: 0, max: 200000"));
    board.is_blocked("api", 0, 100_000, "16777216 MiB of free memory");
    board.show.callboard(&["status"]).ends(0);
}

#[test]
fn a_secret_in_plain_sight() {
    let board = Board::start();
    // 60: legal, told, and not told again by the message.
    let file = "task_definitions:\n- name: api\n  version: 1\n  containers:\n  - name: api\n    type: bash\n    executor:\n      \
                start: [run]\n      env: [\"DB_PASSWORD=hunter2\", \"MODE=fast\"]\n";
    let path = board.show.file("secret.yml", file);
    for command in [&["plan", "-f", &path][..], &["apply", "--detach", "-f", &path]] {
        let said = board.show.callboard(command);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let warnings: Vec<&str> = said.err.lines().filter(|line| line.starts_with("warning:")).collect();
        assert_eq!(warnings.len(), 1, "{}", said.err);
        assert!(
            warnings[0].contains("secret.yml:2: task_definitions[0]: DB_PASSWORD of container api"),
            "{warnings:?}"
        );
        assert!(!said.err.contains("hunter2"), "{}", said.err);
    }
}
