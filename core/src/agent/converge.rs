//! What is to become of each task on this host, by comparing what was issued with what is here: start, leave, stop,
//! forget.
//!
//! **Invariant:** a run is stopped on an order, for a newer placement of its id, to be started again, or because record
//! and status are both gone from a store that is otherwise in order; a record that is merely missing is no order.

use super::gate::Gate;
use super::issued::misfit;
use super::local::{End, Local, State};
use super::{Agent, Key, fetch};
use crate::machine::{Span, Time};
use crate::model::{Desired, Health, Ledger, Name, Phase, Task};
use crate::store::{Entry, Revision};
use crate::why::Note;
use crate::work::{Order, Run, Spec};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

/// Why a task is not started yet.
const WAITS_ITS_TURN: &str =
    "waits for its turn: as many tasks are being started on this host as may be at once";
/// How long a start that is not answered counts as under way.
pub(super) const SLOT_TIME: Span = Span::secs(30);
/// How long a record may be missing before the operator is told.
pub(super) const UNEXPLAINED_AFTER: Span = Span::secs(10);
/// How long the store may take to learn of a start before it is ordered all the same.
const TELLING_PATIENCE: Span = Span::secs(2);
/// How long an unanswered order to start counts as under way before it is repeated.
const START_PATIENCE: Span = Span::secs(60);

/// What the store says about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Run it.
    Run,
    /// Stop it; something else may depend on it.
    Stop,
    /// It was given up or replaced.
    Gone,
    /// Nothing that could be relied on.
    Silence,
}

impl Agent {
    /// Looks at all tasks that something happened to.
    pub(super) fn consider_touched(&mut self, now: Time) {
        while let Some(id) = self.touched.pop_first() {
            self.consider(now, &id);
        }
        while !self.queue.is_empty() && self.has_slot(now) {
            let Some(id) = self.queue.pop_first() else { return };
            self.consider(now, &id);
        }
    }

    fn consider(&mut self, now: Time, id: &Name) {
        let Some(mut local) = self.locals.remove(id).or_else(|| self.accept(now, id)) else {
            if self.stored.contains_key(id) && !self.issued.contains_key(id) {
                self.writer.unsaid.insert(id.clone());
            }
            return;
        };
        local.probe(now, self.settings.registry, self.salt, &mut self.out);
        local.say_progress(now);
        if self.is_ready() {
            self.merge(now, &mut local);
        }
        let kept = if self.leaving.is_some() {
            if !self.leaves_all() {
                self.close_down(now, &mut local);
            }
            true
        } else {
            !self.is_ready() || self.converge(now, &mut local)
        };
        self.show(now, &mut local);
        self.tell_health(&mut local);
        self.review_orphan(&local);
        // What is told to stop as it starts may be starting still.
        if !kept || !matches!(local.state, State::Starting { .. } | State::Stopping { .. }) {
            self.slots.remove(id);
        }
        if kept {
            if self.stored.get(id).and_then(|stored| stored.of(&local)) != Some(&local.status()) {
                self.writer.unsaid.insert(id.clone());
            }
            let due = local.next_due(now);
            self.locals.insert(local, due);
        } else {
            self.forget(local);
        }
    }

    /// Tells operators of a turn. What has no checks is healthy when it runs, which was told.
    fn tell_health(&mut self, local: &mut Local) {
        let before = core::mem::replace(&mut local.told, local.health);
        match (before, local.health) {
            (Health::Unknown, Health::Healthy) if local.probing.is_empty() => {}
            (Health::Unknown | Health::Unhealthy, Health::Healthy) => {
                self.note_task(&local.task.id, "healthy")
            }
            // That it ended was told when it did.
            (Health::Unknown | Health::Healthy, Health::Unhealthy)
                if matches!(local.state, State::Running { .. }) =>
            {
                let why = local.reason.clone().unwrap_or_default();
                self.note_task(&local.task.id, format!("not healthy: {why}"));
            }
            (_, Health::Unhealthy) | (Health::Healthy, Health::Healthy) | (_, Health::Unknown) => {}
        }
    }

    /// Gives the issued task that nothing is known of yet.
    fn accept(&mut self, now: Time, id: &Name) -> Option<Local> {
        // What another agent of the host's name runs is that one's, for as long as it has the name.
        if !self.is_ready() || self.leaving.is_some() || self.stands_aside() {
            return None;
        }
        let task = self.issued.get(id)?.task.clone()?;
        if self.may_be_hidden(now, &task) {
            return None;
        }
        let definition = self.definitions.get(&(task.task_name.clone(), task.version)).cloned();
        let mut local = Local { definition, ..Local::new(task) };
        let stored = self.stored.get(id);
        if let Some((stored, status)) = stored.and_then(|stored| Some((stored, stored.of(&local)?.clone()))) {
            local.blamed = stored.blamed(&local);
            local.resume(&status);
            if !status.phase.is_over() {
                // Who may have a part of it follows from this.
                local.definition = self.definition_of(now, &local.task);
                self.miss(now, Run { attempt: status.attempt, ..local.run() }, &local);
            }
        }
        Some(local)
    }

