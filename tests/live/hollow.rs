//! Several processes on a real store: hollow agents that run what a scheduler issues, and what the doctor says of it all.

use crate::processes::clear_away;
use crate::show::{Ports, SOON, Said, ask, program, run, until};
use serde_json::Value;
use servers::{Consul, Etcd, http};
use std::fs::File;
use std::process::{Child, Command};
use tempfile::TempDir;

/// Processes on a store, and their directory.
pub(crate) struct Fleet {
    pub(crate) dir: TempDir,
    ports: Ports,
    store: String,
    processes: Vec<Child>,
}

impl Fleet {
    /// Starts a scheduler and so many hollow agents.
    #[track_caller]
    pub(crate) fn start(store: String, hollow: u32) -> Fleet {
        let dir = tempfile::Builder::new().prefix("callboard-").tempdir().expect("a directory can be made");
        let mut fleet = Fleet { dir, ports: Ports::claim(), store, processes: Vec::new() };
        fleet.raise(0, &["scheduler"]);
        let data = fleet.dir.path().join("hollow").display().to_string();
        fleet.raise(1, &["agent", "--hollow", &hollow.to_string(), "--host", "h", "--data-dir", &data]);
        until("all hosts are ready", SOON, || {
            let hosts = fleet.get("/v1/hosts")?;
            let ready = hosts.as_array()?.iter().filter(|host| host["state"] == "ready").count();
            (ready == usize::try_from(hollow).ok()?).then_some(())
        });
        fleet
    }

    /// Starts a process whose API listens on the port of this number.
    #[track_caller]
    fn raise(&mut self, number: u16, line: &[&str]) {
        let port = self.ports.first + number;
        let log =
            File::create(self.dir.path().join(format!("{number}.log"))).expect("the log can be written");
        let mut command = program();
        command.args(line).args(["--store", &self.store, "--bind", &format!("127.0.0.1:{port}")]);
        command.stdout(log.try_clone().expect("a file can be opened twice")).stderr(log);
        self.processes.push(command.spawn().expect("the program can be started"));
        until("a process answers", SOON, || ask(port, "/v1/health").filter(|(status, _)| *status == 200));
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = ask(self.ports.first, path)?;
        (status == 200).then(|| serde_json::from_str(&body).expect("the API answers in JSON"))
    }

    pub(crate) fn callboard(&self, line: &[&str]) -> Said {
        let mut command: Command = program();
        command.env("CALLBOARD_ADDR", format!("http://127.0.0.1:{}", self.ports.first));
        command.env("CALLBOARD_STORE", &self.store).args(line);
        run(command, line)
    }

    /// Gives what the doctor found that is more than a fact, except of the age of the servers and of this machine.
    #[track_caller]
    fn ills(&self, code: i32) -> Vec<String> {
        let findings = self.callboard(&["doctor", "-o", "json"]).ends(code).json();
        let findings = findings.as_array().expect("a list").clone();
        let ills =
            findings.iter().filter(|found| found["level"] != "fact").map(|found| found["what"].as_str());
        let ills = ills.map(|what| what.expect("a text").to_owned());
        ills.filter(|what| !what.contains("no longer mended") && !what.contains("records read in")).collect()
    }

    /// Runs a service of so many tasks on hollow hosts, looks at it, and ends.
    #[track_caller]
    fn plays(&mut self, hosts: u32, tasks: u32) {
        let file = self.dir.path().join("web.yml");
        let web = format!(
            "clusters: [{{name: default, services: [web]}}]
services: [{{name: web, task_name: web, task_version: 1, desired: {tasks}, min: 0, max: {tasks}}}]
task_definitions: [{{name: web, version: 1, provide_port: true, memory: 10,
  containers: [{{name: web, type: docker, executor: {{image: web}}}}],
  checks: [{{http: 'http://127.0.0.1/', add_provided_port: true, interval: 1s, timeout: 1s}}]}}]"
        );
        std::fs::write(&file, web).expect("a file can be written");
        self.callboard(&["apply", "-f", file.to_str().expect("paths of tests are UTF-8")]).ends(0);
        let seen = self.get("/v1/tasks").expect("the scheduler answers");
        let healthy = seen.as_array().expect("a list").iter().filter(|task| task["state"] == "healthy");
        let used: std::collections::BTreeSet<&str> =
            healthy.filter_map(|task| task["host"].as_str()).collect();
        assert_eq!(used.len(), usize::try_from(hosts).expect("few"), "every host has its share: {seen}");
        // Any process answers, whoever holds the lock.
        let (status, body) = ask(self.ports.first + 1, "/v1/status").expect("the hollow process answers");
        assert!(status == 200 && body.contains(&format!("{hosts} hollow hosts")), "{status} {body}");
        assert_eq!(self.ills(0), Vec::<String>::new());
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended by itself.
            let _ended = process.kill();
            let _reaped = process.wait();
        }
        clear_away(self.dir.path());
    }
}

#[test]
fn hollow_agents_on_consul_and_the_doctor() {
    let consul = Consul::start(1, serde_json::json!({ "limits": { "http_max_conns_per_client": 1000 } }));
    let mut fleet = Fleet::start(format!("consul://127.0.0.1:{}/team-a", consul.port(0)), 10);
    fleet.plays(10, 20);
    let plant = |key: &str, value: &str| {
        let (status, _) =
            http(consul.port(0), "PUT", &format!("/v1/kv/{key}"), value.as_bytes()).expect("it answers");
        assert_eq!(status, 200);
    };
    // What is not under the prefix is none of ours.
    plant("config/recipes/cake", "flour");
    plant("team-b/config/recipes/cake", "flour");
    assert_eq!(fleet.ills(0), Vec::<String>::new());
    plant("team-a/config/recipes/cake", "flour");
    plant("team-a/schedulers/other", "{}");
    let ills = fleet.ills(3);
    let expect = [
        "config/recipes/cake: not a key",
        "the lock of cluster other belongs to no session",
        "the lock of cluster other is held",
    ];
    let found = |words: &str| ills.iter().any(|what| what.starts_with(words));
    assert!(expect.iter().all(|words| found(words)) && ills.len() == expect.len(), "{ills:?}");
}

#[test]
fn hollow_agents_on_etcd_and_the_doctor() {
    let mut etcd = Etcd::start(3, &[]);
    let all: Vec<String> = etcd.client_ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let mut fleet = Fleet::start(format!("etcd://{}", all.join(",")), 10);
    fleet.plays(10, 20);
    etcd.members[1].kill();
    let ills = fleet.ills(3);
    assert!(ills.len() == 1 && ills[0].contains(&format!("{} does not answer", all[1])), "{ills:?}");
}
