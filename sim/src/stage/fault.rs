//! Making things go wrong, and putting them right again.

use super::{SchedulerProcess, Stage};
use crate::agent::Clocked;
use crate::check::{By, Fault};
use crate::event::{Event, Process, Role, Undo};
use crate::host::{Host, Leave};
use crate::link::Direction;
use crate::scenario::HostFault;
use callboard_core::keys::Key;
use callboard_core::machine::{Span, Time};
use callboard_core::scheduler::Settings;
use callboard_core::store::{Op, Request};
use std::cmp::Reverse;

/// How long an agent that ends in order may take to say what it has to say.
const LAST_WORDS: Span = Span::secs(2);
/// One that ends sooner has said it, by whatever clock.
const AT_EASE: Span = Span(1_700);
/// How long a process is away that ended for its own reasons and shall run.
const SUPERVISED: Span = Span::secs(5);

impl Stage {
    /// Starts the agent of a machine that is up.
    pub(super) fn start_agent(&mut self, host: u32) {
        let (now, ttl, registry) = (self.now(), self.scenario.ttl, self.scenario.registry.is_some());
        let machine = &mut self.hosts[host as usize];
        if machine.up && machine.agent.is_none() {
            let process = machine.start_agent(now, ttl, registry);
            self.arm(process);
        }
    }

    /// Kills an agent; its tasks live on.
    pub(super) fn kill_agent(&mut self, host: u32, restart_after: Span) -> bool {
        self.end_agent(host, restart_after, false)
    }

    fn end_agent(&mut self, host: u32, restart_after: Span, in_order: bool) -> bool {
        let at = self.now() + restart_after;
        let machine = &mut self.hosts[host as usize];
        machine.leaves = None;
        if machine.agent.take().is_none() {
            return false;
        }
        let (process, name) = (machine.agent_name(), machine.registration.host.clone());
        self.court.book.agent_ended(name, in_order);
        self.store.forget(process);
        self.court.fault(&Fault::Ended(process));
        self.queue.push(at, Event::Undo(Undo::StartAgent(host)));
        self.calm_from = self.calm_from.max(at);
        true
    }

    /// Ends an agent in order, so that it leaves its tasks running, and starts it again a while later.
    pub(super) fn restart_agent(&mut self, host: u32, restart_after: Span) -> bool {
        let now = self.now();
        let machine = &mut self.hosts[host as usize];
        let Some(agent) = machine.agent.as_ref().filter(|_| machine.leaves.is_none()) else { return false };
        let can_speak = agent.machine().is_present();
        machine.leaves = Some(Leave { told: now, restart_after, can_speak });
        let process = machine.agent_name();
        self.calm_from = self.calm_from.max(now + LAST_WORDS + restart_after);
        self.tell_to_end(process);
        true
    }

    /// Has an agent go that is done, and started again where that is to be.
    pub(super) fn agent_exits(&mut self, host: u32) {
        let now = self.now();
        if let Some(Leave { told, restart_after, can_speak }) = self.hosts[host as usize].leaves {
            self.end_agent(host, restart_after, can_speak && now.since(told) < AT_EASE);
        }
    }

    /// Has an agent go whose name is another's. Whoever looks after it starts it again.
    pub(super) fn agent_refuses(&mut self, host: u32) {
        let machine = &self.hosts[host as usize];
        if self.by_name.get(&machine.registration.host) == Some(&host) {
            self.end_agent(host, SUPERVISED, true);
            return;
        }
        let process = machine.agent_name();
        self.hosts[host as usize].agent = None;
        self.store.forget(process);
        self.court.fault(&Fault::Ended(process));
        self.queue.push(self.now() + SUPERVISED, Event::Undo(Undo::StartAgent(host)));
    }

    /// Shuts a machine down in order, and switches it on again.
    pub(super) fn reboot(&mut self, host: u32, back_after: Span) -> bool {
        if !self.hosts[host as usize].up {
            return false;
        }
        let off = self.now() + Span::secs(2);
        self.restart_agent(host, Span(back_after.0 + 2_000));
        self.calm_from = self.calm_from.max(off + back_after);
        self.queue.push(off, Event::Undo(Undo::PowerOff(host, back_after)));
        true
    }

