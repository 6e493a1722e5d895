//! Makes one executor of several. Each container of a task goes to the executor of its type; the task is the whole:
//! it starts when all parts do, and when one part ends the others are stopped.
//!
//! **Invariant:** which executors hold a part of a run follows from its specification alone, so that a part that
//! never came to be counts as ended instead of being forgotten.

use crate::exec::choose;
use crate::known::Known;
use crate::machine::Machine;
use crate::question::Question;
use crate::{EXIT_UNSEEN, Exec, Executor, Failure};
use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::model::{TaskDefinition, Usage};
use callboard_core::work::{Exit, Found, Inventory, Run, Spec};
use futures_util::future::{join_all, select_all};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// How long one executor may take to tell what its tasks use, before the others are heard without it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for what its tasks are. What is told later counts for nothing, so that one which is slow is heard at last: less
/// than the 30 s after which an agent counts it as silent.
const INVENTORY_PATIENCE: Duration = Duration::from_secs(25);
/// How soon it is tried again to stop what must not be left.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Dispatches by the type of a task's containers, `bash` or `docker`. An executor ignores the containers that are not
/// of its type.
pub struct ByKind {
    kinds: BTreeMap<&'static str, Arc<dyn Executor>>,
    known: Known,
    /// What each is asked.
    asked: BTreeMap<&'static str, Asked>,
    machine: Machine,
    /// What the tasks of each used when it last told.
    told: Mutex<BTreeMap<&'static str, Usage>>,
}

/// What one executor is asked beside all others.
#[derive(Default)]
struct Asked {
    usage: Question<Usage>,
    /// Which comes with the round in which it was asked.
    inspection: Question<(u64, Result<Vec<Found>, Failure>)>,
}

impl ByKind {
    /// Combines executors, by the type of container each one runs.
    #[must_use]
    pub fn new(kinds: BTreeMap<&'static str, Arc<dyn Executor>>) -> ByKind {
        let asked = kinds.keys().map(|kind| (*kind, Asked::default())).collect();
        let machine = Machine::default();
        ByKind { kinds, known: Known::default(), asked, machine, told: Mutex::default() }
    }

