//! What a run amounted to, in figures.

use crate::check::{Book, ServicePage, Text, Write};
use crate::sometimes::Sometimes;
use callboard_core::machine::{Span, Time};
use callboard_core::why::{Note, StopReason};
use std::collections::BTreeMap;

/// Figures of a run. Tasks are counted in truth, reasons as the scheduler gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Placements that were written.
    pub placements: u64,
    /// Placements that ended for other reasons than a rollout, a change of scale, or a deletion.
    pub moves: u64,
    /// Stops by reason.
    pub stops: BTreeMap<&'static str, u64>,
    /// Processes that came to be.
    pub starts: u64,
    /// Starts in place of tasks that had been started before.
    pub restarts: u64,
    /// Processes that ended without being asked to.
    pub exits: u64,
    /// Processes that were killed as the memory of their machine was used up.
    pub out_of_memory: u64,
    /// Processes that were killed at the limit of their own memory.
    pub over_limit: u64,
    /// Requests to move a task, by agents.
    pub move_requests: u64,
    /// What went wrong, by name, and how often.
    pub faults: BTreeMap<&'static str, u64>,
    /// The most tasks that had no place at one time, after all had been issued once: see [`Stats::unplaced`].
    pub peak_unplaced: u64,
    /// What was reached, and how often.
    pub sometimes: Sometimes,
    /// Services, by name.
    pub services: BTreeMap<Text, ServiceStats>,
    unplaced: u64,
    all_placed: bool,
}

/// Figures of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceStats {
    /// Healthy tasks now.
    pub healthy: u32,
    /// The fewest, since it first had as many as desired.
    pub least_healthy: Option<u32>,
    /// The longest time with fewer than desired, since it first had as many.
    pub longest_short: Span,
    /// All of it ran to its end that was to.
    pub completed: bool,
    /// It had as many as it shall have, and is wanted still.
    complete: bool,
    short_since: Option<Time>,
    missing: u64,
}

impl Stats {
    pub(crate) fn wrote_task(&mut self, write: &Write) {
        let generation = |task: &std::sync::Arc<crate::check::TaskRecord>| task.generation;
        let (before, after) =
            (write.task_before.as_ref().map(generation), write.task_after.as_ref().map(generation));
        if after.is_some() && after != before {
            self.placements += 1;
        }
    }

    /// Counts something that went wrong.
    pub(crate) fn hit(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    pub(crate) fn born(&mut self, attempt: u32) {
        self.starts += 1;
        self.restarts += u64::from(attempt > 0);
    }

    pub(crate) fn gone(&mut self, ordered: bool) {
        self.exits += u64::from(!ordered);
    }

    /// Takes in what was noted; tells whether a task is moved.
    pub(crate) fn noted(&mut self, note: &Note) -> bool {
        let moves = self.moves;
        self.sometimes.noted(note);
        match note {
            Note::StopOrdered { why, .. } => {
                let (word, is_move) = word_for(why);
                *self.stops.entry(word).or_default() += 1;
                self.moves += u64::from(is_move);
            }
            Note::MoveRequested { .. } => self.move_requests += 1,
            Note::Placed { .. }
            | Note::MakingRoom { .. }
            | Note::Removed { .. }
            | Note::RolloutStarted { .. }
            | Note::RolloutDone { .. }
            | Note::Completed { .. }
            | Note::RolloutFailed { .. }
            | Note::Blocked { .. }
            | Note::HostSuspect { .. }
            | Note::HostLost { .. }
            | Note::HostReady { .. }
            | Note::Braked { .. }
            | Note::LockTaken { .. }
            | Note::LockLost { .. }
            | Note::Task { .. }
            | Note::Store { .. }
            | Note::BadRecord { .. } => {}
        }
        self.moves > moves
    }

    /// Takes in that a service has another number of tasks, issued or healthy, or shall have.
    pub(crate) fn service_changed(&mut self, now: Time, book: &Book, service: &Text) {
        let Some(page) = book.services.get(service) else { return };
        let target = page.record.as_ref().map_or(0, |record| book.target(record));
        if !self.services.contains_key(service) {
            self.services.insert(service.clone(), ServiceStats::default());
        }
        let Some(stats) = self.services.get_mut(service) else { return };
        stats.changed(now, page.healthy, target);
        let missing = u64::from(target).saturating_sub(page.issued.len() as u64);
        self.unplaced = self.unplaced + missing - std::mem::replace(&mut stats.missing, missing);
        self.all_placed |= self.unplaced == 0 && self.placements > 0;
        if self.all_placed {
            self.peak_unplaced = self.peak_unplaced.max(self.unplaced);
        }
    }

    /// Gives how many tasks have no place: while a run goes on those that are issued nowhere, and once it has ended those
    /// as well that are issued to hosts which are lost.
    #[must_use]
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    /// Looks at the end which hosts are lost: what is issued to them has no place.
    pub(crate) fn look_for_lost(&mut self, book: &Book) {
        self.unplaced = book.services.values().map(|page| book.unplaced(page)).sum();
        if self.all_placed {
            self.peak_unplaced = self.peak_unplaced.max(self.unplaced);
        }
    }

    /// Closes what is still open.
    pub(crate) fn end(&mut self, now: Time, book: &Book) {
        self.look_for_lost(book);
        for (service, stats) in &mut self.services {
            stats.end_shortage(now);
            stats.completed = book.services.get(service).is_some_and(ServicePage::is_completed);
        }
    }
}

impl ServiceStats {
    /// Takes in how many tasks are healthy, and how many shall be. A service that shall have none, as one that was deleted,
    /// is not short of any, and one that comes back begins anew.
    fn changed(&mut self, now: Time, healthy: u32, target: u32) {
        self.healthy = healthy;
        if target == 0 || healthy >= target {
            self.complete = target > 0;
            self.end_shortage(now);
        } else if self.complete {
            self.short_since = self.short_since.or(Some(now));
        }
        if self.complete {
            self.least_healthy = Some(self.least_healthy.map_or(healthy, |least| least.min(healthy)));
        }
    }

