//! A part of a store as a store of its own, so that several installations share one: a prefix before every key, which
//! nobody above it sees.
//!
//! **Invariant:** nothing outside the prefix is read or written.

use std::sync::Arc;

use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::store::{Change, Guard, Listing, Op, Outcome, Refusal, Revision, SessionId, Txn};

use crate::{Diagnosis, Store, StoreError, Watch, WatchEvent};

/// Everything under a prefix of another store. Sessions and revisions are those of the whole store.
#[derive(Clone)]
pub struct Prefixed {
    store: Arc<dyn Store>,
    prefix: String,
}

impl Prefixed {
    /// Takes what is under `prefix`, which should end in a slash.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, prefix: &str) -> Prefixed {
        Prefixed { store, prefix: prefix.into() }
    }

    fn whole(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn guard(&self, guard: Guard) -> Guard {
        match guard {
            Guard::Held { key, session, tenure } => Guard::Held { key: self.whole(&key), session, tenure },
            Guard::At { key, revision } => Guard::At { key: self.whole(&key), revision },
            Guard::Absent { key } => Guard::Absent { key: self.whole(&key) },
        }
    }

    fn op(&self, op: Op) -> Op {
        match op {
            Op::Put { key, value, session } => Op::Put { key: self.whole(&key), value, session },
            Op::Delete { key } => Op::Delete { key: self.whole(&key) },
        }
    }
}

#[async_trait]
impl Store for Prefixed {
    async fn open_session(&self, name: &str, ttl: Span) -> Result<SessionId, StoreError> {
        self.store.open_session(name, ttl).await
    }

    async fn renew_session(&self, session: &SessionId) -> Result<bool, StoreError> {
        self.store.renew_session(session).await
    }

    async fn close_session(&self, session: &SessionId) -> Result<(), StoreError> {
        self.store.close_session(session).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let mut listing = self.store.list(&self.whole(prefix)).await?;
        for entry in &mut listing.entries {
            strip(&mut Arc::make_mut(entry).key, &self.prefix);
        }
        Ok(listing)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        let watch = self.store.watch(&self.whole(prefix), after).await?;
        Ok(Box::new(PrefixedWatch { watch, prefix: self.prefix.clone() }))
    }

    async fn diagnose(&self) -> Result<Diagnosis, StoreError> {
        self.store.diagnose().await
    }

    async fn commit(&self, txn: Txn) -> Outcome {
        // Before the prefix hides that a key is empty.
        if let Some(fault) = txn.fault() {
            return Outcome::Refused(Refusal::Invalid(fault.into()));
        }
        let guards = txn.guards.into_iter().map(|guard| self.guard(guard)).collect();
        let ops = txn.ops.into_iter().map(|op| self.op(op)).collect();
        let mut outcome = self.store.commit(Txn { guards, ops }).await;
        if let Outcome::Refused(Refusal::Conflict(keys)) = &mut outcome {
            for key in keys {
                strip(key, &self.prefix);
            }
        }
        outcome
    }
}

struct PrefixedWatch {
    watch: Box<dyn Watch>,
    prefix: String,
}

#[async_trait]
impl Watch for PrefixedWatch {
    async fn next(&mut self) -> WatchEvent {
        let mut event = self.watch.next().await;
        if let WatchEvent::Changed { changes, .. } = &mut event {
            for change in changes {
                match change {
                    Change::Put(entry) => strip(&mut Arc::make_mut(entry).key, &self.prefix),
                    Change::Delete { key, .. } => strip(key, &self.prefix),
                }
            }
        }
        event
    }
}

fn strip(key: &mut String, prefix: &str) {
    if key.starts_with(prefix) {
        key.drain(..prefix.len());
    }
}

#[cfg(test)]
mod tests {
    use super::Prefixed;
    use crate::{MemoryStore, Store};
    use callboard_core::store::{Guard, Op, Outcome, Refusal, Txn};
    use std::sync::Arc;

    async fn create(store: &dyn Store, key: &str) -> Outcome {
        let op = Op::Put { key: key.into(), value: "1".into(), session: None };
        store.commit(Txn { guards: vec![Guard::Absent { key: key.into() }], ops: vec![op] }).await
    }

    async fn keys(store: &dyn Store) -> Vec<String> {
        store.list("").await.expect("a listing").entries.into_iter().map(|entry| entry.key.clone()).collect()
    }

    #[tokio::test]
    async fn each_sees_its_own() {
        let whole: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let a = Prefixed::new(Arc::clone(&whole), "a/");
        let b = Prefixed::new(Arc::clone(&whole), "b/");
        for store in [&a, &b] {
            assert!(matches!(create(store, "key").await, Outcome::Committed(_)));
            assert_eq!(create(store, "key").await, Outcome::Refused(Refusal::Conflict(vec!["key".into()])));
            assert!(matches!(create(store, "").await, Outcome::Refused(Refusal::Invalid(_))));
        }
        assert!(matches!(create(&b, "more").await, Outcome::Committed(_)));
        assert_eq!(keys(&a).await, ["key"]);
        assert_eq!(keys(&b).await, ["key", "more"]);
        assert_eq!(keys(&*whole).await, ["a/key", "b/key", "b/more"]);
    }
}
