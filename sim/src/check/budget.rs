//! S14: nobody stops a healthy task by choice unless more than `min` others are confirmed healthy; and where agents read how
//! many there are before they stop one, it is not counted any more.

use super::record::{TaskRecord, Text};
use super::{Book, By, Check, Findings, Seen, ServicePage};
use std::collections::BTreeMap;

/// Counts who is left whenever a healthy task is told to stop.
#[derive(Clone)]
pub(crate) struct Budget;

impl Check for Budget {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        let mut stopped: BTreeMap<&Text, Vec<&TaskRecord>> = BTreeMap::new();
        // What has no home any more where it is goes, whatever comes in its place elsewhere.
        let ended = seen.ended().filter(|task| seen.book.is_at_home(task));
        for task in ended.filter(|task| seen.book.surely_confirmed(task)) {
            stopped.entry(&task.service).or_default().push(task);
        }
        for (service, tasks) in stopped {
            let Some(page) = seen.book.services.get(service) else { continue };
            judge_word(seen.book, page, tasks[0], found);
            let now = page.record.as_ref().map_or(0, super::record::ServiceRecord::floor);
            let floor = seen.book.of_late(page).map_or(now, |record| record.floor().min(now)) as usize;
            let listed = page.record.as_ref().is_some_and(|record| {
                seen.book.clusters.values().any(|cluster| cluster.services.contains(&record.name))
            });
            if page.confirmed.len() >= floor || !listed {
                continue;
            }
            // Counts again with what could not be known yet, and with what goes on under junk.
            let left =
                seen.book.tasks_of(service).filter(|task| task.runs() && seen.book.confirmed(task)).count()
                    + seen.book.unreadable_of(service);
            if left < floor {
                let id = &tasks[0].id;
                let what = format!(
                    "{id}, which is healthy, was told to stop: {left} of {service} are left, min {floor}"
                );
                found.blame("S14", what);
            }
        }
    }
}

/// What the store says of how many do their work is no more than do so and shall go on.
fn judge_word(book: &Book, page: &ServicePage, stopped: &TaskRecord, found: &mut Findings) {
    let Some(state) = page.state.as_ref().filter(|_| book.amnesia.is_none() && !book.meddled) else { return };
    let service = &stopped.service;
    let go_on = book.tasks_of(service).filter(|task| task.runs() && book.confirmed(task)).count()
        + book.unreadable_of(service);
    if state.available as usize > go_on {
        let (id, available) = (&stopped.id, state.available);
        found.blame(
            "S14",
            format!("{id} is told to stop, and {available} of {service} count as available, of {go_on}"),
        );
    }
}
