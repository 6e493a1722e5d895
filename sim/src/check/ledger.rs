//! The ledger of a host is the sum of the records that lie there, cluster by cluster.

use super::record::{ClaimRecord, TaskRecord, Text};
use super::{Book, By, Check, End, Findings, Seen};
use std::collections::BTreeMap;

/// Looks at the ledgers of the hosts that a transaction touched.
#[derive(Clone)]
pub(crate) struct Ledgers;

impl Check for Ledgers {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        // What somebody issued by hand, or took away, is in no ledger.
        if seen.by != By::Scheduler || seen.book.meddled {
            return;
        }
        for host in super::capacity::touched(seen) {
            check_host(seen.book, host, found);
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle || !end.book.junk.is_empty() {
            return;
        }
        for host in end.book.hosts.keys() {
            check_rest(end.book, host, found);
        }
    }
}

/// What nobody has any more is given back in the end, whoever took its record away.
fn check_rest(book: &Book, host: &Text, found: &mut Findings) {
    // Of a host that never was nobody looks after anything.
    let Some(page) = book.hosts.get(host).filter(|page| page.registration.is_some()) else { return };
    for (cluster, line) in
        page.ledger.clusters.iter().filter(|(cluster, _)| book.locks.contains_key(*cluster))
    {
        let there = || page.twins.values().filter(|twin| twin.cluster == *cluster);
        let sum = |of: fn(&TaskRecord) -> u64| there().map(|twin| of(twin)).sum::<u64>();
        if line.memory > sum(|it| it.memory)
            || line.cpu_units > sum(|it| it.cpu_units)
            || line.disk > sum(|it| it.disk)
        {
            found.blame(
                "ledger",
                format!("the ledger of {host} says {line:?} of {cluster}, and nobody has that"),
            );
        }
    }
}

fn check_host(book: &Book, host: &Text, found: &mut Findings) {
    let Some(page) = book.hosts.get(host) else { return };
    let mut sums: BTreeMap<&Text, ClaimRecord> = BTreeMap::new();
    for twin in book.issued_to(host) {
        let sum = sums.entry(&twin.cluster).or_default();
        sum.memory += twin.memory;
        sum.cpu_units += twin.cpu_units;
        sum.disk += twin.disk;
        twin.resources
            .iter()
            .for_each(|(name, count)| *sum.resources.entry(name.clone()).or_insert(0) += count);
        sum.ports.extend(twin.port);
        for further in twin.ports.values() {
            let ports = if further.protocol == "udp" { &mut sum.udp_ports } else { &mut sum.ports };
            ports.push(further.port);
        }
    }
    let empty = ClaimRecord::default();
    let lines = page.ledger.clusters.keys().chain(sums.keys().copied());
    for cluster in lines {
        let line = page.ledger.clusters.get(cluster).unwrap_or(&empty);
        let sum = sums.get(cluster).unwrap_or(&empty);
        let same = |one: &[u16], other: &[u16]| {
            let (mut one, mut other) = (one.to_vec(), other.to_vec());
            one.sort_unstable();
            other.sort_unstable();
            one == other
        };
        let has_room = line.memory >= sum.memory
            && line.cpu_units >= sum.cpu_units
            && line.disk >= sum.disk
            && sum
                .resources
                .iter()
                .all(|(name, count)| line.resources.get(name).is_some_and(|has| has >= count));
        if !has_room || !same(&line.ports, &sum.ports) || !same(&line.udp_ports, &sum.udp_ports) {
            let what = format!("the ledger of {host} says {line:?} of {cluster}, its records say {sum:?}");
            found.blame("ledger", what);
            return;
        }
    }
}
