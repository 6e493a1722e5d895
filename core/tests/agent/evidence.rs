//! What is an order to stop, and what is not.

use crate::stage::{Stage, code, definition, settings, task};
use crate::store::Store;
use callboard_core::agent::{Input, Settings};
use callboard_core::model::{
    Claim, Container, Desired, Docker, Executor, Health, Ledger, Phase, Registration, RestartPolicy, Task,
    TaskDefinition, Usage,
};
use callboard_core::policy::{self, Policy};
use callboard_core::record;
use callboard_core::store::{Listing, Reply, Revision};
use callboard_core::work::{Order, Report};
use std::collections::BTreeMap;

fn stopping(id: &str, reason: &str) -> Task {
    Task { desired: Desired::Stop, reason: reason.into(), tenure: 2, ..task(id, 20) }
}

fn ledger(ports: Vec<u16>) -> String {
    let claim = Claim { memory: 10, ports, ..Claim::default() };
    serde_json::to_string(&Ledger { clusters: BTreeMap::from([("c".into(), claim)]) })
        .expect("plain records serialise")
}

#[test]
fn a_healthy_task_is_stopped_only_while_enough_others_are_available() {
    let mut stage = Stage::with_task("web-1");
    stage.serve(2, 3);
    stage.issue(&stopping("web-1", "scaled down"));
    stage.run(60);
    assert_eq!(stage.stops(), 0);
    let status = stage.status("web-1").unwrap();
    assert_eq!((status.phase, status.health), (Phase::Running, Health::Healthy));
    assert_eq!(status.reason.as_deref(), Some("stop queued: only 2 of min 3 available"));
    stage.serve(3, 3);
    stage.run(10);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Dead));
}

#[test]
fn a_stop_that_is_queued_for_long_costs_next_to_nothing() {
    let mut stage = Stage::with_task("web-1");
    stage.exit("web-1", code(1));
    stage.run(100);
    stage.serve(2, 3);
    stage.issue(&stopping("web-1", "scaled down"));
    // Meanwhile its failure would be forgotten, were it not for the order.
    stage.run(300);
    let before = stage.steps;
    stage.run(60);
    let steps = stage.steps - before;
    assert!(steps < 300, "{steps} steps in a minute");
}

#[test]
fn a_stop_is_not_read_out_of_a_store_that_is_away() {
    let mut stage = Stage::with_task("web-1");
    stage.issue(&stopping("web-1", "scaled down"));
    stage.store.down = true;
    stage.run(600);
    assert_eq!(stage.stops(), 0);
    stage.store.down = false;
    stage.run(60);
    assert_eq!(stage.stops(), 1);
}

#[test]
fn a_task_that_does_no_work_is_stopped_at_once() {
    let mut stage = Stage::with_task("web-1");
    stage.serve(0, 3);
    stage.ill.insert("web-1".into());
    stage.run(10);
    stage.issue(&stopping("web-1", "replaced by version 2"));
    stage.run(2);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Dead));
    // Whatever the order says: one that does its work after all is missed by others.
    let mut late = Stage::with_task("web-1");
    late.serve(0, 3);
    late.issue(&stopping("web-1", "not healthy within 1m"));
    late.run(2);
    assert_eq!(late.status("web-1").map(|status| status.phase), Some(Phase::Running));
}

#[test]
fn what_was_said_to_be_healthy_is_stopped_after_a_restart_only_while_enough_others_are_available() {
    let mut stage = Stage::with_task("web-1");
    stage.serve(2, 3);
    stage.issue(&stopping("web-1", "scaled down"));
    stage.restart();
    stage.run(60);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
    stage.serve(3, 3);
    stage.run(10);
    assert_eq!((stage.stops(), stage.live().len()), (1, 0));
}

#[test]
fn what_was_read_before_an_order_to_stop_says_nothing_of_it() {
    let mut stage = Stage::with_task("web-1");
    let key = "state/services/web";
    let before = Listing {
        revision: Revision(stage.store.revision),
        entries: vec![stage.store.entries[key].clone().into()],
    };
    stage.serve(2, 3);
    stage.issue(&stopping("web-1", "scaled down"));
    // It is asked for as soon as the order is heard of, and another answer was on its way for long.
    stage.later(2, Input::Store(Reply::Listed { prefix: key.into(), result: Ok(before) }));
    stage.run(60);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
}

