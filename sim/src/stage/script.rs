//! What a scenario's timeline says happens once.

use super::{Stage, Wish};
use crate::scenario::{Action, Hosts};
use callboard_core::keys::Key;
use callboard_core::machine::Time;
use callboard_core::model::HostConfig;
use std::sync::Arc;

impl Stage {
    /// Lets something from the timeline happen.
    pub(super) fn play(&mut self, index: u32) {
        let scenario = Arc::clone(&self.scenario);
        let Some(happening) = scenario.timeline.get(index as usize) else { return };
        let (now, action) = (self.queue.now(), &happening.action);
        self.tidings.played(now, action);
        self.witness.begins(now, action, action.lasts(), action.is_by_user());
        match &happening.action {
            Action::SetService { service, set } => {
                self.wish(Key::Service(service.clone()).path(), Wish::Set(set.clone()));
            }
            Action::DeleteService { service } => {
                self.wish(Key::Service(service.clone()).path(), Wish::Delete)
            }
            Action::CorruptService { service } => {
                self.wish(Key::Service(service.clone()).path(), Wish::Put("{\"desired\": ".into()));
            }
            Action::Drain { hosts, draining } => {
                for host in self.choose(hosts) {
                    self.drain(host, *draining);
                }
            }
            Action::CrashHosts { hosts, reboot_after } => {
                self.choose(hosts).into_iter().for_each(|host| self.crash(host, *reboot_after));
            }
            Action::FreezeHosts { hosts, lasting } => {
                self.choose(hosts).into_iter().for_each(|host| self.freeze(host, *lasting));
            }
            Action::Partition { hosts, lasting } => {
                self.choose(hosts).into_iter().for_each(|host| self.cut(host, *lasting));
            }
            Action::KillAgents { hosts, restart_after } => {
                self.choose(hosts).into_iter().for_each(|host| self.kill_agent(host, *restart_after));
            }
            Action::RegistryAway { hosts, lasting } => {
                self.choose(hosts).into_iter().for_each(|host| self.registry_away(host, *lasting));
            }
            Action::RegistryForgets { hosts } => {
                self.choose(hosts).into_iter().for_each(|host| self.registry_forgets(host));
            }
            Action::KillSchedulers { count, restart_after } => {
                (0..*count).for_each(|_| self.kill_scheduler(*restart_after));
            }
            Action::PauseSchedulers { count, lasting } => {
                (0..*count).for_each(|_| self.pause_scheduler(*lasting))
            }
            Action::StoreOutage { lasting } => self.store_outage(*lasting),
            Action::StoreReadOnly { lasting } => {
                self.store.go_read_only(self.queue.now(), *lasting);
                self.store_trouble(*lasting);
            }
            Action::ChangeLeader => self.change_leader(),
            Action::NoQuorum { lasting } => self.lose_quorum(*lasting),
            Action::NoSpace { lasting } => self.fill_up(*lasting),
            Action::StoreSlow { lasting, factor } => {
                self.store.slow_until = (self.queue.now() + *lasting, *factor);
                self.store_trouble(*lasting);
            }
            Action::ExpireSessions => self.expire_sessions(),
            Action::CompactStore => self.compact(),
            Action::RestoreStore { back } => {
                self.go_back(Some(Time(self.queue.now().0.saturating_sub(back.0))))
            }
            Action::EmptyStore => self.go_back(None),
            Action::ReplaceStore => {
                self.store.replace();
                self.go_back(None);
            }
            Action::Apply => self.write_desired(),
            Action::AnnotateRecords => self.annotate(),
            Action::NewerRecords { service } => self.renew(service),
        }
    }

    /// Drains a host, or takes that back.
    pub(super) fn drain(&mut self, host: u32, draining: bool) {
        let name = self.hosts[host as usize].registration.host.clone();
        let key = Key::HostConfig(name.clone()).path();
        let found = self.store.memory.get(&key).and_then(|entry| serde_json::from_str(&entry.value).ok());
        let before = found.unwrap_or(HostConfig { name, draining: false, reserved_ports: Vec::new() });
        let value = serde_json::to_string(&HostConfig { draining, ..before }).unwrap_or_default();
        self.calm_from = self.calm_from.max(self.now());
        self.wish(key, Wish::Put(value));
    }

    /// Chooses the machines that something hits, in the order of their names.
    pub(super) fn choose(&mut self, hosts: &Hosts) -> Vec<u32> {
        let chosen = self.chosen(hosts);
        self.witness.hits(chosen.iter().map(|host| &self.hosts[*host as usize].registration.host));
        chosen
    }

    fn chosen(&mut self, hosts: &Hosts) -> Vec<u32> {
        let drawn = |indexes: Vec<usize>| indexes.into_iter().filter_map(|index| u32::try_from(index).ok());
        let all = self.hosts.len();
        match hosts {
            Hosts::Count(count) => drawn(self.faults.pick(all, *count as usize)).collect(),
            Hosts::Percent(percent) => {
                let count = (all * *percent as usize).div_ceil(100);
                drawn(self.faults.pick(all, count)).collect()
            }
            Hosts::Named(names) => names.iter().filter_map(|name| self.by_name.get(name).copied()).collect(),
            Hosts::Prefix(prefix) => {
                let of_prefix = self.by_name.iter().filter(|(name, _)| name.starts_with(prefix.as_str()));
                of_prefix.map(|(_, index)| *index).collect()
            }
            Hosts::Running { service, count } => {
                let tasks = self.court.book.tasks_of(service).filter(|task| task.runs());
                let mut running: Vec<u32> =
                    tasks.filter_map(|task| self.by_name.get(&task.host).copied()).collect();
                running.sort_unstable();
                running.dedup();
                let picked = self.faults.pick(running.len(), *count as usize);
                picked.into_iter().map(|index| running[index]).collect()
            }
        }
    }
}
