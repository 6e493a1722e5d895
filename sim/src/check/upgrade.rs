//! S36: what a later version wrote is safe from this one: fields that this one does not know survive when it rewrites a
//! record, and a record of a newer major version is not touched.

use super::record::TaskRecord;
use super::{Book, By, Check, Fault, Findings, Seen};
use callboard_core::store::Op;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Remembers which records a later version wrote.
#[derive(Clone, Default)]
pub(crate) struct Upgrade {
    /// Have a field that nobody else knows.
    annotated: BTreeSet<String>,
    /// Are of a newer major version.
    newer: BTreeSet<String>,
}

/// The field that nobody else knows.
pub(crate) const FIELD: &str = "x_later";

impl Check for Upgrade {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Stranger && self.annotated.is_empty() && self.newer.is_empty() {
            return;
        }
        let ops = seen.txn.map_or(&[][..], |txn| &txn.ops);
        for op in ops {
            let (key, value) = match op {
                Op::Put { key, value, .. } => (key, serde_json::from_str::<Value>(value).ok()),
                Op::Delete { key } => (key, None),
            };
            let has_field = value.as_ref().is_some_and(|value| value.get(FIELD).is_some());
            if seen.by == By::Scheduler {
                let anew = seen.book.meddled && is_anew(seen, key);
                if value.is_some() && !has_field && !anew && self.annotated.contains(key) {
                    found.blame("S36", format!("{key} lost a field that a later version had written"));
                }
                if self.newer.contains(key) {
                    found.blame("S36", format!("{key} is of a newer version, and was written"));
                }
            }
            if seen.by == By::Stranger && !has_field {
                // With one of its two records, a task's other one lost what it went by.
                let id = key.rsplit('/').next();
                self.annotated.retain(|other| other.rsplit('/').next() != id);
            }
            let is_newer = value.as_ref().and_then(|value| value["schema"].as_u64()).is_some_and(|it| it > 1);
            for (set, belongs) in [(&mut self.annotated, has_field), (&mut self.newer, is_newer)] {
                if belongs {
                    set.insert(key.clone());
                } else {
                    set.remove(key);
                }
            }
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.annotated.clear();
            self.newer.clear();
        }
    }
}

/// Tells whether a record is of another placement than the one that it replaced.
fn is_anew(seen: &Seen<'_>, key: &str) -> bool {
    let mut writes = seen.writes.iter().filter(|write| write.key == key);
    writes.any(|write| {
        let generation = |task: &Option<Arc<TaskRecord>>| task.as_ref().map(|task| task.generation);
        generation(&write.task_before) != generation(&write.task_after)
    })
}
