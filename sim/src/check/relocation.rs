//! S43: what does its work is stopped to lie better elsewhere only when users asked for that placement to move, and only
//! once as many others do their work as are wanted.

use super::record::{Place, ServiceRecord, TaskRecord, Text};
use super::{Book, By, Check, Findings, Seen};
use std::collections::BTreeMap;

/// Judges every order to move by what users asked and who is left.
#[derive(Clone)]
pub(crate) struct Relocation;

/// What a record says of a task that moves since users asked for it.
const MOVED: &str = "moved to where it lies better";

impl Check for Relocation {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        let mut moved: BTreeMap<&Text, Vec<&TaskRecord>> = BTreeMap::new();
        for write in seen.writes.iter().filter(|write| matches!(write.place, Place::Task(_))) {
            let ran = write.task_before.as_ref().is_some_and(|task| task.runs());
            let Some(after) = write.task_after.as_deref().filter(|task| ran && !task.runs()) else {
                continue;
            };
            if after.reason == MOVED {
                moved.entry(&after.service).or_default().push(after);
            }
        }
        for (service, tasks) in moved {
            judge(seen.book, service, &tasks, found);
        }
    }
}

fn judge(book: &Book, service: &Text, moved: &[&TaskRecord], found: &mut Findings) {
    let Some(page) = book.services.get(service) else { return };
    let records = || page.record.iter().chain(book.of_late(page));
    for task in moved {
        let is_asked = |placed: &&super::record::PlacedRecord| {
            (&placed.id, placed.generation) == (&task.id, task.generation)
        };
        if records().flat_map(|record| &record.moves).find(is_asked).is_none() {
            found.blame("S43", format!("{} was moved, and nobody asked for that", task.id));
        }
    }
    let Some(wanted) = records().map(ServiceRecord::target).min() else { return };
    // One that does no work takes nothing away.
    let Some(first) = moved.iter().find(|task| book.surely_confirmed(task)) else { return };
    let left = book.tasks_of(service).filter(|task| task.runs() && book.confirmed(task)).count();
    if left < wanted as usize {
        let id = &first.id;
        found.blame(
            "S43",
            format!("{id} was moved with {left} of {service} left at work, {wanted} are wanted"),
        );
    }
}
