//! Compares a configuration with what is stored: whether what it refers to exists, and whether it may replace what is
//! there.
//!
//! **Invariant:** what passes leaves no reference without its object, and no two services that could make the same task
//! id, among all that is stored and new together.

use super::decode::{Configuration, Field, Kind, Sourced};
use super::mistake::{Mistake, Place, did_you_mean, distance, one_of};
use crate::model::{
    Cluster, DEFAULT_SCHEDULER, HostConfig, Name, Service, ServiceState, TaskDefinition, Version,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The desired state that is stored already.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Clusters.
    pub clusters: &'a BTreeMap<Name, Arc<Cluster>>,
    /// Services.
    pub services: &'a BTreeMap<Name, Arc<Service>>,
    /// Task definitions, by name and version.
    pub definitions: &'a BTreeMap<Name, BTreeMap<Version, Arc<TaskDefinition>>>,
    /// What users say of hosts.
    pub hosts: &'a BTreeMap<Name, Arc<HostConfig>>,
}

/// Checks what is new against what is stored, as if `new` replaced the objects of the same names.
///
/// # Errors
/// Gives all mistakes: references to what does not exist, a service in two clusters, a task definition's version that
/// would change, services that could make the same task id, a scheduler name that looks like a typing mistake.
pub fn check(stored: &Stored<'_>, new: &Sourced<Configuration>) -> Result<(), Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let versions = versions(stored, &new.value);
    check_definitions(stored, new, &versions, &mut mistakes);
    check_services(stored, new, &versions, &mut mistakes);
    check_clusters(stored, new, &mut mistakes);
    check_homes(stored, new, &mut mistakes);
    mistakes.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// The versions there will be of each task definition.
type Versions = BTreeMap<Name, BTreeSet<Version>>;

fn versions(stored: &Stored<'_>, new: &Configuration) -> Versions {
    let mut versions: Versions =
        stored.definitions.iter().map(|(name, all)| (name.clone(), all.keys().copied().collect())).collect();
    for definition in &new.task_definitions {
        versions.entry(definition.name.clone()).or_default().insert(definition.version);
    }
    versions
}

/// Versions never change: tasks of the same version would differ, and nothing would roll.
fn check_definitions(
    stored: &Stored<'_>,
    new: &Sourced<Configuration>,
    versions: &Versions,
    mistakes: &mut Vec<Mistake>,
) {
    for (index, definition) in new.value.task_definitions.iter().enumerate() {
        let TaskDefinition { name, version, .. } = definition;
        let old = stored.definitions.get(name).and_then(|all| all.get(version));
        if old.is_some_and(|old| **old != *definition) {
            let last = versions.get(name).and_then(BTreeSet::last).copied().unwrap_or(*version);
            mistakes.push(Mistake {
                found: version.to_string(),
                problem: format!("but version {version} of \"{name}\" is stored with other content"),
                next: format!("versions never change, use version {}", last.saturating_add(1)),
                ..Mistake::at(new.place(Kind::Definition, index, Field::Version))
            });
        }
    }
}

fn check_services(
    stored: &Stored<'_>,
    new: &Sourced<Configuration>,
    versions: &Versions,
    mistakes: &mut Vec<Mistake>,
) {
    for (index, service) in new.value.services.iter().enumerate() {
        let Service { task_name, task_version, .. } = service;
        // What runs, and what worked last, is known by its version alone.
        if let Some(old) = stored.services.get(&service.name).filter(|old| old.task_name != *task_name) {
            mistakes.push(Mistake {
                found: format!("\"{task_name}\""),
                problem: format!("but service \"{}\" is made of another task definition", service.name),
                allowed: format!("\"{}\"", old.task_name),
                next: format!(
                    "add a version to that one, or delete the service and wait until its tasks are gone: \
                     callboard delete service {}",
                    service.name
                ),
                ..Mistake::at(new.place(Kind::Service, index, Field::TaskName))
            });
            continue;
        }
        let Some(known) = versions.get(task_name) else {
            mistakes.push(Mistake {
                found: format!("\"{task_name}\""),
                problem: "no such task definition".into(),
                allowed: some_of(versions.keys()),
                next: did_you_mean(task_name, versions.keys().map(|name| &**name)),
                ..Mistake::at(new.place(Kind::Service, index, Field::TaskName))
            });
            continue;
        };
        if !known.contains(task_version) {
            let known: Vec<String> = known.iter().rev().take(LISTED).map(Version::to_string).collect();
            mistakes.push(Mistake {
                found: task_version.to_string(),
                problem: format!("no such version of \"{task_name}\""),
                allowed: one_of(known.iter().rev().map(String::as_str)),
                next: "define that version first, or name one that exists".into(),
                ..Mistake::at(new.place(Kind::Service, index, Field::TaskVersion))
            });
        }
    }
}

/// How many of the names that exist are listed in a message.
const LISTED: usize = 10;

fn some_of<'a>(names: impl Iterator<Item = &'a Name> + Clone) -> String {
    match names.clone().count() {
        0 => "one that is defined, but none is".into(),
        count if count > LISTED => format!("one of the {count} that are defined"),
        _ => one_of(names.map(|name| &**name)),
    }
}

