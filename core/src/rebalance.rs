//! Which tasks would lie better elsewhere: a few moves toward the aim of each cluster's policy, those that gain most first.
//! It only proposes; what is proposed rests on what the world is now, and users decide.
//!
//! **Invariant:** nothing is proposed that the scheduler could not do with the new task healthy first, nor what the opposite
//! move would mend as much again.

use crate::keys::Key;
use crate::machine::Time;
use crate::mirror::hash;
use crate::model::{Generation, Kind, Name, Placed, Policy, Service, Task, TaskDefinition};
use crate::record;
use crate::scheduler::{Better, Candidate};
use crate::store::Revision;
use crate::world::{Class, GroupKey, LedgerChange, World};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a rebalance may cost, and what it must bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many tasks may move, at most [`MOVES_MAX`].
    pub moves: u32,
    /// What each move must gain, percent.
    pub gain: u32,
}

/// How many tasks a rebalance moves at most: what it rests on is guarded by one transaction.
pub const MOVES_MAX: u32 = 12;
/// How many it moves unless told otherwise.
pub const MOVES_DEFAULT: u32 = 5;
/// What each move must gain unless told otherwise, percent.
pub const GAIN_DEFAULT: u32 = 20;

/// A task that would lie better elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Its cluster.
    pub cluster: Name,
    /// Its service.
    pub service: Name,
    /// The task.
    pub id: Name,
    /// Its placement.
    pub generation: Generation,
    /// Where it is.
    pub from: Name,
    /// Where it would be placed as things are now.
    pub to: Name,
    /// What that gains, percent.
    pub gain: u32,
    /// In words.
    pub why: String,
}

/// What is proposed, and what that rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The moves, those that gain most first.
    pub moves: Vec<Move>,
    /// The keys that must not have changed, with their revisions; none for what must not be there.
    pub rests_on: BTreeMap<String, Option<Revision>>,
}

impl Plan {
    /// Gives the placements that shall move, by service.
    #[must_use]
    pub fn by_service(&self) -> BTreeMap<Name, Vec<Placed>> {
        let mut asked: BTreeMap<Name, Vec<Placed>> = BTreeMap::new();
        for one in &self.moves {
            let placed = Placed { id: one.id.clone(), generation: one.generation };
            asked.entry(one.service.clone()).or_default().push(placed);
        }
        asked
    }
}

impl Move {
    /// Gives the keys that must be as they were when it was proposed.
    #[must_use]
    pub fn rests_on(&self) -> [Key; 4] {
        let [from, to] = [&self.from, &self.to].map(|host| Key::Ledger(host.clone()));
        [Key::Task(self.id.clone()), Key::Service(self.service.clone()), from, to]
    }
}

/// Tells whether a move that was asked for is over, by what is stored of its task: another placement has taken its place, or
/// none. One whose record cannot be read may be there yet.
#[must_use]
pub fn is_spent(placed: &Placed, stored: Option<&str>) -> bool {
    let is_there =
        |record| record::read::<Task>(record).map_or(true, |task| task.generation == placed.generation);
    !stored.is_some_and(is_there)
}

/// A service of which tasks may move.
type Movable = (GroupKey, Arc<Service>, Arc<TaskDefinition>);

/// Proposes moves.
#[must_use]
pub fn rebalance(world: &World, budget: Budget) -> Plan {
    let movable = movable(world);
    let mut scratch = world.clone();
    let mut moves: Vec<Move> = Vec::new();
    let most = usize::try_from(budget.moves.min(MOVES_MAX)).unwrap_or(0);
    while moves.len() < most {
        let taken: BTreeSet<Name> = moves.iter().map(|other| other.id.clone()).collect();
        let step = best_step(&scratch, &movable, most - moves.len(), &taken);
        let Some(step) = step.filter(|step| step.iter().all(|one| one.gain >= budget.gain.max(1))) else {
            break;
        };
        step.iter().for_each(|one| carry_out(&mut scratch, one));
        moves.extend(step);
    }
    let keys = moves.iter().flat_map(Move::rests_on);
    let rests_on = keys.map(|key| (key.path(), world.revision(&key.path()))).collect();
    Plan { moves, rests_on }
}

/// Finds the services of which tasks may move: all tasks that shall be there are, do their work and are of a version that
/// has proven itself, and there may be one more of them, so that none must stop first.
fn movable(world: &World) -> Vec<Movable> {
    let listed = world.homes.iter().map(|(service, cluster)| (cluster.clone(), service.clone()));
    let may = |key: GroupKey| {
        let service = world.services.get(&key.1)?.clone();
        let definition = world.definition(&service.task_name, service.task_version)?.clone();
        let group = world.groups.get(&key)?;
        let of = |class| group.count(service.task_version, class);
        let healthy = u32::try_from(of(Class::Healthy) + of(Class::Mature)).ok()?;
        let is_whole = healthy == service.target() && usize::try_from(healthy) == Ok(group.issued());
        let is_proven = world.service_states.get(&key.1)?.stable == Some(service.task_version);
        let is_calm = group.unwelcome.is_empty() && !world.is_frozen(&key);
        let is_replaceable = service.kind == Kind::Service && !service.exclusive;
        let has_room = service.max > service.target() && is_replaceable;
        (is_whole && is_proven && is_calm && has_room).then_some((key, service, definition))
    };
    listed.filter_map(may).collect()
}

