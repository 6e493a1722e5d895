//! S34: what is said of a task's health was seen on that start of that placement, and on no other; and a host that is not
//! heard of has no healthy tasks.

use super::record::{Place, Text};
use super::{Alive, Book, By, Check, Findings, Seen};
use std::collections::BTreeMap;

/// Remembers which starts have done their work at some time.
#[derive(Clone, Default)]
pub(crate) struct Attribution {
    /// The last start of each placement that is no more.
    gone: BTreeMap<(Text, Text), Start>,
}

/// Generation, attempt, and whether it ever did its work.
type Start = (u64, u32, bool);

impl Check for Attribution {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            match (&write.place, &seen.by) {
                (Place::Status { host, id }, By::Agent(_)) => self.judge_word(seen.book, host, id, found),
                (Place::ServiceState(service), By::Scheduler) => judge_count(seen.book, service, found),
                (_, By::Agent(_) | By::Scheduler | By::User | By::Stranger | By::Session) => {}
            }
        }
    }

    fn gone(
        &mut self,
        _book: &Book,
        host: &Text,
        id: &Text,
        alive: &Alive,
        _ordered: bool,
        _found: &mut Findings,
    ) {
        let start = (alive.generation, alive.attempt, has_worked(alive));
        self.gone.insert((host.clone(), id.clone()), start);
    }
}

impl Attribution {
    fn judge_word(&self, book: &Book, host: &Text, id: &Text, found: &mut Findings) {
        let status = book.hosts.get(host).and_then(|page| page.statuses.get(id));
        let Some(status) = status.map(|status| &status.record).filter(|status| status.is_healthy()) else {
            return;
        };
        let twin = book.hosts.get(host).and_then(|page| page.twins.get(id));
        let definition = twin.and_then(|twin| book.definitions.get(&(twin.task_name.clone(), twin.version)));
        if definition.is_none_or(|definition| definition.checks.is_empty()) {
            return;
        }
        let key = (host.clone(), id.clone());
        let same = |generation, attempt| (generation, attempt) == (status.generation, status.attempt);
        let lives = book.live.get(&key).into_iter().flatten();
        let worked = lives.filter(|alive| same(alive.generation, alive.attempt)).any(has_worked);
        let past = self.gone.get(&key);
        if !worked
            && !past.is_some_and(|(generation, attempt, worked)| *worked && same(*generation, *attempt))
        {
            let (generation, attempt) = (status.generation, status.attempt);
            found.blame("S34", format!("{id} {generation}.{attempt} on {host} never worked, and is said to"));
        }
    }
}

/// Tells whether a process has been healthy at some time.
fn has_worked(alive: &Alive) -> bool {
    alive.healthy || alive.healthy_since > alive.since
}

/// A scheduler says how many tasks of a service do their work.
fn judge_count(book: &Book, service: &Text, found: &mut Findings) {
    let state = book.services.get(service).and_then(|page| page.state.as_ref());
    let Some(available) = state.map(|state| state.available as usize) else { return };
    let confirmed = || book.tasks_of(service).filter(|task| book.confirmed(task)).count();
    if available > 0 && confirmed() < available {
        let what =
            format!("{available} tasks of {service} count as healthy, {} are known to be", confirmed());
        found.blame("S34", what);
    }
}
