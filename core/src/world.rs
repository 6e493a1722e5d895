//! The mirror of the store, parsed, with the indexes that make planning cheap. Every change is taken in at the cost of
//! what it touches; planning then asks for counts and firsts and never walks the cluster.
//!
//! **Invariant:** the indexes follow from the records alone; [`crate::invariants`] computes them anew and compares.

mod auction;
mod buried;
mod group;
mod home;
mod host;
mod intake;
mod issued;
mod known;
mod orphan;
mod state;
mod task;
mod turn;

pub use auction::{Auction, BID_WAIT};
pub use group::{Group, GroupKey};
pub(crate) use host::LedgerChange;
pub use host::{HostView, PRESSED_PERCENT, Presence};
pub use task::{Class, TaskView};
pub(crate) use turn::Turn;

use crate::keys::Key;
use crate::machine::{Span, Time};
use crate::model::{
    Cluster, HostConfig, Name, Neighbor, Service, ServiceState, Task, TaskDefinition, Version,
};
use crate::placement::Fleet;
use crate::record::Unknown;
use crate::store::{Revision, SessionId};
use crate::table::Table;
use crate::why::Note;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use buried::Buried;
use known::KnownKeys;
use serde::{Deserialize, Serialize};

/// All a scheduler knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct World {
    /// Clusters.
    pub clusters: BTreeMap<Name, Arc<Cluster>>,
    /// Services.
    pub services: BTreeMap<Name, Arc<Service>>,
    /// Task definitions, by name and version.
    pub definitions: BTreeMap<Name, BTreeMap<Version, Arc<TaskDefinition>>>,
    /// What users say of hosts.
    pub host_configs: BTreeMap<Name, Arc<HostConfig>>,
    /// What schedulers remember of services.
    pub service_states: BTreeMap<Name, Arc<ServiceState>>,
    /// How many services each cluster is remembered for.
    pub(crate) remembering: BTreeMap<Name, u32>,
    /// What tells the store from others.
    pub store_id: Option<Name>,
    /// What told the store from others that was seen last.
    pub(crate) known_store: Option<Name>,
    /// Who holds which cluster's lock.
    pub locks: BTreeMap<Name, Option<SessionId>>,
    /// Tasks, by id.
    pub tasks: Table<Name, TaskView>,
    /// Hosts, by name.
    pub hosts: BTreeMap<Name, HostView>,
    /// Those of them that are not registered.
    pub(crate) unregistered: BTreeSet<Name>,
    /// Tasks by cluster and service.
    pub groups: BTreeMap<GroupKey, Group>,
    /// Services that have a task on each host that qualifies.
    pub(crate) systems: BTreeSet<Name>,
    /// The services that keep away from one.
    pub(crate) shunned: BTreeMap<Name, BTreeSet<Name>>,
    /// The cluster that lists a service.
    pub homes: BTreeMap<Name, Name>,
    /// Services that several clusters list.
    #[serde(default)]
    pub(crate) contested: BTreeSet<Name>,
    /// What is offered to hosts, and what they bid, by service.
    pub auctions: BTreeMap<Name, Auction>,
    /// Services of which something cannot be placed.
    pub blocked: BTreeMap<GroupKey, Blocked>,
    /// Hosts that a service shall not be placed on for a while, since it failed there.
    pub avoided: BTreeMap<(Name, Name), Avoided>,
    /// Records that cannot be used, by key.
    pub problems: BTreeMap<String, String>,
    /// The hosts as placement sees them.
    pub(crate) fleet: Fleet,
    /// Records that are there and must not be rewritten here, by key, with the service that they speak of where that can
    /// be told.
    pub(crate) untouchable: BTreeMap<String, Option<Name>>,
    /// What the records say that this version does not know, by key.
    pub(crate) unknown: BTreeMap<String, Unknown>,
    /// Tasks that run although the store lost their records: the hosts that say so, by service and id.
    pub(crate) orphans: BTreeMap<GroupKey, BTreeSet<(Name, Name)>>,
    /// The store went back, and agents have until then to say what runs.
    pub(crate) recalling: Option<Time>,
    /// A sign of life of an agent that had seen a later store has been taken into account.
    pub(crate) recalled: bool,
    /// The store went back, and is to get another id, so that agents which were away then learn of it.
    pub(crate) rename_store: bool,
    /// The id that was written for it last, and of which nobody knows yet whether it is there.
    pub(crate) naming: Option<Name>,
    /// The store's revision, as far as it is known.
    pub(crate) head: Revision,
    /// What every key held when it was last read or written.
    pub(crate) known: KnownKeys,
    /// Keys that are gone although no watch has said so yet.
    pub(crate) buried: Buried,
    /// Newest revision and generation seen.
    pub(crate) newest: u64,
    /// What hosts say went down as it was started: hosts and ids of tasks.
    pub(crate) blamed: BTreeSet<(Name, Name)>,
    /// Services that blame a host for being lost, until it is back.
    #[serde(default)]
    pub(crate) accusing: BTreeSet<Name>,
    /// Tasks whose record and copy may differ.
    pub(crate) unpaired: BTreeSet<Name>,
    /// What the copies say that differ from their records.
    #[serde(default)]
    pub(crate) differing: BTreeMap<Name, String>,
    /// Hosts and ids of copies without a record.
    pub(crate) strays: BTreeSet<(Name, Name)>,
    /// Groups to look at again, the more important ones of each cluster first.
    pub(crate) dirty: BTreeSet<Turn>,
    /// Hosts and ids of tasks that stop to make room for a more important service.
    pub(crate) promised: BTreeSet<(Name, Name)>,
    /// Moments at which something must be looked at again.
    pub(crate) timers: BTreeSet<(Time, Timer)>,
    /// Worth telling.
    pub(crate) notes: Vec<Note>,
}

