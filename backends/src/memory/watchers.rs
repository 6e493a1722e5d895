//! Finds the watchers of a key among thousands: by looking up the key's own prefixes, never by asking each watcher.
//!
//! **Invariant:** a commit costs the number of slashes in its keys and the watchers that hear of it, not the watchers
//! that there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use callboard_core::store::{Change, Revision};

use super::history::Happened;
use super::{Delivery, WatcherId};

#[derive(Clone, Debug, Default)]
pub(super) struct Watchers {
    last: u64,
    prefixes: BTreeMap<WatcherId, String>,
    by_prefix: HashMap<String, BTreeSet<WatcherId>>,
    /// How many watched prefixes do not end in a slash, by their length: full keys, mostly, of few lengths.
    odd_lengths: BTreeMap<usize, usize>,
}

impl Watchers {
    pub(super) fn add(&mut self, prefix: &str) -> WatcherId {
        self.last += 1;
        let id = WatcherId(self.last);
        self.prefixes.insert(id, prefix.into());
        self.by_prefix.entry(prefix.into()).or_default().insert(id);
        if !prefix.ends_with('/') {
            *self.odd_lengths.entry(prefix.len()).or_default() += 1;
        }
        id
    }

    pub(super) fn remove(&mut self, id: WatcherId) {
        let Some(prefix) = self.prefixes.remove(&id) else { return };
        if let Some(ids) = self.by_prefix.get_mut(&prefix) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_prefix.remove(&prefix);
            }
        }
        if !prefix.ends_with('/')
            && let Some(count) = self.odd_lengths.get_mut(&prefix.len())
        {
            *count -= 1;
            if *count == 0 {
                self.odd_lengths.remove(&prefix.len());
            }
        }
    }

    pub(super) fn prefix(&self, id: WatcherId) -> Option<&str> {
        self.prefixes.get(&id).map(String::as_str)
    }

    /// Gives each watcher its part of a transaction, in the order of their ids.
    pub(super) fn deliveries(&self, revision: Revision, happened: &[Happened]) -> Vec<Delivery> {
        if self.by_prefix.is_empty() {
            return Vec::new();
        }
        let mut parts: BTreeMap<WatcherId, Vec<Change>> = BTreeMap::new();
        for happened in happened {
            for id in self.watchers_of(happened.key()) {
                parts.entry(id).or_default().push(happened.change(revision));
            }
        }
        parts.into_iter().map(|(watcher, changes)| Delivery { watcher, revision, changes }).collect()
    }

    fn watchers_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = WatcherId> + 'a {
        let slashes = key.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at + 1);
        // An odd length may cut right after a slash; that prefix has been looked up already.
        let odd = self
            .odd_lengths
            .range(..=key.len())
            .map(|(length, _)| *length)
            .filter(|length| key.get(..*length).is_some_and(|prefix| !prefix.ends_with('/')));
        slashes
            .chain(odd)
            .filter_map(|length| self.by_prefix.get(&key[..length]))
            .flat_map(|ids| ids.iter().copied())
    }
}
