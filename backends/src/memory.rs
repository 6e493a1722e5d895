//! Says what a store is: keys, revisions, guards, sessions and watches as plain data, with time as an argument. The
//! simulator drives it directly; every other store must behave like it.
//!
//! **Invariant:** a call that refuses changes nothing, and each transaction that changes something makes exactly one
//! new revision.

mod entries;
mod history;
mod sessions;
mod watchers;

use std::sync::Arc;

use callboard_core::machine::{Span, Time};
use callboard_core::store::{Change, Entry, Guard, Listing, Op, Outcome, Refusal, Revision, SessionId, Txn};

use entries::Entries;
use history::{Happened, History};
use sessions::Sessions;
use watchers::Watchers;

/// A whole store in memory. Same calls, same answers, down to the session ids.
///
/// Cloning it is a checkpoint: values are shared, so it costs a pointer for each key.
#[derive(Clone, Debug)]
pub struct Memory {
    revision: Revision,
    entries: Entries,
    sessions: Sessions,
    history: History,
    watchers: Watchers,
}

/// Names one watch of one [`Memory`]; ids grow and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherId(pub u64);

/// What one watcher must hear of one transaction: all of its changes under the watcher's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who.
    pub watcher: WatcherId,
    /// Revision of the transaction.
    pub revision: Revision,
    /// In the order in which the transaction made them; never empty.
    pub changes: Vec<Change>,
}

/// Why a watch cannot continue after a revision. Only a new listing helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotContinue {
    /// The changes since then are forgotten.
    #[error("the history up to revision {} is compacted; list again", .oldest.0)]
    Compacted {
        /// The oldest revision after which a watch can continue.
        oldest: Revision,
    },
    /// The store never reached it: it was emptied, restored or is another one.
    #[error("the store is only at revision {}; list again", .revision.0)]
    Ahead {
        /// Where the store is.
        revision: Revision,
    },
}

/// How many transactions a watch may lag behind, unless told otherwise.
pub const HISTORY_TXNS: usize = 10_000;

impl Default for Memory {
    fn default() -> Memory {
        Memory::new(HISTORY_TXNS)
    }
}

impl Memory {
    /// Makes an empty store at revision 0 that remembers the last `history` transactions for watches.
    #[must_use]
    pub fn new(history: usize) -> Memory {
        Memory::restore(Revision(0), Vec::new(), history)
    }

    /// Makes a store that carries on at `revision` with these entries and no sessions; nothing is known of what came
    /// before. Session ids of stores that carry on at different revisions differ.
    #[must_use]
    pub fn restore(revision: Revision, entries: Vec<Arc<Entry>>, history: usize) -> Memory {
        Memory {
            revision,
            entries: entries.into_iter().collect(),
            sessions: Sessions::new(revision),
            history: History::new(revision, history),
            watchers: Watchers::default(),
        }
    }

    /// Takes the place of another store: no session gets an id that one got there.
    pub fn succeed(&mut self, before: &Memory) {
        self.sessions.succeed(&before.sessions);
    }

    /// Gives the revision of the last transaction that changed something.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Finds one key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Walks through everything under a prefix in the order of keys, without copying.
    pub fn entries<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Arc<Entry>> {
        self.entries.under(prefix)
    }

    /// Copies everything under a prefix, with the revision after which a watch continues.
    #[must_use]
    pub fn list(&self, prefix: &str) -> Listing {
        Listing { revision: self.revision, entries: self.entries(prefix).cloned().collect() }
    }

    /// Carries out a transaction, and says who must hear of it.
    ///
    /// The outcome is `Committed` or `Refused`, never unknown. A transaction that changes nothing (guards only) is
    /// committed at the present revision.
    pub fn commit(&mut self, txn: &Txn) -> (Outcome, Vec<Delivery>) {
        if let Err(refusal) = self.check(txn) {
            return (Outcome::Refused(refusal), Vec::new());
        }
        let revision = Revision(self.revision.0 + 1);
        let mut happened = Vec::with_capacity(txn.ops.len());
        for op in &txn.ops {
            match op {
                Op::Put { key, value, session } => {
                    let (key, value, session) = (key.clone(), value.clone(), session.clone());
                    happened.push(Happened::Put(self.put(Entry { key, value, revision, session })));
                }
                Op::Delete { key } => happened.extend(self.delete(key).map(Happened::Delete)),
            }
        }
        let deliveries = self.publish(revision, happened);
        (Outcome::Committed(self.revision), deliveries)
    }

