//! Holds views to the records they are made of.

use super::*;
use callboard_core::model::{Rollout, Service};
use std::slice::from_ref;

const SERVICE: &str = r#"{"name":"web","task_name":"web","task_version":2,"desired":2,"min":1,"max":3}"#;

fn task(version: u32, instance: u32, desired: &str) -> (String, String) {
    let id = format!("c-web-{version}-{instance}");
    let record = format!(
        r#"{{"id":"{id}","cluster":"c","service":"web","task_name":"web","version":{version},"instance":{instance},
        "generation":7,"host":"h1","port":20001,"desired":"{desired}","reason":"spread","tenure":1}}"#
    );
    (format!("state/tasks/_/{id}"), record)
}

fn status(version: u32, instance: u32, generation: u64, phase: &str, health: &str) -> (String, String) {
    let id = format!("c-web-{version}-{instance}");
    let record = format!(
        r#"{{"id":"{id}","generation":{generation},"attempt":0,"phase":"{phase}","health":"{health}"}}"#
    );
    (format!("status/h1/{id}"), record)
}

fn rollout(version: u32, rollout: &str) -> (String, String) {
    let record = format!(
        r#"{{"service":"web","cluster":"c","available":1,"min":1,"stable":1,"version":{version},"rollout":{rollout}}}"#
    );
    ("state/services/web".into(), record)
}

