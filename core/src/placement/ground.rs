//! What is known of all hosts before any of them is looked at: what the service says of them one by one, where its
//! neighbours are, and how its tasks lie over labels.

use super::cost::cost;
use super::fleet::{Row, index};
use super::merit::{Merit, figures};
use super::near::{Near, class_points};
use super::need::Need;
use super::scope::Scope;
use super::search::View;
use super::spread::Tally;
use crate::model::{HOST_LABEL, Policy};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;

/// Words that are yet to be written.
type Words<'a> = fmt::Arguments<'a>;

/// How long most reasons are, in bytes.
const WORDS: usize = 96;

/// What is known of all hosts.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) scope: Scope,
    pub(super) near: Near,
    pub(super) tallies: Vec<Tally>,
}

/// One of the figures by which hosts are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What it is.
    pub name: String,
    /// The figure, in words.
    pub value: String,
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.value)
    }
}

/// How many labels a service may be spread over.
pub const SPREAD_MAX: usize = 4;

impl Ground {
    pub(super) fn new(need: &Need, view: View<'_>) -> Ground {
        Ground {
            scope: Scope::new(need, view),
            near: Near::new(need, view),
            tallies: Tally::all(need, view.fleet, view.own),
        }
    }

    /// Counts one more task of the service on a host.
    pub(super) fn count(&mut self, view: View<'_>, row: u32) {
        self.tallies.iter_mut().for_each(|tally| tally.add(view.fleet, row, 1));
    }

    /// Tells whether no more may come to the hosts of a class.
    pub(super) fn is_full(&self, class: usize) -> bool {
        self.tallies.iter().any(|tally| tally.is_full(class).is_some())
    }

    /// Gives how far the values of a class are filled, level by level.
    pub(super) fn levels(&self, class: usize) -> [u64; SPREAD_MAX] {
        self.each_level(|tally| tally.level(class))
    }

    /// Gives how far the values of a class were filled, level by level, when the last of their tasks came.
    pub(super) fn former_levels(&self, class: usize) -> [u64; SPREAD_MAX] {
        self.each_level(|tally| tally.former_level(class))
    }

    fn each_level(&self, filled: impl Fn(&Tally) -> Option<u64>) -> [u64; SPREAD_MAX] {
        let mut levels = [0; SPREAD_MAX];
        levels
            .iter_mut()
            .zip(self.tallies.iter().filter_map(filled))
            .for_each(|(level, filled)| *level = filled);
        levels
    }

    /// Gives what is compared of a host, turns aside, as `at` says that it is, with so many tasks of the service there.
    pub(super) fn merit(&self, need: &Need, view: View<'_>, (row, at): (u32, &Row), crowd: u32) -> Merit {
        let (figures, rank) = figures(need, at, crowd);
        let crowd_first = if self.scope.hosts_first { crowd } else { 0 };
        Merit { crowd_first, against: -self.points(need, view, row), figures, rank }
    }

    /// Adds up what speaks for a host.
    pub(super) fn points(&self, need: &Need, view: View<'_>, row: u32) -> i64 {
        if !need.prefers() {
            return 0;
        }
        let class = &view.fleet.classes[index(view.fleet.row(row).class)];
        class_points(need, &self.near, class) + self.scope.points_of(row)
    }

    /// Tells the figures by which a host is compared, the most important first: each by its name and its value.
    fn tell(&self, need: &Need, view: View<'_>, row: u32, mut told: impl FnMut(Words<'_>, Words<'_>)) {
        let at = view.fleet.row(row);
        let levels = need.spread.iter().filter(|spread| spread.label != HOST_LABEL);
        for (spread, tally) in levels.zip(&self.tallies) {
            let value = at.label(&spread.label).unwrap_or("none");
            let tasks = tally.tasks(index(at.class));
            told(format_args!("{}={value}", spread.label), format_args!("has {tasks} of the service"));
        }
        let points = self.points(need, view, row);
        if points != 0 {
            told(format_args!("preferred"), format_args!("{points} points"));
        }
        let (load, crowd) = (at.load(), view.own.get(&row).copied().unwrap_or(0));
        let (whole, tenth) = (load / 10, load % 10);
        match need.policy {
            Policy::Spread => told(
                format_args!("spread:"),
                format_args!("{crowd} of the service there, {whole}.{tenth} % reserved"),
            ),
            Policy::Binpack => told(format_args!("binpack:"), format_args!("{whole}.{tenth} % reserved")),
            Policy::EPvm => {
                let cost = cost(need, at);
                told(
                    format_args!("e_pvm:"),
                    format_args!("adds a cost of {cost}, {whole}.{tenth} % reserved"),
                );
            }
            Policy::RoundRobin => {
                told(format_args!("round_robin:"), format_args!("next by name, {whole}.{tenth} % reserved"));
            }
        }
    }

    /// Gives the figures by which a host is compared, the most important first.
    pub(super) fn terms(&self, need: &Need, view: View<'_>, row: u32) -> Vec<Term> {
        let mut terms = Vec::new();
        self.tell(need, view, row, |name, value| {
            terms.push(Term { name: name.to_string(), value: value.to_string() });
        });
        terms
    }

    /// Says in words what spoke for a host.
    pub(super) fn why(&self, need: &Need, view: View<'_>, row: u32) -> String {
        let mut words = String::with_capacity(WORDS);
        self.tell(need, view, row, |name, value| {
            words.push_str(if words.is_empty() { "" } else { ", " });
            let written = words.write_fmt(name).and_then(|()| words.write_str(" "));
            assert!(written.and_then(|()| words.write_fmt(value)).is_ok(), "text takes any words");
        });
        words
    }
}
