//! Trying a change on a copy of a live cluster before it is made: the scheduler and the agents decide as they would, builds
//! are sound, and nothing goes wrong.

use crate::scenario::{Scenario, StoreManners};
use crate::stage::Stage;
use callboard_core::config::Configuration;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;
use callboard_core::store::Entry;
use callboard_core::why::Note;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a change leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// Tasks that are started, and where, in order.
    pub started: Vec<(Name, Name)>,
    /// Tasks that are told to stop, where, and why, in order.
    pub stopped: Vec<(Name, Name, String)>,
    /// Services of which some tasks are issued nowhere at the end, how many, and why.
    pub blocked: Vec<(Name, u32, String)>,
    /// Rollouts that failed, and why.
    pub failed: Vec<(Name, String)>,
    /// Healthy tasks of each service at the end.
    pub healthy: BTreeMap<Name, u32>,
    /// The fewest healthy tasks that each service had on the way.
    pub least_healthy: BTreeMap<Name, u32>,
    /// How long the last change of issued state came after the change that was tried.
    pub settled_after: Span,
    /// True when it was still changing things at the end.
    pub unsettled: bool,
}

/// How long the copy is left alone before the change, so that everybody knows everything.
const WARM_UP: Time = Time(60_000);
/// How long nothing must change for the copy to count as settled.
const QUIET: Span = Span::secs(90);

/// Tries a change of keys (`None` deletes) on a copy of a store, for at most so long.
#[must_use]
pub fn rehearse(entries: Vec<Entry>, change: Vec<(String, Option<String>)>, until: Span) -> Rehearsal {
    let mut stage = Stage::bare(Arc::new(nothing_wrong(until)), 0, None);
    stage.tidings.keep_notes();
    stage.adopt(entries, 0);
    stage.run_until(WARM_UP);
    // What happened until now is not the change's doing.
    let _before = stage.tidings.take_notes();
    for page in stage.court.book.services.values_mut() {
        page.least = page.healthy;
    }
    stage.change(change);
    let end = WARM_UP + until;
    while stage.step_until(end) {
        let last = stage.tidings.last_state_change().max(WARM_UP);
        if stage.now().since(last) > QUIET {
            break;
        }
    }
    report(&mut stage)
}

fn nothing_wrong(until: Span) -> Scenario {
    Scenario {
        name: "rehearsal".into(),
        description: String::new(),
        teaches: String::new(),
        file: String::new(),
        seed: 0,
        duration: Span(WARM_UP.0 + until.0),
        settle: Span::secs(60),
        fleet: Vec::new(),
        schedulers: 1,
        ttl: Span::secs(15),
        desired: Configuration::default(),
        builds: Vec::new(),
        store: StoreManners::default(),
        registry: None,
        timeline: Vec::new(),
        trickle: Vec::new(),
        expect: Vec::new(),
    }
}

fn report(stage: &mut Stage) -> Rehearsal {
    let mut rehearsal = Rehearsal::default();
    let mut blocked: BTreeMap<Name, String> = BTreeMap::new();
    for note in stage.tidings.take_notes() {
        match note {
            Note::Placed { id, host, .. } => rehearsal.started.push((id, host)),
            Note::StopOrdered { id, host, why, .. } => rehearsal.stopped.push((id, host, why.to_string())),
            Note::Blocked { service, why, .. } => {
                blocked.insert(service, why);
            }
            Note::RolloutFailed { service, why, .. } => rehearsal.failed.push((service, why)),
            Note::Removed { .. }
            | Note::RolloutStarted { .. }
            | Note::RolloutDone { .. }
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
    for (service, page) in &stage.court.book.services {
        let Some(record) = &page.record else { continue };
        rehearsal.healthy.insert(service.clone(), page.healthy);
        rehearsal.least_healthy.insert(service.clone(), page.least);
        let issued = u32::try_from(page.issued.len()).unwrap_or(u32::MAX);
        let missing = record.target().saturating_sub(issued);
        if missing > 0 {
            let why = blocked.get(service).cloned().unwrap_or_default();
            rehearsal.blocked.push((service.clone(), missing, why));
        }
    }
    let last = stage.tidings.last_state_change();
    rehearsal.settled_after = last.since(WARM_UP);
    rehearsal.unsettled = stage.now().since(last.max(WARM_UP)) <= QUIET;
    rehearsal
}
