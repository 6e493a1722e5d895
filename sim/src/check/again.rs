//! S31: what is planned and written needs no second planning: a scheduler never writes what is so already.

use super::record::{Place, Text};
use super::{Book, By, Check, Fault, Findings, Seen};
use callboard_core::store::Op;
use std::collections::BTreeMap;

/// Remembers what stands in the state of each service.
#[derive(Clone, Default)]
pub(crate) struct Again {
    states: BTreeMap<Text, String>,
}

impl Check for Again {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let mut changed = seen.by != By::Scheduler;
        for write in seen.writes {
            changed |= match &write.place {
                Place::Task(_) | Place::Twin { .. } => write.task_before != write.task_after,
                Place::Ledger(host) => {
                    let now = seen.book.hosts.get(host).map(|page| &page.ledger);
                    write.mends || write.ledger_before.as_ref() != now
                }
                Place::ServiceState(service) => self.is_new(service, &write.key, seen),
                Place::Status { .. }
                | Place::Lock(_)
                | Place::Cluster(_)
                | Place::Service(_)
                | Place::Definition(..)
                | Place::HostConfig(_)
                | Place::Registration(_)
                | Place::Alive(_)
                | Place::Usage(_)
                | Place::Orphan { .. }
                | Place::Other => true,
            };
        }
        if let (false, Some(write)) = (changed, seen.writes.first()) {
            found.blame(
                "S31",
                format!("{} was written, with {} others, as it was", write.key, seen.writes.len() - 1),
            );
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.states.clear();
        }
    }
}

impl Again {
    fn is_new(&mut self, service: &Text, key: &str, seen: &Seen<'_>) -> bool {
        let ops = seen.txn.map_or(&[][..], |txn| &txn.ops);
        let put = ops.iter().find_map(|op| match op {
            Op::Put { key: at, value, .. } if at == key => Some(value),
            Op::Put { .. } | Op::Delete { .. } => None,
        });
        match put {
            Some(value) if self.states.get(service) == Some(value) => false,
            Some(value) => {
                self.states.insert(service.clone(), value.clone());
                true
            }
            None => {
                self.states.remove(service);
                true
            }
        }
    }
}
