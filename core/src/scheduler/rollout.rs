//! When a rollout begins, fails and is done. What it may start and stop meanwhile is decided where tasks are created and
//! retired; this keeps the book.

use super::batch::Batch;
use super::round::{Round, is_of, is_same_try};
use crate::model::{Kind, Name, Rollout, Service, ServiceState, Task};
use crate::why::Note;
use crate::world::{Class, World};
use alloc::format;
use alloc::vec::Vec;

/// Takes up what an earlier look at the service wrote down, or begins anew when the service has changed.
pub(crate) fn resume(
    before: Option<&ServiceState>,
    service: &Service,
    cluster: &Name,
    batch: &mut Batch,
    world: &mut World,
) -> ServiceState {
    let is_batch = matches!(service.kind, Kind::Batch(_));
    let fresh = |before: Option<&ServiceState>| ServiceState {
        service: service.name.clone(),
        cluster: cluster.clone(),
        available: 0,
        min: 0,
        hosts: 0,
        completed: is_batch.then(|| before.map_or(0, |state| carried(state, service))),
        stable: before.filter(|_| !is_batch).and_then(|state| state.stable),
        version: service.task_version,
        retry: service.retry,
        rollout: Rollout::Running,
        newest: before.map_or(0, |state| state.newest),
        failures: 0,
        blamed: Vec::new(),
    };
    match before {
        Some(state) if is_of(state, service, cluster) => state.clone(),
        // What is done of it is done, wherever.
        Some(state) if is_batch && is_same_try(state, service) => {
            ServiceState { cluster: cluster.clone(), ..state.clone() }
        }
        Some(_) | None => {
            world.forgive(&service.name);
            batch
                .notes
                .push(Note::RolloutStarted { service: service.name.clone(), version: service.task_version });
            fresh(before)
        }
    }
}

/// Gives how many of a batch service still count when it is tried again: those that completed, unless that was all of it, or
/// it is another version.
fn carried(before: &ServiceState, service: &Service) -> u32 {
    let goes_on = before.version == service.task_version && before.rollout != Rollout::Done;
    before.completed.filter(|_| goes_on).unwrap_or(0)
}

impl Round<'_> {
    /// Counts a failure against the version that is on trial.
    pub(crate) fn note_failure(&mut self, task: &Task, why: &str) {
        let Task { id, version, host, .. } = task;
        let version = *version;
        if self.state.rollout != Rollout::Running || !self.is_on_trial(version) {
            return;
        }
        self.state.failures = self.state.failures.saturating_add(1);
        let most = match self.service.kind {
            Kind::Service | Kind::System => self.service.parallel(),
            Kind::Batch(batch) => batch.retries,
        };
        if self.state.failures > most {
            let what = if matches!(self.service.kind, Kind::Batch(_)) { "tries" } else { "tasks" };
            let failures = self.state.failures;
            let reason = format!("{failures} of its {what} failed, the last was {id} on {host}: {why}");
            self.batch.notes.push(Note::RolloutFailed {
                service: self.key.1.clone(),
                version,
                why: reason.clone(),
            });
            self.state.rollout = Rollout::Failed { reason };
            // It was the version, not the hosts: what ran before may run there again.
            self.world.forgive(&self.key.1);
        }
    }

    /// Notices that all is of the version and healthy for long enough.
    pub(crate) fn finish_rollout(&mut self) {
        let target = self.service.target();
        let version = self.service.task_version;
        let open = self.state.rollout == Rollout::Running || self.is_hopeful();
        if !open || target == 0 || self.issued() != target || self.quarantine(version).is_some() {
            return;
        }
        let mature = self.group().count(version, Class::Mature);
        if super::round::small(mature) == target {
            self.state.rollout = Rollout::Done;
            self.state.stable = Some(version);
            self.batch.notes.push(Note::RolloutDone { service: self.key.1.clone(), version });
        }
    }
}
