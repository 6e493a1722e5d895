//! What goes wrong again and again, at random times and places.

use super::{Stage, Wish};
use crate::event::{Event, Moment, Undo};
use crate::host::ProcState;
use crate::scenario::{ServiceChange, TrickleFault};
use callboard_core::keys::Key;
use callboard_core::machine::{Span, Time};

impl Stage {
    /// Plans the next of a trickle after a time.
    pub(super) fn plan_drip(&mut self, index: u32, after: Time) {
        let trickle = &self.scenario.trickle[index as usize];
        let mean = Span(3_600_000 / trickle.per_hour.max(1));
        let at = after + self.drips[index as usize].exponential(mean);
        if at.0 < trickle.until.0 {
            self.queue.push(at, Event::Drip(index));
        }
    }

    /// Lets something go wrong, and plans the next.
    pub(super) fn drip(&mut self, index: u32) {
        let now = self.now();
        self.plan_drip(index, now);
        let trickle = &self.scenario.trickle[index as usize];
        let chance = &mut self.drips[index as usize];
        let lasting = chance.span(trickle.lasting.0, trickle.lasting.1);
        let drawn = chance.below(self.hosts.len() as u64);
        let host = u32::try_from(drawn).unwrap_or(0);
        let what = trickle.fault.words(self.hosts[host as usize].name(), lasting);
        self.witness.begins(now, &what, lasting, trickle.fault.is_by_user());
        match trickle.fault {
            TrickleFault::Crash => self.crash(host, Some(lasting)),
            TrickleFault::Partition => self.cut(host, lasting),
            TrickleFault::KillAgent => self.kill_agent(host, lasting),
            TrickleFault::Freeze => self.freeze(host, lasting),
            TrickleFault::KillScheduler => self.kill_scheduler(Some(lasting)),
            TrickleFault::PauseScheduler => self.pause_scheduler(lasting),
            TrickleFault::StoreOutage => self.store_outage(lasting),
            TrickleFault::StoreReadOnly => {
                self.store.go_read_only(now, lasting);
                self.store_trouble(lasting);
            }
            TrickleFault::RegistryAway => self.registry_away(host, lasting),
            TrickleFault::RegistryForgets => self.registry_forgets(host),
            TrickleFault::ChangeLeader => self.change_leader(),
            TrickleFault::NoQuorum => self.lose_quorum(lasting),
            TrickleFault::NoSpace => self.fill_up(lasting),
            TrickleFault::TaskExit => self.end_a_task(index, host),
            TrickleFault::Roll | TrickleFault::Scale => self.change_a_service(index, trickle.fault),
            TrickleFault::Drain => {
                self.drain(host, true);
                self.calm_from = self.calm_from.max(now + lasting);
                self.queue.push(now + lasting, Event::Undo(Undo::Undrain(host)));
            }
        }
    }

    fn end_a_task(&mut self, index: u32, host: u32) {
        let procs = self.hosts[host as usize].procs.iter();
        let live: Vec<u32> =
            procs.filter(|proc| proc.state == ProcState::Live).map(|proc| proc.pid).collect();
        let drawn = usize::try_from(self.drips[index as usize].below(live.len() as u64)).unwrap_or(0);
        if let Some(pid) = live.get(drawn) {
            let now = self.now();
            self.queue.push(now, Event::Life { host, pid: *pid, moment: Moment::Exit });
            self.calm_from = self.calm_from.max(now);
        }
    }

    fn change_a_service(&mut self, index: u32, fault: TrickleFault) {
        let desired = &self.scenario.desired;
        let chance = &mut self.drips[index as usize];
        let drawn = usize::try_from(chance.below(desired.services.len() as u64)).unwrap_or(0);
        let Some(service) = desired.services.get(drawn) else { return };
        let set = if fault == TrickleFault::Roll {
            let known = desired.task_definitions.iter().filter(|it| it.name == service.task_name);
            let versions: Vec<u32> = known.map(|it| it.version).collect();
            let drawn = usize::try_from(chance.below(versions.len() as u64)).unwrap_or(0);
            ServiceChange { task_version: versions.get(drawn).copied(), ..ServiceChange::default() }
        } else {
            let count = chance.between(u64::from(service.min), u64::from(service.max));
            ServiceChange { desired: u32::try_from(count).ok(), ..ServiceChange::default() }
        };
        let now = self.now();
        self.calm_from = self.calm_from.max(now);
        self.wish(Key::Service(service.name.clone()).path(), Wish::Set(set));
    }
}
