//! The services of a soak: who sleeps, who heeds no signal, who takes memory without end, and who is made of several
//! containers, in bash, in docker or in both.

use serde_json::{Value, json};

/// A service: its name, how many tasks, what they are made of, and whether they stay.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) tasks: u32,
    containers: fn() -> Vec<Value>,
    pub(crate) stays: bool,
}

const SLEEPS: &str = "exec sleep 1000000";
const DEAF: &str = "trap '' TERM; while true; do sleep 1; done";
const HUNGRY: &str = "x=; while sleep 0.5; do x=$x$(head -c 1000000 /dev/zero | tr '\\0' x); done";
const LITTERS: &str = "setsid sleep 1000000 & setsid sleep 1000000 & exec sleep 1000000";
/// Ends by itself, as what is not essential may.
const LEAVES: &str = "sleep 5; exit 3";

pub(crate) const PARTS: [Part; 10] = [
    Part { name: "steady", tasks: 14, stays: true, containers: || vec![bash("main", SLEEPS)] },
    Part { name: "deaf", tasks: 6, stays: true, containers: || vec![bash("main", DEAF)] },
    Part { name: "hungry", tasks: 4, stays: false, containers: || vec![bash("main", HUNGRY)] },
    Part { name: "litter", tasks: 4, stays: true, containers: || vec![bash("main", LITTERS)] },
    Part { name: "crew", tasks: 5, stays: true, containers: crew },
    Part { name: "ship", tasks: 10, stays: true, containers: || vec![docker("main", SLEEPS)] },
    Part { name: "rock", tasks: 6, stays: true, containers: || vec![docker("main", DEAF)] },
    Part { name: "whale", tasks: 2, stays: false, containers: || vec![docker("main", HUNGRY)] },
    Part { name: "convoy", tasks: 5, stays: true, containers: convoy },
    Part { name: "otter", tasks: 4, stays: true, containers: otter },
];

/// Two of bash that matter, and one that does not.
fn crew() -> Vec<Value> {
    vec![
        aside(bash("guest", LEAVES)),
        enclosed(bash("main", SLEEPS), "echo ready > ready", "sleep 0.4; rm ready"),
        enclosed(bash("mate", DEAF), "sleep 0.2", "sleep 0.2"),
    ]
}

/// The same of docker, where what does not matter stays.
fn convoy() -> Vec<Value> {
    vec![
        enclosed(docker("main", SLEEPS), "sleep 0.2", "sleep 0.4"),
        enclosed(docker("mate", SLEEPS), "true", "sleep 0.2"),
        aside(docker("pilot", DEAF)),
    ]
}

/// At home in both.
fn otter() -> Vec<Value> {
    vec![
        enclosed(bash("main", SLEEPS), "sleep 0.2", "sleep 0.3"),
        aside(docker("pilot", LEAVES)),
        enclosed(docker("mate", SLEEPS), "sleep 0.2", "sleep 0.3"),
    ]
}

fn bash(name: &str, script: &str) -> Value {
    json!({"name": name, "type": "bash", "executor": {"start": [script]}})
}

/// The engine has no network, so that nothing can be pulled.
fn docker(name: &str, script: &str) -> Value {
    let executor = json!({
        "image": servers::BUSYBOX, "pull": "never", "flags": ["--net=none"], "cmd": ["/bin/sh", "-c", script],
    });
    json!({"name": name, "type": "docker", "executor": executor})
}

fn aside(mut container: Value) -> Value {
    container["essential"] = false.into();
    container
}

fn enclosed(mut container: Value, before: &str, after: &str) -> Value {
    container["setup"] = json!([before]);
    container["teardown"] = json!([after]);
    container
}

impl Part {
    /// Finds the service of a task, or of a run.
    pub(crate) fn of(id: &str) -> Option<&'static Part> {
        PARTS.iter().find(|part| id.starts_with(&format!("default-{}-", part.name)))
    }

    pub(crate) fn service(&self, version: u32) -> Value {
        json!({
            "name": self.name, "task_name": self.name, "task_version": version, "desired": self.tasks,
            "min": self.tasks / 2, "max": self.tasks + 2, "max_parallel": 4, "min_healthy_time": "1s",
            "healthy_deadline": "5m",
        })
    }

    pub(crate) fn definition(&self, version: u32) -> Value {
        json!({
            "name": self.name, "version": version, "kill_timeout": "1s", "memory": 8, "memory_limit": 24,
            "restart": {"attempts": 1000, "delay": "200ms", "max_delay": "2s"}, "containers": (self.containers)(),
        })
    }

    /// Lists the containers of a type that matter.
    pub(crate) fn essential(&self, kind: &str) -> Vec<String> {
        let matters = |one: &Value| one["type"] == kind && one["essential"] != false;
        let all = (self.containers)();
        let names = all.iter().filter(|one| matters(one)).filter_map(|one| one["name"].as_str());
        names.map(str::to_owned).collect()
    }

    /// Tells whether it is of this type, at least in part.
    pub(crate) fn is_of(&self, kind: &str) -> bool {
        !self.essential(kind).is_empty()
    }
}
