//! Hosts that a search has looked at, in the order in which it picks them.

use super::merit::{Merit, Turn};
use crate::model::Policy;
use alloc::collections::{BTreeSet, BinaryHeap};
use core::cmp::Reverse;
use core::ops::Bound::{Excluded, Unbounded};

/// Hosts that were looked at, turns aside.
#[derive(Debug)]
pub(super) enum Ranked {
    /// None but the best is asked for.
    Best(BinaryHeap<Reverse<(Merit, u32)>>),
    /// Hosts take turns: the next of those that are as good as the best is asked for.
    Turns(BTreeSet<(Merit, u32)>),
}

impl Ranked {
    pub(super) fn new(policy: Policy) -> Ranked {
        match policy {
            Policy::RoundRobin => Ranked::Turns(BTreeSet::new()),
            Policy::Spread | Policy::Binpack | Policy::EPvm => Ranked::Best(BinaryHeap::new()),
        }
    }

    pub(super) fn insert(&mut self, host: (Merit, u32)) {
        match self {
            Ranked::Best(hosts) => hosts.push(Reverse(host)),
            Ranked::Turns(hosts) => {
                hosts.insert(host);
            }
        }
    }

    /// Takes out the host that was given as the next.
    pub(super) fn take(&mut self, next: (Merit, u32)) {
        match self {
            Ranked::Best(hosts) => {
                let best = hosts.pop();
                debug_assert_eq!(best, Some(Reverse(next)), "it was the best, and nothing came since");
            }
            Ranked::Turns(hosts) => {
                hosts.remove(&next);
            }
        }
    }

    /// Gives the next host.
    pub(super) fn next(&self, turn: Turn) -> Option<(Merit, u32)> {
        match self {
            Ranked::Best(hosts) => hosts.peek().map(|Reverse(best)| *best),
            Ranked::Turns(hosts) => {
                let first = *hosts.first()?;
                let Some(last) = turn.0 else { return Some(first) };
                let after = (Merit { rank: last, ..first.0 }, u32::MAX);
                let next = hosts.range((Excluded(after), Unbounded)).next();
                Some(next.filter(|(merit, _)| merit.is_level_with(&first.0)).copied().unwrap_or(first))
            }
        }
    }
}
