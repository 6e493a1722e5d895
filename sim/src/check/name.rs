//! S22, where two machines go by one name: an agent never takes away the sign of life of another's, however its own came to
//! be there.

use super::{Book, By, Check, Fault, Findings, Seen};
use crate::event::Process;
use callboard_core::store::{Op, Txn};
use std::collections::BTreeMap;

/// Remembers which machine every sign of life is of.
#[derive(Clone, Default)]
pub(crate) struct Naming {
    /// The machine on which an agent of this id runs.
    machines: BTreeMap<String, u32>,
    /// The agent that every key with a sign of life speaks of.
    stands: BTreeMap<String, String>,
}

impl Check for Naming {
    fn sent(&mut self, _book: &Book, from: Process, txn: &Txn, found: &mut Findings) {
        for op in txn.ops.iter().filter(|op| op.key().ends_with("/alive")) {
            match op {
                Op::Put { value, .. } => {
                    self.machines.extend(agent_in(value).map(|agent| (agent, from.index)));
                }
                Op::Delete { key } => {
                    let stands = self.stands.get(key);
                    let other =
                        stands.filter(|agent| self.machines.get(*agent).is_some_and(|of| *of != from.index));
                    if let Some(other) = other {
                        found.blame(
                            "S22",
                            format!("an agent takes {key} away, which is the sign of life of {other}"),
                        );
                    }
                }
            }
        }
    }

    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        for write in seen.writes.iter().filter(|write| write.key.ends_with("/alive")) {
            self.stands.remove(&write.key);
        }
        let ops = seen.txn.iter().flat_map(|txn| &txn.ops).filter(|op| op.key().ends_with("/alive"));
        for op in ops.filter(|_| matches!(seen.by, By::Agent(_))) {
            if let Op::Put { key, value, .. } = op {
                self.stands.extend(agent_in(value).map(|agent| (key.clone(), agent)));
            }
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.stands.clear();
        }
    }
}

fn agent_in(alive: &str) -> Option<String> {
    let alive: serde_json::Value = serde_json::from_str(alive).ok()?;
    Some(alive["agent_id"].as_str()?.into())
}
