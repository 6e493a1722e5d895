//! How the agent ends: leaving everything as it is for its next start, or after everything was stopped.
//!
//! **Invariant:** what is being started as the agent ends in order is not blamed for that, if the store can be told.

use super::local::{End, Local, Relic, State};
use super::{Agent, Effect};
use crate::machine::{Span, Time};
use crate::model::{Health, Name, Phase};
use alloc::string::ToString;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What stopping everything may take beyond the longest grace.
const PATIENCE: Span = Span::secs(10);
/// How long the last words may take.
const LAST_WORDS: Span = Span::secs(2);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Leaving {
    /// Everything is left as it is.
    #[serde(default)]
    keeps: bool,
    /// Stops that are not answered by then are not waited for.
    until: Time,
    /// Everything is stopped; what became of it is being written until then.
    last_words: Option<Time>,
    over: bool,
}

impl Leaving {
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn wake_at(&self) -> Option<Time> {
        Some(self.last_words.unwrap_or(self.until))
    }
}

impl Agent {
    pub(super) fn shut_down(&mut self, now: Time, keep: bool) {
        if keep {
            return self.leave_as_it_is(now);
        }
        if self.leaving.is_none() {
            let graces =
                self.locals.values().map(Local::patience).chain(self.relics.values().map(Relic::patience));
            let until = now + graces.max().unwrap_or_default() + PATIENCE;
            self.leaving = Some(Leaving { keeps: false, until, last_words: None, over: false });
            self.touch_all();
        }
    }

    /// Ends as soon as the store was told what is not to blame for that, or is not being started any more. Asked again, it
    /// ends at once.
    fn leave_as_it_is(&mut self, now: Time) {
        let is_starting = |local: &&Local| {
            let said = self.stored.get(&local.task.id).and_then(|stored| stored.of(local));
            let is_said = said.is_some_and(|status| status.phase == Phase::Starting && !status.left);
            is_said || local.is_unproven() || matches!(local.state, State::Starting { .. })
        };
        let starting: Vec<Name> =
            self.locals.values().filter(is_starting).map(|local| local.task.id.clone()).collect();
        if self.leaving.is_some() || starting.is_empty() {
            return self.depart(now, Effect::Exit);
        }
        for id in starting {
            if let Some(local) = self.locals.get_mut(&id) {
                // What was told to stop is said to be ending.
                local.left = !matches!(local.state, State::Stopping { .. });
            }
            self.touch(&id);
        }
        let last_words = Some(now + LAST_WORDS);
        self.leaving = Some(Leaving { keeps: true, until: now, last_words, over: false });
    }

    /// Tells whether it ends and leaves everything as it is.
    pub(super) fn leaves_all(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.keeps)
    }

    /// Stops a task because the agent ends.
    pub(super) fn close_down(&mut self, now: Time, local: &mut Local) {
        match &local.state {
            State::Starting { .. } | State::Running { .. } => {
                local.reason = Some("the agent is being shut down".to_string());
                self.stop(now, local, "agent was shut down".to_string());
            }
            State::Stopping { again, .. } if *again <= now => self.stop_again(now, local),
            State::Ended { end: End::Completed, .. } if local.task.once.is_some() => self.complete(local),
            State::Ended { .. } => {
                local.state = State::Shut;
                local.attempt = local.attempt.saturating_add(1);
                local.health = Health::Unknown;
                local.reason = Some("agent was shut down".to_string());
            }
            State::Stopping { .. }
            | State::Waiting
            | State::Backoff { .. }
            | State::Over(_)
            | State::Shut => {}
        }
    }

    /// Ends when all is done, or has taken too long.
    pub(super) fn leave(&mut self, now: Time) {
        if self.leaving.is_none() {
            return;
        }
        let live = !self.relics.is_empty() || self.locals.values().any(|local| local.is_live());
        let is_idle = self.writer.is_idle() || self.tenure().is_none();
        let Some(leaving) = &mut self.leaving else { return };
        if leaving.last_words.is_none() && (!live || leaving.until <= now) {
            leaving.last_words = Some(now + LAST_WORDS);
        }
        let is_said = leaving.last_words.is_some_and(|until| is_idle || until <= now);
        if is_said && !leaving.over {
            self.depart(now, Effect::Exit);
        }
    }

    /// Ends now, and says how as its last effect.
    pub(super) fn depart(&mut self, now: Time, last: Effect) {
        let mut requests = Vec::new();
        self.session.close(&mut requests);
        self.request(requests);
        self.leaving = Some(Leaving { keeps: self.leaves_all(), until: now, last_words: None, over: true });
        self.out.push(last);
    }
}
