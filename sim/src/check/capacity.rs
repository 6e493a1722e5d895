//! S9: what is reserved on a host, over all clusters, is no more than the host has.

use super::record::{Place, Text};
use super::{Check, Findings, Seen};
use std::collections::BTreeSet;

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
            let (mut memory, mut cpu_units) = (0, 0);
            for twin in seen.book.issued_to(host) {
                if seen.book.status(twin).is_some_and(|status| status.record.is_over()) {
                    continue;
                }
                memory += twin.memory;
                cpu_units += twin.cpu_units;
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
