//! The tasks of one service in one cluster, counted and sorted by version and class.

use super::{Class, World};
use crate::model::{Generation, Name, Task, Version};
use crate::placement::Crowd;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use serde::{Deserialize, Serialize};

/// Cluster and service.
pub type GroupKey = (Name, Name);

/// The tasks of one service in one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Ids by version and class; no set is empty.
    pub classes: BTreeMap<(Version, Class), BTreeSet<Name>>,
    /// Those that shall run but not where they are: their host is being drained, or their agent asked for a move.
    pub unwelcome: BTreeSet<Name>,
    /// How many there are on each host, by its row in the fleet, those that are stopping included.
    pub crowd: Crowd,
    /// Which placements are where, the newest last.
    pub placed: BTreeMap<(Generation, u32), u32>,
    /// Instance numbers in use, by version.
    pub instances: BTreeMap<Version, BTreeSet<u32>>,
}

impl Group {
    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Counts the tasks of a version and class.
    #[must_use]
    pub fn count(&self, version: Version, class: Class) -> usize {
        self.classes.get(&(version, class)).map_or(0, BTreeSet::len)
    }

    /// Counts the tasks of a class.
    #[must_use]
    pub fn count_class(&self, class: Class) -> usize {
        self.classes.iter().filter(|((_, of), _)| *of == class).map(|(_, ids)| ids.len()).sum()
    }

    /// Counts the tasks that shall run.
    #[must_use]
    pub fn issued(&self) -> usize {
        self.classes.iter().filter(|((_, class), _)| class.is_issued()).map(|(_, ids)| ids.len()).sum()
    }

    /// Gives the tasks of a version and class, in the order of their ids.
    pub fn of(&self, version: Version, class: Class) -> impl Iterator<Item = &Name> {
        self.classes.get(&(version, class)).into_iter().flatten()
    }

    /// Gives the tasks of a class with their version.
    pub fn of_class(&self, class: Class) -> impl Iterator<Item = (Version, &Name)> {
        self.classes
            .iter()
            .filter(move |((_, of), _)| *of == class)
            .flat_map(|((version, _), ids)| ids.iter().map(|id| (*version, id)))
    }

    /// Finds the lowest instance number of a version, from `least` on, that no task has.
    #[must_use]
    pub fn free_instance(&self, version: Version, least: u32) -> u32 {
        let Some(used) = self.instances.get(&version) else { return least };
        let mut free = least;
        for &instance in used.range(least..) {
            if instance > free {
                break;
            }
            free = instance + 1;
        }
        free
    }

    pub(super) fn insert(&mut self, version: Version, class: Class, id: &Name) {
        self.classes.entry((version, class)).or_default().insert(id.clone());
    }

    pub(super) fn remove(&mut self, version: Version, class: Class, id: &Name) {
        if let Some(ids) = self.classes.get_mut(&(version, class)) {
            ids.remove(id);
            if ids.is_empty() {
                self.classes.remove(&(version, class));
            }
        }
    }

    pub(super) fn settle(&mut self, row: u32, task: &Task) {
        self.instances.entry(task.version).or_default().insert(task.instance);
        *self.placed.entry((task.generation, row)).or_insert(0) += 1;
        *self.crowd.entry(row).or_insert(0) += 1;
    }

    pub(super) fn unsettle(&mut self, row: u32, task: &Task) {
        if let Some(used) = self.instances.get_mut(&task.version) {
            used.remove(&task.instance);
            if used.is_empty() {
                self.instances.remove(&task.version);
            }
        }
        take_one(&mut self.placed, (task.generation, row));
        take_one(&mut self.crowd, row);
    }
}

impl World {
    /// Gives the clusters that have tasks, whether they are there or not. What it costs grows with the clusters, and not
    /// with their services.
    pub(crate) fn clusters_with_tasks(&self) -> impl Iterator<Item = &Name> {
        let first = self.groups.keys().next();
        core::iter::successors(first, |(cluster, _)| {
            // The least that any name after this one can be.
            let next = (Name::from(format!("{cluster}\0")), Name::from(""));
            self.groups.range(next..).next().map(|(key, _)| key)
        })
        .map(|(cluster, _)| cluster)
    }
}

/// Counts one less of something, and forgets what there is none of.
pub(super) fn take_one<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}
