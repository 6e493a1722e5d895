//! What tests say of a running show: its services, its instances, what answers on their ports.

use crate::files::Web;
use crate::processes::{self, Process};
use crate::show::{SOON, Said, Show, ask, until};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A task and what is there of it on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) generation: u64,
    pub(crate) attempt: u64,
    pub(crate) state: String,
    pub(crate) port: u16,
    /// The process that does the work; the last of them when there are several.
    pub(crate) process: Option<Process>,
}

impl Instance {
    /// Tells whether it answers a request with its own name.
    pub(crate) fn answers(&self) -> bool {
        ask(self.port, "/").is_some_and(|(status, body)| status == 200 && body.contains(&self.id))
    }
}

impl Show {
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
            process: processes::working_in(&place).pop(),
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

/// Expects that something holds for a while.
#[track_caller]
pub(crate) fn holds(what: &str, span: Duration, mut probe: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < span {
        assert!(probe(), "after {:?} not so any more: {what}", started.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
}
