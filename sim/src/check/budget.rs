//! S14: nobody stops a healthy task by choice unless more than `min` others are confirmed healthy.

use super::record::{TaskRecord, Text};
use super::{By, Check, Findings, Seen};
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
