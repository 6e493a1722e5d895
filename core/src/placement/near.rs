//! Where the other services are that matter to one, by the values of labels, and what that means for classes of hosts.

use super::class::Class;
use super::need::{Nearby, Need, Of};
use super::obstacle::Obstacle;
use super::search::View;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

/// Where the other services are that matter, by the values of labels.
#[derive(Debug)]
pub(super) struct Near(Vec<BTreeSet<String>>);

impl Near {
    pub(super) fn new(need: &Need, view: View<'_>) -> Near {
        let values = |(place, nearby): (usize, &Nearby)| {
            let rows = view.others[place].keys().map(|row| view.fleet.row(*row));
            rows.filter_map(|row| row.label(&nearby.neighbor.same)).map(String::from).collect()
        };
        Near(need.nearby(Of::Labels).map(values).collect())
    }

    /// Finds all that is wrong with where the hosts of a class are.
    pub(super) fn obstacles(&self, need: &Need, class: &Class) -> Vec<Obstacle> {
        let required = self.of(need, class).filter(|(nearby, _)| nearby.neighbor.weight.is_none());
        required.filter_map(|(nearby, is_there)| nearby.obstacle(is_there)).collect()
    }

    /// Goes through the other services that matter by label, with whether each is where the hosts of a class are.
    fn of<'a>(&'a self, need: &'a Need, class: &'a Class) -> impl Iterator<Item = (&'a Nearby, bool)> + 'a {
        need.nearby(Of::Labels).zip(&self.0).map(|((_, nearby), values)| {
            let value = class.labels.get(&nearby.neighbor.same);
            (nearby, value.is_some_and(|value| values.contains(value)))
        })
    }
}

/// Finds what forbids all hosts of a class.
pub(super) fn class_obstacle(need: &Need, near: &Near, class: &Class) -> Option<Obstacle> {
    let label = |label: &str| class.labels.get(label).map(String::as_str);
    let required = |(nearby, _): &(&Nearby, bool)| nearby.neighbor.weight.is_none();
    let kept = need.executor(&class.executors).or_else(|| need.policy(&class.policy));
    kept.or_else(|| need.rule(Of::Labels, label)).or_else(|| {
        near.of(need, class).filter(required).find_map(|(nearby, is_there)| nearby.obstacle(is_there))
    })
}

/// Adds up what speaks for all hosts of a class.
pub(super) fn class_points(need: &Need, near: &Near, class: &Class) -> i64 {
    let label = |label: &str| class.labels.get(label).map(String::as_str);
    let weight = |(nearby, is_there): (&Nearby, bool)| match nearby.neighbor.weight {
        Some(weight) if is_there => i64::from(if nearby.is_apart { -weight } else { weight }),
        Some(_) | None => 0,
    };
    need.points(Of::Labels, label) + near.of(need, class).map(weight).sum::<i64>()
}
