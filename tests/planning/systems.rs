//! Services that have one task on each host that qualifies.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::{HostConfig, Task};
use callboard_core::policy;
use callboard_core::scheduler::explain;
use serde_json::json;
use stage::{Act, Stage};
use std::collections::BTreeMap;

/// A fleet of so many hosts with a system service `ship`, and `web` of as many tasks.
fn ship(hosts: u32) -> Stage {
    let mut stage = Stage::new(hosts);
    (1..=3).for_each(|version| stage.definition("app", version, 256));
    stage.of_kind("ship", 1, &json!({"kind": "system", "max_parallel": 2}));
    stage.service("web", 1, (hosts, 0, hosts + 1));
    stage.cluster("default", &["ship", "web"]);
    stage.run(Span::secs(30));
    stage
}

/// Gives the version of `ship` on each host that shall run one; two on one host are a failure.
fn on_hosts(stage: &Stage) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for task in stage.running("ship") {
        let before = found.insert(task.host.to_string(), task.version);
        assert_eq!(before, None, "two on {}", task.host);
    }
    found
}

fn hosts(names: &[&str], version: u32) -> BTreeMap<String, u32> {
    names.iter().map(|name| ((*name).to_string(), version)).collect()
}

#[test]
fn each_host_has_one_and_a_new_host_gets_one() {
    let mut stage = ship(3);
    assert_eq!(on_hosts(&stage), hosts(&["h0000", "h0001", "h0002"], 1));
    assert!(stage.notes.iter().any(|note| note == "ship: version 1 is rolled out and healthy"));
    stage.host("h0003");
    stage.run(Span::secs(10));
    assert_eq!(on_hosts(&stage).len(), 4, "{:#?}", stage.notes);
    let (key, world) = (("default".into(), "ship".into()), stage.scheduler.world());
    let (service, definition) =
        (&world.services["ship"], world.definition("app", 1).expect("it was written"));
    let told = explain(world, stage.now, &key, service, definition);
    assert!(told.hosts.iter().all(|at| at.to_string().ends_with("which is the limit")), "{told:?}");
    let remedies: Vec<String> = told.remedies.iter().map(ToString::to_string).collect();
    assert_eq!(remedies, ["fits with 1 more host like h0003"], "no second one on a host");
    stage.silence("h0001");
    stage.run(Span::secs(60));
    assert_eq!(on_hosts(&stage), hosts(&["h0000", "h0002", "h0003"], 1));
    stage.wake_up("h0001");
    stage.run(Span::secs(10));
    assert_eq!(on_hosts(&stage).len(), 4);
}

#[test]
fn a_drained_host_keeps_its_own_until_nothing_else_is_left() {
    let mut stage = ship(2);
    // Neither of the two may go, and no third may come.
    stage.service("web", 1, (2, 2, 2));
    stage.drain("h0001", true);
    stage.run(Span::secs(60));
    assert_eq!(on_hosts(&stage), hosts(&["h0000", "h0001"], 1), "left before the others");
    stage.service("web", 1, (2, 1, 3));
    stage.run(Span::secs(60));
    assert_eq!(on_hosts(&stage), hosts(&["h0000"], 1), "{:#?}", stage.notes);
    stage.write(
        &Key::HostConfig("h0001".into()),
        &HostConfig { name: "h0001".into(), draining: false, reserved_ports: Vec::new() },
    );
    stage.run(Span::secs(10));
    assert_eq!(on_hosts(&stage), hosts(&["h0000", "h0001"], 1));
}

#[test]
fn what_a_drained_host_runs_for_the_others_there_gets_its_record_back() {
    let mut stage = Stage::new(2);
    stage.definition("app", 1, 256);
    stage.service("web", 1, (2, 2, 2));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    stage.drain("h0001", true);
    stage.of_kind("ship", 1, &json!({"kind": "system"}));
    stage.cluster("default", &["ship", "web"]);
    stage.run(Span::secs(30));
    assert_eq!(on_hosts(&stage), hosts(&["h0000"], 1));
    let known = stage.running("ship").remove(0);
    let orphan =
        Task { id: "default-ship-1-7".into(), host: "h0001".into(), instance: 7, generation: 1, ..known };
    stage.write(&Key::Orphan(orphan.host.clone(), orphan.id.clone()), &orphan);
    stage.run(Span::secs(30));
    assert_eq!(on_hosts(&stage), hosts(&["h0000", "h0001"], 1), "{:#?}", stage.notes);
    stage.service("web", 1, (2, 1, 3));
    stage.run(Span::secs(60));
    assert_eq!(on_hosts(&stage), hosts(&["h0000"], 1), "{:#?}", stage.notes);
}

#[test]
fn what_a_service_requires_says_which_hosts_qualify() {
    let mut stage = ship(3);
    let only = |names: &[&str]| {
        let require = json!([{"label": "host", "in": names}]);
        json!({"kind": "system", "placement": {"require": require}})
    };
    stage.of_kind("ship", 1, &only(&["h0001", "h0002"]));
    stage.run(Span::secs(10));
    assert_eq!(on_hosts(&stage), hosts(&["h0001", "h0002"], 1), "{:#?}", stage.notes);
    let told = "its host no longer qualifies: needs host in h0001|h0002, has host=h0000";
    assert!(stage.notes.iter().any(|note| note.ends_with(told)), "{:#?}", stage.notes);
    stage.of_kind("ship", 1, &json!({"kind": "system", "stopped": true}));
    stage.run(Span::secs(10));
    assert_eq!(on_hosts(&stage), BTreeMap::new());
}

