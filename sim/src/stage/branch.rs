//! Another future for a world that is half way.

use super::Stage;
use crate::rng::{Chance, Stream};
use callboard_core::mirror::mix;

impl Stage {
    /// Lets everything that is random be drawn anew from here on: each branch from each moment is another future.
    pub(crate) fn reseed(&mut self, seed: u64, moment: u64, branch: u64) {
        let seed = mix(mix(seed, moment), branch);
        self.faults = Chance::new(seed, Stream::Faults);
        for (drip, index) in self.drips.iter_mut().zip(0..) {
            *drip = Chance::new(seed, Stream::Trickle(index));
        }
        for host in &mut self.hosts {
            host.chance = Chance::new(seed, Stream::Host(host.index));
            host.net = Chance::new(seed, Stream::AgentNet(host.index));
        }
        for scheduler in &mut self.schedulers {
            scheduler.net = Chance::new(seed, Stream::SchedulerNet(scheduler.index));
            scheduler.chance = Chance::new(seed, Stream::SchedulerNet(scheduler.index + 1_000_000));
        }
    }
}
