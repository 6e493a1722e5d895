//! How news from the store come into the agent: by prefix and key, whole listings and single changes alike.
//!
//! **Invariant:** what is older than what is known changes nothing, unless the store itself went back in time; then
//! nothing that is missing counts as removed.

use super::Agent;
use super::fetch::Fetched;
use crate::keys::Key;
use crate::machine::Time;
use crate::mirror::{News, digest};
use crate::model::Name;
use crate::store::{Change, Entry, Listing, Reply, Revision};
use crate::why::Note;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Agent {
    /// Takes an answer of the store.
    pub(super) fn hear(&mut self, now: Time, reply: Reply) {
        if let Reply::Listed { prefix, result } = &reply
            && let Some(fetched) = self.fetches.reply(now, prefix, result)
        {
            return self.fetched(now, prefix, &fetched);
        }
        if let Reply::Done { write, outcome } = &reply {
            return self.written(now, *write, outcome);
        }
        if let Some(news) = self.session.reply(now, &reply) {
            self.session_news(&news);
        }
        let mut requests = Vec::new();
        let news = self.mirror.reply(now, reply, &mut requests);
        self.request(requests);
        match news {
            Some(News::Listed { prefix, listing, went_back }) => {
                self.listed(now, &prefix, &listing, went_back);
            }
            Some(News::Changed(changes)) => changes.iter().for_each(|change| self.change(change)),
            Some(News::Trouble { prefix, why }) => self.trouble(&prefix, &why),
            None => {}
        }
        if !self.begun && self.mirror.is_filled() {
            self.begun = true;
            self.touch_all();
            self.writer.hurry(now);
        }
    }

    fn trouble(&mut self, prefix: &str, why: &str) {
        if !self.troubled {
            self.troubled = true;
            self.note(Note::Store { what: format!("{prefix} cannot be followed: {why}") });
        }
    }

    fn listed(&mut self, now: Time, prefix: &str, listing: &Listing, went_back: bool) {
        if self.troubled {
            self.troubled = false;
            self.note(Note::Store { what: format!("{prefix} can be followed again") });
        }
        if self.writer.doubt(went_back, listing.revision) {
            self.note(Note::Store {
                what: format!(
                    "at revision {}, was at {}: restored from a snapshot, or another store? nothing is taken as removed",
                    listing.revision.0, self.seen.0
                ),
            });
        }
        self.seen = self.seen.max(listing.revision);
        self.writer.listed(prefix);
        let mut present: Vec<&str> = listing.entries.iter().map(|entry| entry.key.as_str()).collect();
        present.sort_unstable();
        // It may have grown past what was known of tasks since.
        let is_of_tasks = prefix == self.at.tasks;
        let went_back = went_back || (is_of_tasks && core::mem::take(&mut self.undone));
        for key in self.known_keys(prefix) {
            if went_back || present.binary_search(&key.as_str()).is_err() {
                self.take_out(&key, if went_back { None } else { Some(listing.revision) });
            }
        }
        if went_back {
            if is_of_tasks { self.suspend() } else { self.forget_tasks(now) }
        }
        if is_of_tasks {
            self.identify_store(now);
        }
        let mut is_regrown = false;
        for entry in &listing.entries {
            let Some(key) = Key::parse(&entry.key) else { continue };
            if self.is_undone(&key, entry, listing.revision) {
                is_regrown = true;
                self.take_out(&entry.key, None);
            }
            self.take_in_at(&key, entry);
        }
        if is_regrown && !went_back {
            let what = format!("{prefix} was put back and written on since: nothing is taken as removed");
            self.note(Note::Store { what });
            if is_of_tasks { self.suspend() } else { self.forget_tasks(now) }
        }
    }

    /// Takes no record's absence as evidence until the store has shown it again.
    pub(super) fn suspend(&mut self) {
        for (id, local) in self.locals.iter_mut() {
            local.suspended = local.suspended || !self.issued.contains_key(id);
            local.confirmed = false;
        }
    }

    /// Lists the records of tasks afresh, as those of a store that went back; until then none's absence is evidence.
    pub(super) fn forget_tasks(&mut self, now: Time) {
        self.suspend();
        self.undone = true;
        self.mirror.refresh(now, &self.at.tasks);
    }

    fn known_keys(&self, prefix: &str) -> Vec<String> {
        if prefix == self.at.host {
            self.own.keys().cloned().collect()
        } else if prefix == self.at.tasks {
            self.issued.keys().map(|id| format!("{prefix}{id}")).collect()
        } else {
            self.stored.keys().map(|id| format!("{prefix}{id}")).collect()
        }
    }

    fn change(&mut self, change: &Change) {
        self.seen = self.seen.max(change.revision());
        match change {
            Change::Put(entry) => self.take_in(entry),
            Change::Delete { key, revision } => self.take_out(key, Some(*revision)),
        }
    }

    /// Tells whether what is known of a key was never written, to go by what is listed of it now: all that was ever written
    /// up to here is listed. The store was put back, and has grown past what is known since.
    fn is_undone(&self, key: &Key, entry: &Entry, listed: Revision) -> bool {
        let Some(known) = self.known_revision(key, &entry.key).filter(|known| *known <= listed) else {
            return false;
        };
        entry.revision < known || (entry.revision == known && self.differs(key, entry))
    }

    /// Tells whether a key holds something else than is known.
    fn differs(&self, key: &Key, entry: &Entry) -> bool {
        let known = if let Key::HostTask(_, id) = key {
            self.issued.get(id).map(|issued| issued.digest)
        } else if let Key::Status(_, id) = key {
            self.stored.get(id).map(|stored| stored.digest)
        } else {
            self.own.get(&entry.key).map(|known| digest(&known.value))
        };
        known != Some(digest(&entry.value))
    }

    /// Gives when a key was last written, as far as known.
    fn known_revision(&self, key: &Key, path: &str) -> Option<Revision> {
        if let Key::HostTask(_, id) = key {
            self.issued.get(id).map(|issued| issued.revision)
        } else if let Key::Status(_, id) = key {
            self.stored.get(id).map(|stored| stored.revision)
        } else {
            self.own.get(path).map(|entry| entry.revision)
        }
    }

    /// Takes in a key's entry, unless it is known, or something newer is.
    pub(super) fn take_in(&mut self, entry: &Entry) {
        if let Some(key) = Key::parse(&entry.key) {
            self.take_in_at(&key, entry);
        }
    }

    fn take_in_at(&mut self, key: &Key, entry: &Entry) {
        if self.known_revision(key, &entry.key).is_some_and(|known| known >= entry.revision) {
            return;
        }
        if let Key::HostTask(_, id) = key {
            self.put_issued(id, entry);
        } else if let Key::Status(_, id) = key {
            self.put_stored(id, entry);
        } else {
            self.own.insert(entry.clone());
            self.writer.host_changed = true;
        }
    }

    /// Takes out a key that was removed at a revision, unless something newer is known; at none, whatever is known.
    pub(super) fn take_out(&mut self, path: &str, revision: Option<Revision>) {
        let Some(key) = Key::parse(path) else { return };
        let Some(known) = self.known_revision(&key, path) else { return };
        if revision.is_some_and(|revision| known > revision) {
            return;
        }
        if let Key::HostTask(_, id) = key {
            self.drop_issued(&id);
        } else if let Key::Status(_, id) = key {
            self.stored.remove(&id);
            self.touch(&id);
        } else {
            self.own.remove(path);
            self.writer.host_changed = true;
            if path == self.at.alive {
                self.touch_all();
            }
        }
    }

    /// Takes the answer to a read of a single key.
    fn fetched(&mut self, now: Time, key: &str, fetched: &Fetched) {
        let parsed = Key::parse(key);
        match (&fetched.result, parsed) {
            (Err(why), _) => {
                let why = format!("{key} cannot be read: {why}");
                fetched.ids.iter().for_each(|id| self.not_fetched(id, &why));
            }
            (Ok((_, entry)), Some(Key::Definition(name, version))) => {
                self.fetched_definition(key, &(name, version), entry.as_deref(), &fetched.ids);
            }
            (Ok((_, entry)), Some(Key::StoreId)) => self.fetched_store_id(now, entry.as_deref()),
            (Ok((revision, entry)), Some(Key::ServiceState(_))) => {
                self.fetched_service(key, *revision, entry.as_deref(), &fetched.ids);
            }
            (Ok((revision, entry)), Some(_)) => {
                self.fetched_ledger(key, *revision, entry.as_deref(), &fetched.ids);
            }
            (Ok(_), None) => {}
        }
        fetched.ids.iter().for_each(|id| self.touch(id));
    }

    /// Says why a task that never ran still waits.
    pub(super) fn not_fetched(&mut self, id: &Name, why: &str) {
        if let Some(local) = self.locals.get_mut(id)
            && local.state == super::local::State::Waiting
        {
            local.reason = Some(why.to_string());
        }
    }
}
