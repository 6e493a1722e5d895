//! What the API shows and the command line reads: plain structs, built from the records of the store.

mod board;
mod build;

pub(crate) use board::Board;
#[cfg(test)]
pub(crate) use build::entries;
pub(crate) use build::{Blocked, hosts, overview, service, services, task, tasks};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Everything at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Overview {
    /// Version of the daemon that answers.
    pub(crate) version: String,
    /// The store, as it was named at the start.
    pub(crate) store: String,
    /// What the daemon that answers does: `dev`, `combined`, `agent`, `scheduler`.
    pub(crate) role: String,
    /// For how long it has been running, milliseconds.
    pub(crate) uptime_ms: u64,
    /// The host it looks after, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// Clusters.
    pub(crate) clusters: Vec<ClusterView>,
    /// Services by how they fare.
    pub(crate) services: BTreeMap<String, u32>,
    /// Tasks by state.
    pub(crate) tasks: BTreeMap<String, u32>,
    /// Hosts by state.
    pub(crate) hosts: BTreeMap<String, u32>,
    /// What tells the store from others: the id that the first scheduler gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store_id: Option<String>,
    /// Tasks that run although the store has no record of them: `<id> on <host>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) orphans: Vec<String>,
    /// Records that cannot be read, by key, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) problems: BTreeMap<String, String>,
}

/// A cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClusterView {
    pub(crate) name: String,
    /// The scheduler that shall look after it.
    pub(crate) scheduler: String,
    /// Who does, where somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held_by: Option<String>,
    pub(crate) services: Vec<String>,
}

/// A service and how it fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServiceView {
    pub(crate) name: String,
    /// The cluster that lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
    /// Whether somebody holds that cluster's lock, so that anything can happen at all.
    pub(crate) scheduled: bool,
    pub(crate) task_name: String,
    pub(crate) version: u32,
    /// `service`, `system` or `batch`.
    #[serde(default)]
    pub(crate) kind: String,
    /// How many tasks shall run; of a system service, how many hosts qualify; of a batch service, how many shall complete.
    pub(crate) desired: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// How many tasks of a batch service have completed.
    #[serde(default)]
    pub(crate) completed: u32,
    /// How many of its tries have failed.
    #[serde(default)]
    pub(crate) failed: u32,
    pub(crate) stopped: bool,
    /// One word: healthy, starting, rolling, scaling, degraded, blocked, failed, stopping, stopped, unlisted;
    /// of a batch service also running and completed.
    pub(crate) state: String,
    /// Tasks that shall run.
    pub(crate) issued: u32,
    /// Tasks that shall run and do their work.
    pub(crate) healthy: u32,
    /// Tasks that shall run, were brought up, and do not do their work.
    #[serde(default)]
    pub(crate) ailing: u32,
    /// Tasks that shall stop and are not gone yet.
    pub(crate) stopping: u32,
    /// Tasks by version.
    pub(crate) versions: Vec<VersionCount>,
    /// The rollout of `version`: `running`, `done` or `failed`; none while no scheduler has taken it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rollout: Option<String>,
    /// The last version that was healthy in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stable: Option<u32>,
    /// Why the rollout failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// How many tasks cannot be placed.
    #[serde(default)]
    pub(crate) missing: u32,
    /// Why they cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) blocked: Option<String>,
}

