//! The clock of a process: it began at any time, and may go wrong.
//!
//! **Invariant:** it never goes back.

use callboard_core::machine::{Span, Time};

/// What one process takes for the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// When it was set.
    set: Time,
    /// What it showed then.
    shown: Time,
    /// How much too fast it goes, in a million; negative: too slow.
    ppm: i32,
}

const MILLION: u64 = 1_000_000;

impl Clock {
    /// Makes a clock that shows a time now.
    pub(crate) fn new(now: Time, shown: Time, ppm: i32) -> Clock {
        Clock { set: now, shown, ppm }
    }

    /// Gives what it shows.
    pub(crate) fn shows(&self, now: Time) -> Time {
        self.shown + Span(now.since(self.set).0 * self.rate() / MILLION)
    }

    /// Gives when it will show a time.
    pub(crate) fn when(&self, shown: Time) -> Time {
        self.set + Span((shown.since(self.shown).0 * MILLION).div_ceil(self.rate()))
    }

    /// Lets it go too fast or too slow from now on.
    pub(crate) fn drift(&mut self, now: Time, ppm: i32) {
        *self = Clock { set: now, shown: self.shows(now), ppm };
    }

    /// Lets it jump ahead.
    pub(crate) fn jump(&mut self, by: Span) {
        self.shown = self.shown + by;
    }

    fn rate(&self) -> u64 {
        MILLION.saturating_add_signed(i64::from(self.ppm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_still_says_when_it_shows_what() {
        for ppm in [-100_000, 0, 33_333, 100_000] {
            let mut clock = Clock::new(Time(500), Time(7_000_000), ppm);
            clock.drift(Time(1_500), -ppm);
            clock.jump(Span(77));
            for ahead in [0, 1, 999, 123_457] {
                let shown = clock.shows(Time(1_500)) + Span(ahead);
                let when = clock.when(shown);
                assert!(clock.shows(when) >= shown, "{ppm} {ahead}");
                assert!(ahead == 0 || clock.shows(Time(when.0 - 1)) < shown, "{ppm} {ahead}");
            }
        }
    }
}
