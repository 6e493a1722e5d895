//! What runs although the store knows nothing of it: the store was put back to an earlier state, emptied, or is another
//! one. Agents say so, each of its own tasks, and are given time to do it before anything is put in the place of what may
//! still run.
//!
//! **Invariant:** that a store went back makes nobody wait for longer than a silent host does.

use super::{GroupKey, Timer, World};
use crate::machine::Time;
use crate::model::{Alive, Name, Task};
use crate::record;
use crate::store::Revision;
use crate::why::Note;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl World {
    /// Takes in or out what an agent says of a task without a record.
    pub(crate) fn put_orphan(&mut self, host: &Name, id: &Name, task: Option<Arc<Task>>) {
        let orphans = &mut self.host_entry(host).orphans;
        let before = orphans.remove(id);
        if let Some(task) = &task {
            orphans.insert(id.clone(), task.clone());
            self.newest = self.newest.max(task.generation);
        }
        if let Some(key) = before.map(|task| group_of(&task)) {
            if let Some(of_group) = self.orphans.get_mut(&key) {
                of_group.remove(&(id.clone(), host.clone()));
                if of_group.is_empty() {
                    self.orphans.remove(&key);
                }
            }
            self.touch(&key.0, &key.1);
            // Where it moved to waits for this.
            self.touch_service(&key.1);
        }
        if let Some(key) = task.map(|task| group_of(&task)) {
            self.touch(&key.0, &key.1);
            self.orphans.entry(key).or_default().insert((id.clone(), host.clone()));
        } else {
            // Some keep away from it.
            self.retry_blocked();
        }
        self.describe_host(host);
    }

    /// Looks again at the tasks that run without a record on a host of which something has changed.
    pub(crate) fn touch_orphans(&mut self, host: &Name) {
        let orphans = self.hosts.get(host).into_iter().flat_map(|host| host.orphans.values());
        let groups: Vec<GroupKey> = orphans.map(|task| group_of(task)).collect();
        groups.iter().for_each(|key| self.touch_group(key));
    }

    /// Gives the tasks of a service that run without a record, later placements first.
    pub(crate) fn orphans_of(&self, key: &GroupKey) -> Vec<Arc<Task>> {
        let of_group = self.orphans.get(key).into_iter().flatten();
        let mut tasks: Vec<Arc<Task>> =
            of_group.filter_map(|(id, host)| self.hosts.get(host)?.orphans.get(id).cloned()).collect();
        tasks.sort_by(|a, b| b.generation.cmp(&a.generation).then_with(|| a.id.cmp(&b.id)));
        tasks
    }

    /// Tells whether a task runs without a record under this id.
    pub(crate) fn is_orphan(&self, key: &GroupKey, id: &Name) -> bool {
        self.orphans.get(key).is_some_and(|of_group| of_group.iter().any(|(orphan, _)| orphan == id))
    }

    /// Tells whether a service is listed by another cluster than this.
    pub(crate) fn lives_elsewhere(&self, key: &GroupKey) -> bool {
        self.services.contains_key(&key.1) && self.homes.get(&key.1).is_some_and(|home| *home != key.0)
    }

    /// Tells whether something of a service runs, or may, that has no record of its own.
    pub(crate) fn runs_unrecorded(&self, key: &GroupKey) -> bool {
        let is_of = |task: Task| (&task.cluster, &task.service) == (&key.0, &key.1);
        let mut copies = self.strays.iter().filter_map(|(host, id)| self.stray(host, id));
        self.orphans.contains_key(key) || copies.any(|value| record::read::<Task>(value).is_ok_and(is_of))
    }

    /// Tells whether something of a service runs on a host, or may, that has no record of its own.
    pub(crate) fn runs_unrecorded_on(&self, name: &Name, key: &GroupKey) -> bool {
        let Some(host) = self.hosts.get(name) else { return false };
        let is_of = |task: &Task| (&task.cluster, &task.service) == (&key.0, &key.1);
        let mut copies = host.strays.values().filter_map(|(_, value)| record::read::<Task>(value).ok());
        host.orphans.values().any(|task| is_of(task)) || copies.any(|task| is_of(&task))
    }

    /// Takes in what tells the store from others; another one than before is a store that forgot.
    pub(crate) fn put_store_id(&mut self, now: Time, id: Name) {
        if self.naming.as_ref() == Some(&id) {
            self.confirm_store_id();
        }
        if self.known_store.as_ref().is_some_and(|known| *known != id) {
            self.notes
                .push(Note::Store { what: format!("its id is {id} now: this is another store than before") });
            self.recall(now);
        }
        self.known_store = Some(id.clone());
        self.store_id = Some(id);
    }

    /// Takes note that the id that was written is in the store.
    pub(crate) fn confirm_store_id(&mut self) {
        if let Some(id) = self.naming.take() {
            self.known_store = Some(id);
            self.rename_store = false;
        }
    }

    /// Gives agents time to say what runs: the store is not what it was.
    pub(crate) fn recall(&mut self, now: Time) {
        let until = now + self.host_grace();
        if self.recalling.is_none_or(|before| before < until) {
            self.recalling = Some(until);
            self.timers.insert((until, Timer::Recalled));
        }
    }

    /// Plans anew when the time that agents were given is over.
    pub(crate) fn end_recall(&mut self, now: Time) {
        if self.recalling.is_some_and(|until| until <= now) {
            self.recalling = None;
            let listed = self.homes.iter().map(|(service, cluster)| (cluster.clone(), service.clone()));
            let all: Vec<GroupKey> = listed.chain(self.orphans.keys().cloned()).collect();
            all.iter().for_each(|key| self.touch_group(key));
        }
    }

    /// Notices by an agent's sign of life that the store went back before this scheduler knew it. Once: what comes later
    /// is what agents that were away for long say of the same.
    pub(crate) fn recall_by(&mut self, now: Time, alive: &Alive, written: Revision) {
        if !self.recalled && alive.seen > self.head.max(written) {
            self.recalled = true;
            self.rename_store = true;
            self.recall(now);
        }
    }
}

fn group_of(task: &Task) -> GroupKey {
    (task.cluster.clone(), task.service.clone())
}
