//! The objects that live in the store: what users wrote (desired state), what the scheduler issued, and what agents
//! report. Field names are those of the configuration files; values are JSON.
//!
//! **Invariant:** a value of these types that came through [`crate::config`] is valid by itself; whether its references
//! resolve is `crate::config::check`'s business.

mod cluster;
mod definition;
mod host;
mod kind;
mod offer;
mod placement;
mod service;
mod target;
mod task;

pub use cluster::{Choice, Cluster, DEFAULT_SCHEDULER, HOST_GRACE_DEFAULT, Policy};
pub use definition::{
    Bash, CPU_PERIOD, Check, Container, Docker, Executor, PROBE_INTERVAL_DEFAULT, PROBE_TIMEOUT_DEFAULT,
    PortSpec, Probe, Pull, RestartPolicy, TaskDefinition, port_variable,
};
pub use host::{Alive, HostConfig, MoveRequest, PortRange, Registration, Usage};
pub(crate) use kind::RETRIES_DEFAULT;
pub use kind::{Batch, Kind, KindName, Try};
pub use offer::{BID_IMAGES_MAX, BID_MEMORY_MAX, Bid, Offer};
pub use placement::{HOST_LABEL, Limit, Neighbor, Placement, Preference, Rule, Spread, Test};
pub use service::{Blame, Placed, Rollout, Service, ServiceState};
pub use task::{Claim, Desired, Health, Ledger, Phase, Protocol, Status, Task, TaskPort};

/// What tells a store from others, written once by the first scheduler that decides anything in it. Where another one is
/// found, or none, what is missing was not removed by anybody.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoreId {
    /// Any text.
    pub id: Name,
}

/// A validated name of something. Names of up to 23 bytes lie where they are used, so that to compare two of them reads
/// nothing else; longer ones are shared.
pub type Name = smol_str::SmolStr;
/// A version of a task definition, from 1.
pub type Version = u32;
/// One immutable placement of a task id. A later placement of the same id has a larger number.
pub type Generation = u64;

/// Tells whether `value` is what it would be if the user had not written it, so that records stay short.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
