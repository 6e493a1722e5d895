//! How the tasks of a service lie over the values of labels: what it spreads over, and how many may be together.

use super::fleet::{Fleet, index};
use super::need::{Crowd, Need};
use crate::model::{HOST_LABEL, Spread};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// Tasks of a service counted by the values of labels.
#[derive(Debug)]
pub(super) struct Tally {
    aim: Aim,
    label: String,
    /// The place of each class.
    by_class: Vec<usize>,
    places: Vec<Place>,
}

#[derive(Debug)]
enum Aim {
    /// Shares of one level of a spread.
    Level,
    /// No more than so many.
    Limit(u32),
}

/// Hosts that have the same values.
#[derive(Debug)]
struct Place {
    count: u64,
    /// Parts of all, or none where the label is missing.
    share: Option<u64>,
    /// How far it is filled beyond its share; follows from these two.
    level: u64,
}

/// Where all values have as many.
const EVEN: u64 = 100_000;
/// Keeps fractions apart.
const SCALE: u64 = 1_000_000_000_000;

type Values = Vec<Option<String>>;

impl Tally {
    /// Makes a tally of each level of a spread, the most important first, and of each limit.
    pub(super) fn all(need: &Need, fleet: &Fleet, own: &Crowd) -> Vec<Tally> {
        let mut tallies = Vec::new();
        let levels: Vec<&Spread> = need.spread.iter().filter(|spread| spread.label != HOST_LABEL).collect();
        for (depth, spread) in levels.iter().enumerate() {
            let labels: Vec<&str> = levels[..=depth].iter().map(|level| level.label.as_str()).collect();
            tallies.push(Tally::of(Aim::Level, &labels, fleet, own, |values, siblings| {
                share(spread, values.last()?.as_deref()?, siblings)
            }));
        }
        for limit in need.limits.iter().filter(|limit| limit.same != HOST_LABEL) {
            let label = [limit.same.as_str()];
            tallies.push(Tally::of(Aim::Limit(limit.tasks), &label, fleet, own, |_, _| None));
        }
        tallies
    }

    fn of(
        aim: Aim,
        labels: &[&str],
        fleet: &Fleet,
        own: &Crowd,
        share: impl Fn(&Values, &BTreeSet<String>) -> Option<u64>,
    ) -> Tally {
        let mut ids: BTreeMap<Values, usize> = BTreeMap::new();
        let mut siblings: BTreeMap<Values, BTreeSet<String>> = BTreeMap::new();
        let mut by_class = Vec::new();
        for class in &fleet.classes {
            let values: Values = labels.iter().map(|label| class.labels.get(*label).cloned()).collect();
            if let Some((Some(last), before)) = values.split_last()
                && class.members > 0
            {
                siblings.entry(before.to_vec()).or_default().insert(last.clone());
            }
            let next = ids.len();
            by_class.push(*ids.entry(values).or_insert(next));
        }
        let none = BTreeSet::new();
        let mut places: Vec<(usize, Place)> = ids
            .iter()
            .map(|(values, id)| {
                let before = &values[..values.len().saturating_sub(1)];
                let share = share(values, siblings.get(before).unwrap_or(&none));
                (*id, Place::of(share))
            })
            .collect();
        places.sort_unstable_by_key(|(id, _)| *id);
        let places = places.into_iter().map(|(_, place)| place).collect();
        let label = labels.last().copied().unwrap_or_default().into();
        let mut tally = Tally { aim, label, by_class, places };
        for (row, count) in own {
            tally.add(fleet, *row, *count);
        }
        tally
    }

    /// Counts tasks of the service on a host.
    pub(super) fn add(&mut self, fleet: &Fleet, row: u32, count: u32) {
        let place = &mut self.places[self.by_class[index(fleet.row(row).class)]];
        place.hold(place.count + u64::from(count));
    }

    /// Counts one task less on a host.
    pub(super) fn take(&mut self, fleet: &Fleet, row: u32) {
        let place = &mut self.places[self.by_class[index(fleet.row(row).class)]];
        place.hold(place.count.saturating_sub(1));
    }

    /// Gives the label of a limit.
    pub(super) fn label(&self) -> Option<&str> {
        match self.aim {
            Aim::Level => None,
            Aim::Limit(_) => Some(&self.label),
        }
    }

    /// Counts the tasks of the service where the hosts of a class are.
    pub(super) fn tasks(&self, class: usize) -> u64 {
        self.places[self.by_class[class]].count
    }

    /// Gives how many there are where no more may come.
    pub(super) fn is_full(&self, class: usize) -> Option<u32> {
        let count = self.places[self.by_class[class]].count;
        match self.aim {
            Aim::Level => None,
            Aim::Limit(most) => (count >= u64::from(most)).then(|| u32::try_from(count).unwrap_or(u32::MAX)),
        }
    }

    /// Gives how far a class is filled beyond its share, the least of which is next; none for a limit.
    pub(super) fn level(&self, class: usize) -> Option<u64> {
        self.is_level().then(|| self.places[self.by_class[class]].level)
    }

    /// Gives how far a class was filled beyond its share when the last of its tasks came.
    pub(super) fn former_level(&self, class: usize) -> Option<u64> {
        let place = &self.places[self.by_class[class]];
        self.is_level().then(|| place.fill(place.count))
    }

    fn is_level(&self) -> bool {
        matches!(self.aim, Aim::Level)
    }
}

impl Place {
    fn of(share: Option<u64>) -> Place {
        let mut place = Place { count: 0, share, level: 0 };
        place.hold(0);
        place
    }

    fn hold(&mut self, tasks: u64) {
        (self.count, self.level) = (tasks, self.fill(tasks + 1));
    }

    /// Gives how far so many tasks fill it beyond its share. Each value gets its next task in the order of (tasks + 1) ÷
    /// share; a value without a share comes late, and hosts without the label last.
    fn fill(&self, tasks: u64) -> u64 {
        match self.share {
            None => u64::MAX,
            Some(0) => (u64::MAX / 2).saturating_add(tasks),
            Some(share) => tasks.saturating_mul(SCALE / share).min(u64::MAX / 2),
        }
    }
}

/// Gives the share of a value: its target, or an equal part of what the targets leave.
fn share(spread: &Spread, value: &str, siblings: &BTreeSet<String>) -> Option<u64> {
    if spread.targets.is_empty() {
        return Some(EVEN);
    }
    if let Some(percent) = spread.targets.get(value) {
        return Some(u64::from(*percent) * 1000);
    }
    let named: u64 = spread.targets.values().map(|percent| u64::from(*percent)).sum();
    let others = siblings.iter().filter(|other| !spread.targets.contains_key(*other)).count();
    let others = u64::try_from(others).unwrap_or(u64::MAX).max(1);
    Some(100u64.saturating_sub(named) * 1000 / others)
}
