//! A world that begins where a real one is: hosts, desired state and tasks as a store tells of them.

use super::{Stage, Wish};
use crate::build::Build;
use crate::event::{Event, Undo};
use crate::host::{Host, Outward, Proc, ProcState};
use callboard_core::keys::Key;
use callboard_core::machine::Time;
use callboard_core::model::{
    Desired, Health, Name, Registration, Rollout, Service, ServiceState, Status, Task, TaskDefinition,
    Version,
};
use callboard_core::store::{Entry, Revision};
use callboard_core::work::Spec;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is needed to believe that tasks run.
#[derive(Default)]
struct Told {
    registrations: Vec<Registration>,
    alive: BTreeSet<Name>,
    definitions: BTreeMap<(Name, u32), Arc<TaskDefinition>>,
    statuses: BTreeMap<(Name, Name), Status>,
    tasks: Vec<Task>,
    services: Vec<Service>,
    states: BTreeMap<Name, ServiceState>,
}

impl Stage {
    /// Takes over what a store holds. Who held locks and gave signs of life is not carried over; whoever was alive is
    /// started, and its tasks live if it said so last.
    pub(crate) fn adopt(&mut self, entries: Vec<Arc<Entry>>, seed: u64) {
        let mut told = Told::default();
        entries.iter().for_each(|entry| told.take(entry));
        let revision = entries.iter().map(|entry| entry.revision).max().unwrap_or_default();
        let lasting = |entry: &Arc<Entry>| {
            let fleeting = matches!(Key::parse(&entry.key), Some(Key::Alive(_) | Key::Lock(_)));
            entry.session.is_none() && !fleeting
        };
        let kept: Vec<Arc<Entry>> = entries.into_iter().filter(lasting).collect();
        self.store.begin(Revision(revision.0.max(1)), kept);
        self.court.restored(self.store.memory.entries(""));
        told.registrations.sort_by(|a, b| a.host.cmp(&b.host));
        for registration in std::mem::take(&mut told.registrations) {
            let index = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
            let name = registration.host.clone();
            let mut host = Host::new(index, registration, seed);
            host.up = told.alive.contains(&name);
            self.by_name.insert(name.clone(), index);
            self.hosts.push(host);
            if told.alive.contains(&name) {
                self.queue.push(Time(u64::from(index % 1_000)), Event::Undo(Undo::StartAgent(index)));
            }
        }
        for (task, version) in told.failing() {
            let bad = Build { healthy_after: None, ..Build::sound(task.clone(), version) };
            self.builds.entry((task, version)).or_insert(bad);
        }
        for task in std::mem::take(&mut told.tasks) {
            self.believe(&told, task);
        }
    }

    /// Lets a task live that its agent said runs.
    fn believe(&mut self, told: &Told, task: Task) {
        let Some(&index) = self.by_name.get(&task.host) else { return };
        let definition = told.definitions.get(&(task.task_name.clone(), task.version));
        let status = told.statuses.get(&(task.host.clone(), task.id.clone()));
        let (Some(definition), Some(status)) = (definition, status) else { return };
        let live = status.generation == task.generation && !status.phase.is_over();
        if !live || task.desired != Desired::Run || !self.hosts[index as usize].up {
            return;
        }
        let key = (task.task_name.clone(), task.version);
        let build = self.builds.get(&key).cloned().unwrap_or_else(|| Build::sound(key.0, key.1));
        let healthy = build.is_sound();
        let spec = Spec { task, definition: definition.clone(), attempt: status.attempt };
        let host = &mut self.hosts[index as usize];
        let pid = host.next_pid();
        let mut proc = Proc::new(pid, Arc::new(spec), build, (Time(0), 0));
        (proc.state, proc.healthy) = (ProcState::Live, healthy);
        host.procs.push(proc);
        self.outward(index, vec![Outward::Born(pid), Outward::Health(pid, healthy)]);
    }

    /// Lets a user change keys.
    pub(crate) fn change(&mut self, changes: Vec<(String, Option<String>)>) {
        for (key, value) in changes {
            self.wish(key, value.map_or(Wish::Delete, Wish::Put));
        }
    }
}

impl Told {
    /// Gives the versions that do not work: their rollout was given up, or they run and are healthy nowhere.
    fn failing(&self) -> BTreeSet<(Name, Version)> {
        let state = |service: &Service| self.states.get(&service.name);
        let given_up = self.services.iter().filter_map(|service| {
            let state = state(service).filter(|state| matches!(state.rollout, Rollout::Failed { .. }))?;
            Some((service.task_name.clone(), state.version))
        });
        let mut failing: BTreeSet<(Name, Version)> = given_up.collect();
        let mut healthy = BTreeSet::new();
        for task in &self.tasks {
            let status = self.statuses.get(&(task.host.clone(), task.id.clone()));
            let Some(status) = status.filter(|status| status.generation == task.generation) else { continue };
            let version = (task.task_name.clone(), task.version);
            match status.health {
                Health::Healthy => healthy.insert(version),
                Health::Unhealthy => failing.insert(version),
                Health::Unknown => status.attempt > 0 && failing.insert(version),
            };
        }
        failing.retain(|version| !healthy.contains(version));
        failing
    }

    fn take(&mut self, entry: &Entry) {
        let Some(key) = Key::parse(&entry.key) else { return };
        match key {
            Key::Registration(_) => self.registrations.extend(parse::<Registration>(entry)),
            Key::Alive(host) => {
                self.alive.insert(host);
            }
            Key::Definition(name, version) => {
                self.definitions.extend(parse(entry).map(|it| ((name, version), Arc::new(it))));
            }
            Key::Status(host, id) => self.statuses.extend(parse(entry).map(|it| ((host, id), it))),
            Key::Task(_) => self.tasks.extend(parse::<Task>(entry)),
            Key::Service(_) => self.services.extend(parse::<Service>(entry)),
            Key::ServiceState(service) => self.states.extend(parse(entry).map(|it| (service, it))),
            Key::Cluster(_)
            | Key::HostConfig(_)
            | Key::HostTask(..)
            | Key::Ledger(_)
            | Key::Lock(_)
            | Key::Usage(_)
            | Key::Move(..)
            | Key::Orphan(..)
            | Key::Offer(..)
            | Key::Bid(..)
            | Key::StoreId => {}
        }
    }
}

fn parse<T: DeserializeOwned>(entry: &Entry) -> Option<T> {
    serde_json::from_str(&entry.value).ok()
}
