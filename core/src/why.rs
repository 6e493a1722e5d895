//! Why: what was decided and for what reason, as data. The machines return these; a driver logs, counts and shows them,
//! and so does the simulator, in the same words.

use crate::machine::Span;
use crate::model::{Generation, Name, Version};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Something worth telling an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// A task was given to a host.
    Placed {
        /// The task.
        id: Name,
        /// Its placement.
        generation: Generation,
        /// Its service.
        service: Name,
        /// Where.
        host: Name,
        /// Why.
        why: String,
    },
    /// A task was ordered to stop.
    StopOrdered {
        /// The task.
        id: Name,
        /// Its service.
        service: Name,
        /// Where.
        host: Name,
        /// Why.
        why: StopReason,
    },
    /// Tasks are about to be told to stop for one that is more important and has no place.
    MakingRoom {
        /// The service that the room is for.
        service: Name,
        /// Where.
        host: Name,
        /// The tasks.
        victims: Vec<Name>,
        /// Why these, in words.
        why: String,
    },
    /// A task's end was confirmed and its record removed.
    Removed {
        /// The task.
        id: Name,
        /// Where it was.
        host: Name,
    },
    /// A rollout began.
    RolloutStarted {
        /// The service.
        service: Name,
        /// To which version.
        version: Version,
    },
    /// All tasks of a service are of the version and healthy.
    RolloutDone {
        /// The service.
        service: Name,
        /// Which version.
        version: Version,
    },
    /// As many tasks of a batch service as shall have ended with exit code 0.
    Completed {
        /// The service.
        service: Name,
        /// How many did.
        tasks: u32,
    },
    /// A version does not become healthy; no more of it is started.
    RolloutFailed {
        /// The service.
        service: Name,
        /// Which version.
        version: Version,
        /// In words.
        why: String,
    },
    /// Some tasks of a service cannot be placed.
    Blocked {
        /// The service.
        service: Name,
        /// How many.
        missing: u32,
        /// In words, hosts counted by reason.
        why: String,
    },
    /// A host's agent is not heard of any more.
    HostSuspect {
        /// The host.
        host: Name,
    },
    /// A host is given up; its tasks are replaced.
    HostLost {
        /// The host.
        host: Name,
        /// For how long it was silent.
        silent: Span,
    },
    /// A host is there (again).
    HostReady {
        /// The host.
        host: Name,
    },
    /// Hosts are lost in such numbers that their tasks are replaced slowly, or not at all.
    Braked {
        /// Silent hosts.
        silent: usize,
        /// All hosts.
        hosts: usize,
    },
    /// This scheduler now looks after a cluster.
    LockTaken {
        /// The cluster.
        cluster: Name,
        /// The tenure that began.
        tenure: u64,
    },
    /// This scheduler no longer looks after a cluster.
    LockLost {
        /// The cluster.
        cluster: Name,
    },
    /// A task started, ended, turned healthy or unhealthy.
    Task {
        /// The task.
        id: Name,
        /// In words.
        what: String,
    },
    /// A host runs out of memory, and a task was asked to move.
    MoveRequested {
        /// The task.
        id: Name,
        /// In words, with figures.
        why: String,
    },
    /// The store refuses, is away, or behaves oddly.
    Store {
        /// In words.
        what: String,
    },
    /// A record cannot be used; only what it speaks of is affected.
    BadRecord {
        /// Its key.
        key: String,
        /// What is wrong.
        why: String,
    },
}

/// Why a task was ordered to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// The service is to run fewer tasks.
    ScaleDown,
    /// The service or its cluster is gone from the configuration.
    Deleted,
    /// Another version takes its place.
    Rollout {
        /// The version.
        to: Version,
    },
    /// It did not become healthy in time.
    NotHealthy {
        /// The time it had.
        within: Span,
    },
    /// Its agent has given up on it.
    Failed {
        /// In the agent's words.
        why: String,
    },
    /// Too many starts of its version took down a host, or the agent there.
    Quarantined,
    /// The store had lost its record, and its service has enough others.
    Orphaned,
    /// Its host is lost.
    HostLost,
    /// Its host is being drained.
    Drain,
    /// Its service has tasks only on hosts that qualify, and its host no longer does.
    Unqualified {
        /// What the host lacks.
        why: String,
    },
    /// Users asked for it to move to where it lies better.
    Rebalanced,
    /// Its agent asked for it to run elsewhere.
    MoveRequested {
        /// In the agent's words.
        why: String,
    },
    /// A task of another service that has no place takes its room.
    Preempted {
        /// That service.
        by: Name,
        /// How important its task is, and how important this one.
        priorities: (u8, u8),
    },
    /// Its record is damaged or contradicts another.
    BadRecord {
        /// What is wrong.
        why: String,
    },
}

