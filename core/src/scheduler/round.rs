//! One look at one service: what is, what shall be, and the steps from the one to the other that fit into the
//! transaction. Run again until nothing is left to do; each step is safe on its own.
//!
//! **Invariant:** no step depends on another one in the same round having been carried out by an agent.

use super::batch::Batch;
use crate::machine::Time;
use crate::model::{Generation, Kind, Name, Rollout, Service, ServiceState, Task, TaskDefinition, Version};
use crate::why::StopReason;
use crate::world::{Class, Group, GroupKey, Presence, World};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A look at one service.
pub(crate) struct Round<'a> {
    pub(crate) now: Time,
    pub(crate) world: &'a mut World,
    pub(crate) batch: &'a mut Batch,
    pub(crate) key: GroupKey,
    pub(crate) service: Arc<Service>,
    pub(crate) state: ServiceState,
    /// The transaction is full: look at this service again after it.
    pub(crate) full: bool,
    /// Hosts are asked to bid for its next task.
    pub(super) is_bidding: bool,
    /// What a service without tasks looks like.
    none: Group,
}

/// Why tasks that are missing were not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// All that may be there now are.
    Enough,
    /// It is looked at again before anything can be said.
    Later,
    /// As many as `max` allows are issued.
    AtMax,
    /// No host takes another one.
    Unplaceable,
    /// Agents may yet say that they run.
    Recalling,
    /// The one that was there before may still be.
    Overlapping,
    /// Hosts are asked to bid.
    Offered,
    /// Nothing of the version is started any more.
    Quarantined,
}

impl<'a> Round<'a> {
    /// Looks at a service that its cluster lists.
    pub(crate) fn begin(
        now: Time,
        world: &'a mut World,
        batch: &'a mut Batch,
        key: &GroupKey,
        service: Arc<Service>,
        state: ServiceState,
    ) -> Round<'a> {
        let (key, none) = (key.clone(), Group::default());
        Round { now, world, batch, key, service, state, full: false, is_bidding: false, none }
    }

    pub(crate) fn group(&self) -> &Group {
        self.world.groups.get(&self.key).unwrap_or(&self.none)
    }

    /// Gives the version that shall run: the wanted one, or the last that worked when that one failed. Where none ever
    /// worked, nothing is lost by trying on.
    pub(crate) fn version(&self) -> Version {
        match self.state.rollout {
            Rollout::Running | Rollout::Done => self.service.task_version,
            Rollout::Failed { .. } => self.state.stable.unwrap_or(self.service.task_version),
        }
    }

    /// Tells whether the only version there ever was has failed.
    pub(crate) fn is_hopeful(&self) -> bool {
        matches!(self.state.rollout, Rollout::Failed { .. }) && self.state.stable.is_none()
    }

    pub(crate) fn definition(&self) -> Option<Arc<TaskDefinition>> {
        self.world.definition(&self.service.task_name, self.version()).cloned()
    }

    /// Tells whether tasks of this version still have to prove themselves.
    pub(crate) fn is_on_trial(&self, version: Version) -> bool {
        is_on_trial(&self.state, version)
    }

    /// Counts the tasks that are confirmed to do their work and may stand in for one that is stopped.
    pub(crate) fn available(&self) -> u32 {
        available(self.group(), &self.state)
    }

    /// Tells whether tasks of a version and class are confirmed to do their work and may stand in for others.
    pub(crate) fn is_available(&self, version: Version, class: Class) -> bool {
        is_available(&self.state, version, class)
    }

    /// Gives below how many available tasks nothing healthy may be stopped.
    pub(crate) fn floor(&self) -> u32 {
        self.service.floor().min(self.service.target())
    }

    /// Gives the tasks that shall run, are of this version, in one of these classes, and are welcome where they are (or
    /// not).
    pub(crate) fn select(
        &self,
        of: impl Fn(Version) -> bool,
        classes: &[Class],
        welcome: Option<bool>,
    ) -> Vec<Name> {
        let group = self.group();
        let mut found: Vec<Name> = Vec::new();
        for class in classes {
            for (_, ids) in group.classes.iter().filter(|((version, at), _)| at == class && of(*version)) {
                let unwelcome = |id: &&Name| group.unwelcome.contains(*id);
                match welcome {
                    None => found.extend(ids.iter().cloned()),
                    Some(true) => found.extend(ids.iter().filter(|id| !unwelcome(id)).cloned()),
                    // There are few of them, and often none.
                    Some(false) => found.extend(group.unwelcome.intersection(ids).cloned()),
                }
            }
        }
        found
    }

    /// Counts the tasks of the version that shall run, where they may stay.
    pub(crate) fn good(&self) -> u32 {
        self.count_welcome(self.version(), &GOOD)
    }

    /// Counts the tasks of a version in these classes that may stay where they are.
    pub(crate) fn count_welcome(&self, version: Version, classes: &[Class]) -> u32 {
        let group = self.group();
        let all: usize = classes.iter().map(|class| group.count(version, *class)).sum();
        let unwelcome = group.unwelcome.iter().filter(|id| {
            let view = self.world.tasks.get(*id);
            view.is_some_and(|view| view.task.version == version && classes.contains(&view.class))
        });
        small(all - unwelcome.count())
    }

    /// Tells how many more tasks of the version shall be issued.
    pub(crate) fn missing(&self) -> u32 {
        self.service.target().saturating_sub(self.good())
    }

    pub(crate) fn issued(&self) -> u32 {
        small(self.group().issued())
    }

    /// Counts the tasks that are about to leave room behind: of one that was told to stop on a host that is not heard of,
    /// nobody knows when it will.
    pub(crate) fn leaving(&self) -> u32 {
        let is_heard_of = |(_, id): &(_, &Name)| {
            let host = self.world.tasks.get(*id).and_then(|view| self.world.hosts.get(&view.task.host));
            host.is_some_and(|host| host.presence == Presence::Ready)
        };
        let stopping = self.group().of_class(Class::Stopping).chain(self.group().of_class(Class::Over));
        small(stopping.filter(is_heard_of).count())
    }

    /// Makes sure of room for one more step, or ends the round.
    pub(crate) fn has_room(&mut self) -> bool {
        self.full = self.full || !self.batch.has_room(1);
        !self.full
    }

    pub(crate) fn task(&self, id: &Name) -> Option<Arc<Task>> {
        self.world.tasks.get(id).map(|view| view.task.clone())
    }

    /// Orders a task that does its work to stop, if enough others do theirs.
    pub(crate) fn stop_healthy(&mut self, id: &Name, why: StopReason) -> bool {
        // Where none need be left, those that have not proven themselves yet may go, too.
        let is_needed = self.floor() > 0 && self.available() <= self.floor();
        if is_needed || !self.has_room() {
            return false;
        }
        self.stop(id, why)
    }

    /// Orders a task to stop that does no work, or whose service is gone.
    pub(crate) fn stop(&mut self, id: &Name, why: StopReason) -> bool {
        if !self.has_room() {
            return false;
        }
        let Some(task) = self.task(id) else { return false };
        self.batch.stop_task(self.now, self.world, &task, why);
        true
    }

    /// Remembers the number of a placement that is made, unless whoever reads the store will know by its revision that it
    /// was used.
    pub(crate) fn remember(&mut self, generation: Generation) {
        if generation > self.world.head.0 + 1 {
            self.state.newest = self.state.newest.max(generation);
        }
    }

    /// Writes down what the next scheduler, and the agents, must know.
    pub(crate) fn save(&mut self, before: Option<&ServiceState>) {
        self.state.available = self.available();
        self.state.min = self.floor();
        if before != Some(&self.state) {
            let spare = |state: &ServiceState| state.available.saturating_sub(state.min);
            let same = before.filter(|before| is_of(before, &self.service, &self.key.0));
            if same.is_none_or(|before| spare(&self.state) > spare(before)) {
                self.world.retry_preemptors(&self.key.0);
            }
            self.batch.put_state(self.world, &self.key.1, Some(self.state.clone()));
        }
    }
}

