//! One transaction in the making. What is added to it is in the world at once, so that the next decision already counts
//! with it.
//!
//! **Invariant:** every key written is guarded by the revision it had when this batch first touched it, and all by the
//! lock. Nothing is placed on a host but under the condition that it is still heard of and users still say of it what they
//! said when it was chosen; and none is given up but under the condition that it is still not heard of.

use crate::keys::Key;
use crate::machine::Time;
use crate::mirror::{digest, hash, mix};
use crate::model::{Desired, Ledger, Name, Offer, ServiceState, StoreId, Task};
use crate::record::{self, Unknown};
use crate::store::{Guard, Op, Revision, SessionId, TXN_BYTES_MAX, TXN_OPS_MAX, Txn};
use crate::why::Note;
use crate::world::{LedgerChange, World};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::Serialize;

/// A transaction under one cluster's lock.
pub(crate) struct Batch {
    pub(crate) cluster: Name,
    pub(crate) tenure: Revision,
    session: SessionId,
    guards: BTreeMap<String, Option<Revision>>,
    ops: BTreeMap<String, Option<String>>,
    bytes: usize,
    /// What all of it may weigh.
    most: usize,
    /// The host that was given a task last, until somebody has followed that up.
    pub(super) begun: Option<Name>,
    pub(crate) notes: Vec<Note>,
}

/// What a transaction may weigh that may well be refused: all that it writes is read again then. Two steps, and the store's
/// id.
const WEIGHT_TRIED: usize = 20;
/// More than one step weighs: removing a task deletes its pair and its status, and writes the ledger and the service's
/// state, while its host is gone.
const WEIGHT_A_STEP: usize = 9;
/// What weighs that a host is as it was: its sign of life, what users say of it, and its ledger.
const WEIGHT_OF_A_HOST: usize = 3;
/// What an order to stop weighs: the pair of the task, and the state of its service.
const WEIGHT_A_STOP: usize = 3;
/// More than the records of an order to stop weigh, bytes.
const BYTES_A_STOP: usize = 28 * 1024;
/// More than the keys of all offers of a service weigh, bytes.
const BYTES_OF_OFFERS: usize = 4 * 1024;
/// The reason for an adopted task to be where it is.
const ADOPTED: &str = "it ran there when the store had lost its record";
/// What the lock guard weighs.
const LOCK_WEIGHT: usize = 2;
/// More than the records that one step writes will weigh, bytes: the pair of a task, a ledger, a service's state.
const BYTES_A_STEP: usize = 88 * 1024;

impl Batch {
    pub(crate) fn new(cluster: Name, session: SessionId, tenure: Revision) -> Batch {
        Batch {
            cluster,
            tenure,
            session,
            guards: BTreeMap::new(),
            ops: BTreeMap::new(),
            bytes: 0,
            most: TXN_OPS_MAX,
            begun: None,
            notes: Vec::new(),
        }
    }

    /// Keeps it small: the store has refused the last one for want of space, a leader, or whatever else.
    pub(crate) fn be_small(&mut self) {
        self.most = WEIGHT_TRIED;
    }

    /// Tells whether `steps` more placements or stops surely fit, each of which is safe on its own.
    pub(crate) fn has_room(&self, steps: usize) -> bool {
        self.weight() + WEIGHT_A_STEP * steps <= self.most
            && self.bytes + BYTES_A_STEP * steps <= TXN_BYTES_MAX
    }

    /// Tells whether a task surely fits that takes the place of another: a step to create it, one to stop the other, and one
    /// to take back offers.
    pub(crate) fn has_room_to_replace(&self) -> bool {
        self.weight() + WEIGHT_A_STEP * 3 <= self.most
            && self.bytes + BYTES_A_STEP + BYTES_A_STOP + BYTES_OF_OFFERS <= TXN_BYTES_MAX
    }

    /// Tells whether orders to stop so many tasks of one host surely fit, which are given together or not at all.
    pub(crate) fn has_room_for_stops(&self, stops: usize) -> bool {
        let weight = WEIGHT_OF_A_HOST + WEIGHT_A_STOP * stops;
        self.weight() + weight <= self.most && self.bytes + BYTES_A_STOP * stops <= TXN_BYTES_MAX
    }

