//! S9: what is reserved on a host, over all clusters, is no more than the host has.

use super::record::{Place, TaskRecord, Text};
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

/// What tasks take of a host.
#[derive(Default)]
struct Taken<'a> {
    memory: u64,
    cpu_units: u64,
    disk: u64,
    counted: BTreeMap<&'a Text, u64>,
}

impl<'a> Taken<'a> {
    fn of(tasks: impl Iterator<Item = &'a TaskRecord>) -> Self {
        let mut taken = Self::default();
        for task in tasks {
            taken.memory += task.memory;
            taken.cpu_units += task.cpu_units;
            taken.disk += task.disk;
            task.resources.iter().for_each(|(name, count)| *taken.counted.entry(name).or_default() += count);
        }
        taken
    }
}

impl Check for Capacity {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let hosts: BTreeSet<&Text> = seen.created().map(|task| &task.host).collect();
        for host in hosts {
            let Some(page) = seen.book.hosts.get(host) else { continue };
            let Some(has) = &page.registration else { continue };
            let is_over =
                |twin: &TaskRecord| seen.book.status(twin).is_some_and(|status| status.record.is_over());
            let all = Taken::of(seen.book.issued_to(host).map(|twin| &**twin).filter(|twin| !is_over(twin)));
            // Others may have filled the host beyond what it has: then nothing is added of what it lacks.
            let new = Taken::of(seen.created().filter(|task| task.host == *host));
            let mut blame = |what: &str, new: u64, all: u64, has: u64| {
                if new > 0 && all > has {
                    found.blame("S9", format!("{host} has {has} {what}, and {all} are reserved"));
                }
            };
            blame("MiB of memory", new.memory, all.memory, has.memory);
            blame("cpu units", new.cpu_units, all.cpu_units, has.cpu_units);
            blame("MiB of disk", new.disk, all.disk, has.disk);
            for (name, new) in new.counted {
                let has = has.resources.get(name).copied().unwrap_or(0);
                blame(name, new, all.counted.get(name).copied().unwrap_or(0), has);
            }
        }
    }
}
