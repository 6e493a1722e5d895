//! What the registry on this host shall say of its tasks: every run whose processes exist is entered there, and nothing
//! else. A run is taken out before it is asked to end. What the registry holds is listed from time to time, and put right.
//!
//! **Invariant:** no task is started, stopped or started again because of the registry; one that does not answer holds up
//! a stop for a moment only.

use super::local::{Local, State};
use super::{Agent, Effect};
use crate::machine::{Span, Time};
use crate::mirror::{hash, retry_delay};
use crate::registry::{Reply, Request};
use crate::work::{Order, Run, Spec};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// From one listing to the next: a registry that has forgotten is put right within this.
const LISTED_EVERY: Span = Span::secs(60);
/// How long a request may go unanswered before it is repeated.
const PATIENCE: Span = Span::secs(10);
/// How long a stop waits for its run to be taken out.
const STOP_WAITS: Span = Span::secs(2);

/// What is known of the registry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Registrations {
    /// What it holds, as far as it said.
    held: BTreeMap<Run, Arc<Spec>>,
    /// What it was asked to enter or take out.
    pending: BTreeMap<Run, Pending>,
    /// When it is listed next, once it is known what runs here.
    next_listing: Option<Time>,
    /// It could not tell what it holds when it was last asked.
    troubled: bool,
}

/// A run on its way into the registry or out of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    /// What is to be entered; `None` when it is to be taken out.
    spec: Option<Arc<Spec>>,
    /// When it is asked for, again if nothing is heard.
    again: Time,
    failures: u32,
    /// The stop that waits for it, until when.
    stop: Option<(Time, Order)>,
}

impl Pending {
    fn due(&self) -> Time {
        self.stop.as_ref().map_or(self.again, |(until, _)| self.again.min(*until))
    }
}

impl Registrations {
    pub(super) fn wake_at(&self) -> Option<Time> {
        self.pending.values().map(Pending::due).chain(self.next_listing).min()
    }

    /// Has a run taken out, unless that is under way.
    fn take_out(&mut self, now: Time, run: Run) -> &mut Pending {
        self.held.remove(&run);
        let fresh = || Pending { spec: None, again: now, failures: 0, stop: None };
        let pending = self.pending.entry(run).or_insert_with(fresh);
        if pending.spec.take().is_some() {
            (pending.again, pending.failures) = (now, 0);
        }
        pending
    }
}

impl Agent {
    /// Begins to look after the registry, or looks again: it is known what runs here.
    pub(super) fn begin_registrations(&mut self, now: Time) {
        self.registrations.next_listing = self.settings.registry.then_some(now);
    }

    /// Enters a run whose processes exist, and takes out what is no longer the present one.
    pub(super) fn show(&mut self, now: Time, local: &mut Local) {
        let runs = self.settings.registry && matches!(local.state, State::Running { .. });
        match &local.shown {
            None if !runs => return,
            Some(run) if runs && local.is_at(run) => return,
            None | Some(_) => {}
        }
        if let Some(before) = local.shown.take() {
            self.registrations.take_out(now, before);
        }
        if let Some(spec) = local.spec.as_ref().filter(|_| runs) {
            let (run, spec) = (local.run(), Some(spec.clone()));
            self.registrations
                .pending
                .insert(run.clone(), Pending { spec, again: now, failures: 0, stop: None });
            local.shown = Some(run);
        }
        self.wake_registrations(now);
    }

    /// Orders a run that may be in the registry to stop, after it was taken out.
    pub(super) fn part(&mut self, now: Time, run: Run, stop: Order) {
        if self.settings.registry {
            self.registrations.take_out(now, run).stop.get_or_insert((now + STOP_WAITS, stop));
            self.wake_registrations(now);
        } else {
            self.order(stop);
        }
    }

