//! What is known of runs: what the engine holds of each, and what it cannot hold, as a start under way, an order to stop
//! that came before its start, or a start that failed and of which nothing is left.
//!
//! **Invariant:** what changes a run holds its gate, so that a start, a stop and a removal never cross.

use super::labels::{Kept, Phase, Role};
use crate::Failure;
use crate::waits::Waits;
use callboard_core::machine::Span;
use callboard_core::model::{Container, Executor};
use callboard_core::work::{Exit, Run, Spec};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a stop is remembered that came before its start.
const STOP_MEMORY: Duration = Duration::from_secs(600);

/// Why a start did not come to its end that was told to stop.
const STOPPED: &str = "it was stopped while it was being started";

/// What the engine holds of a run.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) spec: Arc<Spec>,
    pub(super) containers: Vec<Kept>,
}

/// How a run stands, by what the engine holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was not started to the end.
    Half,
    Live,
    /// A container whose end is the task's has ended, so the others must.
    Falling,
    /// All its containers have ended, and there are teardown commands left.
    Ended,
    Over,
}

impl Group {
    pub(super) fn standing(&self) -> Standing {
        // All are made before one is started. What is not essential may have ended, and have been cleared away by somebody.
        let is_begun = |container: &Container| {
            let made = self.mains().find(|kept| *kept.container == *container.name);
            made.map_or(!self.spec.definition.is_essential(container), |kept| kept.phase != Phase::Created)
        };
        let has_begun = self.mains().any(|kept| kept.phase != Phase::Created);
        let setting_up = self.containers.iter().any(|kept| kept.role == Role::Setup);
        if setting_up || !has_begun || !self.wanted().all(is_begun) {
            return Standing::Half;
        }
        let is_live = self.live_mains().next().is_some();
        let mut over = self.mains().filter(|kept| kept.phase == Phase::Over);
        match is_live {
            true if over.any(|kept| self.is_essential(kept)) => Standing::Falling,
            true => Standing::Live,
            false if self.teardown_left().next().is_some() => Standing::Ended,
            false => Standing::Over,
        }
    }

    /// Lists what of the definition is run here.
    fn wanted(&self) -> impl DoubleEndedIterator<Item = &Container> {
        let is_docker = |container: &&Container| matches!(container.executor, Executor::Docker(_));
        self.spec.definition.containers.iter().filter(is_docker)
    }

    /// Lists the containers of the task itself.
    pub(super) fn mains(&self) -> impl Iterator<Item = &Kept> {
        self.containers.iter().filter(|kept| kept.role == Role::Main)
    }

    pub(super) fn live_mains(&self) -> impl Iterator<Item = &Kept> {
        self.mains().filter(|kept| kept.phase == Phase::Live)
    }

    /// Tells whether the end of a container is the task's.
    pub(super) fn is_essential(&self, kept: &Kept) -> bool {
        let definition = &self.spec.definition;
        let named = definition.containers.iter().find(|container| *container.name == *kept.container);
        named.is_none_or(|container| definition.is_essential(container))
    }

    /// Gives the id of the image that a container of the task was made from.
    pub(super) fn image_of(&self, container: &str) -> Option<&str> {
        self.mains().find(|kept| kept.container == container)?.image.as_deref()
    }

    /// Lists the teardown commands that were not run to their end, the last container's first: of which container, and
    /// which of its commands, from 0.
    pub(super) fn teardown_left(&self) -> impl Iterator<Item = (&str, usize)> {
        self.wanted().rev().flat_map(|container| {
            let done = self.containers.iter().filter(|kept| {
                kept.role == Role::Teardown && kept.phase == Phase::Over && *kept.container == *container.name
            });
            (done.count()..container.teardown.len()).map(|number| (&*container.name, number))
        })
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Kept> {
        self.containers.iter().filter(|kept| kept.phase == Phase::Live)
    }
}

/// How a run ended of which the engine holds nothing.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) exit: Exit,
    /// Why it did not come to be.
    pub(super) failure: Failure,
    /// The last of what its setup wrote.
    pub(super) output: Vec<u8>,
}

/// What is known of a run here, beside what the engine holds.
pub(super) struct Entry {
    /// Held by whoever starts, stops or removes it.
    pub(super) gate: tokio::sync::Mutex<()>,
    /// The grace, once it was told to stop.
    pub(super) stop: watch::Sender<Option<Span>>,
    /// What its start waits for, in words.
    pub(super) waits: Waits,
    since: Instant,
    known: Mutex<Known>,
}

#[derive(Clone, Default)]
struct Known {
    spec: Option<Arc<Spec>>,
    ending: Option<Ending>,
    /// The time of its teardown is over.
    torn_down: bool,
}

impl Known {
    fn is_of_use(&self) -> bool {
        self.spec.is_some() || self.torn_down
    }
}

