//! Processes that die in the middle of what they do, so that each such moment can be tried: everything that a machine does
//! to the world is a deed, deeds are counted, and one of them may be its last.

use super::Stage;
use crate::event::{Process, Role};
use callboard_core::agent::Effect;
use callboard_core::machine::Span;
use callboard_core::work::Order;

/// How soon a process that died of a deed is started again.
const BACK_AFTER: Span = Span::secs(5);

/// Which deed kills its doer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrashPoint {
    /// Counted over all processes, from 1.
    pub deed: u64,
    /// The deed is lost with its doer; otherwise it takes effect.
    pub lost: bool,
}

/// What processes did so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deeds {
    /// How many.
    pub(crate) done: u64,
    /// Which one kills.
    pub(crate) fatal: Option<CrashPoint>,
}

/// What becomes of whoever does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    LivesOn,
    /// Dies, and what it did is lost.
    DiesFirst,
    /// Dies, and what it did takes effect.
    DiesThen,
}

impl Deeds {
    /// Counts a deed and tells what becomes of its doer.
    pub(super) fn next(&mut self) -> Fate {
        self.done += 1;
        match self.fatal.filter(|point| point.deed == self.done) {
            None => Fate::LivesOn,
            Some(CrashPoint { lost: true, .. }) => Fate::DiesFirst,
            Some(CrashPoint { lost: false, .. }) => Fate::DiesThen,
        }
    }
}

impl Stage {
    /// Counts what an agent does, where it changes anything, and tells what becomes of it.
    pub(super) fn fate_of(&mut self, effect: &Effect) -> Fate {
        let is_deed = match effect {
            Effect::Store(_) | Effect::Registry(_) => true,
            Effect::Work(order) => match order {
                Order::Start(_) | Order::Stop { .. } | Order::Remove(_) => true,
                Order::Inspect | Order::Check { .. } | Order::Measure => false,
            },
            Effect::Note(_) | Effect::Exit | Effect::Refuse(_) => false,
        };
        if is_deed { self.deeds.next() } else { Fate::LivesOn }
    }

    /// Lets a process die of what it did; it comes back soon.
    pub(super) fn dies(&mut self, process: Process) {
        match process.role {
            Role::Agent => {
                self.kill_agent(process.index, BACK_AFTER);
            }
            Role::Scheduler => self.end_scheduler(process.at(), Some(BACK_AFTER)),
        }
    }
}
