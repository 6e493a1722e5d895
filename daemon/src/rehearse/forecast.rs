//! What a rehearsal shows, over all seeds: what happens with the first, and the worst of all.

use super::Question;
use super::steps::Steps;
use crate::views::Applied;
use callboard_core::machine::Span;
use callboard_core::store::Revision;
use callboard_sim::Rehearsal;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a change would lead to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Forecast {
    /// Nothing is broken, given up, or left waiting.
    pub(crate) passed: bool,
    /// As of which revision of the store.
    pub(crate) revision: Revision,
    /// How many seeds were played, and the first.
    pub(crate) seeds: u64,
    pub(crate) first_seed: u64,
    /// What would change in the configuration.
    pub(crate) applied: Applied,
    /// What is done to tasks, with the first seed.
    #[serde(flatten)]
    pub(crate) steps: Steps,
    /// How long it takes until nothing changes any more.
    pub(crate) took: Took,
    /// How each service fares.
    pub(crate) services: BTreeMap<String, Fare>,
    /// What waits in the end, and why.
    pub(crate) waits: Vec<Finding>,
    /// Rollouts that are given up, and why.
    pub(crate) failed: Vec<Finding>,
    /// Promises that are broken.
    pub(crate) broken: Vec<Finding>,
    /// Seeds with which things were still changing in the end.
    pub(crate) unsettled: u64,
    /// What happens with the first seed, in words.
    pub(crate) story: Vec<Line>,
    /// The command that shows the first of what does not go well again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<String>,
    #[serde(skip)]
    durations: Vec<Span>,
    #[serde(skip)]
    calm: bool,
}

/// How long something takes, over all seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Took {
    pub(crate) median_ms: u64,
    pub(crate) p95_ms: u64,
    pub(crate) most_ms: u64,
}

/// How a service fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Fare {
    /// Healthy tasks before.
    pub(crate) before: u32,
    /// The fewest on the way, and the first seed that shows it.
    pub(crate) lowest: u32,
    pub(crate) lowest_seed: u64,
    /// Healthy tasks in the end, at least.
    pub(crate) end: u32,
}

/// Something that some seeds show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Which promise, or which service.
    pub(crate) about: String,
    /// As the first of them shows it.
    pub(crate) what: String,
    /// The first seed that shows it, and how many do.
    pub(crate) seed: u64,
    pub(crate) seeds: u64,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) after_ms: u64,
    pub(crate) what: String,
}

impl Forecast {
    pub(super) fn new(revision: Revision, applied: &Applied, asked: &Question) -> Forecast {
        Forecast {
            passed: true,
            revision,
            seeds: 0,
            first_seed: asked.first_seed,
            applied: applied.clone(),
            steps: Steps::default(),
            took: Took::default(),
            services: BTreeMap::new(),
            waits: Vec::new(),
            failed: Vec::new(),
            broken: Vec::new(),
            unsettled: 0,
            story: Vec::new(),
            again: None,
            durations: Vec::new(),
            calm: asked.mishaps == callboard_sim::Mishaps::None,
        }
    }

    /// Takes in what a seed shows.
    pub(super) fn take(&mut self, seed: u64, rehearsal: Rehearsal) {
        if self.seeds == 0 {
            self.begin(&rehearsal);
        }
        self.seeds += 1;
        self.unsettled += u64::from(rehearsal.unsettled);
        self.durations.push(rehearsal.settled_after);
        for (name, healthy) in &rehearsal.healthy {
            let least = rehearsal.least_healthy.get(name).copied().unwrap_or(0);
            let before = rehearsal.before.get(name).copied().unwrap_or(0);
            let first = Fare { before, lowest: least, lowest_seed: seed, end: *healthy };
            let fare = self.services.entry(name.to_string()).or_insert(first);
            fare.end = fare.end.min(*healthy);
            if least < fare.lowest {
                (fare.lowest, fare.lowest_seed) = (least, seed);
            }
        }
        // While something is still going wrong, what waits may be about to end its waiting.
        if self.calm || !rehearsal.unsettled {
            for (service, missing, why) in &rehearsal.blocked {
                let what = match why.as_str() {
                    "" => format!(
                        "{missing} are not placed, and nobody says why: another scheduler may look after its cluster"
                    ),
                    why => format!("{missing} are not placed: {why}"),
                };
                note(&mut self.waits, service, what, seed);
            }
        }
        for (service, why) in &rehearsal.failed {
            note(&mut self.failed, service, why.clone(), seed);
        }
        for broken in &rehearsal.violations {
            note(&mut self.broken, &broken.promise, broken.what.clone(), seed);
        }
    }

