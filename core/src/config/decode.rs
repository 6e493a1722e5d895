//! Tree to objects: what a configuration file may say, and where it said it.
//!
//! **Invariant:** each rule that one object alone can break is checked here or below; rules between objects are
//! `check`'s.

mod cluster;
mod definition;
mod executor;
mod flag_value;
mod flags;
mod host;
mod image;
mod placement;
mod probe;
mod service;

pub use definition::CONTAINERS_MAX;
pub use flag_value::FlagValue;
pub use flags::{DOCKER_FLAGS, docker_flag, docker_flags_together};
pub use service::DESIRED_MAX;

use super::item::Item;
use super::mistake::{Mistake, Place};
use super::reader::{Fields, Reader};
use super::tree::{Value, parse};
use crate::model::{Cluster, HostConfig, Service, TaskDefinition};
use crate::store::RECORD_BYTES_MAX;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;

/// What users want: the desired state, or a part of it. Serializes to what [`read`] accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Configuration {
    /// Clusters.
    pub clusters: Vec<Cluster>,
    /// Services.
    pub services: Vec<Service>,
    /// Task definitions.
    pub task_definitions: Vec<TaskDefinition>,
    /// Hosts.
    pub hosts: Vec<HostConfig>,
}

/// A list of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `clusters`
    Cluster,
    /// `services`
    Service,
    /// `task_definitions`
    Definition,
    /// `hosts`
    Host,
}

/// A part of an object whose place is kept, since it refers to something outside of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The object itself.
    Whole,
    /// Its `name`.
    Name,
    /// A task definition's `version`.
    Version,
    /// A service's `task_name`.
    TaskName,
    /// A service's `task_version`.
    TaskVersion,
    /// A cluster's `scheduler`.
    Scheduler,
    /// An element of a cluster's `services`.
    Service(usize),
}

/// A value, and where its parts were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    places: BTreeMap<(Kind, usize, Field), Place>,
}

impl<T> Sourced<T> {
    /// Wraps a value that was not read from a file.
    #[must_use]
    pub fn unplaced(value: T) -> Sourced<T> {
        Sourced { value, places: BTreeMap::new() }
    }

    /// Says where a field of an object was written, or the object when the field was left out. `index` is the object's
    /// position in its list in `value`.
    #[must_use]
    pub fn place(&self, kind: Kind, index: usize, field: Field) -> Place {
        let find = |field| self.places.get(&(kind, index, field));
        find(field).or_else(|| find(Field::Whole)).cloned().unwrap_or_default()
    }
}

/// An object, and where its parts were written.
struct Placed<T> {
    value: T,
    places: Vec<(Field, Place)>,
}

/// Where the parts of an object are noted while it is read.
type Places = Vec<(Field, Place)>;

/// Reads a configuration file: an object with the lists `clusters`, `services`, `task_definitions` and `hosts`, in YAML
/// or JSON. `file_name` is only named in mistakes.
///
/// # Errors
/// Gives all mistakes of the file, in its order; when it is not YAML at all, the first.
pub fn read(file_name: &str, bytes: &[u8]) -> Result<Sourced<Configuration>, Vec<Mistake>> {
    let tree = parse(file_name, bytes)?;
    let reader = Reader::new(file_name);
    let root = reader.root(&tree);
    let mut sourced = Sourced::default();
    match &tree.value {
        Value::Map(entries) if entries.iter().all(|(_, node)| node.value == Value::Null) => {
            root.wrong("with nothing in it", LISTS, "");
        }
        Value::Map(_) => sourced = root.object(read_lists).unwrap_or_default(),
        Value::Null | Value::Scalar { .. } | Value::Seq(_) => root.wrong("", LISTS, ""),
    }
    reader.finish().map(|()| sourced)
}

const LISTS: &str = "an object with at least one of the lists clusters, services, task_definitions and hosts";

/// Reads the lists of a configuration out of an object that may hold more than these.
pub fn read_lists(fields: &mut Fields<'_>) -> Sourced<Configuration> {
    let mut sourced = Sourced::<Configuration>::default();
    let Sourced { value, places } = &mut sourced;
    value.clusters = list(fields, Kind::Cluster, places, cluster::read);
    value.services = list(fields, Kind::Service, places, service::read);
    value.task_definitions = list(fields, Kind::Definition, places, definition::read);
    value.hosts = list(fields, Kind::Host, places, host::read);
    duplicates(&sourced).into_iter().for_each(|mistake| fields.report(mistake));
    sourced
}

