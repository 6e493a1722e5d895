//! What the agent says in the store: of its host, and of each task what really became of it.
//!
//! **Invariant:** within a generation what is said of a task never goes back; nothing is said of a task whose record
//! vanished that was not said before, since that silence is how a task that was given up for good is told.

use super::local::{Local, State};
use super::write::Draft;
use super::{Agent, Key};
use crate::mirror::digest;
use crate::model::{Health, Name, Phase, Status, Task, Usage};
use crate::record;
use crate::store::{Entry, Guard, Op, RECORD_BYTES_MAX, Revision};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use serde::{Deserialize, Serialize};

/// What the store holds of what was said of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) revision: Revision,
    /// A hash of what was written.
    pub(super) digest: u64,
    /// `None` when it cannot be read.
    pub(super) status: Option<Status>,
    /// It stood there when this life of the agent began.
    pub(super) former: bool,
}

impl Stored {
    /// Gives what was said of a generation.
    pub(super) fn of(&self, local: &Local) -> Option<&Status> {
        self.status.as_ref().filter(|status| status.generation == local.task.generation)
    }

    /// Counts the lives of the agent that ended while this was being started, and not in order, by the last word of the one
    /// before. What a store that was put back says later is not about its end.
    pub(super) fn blamed(&self, local: &Local) -> u32 {
        let blamed = |status: &Status| {
            let ended = self.former && status.phase == Phase::Starting && !status.left;
            status.blamed.saturating_add(u32::from(ended))
        };
        self.of(local).map_or(0, blamed)
    }
}

impl Agent {
    pub(super) fn put_stored(&mut self, id: &Name, entry: &Entry) {
        let status = record::read::<Status>(&entry.value).ok().filter(|status| status.id == *id);
        if let Some(local) = self.locals.get_mut(id) {
            local.confirmed = false;
            // A store that was put back may know of more than this agent does since it forgot the placement.
            local.unmerged |= status.as_ref().is_some_and(|status| local.is_behind(status));
        }
        let (revision, digest, former) = (entry.revision, digest(&entry.value), !self.begun);
        self.stored.insert(id.clone(), Stored { revision, digest, status, former });
        self.touch(id);
    }

    /// Adds the differences between the keys of the host and what they should be; false when not all of them fit.
    pub(super) fn say_host(&mut self, draft: &mut Draft) -> bool {
        if !self.writer.host_changed {
            return true;
        }
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        // A host that nobody knows yet is offered with what its executors say, lest it gets what one of them cannot start.
        let usage = self.gauge.published();
        if usage.is_some() || self.own.contains_key(&self.at.registration) {
            wanted.insert(self.at.registration.clone(), record::write(&self.settings.registration));
        }
        if let Some(usage) = usage {
            wanted.insert(self.at.usage.clone(), in_one_record(usage));
        }
        for wish in self.gauge.wishes() {
            wanted.insert(Key::Move(self.name().clone(), wish.id.clone()).path(), record::write(wish));
        }
        self.say_bids(&mut wanted);
        if self.is_ready() {
            self.say_orphans(&mut wanted);
        }
        let unwanted = self.own.values().filter(|entry| !wanted.contains_key(&entry.key));
        let obsolete = unwanted.filter(|entry| match Key::parse(&entry.key) {
            Some(Key::Move(..) | Key::Bid(..)) => true,
            Some(Key::Orphan(_, id)) => match record::read::<Task>(&entry.value) {
                Ok(task) => self.knows_of(&id, task.generation),
                Err(_) => self.knows_all(),
            },
            Some(_) | None => false,
        });
        let deletes: Vec<(String, Revision)> =
            obsolete.map(|entry| (entry.key.clone(), entry.revision)).collect();
        let mut all = true;
        for (key, revision) in deletes {
            all &= draft.add(Guard::At { key: key.clone(), revision }, Op::Delete { key }, None);
        }
        for (key, value) in wanted {
            let known = self.own.get(&key);
            if known.is_some_and(|entry| entry.value == value) {
                continue;
            }
            all &= draft.add(at(&key, known.map(|entry| entry.revision)), put(key, value), None);
        }
        all
    }

    /// Adds what is to be said of tasks; false when not all of it fits.
    pub(super) fn say_tasks(&mut self, draft: &mut Draft) -> bool {
        while let Some(id) = self.writer.unsaid.first().cloned() {
            if !self.say_task(draft, &id) {
                return false;
            }
            self.writer.unsaid.remove(&id);
        }
        true
    }

