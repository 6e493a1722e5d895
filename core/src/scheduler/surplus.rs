//! Which tasks go when there are too many: first those that do no work, then those whose going leaves the others as
//! placement would have put them.

use super::place::Candidate;
use super::round::Round;
use crate::model::{Name, Task};
use crate::store::TXN_OPS_MAX;
use crate::why::StopReason;
use crate::world::Class;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Round<'_> {
    /// Stops tasks of the right version that are too many.
    pub(crate) fn scale_down(&mut self) {
        let version = self.version();
        let mut surplus = self.good().saturating_sub(self.service.target());
        // One that is not heard of may be healthy, but those that are known to be are worth more.
        for id in
            self.select(|of| of == version, &[Class::Starting, Class::Unhealthy, Class::Suspect], Some(true))
        {
            if surplus.max(self.excess()) > 0 && self.stop(&id, StopReason::ScaleDown) {
                surplus = surplus.saturating_sub(1);
            }
        }
        for id in self.departing(surplus) {
            if !self.stop_healthy(&id, StopReason::ScaleDown) {
                return;
            }
        }
    }

    /// Counts the tasks that are issued beyond `max`, which was lowered.
    pub(crate) fn excess(&self) -> u32 {
        self.issued().saturating_sub(self.service.max)
    }

    /// Chooses so many tasks that do their work, or as many as a transaction may stop.
    fn departing(&self, surplus: u32) -> Vec<Name> {
        if surplus == 0 {
            return Vec::new();
        }
        let version = self.version();
        let at_work = self.select(|of| of == version, &[Class::Healthy, Class::Mature], Some(true));
        let most = usize::try_from(surplus).map_or(TXN_OPS_MAX, |surplus| surplus.min(TXN_OPS_MAX));
        let Some(definition) = self.definition() else { return at_work.into_iter().take(most).collect() };
        let tasks: Vec<Arc<Task>> = at_work.iter().filter_map(|id| self.task(id)).collect();
        let one = Candidate::new(self.world, self.now, &self.key, &self.service, &definition);
        one.departing(tasks, most)
    }
}
