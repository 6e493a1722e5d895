//! What a scenario expects of its run, judged while it runs.

mod delays;
mod judgement;
mod words;

pub use judgement::Judgement;

use crate::check::{Book, RolloutRecord, Text};
use crate::scenario::{Delay, Expectation, RolloutEnd, Scenario};
use crate::stats::Stats;
use callboard_core::machine::{Span, Time};
use delays::Delays;
use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, VecDeque};

/// Expectations and what is known of them so far.
#[derive(Clone, Debug)]
pub(crate) struct Expecting {
    expectations: Vec<Expectation>,
    /// Services that have had as many healthy tasks as an expectation asks for, by expectation.
    reached: BTreeSet<(usize, Text)>,
    /// Services that have fewer healthy tasks than they shall have.
    short: BTreeSet<Text>,
    /// Since when no service is short.
    full_since: Option<Time>,
    /// What broke each that is broken.
    broken: BTreeMap<usize, String>,
    failures: Vec<(String, String)>,
    /// What is judged now would be due after the end.
    early: bool,
    /// When each recovery was complete.
    recovered: BTreeMap<usize, Time>,
    /// The service that came closest to having too few healthy tasks, how many it had and needed, and when.
    least: BTreeMap<usize, (Text, u32, u32, Time)>,
    /// When the last fault is over, as far as the scenario plans them.
    calm_from: Span,
    /// What each service shall have, has issued and has healthy.
    counts: BTreeMap<Text, [u32; 3]>,
    /// How long tasks wait to be issued, and to be healthy.
    delays: [Delays; 2],
    /// When the moves of the last hour were.
    moves: VecDeque<Time>,
}

const HOUR: Span = Span::secs(3600);

impl Expecting {
    pub(crate) fn new(scenario: &Scenario) -> Expecting {
        Expecting {
            expectations: scenario.expect.clone(),
            reached: BTreeSet::new(),
            short: BTreeSet::new(),
            full_since: None,
            broken: BTreeMap::new(),
            failures: Vec::new(),
            early: false,
            recovered: BTreeMap::new(),
            least: BTreeMap::new(),
            calm_from: scenario.calm_from(),
            counts: BTreeMap::new(),
            delays: [Delays::default(), Delays::default()],
            moves: VecDeque::new(),
        }
    }

    /// Gives the moments at which expectations must be looked at.
    pub(crate) fn moments(&self) -> Vec<(u32, Span)> {
        let calm_from = self.calm_from;
        let at = |expectation: &Expectation| match expectation {
            Expectation::HealthyBy { at, .. } | Expectation::DrainedBy { at } => Some(*at),
            Expectation::MinHealthy { from, .. } => *from,
            Expectation::RecoveredWithin { after, within } => {
                Some(Span(after.unwrap_or(calm_from).0 + within.0))
            }
            Expectation::Rollout { by, .. } => *by,
            Expectation::MovesAtMost { .. }
            | Expectation::MovesAtLeast { .. }
            | Expectation::MovesPerHour { .. }
            | Expectation::DelayBelow { .. }
            | Expectation::UnplacedAtMost { .. }
            | Expectation::RestartsAtMost { .. }
            | Expectation::OutOfMemoryAtMost { .. }
            | Expectation::VersionAtEnd { .. } => None,
        };
        let indexed = self.expectations.iter().enumerate();
        indexed.filter_map(|(index, it)| Some((u32::try_from(index).ok()?, at(it)?))).collect()
    }

