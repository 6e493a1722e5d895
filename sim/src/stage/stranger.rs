//! Somebody with a later version of Callboard, who writes what this version does not know.

use super::Stage;
use crate::check::By;
use callboard_core::store::{Guard, Op, Outcome, Txn};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Stage {
    /// Adds a field that nobody here knows to all that was issued.
    pub(super) fn annotate(&mut self) {
        self.alter("state/", |record| {
            record["x_later"] = json!({ "kept": true });
        });
    }

    /// Makes what was issued of a service, and what is remembered of it, records of a newer major version.
    pub(super) fn renew(&mut self, service: &str) {
        self.alter("state/", |record| {
            if record["service"] == *service {
                record["schema"] = 2.into();
            }
        });
    }

    fn alter(&mut self, prefix: &str, change: impl Fn(&mut Value)) {
        if !self.store.takes_writes(self.now()) {
            return;
        }
        // Both keys of a task are written at once; they end alike, and nothing else does.
        let mut txns: BTreeMap<String, Txn> = BTreeMap::new();
        for entry in self.store.memory.entries(prefix) {
            let Ok(mut record) = serde_json::from_str::<Value>(&entry.value) else { continue };
            change(&mut record);
            let kind = if entry.key.starts_with("state/tasks/") { "task" } else { entry.key.as_str() };
            let last = entry.key.rsplit('/').next().unwrap_or_default();
            let txn = txns.entry(format!("{kind} {last}")).or_default();
            txn.guards.push(Guard::At { key: entry.key.clone(), revision: entry.revision });
            txn.ops.push(Op::Put { key: entry.key.clone(), value: record.to_string(), session: None });
        }
        for txn in txns.into_values() {
            let (outcome, deliveries) = self.store.memory.commit(&txn);
            debug_assert!(matches!(outcome, Outcome::Committed(_)), "a stranger was refused: {outcome:?}");
            self.publish(By::Stranger, Some(&txn), deliveries);
        }
    }
}
