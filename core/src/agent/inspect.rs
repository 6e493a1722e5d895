//! What is on the machine when the agent starts: found before anything else is done, and adopted as it is.
//!
//! **Invariant:** an executor that cannot tell is no evidence that nothing runs.

use super::Agent;
use super::local::{Local, State};
use crate::machine::{Span, Time};
use crate::mirror::retry_delay;
use crate::model::Name;
use crate::work::{Exit, Found, Order, Report, Run};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How long the executors may take to tell.
const DEADLINE: Span = Span::secs(30);
/// After so many failures the host says that it is unfit.
const UNFIT_AFTER: u32 = 3;

/// How far the inspection got.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Inspection {
    done: bool,
    /// When it is asked for, or counts as lost.
    until: Time,
    asked: bool,
    failures: u32,
    error: Option<String>,
    /// Ends that were told before what had been running was.
    pub(super) early: BTreeMap<Run, Exit>,
}

impl Inspection {
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn wake_at(&self) -> Option<Time> {
        (!self.done).then_some(self.until)
    }

    /// Says why this host should get nothing new.
    pub(super) fn unfit(&self) -> Option<&str> {
        let error = self.error.as_deref().filter(|_| !self.done && self.failures >= UNFIT_AFTER);
        error.map(|error| crate::record::shorten(error, 200))
    }
}

impl Agent {
    pub(super) fn wake_inspection(&mut self, now: Time) {
        if self.inspection.done || self.inspection.until > now {
            return;
        }
        let salt = crate::mirror::hash(self.name());
        let inspection = &mut self.inspection;
        if inspection.asked {
            inspection.fail(now, salt, "the executors do not answer");
        } else {
            inspection.asked = true;
            inspection.until = now + DEADLINE;
            self.order(Order::Inspect);
        }
    }

    /// Takes a report of an executor or a check.
    pub(super) fn report(&mut self, now: Time, report: Report) {
        match report {
            Report::Inspected(result) => self.inspected(now, result),
            Report::Started(run, result) => self.started(now, &run, result),
            Report::Exited(run, exit) => self.exited(&run, &exit),
            Report::Stopped(run, result) => self.stopped(now, &run, &result),
            Report::Checked { run, check, result } => self.checked(now, &run, check, result),
            Report::Measured(usage) => self.measured(now, usage),
        }
    }

    fn inspected(&mut self, now: Time, result: Result<Vec<Found>, String>) {
        if self.inspection.done {
            return;
        }
        let found = match result {
            Ok(found) => found,
            Err(why) => {
                let salt = crate::mirror::hash(self.name());
                if self.inspection.error.as_ref() != Some(&why) {
                    let host = self.name().clone();
                    self.note_task(&host, format!("executors cannot tell what runs: {why}"));
                }
                return self.inspection.fail(now, salt, &why);
            }
        };
        self.inspection.done = true;
        self.begin_registrations(now);
        let mut by_id: BTreeMap<Name, BTreeMap<Run, Found>> = BTreeMap::new();
        let mut early = core::mem::take(&mut self.inspection.early);
        for mut found in found {
            let run = found.spec.run();
            found.exit = found.exit.or_else(|| early.remove(&run));
            by_id.entry(run.id.clone()).or_default().insert(run, found);
        }
        for runs in by_id.into_values() {
            self.adopt(now, runs);
        }
        if self.is_astray() {
            let tasks = self.at.tasks.clone();
            self.suspend(now, &tasks);
        }
        self.touch_all();
    }

    /// Takes over the newest run of a task; live ones before it are stopped, ended ones forgotten.
    fn adopt(&mut self, now: Time, mut runs: BTreeMap<Run, Found>) {
        let Some((_, newest)) = runs.pop_last() else { return };
        let mut local = Local::new(Arc::new(newest.spec.task.clone()));
        local.attempt = newest.spec.attempt;
        local.failures = newest.spec.attempt;
        local.definition = Some(newest.spec.definition.clone());
        local.spec = Some(newest.spec.clone());
        local.unmerged = true;
        match &newest.exit {
            None => {
                local.state = State::Running { since: now };
                local.begin_checks(now);
            }
            Some(exit) => local.state = State::Ended { why: super::restart::in_words(exit) },
        }
        let name = (local.task.task_name.clone(), local.task.version);
        self.definitions.insert(name, newest.spec.definition.clone());
        for (run, found) in runs {
            match found.exit {
                None => {
                    let like = Local {
                        definition: Some(found.spec.definition.clone()),
                        ..Local::new(Arc::new(found.spec.task.clone()))
                    };
                    self.relic(now, run, &like);
                }
                Some(_) => self.order(Order::Remove(run)),
            }
        }
        self.locals.insert(local.task.id.clone(), Box::new(local));
    }
}

impl Inspection {
    fn fail(&mut self, now: Time, salt: u64, why: &str) {
        self.until = now + retry_delay(self.failures, salt);
        self.asked = false;
        self.failures = self.failures.saturating_add(1);
        self.error = Some(why.into());
    }
}
