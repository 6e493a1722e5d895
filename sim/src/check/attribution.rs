//! S34: what is said of a task's health was seen on that start of that placement, and on no other; and a host that is not
//! heard of has no healthy tasks.

use super::record::{Place, TaskRecord, Text};
use super::{Alive, Book, By, Check, Fault, Findings, Seen, Write};
use callboard_core::machine::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Remembers which starts have done their work at some time, and whose records were spoilt.
#[derive(Clone, Default)]
pub(crate) struct Attribution {
    /// The last start of each placement that is no more.
    gone: BTreeMap<(Text, Text), Start>,
    /// Tasks whose records somebody once spoilt or took away by hand: what last stood there, and when that was last
    /// touched. A record that cannot be read does not take the place of one that could, and news take their time.
    spoilt: BTreeMap<Text, (Arc<TaskRecord>, Time)>,
}

/// Generation, attempt, and whether it ever did its work.
type Start = (u64, u32, bool);

impl Check for Attribution {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            if let Place::Task(id) = &write.place {
                self.keep_spoilt(seen, id, write);
            }
        }
        for write in seen.writes {
            match (&write.place, &seen.by) {
                (Place::Status { host, id }, By::Agent(_)) => self.judge_word(seen.book, host, id, found),
                (Place::ServiceState(service), By::Scheduler) => self.judge_count(seen.book, service, found),
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

    fn fault(&mut self, book: &Book, fault: &Fault) {
        // A store may be put back to when it was spoilt.
        if matches!(fault, Fault::Amnesia) {
            self.spoilt.retain(|id, _| book.junk.contains(&path(id)));
        }
    }
}

impl Attribution {
    fn keep_spoilt(&mut self, seen: &Seen<'_>, id: &Text, write: &Write) {
        if write.task_after.is_none() && seen.by == By::Scheduler {
            self.spoilt.remove(id);
            return;
        }
        let known = self.spoilt.get(id).map(|(task, _)| task);
        let is_concerned = known.is_some() || write.task_after.is_none();
        let last = write.task_after.as_ref().or(write.task_before.as_ref()).or(known);
        if let Some(task) = last.filter(|_| is_concerned).cloned() {
            self.spoilt.insert(id.clone(), (task, seen.book.now));
        }
    }

    /// A scheduler says how many tasks of a service do their work.
    fn judge_count(&self, book: &Book, service: &Text, found: &mut Findings) {
        let Some(page) = book.services.get(service) else { return };
        let available = page.state.as_ref().map_or(0, |state| state.available as usize);
        if available <= page.confirmed.len() {
            return;
        }
        let spoilt = self.spoilt.values().filter(|(task, at)| {
            let stands = book.junk.contains(&path(&task.id));
            let is_spoilt = stands || book.now.since(*at) <= book.lag;
            task.service == *service && is_spoilt && !book.tasks.contains_key(&task.id)
        });
        let known = book.tasks_of(service).chain(spoilt.map(|(task, _)| task));
        let confirmed = known.filter(|task| book.confirmed(task)).count();
        if confirmed < available {
            let what =
                format!("{available} tasks of {service} count as healthy, {confirmed} are known to be");
            found.blame("S34", what);
        }
    }

    fn judge_word(&self, book: &Book, host: &Text, id: &Text, found: &mut Findings) {
        // An agent cannot know better than the checks it makes, and says it a moment later.
        if book.lying.get(host).is_some_and(|until| book.now <= *until + book.lag) {
            return;
        }
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

/// The key of a task's own record.
fn path(id: &Text) -> String {
    format!("state/tasks/_/{id}")
}

/// Tells whether a process has been healthy at some time.
fn has_worked(alive: &Alive) -> bool {
    alive.healthy || alive.healthy_since > alive.since
}
