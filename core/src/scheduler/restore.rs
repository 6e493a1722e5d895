//! A service that has fallen below `min` in mid-rollout, as hosts were lost or tasks failed: what is missing comes back in
//! the version that worked last, where the one on trial may not have more tasks on their way than it has.
//!
//! **Invariant:** no more are brought back than `min` asks for, nor more at once than do their work and so speak for the
//! version; and they make way as all of their version do.

use super::place::Candidate;
use super::round::{Created, Round, small};
use crate::model::{Choice, Kind, Rollout, Task, Version};
use crate::world::Class;
use alloc::format;

impl Round<'_> {
    /// Gives the version that worked last, while another is on trial and fewer than `min` tasks do their work, some of that
    /// version among them: where none does, it may be sick itself.
    pub(super) fn fallback(&self) -> Option<Version> {
        let stable = self.state.stable.filter(|stable| self.quarantine(*stable).is_none())?;
        let is_trial = self.state.rollout == Rollout::Running && self.is_on_trial(self.version());
        let is_plain = self.service.kind == Kind::Service && !self.service.exclusive;
        let is_short = self.available() < self.floor();
        (is_trial && is_plain && is_short && self.working(stable) > 0).then_some(stable)
    }

    fn working(&self, version: Version) -> u32 {
        small(self.group().count(version, Class::Healthy) + self.group().count(version, Class::Mature))
    }

    /// Brings back what is missing up to `min`, of the version that worked last.
    pub(super) fn restore(&mut self, created: Created) {
        let Some(version) = self.fallback().filter(|_| created == Created::Enough) else { return };
        // Hosts bid for what is on trial.
        let is_bid = self.world.clusters.get(&self.key.0).is_some_and(|it| it.placement == Choice::Bid);
        if is_bid || self.missing() == 0 || self.may_start() > 0 {
            return;
        }
        let coming = [Class::Starting, Class::Unhealthy, Class::Suspect];
        let coming: usize = coming.iter().map(|class| self.group().count(version, *class)).sum();
        let (available, floor, coming) = (self.available(), self.floor(), small(coming));
        let lacking = floor.saturating_sub(available + coming);
        for _ in 0..lacking.min(self.working(version).saturating_sub(coming)) {
            if self.issued() >= self.service.max || !self.has_room() {
                return;
            }
            let Some(task) = self.another(version) else { return };
            let reason =
                format!("version {version} again, as {available} of min {floor} work; {}", task.reason);
            self.issue(Task { reason, ..task });
        }
    }

    fn another(&self, version: Version) -> Option<Task> {
        let definition = self.world.definition(&self.service.task_name, version)?;
        Candidate::new(self.world, self.now, &self.key, &self.service, definition).place(self.batch.tenure.0)
    }
}
