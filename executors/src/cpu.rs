//! How fast processor time is used: counters of it that only grow, read again and again.
//!
//! **Invariant:** no rate is told over less than [`LEAST`], nor of a counter that went back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Over less than that, the ticks in which the kernel counts would show. What is asked sooner hears the last rate again.
const LEAST: Duration = Duration::from_secs(1);

/// The processor time that something has used since some beginning, and when that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    used: Duration,
    at: Instant,
}

/// What counters showed when they were read last.
#[derive(Debug)]
pub(crate) struct Meter<K>(Mutex<BTreeMap<K, Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    counter: Counter,
    rate: Option<u64>,
}

impl Counter {
    /// Reads a counter now.
    pub(crate) fn new(used: Duration) -> Counter {
        Counter { used, at: Instant::now() }
    }
}

impl<K> Default for Meter<K> {
    fn default() -> Meter<K> {
        Meter(Mutex::default())
    }
}

impl<K: Clone + Ord> Meter<K> {
    /// Tells how fast each counter grew since it was read before, 1024 a core. A counter that is new or went back has no
    /// rate, and one that is not read this time is forgotten.
    pub(crate) fn rates(&self, counters: BTreeMap<K, Counter>) -> BTreeMap<K, u64> {
        let mut before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let readings = counters.into_iter().filter_map(|(key, counter)| {
            let reading = match before.get(&key) {
                None => Reading { counter, rate: None },
                Some(reading) => reading.next(counter)?,
            };
            Some((key, reading))
        });
        *before = readings.collect();
        before.iter().filter_map(|(key, reading)| Some((key.clone(), reading.rate?))).collect()
    }
}

impl Reading {
    /// Reads it again. `None` where it went back: it began anew, or not all that it counts was there to be counted, and then
    /// it would jump next.
    fn next(self, counter: Counter) -> Option<Reading> {
        let passed = counter.at.saturating_duration_since(self.counter.at);
        if passed < LEAST {
            return Some(self);
        }
        let used = counter.used.checked_sub(self.counter.used)?;
        let units = (used.as_nanos() * 1024 + passed.as_nanos() / 2) / passed.as_nanos();
        Some(Reading { counter, rate: u64::try_from(units).ok() })
    }
}

/// Gives as a time what the kernel counted in clock ticks.
pub(crate) fn of_ticks(ticks: u64) -> Duration {
    let nanos =
        u128::from(ticks) * 1_000_000_000 / u128::from(rustix::param::clock_ticks_per_second().max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Reads from the text of `/proc/stat` for how many clock ticks all processors together did something. Waiting for a disk
/// is nothing, and so is what a hypervisor took away.
pub(crate) fn machine_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().find_map(|line| line.strip_prefix("cpu "))?.split_whitespace();
    let fields: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    // user nice system - - irq softirq; what guests do is in the first two.
    fields.get(..7).map(|first| [0, 1, 2, 5, 6].iter().map(|at| first[*at]).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_was_used_over_the_time_that_passed() {
        let (meter, begun) = (Meter::default(), Instant::now());
        let check = |millis: u64, counters: &[(&'static str, u64)], expect: &[(&'static str, u64)]| {
            let at = begun + Duration::from_millis(millis);
            let counters = counters.iter().map(|(key, used)| {
                let used = Duration::from_millis(*used);
                (*key, Counter { used, at })
            });
            let rates = meter.rates(counters.collect());
            assert_eq!(rates, expect.iter().copied().collect(), "after {millis} ms");
        };
        check(0, &[("a", 7_000)], &[]);
        check(999, &[("a", 8_000)], &[]);
        check(4_000, &[("a", 9_000), ("b", 0)], &[("a", 512)]);
        check(4_500, &[("a", 9_500), ("b", 500)], &[("a", 512)]);
        check(6_000, &[("a", 9_000), ("b", 5_000)], &[("a", 0), ("b", 2560)]);
        // It began anew, or was not whole and then is.
        check(8_000, &[("a", 10), ("b", 5_000)], &[("b", 0)]);
        check(10_000, &[("a", 9_000), ("b", 5_000)], &[("b", 0)]);
        check(12_000, &[("a", 9_001)], &[("a", 1)]);
        check(14_000, &[("b", 6_000)], &[]);
    }

    #[test]
    fn the_machine_is_read_where_the_kernel_tells_of_it() {
        for (text, expect) in [
            ("", None),
            ("cpu0 1 2 3 4 5 6 7 8 9 10\n", None),
            ("cpu  1 2 3\n", None),
            ("cpu  1000 200 30 99999 99999 4 5 99999 1000 200\ncpu0 1 1 1 1 1 1 1 1\n", Some(1239)),
            ("intr 1\ncpu  1 1 1 1 1 1 1\n", Some(5)),
        ] {
            assert_eq!(machine_ticks(text), expect, "{text}");
        }
        assert!(of_ticks(u64::MAX) > of_ticks(rustix::param::clock_ticks_per_second()));
        assert_eq!(of_ticks(rustix::param::clock_ticks_per_second() * 3), Duration::from_secs(3));
    }
}