    pub(super) fn verdict(&self, local: &Local) -> Verdict {
        let stored = self.stored.get(&local.task.id);
        let is_over = stored.and_then(|stored| stored.of(local)).is_some_and(|status| status.phase.is_over());
        let Some(issued) = self.issued.get(&local.task.id) else {
            return match stored {
                Some(_) if is_over || self.was_replaced(local) => Verdict::Gone,
                None if local.confirmed && !local.suspended => Verdict::Gone,
                Some(_) | None => Verdict::Silence,
            };
        };
        match &issued.task {
            Some(task) if task.generation > local.generation() => Verdict::Gone,
            Some(task) if task.generation == local.generation() => match task.desired {
                // What was said to be over is, for good.
                Desired::Run if is_over && local.is_live() => Verdict::Gone,
                Desired::Run => Verdict::Run,
                Desired::Stop => Verdict::Stop,
            },
            // Issued by a store that went back and does not know of the later placement: what does its work goes only
            // where others are left.
            Some(task) if task.desired == Desired::Stop && local.is_live() => Verdict::Stop,
            Some(task) if task.desired == Desired::Stop => Verdict::Gone,
            Some(_) | None => Verdict::Silence,
        }
    }

    /// Tells whether this agent has said something of a later placement already.
    fn was_replaced(&self, local: &Local) -> bool {
        let status = self.stored.get(&local.task.id).and_then(|stored| stored.status.as_ref());
        status.is_some_and(|status| status.generation > local.generation())
    }

    /// Brings one task a step further; false when it can be forgotten.
    fn converge(&mut self, now: Time, local: &mut Local) -> bool {
        self.follow(local);
        let verdict = self.verdict(local);
        if verdict != Verdict::Silence {
            local.unexplained = None;
        }
        match verdict {
            Verdict::Run => {
                local.gate = Gate::Unasked;
                self.keep_running(now, local);
                true
            }
            Verdict::Stop => {
                if self.may_stop(now, local) {
                    self.end(now, local);
                }
                true
            }
            Verdict::Gone => {
                self.end(now, local);
                !matches!(local.state, State::Over(_))
            }
            Verdict::Silence => self.puzzle(now, local),
        }
    }

    /// Takes over what may change within a generation.
    fn follow(&self, local: &mut Local) {
        let Some(issued) = self.issued.get(&local.task.id) else { return };
        if let Some(task) = issued.task.as_ref().filter(|task| task.generation == local.generation()) {
            local.accepted = Some(issued.revision);
            if !Arc::ptr_eq(task, &local.task) {
                local.task = task.clone();
            }
        }
    }

