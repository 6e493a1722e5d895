//! L3: a cluster is not without a lock holder for long while a scheduler could hold it.

use super::record::{Place, Text};
use super::{Book, Check, End, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::BTreeMap;

/// Remembers which locks are free, and since when nothing keeps anybody from taking them.
#[derive(Clone)]
pub(crate) struct Vacancy {
    bound: Span,
    free: BTreeMap<Text, Time>,
    trouble_until: Time,
}

impl Vacancy {
    /// `outlives` is how long a lock may outlive its holder's last word, `lag` how slowly the news that it is free may
    /// travel.
    pub(crate) fn new(outlives: Span, lag: Span) -> Vacancy {
        Vacancy {
            bound: Span(outlives.0 * 2 + 30_000 + lag.0),
            free: BTreeMap::new(),
            trouble_until: Time(0),
        }
    }

    fn judge(&self, cluster: &Text, since: Time, now: Time, found: &mut Findings) {
        let vacant = now.since(since.max(self.trouble_until));
        if vacant > self.bound {
            found.blame("L3", format!("the lock of {cluster} was free for {vacant}"));
        }
    }
}

impl Check for Vacancy {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            if let Place::Lock(cluster) = &write.place {
                if write.deleted {
                    // A lock can outlive its cluster, in a store that was put back to before there was one.
                    if seen.book.clusters.contains_key(cluster) {
                        self.free.insert(cluster.clone(), seen.book.now);
                    }
                } else if let Some(since) = self.free.remove(cluster) {
                    self.judge(cluster, since, seen.book.now, found);
                }
            }
            if let Place::Cluster(cluster) = &write.place {
                if write.deleted {
                    self.free.remove(cluster);
                } else if !seen.book.locks.contains_key(cluster) {
                    self.free.entry(cluster.clone()).or_insert(seen.book.now);
                }
            }
        }
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        match fault {
            Fault::Trouble { until } | Fault::Outage { until } => {
                self.trouble_until = self.trouble_until.max(*until);
            }
            Fault::Amnesia => {
                self.free = book.clusters.keys().map(|cluster| (cluster.clone(), book.now)).collect();
            }
            Fault::HostDown(_)
            | Fault::Unfit { .. }
            | Fault::Ended(_)
            | Fault::ClockJumped { .. }
            | Fault::Unreachable { .. } => {}
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        for (cluster, since) in &self.free {
            self.judge(cluster, *since, end.book.now, found);
        }
    }
}
