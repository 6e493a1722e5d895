//! Batch: of a batch service never more tasks run at once than `parallelism`, but for those on lost hosts; nothing is
//! created once it is finished; each task that ended with exit code 0 is counted once, in the transaction that takes away
//! its record, and no other is; and in the end all is done, or is being done, or the service failed for a reason that
//! counts.

use super::record::{
    Place, RolloutRecord, ServiceRecord, ServiceStateRecord, StatusRecord, Step, TaskRecord, Text,
};
use super::{Alive, Book, By, Check, End, Fault, Findings, Seen, ServicePage, Write, room};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Remembers which placements were said to have run to their end, and when something last became of a service's tasks.
#[derive(Clone, Default)]
pub(crate) struct Batches {
    said: BTreeMap<(Text, u64), Time>,
    moved: BTreeMap<Text, Time>,
    /// Starts that ran to their end on machines that are up since, so that somebody there knows.
    ended: BTreeMap<Text, BTreeSet<(Text, u64, u32)>>,
}

/// How long a host on which a try failed may be left alone, and what comes before and after.
const A_TRY: Span = Span::secs(300 + 90);
/// How long it may take until what is done is counted, or what is of no use is told to stop.
const A_STEP: Span = Span::secs(60);

impl Check for Batches {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        for write in seen.writes {
            if let (Place::Status { host, id }, By::Agent(_)) = (&write.place, &seen.by) {
                self.hear(book, host, id, write.status_before.as_ref(), found);
            }
            let services =
                [&write.task_before, &write.task_after].into_iter().flatten().map(|task| &task.service);
            self.moved.extend(services.chain(write.place.service()).map(|name| (name.clone(), book.now)));
        }
        if seen.by != By::Scheduler {
            return;
        }
        for task in seen.created().filter(|task| !book.goes_on(task)) {
            // Whoever placed it may not have heard yet that it is one.
            let is_known = |(page, _): &(&ServicePage, _)| was_batch(book, page);
            if let Some((page, record)) = batch(book, &task.service).filter(is_known) {
                together(book, record, task, found);
                finished(book, page, record, task, found);
            }
        }
        let mut services: BTreeSet<&Text> =
            seen.writes.iter().filter_map(|write| write.place.service()).collect();
        services.extend(seen.writes.iter().filter_map(|write| Some(&write.task_before.as_ref()?.service)));
        for service in services.into_iter().filter(|service| book.is_wanted(service)) {
            if let Some((page, record)) = batch(book, service) {
                self.count(seen, service, (page, record), found);
            }
        }
    }

    fn gone(
        &mut self,
        book: &Book,
        host: &Text,
        id: &Text,
        alive: &Alive,
        _ordered: bool,
        _found: &mut Findings,
    ) {
        if book.completed.get(&(id.clone(), alive.generation)) == Some(&alive.attempt) {
            let start = (id.clone(), alive.generation, alive.attempt);
            self.ended.entry(host.clone()).or_default().insert(start);
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if let Fault::HostDown(host) = fault {
            self.ended.remove(host);
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        for name in end.book.services.keys().filter(|name| end.book.is_wanted(name)) {
            if let Some((page, record)) = batch(end.book, name) {
                self.judge(end.book, page, record, found);
            }
        }
    }
}

fn batch<'a>(book: &'a Book, service: &Text) -> Option<(&'a ServicePage, &'a ServiceRecord)> {
    let page = book.services.get(service)?;
    page.record.as_ref().filter(|record| record.is_batch()).map(|record| (page, record))
}

/// Tells whether a service was no other kind a moment ago.
fn was_batch(book: &Book, page: &ServicePage) -> bool {
    book.of_late(page).is_none_or(ServiceRecord::is_batch)
}

/// Gives what a service says of a number now, and what it said a moment ago.
fn of_late<'a>(
    book: &Book,
    page: &'a ServicePage,
    number: impl Fn(&ServiceRecord) -> Option<u32> + 'a,
) -> impl Iterator<Item = u32> + 'a {
    let records = page.record.iter().chain(book.of_late(page));
    records.map(move |record| number(record).unwrap_or(1))
}

