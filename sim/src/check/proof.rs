//! S48: what works makes way for another version only as that has proven itself: while as many of the new one as may be are
//! on their way, there are as many of the old and the proven as are wanted.

use super::record::{ClusterRecord, RolloutRecord, ServiceRecord, ServiceStateRecord, TaskRecord, Text};
use super::{Book, By, Check, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::BTreeMap;

/// Counts who is left whenever what works is told to stop for another version.
#[derive(Clone, Default)]
pub(crate) struct Proof;

impl Check for Proof {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        let makes_room = |id| seen.book.tasks.get(id).is_some_and(|task| task.makes_room_for.is_some());
        let mut stopped: BTreeMap<&Text, &TaskRecord> = BTreeMap::new();
        let ended = seen.ended().filter(|task| seen.book.is_at_home(task) && !makes_room(&task.id));
        for task in ended.filter(|task| seen.book.surely_confirmed(task)) {
            stopped.entry(&task.service).or_insert(task);
        }
        for (service, task) in stopped {
            judge(seen.book, service, task, found);
        }
    }
}

fn judge(book: &Book, service: &Text, stopped: &TaskRecord, found: &mut Findings) {
    let Some(page) = book.services.get(service).filter(|page| book.of_late(page).is_none()) else { return };
    let Some(record) = page.record.as_ref().filter(|record| is_plain(record)) else { return };
    let is_rolling = |state: &&ServiceStateRecord| {
        let is_on_trial = state.stable.is_some_and(|stable| stable != state.version);
        let is_meant = state.version == record.task_version && stopped.version != state.version;
        state.rollout == RolloutRecord::Running && is_on_trial && is_meant
    };
    let Some(state) = page.state.as_ref().filter(is_rolling) else { return };
    if book.amnesia.is_some() || book.meddled {
        return;
    }
    let running = || book.tasks_of(service).filter(|task| task.runs());
    let (mut old, mut on_the_way, mut proven) = (0, 0, 0);
    for task in running() {
        match (task.version == state.version, is_proven(book, record, task)) {
            (false, _) => old += usize::from(book.confirmed(task)),
            // What was on a host that is lost is on its way no more: another is to take its place, and may need its room.
            (true, false) => on_the_way += usize::from(is_heard_of(book, task)),
            (true, true) => proven += 1,
        }
    }
    let is_waiting = on_the_way >= book.parallel(record) as usize && running().count() < record.max as usize;
    let wanted = record.target() as usize;
    if is_waiting && old + proven < wanted {
        let left = format!("{old} of its kind are left, {proven} are proven, and {on_the_way} on their way");
        found.blame(
            "S48",
            format!("{} makes way for version {}: {left}, of {wanted}", stopped.id, state.version),
        );
    }
}

/// Tells whether the host of a task gives signs of life, or has for less than nearly as long as it takes to give it up.
fn is_heard_of(book: &Book, task: &TaskRecord) -> bool {
    let grace = book.clusters.get(&task.cluster).map_or(Span(0), ClusterRecord::grace);
    let is_near = |since: Time| book.now.since(since).0 < grace.0 * 8 / 10;
    book.hosts.get(&task.host).is_some_and(|page| page.alive || is_near(page.alive_since))
}

fn is_plain(record: &ServiceRecord) -> bool {
    !record.is_batch() && !record.is_system() && !record.exclusive
}

/// Tells whether a task did its work for long enough, by a clock that may go wrong by a tenth, or did its work until a
/// moment ago: who has not heard of its end goes by what was.
fn is_proven(book: &Book, record: &ServiceRecord, task: &TaskRecord) -> bool {
    if !book.confirmed_now(task) && book.confirmed(task) {
        return true;
    }
    let since = book.status(task).and_then(|status| status.healthy_since);
    since.is_some_and(|since| book.now.since(since).0 >= record.proof().0 * 8 / 10)
}
