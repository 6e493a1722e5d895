//! S47: a rollout fails for what failed of its own version. A failure is counted in the transaction that gives up its task,
//! once, and those of a version before do not count.

use super::record::{TaskRecord, Text};
use super::{By, Check, Findings, Place, Seen, Write};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Counts with the scheduler.
#[derive(Clone, Default)]
pub(crate) struct Failures;

impl Check for Failures {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        // Who has only ever seen junk there cannot know what it said before.
        for write in seen.writes.iter().filter(|write| !write.mends) {
            let Place::ServiceState(service) = &write.place else { continue };
            let page = seen.book.services.get(service);
            let Some(after) = page.and_then(|page| page.state.as_ref()) else { continue };
            let before = write.state_before.as_ref().filter(|before| before.version == after.version);
            let counted = before.map_or(0, |before| before.failures);
            let given_up = given_up(seen, service, after.version);
            if after.failures as usize > counted as usize + given_up {
                let (counts, version) = (after.failures, after.version);
                let what = format!("of {service} version {version} {counts} failures count after {counted}");
                found.blame("S47", format!("{what}, and {given_up} of its tasks are given up"));
            }
        }
    }
}

/// Counts the tasks of a version that are told to stop, or taken away.
fn given_up(seen: &Seen<'_>, service: &Text, version: u32) -> usize {
    let is_of = |task: &&Arc<TaskRecord>| task.service == *service && task.version == version;
    let goes = |write: &&Write| {
        let stays = |before: &Arc<TaskRecord>| {
            let same = write.task_after.as_ref().filter(|after| after.generation == before.generation);
            same.is_some_and(|after| after.desired == before.desired)
        };
        write.place.is_task() && write.task_before.as_ref().is_some_and(|before| !stays(before))
    };
    let gone = seen.writes.iter().filter(goes).filter_map(|write| write.task_before.as_ref());
    gone.filter(is_of).map(|task| &task.id).collect::<BTreeSet<_>>().len()
}
