//! S19: a service record that cannot be read is not an order to run nothing: the last one that could stays in force.

use super::{By, Check, Findings, Seen};

/// Looks at what is ended while a service's record is rubbish.
#[derive(Clone)]
pub(crate) struct Rubbish;

impl Check for Rubbish {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        // Whoever has not heard yet that it does its work may stop it for that.
        for task in seen.ended().filter(|task| seen.book.surely_confirmed(task)) {
            let page = seen.book.services.get(&task.service).filter(|page| page.rubbish);
            let rubbish = page.is_some_and(|page| {
                page.record.as_ref().is_none_or(|last| {
                    task.version == last.task_version && page.issued.len() < last.target() as usize
                })
            });
            let drained = seen.book.hosts.get(&task.host).is_some_and(|page| page.draining_since.is_some());
            // What is more important takes its room by what was last said of both.
            let now = seen.book.tasks.get(&task.id);
            let makes_room = now.is_some_and(|now| now.makes_room_for.is_some());
            // Where a service belongs says the cluster that lists it.
            let moved = !seen.book.is_at_home(task);
            if rubbish && !drained && !makes_room && !moved {
                found.blame(
                    "S19",
                    format!("{} was stopped while the record of {} is rubbish", task.id, task.service),
                );
            }
        }
    }
}
