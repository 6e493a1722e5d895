//! How much speaks for a host, as numbers that are compared one after the other: the least is the best.
//!
//! All is integer arithmetic. The order is, for a host: how many of the service it has (where the service spreads over
//! hosts before all else), the points of what it prefers (more is better), the policy's own figures, and last its name.

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

/// How many parts a share of e_pvm's marginal cost is told in.
const WHOLE: u64 = 1_000_000;
/// After how much more of a share the cost has doubled.
const DOUBLING: u64 = 125_000;

impl Turn {
    /// Tells whether a host had its turn already.
    pub(super) fn is_past(self, rank: u64) -> bool {
        self.0.is_some_and(|last| rank <= last)
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
pub(super) fn figures(need: &Need, row: &Row, crowd: u32) -> ([u64; 3], u64) {
    let (load, tasks) = (u64::from(row.load()), u64::from(row.tasks));
    match need.policy {
        Policy::Spread => ([u64::from(crowd), load, tasks], row.rank),
        Policy::Binpack => ([u64::MAX - load, u64::MAX - tasks, 0], u64::MAX - row.rank),
        Policy::EPvm => ([cost(need, row), load, tasks], row.rank),
        Policy::RoundRobin => ([0, 0, 0], row.rank),
    }
}

/// Gives a bound that no host at a spot, or beyond it in the direction in which a policy looks, falls below.
pub(super) fn bound(need: &Need, spot: Spot, largest: (u64, u64)) -> ([u64; 3], u64) {
    let (load, tasks) = (u64::from(spot.load), u64::from(spot.tasks));
    match need.policy {
        Policy::Spread => ([0, load, tasks], spot.rank),
        Policy::Binpack => ([u64::MAX - load, u64::MAX - tasks, 0], u64::MAX - spot.rank),
        Policy::EPvm => ([cost_from(need, load, largest), 0, 0], 0),
        Policy::RoundRobin => ([0, 0, 0], 0),
    }
}

/// The cost that a task adds to a host: each share weighs more the fuller it is, doubling with every eighth.
pub(super) fn cost(need: &Need, row: &Row) -> u64 {
    let has = &row.facts.has;
    let added = |held: u64, more: u64, of: u64| {
        let share = |held: u64| held.saturating_mul(WHOLE).checked_div(of).unwrap_or(0);
        weigh(share(held.saturating_add(more))).saturating_sub(weigh(share(held)))
    };
    let (memory, cpu_units) = row.taken();
    let memory = added(memory, need.free.memory, has.memory);
    memory.saturating_add(added(cpu_units, need.free.cpu_units, has.cpu_units))
}

/// The least that a task can add to the cost of a host with such a load: it is full by one of the two shares, and may be
/// empty by the other. Shares are cut to whole parts, so that one part less is counted.
fn cost_from(need: &Need, load: u64, largest: (u64, u64)) -> u64 {
    let part = |more: u64, of: u64| more.saturating_mul(WHOLE).checked_div(of).unwrap_or(0).saturating_sub(1);
    let added = |from: u64, more: u64| weigh(from.saturating_add(more)).saturating_sub(weigh(from));
    let (memory, cpu_units) = (part(need.free.memory, largest.0), part(need.free.cpu_units, largest.1));
    let from = load.saturating_mul(WHOLE / 1000);
    let full_of_memory = added(from, memory).saturating_add(added(0, cpu_units));
    full_of_memory.min(added(0, memory).saturating_add(added(from, cpu_units)))
}

fn weigh(share: u64) -> u64 {
    let doublings = u32::try_from(share / DOUBLING).unwrap_or(u32::MAX);
    let rest = DOUBLING + share % DOUBLING;
    rest.checked_shl(doublings.min(40)).unwrap_or(u64::MAX)
}
