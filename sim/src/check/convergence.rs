//! L1: once nothing goes wrong any more, every service has as many healthy tasks as it shall have.

use super::record::{KindRecord, RolloutRecord, ServiceRecord, ServiceStateRecord, Text};
use super::{Book, Check, End, Findings, Seen, ServicePage, room};
use callboard_core::machine::{Span, Time};
use std::collections::BTreeMap;

/// Counts at the end.
#[derive(Clone, Default)]
pub(crate) struct Convergence {
    /// When a task of a service last had to make way on its host for want of memory.
    moved: BTreeMap<Text, Time>,
}

/// How long one task may take until the next may come: a rollout in which none came for longer has come to a stop.
const A_TASK: Span = Span::secs(120);

/// What a record says of a task that moves since its host has no memory left for it.
const MOVED: &str = "moved: ";

impl Check for Convergence {
    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        for write in seen.writes {
            let (Some(before), Some(after)) = (&write.task_before, &write.task_after) else { continue };
            if before.runs() && !after.runs() && after.reason.starts_with(MOVED) {
                self.moved.insert(after.service.clone(), seen.book.now);
            }
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        let is_overbooked = room::is_overbooked(end.book, &end.fit_hosts);
        for (name, page) in &end.book.services {
            // What is on each host is looked at host by host, and what runs to its end need not be there.
            let is_other = |record: &ServiceRecord| record.kind != KindRecord::Service;
            if page.record.as_ref().is_some_and(is_other) && end.book.is_wanted(name) {
                continue;
            }
            let target = match &page.record {
                Some(record) if end.book.is_wanted(name) => {
                    let version = (record.task_name.clone(), record.task_version);
                    if end.unsound.binary_search(&version).is_ok() {
                        continue;
                    }
                    record.target()
                }
                Some(_) | None => 0,
            };
            let healthy = page.healthy.saturating_sub(end.book.homeless_of(name));
            // What a store forgot of a service that nobody configured since lives on.
            let extra = healthy > target && end.book.amnesia.is_some() && !end.book.is_wanted(name);
            // The store also forgot that the version had ever worked: where some of it then failed, the rest is tried
            // slowly.
            let is_hopeful = page.state.as_ref().is_some_and(|state| {
                state.stable.is_none() && matches!(state.rollout, RolloutRecord::Failed { .. })
            });
            // What takes hosts down is not tried again before users say so; until enough others work, agents keep what was
            // told to stop.
            let is_kept = page.state.as_ref().is_some_and(ServiceStateRecord::is_quarantined)
                && (healthy < target || end.book.is_kept(name, A_TASK));
            let floor = page.record.as_ref().map_or(0, |record| record.floor());
            let is_rolling = page.record.as_ref().is_some_and(|record| is_rolling(end.book, page, record));
            let is_slow = end.book.amnesia.is_some() && is_hopeful && (floor..target).contains(&healthy);
            // Users may want more than there is, or than there is between others' tasks and on hosts they allow.
            let is_cut_up = |record: &ServiceRecord| room::is_cut_up(end.book, &end.fit_hosts, record);
            let has_none = is_overbooked || page.record.as_ref().is_some_and(is_cut_up);
            let is_short = healthy < target && has_none;
            if is_short
                && page.record.as_ref().is_none_or(|record| room::host_for(end.book, record).is_none())
            {
                continue;
            }
            // Where there is no room for those that shall run, agents keep as many as are to work of what was told to stop.
            let is_held = healthy > target && has_none && end.book.is_kept(name, A_TASK);
            let is_replacing = page.record.as_ref().is_some_and(|record| {
                (target..=record.max).contains(&healthy) && is_moving(end.book, record)
            });
            // What makes way goes before its successor comes where there is no room for both.
            let is_making_way = (floor..target).contains(&healthy)
                && self.moved.get(name).is_some_and(|at| end.book.now.since(*at) <= A_TASK);
            let is_on_its_way = is_rolling || is_replacing || is_making_way || is_held;
            if healthy != target && !extra && !is_slow && !is_kept && !is_on_its_way {
                found.blame(
                    "L1",
                    format!("{name} has {} healthy tasks at the end, shall have {target}", healthy),
                );
            }
        }
    }
}

/// Tells whether a service is still being rolled, one task after the other, which takes as long as it has many.
pub(super) fn is_rolling(book: &Book, page: &ServicePage, record: &ServiceRecord) -> bool {
    let runs = page.state.as_ref().is_some_and(|state| state.rollout == RolloutRecord::Running);
    let tasks = || book.tasks_of(&record.name).filter(|task| task.runs());
    let is_half_way = tasks().any(|task| task.version != record.task_version);
    runs && is_half_way && is_moving(book, record) && (record.floor()..=record.max).contains(&page.healthy)
}

/// Tells whether a task of the version was issued so lately that what it replaces may still be there.
fn is_moving(book: &Book, record: &ServiceRecord) -> bool {
    let mut wanted =
        book.tasks_of(&record.name).filter(|task| task.runs() && task.version == record.task_version);
    wanted.any(|task| {
        let issued = book.first_issued.get(&(task.id.clone(), task.generation));
        issued.is_some_and(|at| book.now.since(*at).0 <= A_TASK.0 + book.lag.0)
    })
}
