//! The scheduler machine (under construction): issues tasks to hosts for the clusters whose locks it holds.

use crate::machine::{Machine, Span, Time, Wake};
use crate::model::Name;
use crate::store::{Reply, Request};
use crate::why::Note;
use crate::world::World;
use alloc::string::String;
use alloc::vec::Vec;

/// What a scheduler is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Looks after clusters that name this scheduler.
    pub name: Name,
    /// Names this process among several of the same name; shown in the lock.
    pub instance: String,
    /// How long its locks outlive its last word.
    pub ttl: Span,
    /// How long a burst of changes is collected before it is planned.
    pub plan_delay: Span,
}

/// What happens to a scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The time it asked for has come.
    Wake,
    /// The store answered.
    Store(Reply),
    /// It shall end; its locks are given back at once.
    Shutdown,
}

/// What a scheduler wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the store.
    Store(Request),
    /// Tell the operator.
    Note(Note),
}

/// A scheduler process.
#[derive(Clone, Debug)]
pub struct Scheduler {
    settings: Settings,
    world: World,
}

impl Scheduler {
    /// Makes a scheduler that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Scheduler {
        Scheduler { settings, world: World::default() }
    }

    /// Gives what it was told at its start.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives all it knows.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }
}

impl Machine for Scheduler {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, _now: Time, _input: Input) -> Vec<Effect> {
        Vec::new()
    }

    fn wake_at(&self) -> Option<(Time, Wake)> {
        None
    }
}
