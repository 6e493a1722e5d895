//! What this client was told by Consul. From it comes one order for all revisions, and whether the store went back.
//!
//! A revision is an index of Consul's Raft log; they only grow, also over a restore. What Consul says with a listing is
//! the index of the *prefix*: how far its last change lies back. So a listing is said to be of the higher of that and
//! of the highest index this client had learnt before it asked: a consistent read shows all of that. Two things follow.
//! The next change of the prefix is above the revision of its listing, so a watch can wait for that. And what a prefix
//! held depends on the revision alone, so a watch may begin with what the listing of that revision held.
//!
//! Consul's index of a prefix goes back in two cases. A snapshot was restored: then old entries are there again, and
//! newer ones are not. Or, long after a deletion, Consul forgets that there was one: then nothing changes but the index.
//! So the store went back if, compared with what was known before the question was asked,
//!
//! - an entry is there that was written no later than that and was not known, or was known with a later write, or
//! - an entry is missing although the index of the prefix is below its last write: its deletion would be above.
//!
//! The second is also true after a deletion that Consul has forgotten, for whoever did not hear of it for all of the
//! quarter of an hour before. Such a reader is told that the store went back, which makes him look twice.
//!
//! When the store went back, every watch ends, and the next listing of each prefix is said to be of a lower revision than
//! any before. So are those that follow where the prefix is watched, until a watch goes on from one of them: whoever is
//! told that looks twice before he believes it. A restore that removed what was under a prefix, and was followed by a
//! write there before anybody looked, is taken for a deletion.
//!
//! **Invariant:** except then, no listing is of a lower revision than anything this client was told before it asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callboard_core::store::{Entry, Revision};
use tokio::sync::watch;

/// Prefixes that are remembered although nobody watches them.
const PREFIXES_MAX: usize = 1024;
/// How many of its last listings a watch of a prefix can begin with.
const LISTINGS_MAX: usize = 16;

/// Said to those who watch.
pub(crate) const WENT_BACK: &str = "the store went back: a snapshot was restored; list again";

/// What a prefix held: for each key the index of its last write.
pub(crate) type Contents = BTreeMap<String, u64>;

/// Takes down what a prefix held.
pub(crate) fn contents(entries: &[Arc<Entry>]) -> Contents {
    entries.iter().map(|entry| (entry.key.clone(), entry.revision.0)).collect()
}

/// What is known of a store.
#[derive(Debug)]
pub(crate) struct Known {
    held: Mutex<Held>,
    /// Counts how often the store went back.
    epoch: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Held {
    /// The highest index this client has learnt.
    seen: u64,
    prefixes: BTreeMap<String, Prefix>,
    /// Counts uses, to find what was not used for the longest time.
    uses: u64,
}

#[derive(Debug, Default)]
struct Prefix {
    /// What was told of it, by revision.
    told: BTreeMap<u64, Arc<Contents>>,
    /// The store went back since it was last watched, and had been told of up to this.
    behind: Option<u64>,
    watches: usize,
    /// Somebody has watched it, and may again.
    is_watched: bool,
    used: u64,
}

/// What was known when a question was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    seen: u64,
    epoch: u64,
    before: Option<(u64, Arc<Contents>)>,
}

/// What a watch goes on from.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) contents: Arc<Contents>,
    /// Changes when the store goes back.
    pub(crate) epochs: watch::Receiver<u64>,
}

impl Known {
    pub(crate) fn new() -> Known {
        Known { held: Mutex::default(), epoch: watch::Sender::new(0) }
    }

    /// Gives the highest index this client has learnt.
    pub(crate) fn seen(&self) -> u64 {
        self.hold().seen
    }

    /// Learns that the store has come to an index.
    pub(crate) fn learn(&self, index: u64) {
        let mut held = self.hold();
        held.seen = held.seen.max(index);
    }

    /// Takes down what is known before a prefix is listed.
    pub(crate) fn ask(&self, prefix: &str) -> Asked {
        let held = self.hold();
        let told = held.prefixes.get(prefix).and_then(|prefix| prefix.told.last_key_value());
        let before = told.map(|(revision, contents)| (*revision, Arc::clone(contents)));
        Asked { seen: held.seen, epoch: *self.epoch.borrow(), before }
    }

