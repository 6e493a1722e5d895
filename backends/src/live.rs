//! Serves a [`Memory`] to tasks: hands its deliveries to whoever watches, as a stream.
//!
//! **Invariant:** everything is sent under the one lock that guards the memory, so each watch sees revisions grow, and
//! a sign of life never overtakes a change.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use callboard_core::store::{Listing, Revision};
use tokio::sync::mpsc;

use crate::memory::{Delivery, Memory, WatcherId};
use crate::{StoreError, Watch, WatchEvent};

/// How many transactions a watcher may leave unread before its watch is ended.
const UNREAD_MAX: usize = 4096;

/// How long a watch is silent before it gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A memory, and the streams of those who watch it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) memory: Memory,
    listeners: BTreeMap<WatcherId, mpsc::Sender<WatchEvent>>,
    /// Why nothing is served now, if so.
    broken: Option<String>,
    /// Counts the memories served: another memory names other watchers by the same ids.
    memories: u64,
}

impl Live {
    pub(crate) fn new(memory: Memory) -> Arc<Mutex<Live>> {
        Arc::new(Mutex::new(Live { memory, listeners: BTreeMap::new(), broken: None, memories: 1 }))
    }

    /// Hands out what a call on the memory gave.
    pub(crate) fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for Delivery { watcher, revision, changes } in deliveries {
            let sent = (self.listeners.get(&watcher))
                .is_some_and(|listener| listener.try_send(WatchEvent::Changed { revision, changes }).is_ok());
            if !sent {
                self.unwatch(watcher);
            }
        }
    }

    /// Serves nothing from now on and ends every watch, since nobody knows whether the memory is still true.
    pub(crate) fn fail(&mut self, why: &str) {
        self.broken = Some(why.into());
        self.listeners.clear();
    }

    /// Serves again, from a memory that is true.
    pub(crate) fn restore(&mut self, memory: Memory) {
        self.memory = memory;
        self.memories += 1;
        self.broken = None;
    }

    /// Says whether it serves now.
    pub(crate) fn serves(&self) -> Result<(), StoreError> {
        match &self.broken {
            Some(why) => Err(StoreError::Unavailable(why.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.serves().map(|()| self.memory.list(prefix))
    }

    fn unwatch(&mut self, watcher: WatcherId) {
        self.listeners.remove(&watcher);
        self.memory.unwatch(watcher);
    }
}

/// Locks it. A task that panicked holding the lock left it whole: the memory asserts before it changes.
pub(crate) fn hold(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a watch; when its history is gone, one that has ended.
pub(crate) fn watch(
    live: &Arc<Mutex<Live>>,
    prefix: &str,
    after: Revision,
) -> Result<Box<dyn Watch>, StoreError> {
    let mut held = hold(live);
    held.serves()?;
    let (id, backlog) = match held.memory.watch(prefix, after) {
        Ok(begun) => begun,
        Err(error) => return Ok(Box::new(Over(error.to_string()))),
    };
    let (sender, receiver) = mpsc::channel(UNREAD_MAX);
    held.listeners.insert(id, sender);
    Ok(Box::new(LiveWatch {
        live: Arc::downgrade(live),
        memory: held.memories,
        id,
        backlog: backlog.into(),
        receiver,
    }))
}

struct LiveWatch {
    /// Weak, so that watches end with their store.
    live: Weak<Mutex<Live>>,
    memory: u64,
    id: WatcherId,
    backlog: VecDeque<Delivery>,
    receiver: mpsc::Receiver<WatchEvent>,
}

impl LiveWatch {
    fn sign_of_life(&mut self) -> WatchEvent {
        let Some(live) = self.live.upgrade() else { return self.ended() };
        let held = hold(&live);
        match self.receiver.try_recv() {
            Ok(event) => event,
            Err(mpsc::error::TryRecvError::Empty) => {
                WatchEvent::Changed { revision: held.memory.revision(), changes: Vec::new() }
            }
            Err(mpsc::error::TryRecvError::Disconnected) => {
                drop(held);
                self.ended()
            }
        }
    }

    fn ended(&self) -> WatchEvent {
        let Some(live) = self.live.upgrade() else {
            return WatchEvent::Ended("the store was closed".into());
        };
        let why = match hold(&live).serves() {
            Err(error) => error.to_string(),
            Ok(()) => "the watch was interrupted or fell too far behind; list again".into(),
        };
        WatchEvent::Ended(why)
    }
}

#[async_trait]
impl Watch for LiveWatch {
    async fn next(&mut self) -> WatchEvent {
        if let Some(Delivery { revision, changes, .. }) = self.backlog.pop_front() {
            return WatchEvent::Changed { revision, changes };
        }
        match tokio::time::timeout(SIGN_OF_LIFE, self.receiver.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => self.ended(),
            Err(_silent) => self.sign_of_life(),
        }
    }
}

impl Drop for LiveWatch {
    fn drop(&mut self) {
        if let Some(live) = self.live.upgrade() {
            let mut held = hold(&live);
            if held.memories == self.memory {
                held.unwatch(self.id);
            }
        }
    }
}

/// A watch that could not begin, and why.
pub(crate) struct Over(pub(crate) String);

#[async_trait]
impl Watch for Over {
    async fn next(&mut self) -> WatchEvent {
        WatchEvent::Ended(self.0.clone())
    }
}
