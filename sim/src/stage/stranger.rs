//! Somebody else who writes into the store: with a later version of Callboard, by hand, or as a scheduler that knows no
//! rules.

use super::Stage;
use crate::check::By;
use crate::event::{Event, Undo};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Guard, Op, Outcome, Txn};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Something that is no record, and what was there before.
#[derive(Clone, Debug)]
pub(super) struct Junk {
    until: Time,
    key: String,
    value: String,
    before: Option<String>,
}

/// How long it takes until somebody sees that junk is back.
const NOTICED: Span = Span::secs(60);

/// The shape in which a later version writes.
const NEWER: u64 = 2;

impl Stage {
    /// Adds a field that nobody here knows to all that was issued.
    pub(super) fn annotate(&mut self) {
        self.alter("state/", |record| {
            record["x_later"] = json!({ "kept": true });
        });
    }

    /// Makes what was issued of a service, and what is remembered of it, records of a newer major version, until somebody
    /// goes back to this version in order, if anybody does.
    pub(super) fn renew(&mut self, service: &str, lasting: Option<Span>) {
        self.alter("state/", |record| {
            if record["service"] == *service {
                record["schema"] = NEWER.into();
            }
        });
        if let Some(lasting) = lasting {
            self.newer_until = Some(self.now() + lasting);
            self.queue.push(self.now() + lasting, Event::Undo(Undo::Downgrade));
        }
    }

    /// Writes the records of a newer major version as this one does.
    pub(super) fn downgrade(&mut self) {
        let now = self.now();
        if self.newer_until.is_none_or(|until| until > now) {
            return;
        }
        if !self.store.takes_puts(now) {
            return self.queue.push(now + Span::secs(1), Event::Undo(Undo::Downgrade));
        }
        let downgraded = self.store.memory.entries("state/").filter_map(|entry| {
            let mut record: Value = serde_json::from_str(&entry.value).ok()?;
            let is_newer = record["schema"] == NEWER;
            record["schema"] = 1.into();
            is_newer.then(|| (entry.key.clone(), Some(record.to_string())))
        });
        // A transaction has room for few.
        let downgraded: Vec<_> = downgraded.collect();
        downgraded.into_iter().for_each(|write| self.write_by_hand(vec![write]));
    }

    /// Writes junk over a record, or beside it, which somebody mends after a while, if anybody does.
    pub(super) fn write_junk(&mut self, lasting: Option<Span>) {
        // What says that somebody is there belongs to a session, and no hand can write it.
        let is_session = |key: &str| key.ends_with("/alive") || key.starts_with("schedulers/");
        let all = self.store.memory.entries("").filter(|entry| !is_session(&entry.key));
        let entries: Vec<(String, String)> =
            all.map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        let drawn = usize::try_from(self.faults.below(entries.len() as u64)).unwrap_or(0);
        let Some((key, value)) = entries.get(drawn) else { return };
        let half: String = value.chars().take(value.len() / 2).collect();
        let (key, junk) = match self.faults.below(5) {
            0 => (key.clone(), half),
            1 => (key.clone(), value.replace(':', ":99999999999999999999999")),
            2 => (key.clone(), "[".repeat(500)),
            3 => (key.clone(), "\u{0}\u{1}null".into()),
            // The right words in the wrong place.
            _ => (format!("{key}-copy"), value.clone()),
        };
        let before = self.store.memory.get(&key).map(|entry| entry.value.clone());
        if let Some(lasting) = lasting {
            let until = self.now() + lasting;
            self.junk.push(Junk { until, key: key.clone(), value: junk.clone(), before });
            self.queue.push(until, Event::Undo(Undo::Mend));
        }
        self.write_by_hand(vec![(key, Some(junk))]);
    }

    /// Mends what junk still stands: what users wrote is as it was, all else is taken away.
    pub(super) fn mend_junk(&mut self) {
        let now = self.now();
        if !self.store.takes_puts(now) {
            return self.queue.push(now + Span::secs(1), Event::Undo(Undo::Mend));
        }
        let over = self.junk.iter().filter(|junk| junk.until <= now && self.stands(junk));
        let over: Vec<Junk> = over.cloned().collect();
        for junk in over {
            let is_users = junk.key.starts_with("config/");
            self.write_by_hand(vec![(junk.key, junk.before.filter(|_| is_users))]);
        }
    }

