//! A scheduler in another language: the one of the examples, with real agents, on a real Consul. Agents do what it says as
//! long as it makes sense.

use crate::fleet::{Fleet, MIN, Web};
use crate::kind::{Kind, Servers};
use crate::table;
use callboard_core::store::{Guard, Op, Outcome, Txn};
use servers::{SOON, until};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const WEB: Web = Web { scheduler: "python", ..crate::stories::WEB };

/// The scheduler at work; it is killed when this goes out of scope.
struct Python(Child);

impl Python {
    fn start(fleet: &Fleet) -> Python {
        let mut command = Command::new("python3");
        command.args(["-u", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scheduler.py")]);
        command.env("CONSUL_HTTP_ADDR", format!("127.0.0.1:{}", fleet.servers.ports()[0]));
        let child = command.stdin(Stdio::null()).spawn();
        Python(child.expect("python3 can be started; `tests/run` installs what the tests need"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Waits until so many tasks of a version run, answer, are healthy to everybody, and are all there is.
#[track_caller]
fn plays(fleet: &Fleet, version: u32, count: usize) {
    until(&format!("{count} tasks of version {version} play"), 3 * SOON, || {
        let shown = fleet.view("/v1/tasks")?;
        let well = |task: &&serde_json::Value| task["state"] == "healthy" && task["version"] == version;
        let all = shown.as_array()?;
        let running = fleet.running();
        let is_whole =
            all.len() == count && all.iter().filter(well).count() == count && running.len() == count;
        (is_whole && running.iter().all(|(_, seen)| table::answers(seen))).then_some(())
    });
}

pub(crate) fn a_scheduler_in_python_schedules() {
    let mut fleet = Fleet::start(Kind::Consul, 1);
    let first = Python::start(&fleet);
    fleet.apply("s1", WEB, &["--detach"], 0);
    plays(&fleet, 1, 4);
    let before = fleet.running();
    fleet.witness().least();
    for (to, asked) in [(6, "s1"), (4, "h2")] {
        fleet.callboard(asked, &["scale", "web", &to.to_string(), "--detach"], 0);
        plays(&fleet, 1, to);
    }
    // Killed, it leaves everything running; the next one takes the lock once its session has ended.
    let now = fleet.running();
    drop(first);
    fleet.untouched(&now, Duration::from_secs(3));
    let _second = Python::start(&fleet);
    fleet.apply("s2", Web { version: 2, ..WEB }, &["--detach"], 0);
    plays(&fleet, 2, 4);
    assert!(!fleet.running().iter().any(|one| before.contains(one)));
    let least = fleet.witness().least();
    assert!(least >= MIN, "only {least} answered");
    let said = fleet.callboard("s1", &["tasks"], 0);
    assert!(said.contains("default-web-2-0"), "{said}");
    // Nobody else meddles.
    assert!(fleet.callboard("s1", &["status", "-o", "json"], 0).contains("\"python\""));
    fleet.callboard("s1", &["delete", "service", "web"], 0);
    plays(&fleet, 2, 0);
    fleet.verdict(&[]);
}

/// Writes what nobody should.
fn scrawl(fleet: &Fleet, key: &str, change: impl Fn(&str) -> String) {
    let ports = fleet.servers.ports();
    let runtime = tokio::runtime::Runtime::new().expect("threads can be had");
    runtime.block_on(async {
        let store = Servers::store(Kind::Consul, &ports).await;
        let found = store.list(key).await.expect("the store answers").entries.pop();
        let guard = match &found {
            Some(entry) => Guard::At { key: key.into(), revision: entry.revision },
            None => Guard::Absent { key: key.into() },
        };
        let value = change(&found.map(|entry| entry.value.clone()).unwrap_or_default());
        let ops = vec![Op::Put { key: key.into(), value, session: None }];
        let outcome = store.commit(Txn { guards: vec![guard], ops }).await;
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    });
}

pub(crate) fn agents_refuse_what_makes_no_sense() {
    let mut fleet = Fleet::start(Kind::Consul, 1);
    let python = Python::start(&fleet);
    fleet.apply("s1", WEB, &["--detach"], 0);
    plays(&fleet, 1, 4);
    let before = fleet.running();
    // From now on nobody mends anything.
    drop(python);
    let on =
        |host: &str| before.iter().find(|(_, seen)| seen.host == host).expect("each host has one").1.clone();
    let (one, two, three) = (on("h1"), on("h2"), on("h3"));
    let port = three.port.expect("it was given one").to_string();
    let key = |seen: &callboard_sim::Seen| format!("state/tasks/{}/{}", seen.host, seen.id);
    scrawl(&fleet, &key(&one), |_| "run everything!".into());
    scrawl(&fleet, &key(&two), |record| record.replace("\"h2\"", "\"h3\""));
    scrawl(&fleet, &key(&three), |record| record.replace(&port, "1"));
    scrawl(&fleet, "state/tasks/h1/default-web-9-9", |_| r#"{"id":"default-web-9-8"}"#.into());
    let told = [
        ("h1", &*one.id, "cannot be read"),
        ("h2", &*two.id, "speaks of host"),
        ("h3", &*three.id, "its port changed within generation"),
        ("h1", "default-web-9-9", "cannot be read"),
    ];
    for (host, id, why) in told {
        until(&format!("{host} says what is wrong with {id}"), SOON, || {
            let events = fleet.callboard(host, &["events"], 0);
            events.lines().any(|line| line.contains(id) && line.contains(why)).then_some(())
        });
    }
    fleet.untouched(&before, Duration::from_secs(5));
}
