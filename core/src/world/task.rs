//! A task as the scheduler sees it: its record, what its agent last said, and the class that follows from both.

use super::{Timer, World};
use crate::keys::Key;
use crate::machine::Time;
use crate::model::{Claim, Desired, Health, Name, Phase, Status, Task};
use crate::record;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

/// A task record and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// The record.
    pub task: Arc<Task>,
    /// What it amounts to now.
    pub class: Class,
    /// Since when this scheduler sees it so.
    pub since: Time,
    /// When this scheduler first saw this generation.
    pub seen: Time,
    /// It has been [`Class::Mature`] once.
    pub proven: bool,
    /// Fingerprint of the record, and of its copy under the host where there is one.
    pub(crate) digest: u64,
    pub(crate) twin: Option<u64>,
}

/// What a task amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Shall run; its agent has not brought it up yet.
    Starting,
    /// Shall run; does not do its work.
    Unhealthy,
    /// Shall run; its agent has given up on it, and nothing of it is left.
    Failed,
    /// Shall run; its host is not heard of, so nothing is known of it.
    Suspect,
    /// Shall run; its host is given up.
    Lost,
    /// Shall run, and does its work.
    Healthy,
    /// Shall run, and has done its work for the service's `min_healthy_time`.
    Mature,
    /// Shall stop; may still be there.
    Stopping,
    /// Shall stop, and nothing of it is left.
    Over,
    /// Has run to its end, whatever it shall do; nothing of it is left.
    Completed,
}

impl Class {
    /// Tells whether the task shall run.
    #[must_use]
    pub fn is_issued(self) -> bool {
        !matches!(self, Class::Stopping | Class::Over | Class::Completed)
    }

    /// Tells whether it is known to do its work.
    #[must_use]
    pub fn is_healthy(self) -> bool {
        matches!(self, Class::Healthy | Class::Mature)
    }
}

impl World {
    /// Gives what the agent last said of this placement; what it said of an earlier one is not it.
    #[must_use]
    pub fn status(&self, task: &Task) -> Option<&Arc<Status>> {
        let status = self.hosts.get(&task.host)?.statuses.get(&task.id)?;
        (status.generation == task.generation).then_some(status)
    }

    /// Takes in a record, from the store or of our own making.
    pub(crate) fn put_task(&mut self, now: Time, task: Arc<Task>, digest: u64) {
        let id = task.id.clone();
        let mut before = self.unlink(&id);
        if before.is_none() {
            self.retry_neighbors(&task.service);
        }
        if let Some(old) = before.as_ref().filter(|old| old.task.host != task.host) {
            let host = old.task.host.clone();
            self.count_held(&host, &Claim::of(&old.task));
        }
        let claim = Claim::of(&task);
        let mut changed = before.as_ref().map_or_else(Claim::default, |old| Claim::of(&old.task));
        let mut twin = None;
        if let Some(old) = &before
            && (old.task.generation != task.generation || old.task.host != task.host)
        {
            // The copy stands under the host, whatever placement it is of.
            twin = old.twin.filter(|_| old.task.host == task.host);
            before = None;
        }
        let row = self.fleet.enter(&task.host);
        self.host_entry(&task.host).engage(&id, &claim);
        changed.add(&claim);
        self.expect_host(now, &task.host);
        let mut class = self.classify(&task);
        if class == Class::Healthy && before.as_ref().is_some_and(|old| old.class == Class::Mature) {
            class = Class::Mature;
        }
        let twin = twin.or(before.as_ref().and_then(|old| old.twin)).or_else(|| self.stray_twin(&task));
        let view = match before {
            Some(old) => TaskView {
                class,
                since: if old.class == class { old.since } else { now },
                digest,
                task: task.clone(),
                twin,
                ..old
            },
            None => {
                TaskView { task: task.clone(), class, since: now, seen: now, proven: false, digest, twin }
            }
        };
        self.tasks.insert(id.clone(), view);
        let group = self.groups.entry((task.cluster.clone(), task.service.clone())).or_default();
        group.settle(row, &task);
        group.insert(task.version, class, &id);
        self.newest = self.newest.max(task.generation);
        if task.makes_room_for.is_some() && !class.is_issued() {
            self.promised.insert((task.host.clone(), id.clone()));
        }
        self.check_pair(&id);
        self.watch_clock(now, &id);
        self.rewelcome(&id);
        self.count_held(&task.host, &changed);
        self.touch(&task.cluster, &task.service);
    }