    fn begin(&mut self, rehearsal: &Rehearsal) {
        self.steps = Steps::of(rehearsal);
        let story = rehearsal.story.iter();
        self.story = story.map(|(after, what)| Line { after_ms: after.0, what: what.clone() }).collect();
    }

    /// Sums up.
    pub(super) fn end(&mut self) {
        self.durations.sort_unstable();
        let at = |percent: usize| {
            let last = self.durations.len().saturating_sub(1);
            self.durations.get(last * percent / 100).map_or(0, |span| span.0)
        };
        self.took = Took { median_ms: at(50), p95_ms: at(95), most_ms: at(100) };
        self.passed = self.broken.is_empty()
            && self.failed.is_empty()
            && self.waits.is_empty()
            && (self.unsettled == 0 || !self.calm);
    }
}

impl Forecast {
    /// Gives the first of what does not go well, the worst before the others.
    pub(crate) fn worst(&self) -> Option<&Finding> {
        self.broken.iter().chain(&self.failed).chain(&self.waits).next()
    }

    /// Says what does not go well.
    pub(crate) fn verdict(&self) -> String {
        match (self.broken.len(), self.worst()) {
            (0, Some(_)) => "no promise is broken, and it does not come to a good end".into(),
            (0, None) => format!(
                "it does not come to an end in the time looked at, with {} of {} seeds",
                self.unsettled, self.seeds
            ),
            (1, _) => "a promise is broken".into(),
            (count, _) => format!("{count} promises are broken"),
        }
    }

    /// Gives the seeds that tell most, those with which something does not go well before those in which a service has the
    /// fewest healthy tasks.
    pub(crate) fn telling_seeds(&self) -> Vec<u64> {
        let findings = self.broken.iter().chain(&self.failed).chain(&self.waits).map(|finding| finding.seed);
        let dips = self.services.values().filter(|fare| fare.lowest < fare.before);
        let mut seeds = Vec::new();
        for seed in findings.chain(dips.map(|fare| fare.lowest_seed)).chain([self.first_seed]) {
            if !seeds.contains(&seed) {
                seeds.push(seed);
            }
        }
        seeds
    }
}

/// Counts a finding, and keeps the words of the first.
fn note(findings: &mut Vec<Finding>, about: &str, what: String, seed: u64) {
    match findings.iter_mut().find(|finding| finding.about == about) {
        Some(known) => known.seeds += u64::from(known.seed != seed),
        None => findings.push(Finding { about: about.into(), what, seed, seeds: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_sim::Violation;

    #[test]
    fn the_worst_of_all_seeds_is_kept_with_its_seed() {
        let asked = Question { first_seed: 7, ..Question::default() };
        let mut forecast = Forecast::new(Revision(1), &Applied::default(), &asked);
        for (seed, least) in [(7, 3), (8, 2), (9, 2)] {
            let short =
                Violation { promise: "min".into(), at: Span(0), what: format!("web had {least}"), seed };
            forecast.take(
                seed,
                Rehearsal {
                    healthy: [("web".into(), 4)].into(),
                    least_healthy: [("web".into(), least)].into(),
                    settled_after: Span::secs(seed),
                    violations: if least < 3 { vec![short] } else { Vec::new() },
                    ..Rehearsal::default()
                },
            );
        }
        forecast.end();
        let fare = &forecast.services["web"];
        assert_eq!((fare.lowest, fare.lowest_seed, fare.end), (2, 8, 4));
        assert_eq!((forecast.broken[0].seed, forecast.broken[0].seeds), (8, 2));
        assert_eq!((forecast.took.median_ms, forecast.took.most_ms), (8_000, 9_000));
        assert!(!forecast.passed);
    }
}