    fn say_task(&self, draft: &mut Draft, id: &Name) -> bool {
        let stored = self.stored.get(id);
        let key = Key::Status(self.name().clone(), id.clone()).path();
        let Some(local) = self.locals.get(id) else {
            let knows = |stored: &Stored| match &stored.status {
                Some(status) => self.knows_of(id, status.generation),
                None => self.knows_all(),
            };
            let leftover = stored.filter(|stored| !self.issued.contains_key(id) && knows(stored));
            return leftover.is_none_or(|stored| {
                draft.add(at(&key, Some(stored.revision)), Op::Delete { key: key.clone() }, None)
            });
        };
        let status = local.status();
        let is_open = matches!(local.state, State::Ended { .. }) && !status.left;
        if !self.is_ready() || local.unmerged || is_open {
            return true;
        }
        match stored {
            Some(stored) if !self.is_progress(stored, &status, local) => true,
            Some(stored) => {
                draft.add(at(&key, Some(stored.revision)), put(key, record::write(&status)), None)
            }
            None => {
                // Guarded by the record: had it been removed together with the status, this would hide it.
                let issued = self.issued.get(id).filter(|issued| {
                    issued.task.as_ref().is_none_or(|task| task.generation == status.generation)
                });
                issued.is_none_or(|issued| {
                    let record = Key::HostTask(self.name().clone(), id.clone()).path();
                    let record = Guard::At { key: record, revision: issued.revision };
                    draft.add(at(&key, None), put(key, record::write(&status)), Some(record))
                })
            }
        }
    }

    /// Tells whether `next` may and should follow what is stored.
    fn is_progress(&self, stored: &Stored, next: &Status, local: &Local) -> bool {
        let Some(status) = stored.status.as_ref().filter(|status| *status != next) else {
            return stored.status.is_none();
        };
        if next.generation != status.generation {
            // A store that went back may have issued a placement anew that has an earlier number.
            let issued = self.issued.get(&next.id).and_then(|issued| issued.task.as_ref());
            return next.generation > status.generation
                || issued.is_some_and(|task| task.generation == next.generation);
        }
        // A run that was found healthy and is not yet checked again is not said to be in doubt.
        let unchecked = next.health == Health::Unknown && matches!(local.state, State::Running { .. });
        match (next.attempt, next.phase).cmp(&(status.attempt, status.phase)) {
            Ordering::Less => false,
            Ordering::Equal => !(unchecked && status.health == Health::Healthy),
            Ordering::Greater => true,
        }
    }

    /// Tells whether what was last said of a task is that it does its work.
    pub(super) fn was_said_healthy(&self, local: &Local) -> bool {
        self.stored.get(&local.task.id).and_then(|stored| stored.of(local)).is_some_and(|status| {
            (status.attempt, status.phase, status.health) == (local.attempt, Phase::Running, Health::Healthy)
        })
    }
}

fn at(key: &str, revision: Option<Revision>) -> Guard {
    match revision {
        Some(revision) => Guard::At { key: key.to_string(), revision },
        None => Guard::Absent { key: key.to_string() },
    }
}

/// Writes what a host uses; where it runs more tasks than a record has room for, without those that use the least memory.
fn in_one_record(usage: &Usage) -> String {
    let mut record = record::write(usage);
    let mut usage = Cow::Borrowed(usage);
    while record.len() > RECORD_BYTES_MAX && !usage.tasks.is_empty() {
        // All of them are about as long, and the rest of the record is not.
        let most = usage.tasks.len() * RECORD_BYTES_MAX / record.len();
        let usage = usage.to_mut();
        let mut by_use: Vec<(u64, Name)> = usage.tasks.iter().map(|(id, used)| (*used, id.clone())).collect();
        by_use.sort_unstable();
        for (_, id) in &by_use[..by_use.len() - most.min(by_use.len() - 1)] {
            usage.tasks.remove(id);
        }
        let Usage { tasks, tasks_cpu, .. } = usage;
        tasks_cpu.retain(|id, _| tasks.contains_key(id));
        record = record::write(usage);
    }
    record
}

fn put(key: String, value: String) -> Op {
    Op::Put { key, value, session: None }
}
