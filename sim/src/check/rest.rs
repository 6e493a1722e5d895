//! S25, of placements: where a service failed it is tried again ever later, and what has failed wherever it was tried rests.
//! S49: where it failed again and again it is not tried once more while it fits where it never failed.

use super::page::HostPage;
use super::record::{ClusterRecord, Place, RolloutRecord, TaskRecord, Text};
use super::{Book, By, Check, Fault, Findings, Seen, Write, room};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Remembers where services failed, as far as the present holders of locks do.
#[derive(Clone, Default)]
pub(crate) struct Rest {
    failed: BTreeMap<Text, BTreeMap<Text, Failed>>,
    /// Where a task of theirs ever ended, for whatever reason: by service and host. Not all that the scheduler takes for a
    /// failure can be told from here.
    ever: BTreeSet<(Text, Text)>,
}

#[derive(Clone, Copy)]
struct Failed {
    times: u32,
    last: Time,
    /// The holder of the lock then.
    lock: u64,
}

/// How long a host is left alone after a first failure there, and at most; it doubles.
const FIRST: Span = Span::secs(10);
const MOST: Span = Span::secs(300);
/// So many failures on a host make one that others are preferred to, for so long after the last.
const OFTEN: u32 = 2;
const REMEMBERED: Span = Span::secs(1800);
/// How the reason begins why a task is stopped that did not become healthy.
const LATE: &str = "not healthy within";

impl Failed {
    /// Tells whether somebody who knows of it leaves the host alone, by a clock that may go too fast by a tenth.
    fn stands(&self, book: &Book, task: &TaskRecord) -> bool {
        let span = Span(FIRST.0 << self.times.saturating_sub(1).min(5)).min(MOST);
        let gap = book.now.since(self.last).0 + book.lag.0;
        book.locks.get(&task.cluster) == Some(&self.lock) && gap * 10 < span.0 * 9
    }
}

impl Rest {
    /// Finds a host where a service never failed and has room, of a task that came to one where it failed often. Where hosts
    /// bid they say themselves how well it would lie; what runs to its end, or on each host, has its own ways.
    fn better_host<'a>(
        &self,
        book: &'a Book,
        task: &TaskRecord,
        failed: &BTreeMap<Text, Failed>,
    ) -> Option<&'a Text> {
        let record = book.services.get(&task.service)?.record.as_ref()?;
        let is_often = |failed: &Failed| {
            let is_known = book.locks.get(&task.cluster) == Some(&failed.lock);
            is_known && failed.times >= OFTEN && book.now.since(failed.last) < REMEMBERED
        };
        let is_other_kind = record.is_batch() || record.is_system();
        let is_meant = |host: &Text, page: &HostPage| {
            let is_sound = !book.junk.contains(&format!("state/ledger/{host}"));
            // What does not work there yet may have failed, and whoever places knows before it is written.
            let mut there = book.tasks_of(&task.service).filter(|other| other.host == *host);
            is_sound
                && there.all(|other| book.confirmed_now(other))
                && !self.ever.contains(&(task.service.clone(), host.clone()))
                && book.now.since(page.alive_since) > book.ignorance()
        };
        if is_other_kind || bids(book, &task.cluster) || !failed.get(&task.host).is_some_and(is_often) {
            return None;
        }
        room::host_among(book, record, is_meant)
    }
}

impl Check for Rest {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        let forgiven = |write: &&Write| {
            matches!(write.place, Place::Service(_))
                || matches!(&write.place, Place::ServiceState(name) if begins_anew(book, name, write))
        };
        let forgiven: BTreeSet<&Text> =
            seen.writes.iter().filter(forgiven).filter_map(|write| write.place.service()).collect();
        self.failed.retain(|service, _| !forgiven.contains(service));
        if seen.by != By::Scheduler {
            return;
        }
        for write in seen.writes.iter().filter(|write| write.place.is_task()) {
            let ended = |task: &&TaskRecord| write.task_after.is_none() || has_failed(book, task, write);
            let task = write.task_before.as_deref().filter(ended);
            self.ever.extend(task.map(|task| (task.service.clone(), task.host.clone())));
        }
        for task in seen.created().filter(|task| !book.goes_on(task)) {
            let Some(failed) = self.failed.get(&task.service) else { continue };
            if let Some(failed) = failed.get(&task.host).filter(|failed| failed.stands(book, task)) {
                let (gap, times) = (book.now.since(failed.last), failed.times);
                let what = format!(
                    "{} came to {} {gap} after it had failed there {times} times",
                    task.id, task.host
                );
                found.blame("S25", what);
            } else if is_hopeless(book, task)
                && let Some((host, failed)) = failed.iter().find(|(_, failed)| failed.stands(book, task))
            {
                let gap = book.now.since(failed.last);
                let what =
                    format!("{} came to {} {gap} after {host}, and none has worked yet", task.id, task.host);
                found.blame("S25", what);
            } else if let Some(other) = self.better_host(book, task, failed) {
                let times = failed.get(&task.host).map_or(0, |failed| failed.times);
                let what = format!(
                    "{} came to {}, where it had failed {times} times, and {other} has room, where none of it ever ended",
                    task.id, task.host
                );
                found.blame("S49", what);
            }
        }
        for write in seen.writes.iter().filter(|write| write.place.is_task()) {
            let Some(task) = write.task_before.as_deref().filter(|task| has_failed(book, task, write)) else {
                continue;
            };
            if forgiven.contains(&task.service) {
                continue;
            }
            let Some(lock) = book.locks.get(&task.cluster).copied() else { continue };
            let hosts = self.failed.entry(task.service.clone()).or_default();
            let before = hosts.get(&task.host).filter(|failed| failed.lock == lock);
            let times = before.map_or(0, |failed| failed.times) + 1;
            hosts.insert(task.host.clone(), Failed { times, last: book.now, lock });
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.failed.clear();
        }
    }
}

/// Tells whether what is remembered of a service is of another try from now on: then it was forgiven.
fn begins_anew(book: &Book, name: &Text, write: &Write) -> bool {
    let after = book.services.get(name).and_then(|page| page.state.as_ref());
    let (Some(before), Some(after)) = (&write.state_before, after) else { return true };
    (before.version, &before.cluster) != (after.version, &after.cluster) || before.rollout != after.rollout
}

/// Tells whether hosts bid for the tasks of a cluster.
fn bids(book: &Book, cluster: &Text) -> bool {
    book.clusters.get(cluster).is_some_and(ClusterRecord::bids)
}

/// Tells whether a task goes because it failed.
fn has_failed(book: &Book, task: &TaskRecord, write: &Write) -> bool {
    let is_given_up = || book.status(task).is_some_and(|status| status.record.has_failed());
    match &write.task_after {
        Some(after) => task.runs() && !after.runs() && after.reason.starts_with(LATE),
        None => task.runs() && is_given_up(),
    }
}

/// Tells whether a task is of a version that was given up before any of it, or of one before it, had worked, and none does
/// or did a moment ago.
fn is_hopeless(book: &Book, task: &TaskRecord) -> bool {
    let Some(page) = book.services.get(&task.service) else { return false };
    let is_plain = page.record.as_ref().is_some_and(|record| !record.is_batch() && !record.is_system());
    let state = page.state.as_ref().filter(|state| matches!(state.rollout, RolloutRecord::Failed { .. }));
    let failed = state.is_some_and(|state| state.stable.is_none() && state.version == task.version);
    let works = || book.tasks_of(&task.service).any(|other| other.runs() && book.confirmed(other));
    is_plain && failed && page.healthy == 0 && !works()
}
