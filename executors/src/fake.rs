//! An executor that only pretends, for tests of what drives executors and for agents without a machine.
//!
//! Time is tokio's, so a test that pauses the clock runs at once.

use crate::{EXIT_UNSEEN, Exec, Executor, Failure, Said};
use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::model::{Check, Usage};
use callboard_core::work::{Exit, Found, Run, Spec};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::Instant;

/// How pretended tasks behave. The default starts at once and runs until it is stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// How long starting takes.
    pub start_delay: Span,
    /// Makes each start fail, after the delay, with this message.
    pub start_error: Option<String>,
    /// Makes each task end by itself after this long.
    pub exit_after: Option<(Span, Exit)>,
    /// Only killing ends it.
    pub ignores_term: bool,
    /// Makes each stop fail, with this message, and the task live on.
    pub stop_error: Option<String>,
    /// Makes each health check fail, with this message.
    pub check_error: Option<String>,
    /// Memory each task uses, MiB.
    pub memory: u64,
    /// Processor use of each task, 1024 a core; `None` where it is not measured.
    pub cpu: Option<u64>,
    /// What each task writes.
    pub output: String,
}

/// A pretended machine, which outlives the executors over it as a real one does.
#[derive(Default)]
pub struct Host {
    runs: Mutex<BTreeMap<Run, Entry>>,
    behaviours: Mutex<BTreeMap<String, Behaviour>>,
    silent: Mutex<Option<String>>,
}

struct Entry {
    spec: Option<Arc<Spec>>,
    since: Instant,
    state: watch::Sender<State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Live,
    Stopped,
    Ended(Exit, Option<Failure>),
}

/// Pretends to run tasks on a [`Host`].
#[derive(Clone, Default)]
pub struct Fake {
    host: Arc<Host>,
}

impl Fake {
    /// Makes an executor over a machine that may already run something.
    #[must_use]
    pub fn over(host: Arc<Host>) -> Fake {
        Fake { host }
    }

    /// Gives the machine, to put another executor over it.
    #[must_use]
    pub fn host(&self) -> Arc<Host> {
        Arc::clone(&self.host)
    }

    /// Sets how tasks of a definition behave from their next start on. `memory`, `cpu` and the errors of stop and
    /// check take effect at once.
    pub fn behave(&self, task_name: &str, behaviour: Behaviour) {
        lock(&self.host.behaviours).insert(task_name.to_string(), behaviour);
    }

    /// Ends a live run as if by itself. Does nothing to any other.
    pub fn end(&self, run: &Run, exit: Exit) {
        if let Some(entry) = lock(&self.host.runs).get(run) {
            end(&entry.state, exit);
        }
    }

    /// Makes it unable to tell what runs, from now on, with this message.
    pub fn silence(&self, why: &str) {
        *lock(&self.host.silent) = Some(why.to_string());
    }

    fn behaviour(&self, spec: Option<&Arc<Spec>>) -> Behaviour {
        let name = spec.map(|spec| spec.definition.name.to_string()).unwrap_or_default();
        lock(&self.host.behaviours).get(&name).cloned().unwrap_or_default()
    }