    /// Takes a record out.
    pub(crate) fn drop_task(&mut self, id: &Name) {
        if let Some(view) = self.unlink(id) {
            let task = view.task.clone();
            self.unpaired.remove(id);
            if let Some(twin) = view.twin {
                let own = self.unknown.get(&Key::Task(id.clone()).path());
                let own = || own.map_or_else(|| record::write(&*task), |unknown| unknown.write(&*task));
                let value = self.differing.remove(id).unwrap_or_else(own);
                self.host_entry(&task.host).strays.insert(id.clone(), (twin, value));
                self.strays.insert((task.host.clone(), id.clone()));
            }
            self.count_held(&task.host, &Claim::of(&task));
            // Where it was moved to another cluster, that may wait for this.
            self.touch(&task.cluster, &task.service);
            self.touch_home(&task.service);
            let key = (task.cluster.clone(), task.service.clone());
            if self.groups.get(&key).is_some_and(super::Group::is_empty) {
                self.groups.remove(&key);
            }
            if self.is_draining(&task.host) {
                self.touch_systems();
            }
            self.retry_blocked();
        }
    }

    /// Computes a task's class anew after its status, its host or its rollout changed.
    pub(crate) fn reclassify(&mut self, now: Time, id: &Name) {
        let Some(view) = self.tasks.get(id) else { return };
        let (task, old) = (view.task.clone(), view.class);
        let mut class = self.classify(&task);
        if class == Class::Healthy && self.is_ripe(now, &self.tasks[id]) {
            class = Class::Mature;
        }
        if class == old || (class == Class::Healthy && old == Class::Mature) {
            return;
        }
        let group = self.groups.entry((task.cluster.clone(), task.service.clone())).or_default();
        group.remove(task.version, old, id);
        group.insert(task.version, class, id);
        if let Some(view) = self.tasks.get_mut(id) {
            if !(old == Class::Healthy && class == Class::Mature) {
                view.since = now;
            }
            if old == Class::Suspect {
                // The time it was out of sight does not count against it.
                view.seen = now;
            }
            view.class = class;
            view.proven |= class == Class::Mature;
        }
        self.watch_clock(now, id);
        self.touch(&task.cluster, &task.service);
    }

    fn classify(&self, task: &Task) -> Class {
        let host = self.hosts.get(&task.host);
        let status = self.status(task);
        let phase = status.map(|status| status.phase);
        if phase == Some(Phase::Completed) {
            return Class::Completed;
        }
        match task.desired {
            Desired::Stop if phase.is_some_and(Phase::is_over) => Class::Over,
            Desired::Stop => Class::Stopping,
            Desired::Run => match host.map_or(super::Presence::Lost, |host| host.presence) {
                super::Presence::Lost => Class::Lost,
                super::Presence::Suspect { .. } => Class::Suspect,
                super::Presence::Ready => status.map_or(Class::Starting, |status| Self::of_status(status)),
            },
        }
    }

    fn of_status(status: &Status) -> Class {
        match (status.phase, status.health) {
            (Phase::Dead | Phase::Failed, _) => Class::Failed,
            (Phase::Completed, _) => Class::Completed,
            (Phase::Running, Health::Healthy) => Class::Healthy,
            (_, Health::Unhealthy) => Class::Unhealthy,
            (
                Phase::Pending | Phase::Starting | Phase::Running | Phase::Stopping,
                Health::Unknown | Health::Healthy,
            ) => Class::Starting,
        }
    }

    fn is_ripe(&self, now: Time, view: &TaskView) -> bool {
        let ripe = self.services.get(&view.task.service).map(|service| service.min_healthy_time);
        view.class == Class::Healthy && ripe.is_some_and(|ripe| now.since(view.since) >= ripe)
    }

    /// Gives tasks that have yet to prove themselves their time anew: nobody could see how they fared.
    pub(crate) fn be_patient(&mut self, now: Time) {
        let unproven = self.tasks.values_mut().filter(|view| !view.proven);
        let ids: alloc::vec::Vec<Name> = unproven
            .map(|view| {
                view.seen = now;
                view.task.id.clone()
            })
            .collect();
        for id in ids {
            self.watch_clock(now, &id);
        }
    }

    /// Makes sure that the tasks of a service are looked at in time: its times have changed, or were not known before.
    pub(crate) fn watch_clocks(&mut self, now: Time, service: &Name) {
        let groups = self.groups.iter().filter(|((_, of), _)| of == service);
        let ids: alloc::vec::Vec<Name> =
            groups.flat_map(|(_, group)| group.classes.values().flatten().cloned()).collect();
        for id in ids {
            self.watch_clock(now, &id);
        }
    }

    /// Makes sure the task is looked at when time alone will have changed what it amounts to.
    fn watch_clock(&mut self, now: Time, id: &Name) {
        let Some(view) = self.tasks.get(id) else { return };
        let Some(service) = self.services.get(&view.task.service) else { return };
        let at = match view.class {
            Class::Healthy => view.since + service.min_healthy_time,
            Class::Starting | Class::Unhealthy if !view.proven => {
                view.seen + service.healthy_deadline + service.min_healthy_time
            }
            Class::Starting
            | Class::Unhealthy
            | Class::Failed
            | Class::Suspect
            | Class::Lost
            | Class::Mature
            | Class::Stopping
            | Class::Over
            | Class::Completed => return,
        };
        self.timers.insert((at.max(now), Timer::Task(id.clone())));
    }

