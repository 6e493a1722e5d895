//! From what a scenario or a seed says goes wrong to what is done about it, one line a kind; each is counted.

use super::{Stage, Wish};
use crate::event::{Event, Moment, Role, Undo};
use crate::host::ProcState;
use crate::link::Direction;
use crate::scenario::{
    Fault, FaultKind, HostFault, On, SchedulerFault, ServiceChange, ServiceFault, StoreFault, WayFault,
};
use callboard_core::keys::Key;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;

impl Stage {
    /// Lets something go wrong that a scenario says does.
    pub(super) fn strike(&mut self, fault: &Fault) {
        let (lasting, size) = (fault.lasting, fault.size);
        match (fault.kind, &fault.on) {
            (FaultKind::Host(kind), On::Hosts(hosts)) => {
                self.choose(hosts).into_iter().for_each(|host| self.strike_host(kind, host, lasting, size));
            }
            (FaultKind::Scheduler(kind), On::Schedulers(count)) => {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                let struck: Vec<usize> = self.leaders().into_iter().take(count).collect();
                struck.into_iter().for_each(|index| self.strike_scheduler(kind, index, lasting, size));
            }
            (FaultKind::Service(kind), On::Service(service)) => self.strike_service(kind, service, lasting),
            (FaultKind::Store(kind), On::All) => self.strike_store(kind, lasting, size),
            (FaultKind::Way(kind), On::All) => self.strike_way(kind, lasting, size),
            (
                FaultKind::Host(_)
                | FaultKind::Scheduler(_)
                | FaultKind::Service(_)
                | FaultKind::Store(_)
                | FaultKind::Way(_),
                _,
            ) => debug_assert!(false, "{fault:?} hits nobody"),
        }
    }

    /// Lets something happen to a machine.
    fn strike_host(&mut self, kind: HostFault, host: u32, lasting: Option<Span>, size: u64) {
        let span = lasting.unwrap_or_default();
        let hit = match kind {
            HostFault::Crash => self.crash(host, lasting),
            HostFault::Reboot => self.reboot(host, span),
            HostFault::Freeze => self.freeze(host, span),
            HostFault::Cut => self.cut(host, span, Direction::Both),
            HostFault::Mute => self.cut(host, span, Direction::FromProcess),
            HostFault::Deafen => self.cut(host, span, Direction::ToProcess),
            HostFault::Flap => self.flap(host, Span(size), self.now() + span),
            HostFault::KillAgent => self.kill_agent(host, span),
            HostFault::RestartAgent => self.restart_agent(host, span),
            HostFault::Drift => self.drift(Role::Agent, host as usize, span, size),
            HostFault::Jump => self.jump(host, Span(size)),
            HostFault::FillDisk
            | HostFault::StallMemory
            | HostFault::ExecutorDown
            | HostFault::EngineDown
            | HostFault::ExecutorLies
            | HostFault::StickStops
            | HostFault::SlowPulls
            | HostFault::MissImages
            | HostFault::HangPulls => self.fall_ill(host, kind, span, size),
            HostFault::ChecksLie => {
                let name = self.hosts[host as usize].registration.host.clone();
                self.court.deceived(name, self.now() + span);
                self.fall_ill(host, kind, span, size)
            }
            HostFault::Twin => self.start_twin(host, span),
            HostFault::RegistryAway => self.registry_away(host, span),
            HostFault::RegistryForgets => self.registry_forgets(host),
            HostFault::EndTask => self.end_a_task(host),
            HostFault::Drain => {
                self.drain(host, true);
                if lasting.is_some() {
                    self.calm_from = self.calm_from.max(self.now() + span);
                    self.queue.push(self.now() + span, Event::Undo(Undo::Undrain(host)));
                }
                true
            }
            HostFault::Undrain => {
                self.drain(host, false);
                true
            }
        };
        self.count(FaultKind::Host(kind), hit);
    }

    /// Lets something happen to a scheduler.
    fn strike_scheduler(&mut self, kind: SchedulerFault, index: usize, lasting: Option<Span>, size: u64) {
        let span = lasting.unwrap_or_default();
        let hit = match kind {
            SchedulerFault::Kill => {
                self.end_scheduler(index, lasting);
                true
            }
            SchedulerFault::Pause => self.pause_scheduler(index, span),
            SchedulerFault::Cut => self.cut_scheduler(index, span, Direction::Both),
            SchedulerFault::Mute => self.cut_scheduler(index, span, Direction::FromProcess),
            SchedulerFault::Deafen => self.cut_scheduler(index, span, Direction::ToProcess),
            SchedulerFault::Drift => self.drift(Role::Scheduler, index, span, size),
        };
        self.count(FaultKind::Scheduler(kind), hit);
    }

