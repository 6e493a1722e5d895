//! Configuration files of the tests: one service `web` in one cluster, of the demo server or of anything else.

/// What a service of these tests is to be.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) version: u32,
    pub(crate) desired: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// What the task runs, as one shell command.
    pub(crate) start: String,
    /// How long a new version may take to become healthy.
    pub(crate) deadline: &'static str,
    /// MiB.
    pub(crate) memory: u32,
    /// Whether its port is asked for a sign of health; without it a task is healthy while it runs.
    pub(crate) checked: bool,
    /// The restart policy, as a flow mapping.
    pub(crate) restart: &'static str,
}

/// The demo server, with arguments.
pub(crate) fn server(version: u32, counts: (u32, u32, u32), arguments: &str) -> Web {
    let (desired, min, max) = counts;
    Web {
        version,
        desired,
        min,
        max,
        start: format!("exec callboard demo-server {arguments}"),
        deadline: "40s",
        memory: 64,
        checked: true,
        restart: "{delay: 200ms}",
    }
}

/// A shell command that nobody checks.
pub(crate) fn command(version: u32, counts: (u32, u32, u32), start: &str) -> Web {
    Web { start: start.into(), checked: false, ..server(version, counts, "") }
}

impl Web {
    /// Writes the file.
    pub(crate) fn yaml(&self) -> String {
        let Web { version, desired, min, max, start, deadline, memory, restart, .. } = self;
        let check = "checks: [{name: answers, http: \"http://127.0.0.1\", add_provided_port: true, \
                     interval: 500ms, timeout: 500ms}]";
        let check = if self.checked { check } else { "" };
        format!(
            "clusters:
- {{name: default, services: [web]}}
services:
- {{name: web, task_name: web, task_version: {version}, desired: {desired}, min: {min}, max: {max},
   min_healthy_time: 1s, healthy_deadline: {deadline}}}
task_definitions:
- name: web
  version: {version}
  provide_port: true
  memory: {memory}
  cpu_units: 10
  kill_timeout: 2s
  restart: {restart}
  containers:
  - name: web
    type: bash
    executor:
      start: ['{start}']
  {check}
"
        )
    }
}
