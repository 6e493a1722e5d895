//! S6: whoever takes a lock does not decide before it has read what was written before, by others or by itself: what it
//! knows from a watch may be of any age.

use super::{Book, Check, Fault, Findings};
use crate::event::Process;
use callboard_core::store::{Guard, Reply, Txn};
use std::collections::BTreeMap;

/// Remembers how far each process has read each prefix.
#[derive(Clone, Default)]
pub(crate) struct Succession {
    read: BTreeMap<Process, BTreeMap<String, u64>>,
    /// The store went back: its revisions say no longer what came first.
    is_confused: bool,
}

/// What decisions depend on.
const PREFIXES: [&str; 4] = ["config/", "state/", "hosts/", "status/"];

impl Check for Succession {
    fn sent(&mut self, _book: &Book, from: Process, txn: &Txn, found: &mut Findings) {
        let held = txn.guards.iter().find_map(|guard| match guard {
            Guard::Held { key, tenure, .. } if key.starts_with("schedulers/") => Some((key, tenure.0)),
            Guard::Held { .. } | Guard::At { .. } | Guard::Absent { .. } => None,
        });
        let Some((key, tenure)) = held.filter(|_| !self.is_confused) else { return };
        let read = self.read.get(&from);
        let known = |prefix: &&&str| read.and_then(|read| read.get(**prefix)).copied().unwrap_or(0);
        if let Some(prefix) = PREFIXES.iter().find(|prefix| known(prefix) < tenure) {
            let (read, index) = (known(&prefix), from.index);
            let what = format!(
                "scheduler {index} holds {key} since revision {tenure}, and decides after reading {prefix} at {read}"
            );
            found.blame("S6", what);
        }
    }

    fn heard(&mut self, to: Process, reply: &Reply) {
        if let Reply::Listed { prefix, result: Ok(listing) } = reply
            && PREFIXES.contains(&prefix.as_str())
        {
            let read = self.read.entry(to).or_default().entry(prefix.clone()).or_default();
            *read = listing.revision.0.max(*read);
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        self.is_confused |= matches!(fault, Fault::Amnesia);
    }
}