/// The tasks of one version of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct VersionCount {
    pub(crate) version: u32,
    /// Tasks that shall run.
    pub(crate) issued: u32,
    /// Those that do their work.
    pub(crate) healthy: u32,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TaskView {
    pub(crate) id: String,
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) version: u32,
    pub(crate) instance: u32,
    pub(crate) generation: u64,
    pub(crate) host: String,
    /// Where it is reached, where it has a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// One word: issued, pending, starting, running, healthy, unhealthy, failed, dead, stopping, gone, silent.
    pub(crate) state: String,
    /// `run` or `stop`.
    pub(crate) desired: String,
    /// Which start of this placement, from 0.
    pub(crate) attempt: u32,
    /// Memory reserved, MiB.
    pub(crate) memory: u64,
    /// Memory used, MiB, where its agent measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_used: Option<u64>,
    /// Processor share reserved, 1024 a core.
    pub(crate) cpu_units: u64,
    /// Processor use, 1024 a core, where its agent measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_used: Option<u64>,
    /// Why it is here, or why it shall stop: the scheduler's words.
    pub(crate) why: String,
    /// Why it is not running or not healthy: its agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostView {
    pub(crate) name: String,
    /// One word: ready, draining, drained, unfit, silent, unregistered.
    pub(crate) state: String,
    /// Why it gets no new tasks, where it gets none, or none of one kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    pub(crate) address: String,
    /// Tasks on it that shall run, and those that still have to stop.
    pub(crate) tasks: u32,
    /// MiB for tasks.
    pub(crate) memory: u64,
    /// MiB held by tasks.
    pub(crate) memory_held: u64,
    /// MiB in use on the machine, where measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_used: Option<u64>,
    /// Processor share for tasks, 1024 a core.
    pub(crate) cpu_units: u64,
    /// Processor share held by tasks.
    pub(crate) cpu_held: u64,
    /// Processor use of the machine, 1024 a core, where measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_used: Option<u64>,
    /// Ports to choose from, `first-last`.
    pub(crate) ports: String,
    /// Ports held by tasks.
    pub(crate) ports_held: u32,
    /// MiB of disk for tasks, where it says how much, and held by tasks.
    #[serde(default)]
    pub(crate) disk: u64,
    #[serde(default)]
    pub(crate) disk_held: u64,
    /// Whatever else it counts, or tasks hold of it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) resources: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) resources_held: BTreeMap<String, u64>,
    pub(crate) executors: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) agent_version: String,
    /// Address of its agent's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api: Option<String>,
}

/// Why something is where it is, or why it waits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Explanation {
    /// What was asked about.
    pub(crate) about: String,
    /// What is true of it now, most important first.
    pub(crate) facts: Vec<String>,
    /// Each host and what it means for this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hosts: Vec<HostReason>,
    /// What would let a task that fits nowhere be placed, each by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) remedies: Vec<String>,
    /// What would change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// What a host means for something to be placed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostReason {
    pub(crate) host: String,
    /// Whether another task could go there now.
    pub(crate) fits: bool,
    /// In words.
    pub(crate) why: String,
    /// Everything that forbids it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) obstacles: Vec<Stands>,
    /// The figures by which it is compared, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) terms: Vec<Figure>,
    /// What it says to the offer of one more task, where hosts are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bid: Option<String>,
}

/// Something that stands against a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stands {
    /// The same for all hosts against which the same stands.
    pub(crate) kind: String,
    /// With this host's own figures.
    pub(crate) why: String,
}

/// A figure by which hosts are compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// The figure, in words.
    pub(crate) value: String,
}

/// What was changed in the configuration, or would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// Object by object, in the order of writing.
    pub(crate) changes: Vec<ObjectChange>,
    /// The services that the configuration names.
    pub(crate) services: Vec<String>,
    /// Worth knowing, though nothing is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

/// What was done to one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObjectChange {
    /// Its key without `config/`: `services/web`.
    pub(crate) object: String,
    /// `created`, `changed`, `unchanged` or `deleted`.
    pub(crate) change: String,
    /// Fields that differ, `desired: 4 → 6`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<String>,
}

impl fmt::Display for ObjectChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.change.as_str() {
            "created" => '+',
            "changed" => '~',
            "deleted" => '-',
            _ => ' ',
        };
        write!(f, "{mark} {} {}", self.object, self.change)?;
        if self.fields.is_empty() { Ok(()) } else { write!(f, "  ({})", self.fields.join(", ")) }
    }
}

/// What an apply would do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// To the configuration.
    pub(crate) applied: Applied,
    /// To the tasks, in order.
    pub(crate) steps: Vec<String>,
    /// What it comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<String>,
    /// Why it would not be done in full.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) blocked: Vec<String>,
}

#[cfg(test)]
mod tests;
