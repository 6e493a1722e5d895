//! Hosts of one class that a search did not look at yet, in an order in which none that follows can be better than a bound
//! that only grows.

use super::cheapest::Cheapest;
use super::class::Class;
use super::fleet::Fleet;
use super::merit::{Figures, Turn, bound};
use super::need::Need;
use super::order::{From, Spot};
use crate::model::Policy;

/// Hosts that were not looked at yet, the next one first.
#[derive(Debug)]
pub(super) enum Stream {
    /// All hosts of the class, which are yet to be ordered by cost.
    Unordered,
    ByLoad {
        from: From,
        next: Spot,
    },
    ByName {
        row: u32,
        start: u64,
        has_turned: bool,
    },
    ByCost(Cheapest),
}

impl Stream {
    /// Makes a stream of all hosts of a class that the policy may pick.
    pub(super) fn new(fleet: &Fleet, of: &Class, need: &Need, turn: Turn) -> Option<Stream> {
        match need.policy {
            Policy::EPvm if fleet.served.costs => Some(Stream::Unordered),
            Policy::Spread | Policy::EPvm => by_load(of, need, From::First, None),
            Policy::Binpack => by_load(of, need, From::Last, None),
            Policy::RoundRobin => by_name(of, need, turn.0.unwrap_or(0), None),
        }
    }

    /// Gives figures that no host of the stream falls below.
    pub(super) fn least(&self, fleet: &Fleet, need: &Need, turn: Turn) -> Figures {
        match self {
            Stream::Unordered => Figures::default(),
            Stream::ByLoad { next, .. } => bound(need, *next),
            Stream::ByName { row, start, has_turned } => {
                let rank = fleet.row(*row).rank;
                // Where hosts of other classes were picked meanwhile, one that comes later may be next.
                let is_next = !turn.is_past(rank) && (*has_turned || turn.0.unwrap_or(0) >= *start);
                ([0, 0, 0], if is_next { rank } else { 0 })
            }
            Stream::ByCost(cheapest) => cheapest.least().unwrap_or_default(),
        }
    }

    /// Goes one step on: gives the next host, where the step leads to one, and what is left.
    pub(super) fn step(self, fleet: &Fleet, of: &Class, need: &Need) -> (Option<u32>, Option<Stream>) {
        match self {
            Stream::Unordered => (None, by_cost(Cheapest::new(&of.costs, need.free))),
            Stream::ByLoad { from, next } => (Some(next.row), by_load(of, need, from, Some(next))),
            Stream::ByName { row, start, has_turned } => {
                (Some(row), by_name(of, need, start, Some((fleet.row(row).rank, has_turned))))
            }
            Stream::ByCost(mut cheapest) => (cheapest.step(&of.costs, need.free), by_cost(cheapest)),
        }
    }

    /// Counts hosts whose figures were found, and that did not come yet.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Stream::Unordered | Stream::ByLoad { .. } | Stream::ByName { .. } => 0,
            Stream::ByCost(cheapest) => cheapest.waiting(),
        }
    }
}

fn by_cost(cheapest: Cheapest) -> Option<Stream> {
    cheapest.least().is_some().then_some(Stream::ByCost(cheapest))
}

fn by_load(class: &Class, need: &Need, from: From, beyond: Option<Spot>) -> Option<Stream> {
    class.order.next(from, beyond, need.free).map(|next| Stream::ByLoad { from, next })
}

/// Finds the host that follows one by name and has room; after the last the first follows, and the round ends where it
/// began.
fn by_name(class: &Class, need: &Need, start: u64, after: Option<(u64, bool)>) -> Option<Stream> {
    let (rank, has_turned) = after.unwrap_or((start, false));
    let beyond =
        |rank: Option<u64>| class.names.next(From::First, rank.map(|rank| (rank, u32::MAX)), need.free);
    if !has_turned && let Some((_, row)) = beyond(Some(rank)) {
        return Some(Stream::ByName { row, start, has_turned: false });
    }
    let turned = beyond(has_turned.then_some(rank)).filter(|(rank, _)| *rank <= start);
    turned.map(|(_, row)| Stream::ByName { row, start, has_turned: true })
}
