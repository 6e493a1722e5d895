//! What the cases speak with: a store, a prefix of their own, and short words for transactions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use callboard_backends::{Store, Watch, WatchEvent};
use callboard_core::machine::Span;
use callboard_core::store::{Change, Entry, Guard, Listing, Op, Outcome, Refusal, Revision, SessionId, Txn};

/// What a store must lend to the cases beside itself.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;
    /// The shortest ttl that the store keeps to and that a busy machine can renew in time.
    fn ttl(&self) -> Span;
    /// Lets pass the time after which a session of this ttl is over for certain when it was not renewed.
    async fn outlast(&self, ttl: Span);
    /// Forgets the history up to now. False when the store keeps no history that could be forgotten.
    async fn compact(&self) -> bool;
}

/// One case's place to work.
pub(crate) struct Bench {
    pub(crate) fixture: Box<dyn Fixture>,
    pub(crate) store: Arc<dyn Store>,
    /// Ends in a slash; nobody else writes under it.
    pub(crate) prefix: String,
}

impl Bench {
    pub(crate) fn new(fixture: impl Fixture + 'static, case: &str) -> Bench {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let unique = format!("{:x}-{:x}", since.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed));
        let store = fixture.store();
        Bench { fixture: Box::new(fixture), store, prefix: format!("contract/{case}-{unique}/") }
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn put(&self, name: &str, value: &str) -> Op {
        Op::Put { key: self.key(name), value: value.into(), session: None }
    }

    pub(crate) fn put_under(&self, name: &str, session: &SessionId) -> Op {
        Op::Put { key: self.key(name), value: "bound".into(), session: Some(session.clone()) }
    }

    pub(crate) fn delete(&self, name: &str) -> Op {
        Op::Delete { key: self.key(name) }
    }

    pub(crate) fn at(&self, name: &str, revision: Revision) -> Guard {
        Guard::At { key: self.key(name), revision }
    }

    pub(crate) fn absent(&self, name: &str) -> Guard {
        Guard::Absent { key: self.key(name) }
    }

    pub(crate) fn held(&self, name: &str, session: &SessionId, tenure: Revision) -> Guard {
        Guard::Held { key: self.key(name), session: session.clone(), tenure }
    }

    pub(crate) async fn commit<const G: usize, const O: usize>(
        &self,
        guards: [Guard; G],
        ops: [Op; O],
    ) -> Outcome {
        self.store.commit(Txn { guards: guards.into(), ops: ops.into() }).await
    }

    /// Commits what must go through.
    pub(crate) async fn must<const G: usize, const O: usize>(
        &self,
        guards: [Guard; G],
        ops: [Op; O],
    ) -> Revision {
        committed(self.commit(guards, ops).await)
    }

    pub(crate) async fn create(&self, name: &str, value: &str) -> Revision {
        self.must([self.absent(name)], [self.put(name, value)]).await
    }

    /// Takes a lock: a key put under a session. Gives the tenure.
    pub(crate) async fn lock(&self, name: &str, session: &SessionId) -> Revision {
        self.must([self.absent(name)], [self.put_under(name, session)]).await
    }

    pub(crate) async fn session(&self) -> SessionId {
        self.store.open_session("contract", self.fixture.ttl().times(20)).await.expect("a session")
    }

    pub(crate) async fn list(&self, name: &str) -> Listing {
        self.store.list(&self.key(name)).await.expect("a listing")
    }

    pub(crate) async fn get(&self, name: &str) -> Option<Arc<Entry>> {
        let key = self.key(name);
        self.list(name).await.entries.into_iter().find(|entry| entry.key == key)
    }

    /// Waits until a key is gone.
    pub(crate) async fn gone(&self, name: &str) {
        patiently(async {
            while self.get(name).await.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Follows everything under a name from now on.
    pub(crate) async fn follow(&self, name: &str) -> Follower {
        Follower::new(&*self.store, &self.key(name)).await
    }
}

/// A listing kept true by a watch, as a machine would.
pub(crate) struct Follower {
    pub(crate) mirror: BTreeMap<String, Arc<Entry>>,
    pub(crate) revision: Revision,
    pub(crate) watch: Box<dyn Watch>,
    prefix: String,
}

impl Follower {
    pub(crate) async fn new(store: &dyn Store, prefix: &str) -> Follower {
        let listing = store.list(prefix).await.expect("a listing");
        let watch = store.watch(prefix, listing.revision).await.expect("a watch");
        let mirror = listing.entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        Follower { mirror, revision: listing.revision, watch, prefix: prefix.into() }
    }

    /// Waits for the next event that is not a mere sign of life, and applies it.
    pub(crate) async fn next(&mut self) -> Vec<Change> {
        patiently(async {
            loop {
                let (revision, changes) = match self.watch.next().await {
                    WatchEvent::Changed { revision, changes } => (revision, changes),
                    WatchEvent::Ended(why) => panic!("the watch ended: {why}"),
                };
                assert!(revision >= self.revision, "{revision:?} after {:?}", self.revision);
                if changes.is_empty() {
                    self.revision = revision;
                    continue;
                }
                assert!(revision > self.revision, "{revision:?} came twice");
                self.revision = revision;
                for change in &changes {
                    assert!(change.key().starts_with(&self.prefix), "{} is not watched", change.key());
                    assert!(change.revision() <= revision);
                    self.apply(change);
                }
                return changes;
            }
        })
        .await
    }

    /// Waits until the mirror holds exactly these keys.
    pub(crate) async fn until(&mut self, keys: &[&str]) {
        while !self.mirror.keys().map(String::as_str).eq(keys.iter().copied()) {
            self.next().await;
        }
    }

    /// Waits until the mirror holds this key.
    pub(crate) async fn until_has(&mut self, key: &str) {
        while !self.mirror.contains_key(key) {
            self.next().await;
        }
    }

    /// Asserts that nothing comes for a while.
    pub(crate) async fn silent(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(200), self.watch.next()).await;
        if let Ok(event) = heard {
            assert!(matches!(&event, WatchEvent::Changed { changes, .. } if changes.is_empty()), "{event:?}");
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(entry) => {
                let before = self.mirror.insert(entry.key.clone(), entry.clone());
                assert!(before.is_none_or(|before| before.revision < entry.revision), "{entry:?} came twice");
            }
            Change::Delete { key, .. } => {
                assert!(self.mirror.remove(key).is_some(), "{key} was deleted before it was there");
            }
        }
    }
}

/// Fails when it takes far too long, rather than waiting for ever.
pub(crate) async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it takes too long")
}

/// Waits for cases that run at the same time, and fails with the names of those that failed.
#[cfg(feature = "consul")]
pub(crate) async fn all(cases: Vec<(&str, tokio::task::JoinHandle<()>)>) {
    let mut failed = Vec::new();
    for (name, case) in cases {
        if case.await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "what they said is above: {failed:?}");
}

pub(crate) fn committed(outcome: Outcome) -> Revision {
    match outcome {
        Outcome::Committed(revision) => revision,
        Outcome::Refused(_) | Outcome::Unknown(_) => panic!("not committed: {outcome:?}"),
    }
}

/// Asserts that these keys, and no others, were found changed.
pub(crate) fn conflicts(outcome: Outcome, keys: &[String]) {
    let Outcome::Refused(Refusal::Conflict(mut found)) = outcome else { panic!("no conflict: {outcome:?}") };
    found.sort();
    let mut keys = keys.to_vec();
    keys.sort();
    assert_eq!(found, keys);
}

pub(crate) fn lock_lost(outcome: &Outcome) {
    assert_eq!(*outcome, Outcome::Refused(Refusal::LockLost));
}

pub(crate) fn invalid(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Refused(Refusal::Invalid(_))), "not found invalid: {outcome:?}");
}