fn packs(world: &World, cluster: &Name) -> bool {
    world.clusters.get(cluster).is_some_and(|cluster| cluster.policy == Policy::Binpack)
}

/// Finds the moves that gain most each; several where they are of use only together.
fn best_step(world: &World, movable: &[Movable], most: usize, taken: &BTreeSet<Name>) -> Option<Vec<Move>> {
    let evened = movable.iter().filter(|(key, ..)| !packs(world, &key.0));
    let mut steps: Vec<Vec<Move>> =
        evened.filter_map(|service| Some(alloc::vec![even(world, service, taken)?])).collect();
    steps.extend(empty(world, movable, most, taken));
    let gain = |step: &Vec<Move>| step.first().map_or(0, |one| one.gain);
    // Of those that gain the same the first.
    steps.into_iter().rev().max_by_key(gain)
}

/// Finds the move of the task of a service that lies worst.
fn even(world: &World, (key, service, definition): &Movable, taken: &BTreeSet<Name>) -> Option<Move> {
    let group = world.groups.get(key)?;
    let at_work = group.of_class(Class::Healthy).chain(group.of_class(Class::Mature));
    let ids = at_work.map(|(_, id)| id).filter(|id| !taken.contains(*id));
    let tasks: Vec<Arc<Task>> =
        ids.filter_map(|id| world.tasks.get(id)).map(|view| view.task.clone()).collect();
    let one = Candidate::new(world, Time(0), key, service, definition);
    let worst = one.departing(tasks, 1).pop()?;
    let task = world.tasks.get(&worst)?.task.clone();
    let Better { host, gain, why } = one.better_for(&task, &BTreeSet::new())?;
    (gain > 0).then(|| propose(&task, host, gain, why))
}

/// Finds the host with the fewest tasks all of which could go to hosts that have some, where the clusters of all of them
/// pack: then it is empty.
fn empty(world: &World, movable: &[Movable], most: usize, taken: &BTreeSet<Name>) -> Option<Vec<Move>> {
    let mut hosts: Vec<(usize, &Name)> =
        world.hosts.iter().map(|(name, host)| (host.tasks.len(), name)).collect();
    hosts.retain(|(tasks, _)| (1..=most).contains(tasks));
    hosts.sort_unstable();
    hosts.into_iter().find_map(|(tasks, host)| {
        let gain = u32::try_from(100 / tasks).unwrap_or(0);
        let ids = &world.hosts.get(host)?.tasks;
        let of = |id: &Name| {
            let task = world.tasks.get(id)?.task.clone();
            let service =
                movable.iter().find(|(key, ..)| (&key.0, &key.1) == (&task.cluster, &task.service))?;
            (packs(world, &task.cluster) && !taken.contains(id)).then_some((task, service))
        };
        let leaving: Vec<(Arc<Task>, &Movable)> = ids.iter().map(of).collect::<Option<_>>()?;
        let bare = world.hosts.iter().filter(|(_, at)| at.tasks.is_empty()).map(|(name, _)| name.clone());
        let not_to: BTreeSet<Name> = bare.chain([host.clone()]).collect();
        let mut scratch = world.clone();
        let mut step = Vec::new();
        for (task, (key, service, definition)) in leaving {
            let candidate = Candidate::new(&scratch, Time(0), key, service, definition);
            let to = candidate.better_for(&task, &not_to)?.host;
            let one = propose(&task, to, gain, format!("{host} is empty then"));
            carry_out(&mut scratch, &one);
            step.push(one);
        }
        Some(step)
    })
}

fn propose(task: &Task, to: Name, gain: u32, why: String) -> Move {
    Move {
        cluster: task.cluster.clone(),
        service: task.service.clone(),
        id: task.id.clone(),
        generation: task.generation,
        from: task.host.clone(),
        to,
        gain,
        why,
    }
}

/// Pretends that a task has moved, and works there.
fn carry_out(world: &mut World, one: &Move) {
    let Some(task) = world.tasks.get(&one.id).map(|view| view.task.clone()) else { return };
    let status = world.status(&task).cloned();
    let ledger = world.ledger_with(&task, LedgerChange::Remove);
    world.put_ledger(&one.from, Some(Arc::new(ledger)));
    world.drop_task(&one.id);
    let there = Task { host: one.to.clone(), port: None, ports: BTreeMap::new(), ..(*task).clone() };
    let ledger = world.ledger_with(&there, LedgerChange::Add);
    world.put_ledger(&one.to, Some(Arc::new(ledger)));
    if let Some(status) = status {
        world.host_entry(&one.to).statuses.insert(one.id.clone(), status);
    }
    let digest = hash(&record::write(&there));
    world.put_task(Time(0), Arc::new(there), digest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_over_when_its_placement_is_surely_gone() {
        let record = |generation: u64| {
            let placed =
                format!(r#""id":"web-1","generation":{generation},"host":"h1","instance":0,"desired":"run""#);
            let of = r#""cluster":"c","service":"web","task_name":"web","version":1,"memory":0"#;
            format!(r#"{{{placed},{of},"reason":"","tenure":1}}"#)
        };
        let check = |stored: Option<&str>, expect: bool| {
            let placed = Placed { id: "web-1".into(), generation: 7 };
            assert_eq!(is_spent(&placed, stored), expect, "{stored:?}");
        };
        check(Some(&record(7)), false);
        check(Some(&record(8)), true);
        check(Some("{"), false);
        check(None, true);
    }
}
