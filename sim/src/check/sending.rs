//! S3 and S8: no transaction leaves a machine without a condition on every key that it writes, and none is larger than a
//! store takes.

use super::{Book, Check, Findings};
use crate::event::Process;
use callboard_core::store::{Guard, Op, Txn};
use std::collections::BTreeSet;

/// Looks at what is sent.
#[derive(Clone)]
pub(crate) struct Sending;

impl Check for Sending {
    fn sent(&mut self, _book: &Book, from: Process, txn: &Txn, found: &mut Findings) {
        let mut bytes = 0;
        let mut guarded: BTreeSet<&str> = BTreeSet::new();
        for guard in &txn.guards {
            match guard {
                Guard::Held { key, session, tenure } => {
                    bytes += key.len();
                    if session.0.is_empty() || tenure.0 == 0 {
                        found.blame("S3", format!("{from:?} sent an empty session or tenure for {key}"));
                    }
                }
                Guard::At { key, revision } => {
                    bytes += key.len();
                    guarded.insert(key);
                    if revision.0 == 0 {
                        found.blame("S3", format!("{from:?} sent revision 0 for {key}"));
                    }
                }
                Guard::Absent { key } => {
                    bytes += key.len();
                    guarded.insert(key);
                }
            }
        }
        let mut written: BTreeSet<&str> = BTreeSet::new();
        for op in &txn.ops {
            let (key, size) = match op {
                Op::Put { key, value, .. } => (key, value.len()),
                Op::Delete { key } => (key, 0),
            };
            bytes += key.len() + size;
            if !guarded.contains(key.as_str()) {
                found.blame("S3", format!("{from:?} writes {key} blindly"));
            }
            if !written.insert(key) {
                found.blame("S3", format!("{from:?} writes {key} twice at once"));
            }
            if size > 65_536 {
                found.blame("S8", format!("{from:?} writes {size} bytes to {key}"));
            }
        }
        // Consul: a write and the condition on its key are one, a condition on a lock is two, and so is a delete.
        let locks = txn.guards.iter().filter(|guard| matches!(guard, Guard::Held { .. })).count();
        let deletes = txn.ops.iter().filter(|op| matches!(op, Op::Delete { .. })).count();
        let alone = guarded.iter().filter(|key| !written.contains(*key)).count();
        let parts = txn.ops.len() + deletes + alone + 2 * locks;
        if parts > 64 || txn.guards.len() > 128 || bytes > 512 * 1024 {
            found.blame("S8", format!("{from:?} sent {parts} parts of {bytes} bytes at once"));
        }
    }
}
