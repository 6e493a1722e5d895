//! Users: they write what they want, and when the store does not take it they try again.

use super::{Stage, Wish};
use crate::check::By;
use crate::event::Event;
use crate::scenario::{arriving, cluster};
use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::{Cluster, Name, Placed, Service};
use callboard_core::rebalance::{Budget, rebalance};
use callboard_core::store::{Entry, Guard, Op, Outcome, Txn};
use callboard_core::world::World;

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
                (Wish::Delete, Some(_)) => Op::Delete { key },
                (Wish::Delete | Wish::Set(_) | Wish::Move(_) | Wish::Strike(_), None) => continue,
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
