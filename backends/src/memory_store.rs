//! The memory store for tasks: [`Memory`] behind a lock, with tokio's clock. Everything is gone with the process, so it
//! is for tests and for trying things out.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Listing, Outcome, Revision, SessionId, Txn};
use tokio::time::Instant;

use crate::live::{self, Live, hold};
use crate::{Memory, Store, StoreError, Watch};

/// A store in memory, shared by its clones.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    live: Arc<Mutex<Live>>,
    started: Instant,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new(Memory::default())
    }
}

impl MemoryStore {
    /// Serves a memory. Its time zero is now.
    #[must_use]
    pub fn new(memory: Memory) -> MemoryStore {
        MemoryStore { live: Live::new(memory), started: Instant::now() }
    }

    /// Forgets the history: a watch from before now must list again.
    pub fn compact(&self) {
        let mut live = hold(&self.live);
        let through = live.memory.revision();
        live.memory.compact(through);
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn open_session(&self, name: &str, ttl: Span) -> Result<SessionId, StoreError> {
        let session = hold(&self.live).memory.open_session(name, ttl, now(self.started));
        tokio::spawn(attend(Arc::downgrade(&self.live), self.started, session.clone()));
        Ok(session)
    }

    async fn renew_session(&self, session: &SessionId) -> Result<bool, StoreError> {
        Ok(hold(&self.live).memory.renew_session(session, now(self.started)))
    }

    async fn close_session(&self, session: &SessionId) -> Result<(), StoreError> {
        let mut live = hold(&self.live);
        let deliveries = live.memory.close_session(session);
        live.deliver(deliveries);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        hold(&self.live).list(prefix)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        live::watch(&self.live, prefix, after)
    }

    async fn commit(&self, txn: Txn) -> Outcome {
        let mut live = hold(&self.live);
        let (outcome, deliveries) = live.memory.commit(&txn);
        live.deliver(deliveries);
        outcome
    }
}

fn now(started: Instant) -> Time {
    Time(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// Ends sessions as they lapse, for as long as this one is open and the store is there.
async fn attend(live: Weak<Mutex<Live>>, started: Instant, session: SessionId) {
    loop {
        let next = {
            let Some(live) = live.upgrade() else { return };
            let mut live = hold(&live);
            let deliveries = live.memory.expire(now(started));
            live.deliver(deliveries);
            match live.memory.next_expiry() {
                Some(next) if live.memory.alive(&session) => next,
                Some(_) | None => return,
            }
        };
        tokio::time::sleep_until(started + Duration::from_millis(next.0)).await;
    }
}