/// Puts the configurations of several files together.
///
/// # Errors
/// Names the objects that are defined more than once.
pub fn merge(
    parts: impl IntoIterator<Item = Sourced<Configuration>>,
) -> Result<Sourced<Configuration>, Vec<Mistake>> {
    let mut all = Sourced::<Configuration>::default();
    for part in parts {
        let Configuration { clusters, services, task_definitions, hosts } = part.value;
        let offset = |kind| match kind {
            Kind::Cluster => all.value.clusters.len(),
            Kind::Service => all.value.services.len(),
            Kind::Definition => all.value.task_definitions.len(),
            Kind::Host => all.value.hosts.len(),
        };
        let places = part.places.into_iter();
        let moved: Vec<_> = places
            .map(|((kind, index, field), place)| ((kind, offset(kind) + index, field), place))
            .collect();
        all.places.extend(moved);
        all.value.clusters.extend(clusters);
        all.value.services.extend(services);
        all.value.task_definitions.extend(task_definitions);
        all.value.hosts.extend(hosts);
    }
    let duplicates = duplicates(&all);
    if duplicates.is_empty() { Ok(all) } else { Err(duplicates) }
}

/// Reads one of the lists.
fn list<T: Serialize>(
    fields: &mut Fields<'_>,
    kind: Kind,
    places: &mut BTreeMap<(Kind, usize, Field), Place>,
    read: fn(&mut Fields<'_>, &mut Places) -> Option<T>,
) -> Vec<T> {
    let name = match kind {
        Kind::Cluster => "clusters",
        Kind::Service => "services",
        Kind::Definition => "task_definitions",
        Kind::Host => "hosts",
    };
    let placed = fields.list(name, |item| object(&item, read));
    let keep = |(index, placed): (usize, Placed<T>)| {
        places.extend(placed.places.into_iter().map(|(field, place)| ((kind, index, field), place)));
        placed.value
    };
    placed.into_iter().enumerate().map(keep).collect()
}

/// Reads one object, and makes sure that the store can keep it.
fn object<T: Serialize>(
    item: &Item<'_>,
    read: fn(&mut Fields<'_>, &mut Places) -> Option<T>,
) -> Option<Placed<T>> {
    let mut places = vec![(Field::Whole, item.place().clone())];
    let value = item.object(|fields| read(fields, &mut places)).flatten()?;
    let size = serde_json::to_vec(&value).map_or(usize::MAX, |bytes| bytes.len());
    if size > RECORD_BYTES_MAX {
        let problem = format!("which takes {size} bytes in the store");
        item.wrong(
            problem,
            format!("at most {RECORD_BYTES_MAX}"),
            "move long commands into the image or artifact",
        );
        return None;
    }
    Some(Placed { value, places })
}

/// Finds objects that are defined more than once.
fn duplicates(sourced: &Sourced<Configuration>) -> Vec<Mistake> {
    let all = &sourced.value;
    let clusters = all.clusters.iter().map(|cluster| (cluster.name.clone(), None));
    let services = all.services.iter().map(|service| (service.name.clone(), None));
    let definitions = all.task_definitions.iter().map(|one| (one.name.clone(), Some(one.version)));
    let hosts = all.hosts.iter().map(|host| (host.name.clone(), None));
    let kinds = clusters
        .enumerate()
        .map(|(index, key)| (Kind::Cluster, index, key))
        .chain(services.enumerate().map(|(index, key)| (Kind::Service, index, key)))
        .chain(definitions.enumerate().map(|(index, key)| (Kind::Definition, index, key)))
        .chain(hosts.enumerate().map(|(index, key)| (Kind::Host, index, key)));
    let mut first = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (kind, index, key) in kinds {
        let name = key.0.clone();
        let (field, found) = match key.1 {
            None => (Field::Name, format!("\"{name}\"")),
            Some(version) => (Field::Version, format!("version {version} of \"{name}\"")),
        };
        match first.entry((kind, key)) {
            Entry::Vacant(entry) => {
                entry.insert(index);
            }
            Entry::Occupied(entry) => {
                let other = sourced.place(kind, *entry.get(), field);
                let place = sourced.place(kind, index, field);
                let (problem, next) =
                    (format!("already defined at {other}"), String::from("keep one of the two"));
                mistakes.push(Mistake { found, problem, next, ..Mistake::at(place) });
            }
        }
    }
    mistakes
}

/// Reads an optional list of texts that must differ.
fn distinct(
    fields: &mut Fields<'_>,
    name: &'static str,
    read: fn(&Item<'_>) -> Option<String>,
) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    fields.list(name, |item| {
        let text = read(&item)?;
        if let Some(line) = seen.insert(text.clone(), item.place().line) {
            item.wrong(format!("already listed on line {line}"), "", "keep one of the two");
        }
        Some(text)
    })
}
