//! Hosts by how large and how full they are, in blocks of those that are alike, so that what a task costs on any host of a
//! block is bounded closely.

use super::blocks::{Blocks, Entry};
use super::cost::{WHOLE, added, least_added, share};
use super::merit::Figures;
use super::order::{Free, Spot};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Where a host is: by what it has, then by how full it is of memory and of processor, then in the order of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    /// MiB of memory, and 1024 a core.
    has: (u64, u64),
    fill: u32,
    spot: Spot,
}

/// A host as far as its cost is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    place: Place,
    free: Free,
    /// What is taken of its memory and of its processor; follows from the others.
    shares: (u32, u32),
}

/// What holds of several hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extremes {
    /// The first in the order of load.
    least: Spot,
    /// The least that is taken, as shares.
    shares: (u64, u64),
    largest: (u64, u64),
    most: Free,
}

/// Hosts by how large and how full they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Costs(Blocks<Standing>);

/// How many levels of fullness are told apart where hosts are ordered; how near to each other hosts are in the order is all
/// that hangs on it.
const LEVELS: u64 = 1 << LEVEL_BITS;
const LEVEL_BITS: u32 = 10;

impl Standing {
    pub(super) fn of(has: (u64, u64), free: Free, spot: Spot) -> Standing {
        // Of a host of which more is taken than it has, no more than that matters.
        let taken =
            |of: u64, free: u64| u32::try_from(share(of.saturating_sub(free), of)).unwrap_or(u32::MAX);
        let shares = (taken(has.0, free.memory), taken(has.1, free.cpu_units));
        let fill = interleave(level(shares.0), level(shares.1));
        Standing { place: Place { has, fill, spot }, free, shares }
    }

    fn shares(&self) -> (u64, u64) {
        (self.shares.0.into(), self.shares.1.into())
    }

    pub(super) fn row(&self) -> u32 {
        self.place.spot.row
    }

    /// Gives e_pvm's figures for a task on the host.
    pub(super) fn figures(&self, needed: Free) -> Figures {
        let ((memory, cpu_units), free) = (self.place.has, self.free);
        let taken = (memory.saturating_sub(free.memory), cpu_units.saturating_sub(free.cpu_units));
        figures(added(needed, taken, self.shares(), self.place.has), self.place.spot)
    }

    pub(super) fn covers(&self, needed: Free) -> bool {
        self.free.covers(needed)
    }
}

impl Extremes {
    /// Gives figures that no host falls below.
    fn figures(&self, needed: Free) -> Figures {
        figures(least_added(needed, self.shares, self.largest), self.least)
    }
}

impl Entry for Standing {
    type Key = Place;
    type Bounds = Extremes;

    fn key(&self) -> Place {
        self.place
    }

    fn bounds(&self) -> Extremes {
        let Place { has, spot, .. } = self.place;
        Extremes { least: spot, shares: self.shares(), largest: has, most: self.free }
    }

    fn join(one: Extremes, other: Extremes) -> Extremes {
        let (a, b) = (one, other);
        Extremes {
            least: a.least.min(b.least),
            shares: (a.shares.0.min(b.shares.0), a.shares.1.min(b.shares.1)),
            largest: (a.largest.0.max(b.largest.0), a.largest.1.max(b.largest.1)),
            most: a.most.most(b.most),
        }
    }

    fn is_at(&self, bounds: &Extremes) -> bool {
        let (is, free) = (self.bounds(), self.free);
        let has_largest = is.largest.0 == bounds.largest.0 || is.largest.1 == bounds.largest.1;
        let has_least = is.shares.0 == bounds.shares.0 || is.shares.1 == bounds.shares.1;
        let has_most = free.memory == bounds.most.memory || free.cpu_units == bounds.most.cpu_units;
        is.least == bounds.least || has_least || has_largest || has_most
    }
}

impl Costs {
    pub(super) fn insert(&mut self, standing: Standing) {
        self.0.insert(standing);
    }

    pub(super) fn remove(&mut self, standing: Standing) {
        self.0.remove(standing.place);
    }

    pub(super) fn contains(&self, standing: Standing) -> bool {
        self.0.contains(standing.place)
    }

    /// Gives where each block begins whose hosts may have room, with figures that none of its hosts falls below, and where
    /// the next one begins.
    pub(super) fn blocks(&self, needed: Free) -> Vec<(Figures, Place, Option<Place>)> {
        let nexts = self.0.0.iter().skip(1).map(|block| Some(block.first)).chain([None]);
        let blocks = self.0.0.iter().zip(nexts).filter(|(block, _)| block.bounds.most.covers(needed));
        blocks.map(|(block, next)| (block.bounds.figures(needed), block.first, next)).collect()
    }

    /// Goes through the hosts from one place on, up to another one.
    pub(super) fn range(&self, from: Place, to: Option<Place>) -> impl Iterator<Item = &Standing> {
        self.0.range(from, to)
    }
}

fn figures(cost: u64, spot: Spot) -> Figures {
    ([cost, u64::from(spot.load), u64::from(spot.tasks)], spot.rank)
}

fn level(share: u32) -> u32 {
    u32::try_from((u64::from(share) * LEVELS / WHOLE).min(LEVELS - 1)).unwrap_or(0)
}

/// Makes one number of two, bit by bit in turn, so that what is near in one order is mostly near in both.
fn interleave(memory: u32, cpu_units: u32) -> u32 {
    (0..LEVEL_BITS).rev().fold(0, |all, bit| all << 2 | (memory >> bit & 1) << 1 | cpu_units >> bit & 1)
}
