//! How news from the store come into the world: by key, parsed, isolated when they make no sense.
//!
//! **Invariant:** a record that cannot be read never takes the place of one that could, and never counts as absent.

use super::World;
use super::known::Known;
use crate::keys::{self, Key};
use crate::machine::Time;
use crate::model::{Bid, Kind, MoveRequest, Name, Offer, ServiceState, Status, StoreId, Task};
use crate::record::{self, Unknown, Unreadable, shorten};
use crate::store::{Change, Entry, Listing, Op, Revision};
use crate::table::Table;
use crate::why::Note;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

impl World {
    /// Makes a world of records that were read at one moment, to look at it.
    #[must_use]
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> World {
        let mut world = World::default();
        for entry in entries {
            world.put(Time(0), entry);
        }
        // Nothing is on its way that invariants would have to wait for.
        world.dirty.clear();
        world
    }

    /// Takes in everything under a prefix. When the store went back in time, what users wrote of clusters and services and
    /// what hosts have is kept although it is missing: that nobody removed it is the more likely reading, and the one that
    /// stops nothing. What users said of hosts is not: nobody would see why a host stays empty.
    pub(crate) fn replace(&mut self, now: Time, prefix: &str, listing: &Listing, went_back: bool) {
        let (gone, news) = self.known.differences(prefix, listing, went_back);
        self.head = if went_back { listing.revision } else { self.head.max(listing.revision) };
        if went_back {
            self.recall(now);
            self.rename_store |= prefix == keys::META;
            let what = format!("{prefix} is behind what it was: restored from a snapshot, or another store?");
            self.notes.push(Note::Store { what });
            self.known.forget(prefix);
        }
        self.buried.listed(prefix, (!went_back).then_some(listing.revision));
        for key in gone {
            match Key::parse(&key) {
                Some(parsed) if went_back => {
                    // What nobody could read of a service or a cluster may be wanted still, as what was read.
                    if !matches!(parsed, Key::Cluster(_) | Key::Service(_)) {
                        self.problems.remove(&key);
                        self.unknown.remove(&key);
                        self.touch_unfrozen(&key);
                    }
                    self.lose(now, parsed);
                }
                Some(_) | None => self.delete(now, &key, listing.revision),
            }
        }
        let is_state = prefix == keys::STATE;
        for entry in if is_state { paired(news) } else { news } {
            self.known.remove(&entry.key);
            self.put(now, entry);
        }
        if is_state {
            self.rebuild_ledgers();
        }
    }

    /// Takes the records of tasks for what clusters hold of a host whose ledger never could be read.
    fn rebuild_ledgers(&mut self) {
        let mut unread: BTreeSet<Name> = BTreeSet::new();
        for key in self.problems.keys() {
            if let Some(Key::Ledger(host)) = Key::parse(key) {
                unread.insert(host);
            }
        }
        unread.retain(|host| self.hosts.get(host).is_some_and(|view| view.ledger.is_none()));
        for host in unread {
            let ids = self.hosts.get(&host).map(|view| view.tasks.clone()).unwrap_or_default();
            for id in ids {
                let Some(task) = self.tasks.get(&id).map(|view| view.task.clone()) else { continue };
                let ledger = self.ledger_with(&task, super::LedgerChange::Add);
                self.put_ledger(&host, Some(Arc::new(ledger)));
            }
        }
    }

