//! What must always hold in a world, as functions of it. The numbers are those of the list of promises: `S5` is pair
//! atomicity wherever it is spoken of.
//!
//! **Invariant:** everything is computed anew from the records; no index of the world is believed.

use crate::model::{Claim, Desired, Name, Protocol, Task};
use crate::world::{Class, Group, GroupKey, World};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the promise.
    pub promise: &'static str,
    /// What was found, in words.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// Checks all of them. Costs as much as the world is large.
#[must_use]
pub fn check(world: &World) -> Vec<Violation> {
    let mut by_host: BTreeMap<&Name, Vec<&Task>> = BTreeMap::new();
    for view in world.tasks.values() {
        by_host.entry(&view.task.host).or_default().push(&view.task);
    }
    let mut found = Vec::new();
    pairs(world, &mut found);
    for (name, host) in &world.hosts {
        let tasks = by_host.get(name).map_or(&[][..], Vec::as_slice);
        ledger(name, host.ledger.as_deref(), tasks, &mut found);
        capacity(name, host.registration.as_deref(), tasks, &mut found);
        ports(name, tasks, &mut found);
        let ids: BTreeSet<Name> = tasks.iter().map(|task| task.id.clone()).collect();
        if ids != host.tasks {
            found.push(misfiled(format!("{name} is filed with {:?}, has {ids:?}", host.tasks)));
        }
        found.extend(world.miscounted(name).map(misfiled));
        for (id, status) in &host.statuses {
            if world.blamed.contains(&(name.clone(), id.clone())) != (status.blamed > 0) {
                found.push(misfiled(format!("{id} is blamed {} times for {name}", status.blamed)));
            }
        }
    }
    found.extend(world.fleet.misfiled().map(misfiled));
    counts(world, &mut found);
    identities(world, &mut found);
    groups(world, &mut found);
    found
}

/// S5: a record and its copy under the host are there together and say the same.
fn pairs(world: &World, found: &mut Vec<Violation>) {
    for (id, view) in &world.tasks {
        if view.twin != Some(view.digest) {
            let what = format!("{id}: its record and the copy under {} differ", view.task.host);
            found.push(Violation { promise: "S5", what });
        }
    }
    for (host, id) in &world.strays {
        // What runs without a record is told to stop by a copy alone.
        let value = world.stray(host, id).unwrap_or_default();
        if crate::record::read::<Task>(value).is_ok_and(|task| task.desired == Desired::Stop) {
            continue;
        }
        found
            .push(Violation { promise: "S5", what: format!("{id}: a copy under {host} without its record") });
    }
}

/// S9: the ledger of a host says what the records there add up to.
fn ledger(name: &Name, ledger: Option<&crate::model::Ledger>, tasks: &[&Task], found: &mut Vec<Violation>) {
    let mut sums: BTreeMap<Name, Claim> = BTreeMap::new();
    for task in tasks {
        sums.entry(task.cluster.clone()).or_default().add(&Claim::of(task));
    }
    sums.retain(|_, sum| *sum != Claim::default());
    let written = ledger.map(|ledger| ledger.clusters.clone()).unwrap_or_default();
    if sums != written {
        let what = format!("{name}: its ledger says {written:?}, its tasks add up to {sums:?}");
        found.push(Violation { promise: "S9", what });
    }
}

/// S9: no host is promised more than it has.
fn capacity(
    name: &Name,
    has: Option<&crate::model::Registration>,
    tasks: &[&Task],
    found: &mut Vec<Violation>,
) {
    let Some(has) = has else { return };
    let mut sum = Claim::default();
    tasks.iter().for_each(|task| sum.add(&Claim::of(task)));
    if sum.memory > has.memory || sum.cpu_units > has.cpu_units {
        let what = format!(
            "{name}: {} of {} MiB and {} of {} cpu units are promised",
            sum.memory, has.memory, sum.cpu_units, has.cpu_units
        );
        found.push(Violation { promise: "S9", what });
    }
    let disk = ("MiB of disk".to_string(), sum.disk, has.disk);
    let counted = sum.resources.iter().map(|(resource, count)| {
        (resource.to_string(), *count, has.resources.get(resource).copied().unwrap_or(0))
    });
    for (what, promised, there) in counted.chain([disk]).filter(|(_, promised, there)| promised > there) {
        let what = format!("{name}: {promised} of {there} {what} are promised");
        found.push(Violation { promise: "S9", what });
    }
}

