//! What a store holds: each entry is found by its key at once, and all of them can be walked through in order.
//!
//! **Invariant:** `order` has exactly the keys of `by_key`.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use callboard_core::store::Entry;

#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    /// A search in order would compare with a dozen other keys. It is never walked through.
    by_key: HashMap<Arc<str>, Arc<Entry>>,
    order: BTreeSet<Arc<str>>,
}

impl Entries {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.by_key.get(key).map(|entry| &**entry)
    }

    /// Walks through everything under a prefix in the order of keys.
    pub(super) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Arc<Entry>> {
        self.order
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |key| key.starts_with(prefix))
            .filter_map(|key| self.by_key.get(key))
    }

    /// Puts an entry, and gives the one that was there.
    pub(super) fn put(&mut self, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        if let Some(kept) = self.by_key.get_mut(entry.key.as_str()) {
            return Some(std::mem::replace(kept, Arc::clone(entry)));
        }
        let key: Arc<str> = entry.key.as_str().into();
        self.order.insert(Arc::clone(&key));
        self.by_key.insert(key, Arc::clone(entry))
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Arc<Entry>> {
        self.order.remove(key);
        self.by_key.remove(key)
    }
}

impl FromIterator<Arc<Entry>> for Entries {
    fn from_iter<I: IntoIterator<Item = Arc<Entry>>>(all: I) -> Entries {
        let mut entries = Entries::default();
        for entry in all {
            entries.put(&entry);
        }
        entries
    }
}