    /// Takes out what a store that went back in time no longer holds, unless it is to be kept.
    fn lose(&mut self, now: Time, key: Key) {
        match key {
            Key::Cluster(_) | Key::Service(_) | Key::Registration(_) => {}
            Key::StoreId
            | Key::HostConfig(_)
            | Key::Definition(..)
            | Key::Task(_)
            | Key::HostTask(..)
            | Key::Ledger(_)
            | Key::ServiceState(_)
            | Key::Lock(_)
            | Key::Alive(_)
            | Key::Usage(_)
            | Key::Move(..)
            | Key::Orphan(..)
            | Key::Offer(..)
            | Key::Bid(..)
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
        let is_old = self.known.get(&entry.key).is_some_and(|known| known.revision >= entry.revision);
        if is_old || !self.buried.outlived(&entry.key, entry.revision) {
            return;
        }
        let known = Known::of(&entry.value, entry.revision);
        self.known.insert(&entry.key, known);
        self.newest = self.newest.max(entry.revision.0);
        self.head = self.head.max(entry.revision);
        let Some(key) = Key::parse(&entry.key) else { return };
        match self.take(now, key, entry, known.digest) {
            Ok(()) => {
                self.problems.remove(&entry.key);
                self.touch_unfrozen(&entry.key);
            }
            Err(fault) => {
                let why = fault.to_string();
                self.notes.push(Note::BadRecord { key: entry.key.clone(), why: why.clone() });
                self.problems.insert(entry.key.clone(), why);
                match fault {
                    Unreadable::Newer(_) | Unreadable::TooLarge { .. } => {
                        self.untouchable.insert(entry.key.clone(), subject(entry));
                    }
                    Unreadable::Damaged(_) => self.touch_unfrozen(&entry.key),
                }
            }
        }
    }

    /// Notes that a record may be rewritten (again).
    fn touch_unfrozen(&mut self, key: &str) {
        if let Some(service) = self.untouchable.remove(key) {
            service.iter().for_each(|service| self.touch_service(service));
            self.retry_blocked();
        }
    }

    /// Reads a record that is rewritten here, and remembers what of it this version does not know.
    fn read_ours<T: DeserializeOwned + Serialize>(
        &mut self,
        entry: &Entry,
        most: usize,
    ) -> Result<T, Unreadable> {
        record::check(&entry.value, most)?;
        let record = read(entry)?;
        match Unknown::of(&entry.value, &record) {
            Some(unknown) => self.unknown.insert(entry.key.clone(), unknown),
            None => self.unknown.remove(&entry.key),
        };
        Ok(record)
    }

    /// Takes in what a fresh read of one key found, whatever of our own was assumed in between.
    pub(crate) fn restore(&mut self, now: Time, key: &str, found: Option<&Entry>, read_at: Revision) {
        if self.known.get(key).is_some_and(|known| known.revision > read_at) {
            return;
        }
        self.buried.heard(key, read_at);
        match found {
            Some(entry) => {
                self.known.remove(key);
                self.put(now, entry);
            }
            None => {
                self.known.insert(key, Known { revision: Revision(0), digest: 0 });
                self.delete(now, key, read_at);
                self.buried.bury(key, read_at);
            }
        }
    }

    /// Notes that our own writes are in the store.
    pub(crate) fn confirm(&mut self, ops: &[Op], revision: Revision) {
        self.newest = self.newest.max(revision.0);
        for op in ops {
            match op {
                Op::Put { key, value, .. } => {
                    if self.known.get(key).is_none_or(|known| known.revision < revision) {
                        self.known.insert(key, Known::of(value, revision));
                    }
                    if key == keys::STORE_ID {
                        self.confirm_store_id();
                    }
                }
                Op::Delete { key } => {
                    if self.known.get(key).is_some_and(|known| known.revision <= revision) {
                        self.known.remove(key);
                        self.unknown.remove(key);
                        self.buried.bury(key, revision);
                    }
                }
            }
        }
    }

    fn take(&mut self, now: Time, key: Key, entry: &Entry, digest: u64) -> Result<(), Unreadable> {
        match key {
            Key::Cluster(name) => {
                let cluster = named(read(entry)?, &name, |cluster: &crate::model::Cluster| &cluster.name)?;
                self.put_cluster(&name, Some(cluster));
            }
            Key::Service(name) => {
                let service = named(read(entry)?, &name, |service: &crate::model::Service| &service.name)?;
                self.fleet.tell_apart_by(service.placement.labels());
                match service.kind {
                    Kind::System => self.systems.insert(name.clone()),
                    Kind::Service | Kind::Batch(_) => self.systems.remove(&name),
                };
                let before = self.services.insert(name.clone(), service.clone());
                self.note_shunned(&name, before.as_deref(), Some(&service));
                let before = before.iter().flat_map(|before| &before.moves);
                let moved: BTreeSet<Name> =
                    before.chain(&service.moves).map(|placed| placed.id.clone()).collect();
                moved.iter().for_each(|id| self.rewelcome(id));
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
                let task: Task = self.read_ours(entry, OURS_BYTES_MAX)?;
                believable(task.generation)?;
                let task = named(task, &id, |task| &task.id)?;
                self.put_task(now, task, digest);
            }
            Key::HostTask(host, id) => {
                record::check(&entry.value, OURS_BYTES_MAX)?;
                self.put_twin(&host, &id, digest, &entry.value);
            }
            Key::Ledger(host) => {
                let ledger = self.read_ours(entry, LEDGER_BYTES_MAX)?;
                self.put_ledger(&host, Some(Arc::new(ledger)));
            }
            Key::ServiceState(service) => {
                let state: ServiceState = self.read_ours(entry, OURS_BYTES_MAX)?;
                believable(state.newest)?;
                self.newest = self.newest.max(state.newest);
                self.put_service_state(&service, Some(Arc::new(state)));
                self.touch_service(&service);
            }
            Key::Lock(cluster) => {
                self.locks.insert(cluster, entry.session.clone());
            }
            Key::StoreId => {
                let id = read::<StoreId>(entry)?.id;
                self.put_store_id(now, id);
            }
            Key::Offer(host, service) => {
                let offer = named(read(entry)?, &service, |offer: &Offer| &offer.service)?;
                self.put_offer(now, &host, &service, Some(offer));
            }
            Key::Registration(_)
            | Key::Alive(_)
            | Key::Usage(_)
            | Key::Move(..)
            | Key::Orphan(..)
            | Key::Bid(..)
            | Key::Status(..) => self.take_word(now, key, entry)?,
        }
        Ok(())
    }

    /// Takes in what an agent says.
    fn take_word(&mut self, now: Time, key: Key, entry: &Entry) -> Result<(), Unreadable> {
        match key {
            Key::Registration(host) => {
                self.put_registration(&host, Some(Arc::new(read(entry)?)));
                self.expect_host(now, &host);
                self.describe_host(&host);
            }
            Key::Alive(host) => {
                let alive = read(entry)?;
                self.recall_by(now, &alive, entry.revision);
                self.put_alive(now, &host, Some(Arc::new(alive)));
            }
            Key::Usage(host) => {
                self.put_usage(&host, Some(Arc::new(read(entry)?)));
            }
            Key::Move(host, id) => {
                let wish: MoveRequest = read(entry)?;
                let reason = shorten(&wish.reason, WORDS_BYTES_MAX).into();
                self.host_entry(&host).moves.insert(id.clone(), Arc::new(MoveRequest { reason, ..wish }));
                self.rewelcome(&id);
            }
            Key::Orphan(host, id) => {
                let task: Task = read(entry)?;
                record::check(&entry.value, OURS_BYTES_MAX)?;
                believable(task.generation)?;
                let is_own = |task: &Task| task.host == host;
                let task = named(task, &id, |task| &task.id)?;
                self.put_orphan(&host, &id, Some(task).filter(|task| is_own(task)));
            }
            Key::Bid(host, service) => {
                let bid = named(read(entry)?, &service, |bid: &Bid| &bid.service)?;
                if !bid.is_possible() {
                    return Err(Unreadable::Damaged(format!("no host can bid {}", bid.sum())));
                }
                self.put_bid(&host, &service, Some(bid));
            }
            Key::Status(host, id) => {
                let status: Status = read(entry)?;
                believable(status.generation)?;
                let reason = status.reason.as_deref().map(|why| shorten(why, WORDS_BYTES_MAX).to_string());
                let status = Arc::new(Status { reason, ..status });
                // In a store that went back in time, agents may speak of placements later than its revisions.
                self.newest = self.newest.max(status.generation);
                let before = self.host_entry(&host).statuses.insert(id.clone(), status.clone());
                if status.blamed > 0 {
                    self.blamed.insert((host.clone(), id.clone()));
                } else if before.is_some_and(|before| before.blamed > 0) {
                    self.blamed.remove(&(host.clone(), id.clone()));
                }
                self.touch_stray(&host, &id);
                self.reclassify(now, &id);
            }
            Key::Cluster(_)
            | Key::Service(_)
            | Key::Definition(..)
            | Key::HostConfig(_)
            | Key::Task(_)
            | Key::HostTask(..)
            | Key::Ledger(_)
            | Key::ServiceState(_)
            | Key::Lock(_)
            | Key::Offer(..)
            | Key::StoreId => {}
        }
        Ok(())
    }

    /// Takes out a key, unless something newer is known.
    pub(crate) fn delete(&mut self, now: Time, key: &str, revision: Revision) {
        self.buried.heard(key, revision);
        match self.known.get(key) {
            Some(known) if known.revision <= revision => {}
            Some(_) | None => return,
        }
        self.known.remove(key);
        self.newest = self.newest.max(revision.0);
        self.head = self.head.max(revision);
        self.problems.remove(key);
        self.touch_unfrozen(key);
        if let Some(parsed) = Key::parse(key) {
            self.remove(now, parsed);
        }
        self.unknown.remove(key);
    }

    fn remove(&mut self, now: Time, key: Key) {
        match key {
            Key::Cluster(name) => self.put_cluster(&name, None),
            Key::Service(name) => {
                let before = self.services.remove(&name);
                self.note_shunned(&name, before.as_deref(), None);
                self.systems.remove(&name);
                self.forgive(&name);
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
                self.put_service_state(&service, None);
                self.touch_service(&service);
            }
            Key::Lock(cluster) => {
                self.locks.remove(&cluster);
            }
            Key::Registration(host) => {
                self.put_registration(&host, None);
                self.describe_host(&host);
                self.reclassify_host(now, &host);
                self.touch_host(&host);
            }
            Key::Alive(host) => self.put_alive(now, &host, None),
            Key::Usage(host) => self.put_usage(&host, None),
            Key::Move(host, id) => {
                self.host_entry(&host).moves.remove(&id);
                self.rewelcome(&id);
            }
            Key::Orphan(host, id) => self.put_orphan(&host, &id, None),
            Key::Offer(host, service) => self.put_offer(now, &host, &service, None),
            Key::Bid(host, service) => self.put_bid(&host, &service, None),
            Key::Status(host, id) => {
                self.host_entry(&host).statuses.remove(&id);
                self.touch_stray(&host, &id);
                self.reclassify(now, &id);
                self.blamed.remove(&(host, id));
            }
            Key::StoreId => self.store_id = None,
        }
    }

    fn put_host_config(&mut self, now: Time, name: &Name, config: Option<Arc<crate::model::HostConfig>>) {
        match &config {
            Some(config) => self.host_configs.insert(name.clone(), config.clone()),
            None => self.host_configs.remove(name),
        };
        self.host_entry(name).config = config;
        self.describe_host(name);
        self.reclassify_host(now, name);
        self.touch_systems();
    }

    pub(super) fn touch_host(&mut self, name: &Name) {
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

/// Puts the copy of each task record right behind it, so that they are compared while both are at hand, and never one with
/// what is yet to come.
fn paired(news: Vec<&Entry>) -> Vec<&Entry> {
    let mut paired = Vec::with_capacity(news.len());
    let mut copies: Table<Name, &Entry> = Table::default();
    let (mut others, mut more) = (Vec::new(), Vec::new());
    for entry in news {
        match Key::parse(&entry.key) {
            Some(Key::HostTask(_, id)) => more.extend(copies.insert(id, entry)),
            Some(Key::Task(id)) => others.push((entry, Some(id))),
            Some(_) | None => others.push((entry, None)),
        }
    }
    for (entry, id) in others {
        paired.push(entry);
        paired.extend(id.and_then(|id| copies.swap_remove(&id)));
    }
    more.extend(copies.into_values());
    more.sort_by(|one, other| one.key.cmp(&other.key));
    paired.extend(more);
    paired
}

/// The most bytes of a task record, and of what is remembered of a service: both are rewritten here, several at once.
const OURS_BYTES_MAX: usize = 8 * 1024;
/// The most bytes of a ledger to which more may be added.
pub(crate) const LEDGER_BYTES_MAX: usize = 48 * 1024;
/// How many bytes of what others say in their words are taken over.
const WORDS_BYTES_MAX: usize = 500;

/// More than any revision of a store, and room for as many placements after it.
const GENERATION_MAX: u64 = 1 << 53;

/// Refuses the number of a placement after which no later one could be counted.
fn believable(generation: u64) -> Result<(), Unreadable> {
    if generation <= GENERATION_MAX {
        return Ok(());
    }
    Err(Unreadable::Damaged(format!("its generation {generation} is more than any placement has had")))
}

fn read<T: DeserializeOwned>(entry: &Entry) -> Result<T, Unreadable> {
    record::read(&entry.value)
}

/// Finds the service that a record speaks of which cannot be used as a whole.
fn subject(entry: &Entry) -> Option<Name> {
    #[derive(Deserialize)]
    struct Subject {
        service: Name,
    }
    match Key::parse(&entry.key) {
        Some(Key::ServiceState(service)) => Some(service),
        Some(Key::Task(_) | Key::HostTask(..)) => {
            serde_json::from_str::<Subject>(&entry.value).ok().map(|subject| subject.service)
        }
        Some(_) | None => None,
    }
}

/// Refuses a record that names another thing than its key.
fn named<T>(record: T, name: &Name, of: impl Fn(&T) -> &Name) -> Result<Arc<T>, Unreadable> {
    if of(&record) == name {
        Ok(Arc::new(record))
    } else {
        Err(Unreadable::Damaged(format!("speaks of {:?}, its key of {name:?}", of(&record))))
    }
}