fn board(records: &[(String, String)]) -> Board {
    let fixed = [
        ("config/clusters/c", r#"{"name":"c","services":["web"]}"#),
        ("config/services/web", SERVICE),
        ("schedulers/c", r#"{"instance":"h1 pid 1"}"#),
        ("hosts/h1/alive", r#"{"host":"h1","boot_id":"b","agent_id":"a"}"#),
        (
            "hosts/h1/registration",
            r#"{"host":"h1","address":"10.0.0.1","memory":1000,"cpu_units":1024,
            "ports":{"first":20000,"last":20010},"executors":["bash"],"agent_version":"0"}"#,
        ),
    ];
    let all = fixed.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let all: Vec<(String, String)> = all.chain(records.iter().cloned()).collect();
    let all: Vec<(&str, String)> = all.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let mut board = Board::default();
    board.take(&entries(&all));
    assert_eq!(board.problems, BTreeMap::new());
    board
}

fn state(records: &[(String, String)]) -> String {
    let board = board(records);
    service(&board, &board.services["web"], &Blocked::new()).state
}

#[test]
fn a_service_in_one_word() {
    let done = rollout(2, r#"{"state":"done"}"#);
    let running = rollout(2, r#"{"state":"running"}"#);
    let failed = rollout(2, r#"{"state":"failed","reason":"no"}"#);
    let old_failed = rollout(1, r#"{"state":"failed","reason":"no"}"#);
    let well = |version, instance| status(version, instance, 7, "running", "healthy");
    let run = |version, instance| task(version, instance, "run");
    let both = [run(2, 0), run(2, 1), well(2, 0)];
    let healthy = [&both[..], &[well(2, 1)]].concat();
    let check = |records: &[&[(String, String)]], expect: &str| assert_eq!(state(&records.concat()), expect);

    check(&[], "starting");
    check(&[&healthy, from_ref(&done)], "healthy");
    check(&[&healthy, from_ref(&running)], "rolling");
    check(&[&healthy, &[failed]], "failed");
    check(&[&healthy, &[old_failed]], "healthy");
    check(&[&both, &[status(2, 1, 7, "running", "unhealthy"), done.clone()]], "degraded");
    check(&[&both, &[status(2, 1, 6, "running", "healthy"), done.clone()]], "starting");
    check(&[&[run(1, 0), run(2, 0)], &[running]], "rolling");
    check(&[&healthy, &[run(2, 2), done]], "scaling");
}

#[test]
fn a_task_in_one_word() {
    let check = |records: &[(String, String)], expect: &str| {
        let board = board(records);
        assert_eq!(super::task(&board, &board.tasks["c-web-2-0"]).state, expect);
    };
    let run = task(2, 0, "run");
    let stop = task(2, 0, "stop");
    check(from_ref(&run), "issued");
    check(&[run.clone(), status(2, 0, 6, "running", "healthy")], "issued");
    for (phase, health, state) in [
        ("pending", "unknown", "pending"),
        ("starting", "unknown", "starting"),
        ("running", "unknown", "running"),
        ("running", "healthy", "healthy"),
        ("running", "unhealthy", "unhealthy"),
        ("failed", "unknown", "failed"),
        ("dead", "unknown", "dead"),
    ] {
        check(&[run.clone(), status(2, 0, 7, phase, health)], state);
    }
    check(&[stop.clone(), status(2, 0, 7, "running", "healthy")], "stopping");
    check(&[stop, status(2, 0, 7, "dead", "unknown")], "gone");
}

#[test]
fn hosts_say_why_they_get_nothing() {
    let check = |records: &[(String, String)], state: &str| {
        assert_eq!(hosts(&board(records))[0].state, state);
    };
    let drain = ("config/hosts/h1".to_owned(), r#"{"name":"h1","draining":true}"#.to_owned());
    let unfit =
        ("hosts/h1/usage".to_owned(), r#"{"memory_total":1,"memory_used":1,"unfit":"disk full"}"#.to_owned());
    check(&[], "ready");
    check(from_ref(&drain), "drained");
    check(&[drain, task(2, 0, "run")], "draining");
    check(&[unfit], "unfit");
    let usage = |unfit_for: &str| {
        let value = format!(r#"{{"memory_total":1,"memory_used":1,"unfit_for":{{{unfit_for}}}}}"#);
        ("hosts/h1/usage".to_owned(), value)
    };
    check(&[usage(r#""docker":"away""#)], "ready");
    let why = hosts(&board(&[usage(r#""docker":"away""#)]))[0].why.clone();
    assert_eq!(why.as_deref(), Some("unfit for docker: away"));
    check(&[usage(r#""bash":"disk full","docker":"away""#)], "unfit");
}

#[test]
fn what_was_measured_is_shown_of_the_machine_and_of_its_tasks() {
    let check = |usage: &str, of_host: [Option<u64>; 2], of_task: [Option<u64>; 2]| {
        let usage = ("hosts/h1/usage".to_owned(), format!(r#"{{"memory_total":9,"memory_used":8{usage}}}"#));
        let board = board(&[task(2, 0, "run"), usage]);
        let (host, task) = (&hosts(&board)[0], &tasks(&board)[0]);
        assert_eq!([host.memory_used, host.cpu_used], of_host);
        assert_eq!([task.memory_used, task.cpu_used], of_task);
    };
    check("", [Some(8), None], [None, None]);
    check(r#","tasks":{"c-web-2-0":7}"#, [Some(8), None], [Some(7), None]);
    let both = r#","tasks":{"c-web-2-0":7},"cpu_used":2048,"tasks_cpu":{"c-web-2-0":0}"#;
    check(both, [Some(8), Some(2048)], [Some(7), Some(0)]);
}

#[test]
fn a_damaged_record_is_told_and_harms_nothing_else() {
    let mut board = board(&[]);
    board.take(&entries(&[("config/services/bad", "{".into()), ("junk", "1".into())]));
    assert_eq!(board.problems.keys().collect::<Vec<_>>(), ["config/services/bad", "junk"]);
    assert_eq!(overview(&board, &Blocked::new()).services.len(), 1);
}

#[test]
fn records_are_as_the_model_says() {
    let service: Service = serde_json::from_str(SERVICE).unwrap();
    assert_eq!(service.target(), 2);
    let rollout: Rollout = serde_json::from_str(r#"{"state":"failed","reason":"no"}"#).unwrap();
    assert_eq!(rollout, Rollout::Failed { reason: "no".into() });
}
