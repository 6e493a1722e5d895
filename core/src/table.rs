//! Maps for what is looked up by name far more often than it is walked through. Where there are a million names, a search in
//! a tree compares some thirty of them, each in another place of the memory; here it is one.
//!
//! **Invariant:** how a table is walked through follows from what was put into it and taken out of it, on every machine and
//! after it was read back; it is no order of names.

use core::hash::BuildHasherDefault;
use indexmap::IndexMap;
use rustc_hash::FxHasher;

/// A map by name, in the order in which names came, until one is taken out: then the last takes its place.
pub type Table<K, V> = IndexMap<K, V, BuildHasherDefault<FxHasher>>;
