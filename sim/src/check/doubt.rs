//! S6: what became of a write nobody knows is not taken for a no. While tasks may have come to be, no others are made in
//! their place.

use super::record::{Place, Text};
use super::{Book, Check, Findings};
use crate::event::Process;
use callboard_core::store::{Op, Outcome, Reply, Txn};
use std::collections::{BTreeMap, BTreeSet};

/// Remembers, for each process, which tasks may have come to be without its knowledge.
#[derive(Default)]
pub(crate) struct Doubt {
    sent: BTreeMap<Process, Vec<String>>,
    doubtful: BTreeMap<Process, BTreeSet<String>>,
}

impl Check for Doubt {
    fn sent(&mut self, book: &Book, from: Process, txn: &Txn, found: &mut Findings) {
        let made = |op: &Op| match op {
            Op::Put { key, value, .. } if key.starts_with("state/tasks/_/") => {
                let record: super::record::TaskRecord = serde_json::from_str(value).ok()?;
                (record.runs() && !book.tasks.contains_key(&record.id))
                    .then_some((key.clone(), record.service))
            }
            Op::Put { .. } | Op::Delete { .. } => None,
        };
        let made: Vec<(String, Text)> = txn.ops.iter().filter_map(made).collect();
        if let Some(doubtful) = self.doubtful.get(&from).filter(|doubtful| !doubtful.is_empty()) {
            for (key, service) in &made {
                let page = book.services.get(service);
                let max = page.and_then(|page| page.record.as_ref()).map_or(0, |record| record.max as usize);
                let issued = page.map_or(0, |page| page.issued.len());
                let may_be = doubtful.iter().filter(|other| *other != key && !is_known(book, other)).count();
                if may_be > 0 && issued + may_be + 1 > max {
                    let what = format!("{key} is made while {may_be} tasks of {service} may have come to be");
                    found.blame("S6", what);
                }
            }
        }
        self.sent.insert(from, made.into_iter().map(|(key, _)| key).collect());
    }

    fn heard(&mut self, to: Process, reply: &Reply) {
        match reply {
            Reply::Done { outcome: Outcome::Unknown(_), .. } => {
                let keys = self.sent.get(&to).cloned().unwrap_or_default();
                self.doubtful.entry(to).or_default().extend(keys);
            }
            Reply::Listed { prefix, result: Ok(_) } => {
                if let Some(doubtful) = self.doubtful.get_mut(&to) {
                    doubtful.retain(|key| !key.starts_with(prefix.as_str()));
                }
            }
            Reply::Changed { changes, .. } => {
                if let Some(doubtful) = self.doubtful.get_mut(&to).filter(|doubtful| !doubtful.is_empty()) {
                    for change in changes {
                        doubtful.remove(change.key());
                    }
                }
            }
            Reply::Done { .. }
            | Reply::Listed { .. }
            | Reply::SessionOpened(_)
            | Reply::SessionRenewed(..)
            | Reply::WatchEnded { .. } => {}
        }
    }
}

fn is_known(book: &Book, key: &str) -> bool {
    match Place::of(key) {
        Place::Task(id) => book.tasks.contains_key(&id),
        Place::Twin { .. }
        | Place::Status { .. }
        | Place::Ledger(_)
        | Place::ServiceState(_)
        | Place::Lock(_)
        | Place::Cluster(_)
        | Place::Service(_)
        | Place::Definition(..)
        | Place::HostConfig(_)
        | Place::Registration(_)
        | Place::Alive(_)
        | Place::Other => true,
    }
}