    /// Lets something happen to a service or its records.
    fn strike_service(&mut self, kind: ServiceFault, service: &Name, lasting: Option<Span>) {
        let key = Key::Service(service.clone()).path();
        match kind {
            ServiceFault::Delete => self.delete_service(service, lasting),
            ServiceFault::Move => self.move_service(service),
            ServiceFault::Convert => self.convert_service(service),
            ServiceFault::DeleteCluster => self.delete_cluster(service, lasting),
            ServiceFault::Corrupt => self.wish(key, Wish::Put("{\"desired\": ".into())),
            ServiceFault::Renew => self.renew(service, lasting),
            ServiceFault::Roll | ServiceFault::Scale => self.change_a_service(kind, service),
        }
        self.count(FaultKind::Service(kind), true);
    }

    /// Lets something happen to the store, or to everybody.
    fn strike_store(&mut self, kind: StoreFault, lasting: Option<Span>, size: u64) {
        let (now, span) = (self.now(), lasting.unwrap_or_default());
        match kind {
            StoreFault::PowerLoss => self.power_loss(span),
            StoreFault::Outage => self.store_outage(span),
            StoreFault::ReadOnly => {
                self.store.go_read_only(now, span);
                self.store_trouble(span);
            }
            StoreFault::ChangeLeader => self.change_leader(),
            StoreFault::NoQuorum => self.lose_quorum(span),
            StoreFault::NoSpace => self.fill_up(span),
            StoreFault::Slow => {
                self.store.slow_until = (now + span, size);
                self.store_trouble(span);
            }
            StoreFault::ExpireSessions => self.expire_sessions(),
            StoreFault::Compact => self.compact(),
            StoreFault::Restore => self.go_back(Some(Time(now.0.saturating_sub(size)))),
            StoreFault::Empty => self.go_back(None),
            StoreFault::Replace => {
                self.store.replace();
                self.go_back(None);
            }
            StoreFault::Apply => self.write_desired(),
            StoreFault::Annotate => self.annotate(),
            StoreFault::Junk => self.write_junk(lasting),
            StoreFault::HalvePair => self.halve_pair(),
            StoreFault::Foreign => self.issue_nonsense(),
        }
        self.count(FaultKind::Store(kind), true);
    }

    /// Makes the way to the store and back worse for a while.
    fn strike_way(&mut self, kind: WayFault, lasting: Option<Span>, ppm: u64) {
        let until = self.now() + lasting.unwrap_or_default();
        self.worse.push((until, kind, ppm));
        self.queue.push(until, Event::Undo(Undo::Clear));
        self.way_changed();
        self.store_trouble(lasting.unwrap_or_default());
    }

    /// Makes the way as bad as it is at present.
    pub(super) fn way_changed(&mut self) {
        let now = self.now();
        self.worse.retain(|(until, ..)| *until > now);
        self.store.manners = self.scenario.store.clone();
        for (_, kind, ppm) in &self.worse {
            self.store.manners.worsen(*kind, *ppm);
        }
    }

    fn count(&mut self, kind: FaultKind, hit: bool) {
        if hit {
            self.stats.hit(kind.name());
        }
    }

    fn end_a_task(&mut self, host: u32) -> bool {
        let now = self.now();
        let procs = self.hosts[host as usize].procs.iter();
        let live: Vec<u32> =
            procs.filter(|proc| proc.state == ProcState::Live).map(|proc| proc.pid).collect();
        let drawn = usize::try_from(self.faults.below(live.len() as u64)).unwrap_or(0);
        let Some(pid) = live.get(drawn) else { return false };
        self.queue.push(now, Event::Life { host, pid: *pid, moment: Moment::Exit });
        self.calm_from = self.calm_from.max(now);
        true
    }

    fn change_a_service(&mut self, kind: ServiceFault, service: &Name) {
        let desired = &self.scenario.desired;
        let Some(service) = desired.services.iter().find(|it| it.name == *service) else { return };
        let set = if kind == ServiceFault::Roll {
            let known = desired.task_definitions.iter().filter(|it| it.name == service.task_name);
            let versions: Vec<u32> = known.map(|it| it.version).collect();
            let drawn = usize::try_from(self.faults.below(versions.len() as u64)).unwrap_or(0);
            ServiceChange { task_version: versions.get(drawn).copied(), ..ServiceChange::default() }
        } else {
            let count = self.faults.between(u64::from(service.min), u64::from(service.max));
            ServiceChange { desired: u32::try_from(count).ok(), ..ServiceChange::default() }
        };
        let key = Key::Service(service.name.clone()).path();
        self.calm_from = self.calm_from.max(self.now());
        self.wish(key, Wish::Set(set));
    }
}
