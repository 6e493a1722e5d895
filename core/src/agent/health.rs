//! Whether a running task does its work: each of its checks is made at its interval, one probe at a time, and believed
//! after so many results in a row. What a registry makes, http and tcp, it also counts: its verdict is asked for at the
//! same interval and believed at once, and while it has none the agent makes the check itself.
//!
//! **Invariant:** only results about the present start count.

use super::local::{Local, State};
use super::{Agent, Effect};
use crate::beat;
use crate::machine::{Span, Time};
use crate::mirror::{hash, mix};
use crate::model::{Check, Health, Probe};
use crate::record::shorten;
use crate::registry::Request;
use crate::work::{Order, Run, Spec};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a probe may take beyond its timeout before it counts as failed.
const PATIENCE: Span = Span::secs(5);
/// The first probe of each check comes within this time, so that not all come at once.
const FIRST_WITHIN: u64 = 1000;
const INTERVAL_MIN: Span = Span(100);

/// Where a result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    /// From one probe.
    Probe,
    /// From the registry, which has counted the thresholds already.
    Verdict,
    /// From whoever makes the check not saying anything.
    Silence,
}

/// When a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Pace {
    /// At an interval. To connect costs next to nothing, and is `light`: many tasks share a beat. What costs something, or
    /// may turn out any moment, comes apart.
    Probed { interval: Span, timeout: Span, light: bool },
    /// By the task itself, which is not silent for longer.
    Told { ttl: Span },
}

/// How one check of one start is getting on, and what of its definition each probe needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Probing {
    pace: Pace,
    success_threshold: u32,
    failure_threshold: u32,
    /// When it is made next; for a ttl check, when the silence has lasted too long.
    next: Time,
    /// When the probe under way counts as failed.
    deadline: Option<Time>,
    passes: u32,
    failures: u32,
    passing: Option<bool>,
    /// The last failure was silence of whoever makes the check, which says little about the task.
    silent: bool,
    /// When it failed last, that aside.
    #[serde(default)]
    failed_at: Option<Time>,
    error: Option<String>,
}

impl Pace {
    fn of(probe: &Probe) -> Pace {
        match probe {
            Probe::Http { interval, timeout, .. } | Probe::Tcp { interval, timeout, .. } => {
                Pace::Probed { interval: (*interval).max(INTERVAL_MIN), timeout: *timeout, light: true }
            }
            Probe::Script { interval, timeout, .. } => {
                Pace::Probed { interval: (*interval).max(INTERVAL_MIN), timeout: *timeout, light: false }
            }
            Probe::Ttl { ttl } => Pace::Told { ttl: (*ttl).max(INTERVAL_MIN) },
        }
    }
}

impl Probing {
    fn new(check: &Check, next: Time) -> Probing {
        Probing {
            pace: Pace::of(&check.probe),
            success_threshold: check.success_threshold,
            failure_threshold: check.failure_threshold,
            next,
            deadline: None,
            passes: 0,
            failures: 0,
            passing: None,
            silent: false,
            failed_at: None,
            error: None,
        }
    }

    pub(super) fn due(&self) -> Time {
        self.deadline.unwrap_or(self.next)
    }
}

impl Local {
    /// Begins to check a start whose processes exist. Without checks it is healthy at once.
    pub(super) fn begin_checks(&mut self, now: Time) {
        self.probing.clear();
        self.unhealthy_since = None;
        let salt = hash(&self.task.id);
        for (index, check) in self.definition.iter().flat_map(|definition| &definition.checks).enumerate() {
            let next = match &check.probe {
                Probe::Ttl { ttl } => now + *ttl,
                Probe::Http { interval, .. }
                | Probe::Tcp { interval, .. }
                | Probe::Script { interval, .. } => {
                    let within = interval.0.clamp(1, FIRST_WITHIN);
                    now + Span(mix(salt, index as u64) % within)
                }
            };
            self.probing.push(Probing::new(check, next));
        }
        self.judge(now);
    }

