//! What a start that is under way waits for, as its executors tell it, and how often that is said.
//!
//! **Invariant:** of one start no more is said than once in so long, and only what has changed.

use super::Agent;
use super::local::{Local, State};
use crate::machine::{Span, Time};
use crate::record::shorten;
use crate::work::Run;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

/// How often it is said. A start that takes no longer costs the store nothing more.
const SAID_EVERY: Span = Span::secs(5);

/// What one start waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// As last told by its executors.
    heard: String,
    /// As last said.
    pub(super) said: Option<String>,
    /// Nothing else is said before.
    next: Time,
}

impl Progress {
    /// Tells when there is something to say.
    pub(super) fn due(&self) -> Option<Time> {
        (self.said.as_ref() != Some(&self.heard)).then_some(self.next)
    }
}

impl Local {
    /// Says what its start waits for, where that is due.
    pub(super) fn say_progress(&mut self, now: Time) {
        let State::Starting { progress: Some(progress), .. } = &mut self.state else { return };
        if progress.due().is_some_and(|due| due <= now) {
            progress.said = Some(progress.heard.clone());
            progress.next = now + SAID_EVERY;
        }
    }
}

impl Agent {
    /// Takes what a start waits for.
    pub(super) fn starting(&mut self, run: &Run, what: &str) {
        let Some(local) = self.locals.get_mut(&run.id).filter(|local| local.is_at(run)) else { return };
        let State::Starting { since, progress, .. } = &mut local.state else { return };
        let heard = shorten(what, 200).to_string();
        match progress {
            Some(progress) => progress.heard = heard,
            None => *progress = Some(Box::new(Progress { heard, said: None, next: *since + SAID_EVERY })),
        }
        self.touch(&run.id);
    }
}
