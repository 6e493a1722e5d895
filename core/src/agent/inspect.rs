//! What is on the machine: found when the agent starts, before anything else is done, and adopted as it is. While one of the
//! executors cannot tell, its tasks are left alone, and those of the others are looked after. The executors are asked again
//! when they had not told of what the store says was running, or of what a measurement shows, and now and then for no
//! reason: what they once kept silent about may be of a start that neither shows.
//!
//! **Invariant:** an executor that cannot tell is no evidence that nothing runs, nor is anything of its tasks begun, ended
//! or forgotten. Nothing is started in the place of what was only not found before the executors said that nothing is left
//! of it.

use super::Agent;
use super::local::{End, Local, Relic, State};
use crate::machine::{Span, Time};
use crate::mirror::retry_delay;
use crate::model::{Generation, Name, Task, TaskDefinition, Usage};
use crate::work::{Exit, Found, Inventory, Order, Report, Run, Spec};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How long the executors may take to tell.
const DEADLINE: Span = Span::secs(30);
/// How long they have to find what they did not tell of.
const SECOND_LOOK: Span = Span::secs(1);
/// How old an answer may be that comes after all, when they hung.
const STALE: Span = Span::secs(240);
/// How often they are asked for no reason.
const LOOK_EVERY: Span = Span::secs(60);
/// After so many failures the host says that it is unfit.
const UNFIT_AFTER: u32 = 3;

/// How far the inspection got.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Inspection {
    /// Some executors have told.
    begun: bool,
    /// Those that have not, by kind, and why.
    #[serde(default)]
    silent: BTreeMap<String, String>,
    /// No answer was of all at once yet: what runs of a task in several of them is not known.
    #[serde(default)]
    apart: bool,
    /// When it is asked for, or counts as lost.
    until: Time,
    asked: bool,
    /// When it was last asked for.
    at: Time,
    failures: u32,
    error: Option<String>,
    /// Ends that were told of late: an answer that took long speaks of what was running before.
    ended: BTreeMap<Run, (Time, Exit)>,
    /// Placements of which nothing is left, whatever those tell that have not.
    #[serde(default)]
    settled: BTreeMap<Name, Generation>,
}

impl Inspection {
    /// Tells whether it is known of some executors what they run.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Tells whether that is known of all.
    pub(super) fn is_done(&self) -> bool {
        self.begun && self.silent.is_empty() && !self.apart
    }

    /// Tells whether what runs of such a task is not known.
    fn hides(&self, definition: &TaskDefinition) -> bool {
        let mut kinds = definition.containers.iter().map(|container| container.executor.kind());
        let first = kinds.clone().next();
        let is_hidden = |kind| self.silent.contains_key(kind) || self.apart && Some(kind) != first;
        !self.begun || !self.is_done() && kinds.any(is_hidden)
    }

    pub(super) fn wake_at(&self) -> Option<Time> {
        (self.asked || !self.is_done()).then_some(self.until)
    }

    /// Remembers the end of a run that an answer on its way may still speak of.
    pub(super) fn saw_end(&mut self, now: Time, run: &Run, exit: &Exit) {
        self.ended.entry(run.clone()).or_insert_with(|| (now, exit.clone()));
    }

    /// Remembers that nothing is left of a placement.
    pub(super) fn settle(&mut self, id: &Name, generation: Generation) {
        if !self.is_done() {
            self.settled.insert(id.clone(), generation);
        }
    }

    /// Takes note of those that were silent in an answer.
    fn hear(&mut self, mut quiet: BTreeMap<String, String>) {
        self.apart = !quiet.is_empty() && !self.is_done();
        // What runs of one that told before is known.
        quiet.retain(|kind, _| !self.begun || self.silent.contains_key(kind));
        (self.begun, self.silent) = (true, quiet);
        if self.is_done() {
            self.settled.clear();
        }
    }

    fn ask(&mut self, now: Time) {
        (self.asked, self.at, self.until) = (true, now, now + DEADLINE);
        self.ended.retain(|_, (at, _)| now.since(*at) < STALE);
    }

    /// Says why this host should get nothing new.
    pub(super) fn unfit(&self) -> Option<&str> {
        let error = self.error.as_deref().filter(|_| !self.begun && self.failures >= UNFIT_AFTER);
        error.map(|error| crate::record::shorten(error, 200))
    }

    /// Says for which executors it should get nothing new, and why.
    pub(super) fn unfit_for(&self) -> impl Iterator<Item = (&String, String)> {
        let silent = self.silent.iter().filter(|_| self.failures >= UNFIT_AFTER);
        silent.map(|(kind, why)| {
            (kind, format!("it cannot tell what runs: {}", crate::record::shorten(why, 200)))
        })
    }