    /// Takes the next step of a task that shall run.
    fn keep_running(&mut self, now: Time, local: &mut Local) {
        self.decide_restart(now, local);
        match &local.state {
            State::Waiting => self.try_start(now, local),
            State::Backoff { until } if *until <= now => self.try_start(now, local),
            State::Starting { again, .. } if *again <= now => self.start(now, local),
            State::Starting { orders: 0, .. } if self.is_told(local) => self.start(now, local),
            State::Stopping { again, .. } if *again <= now => self.stop_again(now, local),
            State::Backoff { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Ended { .. }
            | State::Over(_)
            | State::Shut => {}
        }
    }

    /// Looks after a task whose record is missing for no reason; false when it can be forgotten.
    fn puzzle(&mut self, now: Time, local: &mut Local) -> bool {
        let id = local.task.id.clone();
        // Told by an earlier life of this agent, which may have known why it is missing.
        local.suspended |= local.accepted.is_none() && self.is_claimed(local);
        let is_missing = !self.issued.contains_key(&id) && !self.stored.contains_key(&id);
        match &local.state {
            State::Waiting if is_missing => return false,
            State::Over(_) => return self.issued.contains_key(&id),
            // It had ended before this life of the agent began, and nobody speaks of it any more.
            State::Ended { .. } if is_missing && !local.suspended && local.accepted.is_none() => {
                self.end(now, local);
                return !matches!(local.state, State::Over(_));
            }
            State::Waiting
            | State::Backoff { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Ended { .. }
            | State::Shut => {}
        }
        let ledger = Key::Ledger(self.name().clone()).path();
        if is_missing && !local.suspended {
            self.fetches.want(now, &ledger, &id, fetch::PATIENT);
        } else {
            self.fetches.forget_key(&ledger, &id);
        }
        let (since, told) = local.unexplained.get_or_insert((now, false));
        if !*told && now.since(*since) >= UNEXPLAINED_AFTER {
            *told = true;
            let why = self.issued.get(&id).map_or("missing for no reason", |issued| {
                issued.refused.as_ref().map_or("older than what runs", |_| "refused")
            });
            let key = Key::HostTask(self.name().clone(), id).path();
            self.note(Note::BadRecord {
                key,
                why: format!("{why}; the task goes on, and the scheduler is told"),
            });
        }
        if local.accepted.is_some() && !matches!(local.state, State::Waiting) {
            self.keep_running(now, local);
        } else if matches!(&local.state, State::Stopping { again, .. } if *again <= now) {
            self.stop_again(now, local);
        }
        true
    }

    /// Takes what clusters hold of this host: where it is kept, but a task's room was given back, a task whose record and
    /// status are gone was given up. In a store that was emptied, or another one, there is no such ledger; in one that was
    /// put back, it is older than the task's record.
    pub(super) fn fetched_ledger(
        &mut self,
        key: &str,
        revision: Revision,
        entry: Option<&Entry>,
        ids: &BTreeSet<Name>,
    ) {
        let Some(entry) = entry.filter(|_| revision >= self.seen && self.identified) else { return };
        let Ok(ledger) = crate::record::read::<Ledger>(&entry.value) else { return };
        for id in ids {
            let is_missing = !self.issued.contains_key(id) && !self.stored.contains_key(id);
            let Some(local) = self.locals.get_mut(id) else { continue };
            let line = ledger.clusters.get(&local.task.cluster);
            let holds = line.zip(local.task.port).is_some_and(|(line, port)| line.ports.contains(&port));
            let knows = local.accepted.is_none_or(|at| entry.revision >= at);
            local.confirmed = is_missing && !holds && !local.suspended && knows;
            if local.confirmed {
                self.fetches.forget_key(key, id);
            }
        }
    }

    fn has_slot(&self, now: Time) -> bool {
        let most = usize::try_from(self.settings.starts.max(1)).unwrap_or(usize::MAX);
        self.slots.values().filter(|since| **since + SLOT_TIME > now).count() < most
    }

    fn try_start(&mut self, now: Time, local: &mut Local) {
        let id = local.task.id.clone();
        if self.relics.keys().any(|run| run.id == id) {
            local.reason = Some("waits for an earlier run of it to end".to_string());
            return;
        }
        if local.spec.is_none() && self.stands_aside() {
            local.reason = Some("waits for another agent of this host's name to be gone".to_string());
            local.state = State::Waiting;
            return;
        }
        let Some(definition) = self.definition(now, local) else { return };
        let misfit = misfit(&local.task, &definition, &self.settings.registration.executors);
        if let Some(why) = misfit.or_else(|| self.settings.registration.policy.refusal(&definition)) {
            self.note_task(&local.task.id, format!("given up: {why}"));
            return give_up(local, why);
        }
        if let Some(other) = self.port_holder(&local.task) {
            let port = local.task.port.unwrap_or_default();
            return give_up(local, format!("port {port} is in use by {other} on this host"));
        }
        let is_first = matches!(local.state, State::Waiting);
        if !self.has_slot(now) {
            if is_first {
                local.reason = Some(WAITS_ITS_TURN.to_string());
            }
            self.queue.insert(id);
            return;
        }
        if is_first {
            local.reason = None;
        }
        local.state =
            State::Starting { since: now, again: now + TELLING_PATIENCE, orders: 0, progress: None };
        local.health = Health::Unknown;
        local.unhealthy_since = None;
        local.probing.clear();
        let spec = Spec { task: (*local.task).clone(), definition, attempt: local.attempt };
        let before = local.spec.replace(Arc::new(spec)).map(|spec| spec.run());
        if let Some(older) = local.past.take() {
            self.order(Order::Remove(older));
        }
        local.past = before.filter(|before| *before != local.run());
        self.slots.insert(id, now);
    }

    /// Tells whether the store knows that the present start is under way: should it take this agent down, that is what
    /// the next one finds.
    fn is_told(&self, local: &Local) -> bool {
        let stored = self.stored.get(&local.task.id).and_then(|stored| stored.of(local));
        stored.is_some_and(|status| {
            (status.attempt, status.phase, status.left) == (local.attempt, Phase::Starting, false)
        })
    }

    /// Orders the present start; repeating it is harmless.
    fn start(&mut self, now: Time, local: &mut Local) {
        if let (State::Starting { again, orders, .. }, Some(spec)) = (&mut local.state, &local.spec) {
            *again = now + START_PATIENCE;
            *orders = orders.saturating_add(1);
            if *orders == 1 {
                // The store may have been told for long of what begins only now.
                self.slots.insert(local.task.id.clone(), now);
            }
            self.out.push(super::Effect::Work(Order::Start(spec.clone())));
        }
    }

    fn port_holder(&self, task: &Task) -> Option<Name> {
        let port = task.port?;
        let relic =
            self.relics.iter().find(|(_, relic)| relic.port == Some(port)).map(|(run, _)| run.id.clone());
        let holds =
            |other: &Local| other.task.port == Some(port) && other.holds_port() && other.task.id != task.id;
        self.locals.values().find(|other| holds(other)).map(|other| other.task.id.clone()).or(relic)
    }

    /// Gives the definition of a task, or asks for it and says so.
    fn definition(&mut self, now: Time, local: &mut Local) -> Option<Arc<crate::model::TaskDefinition>> {
        if local.definition.is_none() {
            local.definition = self.definition_of(now, &local.task);
        }
        local.definition.clone()
    }

    /// The same for a task that nothing is known of yet.
    pub(super) fn definition_of(
        &mut self,
        now: Time,
        task: &Task,
    ) -> Option<Arc<crate::model::TaskDefinition>> {
        let name = (task.task_name.clone(), task.version);
        let known = self.definitions.get(&name).cloned();
        if known.is_none() {
            let key = Key::Definition(name.0, name.1).path();
            self.fetches.want(now, &key, &task.id, fetch::URGENT);
        }
        known
    }

    pub(super) fn fetched_definition(
        &mut self,
        key: &str,
        name: &(Name, crate::model::Version),
        entry: Option<&Entry>,
        ids: &BTreeSet<Name>,
    ) {
        let read = match entry {
            Some(entry) => crate::record::read::<crate::model::TaskDefinition>(&entry.value)
                .map_err(|error| format!("its task definition {key} {error}")),
            None => Err(format!("there is no task definition {} version {}", name.0, name.1)),
        };
        match read {
            Ok(definition) => {
                self.definitions.insert(name.clone(), Arc::new(definition));
                self.fetches.done(key);
            }
            Err(why) => {
                let why: String = crate::record::shorten(&why, 200).into();
                ids.iter().for_each(|id| self.not_fetched(id, &why));
            }
        }
    }

    /// Ends a task for good.
    fn end(&mut self, now: Time, local: &mut Local) {
        let relics = self.relics.keys().any(|run| run.id == local.task.id);
        match &local.state {
            State::Over(_) => {}
            State::Waiting | State::Backoff { .. } | State::Ended { .. } | State::Shut if relics => {}
            State::Ended { end: End::Completed, .. } if local.task.once.is_some() => self.complete(local),
            State::Waiting | State::Backoff { .. } | State::Ended { .. } | State::Shut => {
                local.state = State::Over(Phase::Dead);
                local.health = Health::Unknown;
                self.note_task(&local.task.id, "stopped");
            }
            State::Starting { .. } | State::Running { .. } => {
                let why = match local.task.desired {
                    Desired::Stop => crate::record::shorten(&local.task.reason, 300).to_string(),
                    Desired::Run => "replaced or given up".to_string(),
                };
                local.reason = Some(why.clone());
                self.stop(now, local, why);
            }
            State::Stopping { again, .. } if *again <= now => self.stop_again(now, local),
            State::Stopping { .. } => {}
        }
    }

    /// Forgets a task of which nothing is left.
    fn forget(&mut self, local: Local) {
        let id = local.task.id.clone();
        self.inspection.settle(&id, local.generation());
        let last = local.spec.map(|spec| spec.run());
        for run in last.into_iter().chain(local.past) {
            self.order(Order::Remove(run));
        }
        self.fetches.forget(&id);
        self.queue.remove(&id);
        let name = (local.task.task_name.clone(), local.task.version);
        let used = |other: &Local| (&other.task.task_name, other.task.version) == (&name.0, name.1);
        if !self.locals.values().any(used) {
            self.definitions.remove(&name);
        }
        self.writer.unsaid.insert(id.clone());
        self.recant_orphan(&id);
        // A newer placement may wait for its turn.
        if self.issued.contains_key(&id) {
            self.touch(&id);
        }
    }
}

/// Ends a placement that cannot be started here.
pub(super) fn give_up(local: &mut Local, why: String) {
    local.state = State::Over(Phase::Failed);
    local.health = Health::Unhealthy;
    local.reason = Some(crate::record::shorten(&why, 300).into());
}
