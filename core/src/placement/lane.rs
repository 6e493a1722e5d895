//! The hosts of one class, best first: those that were looked at wait in a heap, the others come from the fleet's order
//! as long as the next of them may be better than the best in the heap.

use super::fleet::{Class, index};
use super::merit::{Merit, Turn, bound, figures};
use super::need::Need;
use super::order::{From, Spot};
use super::scope::Scope;
use super::search::View;
use crate::model::Policy;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound::{Excluded, Unbounded};

/// The hosts of one class in the order in which a search picks them.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) class: usize,
    /// What speaks for all its hosts.
    points: i64,
    /// Hosts that were looked at, best first, turns aside.
    looked_at: BTreeSet<(Merit, u32)>,
    /// The hosts that were not looked at yet; nothing comes of them any more when there is none.
    stream: Option<Stream>,
    /// Hosts that have tasks of the service are yet to be looked at, after all others.
    owes_crowd: bool,
}

/// Hosts that were not looked at yet, the next one first.
#[derive(Clone, Copy, Debug)]
enum Stream {
    ByLoad { from: From, next: Spot },
    ByName { row: u32, start: u64, has_turned: bool },
}

impl Lane {
    /// Makes a lane that looks at rows one by one where the scope names them, and else as far as it must.
    pub(super) fn new(
        need: &Need,
        view: View<'_>,
        scope: &Scope,
        class: usize,
        points: i64,
        turn: Turn,
    ) -> Lane {
        let mut lane = Lane {
            class,
            points,
            looked_at: BTreeSet::new(),
            stream: None,
            owes_crowd: scope.only.is_none() && skips_crowd(need, scope),
        };
        if scope.only.is_none() {
            let of: &Class = &view.fleet.classes[class];
            lane.stream = match need.policy {
                Policy::Spread | Policy::EPvm => by_load(of, need, From::LeastLoaded, None),
                Policy::Binpack => by_load(of, need, From::MostLoaded, None),
                Policy::RoundRobin => by_name(of, turn.0.unwrap_or(0), None),
            };
        }
        lane
    }

    /// Looks at a row, unless that was done.
    pub(super) fn look(&mut self, need: &Need, view: View<'_>, scope: &Scope, row: u32, seen: &mut Seen) {
        if seen.insert(row) {
            self.looked_at.extend(self.weigh(need, view, scope, row).map(|merit| (merit, row)));
        }
    }

    /// Gives the best host of the class.
    pub(super) fn best(
        &mut self,
        need: &Need,
        view: View<'_>,
        scope: &Scope,
        turn: Turn,
        seen: &mut Seen,
    ) -> Option<(Merit, u32)> {
        loop {
            let top = self.top(need, turn);
            if let Some((merit, row)) = top {
                let now = self.weigh(need, view, scope, row);
                if now != Some(merit) {
                    self.looked_at.remove(&(merit, row));
                    self.looked_at.extend(now.map(|now| (now, row)));
                    continue;
                }
            }
            let top = top.map(|(merit, row)| (merit.in_turn(need, turn), row));
            if let Some(stream) = self.stream {
                if top.is_none_or(|(merit, _)| self.least(need, view, turn, stream) < merit) {
                    self.advance(need, view, scope, stream, seen);
                    continue;
                }
            } else if self.owes_crowd {
                self.owes_crowd = false;
                let class = self.class;
                let here = |row: &&u32| index(view.fleet.row(**row).class) == class;
                for row in view.own.keys().filter(here) {
                    self.look(need, view, scope, *row, seen);
                }
                continue;
            }
            return top;
        }
    }

    /// Gives the best of the hosts that were looked at: where they take turns, the next of those that are as good.
    fn top(&self, need: &Need, turn: Turn) -> Option<(Merit, u32)> {
        let first = *self.looked_at.first()?;
        match (need.policy, turn.0) {
            (Policy::RoundRobin, Some(last)) => {
                let after = (Merit { rank: last, ..first.0 }, u32::MAX);
                let next = self.looked_at.range((Excluded(after), Unbounded)).next();
                Some(next.filter(|(merit, _)| merit.is_level_with(&first.0)).copied().unwrap_or(first))
            }
            (Policy::RoundRobin | Policy::Spread | Policy::Binpack | Policy::EPvm, _) => Some(first),
        }
    }

