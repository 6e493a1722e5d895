//! How much speaks for a host, as numbers that are compared one after the other: the least is the best.
//!
//! All is integer arithmetic. The order is, for a host: how many of the service it has (where the service spreads over
//! hosts before all else), the points of what it prefers (more is better), the policy's own figures, and last its name.

use super::cost::cost;
use super::fleet::Row;
use super::need::Need;
use super::order::Spot;
use crate::model::Policy;

/// What is compared of hosts that are alike in all labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merit {
    /// Tasks of the service there, where it spreads over hosts first.
    pub(super) crowd_first: u32,
    /// Points, negated.
    pub(super) against: i64,
    /// The policy's figures.
    pub(super) figures: [u64; 3],
    /// By name, or backwards.
    pub(super) rank: u64,
}

/// The rank after which a round continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn(pub(super) Option<u64>);

/// A policy's figures, and what decides between equals.
pub(super) type Figures = ([u64; 3], u64);

impl Turn {
    /// Tells whether a host had its turn already.
    pub(super) fn is_past(self, rank: u64) -> bool {
        self.0.is_some_and(|last| rank <= last)
    }

    /// Tells whether the round did not come by a rank yet since an earlier turn, which may be that of the rank itself.
    pub(super) fn is_within(self, since: Turn, rank: u64) -> bool {
        let (since, last) = (since.0.unwrap_or(0), self.0.unwrap_or(0));
        if since < rank { since <= last && last < rank } else { since <= last || last < rank }
    }
}

impl Merit {
    /// Gives the merit with whose turn it is, where hosts take turns.
    pub(super) fn in_turn(self, need: &Need, turn: Turn) -> Merit {
        match need.policy {
            Policy::RoundRobin => Merit { figures: [u64::from(turn.is_past(self.rank)), 0, 0], ..self },
            Policy::Spread | Policy::Binpack | Policy::EPvm => self,
        }
    }

    /// Tells whether only whose turn it is tells two hosts apart.
    pub(super) fn is_level_with(&self, other: &Merit) -> bool {
        (self.crowd_first, self.against) == (other.crowd_first, other.against)
    }
}

/// Gives a policy's figures for a host, turns aside.
pub(super) fn figures(need: &Need, row: &Row, crowd: u32) -> Figures {
    let (load, tasks) = (u64::from(row.load()), u64::from(row.tasks));
    match need.policy {
        Policy::Spread => ([u64::from(crowd), load, tasks], row.rank),
        Policy::Binpack => ([u64::MAX - load, u64::MAX - tasks, 0], u64::MAX - row.rank),
        Policy::EPvm => ([cost(need, row), load, tasks], row.rank),
        Policy::RoundRobin => ([0, 0, 0], row.rank),
    }
}

/// Gives a bound that no host at a spot, or beyond it in the direction in which a policy looks, falls below.
pub(super) fn bound(need: &Need, spot: Spot) -> Figures {
    let (load, tasks) = (u64::from(spot.load), u64::from(spot.tasks));
    match need.policy {
        Policy::Spread => ([0, load, tasks], spot.rank),
        Policy::Binpack => ([u64::MAX - load, u64::MAX - tasks, 0], u64::MAX - spot.rank),
        Policy::EPvm | Policy::RoundRobin => ([0, 0, 0], 0),
    }
}
