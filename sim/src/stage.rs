//! The stage: everything that exists in a run, and the loop that lets one thing after the other happen.
//!
//! **Invariant:** whatever happens, happens as an event; nothing here reads a clock or draws from anything but the seed.

mod adopt;
mod ask;
mod branch;
mod crash;
mod decide;
mod drip;
mod fault;
mod network;
mod reality;
mod said;
mod script;
mod setup;
mod stranger;
mod strike;
mod tidings;
mod user;

use crate::agent::SchedulerMachine;
use crate::build::Build;
use crate::check::{Court, EndFacts, Fault, Text};
use crate::desk::Desk;
use crate::event::{Event, Process, Role, Undo};
use crate::expect::Expecting;
use crate::host::Host;
use crate::link::Link;
use crate::museum::Mutant;
use crate::queue::Queue;
use crate::rng::Chance;
use crate::scenario::{Happening, Scenario, ServiceChange, WayFault};
use crate::stats::Stats;
use crate::store::SimStore;
use crate::witness::Witness;
use callboard_core::machine::{Span, Time};
use callboard_core::model::{Kind, Name, Placed, TaskDefinition, Version};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidings::Tidings;

pub use crash::CrashPoint;
use crash::Deeds;

/// Everything that exists in a run.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) queue: Queue<Event>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) schedulers: Vec<SchedulerProcess>,
    pub(crate) desk: Desk,
    pub(crate) store: SimStore,
    pub(crate) court: Court,
    pub(crate) stats: Stats,
    pub(crate) expecting: Expecting,
    /// The clusters of services that appeared.
    arrived: BTreeMap<Name, Name>,
    /// What users deleted and will write again.
    deleted: Vec<user::Deleted>,
    pub(crate) tidings: Tidings,
    pub(crate) deeds: Deeds,
    /// What went wrong by chance so far.
    pub(crate) struck: Vec<Happening>,
    pub(crate) witness: Witness,
    by_name: BTreeMap<Name, u32>,
    builds: BTreeMap<(Name, Version), Build>,
    /// Picks what faults hit.
    faults: Chance,
    drips: Vec<Chance>,
    /// What users want to write and the store did not take yet.
    wishes: Vec<(String, Wish)>,
    /// What makes the way to the store and back worse than it always is, until when, and how much.
    worse: Vec<(Time, WayFault, u64)>,
    /// What somebody wrote by hand and will mend.
    junk: Vec<stranger::Junk>,
    /// Until when there are records of a later version.
    newer_until: Option<Time>,
    mutant: Option<Mutant>,
    /// When journals of the machines are played, where any are kept.
    pub(crate) tapes: Option<Chance>,
    /// When lapsed sessions are looked for next.
    expiry: Option<Time>,
    /// From when on nothing goes wrong any more, as far as is known.
    calm_from: Time,
    /// Events that turned out to concern nobody any more.
    stale: u64,
    /// What happened beside the first in events that bring several answers.
    beside: u64,
}

/// A scheduler, as a process that can be killed and started again.
#[derive(Clone)]
pub(crate) struct SchedulerProcess {
    pub(crate) index: u32,
    pub(crate) machine: Option<SchedulerMachine>,
    life: u32,
    paused_until: Time,
    /// The way between it and the store.
    link: Link,
    /// How much too fast its clock goes, in a million.
    ppm: i32,
    /// How many locks it believes to hold.
    pub(crate) locks: u32,
    net: Chance,
    chance: Chance,
}

/// What a user wants to do to a key.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// Write it.
    Put(String),
    /// Remove it.
    Delete,
    /// Change fields of the service that is written there.
    Set(ServiceChange),
    /// Ask for these placements of the service that is written there to move.
    Move(Vec<Placed>),
    /// Add a service to the cluster that is written there, or to a new one.
    Enlist(Name),
    /// Take a service off the cluster that is written there.
    Strike(Name),
    /// Make the service that is written there one of another kind, with these `desired`, `min` and `max`.
    Convert(Kind, [u32; 3]),
}

impl Stage {
    /// Lets everything happen up to and including a time.
    pub(crate) fn run_until(&mut self, until: Time) {
        while let Some(event) = self.queue.pop(until) {
            self.goes_on(event);
        }
        self.court.at(until);
        self.desk.settle();
    }

