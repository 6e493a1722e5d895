//! Where a task goes: filter, score, pick, over the world's index of hosts by load.
//!
//! **Invariant:** the pick is the exact best by the policy's order, whatever the index skipped.

use super::filter::{Candidate, Obstacle, free_port};
use crate::keys::{Key, task_id};
use crate::machine::Time;
use crate::mirror::{hash, mix};
use crate::model::{Desired, Name, Policy, Task, TaskDefinition, Version};
use crate::world::{Blocked, GroupKey, Load, World};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Makes the record of one more task of a service, on the best host.
pub(crate) fn place(
    world: &World,
    now: Time,
    key: &GroupKey,
    definition: &TaskDefinition,
    tenure: u64,
) -> Option<Task> {
    let (cluster, service) = key;
    let candidate = Candidate { service, definition };
    let policy = world.clusters.get(cluster).map_or(Policy::default(), |cluster| cluster.policy);
    let choice = match policy {
        Policy::Spread => spread(world, now, key, &candidate),
        Policy::Binpack => binpack(world, now, &candidate),
    }?;
    let version: Version = definition.version;
    let (id, instance) = free_id(world, key, version);
    let host = &world.hosts[&choice.host];
    let generation = world.next_generation();
    let port = match definition.port {
        // Another placement gets another port: this one may be taken by a stranger.
        0 if definition.provide_port => Some(free_port(host, mix(hash(&id), generation))?),
        0 => None,
        fixed => Some(fixed),
    };
    Some(Task {
        id,
        cluster: cluster.clone(),
        service: service.clone(),
        task_name: definition.name.clone(),
        version,
        instance,
        generation,
        host: choice.host,
        port,
        memory: definition.memory,
        cpu_units: definition.cpu_units,
        desired: Desired::Run,
        reason: choice.why,
        tenure,
    })
}

/// Finds an id under which there is no task, nor anything that might be one.
fn free_id(world: &World, key: &GroupKey, version: Version) -> (Name, u32) {
    let mut least = 0;
    loop {
        let instance = world.groups.get(key).map_or(least, |group| group.free_instance(version, least));
        let id = task_id(&key.0, &key.1, version, instance);
        // A foreign record may speak of the same instance under another id.
        let is_free = !world.tasks.contains_key(&id) && !world.is_orphan(key, &id);
        if is_free && !world.is_untouchable(&Key::Task(id.clone())) {
            return (id, instance);
        }
        least = instance + 1;
    }
}

struct Choice {
    host: Name,
    why: String,
}

/// The host with the fewest tasks of the service, then the least loaded, then by name.
fn spread(world: &World, now: Time, key: &GroupKey, candidate: &Candidate<'_>) -> Option<Choice> {
    let group = world.groups.get(key);
    let count_on = |host: &Name| group.and_then(|group| group.per_host.get(host)).copied().unwrap_or(0);
    // No host can have fewer than this: once one is found that has as few, those behind it in the order can only be
    // fuller.
    let fewest = match group {
        Some(group) if group.per_host.len() >= world.by_load.len() => {
            if world.by_load.iter().all(|(_, host)| group.per_host.contains_key(host)) {
                group.hosts_by_count.keys().next().copied().unwrap_or(0)
            } else {
                0
            }
        }
        Some(_) | None => 0,
    };
    let mut best: Option<(u32, &(Load, Name))> = None;
    for entry in &world.by_load {
        let count = count_on(&entry.1);
        if best.is_some_and(|(least, _)| count >= least) {
            continue;
        }
        if candidate.obstacle(world, now, &entry.1, &world.hosts[&entry.1]).is_some() {
            continue;
        }
        best = Some((count, entry));
        if count <= fewest {
            break;
        }
    }
    best.map(|(count, ((load, _), host))| Choice {
        host: host.clone(),
        why: format!("spread: {count} of the service there, {}.{} % reserved", load / 10, load % 10),
    })
}

/// The fullest host that still has room, then by name.
fn binpack(world: &World, now: Time, candidate: &Candidate<'_>) -> Option<Choice> {
    world
        .by_load
        .iter()
        .rev()
        .find(|(_, host)| candidate.obstacle(world, now, host, &world.hosts[host]).is_none())
        .map(|((load, _), host)| Choice {
            host: host.clone(),
            why: format!("binpack: {}.{} % reserved", load / 10, load % 10),
        })
}

/// Counts hosts by the first obstacle they put in the way.
pub(crate) fn blocked(
    world: &World,
    now: Time,
    service: &Name,
    definition: &TaskDefinition,
    missing: u32,
) -> Blocked {
    let candidate = Candidate { service, definition };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (name, host) in &world.hosts {
        if let Some(obstacle) = candidate.obstacle(world, now, name, host) {
            *counts.entry(obstacle.kind()).or_insert(0) += 1;
        }
    }
    if counts.is_empty() {
        return Blocked { missing, why: "there is no host".into() };
    }
    let mut ordered: Vec<(usize, String)> = counts.into_iter().map(|(kind, count)| (count, kind)).collect();
    ordered.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let parts: Vec<String> = ordered
        .into_iter()
        .map(|(count, kind)| format!("{count} {} {kind}", if count == 1 { "host" } else { "hosts" }))
        .collect();
    Blocked { missing, why: parts.join("; ") }
}

/// What stands in the way of a service's next task on one host, and what speaks for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReason {
    /// The host.
    pub host: Name,
    /// Everything that forbids it; empty where it may run.
    pub obstacles: Vec<Obstacle>,
    /// Tasks of the service there.
    pub tasks: u32,
    /// Memory that nobody holds, MiB.
    pub free_memory: u64,
    /// Processor share that nobody holds.
    pub free_cpu_units: u64,
}

/// Explains, host by host, where one more task of a service could go. Hosts on which it may run come first, best first.
#[must_use]
pub fn explain(world: &World, now: Time, key: &GroupKey, definition: &TaskDefinition) -> Vec<HostReason> {
    let candidate = Candidate { service: &key.1, definition };
    let policy = world.clusters.get(&key.0).map_or(Policy::default(), |cluster| cluster.policy);
    let mut reasons: Vec<(Load, HostReason)> = world
        .hosts
        .iter()
        .map(|(name, host)| {
            let (free_memory, free_cpu_units) = host.free();
            let reason = HostReason {
                host: name.clone(),
                obstacles: candidate.obstacles(world, now, name, host),
                tasks: world.groups.get(key).and_then(|group| group.per_host.get(name)).copied().unwrap_or(0),
                free_memory,
                free_cpu_units,
            };
            (host.load.unwrap_or((u64::MAX, 0)), reason)
        })
        .collect();
    reasons.sort_by(|(load_a, a), (load_b, b)| {
        let fit = a.obstacles.is_empty().cmp(&b.obstacles.is_empty()).reverse();
        let order = match policy {
            Policy::Spread => {
                a.tasks.cmp(&b.tasks).then_with(|| load_a.cmp(load_b)).then_with(|| a.host.cmp(&b.host))
            }
            Policy::Binpack => load_b.cmp(load_a).then_with(|| b.host.cmp(&a.host)),
        };
        fit.then(order)
    });
    reasons.into_iter().map(|(_, reason)| reason).collect()
}
