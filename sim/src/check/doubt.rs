//! S6: what became of a write nobody knows is not taken for a no. While tasks may have come to be, no others are made in
//! their place; and a write that may still be on its way cannot be carried out any more before another is sent: that one
//! is under a later tenure.

use super::record::{Place, Text};
use super::{Book, Check, Fault, Findings};
use crate::event::Process;
use callboard_core::store::{Guard, Op, Outcome, Reply, Request, Revision, Txn, WriteId};
use std::collections::BTreeMap;

/// Remembers, for each process, which tasks may have come to be without its knowledge.
#[derive(Clone, Default)]
pub(crate) struct Doubt {
    sent: BTreeMap<Process, Vec<(String, Text)>>,
    /// What was sent last: who hears of an earlier one has long given that up.
    latest: BTreeMap<Process, WriteId>,
    /// Key and service of each.
    doubtful: BTreeMap<Process, BTreeMap<String, Text>>,
    /// The cluster and the tenure of what was sent and is not answered.
    under: BTreeMap<(Process, WriteId), (Text, Revision)>,
    /// The last tenure of a cluster under which a write was sent that may still be carried out.
    loose: BTreeMap<(Process, Text), Revision>,
}

impl Doubt {
    fn judge_tenure(
        &mut self,
        book: &Book,
        (from, write): (Process, WriteId),
        txn: &Txn,
        found: &mut Findings,
    ) {
        for guard in &txn.guards {
            let Guard::Held { key, tenure, .. } = guard else { continue };
            let Place::Lock(cluster) = Place::of(key) else { continue };
            if self.loose.get(&(from, cluster.clone())).is_some_and(|loose| tenure <= loose) {
                let what = format!("{cluster} is written on under tenure {}", tenure.0);
                found.blame("S6", format!("{what}, and nobody knows what became of a write before"));
            }
            // What is sent under a tenure that is over, as in a store that was put back, can never be carried out.
            if book.locks.get(&cluster) == Some(&tenure.0) {
                self.under.insert((from, write), (cluster, *tenure));
            }
        }
    }
}

impl Check for Doubt {
    fn fault(&mut self, _book: &Book, fault: &Fault) {
        // In a store that was put back tenures begin anew.
        if matches!(fault, Fault::Amnesia) {
            self.under.clear();
            self.loose.clear();
        }
    }

    fn asked(&mut self, book: &Book, from: Process, request: &Request, found: &mut Findings) {
        if let Request::Commit { write, txn } = request {
            self.latest.insert(from, *write);
            self.judge_tenure(book, (from, *write), txn, found);
        }
    }

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
            for service in made.iter().map(|(_, service)| service) {
                judge(book, doubtful, &made, service, found);
            }
        }
        self.sent.insert(from, made);
    }

    fn heard(&mut self, to: Process, reply: &Reply) {
        if let Reply::Done { write, outcome } = reply
            && let Some((cluster, tenure)) = self.under.remove(&(to, *write))
            && matches!(outcome, Outcome::Unknown(_))
        {
            self.loose.insert((to, cluster), tenure);
        }
        match reply {
            Reply::Done { write, outcome: Outcome::Unknown(_) } if self.latest.get(&to) == Some(write) => {
                let keys = self.sent.get(&to).cloned().unwrap_or_default();
                self.doubtful.entry(to).or_default().extend(keys);
            }
            Reply::Listed { prefix, result: Ok(_) } => {
                if let Some(doubtful) = self.doubtful.get_mut(&to) {
                    doubtful.retain(|key, _| !key.starts_with(prefix.as_str()));
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

/// Blames when all that may be would be more than may be.
fn judge(
    book: &Book,
    doubtful: &BTreeMap<String, Text>,
    made: &[(String, Text)],
    service: &Text,
    found: &mut Findings,
) {
    let page = book.services.get(service);
    let max = page
        .and_then(|page| page.record.as_ref())
        .map_or(0, |record| record.max.max(record.parallelism()) as usize);
    let issued = page.map_or(0, |page| page.issued.len());
    let in_doubt = || doubtful.iter().filter(|(_, of)| *of == service);
    let unknown = in_doubt().filter(|(key, _)| !is_known(book, key)).count();
    let new = made.iter().filter(|(key, of)| of == service && !doubtful.contains_key(key)).count();
    if in_doubt().count() > 0 && new > 0 && issued + unknown + new > max {
        let what = format!("{new} tasks of {service} are made while others may have come to be");
        found.blame("S6", what);
    }
}

fn is_known(book: &Book, key: &str) -> bool {
    let Place::Task(id) = Place::of(key) else { return true };
    book.tasks.contains_key(&id)
}
