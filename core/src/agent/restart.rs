//! What follows when a start ends without an order: another one after a delay that doubles, or the end of the placement
//! with the reason. Also the orders to stop, which are repeated until nothing is left.
//!
//! **Invariant:** a task counts as over only when its executor said that nothing of it is left.

use super::Agent;
use super::converge::give_up;
use super::local::{End, Local, Relic, State, stop_of};
use crate::machine::{Span, Time};
use crate::mirror::{hash, mix, retry_delay};
use crate::model::{Health, Phase, RestartPolicy, Status, TaskDefinition};
use crate::record::{abridge, shorten};
use crate::work::{Exit, Order, Run};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// So many lives of the agent may end while it starts a placement; then it is not started here again.
const BLAMED_MAX: u32 = 2;

impl Local {
    /// Carries on from what was said of this generation before, of which nothing was found on the machine.
    pub(super) fn resume(&mut self, status: &Status) {
        self.attempt = status.attempt;
        self.failures = status.failures;
        self.reason.clone_from(&status.reason);
        self.health = status.health;
        match status.phase {
            Phase::Pending => self.start_anew(status),
            // Nothing of it is here, and that was none of its own doing.
            Phase::Starting if status.left => self.start_anew(status),
            Phase::Starting | Phase::Running => {
                let why = "vanished while the agent was away".to_string();
                self.state = State::Ended { why, end: End::Interrupted };
            }
            Phase::Stopping => {
                let why = status.reason.clone().unwrap_or_else(|| "was being stopped".to_string());
                self.state = State::Ended { why, end: End::of_stopped(status) };
            }
            Phase::Dead | Phase::Failed | Phase::Completed => self.state = State::Over(status.phase),
        }
    }

    /// Waits to be started, under another number than what may have been started before.
    fn start_anew(&mut self, status: &Status) {
        self.state = State::Waiting;
        self.attempt = status.attempt.saturating_add(1);
        self.health = Health::Unknown;
    }
}

impl Agent {
    /// Takes into account what was said before of a run that was found on the machine.
    pub(super) fn merge(&mut self, now: Time, local: &mut Local) {
        if !core::mem::take(&mut local.unmerged) {
            return;
        }
        let stored = self.stored.get(&local.task.id);
        let Some((stored, status)) = stored.and_then(|stored| Some((stored, stored.of(local)?.clone())))
        else {
            return;
        };
        let found = local.attempt;
        if status.attempt >= found {
            local.blamed = stored.blamed(local);
        }
        if status.attempt == found {
            local.failures = status.failures;
        }
        if status.attempt > found || (status.attempt == found && status.phase.is_over()) {
            if local.is_live() {
                self.relic(now, local.run(), local.definition.clone(), local.task.port);
                local.past = None;
            } else {
                local.past = Some(local.run());
            }
            local.spec = None;
            local.probing.clear();
            local.resume(&status);
            if status.attempt > found && !status.phase.is_over() {
                self.miss(now, Run { attempt: status.attempt, ..local.run() }, local);
            }
        } else if status.attempt == found && status.phase == Phase::Stopping {
            let before = End::of_stopped(&status);
            if local.is_live() {
                let why = status.reason.unwrap_or_else(|| "it was being stopped".to_string());
                self.stop(now, local, why);
                if before == End::Failed {
                    local.fail_try();
                }
            } else if let State::Ended { end: end @ (End::Interrupted | End::Failed), .. } = &mut local.state
            {
                *end = before;
            }
        }
    }

    /// Has a live run stopped that another one takes the place of.
    pub(super) fn relic(
        &mut self,
        now: Time,
        run: Run,
        definition: Option<Arc<TaskDefinition>>,
        port: Option<u16>,
    ) {
        self.relics.insert(run, Relic::new(definition, port, now));
        self.wake_relics(now);
    }

    pub(super) fn wake_relics(&mut self, now: Time) {
        if self.relics.is_empty() {
            return;
        }
        let mut due = Vec::new();
        // What another agent of the host's name runs is not ours to stop.
        let is_ours = !self.stands_aside();
        for (run, relic) in self.relics.iter_mut().filter(|(_, relic)| relic.again <= now) {
            relic.again = now + relic.stop_time();
            if !is_ours {
                continue;
            }
            if relic.definition.is_none() {
                let like = self.locals.get(&run.id).filter(|local| local.generation() == run.generation);
                let name = like.map(|local| (local.task.task_name.clone(), local.task.version));
                relic.definition = name.and_then(|name| self.definitions.get(&name).cloned());
            }
            let stop = stop_of(run.clone(), relic.definition.clone());
            due.push((run.clone(), stop, core::mem::replace(&mut relic.told, true)));
        }
        for (run, stop, is_told) in due {
            if is_told {
                self.order(stop);
            } else {
                self.part(now, run, stop);
            }
        }
    }