    fn end_shortage(&mut self, now: Time) {
        if let Some(since) = self.short_since.take() {
            self.longest_short = self.longest_short.max(now.since(since));
        }
    }
}

/// Gives the word for a reason, and whether it makes the stop a move.
pub(crate) fn word_for(why: &StopReason) -> (&'static str, bool) {
    match why {
        StopReason::ScaleDown => ("scale down", false),
        StopReason::Deleted => ("deleted", false),
        StopReason::Rollout { .. } => ("rollout", false),
        StopReason::NotHealthy { .. } => ("not healthy", true),
        StopReason::Failed { .. } => ("failed", true),
        StopReason::Quarantined => ("quarantined", true),
        StopReason::Orphaned => ("orphaned", true),
        StopReason::HostLost => ("host lost", true),
        StopReason::Drain => ("drain", true),
        StopReason::Unqualified { .. } => ("unqualified", false),
        StopReason::Rebalanced => ("rebalance", true),
        StopReason::Preempted { .. } => ("preempted", true),
        StopReason::MoveRequested { .. } => ("memory pressure", true),
        StopReason::BadRecord { .. } => ("bad record", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes in, each second, how many tasks are healthy of how many; gives the fewest, and the longest shortage.
    fn check(told: &[(u32, u32)], least: Option<u32>, short: u64) {
        let mut stats = ServiceStats::default();
        for (second, (healthy, target)) in (0..).zip(told) {
            stats.changed(Time(second * 1_000), *healthy, *target);
        }
        stats.end_shortage(Time(told.len() as u64 * 1_000));
        assert_eq!((stats.least_healthy, stats.longest_short), (least, Span::secs(short)), "{told:?}");
    }

    #[test]
    fn a_service_is_short_once_it_was_complete() {
        check(&[(0, 3), (2, 3)], None, 0);
        check(&[(0, 3), (3, 3), (1, 3), (2, 3), (3, 3)], Some(1), 2);
        check(&[(3, 3), (3, 4), (3, 4)], Some(3), 2);
    }

    #[test]
    fn a_service_that_was_deleted_is_not_short() {
        check(&[(3, 3), (2, 3), (1, 0), (0, 0), (0, 0)], Some(2), 1);
        check(&[(3, 3), (0, 0), (0, 3), (0, 3), (3, 3)], Some(3), 0);
    }
}
