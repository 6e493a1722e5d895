//! L5: a rollout comes to an end. Once nothing goes wrong any more it is done, or failed with a reason, by the time that
//! all of its tasks could have been tried one after the other.

use super::record::{RolloutRecord, TaskRecord, Text};
use super::{Book, Check, End, Fault, Findings, Seen, room};
use crate::check::Place;
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Remembers since when rollouts are under way.
#[derive(Clone, Default)]
pub(crate) struct Rollouts {
    since: BTreeMap<Text, Time>,
    /// Services of which something that was rolled out did its work meanwhile.
    worked: BTreeSet<Text>,
}

/// How often a task is tried before it is given up.
const RESTARTS: u64 = 6;
/// How long one task may take: to become healthy or be given up, to have been so for long enough, and to make room.
const A_TASK: Span = Span::secs(120);
/// How long a host is avoided by a service that failed there once; twice as long each time it fails there again.
const AVOIDED: Span = Span::secs(10);
const AVOIDED_MAX: Span = Span::secs(300);

/// Gives how long so many tries may take, one after the other on the only host that has room.
fn one_by_one(tries: u64) -> Span {
    let avoided = |try_: u64| AVOIDED.0.saturating_mul(1 << try_.min(32)).min(AVOIDED_MAX.0);
    Span((0..tries).map(|try_| A_TASK.0 + avoided(try_)).sum())
}

impl Check for Rollouts {
    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        for write in seen.writes {
            if let Place::Status { id, .. } = &write.place
                && let Some(task) = seen.book.tasks.get(id).filter(|task| seen.book.confirmed_now(task))
                && self.since.contains_key(&task.service)
            {
                self.worked.insert(task.service.clone());
            }
            // Whatever users change begins a rollout anew as far as time is concerned.
            if let Place::Service(service) | Place::ServiceState(service) = &write.place {
                let page = seen.book.services.get(service);
                let runs = page.and_then(|page| page.state.as_ref());
                let runs = runs.is_some_and(|state| state.rollout == RolloutRecord::Running);
                let is_users = matches!(write.place, Place::Service(_));
                if !runs {
                    self.since.remove(service);
                    self.worked.remove(service);
                } else if is_users || !self.since.contains_key(service) {
                    self.since.insert(service.clone(), seen.book.now);
                }
            }
        }
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        // What a store that was put back says is what goes on from now.
        if matches!(fault, Fault::Amnesia) {
            let runs = book.services.iter().filter(|(_, page)| {
                page.state.as_ref().is_some_and(|state| state.rollout == RolloutRecord::Running)
            });
            self.since = runs.map(|(service, _)| (service.clone(), book.now)).collect();
            self.worked.clear();
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        for (service, since) in &self.since {
            let page = end.book.services.get(service);
            let Some(record) = page.and_then(|page| page.record.as_ref()) else { continue };
            if !end.book.is_wanted(service) || end.book.target(record) == 0 {
                continue;
            }
            let lasting = end.book.now.since((*since).max(end.book.calm_from));
            // What is healthy by turns is given up only when all its restarts came to nothing.
            let version = (record.task_name.clone(), record.task_version);
            let is_unsound = end.unsound.binary_search(&version).is_ok();
            let turns = if self.worked.contains(service) && is_unsound { RESTARTS } else { 1 };
            let parallel = end.book.parallel(record);
            let batches = u64::from(end.book.target(record).div_ceil(parallel) + 1);
            let in_turn = Span((A_TASK.0 + end.book.lag.0) * turns * batches);
            // What never works has failed when more tasks failed than may be tried at once, be there room for one at a time.
            let failing = if is_unsound { one_by_one(u64::from(parallel) + 1) } else { Span(0) };
            let bound = in_turn.max(failing);
            // What fits nowhere, and in the place of nothing that may go first, says so, and waits.
            let issued =
                page.into_iter().flat_map(|page| &page.issued).filter_map(|id| end.book.tasks.get(id));
            let (new, old): (Vec<&Arc<TaskRecord>>, Vec<_>) =
                issued.partition(|task| (&task.task_name, task.version) == (&version.0, version.1));
            // What somebody else has placed where nothing can run takes the place of one.
            let is_nowhere = |task: &Arc<TaskRecord>| {
                end.book.hosts.get(&task.host).is_none_or(|page| page.registration.is_none())
            };
            if new.iter().any(|task| is_nowhere(task)) {
                continue;
            }
            let may_go = page.is_some_and(|page| page.healthy > record.floor());
            let waits = new.len() < end.book.target(record) as usize
                && room::host_for(end.book, record).is_none()
                && !(may_go && old.iter().any(|task| room::could_follow(end.book, record, task)));
            if lasting > bound && !waits {
                let what = format!(
                    "the rollout of {service} version {} has gone on for {lasting}",
                    record.task_version
                );
                found.blame("L5", what);
            }
        }
    }
}
