//! Remembers the last transactions, so that a watch can continue where an earlier one or a listing stopped.
//!
//! **Invariant:** holds every transaction after `oldest`, without gaps.

use std::collections::VecDeque;
use std::sync::Arc;

use callboard_core::store::{Change, Entry, Revision};

use super::CannotContinue;

/// What a transaction did to one key; shares the entry with the store.
#[derive(Clone, Debug)]
pub(super) enum Happened {
    /// Written, as it is now.
    Put(Arc<Entry>),
    /// Deleted, as it was.
    Delete(Arc<Entry>),
}

impl Happened {
    pub(super) fn key(&self) -> &str {
        match self {
            Happened::Put(entry) | Happened::Delete(entry) => &entry.key,
        }
    }

    /// Copies it out for a watcher.
    pub(super) fn change(&self, revision: Revision) -> Change {
        match self {
            Happened::Put(entry) => Change::Put(Arc::clone(entry)),
            Happened::Delete(entry) => Change::Delete { key: entry.key.clone(), revision },
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Happened::Put(entry) => entry.key.len() + entry.value.len(),
            Happened::Delete(entry) => entry.key.len() + entry.value.len(),
        }
    }
}

/// One transaction.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) revision: Revision,
    happened: Vec<Happened>,
}

impl Past {
    /// Copies out what it did under a prefix.
    pub(super) fn under(&self, prefix: &str) -> Vec<Change> {
        let under = self.happened.iter().filter(|happened| happened.key().starts_with(prefix));
        under.map(|happened| happened.change(self.revision)).collect()
    }

    fn bytes(&self) -> usize {
        self.happened.iter().map(Happened::bytes).sum()
    }
}

/// Bounds the history in bytes too, since 10,000 transactions of 256 KiB are more than a host can spare.
const BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(super) struct History {
    /// A watch can continue after this revision and any later one.
    oldest: Revision,
    past: VecDeque<Past>,
    bytes: usize,
    txns_max: usize,
}

impl History {
    pub(super) fn new(revision: Revision, txns_max: usize) -> History {
        History { oldest: revision, past: VecDeque::new(), bytes: 0, txns_max }
    }

    pub(super) fn push(&mut self, revision: Revision, happened: Vec<Happened>) {
        let past = Past { revision, happened };
        self.bytes += past.bytes();
        self.past.push_back(past);
        while self.past.len() > self.txns_max || self.bytes > BYTES_MAX {
            self.forget_one();
        }
    }

    pub(super) fn compact(&mut self, through: Revision) {
        while self.past.front().is_some_and(|past| past.revision <= through) {
            self.forget_one();
        }
        self.oldest = self.oldest.max(through);
    }

    /// Walks through the transactions after a revision.
    pub(super) fn after(&self, after: Revision) -> Result<impl Iterator<Item = &Past>, CannotContinue> {
        if after < self.oldest {
            return Err(CannotContinue::Compacted { oldest: self.oldest });
        }
        let seen = self.past.partition_point(|past| past.revision <= after);
        Ok(self.past.range(seen..))
    }

    fn forget_one(&mut self) {
        if let Some(past) = self.past.pop_front() {
            self.bytes -= past.bytes();
            self.oldest = past.revision;
        }
    }
}