/// Something that time alone changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// A task may have been healthy for long enough, or not healthy for too long.
    Task(Name),
    /// A silent host may count as lost.
    Host(Name),
    /// A service may be tried again on a host where it failed.
    Avoided(GroupKey),
    /// Hosts had time to bid for a task of a service.
    Offered(Name),
    /// Agents had time to say what runs.
    Recalled,
}

/// Why some tasks of a service are not placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// How many.
    pub missing: u32,
    /// In words, hosts counted by reason.
    pub why: String,
}

/// Memory of a service that failed on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Avoided {
    /// Not placed there before.
    pub until: Time,
    /// How often it failed there.
    pub times: u32,
    /// How it failed last.
    pub why: String,
    /// The version that did; 0 where another has proven itself there since.
    #[serde(default)]
    pub version: Version,
    /// So did another one before, so that it may be the host: known of services that have a task on each.
    #[serde(default)]
    pub lasting: bool,
}

const AVOID_FIRST: Span = Span::secs(10);
const AVOID_MAX: Span = Span::secs(300);

impl World {
    /// Gives the revision of a key, or none when it does not exist.
    #[must_use]
    pub fn revision(&self, key: &str) -> Option<Revision> {
        self.known.get(key).map(|known| known.revision)
    }

    /// Finds a task definition.
    #[must_use]
    pub fn definition(&self, name: &str, version: Version) -> Option<&Arc<TaskDefinition>> {
        self.definitions.get(name)?.get(&version)
    }

    /// Gives how long a host may be silent: hosts are shared, so the most patient cluster decides.
    #[must_use]
    pub fn host_grace(&self) -> Span {
        let longest = self.clusters.values().map(|cluster| cluster.host_grace).max();
        longest.unwrap_or(crate::model::HOST_GRACE_DEFAULT)
    }

    /// Keeps in mind whom a service keeps away from, and whom it no longer does.
    pub(crate) fn note_shunned(&mut self, service: &Name, before: Option<&Service>, after: Option<&Service>) {
        let shuns = |of: Option<&Service>| -> Vec<Name> {
            let apart = of.into_iter().flat_map(|of| &of.placement.apart);
            apart.filter(|other| other.weight.is_none()).map(|other| other.service.clone()).collect()
        };
        let (before, after) = (shuns(before), shuns(after));
        for other in &before {
            if let Some(shunning) = self.shunned.get_mut(other) {
                shunning.remove(service);
            }
        }
        self.shunned.retain(|_, shunning| !shunning.is_empty());
        for other in &after {
            self.shunned.entry(other.clone()).or_default().insert(service.clone());
        }
        if before != after {
            self.retry_blocked();
        }
    }