#[test]
fn a_deleted_service_holds_no_stop() {
    let mut stage = Stage::with_task("web-1");
    stage.delete(&["state/services/web"]);
    stage.issue(&stopping("web-1", "deleted"));
    stage.run(2);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Dead));
}

#[test]
fn a_store_that_is_away_for_an_hour_stops_and_restarts_nothing() {
    let mut stage = Stage::with_task("web-1");
    stage.store.down = true;
    stage.run(3600);
    assert_eq!((stage.stops(), stage.starts().len()), (0, 1));
    stage.exit("web-1", code(1));
    stage.run(10);
    assert_eq!(stage.live().len(), 1, "what ends is started again without a store");
    stage.store.down = false;
    stage.run(60);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 1)));
    assert!(stage.agent.is_present());
}

#[test]
fn an_emptied_store_stops_nothing() {
    for revision in [0, 5000] {
        let mut stage = Stage::with_task("web-1");
        stage.issue(&task("web-2", 21));
        stage.run(5);
        stage.restore(Store { revision, ..Store::default() });
        stage.run(1200);
        assert_eq!((stage.stops(), stage.live().len()), (0, 2), "{revision}");
        stage.restart();
        stage.run(1200);
        assert_eq!((stage.stops(), stage.live().len()), (0, 2), "{revision}");
        stage.define(&definition());
        stage.issue(&task("web-1", 20));
        stage.run(20);
        assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    }
}

#[test]
fn everything_deleted_one_by_one_stops_nothing() {
    let mut stage = Stage::with_task("web-1");
    stage.put("state/ledger/h1", &ledger(vec![]));
    let keys: Vec<String> = stage.store.entries.keys().cloned().collect();
    stage.delete(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    stage.run(1200);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
}

#[test]
fn a_missing_record_is_no_order() {
    let mut stage = Stage::with_task("web-1");
    stage.put("state/ledger/h1", &ledger(vec![]));
    stage.delete(&["state/tasks/h1/web-1"]);
    stage.run(600);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
    let notes: Vec<String> = stage.notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes.iter().filter(|note| note.contains("missing for no reason")).count(), 1);
    stage.exit("web-1", code(1));
    stage.run(10);
    assert_eq!(stage.live().len(), 1);
}

#[test]
fn record_and_status_gone_together_are_an_order() {
    let mut stage = Stage::new();
    stage.issue(&Task { port: Some(20001), ..task("web-1", 20) });
    stage.run(5);
    stage.put("state/ledger/h1", &ledger(vec![20001]));
    stage.delete(&["state/tasks/h1/web-1", "status/h1/web-1"]);
    stage.run(60);
    assert_eq!(stage.stops(), 0, "its port is still its own");
    stage.put("state/ledger/h1", &ledger(vec![]));
    stage.run(120);
    assert_eq!((stage.stops(), stage.live().len()), (1, 0));
    assert!(stage.processes.is_empty());
    assert_eq!(stage.agent.tasks().count(), 0);
}

#[test]
fn a_restored_snapshot_stops_nothing() {
    let mut stage = Stage::new();
    stage.run(3);
    let before = stage.store.clone();
    stage.put("state/ledger/h1", &ledger(vec![]));
    stage.issue(&task("web-1", 20));
    stage.run(10);
    stage.restore(before);
    stage.run(1200);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
}

#[test]
fn a_restored_snapshot_on_which_others_have_written_since_stops_nothing() {
    let mut stage = Stage::new();
    stage.put("state/ledger/h1", &ledger(vec![]));
    stage.run(10);
    let before = stage.store.clone();
    stage.issue(&Task { port: Some(20001), ..task("web-1", 20) });
    stage.put("state/ledger/h1", &ledger(vec![20001]));
    stage.usage.memory_used = 700;
    stage.run(60);
    stage.store.down = true;
    stage.restore(before);
    // The store is further than it was when the agent heard of it last, and nobody who writes knows of the task.
    for port in 0..100 {
        stage.put("state/ledger/h1", &ledger(vec![20100 + port]));
    }
    stage.run(60);
    stage.store.down = false;
    stage.run(1200);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
}

#[test]
fn a_running_task_is_adopted_as_it_is() {
    let mut stage = Stage::with_task("web-1");
    stage.exit("web-1", code(1));
    stage.run(20);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 1)));
    stage.restart();
    for _ in 0..100 {
        stage.run(1);
        assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 1)));
    }
    assert_eq!((stage.starts().len(), stage.stops()), (2, 0));
}

