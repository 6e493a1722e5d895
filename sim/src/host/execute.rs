//! The executor of a simulated machine: carries out an agent's orders in its own time, as docker and bash do. Checks and
//! measurements that are asked for at one moment are answered together, so that a machine at rest costs one event a beat.

use super::{Answer, Host, Outward, Proc, ProcState};
use crate::build::Build;
use crate::event::{Event, Moment, Process};
use crate::scenario::HostFault;
use callboard_core::machine::{Span, Time};
use callboard_core::model::{Executor, Name, TaskDefinition};
use callboard_core::work::{Exit, Found, Inventory, Order, Report, Run, Spec};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What has been under way for so long by the fastest clock counts as no start any more.
const LONG: Span = Span::secs(27);

/// How many parts an image has, when it is told how far it is fetched.
const PULL_PARTS: u64 = 8;

impl Host {
    /// Takes an order of the agent. `build` tells how what is started will behave.
    pub(crate) fn order(
        &mut self,
        now: Time,
        agent: Process,
        order: Order,
        build: impl FnOnce(&Spec) -> Build,
    ) -> Vec<Outward> {
        let mut out = Vec::new();
        let Some(order) = self.refused(now, agent, order, &mut out) else { return out };
        match order {
            Order::Inspect => {
                let report = Report::Inspected(Ok(self.inventory(now)));
                self.report(now, Span(5), Span(50), agent, report, &mut out);
            }
            Order::Start(spec) => {
                let build = build(&spec).on(self.name());
                self.start(now, agent, &spec, build, &mut out);
            }
            Order::Stop { run, grace, .. } => self.stop(now, agent, run, grace, &mut out),
            Order::Remove(run) => self.procs.retain(|proc| proc.run != run || proc.state != ProcState::Dead),
            Order::Check { spec, check } => {
                let at = self.started_from(&spec);
                let proc = at.map(|at| &self.procs[at]);
                let works = proc.is_some_and(|proc| proc.healthy);
                let run = proc.map_or_else(|| spec.run(), |proc| proc.run.clone());
                let passes = works != self.ills.has(now, HostFault::ChecksLie);
                self.found_out.push(Answer::Checked { spec, run, check, passes });
                self.asked_next = at.map_or(0, |at| at + 1);
            }
            Order::Measure => {
                let usage = self.usage(now);
                self.found_out.push(Answer::Told(Report::Measured(usage)));
            }
        }
        out
    }

    /// Tells what was started and not removed, of docker's only while its engine is there.
    fn inventory(&mut self, now: Time) -> Inventory {
        let lies = self.ills.has(now, HostFault::ExecutorLies);
        let away = self.ills.has(now, HostFault::EngineDown);
        let mut inventory = Inventory::default();
        if away {
            inventory.silent.insert("docker".into(), "the engine does not answer".into());
        }
        for proc in self.procs.iter().filter(|proc| !(away && is_shipped(&proc.spec.definition))) {
            if !lies || self.chance.coin() {
                let age = (proc.state == ProcState::Live).then(|| now.since(proc.since));
                inventory.found.push(Found { spec: proc.spec.clone(), exit: proc.exit.clone(), age });
            }
        }
        inventory
    }

    /// Walks through what ended and was not removed.
    pub(crate) fn over(&self) -> impl Iterator<Item = &Run> {
        self.procs.iter().filter(|proc| proc.state == ProcState::Dead).map(|proc| &proc.run)
    }

    /// Counts the tasks that the present agent has on their way, and not for long: of which nothing lives yet.
    pub(crate) fn under_way(&self, now: Time) -> usize {
        let is_new = |(at, life): (Time, u32)| life == self.life && now.since(at) < LONG;
        let of = |state: ProcState| self.procs.iter().filter(move |proc| proc.state == state);
        let live: BTreeSet<&Name> = of(ProcState::Live).map(|proc| &proc.run.id).collect();
        let starting = of(ProcState::Starting).filter(|proc| is_new(proc.ordered));
        let tasks: BTreeSet<&Name> = starting.map(|proc| &proc.run.id).collect();
        tasks.difference(&live).count()
    }

    /// Plans the answer to all that an agent has just asked, if it asked anything.
    pub(crate) fn answer(&mut self, now: Time, agent: Process) -> Option<(Time, Event)> {
        if self.found_out.is_empty() {
            return None;
        }
        let room = Vec::with_capacity(self.found_out.len());
        let answers = std::mem::replace(&mut self.found_out, room);
        Some((now + self.chance.span(Span(1), Span(20)), Event::Answer { to: agent, answers }))
    }