    pub(super) fn wake_registrations(&mut self, now: Time) {
        let mut requests = Vec::new();
        let mut impatient = Vec::new();
        for (run, pending) in self.registrations.pending.iter_mut().filter(|(_, of)| of.due() <= now) {
            if let Some((_, stop)) = pending.stop.take_if(|(until, _)| *until <= now) {
                impatient.push((run.clone(), stop));
            }
            if pending.again <= now {
                pending.again = now + PATIENCE;
                requests.push(match &pending.spec {
                    Some(spec) => Request::Register(spec.clone()),
                    None => Request::Deregister(run.clone()),
                });
            }
        }
        if self.registrations.next_listing.is_some_and(|at| at <= now) {
            self.registrations.next_listing = Some(now + LISTED_EVERY);
            requests.push(Request::List);
        }
        self.out.extend(requests.into_iter().map(Effect::Registry));
        for (run, stop) in impatient {
            let what = format!("stopped though the registry did not let go of it within {STOP_WAITS}");
            self.note_task(&run.id, what);
            self.order(stop);
        }
    }

    /// Takes an answer of the registry.
    pub(super) fn hear_registry(&mut self, now: Time, reply: Reply) {
        match reply {
            Reply::Registered(run, result) => self.registered(now, run, &result),
            Reply::Deregistered(run, result) => self.deregistered(now, &run, &result),
            Reply::Listed(result) => self.compare(now, result),
            Reply::Found { run, check, verdict } => self.found(now, &run, check, verdict),
        }
    }

    fn registered(&mut self, now: Time, run: Run, result: &Result<(), String>) {
        let Some(pending) = self.registrations.pending.get_mut(&run) else {
            // It may have been entered after it was taken out: to take it out again costs nothing.
            if result.is_ok() && !self.registrations.held.contains_key(&run) {
                self.registrations.take_out(now, run);
            }
            return;
        };
        match (result, &pending.spec) {
            (Ok(()), Some(spec)) => {
                self.registrations.held.insert(run.clone(), spec.clone());
                self.registrations.pending.remove(&run);
            }
            (Ok(()), None) => pending.again = now,
            (Err(why), Some(_)) => {
                if pending.fail(now, &run) {
                    self.note_task(&run.id, format!("not registered: {why}; tried again"));
                }
            }
            (Err(_), None) => {}
        }
    }

    fn deregistered(&mut self, now: Time, run: &Run, result: &Result<(), String>) {
        let found = self.registrations.pending.get_mut(run);
        let Some(pending) = found.filter(|pending| pending.spec.is_none()) else { return };
        match result {
            Ok(()) => {
                let stop = pending.stop.take();
                self.registrations.pending.remove(run);
                if let Some((_, stop)) = stop {
                    self.order(stop);
                }
            }
            Err(why) => {
                if pending.fail(now, run) {
                    self.note_task(&run.id, format!("still registered: {why}; tried again"));
                }
            }
        }
    }

    /// Compares what the registry holds with what it shall hold.
    fn compare(&mut self, now: Time, result: Result<Vec<Run>, String>) {
        let was_troubled = core::mem::replace(&mut self.registrations.troubled, result.is_err());
        let runs = match result {
            Ok(runs) => BTreeSet::from_iter(runs),
            Err(why) => {
                if !was_troubled {
                    let host = self.name().clone();
                    self.note_task(&host, format!("the registry cannot tell what it holds: {why}"));
                }
                return;
            }
        };
        let forgotten = self.registrations.held.extract_if(.., |run, _| !runs.contains(run));
        for (run, spec) in forgotten {
            let pending = Pending { spec: Some(spec), again: now, failures: 0, stop: None };
            self.registrations.pending.insert(run, pending);
        }
        // Of what no executor has told yet, nobody knows that it does not live.
        for run in runs.into_iter().filter(|_| self.inspection.is_done()) {
            let known = &self.registrations;
            if !known.held.contains_key(&run) && !known.pending.contains_key(&run) {
                self.registrations.take_out(now, run);
            }
        }
    }
}

impl Pending {
    /// Plans the next try; true when this was the first that failed.
    fn fail(&mut self, now: Time, run: &Run) -> bool {
        self.again = now + retry_delay(self.failures, hash(&run.id));
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }
}