    /// Switches everything off, and on again at one moment.
    pub(super) fn power_loss(&mut self, lasting: Span) {
        self.store_outage(lasting);
        let machines = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        for host in 0..machines {
            self.crash(host, Some(lasting));
        }
        self.leaders().into_iter().for_each(|index| self.end_scheduler(index, Some(lasting)));
    }

    /// Switches a machine off.
    pub(super) fn crash(&mut self, host: u32, reboot_after: Option<Span>) -> bool {
        let now = self.now();
        let machine = &mut self.hosts[host as usize];
        if !machine.up {
            return false;
        }
        let (process, name) = (machine.agent_name(), machine.registration.host.clone());
        let had_agent = machine.agent.is_some();
        let outward = machine.crash();
        if had_agent {
            self.court.book.agent_ended(name.clone(), false);
        }
        self.store.forget(process);
        self.court.fault(&Fault::Ended(process));
        self.go_unheard(host);
        self.outward(host, outward);
        let until = now + reboot_after.unwrap_or_default();
        self.trouble(Fault::HostDown(name), until);
        if reboot_after.is_some() {
            self.queue.push(until, Event::Undo(Undo::Boot(host)));
        }
        true
    }

    /// Switches a machine on.
    pub(super) fn boot(&mut self, host: u32) {
        let machine = &mut self.hosts[host as usize];
        let is_first = self.by_name.get(machine.name()) == Some(&host);
        if !machine.up && is_first {
            machine.boot();
            let at = self.now() + self.hosts[host as usize].chance.span(Span::secs(1), Span::secs(5));
            self.queue.push(at, Event::Undo(Undo::StartAgent(host)));
        }
    }

    /// Lets a machine stand still for a while.
    pub(super) fn freeze(&mut self, host: u32, lasting: Span) -> bool {
        let until = self.now() + lasting;
        if !self.hosts[host as usize].up {
            return false;
        }
        let outward = self.hosts[host as usize].freeze(until);
        self.outward(host, outward);
        self.shut_ears(self.hosts[host as usize].agent_name(), until);
        self.go_unheard(host);
        self.calm_from = self.calm_from.max(until);
        self.queue.push(until, Event::Undo(Undo::Thaw(host)));
        true
    }

    /// Lets a machine go on, unless it was told to stand still for longer.
    pub(super) fn thaw(&mut self, host: u32) {
        if self.hosts[host as usize].frozen_until <= self.now() {
            let outward = self.hosts[host as usize].thaw();
            self.outward(host, outward);
        }
    }

    /// Cuts an agent off from the store for a while.
    pub(super) fn cut(&mut self, host: u32, lasting: Span, direction: Direction) -> bool {
        let now = self.now();
        let until = now + lasting;
        let machine = &mut self.hosts[host as usize];
        machine.link.cut(direction, now, until);
        let process = machine.agent_name();
        self.calm_from = self.calm_from.max(until);
        self.shut_ears(process, until);
        self.go_unheard(host);
        self.queue.push(until, Event::Undo(Undo::Heal(Role::Agent, host)));
        true
    }

    /// Cuts an agent off and connects it again, in turns, until a time.
    pub(super) fn flap(&mut self, host: u32, every: Span, until: Time) -> bool {
        let now = self.now();
        self.cut(host, every, Direction::Both);
        let next = now + every.times(2).max(Span::secs(1));
        if next < until {
            self.queue.push(next, Event::Flap { host, every, until });
        }
        self.calm_from = self.calm_from.max(until);
        true
    }

    /// Cuts a scheduler off from the store for a while.
    pub(super) fn cut_scheduler(&mut self, index: usize, lasting: Span, direction: Direction) -> bool {
        let now = self.now();
        let until = now + lasting;
        self.schedulers[index].link.cut(direction, now, until);
        let name = self.schedulers[index].name();
        self.shut_ears(name, until);
        self.scheduler_trouble(until);
        self.queue.push(until, Event::Undo(Undo::Heal(Role::Scheduler, name.index)));
        true
    }

