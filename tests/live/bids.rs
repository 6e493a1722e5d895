//! A cluster in which hosts bid, on real processes: each task goes to a host that has answered, and no offer is left.

use crate::hollow::Fleet;
use crate::show::{SOON, until};
use servers::Etcd;

const WEB: &str = "clusters: [{name: default, services: [web], placement: bid}]
services: [{name: web, task_name: web, task_version: 1, desired: 4, min: 0, max: 5, min_healthy_time: 500ms}]
task_definitions: [{name: web, version: 1, provide_port: true, memory: 10,
  containers: [{name: web, type: docker, executor: {image: web}}],
  checks: [{http: 'http://127.0.0.1/', add_provided_port: true, interval: 1s, timeout: 1s}]}]";

#[test]
fn hosts_are_asked_and_the_highest_bid_has_the_task() {
    let etcd = Etcd::start(1, &[]);
    let fleet = Fleet::start(format!("etcd://127.0.0.1:{}", etcd.client_ports()[0]), 3);
    let file = fleet.dir.path().join("web.yml");
    std::fs::write(&file, WEB).expect("a file can be written");
    fleet.callboard(&["apply", "-f", file.to_str().expect("paths of tests are UTF-8")]).ends(0);
    let tasks = || fleet.get("/v1/tasks").and_then(|tasks| tasks.as_array().cloned());
    until("all are healthy", SOON, || {
        let healthy = tasks()?.iter().filter(|task| task["state"] == "healthy").count();
        (healthy == 4).then_some(())
    });
    for task in tasks().expect("the scheduler answers") {
        let why = task["why"].as_str().expect("a reason");
        assert!(why.starts_with("bid: ") || why.starts_with("nobody bid in time"), "{why}");
    }
    let asked = tasks().into_iter().flatten().filter(|task| {
        task["why"].as_str().is_some_and(|why| why.starts_with("bid: ") && why.contains(" for memory and "))
    });
    assert!(asked.count() >= 3, "{:?}", tasks());
    fleet.callboard(&["doctor"]).ends(0);
}
