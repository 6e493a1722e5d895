//! Bringing the number of tasks to what is wanted: clearing away what is over, giving up what failed, creating what is
//! missing, stopping what is too many.

use super::adopt;
use super::batch::Batch;
use super::bids::Made;
use super::place::Candidate;
use super::round::{Created, Round, small};
use crate::keys::Key;
use crate::machine::Span;
use crate::model::{Kind, Name, Service, Status, Task};
use crate::why::{Note, StopReason};
use crate::world::{Blocked, Class, Group, GroupKey, TaskView, World};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Classes of tasks that are on their way to having proven themselves.
pub(super) const UNPROVEN: [Class; 4] = [Class::Starting, Class::Unhealthy, Class::Suspect, Class::Healthy];

impl Round<'_> {
    /// Removes the records of tasks of which nothing is left.
    pub(crate) fn collect(&mut self) {
        let over = [Class::Over, Class::Completed].into_iter().flat_map(|class| self.group().of_class(class));
        let over: Vec<Name> = over.map(|(_, id)| id.clone()).collect();
        for id in over {
            if !self.has_room() {
                return;
            }
            let is_completed = self.world.tasks.get(&id).is_some_and(|view| view.class == Class::Completed);
            if let Some(task) = self.task(&id) {
                self.batch.remove_task(self.world, &task);
                let counts =
                    is_completed && task.version == self.state.version && !self.world.tasks.contains_key(&id);
                if let Some(completed) = self.state.completed.as_mut().filter(|_| counts) {
                    *completed = completed.saturating_add(1);
                }
            }
        }
        self.forget_removed_hosts();
    }

    /// Removes the records of tasks whose host was lost and then removed by an operator: nobody will ever confirm their
    /// end. With the record goes the host's word on it, which tells the host, should it come back after all, that the
    /// task was given up.
    fn forget_removed_hosts(&mut self) {
        if !self.world.has_removed_hosts() {
            return;
        }
        let stopping: Vec<Name> = self.group().of_class(Class::Stopping).map(|(_, id)| id.clone()).collect();
        for id in stopping {
            let Some(task) = self.task(&id) else { continue };
            if self.world.is_removed(&task.host) && self.has_room() {
                self.batch.remove_status(self.world, &task);
                self.batch.remove_task(self.world, &task);
            }
        }
    }

    /// Gives up tasks that their agents gave up, and tasks that never became healthy in their time.
    pub(crate) fn give_up_unhealthy(&mut self) {
        let failed: Vec<Name> = self.group().of_class(Class::Failed).map(|(_, id)| id.clone()).collect();
        for id in failed {
            if !self.has_room() {
                return;
            }
            let kept = |task: &Arc<Task>| self.world.is_untouchable(&Key::Ledger(task.host.clone()));
            let Some(task) = self.task(&id).filter(|task| !kept(task)) else { continue };
            let why = self.world.status(&task).and_then(|status: &Arc<Status>| status.reason.clone());
            let why = why.unwrap_or_else(|| "its agent gave up on it".to_string());
            self.count_failure(&id, &why);
            self.batch.notes.push(Note::StopOrdered {
                id: id.clone(),
                service: self.key.1.clone(),
                host: task.host.clone(),
                why: StopReason::Failed { why },
            });
            self.batch.remove_task(self.world, &task);
        }
        let late: Vec<Name> = [Class::Starting, Class::Unhealthy]
            .iter()
            .flat_map(|class| self.group().of_class(*class))
            .map(|(_, id)| id.clone())
            .filter(|id| self.world.tasks.get(id).is_some_and(|view| self.is_late(view)))
            .collect();
        for id in late {
            let within = self.service.healthy_deadline;
            let why = self.task(&id).and_then(|task| self.world.status(&task)?.reason.clone());
            let why = why.map_or_else(
                || format!("not healthy within {within}"),
                |why| format!("not healthy within {within}: {why}"),
            );
            if self.stop(&id, StopReason::NotHealthy { within }) {
                self.count_failure(&id, &why);
            }
        }
    }

    fn is_late(&self, view: &TaskView) -> bool {
        let deadline = self.service.healthy_deadline.0.saturating_add(self.service.min_healthy_time.0);
        !view.proven && self.now.since(view.seen) >= Span(deadline)
    }

    /// Puts other tasks in the place of those whose hosts are lost. A lost task is left alone until its replacement has
    /// a place: its host may yet come back. One that must be alone is replaced only when its end is certain, and one that is
    /// too many not at all.
    pub(crate) fn replace_lost(&mut self) {
        if self.world.recalling.is_some() || !self.world.hears_anybody() {
            return;
        }
        let lost: Vec<Name> = self.group().of_class(Class::Lost).map(|(_, id)| id.clone()).collect();
        for id in lost {
            if self.missing() > 0 && self.world.owes_more_important(&self.key) {
                return self.world.touch_group(&self.key);
            }
            // All of it, or nothing.
            self.full = self.full || !(self.batch.has_room_to_replace() || self.batch.is_empty());
            if self.full {
                return;
            }
            if self.service.exclusive {
                if self.task(&id).is_none_or(|task| !self.world.is_removed(&task.host)) {
                    continue;
                }
            } else if self.issued() <= self.service.max
                && self.missing() > 0
                && self.may_start() > 0
                && self.create_one() != Made::Issued
            {
                return;
            }
            if let Some(task) = self.task(&id) {
                // Whoever hears nothing at all takes everybody for lost.
                self.batch.rely_on(self.world, &Key::Alive(task.host.clone()));
                self.batch.stop_task(self.now, self.world, &task, StopReason::HostLost);
            }
        }
    }

    /// Tells how many tasks of the version may be started beside those that are on their way.
    pub(crate) fn may_start(&self) -> u32 {
        let version = self.version();
        if self.quarantine(version).is_some() {
            return 0;
        }
        let limit = match (self.is_hopeful(), self.state.stable) {
            (true, _) => self.hope(),
            (false, None) => return u32::MAX,
            (false, Some(_)) if !self.is_on_trial(version) => return u32::MAX,
            (false, Some(_)) => self.service.parallel(),
        };
        let on_their_way: usize = UNPROVEN.iter().map(|class| self.group().count(version, *class)).sum();
        limit.saturating_sub(small(on_their_way))
    }

    /// Tells how many tasks of a version that failed may be on their way at once: while none works one now and then, and
    /// then as many as do, since these speak for it.
    fn hope(&self) -> u32 {
        match small(self.group().count(self.version(), Class::Mature)) {
            0 => u32::from(!self.rests()),
            working => working.min(self.service.parallel()),
        }
    }

    /// Tells whether a task of the service failed so recently, on whatever host, that another try would be no better.
    fn rests(&self) -> bool {
        let mut of_service = self.world.avoided.range((self.key.1.clone(), Name::from(""))..);
        let same = |(service, _): &(Name, Name)| *service == self.key.1;
        of_service.by_ref().take_while(|(pair, _)| same(pair)).any(|(_, avoided)| avoided.until > self.now)
    }

    /// Creates what is missing, as far as `max`, the rollout and the hosts allow.
    pub(crate) fn create(&mut self) -> Created {
        let mut outcome = Created::Enough;
        if self.world.recalling.is_some() {
            return Created::Recalling;
        }
        if self.missing() > 0 && self.world.owes_more_important(&self.key) {
            // What has just become free is not for this one.
            self.world.touch_group(&self.key);
            return Created::Later;
        }
        while self.missing() > 0 && self.may_start() > 0 {
            if self.may_overlap() {
                outcome = Created::Overlapping;
                break;
            }
            if self.issued() >= self.service.max {
                // Stopping one to make room is of no use if the next one then fits nowhere.
                outcome = if self.next_task().is_some() { Created::AtMax } else { Created::Unplaceable };
                break;
            }
            if !self.has_room() {
                return Created::Later;
            }
            outcome = match self.create_one() {
                Made::Issued => continue,
                Made::Nowhere => Created::Unplaceable,
                Made::Offered => Created::Offered,
            };
            break;
        }
        if self.missing() > 0 && self.quarantine(self.version()).is_some() {
            outcome = Created::Quarantined;
        }
        outcome
    }

    /// Finds a place for one more task of the version.
    pub(crate) fn next_task(&self) -> Option<Task> {
        let definition = self.definition()?;
        Candidate::new(self.world, self.now, &self.key, &self.service, &definition).place(self.batch.tenure.0)
    }

    /// Gives a task to its host.
    pub(crate) fn issue(&mut self, task: Task) {
        self.batch.notes.push(Note::Placed {
            id: task.id.clone(),
            generation: task.generation,
            service: task.service.clone(),
            host: task.host.clone(),
            why: task.reason.clone(),
        });
        self.remember(task.generation);
        self.batch.create_task(self.now, self.world, task);
    }

    /// Says why tasks are missing, where time and the tasks on their way will not help.
    pub(crate) fn tell_blocked(&mut self, outcome: Created) {
        let missing = self.missing();
        let (version, quarantine) = (self.version(), self.quarantine(self.version()));
        let why = match (outcome, quarantine) {
            _ if missing == 0 => None,
            (_, Some(why)) => Some(format!(
                "version {version} is {why}; apply another version, or try this one again with `callboard start {}`",
                self.key.1
            )),
            (Created::Enough | Created::Unplaceable, None) if self.is_hopeful() => Some(format!(
                "version {} failed, and no version was healthy before; it is tried again now and then, one task at a \
                 time until one works; apply another version, or try all at once with `callboard start {}`",
                self.state.version, self.key.1
            )),
            (Created::Enough | Created::Later | Created::Offered | Created::Quarantined, None) => None,
            (Created::Recalling, None) => Some(adopt::RECALLING.to_string()),
            (Created::Overlapping, None) => Some(self.why_alone()),
            (Created::AtMax, None) if self.available() > self.floor() => None,
            (Created::AtMax, None) => Some(format!(
                "{} tasks are issued, which is max, and {} of min {} are available, so none may be stopped to make room",
                self.issued(),
                self.available(),
                self.floor()
            )),
            (Created::Unplaceable, None) => match self.definition() {
                Some(definition) => {
                    let next = Candidate::new(self.world, self.now, &self.key, &self.service, &definition);
                    let blocked = next.blocked(missing);
                    Some(format!("{}{}{}", blocked.why, self.why_promised(), self.why_stuck()))
                }
                None => Some(format!(
                    "there is no task definition {} version {}",
                    self.service.task_name,
                    self.version()
                )),
            },
        };
        self.say_blocked(missing, why);
    }

    /// Remembers, and tells, why tasks are missing.
    pub(crate) fn say_blocked(&mut self, missing: u32, why: Option<String>) {
        say_blocked(self.world, self.batch, &self.key, missing, why);
    }

    /// Says why tasks that shall go stay although nothing takes their place.
    fn why_stuck(&self) -> String {
        let staying = self.group().unwelcome.len();
        if staying == 0 || self.available() > self.floor() {
            return String::new();
        }
        let (available, min) = (self.available(), self.floor());
        format!(
            "; {staying} stay on a host that shall be empty, since {available} of min {min} are available"
        )
    }

    pub(crate) fn count_failure(&mut self, id: &Name, why: &str) {
        let Some(task) = self.task(id) else { return };
        let reason: String = why.into();
        self.world.avoid(self.now, &self.key, &task, reason);
        if !self.is_of_the_host(&task.host, task.version) {
            self.note_failure(&task, why);
        }
    }
}

/// Says why tasks that a service lacks are not issued, where nothing is decided about it.
pub(crate) fn say_frozen(world: &mut World, batch: &mut Batch, key: &GroupKey, why: String) {
    let is_home = world.homes.get(&key.1) == Some(&key.0);
    // What has completed of a batch is not known either.
    let lasts = |service: &&Arc<Service>| !matches!(service.kind, Kind::Batch(_));
    let service = world.services.get(&key.1).filter(|_| is_home).filter(lasts);
    let wanted = service.map_or(0, |service| service.target());
    let missing = wanted.saturating_sub(small(world.groups.get(key).map_or(0, Group::issued)));
    say_blocked(world, batch, key, missing, (missing > 0).then_some(why));
}

/// Remembers, and tells, why tasks are missing.
fn say_blocked(world: &mut World, batch: &mut Batch, key: &GroupKey, missing: u32, why: Option<String>) {
    let Some(why) = why else {
        world.blocked.remove(key);
        return;
    };
    let blocked = Blocked { missing, why };
    if world.blocked.get(key) != Some(&blocked) {
        batch.notes.push(Note::Blocked { service: key.1.clone(), missing, why: blocked.why.clone() });
        world.blocked.insert(key.clone(), blocked);
    }
}