    /// Takes in a listing, and gives the revision it is of.
    ///
    /// # Errors
    /// The store went back in the meantime, so nobody knows whether the listing is from before or after.
    pub(crate) fn listed(
        &self,
        prefix: &str,
        asked: &Asked,
        index: u64,
        contents: Contents,
    ) -> Result<Revision, String> {
        let mut held = self.hold();
        if *self.epoch.borrow() != asked.epoch {
            return Err(WENT_BACK.into());
        }
        if let Some((revision, before)) = &asked.before
            && went_back(before, *revision, &contents, index)
        {
            self.go_back(&mut held, index);
        }
        let known = held.enter(prefix);
        let behind = if known.is_watched { known.behind } else { known.behind.take() };
        let revision = match behind {
            Some(told) => known.other_than(index.min(told.saturating_sub(1)).max(1), &contents),
            None => index.max(asked.seen),
        };
        known.tell(revision, Arc::new(contents));
        held.seen = held.seen.max(index);
        Ok(Revision(revision))
    }

    /// Takes in what a watch read that had come to `revision` and known what `begun` says; gives the revision it comes to.
    ///
    /// # Errors
    /// The store went back.
    pub(crate) fn followed(
        &self,
        prefix: &str,
        begun: &Begun,
        revision: u64,
        index: u64,
        contents: &Arc<Contents>,
    ) -> Result<u64, String> {
        let mut held = self.hold();
        if begun.epochs.has_changed().unwrap_or(true) {
            return Err(WENT_BACK.into());
        }
        let before = &*begun.contents;
        if went_back(before, revision, contents, index) {
            self.go_back(&mut held, index);
            return Err(WENT_BACK.into());
        }
        // A change is above what came before, even where Consul has already forgotten it.
        let next = index.max(revision + u64::from(*before != **contents));
        held.enter(prefix).tell(next, Arc::clone(contents));
        held.seen = held.seen.max(index);
        Ok(next)
    }

    /// Begins a watch with what was told of a prefix at a revision; nothing when that is not remembered.
    pub(crate) fn begin(&self, prefix: &str, revision: Revision) -> Option<Begun> {
        let mut held = self.hold();
        let known = held.prefixes.get_mut(prefix)?;
        let contents = Arc::clone(known.told.get(&revision.0)?);
        // Whoever goes on from there has believed it.
        known.behind = None;
        known.is_watched = true;
        known.watches += 1;
        Some(Begun { contents, epochs: self.epoch.subscribe() })
    }

    /// Ends a watch.
    pub(crate) fn end(&self, prefix: &str) {
        if let Some(known) = self.hold().prefixes.get_mut(prefix) {
            known.watches = known.watches.saturating_sub(1);
        }
    }

    /// Forgets every listing: a watch cannot begin with one from before now.
    pub(crate) fn forget(&self) {
        self.hold().prefixes.values_mut().for_each(|known| known.told.clear());
    }

    fn go_back(&self, held: &mut Held, index: u64) {
        held.seen = index;
        for prefix in held.prefixes.values_mut() {
            // Below all that anybody may go by.
            let told = prefix.told.pop_first().map(|(revision, _)| revision);
            prefix.behind = told.or(prefix.behind);
            prefix.told.clear();
        }
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    fn hold(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Finds a prefix, or makes room for it.
    fn enter(&mut self, prefix: &str) -> &mut Prefix {
        self.uses += 1;
        if !self.prefixes.contains_key(prefix) && self.prefixes.len() >= PREFIXES_MAX {
            let unused = self.prefixes.iter().filter(|(_, known)| known.watches == 0);
            let oldest = unused.min_by_key(|(_, known)| known.used).map(|(prefix, _)| prefix.clone());
            oldest.and_then(|oldest| self.prefixes.remove(&oldest));
        }
        let known = self.prefixes.entry(prefix.into()).or_default();
        known.used = self.uses;
        known
    }
}

impl Prefix {
    /// Gives the next lower revision of which nothing else was told.
    fn other_than(&self, mut revision: u64, contents: &Contents) -> u64 {
        while revision > 1 && self.told.get(&revision).is_some_and(|told| **told != *contents) {
            revision -= 1;
        }
        revision
    }

    fn tell(&mut self, revision: u64, contents: Arc<Contents>) {
        let shared = self.told.last_key_value().map(|(_, last)| last).filter(|last| ***last == *contents);
        let contents = shared.map_or(contents, Arc::clone);
        self.told.insert(revision, contents);
        if self.told.len() > LISTINGS_MAX {
            self.told.pop_first();
        }
    }
}

/// Tells whether what a prefix holds `now` cannot have followed from what it held at `revision`.
fn went_back(before: &Contents, revision: u64, now: &Contents, index: u64) -> bool {
    let is_old = |(key, written): (&String, &u64)| *written <= revision && before.get(key) != Some(written);
    let is_lost = |(key, written): (&String, &u64)| index < *written && !now.contains_key(key);
    now.iter().any(is_old) || before.iter().any(is_lost)
}

#[cfg(test)]
mod tests;
