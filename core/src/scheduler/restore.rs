//! A service that has fallen below `min` in mid-rollout, as hosts were lost or tasks failed: what is missing comes back in
//! the version that worked last, while the one on trial has as many tasks on their way as it may have.
//!
//! **Invariant:** no more are brought back than `min` asks for, nor more at once than do their work and so speak for the
//! version; and they make way as all of their version do.

use super::place::Candidate;
use super::round::{Created, Round, small};
use crate::model::{Choice, Kind, Name, Rollout, Version};
use crate::world::Class;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

impl Round<'_> {
    /// Brings back what is missing up to `min`. Says why, where something has no place.
    pub(super) fn restore(&mut self, created: Created) -> Option<String> {
        let version = self.fallback().filter(|_| created == Created::Enough && self.missing() > 0)?;
        // Hosts bid for what is on trial.
        let is_bid = self.world.clusters.get(&self.key.0).is_some_and(|it| it.placement == Choice::Bid);
        if is_bid {
            return None;
        }
        let coming = [Class::Starting, Class::Unhealthy, Class::Suspect];
        let coming: usize = coming.iter().map(|class| self.group().count(version, *class)).sum();
        let coming = small(coming);
        let lacking = self.lacking().saturating_sub(coming);
        let definition = self.world.definition(&self.service.task_name, version)?.clone();
        for _ in 0..lacking.min(self.working(version).saturating_sub(coming)) {
            if self.issued() >= self.service.max || !self.has_room() {
                return None;
            }
            let next = Candidate::new(self.world, self.now, &self.key, &self.service, &definition);
            let Some(mut task) = next.place(self.batch.tenure.0) else {
                return Some(format!("version {version} again: {}", next.blocked(lacking).why));
            };
            let (available, floor) = (self.available(), self.floor());
            task.reason =
                format!("version {version} again, as {available} of min {floor} work; {}", task.reason);
            self.issue(task);
        }
        None
    }

    /// Names the tasks of the version that worked last that are about to fill the place of those that are missing.
    pub(super) fn filling(&self) -> BTreeSet<Name> {
        let Some(version) = self.fallback() else { return BTreeSet::new() };
        let coming = self.select(|of| of == version, &[Class::Starting, Class::Unhealthy], None);
        let is_new = |id: &Name| self.world.tasks.get(id).is_some_and(|view| !view.proven);
        let lacking = usize::try_from(self.lacking()).unwrap_or(usize::MAX);
        coming.into_iter().filter(is_new).take(lacking).collect()
    }

    /// Gives the version that worked last, while another is on trial that may have no more tasks on their way, and fewer
    /// than `min` tasks do their work, some of that version among them: where none does, it may be sick itself.
    fn fallback(&self) -> Option<Version> {
        let stable = self.state.stable.filter(|stable| self.quarantine(*stable).is_none())?;
        let is_trial = self.state.rollout == Rollout::Running && self.is_on_trial(self.version());
        let is_plain = self.service.kind == Kind::Service && !self.service.exclusive;
        let is_wanted = is_trial && is_plain && self.lacking() > 0 && self.may_start() == 0;
        (is_wanted && self.working(stable) > 0).then_some(stable)
    }

    fn lacking(&self) -> u32 {
        self.floor().saturating_sub(self.available())
    }

    fn working(&self, version: Version) -> u32 {
        small(self.group().count(version, Class::Healthy) + self.group().count(version, Class::Mature))
    }
}