    /// Lists the types on offer, for the host's registration.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        self.kinds.keys().map(ToString::to_string).collect()
    }

    /// Gives who runs a part of it, in the order in which the definition names them first.
    fn parts(&self, definition: &TaskDefinition) -> Result<Vec<&Arc<dyn Executor>>, Failure> {
        let mut wanted: Vec<&str> = Vec::new();
        for kind in definition.containers.iter().map(|part| part.executor.kind()) {
            if !wanted.contains(&kind) {
                wanted.push(kind);
            }
        }
        wanted.into_iter().map(|kind| self.part(kind)).collect()
    }

    fn part(&self, kind: &str) -> Result<&Arc<dyn Executor>, Failure> {
        self.kinds.get(kind).ok_or_else(|| {
            let offer = match self.kinds.is_empty() {
                true => "none".to_string(),
                false => self.kinds().join(", "),
            };
            Failure(format!(
                "this host offers no executor of type {kind} (it offers: {offer}); enable it in the agent's \
                 configuration or place the task elsewhere"
            ))
        })
    }

    /// Tells what a run was made of, and learns it where that is not known, as after a restart.
    async fn known(&self, run: &Run) -> Option<Arc<TaskDefinition>> {
        if self.known.get(run).is_none() {
            let _ = self.inventory().await;
        }
        self.known.get(run)
    }

    /// Gives who may hold a part of a run: all where it is not known what it is made of.
    fn holders(&self, run: &Run) -> Vec<&Arc<dyn Executor>> {
        match self.known.get(run).map(|definition| self.parts(&definition)) {
            Some(Ok(parts)) => parts,
            Some(Err(_)) | None => self.kinds.values().collect(),
        }
    }

    /// Adds up what all use. One that does not tell within a time is unfit, the others are heard without it, and its tasks
    /// count with what they used before.
    async fn usage_within(&self, patience: Duration) -> Usage {
        let mut whole = self.machine.usage();
        let asked = self
            .kinds
            .values()
            .cloned()
            .zip(self.asked.values())
            .map(|(executor, asked)| asked.usage.ask(patience, async move { executor.usage().await }));
        let answers = join_all(asked).await;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, answer) in self.kinds.keys().zip(answers) {
            match answer {
                Some(part) => drop(told.insert(kind, part)),
                None => {
                    let why = silent(patience).0;
                    told.entry(kind).or_default().unfit_for = BTreeMap::from([(kind.to_string(), why)]);
                }
            }
        }
        for part in told.values() {
            for (task, memory) in &part.tasks {
                *whole.tasks.entry(task.clone()).or_default() += memory;
            }
            for (task, cpu) in &part.tasks_cpu {
                *whole.tasks_cpu.entry(task.clone()).or_default() += cpu;
            }
            whole.unfit = whole.unfit.or_else(|| part.unfit.clone());
            whole.unfit_for.extend(part.unfit_for.clone());
        }
        whole
    }

    /// Puts together what all tell of. One that does not tell within a time counts as one that cannot.
    async fn inventory_within(&self, patience: Duration) -> Result<Inventory, Failure> {
        let round = self.known.ask();
        let asked = self.kinds.values().cloned().zip(self.asked.values()).map(|(executor, asked)| {
            asked.inspection.ask(patience, async move { (round, executor.inspect().await) })
        });
        let (mut runs, mut quiet) = (BTreeMap::<Run, Found>::new(), BTreeMap::new());
        let mut told = BTreeMap::new();
        for (kind, answer) in self.kinds.keys().zip(join_all(asked).await) {
            let (round, found) = answer.unwrap_or_else(|| (round, Err(silent(patience))));
            let found = match found {
                Ok(found) => found,
                Err(failure) if self.kinds.len() == quiet.len() + 1 => return Err(failure),
                Err(failure) => {
                    quiet.insert(kind.to_string(), failure.0);
                    continue;
                }
            };
            told.insert(*kind, round);
            for part in found {
                self.known.learn(&part.spec.run(), &part.spec.definition);
                let whole = runs.entry(part.spec.run()).or_insert_with(|| part.clone());
                if part.exit.is_none() {
                    whole.exit = None;
                }
                whole.age = whole.age.max(part.age);
            }
        }
        self.known.compare(&told, |run| runs.contains_key(run));
        Ok(Inventory { found: runs.into_values().collect(), silent: quiet })
    }
}

async fn stop_all(parts: &[&Arc<dyn Executor>], run: &Run, grace: Option<Span>) -> Result<(), Failure> {
    let stops = parts.iter().map(|executor| executor.stop(run, grace));
    join_all(stops).await.into_iter().collect()
}

