//! The beginning of a run: machines are switched on, users have written what they want, and what will happen is planned.

use super::{Deeds, SchedulerProcess, Stage, Tidings, Wish};
use crate::build::Build;
use crate::check::{Court, PolicyRecord};
use crate::desk::Desk;
use crate::event::{Event, Undo};
use crate::expect::Expecting;
use crate::host::Host;
use crate::link::Link;
use crate::museum::Mutant;
use crate::queue::Queue;
use crate::rng::{Chance, Stream};
use crate::scenario::{Action, FaultKind, Scenario, StoreFault, StoreManners};
use crate::stats::Stats;
use crate::store::SimStore;
use crate::witness::Witness;
use callboard_core::keys::Key;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Registration;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When users write what they want: the machines are there by then.
const APPLIED: Time = Time(3_000);

impl Stage {
    /// Sets everything up for a scenario.
    pub(crate) fn new(scenario: Arc<Scenario>, seed: u64, mutant: Option<Mutant>) -> Stage {
        let mut stage = Stage::bare(Arc::clone(&scenario), seed, mutant);
        let machines = scenario.fleet.iter().flat_map(|class| {
            class.registrations().map(|registration| (registration, class.parallel_starts))
        });
        for (registration, starts) in machines {
            let index = u32::try_from(stage.hosts.len()).unwrap_or(u32::MAX);
            stage.by_name.insert(registration.host.clone(), index);
            stage.court.book.rules.insert(registration.host.clone(), rules(&registration));
            let mut host = Host::new(index, registration, seed);
            host.starts = starts;
            stage.hosts.push(host);
        }
        stage.queue.push(APPLIED, Event::Apply);
        stage.plan();
        for index in 0..stage.hosts.len() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let at = stage.hosts[index as usize].chance.span(Span(0), Span::secs(2));
            stage.queue.push(Time(at.0), Event::Undo(Undo::StartAgent(index)));
        }
        stage
    }

    /// Sets up a world without machines.
    pub(crate) fn bare(scenario: Arc<Scenario>, seed: u64, mutant: Option<Mutant>) -> Stage {
        let (manners, worst) = (scenario.store.clone(), scenario.worst_store());
        // Whoever acts on news this old acts in good faith: the way of a change to a watcher, the time to collect and to
        // plan, the way of the request, each stretched as far as the scenario's store may.
        let slow = scenario.timeline.iter().filter_map(|happening| {
            let Action::Fault(fault) = &happening.action else { return None };
            (fault.kind == FaultKind::Store(StoreFault::Slow)).then_some(fault.size)
        });
        let late = if worst.delayed_events > 0 { Span::secs(60) } else { Span(0) };
        let factor = slow.max().unwrap_or(1);
        let ways =
            late.0 + manners.watch_delay.1.0 + manners.latency.1.0 * factor * 4 + scenario.reaction.0 * 4;
        let blind = blindness(&worst);
        let lag = Span(1_500 + ways + blind.0);
        // A machine that notices at once looks again at once.
        let stale = Span(blind.0.max(Span::secs(60).0) + Span::secs(20).0 + ways);
        let outlives = manners.outlives(scenario.ttl);
        let mut court = Court::new(seed, (lag, stale), outlives);
        court.book.is_prompt = !manners.is_lossy() && ways < 1_000;
        let mut queue = Queue::new();
        queue.push(Time(0), Event::SignsOfLife);
        let schedulers = (0..scenario.schedulers).map(|index| {
            queue.push(Time(u64::from(index)), Event::Undo(Undo::StartScheduler(index)));
            SchedulerProcess {
                index,
                machine: None,
                life: 0,
                paused_until: Time(0),
                link: Link::default(),
                ppm: 0,
                locks: 0,
                net: Chance::new(seed, Stream::SchedulerNet(index)),
                chance: Chance::new(seed, Stream::SchedulerNet(index + 1_000_000)),
            }
        });
        let schedulers = schedulers.collect();
        let drips = (0..scenario.trickle.len()).map(|index| u32::try_from(index).unwrap_or(u32::MAX));
        Stage {
            queue,
            hosts: Vec::new(),
            schedulers,
            desk: Desk::default(),
            store: SimStore::new(manners),
            court,
            stats: Stats::default(),
            expecting: Expecting::new(&scenario),
            arrived: BTreeMap::new(),
            deleted: Vec::new(),
            tidings: Tidings::default(),
            deeds: Deeds::default(),
            struck: Vec::new(),
            witness: Witness::default(),
            by_name: BTreeMap::new(),
            builds: builds(&scenario),
            faults: Chance::new(seed, Stream::Faults),
            drips: drips.map(|index| Chance::new(seed, Stream::Trickle(index))).collect(),
            wishes: Vec::new(),
            worse: Vec::new(),
            junk: Vec::new(),
            newer_until: None,
            mutant,
            tapes: None,
            expiry: None,
            calm_from: Time(scenario.calm_from().0),
            stale: 0,
            beside: 0,
            scenario,
        }
    }

    /// Lets users write what they want.
    pub(super) fn write_desired(&mut self) {
        let desired = &self.scenario.desired;
        let mut entries: Vec<(Key, String)> = Vec::new();
        let json = |value: &dyn ErasedJson| value.json();
        let definitions = desired.task_definitions.iter();
        entries.extend(definitions.map(|it| (Key::Definition(it.name.clone(), it.version), json(it))));
        entries.extend(desired.services.iter().map(|it| (Key::Service(it.name.clone()), json(it))));
        entries.extend(desired.clusters.iter().map(|it| (Key::Cluster(it.name.clone()), json(it))));
        entries.extend(desired.hosts.iter().map(|it| (Key::HostConfig(it.name.clone()), json(it))));
        self.unlist_moved();
        for (key, value) in entries {
            self.wish(key.path(), Wish::Put(value));
        }
    }

    /// Plans all that will happen.
    pub(crate) fn plan(&mut self) {
        for (index, happening) in self.scenario.timeline.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.queue.push(Time(happening.at.0), Event::Script(index));
        }
        for index in 0..self.scenario.trickle.len() {
            let from = Time(self.scenario.trickle[index].from.0);
            self.plan_drip(u32::try_from(index).unwrap_or(u32::MAX), from);
        }
        for (index, at) in self.expecting.moments() {
            self.queue.push(Time(at.0), Event::Expect(index));
        }
        let restores = FaultKind::Store(StoreFault::Restore);
        let goes_back = |action: &Action| matches!(action, Action::Fault(fault) if fault.kind == restores);
        let again = self.scenario.trickle.iter().any(|trickle| trickle.fault == restores);
        if again || self.scenario.timeline.iter().any(|happening| goes_back(&happening.action)) {
            self.queue.push(Time(0), Event::Checkpoint);
        }
    }
}

/// Gives how long a machine may not know that it does not know: until it notices that a watch is silent, or looks again
/// because a watch may have lost something; and how long looking again takes where requests get lost.
fn blindness(manners: &StoreManners) -> Span {
    // Of what came out of order, the earlier may be lost on who heard it.
    let lost = manners.lost_events.max(manners.reordered_events);
    let notices = match (lost, manners.deaf_watches) {
        (0, 0) => Span(0),
        (0, _) => Span::secs(60),
        (_, _) => Span::secs(375),
    };
    let again = if manners.is_lossy() { Span::secs(120) } else { Span(0) };
    Span(notices.0 + again.0)
}

/// Gives the policy of a machine as the checkers read it.
fn rules(registration: &Registration) -> PolicyRecord {
    serde_json::from_str(&registration.policy.json()).unwrap_or_default()
}

fn builds(scenario: &Scenario) -> BTreeMap<(callboard_core::model::Name, u32), Build> {
    scenario.builds.iter().map(|build| ((build.task.clone(), build.version), build.clone())).collect()
}

/// Anything that can be written as JSON.
trait ErasedJson {
    fn json(&self) -> String;
}

impl<T: Serialize> ErasedJson for T {
    fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
