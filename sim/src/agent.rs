//! The agent of a simulated machine: the real machine, on a clock of its own.
//!
//! **Invariant:** every life of a process has its own idea of what time it is, so that nothing can compare two.

use crate::clock::Clock;
use crate::desk::{Case, Decision, Heard, Shared, read};
use crate::journal::{Recorded, Tape};
use crate::rng::Chance;
use callboard_core::agent::{Agent, Settings};
use callboard_core::machine::{Machine, Span, Time, Wake};
use callboard_core::scheduler::{self, Scheduler};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

/// A machine and its clock.
#[derive(Debug)]
pub(crate) struct Clocked<M> {
    machine: Shared<M>,
    pub(crate) clock: Clock,
    /// When it wants to be woken, on its own clock, and what for, as it said last.
    wake: Option<(Time, Wake)>,
    /// How many of its decisions are yet to be carried out.
    under_way: u32,
    /// The number of the latest that was.
    latest: u64,
    /// The earliest wake that is planned, on the world's clock.
    armed: Option<Time>,
    /// When it was last stepped by a wake.
    woken: Option<Time>,
}

/// A machine, and what it went through lately where that is taken down.
#[derive(Clone, Debug)]
pub(crate) struct Taped<M> {
    machine: M,
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

    /// Gives what it shall decide about.
    pub(crate) fn deciding(&mut self, now: Time, heard: Heard) -> Case {
        let (machine, local) = self.begin(now);
        Case::Agent(machine, local, heard)
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

    /// Gives what it shall decide about.
    pub(crate) fn deciding(&mut self, now: Time, input: scheduler::Input) -> Case {
        let (machine, local) = self.begin(now);
        Case::Scheduler(machine, local, input)
    }
}

impl<M: Recorded> Taped<M> {
    /// Lets it take something in.
    pub(crate) fn step(&mut self, local: Time, input: M::Input) -> Vec<M::Effect> {
        let taken_down = self.tape.is_some().then(|| input.clone());
        let effects = self.machine.step(local, input);
        if let (Some(tape), Some(input)) = (&mut self.tape, taken_down) {
            tape.add::<M>(local, input, &effects);
        }
        effects
    }
}

impl<M> Deref for Taped<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.machine
    }
}

impl<M: Recorded> Clocked<M> {
    /// Plays again what was taken down, and goes on from what was written of the machine.
    pub(crate) fn turn_tape(&mut self, now: Time) {
        let Taped { machine, tape } = &mut *read(&self.machine);
        tape.get_or_insert_default().turn(machine, self.clock.shows(now));
    }
}

impl<M: Machine> Clocked<M> {
    fn around(machine: M, now: Time, ppm: i32, chance: &mut Chance) -> Clocked<M> {
        let clock = Clock::new(now, Time(chance.below(1_000_000_000)), ppm);
        let wake = machine.wake_at();
        let machine = Arc::new(Mutex::new(Taped { machine, tape: None }));
        Clocked { machine, clock, wake, under_way: 0, latest: 0, armed: None, woken: None }
    }

    /// Reads the machine.
    pub(crate) fn machine(&self) -> MutexGuard<'_, Taped<M>> {
        read(&self.machine)
    }

    /// Tells when it wants to be woken, on its own clock, and what for.
    pub(crate) fn wake_at(&self) -> Option<(Time, Wake)> {
        self.wake
    }

    /// Gives the machine and what its clock shows to whoever lets it decide.
    fn begin(&mut self, now: Time) -> (Shared<M>, Time) {
        self.under_way += 1;
        (Arc::clone(&self.machine), self.clock.shows(now))
    }

    /// Takes in that it has decided, and gives what it wants to be done. One of its decisions may overtake another where it
    /// stood still meanwhile; when it wants to be woken, the latest says.
    pub(crate) fn decided(&mut self, number: u64, decision: Decision<M::Effect>) -> Vec<M::Effect> {
        self.under_way -= 1;
        if number >= self.latest {
            (self.latest, self.wake) = (number, decision.wake);
        }
        decision.effects
    }

    /// Gives the wake that must be planned now, if none that is planned serves. While it decides, nothing is planned.
    pub(crate) fn arm(&mut self, now: Time) -> Option<Time> {
        let (local, _) = self.wake.filter(|_| self.under_way == 0)?;
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
        let is_due = |(local, _)| local <= self.clock.shows(now);
        let due = self.under_way == 0 && self.wake.is_some_and(is_due);
        if due {
            self.woken = Some(now);
        }
        due
    }
}

impl<M: Clone> Clone for Clocked<M> {
    fn clone(&self) -> Clocked<M> {
        let machine = Arc::new(Mutex::new(read(&self.machine).clone()));
        let Clocked { clock, wake, under_way, latest, armed, woken, .. } = *self;
        Clocked { machine, clock, wake, under_way, latest, armed, woken }
    }
}