#[test]
fn a_policy_that_is_narrowed_costs_a_host_its_task_of_a_system_service_alone() {
    let mut stage = Stage::new(2);
    let definition = json!({"name": "app", "version": 1, "provide_port": true,
        "containers": [{"name": "main", "type": "bash", "executor": {"start": ["exec bin/app"],
            "artifact": "https://a.example/app", "checksum": format!("sha256:{}", "0".repeat(64))}}]});
    stage.write(&Key::Definition("app".into(), 1), &definition);
    stage.of_kind("ship", 1, &json!({"kind": "system"}));
    stage.service("web", 1, (2, 0, 3));
    stage.cluster("default", &["ship", "web"]);
    stage.run(Span::secs(30));
    let web = stage.running("web");
    assert_eq!(on_hosts(&stage), hosts(&["h0000", "h0001"], 1));
    assert_eq!(web.iter().map(|task| &*task.host).collect::<Vec<_>>(), ["h0000", "h0001"]);
    let narrow = |artifacts| {
        let bash = policy::Bash { artifacts, ..policy::Bash::default() };
        policy::Policy { docker: None, bash: Some(bash) }
    };
    stage.register("h0001", |host| host.policy = narrow(Some(vec!["https://b.example/".into()])));
    stage.run(Span::secs(60));
    assert_eq!(on_hosts(&stage), hosts(&["h0000"], 1), "{:#?}", stage.notes);
    assert_eq!(stage.running("web"), web, "{:#?}", stage.notes);
    let told = stage
        .notes
        .iter()
        .any(|note| note.contains("its host no longer qualifies") && note.contains("policy"));
    assert!(told, "{:#?}", stage.notes);
    stage.register("h0001", |host| host.policy = narrow(None));
    stage.run(Span::secs(30));
    assert_eq!(on_hosts(&stage), hosts(&["h0000", "h0001"], 1), "{:#?}", stage.notes);
}

#[test]
fn a_host_without_room_is_told_as_missing() {
    let mut stage = Stage::new(3);
    stage.definition("app", 1, 9_000);
    stage.of_kind("ship", 1, &json!({"kind": "system"}));
    stage.service("web", 1, (1, 0, 2));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    stage.cluster("default", &["ship", "web"]);
    stage.run(Span::secs(30));
    let blocked = &stage.scheduler.world().blocked[&("default".into(), "ship".into())];
    assert_eq!((blocked.missing, &*blocked.why), (1, "1 host without 9000 MiB of free memory"));
    assert_eq!(on_hosts(&stage).len(), 2);
    assert!(stage.notes.iter().any(|note| note == "ship: version 1 is rolled out and healthy"));
    stage.service("web", 1, (0, 0, 2));
    stage.run(Span::secs(30));
    assert_eq!(on_hosts(&stage).len(), 3);
}

#[test]
fn an_update_goes_from_host_to_host_and_a_bad_one_stops() {
    let mut stage = ship(5);
    stage.lowest.clear();
    stage.of_kind("ship", 2, &json!({"kind": "system", "max_parallel": 2}));
    stage.run(Span::secs(120));
    assert_eq!(on_hosts(&stage).values().collect::<Vec<_>>(), [&2; 5], "{:#?}", stage.notes);
    assert_eq!(stage.lowest["ship"], 3);
    for act in [Act::Failed, Act::Unhealthy] {
        stage.lowest.clear();
        stage.acts.insert(3, act);
        stage.of_kind("ship", 3, &json!({"kind": "system", "max_parallel": 2}));
        stage.run(Span::secs(900));
        assert_eq!(on_hosts(&stage).values().collect::<Vec<_>>(), [&2; 5], "{act:?}: {:#?}", stage.notes);
        assert_eq!(stage.lowest["ship"], 3);
        assert!(stage.notes.iter().any(|note| note.starts_with("ship: version 3 is not rolled out")));
        stage.of_kind("ship", 2, &json!({"kind": "system", "max_parallel": 2}));
        stage.run(Span::secs(60));
        stage.notes.clear();
    }
}

#[test]
fn what_is_too_many_on_a_host_is_told_to_stop_once() {
    let mut stage = Stage::new(4);
    (1..=2).for_each(|version| stage.definition("app", version, 256));
    let require = json!([{"label": "host", "in": ["h0000", "h0001"]}]);
    let placement = json!({"require": require});
    stage.of_kind("ship", 1, &json!({"desired": 4, "max": 5, "placement": placement}));
    stage.cluster("default", &["ship"]);
    stage.run(Span::secs(30));
    stage.acts.insert(2, Act::Unhealthy);
    stage.act_of.extend(stage.running("ship").into_iter().map(|task| (task.id.to_string(), Act::Stuck)));
    stage.of_kind("ship", 2, &json!({"kind": "system"}));
    stage.answer = |commit, outcome| if commit < 100 { outcome } else { panic!("it comes to no end") };
    let before = stage.commits;
    stage.run(Span::secs(10));
    assert!(stage.commits - before < 10, "{} transactions", stage.commits - before);
    assert_eq!(
        stage.running("ship").iter().filter(|task| task.version == 1).count(),
        2,
        "{:#?}",
        stage.notes
    );
}
