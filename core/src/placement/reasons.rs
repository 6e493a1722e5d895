//! Why a task may not go to a host, all of it, and what speaks for each host to which it may.

use super::fleet::{Row, index};
use super::gain::gain;
use super::ground::{Ground, Term};
use super::merit::Turn;
use super::near::class_obstacle;
use super::need::Need;
use super::obstacle::Obstacle;
use super::search::{Total, View};
use alloc::string::ToString;
use alloc::vec::Vec;

/// What can be said of each host, for one more task of a service.
#[derive(Debug)]
pub struct Reasons<'a> {
    need: &'a Need,
    view: View<'a>,
    ground: Ground,
}

impl<'a> Reasons<'a> {
    /// Prepares to speak of hosts one by one.
    #[must_use]
    pub fn new(need: &'a Need, view: View<'a>) -> Reasons<'a> {
        Reasons { need, view, ground: Ground::new(need, view) }
    }

    /// Finds the first obstacle that a host puts in the way, by what it is and has.
    #[must_use]
    pub fn first(&self, row: u32) -> Option<Obstacle> {
        self.first_on(row, self.view.fleet.row(row))
    }

    /// Finds the first obstacle that a host would put in the way if it were as `at` says.
    #[must_use]
    pub fn first_on(&self, row: u32, at: &Row) -> Option<Obstacle> {
        let class = &self.view.fleet.classes[index(at.class)];
        class_obstacle(self.need, &self.ground.near, class)
            .or_else(|| self.need.shortage(at))
            .or_else(|| self.ground.scope.obstacle(self.need, self.view, row, self.crowd(row)))
            .or_else(|| self.limit(at.class).next())
    }

    /// Finds all obstacles that a host puts in the way, by what it is and has.
    #[must_use]
    pub fn all(&self, row: u32) -> Vec<Obstacle> {
        let at = self.view.fleet.row(row);
        let class = &self.view.fleet.classes[index(at.class)];
        let mut found: Vec<Obstacle> = self.need.executor(&at.facts.executors).into_iter().collect();
        found.extend(self.need.policy(&at.facts.policy));
        found.extend(self.need.rules(|label| at.label(label)));
        found.extend(self.ground.near.obstacles(self.need, class));
        found.extend(self.need.shortages(at));
        found.extend(self.ground.scope.obstacles(self.need, self.view, row, self.crowd(row)));
        found.extend(self.limit(at.class));
        found
    }

    fn crowd(&self, row: u32) -> u32 {
        self.view.own.get(&row).copied().unwrap_or(0)
    }

    fn limit(&self, class: u32) -> impl Iterator<Item = Obstacle> {
        self.ground.tallies.iter().filter_map(move |tally| {
            let (same, tasks) = (tally.label()?, tally.is_full(index(class))?);
            Some(Obstacle::Limit { same: same.to_string(), tasks })
        })
    }

    /// Gives what hosts are compared by, least first, whether or not the task may go there.
    #[must_use]
    pub fn order(&self, row: u32) -> impl Ord + use<> {
        self.total(row)
    }

    /// Says how much better a host is than another one, as `at` says that one is: percent, by the first figure in which they
    /// differ.
    #[must_use]
    pub fn gain(&self, from: (u32, &Row), to: u32) -> u32 {
        gain(self.need.policy, &self.total_on(from), &self.total(to))
    }

    pub(super) fn total(&self, row: u32) -> Total {
        self.total_on((row, self.view.fleet.row(row)))
    }

    fn total_on(&self, (row, at): (u32, &Row)) -> Total {
        let class = index(at.class);
        let turn = Turn(self.view.last.map(|row| self.view.fleet.row(row).rank));
        let merit = self.ground.merit(self.need, self.view, (row, at), self.crowd(row));
        (self.ground.levels(class), merit.in_turn(self.need, turn))
    }

    /// Gives the figures by which a host is compared, the most important first.
    #[must_use]
    pub fn terms(&self, row: u32) -> Vec<Term> {
        self.ground.terms(self.need, self.view, row)
    }
}
