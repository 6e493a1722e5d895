//! Making things go wrong, and putting them right again.

use super::Stage;
use crate::agent::Clocked;
use crate::check::{By, Fault};
use crate::event::{Event, Process, Undo};
use callboard_core::machine::{Span, Time};
use callboard_core::scheduler::Settings;

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
    pub(super) fn kill_agent(&mut self, host: u32, restart_after: Span) {
        let at = self.now() + restart_after;
        let machine = &mut self.hosts[host as usize];
        if machine.agent.take().is_some() {
            let process = machine.agent_name();
            self.store.forget(process);
            self.court.fault(&Fault::Ended(process));
            self.stats.agents_killed += 1;
            self.queue.push(at, Event::Undo(Undo::StartAgent(host)));
            self.calm_from = self.calm_from.max(at);
        }
    }

    /// Switches a machine off.
    pub(super) fn crash(&mut self, host: u32, reboot_after: Option<Span>) {
        let now = self.now();
        let machine = &mut self.hosts[host as usize];
        if !machine.up {
            return;
        }
        let (process, name) = (machine.agent_name(), machine.registration.host.clone());
        let outward = machine.crash();
        self.store.forget(process);
        self.court.fault(&Fault::Ended(process));
        self.go_unheard(host);
        self.outward(host, outward);
        self.stats.hosts_crashed += 1;
        let until = now + reboot_after.unwrap_or_default();
        self.trouble(Fault::HostDown(name), until);
        if reboot_after.is_some() {
            self.queue.push(until, Event::Undo(Undo::Boot(host)));
        }
    }

    /// Switches a machine on.
    pub(super) fn boot(&mut self, host: u32) {
        let machine = &mut self.hosts[host as usize];
        if !machine.up {
            machine.boot();
            let at = self.now() + self.hosts[host as usize].chance.span(Span::secs(1), Span::secs(5));
            self.queue.push(at, Event::Undo(Undo::StartAgent(host)));
        }
    }

    /// Lets a machine stand still for a while.
    pub(super) fn freeze(&mut self, host: u32, lasting: Span) {
        let until = self.now() + lasting;
        if self.hosts[host as usize].up {
            let outward = self.hosts[host as usize].freeze(until);
            self.outward(host, outward);
            self.stats.hosts_frozen += 1;
            self.shut_ears(self.hosts[host as usize].agent_name(), until);
            self.go_unheard(host);
            self.calm_from = self.calm_from.max(until);
            self.queue.push(until, Event::Undo(Undo::Thaw(host)));
        }
    }

    /// Lets a machine go on, unless it was told to stand still for longer.
    pub(super) fn thaw(&mut self, host: u32) {
        if self.hosts[host as usize].frozen_until <= self.now() {
            let outward = self.hosts[host as usize].thaw();
            self.outward(host, outward);
        }
    }

    /// Cuts an agent off from the store for a while.
    pub(super) fn cut(&mut self, host: u32, lasting: Span) {
        let until = self.now() + lasting;
        let machine = &mut self.hosts[host as usize];
        machine.cut_until = machine.cut_until.max(until);
        let process = machine.agent_name();
        self.stats.agents_cut += 1;
        self.calm_from = self.calm_from.max(until);
        self.shut_ears(process, until);
        self.go_unheard(host);
        self.queue.push(until, Event::Undo(Undo::Heal(host)));
    }

    /// Connects an agent again. What its watches missed they never hear of; some notice that they broke, some do not.
    pub(super) fn heal(&mut self, host: u32) {
        let now = self.now();
        let machine = &mut self.hosts[host as usize];
        if machine.cut_until > now || machine.agent.is_none() {
            return;
        }
        let (process, at) = (machine.agent_name(), now + machine.net.span(Span(0), Span::secs(2)));
        for reply in self.store.cut(process) {
            self.queue.push(at, Event::Hear { to: process, reply });
        }
    }

    /// Lets the registry of a machine answer nothing for a while.
    pub(super) fn registry_away(&mut self, host: u32, lasting: Span) {
        let until = self.now() + lasting;
        let registry = &mut self.hosts[host as usize].registry;
        registry.away_until = registry.away_until.max(until);
        self.calm_from = self.calm_from.max(until);
    }

    /// Lets the registry of a machine lose all it holds.
    pub(super) fn registry_forgets(&mut self, host: u32) {
        self.hosts[host as usize].registry.held.clear();
        self.calm_from = self.calm_from.max(self.now());
        self.registry_changed(host);
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
                &mut process.chance,
            ));
            let name = process.name();
            self.arm(name);
        }
    }

    /// Kills a scheduler, the one that holds the most locks unless it is dead already.
    pub(super) fn kill_scheduler(&mut self, restart_after: Option<Span>) {
        let until = self.now() + restart_after.unwrap_or_default();
        let Some(index) = self.leader() else { return };
        let process = &mut self.schedulers[index];
        let name = process.name();
        process.machine = None;
        process.locks = 0;
        self.store.forget(name);
        self.court.fault(&Fault::Ended(name));
        self.stats.schedulers_killed += 1;
        // The next one needs the lock's time to run out, and its own to begin.
        let settled = until + self.store.manners.outlives(self.scenario.ttl) + self.scenario.ttl;
        self.trouble(Fault::Trouble { until: settled }, settled);
        if restart_after.is_some() {
            self.queue.push(until, Event::Undo(Undo::StartScheduler(name.index)));
        }
    }

    /// Lets the scheduler that holds the most locks stand still, plans in hand.
    pub(super) fn pause_scheduler(&mut self, lasting: Span) {
        let until = self.now() + lasting;
        let Some(index) = self.leader() else { return };
        self.schedulers[index].paused_until = until;
        let name = self.schedulers[index].name();
        self.stats.schedulers_paused += 1;
        self.shut_ears(name, until);
        let settled = until + self.store.manners.outlives(self.scenario.ttl) + self.scenario.ttl;
        self.trouble(Fault::Trouble { until: settled }, settled);
    }

    fn leader(&self) -> Option<usize> {
        let now = self.now();
        let living =
            self.schedulers.iter().filter(|process| process.machine.is_some() && process.paused_until <= now);
        living
            .max_by_key(|process| (process.locks, std::cmp::Reverse(process.index)))
            .map(|process| process.index as usize)
    }

    /// Lets the store answer nobody for a while.
    pub(super) fn store_outage(&mut self, lasting: Span) {
        let now = self.now();
        self.store.go_down(now, lasting);
        self.stats.store_outages += 1;
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
        self.stats.leader_changes += 1;
        self.store.lose_leader(self.now(), lasting);
        let faults = &mut self.faults;
        let ended = self.store.cut_all("the leader is gone", || faults.coin());
        self.tell_ended(ended);
        self.store_trouble(lasting);
    }

    /// Leaves the store without a leader for a while.
    pub(super) fn lose_quorum(&mut self, lasting: Span) {
        let now = self.now();
        self.stats.quorums_lost += 1;
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
        if machine.up && machine.frozen_until <= now && machine.cut_until <= now {
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
        self.court.restored(self.store.memory.entries(""));
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
