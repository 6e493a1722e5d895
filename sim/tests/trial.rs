//! A recorded history is judged as a played one is: what is well passes, and what is not has a name.

use callboard_core::machine::{Span, Time};
use callboard_core::store::{Change, Entry, Revision, SessionId};
use callboard_sim::{Seen, Trial};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The tenure of the lock holder.
const TENURE: u64 = 5;

fn put(key: &str, revision: u64, value: &Value) -> Change {
    let session = key.starts_with("schedulers/").then(|| SessionId("s".into()));
    Change::Put(
        Entry { key: key.into(), value: value.to_string(), revision: Revision(revision), session }.into(),
    )
}

fn task(host: &str, desired: &str, tenure: u64) -> Value {
    json!({"id": "c-web-1-0", "cluster": "c", "service": "web", "task_name": "web", "version": 1, "instance": 0,
           "generation": 7, "host": host, "port": 2000, "memory": 64, "desired": desired, "reason": "", "tenure": tenure})
}

fn pair(revision: u64, task: &Value) -> Vec<Change> {
    let host = task["host"].as_str().expect("each task has a host");
    let ledger = json!({"clusters": {"c": {"memory": 64, "ports": [2000]}}});
    vec![
        put("state/tasks/_/c-web-1-0", revision, task),
        put(&format!("state/tasks/{host}/c-web-1-0"), revision, task),
        put(&format!("state/ledger/{host}"), revision, &ledger),
    ]
}

fn seen(pid: u32) -> Seen {
    let (host, id, service) = ("h1".into(), "c-web-1-0".into(), "web".into());
    Seen { host, id, service, generation: 7, pid, port: Some(2000) }
}

/// A service of one task, placed and healthy, a minute ago.
fn playing() -> Trial {
    let mut trial = Trial::new(Span::secs(1), Span::secs(10));
    trial.at(Time(1000));
    trial.changed(&[put("config/clusters/c", 1, &json!({"name": "c", "services": ["web"]}))]);
    let service =
        json!({"name": "web", "task_name": "web", "task_version": 1, "desired": 1, "min": 1, "max": 1});
    trial.changed(&[put("config/services/web", 2, &service)]);
    let definition = json!({"name": "web", "version": 1, "containers": [{"name": "web", "type": "bash"}]});
    trial.changed(&[put("config/task_definitions/web/1", 3, &definition)]);
    let has = json!({"host": "h1", "memory": 100, "cpu_units": 100, "ports": {"first": 2000, "last": 2009},
                     "executors": ["bash"]});
    trial.changed(&[put("hosts/h1/registration", 4, &has), put("hosts/h1/alive", 4, &json!({"host": "h1"}))]);
    trial.changed(&[put("schedulers/c", TENURE, &json!({}))]);
    trial.changed(&pair(6, &task("h1", "run", TENURE)));
    trial.born(&seen(10));
    trial.health(&seen(10), true);
    let status =
        json!({"id": "c-web-1-0", "generation": 7, "attempt": 0, "phase": "running", "health": "healthy"});
    trial.changed(&[put("status/h1/c-web-1-0", 8, &status)]);
    trial.at(Time(60_000));
    trial
}

#[track_caller]
fn check(trial: Trial, promises: &[&str]) {
    let verdict = trial.verdict(Span(0), &["h1"], &[]);
    let found: BTreeSet<&str> = verdict.iter().map(|violation| violation.promise.as_str()).collect();
    assert_eq!(found, promises.iter().copied().collect(), "{verdict:#?}");
}

#[test]
fn what_is_well_passes() {
    check(playing(), &[]);
}

#[test]
fn a_record_alone_is_half_a_pair() {
    let mut trial = playing();
    trial.changed(&pair(20, &task("h1", "run", TENURE))[..1]);
    check(trial, &[]);
    let mut trial = playing();
    trial.changed(&[put("state/tasks/_/c-web-1-0", 20, &task("h1", "stop", TENURE))]);
    check(trial, &["S5", "S14"]);
}

#[test]
fn a_writer_without_the_lock_is_found() {
    let mut trial = playing();
    trial.changed(&[put("schedulers/c", 30, &json!({}))]);
    trial.changed(&pair(31, &task("h1", "stop", TENURE)));
    check(trial, &["S1", "S14"]);
}

#[test]
fn the_last_healthy_task_is_not_stopped() {
    let mut trial = playing();
    trial.changed(&pair(20, &task("h1", "stop", TENURE)));
    check(trial, &["S14"]);
}

#[test]
fn a_second_copy_is_found() {
    let mut trial = playing();
    trial.born(&seen(11));
    check(trial, &["S20"]);
}

#[test]
fn what_is_gone_is_missed() {
    let mut trial = playing();
    trial.gone(&seen(10), true, true);
    check(trial, &["L1"]);
}

#[test]
fn a_store_that_is_put_back_takes_nothing_with_it() {
    let mut trial = playing();
    trial.put_back(&[]);
    check(trial, &[]);
}
