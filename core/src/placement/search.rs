//! Picks host after host for the tasks of one service: filter, score, pick. Hosts that are alike in all labels in use
//! form a lane, in which hosts are looked at in the order of load until none that follows can be better; lanes are
//! compared by what the service says of labels.
//!
//! **Invariant:** the pick is the best host of all by the documented order, whatever was passed by. Between two picks of
//! one search nothing may change but that the host that was picked gets fuller.

use super::fleet::{Fleet, index};
use super::ground::{Ground, SPREAD_MAX};
use super::lane::{Lane, Seen};
use super::merit::{Merit, Turn};
use super::near::{class_obstacle, class_points};
use super::need::{Crowd, Need};
use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

/// What a search looks at. It may change between two picks only in that the host that was picked gets fuller.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All hosts.
    pub fleet: &'a Fleet,
    /// Where tasks of the service are.
    pub own: &'a Crowd,
    /// Where tasks of the other services are that [`Need::neighbors`] names, in that order.
    pub others: &'a [Cow<'a, Crowd>],
    /// Rows on which nothing may be placed for reasons of their own.
    pub closed: &'a BTreeSet<u32>,
    /// The row on which the service was placed last.
    pub last: Option<u32>,
}

/// A search for hosts for one task of a service after the other.
#[derive(Debug)]
pub struct Search<'a> {
    need: &'a Need,
    ground: Ground,
    lanes: Vec<Lane>,
    seen: Seen,
    turn: Turn,
    /// What was picked last, and by which lane; it is yet to be counted.
    picked: Option<(usize, (Merit, u32))>,
}

/// What is compared of hosts: the levels of the spread, then what else speaks for them.
pub(super) type Total = ([u64; SPREAD_MAX], Merit);

impl<'a> Search<'a> {
    /// Begins a search.
    #[must_use]
    pub fn new(need: &'a Need, view: View<'_>) -> Search<'a> {
        let turn = Turn(view.last.map(|row| view.fleet.row(row).rank));
        let ground = Ground::new(need, view);
        let Ground { scope, near, .. } = &ground;
        let mut lanes: Vec<Lane> = Vec::new();
        let mut of_class: Vec<Option<usize>> = Vec::new();
        for (at, class) in view.fleet.classes.iter().enumerate() {
            let can_do = class_obstacle(need, near, class).is_none() && !class.names.is_empty();
            of_class.push(can_do.then_some(lanes.len()));
            if can_do {
                let points = class_points(need, near, class);
                lanes.push(Lane::new(need, view, scope, at, points, turn));
            }
        }
        let mut seen = Seen::default();
        for row in scope.upfront() {
            if let Some(lane) = of_class[index(view.fleet.row(row).class)] {
                lanes[lane].look(need, view, scope, row, &mut seen);
            }
        }
        Search { need, ground, lanes, seen, turn, picked: None }
    }

    /// Finds the best host for one more task.
    pub fn next(&mut self, view: View<'_>) -> Option<u32> {
        if let Some((lane, picked)) = self.picked.take() {
            self.turn = Turn(Some(view.fleet.row(picked.1).rank));
            self.ground.count(view, picked.1);
            self.lanes[lane].weigh_anew(self.need, view, &self.ground.scope, picked);
        }
        let mut best: Option<(Total, usize, (Merit, u32))> = None;
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if self.ground.is_full(lane.class) {
                continue;
            }
            let levels = self.ground.levels(lane.class);
            if best.is_some_and(|((least, _), ..)| levels > least) {
                continue;
            }
            let Some(found) = lane.best(self.need, view, &self.ground.scope, self.turn, &mut self.seen)
            else {
                continue;
            };
            let total = (levels, found.0.in_turn(self.need, self.turn));
            if best.is_none_or(|(least, ..)| total < least) {
                best = Some((total, at, found));
            }
        }
        self.picked = best.map(|(_, at, found)| (at, found));
        self.picked.map(|(_, (_, row))| row)
    }

    /// Counts the hosts whose figures were found so far.
    #[must_use]
    pub fn looked_at(&self) -> usize {
        self.seen.count() + self.lanes.iter().map(Lane::waiting).sum::<usize>()
    }

    /// Says in words what speaks for a host that was picked last.
    #[must_use]
    pub fn why(&self, view: View<'_>, row: u32) -> String {
        self.ground.why(self.need, view, row)
    }
}
