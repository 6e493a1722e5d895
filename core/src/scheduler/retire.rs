//! Which tasks must go for others: of another version, on a host that is drained, asked to move, of a service that is
//! gone.
//!
//! **Invariant:** a task that does its work is stopped by choice only while more than `min` others do theirs.

use super::adopt;
use super::batch::Batch;
use super::place::Candidate;
use super::round::{Created, Round, small};
use crate::machine::Time;
use crate::model::{Name, Rollout, Service, ServiceState, Task};
use crate::why::StopReason;
use crate::world::{Blocked, Class, GroupKey, HostView, Presence, TaskView, World};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Round<'_> {
    /// Stops tasks that are not of the version, or not welcome where they are. Those that do no work go at once; the
    /// others as replacements prove themselves, or to make room for these.
    pub(crate) fn retire(&mut self, created: Created) {
        let version = self.version();
        let idle = [Class::Starting, Class::Unhealthy];
        let at_work = [Class::Healthy, Class::Mature];
        let filling = self.filling();
        let mut outdated = self.select(|of| of != version, &idle, None);
        outdated.retain(|id| !filling.contains(id));
        outdated.extend(self.select(|of| of == version, &idle, Some(false)));
        for id in outdated {
            let why = self.why_retire(&id);
            self.stop(&id, why);
        }
        let mut unheard = self.select(|of| of != version, &[Class::Suspect], None);
        unheard.extend(self.select(|of| of == version, &[Class::Suspect], Some(false)));
        for id in unheard {
            if self.excess() > 0 {
                let why = self.why_retire(&id);
                self.stop(&id, why);
            }
        }
        let mut working = self.select(|_| true, &at_work, Some(false));
        working.extend(self.select(|of| of != version, &at_work, Some(true)));
        let proven = if self.is_on_trial(version) { &at_work[1..] } else { &at_work[..] };
        let replaced = self.count_welcome(version, proven);
        let keep = self.service.target().saturating_sub(replaced);
        let surplus = small(working.len()).saturating_sub(keep);
        let room = match created {
            Created::Enough
            | Created::Later
            | Created::Recalling
            | Created::Overlapping
            | Created::Offered => 0,
            Created::AtMax | Created::Unplaceable => self.missing().min(self.may_start()),
            Created::Quarantined => self.missing(),
        };
        // What was told to stop makes room already; under `max` it counts no more from then on.
        let leaving = if created == Created::AtMax { 0 } else { self.leaving() };
        let room = room.saturating_sub(leaving);
        let room = if self.issued() < self.service.max && created == Created::AtMax { 0 } else { room };
        let must = usize::try_from(surplus.max(self.excess())).unwrap_or(usize::MAX);
        let count = usize::try_from(room).unwrap_or(usize::MAX).max(must);
        for (index, id) in working.into_iter().take(count).enumerate() {
            let why = self.why_retire(&id);
            // What only moves to lie better stays until its successor has proven itself.
            if index >= must && why == StopReason::Rebalanced {
                continue;
            }
            let is_of_use = || match created {
                Created::Unplaceable => self.is_drained(&id) || self.makes_room(&id),
                Created::Quarantined => self.is_drained(&id),
                Created::Enough
                | Created::Later
                | Created::AtMax
                | Created::Recalling
                | Created::Overlapping
                | Created::Offered => true,
            };
            if index >= must && !is_of_use() {
                continue;
            }
            if !self.stop_healthy(&id, why) {
                return;
            }
        }
    }

    /// Tells whether a task is on a drained host, which is to be emptied even when nothing can take its place.
    fn is_drained(&self, id: &Name) -> bool {
        self.task(id).is_some_and(|task| self.world.is_draining(&task.host))
    }

    /// Tells whether stopping a task gives the next one a place.
    fn makes_room(&self, id: &Name) -> bool {
        let (Some(task), Some(definition)) = (self.task(id), self.definition()) else { return false };
        let next = Candidate::new(self.world, self.now, &self.key, &self.service, &definition);
        next.could_follow(&task)
    }

    pub(crate) fn why_retire(&self, id: &Name) -> StopReason {
        let Some(view) = self.world.tasks.get(id) else { return StopReason::Drain };
        let host = self.world.hosts.get(&view.task.host);
        if view.task.version != self.version() {
            return StopReason::Rollout { to: self.version() };
        }
        match host.and_then(|host| host.moves.get(id)) {
            Some(wish) if wish.generation == view.task.generation => {
                StopReason::MoveRequested { why: wish.reason.clone() }
            }
            Some(_) | None if self.world.is_draining(&view.task.host) => StopReason::Drain,
            Some(_) | None if self.world.is_to_move(&view.task) => StopReason::Rebalanced,
            Some(_) | None => StopReason::Drain,
        }
    }
}

/// Tells whether a task was told to stop on a host that is lost: it is waited for no more than any that is lost.
fn is_gone_with(world: &World, view: &TaskView) -> bool {
    let is_lost = |host: &HostView| host.presence == Presence::Lost;
    view.class == Class::Stopping && world.hosts.get(&view.task.host).is_none_or(is_lost)
}