    /// Takes one result into account.
    fn count(&mut self, now: Time, index: usize, result: Result<(), String>, source: Source) {
        let Some(probing) = self.probing.get_mut(index) else { return };
        probing.silent = source == Source::Silence;
        // A registry believes its first result of a start, whatever the thresholds: that one is counted here.
        let is_verdict = source == Source::Verdict && probing.passing.is_some();
        match result {
            Ok(()) => {
                probing.failures = 0;
                probing.passes = probing.passes.saturating_add(1);
                if is_verdict || probing.passes >= probing.success_threshold {
                    probing.passing = Some(true);
                }
            }
            Err(error) => {
                if source != Source::Silence {
                    probing.failed_at = Some(now);
                }
                probing.passes = 0;
                probing.failures = probing.failures.saturating_add(1);
                let fails = is_verdict || probing.failures >= probing.failure_threshold;
                if fails && probing.passing != Some(false) {
                    probing.passing = Some(false);
                    // The reason at the turn stays, lest each result is written to the store.
                    let number = format!("{index}");
                    let check = self.definition.as_ref().and_then(|definition| definition.checks.get(index));
                    let name = check.and_then(|check| check.name.as_deref()).unwrap_or(&number);
                    let text = format!("check {name}: {error}");
                    probing.error = Some(shorten(&text, 200).to_string());
                }
            }
        }
        self.judge(now);
    }

    /// Tells whether what says that it does not do its work is being asked again, and has not said so since a time: the
    /// machine may have stood still before.
    pub(super) fn is_asked_again(&self, since: Time) -> bool {
        let failing =
            || self.probing.iter().filter(|probing| probing.passing == Some(false) && !probing.silent);
        let said = |probing: &Probing| probing.failed_at.is_some_and(|at| at >= since);
        failing().any(|probing| probing.deadline.is_some()) && !failing().any(said)
    }

    fn judge(&mut self, now: Time) {
        let mut failing = self.probing.iter().filter(|probing| probing.passing == Some(false)).peekable();
        if let Some(first) = failing.peek() {
            self.health = Health::Unhealthy;
            self.reason.clone_from(&first.error);
            // An executor that does not answer is no reason to restart what it may yet find in good health.
            let is_told = failing.any(|probing| !probing.silent);
            self.unhealthy_since = is_told.then(|| self.unhealthy_since.unwrap_or(now));
        } else if self.probing.iter().all(|probing| probing.passing == Some(true)) {
            if self.health != Health::Healthy {
                self.reason = None;
            }
            self.health = Health::Healthy;
            self.unhealthy_since = None;
            // Whatever took the agent down meanwhile, it was not this.
            self.blamed = 0;
        } else if self.health == Health::Unhealthy {
            self.health = Health::Unknown;
            self.unhealthy_since = None;
        }
    }
}

impl Agent {
    /// Looks at tasks because time has passed. Those that are steady only have their checks made.
    pub(super) fn attend(&mut self, now: Time) {
        let (registry, salt) = (self.settings.registry, self.salt);
        self.locals.attend(now, |id, local| {
            if local.is_steady() {
                local.probe(now, registry, salt, &mut self.out);
                if local.is_steady() {
                    return local.next_due(now);
                }
            }
            self.touched.insert(id.clone());
            None
        });
    }

    /// Takes the result of a check.
    pub(super) fn checked(&mut self, now: Time, run: &Run, index: usize, result: Result<(), String>) {
        self.take_result(now, run, index, result, Source::Probe);
    }

    /// Takes what the registry found out; when it does not know, the agent makes the check itself.
    pub(super) fn found(&mut self, now: Time, run: &Run, index: usize, verdict: Option<Result<(), String>>) {
        if let Some(result) = verdict {
            return self.take_result(now, run, index, result, Source::Verdict);
        }
        let Some(local) = self.locals.get(&run.id).filter(|local| local.is_at(run)) else { return };
        let is_awaited = local.probing.get(index).is_some_and(|probing| probing.deadline.is_some());
        if let Some(spec) = local.spec.clone().filter(|_| is_awaited) {
            self.order(Order::Check { spec, check: index });
        }
    }

