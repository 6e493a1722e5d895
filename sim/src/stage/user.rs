//! Users: they write what they want, and when the store does not take it they try again.

use super::{Stage, Wish};
use crate::check::By;
use crate::event::{Event, Undo};
use crate::scenario::{arriving, cluster, make};
use callboard_core::keys::Key;
use callboard_core::machine::{Span, Time};
use callboard_core::model::{Batch, Cluster, Kind, Name, Placed, Service};
use callboard_core::rebalance::{Budget, rebalance};
use callboard_core::store::{Entry, Guard, Op, Outcome, Txn};
use callboard_core::world::World;
use std::sync::Arc;

/// Something that users deleted and will write again.
#[derive(Clone, Debug)]
pub(super) struct Deleted {
    until: Time,
    key: Key,
    value: String,
}

/// Where a service is moved to that has nowhere else to go.
const ELSEWHERE: &str = "elsewhere";

impl Stage {
    /// Lets a user write a service that was not there before, and add it to a cluster.
    pub(super) fn add_service(&mut self, service: &Name, cluster: &Name, tasks: u32, needs: (u64, u64)) {
        let (record, definition) = arriving(service, tasks, needs);
        self.arrived.insert(service.clone(), cluster.clone());
        self.wish(Key::Definition(service.clone(), 1).path(), Wish::Put(definition));
        self.wish(Key::Service(service.clone()).path(), Wish::Put(record));
        self.wish(Key::Cluster(cluster.clone()).path(), Wish::Enlist(service.clone()));
    }

    /// Lets a user ask where tasks would lie better, and have them moved.
    pub(super) fn rebalance(&mut self, budget: Budget) {
        let world = World::of(self.store.memory.entries(""));
        for (service, moves) in rebalance(&world, budget).by_service() {
            self.wish(Key::Service(service).path(), Wish::Move(moves));
        }
    }

    /// Lets a user delete a service, for good or for a while.
    pub(super) fn delete_service(&mut self, service: &Name, lasting: Option<Span>) {
        self.remember(Key::Service(service.clone()), lasting);
        self.wish(Key::Service(service.clone()).path(), Wish::Delete);
        if let Some(cluster) = self.arrived.remove(service) {
            self.wish(Key::Cluster(cluster).path(), Wish::Strike(service.clone()));
        }
    }

    /// Lets a user delete the cluster that lists a service, for good or for a while.
    pub(super) fn delete_cluster(&mut self, service: &Name, lasting: Option<Span>) {
        let Some(home) = self.home(service) else { return };
        self.remember(Key::Cluster(home.clone()), lasting);
        self.wish(Key::Cluster(home).path(), Wish::Delete);
    }

    /// Lets a user move a service to another cluster, which may list it before or after the first lets go.
    pub(super) fn move_service(&mut self, service: &Name) {
        let Some(from) = self.home(service) else { return };
        let clusters = &self.scenario.desired.clusters;
        let other = clusters.iter().map(|cluster| &cluster.name).find(|name| **name != from);
        let to = other.cloned().unwrap_or_else(|| ELSEWHERE.into());
        self.calm_from = self.calm_from.max(self.now());
        let (from, to) = (Key::Cluster(from).path(), Key::Cluster(to).path());
        let both = [(from, Wish::Strike(service.clone())), (to, Wish::Enlist(service.clone()))];
        let first = usize::from(self.faults.coin());
        for (key, wish) in [both[first].clone(), both[1 - first].clone()] {
            self.wish(key, wish);
        }
    }

    /// Takes services off the clusters that list them, but for those that the scenario says do: who applies it all again
    /// is told of those that two would list.
    pub(super) fn unlist_moved(&mut self) {
        let written = Arc::clone(&self.scenario);
        for service in &written.desired.services {
            let Some(home) = self.home(&service.name) else { continue };
            let is_there = |of: &Cluster| of.name == home && of.services.contains(&service.name);
            if !written.desired.clusters.iter().any(is_there) {
                self.wish(Key::Cluster(home).path(), Wish::Strike(service.name.clone()));
            }
        }
    }

    /// Lets a user make a service one of another kind.
    pub(super) fn convert_service(&mut self, service: &Name) {
        let key = Key::Service(service.clone()).path();
        let found = self.store.memory.get(&key).and_then(|entry| serde_json::from_str(&entry.value).ok());
        let Some(Service { kind, .. }) = found else { return };
        let completions = u32::try_from(self.faults.between(1, 6)).unwrap_or(1);
        let time_limit = Some(self.faults.span(Span::secs(20), Span::secs(120)));
        let batch = Kind::Batch(Batch { completions, parallelism: 2, retries: 3, time_limit });
        let kinds = [Kind::Service, Kind::System, batch].into_iter();
        let is_other = |other: &Kind| std::mem::discriminant(other) != std::mem::discriminant(&kind);
        let kinds: Vec<Kind> = kinds.filter(is_other).collect();
        let kind = kinds[usize::from(self.faults.coin())];
        self.calm_from = self.calm_from.max(self.now());
        let counts = match self.scenario.desired.services.iter().find(|it| it.name == *service) {
            _ if !kind.is_counted() => [0; 3],
            Some(written) if written.kind.is_counted() => [written.desired, written.min, written.max],
            Some(_) | None => [2, 0, 3],
        };
        self.wish(key, Wish::Convert(kind, counts));
    }

