//! S22, where two machines go by one name: an agent never takes away the sign of life of another's, however its own came to
//! be there.

use super::{Book, By, Check, Fault, Findings, Seen};
use crate::event::Process;
use callboard_core::store::{Guard, Op, Revision, Txn};
use std::collections::BTreeMap;

/// Remembers which machine every sign of life is of.
#[derive(Clone, Default)]
pub(crate) struct Naming {
    /// The machine on which an agent of this id runs.
    machines: BTreeMap<String, u32>,
    /// The agent that every key with a sign of life speaks of, and the revision of that.
    stands: BTreeMap<String, (String, Revision)>,
}

impl Check for Naming {
    fn sent(&mut self, _book: &Book, from: Process, txn: &Txn, found: &mut Findings) {
        for op in txn.ops.iter().filter(|op| op.key().ends_with("/alive")) {
            match op {
                Op::Put { value, .. } => {
                    self.machines.extend(agent_in(value).map(|agent| (agent, from.index)));
                }
                Op::Delete { key } => {
                    let is_other =
                        |agent: &String| self.machines.get(agent).is_some_and(|of| *of != from.index);
                    // What is guarded by another revision will be refused.
                    let other =
                        self.stands.get(key).filter(|(agent, at)| is_other(agent) && guards(txn, key, *at));
                    if let Some((other, _)) = other {
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
                let written = seen.writes.iter().find(|write| write.key == *key);
                let stands = agent_in(value).zip(written.map(|write| write.revision));
                self.stands.extend(stands.map(|stands| (key.clone(), stands)));
            }
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.stands.clear();
        }
    }
}

/// Tells whether a transaction would be carried out where a key was last written at `stands`.
fn guards(txn: &Txn, key: &str, stands: Revision) -> bool {
    txn.guards.iter().all(|guard| match guard {
        Guard::At { key: guarded, revision } => guarded != key || *revision == stands,
        Guard::Absent { key: guarded } => guarded != key,
        Guard::Held { .. } => true,
    })
}

fn agent_in(alive: &str) -> Option<String> {
    let alive: serde_json::Value = serde_json::from_str(alive).ok()?;
    Some(alive["agent_id"].as_str()?.into())
}
