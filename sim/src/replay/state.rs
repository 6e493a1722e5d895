//! What is true of a host, a service or a task at a moment: what is issued, what its agent said last, and how it really is.

use super::Replay;
use crate::check::StatusRecord;
use crate::departed::{Departed, Gone, LastTask};
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
    /// When and how it went, where it is gone: then all that was wanted of it is what was wanted last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Departure>,
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
    /// When and how it went, where it is gone: then all that the store said of it is what it said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Departure>,
}

/// When something went, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Departure {
    /// When, from the beginning, in milliseconds.
    pub at_ms: u64,
    /// In words: who or what took it away, and the reason, as far as the store knew one.
    pub how: String,
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
            services: self.services().collect(),
            hosts: hosts.len(),
            hosts_off: hosts.iter().filter(|host| !host.up).count(),
            hosts_silent: hosts.iter().filter(silent).count(),
            locks: book.clusters.keys().map(|name| (name.clone(), holder(name))).collect(),
        }
    }

    /// Shows the services that are there.
    fn services(&self) -> impl Iterator<Item = ServiceState> {
        let there = self.stage.court.book.services.iter().filter(|(_, page)| page.record.is_some());
        there.filter_map(|(name, _)| self.service(name))
    }

    /// Shows a service; one that is gone as it was last wanted.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<ServiceState> {
        let (service, page) = self.stage.court.book.services.get_key_value(name)?;
        let gone = || self.departed()?.service(name);
        let (record, gone) = match &page.record {
            Some(record) => (record, None),
            None => gone().map(|(gone, record)| (record, Some(gone.departure(""))))?,
        };
        let rollout = page.state.as_ref().map(|state| format!("version {} {}", state.version, state.rollout));
        Some(ServiceState {
            service: service.clone(),
            gone,
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

    /// Shows a task; one that is gone as it was last known.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<TaskState> {
        let book = &self.stage.court.book;
        let processes = self.processes(id);
        let there = book.tasks.get(id).map(|record| &**record);
        let gone =
            if there.is_none() { self.departed().and_then(|departed| departed.task(id)) } else { None };
        let record = there.or_else(|| gone.map(|(_, last)| &*last.record));
        let (name, service, host) = match record {
            Some(record) => (record.id.clone(), record.service.clone(), record.host.clone()),
            None => {
                let first = processes.first()?;
                (id.into(), book.meant.get(id).cloned().unwrap_or_default(), first.host.clone())
            }
        };
        let desired = record.map_or("nothing is known of it", |it| if it.runs() { "run" } else { "stop" });
        let said = match gone {
            Some((_, last)) => last.said.as_ref().map(in_words),
            None => there.and_then(|record| Some(in_words(&book.status(record)?.record))),
        };
        Some(TaskState {
            gone: gone.map(|(gone, LastTask { record, .. })| gone.departure(&record.reason)),
            task: name,
            service,
            version: record.map_or(0, |record| record.version),
            generation: record.map_or(0, |record| record.generation),
            host,
            desired: desired.into(),
            said: said.unwrap_or_default(),
            processes,
        })
    }

    /// Names all tasks that ever were.
    pub fn task_names(&self) -> impl Iterator<Item = &Name> {
        self.stage.court.book.meant.keys()
    }

    /// Names all services that ever were.
    pub fn service_names(&self) -> impl Iterator<Item = &Name> {
        self.stage.court.book.services.keys()
    }

    /// Names all hosts.
    pub fn host_names(&self) -> impl Iterator<Item = &Name> {
        self.stage.hosts.iter().map(|host| &host.registration.host)
    }

    fn departed(&self) -> Option<&Departed> {
        self.stage.witness.departed.as_deref()
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

/// Says what an agent said of a placement.
fn in_words(status: &StatusRecord) -> String {
    format!("{:?}, {:?}, start {}", status.phase, status.health, status.attempt + 1).to_lowercase()
}

impl Gone {
    /// Says when and how, with the last reason that the store knew.
    fn departure(self, reason: &str) -> Departure {
        let how = match reason {
            "" => self.how.into(),
            reason => format!("{}, which said last: {reason}", self.how),
        };
        Departure { at_ms: self.at.0, how }
    }
}
