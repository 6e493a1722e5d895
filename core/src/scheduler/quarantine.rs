//! Which versions are poison: whose starts took down hosts, or the agents there. Each such start is written down with the
//! service, so that a new scheduler knows; after two of them nothing of the version is started any more, and what is still
//! being started is stopped. Another version, another try that users ask for, or deletion lifts that.
//! A version that has proven itself is not blamed for what went down together with one that has not.
//!
//! **Invariant:** what is not told to have been under way when its host went down is not blamed.

use super::round::Round;
use crate::model::{Blame, Generation, Health, Name, Phase, Rollout, ServiceState, Status, Task, Version};
use crate::why::{Note, StopReason};
use crate::world::{Class, Presence, TaskView};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// So many starts may take down a host or an agent.
const BLAMED_MAX: u32 = 2;

impl Round<'_> {
    /// Counts the starts that took down their agents, as these say once they are back, and those whose hosts are lost.
    /// Hosts that are lost together say less than one that is lost after the next: of those only what was placed since
    /// the last was noticed counts, and only until the host is back and speaks for itself.
    pub(crate) fn blame_starts(&mut self) {
        let (wanted, stable) = (self.state.version, self.state.stable.filter(|of| *of != self.state.version));
        let was_quarantined = self.quarantine(wanted).is_some();
        let world = &*self.world;
        let is_gone = |host: &Name| world.hosts.get(host).is_none_or(|host| host.presence == Presence::Lost);
        let group = world.groups.get(&self.key);
        let works = |blame: &Blame| {
            let proven = group.into_iter().flat_map(|group| group.of(blame.version, Class::Mature));
            let mut proven = proven.filter_map(|id| world.tasks.get(id)).map(|view| &view.task);
            // What was started before and has worked since says nothing of how it starts now.
            let is_later = |of: Generation| of == blame.placement || of > blame.newest;
            proven.any(|task| task.host == blame.host && is_later(task.generation))
        };
        self.state.blamed.retain(|blame| {
            let is_of_use = blame.version == wanted || Some(blame.version) == stable;
            let stands = !blame.lost || is_gone(&blame.host);
            is_of_use && stands && !works(blame)
        });
        for version in stable.into_iter().chain([wanted]) {
            self.blame_version(version);
        }
        if stable.is_some_and(|stable| self.quarantine(stable).is_some()) {
            stable.into_iter().for_each(|stable| self.stop_poison(stable));
        }
        match self.quarantine(wanted) {
            Some(reason) => self.contain(reason),
            None if was_quarantined => self.state.rollout = Rollout::Running,
            None => {}
        }
    }

    fn blame_version(&mut self, version: Version) {
        let said: &[Class] = if self.world.blamed.is_empty() {
            &[]
        } else {
            &[Class::Starting, Class::Unhealthy, Class::Failed, Class::Over]
        };
        let mut found: Vec<Blame> = Vec::new();
        for id in said.iter().chain([&Class::Lost]).flat_map(|class| self.group().of(version, *class)) {
            let Some(view) = self.world.tasks.get(id) else { continue };
            let Some(status) = self.world.status(&view.task) else { continue };
            let lost = view.class == Class::Lost && self.may_have_taken_down(view, status);
            let times = status.blamed.saturating_add(u32::from(lost));
            if times > 0 && !self.stands_beside(version, &view.task) {
                let (host, placement) = (view.task.host.clone(), view.task.generation);
                found.push(Blame { host, version, times, lost, newest: self.world.newest, placement });
            }
        }
        found.into_iter().for_each(|blame| self.blame(blame));
    }

    /// Tells whether a version that has proven itself went down together with one that has not.
    fn stands_beside(&self, version: Version, task: &Task) -> bool {
        let (world, host) = (&*self.world, &task.host);
        let is_on_trial = |service: &Name, version: Version| {
            let state = world.service_states.get(service);
            state.is_some_and(|state| state.version == version && state.stable != Some(version))
        };
        let here = world.hosts.get(host).into_iter().flat_map(|host| &host.tasks);
        let mut suspects = here.filter_map(|id| world.tasks.get(id)).filter(|view| {
            let status = world.status(&view.task);
            status.is_some_and(|status| status.blamed > 0 || view.class == Class::Lost && is_new(status))
        });
        let is_accused = |state: &Arc<ServiceState>| {
            // What was placed when that was known went down without it.
            let of_host = state.blamed.iter().filter(|blame| blame.host == *host);
            let mut of_then = of_host.filter(|blame| blame.newest >= task.generation);
            of_then.any(|blame| is_on_trial(&state.service, blame.version))
        };
        self.state.stable == Some(version)
            && (suspects.any(|view| is_on_trial(&view.task.service, view.task.version))
                || world.service_states.values().any(is_accused))
    }

    /// Tells whether a lost host may have been lost because this was started there.
    fn may_have_taken_down(&self, view: &TaskView, status: &Status) -> bool {
        let mut of_version = self.state.blamed.iter().filter(|blame| blame.version == view.task.version);
        let later = of_version.all(|blame| blame.newest < view.task.generation);
        is_new(status) && !view.proven && later
    }

    fn contain(&mut self, reason: String) {
        let rollout = Rollout::Failed { reason };
        if let (Rollout::Failed { reason }, true) = (&rollout, self.state.rollout != rollout) {
            let (service, version, why) = (self.key.1.clone(), self.state.version, reason.clone());
            self.batch.notes.push(Note::RolloutFailed { service, version, why });
            self.state.rollout = rollout;
        }
        self.stop_poison(self.state.version);
    }

    /// Takes a placement's blame in. What was placed on a host after it had gone down for a version that never did its work
    /// anywhere, and takes it down again, counts with what was before it.
    fn blame(&mut self, mut blame: Blame) {
        let has_worked =
            self.state.stable == Some(blame.version) || self.group().count(blame.version, Class::Mature) > 0;
        let blamed = &mut self.state.blamed;
        let known = blamed.iter().filter(|known| known.version == blame.version).count();
        // What was being started together went down together.
        let same = |known: &Blame| (&known.host, known.version) == (&blame.host, blame.version);
        // That a host is lost says less than an agent's own word: it is forgotten when the host is back.
        let is_weaker = |known: &Blame| known.lost && !blame.lost;
        let weaker = blamed.iter().position(|known| known.version == blame.version && is_weaker(known));
        let before = blamed.iter().find(|known| same(known)).filter(|known| known.newest < blame.placement);
        if let Some(before) = before.filter(|before| !has_worked && !before.lost && !blame.lost) {
            blame.times = blame.times.saturating_add(before.times);
        }
        match (blamed.iter().position(same), weaker) {
            (Some(at), _) if blamed[at].times < blame.times || is_weaker(&blamed[at]) => blamed[at] = blame,
            (None, _) if known < BLAMED_MAX as usize => blamed.push(blame),
            (None, Some(at)) => blamed[at] = blame,
            (Some(_) | None, _) => {}
        }
    }

    /// Says why nothing of a version is started, if that is so.
    pub(crate) fn quarantine(&self, version: Version) -> Option<String> {
        let blamed = || self.state.blamed.iter().filter(|blame| blame.version == version);
        let times = blamed().fold(0, |sum: u32, blame| sum.saturating_add(blame.times));
        if times < BLAMED_MAX {
            return None;
        }
        let hosts: Vec<&str> = blamed().map(|blame| &*blame.host).collect();
        Some(format!(
            "quarantined: its start took down a host or its agent {times} times ({})",
            hosts.join(", ")
        ))
    }

    /// Stops what is still being started of a version, or about to be.
    fn stop_poison(&mut self, version: Version) {
        let idle = [Class::Starting, Class::Unhealthy];
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

/// Tells whether what was said last of a task is that it was being started, and not that its agent ended in order.
fn is_new(status: &Status) -> bool {
    let is_unproven = status.phase == Phase::Running && status.health == Health::Unknown;
    !status.left && (status.phase == Phase::Starting || is_unproven)
}
