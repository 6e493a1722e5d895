//! What becomes of tasks that run although the store has no record of them, since it went back, was emptied or is another
//! one. Those that their service can use get their record again, as they are; the others are told to stop, by a copy under
//! their host alone: a record would count them, and there may be no room left to count them in.
//!
//! Why it is safe: an agent says only of itself what runs, under its own tenure, and the adopting transaction relies on
//! that word being unchanged. Only the lock holder of the task's cluster adopts, so that hosts may be shared. Room is taken
//! from the ledger as for a new task. An id that has a record elsewhere is never given a second one: what runs under it is
//! stopped once the other does its work. A service that this store never ran may be one whose configuration is yet to be
//! applied again: what runs of it is left alone.
//!
//! **Invariant:** nothing is stopped here while agents still tell what runs, nor while fewer than `min` others work.

use super::batch::Batch;
use super::reconcile::UNPROVEN;
use super::round::{Round, small};
use crate::model::{Claim, Desired, Kind, Task, Version};
use crate::why::{Note, StopReason};
use crate::world::{GroupKey, Presence, World};
use alloc::string::ToString;
use alloc::sync::Arc;

/// What shall become of a task without a record.
enum Fate {
    /// Something else decides about it, or must happen first.
    Wait,
    /// It gets its record.
    Adopt,
    /// It is of no use.
    Stop,
}

impl Round<'_> {
    /// Decides about each task of the service that runs without a record.
    pub(crate) fn adopt(&mut self) {
        for orphan in self.world.orphans_of(&self.key) {
            if clear_away(self.world, self.batch, &orphan) {
                continue;
            }
            match self.fate(&orphan) {
                Fate::Wait => {}
                Fate::Adopt if self.has_room() => {
                    self.batch.notes.push(Note::Placed {
                        id: orphan.id.clone(),
                        generation: orphan.generation,
                        service: orphan.service.clone(),
                        host: orphan.host.clone(),
                        why: "adopted: it runs there, and the store had lost its record".to_string(),
                    });
                    self.remember(orphan.generation);
                    self.batch.adopt_task(self.now, self.world, &orphan);
                }
                Fate::Stop if self.has_room() => {
                    self.batch.stop_copy(self.world, &orphan, StopReason::Orphaned);
                }
                Fate::Adopt | Fate::Stop => return,
            }
        }
    }

    fn fate(&self, orphan: &Task) -> Fate {
        let host = self.world.hosts.get(&orphan.host);
        let present = host.is_some_and(|host| host.presence == Presence::Ready);
        let is_over = self.world.status(orphan).is_some_and(|status| status.phase.is_over());
        if !present || is_over || self.world.stray(&orphan.host, &orphan.id).is_some() {
            return Fate::Wait;
        }
        let may_stop = self.world.recalling.is_none();
        match self.world.tasks.get(&orphan.id) {
            Some(view) if view.task.host != orphan.host => {
                if may_stop && view.class.is_healthy() {
                    Fate::Stop
                } else {
                    Fate::Wait
                }
            }
            Some(view) => {
                let is_older = view.task.generation < orphan.generation;
                let both_run = (view.task.desired, orphan.desired) == (Desired::Run, Desired::Run);
                let is_same = view.task.version == orphan.version && view.task.service == orphan.service;
                let adopts = is_older && both_run && is_same && self.fits(orphan, Some(&view.task));
                if adopts { Fate::Adopt } else { Fate::Wait }
            }
            None if self.is_wanted(orphan) && self.fits(orphan, None) => Fate::Adopt,
            // It is stopped when it is the turn of its host, unless that has another one already.
            None if self.service.kind == Kind::System && !self.is_covered(orphan) => Fate::Wait,
            None if !self.may_try(orphan.version) => Fate::Wait,
            None if may_stop && self.available() >= self.floor() => Fate::Stop,
            None => Fate::Wait,
        }
    }

    fn is_wanted(&self, orphan: &Task) -> bool {
        // A drained host is not counted, and keeps its task of a system service for the others there.
        let is_one_more = self.service.kind == Kind::System || self.issued() < self.service.max;
        orphan.desired == Desired::Run
            && is_one_more
            && self.may_try(orphan.version)
            && orphan.task_name == self.service.task_name
            && self.world.definition(&orphan.task_name, orphan.version).is_some()
            && !self.is_covered(orphan)
    }

    /// Tells whether the host of a task of a system service has another one already.
    fn is_covered(&self, orphan: &Task) -> bool {
        let row = self.world.fleet.find(&orphan.host);
        let has_one = row.is_some_and(|row| self.group().crowd.contains_key(&row));
        self.service.kind == Kind::System && has_one
    }

    /// Tells whether one more task of a version may be on its way: one that is adopted has to prove itself like others.
    fn may_try(&self, version: Version) -> bool {
        let group = self.group();
        let on_their_way = UNPROVEN.iter().map(|class| group.count(version, *class)).sum::<usize>();
        let is_free = !self.is_on_trial(version) || self.state.stable.is_none();
        is_free || small(on_their_way) < self.service.parallel()
    }

    /// Tells whether the ledger has room for it, that of the record in whose place it comes given back.
    fn fits(&self, orphan: &Task, older: Option<&Arc<Task>>) -> bool {
        let Some(row) = self.world.row(&orphan.host) else { return false };
        let mut row = row.clone();
        if let Some(older) = older {
            row.give_back(&Claim::of(older));
        }
        row.has_room_for(&Claim::of(orphan)) && self.world.ledger_fault(&orphan.host).is_none()
    }
}

/// Has what runs of a service that is gone, and that this store once ran, stopped. Tells whether none is left.
pub(crate) fn dismiss(world: &mut World, batch: &mut Batch, key: &GroupKey) -> bool {
    let orphans = world.orphans_of(key);
    for orphan in &orphans {
        if clear_away(world, batch, orphan) || world.recalling.is_some() || !batch.has_room(1) {
            continue;
        }
        if world.stray(&orphan.host, &orphan.id).is_none() && !world.tasks.contains_key(&orphan.id) {
            batch.stop_copy(world, orphan, StopReason::Deleted);
        }
    }
    orphans.is_empty()
}

/// Forgets what was said by the agent of a host that was taken out of the fleet.
fn clear_away(world: &mut World, batch: &mut Batch, orphan: &Task) -> bool {
    let is_removed = world.is_removed(&orphan.host);
    if is_removed && batch.has_room(1) {
        batch.remove_status(world, orphan);
        batch.remove_orphan(world, orphan);
    }
    is_removed
}

/// Why nothing is created while agents still tell what runs.
pub(crate) const RECALLING: &str =
    "the store is not what it was, and agents are given as long as a silent host to say what still runs";
