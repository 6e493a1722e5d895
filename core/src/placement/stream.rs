//! Hosts of one class that a search did not look at yet, in an order in which none that follows can be better than a bound
//! that only grows.

use super::cheapest::Cheapest;
use super::class::Class;
use super::fleet::Fleet;
use super::lane::Seen;
use super::merit::{Figures, Turn, bound};
use super::need::Need;
use super::order::{From, Spot};
use crate::model::Policy;

/// Hosts that were not looked at yet, the next one first.
#[derive(Debug)]
pub(super) enum Stream {
    /// All hosts by name, of which nothing is kept that the policy goes by.
    Unserved {
        next: (u64, u32),
    },
    /// All hosts of the class, which are yet to be ordered by cost.
    Unordered,
    ByLoad {
        from: From,
        next: Spot,
    },
    /// Hosts take turns: which is next, and since whose turn.
    ByName {
        next: u32,
        since: Turn,
    },
    ByCost(Cheapest),
}

impl Stream {
    /// Makes a stream of all hosts of a class that the policy may pick.
    pub(super) fn new(fleet: &Fleet, of: &Class, need: &Need, turn: Turn) -> Option<Stream> {
        match need.policy {
            Policy::EPvm if fleet.served.costs => Some(Stream::Unordered),
            Policy::Spread if fleet.served.loads => by_load(of, need, From::First, None),
            Policy::Binpack if fleet.served.loads => by_load(of, need, From::Last, None),
            Policy::RoundRobin => in_round(of, need, &Seen::default(), turn),
            Policy::Spread | Policy::Binpack | Policy::EPvm => unserved(of, need, None),
        }
    }

    /// Gives what is left where the turn has passed by hosts meanwhile: those come later.
    pub(super) fn in_turn(
        self,
        fleet: &Fleet,
        of: &Class,
        need: &Need,
        seen: &Seen,
        turn: Turn,
    ) -> Option<Stream> {
        match self {
            Stream::ByName { next, since } if !turn.is_within(since, fleet.row(next).rank) => {
                in_round(of, need, seen, turn)
            }
            Stream::Unserved { .. }
            | Stream::Unordered
            | Stream::ByLoad { .. }
            | Stream::ByName { .. }
            | Stream::ByCost(_) => Some(self),
        }
    }

    /// Gives figures that no host of the stream falls below.
    pub(super) fn least(&self, fleet: &Fleet, need: &Need, turn: Turn) -> Figures {
        match self {
            Stream::Unserved { .. } | Stream::Unordered => Figures::default(),
            Stream::ByLoad { next, .. } => bound(need, *next),
            Stream::ByName { next, .. } => {
                let rank = fleet.row(*next).rank;
                ([u64::from(turn.is_past(rank)), 0, 0], rank)
            }
            Stream::ByCost(cheapest) => cheapest.least().unwrap_or_default(),
        }
    }

    /// Goes one step on: gives the next host, where the step leads to one, and what is left.
    pub(super) fn step(
        self,
        fleet: &Fleet,
        of: &Class,
        need: &Need,
        seen: &Seen,
    ) -> (Option<u32>, Option<Stream>) {
        match self {
            Stream::Unserved { next } => (Some(next.1), unserved(of, need, Some(next))),
            Stream::Unordered => (None, by_cost(Cheapest::new(&of.costs, need.free))),
            Stream::ByLoad { from, next } => (Some(next.row), by_load(of, need, from, Some(next))),
            Stream::ByName { next, since } => {
                let rest = by_name(of, need, seen, Turn(Some(fleet.row(next).rank)));
                (Some(next), rest.map(|next| Stream::ByName { next, since }))
            }
            Stream::ByCost(mut cheapest) => (cheapest.step(&of.costs, need.free), by_cost(cheapest)),
        }
    }

    /// Counts hosts whose figures were found, and that did not come yet.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Stream::Unserved { .. } | Stream::Unordered | Stream::ByLoad { .. } | Stream::ByName { .. } => 0,
            Stream::ByCost(cheapest) => cheapest.waiting(),
        }
    }
}

fn unserved(class: &Class, need: &Need, beyond: Option<(u64, u32)>) -> Option<Stream> {
    class.names.next(From::First, beyond, need.free).map(|next| Stream::Unserved { next })
}

fn by_cost(cheapest: Cheapest) -> Option<Stream> {
    cheapest.least().is_some().then_some(Stream::ByCost(cheapest))
}

fn by_load(class: &Class, need: &Need, from: From, beyond: Option<Spot>) -> Option<Stream> {
    class.order.next(from, beyond, need.free).map(|next| Stream::ByLoad { from, next })
}

fn in_round(class: &Class, need: &Need, seen: &Seen, turn: Turn) -> Option<Stream> {
    by_name(class, need, seen, turn).map(|next| Stream::ByName { next, since: turn })
}

/// Finds the host that is next by name of those that have room and were not looked at; after the last the first follows.
fn by_name(class: &Class, need: &Need, seen: &Seen, turn: Turn) -> Option<u32> {
    let beyond = |key| class.names.next(From::First, key, need.free);
    let first_of = |key| {
        let all = core::iter::successors(beyond(key), |key| beyond(Some(*key)));
        all.map(|(_, row)| row).find(|row| !seen.contains(*row))
    };
    let next = turn.0.and_then(|last| first_of(Some((last, u32::MAX))));
    next.or_else(|| first_of(None))
}
