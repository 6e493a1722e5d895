//! Services that run to their end: tasks are created until so many have ended with exit code 0, a few at a time. What ends
//! otherwise is a failed try, and too many of these fail the service. A task whose host is lost, or drained, or which is in
//! the way of another version runs again, and none of that is a failed try. One that ended with 0 is counted in the
//! transaction that removes its record, so that whoever counts next has it behind him; a store that went back to before
//! that may have it run again.
//!
//! **Invariant:** no more tasks than `parallelism` are issued, or told to stop and not known to be gone, but for those on
//! lost hosts; and none is created once the service is finished.

use super::bids::Made;
use super::round::{Created, Round, small};
use crate::keys::Key;
use crate::model::{Batch, Kind, Name, Rollout, Task};
use crate::why::{Note, StopReason};
use crate::world::{Class, Presence};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Classes of tasks that run, or are about to.
const RUNNING: [Class; 4] = [Class::Starting, Class::Unhealthy, Class::Healthy, Class::Mature];

impl Round<'_> {
    /// Takes what is left of a batch service for what is desired of it.
    pub(crate) fn take_for_desired(&mut self) {
        let Kind::Batch(batch) = self.service.kind else { return };
        let is_open = self.state.rollout == Rollout::Running;
        let left = if is_open { batch.completions.saturating_sub(self.completed()) } else { 0 };
        let service = Arc::make_mut(&mut self.service);
        service.desired = left.min(batch.parallelism);
        (service.min, service.max) = (0, service.desired);
    }

    fn completed(&self) -> u32 {
        self.state.completed.unwrap_or(0)
    }

    /// Creates what is still to run, and has stopped what is not.
    pub(crate) fn complete(&mut self, batch: &Batch) {
        if self.state.rollout != Rollout::Done && self.completed() >= batch.completions {
            self.state.rollout = Rollout::Done;
            let (service, tasks) = (self.key.1.clone(), self.completed());
            self.batch.notes.push(Note::Completed { service, tasks });
        }
        self.take_for_desired();
        if self.world.recalling.is_some() {
            return self.tell_blocked(Created::Recalling);
        }
        self.leave_lost();
        self.stop_superfluous();
        if self.missing() > 0 && self.world.owes_more_important(&self.key) {
            // What has just become free is not for this one.
            return self.world.touch_group(&self.key);
        }
        let outcome = self.create_within(batch.parallelism);
        self.tell_blocked(outcome);
        self.make_room(outcome);
    }

    fn create_within(&mut self, parallelism: u32) -> Created {
        while self.missing() > 0 && self.may_start() > 0 && self.at_large() < parallelism && self.has_room() {
            match self.create_one() {
                Made::Issued => {}
                Made::Nowhere => return Created::Unplaceable,
                Made::Offered => return Created::Offered,
            }
        }
        Created::Enough
    }

    /// Gives up the tasks of lost hosts. No other host needs them, or they run again elsewhere.
    pub(crate) fn leave_lost(&mut self) {
        if !self.world.hears_anybody() {
            return;
        }
        let lost: Vec<Name> = self.group().of_class(Class::Lost).map(|(_, id)| id.clone()).collect();
        for id in lost {
            if let Some(task) = self.task(&id).filter(|_| self.has_room()) {
                self.batch.rely_on(self.world, &Key::Alive(task.host.clone()));
                self.stop(&id, StopReason::HostLost);
            }
        }
    }

    /// Has stopped what is of another version or kind, or shall run elsewhere, and what is too many.
    fn stop_superfluous(&mut self) {
        let version = self.version();
        let mut leaving = self.select(|of| of != version, &RUNNING, None);
        leaving.extend(self.select(|of| of == version, &RUNNING, Some(false)));
        for id in leaving {
            let why = self.why_retire(&id);
            self.stop(&id, why);
        }
        let spare = self.select(|of| of == version, &RUNNING, Some(true));
        let is_endless = |id: &Name| self.world.tasks.get(id).is_some_and(|view| view.task.once.is_none());
        let (endless, spare): (Vec<Name>, Vec<Name>) = spare.into_iter().partition(is_endless);
        for id in endless {
            self.stop(&id, StopReason::ScaleDown);
        }
        let surplus = self.good().saturating_sub(self.service.target());
        for id in spare.into_iter().take(usize::try_from(surplus).unwrap_or(usize::MAX)) {
            self.stop(&id, StopReason::ScaleDown);
        }
    }

    /// Counts the tasks that run or may run, but for those on lost hosts.
    fn at_large(&self) -> u32 {
        let is_heard_of =
            |host: &Name| self.world.hosts.get(host).is_some_and(|host| host.presence != Presence::Lost);
        let group = self.group();
        let views = group.classes.values().flatten().filter_map(|id| self.world.tasks.get(id));
        let recorded = views.filter(|view| match view.class {
            Class::Starting | Class::Unhealthy | Class::Suspect | Class::Healthy | Class::Mature => true,
            Class::Stopping => is_heard_of(&view.task.host),
            Class::Failed | Class::Lost | Class::Over | Class::Completed => false,
        });
        let may_run = |task: &&Arc<Task>| {
            let is_over = self.world.status(task).is_some_and(|status| status.phase.is_over());
            is_heard_of(&task.host) && !is_over
        };
        let orphans = self.world.orphans_of(&self.key);
        small(recorded.count() + orphans.iter().filter(may_run).count())
    }
}
