//! What every key held when it was last read or written, so that news which are old are told from new ones, and writes can
//! be made to depend on what is known.
//!
//! **Invariant:** keys are kept by the first part of their path, which is what the store is followed by.

use crate::mirror::digest;
use crate::store::{Entry, Listing, Revision};
use crate::table::Table;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use serde::{Deserialize, Serialize};

/// What a key held.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    /// When it was written.
    pub(crate) revision: Revision,
    /// A hash of what was written.
    pub(crate) digest: u64,
}

impl Known {
    /// Makes a note of an entry.
    pub(crate) fn of(value: &str, revision: Revision) -> Known {
        Known { revision, digest: digest(value) }
    }

    /// Tells whether a listing says of a key what is not known. All that was ever written up to its revision is listed, or
    /// it never was: the store was put back, and has grown past what is known since.
    fn is_outdone(self, entry: &Entry, listed: Revision) -> bool {
        match entry.revision.cmp(&self.revision) {
            Ordering::Greater => true,
            Ordering::Equal => digest(&entry.value) != self.digest,
            Ordering::Less => self.revision <= listed,
        }
    }
}

/// All keys that are known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KnownKeys {
    parts: BTreeMap<String, Table<String, Known>>,
}

/// Gives the first part of a key, with its slash.
fn part(key: &str) -> &str {
    key.find('/').map_or(key, |at| &key[..=at])
}

impl KnownKeys {
    pub(crate) fn get(&self, key: &str) -> Option<Known> {
        self.parts.get(part(key))?.get(key).copied()
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn insert(&mut self, key: &str, known: Known) {
        let keys = match self.parts.get_mut(part(key)) {
            Some(keys) => keys,
            None => self.parts.entry(part(key).to_string()).or_default(),
        };
        match keys.get_mut(key) {
            Some(before) => *before = known,
            None => {
                keys.insert(key.to_string(), known);
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(keys) = self.parts.get_mut(part(key)) {
            keys.swap_remove(key);
        }
    }

    /// Forgets all under a prefix.
    pub(crate) fn forget(&mut self, prefix: &str) {
        if let Some(keys) = self.parts.get_mut(part(prefix)) {
            keys.retain(|key, _| !key.starts_with(prefix));
        }
    }

    /// Gives the keys under a prefix that are gone, and the listed entries that say what is not known: both by key. Of a
    /// store that went back in time all counts as gone that is not listed, and as new what is.
    pub(crate) fn differences<'a>(
        &self,
        prefix: &str,
        listing: &'a Listing,
        went_back: bool,
    ) -> (Vec<String>, Vec<&'a Entry>) {
        let (mut gone, mut news, mut same) = (Vec::new(), Vec::new(), 0);
        let known = self.parts.get(part(prefix));
        let mut listed: Vec<&Entry> = listing.entries.iter().map(|entry| &**entry).collect();
        listed.sort_by(|one, other| one.key.cmp(&other.key));
        for entry in &listed {
            let before = known.and_then(|keys| keys.get(&entry.key));
            same += usize::from(before.is_some());
            if before.is_none_or(|known| went_back || known.is_outdone(entry, listing.revision)) {
                news.push(*entry);
            }
        }
        // Mostly nothing is.
        if known.is_some_and(|keys| keys.len() > same) {
            let is_listed = |key: &String| listed.binary_search_by(|entry| entry.key.cmp(key)).is_ok();
            let under = known.into_iter().flatten().filter(|(key, _)| key.starts_with(prefix));
            let old = under.filter(|(_, known)| went_back || known.revision <= listing.revision);
            gone.extend(old.filter(|(key, _)| !is_listed(key)).map(|(key, _)| key.clone()));
            gone.sort();
        }
        (gone, news)
    }
}
