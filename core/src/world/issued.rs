//! What all tasks that are issued to a host need of it: a sum to which each is added, and from which it is taken again, so
//! that nobody need look at the others.
//!
//! **Invariant:** it is what the host's tasks need together, whatever came and went.

use super::group::take_one;
use crate::model::{Claim, Name};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use serde::{Deserialize, Serialize};

/// The needs of a host's tasks together, modulo 2^64, so that adding and taking away is exact. What others than schedulers
/// issued is in no ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issued {
    memory: u64,
    cpu_units: u64,
    disk: u64,
    resources: BTreeMap<Name, Count>,
    /// How many tasks have each port.
    ports: BTreeMap<u16, u32>,
    udp_ports: BTreeMap<u16, u32>,
}

/// How many tasks need a resource, and how much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    tasks: u32,
    sum: u64,
}

impl Issued {
    /// Adds what a task needs.
    pub(super) fn add(&mut self, claim: &Claim) {
        self.memory = self.memory.wrapping_add(claim.memory);
        self.cpu_units = self.cpu_units.wrapping_add(claim.cpu_units);
        self.disk = self.disk.wrapping_add(claim.disk);
        for (name, needed) in &claim.resources {
            let count = self.resources.entry(name.clone()).or_default();
            *count = Count { tasks: count.tasks + 1, sum: count.sum.wrapping_add(*needed) };
        }
        claim.ports.iter().for_each(|port| *self.ports.entry(*port).or_default() += 1);
        claim.udp_ports.iter().for_each(|port| *self.udp_ports.entry(*port).or_default() += 1);
    }

    /// Takes away what a task that was added needs.
    pub(super) fn take(&mut self, claim: &Claim) {
        self.memory = self.memory.wrapping_sub(claim.memory);
        self.cpu_units = self.cpu_units.wrapping_sub(claim.cpu_units);
        self.disk = self.disk.wrapping_sub(claim.disk);
        for (name, needed) in &claim.resources {
            if let Entry::Occupied(mut at) = self.resources.entry(name.clone()) {
                let count = at.get_mut();
                *count = Count { tasks: count.tasks.saturating_sub(1), sum: count.sum.wrapping_sub(*needed) };
                if count.tasks == 0 {
                    at.remove();
                }
            }
        }
        claim.ports.iter().for_each(|port| take_one(&mut self.ports, *port));
        claim.udp_ports.iter().for_each(|port| take_one(&mut self.udp_ports, *port));
    }

    /// Gives the memory and the processor share.
    pub(super) fn memory_and_cpu(&self) -> (u64, u64) {
        (self.memory, self.cpu_units)
    }

    pub(super) fn disk(&self) -> u64 {
        self.disk
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = (&Name, u64)> {
        self.resources.iter().map(|(name, count)| (name, count.sum))
    }

    pub(super) fn has_port(&self, port: u16) -> bool {
        self.ports.contains_key(&port)
    }

    pub(super) fn has_udp_port(&self, port: u16) -> bool {
        self.udp_ports.contains_key(&port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_and_taken_away_leaves_nothing() {
        let claim = |memory, ports: &[u16]| Claim {
            memory,
            disk: 5,
            resources: [("gpu".into(), 2)].into(),
            ports: ports.to_vec(),
            udp_ports: ports.to_vec(),
            ..Claim::default()
        };
        let (one, other) = (claim(u64::MAX, &[80, 443]), claim(3, &[443]));
        let mut issued = Issued::default();
        issued.add(&one);
        issued.add(&other);
        issued.take(&one);
        assert_eq!((issued.memory_and_cpu(), issued.disk()), ((3, 0), 5));
        assert_eq!(
            (issued.has_port(443), issued.has_port(80), issued.has_udp_port(443)),
            (true, false, true)
        );
        assert_eq!(issued.resources().map(|(_, sum)| sum).collect::<alloc::vec::Vec<u64>>(), [2]);
        issued.take(&other);
        assert_eq!(issued, Issued::default());
    }
}
