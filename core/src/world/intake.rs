//! How news from the store come into the world: by key, parsed, isolated when they make no sense.
//!
//! **Invariant:** a record that cannot be read never takes the place of one that could, and never counts as absent.

use super::World;
use crate::keys::Key;
use crate::machine::Time;
use crate::mirror::hash;
use crate::model::{Name, Task};
use crate::store::{Change, Entry, Listing, Op, Revision};
use crate::why::Note;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::de::DeserializeOwned;

impl World {
    /// Makes a world of records that were read at one moment, to look at it.
    #[must_use]
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> World {
        let mut world = World::default();
        for entry in entries {
            world.put(Time(0), entry);
        }
        world
    }

    /// Takes in everything under a prefix. When the store went back in time, what users wrote and what hosts have is kept
    /// although it is missing: that nobody removed it is the more likely reading, and the one that stops nothing.
    pub(crate) fn replace(&mut self, now: Time, prefix: &str, listing: &Listing, went_back: bool) {
        let listed: BTreeSet<&str> = listing.entries.iter().map(|entry| entry.key.as_str()).collect();
        let known = self.revisions.range(prefix.to_string()..).take_while(|(key, _)| key.starts_with(prefix));
        let gone: Vec<String> = known
            .filter(|(key, revision)| {
                (went_back || **revision <= listing.revision) && !listed.contains(key.as_str())
            })
            .map(|(key, _)| key.clone())
            .collect();
        if went_back {
            let what = format!("{prefix} is behind what it was: restored from a snapshot, or another store?");
            self.notes.push(Note::Store { what });
            self.revisions.retain(|key, _| !key.starts_with(prefix));
        }
        for key in gone {
            match Key::parse(&key) {
                Some(parsed) if went_back => self.lose(now, parsed),
                Some(_) | None => self.delete(now, &key, listing.revision),
            }
        }
        for entry in &listing.entries {
            self.put(now, entry);
        }
    }

    /// Takes out what a store that went back in time no longer holds, unless it is to be kept.
    fn lose(&mut self, now: Time, key: Key) {
        match key {
            Key::Cluster(_)
            | Key::Service(_)
            | Key::Definition(..)
            | Key::HostConfig(_)
            | Key::Registration(_)
            | Key::StoreId => {}
            Key::Task(_)
            | Key::HostTask(..)
            | Key::Ledger(_)
            | Key::ServiceState(_)
            | Key::Lock(_)
            | Key::Alive(_)
            | Key::Usage(_)
            | Key::Move(..)
            | Key::Status(..) => self.remove(now, key),
        }
    }

    /// Takes in one change.
    pub(crate) fn change(&mut self, now: Time, change: &Change) {
        match change {
            Change::Put(entry) => self.put(now, entry),
            Change::Delete { key, revision } => self.delete(now, key, *revision),
        }
    }

    /// Takes in what one key holds, unless something newer is known.
    pub(crate) fn put(&mut self, now: Time, entry: &Entry) {
        if self.revisions.get(&entry.key).is_some_and(|known| *known >= entry.revision) {
            return;
        }
        self.revisions.insert(entry.key.clone(), entry.revision);
        self.newest = self.newest.max(entry.revision.0);
        let Some(key) = Key::parse(&entry.key) else { return };
        match self.take(now, key, entry) {
            Ok(()) => {
                self.problems.remove(&entry.key);
            }
            Err(why) => {
                self.notes.push(Note::BadRecord { key: entry.key.clone(), why: why.clone() });
                self.problems.insert(entry.key.clone(), why);
            }
        }
    }

    /// Takes in what a fresh read of one key found, whatever of our own was assumed in between.
    pub(crate) fn restore(&mut self, now: Time, key: &str, found: Option<&Entry>, read_at: Revision) {
        if self.revisions.get(key).is_some_and(|known| *known > read_at) {
            return;
        }
        match found {
            Some(entry) => {
                self.revisions.remove(key);
                self.put(now, entry);
            }
            None => {
                self.revisions.insert(key.to_string(), Revision(0));
                self.delete(now, key, read_at);
            }
        }
    }

