//! What a service says of hosts one by one, rather than of labels that many share.

use super::need::{Need, Of};
use super::obstacle::Obstacle;
use super::search::View;
use crate::model::{HOST_LABEL, Test};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What a service says of hosts one by one.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// The only hosts that can do, where that can be said beforehand.
    pub(super) only: Option<BTreeSet<u32>>,
    /// Hosts for or against which something speaks by itself.
    points: BTreeMap<u32, i64>,
    /// The service spreads over hosts before it asks what it prefers.
    pub(super) hosts_first: bool,
    host_limit: Option<u32>,
    names_hosts: bool,
}

impl Scope {
    pub(super) fn new(need: &Need, view: View<'_>) -> Scope {
        let mut scope = Scope {
            hosts_first: need.spread.iter().any(|spread| spread.label == HOST_LABEL),
            host_limit: need.host_limit(),
            names_hosts: need.require.iter().any(|reading| reading.rule.label == HOST_LABEL),
            ..Scope::default()
        };
        for reading in need.require.iter().filter(|reading| reading.rule.label == HOST_LABEL) {
            match &reading.rule.test {
                Test::Equals(host) => scope.narrow(view.fleet.find(host).into_iter().collect()),
                Test::In(hosts) => {
                    scope.narrow(hosts.iter().filter_map(|host| view.fleet.find(host)).collect());
                }
                Test::NotEquals(_)
                | Test::NotIn(_)
                | Test::Exists(_)
                | Test::Version(_)
                | Test::Number(_)
                | Test::Matches(_) => {}
            }
        }
        for (place, nearby) in need.nearby(Of::Hosts) {
            let crowd = &view.others[place];
            match (nearby.neighbor.weight, nearby.is_apart) {
                (None, false) => scope.narrow(crowd.keys().copied().collect()),
                (None, true) => {}
                (Some(weight), is_apart) => {
                    let weight = i64::from(if is_apart { -weight } else { weight });
                    crowd.keys().for_each(|row| *scope.points.entry(*row).or_insert(0) += weight);
                }
            }
        }
        if need.prefer.iter().any(|(reading, _)| reading.rule.label == HOST_LABEL) {
            for (row, at) in view.fleet.iter() {
                let points = need.points(Of::Hosts, |_| Some(&*at.host));
                *scope.points.entry(row).or_insert(0) += points;
            }
        }
        scope
    }

    fn narrow(&mut self, rows: BTreeSet<u32>) {
        self.only = Some(match &self.only {
            Some(only) => only.intersection(&rows).copied().collect(),
            None => rows,
        });
    }

    /// Gives the hosts that must be looked at before any order is followed.
    pub(super) fn upfront(&self) -> impl Iterator<Item = u32> {
        let rows = self.only.iter().flatten().chain(self.points.keys().filter(|_| self.only.is_none()));
        rows.copied()
    }

    pub(super) fn points_of(&self, row: u32) -> i64 {
        if self.points.is_empty() { 0 } else { self.points.get(&row).copied().unwrap_or(0) }
    }

    /// Finds all that forbids a host of those that speak of it by itself, rules aside.
    pub(super) fn obstacles(&self, need: &Need, view: View<'_>, row: u32, crowd: u32) -> Vec<Obstacle> {
        let limit = self.is_full(crowd).then(|| Obstacle::Limit { same: HOST_LABEL.into(), tasks: crowd });
        let required = need.nearby(Of::Hosts).filter(|(_, nearby)| nearby.neighbor.weight.is_none());
        let near =
            required.filter_map(|(place, nearby)| nearby.obstacle(view.others[place].contains_key(&row)));
        limit.into_iter().chain(near).collect()
    }

    /// Tells whether a host with so many tasks of the service may have no more.
    pub(super) fn is_full(&self, crowd: u32) -> bool {
        self.host_limit.is_some_and(|most| crowd >= most)
    }

    /// Finds the first thing that forbids a host, of those that speak of it by itself.
    pub(super) fn obstacle(&self, need: &Need, view: View<'_>, row: u32, crowd: u32) -> Option<Obstacle> {
        if self.is_full(crowd) {
            return Some(Obstacle::Limit { same: HOST_LABEL.into(), tasks: crowd });
        }
        if self.names_hosts {
            let host = &view.fleet.row(row).host;
            let broken = need.rule(Of::Hosts, |_| Some(host));
            if broken.is_some() {
                return broken;
            }
        }
        need.nearby(Of::Hosts)
            .filter(|(_, nearby)| nearby.neighbor.weight.is_none())
            .find_map(|(place, nearby)| nearby.obstacle(view.others[place].contains_key(&row)))
    }
}
