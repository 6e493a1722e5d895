//! Why a task may not be placed on a host, as data and in words.

use super::amount::Amount;
use crate::machine::Span;
use crate::model::{Name, Rule};
use alloc::format;
use alloc::string::String;
use core::fmt;

/// Why a task may not be placed on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Others speak of it, but it has not said what it has.
    Unregistered,
    /// No sign of life for so long.
    Silent(Span),
    /// Given up.
    Lost,
    /// Being drained.
    Draining,
    /// Its agent says it cannot start tasks.
    Unfit(String),
    /// Its agent says that one of its executors cannot.
    UnfitFor {
        /// The executor.
        executor: &'static str,
        /// Why.
        why: String,
    },
    /// Its memory is nearly used up, whatever was reserved.
    Pressed {
        /// MiB.
        used: u64,
        /// MiB.
        total: u64,
    },
    /// It lacks an executor.
    NoExecutor(&'static str),
    /// Its policy refuses a container: which, and why.
    Policy(String),
    /// It is not what the service requires.
    Rule {
        /// What is required.
        rule: Rule,
        /// What it is.
        is: Option<String>,
    },
    /// A service that it must be near to is not there.
    NotNear {
        /// The service.
        service: Name,
        /// The label whose value would have to be the same.
        same: String,
    },
    /// A service that it must keep away from is there.
    NotApart {
        /// The service.
        service: Name,
        /// The label whose value is the same.
        same: String,
    },
    /// As many of the service as may be together are there.
    Limit {
        /// The label whose value hosts share that count as one place.
        same: String,
        /// How many are there.
        tasks: u32,
    },
    /// Not enough memory is free.
    Memory {
        /// MiB.
        needed: u64,
        /// MiB.
        free: u64,
    },
    /// Not enough processor share is free.
    Cpu {
        /// 1024 a core.
        needed: u64,
        /// 1024 a core.
        free: u64,
    },
    /// Not enough disk is free.
    Disk {
        /// MiB.
        needed: u64,
        /// MiB.
        free: u64,
    },
    /// Not enough of something that hosts count is free.
    Resource {
        /// What.
        name: Name,
        /// How many.
        needed: u64,
        /// How many.
        free: u64,
    },
    /// The fixed port is taken or reserved.
    Port(u16),
    /// No port of its range is free.
    NoPort,
    /// What it has given away cannot be written down.
    Ledger(&'static str),
    /// Room is being made there for this service, which is more important.
    Promised(Name),
    /// The service failed there, and is tried there again only then; with 0, only when nothing else fits.
    Avoided {
        /// From now.
        again_in: Span,
        /// How often.
        times: u32,
        /// How it failed last.
        why: String,
    },
}

impl Obstacle {
    /// Gives of what there is too little, and how much is free.
    #[must_use]
    pub(crate) fn amount(&self) -> Option<(Amount, u64)> {
        match self {
            Obstacle::Memory { free, .. } => Some((Amount::Memory, *free)),
            Obstacle::Cpu { free, .. } => Some((Amount::CpuUnits, *free)),
            Obstacle::Disk { free, .. } => Some((Amount::Disk, *free)),
            Obstacle::Resource { name, free, .. } => Some((Amount::Resource(name.clone()), *free)),
            Obstacle::Unregistered
            | Obstacle::Silent(_)
            | Obstacle::Lost
            | Obstacle::Draining
            | Obstacle::Unfit(_)
            | Obstacle::UnfitFor { .. }
            | Obstacle::Pressed { .. }
            | Obstacle::NoExecutor(_)
            | Obstacle::Policy(_)
            | Obstacle::Rule { .. }
            | Obstacle::NotNear { .. }
            | Obstacle::NotApart { .. }
            | Obstacle::Limit { .. }
            | Obstacle::Port(_)
            | Obstacle::NoPort
            | Obstacle::Ledger(_)
            | Obstacle::Promised(_)
            | Obstacle::Avoided { .. } => None,
        }
    }

    /// Tells whether it is what the host is, rather than what it holds or how it fares.
    pub(crate) fn is_of_kind(&self) -> bool {
        matches!(
            self,
            Obstacle::Rule { .. } | Obstacle::NoExecutor(_) | Obstacle::Policy(_) | Obstacle::Unregistered
        )
    }

    /// Names the kind, so that hosts can be counted by it.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Obstacle::Unregistered => "not registered".into(),
            Obstacle::Silent(_) => "not heard of".into(),
            Obstacle::Lost => "lost".into(),
            Obstacle::Draining => "draining".into(),
            Obstacle::Unfit(_) => "unfit".into(),
            Obstacle::UnfitFor { executor, .. } => format!("unfit for {executor}"),
            Obstacle::Pressed { .. } => "out of memory".into(),
            Obstacle::NoExecutor(kind) => format!("without {kind} executor"),
            Obstacle::Policy(_) => "whose policy refuses it".into(),
            Obstacle::Rule { rule, .. } => format!("without {rule}"),
            Obstacle::NotNear { service, same } => format!("not near {service} ({same})"),
            Obstacle::NotApart { service, same } => format!("not apart from {service} ({same})"),
            Obstacle::Limit { same, tasks } => format!("with {tasks} of the service in the same {same}"),
            Obstacle::Memory { needed, .. } => format!("without {needed} MiB of free memory"),
            Obstacle::Cpu { needed, .. } => format!("without {needed} free cpu units"),
            Obstacle::Disk { needed, .. } => format!("without {needed} MiB of free disk"),
            Obstacle::Resource { name, needed, .. } => format!("without {needed} free {name}"),
            Obstacle::Port(port) => format!("with port {port} taken"),
            Obstacle::NoPort => "without a free port".into(),
            Obstacle::Ledger(why) => format!("whose ledger {why}"),
            Obstacle::Promised(service) => format!("whose room is made for {service}"),
            Obstacle::Avoided { why, .. } => format!("avoided since it failed there ({why})"),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Unregistered => f.write_str("has not registered"),
            Obstacle::Silent(span) => write!(f, "not heard of for {span}"),
            Obstacle::Lost => f.write_str("lost"),
            Obstacle::Draining => f.write_str("draining"),
            Obstacle::Unfit(why) => write!(f, "unfit: {why}"),
            Obstacle::UnfitFor { executor, why } => write!(f, "unfit for {executor}: {why}"),
            Obstacle::Pressed { used, total } => write!(f, "out of memory: {used} of {total} MiB in use"),
            Obstacle::NoExecutor(kind) => write!(f, "has no {kind} executor"),
            Obstacle::Policy(why) => write!(f, "its policy refuses {why}"),
            Obstacle::Rule { rule, is: Some(is) } => write!(f, "needs {rule}, has {}={is}", rule.label),
            Obstacle::Rule { rule, is: None } => write!(f, "needs {rule}, has no label {}", rule.label),
            Obstacle::NotNear { service, same } => write!(f, "no task of {service} in its {same}"),
            Obstacle::NotApart { service, same } => write!(f, "a task of {service} is in its {same}"),
            Obstacle::Limit { same, tasks } => {
                write!(f, "{tasks} of the service in its {same}, which is the limit")
            }
            Obstacle::Memory { needed, free } => write!(f, "needs {needed} MiB of memory, {free} MiB free"),
            Obstacle::Cpu { needed, free } => write!(f, "needs {needed} cpu units, {free} free"),
            Obstacle::Disk { needed, free } => write!(f, "needs {needed} MiB of disk, {free} MiB free"),
            Obstacle::Resource { name, needed, free } => write!(f, "needs {needed} {name}, {free} free"),
            Obstacle::Port(port) => write!(f, "port {port} is taken"),
            Obstacle::NoPort => f.write_str("no port of its range is free"),
            Obstacle::Ledger(why) => write!(f, "its ledger {why}"),
            Obstacle::Promised(service) => {
                write!(f, "room is being made there for {service}, which is more important")
            }
            Obstacle::Avoided { again_in: Span(0), times, why } => {
                write!(f, "failed there {times} times, tried again when nothing else fits: {why}")
            }
            Obstacle::Avoided { again_in, times, why } => {
                write!(f, "failed there {times} times, tried again in {again_in}: {why}")
            }
        }
    }
}