    /// Connects a process again. What its watches missed they never hear of; some notice that they broke, some do not.
    pub(super) fn heal(&mut self, role: Role, index: u32) {
        let now = self.now();
        let process = self.current(role, index as usize);
        if !self.link(process).is_open(now) || !self.is_running(process) {
            return;
        }
        let at = now + self.net(process).span(Span(0), Span::secs(2));
        for reply in self.store.cut(process) {
            self.queue.push(at, Event::Hear { to: process, reply });
        }
    }

    /// Lets the clock of a process go wrong for a while, too fast or too slow.
    pub(super) fn drift(&mut self, role: Role, index: usize, lasting: Span, most: u64) -> bool {
        let until = self.now() + lasting;
        let ppm = i32::try_from(self.faults.between(1, most)).unwrap_or(i32::MAX);
        let fast = self.faults.coin();
        self.set_clock(role, index, if fast { ppm } else { -ppm });
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.queue.push(until, Event::Undo(Undo::Steady(role, index)));
        self.calm_from = self.calm_from.max(until);
        true
    }

    /// Lets the clock of a process go so much too fast from now on.
    pub(super) fn set_clock(&mut self, role: Role, index: usize, ppm: i32) {
        let now = self.now();
        let process = self.current(role, index);
        match role {
            Role::Agent => {
                let host = &mut self.hosts[index];
                host.ppm = ppm;
                host.agent.iter_mut().for_each(|agent| agent.clock.drift(now, ppm));
            }
            Role::Scheduler => {
                let scheduler = &mut self.schedulers[index];
                scheduler.ppm = ppm;
                scheduler.machine.iter_mut().for_each(|machine| machine.clock.drift(now, ppm));
            }
        }
        self.arm(process);
    }

    /// Lets the clock of an agent jump ahead.
    pub(super) fn jump(&mut self, host: u32, by: Span) -> bool {
        let machine = &mut self.hosts[host as usize];
        let Some(agent) = &mut machine.agent else { return false };
        agent.clock.jump(by);
        if let Some(leave) = &mut machine.leaves {
            leave.can_speak = false;
        }
        let process = machine.agent_name();
        let host = machine.registration.host.clone();
        self.court.fault(&Fault::ClockJumped { host, by });
        self.calm_from = self.calm_from.max(self.now());
        self.arm(process);
        true
    }

    /// Lets something be the matter with a machine or its executors for a while.
    pub(super) fn fall_ill(&mut self, host: u32, kind: HostFault, lasting: Span, size: u64) -> bool {
        let until = self.now() + lasting;
        let machine = &mut self.hosts[host as usize];
        machine.ills.fall(kind, until, size);
        let host = machine.registration.host.clone();
        if let HostFault::FillDisk | HostFault::StallMemory = kind {
            self.court.fault(&Fault::Unfit { host, executor: None, until });
        } else if kind == HostFault::EngineDown {
            self.court.fault(&Fault::Unfit { host, executor: Some("docker"), until });
        } else if kind == HostFault::ExecutorLies {
            self.court.misled(host, until);
        }
        self.calm_from = self.calm_from.max(until);
        true
    }

    /// Lets another machine start an agent that goes by the name of this one, for a while.
    pub(super) fn start_twin(&mut self, host: u32, lasting: Span) -> bool {
        let index = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let twin = &self.hosts[host as usize];
        let (registration, starts) = (twin.registration.clone(), twin.starts);
        let mut twin = Host::new(index, registration, self.scenario.seed);
        twin.starts = starts;
        self.hosts.push(twin);
        self.start_agent(index);
        let until = self.now() + lasting;
        self.calm_from = self.calm_from.max(until);
        self.queue.push(until, Event::Undo(Undo::Retire(index)));
        true
    }

