//! How long tasks wait once they are wanted, exactly. Whoever was wanted first is the first to be there: tasks of one
//! service are alike.

use crate::check::Text;
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, VecDeque};

/// Waits that are over, and those that are not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delays {
    /// Since when, and how many, of each service; the longest first.
    waiting: BTreeMap<Text, VecDeque<(Time, u64)>>,
    /// How many waited for how long.
    took: BTreeMap<Span, u64>,
}

impl Delays {
    /// Takes in that so many tasks of a service wait now. Of those that no longer do, `came` are there, the longest
    /// waiting first; the others, the last of them, are no longer wanted.
    pub(crate) fn now_wait(&mut self, now: Time, service: &Text, waiting: u64, came: u64) {
        let queue = self.waiting.entry(service.clone()).or_default();
        let before: u64 = queue.iter().map(|(_, count)| count).sum();
        let mut come = came.min(before.saturating_sub(waiting));
        let mut gone = before.saturating_sub(waiting) - come;
        while come > 0
            && let Some((since, count)) = queue.front_mut()
        {
            let these = come.min(*count);
            *self.took.entry(now.since(*since)).or_default() += these;
            (come, *count) = (come - these, *count - these);
            if *count == 0 {
                queue.pop_front();
            }
        }
        while gone > 0
            && let Some((_, count)) = queue.back_mut()
        {
            let these = gone.min(*count);
            (gone, *count) = (gone - these, *count - these);
            if *count == 0 {
                queue.pop_back();
            }
        }
        if waiting > before {
            queue.push_back((now, waiting - before));
        }
    }

    /// Gives how long so many in a hundred wait at most; who still waits has waited until now.
    pub(crate) fn percentile(&self, now: Time, percent: u32) -> Option<Span> {
        let mut all = self.took.clone();
        for (since, count) in self.waiting.values().flatten() {
            *all.entry(now.since(*since)).or_default() += count;
        }
        let total: u64 = all.values().sum();
        let rank = (total * u64::from(percent)).div_ceil(100);
        let mut below = 0;
        all.into_iter().find_map(|(span, count)| {
            below += count;
            (below >= rank && rank > 0).then_some(span)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells a service's waits, each `(when, how many wait, how many came)`, and asks for a percentile at 100 s.
    fn check(told: &[(u64, u64, u64)], percent: u32, expect: Option<u64>) {
        let mut delays = Delays::default();
        for (at, waiting, came) in told {
            delays.now_wait(Time(at * 1000), &"web".into(), *waiting, *came);
        }
        assert_eq!(delays.percentile(Time(100_000), percent), expect.map(Span::secs), "{told:?}");
    }

    #[test]
    fn percentiles_are_exact() {
        check(&[], 99, None);
        check(&[(0, 100, 0), (1, 1, 99), (50, 0, 1)], 99, Some(1));
        check(&[(0, 100, 0), (1, 2, 98), (50, 0, 2)], 99, Some(50));
        check(&[(0, 100, 0), (1, 2, 98), (50, 0, 2)], 50, Some(1));
    }

    #[test]
    fn who_still_waits_counts() {
        check(&[(10, 1, 0)], 99, Some(90));
    }

    #[test]
    fn who_is_no_longer_wanted_does_not_count() {
        check(&[(10, 2, 0), (20, 0, 1)], 99, Some(10));
        check(&[(10, 1, 0), (20, 0, 0)], 99, None);
    }
}