    /// Lets the next thing happen, up to and including a time; false when there is none.
    pub(crate) fn step_until(&mut self, until: Time) -> bool {
        let Some(event) = self.queue.pop(until) else { return false };
        self.goes_on(event);
        true
    }

    fn goes_on(&mut self, event: Event) {
        let now = self.queue.now();
        if let Some(recorder) = self.witness.recorder.as_mut().filter(|recorder| recorder.looks(now)) {
            recorder.look(now, &self.hosts, &self.court.book);
        }
        if self.witness.trace.is_some() && self.deferred(&event).is_none() {
            self.told_of(&event);
        }
        self.court.at(now);
        self.happen(event);
    }

    /// Gives the present moment.
    pub(crate) fn now(&self) -> Time {
        self.queue.now()
    }

    /// Counts what happened and mattered.
    pub(crate) fn events(&self) -> u64 {
        self.queue.popped() - self.stale + self.beside
    }

    fn happen(&mut self, event: Event) {
        self.court.book.calm_from = self.calm_from;
        if let Some(later) = self.deferred(&event) {
            self.stale += 1;
            return self.queue.push(later, event);
        }
        match event {
            Event::Wake(process) => self.wake(process),
            Event::Decided { by, number } => self.carries_out(by, number),
            Event::Arrive { from, request, answered } => self.arrive(from, request, answered),
            Event::Hear { to, reply } => {
                if !self.is_deaf(to) {
                    self.hear(to, reply);
                }
            }
            Event::Unanswered { to, reply } => self.hear(to, reply),
            Event::Watched { to, watcher, reply } => {
                let reply = self.store.arrived(watcher, reply);
                if self.store.watcher(watcher) == Some(to) && !self.is_deaf(to) {
                    self.hear(to, reply);
                } else {
                    self.stale += 1;
                }
            }
            Event::Answer { to, answers } => self.answered(to, answers),
            Event::Inquire { from, request } => self.inquired(from, request),
            Event::Told { to, reply } => self.told(to, reply),
            Event::Life { host, pid, moment } => {
                let now = self.now();
                let outward = self.hosts[host as usize].live(now, pid, moment);
                self.outward(host, outward);
            }
            Event::MemoryFull { host, forecast } => {
                let now = self.now();
                let outward = self.hosts[host as usize].memory_full(now, forecast);
                self.outward(host, outward);
            }
            Event::SignsOfLife => self.give_signs_of_life(),
            Event::Unheard(host) => self.unheard(host),
            Event::Expire => self.expire(),
            Event::Apply => self.write_desired(),
            Event::Script(index) => {
                self.play(index);
                self.witness.begun();
            }
            Event::Drip(index) => {
                self.drip(index);
                self.witness.begun();
            }
            Event::Flap { host, every, until } => {
                self.flap(host, every, until);
            }
            Event::Undo(undo) => self.undo(undo),
            Event::UserRetry => self.grant_wishes(),
            Event::Checkpoint => {
                self.store.checkpoint(self.queue.now());
                self.queue.push(self.queue.now() + Span::secs(15), Event::Checkpoint);
            }
            Event::Expect(index) => {
                let (now, book) = (self.queue.now(), &self.court.book);
                self.expecting.due(now, index, book);
                self.blame_expectations();
            }
        }
    }

    /// Says until when an event must wait because whom it concerns stands still.
    fn deferred(&self, event: &Event) -> Option<Time> {
        let until = match event {
            Event::Wake(process)
            | Event::Decided { by: process, .. }
            | Event::Hear { to: process, .. }
            | Event::Unanswered { to: process, .. }
            | Event::Watched { to: process, .. }
            | Event::Answer { to: process, .. }
            | Event::Inquire { from: process, .. }
            | Event::Told { to: process, .. } => self.stands_still_until(*process),
            Event::Life { host, .. } | Event::MemoryFull { host, .. } => {
                self.hosts[*host as usize].frozen_until
            }
            Event::Arrive { .. }
            | Event::SignsOfLife
            | Event::Unheard(_)
            | Event::Expire
            | Event::Apply
            | Event::Script(_)
            | Event::Drip(_)
            | Event::Flap { .. }
            | Event::Undo(_)
            | Event::UserRetry
            | Event::Checkpoint
            | Event::Expect(_) => return None,
        };
        (until > self.now()).then_some(until)
    }