    /// Decides what follows the end of a start of a task that shall run, and whether one that is not healthy is to end.
    pub(super) fn decide_restart(&mut self, now: Time, local: &mut Local) {
        let policy = local.definition.as_ref().map(|definition| definition.restart.clone());
        let policy = policy.unwrap_or_default();
        if let State::Running { since } = local.state {
            if local.failures > 0 && now.since(since) >= policy.reset_after {
                local.failures = 0;
            }
            let ill_from = local.unhealthy_since.map(|since| since + policy.unhealthy_after);
            if ill_from.is_some_and(|from| from <= now && !local.is_asked_again(from)) {
                let why = local.reason.clone().unwrap_or_else(|| "not healthy".to_string());
                self.stop(now, local, why);
                local.fail_try();
            } else if let Some(limit) =
                local.time_limit().filter(|limit| local.age.0 + now.since(since).0 >= limit.0)
            {
                let why = format!("ran for longer than its time limit of {limit}");
                self.stop(now, local, why);
                local.fail_try();
            }
        }
        let State::Ended { why, end } = &local.state else { return };
        let (why, end) = (why.clone(), *end);
        if self.relics.keys().any(|run| run.id == local.task.id) {
            return;
        }
        match end {
            _ if local.task.once.is_none() => {}
            End::Completed => return self.complete(local),
            End::Failed => {
                self.note_task(&local.task.id, format!("failed: {why}"));
                return give_up(local, why);
            }
            End::Interrupted => {}
        }
        if local.blamed >= BLAMED_MAX {
            let what = format!("its start took the agent of this host down {} times", local.blamed);
            self.note_task(&local.task.id, format!("given up: {what}"));
            return give_up(local, what);
        }
        if local.failures >= policy.attempts && local.task.once.is_none() {
            let what = format!("{why}, {} restarts did not help", local.failures);
            self.note_task(&local.task.id, format!("given up: {what}"));
            return give_up(local, what);
        }
        let delay =
            restart_delay(&policy, local.failures, mix(hash(&local.task.id), u64::from(local.attempt)));
        local.failures = local.failures.saturating_add(1);
        local.attempt = local.attempt.saturating_add(1);
        local.state = State::Backoff { until: now + delay };
        local.health = Health::Unhealthy;
        local.unhealthy_since = None;
        local.probing.clear();
        let reason = match local.task.once {
            None => format!("{why}, restarted in {delay} ({} of {})", local.failures, policy.attempts),
            Some(_) => format!("{why}, started again in {delay}"),
        };
        self.note_task(&local.task.id, reason.clone());
        local.reason = Some(reason);
    }

    /// Ends a placement that has run to its end.
    pub(super) fn complete(&mut self, local: &mut Local) {
        local.state = State::Over(Phase::Completed);
        local.health = Health::Unknown;
        local.reason = None;
        self.note_task(&local.task.id, "completed");
    }

    /// Orders the present start to end.
    pub(super) fn stop(&mut self, now: Time, local: &mut Local, why: String) {
        // A run that was found may have been entered by an earlier agent.
        let may_be_entered = local.shown.is_some() || matches!(local.state, State::Running { .. });
        let (again, end) = (now + local.stop_time(), End::Interrupted);
        local.state = State::Stopping { again, failures: 0, why, end };
        local.probing.clear();
        local.unhealthy_since = None;
        if local.health == Health::Healthy {
            local.health = Health::Unknown;
        }
        let stop = stop_of(local.run(), local.definition.clone());
        if may_be_entered {
            self.part(now, local.run(), stop);
        } else {
            self.order(stop);
        }
    }

    /// Repeats the order.
    pub(super) fn stop_again(&mut self, now: Time, local: &mut Local) {
        let (stop, time) = (stop_of(local.run(), local.definition.clone()), local.stop_time());
        if let State::Stopping { again, failures, .. } = &mut local.state {
            *again = now + time;
            if *failures == 0 {
                local.reason = Some("stuck: the order to stop was not answered".to_string());
            }
            self.order(stop);
        }
    }

