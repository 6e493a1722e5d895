//! A service: how many tasks of which definition, and what the scheduler remembers of rolling it out.

use super::{Generation, Kind, Name, Placement, Version, is_default};
use crate::machine::Span;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A configuration for running a task definition. Source: users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Unique among services.
    pub name: Name,
    /// The task definition to run.
    pub task_name: Name,
    /// Its version; a change rolls the service.
    pub task_version: Version,
    /// What kind of service it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// How many tasks shall run. Where the kind says that, 0, and so are `min` and `max`.
    pub desired: u32,
    /// How many must stay healthy whatever the scheduler does on its own accord.
    pub min: u32,
    /// How many may be issued at any moment, those of an update included.
    pub max: u32,
    /// How many tasks of a new version may be on their way to healthy at once; default a tenth of `desired`, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// How long a task of a new version must have been healthy before an old one goes.
    #[serde(default = "default_min_healthy_time")]
    pub min_healthy_time: Span,
    /// How long a task of a new version may take to become healthy.
    #[serde(default = "default_healthy_deadline")]
    pub healthy_deadline: Span,
    /// At most one task of it lives at any moment, wherever: none comes in the place of one that may still be there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub exclusive: bool,
    /// Its tasks may take the room of less important ones where they have no place otherwise.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preempt: bool,
    /// Where its tasks may run, and where it likes them best.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placement: Placement,
    /// Set by `callboard stop`: no task shall run, `desired` is remembered for `callboard start`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stopped: bool,
    /// Grown by `callboard start`: a rollout that had failed is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: u32,
    /// Placements that shall move, as `callboard rebalance --apply` asked; those that are over mean nothing, and
    /// go when users change the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Placed>,
}

/// One placement of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The task.
    pub id: Name,
    /// Which placement of it.
    pub generation: Generation,
}

impl Service {
    /// Gives how many tasks shall run now.
    #[must_use]
    pub fn target(&self) -> u32 {
        if self.stopped { 0 } else { self.desired }
    }

    /// Gives how many healthy tasks no voluntary stop may go below now.
    #[must_use]
    pub fn floor(&self) -> u32 {
        if self.stopped { 0 } else { self.min }
    }

    /// Gives how many tasks of a new version may be on their way to healthy at once.
    #[must_use]
    pub fn parallel(&self) -> u32 {
        self.max_parallel.unwrap_or(self.desired / 10).max(1)
    }
}

pub(crate) const fn default_min_healthy_time() -> Span {
    Span::secs(10)
}

pub(crate) const fn default_healthy_deadline() -> Span {
    Span::secs(60)
}

/// What a scheduler knows of a service beyond its tasks, so that the next scheduler carries on where this one stopped;
/// also what an agent looks at before it stops a healthy task. Source: the lock holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// The service.
    pub service: Name,
    /// Its cluster.
    pub cluster: Name,
    /// How many tasks are confirmed healthy and not ordered to stop. Every permission to stop one counts it down in
    /// the same transaction.
    pub available: u32,
    /// Below how many `available` no healthy task may be stopped.
    pub min: u32,
    /// How many hosts qualify for a task of a system service.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hosts: u32,
    /// How many tasks ended with exit code 0, of a batch service. Each is counted in the transaction that removes its
    /// record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u32>,
    /// The last version that was healthy in full; refilled from when the next one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Version>,
    /// The version being rolled out, or last rolled out.
    pub version: Version,
    /// The `retry` of the service that the rollout belongs to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: u32,
    /// How far it got.
    pub rollout: Rollout,
    /// No other placement of it may have this number or a lower one. The store's own revisions say so of most; this, of
    /// those that had gone further, as where a task runs on that a store which was put back knew nothing of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub newest: Generation,
    /// How many tasks of `version` failed while it was rolled out; of a batch service, how many tries did.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures: u32,
    /// The starts of `version`, and of `stable`, that took down a host, or its agent. Too many of a version, and no more of
    /// it is started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blamed: Vec<Blame>,
}

/// A host that went down, or its agent did, while it started something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// The host.
    pub host: Name,
    /// What it started.
    #[serde(default)]
    pub version: Version,
    /// How often that happened.
    pub times: u32,
    /// The host is gone since, so that nobody there can say what it was.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
    /// The newest placement of all when it was noticed last.
    pub newest: Generation,
    /// The placement that was being started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placement: Generation,
}

/// How far a rollout got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Rollout {
    /// Tasks of the version are being brought up.
    Running,
    /// All tasks are of the version and were healthy; of a batch service, all have completed.
    Done,
    /// The version does not become healthy; nothing more is done for it until it changes or is retried.
    Failed {
        /// In words.
        reason: String,
    },
}
