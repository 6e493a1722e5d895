//! Altering transactions and records, for bugs that need it.

use callboard_core::store::{Entry, Guard, Op, Txn};
use serde_json::Value;

/// Rewrites the value of each put whose key begins so.
pub(super) fn rewrite(txn: &mut Txn, prefix: &str, mut change: impl FnMut(&str, &mut Value)) {
    for op in &mut txn.ops {
        if let Op::Put { key, value, .. } = op
            && key.starts_with(prefix)
            && let Ok(mut json) = serde_json::from_str::<Value>(value)
        {
            change(key, &mut json);
            *value = json.to_string();
        }
    }
}

/// Rewrites the value of an entry whose key begins so.
pub(super) fn rewrite_entry(entry: &mut Entry, prefix: &str, change: impl FnOnce(&mut Value)) {
    if entry.key.starts_with(prefix)
        && let Ok(mut json) = serde_json::from_str::<Value>(&entry.value)
    {
        change(&mut json);
        entry.value = json.to_string();
    }
}

/// Takes the writes of some keys out, with their guards.
pub(super) fn drop_keys(txn: &mut Txn, is_dropped: impl Fn(&str) -> bool) {
    txn.ops.retain(|op| !is_dropped(op.key()));
    txn.guards.retain(|guard| matches!(guard, Guard::Held { .. }) || !is_dropped(guard.key()));
}

/// Renames a key in writes and guards.
pub(super) fn rename(txn: &mut Txn, from: &str, to: &str) {
    let rename = |key: &mut String| {
        if key.contains(from) {
            *key = key.replace(from, to);
        }
    };
    for op in &mut txn.ops {
        match op {
            Op::Put { key, .. } | Op::Delete { key } => rename(key),
        }
    }
    for guard in &mut txn.guards {
        match guard {
            Guard::At { key, .. } | Guard::Absent { key } | Guard::Held { key, .. } => rename(key),
        }
    }
}

/// Tells whether a key is one of the two of a task.
pub(super) fn is_task(key: &str) -> bool {
    key.starts_with("state/tasks/")
}

/// Tells whether a transaction creates a task.
pub(super) fn creates(txn: &Txn) -> bool {
    let absent = |guard: &Guard| matches!(guard, Guard::Absent { key } if key.starts_with("state/tasks/_/"));
    txn.guards.iter().any(absent)
}

/// Takes out of what a host uses what it cannot do.
pub(super) fn hide_ills(usage: &mut Value) {
    usage["unfit"] = Value::Null;
    usage["unfit_for"] = Value::Object(serde_json::Map::new());
}