#[test]
fn what_ended_while_the_agent_was_away_is_restarted_and_counted() {
    let mut stage = Stage::with_task("web-1");
    for round in 1..=5 {
        stage.exit("web-1", code(1));
        stage.restart();
        stage.run(60);
        assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, round)));
    }
    stage.exit("web-1", code(1));
    stage.restart();
    stage.run(100);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Failed));
    assert_eq!(stage.starts().len(), 6);
    stage.restart();
    stage.run(100);
    assert_eq!(stage.starts().len(), 6, "given up is given up");
}

#[test]
fn what_vanished_with_the_machine_is_started_again() {
    let mut stage = Stage::with_task("web-1");
    stage.processes.clear();
    stage.restart();
    stage.run(60);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 1)));
}

#[test]
fn nothing_is_started_while_the_machine_cannot_be_inspected() {
    let mut stage = Stage::new();
    stage.executor_down = true;
    stage.issue(&task("web-1", 20));
    stage.run(120);
    assert!(stage.starts().is_empty());
    let usage = &stage.store.entries["hosts/h1/usage"].value;
    assert!(usage.contains("docker is down"), "{usage}");
    stage.executor_down = false;
    stage.run(60);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    let usage = &stage.store.entries["hosts/h1/usage"].value;
    assert!(!usage.contains("unfit"), "{usage}");
}

