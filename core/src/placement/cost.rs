//! What a task adds to the cost of a host, by which e_pvm compares hosts: of two weights, of its shares of memory and of
//! processor, each doubles with every eighth of the host.

use super::fleet::Row;
use super::need::Need;
use super::order::Free;

/// How many parts a share is told in.
pub(super) const WHOLE: u64 = 1_000_000;
/// After how much more of a share the cost has doubled.
const DOUBLING: u64 = 125_000;

/// Gives the cost that a task adds to a host.
pub(super) fn cost(need: &Need, row: &Row) -> u64 {
    let (taken, has) = (row.taken(), (row.facts.has.memory, row.facts.has.cpu_units));
    added(need.free, taken, (share(taken.0, has.0), share(taken.1, has.1)), has)
}

/// Gives the cost that so much more adds to a host that has so much, and of which so much is taken, which are such shares:
/// memory and processor share, MiB and 1024 a core.
pub(super) fn added(more: Free, taken: (u64, u64), shares: (u64, u64), has: (u64, u64)) -> u64 {
    let added = |from: u64, held: u64, more: u64, of: u64| {
        weigh(share(held.saturating_add(more), of)).saturating_sub(weigh(from))
    };
    let memory = added(shares.0, taken.0, more.memory, has.0);
    memory.saturating_add(added(shares.1, taken.1, more.cpu_units, has.1))
}

/// Gives a cost below which so much more adds to no host of which at least such shares are taken, and that has no more than
/// `largest`: a weight grows faster the fuller the host is. Shares are cut to whole parts, but the sum of two that were cut
/// is not above the sum that is cut.
pub(super) fn least_added(more: Free, shares: (u64, u64), largest: (u64, u64)) -> u64 {
    let added = |from: u64, more: u64, of: u64| {
        weigh(from.saturating_add(share(more, of))).saturating_sub(weigh(from))
    };
    added(shares.0, more.memory, largest.0).saturating_add(added(shares.1, more.cpu_units, largest.1))
}

/// Gives the share that an amount is of another one, in parts.
pub(super) fn share(held: u64, of: u64) -> u64 {
    held.saturating_mul(WHOLE).checked_div(of).unwrap_or(0)
}

fn weigh(share: u64) -> u64 {
    let doublings = u32::try_from(share / DOUBLING).unwrap_or(u32::MAX);
    let rest = DOUBLING + share % DOUBLING;
    rest.checked_shl(doublings.min(40)).unwrap_or(u64::MAX)
}