    /// Finds what was started from this: mostly from this very copy, and mostly the one after what was asked about last.
    fn started_from(&self, spec: &Arc<Spec>) -> Option<usize> {
        let is_next = |proc: &Proc| Arc::ptr_eq(&proc.spec, spec);
        if self.procs.get(self.asked_next).is_some_and(is_next) {
            return Some(self.asked_next);
        }
        let own = self.procs.iter().position(is_next);
        own.or_else(|| self.procs.iter().position(|proc| proc.run == spec.run()))
    }

    /// Lets an executor that is down fail, or not answer; gives the order back when it can be carried out.
    fn refused(&mut self, now: Time, to: Process, order: Order, out: &mut Vec<Outward>) -> Option<Order> {
        let (down, full) = (self.is_down(now, &order), self.ills.has(now, HostFault::FillDisk));
        let why = if down { "the executor does not answer" } else { "no space left on device" };
        let report = match &order {
            Order::Inspect if down => Report::Inspected(Err(why.into())),
            // What was started is not started again: only the end of that is told.
            Order::Start(spec) if self.procs.iter().any(|proc| proc.run == spec.run()) => {
                return (!down).then_some(order);
            }
            Order::Start(spec) if down || full => Report::Started(spec.run(), Err(why.into())),
            Order::Stop { run, .. } if down => Report::Stopped(run.clone(), Err(why.into())),
            Order::Remove(_) if down => return None,
            Order::Inspect
            | Order::Start(_)
            | Order::Stop { .. }
            | Order::Remove(_)
            | Order::Check { .. }
            | Order::Measure => return Some(order),
        };
        if !down || self.chance.coin() {
            self.report(now, Span(10), Span::secs(2), to, report, out);
        } else if let Report::Started(run, Err(_)) = report {
            self.unheard.entry(run).or_insert((now, self.life));
        }
        None
    }

    /// Tells whether those that would carry out an order are down.
    fn is_down(&self, now: Time, order: &Order) -> bool {
        let ships = match order {
            Order::Start(spec) => is_shipped(&spec.definition),
            Order::Stop { run, definition, .. } => self.asks_engine(run, definition.as_deref()),
            Order::Remove(run) => self.asks_engine(run, None),
            Order::Inspect | Order::Check { .. } | Order::Measure => false,
        };
        self.ills.has(now, HostFault::ExecutorDown) || ships && self.ills.has(now, HostFault::EngineDown)
    }

    /// Tells whether docker is asked to do something about a run: also where nobody knows what it is made of.
    fn asks_engine(&self, run: &Run, definition: Option<&TaskDefinition>) -> bool {
        let known = self.procs.iter().find(|proc| proc.run == *run).map(|proc| &*proc.spec.definition);
        let offers = || self.registration.executors.iter().any(|kind| kind == "docker");
        known.or(definition).map_or_else(offers, is_shipped)
    }

    fn report(
        &mut self,
        now: Time,
        low: Span,
        high: Span,
        to: Process,
        report: Report,
        out: &mut Vec<Outward>,
    ) {
        let at = now + self.chance.span(low, high);
        out.push(Outward::Plan(at, Event::Answer { to, answers: vec![Answer::Told(report)] }));
    }

    fn life(&self, at: Time, pid: u32, moment: Moment, out: &mut Vec<Outward>) {
        out.push(Outward::Plan(at, Event::Life { host: self.index, pid, moment }));
    }

    fn start(&mut self, now: Time, agent: Process, spec: &Arc<Spec>, build: Build, out: &mut Vec<Outward>) {
        let run = spec.run();
        if let Some(known) = self.procs.iter().find(|proc| proc.run == run) {
            // Names are unique to a run, so the same start twice is one start; its end is told by `Born`.
            if known.state != ProcState::Starting {
                self.report(now, Span(1), Span(20), agent, Report::Started(run, Ok(())), out);
            }
            return;
        }
        let (low, high) = build.start;
        let missing = build.fails_to_start || self.ills.has(now, HostFault::MissImages);
        let missing = missing.then(|| "image not found".to_string());
        if let Some(why) = self.refusal(&spec.definition).or(missing) {
            let report = Report::Started(run, Err(why));
            self.report(now, low, high, agent, report, out);
            return;
        }
        self.pids += 1;
        let slow = self.ills.of(now, HostFault::SlowPulls).map_or(0, |(_, by)| by);
        let hung = self.ills.of(now, HostFault::HangPulls).map_or(now, |(until, _)| until);
        let at = hung + Span(self.chance.span(low, high).0 + slow);
        self.life(at, self.pids, Moment::Born, out);
        if slow > 0 || hung > now {
            tell_pull(now, at, agent, &run, out);
        }
        // What is ordered once more is on its way since it was ordered first.
        let ordered = self.unheard.remove(&spec.run()).unwrap_or((now, self.life));
        self.procs.push(Proc::new(self.pids, spec.clone(), build, ordered));
    }