    /// Notes that our own writes are in the store.
    pub(crate) fn confirm(&mut self, ops: &[Op], revision: Revision) {
        self.newest = self.newest.max(revision.0);
        for op in ops {
            match op {
                Op::Put { key, .. } => {
                    let known = self.revisions.entry(key.clone()).or_default();
                    *known = revision.max(*known);
                }
                Op::Delete { key } => {
                    if self.revisions.get(key).is_some_and(|known| *known <= revision) {
                        self.revisions.remove(key);
                    }
                }
            }
        }
    }

    fn take(&mut self, now: Time, key: Key, entry: &Entry) -> Result<(), String> {
        match key {
            Key::Cluster(name) => {
                let cluster = named(read(entry)?, &name, |cluster: &crate::model::Cluster| &cluster.name)?;
                self.put_cluster(&name, Some(cluster));
            }
            Key::Service(name) => {
                let service = named(read(entry)?, &name, |service: &crate::model::Service| &service.name)?;
                self.services.insert(name.clone(), service);
                self.watch_clocks(now, &name);
                self.touch_service(&name);
            }
            Key::Definition(name, version) => {
                self.definitions.entry(name).or_default().insert(version, Arc::new(read(entry)?));
                self.retry_blocked();
            }
            Key::HostConfig(name) => {
                let config = Arc::new(read(entry)?);
                self.put_host_config(now, &name, Some(config));
            }
            Key::Task(id) => {
                let task = named(read::<Task>(entry)?, &id, |task| &task.id)?;
                self.put_task(now, task, hash(&entry.value));
            }
            Key::HostTask(host, id) => self.put_twin(&host, &id, hash(&entry.value), &entry.value),
            Key::Ledger(host) => self.put_ledger(&host, Some(Arc::new(read(entry)?))),
            Key::ServiceState(service) => {
                self.service_states.insert(service.clone(), Arc::new(read(entry)?));
                self.touch_service(&service);
            }
            Key::Lock(cluster) => {
                self.locks.insert(cluster, entry.session.clone());
            }
            Key::Registration(host) => {
                self.host_entry(&host).registration = Some(Arc::new(read(entry)?));
                self.expect_host(now, &host);
                self.refresh_host(&host);
            }
            Key::Alive(host) => self.put_alive(now, &host, Some(Arc::new(read(entry)?))),
            Key::Usage(host) => {
                self.host_entry(&host).usage = Some(Arc::new(read(entry)?));
                self.refresh_host(&host);
            }
            Key::Move(host, id) => {
                self.host_entry(&host).moves.insert(id.clone(), Arc::new(read(entry)?));
                self.rewelcome(&id);
            }
            Key::Status(host, id) => {
                let status: Arc<crate::model::Status> = Arc::new(read(entry)?);
                // In a store that went back in time, agents may speak of placements later than its revisions.
                self.newest = self.newest.max(status.generation);
                self.host_entry(&host).statuses.insert(id.clone(), status);
                self.reclassify(now, &id);
            }
            Key::StoreId => {}
        }
        Ok(())
    }

    /// Takes out a key, unless something newer is known.
    pub(crate) fn delete(&mut self, now: Time, key: &str, revision: Revision) {
        match self.revisions.get(key) {
            Some(known) if *known <= revision => {}
            Some(_) | None => return,
        }
        self.revisions.remove(key);
        self.newest = self.newest.max(revision.0);
        self.problems.remove(key);
        let Some(key) = Key::parse(key) else { return };
        self.remove(now, key);
    }

