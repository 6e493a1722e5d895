//! What stands in the store, read by the checkers in their own way: field names and shapes are written down here a second
//! time on purpose, so that a mistake in the core's own reading cannot hide itself.

use super::text::Pattern;
use callboard_core::machine::Span;
use callboard_core::model::Name;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::fmt;

/// A name.
pub(crate) type Text = Name;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct TaskRecord {
    pub(crate) id: Text,
    pub(crate) cluster: Text,
    pub(crate) service: Text,
    pub(crate) task_name: Text,
    pub(crate) version: u32,
    pub(crate) instance: u32,
    pub(crate) generation: u64,
    pub(crate) host: Text,
    #[serde(default)]
    pub(crate) port: Option<u16>,
    #[serde(default)]
    pub(crate) memory: u64,
    #[serde(default)]
    pub(crate) cpu_units: u64,
    #[serde(default)]
    pub(crate) disk: u64,
    #[serde(default)]
    pub(crate) resources: BTreeMap<Text, u64>,
    #[serde(default)]
    pub(crate) ports: BTreeMap<Text, PortRecord>,
    pub(crate) desired: Want,
    /// It shall run to its end once.
    #[serde(default)]
    pub(crate) once: Option<OnceRecord>,
    #[serde(default)]
    pub(crate) makes_room_for: Option<Text>,
    #[serde(default)]
    pub(crate) reason: String,
    pub(crate) tenure: u64,
}

/// A try of a batch service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct OnceRecord {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Want {
    Run,
    Stop,
}

