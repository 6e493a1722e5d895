//! Changes to the desired state: what differs from what is stored, and the guarded transactions that write it. Pure;
//! [`crate::write`] sends them.
//!
//! **Invariant:** every transaction guards each key with the revision the change was computed from, and every prefix of
//! the transactions is safe: definitions come before the services that need them, services before their clusters.

use crate::problem::{Kind, Problem};
use crate::views::{Applied, ObjectChange};
use callboard_core::config::Configuration;
use callboard_core::keys::Key;
use callboard_core::model::{HostConfig, Service};
use callboard_core::record::{self, Unknown, Unreadable};
use callboard_core::store::{Entry, Guard, Op, RECORD_BYTES_MAX, TXN_BYTES_MAX, TXN_OPS_MAX, Txn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What users wrote, by key, as it is in the store.
pub(crate) type Stored = BTreeMap<String, Arc<Entry>>;

/// A write that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// Make the record so.
    Put(Key, String),
    /// Remove the record.
    Delete(Key),
}

/// Turns a configuration into writes, in a safe order. What commands have set on an object, and no file speaks of, is
/// kept: that a service is stopped, how often it was retried, that a host is being drained.
pub(crate) fn writes(configuration: &Configuration, stored: &Stored) -> Result<Vec<Write>, Problem> {
    let mut writes = Vec::new();
    for definition in &configuration.task_definitions {
        let key = Key::Definition(definition.name.clone(), definition.version);
        writes.push(put(stored, key, definition)?);
    }
    for service in &configuration.services {
        let key = Key::Service(service.name.clone());
        let mut service = service.clone();
        if let Some(before) = read_as::<Service>(stored, &key) {
            service.stopped |= before.stopped;
            service.retry = service.retry.max(before.retry);
            service.moves = before.moves;
        }
        writes.push(put(stored, key, &service)?);
    }
    for cluster in &configuration.clusters {
        writes.push(put(stored, Key::Cluster(cluster.name.clone()), cluster)?);
    }
    for host in &configuration.hosts {
        let key = Key::HostConfig(host.name.clone());
        let mut host = host.clone();
        if let Some(before) = read_as::<HostConfig>(stored, &key) {
            host.draining |= before.draining;
        }
        writes.push(put(stored, key, &host)?);
    }
    Ok(writes)
}

/// Reads a stored record; one that cannot be read counts as absent, and is overwritten.
pub(crate) fn read_as<T: DeserializeOwned>(stored: &Stored, key: &Key) -> Option<T> {
    record::read(&stored.get(&key.path())?.value).ok()
}

/// Makes the write of a record. What the stored one says that this version does not know is kept; one of a newer major
/// version is not touched.
pub(crate) fn put<T: Serialize + DeserializeOwned>(
    stored: &Stored,
    key: Key,
    record: &T,
) -> Result<Write, Problem> {
    let path = key.path();
    let value = match stored.get(&path).map(|entry| (&entry.value, record::read::<T>(&entry.value))) {
        Some((_, Err(fault @ Unreadable::Newer(_)))) => {
            return Err(Problem::new(Kind::Conflict, fault.to_string())
                .at(path)
                .hint("use a `callboard` as new as the one that wrote it"));
        }
        Some((text, Ok(before))) => {
            Unknown::of(text, &before).map_or_else(|| record::write(record), |unknown| unknown.write(record))
        }
        Some((_, Err(Unreadable::Damaged(_) | Unreadable::TooLarge { .. }))) | None => record::write(record),
    };
    if value.len() > RECORD_BYTES_MAX {
        return Err(Problem::new(
            Kind::TooLarge,
            format!("{} bytes are more than a record may have", value.len()),
        )
        .at(key.path())
        .hint(format!(
            "a record has at most {} KiB: move what is large into an artifact",
            RECORD_BYTES_MAX / 1024
        )));
    }
    Ok(Write::Put(key, value))
}

