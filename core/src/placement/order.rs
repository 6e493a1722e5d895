//! Hosts in the order of their load, in blocks that know the most that any of their hosts has free, so that a walk from
//! either end passes by what is full without looking at each.

use alloc::vec::Vec;
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
    pub(crate) fn covers(self, need: Free) -> bool {
        self.memory >= need.memory && self.cpu_units >= need.cpu_units
    }

    fn most(self, other: Free) -> Free {
        Free { memory: self.memory.max(other.memory), cpu_units: self.cpu_units.max(other.cpu_units) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    spot: Spot,
    free: Free,
}

/// No block is empty, and none is larger than [`BLOCK_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Block {
    first: Spot,
    most: Free,
    entries: Vec<Entry>,
}

const BLOCK_MAX: usize = 128;

/// Hosts in the order of their load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    blocks: Vec<Block>,
}

/// From which end hosts are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    LeastLoaded,
    MostLoaded,
}

impl Block {
    fn of(entries: Vec<Entry>) -> Option<Block> {
        let first = entries.first()?.spot;
        let most = entries.iter().fold(Free::default(), |most, entry| most.most(entry.free));
        Some(Block { first, most, entries })
    }
}

impl Order {
    pub(crate) fn insert(&mut self, spot: Spot, free: Free) {
        let entry = Entry { spot, free };
        let index = self.block_of(spot);
        let Some(block) = self.blocks.get_mut(index) else {
            self.blocks.extend(Block::of(alloc::vec![entry]));
            return;
        };
        let at = block.entries.partition_point(|other| other.spot < spot);
        block.entries.insert(at, entry);
        block.first = block.first.min(spot);
        block.most = block.most.most(free);
        if block.entries.len() > BLOCK_MAX {
            let upper = block.entries.split_off(BLOCK_MAX / 2);
            let halves = [core::mem::take(&mut block.entries), upper].into_iter().filter_map(Block::of);
            let halves: Vec<Block> = halves.collect();
            self.blocks.splice(index..=index, halves);
        }
    }

    pub(crate) fn remove(&mut self, spot: Spot) {
        let index = self.block_of(spot);
        let Some(block) = self.blocks.get_mut(index) else { return };
        let Ok(at) = block.entries.binary_search_by(|other| other.spot.cmp(&spot)) else { return };
        let gone = block.entries.remove(at);
        let Some(first) = block.entries.first() else {
            self.blocks.remove(index);
            return;
        };
        block.first = first.spot;
        if gone.free.memory == block.most.memory || gone.free.cpu_units == block.most.cpu_units {
            block.most = block.entries.iter().fold(Free::default(), |most, entry| most.most(entry.free));
        }
    }

    /// Finds the next host beyond a spot that has so much free.
    pub(crate) fn next(&self, from: From, beyond: Option<Spot>, need: Free) -> Option<Spot> {
        let fits = |entry: &&Entry| entry.free.covers(need);
        let block = beyond.map(|spot| self.block_of(spot));
        match from {
            From::LeastLoaded => {
                let is_beyond = |entry: &&Entry| beyond.is_none_or(|spot| entry.spot > spot);
                let here = block.and_then(|index| {
                    let entries = &self.blocks.get(index)?.entries;
                    entries.iter().filter(is_beyond).find(fits)
                });
                let rest = block.map_or(0, |index| index + 1);
                let later = || {
                    let mut blocks = self.blocks.iter().skip(rest).filter(|block| block.most.covers(need));
                    blocks.find_map(|block| block.entries.iter().find(fits))
                };
                here.or_else(later).map(|entry| entry.spot)
            }
            From::MostLoaded => {
                let is_beyond = |entry: &&Entry| beyond.is_none_or(|spot| entry.spot < spot);
                let here = block.and_then(|index| {
                    let entries = &self.blocks.get(index)?.entries;
                    entries.iter().rev().filter(is_beyond).find(fits)
                });
                let rest = block.unwrap_or(self.blocks.len()).min(self.blocks.len());
                let earlier = || {
                    let blocks = self.blocks[..rest].iter().rev();
                    let mut blocks = blocks.filter(|block| block.most.covers(need));
                    blocks.find_map(|block| block.entries.iter().rev().find(fits))
                };
                here.or_else(earlier).map(|entry| entry.spot)
            }
        }
    }

    pub(crate) fn contains(&self, spot: Spot) -> bool {
        let block = self.blocks.get(self.block_of(spot));
        block.is_some_and(|block| block.entries.binary_search_by(|other| other.spot.cmp(&spot)).is_ok())
    }

    /// Finds the block in which a spot is, or would be put.
    fn block_of(&self, spot: Spot) -> usize {
        self.blocks.partition_point(|block| block.first <= spot).saturating_sub(1)
    }
}
