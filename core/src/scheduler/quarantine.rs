//! Which versions are poison: whose starts took down hosts, or the agents there. Each such start is written down with the
//! service, so that a new scheduler knows; after two of them nothing of the version is started any more, and what is still
//! being started is stopped. Another version, another try that users ask for, or deletion lifts that.
//!
//! **Invariant:** what is not told to have been under way when its host went down is not blamed.

use super::round::Round;
use crate::model::{Blame, Health, Name, Phase, Rollout, Status};
use crate::why::{Note, StopReason};
use crate::world::{Class, Presence, TaskView};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// So many starts may take down a host or an agent.
const BLAMED_MAX: u32 = 2;

impl Round<'_> {
    /// Counts the starts that took down their agents, as these say once they are back, and those whose hosts are lost.
    /// Hosts that are lost together say less than one that is lost after the next: of those only what was placed since
    /// the last was noticed counts, and only until the host is back and speaks for itself.
    pub(crate) fn blame_starts(&mut self) {
        let was_quarantined = self.quarantine().is_some();
        let world = &*self.world;
        let is_gone = |host: &Name| world.hosts.get(host).is_none_or(|host| host.presence == Presence::Lost);
        self.state.blamed.retain(|blame| !blame.lost || is_gone(&blame.host));
        let version = self.state.version;
        let said = [Class::Starting, Class::Unhealthy, Class::Failed, Class::Over];
        let mut found: Vec<Blame> = Vec::new();
        for id in said.iter().chain([&Class::Lost]).flat_map(|class| self.group().of(version, *class)) {
            let Some(view) = self.world.tasks.get(id) else { continue };
            let Some(status) = self.world.status(&view.task) else { continue };
            let lost = view.class == Class::Lost && self.may_have_taken_down(view, status);
            let times = status.blamed.saturating_add(u32::from(lost));
            if times > 0 {
                let (host, newest) = (view.task.host.clone(), self.world.newest);
                found.push(Blame { host, times, lost, newest });
            }
        }
        found.into_iter().for_each(|blame| self.blame(blame));
        match self.quarantine() {
            Some(reason) => self.contain(reason),
            None if was_quarantined => self.state.rollout = Rollout::Running,
            None => {}
        }
    }

    /// Tells whether a lost host may have been lost because this was started there.
    fn may_have_taken_down(&self, view: &TaskView, status: &Status) -> bool {
        let new = status.phase == Phase::Starting
            || (status.phase == Phase::Running && status.health == Health::Unknown);
        let later = self.state.blamed.iter().all(|blame| blame.newest < view.task.generation);
        new && !view.proven && later
    }

    fn contain(&mut self, reason: String) {
        let rollout = Rollout::Failed { reason };
        if let (Rollout::Failed { reason }, true) = (&rollout, self.state.rollout != rollout) {
            let (service, version, why) = (self.key.1.clone(), self.state.version, reason.clone());
            self.batch.notes.push(Note::RolloutFailed { service, version, why });
            self.state.rollout = rollout;
        }
        self.stop_poison();
    }

    fn blame(&mut self, blame: Blame) {
        let blamed = &mut self.state.blamed;
        // What was being started together went down together.
        let same = |known: &Blame| known.host == blame.host;
        match blamed.iter().position(same) {
            Some(at) if blamed[at].times < blame.times => blamed[at] = blame,
            None if blamed.len() < BLAMED_MAX as usize => blamed.push(blame),
            Some(_) | None => {}
        }
    }

    /// Says why nothing of the version that was wanted last is started, if that is so.
    pub(crate) fn quarantine(&self) -> Option<String> {
        let blamed = &self.state.blamed;
        let times = blamed.iter().fold(0, |sum: u32, blame| sum.saturating_add(blame.times));
        if times < BLAMED_MAX {
            return None;
        }
        let mut hosts: Vec<&str> = blamed.iter().map(|blame| &*blame.host).collect();
        hosts.dedup();
        Some(format!(
            "quarantined: its start took down a host or its agent {times} times ({})",
            hosts.join(", ")
        ))
    }

    /// Tells whether the version that shall run is in quarantine.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.version() == self.state.version && self.quarantine().is_some()
    }

    /// Stops what is still being started, or about to be.
    fn stop_poison(&mut self) {
        let idle = [Class::Starting, Class::Unhealthy];
        let version = self.state.version;
        let ids: Vec<Name> =
            idle.iter().flat_map(|class| self.group().of(version, *class).cloned()).collect();
        for id in ids {
            let status = self.task(&id).and_then(|task| self.world.status(&task).cloned());
            if status.is_none_or(|status| status.phase <= Phase::Starting) {
                self.stop(&id, StopReason::Quarantined);
            }
        }
    }
}