fn check_clusters(stored: &Stored<'_>, new: &Sourced<Configuration>, mistakes: &mut Vec<Mistake>) {
    let services: BTreeSet<&Name> =
        stored.services.keys().chain(new.value.services.iter().map(|service| &service.name)).collect();
    for (index, cluster) in new.value.clusters.iter().enumerate() {
        let scheduler = &cluster.scheduler;
        if **scheduler != *DEFAULT_SCHEDULER && distance(scheduler, DEFAULT_SCHEDULER) <= 2 {
            mistakes.push(Mistake {
                found: format!("\"{scheduler}\""),
                problem: "almost the name of Callboard's own scheduler".into(),
                allowed: "default, or the name of another scheduler".into(),
                next: "did you mean \"default\"?".into(),
                ..Mistake::at(new.place(Kind::Cluster, index, Field::Scheduler))
            });
        }
        for (position, service) in cluster.services.iter().enumerate() {
            if !services.contains(service) {
                mistakes.push(Mistake {
                    found: format!("\"{service}\""),
                    problem: "no such service".into(),
                    allowed: some_of(services.iter().copied()),
                    next: did_you_mean(service, services.iter().map(|name| &***name)),
                    ..Mistake::at(new.place(Kind::Cluster, index, Field::Service(position)))
                });
            }
        }
    }
}

/// A cluster's service, with its place when it is new.
struct Home<'a> {
    cluster: &'a Name,
    service: &'a Name,
    place: Option<Place>,
}

/// A service has one cluster, and no two of them make the same task id.
///
/// An id is `<cluster>-<service>-<version>-<instance>`, and neither of the last two parts holds a `-`; so two ids are the
/// same exactly when their versions, their instances, and all that stands before those are.
fn check_homes(stored: &Stored<'_>, new: &Sourced<Configuration>, mistakes: &mut Vec<Mistake>) {
    let (mut by_service, mut by_id) = (BTreeMap::new(), BTreeMap::new());
    for home in homes(stored, new) {
        let id = format!("{}-{}", home.cluster, home.service);
        let (cluster, service) = (home.cluster, home.service);
        let other_cluster = by_service.insert(service, cluster).filter(|other| *other != cluster);
        let other_maker = by_id.insert(id, (cluster, service)).filter(|other| *other != (cluster, service));
        // What is wrong among the stored ones alone is no reason to refuse what is new.
        let Some(place) = home.place else { continue };
        if let Some(other) = other_cluster {
            mistakes.push(Mistake {
                found: format!("\"{service}\""),
                problem: format!("which is in cluster \"{other}\" as well as in \"{cluster}\""),
                next: "a service belongs to one cluster, remove it from one of the two".into(),
                ..Mistake::at(place.clone())
            });
        }
        if let Some((other_cluster, other)) = other_maker {
            let ids = format!("the ids of service \"{other}\" in cluster \"{other_cluster}\"");
            mistakes.push(Mistake {
                found: format!("\"{service}\""),
                problem: format!("whose tasks in cluster \"{cluster}\" would have {ids}"),
                next: "rename a service or a cluster".into(),
                ..Mistake::at(place)
            });
        }
    }
}

/// Lists every cluster's services as they will be: the stored ones first, so that mistakes name what is new.
fn homes<'a>(stored: &Stored<'a>, new: &'a Sourced<Configuration>) -> Vec<Home<'a>> {
    let replaced: BTreeSet<&Name> = new.value.clusters.iter().map(|cluster| &cluster.name).collect();
    let mut homes = Vec::new();
    for cluster in stored.clusters.values().filter(|cluster| !replaced.contains(&cluster.name)) {
        let home = |service| Home { cluster: &cluster.name, service, place: None };
        homes.extend(cluster.services.iter().map(home));
    }
    for (index, cluster) in new.value.clusters.iter().enumerate() {
        for (position, service) in cluster.services.iter().enumerate() {
            let place = Some(new.place(Kind::Cluster, index, Field::Service(position)));
            homes.push(Home { cluster: &cluster.name, service, place });
        }
    }
    homes
}

