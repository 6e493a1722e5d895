//! A process on a simulated machine.

use super::Outward;
use super::execute::is_shipped;
use crate::build::Build;
use callboard_core::machine::Time;
use callboard_core::work::{Exit, Run, Spec};
use std::sync::Arc;

/// One start of one task.
#[derive(Clone, Debug)]
pub(crate) struct Proc {
    pub(crate) pid: u32,
    pub(crate) run: Run,
    pub(crate) spec: Arc<Spec>,
    pub(crate) build: Box<Build>,
    /// Its memory at the start, KiB.
    base_kib: u64,
    /// Its memory changes.
    greedy: bool,
    pub(crate) state: ProcState,
    /// When it was ordered, and in which life of the agent.
    pub(crate) ordered: (Time, u32),
    /// Since when it lives.
    pub(crate) since: Time,
    /// Does its work.
    pub(crate) healthy: bool,
    /// Did its work when its machine fell still.
    pub(crate) dozes: bool,
    pub(crate) exit: Option<Exit>,
    /// Was asked to end, and this many orders wait for that.
    pub(crate) stops: u32,
}

/// How far a process got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcState {
    Starting,
    Live,
    Dead,
}

impl Proc {
    pub(crate) fn new(pid: u32, spec: Arc<Spec>, build: Build, ordered: (Time, u32)) -> Proc {
        Proc {
            pid,
            run: spec.run(),
            base_kib: base_kib(&spec, &build),
            greedy: build.is_greedy(),
            spec,
            build: Box::new(build),
            state: ProcState::Starting,
            ordered,
            since: Time(0),
            healthy: false,
            dozes: false,
            exit: None,
            stops: 0,
        }
    }

    /// Ends it, whatever it was doing.
    pub(crate) fn end(&mut self, exit: Exit, out: &mut Vec<Outward>) {
        let before = std::mem::replace(&mut self.state, ProcState::Dead);
        if before == ProcState::Dead {
            return;
        }
        self.exit = Some(exit);
        self.dozes = false;
        let healthy = std::mem::take(&mut self.healthy);
        if before == ProcState::Live {
            let mut gone = self.clone();
            gone.healthy = healthy;
            out.push(Outward::Gone(Box::new(gone)));
        }
    }

    /// Gives the resident memory, KiB.
    pub(crate) fn memory_kib(&self, now: Time) -> u64 {
        if self.state != ProcState::Live {
            return 0;
        }
        self.base_kib + if self.greedy { self.build.extra_kib(now.since(self.since)) } else { 0 }
    }

    /// Gives how much more memory it takes a minute, KiB, at present.
    pub(crate) fn growth(&self, now: Time) -> i64 {
        self.build.growth(now.since(self.since))
    }

    /// Gives since when its memory follows which build's curve, if it does.
    pub(crate) fn curve(&self) -> Option<(Time, &Build)> {
        (!self.build.memory_curve.is_empty()).then_some((self.since, &self.build))
    }

    /// Gives the memory with which it is killed, KiB: a limit that users set, or one that its build has.
    pub(crate) fn wall_kib(&self) -> Option<u64> {
        let definition = &self.spec.definition;
        let wall =
            definition.memory_wall().filter(|_| definition.memory_limit.is_some() || self.build.limited);
        wall.map(|mib| mib * 1024)
    }

    pub(crate) fn base_kib(&self) -> u64 {
        self.base_kib
    }

    /// Tells whether something remembers it after the machine was switched off.
    pub(crate) fn keeps_record(&self) -> bool {
        is_shipped(&self.spec.definition)
    }
}

fn base_kib(spec: &Spec, build: &Build) -> u64 {
    let reserved = if spec.task.memory == 0 { 64 } else { spec.task.memory };
    reserved * 1024 * build.memory_percent / 100
}
