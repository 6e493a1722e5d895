//! The memory of a machine: who uses it, and when it will be used up.

use super::{Host, Outward, Proc, ProcState};
use crate::event::Event;
use crate::scenario::HostFault;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Usage;
use callboard_core::work::Exit;
use std::sync::Arc;

/// What was measured last, and what each process used then: measured again, the same is the same value.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    usage: Arc<Usage>,
    shares: Vec<(u32, u64)>,
}

impl Host {
    /// Kills the largest task when memory is used up, unless the forecast that said so is outdated.
    pub(crate) fn memory_full(&mut self, now: Time, forecast: u32) -> Vec<Outward> {
        let mut out = Vec::new();
        if forecast != self.forecast {
            return out;
        }
        if self.memory_kib(now) >= self.memory_total * 1024 {
            let live = self.procs.iter().filter(|proc| proc.state == ProcState::Live);
            let largest = live.max_by_key(|proc| (proc.memory_kib(now), std::cmp::Reverse(proc.pid)));
            if let Some(pid) = largest.map(|proc| proc.pid) {
                out.push(Outward::OutOfMemory);
                self.end(now, pid, Exit { code: None, signal: Some(9), out_of_memory: true }, &mut out);
                return out;
            }
        }
        self.forecast(now, &mut out);
        out
    }

    /// Measures what the machine and its tasks use.
    pub(super) fn usage(&mut self, now: Time) -> Arc<Usage> {
        let live = || self.procs.iter().filter(|proc| proc.state == ProcState::Live);
        let shares = || live().map(|proc| (proc.pid, proc.memory_kib(now)));
        let full = self.ills.has(now, HostFault::FillDisk);
        // Memory that is free is not the memory that is waited for.
        let (stalled, least) = match self.ills.has(now, HostFault::StallMemory) {
            true => (50, self.memory_total * 8 / 10),
            false => (0, 0),
        };
        let engine = self.ills.has(now, HostFault::EngineDown);
        let before = &self.measured.usage;
        let same = (before.memory_total, before.stalled) == (self.memory_total, stalled)
            && (before.unfit.is_some(), !before.unfit_for.is_empty()) == (full, engine);
        if !same || !shares().eq(self.measured.shares.iter().copied()) {
            let usage = Usage {
                memory_total: self.memory_total,
                memory_used: (self.memory_kib(now) / 1024).max(least),
                tasks: live().map(|proc| (proc.run.id.clone(), proc.memory_kib(now) / 1024)).collect(),
                stalled,
                unfit: full.then(|| "cannot write to the tasks' directory: no space left on device".into()),
                unfit_for: engine
                    .then(|| ("docker".into(), "the docker engine does not answer".into()))
                    .into_iter()
                    .collect(),
                ..Usage::default()
            };
            self.measured = Measured { usage: Arc::new(usage), shares: shares().collect() };
        }
        self.measured.usage.clone()
    }

    /// Sums up what is in use: the machine's own thirty-second, and its tasks.
    pub(crate) fn memory_kib(&self, now: Time) -> u64 {
        let tasks: u64 = self.procs.iter().map(|proc| proc.memory_kib(now)).sum();
        self.memory_total * 1024 / 32 + tasks
    }

    /// Plans when memory will be used up if it goes on like this, or when it will go on differently.
    pub(super) fn forecast(&mut self, now: Time, out: &mut Vec<Outward>) {
        self.forecast += 1;
        let live = || self.procs.iter().filter(|proc| proc.state == ProcState::Live);
        let growth: i64 = live().map(|proc| proc.growth(now)).sum();
        let bend =
            live().filter_map(Proc::curve).filter_map(|(since, build)| build.next_bend(since, now)).min();
        let room = (self.memory_total * 1024).saturating_sub(self.memory_kib(now));
        let full = u64::try_from(growth).ok().filter(|growth| *growth > 0);
        let full = full.map(|growth| now + Span(room.saturating_mul(60_000) / growth + 1));
        if let Some(at) = full.into_iter().chain(bend).min() {
            out.push(Outward::Plan(at, Event::MemoryFull { host: self.index, forecast: self.forecast }));
        }
    }
}