    /// Gives what speaks for a host, if a task may be placed on it.
    fn weigh(&self, need: &Need, view: View<'_>, scope: &Scope, row: u32) -> Option<Merit> {
        let at = view.fleet.row(row);
        let crowd = view.own.get(&row).copied().unwrap_or(0);
        if !at.is_open || scope.is_full(crowd) || view.closed.contains(&row) {
            return None;
        }
        if need.shortage(at).is_some() || scope.obstacle(need, view, row, crowd).is_some() {
            return None;
        }
        let (figures, rank) = figures(need, at, crowd);
        let crowd_first = if scope.hosts_first { crowd } else { 0 };
        Some(Merit { crowd_first, against: -(self.points + scope.points_of(row)), figures, rank })
    }

    /// Gives a merit that no host of the stream falls below.
    fn least(&self, need: &Need, view: View<'_>, turn: Turn, stream: Stream) -> Merit {
        let (figures, rank) = match stream {
            Stream::ByLoad { next, .. } => bound(need, next, view.fleet.classes[self.class].largest),
            Stream::ByName { row, start, has_turned } => {
                let rank = view.fleet.row(row).rank;
                // Where hosts of other classes were picked meanwhile, one that comes later may be next.
                let is_next = !turn.is_past(rank) && (has_turned || turn.0.unwrap_or(0) >= start);
                ([0, 0, 0], if is_next { rank } else { 0 })
            }
        };
        Merit { crowd_first: 0, against: -self.points, figures, rank }
    }

    /// Looks at the next host of the stream.
    fn advance(&mut self, need: &Need, view: View<'_>, scope: &Scope, stream: Stream, seen: &mut Seen) {
        let of: &Class = &view.fleet.classes[self.class];
        let row = match stream {
            Stream::ByLoad { from, next } => {
                self.stream = by_load(of, need, from, Some(next));
                next.row
            }
            Stream::ByName { row, start, has_turned } => {
                self.stream = by_name(of, start, Some((view.fleet.row(row).rank, has_turned)));
                row
            }
        };
        if !self.owes_crowd || !view.own.contains_key(&row) {
            self.look(need, view, scope, row, seen);
        }
    }
}

fn by_load(class: &Class, need: &Need, from: From, beyond: Option<Spot>) -> Option<Stream> {
    class.order.next(from, beyond, need.free).map(|next| Stream::ByLoad { from, next })
}

/// Finds the host that follows one by name; after the last the first follows, and the round ends where it began.
fn by_name(class: &Class, start: u64, after: Option<(u64, bool)>) -> Option<Stream> {
    let (rank, has_turned) = after.unwrap_or((start, false));
    let ahead = || class.names.range((Excluded(rank), Unbounded)).next().filter(|_| !has_turned);
    let turned = || {
        let from = if has_turned { Excluded(rank) } else { Unbounded };
        class.names.range((from, Unbounded)).next().filter(|(rank, _)| **rank <= start)
    };
    if let Some((_, row)) = ahead() {
        return Some(Stream::ByName { row: *row, start, has_turned: false });
    }
    turned().map(|(_, row)| Stream::ByName { row: *row, start, has_turned: true })
}

/// Tells whether a host without tasks of the service is better than any that has some, so that these are looked at last.
fn skips_crowd(need: &Need, scope: &Scope) -> bool {
    need.policy == Policy::Spread || scope.hosts_first
}

/// Rows that were looked at, in whatever lane: each is in one.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Vec<u64>);

impl Seen {
    /// Adds a row; tells whether it is new.
    fn insert(&mut self, row: u32) -> bool {
        let (word, bit) = (index(row / 64), 1u64 << (row % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }
}
