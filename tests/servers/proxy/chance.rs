//! What a connection draws in one direction.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// Draws numbers, the same for the same seed and stream.
#[derive(Debug)]
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub(super) fn new(seed: u64, stream: u64) -> Chance {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Chance(rng)
    }

    /// Draws from `0..=most`.
    pub(super) fn upto(&mut self, most: u32) -> u32 {
        let drawn = self.0.next_u64() % (u64::from(most) + 1);
        u32::try_from(drawn).unwrap_or(most)
    }

    /// Draws a time of at most so long.
    pub(super) fn time(&mut self, most: Duration) -> Duration {
        Duration::from_micros(u64::from(self.upto(u32::try_from(most.as_micros()).unwrap_or(u32::MAX))))
    }

    /// Is true so many times of a thousand.
    pub(super) fn happens(&mut self, of_thousand: Option<u32>) -> bool {
        of_thousand.is_none_or(|most| self.upto(999) < most)
    }
}