/// Stops all parts of a run of which one has ended, however long it takes: nothing may be left when that is told.
async fn stop_surely(parts: &[&Arc<dyn Executor>], run: &Run, grace: Span) {
    while let Err(failure) = stop_all(parts, run, Some(grace)).await {
        tracing::warn!(task = %run.id, %failure, "one part has ended, another cannot be stopped; trying again");
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

#[async_trait]
impl Executor for ByKind {
    async fn start(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
        let parts = self.parts(&spec.definition)?;
        self.known.learn(&spec.run(), &spec.definition);
        for (index, part) in parts.iter().enumerate() {
            if let Err(failure) = part.start(spec).await {
                // Of itself nothing is left, and what comes after it was not started.
                stop_surely(&parts[..index], &spec.run(), spec.definition.kill_timeout).await;
                return Err(failure);
            }
        }
        // While it was not there yet, it may have been missed.
        self.known.learn(&spec.run(), &spec.definition);
        Ok(())
    }

    fn progress(&self, spec: &Spec) -> Vec<watch::Receiver<String>> {
        let parts = self.parts(&spec.definition).unwrap_or_default();
        parts.into_iter().flat_map(|part| part.progress(spec)).collect()
    }

    async fn stop(&self, run: &Run, grace: Option<Span>) -> Result<(), Failure> {
        stop_all(&self.holders(run), run, grace).await
    }

    async fn exited(&self, run: &Run) -> Exit {
        let Some(definition) = self.known(run).await else { return EXIT_UNSEEN };
        let Ok(parts) = self.parts(&definition) else { return EXIT_UNSEEN };
        if parts.is_empty() {
            return EXIT_UNSEEN;
        }
        let single = parts.len() == 1;
        let (exit, ..) = select_all(parts.into_iter().map(|part| part.exited(run))).await;
        if !single {
            stop_surely(&self.holders(run), run, definition.kill_timeout).await;
        }
        exit
    }

    async fn inspect(&self) -> Result<Vec<Found>, Failure> {
        let Inventory { found, silent } = self.inventory().await?;
        silent.into_values().next().map_or(Ok(found), |why| Err(Failure(why)))
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        self.inventory_within(INVENTORY_PATIENCE).await
    }

    fn learn(&self, run: &Run, definition: &Arc<TaskDefinition>) {
        self.known.learn(run, definition);
    }

    async fn remove(&self, run: &Run) -> Result<(), Failure> {
        let removals = self.holders(run).into_iter().map(|executor| executor.remove(run));
        join_all(removals).await.into_iter().collect::<Result<(), _>>()?;
        self.known.forget(run);
        Ok(())
    }

    async fn usage(&self) -> Usage {
        self.usage_within(PATIENCE).await
    }

    async fn tail(&self, run: &Run, bytes_max: usize, since: Option<SystemTime>) -> Result<Vec<u8>, Failure> {
        let mut failure =
            Failure(format!("there is no run {} of task {} on this host", run.generation, run.id));
        for executor in self.holders(run) {
            match executor.tail(run, bytes_max, since).await {
                Ok(output) => return Ok(output),
                Err(other) => failure = other,
            }
        }
        Err(failure)
    }

    async fn exec(&self, run: &Run, exec: Exec) -> Result<i32, Failure> {
        let definition = self.known(run).await.ok_or_else(|| Failure("the task does not run".to_string()))?;
        let containers = definition.containers.iter();
        let kinds = containers.map(|container| (container, container.executor.kind()));
        self.part(choose(&definition, kinds, exec.container.as_deref())?)?.exec(run, exec).await
    }

    async fn script(&self, spec: &Arc<Spec>, command: &str, timeout: Span) -> Result<(), Failure> {
        // A script check belongs to the task; it runs where the container does that stands for it.
        match spec.definition.leader() {
            Some(first) => self.part(first.executor.kind())?.script(spec, command, timeout).await,
            None => Err(Failure("the task has no container".to_string())),
        }
    }
}

fn silent(patience: Duration) -> Failure {
    Failure(format!("it did not answer within {} ms", patience.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Does what a fake does, and uses this much after a while: at first, and from then on. What is unfit cannot be
    /// inspected, nor stop anything.
    struct Measured(Usage, [Duration; 2], AtomicUsize);

    #[async_trait]
    impl Executor for Measured {
        async fn start(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
            Fake::default().start(spec).await
        }
        async fn stop(&self, run: &Run, grace: Option<Span>) -> Result<(), Failure> {
            match self.0.unfit_for.values().next() {
                Some(why) => Err(Failure(why.clone())),
                None => Fake::default().stop(run, grace).await,
            }
        }
        async fn exited(&self, run: &Run) -> Exit {
            Fake::default().exited(run).await
        }
        async fn inspect(&self) -> Result<Vec<Found>, Failure> {
            tokio::time::sleep(self.1[0]).await;
            match self.0.unfit_for.values().next() {
                Some(why) => Err(Failure(why.clone())),
                None => Fake::default().inspect().await,
            }
        }
        async fn remove(&self, run: &Run) -> Result<(), Failure> {
            Fake::default().remove(run).await
        }
        async fn usage(&self) -> Usage {
            let asked = self.2.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.1[asked.min(1)]).await;
            self.0.clone()
        }
        async fn tail(&self, run: &Run, most: usize, since: Option<SystemTime>) -> Result<Vec<u8>, Failure> {
            Fake::default().tail(run, most, since).await
        }
        async fn exec(&self, run: &Run, exec: Exec) -> Result<i32, Failure> {
            Fake::default().exec(run, exec).await
        }
        async fn script(&self, spec: &Arc<Spec>, command: &str, timeout: Span) -> Result<(), Failure> {
            Fake::default().script(spec, command, timeout).await
        }
    }

    fn measured(usage: Usage, takes: [u64; 2]) -> Arc<dyn Executor> {
        Arc::new(Measured(usage, takes.map(Duration::from_secs), AtomicUsize::new(0)))
    }

    fn using(task: &str, memory: u64) -> Usage {
        let tasks = BTreeMap::from([(task.into(), memory)]);
        Usage { tasks_cpu: tasks.clone(), tasks, ..Usage::default() }
    }

    #[tokio::test]
    async fn an_executor_that_is_unfit_or_silent_is_no_matter_of_the_others() {
        let check = async |docker: Arc<dyn Executor>, used: Option<u64>, expect: [&str; 2]| {
            let bash = measured(using("web-1", 7), [0, 0]);
            let both = ByKind::new(BTreeMap::from([("bash", bash), ("docker", docker)]));
            for expect in expect {
                let usage = both.usage_within(Duration::from_millis(50)).await;
                assert_eq!(usage.tasks.get("web-1"), Some(&7));
                assert_eq!(usage.tasks.get("db-1").copied(), used);
                assert_eq!(usage.tasks_cpu, usage.tasks);
                assert_eq!((usage.unfit, usage.unfit_for.get("bash")), (None, None));
                assert_eq!(usage.unfit_for.get("docker").map_or("", String::as_str), expect);
            }
        };
        let silent = "it did not answer within 50 ms";
        let away = BTreeMap::from([("docker".into(), "it is away".into())]);
        check(measured(using("db-1", 3), [0, 0]), Some(3), ["", ""]).await;
        check(measured(Usage { unfit_for: away, ..Usage::default() }, [0, 0]), None, ["it is away"; 2]).await;
        check(measured(Usage::default(), [60, 60]), None, [silent; 2]).await;
        // What its tasks used when it last told still counts.
        check(measured(using("db-1", 3), [0, 60]), Some(3), ["", silent]).await;
    }

    #[tokio::test]
    async fn one_that_cannot_tell_what_it_runs_hides_nothing_of_the_others() {
        let away = BTreeMap::from([("docker".into(), "it is away".into())]);
        let away = measured(Usage { unfit_for: away, ..Usage::default() }, [0, 0]);
        let hangs = measured(Usage::default(), [60, 60]);
        let patience = Duration::from_millis(50);
        for (docker, expect) in [(away, "it is away"), (hangs, "it did not answer within 50 ms")] {
            let bash = measured(Usage::default(), [0, 0]);
            let both = ByKind::new(BTreeMap::from([("bash", bash), ("docker", docker.clone())]));
            let inventory = both.inventory_within(patience).await.unwrap();
            assert_eq!(inventory.silent, BTreeMap::from([("docker".to_string(), expect.to_string())]));
            let alone = ByKind::new(BTreeMap::from([("docker", docker)]));
            assert_eq!(alone.inventory_within(patience).await, Err(Failure(expect.to_string())));
        }
    }

    #[tokio::test]
    async fn only_those_are_asked_to_stop_a_run_that_may_have_a_part_of_it() {
        let away = BTreeMap::from([("docker".into(), "it is away".into())]);
        let docker = measured(Usage { unfit_for: away, ..Usage::default() }, [0, 0]);
        let bash = measured(Usage::default(), [0, 0]);
        let both = ByKind::new(BTreeMap::from([("bash", bash), ("docker", docker)]));
        let run = Run { id: "web-1".into(), generation: 1, attempt: 0 };
        let is_away = Err(Failure("it is away".into()));
        assert_eq!(both.stop(&run, Some(Span(1))).await, is_away, "nobody knows what it is made of");
        both.learn(&run, &made_of(&["bash", "docker"]));
        assert_eq!(both.stop(&run, Some(Span(1))).await, is_away);
        both.learn(&run, &made_of(&["bash"]));
        assert_eq!(both.stop(&run, Some(Span(1))).await, is_away, "what was known of it first holds");
        let other = Run { attempt: run.attempt + 1, ..run };
        both.learn(&other, &made_of(&["bash"]));
        assert_eq!(both.stop(&other, Some(Span(1))).await, Ok(()));
        assert_eq!(both.remove(&other).await, Ok(()));
    }

    fn made_of(kinds: &[&str]) -> Arc<TaskDefinition> {
        let kinds: Vec<String> = kinds
            .iter()
            .map(|kind| format!(r#"{{"name":"{kind}","type":"{kind}","executor":{{}}}}"#))
            .collect();
        let definition =
            format!(r#"{{"name":"web","version":1,"memory":1,"containers":[{}]}}"#, kinds.join(","));
        callboard_core::record::read::<TaskDefinition>(&definition).unwrap().into()
    }

    #[tokio::test]
    async fn nothing_is_known_for_ever_whatever_comes_first() {
        let steps = ["start", "stop", "remove"];
        let orders = (0..27).map(|n| [n / 9, n / 3 % 3, n % 3].map(|step| steps[step]));
        for (number, order) in orders.enumerate() {
            for kinds in [&["bash"][..], &["docker"], &["bash", "docker"]] {
                let fakes = [Fake::default(), Fake::default()];
                let [bash, docker] = fakes.clone().map(|fake| Arc::new(fake) as Arc<dyn Executor>);
                let both = ByKind::new(BTreeMap::from([("bash", bash), ("docker", docker)]));
                let task = format!(
                    r#"{{"id":"web-1","cluster":"c","service":"web","task_name":"web","version":1,"instance":0,
                        "generation":{number},"host":"h","memory":1,"desired":"run","reason":"","tenure":1}}"#
                );
                let task = callboard_core::record::read(&task).unwrap();
                let spec = Arc::new(Spec { task, definition: made_of(kinds), attempt: 0 });
                let run = spec.run();
                for step in order {
                    // Some cannot be done, as to remove what runs.
                    let _ = match step {
                        "start" => both.start(&spec).await,
                        "stop" => {
                            both.learn(&run, &spec.definition);
                            both.stop(&run, Some(Span(1))).await
                        }
                        _ => both.remove(&run).await,
                    };
                }
                let found = both.inventory().await.unwrap().found;
                assert_eq!(both.known.count(), found.len(), "{order:?} {kinds:?}: {found:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_was_started_since_an_executor_was_asked_is_known_when_it_tells() {
        let bash = measured(Usage::default(), [1, 0]);
        let both = ByKind::new(BTreeMap::from([("bash", bash)]));
        let (before, since) =
            [1, 2].map(|generation| Run { id: "web-1".into(), generation, attempt: 0 }).into();
        both.learn(&before, &made_of(&["bash"]));
        assert!(both.inventory_within(Duration::from_millis(50)).await.is_err(), "it takes a second");
        both.learn(&since, &made_of(&["bash"]));
        assert_eq!(both.inventory_within(Duration::from_secs(20)).await.unwrap().found, []);
        assert_eq!((both.known.get(&before).is_some(), both.known.get(&since).is_some()), (false, true));
    }

    #[tokio::test]
    async fn a_machine_that_is_unfit_is_unfit_for_all() {
        let full = Usage { unfit: Some("no space".into()), ..Usage::default() };
        let both = ByKind::new(BTreeMap::from([
            ("bash", measured(full, [0, 0])),
            ("docker", measured(Usage::default(), [0, 0])),
        ]));
        let usage = both.usage_within(Duration::from_millis(50)).await;
        assert_eq!((usage.unfit.as_deref(), usage.unfit_for.is_empty()), (Some("no space"), true));
    }
}
