//! A cluster: a group of services that one scheduler looks after, under one lock.

use super::{Name, is_default};
use crate::machine::Span;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A logical grouping of services. Source: users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Unique among clusters.
    pub name: Name,
    /// The name of the scheduler that looks after it; `default` is Callboard's own.
    #[serde(default = "default_scheduler")]
    pub scheduler: Name,
    /// Services that this cluster runs. A service belongs to one cluster at most.
    #[serde(default)]
    pub services: Vec<Name>,
    /// How hosts are chosen.
    #[serde(default)]
    pub policy: Policy,
    /// Who has the last word on which host is the best.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placement: Choice,
    /// How long a host may be silent before its tasks are replaced.
    #[serde(default = "default_host_grace")]
    pub host_grace: Span,
}

/// Who has the last word on which of the hosts on which a task may run is the best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The scheduler, by the order of placement.
    #[default]
    Best,
    /// The hosts that are best in that order: each is offered the task and bids for it, and the highest bid has it.
    Bid,
}

/// How the best host is chosen among those on which a task may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The host with the fewest tasks of the service, then the least loaded. A host's load is the larger of its shares of
    /// memory and of processor that are reserved, in permille; of two with the same load the one with fewer tasks of any
    /// service is taken.
    #[default]
    Spread,
    /// The most loaded host that still has room; of two with the same load the one with more tasks.
    Binpack,
    /// One host after the other by name, beginning after the one on which the service was placed last.
    RoundRobin,
    /// The host to which the task adds the least cost, then the least loaded. What a host costs is the sum of two
    /// weights, of its reserved shares of memory and of processor; a weight doubles with every eighth of the host.
    EPvm,
}

/// The scheduler name that Callboard's own scheduler answers to unless told otherwise.
pub const DEFAULT_SCHEDULER: &str = "default";

pub(crate) fn default_scheduler() -> Name {
    DEFAULT_SCHEDULER.into()
}

/// How long a host may be silent before its tasks are replaced, unless a cluster says otherwise.
pub const HOST_GRACE_DEFAULT: Span = Span::secs(30);

pub(crate) const fn default_host_grace() -> Span {
    HOST_GRACE_DEFAULT
}
