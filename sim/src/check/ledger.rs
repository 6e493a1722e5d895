//! The ledger of a host is the sum of the records that lie there, cluster by cluster.

use super::record::{ClaimRecord, Text};
use super::{Book, By, Check, Findings, Seen};
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
}

fn check_host(book: &Book, host: &Text, found: &mut Findings) {
    let Some(page) = book.hosts.get(host) else { return };
    let mut sums: BTreeMap<&Text, ClaimRecord> = BTreeMap::new();
    for twin in book.issued_to(host) {
        let sum = sums.entry(&twin.cluster).or_default();
        sum.memory += twin.memory;
        sum.cpu_units += twin.cpu_units;
        sum.ports.extend(twin.port);
    }
    let empty = ClaimRecord::default();
    let lines = page.ledger.clusters.keys().chain(sums.keys().copied());
    for cluster in lines {
        let line = page.ledger.clusters.get(cluster).unwrap_or(&empty);
        let sum = sums.get(cluster).unwrap_or(&empty);
        let mut ports = (line.ports.clone(), sum.ports.clone());
        ports.0.sort_unstable();
        ports.1.sort_unstable();
        if line.memory < sum.memory || line.cpu_units < sum.cpu_units || ports.0 != ports.1 {
            let what = format!("the ledger of {host} says {line:?} of {cluster}, its records say {sum:?}");
            found.blame("ledger", what);
            return;
        }
    }
}
