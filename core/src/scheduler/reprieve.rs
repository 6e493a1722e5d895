//! Orders to stop that are taken back. An agent stops nothing that does its work while fewer than `min` others do. Where
//! nothing can be started in its place, as on a full fleet of which hosts were given up and are back, such an order would
//! wait for ever, and with it all that shall come instead.
//!
//! **Invariant:** what its agent has begun to stop is not told to go on.

use super::round::Round;
use crate::keys::Key;
use crate::model::{Desired, Health, Name, Phase, Task};
use crate::why::Note;
use crate::world::{Class, Presence};
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec::Vec;

const WHY: &str = "told to go on: fewer than min others are available, and nothing takes its place";

impl Round<'_> {
    /// Tells tasks to go on that do their work although they were told to stop, as many as are needed; one on each of
    /// these hosts where some are given.
    pub(crate) fn take_back(&mut self, mut only: Option<BTreeSet<u32>>) {
        let is_short = |round: &Round<'_>| round.missing() > 0 && round.available() < round.floor();
        if !is_short(self) {
            return;
        }
        let stopping = self.group().of_class(Class::Stopping).map(|(_, id)| id.clone());
        let at_work: Vec<Name> = stopping.filter(|id| self.works_on(id)).collect();
        for id in at_work {
            if !is_short(self) || self.issued() >= self.service.max || !self.has_room() {
                return;
            }
            let Some(task) = self.task(&id) else { continue };
            let row = self.world.fleet.find(&task.host);
            if only.as_mut().is_some_and(|only| row.is_none_or(|row| !only.remove(&row))) {
                continue;
            }
            let (service, host) = (self.key.1.clone(), task.host.clone());
            self.batch.rely_on(self.world, &Key::Alive(host.clone()));
            self.batch.rely_on(self.world, &Key::Status(host.clone(), id.clone()));
            let (generation, why) = (task.generation, WHY.to_string());
            self.batch.notes.push(Note::Placed { id, generation, service, host, why: why.clone() });
            let tenure = self.batch.tenure.0;
            let going_on = Task { desired: Desired::Run, reason: why, tenure, ..Task::clone(&task) };
            self.batch.put_task(self.now, self.world, going_on);
        }
    }

    /// Tells whether a task that was told to stop does its work, where it may stay.
    fn works_on(&self, id: &Name) -> bool {
        let Some(view) = self.world.tasks.get(id) else { return false };
        let Some(host) = self.world.hosts.get(&view.task.host) else { return false };
        let status = self.world.status(&view.task);
        // What makes room for others has been promised to them.
        let is_promised = view.task.makes_room_for.is_some();
        !is_promised
            && status.is_some_and(|status| (status.phase, status.health) == (Phase::Running, Health::Healthy))
            && host.presence == Presence::Ready
            && !host.config.as_ref().is_some_and(|config| config.draining)
            && !host.moves.contains_key(id)
            && self.quarantine(view.task.version).is_none()
    }
}
