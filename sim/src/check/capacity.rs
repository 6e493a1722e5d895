//! S9: what is reserved on a host, over all clusters, is no more than the host has.

use super::record::{Place, Text};
use super::{Check, Findings, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// Looks at the hosts that got something.
#[derive(Clone)]
pub(crate) struct Capacity;

/// Gives the hosts whose records a transaction touched.
pub(crate) fn touched<'a>(seen: &'a Seen<'_>) -> BTreeSet<&'a Text> {
    let host = |write: &'a super::Write| {
        if let Place::Twin { host, .. } | Place::Ledger(host) = &write.place { Some(host) } else { None }
    };
    seen.writes.iter().filter_map(host).collect()
}

impl Check for Capacity {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let hosts: BTreeSet<&Text> = seen.created().map(|task| &task.host).collect();
        for host in hosts {
            let Some(page) = seen.book.hosts.get(host) else { continue };
            let Some(has) = &page.registration else { continue };
            let (mut memory, mut cpu_units, mut disk) = (0, 0, 0);
            let mut counted: BTreeMap<&Text, u64> = BTreeMap::new();
            for twin in seen.book.issued_to(host) {
                if seen.book.status(twin).is_some_and(|status| status.record.is_over()) {
                    continue;
                }
                memory += twin.memory;
                cpu_units += twin.cpu_units;
                disk += twin.disk;
                twin.resources.iter().for_each(|(name, count)| *counted.entry(name).or_insert(0) += count);
            }
            let mut more = counted
                .iter()
                .filter(|(name, count)| has.resources.get(**name).copied().unwrap_or(0) < **count);
            if let Some((name, count)) = more.next() {
                found.blame("S9", format!("{count} {name} of {host} are reserved, which has not so many"));
            }
            if disk > has.disk {
                found.blame(
                    "S9",
                    format!("{disk} MiB of the disk of {host} are reserved, which has {}", has.disk),
                );
            }
            if memory > has.memory || cpu_units > has.cpu_units {
                let what = format!(
                    "{host} has {} MiB and {} units, and {memory} and {cpu_units} are reserved",
                    has.memory, has.cpu_units
                );
                found.blame("S9", what);
            }
        }
    }
}