    /// Tells whether a transaction would be refused now, and why.
    ///
    /// # Errors
    /// The refusal. A lost lock comes before conflicts, and conflicts (all of them) before a session that is over.
    pub fn check(&self, txn: &Txn) -> Result<(), Refusal> {
        if let Some(fault) = txn.fault() {
            return Err(Refusal::Invalid(fault.into()));
        }
        let mut conflicts: Vec<&str> = Vec::new();
        for guard in &txn.guards {
            let found = self.get(guard.key());
            let holds = match guard {
                Guard::At { revision, .. } => found.is_some_and(|entry| entry.revision == *revision),
                Guard::Absent { .. } => found.is_none(),
                Guard::Held { session, tenure, .. } => {
                    let held = found.is_some_and(|entry| {
                        entry.revision == *tenure && entry.session.as_ref() == Some(session)
                    });
                    if !held || !self.sessions.alive(session) {
                        return Err(Refusal::LockLost);
                    }
                    true
                }
            };
            if !holds && !conflicts.contains(&guard.key()) {
                conflicts.push(guard.key());
            }
        }
        if !conflicts.is_empty() {
            return Err(Refusal::Conflict(conflicts.into_iter().map(String::from).collect()));
        }
        for op in &txn.ops {
            if let Op::Put { key, session: Some(session), .. } = op
                && !self.sessions.alive(session)
            {
                return Err(Refusal::Invalid(format!(
                    "{key} is put under session {}, which is over",
                    session.0
                )));
            }
        }
        Ok(())
    }

    /// Opens a session that lapses `ttl` after `now` unless it is renewed.
    pub fn open_session(&mut self, name: &str, ttl: Span, now: Time) -> SessionId {
        self.sessions.open(name, ttl, now)
    }

    /// Keeps a session for another ttl from `now`. False when it is over. A session that lapsed but was not yet ended
    /// by [`expire`](Memory::expire) is kept, as in Consul: a ttl is a lower bound.
    pub fn renew_session(&mut self, session: &SessionId, now: Time) -> bool {
        self.sessions.renew(session, now)
    }

    /// Ends a session and deletes its keys in one revision; does nothing when it is over.
    pub fn close_session(&mut self, session: &SessionId) -> Vec<Delivery> {
        let mut happened = Vec::new();
        for key in self.sessions.end(session) {
            happened.extend(self.delete(&key).map(Happened::Delete));
        }
        self.publish(Revision(self.revision.0 + 1), happened)
    }

    /// Ends every session that lapsed by `now`, in the order in which they lapsed, each in a revision of its own.
    pub fn expire(&mut self, now: Time) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while let Some(session) = self.sessions.lapsed(now) {
            deliveries.extend(self.close_session(&session));
        }
        deliveries
    }

    /// Finds the session that lapsed first, if any has by `now`.
    #[must_use]
    pub fn lapsed(&self, now: Time) -> Option<SessionId> {
        self.sessions.lapsed(now)
    }

    /// Tells when [`expire`](Memory::expire) has something to do next.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Time> {
        self.sessions.next_expiry()
    }

    /// Tells whether a session is still open.
    #[must_use]
    pub fn alive(&self, session: &SessionId) -> bool {
        self.sessions.alive(session)
    }

    /// Walks through the open sessions: id, and the name given at opening.
    pub fn sessions(&self) -> impl Iterator<Item = (&SessionId, &str)> {
        self.sessions.iter()
    }

    /// Walks through the keys that live under a session and will vanish with it, in order.
    pub fn session_keys(&self, session: &SessionId) -> impl Iterator<Item = &str> {
        self.sessions.keys(session)
    }

    /// Begins a watch, and gives what it missed: one item for each transaction after `after` that touched the prefix.
    ///
    /// # Errors
    /// When nobody can say any more what happened since `after`.
    pub fn watch(
        &mut self,
        prefix: &str,
        after: Revision,
    ) -> Result<(WatcherId, Vec<Delivery>), CannotContinue> {
        if after > self.revision {
            return Err(CannotContinue::Ahead { revision: self.revision });
        }
        let missed = self.history.after(after)?;
        let watcher = self.watchers.add(prefix);
        let backlog = missed
            .map(|past| Delivery { watcher, revision: past.revision, changes: past.under(prefix) })
            .filter(|delivery| !delivery.changes.is_empty())
            .collect();
        Ok((watcher, backlog))
    }

    /// Ends a watch; does nothing when it is unknown.
    pub fn unwatch(&mut self, watcher: WatcherId) {
        self.watchers.remove(watcher);
    }

    /// Gives the prefix of a watch.
    #[must_use]
    pub fn watched(&self, watcher: WatcherId) -> Option<&str> {
        self.watchers.prefix(watcher)
    }

    /// Forgets the history up to and including `through`. Watches already begun go on.
    pub fn compact(&mut self, through: Revision) {
        self.history.compact(through.min(self.revision));
    }

    fn put(&mut self, entry: Entry) -> Arc<Entry> {
        let entry = Arc::new(entry);
        let old = self.entries.put(&entry);
        let before = old.as_ref().and_then(|old| old.session.as_ref());
        if before != entry.session.as_ref() {
            self.sessions.rebind(&entry.key, before, entry.session.as_ref());
        }
        entry
    }

    fn delete(&mut self, key: &str) -> Option<Arc<Entry>> {
        let old = self.entries.take(key)?;
        self.sessions.rebind(key, old.session.as_ref(), None);
        Some(old)
    }

    fn publish(&mut self, revision: Revision, happened: Vec<Happened>) -> Vec<Delivery> {
        if happened.is_empty() {
            return Vec::new();
        }
        self.revision = revision;
        let deliveries = self.watchers.deliveries(revision, &happened);
        self.history.push(revision, happened);
        deliveries
    }
}

#[cfg(test)]
mod tests;
