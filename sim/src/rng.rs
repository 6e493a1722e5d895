//! Where chance comes from: one ChaCha8 stream for each subsystem and each host, so that what one draws never shifts what
//! another draws, and samplers of our own, so that a seed means the same for ever.
//!
//! **Invariant:** integers only; the golden vectors below never change.

use callboard_core::machine::Span;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Names who draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Draws the scenario itself: fleet, services, faults.
    World,
    /// Picks the hosts that a fault hits.
    Faults,
    /// Failures that come by themselves.
    Trickle(u32),
    /// What happens between an agent and the store.
    AgentNet(u32),
    /// What happens between a scheduler and the store.
    SchedulerNet(u32),
    /// What happens on a host: how long starts and stops take, what a build does.
    Host(u32),
    /// When journals are played.
    Tapes,
    /// Draws where the tasks of a scenario may lie.
    Rules,
    /// Draws how the machines of a scenario run tasks.
    Executors,
    /// Draws how long the machines of a scenario take to do something.
    Reaction,
    /// Draws whether a fleet is too small for what is wanted of it.
    Scarcity,
    /// Draws what users change their minds about.
    Users,
    /// Draws what few worlds suffer: the loss of many machines at once.
    Losses,
    /// Draws whether a service begins with what never works.
    Firsts,
    /// Draws what few worlds suffer: a slow store, records that somebody spoils.
    Rarities,
}

impl Stream {
    fn number(self) -> u64 {
        let (kind, index) = match self {
            Stream::World => (0, 0),
            Stream::Faults => (1, 0),
            Stream::Trickle(index) => (2, index),
            Stream::AgentNet(index) => (3, index),
            Stream::SchedulerNet(index) => (4, index),
            Stream::Host(index) => (5, index),
            Stream::Tapes => (6, 0),
            Stream::Rules => (7, 0),
            Stream::Executors => (8, 0),
            Stream::Reaction => (9, 0),
            Stream::Scarcity => (10, 0),
            Stream::Users => (11, 0),
            Stream::Losses => (12, 0),
            Stream::Firsts => (13, 0),
            Stream::Rarities => (14, 0),
        };
        (kind << 32) | u64::from(index)
    }
}

/// Draws numbers. The same seed and stream give the same numbers on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    pub(crate) fn new(seed: u64, stream: Stream) -> Chance {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream.number());
        Chance(rng)
    }

    /// Draws from `0..bound`, each as likely as the other; 0 when there is no choice.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        // Rejects the uneven rest at the top of the range.
        let even = u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let drawn = self.0.next_u64();
            if drawn <= even {
                return drawn % bound;
            }
        }
    }

    /// Draws from `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Draws a length of time, both ends included.
    pub(crate) fn span(&mut self, low: Span, high: Span) -> Span {
        Span(self.between(low.0, high.0))
    }

    /// Is true `ppm` times in a million. Draws nothing when that is never or always.
    pub(crate) fn happens(&mut self, ppm: u32) -> bool {
        match ppm {
            0 => false,
            1_000_000.. => true,
            _ => self.below(1_000_000) < u64::from(ppm),
        }
    }

    /// Draws one of two.
    pub(crate) fn coin(&mut self) -> bool {
        self.happens(500_000)
    }

    /// Draws the time to the next of events that come on average every `mean`, independently of each other.
    pub(crate) fn exponential(&mut self, mean: Span) -> Span {
        // -ln(u) = -log2(u) * ln(2), with u = (drawn + 1) / 2^64.
        let bits = neg_log2(self.0.next_u64());
        let product = u128::from(bits) * u128::from(mean.0) * LN2;
        Span(u64::try_from(product >> 64).unwrap_or(u64::MAX))
    }

    /// Draws `count` different indexes below `len`, in ascending order.
    pub(crate) fn pick(&mut self, len: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..len).collect();
        let count = count.min(len);
        for index in 0..count {
            let other = index + usize::try_from(self.below((len - index) as u64)).unwrap_or(0);
            all.swap(index, other);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

/// The natural logarithm of 2, in 2^-32ths.
const LN2: u128 = 2_977_044_472;

/// Computes `-log2((x + 1) / 2^64)` in 2^-32ths, by squaring: each squaring yields one bit.
fn neg_log2(x: u64) -> u64 {
    let x = u128::from(x) + 1;
    let top = 127 - x.leading_zeros();
    let mut mantissa = x << (63_u32.saturating_sub(top)) >> top.saturating_sub(63);
    let mut fraction: u64 = 0;
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >= 1 << 64 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (64 << 32) - ((u64::from(top) << 32) | fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut chance = Chance::new(7, Stream::World);
        let drawn: Vec<u64> = (0..6).map(|_| chance.below(1000)).collect();
        assert_eq!(drawn, [99, 117, 310, 144, 515, 116]);
        let mut chance = Chance::new(7, Stream::Host(3));
        let drawn: Vec<u64> = (0..4).map(|_| chance.exponential(Span::secs(60)).0).collect();
        assert_eq!(drawn, [18154, 23736, 16205, 17908]);
        assert_eq!(Chance::new(1, Stream::Faults).pick(10, 4), [2, 4, 6, 7]);
        let mut chance = Chance::new(9, Stream::World);
        assert_eq!((0..20).filter(|_| chance.happens(250_000)).count(), 5);
    }

    #[test]
    fn samplers_keep_their_averages() {
        let mut chance = Chance::new(1, Stream::World);
        let sum: u64 = (0..20_000).map(|_| chance.exponential(Span(10_000)).0).sum();
        assert!((9_800..10_200).contains(&(sum / 20_000)), "{}", sum / 20_000);
        let sum: u64 = (0..20_000).map(|_| chance.between(10, 20)).sum();
        assert!((1_490..1_510).contains(&(sum / 200)), "{}", sum / 200);
    }

    #[test]
    fn logarithms_are_right_at_their_ends() {
        assert_eq!(neg_log2(u64::MAX), 0);
        assert_eq!(neg_log2(0), 64 << 32);
        assert_eq!(neg_log2((1 << 63) - 1), 1 << 32);
    }

    #[test]
    fn streams_differ() {
        let first = Chance::new(1, Stream::Host(0)).below(u64::MAX);
        assert_ne!(first, Chance::new(1, Stream::Host(1)).below(u64::MAX));
        assert_ne!(first, Chance::new(2, Stream::Host(0)).below(u64::MAX));
    }
}
