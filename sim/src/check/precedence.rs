//! L21: a task that may take the room of a less important one gets a place soon where there is such a one that can be
//! spared.

use super::record::{RolloutRecord, ServiceRecord, TaskRecord, Text};
use super::{Book, By, Check, End, Fault, Findings, Seen, room};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Remembers since when services that may take room have too few tasks issued while somebody could make room.
#[derive(Clone, Default)]
pub(crate) struct Precedence {
    since: BTreeMap<Text, Time>,
    /// Services whose records others wrote, or of which something failed of late, and hosts where others issue tasks.
    spoilt: BTreeSet<Text>,
    /// When to look again.
    next: Time,
}

/// How often is looked.
const EVERY: Span = Span::secs(5);

/// One look at what waits, a re-list that was missed, a stop and the way to the store.
const BOUND: Span = Span::secs(120);
/// How long a task must have done its work to be spared for certain.
const PROVEN: Span = Span::secs(60);

impl Precedence {
    fn judge(&mut self, book: &Book, found: &mut Findings) {
        let asking = book.services.iter().filter_map(|(service, page)| {
            let record = page.record.as_ref().filter(|record| record.preempt && book.is_wanted(service))?;
            let done = page.state.as_ref().is_some_and(|state| state.rollout == RolloutRecord::Done);
            let is_short = page.issued.len() + book.unreadable_of(service) < record.target() as usize;
            (is_short && done && !self.spoilt.contains(service)).then_some((service, record))
        });
        let waiting: BTreeMap<Text, Text> = asking
            .filter_map(|(service, record)| Some((service.clone(), somebody(book, record)?.id.clone())))
            .collect();
        self.since.retain(|service, _| waiting.contains_key(service));
        for (service, id) in waiting {
            let since = *self.since.entry(service.clone()).or_insert(book.now);
            let lasting = book.now.since(since.max(book.calm_from));
            if lasting > Span(BOUND.0 + book.lag.0) && book.is_locked(&service) {
                let what =
                    format!("{service} has too few tasks for {lasting}, and {id} is not told to make room");
                found.blame("L21", what);
                self.since.remove(&service);
            }
        }
    }
}

/// Finds a task that alone could make room for one more of a service.
fn somebody<'a>(book: &'a Book, record: &ServiceRecord) -> Option<&'a TaskRecord> {
    let definition = book.definitions.get(&(record.task_name.clone(), record.task_version))?;
    let is_plain =
        record.placement == super::record::PlacementRecord::default() && definition.ports.is_empty();
    let leaves = book.tasks_of(&record.name).any(|task| !task.runs());
    if !is_plain || leaves || record.exclusive {
        return None;
    }
    let cluster = book.clusters.values().find(|cluster| cluster.services.contains(&record.name))?;
    let others = cluster.services.iter().filter(|other| **other != record.name);
    let spared = others.flat_map(|other| book.tasks_of(other)).filter(|task| {
        let is_less = book
            .definitions
            .get(&(task.task_name.clone(), task.version))
            .is_some_and(|other| other.priority < definition.priority);
        is_less && task.runs() && can_be_spared(book, task)
    });
    let mut makes_room = spared.filter(|task| {
        let Some(page) = book.hosts.get(&task.host) else { return false };
        room::is_open(book, definition, page)
            && page.registration.as_ref().is_some_and(|has| room::is_allowed(book, record, (&task.host, has)))
            && !book.issued_to(&task.host).any(|other| other.makes_room_for.is_some())
            && room::has_room(book, definition, (&task.host, page), &[task])
    });
    makes_room.next().map(|task| &**task)
}

/// Tells whether a task does its work, and enough others of its service have done theirs for long.
fn can_be_spared(book: &Book, task: &TaskRecord) -> bool {
    let Some(page) = book.services.get(&task.service) else { return false };
    let Some(record) = page.record.as_ref().filter(|_| book.is_wanted(&task.service)) else { return false };
    let done = page.state.as_ref().is_some_and(|state| state.rollout == RolloutRecord::Done);
    let long = Span(PROVEN.0 + record.proof().0);
    let is_proven = |task: &&std::sync::Arc<TaskRecord>| {
        let since = book.status(task).and_then(|status| status.healthy_since);
        book.confirmed_now(task) && since.is_some_and(|since| book.now.since(since) > long)
    };
    let proven = book.tasks_of(&task.service).filter(|task| task.runs()).filter(is_proven).count();
    done && book.confirmed_now(task) && proven > record.floor() as usize + 1
}

impl Check for Precedence {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by == By::Stranger {
            let services = seen.book.services.keys().cloned();
            self.spoilt.extend(services);
        }
        for write in seen.writes.iter().filter(|write| write.place.is_task()) {
            // What came to nothing is not tried again at once, nor everywhere.
            let ended = write.task_before.as_deref().filter(|task| task.runs());
            let goes_on = write.task_after.as_ref().is_some_and(|task| task.runs());
            if let Some(task) = ended.filter(|task| !goes_on && !seen.book.confirmed(task)) {
                self.spoilt.insert(task.service.clone());
            }
        }
        if self.next <= seen.book.now {
            self.next = seen.book.now + EVERY;
            self.judge(seen.book, found);
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.since.clear();
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}
