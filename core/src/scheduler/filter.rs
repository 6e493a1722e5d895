//! Which hosts a task may run on, and why not on the others.

use crate::machine::{Span, Time};
use crate::model::{HostConfig, Name, TaskDefinition};
use crate::world::{Avoided, HostView, Presence, World};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
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
    /// Its memory is nearly used up, whatever was reserved.
    Pressed {
        /// MiB.
        used: u64,
        /// MiB.
        total: u64,
    },
    /// It lacks an executor.
    NoExecutor(&'static str),
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
    /// The fixed port is taken or reserved.
    Port(u16),
    /// No port of its range is free.
    NoPort,
    /// What it has given away cannot be written down.
    Ledger(&'static str),
    /// The service failed there, and is tried there again only then.
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
    /// Names the kind, so that hosts can be counted by it.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Obstacle::Unregistered => "not registered".into(),
            Obstacle::Silent(_) => "not heard of".into(),
            Obstacle::Lost => "lost".into(),
            Obstacle::Draining => "draining".into(),
            Obstacle::Unfit(_) => "unfit".into(),
            Obstacle::Pressed { .. } => "out of memory".into(),
            Obstacle::NoExecutor(kind) => format!("without {kind} executor"),
            Obstacle::Memory { needed, .. } => format!("without {needed} MiB of free memory"),
            Obstacle::Cpu { needed, .. } => format!("without {needed} free cpu units"),
            Obstacle::Port(port) => format!("with port {port} taken"),
            Obstacle::NoPort => "without a free port".into(),
            Obstacle::Ledger(why) => format!("whose ledger {why}"),
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
            Obstacle::Pressed { used, total } => write!(f, "out of memory: {used} of {total} MiB in use"),
            Obstacle::NoExecutor(kind) => write!(f, "has no {kind} executor"),
            Obstacle::Memory { needed, free } => write!(f, "needs {needed} MiB of memory, {free} MiB free"),
            Obstacle::Cpu { needed, free } => write!(f, "needs {needed} cpu units, {free} free"),
            Obstacle::Port(port) => write!(f, "port {port} is taken"),
            Obstacle::NoPort => f.write_str("no port of its range is free"),
            Obstacle::Ledger(why) => write!(f, "its ledger {why}"),
            Obstacle::Avoided { again_in, times, why } => {
                write!(f, "failed there {times} times, tried again in {again_in}: {why}")
            }
        }
    }
}

/// A task that is to be placed.
pub(crate) struct Candidate<'a> {
    pub(crate) service: &'a Name,
    pub(crate) definition: &'a TaskDefinition,
}

impl Candidate<'_> {
    /// Finds the first obstacle on a host. Cheap: it is asked for every host that a placement looks at.
    pub(crate) fn obstacle(
        &self,
        world: &World,
        now: Time,
        name: &Name,
        host: &HostView,
    ) -> Option<Obstacle> {
        host_obstacle(now, host)
            .or_else(|| self.fit_obstacle(host))
            .or_else(|| world.ledger_fault(name).map(Obstacle::Ledger))
            .or_else(|| self.avoided(world, now, name))
    }

    /// Finds all obstacles on a host, for an explanation.
    pub(crate) fn obstacles(&self, world: &World, now: Time, name: &Name, host: &HostView) -> Vec<Obstacle> {
        let mut found: Vec<Obstacle> = host_obstacle(now, host).into_iter().collect();
        if host.registration.is_some() {
            found.extend(self.executor_obstacle(host));
            found.extend(self.memory_obstacle(host));
            found.extend(self.cpu_obstacle(host));
            found.extend(self.port_obstacle(host));
        }
        found.extend(world.ledger_fault(name).map(Obstacle::Ledger));
        found.extend(self.avoided(world, now, name));
        found
    }

    fn fit_obstacle(&self, host: &HostView) -> Option<Obstacle> {
        self.memory_obstacle(host)
            .or_else(|| self.cpu_obstacle(host))
            .or_else(|| self.port_obstacle(host))
            .or_else(|| self.executor_obstacle(host))
    }

    fn executor_obstacle(&self, host: &HostView) -> Option<Obstacle> {
        let has = host.registration.as_ref()?;
        let kinds = self.definition.containers.iter().map(|container| container.executor.kind());
        let mut missing = kinds.filter(|kind| !has.executors.iter().any(|offered| offered == kind));
        missing.next().map(Obstacle::NoExecutor)
    }

    fn memory_obstacle(&self, host: &HostView) -> Option<Obstacle> {
        let (free, needed) = (host.free().0, self.definition.memory);
        (needed > free).then_some(Obstacle::Memory { needed, free })
    }

    fn cpu_obstacle(&self, host: &HostView) -> Option<Obstacle> {
        let (free, needed) = (host.free().1, self.definition.cpu_units);
        (needed > free).then_some(Obstacle::Cpu { needed, free })
    }

    fn port_obstacle(&self, host: &HostView) -> Option<Obstacle> {
        if self.definition.port != 0 {
            return (!is_port_free(host, self.definition.port))
                .then_some(Obstacle::Port(self.definition.port));
        }
        (self.definition.provide_port && free_port(host, 0).is_none()).then_some(Obstacle::NoPort)
    }

    fn avoided(&self, world: &World, now: Time, name: &Name) -> Option<Obstacle> {
        if world.avoided.is_empty() {
            return None;
        }
        let Avoided { until, times, why } = world.avoided.get(&(self.service.clone(), name.clone()))?;
        (*until > now).then(|| Obstacle::Avoided {
            again_in: until.since(now),
            times: *times,
            why: why.to_string(),
        })
    }
}

fn host_obstacle(now: Time, host: &HostView) -> Option<Obstacle> {
    match host.presence {
        _ if host.registration.is_none() => return Some(Obstacle::Unregistered),
        Presence::Ready => {}
        Presence::Suspect { since } => return Some(Obstacle::Silent(now.since(since))),
        Presence::Lost => return Some(Obstacle::Lost),
    }
    if host.config.as_ref().is_some_and(|config| config.draining) {
        return Some(Obstacle::Draining);
    }
    let usage = host.usage.as_ref()?;
    if let Some(why) = &usage.unfit {
        return Some(Obstacle::Unfit(why.clone()));
    }
    host.is_pressed().then_some(Obstacle::Pressed { used: usage.memory_used, total: usage.memory_total })
}

fn is_port_free(host: &HostView, port: u16) -> bool {
    let is_in_use = || host.orphans.values().any(|orphan| orphan.port == Some(port));
    !host.held.ports.contains(&port) && !is_reserved(host.config.as_deref(), port) && !is_in_use()
}

fn is_reserved(config: Option<&HostConfig>, port: u16) -> bool {
    config.is_some_and(|config| config.reserved_ports.contains(&port))
}

/// Finds a free port of the host's range, beginning at a place that `salt` chooses, so that a port just given back is
/// not given out again at once.
pub(crate) fn free_port(host: &HostView, salt: u64) -> Option<u16> {
    let range = host.registration.as_ref()?.ports;
    let size = u64::from(range.last.checked_sub(range.first)?) + 1;
    let start = salt % size;
    (0..size)
        .filter_map(|step| u16::try_from(u64::from(range.first) + (start + step) % size).ok())
        .find(|port| is_port_free(host, *port))
}
