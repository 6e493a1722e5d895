//! All records of the store, read from plain listings: what every process can show, whether or not a scheduler lives in
//! it. A record that cannot be read is listed as a problem and affects nothing else.

use callboard_backends::{Store, StoreError};
use callboard_core::keys::{self, Key};
use callboard_core::model::{
    Alive, Cluster, HostConfig, Ledger, MoveRequest, Name, Registration, Service, ServiceState, Status,
    StoreId, Task, TaskDefinition, Usage, Version,
};
use callboard_core::record;
use callboard_core::store::Entry;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The records of a store, by what they are.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) clusters: BTreeMap<Name, Cluster>,
    pub(crate) services: BTreeMap<Name, Service>,
    pub(crate) definitions: BTreeMap<(Name, Version), TaskDefinition>,
    pub(crate) host_configs: BTreeMap<Name, HostConfig>,
    pub(crate) service_states: BTreeMap<Name, ServiceState>,
    pub(crate) tasks: BTreeMap<Name, Task>,
    pub(crate) ledgers: BTreeMap<Name, Ledger>,
    pub(crate) registrations: BTreeMap<Name, Registration>,
    pub(crate) alive: BTreeMap<Name, Alive>,
    pub(crate) usages: BTreeMap<Name, Usage>,
    pub(crate) moves: BTreeMap<(Name, Name), MoveRequest>,
    pub(crate) statuses: BTreeMap<(Name, Name), Status>,
    /// Tasks that run although the store has no record of them, by host and id.
    pub(crate) orphans: BTreeMap<(Name, Name), Task>,
    /// What tells this store from others, once a scheduler has been here.
    pub(crate) store_id: Option<StoreId>,
    /// Who holds the lock of a cluster, as the holder wrote it.
    pub(crate) locks: BTreeMap<Name, String>,
    /// Records that cannot be read, by key, and why.
    pub(crate) problems: BTreeMap<String, String>,
}

impl Board {
    /// Lists everything.
    pub(crate) async fn fetch(store: &dyn Store) -> Result<Board, StoreError> {
        let mut board = Board::default();
        for prefix in [keys::CONFIG, keys::STATE, keys::HOSTS, keys::STATUS, keys::SCHEDULERS, keys::META] {
            board.take(&store.list(prefix).await?.entries);
        }
        Ok(board)
    }

    /// Takes records in.
    pub(crate) fn take(&mut self, entries: &[Arc<Entry>]) {
        for entry in entries {
            if let Err(why) = self.take_one(entry) {
                self.problems.insert(entry.key.clone(), why);
            }
        }
    }

    fn take_one(&mut self, entry: &Entry) -> Result<(), String> {
        match Key::parse(&entry.key).ok_or("not a key of Callboard's")? {
            Key::Cluster(name) => put(&mut self.clusters, name, entry),
            Key::Service(name) => put(&mut self.services, name, entry),
            Key::Definition(name, version) => put(&mut self.definitions, (name, version), entry),
            Key::HostConfig(name) => put(&mut self.host_configs, name, entry),
            Key::Task(id) => put(&mut self.tasks, id, entry),
            Key::Ledger(host) => put(&mut self.ledgers, host, entry),
            Key::ServiceState(service) => put(&mut self.service_states, service, entry),
            Key::Registration(host) => put(&mut self.registrations, host, entry),
            Key::Alive(host) => put(&mut self.alive, host, entry),
            Key::Usage(host) => put(&mut self.usages, host, entry),
            Key::Move(host, id) => put(&mut self.moves, (host, id), entry),
            Key::Orphan(host, id) => put(&mut self.orphans, (host, id), entry),
            Key::StoreId => {
                self.store_id = Some(record::read(&entry.value).map_err(|fault| fault.to_string())?);
                Ok(())
            }
            Key::Status(host, id) => put(&mut self.statuses, (host, id), entry),
            Key::Lock(cluster) => {
                self.locks.insert(cluster, holder(&entry.value));
                Ok(())
            }
            Key::HostTask(..) | Key::Offer(..) | Key::Bid(..) => Ok(()),
        }
    }

    /// Gives what the agent last said of this placement of a task.
    pub(crate) fn status(&self, task: &Task) -> Option<&Status> {
        let status = self.statuses.get(&(task.host.clone(), task.id.clone()))?;
        (status.generation == task.generation).then_some(status)
    }

    /// Gives the cluster that lists a service.
    pub(crate) fn home(&self, service: &str) -> Option<&Cluster> {
        self.clusters.values().find(|cluster| cluster.services.iter().any(|listed| &**listed == service))
    }

    /// Gives the tasks issued for a service.
    pub(crate) fn tasks_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.values().filter(move |task| &*task.service == service)
    }
}

fn put<K: Ord, T: DeserializeOwned>(map: &mut BTreeMap<K, T>, key: K, entry: &Entry) -> Result<(), String> {
    let record = record::read(&entry.value).map_err(|fault| fault.to_string())?;
    map.insert(key, record);
    Ok(())
}

/// Reads who holds a lock: whoever takes one writes what they like, so the text itself is good enough.
fn holder(value: &str) -> String {
    let named = |value: &serde_json::Value| {
        ["instance", "holder", "name", "scheduler"]
            .iter()
            .find_map(|field| Some(value.get(field)?.as_str()?.to_owned()))
    };
    match serde_json::from_str::<serde_json::Value>(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(parsed) => named(&parsed).unwrap_or_else(|| value.chars().take(80).collect()),
        Err(_) => value.chars().take(80).collect(),
    }
}
