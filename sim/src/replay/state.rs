//! What is true of a host, a service or a task at a moment: what is issued, what its agent said last, and how it really is.

use super::Replay;
use crate::check::TaskRecord;
use callboard_core::model::Name;
use serde::Serialize;

/// Everything at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// The moment, from the beginning, in milliseconds.
    pub at_ms: u64,
    /// Services, by name.
    pub services: Vec<ServiceState>,
    /// Hosts.
    pub hosts: usize,
    /// Hosts that are switched off.
    pub hosts_off: usize,
    /// Hosts that are on, and from which the store hears nothing.
    pub hosts_silent: usize,
    /// Clusters, and the index of the scheduler that believes to hold the lock.
    pub locks: Vec<(Name, Option<u32>)>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceState {
    /// Its name.
    pub service: Name,
    /// The version it is to run.
    pub version: u32,
    /// Tasks it wants.
    pub wanted: u32,
    /// Tasks that must stay healthy.
    pub min: u32,
    /// Tasks that may be issued.
    pub max: u32,
    /// Issued tasks.
    pub issued: usize,
    /// Tasks whose agents say that they are healthy.
    pub confirmed: usize,
    /// Tasks that are healthy in truth.
    pub healthy: u32,
    /// How its rollout stands.
    pub rollout: String,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostState {
    /// Its name.
    pub host: Name,
    /// In truth: on, off, standing still.
    pub is: String,
    /// Its agent: runs or not, reaches the store or not.
    pub agent: String,
    /// The store holds a sign of life of it.
    pub alive: bool,
    /// Users drain it.
    pub draining: bool,
    /// Memory for tasks, MiB.
    pub memory: u64,
    /// Memory that is issued, MiB.
    pub memory_issued: u64,
    /// Memory in use on the machine in truth, MiB.
    pub memory_used: u64,
    /// What is issued to it, and what lives on it.
    pub tasks: Vec<TaskState>,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskState {
    /// Its id.
    pub task: Name,
    /// Its service; empty when the store does not know it.
    pub service: Name,
    /// Its version.
    pub version: u32,
    /// Which placement.
    pub generation: u64,
    /// Where it is to run.
    pub host: Name,
    /// What is wanted of it: run, stop, or nothing is known of it.
    pub desired: String,
    /// What its agent said last.
    pub said: String,
    /// What lives of it in truth.
    pub processes: Vec<Process>,
}

/// A live process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Where.
    pub host: Name,
    /// Its number there.
    pub pid: u32,
    /// Which placement it runs.
    pub generation: u64,
    /// For how long it has lived, in milliseconds.
    pub for_ms: u64,
    /// It does its work.
    pub healthy: bool,
}

impl Replay {
    /// Shows everything at a glance.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let hosts = &self.stage.hosts;
        let book = &self.stage.court.book;
        let holder = |cluster: &Name| {
            let mut processes = self.stage.schedulers.iter();
            let holds = |process: &&crate::stage::SchedulerProcess| {
                process.machine.as_ref().is_some_and(|machine| machine.machine().tenure(cluster).is_some())
            };
            processes.rfind(holds).map(|process| process.index)
        };
        let silent = |host: &&crate::host::Host| {
            host.up && !book.hosts.get(&host.registration.host).is_some_and(|page| page.alive)
        };
        Overview {
            at_ms: self.now().0,
            services: book.services.keys().filter_map(|name| self.service(name)).collect(),
            hosts: hosts.len(),
            hosts_off: hosts.iter().filter(|host| !host.up).count(),
            hosts_silent: hosts.iter().filter(silent).count(),
            locks: book.clusters.keys().map(|name| (name.clone(), holder(name))).collect(),
        }
    }

    /// Shows a service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<ServiceState> {
        let (service, page) = self.stage.court.book.services.get_key_value(name)?;
        let record = page.record.as_ref()?;
        let rollout = page.state.as_ref().map(|state| format!("version {} {}", state.version, state.rollout));
        Some(ServiceState {
            service: service.clone(),
            version: record.task_version,
            wanted: self.stage.court.book.target(record),
            min: record.floor(),
            max: record.max,
            issued: page.issued.len(),
            confirmed: page.confirmed.len(),
            healthy: page.healthy,
            rollout: rollout.unwrap_or_default(),
        })
    }

    /// Shows the tasks of a service.
    #[must_use]
    pub fn tasks_of(&self, service: &str) -> Vec<TaskState> {
        let tasks = self.stage.court.book.tasks_of(service);
        tasks.filter_map(|task| self.task(&task.id)).collect()
    }

    /// Shows a host.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<HostState> {
        let (now, book) = (self.stage.now(), &self.stage.court.book);
        let host = self.stage.hosts.iter().find(|host| host.name() == name)?;
        let page = book.hosts.get(name);
        let mut ids: Vec<Name> = page.into_iter().flat_map(|page| page.twins.keys().cloned()).collect();
        ids.extend(book.live.keys().filter(|(on, _)| &**on == name).map(|(_, id)| id.clone()));
        ids.sort();
        ids.dedup();
        let claims = page.into_iter().flat_map(|page| page.ledger.clusters.values());
        let is = match (host.up, host.frozen_until > now) {
            (false, _) => "off".into(),
            (true, true) => format!("standing still for {} more", host.frozen_until.since(now)),
            (true, false) => "on".into(),
        };
        let agent = if host.agent.is_some() { "runs" } else { "does not run" };
        let apart = !host.link.is_open(now);
        let agent = if apart { format!("{agent}, cut off from the store") } else { agent.into() };
        Some(HostState {
            host: host.registration.host.clone(),
            is,
            agent,
            alive: page.is_some_and(|page| page.alive),
            draining: page.is_some_and(|page| page.draining_since.is_some()),
            memory: host.registration.memory,
            memory_issued: claims.map(|claim| claim.memory).sum(),
            memory_used: host.memory_kib(now) / 1024,
            tasks: ids.iter().filter_map(|id| self.task(id)).collect(),
        })
    }

    /// Shows a task.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<TaskState> {
        let book = &self.stage.court.book;
        let processes = self.processes(id);
        let record = book.tasks.get(id).map(|record| &**record);
        let (name, service, host) = match record {
            Some(record) => (record.id.clone(), record.service.clone(), record.host.clone()),
            None => {
                let first = processes.first()?;
                (id.into(), book.meant.get(id).cloned().unwrap_or_default(), first.host.clone())
            }
        };
        let desired = record.map_or("nothing is known of it", |it| if it.runs() { "run" } else { "stop" });
        Some(TaskState {
            task: name,
            service,
            version: record.map_or(0, |record| record.version),
            generation: record.map_or(0, |record| record.generation),
            host,
            desired: desired.into(),
            said: record.and_then(|record| self.said(record)).unwrap_or_default(),
            processes,
        })
    }

    /// Says what an agent said last of a placement.
    fn said(&self, record: &TaskRecord) -> Option<String> {
        let status = &self.stage.court.book.status(record)?.record;
        let text = format!("{:?}, {:?}, start {}", status.phase, status.health, status.attempt + 1);
        Some(text.to_lowercase())
    }

    fn processes(&self, id: &str) -> Vec<Process> {
        let book = &self.stage.court.book;
        let live = book.live.iter().filter(|((_, task), _)| &**task == id);
        let all = live.flat_map(|((host, _), list)| list.iter().map(move |alive| (host, alive)));
        all.map(|(host, alive)| Process {
            host: host.clone(),
            pid: alive.pid,
            generation: alive.generation,
            for_ms: book.now.since(alive.since).0,
            healthy: alive.healthy,
        })
        .collect()
    }
}
