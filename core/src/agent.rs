//! The agent machine (under construction): brings what runs on its host in line with what was issued to it.

use crate::machine::{Machine, Span, Time, Wake};
use crate::model::Registration;
use crate::store::{Reply, Request};
use crate::why::Note;
use crate::work::{Order, Report};
use alloc::string::String;
use alloc::vec::Vec;

/// What an agent is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What this host has; names the host.
    pub registration: Registration,
    /// Which boot of the machine this is.
    pub boot_id: String,
    /// Drawn once per data directory.
    pub agent_id: String,
    /// How long the host counts as alive after the agent's last word.
    pub ttl: Span,
    /// The share of the machine's memory, in percent, above which a task is asked to move.
    pub pressure_percent: u64,
    /// The highest store revision this agent has seen before, kept in its data directory.
    pub seen: crate::store::Revision,
}

/// What happens to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The time it asked for has come.
    Wake,
    /// The store answered.
    Store(Reply),
    /// An executor or a health check answered.
    Work(Report),
    /// It shall end. Tasks are stopped first, or left running for the next start.
    Shutdown {
        /// Leave them running.
        keep: bool,
    },
}

/// What an agent wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the store.
    Store(Request),
    /// Tell an executor.
    Work(Order),
    /// Tell the operator.
    Note(Note),
    /// All is done after a `Shutdown`: the process may end.
    Exit,
}

/// The agent of one host.
#[derive(Clone, Debug)]
pub struct Agent {
    settings: Settings,
}

impl Agent {
    /// Makes an agent that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Agent {
        Agent { settings }
    }

    /// Gives what it was told at its start.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl Machine for Agent {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, _now: Time, _input: Input) -> Vec<Effect> {
        Vec::new()
    }

    fn wake_at(&self) -> Option<(Time, Wake)> {
        None
    }
}
