//! A store in a few lines, strict about what an agent may write.

use callboard_core::machine::Span;
use callboard_core::store::{Change, Entry, Guard, Op, Outcome, Refusal, Reply, Revision, Txn};
use std::collections::{BTreeMap, BTreeSet};

/// A store in a few lines.
#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) revision: u64,
    pub(crate) entries: BTreeMap<String, Entry>,
    pub(crate) sessions: BTreeMap<String, (u64, Span)>,
    pub(crate) watches: BTreeSet<String>,
    pub(crate) opened: u64,
    pub(crate) down: bool,
    pub(crate) no_sessions: bool,
    /// Takes no writes of the agent, and says so.
    pub(crate) is_full: bool,
    pub(crate) commits: u64,
}

impl Store {
    pub(crate) fn put(&mut self, key: &str, value: String) -> Vec<Reply> {
        self.apply(vec![Op::Put { key: key.into(), value, session: None }])
    }

    pub(crate) fn apply(&mut self, ops: Vec<Op>) -> Vec<Reply> {
        self.revision += 1;
        let revision = Revision(self.revision);
        let mut changes = Vec::new();
        for op in ops {
            match op {
                Op::Put { key, value, session } => {
                    let entry = Entry { key: key.clone(), value, revision, session };
                    self.entries.insert(key, entry.clone());
                    changes.push(Change::Put(entry.into()));
                }
                Op::Delete { key } => {
                    if self.entries.remove(&key).is_some() {
                        changes.push(Change::Delete { key, revision });
                    }
                }
            }
        }
        let tell = |prefix: &String| {
            let changes: Vec<Change> =
                changes.iter().filter(|change| change.key().starts_with(prefix.as_str())).cloned().collect();
            (!changes.is_empty()).then(|| Reply::Changed { prefix: prefix.clone(), revision, changes })
        };
        self.watches.iter().filter_map(tell).collect()
    }

    pub(crate) fn commit(&mut self, txn: &Txn) -> (Outcome, Vec<Reply>) {
        assert_eq!(txn.fault(), None, "{txn:?}");
        if self.is_full {
            return (Outcome::Refused(Refusal::Unavailable("full".into())), vec![]);
        }
        let mut conflicts = Vec::new();
        for guard in &txn.guards {
            let found = self.entries.get(guard.key());
            match guard {
                Guard::Held { session, tenure, .. } => {
                    if !found.is_some_and(|e| e.revision == *tenure && e.session.as_ref() == Some(session)) {
                        return (Outcome::Refused(Refusal::LockLost), vec![]);
                    }
                }
                Guard::At { key, revision } if found.is_none_or(|e| e.revision != *revision) => {
                    conflicts.push(key.clone());
                }
                Guard::Absent { key } if found.is_some() => conflicts.push(key.clone()),
                Guard::At { .. } | Guard::Absent { .. } => {}
            }
        }
        if !conflicts.is_empty() {
            return (Outcome::Refused(Refusal::Conflict(conflicts)), vec![]);
        }
        for op in &txn.ops {
            let own = ["hosts/h1/", "status/h1/"].iter().any(|prefix| op.key().starts_with(prefix));
            assert!(own, "an agent writes {}", op.key());
        }
        self.commits += 1;
        let replies = self.apply(txn.ops.clone());
        (Outcome::Committed(Revision(self.revision)), replies)
    }

    pub(crate) fn end_session(&mut self, session: &str) -> Vec<Reply> {
        self.sessions.remove(session);
        let of = |entry: &&Entry| entry.session.as_ref().is_some_and(|id| id.0 == session);
        let keys: Vec<Op> =
            self.entries.values().filter(of).map(|entry| Op::Delete { key: entry.key.clone() }).collect();
        if keys.is_empty() { vec![] } else { self.apply(keys) }
    }

    pub(crate) fn session(&self) -> Option<String> {
        self.sessions.keys().next_back().cloned()
    }
}