/// Tells whether a service that moved between clusters still has tasks where it was.
pub(crate) fn waits_for_former_home(world: &mut World, key: &GroupKey, service: &Service) -> bool {
    let remembered = world.service_states.get(&key.1).map(|state| (state.cluster.clone(), key.1.clone()));
    let is_left =
        |id: &Name| world.tasks.get(id).is_some_and(|view| service.exclusive || !is_gone_with(world, view));
    let has_left = |former: &GroupKey| {
        let group = world.groups.get(former);
        group.is_some_and(|group| group.classes.values().flatten().any(is_left))
    };
    let recorded = remembered.filter(|former| former.0 != key.0 && has_left(former));
    let is_elsewhere = |of: &&GroupKey| service.exclusive && of.1 == key.1 && of.0 != key.0;
    let unrecorded = || world.orphans.keys().find(is_elsewhere).cloned();
    let former = recorded.or_else(unrecorded);
    let Some((former, _)) = former else { return false };
    let why = format!("it was moved here, and its tasks in cluster {former} are to be gone first");
    world.blocked.insert(key.clone(), Blocked { missing: service.target().max(1), why });
    true
}

/// Stops and clears away the tasks of a service that is not in this cluster any more.
pub(crate) fn plan_removal(now: Time, world: &mut World, batch: &mut Batch, key: &GroupKey) -> bool {
    world.blocked.remove(key);
    let state = world.service_states.get(&key.1).filter(|state| state.cluster == key.0).cloned();
    // Only what this store has run can have been removed from it: what else runs may be about to be configured again.
    let is_known = state.is_some() || world.lives_elsewhere(key);
    let none_left = !is_known || adopt::dismiss(world, batch, key);
    let is_empty = !world.groups.contains_key(key);
    if is_empty && none_left {
        if world.lives_elsewhere(key) {
            // What is remembered goes on there: what has completed, and what works.
            world.touch_service(&key.1);
        } else if state.is_some() && batch.has_room(1) {
            batch.put_state(world, &key.1, None);
        }
        return true;
    }
    // Agents ask for it before they stop what does its work, orphans too. All that is left will be told to stop. What is
    // deleted is forgotten: under its name comes another service later, even where something of this one is never gone.
    if let Some(state) = state {
        let is_moved = world.services.contains_key(&key.1);
        let ended = if is_moved { (*state).clone() } else { nothing_of(&state) };
        let ended = ServiceState { min: 0, available: 0, ..ended };
        if ended != *state {
            batch.put_state(world, &key.1, Some(ended));
        }
    }
    if is_empty {
        return true;
    }
    let ids = |world: &World, wanted: fn(Class) -> bool| -> Vec<Name> {
        let group = world.groups.get(key);
        let classes = group.into_iter().flat_map(|group| group.classes.iter());
        classes.filter(|((_, class), _)| wanted(*class)).flat_map(|(_, ids)| ids.iter().cloned()).collect()
    };
    for id in ids(world, |class| matches!(class, Class::Over | Class::Failed | Class::Completed)) {
        if !batch.has_room(1) {
            return false;
        }
        if let Some((task, class)) = world.tasks.get(&id).map(|view| (view.task.clone(), view.class)) {
            batch.remove_task(world, &task);
            if class == Class::Completed && !world.tasks.contains_key(&id) {
                count_completed(world, batch, key, &task);
            }
        }
    }
    for id in ids(world, Class::is_issued) {
        if !batch.has_room(1) {
            return false;
        }
        if let Some(task) = world.tasks.get(&id).map(|view| view.task.clone()) {
            batch.stop_task(now, world, &task, StopReason::Deleted);
        }
    }
    let leftovers = ids(world, |class| class == Class::Stopping);
    for id in leftovers {
        let Some(task) = world.tasks.get(&id).map(|view| view.task.clone()) else { continue };
        if world.is_removed(&task.host) && batch.has_room(1) {
            batch.remove_status(world, &task);
            batch.remove_task(world, &task);
        }
    }
    true
}

/// Gives what is remembered of a service that is no more: which placements there were.
fn nothing_of(state: &ServiceState) -> ServiceState {
    ServiceState {
        service: state.service.clone(),
        cluster: state.cluster.clone(),
        newest: state.newest,
        available: 0,
        min: 0,
        hosts: 0,
        completed: None,
        stable: None,
        // There is no such version.
        version: 0,
        retry: 0,
        rollout: Rollout::Running,
        failures: 0,
        blamed: Vec::new(),
    }
}

/// Counts a task that ran to its end and was removed where its service is not any more: it counts where that moved to.
fn count_completed(world: &mut World, batch: &mut Batch, key: &GroupKey, task: &Task) {
    let is_of = |state: &&Arc<ServiceState>| state.cluster == key.0 && state.version == task.version;
    let state = world.service_states.get(&key.1).filter(is_of).cloned();
    if let Some((state, completed)) = state.and_then(|state| state.completed.map(|it| (state, it))) {
        let completed = Some(completed.saturating_add(1));
        batch.put_state(world, &key.1, Some(ServiceState { completed, ..(*state).clone() }));
    }
}
