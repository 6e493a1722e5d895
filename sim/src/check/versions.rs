//! S18: only versions that exist are run, of a version that has not proven itself no more than `max_parallel` are on their
//! way at once, and it has proven itself only when all of its tasks did their work for long enough. Which one was the last
//! to do so is not forgotten.

use super::record::{Place, RolloutRecord, ServiceRecord, ServiceStateRecord, TaskRecord, Text};
use super::{Book, By, Check, Findings, Seen, Write};
use crate::event::Process;
use callboard_core::machine::Span;
use callboard_core::store::{Op, Txn};
use std::collections::BTreeSet;

/// Looks at the versions of what is created.
#[derive(Clone, Default)]
pub(crate) struct Versions {
    /// Versions of services of which it was true that they had proven themselves when somebody sent that: it may be long on
    /// its way.
    proven: BTreeSet<(Text, u32)>,
}

impl Check for Versions {
    fn sent(&mut self, book: &Book, _from: Process, txn: &Txn, _found: &mut Findings) {
        for op in &txn.ops {
            let Op::Put { key, value, .. } = op else { continue };
            let Place::ServiceState(service) = Place::of(key) else { continue };
            let Ok(state) = serde_json::from_str::<ServiceStateRecord>(value) else { continue };
            if state.rollout == RolloutRecord::Done && unproven(book, &service, &state).is_none() {
                self.proven.insert((service, state.version));
            }
        }
    }

    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let mut rolled: BTreeSet<(&Text, u32)> = BTreeSet::new();
        for task in seen.created() {
            // What somebody wrote over it by hand takes it from nobody who knew it.
            let key = format!("config/task_definitions/{}/{}", task.task_name, task.version);
            let is_known = seen.book.definitions.contains_key(&(task.task_name.clone(), task.version));
            if !is_known && !seen.book.junk.contains(&key) {
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
                    self.judge_end(seen.book, service, found);
                }
                judge_memory(seen.book, service, write, found);
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
            let records = [record].into_iter().chain(seen.book.of_late(page));
            let parallel = records.map(|record| seen.book.parallel(record)).max().unwrap_or(1) as usize;
            let count = on_the_way.count();
            if count > parallel {
                let what = format!(
                    "{count} tasks of {service} version {version} are on their way, of {parallel} at most"
                );
                found.blame("S18", what);
            }
        }
    }
}

impl Versions {
    /// A scheduler may say that a version has proven itself.
    fn judge_end(&self, book: &Book, service: &Text, found: &mut Findings) {
        let state = book.services.get(service).and_then(|page| page.state.as_ref());
        let Some(state) = state.filter(|state| state.rollout == RolloutRecord::Done) else { return };
        if self.proven.contains(&(service.clone(), state.version)) {
            return;
        }
        if let Some(task) = unproven(book, service, state) {
            let what = format!("version {} of {service} counts as proven, {} is not", state.version, task.id);
            found.blame("S18", what);
        }
    }
}

/// The last version that worked is known until there is another one, or until the service runs to its end instead.
fn judge_memory(book: &Book, service: &Text, write: &Write, found: &mut Findings) {
    let Some(page) = book.services.get(service).filter(|_| !write.mends) else { return };
    let stable = write.state_before.as_ref().and_then(|state| state.stable);
    // What is deleted is forgotten as it goes: what comes later under its name is another service.
    let is_new = page.made.is_some_and(|at| book.now.since(at) <= book.ignorance());
    let is_over = page.record.is_none() || book.of_late(page).is_some() || is_new;
    let forgets = |state: &ServiceStateRecord| state.stable.is_none() && !(state.version == 0 && is_over);
    let is_forgotten = page.state.as_ref().is_some_and(forgets);
    let mut records = page.record.iter().chain(book.of_late(page));
    if let Some(stable) = stable.filter(|_| is_forgotten && !records.any(ServiceRecord::is_batch)) {
        found.blame("S18", format!("that version {stable} of {service} worked is forgotten"));
    }
}

/// Finds a task of a service that has not done its work for long enough.
fn unproven<'a>(book: &'a Book, service: &Text, state: &ServiceStateRecord) -> Option<&'a TaskRecord> {
    let page = book.services.get(service)?;
    // What runs to its end is done when enough has come to it.
    let record = page.record.as_ref().filter(|record| record.task_version == state.version)?;
    let record = Some(record).filter(|record| !record.is_batch())?;
    // Clocks go wrong by a tenth.
    let proof = Span(record.proof().0 * 8 / 10);
    let is_unproven = |task: &TaskRecord| {
        let Some(status) = book.status(task) else { return book.amnesia.is_none() };
        let is_new = |since| book.now.since(since) < proof && book.amnesia.is_none_or(|at| at < since);
        // Who heard nothing since the store forgot remembers what it said before.
        let is_blind = book.amnesia.is_some_and(|at| book.now.since(at) <= book.ignorance());
        let before = book.healthy_before.get(&(task.id.clone(), task.generation)).filter(|_| is_blind);
        let since = status.healthy_since.map(|since| before.copied().unwrap_or(since));
        status.healthy_until.is_none() && since.is_none_or(is_new)
    };
    // Of what came to be only just nobody need know.
    let is_known = |task: &TaskRecord| book.is_known_to(false, task);
    let issued = page.issued.iter().filter_map(|id| book.tasks.get(id));
    issued.map(|task| &**task).find(|task| is_known(task) && is_unproven(task))
}