    fn take_result(
        &mut self,
        now: Time,
        run: &Run,
        index: usize,
        result: Result<(), String>,
        source: Source,
    ) {
        let Some((at, local)) = self.locals.find_mut(&run.id) else { return };
        let was_steady = local.is_steady();
        if !local.take_result(now, run, index, result, source) {
            return;
        }
        local.tell(index, self.settings.registry, &mut self.out);
        if was_steady {
            // An answer that came late may find the next check due.
            local.probe(now, self.settings.registry, self.salt, &mut self.out);
            if local.is_steady() {
                let due = local.next_due(now);
                return self.locals.plan(at, due);
            }
        }
        self.touch(&run.id);
    }
}

impl Local {
    /// Makes the checks that are due. `salt` is that of the machine.
    pub(super) fn probe(&mut self, now: Time, registry: bool, salt: u64, out: &mut Vec<Effect>) {
        if !matches!(self.state, State::Running { .. }) {
            return;
        }
        for index in 0..self.probing.len() {
            if self.probing[index].due() > now {
                continue;
            }
            match self.probing[index].pace {
                Pace::Told { ttl } => {
                    self.probing[index].next = now + ttl;
                    let silence = format!("no report for {ttl}");
                    self.count(now, index, Err(silence), Source::Probe);
                    self.tell(index, registry, out);
                }
                Pace::Probed { interval, timeout, light } => {
                    if self.probing[index].deadline.take().is_some() {
                        let silence =
                            format!("no result within {}", Span(timeout.0.saturating_add(PATIENCE.0)));
                        self.count(now, index, Err(silence), Source::Silence);
                    }
                    let is_settled = light && self.probing[index].passing == Some(true);
                    self.probing[index].next =
                        if is_settled { beat::next(now, interval, salt) } else { now + interval };
                    self.probing[index].deadline = Some(now + timeout + PATIENCE);
                    self.make(index, registry, out);
                }
            }
        }
    }

    /// Makes a check, or asks the registry what came of it.
    fn make(&self, index: usize, registry: bool, out: &mut Vec<Effect>) {
        let Some(spec) = &self.spec else { return };
        if registry && is_made_by_registry(spec, index) {
            out.push(Effect::Registry(Request::Ask { run: self.run(), check: index }));
        } else {
            out.push(Effect::Work(Order::Check { spec: spec.clone(), check: index }));
        }
    }

    /// Shows others what is believed of a check that the agent makes itself.
    fn tell(&self, index: usize, registry: bool, out: &mut Vec<Effect>) {
        let is_own = || self.spec.as_ref().is_some_and(|spec| !is_made_by_registry(spec, index));
        let Some(probing) = self.probing.get(index).filter(|_| registry && is_own()) else {
            return;
        };
        if let Some(passing) = probing.passing {
            let result = if passing { Ok(()) } else { Err(probing.error.clone().unwrap_or_default()) };
            out.push(Effect::Registry(Request::Tell { run: self.run(), check: index, result }));
        }
    }

    /// Takes the result of a check into account, if it is about the present start and was waited for.
    fn take_result(
        &mut self,
        now: Time,
        run: &Run,
        index: usize,
        result: Result<(), String>,
        source: Source,
    ) -> bool {
        if !self.is_at(run) || !matches!(self.state, State::Running { .. }) {
            return false;
        }
        let Some(probing) = self.probing.get_mut(index) else { return false };
        match probing.pace {
            Pace::Told { ttl } => probing.next = now + ttl,
            Pace::Probed { .. } if probing.deadline.take().is_none() => return false,
            Pace::Probed { .. } => probing.next = probing.next.max(now),
        }
        self.count(now, index, result, source);
        true
    }
}

/// Tells whether a registry makes such a check, where there is one.
fn is_made_by_registry(spec: &Spec, index: usize) -> bool {
    match spec.definition.checks.get(index).map(|check| &check.probe) {
        Some(Probe::Http { .. } | Probe::Tcp { .. }) => true,
        Some(Probe::Script { .. } | Probe::Ttl { .. }) | None => false,
    }
}
