//! A host: what users say of it, what its agent says of it, and whether that agent is alive.

use super::{Generation, Name, is_default};
use crate::policy::Policy;
use crate::store::Revision;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What users say of a host. Source: users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostConfig {
    /// The host.
    pub name: Name,
    /// No task shall run here: those that do are replaced elsewhere, within each service's `min`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub draining: bool,
    /// Ports the scheduler never gives away here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reserved_ports: Vec<u16>,
}

/// What a host has. Source: its agent, at start and on change; outlives the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The host.
    pub host: Name,
    /// Address under which its tasks are reached.
    pub address: String,
    /// Memory for tasks, MiB.
    pub memory: u64,
    /// Processor share for tasks, 1024 a core.
    pub cpu_units: u64,
    /// Disk for tasks, MiB.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disk: u64,
    /// Whatever else it counts, by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: BTreeMap<Name, u64>,
    /// Ports from which provided ports are chosen.
    pub ports: PortRange,
    /// Executors that work here.
    pub executors: Vec<String>,
    /// What tasks may do there, as its operator says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: Policy,
    /// Free-form facts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// Version of the agent.
    pub agent_version: String,
    /// Address of the agent's HTTP API, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// First.
    pub first: u16,
    /// Last.
    pub last: u16,
}

/// A sign of life: exists under the agent's session, so it vanishes with the agent. Source: the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// The host.
    pub host: Name,
    /// Which boot of the machine.
    pub boot_id: String,
    /// Which agent: drawn once and kept in its data directory, so that a restarted agent knows its own sign of life.
    pub agent_id: String,
    /// The highest revision that the agent had seen of the store when it wrote this: in a store that went back, more
    /// than the store has.
    #[serde(default)]
    pub seen: Revision,
}

/// What a host and its tasks use. Source: its agent, when it changed enough to matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Memory of the machine, MiB.
    pub memory_total: u64,
    /// Memory not available to new work, MiB.
    pub memory_used: u64,
    /// Resident memory of each task, MiB, by task id.
    #[serde(default)]
    pub tasks: BTreeMap<Name, u64>,
    /// Processor use of the machine, 1024 a core, between the last two measurements; `None` where nothing measures it, or
    /// only once so far.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_used: Option<u64>,
    /// The same of each task, by task id; without those of which nothing is known yet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tasks_cpu: BTreeMap<Name, u64>,
    /// For how much of the last ten seconds all that runs on the machine waited for memory at once, in percent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stalled: u64,
    /// Why the host must get no new tasks for now, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
    /// Executors that cannot start tasks for now, while others can, each with why, in the agent's words.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unfit_for: BTreeMap<String, String>,
}

/// An agent's wish that a task run elsewhere; only the scheduler moves tasks. Source: the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRequest {
    /// The task.
    pub id: Name,
    /// The placement that it speaks of.
    pub generation: Generation,
    /// In words, with the figures that led to it.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{read, write};

    #[test]
    fn usage_without_processors_is_as_older_agents_write_it() {
        let older = r#"{"schema":1,"memory_total":2,"memory_used":1,"tasks":{"web-1":1}}"#;
        let usage: Usage = read(older).unwrap();
        assert_eq!((usage.cpu_used, usage.tasks_cpu.len(), write(&usage).as_str()), (None, 0, older));
        let measured = Usage { cpu_used: Some(0), tasks_cpu: [("web-1".into(), 7)].into(), ..usage };
        assert_eq!(read::<Usage>(&write(&measured)), Ok(measured));
    }
}
