//! The hosts of one class, best first: those that were looked at wait in order, the others come from the stream that the
//! policy asks for, as long as the next of them may be better than the best that waits.

use super::fleet::index;
use super::merit::{Merit, Turn, figures};
use super::need::Need;
use super::ranked::Ranked;
use super::scope::Scope;
use super::search::View;
use super::stream::Stream;
use crate::model::Policy;
use alloc::vec::Vec;

/// The hosts of one class in the order in which a search picks them.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) class: usize,
    /// What speaks for all its hosts.
    points: i64,
    /// Hosts that were looked at and have room.
    looked_at: Ranked,
    /// The hosts that were not looked at yet; nothing comes of them any more when there is none.
    stream: Option<Stream>,
    /// Hosts that have tasks of the service are yet to be looked at, after all others.
    owes_crowd: bool,
    /// What was found best, in whose turn, since anything was last looked at.
    found: Option<(Turn, Option<(Merit, u32)>)>,
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
            looked_at: Ranked::new(need.policy),
            stream: None,
            owes_crowd: scope.only.is_none() && skips_crowd(need, scope),
            found: None,
        };
        if scope.only.is_none() {
            lane.stream = Stream::new(view.fleet, &view.fleet.classes[class], need, turn);
        }
        lane
    }

    /// Looks at a row, unless that was done.
    pub(super) fn look(&mut self, need: &Need, view: View<'_>, scope: &Scope, row: u32, seen: &mut Seen) {
        if seen.insert(row) {
            self.found = None;
            self.enter(need, view, scope, row);
        }
    }

    /// Takes in that a host got fuller.
    pub(super) fn weigh_anew(&mut self, need: &Need, view: View<'_>, scope: &Scope, was: (Merit, u32)) {
        self.found = None;
        self.looked_at.take(was);
        self.enter(need, view, scope, was.1);
    }

    fn enter(&mut self, need: &Need, view: View<'_>, scope: &Scope, row: u32) {
        if let Some(merit) = self.weigh(need, view, scope, row) {
            self.looked_at.insert((merit, row));
        }
    }

    /// Gives the best host of the class, and what speaks for it, turns aside.
    pub(super) fn best(
        &mut self,
        need: &Need,
        view: View<'_>,
        scope: &Scope,
        turn: Turn,
        seen: &mut Seen,
    ) -> Option<(Merit, u32)> {
        if let Some((since, found)) = self.found
            && stands(need, (since, found), turn)
        {
            debug_assert!(self.is_as_it_was(need, view, scope, found), "nothing changes but what was picked");
            return found;
        }
        let class = &view.fleet.classes[self.class];
        let in_turn = |stream: Stream| stream.in_turn(view.fleet, class, need, seen, turn);
        self.stream = self.stream.take().and_then(in_turn);
        loop {
            let top = self.looked_at.next(turn);
            if let Some(stream) = &self.stream {
                let (figures, rank) = stream.least(view.fleet, need, turn);
                let least = Merit { crowd_first: 0, against: -self.points, figures, rank };
                if top.is_none_or(|(merit, _)| least < merit.in_turn(need, turn)) {
                    self.advance(need, view, scope, seen);
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
            debug_assert!(self.is_as_it_was(need, view, scope, top), "nothing changes but what was picked");
            self.found = Some((turn, top));
            return top;
        }
    }

    fn is_as_it_was(&self, need: &Need, view: View<'_>, scope: &Scope, was: Option<(Merit, u32)>) -> bool {
        was.is_none_or(|(merit, row)| self.weigh(need, view, scope, row) == Some(merit))
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

    /// Goes one step on in the stream, and looks at the host to which that leads.
    fn advance(&mut self, need: &Need, view: View<'_>, scope: &Scope, seen: &mut Seen) {
        let Some(stream) = self.stream.take() else { return };
        let (row, rest) = stream.step(view.fleet, &view.fleet.classes[self.class], need, seen);
        self.stream = rest;
        if let Some(row) = row.filter(|row| !self.owes_crowd || !view.own.contains_key(row)) {
            self.look(need, view, scope, row, seen);
        }
    }

    /// Counts hosts whose figures were found, and that were not looked at yet.
    pub(super) fn waiting(&self) -> usize {
        self.stream.as_ref().map_or(0, Stream::waiting)
    }
}

/// Tells whether a host without tasks of the service is better than any that has some, so that these are looked at last.
fn skips_crowd(need: &Need, scope: &Scope) -> bool {
    match need.policy {
        Policy::Spread => true,
        Policy::Binpack | Policy::EPvm => scope.hosts_first,
        // What is passed by would be next again.
        Policy::RoundRobin => false,
    }
}

/// Tells whether what was found best in one turn is the best in another one, too.
fn stands(need: &Need, (since, found): (Turn, Option<(Merit, u32)>), turn: Turn) -> bool {
    need.policy != Policy::RoundRobin || found.is_none_or(|(merit, _)| turn.is_within(since, merit.rank))
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

    pub(super) fn contains(&self, row: u32) -> bool {
        let word = self.0.get(index(row / 64)).copied().unwrap_or(0);
        word & 1u64 << (row % 64) != 0
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| index(word.count_ones())).sum()
    }
}