    /// Keeps the set of tasks that shall run elsewhere.
    pub(crate) fn rewelcome(&mut self, id: &Name) {
        let Some(view) = self.tasks.get(id) else { return };
        let task = &view.task;
        let unwelcome = view.class.is_issued()
            && (self.is_draining(&task.host)
                || self.is_to_move(task)
                || self.hosts.get(&task.host).is_some_and(|host| {
                    host.moves.get(id).is_some_and(|wish| wish.generation == task.generation)
                }));
        let (cluster, service) = (task.cluster.clone(), task.service.clone());
        let group = self.groups.entry((cluster.clone(), service.clone())).or_default();
        let changed = if unwelcome { group.unwelcome.insert(id.clone()) } else { group.unwelcome.remove(id) };
        if changed {
            self.touch(&cluster, &service);
        }
    }

    /// Tells whether users asked for a placement to move.
    pub(crate) fn is_to_move(&self, task: &Task) -> bool {
        self.services.get(&task.service).is_some_and(|service| {
            service.moves.iter().any(|placed| placed.id == task.id && placed.generation == task.generation)
        })
    }

    fn unlink(&mut self, id: &Name) -> Option<TaskView> {
        let view = self.tasks.swap_remove(id)?;
        let task = &view.task;
        if let Some(group) = self.groups.get_mut(&(task.cluster.clone(), task.service.clone())) {
            group.remove(task.version, view.class, id);
            group.unwelcome.remove(id);
            if let Some(row) = self.fleet.find(&task.host) {
                group.unsettle(row, task);
            }
        }
        if let Some(host) = self.hosts.get_mut(&task.host) {
            host.release(task);
        }
        if task.makes_room_for.is_some() {
            self.promised.remove(&(task.host.clone(), id.clone()));
        }
        Some(view)
    }

    fn stray_twin(&mut self, task: &Task) -> Option<u64> {
        self.strays.remove(&(task.host.clone(), task.id.clone()));
        self.hosts.get_mut(&task.host)?.strays.remove(&task.id).map(|(digest, _)| digest)
    }

    /// Tells whether a copy under some host speaks of a task that has no record.
    pub(crate) fn is_stray(&self, id: &Name) -> bool {
        self.strays.iter().any(|(_, stray)| stray == id)
    }

    /// Gives the copy under a host of a record that is not there.
    pub(crate) fn stray(&self, host: &Name, id: &Name) -> Option<&str> {
        self.hosts.get(host)?.strays.get(id).map(|(_, value)| value.as_str())
    }

    /// Looks again at the service of a copy without a record, of which something has changed.
    pub(crate) fn touch_stray(&mut self, host: &Name, id: &Name) {
        let task = self.stray(host, id).and_then(|value| record::read::<Task>(value).ok());
        if let Some(task) = task {
            self.touch(&task.cluster, &task.service);
        }
    }

    /// Takes in the copy of a record under its host.
    pub(crate) fn put_twin(&mut self, host: &Name, id: &Name, digest: u64, value: &str) {
        match self.tasks.get_mut(id) {
            Some(view) if view.task.host == *host => {
                view.twin = Some(digest);
                if view.digest != digest {
                    self.differing.insert(id.clone(), value.into());
                }
                self.check_pair(id);
            }
            Some(_) | None => {
                self.host_entry(host).strays.insert(id.clone(), (digest, value.into()));
                self.strays.insert((host.clone(), id.clone()));
                self.touch_stray(host, id);
            }
        }
    }

    /// Takes out the copy of a record under its host.
    pub(crate) fn drop_twin(&mut self, host: &Name, id: &Name) {
        match self.tasks.get_mut(id) {
            Some(view) if view.task.host == *host => {
                view.twin = None;
                self.differing.remove(id);
                self.check_pair(id);
            }
            Some(_) | None => {
                self.touch_stray(host, id);
                self.host_entry(host).strays.remove(id);
                self.strays.remove(&(host.clone(), id.clone()));
            }
        }
    }

    /// Remembers a task whose record and copy differ, to be mended at the next planning.
    fn check_pair(&mut self, id: &Name) {
        let broken = self.tasks.get(id).filter(|view| view.twin != Some(view.digest));
        match broken.map(|view| view.task.clone()) {
            Some(task) => {
                self.unpaired.insert(id.clone());
                self.touch(&task.cluster, &task.service);
            }
            None => {
                self.unpaired.remove(id);
                self.differing.remove(id);
            }
        }
    }

    /// Gives both keys of a task.
    pub(crate) fn pair(task: &Task) -> (Key, Key) {
        (Key::Task(task.id.clone()), Key::HostTask(task.host.clone(), task.id.clone()))
    }
}
