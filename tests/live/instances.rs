//! What tests say of a running show: its services, its instances, what answers on their ports.

use crate::files::Web;
use crate::processes::Process;
use crate::show::{SOON, Said, Show, ask, until};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// A task and what is there of it on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) generation: u64,
    pub(crate) attempt: u64,
    pub(crate) state: String,
    pub(crate) port: u16,
    /// The process that does the work, not the one that looks after it.
    pub(crate) process: Option<Process>,
}

impl Instance {
    /// Tells whether it answers a request with its own name.
    pub(crate) fn answers(&self) -> bool {
        ask(self.port, "/").is_some_and(|(status, body)| status == 200 && body.contains(&self.id))
    }
}

impl Said {
    /// Expects words in the output.
    #[track_caller]
    pub(crate) fn tells(self, words: &str) -> Said {
        let Said { command, out, err, .. } = &self;
        assert!(out.contains(words), "callboard {command}: no {words:?}\n--- out\n{out}--- err\n{err}");
        self
    }

    /// Reads the output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

impl Show {
    /// Ends the daemon as Ctrl-C does, and waits for it.
    #[track_caller]
    pub(crate) fn interrupt(&mut self) {
        let mut daemon = self.daemon.take().expect("a daemon runs");
        Process::read(daemon.id()).expect("the daemon lives").signal(rustix::process::Signal::INT);
        let ended =
            until("the daemon ends when asked to", SOON, || daemon.try_wait().expect("it is our child"));
        assert!(ended.success(), "{ended}");
    }

    /// Reads what a listing command says to programs.
    #[track_caller]
    pub(crate) fn list(&self, line: &[&str]) -> Value {
        self.callboard(&[line, &["-o", "json"]].concat()).ends(0).json()
    }

    /// Applies a file and waits for what comes of it.
    #[track_caller]
    pub(crate) fn apply(&self, web: &Web) -> Said {
        self.apply_with(web, &[])
    }

    /// Applies a file, with options.
    #[track_caller]
    pub(crate) fn apply_with(&self, web: &Web, options: &[&str]) -> Said {
        let file = self.file(&format!("web-{}.yml", web.version), web.yaml());
        self.callboard(&[&["apply", "-f", &file], options].concat())
    }

    /// Gives a service as the API shows it, where there is one.
    pub(crate) fn service(&self, name: &str) -> Option<Value> {
        let (status, body) = self.get(&format!("/v1/services/{name}"))?;
        (status == 200).then(|| serde_json::from_str(&body).expect("the API answers in JSON"))
    }

    /// Waits until so many tasks of a service are healthy and nothing else of it is left.
    #[track_caller]
    pub(crate) fn wait_healthy(&self, name: &str, count: u64) {
        until(&format!("{count} tasks of {name} are healthy"), SOON, || {
            let view = self.service(name)?;
            let whole = view["healthy"] == count && view["issued"] == count && view["stopping"] == 0;
            (whole && view["state"] == "healthy").then_some(())
        });
    }

    /// Gives all tasks, in order of their ids.
    #[track_caller]
    pub(crate) fn instances(&self) -> Vec<Instance> {
        let (_, body) = self.get("/v1/tasks").expect("the daemon answers");
        let tasks: Vec<Value> = serde_json::from_str(&body).expect("the API answers in JSON");
        tasks.iter().map(|task| self.instance(task)).collect()
    }

    fn instance(&self, task: &Value) -> Instance {
        let text = |field: &str| task[field].as_str().unwrap_or_default().to_owned();
        let id = text("id");
        let address = text("address");
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        let place = self.data_dir().join("tasks").join(&id);
        Instance {
            generation: task["generation"].as_u64().unwrap_or_default(),
            attempt: task["attempt"].as_u64().unwrap_or_default(),
            state: text("state"),
            port: port.unwrap_or_else(|| panic!("no port: {task}")),
            process: working_in(&place).into_iter().find(|process| !process.names(&place)),
            id,
        }
    }

    /// Gives what happened, in words, oldest first.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<String> {
        let all = self.list(&["events"]);
        let texts = all.as_array().expect("a list").iter().map(|event| event["text"].as_str());
        texts.map(|text| text.expect("each event has a text").to_owned()).collect()
    }
}

/// Gives the processes that work in a directory or below, in order of their pids.
pub(crate) fn working_in(dir: &Path) -> Vec<Process> {
    let mut found: Vec<Process> =
        Process::all().into_iter().filter(|process| process.works_in(dir)).collect();
    found.sort();
    found
}

/// Expects that something holds for a while.
#[track_caller]
pub(crate) fn holds(what: &str, span: Duration, mut probe: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < span {
        assert!(probe(), "after {:?} not so any more: {what}", started.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
}
