//! A durable store for a single machine: the semantics of [`Memory`], with each commit on disk before
//! anybody sees it.
//!
//! **Invariant:** what was acknowledged, listed or watched survives the process; what the disk may or may not hold is
//! `Unknown`, and nothing is served again until the file has been read anew.

mod disk;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::store::{Listing, Outcome, Refusal, Revision, SessionId, Txn};
use tokio::sync::oneshot;

use crate::live::{self, Live, hold};
use crate::memory::Memory;
use crate::{Store, StoreError, Watch};

use disk::Opener;
use writer::{Clock, Order, Writer};

/// A store in a directory of this machine, for one process at a time. Dropping it closes the file.
///
/// Sessions end with the process: their keys are gone when the directory is opened again. Revisions only ever grow.
#[derive(Debug)]
pub struct Embedded {
    live: Arc<Mutex<Live>>,
    orders: Sender<Order>,
    clock: Clock,
    thread: Option<JoinHandle<()>>,
    /// Keeps other processes out while it is open.
    _directory: Option<File>,
}

/// Why a directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open, or this one twice.
    #[error("{} is in use by another process; stop that one, or choose another directory", .dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// It was written by a later version.
    #[error(
        "{} was written by a newer version (schema {found}, known here is {known}); use that version",
        .dir.display()
    )]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// Its schema.
        found: u64,
        /// The latest schema that can be read.
        known: u64,
    },
    /// The file is not what was written.
    #[error("the store in {} is damaged: {why}; move it away and restore a copy", .dir.display())]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// In words.
        why: String,
    },
    /// The directory or the disk does not permit it.
    #[error("the store in {} cannot be opened: {why}; check permissions and free space", .dir.display())]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// In words.
        why: String,
    },
}

impl Embedded {
    /// Opens the store in a directory, which is made (for this user alone) when it does not exist. Blocks while it
    /// reads and verifies the whole file.
    ///
    /// # Errors
    /// When the directory is in use, from a newer version, damaged, or out of reach.
    pub fn open(dir: impl AsRef<Path>) -> Result<Embedded, OpenError> {
        let dir = dir.as_ref();
        let directory = disk::claim(dir)?;
        disk::create(dir, &directory)?;
        Embedded::start(dir, disk::opener(dir), Some(directory))
    }

    /// Forgets the history: a watch from before now must list again.
    pub fn compact(&self) {
        let mut live = hold(&self.live);
        let through = live.memory.revision();
        live.memory.compact(through);
    }

    fn start(dir: &Path, opener: Opener, directory: Option<File>) -> Result<Embedded, OpenError> {
        let (disk, revision, entries) = disk::open(dir, &opener)?;
        let live = Live::new(Memory::restore(revision, entries, crate::memory::HISTORY_TXNS));
        let clock = Clock::default();
        let (orders, inbox) = std::sync::mpsc::channel();
        let writer = Writer::new(dir.into(), opener, disk, Arc::clone(&live), clock);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run(&inbox))
            .map_err(|error| OpenError::Unusable { dir: dir.into(), why: error.to_string() })?;
        Ok(Embedded { live, orders, clock, thread: Some(thread), _directory: directory })
    }

    /// Hands an order to the writer and waits for its answer; `None` when the writer is gone.
    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        // When it cannot be sent the answer is dropped with it.
        let _sent = self.orders.send(order(answer));
        answered.await.ok()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _sent = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _joined = thread.join();
        }
    }
}

const STOPPED: &str = "the store stopped; restart the process";

#[async_trait]
impl Store for Embedded {
    async fn open_session(&self, name: &str, ttl: Span) -> Result<SessionId, StoreError> {
        let name = name.into();
        let opened = self.order(|answer| Order::OpenSession { name, ttl, answer }).await;
        opened.unwrap_or_else(|| Err(StoreError::Unavailable(STOPPED.into())))
    }

    async fn renew_session(&self, session: &SessionId) -> Result<bool, StoreError> {
        let mut live = hold(&self.live);
        live.serves()?;
        Ok(live.memory.renew_session(session, self.clock.now()))
    }

    async fn close_session(&self, session: &SessionId) -> Result<(), StoreError> {
        let session = session.clone();
        let closed = self.order(|answer| Order::CloseSession { session, answer }).await;
        closed.unwrap_or_else(|| Err(StoreError::Unavailable(STOPPED.into())))
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        hold(&self.live).list(prefix)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        live::watch(&self.live, prefix, after)
    }

    async fn commit(&self, txn: Txn) -> Outcome {
        if let Some(fault) = txn.fault() {
            return Outcome::Refused(Refusal::Invalid(fault.into()));
        }
        let done = self.order(|answer| Order::Commit { txn, answer }).await;
        done.unwrap_or_else(|| Outcome::Unknown(STOPPED.into()))
    }
}

#[cfg(test)]
mod tests;
