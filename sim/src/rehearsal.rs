//! Trying a change on a copy of a live cluster before it is made: the scheduler and the agents decide as they would, and
//! goes wrong what is asked for. The checkers of the simulator look on.

mod mishaps;
mod moves;

pub use crate::scenario::StoreKind;
pub use mishaps::Mishaps;
pub use moves::Moved;

use crate::build::Build;
use crate::check::{Book, RolloutRecord, Violation};
use crate::recording::Recorder;
use crate::rng::{Chance, Stream};
use crate::run::{Outcome, outcome};
use crate::scenario::{FaultKind, Happening, HostFault, Hosts, Scenario, StoreManners};
use crate::stage::Stage;
use callboard_core::config::Configuration;
use callboard_core::keys::Key;
use callboard_core::machine::{Span, Time};
use callboard_core::model::{Cluster, Name};
use callboard_core::store::Entry;
use callboard_core::why::Note;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Keys to write; `None` deletes.
    pub change: Vec<(String, Option<String>)>,
    /// Hosts that fail for good after the change.
    pub lose: Vec<Name>,
    /// How long after the change; `None`: within five minutes, drawn from the seed.
    pub lose_after: Option<Span>,
    /// How versions behave that are not what the state makes believe.
    pub assume: Vec<Build>,
    /// What goes wrong beside it.
    pub mishaps: Mishaps,
    /// Which store it is played on.
    pub store: StoreKind,
    /// How long at most is looked at what comes of it.
    pub until: Span,
}

/// What a change leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// Tasks that are started, and where, in order.
    pub started: Vec<(Name, Name)>,
    /// Tasks that are told to stop, where, and why, in order.
    pub stopped: Vec<(Name, Name, String)>,
    /// Which of those that are started take the place of one that is stopped, in the order of these.
    pub moved: Vec<Moved>,
    /// Services of which some tasks are issued nowhere at the end, how many, and why.
    pub blocked: Vec<(Name, u32, String)>,
    /// Rollouts that failed, and why.
    pub failed: Vec<(Name, String)>,
    /// Healthy tasks of each service before the change.
    pub before: BTreeMap<Name, u32>,
    /// Healthy tasks of each service at the end.
    pub healthy: BTreeMap<Name, u32>,
    /// The fewest healthy tasks that each service had on the way; of one that is new, since it was complete.
    pub least_healthy: BTreeMap<Name, u32>,
    /// How long the last change of issued state came after the change that was tried.
    pub settled_after: Span,
    /// True when it was still changing things at the end.
    pub unsettled: bool,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// What happened after the change, in words, with the time since.
    pub story: Vec<(Span, String)>,
}

/// Within what time after a change hosts are lost.
pub(crate) const LOSE_WITHIN: Span = Span::secs(300);
/// How long the copy is left alone before the change, so that everybody knows everything.
const WARM_UP: Time = Time(60_000);
/// How long nothing must change for the copy to count as settled.
const QUIET: Span = Span::secs(90);
/// How long after the last mishap everything must be well again.
const SETTLE: Span = Span::secs(60);

/// Tries a change on a copy of a store.
#[must_use]
pub fn rehearse(entries: &[Arc<Entry>], proposal: &Proposal, seed: u64) -> Rehearsal {
    report(play(entries, proposal, seed, None))
}

/// Tries a change and keeps what it looks like over time: what was tried, and how it went.
#[must_use]
pub fn record(entries: &[Arc<Entry>], proposal: &Proposal, seed: u64) -> (Scenario, Outcome) {
    let end = play(entries, proposal, seed, None).stage.now();
    let played = play(entries, proposal, seed, Some(end));
    let short = played.short();
    let scenario = Scenario { duration: Span(end.0), ..(*played.stage.scenario).clone() };
    let mut outcome = outcome(played.stage, seed, end, true);
    for (service, mut broken) in short {
        let over_time = outcome.recording.as_ref().and_then(|recording| recording.services.get(&service));
        broken.at = over_time.and_then(|it| it.deepest()).map_or(broken.at, |dip| Span(dip.from.0));
        outcome.violations.push(broken);
    }
    outcome.passed = outcome.violations.is_empty();
    (scenario, outcome)
}

/// What was played.
struct Played {
    stage: Stage,
    before: BTreeMap<Name, Before>,
    /// Why tasks waited before the change, by service.
    blocked: BTreeMap<Name, String>,
    /// Services that the change is about.
    changed: BTreeSet<Name>,
    notes: Vec<(Span, Note)>,
    settled: bool,
}