/// Tells whether tasks of this version still have to prove themselves.
fn is_on_trial(state: &ServiceState, version: Version) -> bool {
    version == state.version && state.stable != Some(version)
}

/// Tells whether what is remembered of a service is of what it is now.
pub(crate) fn is_of(state: &ServiceState, service: &Service, cluster: &Name) -> bool {
    is_same_try(state, service) && state.cluster == *cluster
}

/// Tells whether what is remembered of a service is of what it is now, in whatever cluster.
pub(crate) fn is_same_try(state: &ServiceState, service: &Service) -> bool {
    let is_batch = matches!(service.kind, Kind::Batch(_));
    state.version == service.task_version
        && state.retry == service.retry
        && state.completed.is_some() == is_batch
}

/// Counts the tasks of a service that are confirmed to do their work and may stand in for one that is stopped.
pub(crate) fn available(group: &Group, state: &ServiceState) -> u32 {
    let healthy = group.classes.iter().filter(|((version, class), _)| is_available(state, *version, *class));
    small(healthy.map(|(_, ids)| ids.len()).sum())
}

fn is_available(state: &ServiceState, version: Version, class: Class) -> bool {
    match class {
        Class::Mature => true,
        Class::Healthy => !is_on_trial(state, version),
        Class::Starting
        | Class::Unhealthy
        | Class::Failed
        | Class::Suspect
        | Class::Lost
        | Class::Stopping
        | Class::Over
        | Class::Completed => false,
    }
}

/// Classes of tasks that count as being there, or on their way.
pub(crate) const GOOD: [Class; 5] =
    [Class::Starting, Class::Unhealthy, Class::Suspect, Class::Healthy, Class::Mature];

/// Counts fit: a service has at most 100,000 tasks.
pub(crate) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
