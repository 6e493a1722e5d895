//! Which records an agent believes: those that make sense by themselves and contradict nothing it knows. Everybody who
//! can write to the store may be a scheduler, so this is the last line of defence.
//!
//! **Invariant:** a record that is refused takes the place of none that was accepted, and never counts as absent.

use super::Agent;
use super::local::{Local, State};
use crate::mirror::digest;
use crate::model::{Desired, Health, Name, Phase, Task};
use crate::record;
use crate::store::{Entry, Revision};
use crate::why::Note;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

/// One record of this host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Issued {
    /// When the key was last written.
    pub(super) revision: Revision,
    /// A hash of what was written.
    pub(super) digest: u64,
    /// The last record that was accepted.
    pub(super) task: Option<Arc<Task>>,
    /// Why the present one was not.
    pub(super) refused: Option<String>,
}

impl Agent {
    /// Takes in a record.
    pub(super) fn put_issued(&mut self, id: &Name, entry: &Entry) {
        let (revision, digest) = (entry.revision, digest(&entry.value));
        let known = self.issued.get(id);
        let read = record::read::<Task>(&entry.value).map_err(|error| format!("{error}"));
        let checked = match &read {
            Ok(task) => self.check_record(id, task, known.and_then(|known| known.task.as_deref())),
            Err(why) => Err(why.clone()),
        };
        let before = known.and_then(|known| known.task.clone());
        let issued = match (checked, read) {
            (Ok(()), Ok(task)) => {
                // The id is shared with the key, so that all of the agent's maps share it too.
                let task = Task { id: id.clone(), ..task };
                Issued { revision, digest, task: Some(Arc::new(task)), refused: None }
            }
            (Err(why), read) => {
                self.note(Note::BadRecord { key: entry.key.clone(), why: why.clone() });
                if let Ok(task) = read {
                    self.refuse(id, task, &why);
                }
                Issued { revision, digest, task: before, refused: Some(why) }
            }
            (Ok(()), Err(why)) => Issued { revision, digest, task: before, refused: Some(why) },
        };
        self.issued.insert(id.clone(), issued);
        self.recant_orphan(id);
        if let Some(local) = self.locals.get_mut(id) {
            local.suspended = false;
            local.confirmed = false;
        }
        self.touch(id);
    }

    /// Takes out a record.
    pub(super) fn drop_issued(&mut self, id: &Name) {
        self.issued.remove(id);
        if !self.locals.contains(id) {
            self.fetches.forget(id);
        }
        self.touch(id);
    }

    fn check_record(&self, id: &Name, task: &Task, known: Option<&Task>) -> Result<(), String> {
        if task.id != *id {
            return Err(format!("speaks of task {:?}, its key of {id:?}", task.id));
        }
        if task.host != *self.name() {
            return Err(format!("speaks of host {:?}, its key of {:?}", task.host, self.name()));
        }
        if let Some(known) = known {
            if task.tenure < known.tenure {
                return Err(format!(
                    "written in tenure {}, after one of tenure {}",
                    task.tenure, known.tenure
                ));
            }
            if task.generation < known.generation {
                return Err(format!("generation {} came after {}", task.generation, known.generation));
            }
            let revoked = (known.desired, task.desired) == (Desired::Stop, Desired::Run);
            let local = self.locals.get(id).filter(|local| local.generation() == task.generation);
            let goes_on = local.is_some_and(|local| matches!(local.state, State::Running { .. }));
            if revoked && known.generation == task.generation && !goes_on {
                return Err(format!("generation {} was ordered to stop", task.generation));
            }
            if let Some(what) = changed_within_generation(known, task) {
                return Err(format!("{what} changed within generation {}", task.generation));
            }
        }
        let followed = self.locals.get(id).map(|local| &*local.task);
        match followed.and_then(|followed| changed_within_generation(followed, task)) {
            Some(what) => Err(format!("{what} is not what generation {} was started with", task.generation)),
            None => Ok(()),
        }
    }

    /// Gives up a placement that cannot be used, unless it runs already.
    fn refuse(&mut self, id: &Name, task: Task, why: &str) {
        let known = self.locals.contains(id) || self.issued.get(id).is_some_and(|known| known.task.is_some());
        if known || !self.knows_all() {
            return;
        }
        let local = Local {
            state: State::Over(Phase::Failed),
            health: Health::Unhealthy,
            reason: Some(format!("its record is damaged: {why}")),
            ..Local::new(Arc::new(Task { id: id.clone(), ..task }))
        };
        self.locals.insert(local, None);
    }
}

/// Tells what differs that must not, between two records of one generation.
fn changed_within_generation(before: &Task, after: &Task) -> Option<&'static str> {
    let same = |equal: bool, what| (!equal).then_some(what);
    if before.generation != after.generation {
        return None;
    }
    same(before.version == after.version, "its version")
        .or(same(before.task_name == after.task_name, "its task definition"))
        .or(same(before.port == after.port, "its port"))
        .or(same(before.host == after.host, "its host"))
        .or(same((&before.cluster, &before.service) == (&after.cluster, &after.service), "its service"))
        .or(same((before.memory, before.cpu_units) == (after.memory, after.cpu_units), "its claim"))
}

/// Says why a placement cannot be started here, whatever happens next.
pub(super) fn misfit(
    task: &Task,
    definition: &crate::model::TaskDefinition,
    executors: &[String],
) -> Option<String> {
    if definition.name != task.task_name || definition.version != task.version {
        return Some(format!(
            "its task definition speaks of {} version {}, not of {} version {}",
            definition.name, definition.version, task.task_name, task.version
        ));
    }
    if definition.provide_port && task.port.is_none() {
        return Some("it needs a port and was issued none".to_string());
    }
    let missing = definition
        .containers
        .iter()
        .map(|container| container.executor.kind())
        .find(|kind| !executors.iter().any(|executor| executor == kind));
    missing.map(|kind| format!("this host has no executor {kind}"))
}