#[test]
fn an_executor_that_is_unfit_is_told_at_once_and_no_more_than_it() {
    let mut stage = Stage::with_task("web-1");
    let said = |stage: &Stage| stage.store.entries["hosts/h1/usage"].value.clone();
    stage.usage.unfit_for = BTreeMap::from([("docker".into(), "it is away".into())]);
    stage.run(10);
    let usage = said(&stage);
    assert!(
        usage.contains(r#""unfit_for":{"docker":"it is away"}"#) && !usage.contains("unfit\""),
        "{usage}"
    );
    stage.usage.unfit_for.clear();
    stage.run(10);
    assert!(!said(&stage).contains("unfit"), "{}", said(&stage));
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
}

#[test]
fn junk_concerns_only_itself() {
    let mut stage = Stage::with_task("web-1");
    stage.put("state/tasks/h1/web-2", "{");
    stage.put("state/tasks/h1/web-3", &serde_json::to_string(&task("web-4", 22)).unwrap());
    stage.put("state/tasks/h1/web-1", "[]");
    stage.put("state/tasks/h1/a/b", "?");
    stage.put("status/h1/web-9", "?");
    stage.put("hosts/h1/moves/web-9", "?");
    stage.issue(&task("web-5", 23));
    stage.run(30);
    assert_eq!(stage.said("web-5"), Some((Phase::Running, Health::Healthy, 0)));
    assert_eq!(stage.status("web-3").map(|status| status.phase), Some(Phase::Failed));
    assert_eq!((stage.stops(), stage.live().len()), (0, 2));
    assert!(!stage.store.entries.contains_key("status/h1/web-9"));
    assert!(!stage.store.entries.contains_key("hosts/h1/moves/web-9"));
    let bad = stage.notes.iter().filter(|note| note.to_string().starts_with("state/tasks/")).count();
    assert!(bad >= 3);
}

#[test]
fn many_remains_are_cleared_away_in_transactions_that_may_be_sent() {
    let mut stage = Stage::with_task("web-1");
    let remains: Vec<String> = (0..100).map(|number| format!("status/h1/old-{number}")).collect();
    remains.iter().for_each(|key| stage.put(key, "?"));
    stage.run(30);
    assert!(remains.iter().all(|key| !stage.store.entries.contains_key(key)));
    assert_eq!(stage.stops(), 0);
}

#[test]
fn a_placement_does_not_change() {
    let mut stage = Stage::new();
    stage.issue(&Task { port: Some(20001), ..task("web-1", 20) });
    stage.run(5);
    stage.issue(&Task { port: Some(20002), ..task("web-1", 20) });
    stage.issue(&Task { port: Some(20001), ..task("web-2", 21) });
    stage.run(5);
    assert_eq!(stage.stops(), 0);
    assert_eq!(stage.live()[0].id, "web-1");
    let status = stage.status("web-2").unwrap();
    assert_eq!(status.phase, Phase::Failed);
    assert_eq!(status.reason.as_deref(), Some("port 20001 is in use by web-1 on this host"));
    stage.issue(&Task { generation: 19, ..task("web-1", 20) });
    stage.issue(&Task { tenure: 0, desired: Desired::Stop, port: Some(20001), ..task("web-1", 20) });
    stage.run(20);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
}

#[test]
fn what_this_host_cannot_run_fails_with_the_reason() {
    let registration = Registration { executors: vec!["docker".into()], ..settings().registration };
    let mut stage = Stage::of(Settings { registration, ..settings() });
    stage.issue(&task("web-1", 20));
    stage.run(5);
    let status = stage.status("web-1").unwrap();
    assert_eq!(status.reason.as_deref(), Some("this host has no executor bash"));
    assert_eq!(status.phase, Phase::Failed);
}

#[test]
fn what_the_policy_of_the_host_refuses_is_not_started_whoever_wrote_it() {
    let docker = policy::Docker { images: Some(vec!["good".into()]), ..policy::Docker::default() };
    let policy = Policy { docker: Some(docker), ..Policy::default().with("bash") };
    let registration =
        Registration { executors: vec!["bash".into(), "docker".into()], policy, ..settings().registration };
    let mut stage = Stage::of(Settings { registration, ..settings() });
    for (version, image) in [(2, "good:7"), (3, "bad:7")] {
        let executor = Executor::Docker(Docker { image: image.into(), ..Docker::default() });
        let main = Container { executor, ..crate::stage::definition().containers.remove(0) };
        stage.define(&TaskDefinition { version, containers: vec![main], ..definition() });
        stage.issue(&Task { version, ..task(&format!("web-{version}"), 20 + u64::from(version)) });
    }
    stage.issue(&task("web-1", 20));
    stage.run(5);
    let told = stage.status("web-3").unwrap();
    let why = "this host's policy refuses container main: image \"bad:7\" may not run here (what may: good)";
    assert_eq!((told.phase, told.reason.as_deref()), (Phase::Failed, Some(why)));
    assert!(stage.notes.iter().any(|note| note.to_string() == format!("web-3: given up: {why}")));
    assert_eq!(stage.live().len(), 2, "the others go on");
}

#[test]
fn an_order_of_another_store_is_not_judged_by_what_the_one_before_said() {
    let mut stage = Stage::new();
    stage.issue(&Task { tenure: 1, ..task("web-1", 20) });
    stage.run(10);
    let before = stage.store.clone();
    stage.issue(&Task { tenure: 9, ..task("web-1", 20) });
    stage.run(60);
    stage.store.down = true;
    stage.restore(before);
    // It comes back under another name, and further than it was; its tenures are not.
    for _ in 0..100 {
        stage.put("state/ledger/h1", &ledger(vec![]));
    }
    stage.put("meta/store_id", r#"{"id":"there"}"#);
    stage.issue(&Task { tenure: 5, desired: Desired::Stop, ..task("web-1", 20) });
    stage.serve(4, 3);
    stage.store.down = false;
    stage.run(600);
    assert_eq!((stage.stops(), stage.live().len()), (1, 0));
}

#[test]
fn a_store_behind_what_was_seen_before_the_start_is_not_believed() {
    let mut stage = Stage::with_task("web-1");
    let settings = Settings { seen: Revision(100_000), ..settings() };
    stage.put("state/ledger/h1", &ledger(vec![]));
    stage.delete(&["state/tasks/h1/web-1", "status/h1/web-1"]);
    stage.restart_as(settings);
    stage.run(600);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
}

#[test]
fn a_new_version_begins_with_fresh_restarts() {
    let mut stage = Stage::new();
    stage.define(&TaskDefinition {
        restart: RestartPolicy { attempts: 1, ..RestartPolicy::default() },
        ..definition()
    });
    stage.broken.insert("web-1".into());
    stage.issue(&task("web-1", 20));
    stage.run(20);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Failed));
    stage.broken.clear();
    stage.issue(&task("web-1", 21));
    stage.run(5);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
}

#[test]
fn an_order_to_stop_from_a_restored_store_concerns_what_runs() {
    let mut stage = Stage::with_task("web-1");
    let before = stage.store.clone();
    stage.issue(&task("web-1", 30));
    stage.run(10);
    assert_eq!(stage.live()[0].generation, 30);
    stage.restore(before);
    stage.run(60);
    assert_eq!((stage.live().len(), stage.live()[0].generation), (1, 30));
    stage.serve(4, 3);
    stage.issue(&stopping("web-1", "not healthy within 1m"));
    stage.run(60);
    assert!(stage.live().is_empty());
    let status = stage.status("web-1").unwrap();
    assert_eq!((status.generation, status.phase), (20, Phase::Dead));
}