impl Entry {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what is being started.
    pub(super) fn begin(&self, spec: &Arc<Spec>) {
        self.known().spec = Some(Arc::clone(spec));
    }

    /// Takes note that nothing of it is left.
    pub(super) fn end(&self, spec: &Arc<Spec>, ending: Ending) {
        *self.known() = Known { spec: Some(Arc::clone(spec)), ending: Some(ending), torn_down: false };
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.known().ending.clone()
    }

    /// Takes note that the time of its teardown is over.
    pub(super) fn tore_down(&self) {
        self.known().torn_down = true;
    }

    pub(super) fn is_torn_down(&self) -> bool {
        self.known().torn_down
    }

    /// Forgets all but an order to stop.
    pub(super) fn forget(&self) {
        *self.known() = Known::default();
    }

    /// Tells what its start waits for.
    pub(super) fn waits_for(&self, what: String) {
        self.waits.tell(what);
    }

    pub(super) fn must_stop(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Refuses another step of a start once it was told to stop.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        match self.must_stop() {
            true => Err(Failure(STOPPED.to_string())),
            false => Ok(()),
        }
    }

    /// Does something that may be left off when an order to stop comes.
    pub(super) async fn unless_stopped<T>(
        &self,
        doing: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            _ = stop.wait_for(Option::is_some) => {
                Err(Failure(STOPPED.to_string()))
            }
            done = doing => done,
        }
    }
}

/// All entries.
#[derive(Default)]
pub(super) struct Runs {
    entries: Mutex<BTreeMap<Run, Arc<Entry>>>,
}

impl Runs {
    /// Gives the entry of a run, made when there is none.
    pub(super) fn entry(&self, run: &Run) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let keep = |entry: &Arc<Entry>| {
            Arc::strong_count(entry) > 1 || entry.known().is_of_use() || now - entry.since < STOP_MEMORY
        };
        entries.retain(|_, entry| keep(entry));
        let new = || {
            let (gate, known) = (tokio::sync::Mutex::new(()), Mutex::default());
            let (stop, waits) = (watch::Sender::new(None), Waits::default());
            Arc::new(Entry { gate, stop, waits, since: now, known })
        };
        Arc::clone(entries.entry(run.clone()).or_insert_with(new))
    }

    /// Lists what was begun, and how it ended where nothing of it is left.
    pub(super) fn begun(&self) -> Vec<(Arc<Spec>, Arc<Entry>, Option<Ending>)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.values().map(|entry| (Arc::clone(entry), entry.known().clone()));
        known.filter_map(|(entry, known)| Some((known.spec?, entry, known.ending))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter a container: its phase; capitals for setup. Behind a ~, the first is not essential.
    fn check(of: &str, expect: Standing) {
        let (essential, letters) = (!of.starts_with('~'), of.trim_start_matches('~'));
        let container = |name: &str, essential: bool| {
            serde_json::json!({"name": name, "type": "docker", "essential": essential,
                "executor": {"image": "x"}})
        };
        let containers = [container("0", essential), container("1", true)];
        let definition = serde_json::json!({"name": "d", "version": 1, "containers": containers});
        let task = serde_json::json!({"id": "a-b-1-0", "cluster": "a", "service": "b", "task_name": "d", "version": 1,
            "instance": 0, "generation": 1, "host": "h", "desired": "run", "reason": "", "tenure": 1});
        let spec = serde_json::json!({"task": task, "definition": definition, "attempt": 0});
        let kept = |(number, letter): (usize, char)| Kept {
            id: number.to_string(),
            container: number.to_string(),
            image: None,
            role: if letter.is_ascii_uppercase() { Role::Setup } else { Role::Main },
            phase: match letter.to_ascii_lowercase() {
                'c' => Phase::Created,
                'l' => Phase::Live,
                _ => Phase::Over,
            },
        };
        let containers = letters.chars().enumerate().filter(|(_, letter)| *letter != '-').map(kept).collect();
        let group = Group { spec: Arc::new(serde_json::from_value(spec).unwrap()), containers };
        assert_eq!(group.standing(), expect, "{of}");
    }

    #[test]
    fn a_run_stands_as_its_containers_do() {
        for half in ["l", "-l", "cc", "lc", "oc", "L", "O", "ooO", "llL", ""] {
            check(half, Standing::Half);
        }
        check("ll", Standing::Live);
        check("lo", Standing::Falling);
        check("oo", Standing::Over);
    }

    #[test]
    fn only_an_essential_container_takes_the_others_along() {
        check("~ol", Standing::Live);
        check("~lo", Standing::Falling);
        check("~oo", Standing::Over);
        // Somebody cleared away what had ended.
        check("~-l", Standing::Live);
        check("~-o", Standing::Over);
        check("~-c", Standing::Half);
        check("~cl", Standing::Half);
        check("~l-", Standing::Half);
    }
}