impl StopReason {
    /// Tells whether the system chose this stop, so that `min` must hold; the others concern tasks that do no work.
    #[must_use]
    pub fn is_voluntary(&self) -> bool {
        match self {
            StopReason::ScaleDown
            | StopReason::Deleted
            | StopReason::Orphaned
            | StopReason::Rollout { .. }
            | StopReason::Drain
            | StopReason::Rebalanced
            | StopReason::Unqualified { .. }
            | StopReason::Preempted { .. }
            | StopReason::MoveRequested { .. } => true,
            StopReason::NotHealthy { .. }
            | StopReason::Quarantined
            | StopReason::Failed { .. }
            | StopReason::HostLost
            | StopReason::BadRecord { .. } => false,
        }
    }
}

impl StopReason {
    /// Gives the service that gets the room of a task that stops for this reason.
    pub(crate) fn beneficiary(&self) -> Option<&Name> {
        if let StopReason::Preempted { by, .. } = self { Some(by) } else { None }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::ScaleDown => f.write_str("scaled down"),
            StopReason::Deleted => f.write_str("deleted"),
            StopReason::Rollout { to } => write!(f, "replaced by version {to}"),
            StopReason::NotHealthy { within } => write!(f, "not healthy within {within}"),
            StopReason::Failed { why } => write!(f, "failed: {why}"),
            StopReason::Quarantined => f.write_str("its version is quarantined"),
            StopReason::Orphaned => f.write_str("the store had lost its record, and others take its place"),
            StopReason::HostLost => f.write_str("its host is lost"),
            StopReason::Rebalanced => f.write_str("moved to where it lies better"),
            StopReason::Drain => f.write_str("its host is being drained"),
            StopReason::Unqualified { why } => write!(f, "its host no longer qualifies: {why}"),
            StopReason::MoveRequested { why } => write!(f, "moved: {why}"),
            StopReason::Preempted { by, priorities: (theirs, own) } => {
                write!(f, "makes room for {by}, whose priority is {theirs}, its own {own}")
            }
            StopReason::BadRecord { why } => write!(f, "its record is damaged: {why}"),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Placed { id, host, why, .. } => write!(f, "{id} placed on {host}: {why}"),
            Note::StopOrdered { id, host, why, .. } => write!(f, "{id} on {host} told to stop: {why}"),
            Note::MakingRoom { service, host, victims, why } => {
                let victims = victims.join(", ");
                write!(f, "{service}: room is made on {host}, {victims} will be told to stop: {why}")
            }
            Note::Removed { id, host } => write!(f, "{id} is gone from {host}"),
            Note::RolloutStarted { service, version } => {
                write!(f, "{service}: rolling out version {version}")
            }
            Note::RolloutDone { service, version } => {
                write!(f, "{service}: version {version} is rolled out and healthy")
            }
            Note::Completed { service, tasks } => write!(f, "{service}: finished, {tasks} tasks completed"),
            Note::RolloutFailed { service, version, why } => {
                write!(f, "{service}: version {version} is not rolled out: {why}")
            }
            Note::Blocked { service, missing, why } => write!(f, "{service}: {missing} not placed: {why}"),
            Note::HostSuspect { host } => write!(f, "{host}: no sign of life"),
            Note::HostLost { host, silent } => write!(f, "{host}: lost, silent for {silent}"),
            Note::HostReady { host } => write!(f, "{host}: ready"),
            Note::Braked { silent, hosts } => {
                write!(
                    f,
                    "{silent} of {hosts} hosts are silent at once: their tasks are replaced slowly or not at all"
                )
            }
            Note::LockTaken { cluster, tenure } => {
                write!(f, "{cluster}: this scheduler took the lock, tenure {tenure}")
            }
            Note::LockLost { cluster } => write!(f, "{cluster}: this scheduler no longer holds the lock"),
            Note::Task { id, what } => write!(f, "{id}: {what}"),
            Note::MoveRequested { id, why } => write!(f, "{id}: asked to move: {why}"),
            Note::Store { what } => write!(f, "store: {what}"),
            Note::BadRecord { key, why } => write!(f, "{key}: {why}"),
        }
    }
}