    /// Tells whether a machine that goes by the name of another would get it, since that one is not heard of any more.
    pub(super) fn would_get_name(&self, from: Process, request: &Request) -> bool {
        let (Role::Agent, Request::Commit { txn, .. }) = (from.role, request) else { return false };
        let name = &self.hosts[from.at()].registration.host;
        let alive = Key::Alive(name.clone()).path();
        let puts = |op: &Op| matches!(op, Op::Put { key, .. } if *key == alive);
        let is_second = self.by_name.get(name) != Some(&from.index);
        is_second && txn.ops.iter().any(puts) && self.store.memory.get(&alive).is_none()
    }

    /// Switches a machine off for good on which nothing runs.
    pub(super) fn retire(&mut self, host: u32) {
        let machine = &mut self.hosts[host as usize];
        if std::mem::take(&mut machine.up) && machine.agent.take().is_some() {
            let process = machine.agent_name();
            self.store.forget(process);
            self.court.fault(&Fault::Ended(process));
        }
    }

    /// Lets the registry of a machine answer nothing for a while.
    pub(super) fn registry_away(&mut self, host: u32, lasting: Span) -> bool {
        let until = self.now() + lasting;
        if self.scenario.registry.is_none() {
            return false;
        }
        let registry = &mut self.hosts[host as usize].registry;
        registry.away_until = registry.away_until.max(until);
        self.calm_from = self.calm_from.max(until);
        true
    }

    /// Lets the registry of a machine lose all it holds.
    pub(super) fn registry_forgets(&mut self, host: u32) -> bool {
        if self.scenario.registry.is_none() {
            return false;
        }
        self.hosts[host as usize].registry.held.clear();
        self.calm_from = self.calm_from.max(self.now());
        self.registry_changed(host);
        true
    }

    /// Starts a scheduler.
    pub(super) fn start_scheduler(&mut self, index: u32) {
        let now = self.now();
        let ttl = self.scenario.ttl;
        let process = &mut self.schedulers[index as usize];
        if process.machine.is_none() {
            process.life += 1;
            process.locks = 0;
            let instance = format!("sim-{index}-{}", process.life);
            let settings = Settings { name: "default".into(), instance, ttl, plan_delay: Span(100) };
            process.machine = Some(Clocked::<callboard_core::scheduler::Scheduler>::new(
                settings,
                now,
                process.ppm,
                &mut process.chance,
            ));
            let name = process.name();
            self.arm(name);
        }
    }

    /// Kills a scheduler.
    pub(super) fn end_scheduler(&mut self, index: usize, restart_after: Option<Span>) {
        let until = self.now() + restart_after.unwrap_or_default();
        let process = &mut self.schedulers[index];
        let name = process.name();
        process.machine = None;
        process.locks = 0;
        self.store.forget(name);
        self.court.fault(&Fault::Ended(name));
        self.scheduler_trouble(until);
        if restart_after.is_some() {
            self.queue.push(until, Event::Undo(Undo::StartScheduler(name.index)));
        }
    }

    /// Lets a scheduler stand still, plans in hand.
    pub(super) fn pause_scheduler(&mut self, index: usize, lasting: Span) -> bool {
        let until = self.now() + lasting;
        self.schedulers[index].paused_until = until;
        let name = self.schedulers[index].name();
        self.shut_ears(name, until);
        self.scheduler_trouble(until);
        true
    }

    /// Notes that a scheduler cannot act until a time: the next one needs the lock's time to run out, and its own to begin.
    fn scheduler_trouble(&mut self, until: Time) {
        let settled = until + self.store.manners.outlives(self.scenario.ttl) + self.scenario.ttl;
        self.trouble(Fault::Trouble { until: settled }, settled);
    }

    /// Lists the schedulers that live and go on, those that hold the most locks first.
    pub(super) fn leaders(&self) -> Vec<usize> {
        let now = self.now();
        let goes_on = |process: &&SchedulerProcess| process.machine.is_some() && process.paused_until <= now;
        let mut going: Vec<&SchedulerProcess> = self.schedulers.iter().filter(goes_on).collect();
        going.sort_by_key(|process| (Reverse(process.locks), process.index));
        going.into_iter().map(|process| process.index as usize).collect()
    }

