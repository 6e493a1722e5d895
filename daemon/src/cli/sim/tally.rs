//! What many drawn worlds came to together.

use callboard_sim::promise::{PROMISES, Shown, tried};
use callboard_sim::{Outcome, POINTS, Profile, Sometimes};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many promises are named that were put to the test in the fewest worlds.
const RAREST: usize = 5;

/// Names the promises that a checker watches over.
fn checked() -> impl Iterator<Item = &'static str> {
    let checked = PROMISES.iter().filter(|promise| matches!(promise.shown, Shown::Checked(_)));
    checked.map(|promise| promise.number)
}

/// Adds up what worlds came to.
pub(super) struct Tally {
    profile: Profile,
    first: u64,
    pub(super) seeds: u64,
    pub(super) failed: u64,
    events: u64,
    simulated_ms: u64,
    faults: BTreeMap<String, u64>,
    reached: Sometimes,
    /// In how many worlds each store was played.
    stores: BTreeMap<String, u64>,
    /// In how many worlds something put each promise to the test.
    tried: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Begins at a seed.
    pub(super) fn new(profile: Profile, first: u64) -> Tally {
        Tally {
            profile,
            first,
            seeds: 0,
            failed: 0,
            events: 0,
            simulated_ms: 0,
            faults: BTreeMap::new(),
            reached: Sometimes::default(),
            stores: BTreeMap::new(),
            tried: checked().map(|number| (number, 0)).collect(),
        }
    }

    /// Adds a world.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.simulated_ms += outcome.simulated.0;
        for (fault, count) in &outcome.stats.faults {
            *self.faults.entry((*fault).to_string()).or_default() += count;
        }
        self.reached.merge(&outcome.stats.sometimes);
        *self.stores.entry(outcome.store.to_string()).or_default() += 1;
        for promise in tried(&outcome.stats) {
            *self.tried.entry(promise).or_default() += 1;
        }
    }

    /// Says how fast it goes.
    pub(super) fn speed(&self, took: Duration) -> String {
        let (seeds, events) = self.rates(took);
        format!("{seeds} seeds a minute, {events} events a second, {} failed", self.failed)
    }

    fn rates(&self, took: Duration) -> (u64, u64) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        (self.seeds.saturating_mul(60_000) / millis, self.events.saturating_mul(1_000) / millis)
    }

    /// Says what can be concluded, and with how much confidence: of three failures in n seeds one is seen at least, but
    /// for one time in twenty.
    fn confidence(&self) -> Option<String> {
        (self.failed == 0 && self.seeds > 0).then(|| {
            let n = self.seeds;
            format!("failure rate below 3/{n} a seed with 95 % confidence")
        })
    }

    /// Says everything, the last line being how many passed and failed.
    pub(super) fn in_words(&self, took: Duration) -> String {
        let faults: Vec<String> =
            self.faults.iter().map(|(fault, count)| format!("{count} {fault}")).collect();
        let stores: Vec<String> =
            self.stores.iter().map(|(store, count)| format!("{count} {store}")).collect();
        let never = self.reached.missing(1);
        let hours = self.simulated_ms / 3_600_000;
        let mut lines = vec![
            format!(
                "{} worlds from seed {} on: {} seeds, {}",
                self.profile,
                self.first,
                self.seeds,
                self.speed(took)
            ),
            format!("  {hours} hours simulated, {} events", self.events),
            format!("  faults: {}", if faults.is_empty() { "none".into() } else { faults.join(", ") }),
            format!("  stores: {}", stores.join(", ")),
            format!("  reached: {} of {} points", POINTS.len() - never.len(), POINTS.len()),
        ];
        if !never.is_empty() {
            lines.push(format!("  never: {}", never.join(", ")));
        }
        lines.push(self.promises());
        lines.extend(self.confidence().map(|text| format!("  {text}")));
        lines.push(format!("{} passed, {} failed", self.seeds - self.failed, self.failed));
        lines.join("\n")
    }

    /// Says how many promises were put to the test, and which hardly or not.
    fn promises(&self) -> String {
        let mut rare: Vec<(u64, &str)> =
            self.tried.iter().map(|(number, worlds)| (*worlds, *number)).collect();
        rare.sort_unstable();
        let untried = rare.iter().filter(|(worlds, _)| *worlds == 0).count();
        let rarest: Vec<String> = rare
            .iter()
            .take(RAREST.max(untried))
            .map(|(worlds, number)| format!("{number} {worlds}"))
            .collect();
        format!(
            "  promises: {} of {} put to the test, in the fewest worlds: {}",
            rare.len() - untried,
            rare.len(),
            rarest.join(", ")
        )
    }

    /// Gives everything for programs.
    pub(super) fn as_json(&self, took: Duration) -> Value {
        let (seeds_per_minute, events_per_second) = self.rates(took);
        let reached: BTreeMap<&str, u64> = self.reached.iter().collect();
        json!({
            "profile": self.profile.to_string(),
            "first_seed": self.first,
            "seeds": self.seeds,
            "passed": self.seeds - self.failed,
            "failed": self.failed,
            "events": self.events,
            "seeds_per_minute": seeds_per_minute,
            "events_per_second": events_per_second,
            "simulated_seconds": self.simulated_ms / 1_000,
            "faults": self.faults,
            "reached": reached,
            "never": self.reached.missing(1),
            "stores": self.stores,
            "promises": self.tried,
            "confidence": self.confidence(),
        })
    }
}