    /// Says until when a process stands still.
    pub(crate) fn stands_still_until(&self, process: Process) -> Time {
        match process.role {
            Role::Agent => self.hosts[process.at()].frozen_until,
            Role::Scheduler => self.schedulers[process.at()].paused_until,
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Boot(host) => self.boot(host),
            Undo::StartAgent(host) => self.start_agent(host),
            Undo::Thaw(host) => self.thaw(host),
            Undo::PowerOff(host, back_after) => {
                self.crash(host, Some(back_after));
            }
            Undo::Heal(role, index) => self.heal(role, index),
            Undo::Steady(role, index) => self.set_clock(role, index as usize, 0),
            Undo::Mend => self.mend_junk(),
            Undo::Downgrade => self.downgrade(),
            Undo::Clear => self.way_changed(),
            Undo::StartScheduler(index) => self.start_scheduler(index),
            Undo::Undrain(host) => self.drain(host, false),
            Undo::PutBack => self.put_back(),
            Undo::Retire(host) => self.retire(host),
        }
    }

    /// Names the present life of a process.
    fn current(&self, role: Role, index: usize) -> Process {
        match role {
            Role::Agent => self.hosts[index].agent_name(),
            Role::Scheduler => self.schedulers[index].name(),
        }
    }

    /// Tells whether a process lives.
    fn is_running(&self, process: Process) -> bool {
        match process.role {
            Role::Agent => self.hosts[process.at()].is_agent(process),
            Role::Scheduler => self.schedulers[process.at()].machine.is_some(),
        }
    }

    /// Makes known that something is wrong until a time.
    fn trouble(&mut self, fault: Fault, until: Time) {
        self.calm_from = self.calm_from.max(until);
        self.court.fault(&fault);
    }

    /// Ends the run and asks the checkers for their last words.
    pub(crate) fn end(&mut self) {
        let now = self.now();
        self.court.book.calm_from = self.calm_from;
        let mut fit_hosts: Vec<Text> = self
            .hosts
            .iter()
            .filter(|host| {
                host.up && host.agent.is_some() && host.link.is_open(now) && host.frozen_until <= now
            })
            .map(|host| host.registration.host.clone())
            .collect();
        fit_hosts.sort_unstable();
        let mut unsound: Vec<(Text, u32)> =
            self.builds.iter().filter(|(_, build)| !build.is_sound()).map(|(key, _)| key.clone()).collect();
        // What some machines refuse only as it is started may fail there again and again.
        let is_refused = |it: &&TaskDefinition| self.hosts.iter().any(|host| host.refusal(it).is_some());
        let refused = self.scenario.desired.task_definitions.iter().filter(is_refused);
        unsound.extend(refused.map(|it| (it.name.clone(), it.version)));
        unsound.sort_unstable();
        let (calm, settle) = (self.court.book.now.since(self.calm_from), self.scenario.settle);
        let is_fit = |host: &&Host| fit_hosts.binary_search(&host.registration.host).is_ok();
        let remains = self
            .hosts
            .iter()
            .filter(is_fit)
            .flat_map(|host| host.over().map(|run| (host.registration.host.clone(), run.clone())));
        let remains = remains.collect();
        let (weights, reasons) = (self.weights(), Some(self.reasons()));
        self.court.end(|_| EndFacts { calm, settle, fit_hosts, unsound, remains, weights, reasons });
        self.stats.look_for_lost(&self.court.book);
        self.expecting.end(self.court.book.now, &self.court.book, &self.stats);
        self.blame_expectations();
    }

    fn blame_expectations(&mut self) {
        for (promise, what) in self.expecting.take_failures() {
            self.court.blame(&promise, what);
        }
    }
}

impl SchedulerProcess {
    /// Names the present life.
    pub(crate) fn name(&self) -> Process {
        Process { role: Role::Scheduler, index: self.index, life: self.life }
    }
}
