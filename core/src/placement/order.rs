//! Hosts in an order, of their load or of their names, in blocks that know the most that any of their hosts has free, so
//! that a walk from either end passes by what is full without looking at each.

use super::blocks::{Block, Blocks, Entry, Kept};
use serde::{Deserialize, Serialize};

/// Where a host stands in the order: least loaded first, then by number of tasks, then by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Spot {
    /// Permille.
    pub(crate) load: u32,
    pub(crate) tasks: u32,
    /// Orders hosts by name.
    pub(crate) rank: u64,
    pub(crate) row: u32,
}

/// What a host has free of what nearly every task needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Free {
    /// MiB.
    pub(crate) memory: u64,
    /// 1024 a core.
    pub(crate) cpu_units: u64,
}

impl Free {
    /// No less than any host has free.
    pub(crate) const ANY: Free = Free { memory: u64::MAX, cpu_units: u64::MAX };

    pub(crate) fn covers(self, need: Free) -> bool {
        self.memory >= need.memory && self.cpu_units >= need.cpu_units
    }

    pub(super) fn most(self, other: Free) -> Free {
        Free { memory: self.memory.max(other.memory), cpu_units: self.cpu_units.max(other.cpu_units) }
    }
}

/// A host, by what it is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
struct Roomy<K: Kept + Ord> {
    key: K,
    free: Free,
}

/// Hosts in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Order<K: Kept + Ord>(Blocks<Roomy<K>>);

/// From which end hosts are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    First,
    Last,
}

impl<K: Kept + Ord> Entry for Roomy<K> {
    type Key = K;
    /// The most that is free.
    type Bounds = Free;

    fn key(&self) -> K {
        self.key
    }

    fn bounds(&self) -> Free {
        self.free
    }

    fn join(one: Free, other: Free) -> Free {
        one.most(other)
    }

    fn is_at(&self, most: &Free) -> bool {
        self.free.memory == most.memory || self.free.cpu_units == most.cpu_units
    }
}

impl<K: Kept + Ord> Default for Order<K> {
    fn default() -> Order<K> {
        Order(Blocks::default())
    }
}

impl<K: Kept + Ord> Order<K> {
    pub(crate) fn insert(&mut self, key: K, free: Free) {
        self.0.insert(Roomy { key, free });
    }

    pub(crate) fn remove(&mut self, key: K) {
        self.0.remove(key);
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.0.contains(key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    /// Finds the next host beyond a key that has so much free.
    pub(crate) fn next(&self, from: From, beyond: Option<K>, need: Free) -> Option<K> {
        let blocks = &self.0.0;
        let fits = |host: &&Roomy<K>| host.free.covers(need);
        let may_fit = |block: &&Block<Roomy<K>>| block.bounds.covers(need);
        let at = beyond.map(|key| self.0.block_of(key));
        let here = at.and_then(|at| blocks.get(at)).zip(beyond);
        let found = match from {
            From::First => {
                let here = here.and_then(|(block, beyond)| {
                    let rest = block.entries.partition_point(|host| host.key <= beyond);
                    block.entries[rest..].iter().find(fits)
                });
                let mut later = blocks.iter().skip(at.map_or(0, |at| at + 1)).filter(may_fit);
                here.or_else(|| later.find_map(|block| block.entries.iter().find(fits)))
            }
            From::Last => {
                let here = here.and_then(|(block, beyond)| {
                    let rest = block.entries.partition_point(|host| host.key < beyond);
                    block.entries[..rest].iter().rev().find(fits)
                });
                let rest = at.unwrap_or(blocks.len()).min(blocks.len());
                let mut earlier = blocks[..rest].iter().rev().filter(may_fit);
                here.or_else(|| earlier.find_map(|block| block.entries.iter().rev().find(fits)))
            }
        };
        found.map(|host| host.key)
    }
}