    fn weight(&self) -> usize {
        let deletes = self.ops.values().filter(|value| value.is_none()).count();
        // Every write has a guard; a guard without a write weighs as much.
        self.guards.len() + deletes + LOCK_WEIGHT
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Writes a new or changed task under both of its keys.
    pub(crate) fn put_task(&mut self, now: Time, world: &mut World, task: Task) {
        let (own, twin) = World::pair(&task);
        let json = self.put(world, &own, &task);
        self.write(world, &twin, Some(json.clone()));
        let digest = digest(&json);
        let (host, id) = (task.host.clone(), task.id.clone());
        world.put_task(now, Arc::new(task), digest);
        world.put_twin(&host, &id, digest, &json);
    }

    /// Removes a task's record and gives its claim back; not where that cannot be written down.
    pub(crate) fn remove_task(&mut self, world: &mut World, task: &Task) {
        let (own, twin) = World::pair(task);
        if world.is_untouchable(&Key::Ledger(task.host.clone())) {
            return;
        }
        self.write(world, &own, None);
        self.write(world, &twin, None);
        self.claim(world, task, LedgerChange::Remove);
        world.drop_twin(&task.host, &task.id);
        world.drop_task(&task.id);
        self.notes.push(Note::Removed { id: task.id.clone(), host: task.host.clone() });
    }

    /// Removes what a host's agent said of a task: the host itself is gone for good, if it is not back meanwhile.
    pub(crate) fn remove_status(&mut self, world: &World, task: &Task) {
        self.rely_on(world, &Key::Alive(task.host.clone()));
        self.write(world, &Key::Status(task.host.clone(), task.id.clone()), None);
    }

    /// Offers a host one more task of a service, or takes that back.
    pub(crate) fn put_offer(
        &mut self,
        now: Time,
        world: &mut World,
        (host, service): (&Name, &Name),
        offer: Option<Arc<Offer>>,
    ) {
        let key = Key::Offer(host.clone(), service.clone());
        match &offer {
            Some(offer) => drop(self.put(world, &key, &**offer)),
            None => self.write(world, &key, None),
        }
        world.put_offer(now, host, service, offer);
    }

    /// Has the transaction go through only while a key is as it is known now.
    pub(crate) fn rely_on(&mut self, world: &World, key: &Key) {
        let path = key.path();
        if !self.guards.contains_key(&path) {
            self.bytes += path.len();
            let revision = world.revision(&path);
            self.guards.insert(path, revision);
        }
    }

    /// Removes what the agent of a host that is gone said of a task without a record.
    pub(crate) fn remove_orphan(&mut self, world: &mut World, task: &Task) {
        self.write(world, &Key::Orphan(task.host.clone(), task.id.clone()), None);
        world.put_orphan(&task.host, &task.id, None);
    }

    /// Writes the record of a task again that its host runs, in the place of an older one under its id if there is one.
    pub(crate) fn adopt_task(&mut self, now: Time, world: &mut World, task: &Task) {
        self.rely_on(world, &Key::Orphan(task.host.clone(), task.id.clone()));
        if let Some(older) = world.tasks.get(&task.id).map(|view| view.task.clone()) {
            self.claim(world, &older, LedgerChange::Remove);
        }
        let reason = ADOPTED.into();
        self.create_task(now, world, Task { reason, tenure: self.tenure.0, ..task.clone() });
    }

    /// Creates a task and claims what it needs, if its host is still as it was when it was chosen.
    pub(crate) fn create_task(&mut self, now: Time, world: &mut World, task: Task) {
        self.rely_on(world, &Key::Alive(task.host.clone()));
        self.rely_on(world, &Key::HostConfig(task.host.clone()));
        let copy = world.stray(&task.host, &task.id).and_then(|copy| record::read::<Task>(copy).ok());
        if let Some(copy) = copy.filter(|copy| copy.cluster == self.cluster) {
            self.release_copy(world, &copy);
        }
        self.claim(world, &task, LedgerChange::Add);
        self.begun = Some(task.host.clone());
        self.put_task(now, world, task);
    }

    /// Has the transaction go through only while a host is heard of, users say of it what they said, and it holds what it
    /// held.
    pub(crate) fn rely_on_host(&mut self, world: &World, host: &Name) {
        self.rely_on(world, &Key::Alive(host.clone()));
        self.rely_on(world, &Key::HostConfig(host.clone()));
        self.rely_on(world, &Key::Ledger(host.clone()));
    }

    /// Orders a task to stop.
    pub(crate) fn stop_task(
        &mut self,
        now: Time,
        world: &mut World,
        task: &Task,
        why: crate::why::StopReason,
    ) {
        let stopped = Task {
            desired: Desired::Stop,
            makes_room_for: why.beneficiary().cloned(),
            reason: alloc::format!("{why}"),
            tenure: self.tenure.0,
            ..task.clone()
        };
        self.notes.push(Note::StopOrdered {
            id: task.id.clone(),
            service: task.service.clone(),
            host: task.host.clone(),
            why,
        });
        self.put_task(now, world, stopped);
    }

    /// Orders the holder of a copy without a record to stop what it speaks of.
    pub(crate) fn stop_copy(&mut self, world: &mut World, task: &Task, why: crate::why::StopReason) {
        let twin = World::pair(task).1;
        let stopped = Task {
            desired: Desired::Stop,
            reason: alloc::format!("{why}"),
            tenure: self.tenure.0,
            ..task.clone()
        };
        let unknown = world.stray(&task.host, &task.id).and_then(|value| Unknown::of(value, task));
        let json = unknown.map_or_else(|| record::write(&stopped), |unknown| unknown.write(&stopped));
        self.write(world, &twin, Some(json.clone()));
        world.put_twin(&task.host, &task.id, digest(&json), &json);
        let (id, service, host) = (task.id.clone(), task.service.clone(), task.host.clone());
        self.notes.push(Note::StopOrdered { id, service, host, why });
    }

    /// Removes a copy without a record, and gives back what it still holds.
    pub(crate) fn remove_copy(&mut self, world: &mut World, task: &Task) {
        self.release_copy(world, task);
        self.write(world, &World::pair(task).1, None);
        world.drop_twin(&task.host, &task.id);
    }

    /// Gives back what a copy still holds since somebody took its record away by hand.
    fn release_copy(&mut self, world: &mut World, task: &Task) {
        let ledger = world.hosts.get(&task.host).and_then(|host| host.ledger.as_deref());
        let line = ledger.and_then(|ledger| ledger.clusters.get(&task.cluster));
        let holds = line.is_some_and(|line| task.port.is_none_or(|port| line.ports.contains(&port)));
        if holds && !world.is_untouchable(&Key::Ledger(task.host.clone())) {
            self.claim(world, task, LedgerChange::Remove);
        }
    }

    /// Writes what is to be remembered of a service, or forgets it.
    pub(crate) fn put_state(&mut self, world: &mut World, service: &Name, state: Option<ServiceState>) {
        let key = Key::ServiceState(service.clone());
        match state {
            Some(state) => {
                self.put(world, &key, &state);
                world.put_service_state(service, Some(Arc::new(state)));
            }
            None => {
                self.write(world, &key, None);
                world.put_service_state(service, None);
                // Where it moved to waits for this.
                world.touch_service(service);
            }
        }
    }

    /// Gives a store that has none, or that went back, what tells it from others: a hash of the session and tenure
    /// under which this is written, which no other store has had together.
    pub(crate) fn name_store(&mut self, world: &mut World, instance: &str) {
        let is_named = world.store_id.is_some() && !world.rename_store;
        if is_named || world.is_untouchable(&Key::StoreId) {
            return;
        }
        let (place, moment) = (hash(&self.session.0), mix(hash(instance), self.tenure.0));
        let id: Name = format!("{:016x}", mix(place, moment)).into();
        self.put(world, &Key::StoreId, &StoreId { id: id.clone() });
        world.naming = Some(id.clone());
        world.store_id = Some(id);
    }

    /// Gives the transaction, with the keys it writes.
    pub(crate) fn finish(self) -> (Txn, Vec<Note>) {
        let lock = Key::Lock(self.cluster.clone()).path();
        let mut guards = alloc::vec![Guard::Held { key: lock, session: self.session, tenure: self.tenure }];
        guards.extend(self.guards.into_iter().map(|(key, revision)| match revision {
            Some(revision) => Guard::At { key, revision },
            None => Guard::Absent { key },
        }));
        let ops = self.ops.into_iter().map(|(key, value)| match value {
            Some(value) => Op::Put { key, value, session: None },
            None => Op::Delete { key },
        });
        // A key that was absent and is deleted again within the batch has never been: nothing to write.
        let ops: Vec<Op> = ops
            .filter(|op| {
                !(matches!(op, Op::Delete { .. })
                    && guards.iter().any(|guard| matches!(guard, Guard::Absent { key } if key == op.key())))
            })
            .collect();
        (Txn { guards, ops }, self.notes)
    }

    fn claim(&mut self, world: &mut World, task: &Task, change: LedgerChange) {
        let ledger: Ledger = world.ledger_with(task, change);
        self.put(world, &Key::Ledger(task.host.clone()), &ledger);
        world.put_ledger(&task.host, Some(Arc::new(ledger)));
    }

    fn put<T: Serialize>(&mut self, world: &World, key: &Key, record: &T) -> String {
        let unknown = if world.unknown.is_empty() { None } else { world.unknown.get(&key.path()) };
        let json = unknown.map_or_else(|| record::write(record), |unknown| unknown.write(record));
        self.write(world, key, Some(json.clone()));
        json
    }

    fn write(&mut self, world: &World, key: &Key, value: Option<String>) {
        let path = key.path();
        if value.is_none() && !self.guards.contains_key(&path) && world.revision(&path).is_none() {
            return;
        }
        self.rely_on(world, key);
        self.bytes += path.len() + value.as_ref().map_or(0, String::len);
        self.ops.insert(path, value);
    }
}