/// S10: no port of a host is given away twice.
fn ports(name: &Name, tasks: &[&Task], found: &mut Vec<Violation>) {
    let mut taken: BTreeMap<(Protocol, u16), &Name> = BTreeMap::new();
    for task in tasks {
        let mut claim = Claim::of(task);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for port in claim.ports_of(protocol) {
                if let Some(other) = taken.insert((protocol, *port), &task.id) {
                    let what = format!("{name}: port {port} is given to {other} and to {}", task.id);
                    found.push(Violation { promise: "S10", what });
                }
            }
        }
    }
}

/// S12: no service has more tasks issued than `max`, once a plan has followed its configuration; but for those that cannot
/// go yet, since no more than `min` have proven themselves.
fn counts(world: &World, found: &mut Vec<Violation>) {
    let mut counted: BTreeMap<&Name, (u32, u32)> = BTreeMap::new();
    for view in world.tasks.values().filter(|view| view.task.desired == Desired::Run) {
        let (issued, proven) = counted.entry(&view.task.service).or_default();
        *issued += 1;
        *proven += u32::from(view.class == Class::Mature);
    }
    for (service, (issued, proven)) in counted {
        let Some(config) = world.services.get(service).filter(|config| config.kind.is_counted()) else {
            continue;
        };
        let dirty = world.dirty.iter().any(|(_, _, of)| of == service);
        let may_go = config.floor() == 0 || proven > config.floor();
        if !dirty && issued > config.max && may_go {
            let what = format!("{service}: {issued} tasks are issued, max is {}", config.max);
            found.push(Violation { promise: "S12", what });
        }
    }
}

/// S13: an id says what its record says.
fn identities(world: &World, found: &mut Vec<Violation>) {
    for (id, view) in &world.tasks {
        let task = &view.task;
        if *id != crate::keys::task_id(&task.cluster, &task.service, task.version, task.instance) {
            let what = format!("{id}: its record is of {}/{}", task.cluster, task.service);
            found.push(Violation { promise: "S13", what });
        }
    }
}

/// The tasks of each service are filed by version and class, and counted by host.
fn groups(world: &World, found: &mut Vec<Violation>) {
    let mut expected: BTreeMap<GroupKey, Group> = BTreeMap::new();
    for (id, view) in &world.tasks {
        let task = &view.task;
        let group = expected.entry((task.cluster.clone(), task.service.clone())).or_default();
        group.classes.entry((task.version, view.class)).or_default().insert(id.clone());
        group.instances.entry(task.version).or_default().insert(task.instance);
        if let Some(row) = world.fleet.find(&task.host) {
            *group.crowd.entry(row).or_insert(0) += 1;
            *group.placed.entry((task.generation, row)).or_insert(0) += 1;
        }
    }
    let none = Group::default();
    for key in expected.keys().chain(world.groups.keys()) {
        let should = expected.get(key).unwrap_or(&none);
        let is = world.groups.get(key).unwrap_or(&none);
        let same = should.classes == is.classes
            && should.crowd == is.crowd
            && should.instances == is.instances
            && should.placed == is.placed;
        if !same {
            found.push(misfiled(format!("{}/{}: filed as {is:?}, should be {should:?}", key.0, key.1)));
        }
    }
}

fn misfiled(what: String) -> Violation {
    Violation { promise: "index", what }
}
