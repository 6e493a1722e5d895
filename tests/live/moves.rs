//! Tasks that crowd on one host are moved when users ask for it, and only then.

use crate::hollow::Fleet;
use crate::show::{SOON, until};
use servers::Etcd;

const WEB: &str = "clusters: [{name: default, services: [web]}]
services: [{name: web, task_name: web, task_version: 1, desired: 4, min: 4, max: 5, min_healthy_time: 500ms}]
task_definitions: [{name: web, version: 1, provide_port: true, memory: 10,
  containers: [{name: web, type: docker, executor: {image: web}}],
  checks: [{http: 'http://127.0.0.1/', add_provided_port: true, interval: 1s, timeout: 1s}]}]";

/// Counts the healthy tasks of each host.
fn lie(fleet: &Fleet) -> Option<Vec<usize>> {
    let (hosts, tasks) = (fleet.get("/v1/hosts")?, fleet.get("/v1/tasks")?);
    let on = |host: &serde_json::Value| {
        let there = tasks.as_array()?.iter().filter(|task| task["host"] == host["name"]);
        Some(there.filter(|task| task["state"] == "healthy").count())
    };
    let mut counts: Vec<usize> = hosts.as_array()?.iter().map(on).collect::<Option<_>>()?;
    counts.sort_unstable();
    Some(counts)
}

#[test]
fn tasks_move_when_users_ask_and_the_world_is_as_it_was() {
    let etcd = Etcd::start(1, &[]);
    let fleet = Fleet::start(format!("etcd://127.0.0.1:{}", etcd.client_ports()[0]), 2);
    let host = fleet.get("/v1/hosts").expect("the scheduler answers")[0]["name"].clone();
    let host = host.as_str().expect("a name");
    fleet.callboard(&["drain", host]).ends(0);
    let file =
        |name: &str| fleet.dir.path().join(name).to_str().expect("paths of tests are UTF-8").to_owned();
    std::fs::write(file("web.yml"), WEB).expect("a file can be written");
    fleet.callboard(&["apply", "-f", &file("web.yml")]).ends(0);
    fleet.callboard(&["undrain", host]).ends(0);
    assert_eq!(lie(&fleet), Some(vec![0, 4]));
    fleet.callboard(&["rebalance"]).ends(2);
    fleet.callboard(&["rebalance", "--plan", "--moves", "13"]).ends(2).complains("13");
    fleet.callboard(&["rebalance", "--plan", "--gain", "80"]).ends(0).complains("no move gains enough");
    fleet.callboard(&["rebalance", "--plan"]).ends(0).tells("which gains 75 %").tells("which gains 33 %");
    let plan = fleet.callboard(&["rebalance", "--plan", "-o", "json"]).ends(0).out;
    std::fs::write(file("plan.json"), &plan).expect("a file can be written");
    std::fs::write(file("forged.json"), plan.replace("config/services/web", "config/services/other"))
        .expect("a file can be written");
    fleet.callboard(&["rebalance", "--apply", &file("web.yml")]).ends(2).complains("is no plan");
    fleet.callboard(&["rebalance", "--apply", &file("forged.json")]).ends(2).complains("plan again");
    fleet.callboard(&["rebalance", "--apply", &file("plan.json")]).ends(0).complains("2 tasks move");
    until("they have moved", SOON, || (lie(&fleet)? == [2, 2]).then_some(()));
    // What it rested on is no longer so.
    fleet.callboard(&["rebalance", "--apply", &file("plan.json")]).ends(5).complains("has changed since");
    fleet.callboard(&["rebalance", "--plan"]).ends(0).complains("no move gains enough");
    // A file that says nothing of moves takes none back, and shows no difference.
    fleet.callboard(&["apply", "-f", &file("web.yml")]).ends(0).tells("services/web unchanged");
}
