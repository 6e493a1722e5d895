//! A task: a task definition tied to a host, as issued by the scheduler and as reported by the agent.

use super::{Generation, Name, Version, is_default};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A placed task. Source: the lock holder of its cluster; written under both of its keys at once.
///
/// Host, version, port and claim never change within a generation; only `desired` does, from run to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// `<cluster>-<service>-<version>-<instance>`; never parsed.
    pub id: Name,
    /// Its cluster.
    pub cluster: Name,
    /// Its service.
    pub service: Name,
    /// Its task definition.
    pub task_name: Name,
    /// The version of that.
    pub version: Version,
    /// Which of the service's tasks of this version.
    pub instance: u32,
    /// Which placement of this id.
    pub generation: Generation,
    /// Where it runs.
    pub host: Name,
    /// Its provided or fixed port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Memory reserved, MiB.
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: u64,
    /// Processor share reserved.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_units: u64,
    /// What the agent shall do with it.
    pub desired: Desired,
    /// Why it is here, or why it shall stop, in words.
    pub reason: String,
    /// The tenure under which it was last written; an agent refuses one older than it has seen.
    pub tenure: u64,
}

/// What an agent shall do with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// Run it.
    Run,
    /// Stop it for good.
    Stop,
}

/// What really became of a task. Source: the agent of its host, by compare-and-set on its own last word.
///
/// Within a generation `(attempt, phase)` only grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The task.
    pub id: Name,
    /// The placement it speaks of.
    pub generation: Generation,
    /// Which start of that, from 0.
    pub attempt: u32,
    /// How many starts in a row came to nothing; outlives the agent, so that restarting it gives nobody new patience.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures: u32,
    /// How many lives of the agent ended while it was starting this placement.
    #[serde(default, skip_serializing_if = "is_default")]
    pub blamed: u32,
    /// How far that start got.
    pub phase: Phase,
    /// Whether it does its work.
    pub health: Health,
    /// Why it is not running or not healthy, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far a start of a task got, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Accepted; waits for its turn or for its back-off.
    Pending,
    /// Being set up.
    Starting,
    /// Its processes exist.
    Running,
    /// Was asked to end.
    Stopping,
    /// Nothing of it is left; it was stopped on order.
    Dead,
    /// Nothing of it is left; the agent has given up on it.
    Failed,
}

impl Phase {
    /// Tells whether nothing of the task can be left on its host.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Phase::Dead | Phase::Failed)
    }
}

/// Whether a task does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not known yet.
    Unknown,
    /// All checks pass.
    Healthy,
    /// A check fails.
    Unhealthy,
}

/// What one cluster holds of one host: the sum over all its tasks there that are not confirmed dead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// MiB.
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: u64,
    /// 1024 a core.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_units: u64,
    /// Ascending.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: Vec<u16>,
}

/// What all clusters hold of one host. Each cluster's scheduler writes only its own line, by compare-and-set in the same
/// transaction as the task records it follows from, so two lock holders cannot give the same room away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By cluster; a cluster that holds nothing has no line.
    pub clusters: BTreeMap<Name, Claim>,
}
