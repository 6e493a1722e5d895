//! Exit codes, each with a message that says what to do next.

use crate::files::{Web, server};
use crate::show::Show;

#[test]
fn two_is_wrong_usage() {
    let show = Show::start(&[]);
    let check = |line: &[&str], words: &str| drop(show.callboard(line).ends(2).complains(words));
    check(&["statsu"], "'status'");
    check(&["sevices"], "'services'");
    check(&["status", "--outpt", "json"], "'--output'");
    check(&["apply"], "--file <FILE>");
    check(&["scale", "web", "four"], "four");
    check(&["logs", "../../etc/passwd"], "cannot be the name of a task id");
    check(&["stop", "--", "-web"], "cannot be the name of a service");
    check(&["hosts", "_"], "cannot be the name of a host");
    check(&["--api", "ftp://127.0.0.1", "status"], "such as http://127.0.0.1:7700");
    check(&["dev", "--bind", "0.0.0.0:0"], "--token-file");
    check(&["combined", "--store", "127.0.0.1:8500"], "embedded:DIR");
    check(&["combined"], "no store is named");
}

#[test]
fn one_is_a_failure_and_says_how_to_go_on() {
    let mut show = Show::start(&[]);
    show.callboard(&["explain", "web"]).ends(1).complains("there is no task or service \"web\"");
    show.callboard(&["drain", "h2"]).ends(1).complains("there is no host \"h2\"");
    show.kill();
    for line in [&["status"][..], &["tasks"], &["apply", "-f", "examples/hello-world.yml"], &["events", "-f"]]
    {
        show.callboard(line)
            .ends(1)
            .complains(&format!("no daemon answers at http://127.0.0.1:{}", show.ports.first))
            .complains("callboard dev")
            .complains("--api");
    }
}

#[test]
fn three_is_no_by_a_scheduler_that_finds_no_host() {
    let show = Show::start(&["--memory", "1000"]);
    let large = Web { memory: 2000, ..server(1, (1, 0, 1), "") };
    show.apply(&large)
        .ends(3)
        .complains("service web: 1 tasks cannot be placed: 1 host without 2000 MiB of free memory")
        .complains("callboard explain web");
    show.callboard(&["explain", "web"]).ends(0).tells("2000").tells("1000").tells("make room");
    show.callboard(&["status"]).ends(0).tells("services  1: 1 blocked");
    // Nothing is lost: with less asked for it runs.
    show.apply(&server(2, (1, 0, 1), "")).ends(0);
}

#[test]
fn three_is_no_without_the_executor() {
    let show = Show::start(&[]);
    let docker = "clusters: [{name: default, services: [web]}]
services: [{name: web, task_name: web, task_version: 1, desired: 1, min: 0, max: 1}]
task_definitions: [{name: web, version: 1, containers: [{name: web, type: docker, executor: {image: web}}]}]";
    let file = show.file("docker.yml", docker);
    show.callboard(&["apply", "-f", &file])
        .ends(3)
        .complains("cannot be placed: 1 host without")
        .complains("docker");
}

#[test]
fn three_is_no_by_a_policy_and_without_the_engine() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let policy = dir.path().join("policy.yml");
    let user = if rustix::process::geteuid().is_root() { "user: nobody, " } else { "" };
    let rules =
        format!("docker: {{images: [db]}}\nbash: {{{user}artifacts: [https://files.example/team/]}}\n");
    std::fs::write(&policy, rules).expect("a file can be written");
    let engine = format!("unix://{}/none.sock", dir.path().display());
    let path = policy.to_str().expect("paths of tests are UTF-8");
    let show = Show::start(&["--policy", path, "--docker-host", &engine]);
    let check = |name: &str, executor: &str, words: [&str; 2]| {
        let file = format!(
            "services: [{{name: {name}, task_name: {name}, task_version: 1, desired: 1, min: 0, max: 1}}]
clusters: [{{name: {name}, services: [{name}]}}]
task_definitions: [{{name: {name}, version: 1, containers: [{{name: main, {executor}}}]}}]"
        );
        show.callboard(&["apply", "-f", &show.file(&format!("{name}.yml"), file)])
            .ends(3)
            .complains(&format!("service {name}: 1 tasks cannot be placed: 1 host {}", words[0]));
        show.callboard(&["explain", name]).ends(0).tells(words[1]);
    };
    let away = ["unfit for docker", "fits on h1 once docker can start tasks there"];
    check("db", "type: docker, executor: {image: db}", away);
    // It was never sent there, not even before the host had told for the first time.
    show.callboard(&["tasks"]).ends(0).complains("no tasks");
    let zeros = "0".repeat(64);
    let other = "artifact: 'https://files.example/other/a'";
    let other = format!("type: bash, executor: {{{other}, checksum: 'sha256:{zeros}', start: [exec ./a]}}");
    check("job", &other, ["whose policy refuses it", "https://files.example/other/a"]);
}

#[test]
fn five_is_a_conflict() {
    let show = Show::start(&[]);
    show.apply(&server(1, (1, 0, 1), "")).ends(0);
    show.callboard(&["delete", "task-definition", "web", "1"])
        .ends(5)
        .complains("version 1 of task definition \"web\" is run by web")
        .complains("move them to another version first");
}

#[test]
fn six_is_too_late_and_what_was_applied_goes_on() {
    let show = Show::start(&[]);
    let slow = server(1, (1, 0, 1), "--slow-start 4s");
    show.apply_with(&slow, &["--timeout", "1s"])
        .ends(6)
        .complains("not there after 1s: web: ")
        .complains("what was applied stays and goes on");
    show.wait_healthy("web", 1);
    show.callboard(&["scale", "web", "0", "--detach"]).ends(0);
}
