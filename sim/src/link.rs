//! The way between a process and the store: open, or cut in one direction or both.

use callboard_core::machine::Time;

/// What is the matter with it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    /// Nothing that the process says arrives until then.
    pub(crate) mute_until: Time,
    /// Nothing arrives at the process until then.
    pub(crate) deaf_until: Time,
}

/// Which directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Both,
    FromProcess,
    ToProcess,
}

impl Link {
    /// Cuts it until a time.
    pub(crate) fn cut(&mut self, direction: Direction, until: Time) {
        if direction != Direction::ToProcess {
            self.mute_until = self.mute_until.max(until);
        }
        if direction != Direction::FromProcess {
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

    /// Tells whether it is open both ways.
    pub(crate) fn is_open(&self, now: Time) -> bool {
        !self.is_mute(now) && !self.is_deaf(now)
    }
}