    /// Plans to ask again.
    fn fail(&mut self, now: Time, salt: u64, why: &str) {
        self.until = now + retry_delay(self.failures, salt);
        self.asked = false;
        self.failures = self.failures.saturating_add(1);
        self.error = Some(why.into());
    }
}

impl Agent {
    pub(super) fn wake_inspection(&mut self, now: Time) {
        if self.inspection.until > now {
            return;
        }
        if self.inspection.is_done() {
            self.inspection.asked = false;
            return;
        }
        let salt = self.salt;
        let inspection = &mut self.inspection;
        if inspection.asked {
            inspection.fail(now, salt, "the executors do not answer");
        } else {
            inspection.ask(now);
            self.order(Order::Inspect);
        }
    }

    /// Takes a report of an executor or a check.
    pub(super) fn report(&mut self, now: Time, report: Report) {
        match report {
            Report::Inspected(result) => self.inspected(now, result),
            Report::Starting(run, what) => self.starting(&run, &what),
            Report::Started(run, result) => self.started(now, &run, result),
            Report::Exited(run, exit) => self.exited(now, &run, &exit),
            Report::Stopped(run, result) => self.stopped(now, &run, &result),
            Report::Checked { run, check, result } => self.checked(now, &run, check, result),
            Report::Measured(usage) => self.measured(now, usage),
        }
    }

    fn inspected(&mut self, now: Time, result: Result<Inventory, String>) {
        let is_awaited = core::mem::take(&mut self.inspection.asked);
        let (had_begun, was_done) = (self.inspection.begun, self.inspection.is_done());
        let Inventory { found, silent: quiet } = match result {
            Ok(inventory) => inventory,
            Err(_) if was_done => return,
            Err(why) => return self.not_inspected(now, &why),
        };
        let is_silent = |found: &Found| {
            found.spec.definition.containers.iter().any(|it| quiet.contains_key(it.executor.kind()))
        };
        let told = found.into_iter().filter(|found| !is_silent(found));
        let (new, known): (Vec<Found>, Vec<Found>) =
            told.partition(|found| self.inspection.hides(&found.spec.definition));
        let why = quiet
            .iter()
            .map(|(kind, why)| format!("{kind}: {why}"))
            .reduce(|all, why| format!("{all}; {why}"));
        self.inspection.hear(quiet);
        // What the registry holds of those that were silent is wrong where it has ended since.
        if !had_begun || !was_done && self.inspection.is_done() {
            self.begin_registrations(now);
        }
        if is_awaited {
            self.look_over(now, known);
        }
        if !was_done {
            self.take_over(now, new);
        }
        match why {
            Some(why) if !was_done => self.not_inspected(now, &why),
            Some(_) | None => {}
        }
    }

    /// Takes over what is told of for the first time.
    fn take_over(&mut self, now: Time, found: Vec<Found>) {
        let mut by_id: BTreeMap<Name, BTreeMap<Run, Found>> = BTreeMap::new();
        for mut found in found {
            let run = found.spec.run();
            let ended = self.inspection.ended.get(&run);
            found.exit = found.exit.or_else(|| ended.map(|(_, exit)| exit.clone()));
            by_id.entry(run.id.clone()).or_default().insert(run, found);
        }
        for (id, mut runs) in by_id {
            let Some(generation) = self.locals.get(&id).map(Local::generation) else {
                self.adopt(now, runs);
                continue;
            };
            let over = runs.extract_if(.., |run, found| found.exit.is_some() && run.generation < generation);
            over.for_each(|(run, _)| self.order(Order::Remove(run)));
            self.look_over(now, runs.into_values().collect());
        }
        if self.is_astray() {
            self.suspend();
        }
        self.touch_all();
    }

    /// Says that it is not known what runs, or not all of it, and plans to ask again.
    fn not_inspected(&mut self, now: Time, why: &str) {
        if self.inspection.error.as_deref() != Some(why) {
            let host = self.name().clone();
            self.note_task(&host, format!("executors cannot tell what runs: {why}"));
        }
        self.inspection.fail(now, self.salt, why);
    }

    /// Tells whether something of a task may run of which no executor has told, as far as is known of it.
    pub(super) fn may_be_hidden(&mut self, now: Time, task: &Task) -> bool {
        if self.inspection.is_done() {
            return false;
        }
        let before = self.stored.get(&task.id).and_then(|stored| stored.status.as_ref());
        if before.is_some_and(|status| status.generation != task.generation && !status.phase.is_over()) {
            // Nobody knows what that was made of.
            return true;
        }
        let definition = self.definition_of(now, task);
        definition.is_none_or(|definition| self.inspection.hides(&definition))
    }

    /// Tells whether it is known what runs of a placement, or that nothing does.
    pub(super) fn knows_of(&self, id: &Name, generation: Generation) -> bool {
        let here = self.locals.get(id).map(Local::generation);
        let is_told = [here.as_ref(), self.inspection.settled.get(id)].contains(&Some(&generation));
        self.knows_all() || self.is_ready() && is_told
    }

