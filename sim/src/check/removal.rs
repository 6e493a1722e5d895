//! S37: what is deleted goes, in order; what is made anew under its name inherits nothing of it.

use super::record::Text;
use super::{Alive, Book, By, Check, End, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use callboard_core::work::Order;
use std::collections::{BTreeMap, BTreeSet};

/// Remembers what was deleted, and which placements were ever started where.
#[derive(Clone, Default)]
pub(crate) struct Removal {
    deleted: Vec<(Time, Text)>,
    started: BTreeMap<(Text, Text), BTreeSet<u64>>,
}

/// How long it may take until all tasks of a service that is gone are told to stop.
const BOUND: Span = Span::secs(60);

impl Check for Removal {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        if seen.by == By::User {
            let names: BTreeSet<&Text> =
                seen.writes.iter().filter_map(|write| write.place.service()).collect();
            let gone = names.into_iter().filter(|name| gone_since(book, name) == Some(book.now));
            self.deleted.extend(gone.map(|name| (book.now, name.clone())));
        }
        if seen.by == By::Scheduler && book.trouble_until <= book.now {
            for task in seen.created().filter(|task| !book.goes_on(task)) {
                if gone_since(book, &task.service).is_some_and(|at| book.now.since(at) > book.lag) {
                    found
                        .blame("S37", format!("{} was made for {}, which is deleted", task.id, task.service));
                }
            }
        }
        self.judge(book, found);
    }

    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let Order::Start(spec) = order else { return };
        let task = &spec.task;
        // A store that was put back may issue a placement again that had its end.
        let is_first =
            self.started.entry((host.clone(), task.id.clone())).or_default().insert(task.generation);
        // Each life of the agent may have ended between ordering a start and telling of it.
        let status =
            book.hosts.get(host).and_then(|page| page.statuses.get(&task.id)).map(|status| &status.record);
        let told = status.filter(|status| status.generation == task.generation).map(|status| status.attempt);
        let issued = book.first_issued.get(&(task.id.clone(), task.generation));
        let since = |at: &&Time| issued.is_none_or(|issued| *at >= issued);
        let lives = book.agent_ends.get(host).into_iter().flatten().filter(since).count();
        let most = u32::try_from(lives).unwrap_or(u32::MAX).saturating_add(told.unwrap_or(0));
        if is_first && spec.attempt > most {
            let what = format!("{} on {host} begins with attempt {}", task.id, spec.attempt);
            found.blame("S37", what);
        }
    }

    fn born(&mut self, _book: &Book, host: &Text, id: &Text, alive: &Alive, _found: &mut Findings) {
        self.started.entry((host.clone(), id.clone())).or_default().insert(alive.generation);
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.deleted.clear();
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}

impl Removal {
    fn judge(&mut self, book: &Book, found: &mut Findings) {
        let bound = Span(BOUND.0 + book.lag.0 * 2);
        self.deleted.retain(|(at, service)| {
            let runs =
                book.tasks_of(service).any(|task| task.runs() && book.locks.contains_key(&task.cluster));
            let undisturbed = book.trouble_until <= *at && gone_since(book, service) == Some(*at);
            let late = book.now.since(*at) > bound;
            // Nothing may have happened since it was due; what happens now happens too late.
            if undisturbed && late {
                found.blame("S37", format!("{service} was deleted at {}ms, and its tasks went on", at.0));
            }
            undisturbed && !late && runs
        });
    }
}

/// Tells since when a service is deleted.
fn gone_since(book: &Book, service: &str) -> Option<Time> {
    let page = book.services.get(service).filter(|page| page.record.is_none())?;
    page.before.as_ref().map(|(_, at)| *at)
}