/// Something to delete from the desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delete {
    /// A cluster that has no services any more.
    Cluster(Name),
    /// A service; its tasks are stopped.
    Service(Name),
    /// A version of a task definition that no service runs.
    Definition(Name, Version),
    /// What users say of a host. The host itself stays.
    HostConfig(Name),
}

/// Checks that something may be deleted, and gives the clusters that must be written in the same transaction: those
/// that list a deleted service, without it.
///
/// # Errors
/// Says what still needs it, or that there is no such thing.
pub fn check_delete(stored: &Stored<'_>, what: &Delete) -> Result<Vec<Cluster>, Box<Mistake>> {
    match what {
        Delete::Cluster(name) => delete_cluster(stored, name).map(|()| Vec::new()),
        Delete::Service(name) => delete_service(stored, name),
        Delete::Definition(name, version) => delete_definition(stored, name, *version).map(|()| Vec::new()),
        Delete::HostConfig(name) => match stored.hosts.contains_key(name) {
            true => Ok(Vec::new()),
            false => Err(unknown("configuration of host", name, stored.hosts.keys())),
        },
    }
}

fn delete_cluster(stored: &Stored<'_>, name: &Name) -> Result<(), Box<Mistake>> {
    let Some(cluster) = stored.clusters.get(name) else {
        return Err(unknown("cluster", name, stored.clusters.keys()));
    };
    let left: Vec<&Name> =
        cluster.services.iter().filter(|service| stored.services.contains_key(*service)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let problem =
        format!("cluster \"{name}\" still has services: {}", and(left.into_iter().map(|name| &**name)));
    Err(Box::new(Mistake { problem, next: "delete them first".into(), ..Mistake::default() }))
}

fn delete_service(stored: &Stored<'_>, name: &Name) -> Result<Vec<Cluster>, Box<Mistake>> {
    if !stored.services.contains_key(name) {
        return Err(unknown("service", name, stored.services.keys()));
    }
    let listing = stored.clusters.values().filter(|cluster| cluster.services.contains(name));
    let without = |cluster: &Arc<Cluster>| {
        let mut cluster = Cluster::clone(cluster);
        cluster.services.retain(|service| service != name);
        cluster
    };
    Ok(listing.map(without).collect())
}

fn delete_definition(stored: &Stored<'_>, name: &Name, version: Version) -> Result<(), Box<Mistake>> {
    let Some(versions) = stored.definitions.get(name).filter(|versions| !versions.is_empty()) else {
        return Err(unknown("task definition", name, stored.definitions.keys()));
    };
    if !versions.contains_key(&version) {
        let known: Vec<String> = versions.keys().map(Version::to_string).collect();
        let problem = format!("there is no version {version} of task definition \"{name}\"");
        let allowed = one_of(known.iter().map(String::as_str));
        return Err(Box::new(Mistake { problem, allowed, ..Mistake::default() }));
    }
    let running = |service: &&Arc<Service>| service.task_name == *name && service.task_version == version;
    let users: Vec<&str> = stored.services.values().filter(running).map(|service| &*service.name).collect();
    if users.is_empty() {
        return Ok(());
    }
    let problem = format!("version {version} of task definition \"{name}\" is run by {}", and(users));
    Err(Box::new(Mistake {
        problem,
        next: "move them to another version first".into(),
        ..Mistake::default()
    }))
}

/// Checks that no service goes back to a version of a task definition, should the version on trial fail.
///
/// # Errors
/// Says which does.
pub fn check_fallback<'a>(
    stored: &Stored<'_>,
    states: impl IntoIterator<Item = &'a ServiceState>,
    name: &Name,
    version: Version,
) -> Result<(), Box<Mistake>> {
    let is_of = |service: &Name| stored.services.get(service).is_some_and(|it| it.task_name == *name);
    let needing = states.into_iter().filter(|state| state.stable == Some(version) && is_of(&state.service));
    let needing: Vec<&str> = needing.map(|state| &*state.service).collect();
    if needing.is_empty() {
        return Ok(());
    }
    let problem =
        format!("version {version} of task definition \"{name}\" is what {} goes back to", and(needing));
    let next = "roll out a version that works before".into();
    Err(Box::new(Mistake { problem, next, ..Mistake::default() }))
}

fn and<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    names.join(", ")
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a Name> + Clone) -> Box<Mistake> {
    Box::new(Mistake {
        problem: format!("there is no {kind} \"{}\"", super::shown(name)),
        allowed: some_of(known.clone()),
        next: did_you_mean(name, known.map(|name| &**name)),
        ..Mistake::default()
    })
}