    /// Asks again what runs.
    fn look_again(&mut self, now: Time) {
        if self.inspection.begun && !self.inspection.asked {
            self.inspection.ask(now);
            self.order(Order::Inspect);
        }
    }

    /// Takes note that the executors did not tell of a run which the store says was under way. They are asked once more, and
    /// then to make sure that nothing is left of it.
    pub(super) fn miss(&mut self, now: Time, run: Run, like: &Local) {
        let relic = Relic::new(like.definition.clone(), like.task.port, now + SECOND_LOOK);
        self.relics.entry(run).or_insert(relic);
        self.look_again(now);
    }

    /// Asks again what runs where a measurement shows more than was told of, or nobody has asked for long.
    pub(super) fn compare_usage(&mut self, now: Time, usage: &Usage) {
        let is_due = now.since(self.inspection.at) >= LOOK_EVERY;
        if is_due || self.inspection.begun && self.shows_more(usage) {
            self.look_again(now);
        }
    }

    fn shows_more(&self, usage: &Usage) -> bool {
        let is_live = |id: &Name| self.locals.get(id).is_some_and(|local| local.is_live());
        let is_known = |id: &Name| is_live(id) || self.relics.keys().any(|run| run.id == *id);
        // Mostly what is measured is just what is here.
        let mut here = self.locals.iter();
        let mut is_next = |id: &Name| here.next().is_some_and(|(here, local)| here == id && local.is_live());
        usage.tasks.keys().any(|id| !is_next(id) && !is_known(id))
    }

    /// Takes over what lives and was not told of before; what something else took the place of is stopped, and what is left
    /// of a run that is over is removed (again).
    fn look_over(&mut self, now: Time, found: Vec<Found>) {
        for found in found {
            let run = found.spec.run();
            if self.leaving.is_some() {
                continue;
            }
            if found.exit.is_some() {
                if !self.keeps(&run) {
                    self.order(Order::Remove(run));
                }
                continue;
            }
            if self.inspection.ended.contains_key(&run) {
                continue;
            }
            match (self.relics.get(&run), self.locals.get_mut(&run.id)) {
                (Some(relic), _) if relic.told => {}
                (Some(_), Some(_)) => {
                    self.relics.remove(&run);
                    self.adopt(now, BTreeMap::from([(run.clone(), found)]));
                }
                (_, None) => self.adopt(now, BTreeMap::from([(run.clone(), found)])),
                (None, Some(local)) => {
                    let is_over = matches!(local.state, State::Over(_));
                    // Of a placement one start lives; of another one than ours nobody looks after.
                    let is_other = run.generation <= local.generation() && !local.is_at(&run);
                    if !(is_other || is_over && local.is_at(&run)) {
                        continue;
                    }
                    let Spec { definition, task, .. } = &*found.spec;
                    self.relic(now, run.clone(), Some(definition.clone()), task.port);
                }
            }
            self.touch(&run.id);
        }
    }

    /// Tells whether what is left of a run that ended is still of use: it is the last of its task, or the one before, whose
    /// output people may ask for.
    fn keeps(&self, run: &Run) -> bool {
        let is_last = |local: &Local| {
            let last = (local.generation(), local.attempt);
            (run.generation, run.attempt) >= last || local.past.as_ref() == Some(run)
        };
        self.relics.contains_key(run) || self.locals.get(&run.id).is_some_and(is_last)
    }

    /// Takes over the newest run of a task; live ones before it are stopped, ended ones forgotten.
    fn adopt(&mut self, now: Time, mut runs: BTreeMap<Run, Found>) {
        let Some((_, newest)) = runs.pop_last() else { return };
        let mut local = Local::new(Arc::new(newest.spec.task.clone()));
        local.attempt = newest.spec.attempt;
        local.failures = newest.spec.attempt;
        local.definition = Some(newest.spec.definition.clone());
        local.spec = Some(newest.spec.clone());
        local.age = newest.age.unwrap_or_default();
        local.unmerged = true;
        match &newest.exit {
            None => {
                local.state = State::Running { since: now };
                local.begin_checks(now);
            }
            Some(exit) => {
                local.state = State::Ended { why: super::restart::in_words(exit), end: End::of(exit) };
            }
        }
        let name = (local.task.task_name.clone(), local.task.version);
        self.definitions.insert(name, newest.spec.definition.clone());
        for (run, found) in runs {
            match found.exit {
                None => {
                    let Spec { definition, task, .. } = &*found.spec;
                    self.relic(now, run, Some(definition.clone()), task.port);
                }
                Some(_) => self.order(Order::Remove(run)),
            }
        }
        self.locals.insert(local, None);
    }
}