#[test]
fn an_end_that_is_told_before_the_inspection_is_not_missed() {
    let mut stage = Stage::with_task("web-1");
    let run = stage.live()[0].clone();
    stage.restart();
    stage.step(Input::Work(Report::Exited(run, code(3))));
    stage.run(0);
    stage.exit("web-1", code(3));
    stage.run(30);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 1)));
}

#[test]
fn an_answer_from_before_the_end_of_a_run_does_not_bring_it_back() {
    let mut stage = Stage::with_task("web-1");
    let run = stage.live()[0].clone();
    // Each measurement shows more than is known, for which the executors are asked what runs.
    stage.usage.tasks = [("web-9".into(), 1)].into();
    stage.run(8);
    let asked = |stage: &Stage| {
        let asked = stage.orders.iter().rfind(|(_, order)| *order == Order::Inspect);
        asked.map_or(0, |(at, _)| *at)
    };
    let next = asked(&stage) + 5000;
    stage.now = next - 500;
    stage.later(501, Input::Work(Report::Exited(run.clone(), code(1))));
    stage.run(1);
    assert_eq!(asked(&stage), next);
    stage.processes.get_mut(&run).unwrap().exit = Some(code(1));
    stage.run(10);
    assert_eq!(stage.stops(), 0);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 1)));
}

#[test]
fn what_a_store_forgot_is_told_of_until_its_record_is_back() {
    let mut stage = Stage::with_task("web-1");
    let claim = "hosts/h1/orphans/web-1";
    let record = stage.store.entries["state/tasks/h1/web-1"].value.clone();
    stage.restore(Store { revision: 1, ..Store::default() });
    stage.run(60);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
    let said: Task = serde_json::from_str(&stage.store.entries[claim].value).unwrap();
    assert_eq!((&*said.id, said.generation), ("web-1", stage.live()[0].generation));
    // The next life of the agent knows from it that nobody gave the task up.
    stage.put("meta/store_id", r#"{"id":"there"}"#);
    stage.put("state/ledger/h1", &ledger(vec![]));
    stage.restart();
    stage.run(600);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
    stage.put("state/tasks/h1/web-1", &record);
    stage.run(60);
    assert!(!stage.store.entries.contains_key(claim));
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
}

#[test]
fn another_store_with_later_revisions_is_no_order_to_stop() {
    let mut stage = Stage::with_task("web-1");
    stage.restore(Store { revision: 100_000, ..Store::default() });
    stage.put("meta/store_id", r#"{"id":"there"}"#);
    stage.put("state/ledger/h1", &ledger(vec![]));
    stage.run(600);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
    assert!(stage.notes.iter().any(|note| note.to_string().contains("another store")), "{:?}", stage.notes);
}

#[test]
fn a_store_that_was_told_nothing_yet_is_another_one_still_after_a_restart() {
    let mut stage = Stage::with_task("web-1");
    // Neither takes a sign of life, nor therefore anything else.
    stage.store.no_sessions = true;
    stage.end_session();
    stage.run(10);
    stage.restore(Store { revision: 100_000, no_sessions: true, ..Store::default() });
    stage.put("meta/store_id", r#"{"id":"there"}"#);
    stage.put("state/ledger/h1", &ledger(vec![]));
    stage.run(20);
    stage.restart();
    stage.run(600);
    assert_eq!((stage.stops(), stage.live().len()), (0, 1));
}

#[test]
fn a_host_with_more_tasks_than_a_record_holds_tells_of_those_that_use_the_most() {
    let mut stage = Stage::new();
    let ids =
        (0..3_000_u64).map(|number| (format!("main-a-service-of-many-tasks-1-{number}").into(), number));
    stage.usage.tasks = ids.collect();
    stage.usage.tasks_cpu = stage.usage.tasks.clone();
    stage.run(30);
    let said = &stage.store.entries["hosts/h1/usage"].value;
    let usage: Usage = record::read(said).expect("a record of this version");
    assert!((50_000..=65_536).contains(&said.len()), "{}", said.len());
    assert_eq!(usage.tasks.keys().collect::<Vec<_>>(), usage.tasks_cpu.keys().collect::<Vec<_>>());
    let least = usage.tasks.values().min().expect("some are told");
    assert_eq!((3_000 - least, usage.tasks.values().max()), (usage.tasks.len() as u64, Some(&2_999)));
}