    pub(crate) fn take_failures(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.failures)
    }

    fn fail(&mut self, index: usize, promise: &str, what: String) {
        if let Entry::Vacant(entry) = self.broken.entry(index) {
            // Not to be taken for the other when it is made smaller.
            let (promise, what) = match self.early {
                true => (format!("{promise}_after_the_end"), format!("{what}; the run ends before")),
                false => (promise.to_string(), what),
            };
            entry.insert(what.clone());
            self.failures.push((promise, what));
        }
    }

    /// Takes in that a service changed: its tasks, their health, or what it shall have.
    pub(crate) fn service_changed(&mut self, now: Time, book: &Book, service: &Text) {
        let Some(page) = book.services.get(service) else { return };
        let target = page.record.as_ref().map_or(0, |record| book.target(record));
        if page.healthy < target {
            self.short.insert(service.clone());
            self.full_since = None;
        } else if self.short.remove(service) && self.short.is_empty() {
            self.full_since = Some(now);
        }
        let (issued, healthy) = (u32::try_from(page.issued.len()).unwrap_or(u32::MAX), page.healthy);
        self.count(now, service, [target, issued, healthy]);
        for index in 0..self.expectations.len() {
            self.judge_min(now, book, index, service);
        }
    }

    /// Takes in how many tasks a service shall have, has issued and has healthy.
    fn count(&mut self, now: Time, service: &Text, counts: [u32; 3]) {
        let before = self.counts.insert(service.clone(), counts).unwrap_or_default();
        if before == counts {
            return;
        }
        for (index, delays) in self.delays.iter_mut().enumerate() {
            let waiting = u64::from(counts[0].saturating_sub(counts[index + 1]));
            let came = u64::from(counts[index + 1].saturating_sub(before[index + 1]));
            delays.now_wait(now, service, waiting, came);
        }
    }

    /// Takes in that a task is moved.
    pub(crate) fn moved(&mut self, now: Time) {
        self.moves.push_back(now);
        while self.moves.front().is_some_and(|at| now.since(*at) >= HOUR) {
            self.moves.pop_front();
        }
        let within = self.moves.len() as u64;
        for index in 0..self.expectations.len() {
            let Expectation::MovesPerHour { count } = self.expectations[index] else { continue };
            if within > count {
                let what = format!("{within} tasks were moved within an hour, expected at most {count}");
                self.fail(index, "moves_per_hour", what);
            }
        }
    }

    fn judge_min(&mut self, now: Time, book: &Book, index: usize, changed: &Text) {
        let Expectation::MinHealthy { service, at_least, from, until } = &self.expectations[index] else {
            return;
        };
        let over = until.is_some_and(|until| now.0 > until.0);
        if over || service.as_ref().is_some_and(|service| service != changed) {
            return;
        }
        let Some(page) = book.services.get(changed) else { return };
        let own = page.record.as_ref().map_or(0, |record| record.floor());
        let wanted = at_least.unwrap_or(own);
        let begun = match from {
            Some(from) => now.0 >= from.0,
            None => {
                let full = page
                    .record
                    .as_ref()
                    .is_some_and(|record| page.healthy >= book.target(record).max(wanted));
                if full {
                    self.reached.insert((index, changed.clone()));
                }
                self.reached.contains(&(index, changed.clone()))
            }
        };
        if begun {
            let margin = |healthy: u32, wanted: u32| i64::from(healthy) - i64::from(wanted);
            let now_is = margin(page.healthy, wanted);
            let closest = self.least.get(&index).map(|(_, healthy, wanted, _)| margin(*healthy, *wanted));
            if closest.is_none_or(|closest| now_is < closest) {
                self.least.insert(index, (changed.clone(), page.healthy, wanted, now));
            }
        }
        if begun && page.healthy < wanted {
            let what = format!("{changed} has {} healthy tasks, expected at least {wanted}", page.healthy);
            self.fail(index, "min_healthy", what);
        }
    }

    /// Looks at an expectation whose moment has come.
    pub(crate) fn due(&mut self, now: Time, index: u32, book: &Book) {
        let index = index as usize;
        let Some(expectation) = self.expectations.get(index).cloned() else { return };
        match expectation {
            Expectation::MinHealthy { .. } => {
                let names: Vec<Text> = book.services.keys().cloned().collect();
                names.iter().for_each(|name| self.judge_min(now, book, index, name));
            }
            Expectation::HealthyBy { service, count, .. } => {
                for (name, page) in &book.services {
                    let target = page.record.as_ref().map_or(0, |record| book.target(record));
                    let wanted = count.unwrap_or(target);
                    if service.as_ref().is_none_or(|service| service == name) && page.healthy < wanted {
                        let what =
                            format!("{name} has {} healthy tasks, expected {wanted} by now", page.healthy);
                        self.fail(index, "healthy_by", what);
                    }
                }
            }
            Expectation::RecoveredWithin { after, within } => {
                if self.short.is_empty() {
                    self.recovered.insert(index, self.full_since.unwrap_or_default());
                } else {
                    let after = after.unwrap_or(self.calm_from);
                    let count = self.short.len();
                    let what = format!("{count} services have too few healthy tasks {within} after {after}");
                    self.fail(index, "recovered_within", what);
                }
            }
            Expectation::Rollout { service, state, .. } => self.judge_rollout(index, book, &service, state),
            Expectation::DrainedBy { .. } => self.judge_drained(index, book),
            Expectation::MovesAtMost { .. }
            | Expectation::MovesAtLeast { .. }
            | Expectation::MovesPerHour { .. }
            | Expectation::DelayBelow { .. }
            | Expectation::UnplacedAtMost { .. }
            | Expectation::RestartsAtMost { .. }
            | Expectation::OutOfMemoryAtMost { .. }
            | Expectation::VersionAtEnd { .. } => {}
        }
    }

    fn judge_rollout(&mut self, index: usize, book: &Book, service: &Text, wanted: RolloutEnd) {
        let state = book.services.get(service).and_then(|page| page.state.as_ref());
        let is = match state.map(|state| &state.rollout) {
            Some(RolloutRecord::Done) => Some(RolloutEnd::Done),
            Some(RolloutRecord::Failed { .. }) => Some(RolloutEnd::Failed),
            Some(RolloutRecord::Running) | None => None,
        };
        if is != Some(wanted) {
            let now = state.map_or("nothing was rolled out".into(), |state| {
                format!("version {} is {}", state.version, state.rollout)
            });
            let wanted = if wanted == RolloutEnd::Done { "done" } else { "given up" };
            self.fail(index, "rollout", format!("{service}: {now}; expected: {wanted}"));
        }
    }

    fn judge_drained(&mut self, index: usize, book: &Book) {
        for (host, id) in book.live.keys() {
            if book.hosts.get(host).is_some_and(|page| page.draining_since.is_some()) {
                return self.fail(index, "drained_by", format!("{id} lives on {host}, which is drained"));
            }
        }
    }

    /// Judges what only the end can show.
    pub(crate) fn end(&mut self, now: Time, book: &Book, stats: &Stats) {
        // What is to be so by a moment that does not come any more is to be so by now.
        self.early = true;
        for (index, _) in self.moments().into_iter().filter(|(_, at)| at.0 > now.0) {
            self.due(now, index, book);
        }
        self.early = false;
        for index in 0..self.expectations.len() {
            match self.expectations[index].clone() {
                Expectation::MovesAtMost { count } => {
                    self.at_most(index, "moves_at_most", stats.moves, count)
                }
                Expectation::MovesAtLeast { count } => {
                    if stats.moves < count {
                        let what = format!("{} tasks were moved, expected at least {count}", stats.moves);
                        self.fail(index, "moves_at_least", what);
                    }
                }
                Expectation::DelayBelow { percent, of, below } => {
                    self.judge_delay(now, index, percent, of, below)
                }
                Expectation::UnplacedAtMost { count } => {
                    self.at_most(index, "unplaced_at_most", stats.unplaced(), count);
                }
                Expectation::RestartsAtMost { count } => {
                    self.at_most(index, "restarts_at_most", stats.restarts, count);
                }
                Expectation::OutOfMemoryAtMost { count } => {
                    self.at_most(index, "out_of_memory_at_most", stats.out_of_memory, count);
                }
                Expectation::VersionAtEnd { service, version } => {
                    let mut tasks = book.tasks_of(&service).filter(|task| task.runs());
                    if let Some(task) = tasks.find(|task| task.version != version) {
                        let what = format!("{} runs at the end, expected version {version} only", task.id);
                        self.fail(index, "version_at_end", what);
                    }
                }
                Expectation::Rollout { service, state, by: None } => {
                    self.judge_rollout(index, book, &service, state)
                }
                Expectation::MinHealthy { service, at_least, from, .. } => {
                    let is_counted = from.is_some_and(|from| from.0 <= now.0);
                    if !is_counted {
                        self.judge_reached(index, book, service.as_ref(), at_least);
                    }
                }
                Expectation::Rollout { .. }
                | Expectation::MovesPerHour { .. }
                | Expectation::HealthyBy { .. }
                | Expectation::RecoveredWithin { .. }
                | Expectation::DrainedBy { .. } => {}
            }
        }
    }

    /// A service that never had as many healthy tasks as it must keep has kept none of them.
    fn judge_reached(&mut self, index: usize, book: &Book, service: Option<&Text>, at_least: Option<u32>) {
        if self.reached.iter().any(|(of, _)| *of == index) {
            return;
        }
        let target = |name: &Text| {
            let record = book.services.get(name).and_then(|page| page.record.as_ref());
            record.map_or(0, |record| book.target(record))
        };
        let wanted = match service {
            Some(service) => target(service).max(at_least.unwrap_or(0)),
            None => book.services.keys().map(target).max().unwrap_or(0),
        };
        if wanted > 0 {
            let whose = service.map_or("no service", |service| service.as_str());
            let never = if service.is_some() { "never had" } else { "ever had" };
            let all = if service.is_some() {
                format!("{wanted} healthy tasks")
            } else {
                "all its tasks healthy".into()
            };
            // Not to be taken for the other when it is made smaller.
            let what = format!("{whose} {never} {all}, from where on it is counted");
            self.fail(index, "min_healthy_ever", what);
        }
    }

    fn delays(&self, of: Delay) -> &Delays {
        match of {
            Delay::Placement => &self.delays[0],
            Delay::Healthy => &self.delays[1],
        }
    }

    /// Gives how long 99 in a hundred tasks waited at most for a place, and to be healthy.
    pub(crate) fn waited(&self, now: Time) -> [Option<Span>; 2] {
        self.delays.each_ref().map(|delays| delays.percentile(now, 99))
    }

    fn judge_delay(&mut self, now: Time, index: usize, percent: u32, of: Delay, below: Span) {
        if let Some(took) = self.delays(of).percentile(now, percent).filter(|took| *took >= below) {
            let what = format!(
                "{percent} in a hundred tasks waited for {of} up to {took}, expected less than {below}"
            );
            self.fail(index, "delay_below", what);
        }
    }

    fn at_most(&mut self, index: usize, promise: &str, is: u64, most: u64) {
        if is > most {
            self.fail(index, promise, format!("{is}, expected at most {most}"));
        }
    }

    /// Gives how long the slowest recovery took, over the expectations that ask for one.
    pub(crate) fn slowest_recovery(&self) -> Option<Span> {
        let took = self.recovered.iter().filter_map(|(index, at)| {
            let Expectation::RecoveredWithin { after, .. } = &self.expectations[*index] else { return None };
            Some(Span(at.0.saturating_sub(after.unwrap_or(self.calm_from).0)))
        });
        took.max()
    }
}
