//! The way between a process and the store: open, or cut in one direction or both.

use callboard_core::machine::{Span, Time};

/// What is the matter with it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    /// Nothing that the process says arrives until then.
    pub(crate) mute_until: Time,
    /// Nothing arrives at the process until then.
    pub(crate) deaf_until: Time,
    /// Since when nothing arrived, the last time that this was so.
    deaf_since: Time,
}

/// How long after its way is open again a process may have watches that broke without a word: as long as a machine bears
/// their silence, and the time to break them and to list what they missed.
const UNNOTICED: Span = Span(callboard_core::mirror::SILENCE_MAX.0 + 5_000);

/// Which directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Both,
    FromProcess,
    ToProcess,
}

impl Link {
    /// Cuts it from now on until a time.
    pub(crate) fn cut(&mut self, direction: Direction, now: Time, until: Time) {
        if direction != Direction::ToProcess {
            self.mute_until = self.mute_until.max(until);
        }
        if direction != Direction::FromProcess {
            if !self.may_have_missed(now) {
                self.deaf_since = now;
            }
            self.deaf_until = self.deaf_until.max(until);
        }
    }

    /// Tells whether requests go through.
    pub(crate) fn is_mute(&self, now: Time) -> bool {
        self.mute_until > now
    }

    /// Tells whether nothing comes through.
    pub(crate) fn is_deaf(&self, now: Time) -> bool {
        self.deaf_until > now
    }

    /// Gives for how long the process may have heard of nothing.
    pub(crate) fn blindness(&self, now: Time) -> Span {
        if self.may_have_missed(now) { now.since(self.deaf_since) } else { Span(0) }
    }

    fn may_have_missed(&self, now: Time) -> bool {
        self.deaf_until > Time(0) && self.deaf_until + UNNOTICED > now
    }

    /// Tells whether it is open both ways.
    pub(crate) fn is_open(&self, now: Time) -> bool {
        !self.is_mute(now) && !self.is_deaf(now)
    }
}