    fn remove(&mut self, now: Time, key: Key) {
        match key {
            Key::Cluster(name) => self.put_cluster(&name, None),
            Key::Service(name) => {
                self.services.remove(&name);
                self.touch_service(&name);
            }
            Key::Definition(name, version) => {
                if let Some(versions) = self.definitions.get_mut(&name) {
                    versions.remove(&version);
                }
            }
            Key::HostConfig(name) => self.put_host_config(now, &name, None),
            Key::Task(id) => self.drop_task(&id),
            Key::HostTask(host, id) => self.drop_twin(&host, &id),
            Key::Ledger(host) => self.put_ledger(&host, None),
            Key::ServiceState(service) => {
                self.service_states.remove(&service);
                self.touch_service(&service);
            }
            Key::Lock(cluster) => {
                self.locks.remove(&cluster);
            }
            Key::Registration(host) => {
                self.host_entry(&host).registration = None;
                self.refresh_host(&host);
                self.reclassify_host(now, &host);
                self.touch_host(&host);
            }
            Key::Alive(host) => self.put_alive(now, &host, None),
            Key::Usage(host) => {
                self.host_entry(&host).usage = None;
                self.refresh_host(&host);
            }
            Key::Move(host, id) => {
                self.host_entry(&host).moves.remove(&id);
                self.rewelcome(&id);
            }
            Key::Status(host, id) => {
                self.host_entry(&host).statuses.remove(&id);
                self.reclassify(now, &id);
            }
            Key::StoreId => {}
        }
    }

    fn put_cluster(&mut self, name: &Name, cluster: Option<Arc<crate::model::Cluster>>) {
        let before = self.clusters.get(name).map(|old| old.services.clone()).unwrap_or_default();
        let after = cluster.as_ref().map(|new| new.services.clone()).unwrap_or_default();
        for service in before.iter().filter(|service| !after.contains(service)) {
            if self.homes.get(service).is_some_and(|home| home == name) {
                self.homes.remove(service);
            }
            self.touch(name, service);
        }
        for service in &after {
            // A service that two clusters list stays with the first, until that one lets go.
            self.homes.entry(service.clone()).or_insert_with(|| name.clone());
            self.touch(name, service);
        }
        match cluster {
            Some(cluster) => self.clusters.insert(name.clone(), cluster),
            None => self.clusters.remove(name),
        };
        let claimed: Vec<(Name, Name)> = self
            .clusters
            .iter()
            .flat_map(|(cluster, of)| {
                of.services.iter().map(move |service| (service.clone(), cluster.clone()))
            })
            .filter(|(service, _)| before.contains(service))
            .collect();
        for (service, cluster) in claimed {
            self.homes.entry(service.clone()).or_insert_with(|| cluster.clone());
            self.touch(&cluster, &service);
        }
    }

    fn put_host_config(&mut self, now: Time, name: &Name, config: Option<Arc<crate::model::HostConfig>>) {
        match &config {
            Some(config) => self.host_configs.insert(name.clone(), config.clone()),
            None => self.host_configs.remove(name),
        };
        self.host_entry(name).config = config;
        self.refresh_host(name);
        self.reclassify_host(now, name);
        self.retry_blocked();
    }

    fn touch_host(&mut self, name: &Name) {
        let ids: Vec<Name> =
            self.hosts.get(name).map(|host| host.tasks.iter().cloned().collect()).unwrap_or_default();
        for id in ids {
            if let Some(view) = self.tasks.get(&id) {
                let (cluster, service) = (view.task.cluster.clone(), view.task.service.clone());
                self.touch(&cluster, &service);
            }
        }
    }
}

fn read<T: DeserializeOwned>(entry: &Entry) -> Result<T, String> {
    serde_json::from_str(&entry.value).map_err(|error| format!("cannot be read: {error}"))
}

/// Refuses a record that names another thing than its key.
fn named<T>(record: T, name: &Name, of: impl Fn(&T) -> &Name) -> Result<Arc<T>, String> {
    if of(&record) == name {
        Ok(Arc::new(record))
    } else {
        Err(format!("speaks of {:?}, its key of {name:?}", of(&record)))
    }
}
