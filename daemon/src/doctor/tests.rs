//! A healthy store, and one with something planted: the doctor names exactly that.

use super::*;
use callboard_core::store::{Revision, SessionId};
use std::sync::Arc;

const REGISTRATION: &str = r#"{"host":"h1","address":"127.0.0.1","memory":1000,"cpu_units":1024,
    "ports":{"first":20000,"last":20010},"executors":["bash"],"agent_version":"0"}"#;
const HEALTHY: [(&str, &str, bool); 8] = [
    ("config/clusters/c", r#"{"name":"c","services":["web"]}"#, false),
    (
        "config/services/web",
        r#"{"name":"web","task_name":"web","task_version":1,"desired":1,"min":0,"max":2}"#,
        false,
    ),
    (
        "config/task_definitions/web/1",
        r#"{"name":"web","version":1,"memory":10,"containers":[{"name":"m","type":"bash","executor":{"start":["x"]}}]}"#,
        false,
    ),
    ("schedulers/c", r#"{"instance":"one","scheduler":"default"}"#, true),
    ("hosts/h1/registration", REGISTRATION, false),
    ("hosts/h1/alive", r#"{"host":"h1","boot_id":"b","agent_id":"a"}"#, true),
    ("hosts/h1/usage", r#"{"memory_total":1000,"memory_used":10}"#, false),
    ("meta/store_id", r#"{"schema":1,"id":"x"}"#, false),
];
const ORPHAN: &str = r#"{"id":"c-web-1-0","cluster":"c","service":"web","task_name":"web","version":1,"instance":0,
    "generation":3,"host":"h1","memory":10,"desired":"run","reason":"","tenure":2}"#;

fn entries(planted: &[(&str, &str, bool)]) -> Vec<Arc<Entry>> {
    let mut all: std::collections::BTreeMap<&str, (&str, bool)> =
        HEALTHY.iter().map(|(key, value, held)| (*key, (*value, *held))).collect();
    for (key, value, held) in planted {
        if value.is_empty() {
            all.remove(key)
        } else {
            all.insert(key, (value, *held))
        };
    }
    let entry = |(key, (value, held)): (&str, (&str, bool))| Entry {
        key: key.into(),
        value: value.into(),
        revision: Revision(7),
        session: held.then(|| SessionId("s".into())),
    };
    all.into_iter().map(entry).map(Arc::new).collect()
}

/// Plants records, or takes out those with an empty value, and expects these findings in any order, by their beginning.
#[track_caller]
fn check(planted: &[(&str, &str, bool)], expect: &[&str]) {
    let findings = records::examine(&entries(planted));
    let found = findings.iter().filter(|finding| finding.level != Level::Fact);
    let mut found: Vec<String> = found.map(|finding| finding.what.clone()).collect();
    found.sort();
    let fits =
        found.len() == expect.len() && found.iter().zip(expect).all(|(what, begin)| what.starts_with(begin));
    assert!(fits, "{planted:?}: {found:#?}");
}

#[test]
fn a_healthy_store_has_nothing_wrong() {
    check(&[], &[]);
}

#[test]
fn what_is_planted_is_found_and_nothing_else() {
    check(&[("config/recipes/x", "{}", false)], &["config/recipes/x: not a key of Callboard's"]);
    check(&[("config/services/api", "{", false)], &["config/services/api: cannot be read"]);
    check(&[("schedulers/c", "{}", false)], &["the lock of cluster c belongs to no session"]);
    check(&[("schedulers/c", "", false)], &["no scheduler holds the lock of cluster c"]);
    check(&[("schedulers/d", "{}", true)], &["the lock of cluster d is held, and there is no such cluster"]);
    check(&[("hosts/h1/alive", HEALTHY[5].1, false)], &["the sign of life of host h1 belongs to no session"]);
    check(&[("hosts/h1/alive", "", false)], &["host h1 gives no sign of life; 0 tasks"]);
    check(
        &[(
            "status/h1/c-web-1-0",
            r#"{"id":"c-web-1-0","generation":3,"attempt":0,"failures":0,"phase":"dead","health":"unknown"}"#,
            false,
        )],
        &["h1 speaks of c-web-1-0, which is not issued to it"],
    );
    check(
        &[("hosts/h1/moves/c-web-1-0", r#"{"id":"c-web-1-0","generation":3,"reason":"full"}"#, false)],
        &["h1 asks to move c-web-1-0"],
    );
    check(
        &[("config/services/web", r#"{"schema":2,"name":"web"}"#, false)],
        &["config/services/web: is of schema 2"],
    );
    check(
        &[("hosts/h1/orphans/c-web-1-0", ORPHAN, false)],
        &["h1 runs c-web-1-0, of which the store has no record"],
    );
    check(&[("hosts/h2/usage", r#"{"memory_total":1,"memory_used":1}"#, false)], &["use of host h2 is told"]);
    check(
        &[("state/ledger/h1", r#"{"clusters":{"gone":{"memory":10}}}"#, false)],
        &["S9: h1: its ledger says"],
    );
}

#[test]
fn clocks() {
    let now: Timestamp = "2026-11-25T19:00:10Z".parse().unwrap();
    let check = |date: &str, level: Option<Level>| {
        assert_eq!(clock(date, now).map(|found| found.level), level, "{date}")
    };
    check("Wed, 25 Nov 2026 19:00:08 GMT", Some(Level::Fact));
    check("Wed, 25 Nov 2026 18:00:10 GMT", Some(Level::Warning));
    check("Wed, 25 Nov 2026 19:00:30 GMT", Some(Level::Warning));
    check("yesterday", None);
}