    /// Lets the store answer nobody for a while.
    pub(super) fn store_outage(&mut self, lasting: Span) {
        let now = self.now();
        self.store.go_down(now, lasting);
        self.store_trouble(lasting);
        let until = self.store.down_until;
        self.trouble(Fault::Outage { until }, until);
    }

    /// Notes that the store is not as it should be for a while, and some time to get over it.
    pub(super) fn store_trouble(&mut self, lasting: Span) {
        let outlives = self.store.manners.outlives(self.scenario.ttl);
        let settled = self.now() + lasting + outlives + self.scenario.ttl + Span::secs(30);
        self.trouble(Fault::Trouble { until: settled }, settled);
    }

    /// Takes the store's leader away until another is elected. Some of the watches were with it.
    pub(super) fn change_leader(&mut self) {
        let (shortest, longest) = self.store.manners.election;
        let lasting = self.faults.span(shortest, longest);
        self.store.lose_leader(self.now(), lasting);
        let faults = &mut self.faults;
        let ended = self.store.cut_all("the leader is gone", || faults.coin());
        self.tell_ended(ended);
        self.store_trouble(lasting);
    }

    /// Leaves the store without a leader for a while.
    pub(super) fn lose_quorum(&mut self, lasting: Span) {
        let now = self.now();
        self.store.lose_leader(now, lasting);
        self.store_trouble(lasting);
        let until = self.store.leaderless_until;
        self.trouble(Fault::Outage { until }, until);
    }

    /// Lets the store run out of space for a while.
    pub(super) fn fill_up(&mut self, lasting: Span) {
        self.store.fill_up(self.now(), lasting);
        self.store_trouble(lasting);
    }

    /// Makes known that a process hears nothing for a while.
    fn shut_ears(&mut self, process: Process, until: Time) {
        self.court.fault(&Fault::Unreachable { process, until });
    }

    /// Lets the peers of a machine notice that it is gone, where the store has it watched.
    fn go_unheard(&mut self, host: u32) {
        if let Some(after) = self.store.manners.host_death {
            self.queue.push(self.now() + after, Event::Unheard(host));
        }
    }

    /// Ends the sessions of a machine that is still not heard of.
    pub(super) fn unheard(&mut self, host: u32) {
        let (now, machine) = (self.now(), &self.hosts[host as usize]);
        if machine.up && machine.frozen_until <= now && !machine.link.is_mute(now) {
            return;
        }
        if self.store.is_up(now) {
            let deliveries = self.store.expire_all(Some(machine.name()));
            self.publish(By::Session, None, deliveries);
        }
    }

    /// Ends every session at one moment.
    pub(super) fn expire_sessions(&mut self) {
        let deliveries = self.store.expire_all(None);
        self.publish(By::Session, None, deliveries);
        self.store_trouble(Span(0));
    }

    /// Lets the store forget its history; every watch ends.
    pub(super) fn compact(&mut self) {
        let revision = self.store.memory.revision();
        self.store.memory.compact(revision);
        let ended = self.store.cut_all("compacted", || true);
        self.tell_ended(ended);
        self.store_trouble(Span(0));
    }

    /// Puts the store back to what it was, or empties it.
    pub(super) fn go_back(&mut self, to: Option<Time>) {
        let ended = self.store.go_back(to);
        self.witness.lost(&self.court.book);
        self.court.restored(self.store.memory.entries(""));
        self.notice_junk();
        self.tell_ended(ended);
        self.expiry = None;
        self.store_trouble(Span::secs(60));
    }

    fn tell_ended(&mut self, ended: Vec<(Process, callboard_core::store::Reply)>) {
        let now = self.now();
        for (to, reply) in ended {
            self.queue.push(now + Span(10), Event::Hear { to, reply });
        }
    }
}
