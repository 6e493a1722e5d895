//! The agent of a simulated machine: the real machine, on a clock of its own.
//!
//! **Invariant:** every life of a process has its own idea of what time it is, so that nothing can compare two.

use crate::clock::Clock;
use crate::journal::{Recorded, Tape};
use crate::rng::Chance;
use callboard_core::agent::{Agent, Settings};
use callboard_core::machine::{Machine, Span, Time};
use callboard_core::scheduler::{self, Scheduler};

/// A machine and its clock.
#[derive(Clone, Debug)]
pub(crate) struct Clocked<M> {
    pub(crate) machine: M,
    pub(crate) clock: Clock,
    /// The earliest wake that is planned, on the world's clock.
    armed: Option<Time>,
    /// When it was last stepped by a wake.
    woken: Option<Time>,
    /// What it went through lately, where that is taken down.
    tape: Option<Tape>,
}

/// The agent of a host.
pub(crate) type AgentProcess = Clocked<Agent>;
/// A scheduler.
pub(crate) type SchedulerMachine = Clocked<Scheduler>;

impl Clocked<Agent> {
    pub(crate) fn new(settings: Settings, now: Time, ppm: i32, chance: &mut Chance) -> AgentProcess {
        Clocked::around(Agent::new(settings), now, ppm, chance)
    }
}

impl Clocked<Scheduler> {
    pub(crate) fn new(
        settings: scheduler::Settings,
        now: Time,
        ppm: i32,
        chance: &mut Chance,
    ) -> SchedulerMachine {
        Clocked::around(Scheduler::new(settings), now, ppm, chance)
    }
}

impl<M: Recorded> Clocked<M> {
    pub(crate) fn step(&mut self, now: Time, input: M::Input) -> Vec<M::Effect> {
        let local = self.clock.shows(now);
        let taken_down = self.tape.is_some().then(|| input.clone());
        let effects = self.machine.step(local, input);
        if let (Some(tape), Some(input)) = (&mut self.tape, taken_down) {
            tape.add::<M>(local, input, &effects);
        }
        effects
    }

    /// Plays again what was taken down, and goes on from what was written of the machine.
    pub(crate) fn turn_tape(&mut self, now: Time) {
        self.tape.get_or_insert_default().turn(&mut self.machine, self.clock.shows(now));
    }
}

impl<M: Machine> Clocked<M> {
    fn around(machine: M, now: Time, ppm: i32, chance: &mut Chance) -> Clocked<M> {
        let clock = Clock::new(now, Time(chance.below(1_000_000_000)), ppm);
        Clocked { machine, clock, armed: None, woken: None, tape: None }
    }

    /// Gives the wake that must be planned now, if none that is planned serves.
    pub(crate) fn arm(&mut self, now: Time) -> Option<Time> {
        let (local, _) = self.machine.wake_at()?;
        let soonest = if self.woken == Some(now) { now + Span(1) } else { now };
        let wanted = self.clock.when(local).max(soonest);
        if self.armed.is_some_and(|armed| armed <= wanted) {
            return None;
        }
        self.armed = Some(wanted);
        Some(wanted)
    }

    /// Tells whether a wake that comes now is wanted; an outdated one is not.
    pub(crate) fn disarm(&mut self, now: Time) -> bool {
        // One that had to wait because the process stood still comes later than it was armed for.
        if self.armed.is_none_or(|armed| armed > now) {
            return false;
        }
        self.armed = None;
        let due = self.machine.wake_at().is_some_and(|(local, _)| local <= self.clock.shows(now));
        if due {
            self.woken = Some(now);
        }
        due
    }
}
