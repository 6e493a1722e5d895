//! Entries in the order of their keys, in blocks that know what bounds all their entries, so that a search passes by whole
//! blocks without looking at each entry.
//!
//! **Invariant:** no block is empty, and none is larger than [`BLOCK_MAX`].

use alloc::vec::Vec;
use core::fmt::Debug;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What can be kept, and written down.
pub(crate) trait Kept: Copy + Eq + Debug + Serialize + DeserializeOwned {}

impl<T: Copy + Eq + Debug + Serialize + DeserializeOwned> Kept for T {}

/// What is kept in blocks.
pub(crate) trait Entry: Kept {
    /// What entries are ordered by; each has its own.
    type Key: Kept + Ord;
    /// What holds of several entries.
    type Bounds: Kept;

    fn key(&self) -> Self::Key;

    fn bounds(&self) -> Self::Bounds;

    /// Gives what holds of the entries of both.
    fn join(one: Self::Bounds, other: Self::Bounds) -> Self::Bounds;

    /// Tells whether bounds may be narrower without this entry.
    fn is_at(&self, bounds: &Self::Bounds) -> bool;
}

/// Neighbours in the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Block<E: Entry> {
    pub(super) first: E::Key,
    pub(super) bounds: E::Bounds,
    pub(super) entries: Vec<E>,
}

const BLOCK_MAX: usize = 128;

/// Entries in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Blocks<E: Entry>(pub(super) Vec<Block<E>>);

impl<E: Entry> Default for Blocks<E> {
    fn default() -> Blocks<E> {
        Blocks(Vec::new())
    }
}

impl<E: Entry> Block<E> {
    fn of(entries: Vec<E>) -> Option<Block<E>> {
        let (first, bounds) = (entries.first()?.key(), bounds_of(&entries, None)?);
        Some(Block { first, bounds, entries })
    }
}

/// Gives what holds of all entries; they need not all be looked at where it is known how wide that is at most.
fn bounds_of<E: Entry>(entries: &[E], widest: Option<E::Bounds>) -> Option<E::Bounds> {
    let mut bounds = entries.first()?.bounds();
    for entry in &entries[1..] {
        if Some(bounds) == widest {
            break;
        }
        bounds = E::join(bounds, entry.bounds());
    }
    Some(bounds)
}

impl<E: Entry> Blocks<E> {
    pub(super) fn insert(&mut self, entry: E) {
        let key = entry.key();
        let index = self.block_of(key);
        let Some(block) = self.0.get_mut(index) else {
            self.0.extend(Block::of(alloc::vec![entry]));
            return;
        };
        let at = block.entries.partition_point(|other| other.key() < key);
        block.entries.insert(at, entry);
        block.first = block.first.min(key);
        block.bounds = E::join(block.bounds, entry.bounds());
        if block.entries.len() > BLOCK_MAX {
            let upper = block.entries.split_off(BLOCK_MAX / 2);
            let halves = [core::mem::take(&mut block.entries), upper].into_iter().filter_map(Block::of);
            let halves: Vec<Block<E>> = halves.collect();
            self.0.splice(index..=index, halves);
        }
    }

    pub(super) fn remove(&mut self, key: E::Key) {
        let index = self.block_of(key);
        let Some(block) = self.0.get_mut(index) else { return };
        let Ok(at) = block.entries.binary_search_by(|other| other.key().cmp(&key)) else { return };
        let gone = block.entries.remove(at);
        let Some(first) = block.entries.first() else {
            self.0.remove(index);
            return;
        };
        block.first = first.key();
        if gone.is_at(&block.bounds) {
            block.bounds = bounds_of(&block.entries, Some(block.bounds)).unwrap_or(block.bounds);
        }
    }

    pub(super) fn contains(&self, key: E::Key) -> bool {
        let block = self.0.get(self.block_of(key));
        block.is_some_and(|block| block.entries.binary_search_by(|other| other.key().cmp(&key)).is_ok())
    }

    /// Goes through the entries from one key on, up to another one.
    pub(super) fn range(&self, from: E::Key, to: Option<E::Key>) -> impl Iterator<Item = &E> {
        let blocks = self.0.iter().skip(self.block_of(from));
        let entries = blocks.flat_map(|block| &block.entries).skip_while(move |entry| entry.key() < from);
        entries.take_while(move |entry| to.is_none_or(|to| entry.key() < to))
    }

    /// Finds the block in which a key is, or would be put.
    pub(super) fn block_of(&self, key: E::Key) -> usize {
        self.0.partition_point(|block| block.first <= key).saturating_sub(1)
    }
}