    /// Brings a process to life and plans what it will do.
    pub(super) fn born(&mut self, now: Time, pid: u32, out: &mut Vec<Outward>) {
        let Some(proc) = self.procs.iter_mut().find(|proc| proc.pid == pid) else { return };
        proc.state = ProcState::Live;
        proc.since = now;
        let (run, build, base, wall) =
            (proc.run.clone(), proc.build.clone(), proc.base_kib(), proc.wall_kib());
        out.push(Outward::Born(pid));
        if let Some(after) = build.healthy_after {
            self.life(now + after, pid, Moment::Healthy, out);
            if let Some(lasting) = build.healthy_for {
                self.life(now + after + lasting, pid, Moment::Unhealthy, out);
            }
        }
        if let Some(after) = build.exits_after {
            self.life(now + after, pid, Moment::Exit, out);
        }
        if let Some(after) = build.completes_after {
            self.life(now + after, pid, Moment::Complete, out);
        }
        if let Some(after) = build.kills_agent_after {
            self.life(now + after, pid, Moment::KillAgent, out);
        }
        if let Some(after) = build.kills_host_after {
            self.life(now + after, pid, Moment::KillMachine, out);
        }
        let exceeds = |wall: u64| wall.checked_sub(base).map_or(Some(Span(0)), |room| build.exceeds(room));
        if let Some(after) = wall.and_then(exceeds) {
            self.life(now + after, pid, Moment::OverLimit, out);
        }
        if build.is_greedy() {
            self.forecast(now, out);
        }
        if self.agent.is_some() {
            let agent = self.agent_name();
            self.report(now, Span(1), Span(5), agent, Report::Started(run, Ok(())), out);
        }
    }

    fn stop(&mut self, now: Time, agent: Process, run: Run, grace: Option<Span>, out: &mut Vec<Outward>) {
        let found = self.procs.iter_mut().find(|proc| proc.run == run);
        let Some(proc) = found.filter(|proc| proc.state != ProcState::Dead) else {
            self.report(now, Span(1), Span(20), agent, Report::Stopped(run, Ok(())), out);
            return;
        };
        let grace = grace.unwrap_or(proc.spec.definition.kill_timeout);
        proc.stops += 1;
        if proc.stops > 1 {
            return;
        }
        let (pid, (low, high), stubborn) = (proc.pid, proc.build.stop, proc.build.ignores_term);
        if proc.state == ProcState::Starting {
            let (run, exit) = (run.clone(), Exit { code: None, signal: Some(15), out_of_memory: false });
            proc.end(exit, out);
            let refused = Report::Started(run.clone(), Err("it was stopped before it was started".into()));
            self.report(now, Span(1), Span(5), agent, refused, out);
            self.report(now, Span(5), Span(20), agent, Report::Stopped(run, Ok(())), out);
            return;
        }
        let takes = self.chance.span(low, high);
        if let Some((until, _)) = self.ills.of(now, HostFault::StickStops) {
            self.life(until.max(now + grace), pid, Moment::Killed, out);
        } else if stubborn || takes > grace {
            self.life(now + grace, pid, Moment::Killed, out);
        } else {
            self.life(now + takes, pid, Moment::Stopped, out);
        }
    }

    /// Ends a process and tells the agent, if there is one.
    pub(super) fn end(&mut self, now: Time, pid: u32, exit: Exit, out: &mut Vec<Outward>) {
        let Some(proc) = self.procs.iter_mut().find(|proc| proc.pid == pid) else { return };
        proc.end(exit.clone(), out);
        let (run, stops, leaks) = (proc.run.clone(), proc.stops, proc.build.is_greedy());
        if self.agent.is_some() {
            let agent = self.agent_name();
            self.report(now, Span(1), Span(5), agent, Report::Exited(run.clone(), exit), out);
            if stops > 0 {
                self.report(now, Span(6), Span(10), agent, Report::Stopped(run, Ok(())), out);
            }
        }
        if leaks {
            self.forecast(now, out);
        }
    }
}

/// Plans what an agent is told of an image that is fetched slowly, until what it is for comes to life. It draws nothing.
fn tell_pull(now: Time, born: Time, agent: Process, run: &Run, out: &mut Vec<Outward>) {
    let times = (0..PULL_PARTS).map(|part| (part, now + Span::secs(1 + 7 * part)));
    for (part, at) in times.take_while(|(_, at)| *at < born) {
        let what = format!("pulling its image, {part} of {PULL_PARTS} parts");
        let answers = vec![Answer::Told(Report::Starting(run.clone(), what))];
        out.push(Outward::Plan(at, Event::Answer { to: agent, answers }));
    }
}

/// Tells whether something of a task is in docker.
pub(super) fn is_shipped(definition: &TaskDefinition) -> bool {
    definition.containers.iter().any(|container| matches!(container.executor, Executor::Docker(_)))
}
