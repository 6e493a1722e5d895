//! The docker executor over an engine: with a directory of its own, and nothing of it left in the engine at the end.

use super::bench::{Behaves, Bench, container, definition, spec_of};
use callboard_core::model::{Bash as Settled, Container, Docker as Wanted, Executor as Kind};
use callboard_core::work::Spec;
use callboard_executors::Executor;
use callboard_executors::docker::{Docker, Settings};
use serde_json::Value;
use servers::{BUSYBOX, ask_docker, shared_docker};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct DockerBench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) host: String,
    executor: Arc<dyn Executor>,
    change: fn(&mut Settings),
}

impl DockerBench {
    pub(crate) fn new() -> Option<DockerBench> {
        Some(DockerBench::with(shared_docker(), |_| {}))
    }

    pub(crate) fn with(host: String, change: fn(&mut Settings)) -> DockerBench {
        let dir = tempfile::Builder::new().prefix("callboard-docker").tempdir().unwrap();
        let executor = open(dir.path(), &host, change);
        DockerBench { dir, host, executor, change }
    }

    /// Another executor over the same, set up otherwise.
    pub(crate) fn another(&self, change: impl Fn(&mut Settings)) -> Arc<dyn Executor> {
        open(self.dir.path(), &self.host, change)
    }

    /// Lists the containers that the engine holds of this bench.
    pub(crate) fn containers(&self) -> Vec<Value> {
        let agent = self.dir.path().canonicalize().unwrap();
        let (_, listed) = ask_docker(&self.host, "GET", "/containers/json?all=1", "");
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        let label = agent.display().to_string();
        listed.into_iter().filter(|one| one["Labels"]["callboard.agent"] == label.as_str()).collect()
    }

    /// Gives what the engine knows of the only container.
    pub(crate) fn only(&self) -> Value {
        let listed = self.containers();
        assert_eq!(listed.len(), 1, "{listed:?}");
        let (_, seen) = ask_docker(&self.host, "GET", &format!("/containers/{}/json", id(&listed[0])), "");
        serde_json::from_str(&seen).unwrap()
    }
}

pub(crate) fn id(container: &Value) -> &str {
    container["Id"].as_str().unwrap()
}

fn open(dir: &std::path::Path, host: &str, change: impl Fn(&mut Settings)) -> Arc<dyn Executor> {
    let mut settings = Settings::new(dir.to_path_buf(), host.to_string());
    settings.publish_at("127.0.0.1");
    change(&mut settings);
    Arc::new(Docker::open(settings).unwrap())
}

impl Bench for DockerBench {
    fn executor(&self) -> Arc<dyn Executor> {
        Arc::clone(&self.executor)
    }

    fn restarted(&self) -> Arc<dyn Executor> {
        open(self.dir.path(), &self.host, self.change)
    }

    fn spec(&self, behaves: Behaves) -> Arc<Spec> {
        let writes;
        match behaves {
            Behaves::Runs => docker_spec(&[], "trap 'exit 143' TERM; sleep 1000 & wait"),
            Behaves::Spins => docker_spec(&[], "trap 'exit 143' TERM; while :; do :; done"),
            Behaves::Exits(code) => {
                writes = format!("sleep 0.05; exit {code}");
                docker_spec(&[], &writes)
            }
            Behaves::IgnoresTerm => docker_spec(&[], "trap '' TERM; while true; do sleep 1; done"),
            Behaves::FailsToStart => docker_spec(&["exit 3"], "sleep 1000"),
            Behaves::StartsSlowly => docker_spec(&["trap 'exit 1' TERM; sleep 1000 & wait"], "sleep 1000"),
            // The engine takes an unfinished line down when it will not go on.
            Behaves::Writes(text) => {
                writes = format!("printf '%s' '{text}'");
                docker_spec(&[], &writes)
            }
        }
    }
}

impl Drop for DockerBench {
    fn drop(&mut self) {
        for container in self.containers() {
            let _ =
                ask_docker(&self.host, "DELETE", &format!("/containers/{}?force=1&v=1", id(&container)), "");
        }
    }
}

/// What a container runs by the shell of the image.
pub(crate) fn wanted(start: &str) -> Wanted {
    Wanted {
        image: BUSYBOX.to_string(),
        cmd: ["/bin/sh", "-c", start].map(ToString::to_string).into(),
        ..Wanted::default()
    }
}

pub(crate) fn docker_container(name: &str, setup: &[&str], wanted: Wanted) -> Container {
    Container { executor: Kind::Docker(wanted), ..container(name, setup, Settled::default()) }
}

/// A task of one container. No bridge is needed: its ports are not mapped.
pub(crate) fn docker_spec(setup: &[&str], start: &str) -> Arc<Spec> {
    let wanted = Wanted { flags: vec!["--net=none".to_string()], ..wanted(start) };
    spec_of(definition("app", vec![docker_container("main", setup, wanted)]))
}

/// A task whose ports nobody else has.
pub(crate) fn at_ports(spec: &Spec, port: u16) -> Arc<Spec> {
    let mut spec = spec.clone();
    spec.task.port = Some(port);
    spec.task.ports = BTreeMap::new();
    Arc::new(spec)
}
