//! Two sets of runs side by side, seed by seed, and which differences are more than chance.

use crate::replay::{LineKind, Replay, Step};
use crate::run::{Options, Outcome};
use crate::scenario::Scenario;
use callboard_core::machine::Time;
use std::collections::BTreeMap;

/// What is measured of a run, by name. Booleans are 0 and 1.
pub type Measures = BTreeMap<String, u64>;

/// One measure over all pairs of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What is measured.
    pub name: String,
    /// The first runs: least, middle and most.
    pub first: Spread,
    /// The second runs.
    pub second: Spread,
    /// Seeds with which the second run has more.
    pub more: u64,
    /// Seeds with which it has less.
    pub less: u64,
    /// The difference is more than chance.
    pub matters: bool,
}

/// What many runs measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The least.
    pub least: u64,
    /// The middle one; of two, the lower.
    pub middle: u64,
    /// The most.
    pub most: u64,
}

impl Outcome {
    /// Gives what was measured, by name.
    #[must_use]
    pub fn measures(&self) -> Measures {
        let stats = &self.stats;
        let short = stats.services.values().map(|service| service.longest_short.0).max();
        let healthy = stats.services.values().filter_map(|service| service.least_healthy);
        let named = [
            ("passed", u64::from(self.passed)),
            ("events", self.events),
            ("placements", stats.placements),
            ("moves", stats.moves),
            ("starts", stats.starts),
            ("restarts", stats.restarts),
            ("exits", stats.exits),
            ("out_of_memory", stats.out_of_memory),
            ("peak_unplaced", stats.peak_unplaced),
            ("longest_short_ms", short.unwrap_or(0)),
            ("least_healthy", healthy.map(u64::from).sum()),
        ];
        let spans = [
            ("recovery_ms", self.recovery),
            ("p99_placement_ms", self.waited[0]),
            ("p99_healthy_ms", self.waited[1]),
        ];
        let spans = spans.into_iter().filter_map(|(name, span)| Some((name, span?.0)));
        let whole = named.into_iter().chain(spans).map(|(name, value)| (name.to_owned(), value));
        let services = stats.services.iter().flat_map(|(name, service)| {
            let least = service.least_healthy.map(|least| (format!("{name}: least_healthy"), least.into()));
            least.into_iter().chain([(format!("{name}: longest_short_ms"), service.longest_short.0)])
        });
        whole.chain(services).collect()
    }
}

/// Compares pairs of runs, each pair with the same seed. What only one side measures is left out, and what is the same of a
/// single service with every seed.
#[must_use]
pub fn compare(pairs: &[(Measures, Measures)]) -> Vec<Row> {
    let mut columns: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for (first, second) in pairs {
        for (name, value) in first {
            if let Some(other) = second.get(name) {
                columns.entry(name).or_default().push((*value, *other));
            }
        }
    }
    let is_told = |row: &Row| !row.name.contains(": ") || row.more + row.less > 0;
    columns.into_iter().map(|(name, values)| row(name, &values)).filter(is_told).collect()
}

fn row(name: &str, values: &[(u64, u64)]) -> Row {
    let more = values.iter().filter(|(first, second)| second > first).count() as u64;
    let less = values.iter().filter(|(first, second)| second < first).count() as u64;
    // Were more and less as likely as heads and tails, they would be further apart than this one time in twenty at most.
    let apart = more.abs_diff(less);
    let matters = apart * apart > 4 * (more + less);
    Row {
        name: name.into(),
        first: spread(values.iter().map(|(first, _)| *first)),
        second: spread(values.iter().map(|(_, second)| *second)),
        more,
        less,
        matters,
    }
}

fn spread(values: impl Iterator<Item = u64>) -> Spread {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let at = |index: usize| values.get(index).copied().unwrap_or(0);
    let last = values.len().saturating_sub(1);
    Spread { least: at(0), middle: at(last / 2), most: at(last) }
}

/// Finds the first decision that two runs do not share; `None` when all are the same.
#[must_use]
pub fn first_difference(
    first: (&Scenario, &Options),
    second: (&Scenario, &Options),
) -> Option<(Option<Decided>, Option<Decided>)> {
    let mut first = decisions(Replay::new(first.0, first.1));
    let mut second = decisions(Replay::new(second.0, second.1));
    loop {
        match (first.next(), second.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => return Some((one, other)),
        }
    }
}

/// A decision, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// When.
    pub at: Time,
    /// In words, with the reason.
    pub what: String,
}

fn decisions(mut replay: Replay) -> impl Iterator<Item = Decided> {
    let steps = std::iter::from_fn(move || replay.step());
    steps.flat_map(|Step { at, lines, .. }| {
        let decided = lines.into_iter().filter(|line| line.kind == LineKind::Decision);
        decided.map(move |line| Decided { at, what: line.text })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[(u64, u64)], matters: bool) {
        let row = row("moves", values);
        assert_eq!(row.matters, matters, "{row:?}");
    }

    #[test]
    fn only_what_is_more_than_chance_matters() {
        check(&[(5, 5); 20], false);
        check(&[(5, 9)], false);
        check(&[(5, 9); 4], false);
        check(&[(5, 9); 5], true);
        check(&[(9, 5); 12], true);
        check(&[(5, 9), (9, 5), (5, 9), (9, 5), (5, 9), (5, 9)], false);
    }

    #[test]
    fn a_single_service_is_told_of_where_it_differs() {
        let measured = |least: u64| -> Measures {
            [("web: least_healthy", least), ("db: least_healthy", 3), ("moves", 1)]
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        };
        let rows = compare(&[(measured(4), measured(2))]);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["moves", "web: least_healthy"]);
    }

    #[test]
    fn spreads_are_sorted() {
        let expect = Spread { least: 1, middle: 2, most: 9 };
        assert_eq!(spread([9, 1, 2, 5].into_iter()), expect);
    }
}