    /// Gives the cluster that lists a service.
    fn home(&self, service: &Name) -> Option<Name> {
        let mut clusters = self.court.book.clusters.iter();
        let home = clusters.find(|(_, cluster)| cluster.services.contains(service));
        home.map(|(name, _)| name.clone())
    }

    /// Keeps in mind what is deleted for a while.
    fn remember(&mut self, key: Key, lasting: Option<Span>) {
        let found = self.store.memory.get(&key.path()).map(|entry| entry.value.clone());
        if let (Some(value), Some(lasting)) = (found, lasting) {
            let until = self.now() + lasting;
            self.deleted.push(Deleted { until, key, value });
            self.calm_from = self.calm_from.max(until);
            self.queue.push(until, Event::Undo(Undo::PutBack));
        }
    }

    /// Lets users write again what they deleted for a while. No cluster lists then what another does by now.
    pub(super) fn put_back(&mut self) {
        let now = self.now();
        let (over, rest) = std::mem::take(&mut self.deleted).into_iter().partition(|it| it.until <= now);
        self.deleted = rest;
        let over: Vec<Deleted> = over;
        for Deleted { key, value, .. } in over {
            match (&key, serde_json::from_str::<Cluster>(&value)) {
                (Key::Cluster(_), Ok(mut cluster)) => {
                    let new = cluster.services.iter().filter(|service| self.home(service).is_none());
                    let new: Vec<Name> = new.cloned().collect();
                    if self.store.memory.get(&key.path()).is_none() {
                        cluster.services.clear();
                        self.wish(key.path(), Wish::Put(serde_json::to_string(&cluster).unwrap_or_default()));
                    }
                    for service in new {
                        self.wish(key.path(), Wish::Enlist(service));
                    }
                }
                (Key::Cluster(_), Err(_)) => {}
                _ => self.wish(key.path(), Wish::Put(value)),
            }
        }
    }

    /// Takes a user's wish and grants it as soon as the store takes writes.
    pub(super) fn wish(&mut self, key: String, wish: Wish) {
        self.wishes.push((key, wish));
        self.grant_wishes();
    }

    /// Writes what users want, in the order in which they wanted it.
    pub(super) fn grant_wishes(&mut self) {
        let now = self.now();
        if !self.store.takes_puts(now) {
            self.queue.push(now + Span::secs(1), Event::UserRetry);
            return;
        }
        for (key, wish) in std::mem::take(&mut self.wishes) {
            let found = self.store.memory.get(&key).cloned();
            let guard = match &found {
                Some(entry) => Guard::At { key: key.clone(), revision: entry.revision },
                None => Guard::Absent { key: key.clone() },
            };
            let put = |value: String| Op::Put { key: key.clone(), value, session: None };
            let op = match (wish, found) {
                (Wish::Put(value), _) => put(value),
                (Wish::Set(change), Some(entry)) => match change.apply(&entry.value) {
                    Some(value) => put(value),
                    None => continue,
                },
                (Wish::Move(moves), Some(entry)) => match moved(&entry.value, moves) {
                    Some(value) => put(value),
                    None => continue,
                },
                (Wish::Enlist(service), found) => match enlisted(&key, found.as_ref(), service) {
                    Some(value) => put(value),
                    None => continue,
                },
                (Wish::Strike(service), Some(entry)) => match struck(&entry.value, &service) {
                    Some(value) => put(value),
                    None => continue,
                },
                (Wish::Convert(kind, counts), Some(entry)) => match converted(&entry.value, kind, counts) {
                    Some(value) => put(value),
                    None => continue,
                },
                (Wish::Delete, Some(_)) => Op::Delete { key },
                (Wish::Delete | Wish::Set(_) | Wish::Move(_) | Wish::Strike(_) | Wish::Convert(..), None) => {
                    continue;
                }
            };
            let txn = Txn { guards: vec![guard], ops: vec![op] };
            let (outcome, deliveries) = self.store.memory.commit(&txn);
            debug_assert!(matches!(outcome, Outcome::Committed(_)), "a user's wish was refused: {outcome:?}");
            self.publish(By::User, Some(&txn), deliveries);
        }
    }
}

/// Writes the record of a service of which these placements shall move; `None` when it cannot be read.
fn moved(record: &str, moves: Vec<Placed>) -> Option<String> {
    let service: Service = serde_json::from_str(record).ok()?;
    serde_json::to_string(&Service { moves, ..service }).ok()
}

/// Writes the record of a service of another kind; `None` when it cannot be read.
fn converted(record: &str, kind: Kind, counts: [u32; 3]) -> Option<String> {
    let mut service: Service = serde_json::from_str(record).ok()?;
    make(&mut service, kind, counts);
    serde_json::to_string(&service).ok()
}

/// Writes the record of a cluster with one service more; `None` when it cannot be read.
fn enlisted(key: &str, found: Option<&Entry>, service: Name) -> Option<String> {
    let mut cluster: Cluster = match found {
        Some(entry) => serde_json::from_str(&entry.value).ok()?,
        None => cluster(key.rsplit('/').next()?.into()),
    };
    if !cluster.services.contains(&service) {
        cluster.services.push(service);
    }
    serde_json::to_string(&cluster).ok()
}

/// Writes the record of a cluster with one service less; `None` when it cannot be read.
fn struck(record: &str, service: &Name) -> Option<String> {
    let mut cluster: Cluster = serde_json::from_str(record).ok()?;
    cluster.services.retain(|listed| listed != service);
    serde_json::to_string(&cluster).ok()
}
