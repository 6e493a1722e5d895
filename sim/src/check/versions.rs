//! S18: only versions that exist are run, of a version that has not proven itself no more than `max_parallel` are on their
//! way at once, and it has proven itself only when all of its tasks did their work for long enough.

use super::record::{Place, RolloutRecord, TaskRecord, Text};
use super::{Book, By, Check, Findings, Seen};
use callboard_core::machine::Span;
use std::collections::BTreeSet;

/// Looks at the versions of what is created.
#[derive(Clone)]
pub(crate) struct Versions;

impl Check for Versions {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let mut rolled: BTreeSet<(&Text, u32)> = BTreeSet::new();
        for task in seen.created() {
            if !seen.book.definitions.contains_key(&(task.task_name.clone(), task.version)) {
                let what = format!(
                    "{} runs version {} of {}, which does not exist",
                    task.id, task.version, task.task_name
                );
                found.blame("S18", what);
            }
            rolled.insert((&task.service, task.version));
        }
        for write in seen.writes {
            if let (Place::ServiceState(service), By::Scheduler) = (&write.place, &seen.by) {
                let was_done =
                    write.state_before.as_ref().is_some_and(|state| state.rollout == RolloutRecord::Done);
                if !was_done {
                    judge_end(seen.book, service, found);
                }
            }
        }
        for (service, version) in rolled {
            let Some(page) = seen.book.services.get(service) else { continue };
            let Some(record) = &page.record else { continue };
            // The first version that ever runs has nobody to spare.
            let proven =
                page.state.as_ref().is_some_and(|state| state.stable.is_none_or(|stable| stable == version));
            if proven || record.task_version != version {
                continue;
            }
            let running = || seen.book.tasks_of(service).filter(|task| task.runs());
            let others =
                running().filter(|task| task.version != version && seen.book.confirmed_now(task)).count();
            if others <= record.max.saturating_sub(record.desired) as usize {
                continue;
            }
            let on_the_way = running().filter(|task| {
                let heard = seen.book.hosts.get(&task.host).is_some_and(|page| page.alive);
                task.version == version && heard && !seen.book.confirmed(task)
            });
            let (count, parallel) = (on_the_way.count(), seen.book.parallel(record) as usize);
            if count > parallel {
                let what = format!(
                    "{count} tasks of {service} version {version} are on their way, of {parallel} at most"
                );
                found.blame("S18", what);
            }
        }
    }
}

/// A scheduler may say that a version has proven itself.
fn judge_end(book: &Book, service: &Text, found: &mut Findings) {
    let Some(page) = book.services.get(service) else { return };
    let (Some(state), Some(record)) = (&page.state, &page.record) else { return };
    if state.rollout != RolloutRecord::Done || state.version != record.task_version {
        return;
    }
    // Clocks go wrong by a tenth.
    let proof = Span(record.proof().0 * 8 / 10);
    let is_unproven = |task: &TaskRecord| {
        let Some(status) = book.status(task) else { return book.amnesia.is_none() };
        let is_new = |since| book.now.since(since) < proof && book.amnesia.is_none_or(|at| at < since);
        status.healthy_until.is_none() && status.healthy_since.is_none_or(is_new)
    };
    let issued = page.issued.iter().filter_map(|id| book.tasks.get(id));
    if let Some(task) = issued.into_iter().find(|task| is_unproven(task)) {
        let what = format!("version {} of {service} counts as proven, {} is not", state.version, task.id);
        found.blame("S18", what);
    }
}
