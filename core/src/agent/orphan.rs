//! Which tasks the agent tells the scheduler of because they run here and the store has no record of them: it was put back
//! to an earlier state, was emptied, or is another one. What is said is the record itself, as the agent last knew it, so
//! that it can be written again.
//!
//! What was said outlives the agent, and reminds its next life that the record's absence is no evidence; from then on only
//! a record ends the task. It is taken back when the record is there again, or when nothing of the task is left.
//!
//! **Invariant:** nothing is said of a task whose end was ordered, given up, or confirmed in whatever way.

use super::converge::Verdict;
use super::local::Local;
use super::{Agent, Key, fetch};
use crate::keys;
use crate::machine::Time;
use crate::model::{Desired, Name, StoreId, Task};
use crate::record;
use crate::store::Entry;
use crate::why::Note;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

/// The most bytes of what is said of one task; a record that has more was not written by a scheduler in its senses.
const WORD_BYTES_MAX: usize = 8 * 1024;

impl Agent {
    /// Asks which store this is, whenever it has told what it holds.
    pub(super) fn identify_store(&mut self, now: Time) {
        self.identified = false;
        let asker = self.name().clone();
        self.fetches.want(now, keys::STORE_ID, &asker, fetch::PATIENT);
    }

    /// Takes what tells this store from others. One that has another id than before, or none any more, forgot everything
    /// that happened since somebody named it; one that was never named is asked again, and proves nothing.
    pub(super) fn fetched_store_id(&mut self, now: Time, entry: Option<&Entry>) {
        let read = entry.map(|entry| record::read::<StoreId>(&entry.value)).transpose();
        // One that cannot be read is asked for again.
        let Ok(found) = read else { return };
        let found = found.map(|store| store.id);
        self.identified = found.is_some();
        if self.identified {
            self.fetches.done(keys::STORE_ID);
        }
        if found == self.store_id {
            return;
        }
        if let Some(before) = core::mem::replace(&mut self.store_id, found) {
            let now_is = self.store_id.as_ref().map_or("none".into(), |id| format!("{id:?}"));
            let what =
                format!("its id is {now_is}, was {before:?}: another store? nothing is taken as removed");
            self.note(Note::Store { what });
            // Nor is what it says of a task judged by what another store said.
            self.forget_tasks(now);
            self.touch_all();
        }
    }

    /// Remembers the store as the one that is followed once it holds a record, or the agent's word, of all that runs here.
    pub(super) fn trust_store(&mut self) {
        if self.trusted == self.store_id || !self.identified || !self.knows_all() {
            return;
        }
        let is_unsaid = |local: &Local| local.suspended && local.holds_port() && !self.is_claimed(local);
        if !self.locals.values().any(is_unsaid) {
            self.trusted.clone_from(&self.store_id);
        }
    }

    /// Tells whether the store is another one than that in which all that runs here was accounted for.
    pub(super) fn is_astray(&self) -> bool {
        self.trusted.is_some() && self.trusted != self.store_id
    }

    /// Tells whether the store holds the agent's word that this placement runs.
    pub(super) fn is_claimed(&self, local: &Local) -> bool {
        let said = self.own.get(&self.orphan_key(&local.task.id));
        let said = said.and_then(|entry| record::read::<Task>(&entry.value).ok());
        said.is_some_and(|task| task.generation == local.generation())
    }

    pub(super) fn orphan_key(&self, id: &Name) -> String {
        Key::Orphan(self.name().clone(), id.clone()).path()
    }

    fn is_orphan(&self, local: &Local) -> bool {
        if !local.holds_port() {
            return false;
        }
        let is_puzzling = || {
            let told = local.unexplained.is_some_and(|(_, told)| told);
            (told || local.suspended || self.is_claimed(local)) && self.verdict(local) == Verdict::Silence
        };
        match self.issued.get(&local.task.id).map(|issued| issued.task.as_deref()) {
            None => is_puzzling(),
            Some(Some(task)) if task.generation < local.generation() => is_puzzling(),
            // The word is kept until the order is carried out: what is left of it is then known to be nothing.
            Some(Some(task)) if task.generation == local.generation() => {
                task.desired == Desired::Stop && self.is_claimed(local)
            }
            Some(Some(_) | None) => false,
        }
    }

    /// Notices that something is to be said of a task, or taken back.
    pub(super) fn review_orphan(&mut self, local: &Local) {
        let is_odd = local.suspended || local.unexplained.is_some();
        if is_odd && self.is_orphan(local) != self.is_claimed(local) {
            self.writer.host_changed = true;
        }
        // What an earlier life of the agent said may be over by now.
        if !local.holds_port() {
            self.recant_orphan(&local.task.id);
        }
    }

    /// Takes back what was said of a task when that may have become wrong.
    pub(super) fn recant_orphan(&mut self, id: &Name) {
        self.writer.host_changed |= self.own.contains_key(&self.orphan_key(id));
    }

    /// Adds what is to be said of tasks without records.
    pub(super) fn say_orphans(&self, wanted: &mut BTreeMap<String, String>) {
        for local in self.locals.values().filter(|local| self.is_orphan(local)) {
            let reason = record::shorten(&local.task.reason, 500).into();
            let said = record::write(&Task { reason, ..Task::clone(&local.task) });
            if said.len() <= WORD_BYTES_MAX {
                wanted.insert(self.orphan_key(&local.task.id), said);
            }
        }
    }
}