    /// Gives the services that keep away from one, as that one is to keep away from them.
    pub(crate) fn shunning(&self, service: &Name) -> Vec<Neighbor> {
        let mut shunning = Vec::new();
        for other in self.shunned.get(service).into_iter().flatten() {
            let apart = self.services.get(other).into_iter().flat_map(|other| &other.placement.apart);
            let own = apart.filter(|apart| apart.weight.is_none() && apart.service == *service);
            shunning.extend(own.map(|apart| Neighbor { service: other.clone(), ..apart.clone() }));
        }
        shunning
    }

    /// Gives a generation larger than any that an id now free can have had.
    pub(crate) fn next_generation(&self) -> u64 {
        self.newest + 1
    }

    /// Tells whether nothing is to be decided about a service: some record of it is there and cannot be used, so that what
    /// it would say is not known; or its configuration is only remembered, from before the store went back.
    pub(crate) fn is_frozen(&self, key: &GroupKey) -> bool {
        self.why_frozen(key).is_some()
    }

    /// Says why nothing is to be decided about a service, if that is so.
    pub(crate) fn why_frozen(&self, (cluster, service): &GroupKey) -> Option<String> {
        let is_remembered = self.services.contains_key(service)
            && !self.known.contains(&Key::Service(service.clone()).path());
        if is_remembered || self.is_remembered(cluster) {
            let whose = if is_remembered { service } else { cluster };
            return Some(format!(
                "the store has lost the configuration of {whose}: apply it again, or delete it"
            ));
        }
        if self.untouchable.is_empty() && self.problems.is_empty() {
            return None;
        }
        let unread = |known: bool, key: Key| (!known).then(|| key.path());
        let mut records = self.untouchable.iter().filter(|(_, of)| of.as_ref() == Some(service));
        let own = records.next().map(|(key, _)| key.clone());
        let unread = [
            unread(self.services.contains_key(service), Key::Service(service.clone())),
            unread(self.clusters.contains_key(cluster), Key::Cluster(cluster.clone())),
        ];
        let mut keys = own.into_iter().chain(unread.into_iter().flatten());
        keys.find_map(|key| self.problems.get(&key).map(|why| format!("{key}: {why}")))
    }

    /// Tells whether a cluster is only remembered, from before the store went back.
    pub(crate) fn is_remembered(&self, cluster: &Name) -> bool {
        self.clusters.contains_key(cluster) && !self.known.contains(&Key::Cluster(cluster.clone()).path())
    }

    /// Tells whether the record under a key is there and must not be rewritten here.
    pub(crate) fn is_untouchable(&self, key: &Key) -> bool {
        !self.untouchable.is_empty() && self.untouchable.contains_key(&key.path())
    }

    /// Remembers that a service failed on a host, so that it is tried elsewhere, and here only after a while.
    pub(crate) fn avoid(&mut self, now: Time, group: &GroupKey, task: &Task, why: String) {
        let (pair, version) = ((group.1.clone(), task.host.clone()), task.version);
        let before = self.avoided.get(&pair);
        let is_other = |before: &Avoided| before.version != 0 && before.version != version;
        let lasting = before.is_some_and(|before| before.lasting || is_other(before));
        let times = before.map_or(0, |avoided| avoided.times).saturating_add(1);
        let span = Span(AVOID_FIRST.0 << times.saturating_sub(1).min(5)).min(AVOID_MAX);
        let until = now + span;
        self.avoided.insert(pair, Avoided { until, times, why, version, lasting });
        self.timers.insert((until, Timer::Avoided(group.clone())));
    }

    /// Forgets where a service failed: it has changed.
    pub(crate) fn forgive(&mut self, service: &Name) {
        if !self.systems.contains(service) {
            return self.avoided.retain(|(avoided, _), _| avoided != service);
        }
        // Its tasks have no other host to go to: that a host fails one version after the other is remembered.
        let of_service = self.avoided.iter_mut().filter(|((of, _), _)| of == service);
        of_service.for_each(|(_, avoided)| (avoided.until, avoided.times) = (Time(0), 0));
    }

    /// Takes what happened since the last call.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        core::mem::take(&mut self.notes)
    }
}
