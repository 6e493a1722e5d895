//! A task: a task definition tied to a host, as issued by the scheduler and as reported by the agent.

use super::{Generation, Name, Try, Version, is_default};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A placed task. Source: the lock holder of its cluster; written under both of its keys at once.
///
/// Host, version, port and claim never change within a generation; only `desired` does, and what is said of that: from run
/// to stop, and back only while its agent keeps what works, because too few others do.
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
    /// Its further ports, by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: BTreeMap<Name, TaskPort>,
    /// Disk reserved, MiB.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disk: u64,
    /// Whatever else hosts count, reserved there, by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: BTreeMap<Name, u64>,
    /// It shall run to its end once, and not be started again when it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<Try>,
    /// What the agent shall do with it.
    pub desired: Desired,
    /// The more important service for which it shall stop. Until nothing of it is left, its host is kept from what is less
    /// important than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub makes_room_for: Option<Name>,
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
    /// The agent ended in order before this start did its work, which is not to be blamed for what follows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left: bool,
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
    /// Nothing of it is left; it was to run to its end, and ended by itself with exit code 0.
    Completed,
}

impl Phase {
    /// Tells whether nothing of the task can be left on its host.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Phase::Dead | Phase::Failed | Phase::Completed)
    }
}

/// Whether a task does its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not known yet.
    #[default]
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
    /// MiB.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disk: u64,
    /// Whatever else hosts count, by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: BTreeMap<Name, u64>,
    /// Ports of TCP, ascending.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: Vec<u16>,
    /// Ports of UDP, ascending.
    #[serde(default, skip_serializing_if = "is_default")]
    pub udp_ports: Vec<u16>,
}

impl Claim {
    /// Gives what a task holds of its host.
    #[must_use]
    pub fn of(task: &Task) -> Claim {
        let mut claim = Claim {
            memory: task.memory,
            cpu_units: task.cpu_units,
            disk: task.disk,
            resources: task.resources.clone(),
            ports: task.port.into_iter().collect(),
            udp_ports: Vec::new(),
        };
        for port in task.ports.values() {
            claim.ports_of(port.protocol).push(port.port);
        }
        claim.ports.sort_unstable();
        claim.udp_ports.sort_unstable();
        claim
    }

    /// Gives the ports of a protocol.
    pub fn ports_of(&mut self, protocol: Protocol) -> &mut Vec<u16> {
        match protocol {
            Protocol::Tcp => &mut self.ports,
            Protocol::Udp => &mut self.udp_ports,
        }
    }

    /// Adds another claim.
    pub(crate) fn add(&mut self, other: &Claim) {
        self.memory = self.memory.saturating_add(other.memory);
        self.cpu_units = self.cpu_units.saturating_add(other.cpu_units);
        self.disk = self.disk.saturating_add(other.disk);
        for (name, count) in &other.resources {
            let sum = self.resources.entry(name.clone()).or_insert(0);
            *sum = sum.saturating_add(*count);
        }
        for (ports, more) in [(&mut self.ports, &other.ports), (&mut self.udp_ports, &other.udp_ports)] {
            ports.extend(more);
            ports.sort_unstable();
            ports.dedup();
        }
    }

    /// Takes another claim away, but nothing of what the rest holds.
    pub(crate) fn give_back(&mut self, gone: &Claim, rest: &Claim) {
        self.memory = self.memory.saturating_sub(gone.memory).max(rest.memory);
        self.cpu_units = self.cpu_units.saturating_sub(gone.cpu_units).max(rest.cpu_units);
        self.disk = self.disk.saturating_sub(gone.disk).max(rest.disk);
        for (name, count) in &gone.resources {
            let left = self.resources.get(name).copied().unwrap_or(0).saturating_sub(*count);
            let left = left.max(rest.resources.get(name).copied().unwrap_or(0));
            self.resources.insert(name.clone(), left);
        }
        self.resources.retain(|_, count| *count > 0);
        self.ports.retain(|port| !gone.ports.contains(port) || rest.ports.contains(port));
        self.udp_ports.retain(|port| !gone.udp_ports.contains(port) || rest.udp_ports.contains(port));
    }
}

/// A port that a task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPort {
    /// The port.
    pub port: u16,
    /// Of which protocol.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: Protocol,
}

/// A protocol that has ports of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// What all clusters hold of one host. Each cluster's scheduler writes only its own line, by compare-and-set in the same
/// transaction as the task records it follows from, so two lock holders cannot give the same room away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By cluster; a cluster that holds nothing has no line.
    pub clusters: BTreeMap<Name, Claim>,
}