    /// Has mended again what stands again: the store was put back.
    pub(super) fn notice_junk(&mut self) {
        let at = self.now() + NOTICED;
        let is_newer =
            |value: &str| serde_json::from_str::<Value>(value).is_ok_and(|record| record["schema"] == NEWER);
        let mut issued = self.store.memory.entries("state/");
        if self.newer_until.is_some_and(|until| until <= at) && issued.any(|entry| is_newer(&entry.value)) {
            self.calm_from = self.calm_from.max(at);
            self.queue.push(at, Event::Undo(Undo::Downgrade));
        }
        if self.junk.iter().any(|junk| junk.until <= at && self.stands(junk)) {
            self.calm_from = self.calm_from.max(at);
            self.queue.push(at, Event::Undo(Undo::Mend));
        }
    }

    fn stands(&self, junk: &Junk) -> bool {
        self.store.memory.get(&junk.key).is_some_and(|entry| entry.value == junk.value)
    }

    /// Takes one of the two records of a task away.
    pub(super) fn halve_pair(&mut self) {
        let keys: Vec<String> =
            self.store.memory.entries("state/tasks/").map(|entry| entry.key.clone()).collect();
        let drawn = usize::try_from(self.faults.below(keys.len() as u64)).unwrap_or(0);
        if let Some(key) = keys.get(drawn) {
            self.write_by_hand(vec![(key.clone(), None)]);
        }
    }

    /// Issues what no scheduler may: a version that does not exist, a port that is taken, to a host that is not there, or
    /// under the key of the host alone.
    pub(super) fn issue_nonsense(&mut self) {
        let records = self.store.memory.entries("state/tasks/_/");
        let tasks: Vec<Value> = records.filter_map(|entry| serde_json::from_str(&entry.value).ok()).collect();
        let drawn = usize::try_from(self.faults.below(tasks.len() as u64)).unwrap_or(0);
        let Some(mut task) = tasks.get(drawn).cloned() else { return };
        let which = self.faults.below(4);
        let id = format!("foreign-{}-{which}", self.faults.below(1_000));
        task["id"] = id.clone().into();
        match which {
            0 => task["version"] = 4_000_000_000_u32.into(),
            1 => task["host"] = "nowhere".into(),
            // The port stays that of the task it was copied from.
            _ => {}
        }
        let host = task["host"].as_str().unwrap_or_default().to_string();
        let mut writes = vec![(format!("state/tasks/{host}/{id}"), Some(task.to_string()))];
        if which != 3 {
            writes.push((format!("state/tasks/_/{id}"), Some(task.to_string())));
        }
        self.write_by_hand(writes);
    }

    /// Writes keys, or deletes them, as somebody does who has no lock and asks nobody.
    fn write_by_hand(&mut self, writes: Vec<(String, Option<String>)>) {
        if !self.store.takes_puts(self.now()) {
            return;
        }
        let mut txn = Txn::default();
        for (key, value) in writes {
            let found = self.store.memory.get(&key);
            txn.guards.push(match found {
                Some(entry) => Guard::At { key: key.clone(), revision: entry.revision },
                None => Guard::Absent { key: key.clone() },
            });
            txn.ops.push(match value {
                Some(value) => Op::Put { key, value, session: None },
                None => Op::Delete { key },
            });
        }
        let (_, deliveries) = self.store.memory.commit(&txn);
        self.court.meddled();
        self.publish(By::Stranger, Some(&txn), deliveries);
        self.store_trouble(Span(0));
    }

    fn alter(&mut self, prefix: &str, change: impl Fn(&mut Value)) {
        if !self.store.takes_writes(self.now()) {
            return;
        }
        // Both keys of a task are written at once, or none where one cannot be read; they end alike, and nothing else does.
        let mut txns: BTreeMap<String, Option<Txn>> = BTreeMap::new();
        for entry in self.store.memory.entries(prefix) {
            let kind = if entry.key.starts_with("state/tasks/") { "task" } else { entry.key.as_str() };
            let last = entry.key.rsplit('/').next().unwrap_or_default();
            let txn = txns.entry(format!("{kind} {last}")).or_insert_with(|| Some(Txn::default()));
            let Ok(mut record) = serde_json::from_str::<Value>(&entry.value) else {
                *txn = None;
                continue;
            };
            let Some(txn) = txn else { continue };
            change(&mut record);
            txn.guards.push(Guard::At { key: entry.key.clone(), revision: entry.revision });
            txn.ops.push(Op::Put { key: entry.key.clone(), value: record.to_string(), session: None });
        }
        for txn in txns.into_values().flatten() {
            let (outcome, deliveries) = self.store.memory.commit(&txn);
            debug_assert!(matches!(outcome, Outcome::Committed(_)), "a stranger was refused: {outcome:?}");
            self.publish(By::Stranger, Some(&txn), deliveries);
        }
    }
}
