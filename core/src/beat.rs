//! When a machine does what it does at an interval: on a beat of its own, so that what has the same interval, or one that
//! is a part of it, is done at once. A machine that was woken for one thing does ten for little more.

use crate::machine::{Span, Time};

/// Gives the last beat that comes within an interval from now on: never later than that, and sooner only at first or after
/// a delay. `salt` is one for each machine, lest a fleet does everything as one.
pub(crate) fn next(now: Time, interval: Span, salt: u64) -> Time {
    let interval = interval.0.max(1);
    let end = now.0.saturating_add(interval);
    Time(end - (end - salt % interval) % interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_at_any_time_soon_falls_into_step() {
        let first = |began: u64, interval: u64, salt: u64| {
            let first = next(Time(began), Span(interval), salt);
            assert!(first > Time(began) && first <= Time(began + interval), "{began} {interval} {first:?}");
            for late in [0, 1, interval / 3] {
                assert_eq!(next(first + Span(late), Span(interval), salt), first + Span(interval));
            }
            first
        };
        for began in [0, 1, 4_999, 5_000, 123_456] {
            for salt in [0, 1, 9_999, u64::MAX] {
                let (long, short) = (first(began, 10_000, salt), first(began, 5_000, salt));
                assert_eq!(long.0.abs_diff(short.0) % 5_000, 0, "{began} {salt}");
                first(began, 100, salt);
            }
        }
        assert_ne!(first(0, 10_000, 1), first(0, 10_000, 2));
    }
}