    /// Enters a run as starting; `Err` with its state when it is known already.
    fn enter(&self, spec: &Arc<Spec>) -> Result<watch::Sender<State>, watch::Receiver<State>> {
        let mut runs = lock(&self.host.runs);
        if let Some(entry) = runs.get(&spec.run()) {
            return Err(entry.state.subscribe());
        }
        let state = watch::Sender::new(State::Starting);
        runs.insert(
            spec.run(),
            Entry { spec: Some(Arc::clone(spec)), since: Instant::now(), state: state.clone() },
        );
        Ok(state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn duration(span: Span) -> Duration {
    Duration::from_millis(span.0)
}

fn end(state: &watch::Sender<State>, exit: Exit) {
    state.send_if_modified(|state| {
        let live = *state == State::Live;
        if live {
            *state = State::Ended(exit, None);
        }
        live
    });
}

fn killed(signal: i32) -> Exit {
    Exit { signal: Some(signal), ..EXIT_UNSEEN }
}

#[async_trait]
impl Executor for Fake {
    async fn start(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
        let state = match self.enter(spec) {
            Ok(state) => state,
            Err(mut known) => {
                let state = known.wait_for(|state| *state != State::Starting).await;
                return match state.as_deref() {
                    Ok(State::Stopped) => Err(Failure("it was stopped before it was started".to_string())),
                    Ok(State::Ended(_, Some(failure))) => Err(failure.clone()),
                    Ok(State::Starting | State::Live | State::Ended(_, None)) | Err(_) => Ok(()),
                };
            }
        };
        let behaviour = self.behaviour(Some(spec));
        tokio::select! {
            () = tokio::time::sleep(duration(behaviour.start_delay)) => {}
            () = async { let _ = state.subscribe().wait_for(|state| *state != State::Starting).await; } => {}
        }
        let mut result = Ok(());
        state.send_modify(|state| {
            let failure = match (&state, behaviour.start_error) {
                (State::Starting, None) => return *state = State::Live,
                (State::Starting, Some(message)) => Failure(message),
                (State::Live | State::Stopped | State::Ended(..), _) => {
                    Failure("it was stopped while it was being started".to_string())
                }
            };
            result = Err(failure.clone());
            *state = State::Ended(EXIT_UNSEEN, Some(failure));
        });
        if result.is_ok()
            && let Some((after, exit)) = behaviour.exit_after
        {
            tokio::spawn(async move {
                tokio::time::sleep(duration(after)).await;
                end(&state, exit);
            });
        }
        result
    }

    async fn stop(&self, run: &Run, grace: Option<Span>) -> Result<(), Failure> {
        let (spec, state) = {
            let mut runs = lock(&self.host.runs);
            let (since, state) = (Instant::now(), watch::Sender::new(State::Stopped));
            let stopped = || Entry { spec: None, since, state };
            let entry = runs.entry(run.clone()).or_insert_with(stopped);
            (entry.spec.clone(), entry.state.clone())
        };
        let behaviour = self.behaviour(spec.as_ref());
        if let Some(message) = behaviour.stop_error {
            return Err(Failure(message));
        }
        state.send_if_modified(|state| {
            let starting = *state == State::Starting;
            if starting {
                let failure = Failure("it was stopped while it was being started".to_string());
                *state = State::Ended(EXIT_UNSEEN, Some(failure));
            }
            starting
        });
        if behaviour.ignores_term && *state.borrow() == State::Live {
            let own = || spec.as_ref().map_or(Span(0), |spec| spec.definition.kill_timeout);
            tokio::time::sleep(duration(grace.unwrap_or_else(own))).await;
            end(&state, killed(9));
        }
        end(&state, killed(15));
        Ok(())
    }

    async fn exited(&self, run: &Run) -> Exit {
        let known = lock(&self.host.runs).get(run).map(|entry| entry.state.subscribe());
        let Some(mut state) = known else { return EXIT_UNSEEN };
        let over = state.wait_for(|state| matches!(state, State::Ended(..) | State::Stopped)).await;
        match over.as_deref() {
            Ok(State::Ended(exit, _)) => exit.clone(),
            Ok(State::Starting | State::Live | State::Stopped) | Err(_) => EXIT_UNSEEN,
        }
    }

    async fn inspect(&self) -> Result<Vec<Found>, Failure> {
        if let Some(why) = lock(&self.host.silent).clone() {
            return Err(Failure(why));
        }
        let runs = lock(&self.host.runs);
        let found = runs.values().filter_map(|entry| {
            let exit = match &*entry.state.borrow() {
                State::Starting | State::Live | State::Stopped => None,
                State::Ended(exit, _) => Some(exit.clone()),
            };
            let spec = entry.spec.clone()?;
            let millis = || u64::try_from(entry.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let age = (exit.is_none() && spec.is_limited()).then(|| Span(millis()));
            Some(Found { spec, exit, age })
        });
        Ok(found.collect())
    }

    async fn remove(&self, run: &Run) -> Result<(), Failure> {
        let mut runs = lock(&self.host.runs);
        let live = |entry: &Entry| matches!(*entry.state.borrow(), State::Starting | State::Live);
        if runs.get(run).is_some_and(live) {
            return Err(Failure(format!("task {} still runs; stop it first", run.id)));
        }
        // A stop that came before its start goes on holding.
        if runs.get(run).is_some_and(|entry| entry.spec.is_some()) {
            runs.remove(run);
        }
        Ok(())
    }

    async fn usage(&self) -> Usage {
        let mut usage = Usage { memory_total: 16 * 1024, ..Usage::default() };
        for (run, entry) in &*lock(&self.host.runs) {
            if *entry.state.borrow() == State::Live {
                let Behaviour { memory, cpu, .. } = self.behaviour(entry.spec.as_ref());
                usage.memory_used += memory;
                *usage.tasks.entry(run.id.clone()).or_default() += memory;
                if let Some(cpu) = cpu {
                    *usage.cpu_used.get_or_insert_default() += cpu;
                    *usage.tasks_cpu.entry(run.id.clone()).or_default() += cpu;
                }
            }
        }
        usage
    }

    async fn tail(&self, run: &Run, bytes_max: usize, since: Option<SystemTime>) -> Result<Vec<u8>, Failure> {
        let runs = lock(&self.host.runs);
        let spec = runs.get(run).and_then(|entry| entry.spec.as_ref());
        let spec = spec.ok_or_else(|| Failure(format!("there is no such run of task {}", run.id)))?;
        if since.is_some_and(|since| since > SystemTime::now()) {
            return Ok(Vec::new());
        }
        let output = self.behaviour(Some(spec)).output.into_bytes();
        Ok(output[output.len().saturating_sub(bytes_max)..].to_vec())
    }

    /// The program gives back what it reads.
    async fn exec(&self, run: &Run, mut exec: Exec) -> Result<i32, Failure> {
        if !lock(&self.host.runs).get(run).is_some_and(|entry| *entry.state.borrow() == State::Live) {
            return Err(Failure("the task does not run".to_string()));
        }
        while let Some(piece) = exec.input.recv().await {
            if exec.output.send(Said::Out(piece)).await.is_err() {
                break;
            }
        }
        Ok(0)
    }

    async fn script(&self, spec: &Arc<Spec>, _: &str, timeout: Span) -> Result<(), Failure> {
        let behaviour = self.behaviour(Some(spec));
        tokio::time::sleep(duration(Span(timeout.0.min(1)))).await;
        behaviour.check_error.map_or(Ok(()), |message| Err(Failure(message)))
    }

    /// Nothing listens anywhere, so nothing is connected to.
    async fn probe(&self, spec: &Arc<Spec>, _: &Check) -> Result<(), String> {
        self.behaviour(Some(spec)).check_error.map_or(Ok(()), Err)
    }
}