impl TaskRecord {
    pub(crate) fn runs(&self) -> bool {
        self.desired == Want::Run
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct StatusRecord {
    pub(crate) generation: u64,
    pub(crate) attempt: u32,
    #[serde(default)]
    pub(crate) blamed: u32,
    #[serde(default)]
    pub(crate) left: bool,
    pub(crate) phase: Step,
    pub(crate) health: Condition,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Pending,
    Starting,
    Running,
    Stopping,
    Dead,
    Failed,
    Completed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Condition {
    Unknown,
    Healthy,
    Unhealthy,
}

impl StatusRecord {
    /// Says that nothing of the task is left.
    pub(crate) fn is_over(&self) -> bool {
        self.phase >= Step::Dead
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.phase == Step::Running && self.health == Condition::Healthy
    }

    pub(crate) fn is_unhealthy(&self) -> bool {
        self.health == Condition::Unhealthy
    }

    /// Says that its agent has given up on it.
    pub(crate) fn has_failed(&self) -> bool {
        self.phase == Step::Failed
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ServiceRecord {
    pub(crate) name: Text,
    pub(crate) task_name: Text,
    pub(crate) task_version: u32,
    #[serde(default)]
    pub(crate) kind: KindRecord,
    #[serde(default)]
    pub(crate) completions: Option<u32>,
    #[serde(default)]
    pub(crate) parallelism: Option<u32>,
    #[serde(default)]
    pub(crate) retries: Option<u32>,
    pub(crate) desired: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
    #[serde(default)]
    pub(crate) max_parallel: Option<u32>,
    #[serde(default)]
    pub(crate) min_healthy_time: Option<Span>,
    #[serde(default)]
    pub(crate) exclusive: bool,
    #[serde(default)]
    pub(crate) preempt: bool,
    #[serde(default)]
    pub(crate) placement: PlacementRecord,
    #[serde(default)]
    pub(crate) stopped: bool,
    #[serde(default)]
    pub(crate) moves: Vec<PlacedRecord>,
}

/// A placement that users asked to move.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct PlacedRecord {
    pub(crate) id: Text,
    pub(crate) generation: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KindRecord {
    #[default]
    Service,
    System,
    Batch,
}

/// A further port, as a definition asks for it; without a number one is chosen.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct AskedPortRecord {
    pub(crate) name: Text,
    #[serde(default)]
    pub(crate) port: Option<u16>,
}

/// What a service says of its hosts, as far as it forbids any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct PlacementRecord {
    pub(crate) require: Vec<RuleRecord>,
    pub(crate) near: Vec<NeighborRecord>,
    pub(crate) apart: Vec<NeighborRecord>,
    pub(crate) limit: Vec<LimitRecord>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct RuleRecord {
    pub(crate) label: String,
    pub(crate) equals: Option<String>,
    pub(crate) not_equals: Option<String>,
    #[serde(rename = "in")]
    pub(crate) any_of: Option<Vec<String>>,
    #[serde(rename = "not_in")]
    pub(crate) none_of: Option<Vec<String>>,
    pub(crate) exists: Option<bool>,
    pub(crate) version: Option<String>,
    pub(crate) number: Option<String>,
    pub(crate) matches: Option<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct NeighborRecord {
    pub(crate) service: Text,
    #[serde(default = "host")]
    pub(crate) same: String,
    #[serde(default)]
    pub(crate) weight: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct LimitRecord {
    #[serde(default = "host")]
    pub(crate) same: String,
    pub(crate) tasks: usize,
}

fn host() -> String {
    "host".into()
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct PortRecord {
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) protocol: String,
}

impl ServiceRecord {
    /// Says that it has one task on each host that qualifies.
    pub(crate) fn is_system(&self) -> bool {
        self.kind == KindRecord::System
    }

    /// Says that its tasks run to their end.
    pub(crate) fn is_batch(&self) -> bool {
        self.kind == KindRecord::Batch
    }

    /// How many of its tasks may run at once, of a batch service.
    pub(crate) fn parallelism(&self) -> u32 {
        if self.is_batch() { self.parallelism.unwrap_or(1) } else { 0 }
    }

    /// How many tasks shall run, as far as the record itself says.
    pub(crate) fn target(&self) -> u32 {
        if self.stopped { 0 } else { self.desired }
    }

    pub(crate) fn floor(&self) -> u32 {
        if self.stopped { 0 } else { self.min }
    }

    /// How long a task of a new version must have done its work before the next may come.
    pub(crate) fn proof(&self) -> Span {
        self.min_healthy_time.unwrap_or(Span::secs(10))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ServiceStateRecord {
    pub(crate) cluster: Text,
    #[serde(default)]
    pub(crate) available: u32,
    #[serde(default)]
    pub(crate) min: u32,
    #[serde(default)]
    pub(crate) completed: u32,
    #[serde(default)]
    pub(crate) failures: u32,
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) stable: Option<u32>,
    #[serde(default)]
    pub(crate) blamed: Vec<BlameRecord>,
    pub(crate) rollout: RolloutRecord,
}

impl ServiceStateRecord {
    /// Says that too many starts of a version took something down: of the wanted one, or of that to which it falls back.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.blamed.iter().any(|blame| self.condemns(blame.version))
    }

    /// Says that no version is left to fall back on: the first one was given up, or starts took too much down.
    pub(crate) fn has_no_version_left(&self) -> bool {
        let is_failed = matches!(self.rollout, RolloutRecord::Failed { .. });
        is_failed && self.stable.is_none() || self.is_quarantined()
    }

    /// Says that too many starts of this version took something down.
    pub(crate) fn condemns(&self, version: u32) -> bool {
        let blamed = self.blamed.iter().filter(|blame| blame.version == version);
        blamed.map(|blame| blame.times).sum::<u32>() >= 2
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct BlameRecord {
    pub(crate) host: Text,
    pub(crate) version: u32,
    pub(crate) times: u32,
    #[serde(default)]
    pub(crate) lost: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum RolloutRecord {
    Running,
    Done,
    Failed { reason: String },
}

impl fmt::Display for RolloutRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RolloutRecord::Running => f.write_str("under way"),
            RolloutRecord::Done => f.write_str("done"),
            RolloutRecord::Failed { reason } => write!(f, "given up: {reason}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ClusterRecord {
    pub(crate) name: Text,
    #[serde(default)]
    pub(crate) services: Vec<Text>,
    #[serde(default)]
    pub(crate) host_grace: Option<Span>,
    #[serde(default)]
    pub(crate) placement: String,
}

impl ClusterRecord {
    /// How long a host may be silent before its tasks are replaced.
    pub(crate) fn grace(&self) -> Span {
        self.host_grace.unwrap_or(Span::secs(30))
    }

    /// Says that its hosts bid for tasks.
    pub(crate) fn bids(&self) -> bool {
        self.placement == "bid"
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DefinitionRecord {
    #[serde(default)]
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) provide_port: bool,
    #[serde(default)]
    pub(crate) memory: u64,
    #[serde(default)]
    pub(crate) memory_limit: Option<u64>,
    #[serde(default)]
    pub(crate) cpu_units: u64,
    #[serde(default)]
    pub(crate) cpu_limit: u64,
    #[serde(default)]
    pub(crate) disk: u64,
    #[serde(default)]
    pub(crate) resources: BTreeMap<Text, u64>,
    /// Its further ports.
    #[serde(default)]
    pub(crate) ports: Vec<AskedPortRecord>,
    #[serde(default = "middling")]
    pub(crate) priority: u8,
    #[serde(default)]
    pub(crate) containers: Vec<ContainerRecord>,
    /// What tells whether a task does its work; without any, all that runs does.
    #[serde(default)]
    pub(crate) checks: Vec<IgnoredAny>,
}

fn middling() -> u8 {
    50
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ContainerRecord {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) executor: ExecutorRecord,
}

/// What is run, as far as a policy speaks of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ExecutorRecord {
    pub(crate) image: String,
    pub(crate) flags: Vec<String>,
    pub(crate) volumes: Vec<String>,
    pub(crate) artifact: Option<String>,
}

/// What tasks may do on a host, as far as a container can tell by what it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct PolicyRecord {
    pub(crate) docker: Option<DockerRules>,
    pub(crate) bash: Option<BashRules>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct BashRules {
    pub(crate) artifacts: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct VolumeRule {
    pub(crate) path: String,
    pub(crate) read_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct DockerRules {
    pub(crate) images: Option<Vec<String>>,
    pub(crate) volumes: Vec<VolumeRule>,
    pub(crate) networks: Option<Vec<String>>,
    pub(crate) host_network: bool,
    pub(crate) capabilities: Vec<String>,
    pub(crate) users: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct HostConfigRecord {
    #[serde(default)]
    pub(crate) draining: bool,
    #[serde(default)]
    pub(crate) reserved_ports: Vec<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct RegistrationRecord {
    pub(crate) memory: u64,
    pub(crate) cpu_units: u64,
    pub(crate) ports: Ports,
    pub(crate) executors: Vec<String>,
    #[serde(default)]
    pub(crate) policy: PolicyRecord,
    #[serde(default)]
    pub(crate) disk: u64,
    #[serde(default)]
    pub(crate) resources: BTreeMap<Text, u64>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct UsageRecord {
    pub(crate) memory_total: u64,
    pub(crate) memory_used: u64,
    #[serde(default)]
    pub(crate) unfit: Option<String>,
    /// Executors that can start nothing, each with why.
    #[serde(default)]
    pub(crate) unfit_for: BTreeMap<String, String>,
}

impl UsageRecord {
    /// Says that a task of this definition may come.
    pub(crate) fn welcomes(&self, definition: &DefinitionRecord) -> bool {
        let is_fit = |container: &ContainerRecord| !self.unfit_for.contains_key(&container.kind);
        self.unfit.is_none()
            && self.memory_used * 100 < self.memory_total * 90
            && definition.containers.iter().all(is_fit)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Ports {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct LedgerRecord {
    #[serde(default)]
    pub(crate) clusters: BTreeMap<Text, ClaimRecord>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct ClaimRecord {
    #[serde(default)]
    pub(crate) memory: u64,
    #[serde(default)]
    pub(crate) cpu_units: u64,
    #[serde(default)]
    pub(crate) disk: u64,
    #[serde(default)]
    pub(crate) resources: BTreeMap<Text, u64>,
    #[serde(default)]
    pub(crate) ports: Vec<u16>,
    #[serde(default)]
    pub(crate) udp_ports: Vec<u16>,
}

/// One key, taken apart in the checkers' own way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Task(Text),
    Twin {
        host: Text,
        id: Text,
    },
    Status {
        host: Text,
        id: Text,
    },
    /// What an agent says of a task that the store has no record of.
    Orphan {
        host: Text,
        id: Text,
    },
    Ledger(Text),
    ServiceState(Text),
    Lock(Text),
    Cluster(Text),
    Service(Text),
    Definition(Text, u32),
    HostConfig(Text),
    Registration(Text),
    Alive(Text),
    Usage(Text),
    /// Anything else, with its first part.
    Other,
}

impl Place {
    pub(crate) fn of(key: &str) -> Place {
        let parts: Vec<&str> = key.split('/').collect();
        match parts.as_slice() {
            ["state", "tasks", "_", id] => Place::Task((*id).into()),
            ["state", "tasks", host, id] => Place::Twin { host: (*host).into(), id: (*id).into() },
            ["status", host, id] => Place::Status { host: (*host).into(), id: (*id).into() },
            ["state", "ledger", host] => Place::Ledger((*host).into()),
            ["state", "services", service] => Place::ServiceState((*service).into()),
            ["schedulers", cluster] => Place::Lock((*cluster).into()),
            ["config", "clusters", name] => Place::Cluster((*name).into()),
            ["config", "services", name] => Place::Service((*name).into()),
            ["config", "task_definitions", name, version] => {
                version.parse().map_or(Place::Other, |version| Place::Definition((*name).into(), version))
            }
            ["config", "hosts", name] => Place::HostConfig((*name).into()),
            ["hosts", host, "orphans", id] => Place::Orphan { host: (*host).into(), id: (*id).into() },
            ["hosts", host, "registration"] => Place::Registration((*host).into()),
            ["hosts", host, "alive"] => Place::Alive((*host).into()),
            ["hosts", host, "usage"] => Place::Usage((*host).into()),
            _ => Place::Other,
        }
    }

    /// Gives the host whose agent alone writes here, as far as that outlives the agent.
    pub(crate) fn speaker(&self) -> Option<&Text> {
        if let Place::Status { host, .. } | Place::Registration(host) = self { Some(host) } else { None }
    }

    /// Gives the service that it speaks of as a whole.
    pub(crate) fn service(&self) -> Option<&Text> {
        if let Place::Service(name) | Place::ServiceState(name) = self { Some(name) } else { None }
    }

    /// Tells whether it is a task, under its id.
    pub(crate) fn is_task(&self) -> bool {
        matches!(self, Place::Task(_))
    }
}