/// Plays what follows a change. Given when it will be over, what it looks like until then is kept.
fn play(entries: &[Arc<Entry>], proposal: &Proposal, seed: u64, recorded: Option<Time>) -> Played {
    let scenario = Arc::new(scenario(entries, proposal, seed));
    let calm_from = Time(scenario.calm_from().0);
    let mut stage = Stage::bare(scenario, seed, None);
    stage.witness.recorder = recorded.map(|end| Box::new(Recorder::new(Span(end.0))));
    stage.tidings.keep_notes();
    stage.adopt(entries.to_vec(), seed);
    stage.plan();
    stage.run_until(WARM_UP);
    // What happened until now is not the change's doing.
    let mut blocked = BTreeMap::new();
    for note in stage.tidings.take_notes() {
        if let Note::Blocked { service, why, .. } = note {
            blocked.insert(service, why);
        }
    }
    let waiting: BTreeMap<Name, u32> =
        missing(&stage.court.book).map(|(service, missing)| (service.clone(), missing)).collect();
    let mut before = BTreeMap::new();
    for (name, page) in &mut stage.court.book.services {
        page.least = page.healthy;
        let min = page.record.as_ref().map_or(0, |record| record.min);
        let missing = waiting.get(name).copied().unwrap_or(0);
        before.insert(name.clone(), Before { healthy: page.healthy, min, missing });
    }
    if !proposal.change.is_empty() {
        stage.witness.begins(WARM_UP, &"the change is made", Span(0), true);
        stage.witness.begun();
    }
    stage.change(proposal.change.clone());
    let quiet = if proposal.lose.is_empty() { QUIET } else { Span(QUIET.0 + 2 * longest_grace(entries).0) };
    let end = WARM_UP + proposal.until;
    let mut notes = Vec::new();
    let mut settled = false;
    while stage.step_until(end) {
        let now = stage.now();
        notes.extend(stage.tidings.take_notes().into_iter().map(|note| (now.since(WARM_UP), note)));
        let last = stage.tidings.last_state_change().max(WARM_UP).max(calm_from);
        settled = now.since(last) > quiet;
        if settled {
            break;
        }
    }
    // Where something waits for room, the end is not as it shall be, and that is said as what it is.
    if settled && missing(&stage.court.book).next().is_none() {
        stage.end();
    }
    let changed = changed(entries, &proposal.change);
    Played { stage, before, blocked, changed, notes, settled }
}

/// Names the services that a change is about: those that it makes otherwise, or has a cluster list.
fn changed(entries: &[Arc<Entry>], change: &[(String, Option<String>)]) -> BTreeSet<Name> {
    let listed = |value: Option<&str>| {
        let cluster = value.and_then(|value| serde_json::from_str::<Cluster>(value).ok());
        cluster.map(|cluster| cluster.services).unwrap_or_default()
    };
    let mut changed = BTreeSet::new();
    for (key, after) in change {
        let before = entries.iter().find(|entry| entry.key == *key).map(|entry| entry.value.as_str());
        let after = after.as_deref();
        if before == after {
            continue;
        }
        if let Some(Key::Service(name)) = Key::parse(key) {
            changed.insert(name);
        } else if let Some(Key::Cluster(_)) = Key::parse(key) {
            let known = listed(before);
            changed.extend(listed(after).into_iter().filter(|name| !known.contains(name)));
        }
    }
    changed
}

/// A service before the change.
struct Before {
    healthy: u32,
    min: u32,
    /// How many of its tasks waited for a place.
    missing: u32,
}

fn scenario(entries: &[Arc<Entry>], proposal: &Proposal, seed: u64) -> Scenario {
    let mut chance = Chance::new(seed, Stream::World);
    let mut timeline = Vec::new();
    if !proposal.lose.is_empty() {
        let after = proposal.lose_after.unwrap_or_else(|| chance.span(Span(0), LOSE_WITHIN));
        let crash = FaultKind::Host(HostFault::Crash);
        let action = mishaps::fault(crash, Hosts::Named(proposal.lose.clone()), None);
        timeline.push(Happening { at: Span(WARM_UP.0 + after.0), action });
    }
    let hosts = hosts(entries);
    let window = (Span(WARM_UP.0), Span(WARM_UP.0 + proposal.until.0));
    timeline.extend(proposal.mishaps.draw(&hosts, window, &mut chance));
    timeline.sort_by_key(|happening| happening.at);
    Scenario {
        name: "rehearsal".into(),
        description: String::new(),
        teaches: String::new(),
        sets: Vec::new(),
        file: String::new(),
        seed,
        duration: Span(WARM_UP.0 + proposal.until.0),
        settle: SETTLE,
        fleet: Vec::new(),
        schedulers: match proposal.store {
            StoreKind::Memory | StoreKind::Embedded => 1,
            StoreKind::Consul | StoreKind::Etcd => 2,
        },
        ttl: Span::secs(15),
        reaction: Span(0),
        desired: Configuration::default(),
        builds: proposal.assume.clone(),
        store: StoreManners::of(proposal.store),
        registry: None,
        timeline,
        trickle: Vec::new(),
        expect: Vec::new(),
    }
}