impl Batches {
    /// An agent may say that a task ran to its end, and only of one that did.
    fn hear(
        &mut self,
        book: &Book,
        host: &Text,
        id: &Text,
        before: Option<&StatusRecord>,
        found: &mut Findings,
    ) {
        let status = book.hosts.get(host).and_then(|page| page.statuses.get(id)).map(|status| &status.record);
        let Some(status) = status.filter(|status| status.is_over()) else { return };
        let placement = (id.clone(), status.generation);
        let is_said = status.phase == Step::Completed;
        let start = (id.clone(), status.generation, status.attempt);
        let is_so = self.ended.get(host).is_some_and(|ended| ended.contains(&start));
        let twin = book.hosts.get(host).and_then(|page| page.twins.get(id));
        let runs_once = twin.is_some_and(|twin| twin.once.is_some() && twin.generation == status.generation);
        if is_said && !book.completed.contains_key(&placement) {
            found.blame("batch", format!("{id} on {host} is said to have run to its end, and did not"));
        } else if is_so && !is_said && runs_once && book.amnesia.is_none() {
            found.blame(
                "batch",
                format!("{id} on {host} ran to its end, and is said to be {:?}", status.phase),
            );
        }
        if !is_said {
            return;
        }
        if before != Some(status) {
            self.said.insert(placement, book.now);
        }
    }

    /// What is counted is what is taken away, and what is finished has a reason.
    fn count(
        &self,
        seen: &Seen<'_>,
        service: &Text,
        (page, record): (&ServicePage, &ServiceRecord),
        found: &mut Findings,
    ) {
        let Some(after) = &page.state else { return };
        let of_state = |write: &&Write| matches!(&write.place, Place::ServiceState(of) if of == service);
        let written = seen.writes.iter().find(of_state);
        let before = match written {
            // Who has only ever seen junk there cannot know what it said before.
            Some(write) if write.mends => None,
            Some(write) => write.state_before.as_ref(),
            None => Some(after),
        };
        // What is begun anew counts from the beginning, and another cluster takes over what it finds.
        let Some(before) = before.filter(|before| {
            let begins = before.rollout == RolloutRecord::Done && after.rollout != RolloutRecord::Done;
            (before.version, &before.cluster) == (after.version, &after.cluster) && !begins
        }) else {
            return;
        };
        let is_gone = |write: &&Write| {
            let is_same = |task: &Arc<TaskRecord>| {
                write.task_after.as_ref().is_some_and(|new| new.generation == task.generation)
            };
            write.place.is_task() && write.task_before.as_ref().is_some_and(|task| !is_same(task))
        };
        let gone = seen.writes.iter().filter(is_gone).filter_map(|write| write.task_before.as_ref());
        let gone = gone.filter(|task| {
            task.service == *service && task.version == after.version && task.cluster == after.cluster
        });
        let gone: Vec<&Arc<TaskRecord>> = gone.collect();
        // A store that went back may say of it no more what it said, or of another one.
        let was_said = |task: &&&Arc<TaskRecord>| self.said.contains_key(&(task.id.clone(), task.generation));
        let said = gone.iter().filter(was_said).count();
        // Whoever acts may not have heard yet.
        let known = gone.iter().filter_map(|task| self.completed(seen.book, task));
        let known = known.filter(|at| seen.book.now.since(*at) > seen.book.ignorance()).count();
        // What is taken away where junk stands may have been anything of the service.
        let is_mended = |write: &&Write| {
            let Place::Task(id) = &write.place else { return false };
            write.mends && seen.book.meant.get(id) == Some(service)
        };
        let most = said + seen.writes.iter().filter(is_mended).count();
        let counted = i64::from(after.completed) - i64::from(before.completed);
        if !usize::try_from(counted).is_ok_and(|counted| (known..=most).contains(&counted)) {
            found.blame(
                "batch",
                format!("{counted} tasks of {service} were counted as completed, {said} were"),
            );
        }
        if before.rollout != after.rollout
            && let Some(what) = groundless(seen.book, page, record, after)
        {
            found.blame("batch", format!("{service} {what}"));
        }
    }

    /// Tells since when the store says that a placement ran to its end.
    fn completed(&self, book: &Book, task: &TaskRecord) -> Option<Time> {
        book.status(task).filter(|status| status.record.phase == Step::Completed)?;
        self.said.get(&(task.id.clone(), task.generation)).copied()
    }

