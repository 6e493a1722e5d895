//! Whether a task that does its work may be stopped: asked once more before the signal, of what the scheduler wrote when
//! it gave the order.
//!
//! **Invariant:** a healthy task is not stopped, whatever the reason of the order, while the store cannot be read, or says
//! that too few others do their work.

use super::local::{Local, State};
use super::{Agent, Key, fetch};
use crate::machine::Time;
use crate::model::{Health, Name, ServiceState};
use crate::store::{Entry, Revision};
use alloc::collections::BTreeSet;
use alloc::format;
use serde::{Deserialize, Serialize};

/// How far the question got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Gate {
    /// Not asked.
    Unasked,
    /// Asked; the task goes on.
    Shut,
    /// It may be stopped.
    Open,
}

impl Agent {
    /// Tells whether a task that was ordered to stop may be stopped now; asks if need be.
    pub(super) fn may_stop(&mut self, now: Time, local: &mut Local) -> bool {
        let key = Key::ServiceState(local.task.service.clone()).path();
        let works = matches!(local.state, State::Running { .. })
            && match local.health {
                Health::Healthy => true,
                Health::Unknown => self.was_said_healthy(local),
                Health::Unhealthy => false,
            };
        if !works {
            if local.gate == Gate::Shut {
                local.gate = Gate::Unasked;
                self.fetches.forget_key(&key, &local.task.id);
            }
            return true;
        }
        match local.gate {
            Gate::Open => return true,
            Gate::Shut => {}
            Gate::Unasked => {
                local.gate = Gate::Shut;
                self.fetches.want(now, &key, &local.task.id, fetch::URGENT);
            }
        }
        false
    }

    /// Takes the answer.
    pub(super) fn fetched_service(
        &mut self,
        key: &str,
        revision: Revision,
        entry: Option<&Entry>,
        ids: &BTreeSet<Name>,
    ) {
        let state = entry.map(|entry| crate::record::read::<ServiceState>(&entry.value));
        let refusal = match state {
            None => None,
            Some(Err(error)) => Some(format!("stop queued: {key} {error}")),
            Some(Ok(state)) if state.available >= state.min => None,
            Some(Ok(state)) => {
                Some(format!("stop queued: only {} of min {} available", state.available, state.min))
            }
        };
        for id in ids {
            let ordered = self.issued.get(id).map_or(Revision(u64::MAX), |issued| issued.revision);
            let Some(local) = self.locals.get_mut(id).filter(|local| local.gate == Gate::Shut) else {
                self.fetches.forget_key(key, id);
                continue;
            };
            // An answer from before the order does not count it yet.
            if revision < ordered {
                continue;
            }
            local.reason.clone_from(&refusal);
            if refusal.is_none() {
                local.gate = Gate::Open;
                self.fetches.forget_key(key, id);
            }
        }
    }
}
