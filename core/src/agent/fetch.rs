//! Reads of single keys outside the mirror: asked for when a task needs one, repeated until it is satisfied, forgotten
//! when no task needs it any more.

use crate::machine::{Span, Time};
use crate::mirror::{REPLY_DEADLINE, hash, mix, retry_delay};
use crate::model::Name;
use crate::store::{Entry, Listing, Request, Revision};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The longest pause between two reads of a key that somebody waits for.
pub(super) const URGENT: Span = Span::secs(5);
/// The longest pause between two reads of a key that will hardly change.
pub(super) const PATIENT: Span = Span::secs(60);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Fetches {
    /// By key.
    asked: BTreeMap<String, Fetch>,
    salt: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Fetch {
    /// When it is asked for, or counts as lost.
    until: Time,
    sent: bool,
    reads: u32,
    most: Span,
    ids: BTreeSet<Name>,
}

/// An answer to a read.
pub(super) struct Fetched {
    /// Who asked.
    pub(super) ids: BTreeSet<Name>,
    /// The store's revision and the key's entry, where there is one; or why it could not be read.
    pub(super) result: Result<(Revision, Option<Arc<Entry>>), String>,
}

impl Fetches {
    pub(super) fn new(name: &str) -> Fetches {
        Fetches { asked: BTreeMap::new(), salt: hash(name) }
    }

    /// Asks for a key on behalf of a task, until [`Fetches::done`] or [`Fetches::forget`].
    pub(super) fn want(&mut self, now: Time, key: &str, id: &Name, most: Span) {
        if let Some(fetch) = self.asked.get_mut(key) {
            fetch.ids.insert(id.clone());
            return;
        }
        let fetch = Fetch { until: now, sent: false, reads: 0, most, ids: BTreeSet::from([id.clone()]) };
        self.asked.insert(key.into(), fetch);
    }

    /// Ends a read: all who asked got what they need.
    pub(super) fn done(&mut self, key: &str) {
        self.asked.remove(key);
    }

    /// Ends a task's interest in everything.
    pub(super) fn forget(&mut self, id: &Name) {
        self.asked.retain(|_, fetch| {
            fetch.ids.remove(id);
            !fetch.ids.is_empty()
        });
    }

    /// Ends a task's interest in one key.
    pub(super) fn forget_key(&mut self, key: &str, id: &Name) {
        if let Some(fetch) = self.asked.get_mut(key) {
            fetch.ids.remove(id);
            if fetch.ids.is_empty() {
                self.asked.remove(key);
            }
        }
    }

    pub(super) fn wake(&mut self, now: Time, out: &mut Vec<Request>) {
        for (key, fetch) in self.asked.iter_mut().filter(|(_, fetch)| fetch.until <= now) {
            fetch.sent = true;
            fetch.reads = fetch.reads.saturating_add(1);
            fetch.until = now + REPLY_DEADLINE;
            out.push(Request::List { prefix: key.clone() });
        }
    }

    pub(super) fn wake_at(&self) -> Option<Time> {
        self.asked.values().map(|fetch| fetch.until).min()
    }

    /// Takes an answer, and plans the next read, should this one not do.
    pub(super) fn reply(
        &mut self,
        now: Time,
        key: &str,
        result: &Result<Listing, String>,
    ) -> Option<Fetched> {
        let fetch = self.asked.get_mut(key).filter(|fetch| fetch.sent)?;
        fetch.sent = false;
        let pause = retry_delay(fetch.reads - 1, mix(self.salt, now.0 ^ hash(key)));
        fetch.until = now + pause.min(fetch.most);
        let result = match result {
            // Listing `.../1` also finds `.../10`.
            Ok(listing) => {
                Ok((listing.revision, listing.entries.iter().find(|entry| entry.key == key).cloned()))
            }
            Err(why) => Err(why.clone()),
        };
        Some(Fetched { ids: fetch.ids.clone(), result })
    }
}