/// Names the hosts that are alive.
fn hosts(entries: &[Arc<Entry>]) -> Vec<Name> {
    let keys = entries.iter().filter_map(|entry| Key::parse(&entry.key));
    let alive: BTreeSet<Name> =
        keys.filter_map(|key| if let Key::Alive(host) = key { Some(host) } else { None }).collect();
    alive.into_iter().collect()
}

/// Gives the longest time for which a cluster waits before it gives a silent host up.
fn longest_grace(entries: &[Arc<Entry>]) -> Span {
    let clusters = entries.iter().filter(|entry| matches!(Key::parse(&entry.key), Some(Key::Cluster(_))));
    let graces = clusters.filter_map(|entry| serde_json::from_str::<Cluster>(&entry.value).ok());
    graces.map(|cluster| cluster.host_grace).max().unwrap_or_default()
}

/// Gives the services of which some tasks are issued nowhere, and how many. A task of a version that shall be replaced is
/// none of those that are wanted, unless the rollout was given up.
fn missing(book: &Book) -> impl Iterator<Item = (&Name, u32)> {
    book.services.iter().filter_map(|(service, page)| {
        let record = page.record.as_ref()?;
        let is_given_up = page.state.as_ref().is_some_and(|state| {
            state.version == record.task_version && matches!(state.rollout, RolloutRecord::Failed { .. })
        });
        let is_wanted = |id: &&Name| {
            is_given_up || book.tasks.get(*id).is_some_and(|task| task.version == record.task_version)
        };
        let issued = u32::try_from(page.issued.iter().filter(is_wanted).count()).unwrap_or(u32::MAX);
        let short = record.target().saturating_sub(issued);
        (short > 0).then_some((service, short))
    })
}

impl Played {
    /// Names the services that had fewer healthy tasks than their min, though they had as many before.
    fn short(&self) -> Vec<(Name, Violation)> {
        let mut short = Vec::new();
        for (service, page) in &self.stage.court.book.services {
            let (Some(record), Some(before)) = (&page.record, self.before.get(service)) else { continue };
            // What is stopped has none to keep.
            let min = before.min.min(record.min).min(record.target());
            if before.healthy >= min && page.least < min {
                let what = format!("{service} had {} healthy tasks, and its min is {min}", page.least);
                let seed = self.stage.scenario.seed;
                short.push((service.clone(), Violation { promise: "min".into(), at: Span(0), what, seed }));
            }
        }
        short
    }
}

fn report(played: Played) -> Rehearsal {
    let short = played.short();
    let Played { stage, before, mut blocked, changed, notes, settled } = played;
    let moved = moves::pair(notes.iter().map(|(_, note)| note));
    let mut rehearsal = Rehearsal { unsettled: !settled, moved, ..Rehearsal::default() };
    for (after, note) in notes {
        rehearsal.story.push((after, note.to_string()));
        match note {
            Note::Placed { id, host, .. } => rehearsal.started.push((id, host)),
            Note::StopOrdered { id, host, why, .. } => rehearsal.stopped.push((id, host, why.to_string())),
            Note::Blocked { service, why, .. } => {
                blocked.insert(service, why);
            }
            Note::RolloutFailed { service, why, .. } => rehearsal.failed.push((service, why)),
            Note::Removed { .. }
            | Note::MakingRoom { .. }
            | Note::RolloutStarted { .. }
            | Note::RolloutDone { .. }
            | Note::Completed { .. }
            | Note::HostSuspect { .. }
            | Note::HostLost { .. }
            | Note::HostReady { .. }
            | Note::Braked { .. }
            | Note::LockTaken { .. }
            | Note::LockLost { .. }
            | Note::Task { .. }
            | Note::MoveRequested { .. }
            | Note::Store { .. }
            | Note::BadRecord { .. } => {}
        }
    }
    rehearsal.settled_after = stage.tidings.last_state_change().since(WARM_UP);
    let Stage { court, stats, .. } = stage;
    for (service, missing) in missing(&court.book) {
        // What waited before, and has nothing to do with the change, is no reason against it.
        let waited = before.get(service).map_or(0, |before| before.missing);
        if missing <= waited && !changed.contains(service) {
            continue;
        }
        let why = blocked.get(service).cloned().unwrap_or_default();
        rehearsal.blocked.push((service.clone(), missing, why));
    }
    for (service, page) in court.book.services.iter().filter(|(_, page)| page.record.is_some()) {
        let earlier = before.get(service);
        let least = match earlier {
            Some(_) => page.least,
            None => stats.services.get(service).and_then(|stats| stats.least_healthy).unwrap_or(0),
        };
        rehearsal.before.insert(service.clone(), earlier.map_or(0, |earlier| earlier.healthy));
        rehearsal.healthy.insert(service.clone(), page.healthy);
        rehearsal.least_healthy.insert(service.clone(), least);
    }
    rehearsal.violations = court.verdict();
    rehearsal.violations.extend(short.into_iter().map(|(_, broken)| broken));
    rehearsal
}