    /// Takes the answer to an order to stop.
    pub(super) fn stopped(&mut self, now: Time, run: &Run, result: &Result<(), String>) {
        if result.is_ok() {
            self.inspection.saw_end(now, run, &Exit { code: None, signal: None, out_of_memory: false });
        }
        if let Some(relic) = self.relics.get_mut(run) {
            if result.is_ok() {
                return self.relic_ended(run);
            }
            relic.again = now + retry_delay(relic.failures, hash(&run.id));
            relic.failures = relic.failures.saturating_add(1);
            return;
        }
        let Some(local) = self.locals.get_mut(&run.id).filter(|local| local.is_at(run)) else { return };
        let State::Stopping { again, failures, why, end } = &mut local.state else { return };
        match result {
            Ok(()) => local.state = State::Ended { why: core::mem::take(why), end: *end },
            Err(error) => {
                *again = now + retry_delay(*failures, hash(&run.id)).times(2);
                *failures = failures.saturating_add(1);
                local.reason = Some(format!("stuck: {}", shorten(error, 200)));
            }
        }
        self.touch(&run.id);
    }

    pub(super) fn relic_ended(&mut self, run: &Run) {
        self.relics.remove(run);
        self.order(Order::Remove(run.clone()));
        self.touch(&run.id);
    }

    /// Takes the answer to an order to start.
    pub(super) fn started(&mut self, now: Time, run: &Run, result: Result<(), String>) {
        let Some(local) = self.locals.get_mut(&run.id) else { return };
        let is_past = (run.generation, run.attempt) < (local.generation(), local.attempt);
        if is_past && result.is_ok() && !self.relics.contains_key(run) {
            // It may have been started after its end was reported: an order to stop it costs nothing.
            // What an earlier placement was made of may be something else.
            let is_of_this = run.generation == local.generation();
            let (definition, port) = (local.definition.clone().filter(|_| is_of_this), local.task.port);
            return self.relic(now, run.clone(), definition, port);
        }
        if !local.is_at(run) {
            return;
        }
        match (&local.state, result) {
            (State::Starting { .. }, Ok(())) => {
                (local.state, local.age) = (State::Running { since: now }, Span(0));
                local.begin_checks(now);
                self.note_task(&run.id, "running");
            }
            (State::Starting { orders: 2.., .. }, Err(why)) => {
                // That this order failed says nothing of those before it.
                let mut local = local.clone();
                self.stop(now, &mut local, format!("not started: {}", abridge(&why, 200)));
                local.fail_try();
                self.locals.insert(local, None);
            }
            (State::Starting { .. }, Err(why)) => {
                let why = format!("not started: {}", abridge(&why, 200));
                local.state = State::Ended { why, end: End::Failed };
            }
            (
                State::Waiting
                | State::Backoff { .. }
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Ended { .. }
                | State::Over(_)
                | State::Shut,
                _,
            ) => return,
        }
        self.touch(&run.id);
    }

    /// Takes the end of a start.
    pub(super) fn exited(&mut self, now: Time, run: &Run, exit: &Exit) {
        self.inspection.saw_end(now, run, exit);
        if !self.inspection.has_begun() {
            return;
        }
        if self.relics.contains_key(run) {
            return self.relic_ended(run);
        }
        let Some(local) = self.locals.get_mut(&run.id).filter(|local| local.is_at(run)) else { return };
        match &mut local.state {
            State::Starting { .. } | State::Running { .. } => {
                local.state = State::Ended { why: in_words(exit), end: End::of(exit) }
            }
            // It may have come to its own end before the order reached it.
            State::Stopping { why, end, .. } => {
                let end = if End::of(exit) == End::Completed { End::Completed } else { *end };
                local.state = State::Ended { why: core::mem::take(why), end };
            }
            State::Waiting | State::Backoff { .. } | State::Ended { .. } | State::Over(_) | State::Shut => {
                return;
            }
        }
        self.touch(&run.id);
    }
}

/// Says how a run ended.
pub(super) fn in_words(exit: &Exit) -> String {
    match (exit.out_of_memory, exit.signal, exit.code) {
        (true, ..) => "killed for its memory".to_string(),
        (false, Some(signal), _) => format!("killed by signal {signal}"),
        (false, None, Some(code)) => format!("exited with code {code}"),
        (false, None, None) => "ended unseen".to_string(),
    }
}

/// Gives how long to wait before a restart: doubling, jittered by a quarter either way, bounded.
fn restart_delay(policy: &RestartPolicy, failures: u32, salt: u64) -> Span {
    let full = policy.delay.0.saturating_mul(1 << failures.min(32)).min(policy.max_delay.0);
    let jittered = full - full / 4 + salt % (full / 2 + 1);
    Span(jittered.min(policy.max_delay.0))
}
