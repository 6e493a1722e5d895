//! S34: what is said of a task's health was seen on that start of that placement, and on no other; and a host that is not
//! heard of has no healthy tasks.

use super::record::{Place, ServiceStateRecord, TaskRecord, Text};
use super::{Alive, Book, By, Check, Fault, Findings, Seen, Write};
use crate::event::Process;
use callboard_core::machine::Time;
use callboard_core::store::{Guard, Op, Revision, Txn};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Remembers which starts have done their work at some time, and whose records were spoilt.
#[derive(Clone, Default)]
pub(crate) struct Attribution {
    /// The starts that are no more of the last placement of each task on a host.
    gone: BTreeMap<(Text, Text), Vec<Start>>,
    /// Tasks whose records somebody once spoilt or took away by hand: what last stood there, and when that was last
    /// touched. A record that cannot be read does not take the place of one that could, and news take their time.
    spoilt: BTreeMap<Text, (Arc<TaskRecord>, Time)>,
    /// What schedulers said of services that was true when they sent it, with the revision that it takes the place of: it
    /// may be long on its way.
    true_when_sent: BTreeSet<(Text, Option<Revision>, usize)>,
}

/// Generation, attempt, and whether it ever did its work.
type Start = (u64, u32, bool);

impl Check for Attribution {
    fn sent(&mut self, book: &Book, _from: Process, txn: &Txn, _found: &mut Findings) {
        for (key, value) in txn.ops.iter().filter_map(put) {
            let Place::ServiceState(service) = Place::of(key) else { continue };
            let Ok(state) = serde_json::from_str::<ServiceStateRecord>(value) else { continue };
            let available = state.available as usize;
            if self.known(book, &service, available) + made(book, &service, txn, available) >= available {
                self.true_when_sent.insert((service, relied_on(txn, key), available));
            }
        }
    }

    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            if let Place::Task(id) = &write.place {
                self.keep_spoilt(seen, id, write);
            }
        }
        for write in seen.writes {
            match (&write.place, &seen.by) {
                (Place::Status { host, id }, By::Agent(_)) => self.judge_word(seen.book, host, id, found),
                (Place::ServiceState(service), By::Scheduler) => {
                    let revision = seen.txn.and_then(|txn| relied_on(txn, &write.key));
                    self.judge_count(seen.book, service, revision, found);
                }
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
        let past = self.gone.entry((host.clone(), id.clone())).or_default();
        past.retain(|(generation, ..)| *generation == alive.generation);
        past.push(start);
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

    /// A scheduler says how many tasks of a service do their work, or did when it said so.
    fn judge_count(&mut self, book: &Book, service: &Text, revision: Option<Revision>, found: &mut Findings) {
        let state = book.services.get(service).and_then(|page| page.state.as_ref());
        let available = state.map_or(0, |state| state.available as usize);
        let was_true = self.true_when_sent.contains(&(service.clone(), revision, available));
        self.true_when_sent.retain(|(of, at, _)| of != service || *at > revision);
        let known = self.known(book, service, available);
        if known < available && !was_true {
            let what = format!("{available} tasks of {service} count as healthy, {known} are known to be");
            found.blame("S34", what);
        }
    }

    /// Counts the tasks of a service of which it can be known that they do their work, or so many as are asked for.
    fn known(&self, book: &Book, service: &Text, wanted: usize) -> usize {
        if book.services.get(service).is_some_and(|page| page.confirmed.len() >= wanted) {
            return wanted;
        }
        let spoilt = self.spoilt.values().filter(|(task, at)| {
            let stands = book.junk.contains(&path(&task.id));
            let is_spoilt = stands || book.now.since(*at) <= book.lag;
            task.service == *service && is_spoilt && !book.tasks.contains_key(&task.id)
        });
        let known = book.tasks_of(service).chain(spoilt.map(|(task, _)| task));
        known.filter(|task| book.confirmed(task)).count()
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
        let mut past = self.gone.get(&key).into_iter().flatten();
        if !worked && !past.any(|(generation, attempt, worked)| *worked && same(*generation, *attempt)) {
            let (generation, attempt) = (status.generation, status.attempt);
            found.blame("S34", format!("{id} {generation}.{attempt} on {host} never worked, and is said to"));
        }
    }
}

/// Counts the tasks of a service that work already and get a record by a transaction, where so many are asked for.
fn made(book: &Book, service: &Text, txn: &Txn, wanted: usize) -> usize {
    if book.amnesia.is_none() || wanted == 0 {
        return 0;
    }
    let tasks = txn.ops.iter().filter_map(put).filter_map(|(key, value)| {
        let Place::Task(id) = Place::of(key) else { return None };
        let task = serde_json::from_str::<TaskRecord>(value).ok()?;
        let known = book.tasks.get(&id).map(|known| known.generation);
        (known != Some(task.generation) && task.service == *service).then_some(task)
    });
    tasks.filter(|task| book.confirmed(task)).count()
}

/// Gives what is put under a key.
fn put(op: &Op) -> Option<(&str, &str)> {
    match op {
        Op::Put { key, value, .. } => Some((key, value)),
        Op::Delete { .. } => None,
    }
}

/// Gives the revision of a key on which a transaction relies.
fn relied_on(txn: &Txn, key: &str) -> Option<Revision> {
    txn.guards.iter().find_map(|guard| match guard {
        Guard::At { key: at, revision } if at == key => Some(*revision),
        Guard::At { .. } | Guard::Absent { .. } | Guard::Held { .. } => None,
    })
}

/// The key of a task's own record.
fn path(id: &Text) -> String {
    format!("state/tasks/_/{id}")
}

/// Tells whether a process has been healthy at some time.
fn has_worked(alive: &Alive) -> bool {
    alive.healthy || alive.healthy_since > alive.since
}