    /// All is done, or is being done, or cannot be; and nothing runs that is of no use.
    fn judge(&self, book: &Book, page: &ServicePage, record: &ServiceRecord, found: &mut Findings) {
        let name = &record.name;
        let waited = |at: Time, patience: Span| book.now.since(at).0 > patience.0 + book.lag.0;
        let moved = self.moved.get(name).copied().unwrap_or_default();
        let mut tasks = book.tasks_of(name);
        let uncounted = tasks.find(|task| self.completed(book, task).is_some_and(|at| waited(at, A_STEP)));
        if let Some(task) = uncounted {
            found.blame("batch", format!("{} ran to its end, and its record is still there", task.id));
        }
        let changed = page.before.as_ref().map(|(_, at)| *at).unwrap_or_default();
        let endless = book.tasks_of(name).find(|task| task.runs() && task.once.is_none());
        if let Some(task) = endless.filter(|_| waited(changed, A_STEP)) {
            found.blame("batch", format!("{} of {name} will run for ever", task.id));
        }
        let is_open = page.state.as_ref().is_none_or(|state| state.rollout == RolloutRecord::Running);
        let runs = book.tasks_of(name).find(|task| task.runs());
        match runs {
            Some(task) if (record.stopped || !is_open) && waited(moved, A_STEP) => {
                found.blame("batch", format!("{} runs, and {name} is finished", task.id));
            }
            None if is_open && !record.stopped && waited(moved, A_TRY) => {
                if let Some(host) = room::host_for(book, record) {
                    found.blame(
                        "batch",
                        format!("{name} is not finished, and nothing of it runs; {host} has room"),
                    );
                }
            }
            Some(_) | None => {}
        }
    }
}

/// There may be too many at once.
fn together(book: &Book, record: &ServiceRecord, task: &TaskRecord, found: &mut Findings) {
    let runs = |other: &&Arc<TaskRecord>| {
        let heard = book.hosts.get(&other.host).is_some_and(|page| {
            page.alive && (other.runs() || book.now.since(page.alive_since) > book.ignorance())
        });
        let known = book.is_known_to(other.tenure == task.tenure, other);
        heard && known && book.status(other).is_none_or(|status| !status.record.is_over())
    };
    let page = book.services.get(&task.service);
    let most = page.and_then(|page| of_late(book, page, |record| record.parallelism).max()).unwrap_or(1);
    let count = book.tasks_of(&task.service).filter(runs).count();
    if count > most as usize {
        found.blame(
            "batch",
            format!("{} came, and {count} tasks of {} run at once, of {most}", task.id, record.name),
        );
    }
}

/// It may have been finished already.
fn finished(
    book: &Book,
    page: &ServicePage,
    record: &ServiceRecord,
    task: &TaskRecord,
    found: &mut Findings,
) {
    let Some(state) = page.state.as_ref().filter(|state| state.version == task.version) else { return };
    let wanted = of_late(book, page, |record| record.completions).max().unwrap_or(1);
    if state.rollout != RolloutRecord::Running || state.completed >= wanted {
        found.blame("batch", format!("{} came although {} is finished", task.id, record.name));
    }
}

/// Says what a service was finished without.
fn groundless(
    book: &Book,
    page: &ServicePage,
    record: &ServiceRecord,
    after: &ServiceStateRecord,
) -> Option<String> {
    match &after.rollout {
        RolloutRecord::Running => None,
        RolloutRecord::Done => {
            // Whoever finished it may not have heard yet that it became one that runs to its end.
            if !was_batch(book, page) {
                return None;
            }
            let wanted = of_late(book, page, |record| record.completions).min().unwrap_or(1);
            let is_done = after.completed >= wanted;
            (!is_done).then(|| format!("is done with {} of {wanted} tasks completed", after.completed))
        }
        RolloutRecord::Failed { .. } => {
            let retries = |record: &ServiceRecord| Some(record.retries.unwrap_or(3));
            let most = of_late(book, page, retries).min().unwrap_or(0);
            let is_failed = after.failures > most || after.is_quarantined();
            (!is_failed)
                .then(|| format!("of {} failed after {} tries, of {most}", record.name, after.failures))
        }
    }
}