/// Tells object by object what the writes change.
pub(crate) fn differences(stored: &Stored, writes: &[Write]) -> Vec<ObjectChange> {
    writes.iter().map(|write| difference(stored, write)).collect()
}

/// Tells whether a write makes anything otherwise than it is.
pub(crate) fn changes(stored: &Stored, write: &Write) -> bool {
    difference(stored, write).change != "unchanged"
}

fn difference(stored: &Stored, write: &Write) -> ObjectChange {
    let key = write.key().path();
    let before = stored.get(&key).map(|entry| parse(&entry.value));
    let object = key.strip_prefix("config/").unwrap_or(&key).to_owned();
    let (change, fields) = match (write, before) {
        (Write::Delete(_), Some(_)) => ("deleted", Vec::new()),
        (Write::Delete(_), None) => ("unchanged", Vec::new()),
        (Write::Put(..), None) => ("created", Vec::new()),
        (Write::Put(_, value), Some(before)) => {
            let after = parse(value);
            if before == after { ("unchanged", Vec::new()) } else { ("changed", fields(&before, &after)) }
        }
    };
    ObjectChange { object, change: change.into(), fields }
}

/// Reads any JSON. A record that does not say its schema is of the first.
fn parse(value: &str) -> Value {
    let mut parsed = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
    if let Value::Object(fields) = &mut parsed {
        fields.entry("schema").or_insert_with(|| record::SCHEMA.into());
    }
    parsed
}

fn fields(before: &Value, after: &Value) -> Vec<String> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return vec!["the stored record was damaged".into()];
    };
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| format!("{name}: {} → {}", shown(before.get(name)), shown(after.get(name))))
        .collect()
}

fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None => return "default".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if text.chars().count() <= 60 { text } else { text.chars().take(57).chain("...".chars()).collect() }
}

/// Groups what really changes into transactions.
pub(crate) fn transactions(stored: &Stored, writes: &[Write]) -> Vec<Txn> {
    let mut txns: Vec<Txn> = Vec::new();
    let changing = writes.iter().filter(|write| changes(stored, write));
    for write in changing {
        let (guard, op) = guarded(stored, write);
        let last = txns.last_mut().filter(|txn| {
            txn.ops.len() < TXN_OPS_MAX && txn.bytes() + 2 * op.key().len() + weight(&op) <= TXN_BYTES_MAX
        });
        match last {
            Some(txn) => {
                txn.guards.push(guard);
                txn.ops.push(op);
            }
            None => txns.push(Txn { guards: vec![guard], ops: vec![op] }),
        }
    }
    txns
}

fn weight(op: &Op) -> usize {
    match op {
        Op::Put { value, .. } => value.len(),
        Op::Delete { .. } => 0,
    }
}

fn guarded(stored: &Stored, write: &Write) -> (Guard, Op) {
    let key = write.key().path();
    let guard = match stored.get(&key) {
        Some(entry) => Guard::At { key: key.clone(), revision: entry.revision },
        None => Guard::Absent { key: key.clone() },
    };
    let op = match write {
        Write::Put(_, value) => Op::Put { key, value: value.clone(), session: None },
        Write::Delete(_) => Op::Delete { key },
    };
    (guard, op)
}

impl Write {
    /// Gives the key that is written.
    pub(crate) fn key(&self) -> &Key {
        match self {
            Write::Put(key, _) | Write::Delete(key) => key,
        }
    }
}

/// Sums up writes for the user.
pub(crate) fn summary(stored: &Stored, writes: &[Write]) -> Applied {
    let changes = differences(stored, writes);
    let mut applied = Applied { changes, ..Applied::default() };
    for write in writes {
        let Write::Put(Key::Service(name), value) = write else { continue };
        applied.services.push(name.to_string());
        if record::read::<Service>(value).is_ok_and(|service| service.stopped) {
            applied
                .warnings
                .push(format!("{name} is stopped and stays so; `callboard start {name}` runs it"));
        }
    }
    applied
}

#[cfg(test)]
mod tests;
