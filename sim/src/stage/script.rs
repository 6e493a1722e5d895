//! What a scenario's timeline says happens once.

use super::{Stage, Wish};
use crate::host::Host;
use crate::scenario::{Action, Hosts};
use callboard_core::keys::Key;
use callboard_core::model::HostConfig;
use callboard_core::rebalance::Budget;
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
            Action::AddService { service, cluster, tasks, memory, cpu_units } => {
                self.add_service(service, cluster, *tasks, (*memory, *cpu_units));
            }
            Action::ResizeHosts { hosts, memory, cpu_units, reboot_after } => {
                for host in self.choose(hosts) {
                    self.crash(host, Some(*reboot_after));
                    self.hosts[host as usize].resize(*memory, *cpu_units);
                }
            }
            Action::Rebalance { moves, gain } => self.rebalance(Budget { moves: *moves, gain: *gain }),
            Action::Fault(fault) => self.strike(fault),
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
        let has = |label: &String| self.hosts.iter().any(|host| host.registration.labels.contains_key(label));
        let missed = match hosts {
            Hosts::Prefix(prefix) if chosen.is_empty() => {
                Some(format!("no machine's name begins with {prefix}"))
            }
            Hosts::Labelled(labels) if chosen.is_empty() => {
                Some(format!("no machine has the labels {labels:?}"))
            }
            Hosts::Each(label) if !has(label) => Some(format!("no machine has the label {label}")),
            Hosts::Count(_)
            | Hosts::Percent(_)
            | Hosts::Named(_)
            | Hosts::Prefix(_)
            | Hosts::Labelled(_)
            | Hosts::Each(_)
            | Hosts::Running { .. } => None,
        };
        // Of a fleet that was cut down it is no mistake.
        if let Some(what) = missed.filter(|_| self.hosts.len() >= self.scenario.hosts()) {
            self.court.blame("timeline", format!("nothing is hit: {what}"));
        }
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
            Hosts::Labelled(labels) => {
                let has = |host: &Host| {
                    labels.iter().all(|(name, value)| host.registration.labels.get(name) == Some(value))
                };
                self.hosts.iter().filter(|host| has(host)).map(|host| host.index).collect()
            }
            Hosts::Each(label) => {
                let drawn = u32::try_from(self.faults.below(all as u64)).unwrap_or(0);
                self.alike(drawn, label)
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

    /// Lists the machines that have the same value of a label as this one; it alone when it has none.
    pub(super) fn alike(&self, host: u32, label: &str) -> Vec<u32> {
        let value = |host: &Host| host.registration.labels.get(label).cloned();
        let Some(of) = value(&self.hosts[host as usize]) else { return vec![host] };
        let alike = self.hosts.iter().filter(|other| value(other).as_ref() == Some(&of));
        alike.map(|host| host.index).collect()
    }
}
