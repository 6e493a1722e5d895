//! A change is tried on a copy of a live cluster, and the copy does what the cluster would.

use callboard_core::machine::Span;
use callboard_core::store::{Entry, Revision};
use callboard_sim::{Build, Mishaps, Moved, Proposal, Rehearsal, StoreKind, record, rehearse};
use serde_json::{Value, json};
use std::sync::Arc;

fn entry(key: &str, value: &Value) -> Arc<Entry> {
    Entry { key: key.into(), value: value.to_string(), revision: Revision(7), session: None }.into()
}

/// Three hosts, and a service of two tasks on the first two.
fn live(memory: u64) -> Vec<Arc<Entry>> {
    let definition = |version: u32| {
        json!({"name": "web", "version": version, "memory": memory, "provide_port": true,
            "containers": [{"name": "web", "type": "bash", "executor": {"start": ["exec serve"]}}],
            "checks": [{"tcp": "127.0.0.1", "add_provided_port": true, "interval": "1s", "timeout": "1s"}]})
    };
    let mut entries = vec![
        entry("config/clusters/main", &json!({"name": "main", "services": ["web"]})),
        entry("config/services/web", &service(1, 2)),
        entry("config/task_definitions/web/1", &definition(1)),
        entry("config/task_definitions/web/2", &definition(2)),
        entry(
            "state/services/web",
            &json!({"service": "web", "cluster": "main", "available": 2, "min": 1, "stable": 1, "version": 1,
                "rollout": {"state": "done"}}),
        ),
    ];
    for number in 1..=3 {
        let host = format!("h{number}");
        let registration = json!({"host": host, "address": host, "memory": 1000, "cpu_units": 4096,
            "ports": {"first": 20_000, "last": 20_010}, "executors": ["bash"], "agent_version": "x"});
        entries.push(entry(&format!("hosts/{host}/registration"), &registration));
        let alive = json!({"host": host, "boot_id": "b", "agent_id": "a"});
        entries.push(entry(&format!("hosts/{host}/alive"), &alive));
        if number == 3 {
            continue;
        }
        let id = format!("main-web-1-{}", number - 1);
        let task = json!({"id": id, "cluster": "main", "service": "web", "task_name": "web", "version": 1,
            "instance": number - 1, "generation": number, "host": host, "port": 20_000, "memory": memory,
            "desired": "run", "reason": "", "tenure": 1});
        entries.push(entry(&format!("state/tasks/_/{id}"), &task));
        entries.push(entry(&format!("state/tasks/{host}/{id}"), &task));
        let claim = json!({"clusters": {"main": {"memory": memory, "ports": [20_000]}}});
        entries.push(entry(&format!("state/ledger/{host}"), &claim));
        let status =
            json!({"id": id, "generation": number, "attempt": 0, "phase": "running", "health": "healthy"});
        entries.push(entry(&format!("status/{host}/{id}"), &status));
    }
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

fn service(version: u32, desired: u32) -> Value {
    json!({"name": "web", "task_name": "web", "task_version": version, "desired": desired, "min": 1, "max": 6})
}

fn try_out(entries: Vec<Arc<Entry>>, key: &str, value: Option<Value>) -> Rehearsal {
    let change = vec![(key.into(), value.map(|value| value.to_string()))];
    rehearse(&entries, &Proposal { change, ..proposal() }, 0)
}

fn proposal() -> Proposal {
    Proposal { until: Span::secs(3600), ..Proposal::default() }
}

fn roll() -> Vec<(String, Option<String>)> {
    vec![("config/services/web".into(), Some(service(2, 2).to_string()))]
}

fn promises(rehearsal: &Rehearsal) -> Vec<&str> {
    rehearsal.violations.iter().map(|broken| broken.promise.as_str()).collect()
}

#[test]
fn a_bad_version_is_given_up_and_costs_no_healthy_task() {
    let bad = Build { healthy_after: None, ..Build::sound("web".into(), 2) };
    for seed in 0..20 {
        let tried = Proposal { change: roll(), assume: vec![bad.clone()], ..proposal() };
        let rehearsal = rehearse(&live(100), &tried, seed);
        assert_eq!(rehearsal.failed.len(), 1, "{rehearsal:?}");
        assert_eq!((rehearsal.least_healthy["web"], promises(&rehearsal)), (2, vec![]), "{rehearsal:?}");
    }
}

#[test]
fn a_lost_host_is_replaced_and_what_is_missed_has_a_name() {
    let lose = |hosts: &[&str]| {
        let lose = hosts.iter().map(|host| (*host).into()).collect();
        rehearse(&live(100), &Proposal { lose, ..proposal() }, 3)
    };
    let one = lose(&["h1"]);
    assert_eq!((one.healthy["web"], one.least_healthy["web"], promises(&one)), (2, 1, vec![]), "{one:?}");
    let both = lose(&["h1", "h2"]);
    assert_eq!((both.least_healthy["web"], promises(&both)), (0, vec!["min"]), "{both:?}");
}

#[test]
fn the_same_seed_goes_wrong_in_the_same_way() {
    let rough = |seed| {
        rehearse(&live(100), &Proposal { mishaps: Mishaps::Rough, change: roll(), ..proposal() }, seed)
    };
    let different = (0..20).filter(|seed| rough(*seed).story != rough(0).story).count();
    assert!(different > 0);
    for seed in 0..20 {
        let rehearsal = rough(seed);
        assert_eq!(rehearsal, rough(seed));
        assert!(promises(&rehearsal).iter().all(|promise| *promise == "min"), "{:?}", rehearsal.violations);
    }
}

#[test]
fn no_store_makes_a_rehearsal_break_more_than_min() {
    for store in [StoreKind::Embedded, StoreKind::Consul, StoreKind::Etcd] {
        for seed in 0..20 {
            let rough = Proposal { mishaps: Mishaps::Rough, change: roll(), store, ..proposal() };
            let rehearsal = rehearse(&live(100), &rough, seed);
            let only_min = promises(&rehearsal).iter().all(|promise| *promise == "min");
            assert!(only_min, "{store} {seed}: {:?}", rehearsal.violations);
        }
    }
}

#[test]
fn what_is_recorded_is_what_was_played() {
    for store in [StoreKind::Memory, StoreKind::Consul] {
        let lose = vec!["h1".into(), "h2".into()];
        let tried = Proposal { lose, store, ..proposal() };
        let (rehearsal, (_, outcome)) = (rehearse(&live(100), &tried, 3), record(&live(100), &tried, 3));
        let broken: Vec<&str> = outcome.violations.iter().map(|broken| broken.promise.as_str()).collect();
        assert_eq!((&broken, promises(&rehearsal)), (&vec!["min"], vec!["min"]));
        let web = &outcome.recording.expect("it was recorded").services["web"];
        assert_eq!(web.deepest().map(|dip| dip.low), Some(rehearsal.least_healthy["web"]));
    }
}

#[test]
fn nothing_changed_changes_nothing() {
    let rehearsal = try_out(live(100), "config/services/web", Some(service(1, 2)));
    assert_eq!((rehearsal.started.len(), rehearsal.stopped.len()), (0, 0), "{rehearsal:?}");
    assert_eq!(rehearsal.healthy["web"], 2);
    assert!(!rehearsal.unsettled);
}

#[test]
fn a_new_version_replaces_every_task() {
    let rehearsal = try_out(live(100), "config/services/web", Some(service(2, 2)));
    assert_eq!((rehearsal.started.len(), rehearsal.stopped.len()), (2, 2), "{rehearsal:?}");
    assert_eq!((rehearsal.healthy["web"], rehearsal.least_healthy["web"]), (2, 2));
    assert!(rehearsal.stopped.iter().all(|(_, _, why)| why == "replaced by version 2"), "{rehearsal:?}");
    assert!(rehearsal.settled_after > Span::secs(10));
}

#[test]
fn what_does_not_fit_is_said_to_be_blocked() {
    let rehearsal = try_out(live(800), "config/services/web", Some(service(1, 6)));
    assert_eq!(rehearsal.started.len(), 1, "{rehearsal:?}");
    assert_eq!(rehearsal.blocked.len(), 1);
    let (service, missing, why) = &rehearsal.blocked[0];
    assert_eq!((&**service, *missing), ("web", 3));
    assert!(why.contains("memory"), "{why}");
}

#[test]
fn a_drain_moves_what_runs_there() {
    let drained = json!({"name": "h1", "draining": true});
    let rehearsal = try_out(live(100), "config/hosts/h1", Some(drained));
    assert_eq!(rehearsal.started.len(), 1, "{rehearsal:?}");
    assert_eq!(rehearsal.stopped.len(), 1);
    assert_eq!(&*rehearsal.stopped[0].1, "h1");
    assert_eq!(rehearsal.moved, [Moved { stopped: 0, started: 0 }], "the one takes the place of the other");
}

/// Adds a batch service that runs on the third host and may take so long, and one that fits nowhere.
fn with_batch_and_giant() -> Vec<Arc<Entry>> {
    let mut entries = live(100);
    entries.retain(|entry| entry.key != "config/clusters/main");
    let made = |name: &str, memory: u64| {
        json!({"name": name, "version": 1, "memory": memory,
            "containers": [{"name": name, "type": "bash", "executor": {"start": ["exec serve"]}}]})
    };
    let job = json!({"name": "job", "task_name": "job", "task_version": 1, "kind": "batch", "completions": 1,
        "parallelism": 1, "retries": 0, "time_limit": "30s", "desired": 0, "min": 0, "max": 0});
    let giant =
        json!({"name": "giant", "task_name": "giant", "task_version": 1, "desired": 1, "min": 0, "max": 2});
    let task = json!({"id": "main-job-1-0", "cluster": "main", "service": "job", "task_name": "job", "version": 1,
        "instance": 0, "generation": 4, "host": "h3", "once": {"time_limit": "30s"}, "desired": "run",
        "reason": "", "tenure": 1});
    entries.extend([
        entry("config/clusters/main", &json!({"name": "main", "services": ["web", "job", "giant"]})),
        entry("config/services/job", &job),
        entry("config/services/giant", &giant),
        entry("config/task_definitions/job/1", &made("job", 0)),
        entry("config/task_definitions/giant/1", &made("giant", 999_999)),
        entry(
            "state/services/job",
            &json!({"service": "job", "cluster": "main", "available": 0, "min": 0, "completed": 0, "version": 1,
                "rollout": {"state": "running"}}),
        ),
        entry("state/tasks/_/main-job-1-0", &task),
        entry("state/tasks/h3/main-job-1-0", &task),
        entry(
            "status/h3/main-job-1-0",
            &json!({"id": "main-job-1-0", "generation": 4, "attempt": 0, "phase": "running", "health": "healthy"}),
        ),
    ]);
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

#[test]
fn what_a_host_ran_before_is_its_own_to_stop_and_what_waited_before_is_no_doing_of_the_change() {
    let change = |desired| try_out(with_batch_and_giant(), "config/services/web", Some(service(1, desired)));
    let rehearsal = change(3);
    assert_eq!(promises(&rehearsal), [""; 0], "{rehearsal:?}");
    assert_eq!(rehearsal.blocked, [], "{rehearsal:?}");
    // What the change itself is about is told of, with the reason that was given before.
    let giant =
        json!({"name": "giant", "task_name": "giant", "task_version": 1, "desired": 1, "min": 0, "max": 3});
    let rehearsal = try_out(with_batch_and_giant(), "config/services/giant", Some(giant));
    let [(service, 1, why)] = &rehearsal.blocked[..] else { panic!("{rehearsal:?}") };
    assert!(&**service == "giant" && why.contains("without 999999 MiB"), "{why}");
}
