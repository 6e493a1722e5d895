//! What hosts have so and so much of, and tasks ask for.

use super::fleet::Row;
use super::need::Need;
use crate::model::{Name, Protocol};
use alloc::vec::Vec;
use core::fmt;

/// What hosts have so and so much of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Amount {
    /// MiB.
    Memory,
    /// 1024 a core.
    CpuUnits,
    /// MiB.
    Disk,
    /// Something else that hosts count.
    Resource(Name),
}

impl Amount {
    /// Gives how much of it a host has, whoever holds it.
    pub(super) fn had_by(&self, at: &Row) -> u64 {
        let has = &at.facts.has;
        match self {
            Amount::Memory => has.memory,
            Amount::CpuUnits => has.cpu_units,
            Amount::Disk => has.disk,
            Amount::Resource(name) => has.resources.get(name).copied().unwrap_or(0),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Memory => f.write_str("MiB of memory"),
            Amount::CpuUnits => f.write_str("cpu units"),
            Amount::Disk => f.write_str("MiB of disk"),
            Amount::Resource(name) => write!(f, "{name}"),
        }
    }
}

impl Need {
    /// Gives what the task asks for of each thing that it asks for.
    pub(super) fn amounts(&self) -> Vec<(Amount, u64)> {
        let plain = [
            (Amount::Memory, self.free.memory),
            (Amount::CpuUnits, self.free.cpu_units),
            (Amount::Disk, self.disk),
        ];
        let counted = self.resources.iter().map(|(name, count)| (Amount::Resource(name.clone()), *count));
        plain.into_iter().chain(counted).filter(|(_, needed)| *needed > 0).collect()
    }

    /// Counts how many such tasks a host would take were it empty.
    pub(super) fn on_empty(&self, at: &Row) -> u64 {
        let by_amount = self.amounts().into_iter().map(|(of, needed)| of.had_by(at) / needed);
        let limit = self.host_limit().map(u64::from);
        by_amount.chain(limit).chain(self.by_ports(at)).min().unwrap_or(u64::MAX)
    }

    /// Counts how many such tasks the ports of an empty host would do for.
    fn by_ports(&self, at: &Row) -> Option<u64> {
        let kept = |protocol: Protocol, port: u16| match protocol {
            Protocol::Tcp => at.facts.has.ports.contains(&port),
            Protocol::Udp => at.facts.has.udp_ports.contains(&port),
        };
        let fixed = self.ports.iter().filter_map(|need| Some(u64::from(!kept(need.protocol, need.fixed?))));
        let provided = [Protocol::Tcp, Protocol::Udp].into_iter().filter_map(|protocol| {
            let each = self.ports.iter().filter(|need| need.fixed.is_none() && need.protocol == protocol);
            let each = u64::try_from(each.count()).unwrap_or(u64::MAX);
            let range = at.facts.range.map(|range| range.first..=range.last);
            let free = range.into_iter().flatten().filter(|port| !kept(protocol, *port)).count();
            u64::try_from(free).unwrap_or(u64::MAX).checked_div(each)
        });
        fixed.chain(provided).min()
    }
}
