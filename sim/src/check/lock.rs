//! S1 and S2: a scheduler changes a cluster's state only under that cluster's lock, and tenures never go back.

use super::record::{Place, Text};
use super::{By, Check, Findings, Seen};
use callboard_core::store::Guard;
use std::collections::BTreeMap;

/// Remembers the last tenure under which each cluster was written.
#[derive(Clone, Default)]
pub(crate) struct Fencing {
    last: BTreeMap<Text, u64>,
}

impl Check for Fencing {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let Some(txn) = seen.txn.filter(|_| seen.by == By::Scheduler) else { return };
        let mut held: Vec<(&str, u64)> = Vec::new();
        for guard in &txn.guards {
            if let Guard::Held { key, tenure, .. } = guard {
                held.extend(key.strip_prefix("schedulers/").map(|cluster| (cluster, tenure.0)));
            }
        }
        for write in seen.writes {
            let clusters = concerned(seen, write);
            for cluster in clusters {
                let lock = seen.book.locks.get(&cluster);
                if !held.iter().any(|(of, tenure)| **of == *cluster && lock == Some(tenure)) {
                    found.blame(
                        "S1",
                        format!("{} was written without holding the lock of {cluster}", write.key),
                    );
                }
            }
            let tenure = write.task_after.as_ref().map(|record| (record.cluster.clone(), record.tenure));
            if let Some((cluster, tenure)) = tenure
                && held.iter().any(|(of, held)| **of == *cluster && *held != tenure)
            {
                found.blame("S1", format!("{} bears tenure {tenure}, which is not the writer's", write.key));
            }
        }
        for (cluster, tenure) in held {
            let last = self.last.entry(cluster.into()).or_default();
            if tenure < *last {
                found.blame("S2", format!("{cluster} was written under tenure {tenure} after tenure {last}"));
            }
            *last = tenure.max(*last);
        }
    }

    fn fault(&mut self, _book: &super::Book, fault: &super::Fault) {
        if matches!(fault, super::Fault::Amnesia) {
            self.last.clear();
        }
    }
}

/// Gives the clusters whose state a write changes.
fn concerned(seen: &Seen<'_>, write: &super::Write) -> Vec<Text> {
    if let Place::Ledger(host) = &write.place {
        if write.mends {
            // What could not be read is written anew by the first who needs it, whoever else stands there.
            return Vec::new();
        }
        return changed_lines(seen, write, host);
    }
    let records = write.task_before.iter().chain(&write.task_after);
    records.map(|record| record.cluster.clone()).chain(write.state_cluster.clone()).collect()
}

/// Gives the clusters whose lines in a ledger changed.
fn changed_lines(seen: &Seen<'_>, write: &super::Write, host: &Text) -> Vec<Text> {
    let empty = super::record::LedgerRecord::default();
    let before = write.ledger_before.as_ref().unwrap_or(&empty);
    let after = seen.book.hosts.get(host).map_or(&empty, |page| &page.ledger);
    let names = before.clusters.keys().chain(after.clusters.keys());
    names.filter(|name| before.clusters.get(*name) != after.clusters.get(*name)).cloned().collect()
}
